// Package control is how programs on the same machine speak with a running box:
// the socket, what is said over it, and both sides of it.
//
// Terms: a box is a running `sluice run`; its control socket is a unix socket
// that only its owner may use (mode 0600). The socket's path follows from the
// network namespace, so a client finds the box of its own namespace. A script
// is nftables text whose commands apply to the ruleset in force; a transaction
// is one script, all or nothing. The rulebook is the one place that changes a
// box's rules.
//
// Protocol: HTTP/1.1 over the socket. Paths begin with the version, /v1.
//
//	GET    /v1/ping               {"pid", "version"}
//	GET    /v1/status             Status
//	POST   /v1/nft                Request, answers what nft would print, as it is made
//	POST   /v1/iptables/restore   Dump, answers Applied
//	GET    /v1/iptables/save      text as iptables-save; ?ipv6=1 ?counters=1 ?table=NAME
//	POST   /v1/conntrack          conntrack.Command, answers lines as they are made, see below
//	GET    /v1/perf/profile       Profile: accounts of the workers' time
//	POST   /v1/perf/profiling     ?on=1 ?on=0, answers Profile
//	GET    /v1/perf/cpu           ?seconds=N, a CPU profile in pprof's format
//	DELETE /v1/perf/cpu           ends the CPU profile under way
//	GET    /v1/perf/queues        a list of QueueStatus
//	GET    /v1/proc/FILE          text of a file as the kernel's: nf_conntrack, nf_conntrack_expect, stat
//
// An answer other than 200 has the error as text: 422 means that the script is
// wrong, and the text is then laid out as nft does.
//
// A line of an answer to a command of the conntrack tool begins with what it is:
// a space before a row for standard output, ! before what is for standard error,
// = before the last one, a conntrack.Result. Without the last one the answer is
// not complete. Events come as they happen until the client goes.
//
// One box a socket: who claims it holds a lock on a file beside it as long as it
// lives, so a socket whose owner was killed is known to be dead, whatever
// process has its number now.
//
// A script is applied to the rules in force. Counters of what it leaves alone go on,
// and lose nothing; of one that is reset, what it counts between the answer and
// publishing (some milliseconds) is lost. What a request asks is answered behind
// its changes. Who follows nft monitor gets a transaction at a time; 256 may wait
// for a slow reader, and 64 pages of what became of traced packets, then some are
// lost, and it is told.
//
// Ownership and concurrency: Server and Rulebook may be used by any goroutine;
// changes of rules are made one at a time. A Client is for one goroutine.
//
// Limits: 64 MiB a script. A listing of flows is sent as it is made, some
// thousands at a time, and may miss those that come and go meanwhile. Events wait
// for a slow follower up to 32,768, then some are lost, and it is told. Files
// that a script includes are read by the box, so they have to be there in its
// view of the file system.
//
// Files in reading order: socket.go, rulebook.go, tables.go, command.go, recent.go, rulewatch.go, tracewatch.go, status.go, entries.go,
// connections.go, connedit.go, events.go, procfiles.go, profile.go,
// metrics.go, server.go, stream.go, client.go.
package control
