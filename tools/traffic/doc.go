// Package traffic has hosts in memory for demos and tests: a client that opens
// many sessions and a server that answers them, each on one queue of a port,
// usually the far end of a pipe whose near end the box polls.
//
// Terms: a session is one exchange between a client address and port and a
// server address and port, of one Kind; the client opens sessions until the
// total is reached and keeps no more than the set number open at once. An
// outcome is completed, failed with a reason, or timed out.
//
// Sessions: TCP with handshake, requests, answers of several segments and
// close by both sides; TCP that ends with a reset, is never finished by the
// client, or is refused by the server; UDP query and answer; UDP streams with a
// window of datagrams under way; ICMP and ICMPv6 echo. Payload is a pattern
// keyed by the session, so that bytes of another session or place are noticed.
// Hosts verify checksums, addresses, ports, sequence numbers and payload of all
// that they get. The server keeps no state: what it needs is in the client's
// segments, and it answers to the addresses it sees, which behind NAT are not
// the client's.
//
// There are no retransmissions: a lost frame shows as a lost datagram of a
// stream, else as a session that times out.
//
// Ownership and concurrency: a Client or Server belongs to one goroutine, which
// steps it by hand or calls Run. Reports may be taken by that goroutine only,
// or after Run has returned. With a virtual clock, equal seeds and equal steps
// give equal frames.
//
// Limits: IPv4 without options and IPv6 without extension headers in what a
// host reads; no fragments, no ARP and no neighbour discovery: link addresses
// are given.
//
// Files in reading order: kind.go, report.go, pattern.go, header.go, parse.go,
// host.go, config.go, spread.go, client.go, session.go, server.go.
package traffic
