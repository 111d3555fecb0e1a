// Package dataplane runs the firewall: workers that take bursts of frames from
// their queue of every port through conntrack, NAT and rules, and the control
// side that feeds them new rules and routes and reads what they count.
//
// # Terms
//
// A port is a network interface, or what stands for one. Worker i is one
// goroutine on its own thread; it polls queue i of every port and owns shard i
// of the flow table. Tables are one generation of rules and routes, each worker
// having its own copy. A round is one pass over everything a worker polls.
//
// # Ownership
//
// A packet belongs to the worker that owns its flow: a keyed hash of its wire
// tuple, the same for both directions, says which. A worker that receives a
// packet of another copies it into the handover ring between the two. NAT gives
// answers a tuple that may hash to somebody else: that worker finds no flow,
// asks the directory and hands the packet on. Frames never leave the UMEM of
// their worker; a frame belongs to a ring of a port, to the worker's burst, to
// the reassembler or to the free list.
//
// # Concurrency
//
// Workers take no lock, send on no channel and allocate nothing per packet.
// What others touch: the pointer to their tables (exchanged by Publish), the
// epoch (read by Publish to know when the old tables are out of use), the
// mailbox (one request at a time, served in slices between bursts), the
// handover rings and the flow table's directory. With Config.Pin each worker has
// a CPU, and as far as there are CPUs left nothing else of the process runs there.
//
// # Effects
//
// In a burst, stages only compute and prefetch; everything with an effect
// happens packet by packet in arrival order, to completion. So neither the
// size of bursts nor the number of workers changes what comes out.
//
// # Plans
//
// An established packet that left the box leaves a plan behind: counters, mark,
// translation, next hop. The packets of its flow and direction that follow go by
// it, after conntrack, without asking rules and routes again, as long as nothing
// has changed that the walk consulted. Config.WalkAlways turns it off; the result
// is the same. New rules void all plans, new elements of sets that rules ask for packets'
// addresses only those of flows with such an address, new routes and neighbours none:
// what goes where they lead gets another next hop.
//
// # Copies
//
// What a rule copies (dup) is sent in the midst of the packet's walk, from a frame of its
// own. A copy to a next hop is untracked, walks output and postrouting and is not copied
// again; rules see no link header of it, where Linux shows what its memory held. A copy
// for a port leaves at once. Chains at the egress of a port see what leaves by it last,
// after plans too; without any, nobody asks.
//
// # The box's own stack
//
// With PortConfig.Host a port has a second lane, to the stack of the machine:
// what is for the box runs prerouting and input and goes there as received,
// what comes from there runs output and postrouting and leaves by the port.
//
// # Limits
//
// Fragments are collected before any chain, so chains below -400 see whole
// datagrams; a mark, priority or trace that a fragment got at a port's ingress ends there.
// Where nothing is tracked IPv4's chains at input see each fragment for the box, which Linux
// has collected by then. Bridge
// tables see what crosses a wire, not what the box itself answers; IP's chains see packets
// there behind two VLAN tags too, which Linux shows them behind one at most. At most waitHops next hops are waited for at once, with waitFrames
// packets each; datagrams in fragments do not wait. No ICMP redirects are sent, as with
// send_redirects of 0, and source routes are not followed.
//
// Files in reading order: config.go, box.go, ports.go, worker.go, burst.go, below.go, hooks.go,
// plan.go, blocker.go, changed.go, nat.go, natport.go, helper.go, options.go, answer.go, send.go, limiter.go,
// syncookie.go, synproxy.go, fragments.go, datagram.go, waiting.go, handover.go,
// tables.go, publish.go, mailbox.go, walk.go, tool.go, stats.go, profile.go, trace.go, nftrace.go,
// log.go, logline.go, fault.go, pin_linux.go.
package dataplane
