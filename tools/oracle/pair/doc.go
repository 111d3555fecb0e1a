// Package pair drives two contenders with the same frames and compares what
// comes of them: the kernel's nftables and nf_conntrack in a namespace, and a
// sluice box on ports in memory.
//
// # Terms
//
// Both have the same network: interfaces lan and wan with fixed addresses, each
// with Hosts hosts on the link. An outcome is what a burst of frames brought
// about: frames out with their side, conntrack entries, rule counters, conntrack's
// own counters, and what is told of packets that rules trace.
//
// A wire (RunWire, Case.Wire) has the interfaces without addresses: the kernel's
// are ports of a bridge.
//
// # Speed
//
// Namespaces and cables are made once. Frames go through packet sockets on the
// outer ends of the cables; an ARP request behind each burst says by its answer
// that everything before it is through, since all of it runs on one processor.
// Entries are asked for by tuple, and the whole table, which the kernel shares
// between all namespaces, is walked only when their number is not the one it
// says. So a step costs some hundred microseconds.
//
// # Equality
//
// Timeouts may differ by Slack seconds; where a packet came to a UDP flow when it
// was just becoming a stream only one of both may have seen it so, and of two
// listings one may still have an entry in its last second: the script ends there.
// The IPv4 identification of ICMP messages
// that the box itself makes is not compared. What NAT chooses by chance is compared with what the rule allows, and then matched up
// for good: as the entries show it, or the frames of a flow that is over before
// they are listed. An error that quotes such a frame differs as it did when it
// was sent. The cookies and timestamps of a SYN proxy are each side's own, and
// move all numbers of the connection. Everything else is equal byte by byte.
//
// # Concurrency
//
// Everything runs on the one thread that Run makes.
//
// # Limits
//
// Frames for the box itself end there: its own stack is no part of the
// comparison. Entry, counter and frame formats are those of kernel 6.18.
//
// Files in reading order: plan.go (the network), kernel.go, bridge.go, ctnetlink.go, nft.go,
// list.go, tables.go, sluice.go, trace.go, port.go, entry.go, diff.go, edge.go, chance.go, cookie.go.
package pair
