// Package frame builds and reads whole Ethernet frames for tests and demos. It
// shares no code with the dataplane, so that neither can hide the other's
// mistake, and it prefers the obvious way to the fast one.
//
// A frame is a list of layers, outermost first:
//
//	frame.Build(
//		frame.Ether{},
//		frame.IPv4{Src: "10.0.0.1", Dst: "10.0.0.2"},
//		frame.TCP{Src: 1024, Dst: 80, Flags: "S"},
//		frame.Data("hello"))
//
// Lengths, protocol numbers and checksums come out right unless a field asks
// otherwise. A second IP layer behind an ICMP layer is the packet an ICMP error
// complains of; Cut shortens it.
//
// Build panics on an address that does not parse or a combination that makes no
// sense: its input is written by programmers. Decode and VerifyChecksums take
// any bytes and return errors. All functions may be called by several
// goroutines; results are fresh memory.
//
// Limits: no jumbograms, at most two VLAN tags are decoded.
//
// Files in reading order: build.go (layers to bytes), link.go (Ethernet, VLAN,
// ARP, raw data), ip.go (IPv4, IPv6, extension headers), transport.go (TCP,
// UDP, ICMP and the rest), checksum.go, fragment.go, decode.go (bytes to
// fields), verify.go (checksums of a frame).
package frame
