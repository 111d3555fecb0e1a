package packet

// Drop says why a frame went no further. Every frame that is neither sent nor
// given to the host has exactly one. The values are dense, so that a counter
// array of DropCount elements serves the whole dataplane.
type Drop uint8

const (
	DropNone Drop = iota // the frame lives

	// What Parse finds. The reference is the kernel's ip_rcv_core and
	// ip6_rcv_core: what they refuse never reaches a hook.
	DropShort         // the frame ends inside its Ethernet, VLAN or fixed IP header
	DropOversize      // longer than a frame around the largest IP datagram
	DropIPVersion     // the version field contradicts the EtherType
	DropIPHeader      // IPv4 header length below 20 or beyond the total length
	DropIPChecksum    // IPv4 header checksum is wrong
	DropIPTruncated   // the IP length field says more than the frame holds
	DropIPAddress     // an address that may not be on the wire (IPv6 loopback, multicast source, v4-mapped)
	DropIPv6Extension // hop-by-hop options malformed or to be refused, or more headers than the limit
	DropIPOptions     // IPv4 options malformed, or a source route

	// What the way through the box finds.
	DropOtherHost       // destination MAC is not ours
	DropVLAN            // tagged for a VLAN that no port is for
	DropNonIP           // not IP where only IP is carried
	DropMulticast       // multicast and broadcast are not forwarded
	DropNoRoute         // no route to the destination
	DropUnreachable     // an unreachable or prohibit route
	DropBlackhole       // a blackhole route
	DropNoPort          // the route leads to something that is no port
	DropNoNeighbour     // the next hop's MAC is not known
	DropTTL             // TTL or hop limit ran out
	DropMTU             // too large for the way out and must not be fragmented
	DropPolicy          // a rule or a chain's policy said drop
	DropReject          // a rule said reject
	DropSynproxy        // a SYN proxy took it and went on in its stead
	DropCookie          // what it acknowledges to a SYN proxy is no cookie, or an old one
	DropStolen          // an extension of the rules has taken what it wanted of it
	DropConntrack       // no flow could be made (table full, tracker said drop)
	DropConfirm         // the new flow could not be entered
	DropHelper          // a helper wants it again in one piece, or could not expect what it announces
	DropNAT             // no free tuple, no address, or bytes that cannot be rewritten
	DropFragment        // reassembly refused it: overlap, limit, or header not in the first fragment
	DropFragmentTimeout // the other fragments did not come in time
	DropNoFrame         // no free frame for a copy or an answer
	DropTxFull          // the TX ring is full
	DropHandoverFull    // the ring to the owning worker is full
	DropPoisoned        // checking mode: a retired image was about to be used

	DropCount // number of values, DropNone included
)

var drops = [DropCount]struct{ name, text string }{
	DropNone:            {"none", "it went on"},
	DropShort:           {"short", "the frame ends inside its Ethernet, VLAN or IP header"},
	DropOversize:        {"oversize", "longer than any IP packet"},
	DropIPVersion:       {"ip-version", "the IP version contradicts the Ethernet type"},
	DropIPHeader:        {"ip-header", "an impossible length of the IPv4 header"},
	DropIPChecksum:      {"ip-checksum", "a wrong checksum of the IPv4 header"},
	DropIPTruncated:     {"ip-truncated", "the IP header says more bytes than there are"},
	DropIPAddress:       {"ip-address", "an address that may not be on the wire"},
	DropIPv6Extension:   {"ipv6-extension", "malformed or too many IPv6 extension headers"},
	DropIPOptions:       {"ip-options", "malformed IPv4 options, or a source route"},
	DropOtherHost:       {"otherhost", "for another MAC address"},
	DropVLAN:            {"vlan", "of a VLAN that no port is for"},
	DropNonIP:           {"non-ip", "not IP"},
	DropMulticast:       {"multicast", "multicast and broadcast are not forwarded"},
	DropNoRoute:         {"no-route", "no route to the destination"},
	DropUnreachable:     {"unreachable", "an unreachable or prohibit route"},
	DropBlackhole:       {"blackhole", "a blackhole route"},
	DropNoPort:          {"no-port", "the route leads to no port of the box"},
	DropNoNeighbour:     {"no-neighbour", "the MAC address of the next hop is not known"},
	DropTTL:             {"ttl", "its TTL or hop limit ran out"},
	DropMTU:             {"mtu", "too long for the way out, and not to be fragmented"},
	DropPolicy:          {"policy", "a rule or the policy of a chain said drop"},
	DropReject:          {"reject", "a rule said reject"},
	DropSynproxy:        {"synproxy", "a SYN proxy has taken it"},
	DropCookie:          {"synproxy-cookie", "acknowledges no cookie of a SYN proxy"},
	DropStolen:          {"stolen", "an extension of the rules has taken it"},
	DropConntrack:       {"conntrack", "no connection could be made of it: table-full"},
	DropConfirm:         {"confirm", "its new connection could not be entered: clash, dying, index-full, table-full"},
	DropHelper:          {"helper", "a helper needs it in one piece, or cannot expect what it announces"},
	DropNAT:             {"nat", "no port is free for its translation (no-free-port), no address to translate to, or nothing to translate in it"},
	DropFragment:        {"fragment", "its fragments overlap, are too many or begin wrongly"},
	DropFragmentTimeout: {"fragment-timeout", "other fragments did not come in time"},
	DropNoFrame:         {"no-frame", "no memory for a copy or an answer"},
	DropTxFull:          {"tx-full", "the port out could not take more"},
	DropHandoverFull:    {"handover-full", "the worker it belongs to could not take more"},
	DropPoisoned:        {"poisoned", "rules that are no longer in force"},
}

// String returns the reason's name as counters and logs show it.
func (d Drop) String() string {
	if d < DropCount {
		return drops[d].name
	}
	return "unknown"
}

// Text says the same to people who read a list of reasons: a line without a dot.
func (d Drop) Text() string {
	if d < DropCount {
		return drops[d].text
	}
	return ""
}
