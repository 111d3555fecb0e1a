// Package defrag gathers the fragments of IP datagrams without joining their
// bytes: frames stay where they are, parked, until the datagram is complete.
// Then the whole list comes out in order, conntrack and rules judge the
// datagram once, by its first fragment, and the fragments leave as they came.
// So the effect is the kernel's reassembly before conntrack and fragmentation
// on the way out, without two copies.
//
// Terms. A datagram is known by addresses and id, in IPv4 also by protocol, and
// where the addresses are link-local or multicast by the port it came in on. Its
// payload is what was cut into fragments: all behind the IPv4 header or the
// IPv6 fragment header. Offsets and lengths count payload bytes.
//
// Ownership. A Reassembler belongs to one worker and nothing in it is safe for
// concurrent use. Add with the result Held takes over the frame; every frame
// comes back exactly once, in a list from Add, Expire or Drain. A list is valid
// until the next call. Nothing else of a packet is kept: whoever gets a list
// parses the frames again.
//
// What is refused, with all that is parked of the datagram: overlaps, an
// empty fragment, one that is no multiple of 8 bytes and not the last, payload
// behind the end or above 64 KiB, more fragments than the limit. An exact
// duplicate is refused alone. The kernel also ignores a fragment that lies
// within a run of others without equalling one, depending on the order of
// arrival; here that is an overlap. The kernel trims an IPv4 fragment to a
// multiple of 8; here it is refused. When all contexts are in use new datagrams
// are refused, as in the kernel (inet_frag_find).
//
// Memory is fixed at New, off the Go heap; no call allocates after it. Work per
// call is bounded by the limits in Config.
//
// Files in reading order: config.go, reassembler.go, context.go.
package defrag
