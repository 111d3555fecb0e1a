// Package host is the way between the box and the kernel's own stack, for frames
// that are meant for this machine or come from it: ssh to the box, routing
// daemons, pings, neighbour discovery.
//
// # Terms
//
// The real interface is a port of the box. A path is a veth pair beside it. Its
// box end is a port of the box as well, on AF_XDP; its kernel end has a program:
//
//	wire -> XDP -> box, input hook -> box end ~ kernel end -> inward  -> received by the real interface
//	wire <- AF_XDP <- box, output hook <- box end ~ kernel end <- outward <- sent by the real interface
//
// The inward program (TCX ingress of the kernel end) gives every frame the mark
// Mark and redirects it into the real interface's ingress: the kernel takes it as
// received there, with the packet type that the interface's MAC gives it.
// Multicast, broadcast and VLAN tags work as usual. The outward program (TCX
// egress of the real interface) redirects IPv4 and IPv6, behind up to two VLAN
// tags, to the kernel end; ARP and all other EtherTypes leave as if it were not
// there. What the box itself sends by the real interface passes no tc program,
// so there is no loop.
//
// # Frames of the box end
//
// They are as on a wire: not longer than the MTU, checksums finished, VLAN tags
// inside. The pair's offloads are off, so the kernel does in software what the
// stack has left undone for the real interface, whose own offloads stay as they
// are. Frames given to the box end must be like that too: the kernel checks
// their checksums.
//
// # Life
//
// Open makes the pair, first removing what a killed run has left, and attaches
// the inward program before the pair comes up. The owner opens the queues of
// Port. Activate attaches the box end's XDP program and then the outward program:
// from there on the kernel's IP depends on somebody polling the queues. Close
// takes the outward program away first. When the process is killed the kernel
// removes all programs and speaks by the real interface again; the pair, which
// is then silent, stays for the next Open or CleanLeftovers.
//
// Names are slb<index> and slk<index> with the real interface's index. A pair
// whose kernel end has a program belongs to a running process and is not touched.
//
// # Concurrency
//
// Control side only, one goroutine at a time. Open, Activate and CleanLeftovers
// work in the calling thread's network namespace, Close and SetMTU in that of
// Open from any thread.
//
// # Limits
//
// Linux 6.6 or newer, Ethernet, root. The real interface's XDP program must be
// native: a generic one would take the redirected frames again. Programs that
// others attach to the real interface's egress run before the outward one if
// they were there first; after a redirect none does, nor do classic tc filters.
// A capture on the real interface shows what the box hands in, not what the
// kernel sends. Marks that the kernel's rules set on outgoing frames end in the
// pair. Both ends keep the MTU that the real interface had; see SetMTU.
//
// Files in reading order: path.go, port.go, pair.go, program.go, offload.go.
package host
