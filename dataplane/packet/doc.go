// Package packet reads and changes the bytes of one frame: parsing, checksums,
// address and port rewriting, and the answers a router makes itself (ICMP
// errors, TCP resets).
//
// Terms. A frame is bytes from the Ethernet header on. The datagram is the IP
// packet in it, header included; the frame may be longer by padding. The tuple
// is what conntrack knows a packet by. A drop reason (Drop) says why a frame
// went no further; INVALID packets are not dropped here but carry a
// flowtable.Reason.
//
// Ownership. A Packet belongs to the worker that parses it and is reused burst
// by burst; Data is a view into that worker's UMEM. Nothing is kept after a
// call returns. Functions have no state but constant tables: different packets
// may be worked on concurrently.
//
// All functions are meant for the packet path: no allocation, no locks, no
// interface calls. What the rewriting functions need (offsets, flags, family,
// protocol) is what Parse found; rewriting changes bytes only, never Probe.
//
// Checksums are patched by difference (RFC 1624), so a checksum that was wrong
// stays wrong and is not repaired by passing through. SCTP's CRC is computed
// anew when a port changes. Checksums left unfinished for hardware are to be
// completed (CompleteChecksum) before the first rewrite.
//
// Limits: two VLAN tags (frames with more are not IP), 16 IPv6 extension
// headers, datagrams of 64 KiB, no jumbograms. Transport checksums are
// verified on request (ChecksumOK), not by Parse.
//
// Files in reading order: drop.go, packet.go, parse.go, parse6.go, hops.go,
// transport.go, icmp.go, checksum.go, rewrite.go, inner.go, payload.go, synproxy.go, store.go,
// answer.go, options.go, build.go, sketch.go.
package packet
