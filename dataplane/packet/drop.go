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
	DropConfirm         // the flow lost the race to be inserted
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

var dropNames = [DropCount]string{
	DropNone:            "none",
	DropShort:           "short",
	DropOversize:        "oversize",
	DropIPVersion:       "ip-version",
	DropIPHeader:        "ip-header",
	DropIPChecksum:      "ip-checksum",
	DropIPTruncated:     "ip-truncated",
	DropIPAddress:       "ip-address",
	DropIPv6Extension:   "ipv6-extension",
	DropIPOptions:       "ip-options",
	DropOtherHost:       "otherhost",
	DropVLAN:            "vlan",
	DropNonIP:           "non-ip",
	DropMulticast:       "multicast",
	DropNoRoute:         "no-route",
	DropUnreachable:     "unreachable",
	DropBlackhole:       "blackhole",
	DropNoPort:          "no-port",
	DropNoNeighbour:     "no-neighbour",
	DropTTL:             "ttl",
	DropMTU:             "mtu",
	DropPolicy:          "policy",
	DropReject:          "reject",
	DropSynproxy:        "synproxy",
	DropCookie:          "synproxy-cookie",
	DropStolen:          "stolen",
	DropConntrack:       "conntrack",
	DropConfirm:         "confirm",
	DropHelper:          "helper",
	DropNAT:             "nat",
	DropFragment:        "fragment",
	DropFragmentTimeout: "fragment-timeout",
	DropNoFrame:         "no-frame",
	DropTxFull:          "tx-full",
	DropHandoverFull:    "handover-full",
	DropPoisoned:        "poisoned",
}

// String returns the reason's name as counters and logs show it.
func (d Drop) String() string {
	if d < DropCount {
		return dropNames[d]
	}
	return "unknown"
}
