// Package defrag gathers the fragments of IP datagrams: frames stay where they
// are, parked, until the datagram is complete. Then the whole list comes out in
// order, and whoever gets it joins the bytes.
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
// What is refused, with all that is parked of the datagram (ip_frag_queue,
// nf_ct_frag6_queue, inet_frag_queue_insert): overlaps, payload above 64 KiB, more
// fragments than the limit, and in IPv4 an empty fragment and an end that
// contradicts what is known, which IPv6 refuses alone. Refused alone is what lies
// within a run of fragments that came one behind the other. An IPv4 fragment in
// the middle is cut to a multiple of 8 bytes; of such an IPv6 one the datagram is
// given up, and the fragment goes on alone. When all contexts are in use new
// datagrams are refused, as in the kernel (inet_frag_find). What is refused alone is
// still believed about where the datagram ends.
//
// Memory is fixed at New, off the Go heap; no call allocates after it. Work per
// call is bounded by the limits in Config.
//
// Files in reading order: config.go, reassembler.go, context.go.
package defrag
