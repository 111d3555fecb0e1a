// Command labclients checks a built sluice with real clients and servers:
// `make lab-clients` runs it. It needs root and the programs that `make deps`
// installs.
//
// Terms: the lab is client - router - server of package tools/lab, and a fourth
// node, far, behind the server on a link with a smaller MTU. The box is what
// forwards in the router's namespace: `sluice run` on r0 and r1 with lab.nft,
// or, with -kernel, the kernel with the same rules, to judge the checks
// themselves. Traffic is probes that go on while something is changed: a
// datagram every few milliseconds over IPv4 and IPv6, and a TCP connection each.
//
// Every check prints one line and has a limit of time; checks run in order, for
// some continue what others began. What was started is ended, and what was made
// removed, also on SIGINT and SIGTERM. A line at the end counts; the exit status
// is 0 when all checks passed.
//
// Limits: figures of speed are reported, never judged. Checks of the failure
// kind measure times of up to a second: on a machine that is busy with other
// things they may fail for want of a CPU.
//
// Files in reading order: main.go, check.go, world.go, process.go, box.go,
// servers.go, traffic.go, transfer.go, programs.go, parse.go, related.go,
// policy.go, crash.go, change.go, leave.go.
package main
