// Package lab builds small networks out of network namespaces and veth pairs,
// for demonstrations and tests, and has what these need to look inside: programs
// and sockets in a namespace, raw frames, ping. It needs root, and no program
// but itself.
//
// # Terms
//
// A lab is a client, a router and a server in a namespace each:
//
//	client c0 ------ r0 router r1 ------ s0 server
//	10.77.1.2/24     .1        10.77.2.1/24     .2
//	fd77:1::2/64     ::1       fd77:2::1/64     ::2
//
// The router's kernel forwards, the ends have default routes through it. A node
// is a namespace of a lab. Namespaces are named sl-<lab>-<node> and lie in
// /run/netns, so that `ip netns exec` finds them.
//
// # Ownership and left-overs
//
// Who makes a lab closes it. Interfaces, addresses and routes live and die with
// the namespaces. A lab whose process was killed is removed by CleanLeftovers
// with the lab's name; names from Unique hold the process, so that labs of
// several processes do not clash and those of dead ones are known.
//
// # Concurrency
//
// A thread that has entered a namespace never runs anything else again: Do takes
// a new one and throws it away. Any goroutine may use a Lab. A Tap may be read
// by one goroutine and written by another.
//
// # Limits
//
// Goroutines that a function under Do starts are not in the namespace. Names
// are not resolved in a namespace: addresses are given as numbers. Sockets and
// processes that still run in a namespace keep it alive after Close.
//
// Files in reading order: lab.go, link.go, namespace.go, command.go, dial.go,
// tap.go, ping.go, echo.go, napi.go.
package lab
