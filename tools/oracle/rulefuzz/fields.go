package rulefuzz

import "fmt"

// field is an expression that rules compare: what it is called, its values, and
// what a packet must be to have it.
type field struct {
	text  string
	kind  *kind
	l3    string // "ip" or "ip6"; "": both
	l4    string // "tcp", "udp", ...; "": any
	weigh int    // how often it is chosen
	set   bool   // it may be a set's key
}

// fields that can be compared with one value, a range or a set.
var fields = []field{
	{"ip saddr", kIPv4, "ip", "", 12, true},
	{"ip daddr", kIPv4, "ip", "", 12, true},
	{"ip protocol", kProto, "ip", "", 3, true},
	{"ip ttl", kTTL, "ip", "", 3, true},
	{"ip length", kLength, "ip", "", 2, true},
	{"ip id", kID, "ip", "", 1, true},
	{"ip dscp", kDSCP, "ip", "", 2, false},
	{"ip ecn", kECN, "ip", "", 1, false},
	{"ip frag-off", kFrag, "ip", "", 1, false},
	{"ip version", kNibble, "ip", "", 1, false},
	{"ip hdrlength", kNibble, "ip", "", 1, false},
	{"ip checksum", kID, "ip", "", 1, true},

	{"ip6 saddr", kIPv6, "ip6", "", 10, true},
	{"ip6 daddr", kIPv6, "ip6", "", 10, true},
	{"ip6 nexthdr", kProto, "ip6", "", 2, true},
	{"ip6 hoplimit", kTTL, "ip6", "", 2, true},
	{"ip6 length", kLength, "ip6", "", 1, true},
	{"ip6 dscp", kDSCP, "ip6", "", 1, false},
	{"ip6 ecn", kECN, "ip6", "", 1, false},
	{"ip6 flowlabel", kLong20, "ip6", "", 1, false},

	{"tcp sport", kPort, "", "tcp", 6, true},
	{"tcp dport", kPort, "", "tcp", 10, true},
	{"tcp window", kShort, "", "tcp", 2, true},
	{"tcp sequence", kLong, "", "tcp", 1, true},
	{"tcp ackseq", kLong, "", "tcp", 1, true},
	{"tcp doff", kNibble, "", "tcp", 1, false},
	{"tcp urgptr", kShort, "", "tcp", 1, true},
	{"tcp option maxseg size", kSize, "", "tcp", 1, false},
	{"tcp option maxseg", kBool, "", "tcp", 1, false},
	{"tcp option sack-perm", kBool, "", "tcp", 1, false},
	{"tcp option timestamp", kBool, "", "tcp", 1, false},
	{"tcp option window count", kByte, "", "tcp", 1, false},
	{"tcp option timestamp tsval", kLong, "", "tcp", 1, false},
	{"udp sport", kPort, "", "udp", 4, true},
	{"udp dport", kPort, "", "udp", 8, true},
	{"udp length", kLength, "", "udp", 2, true},
	{"udplite sport", kPort, "", "udplite", 1, true},
	{"udplite dport", kPort, "", "udplite", 1, true},
	{"sctp sport", kPort, "", "sctp", 1, true},
	{"dccp sport", kPort, "", "dccp", 1, true},
	{"sctp dport", kPort, "", "sctp", 1, true},
	{"sctp vtag", kLong, "", "sctp", 1, true},
	{"dccp dport", kPort, "", "dccp", 1, true},
	{"th sport", kPort, "", "", 2, true},
	{"th dport", kPort, "", "", 4, true},
	{"icmp type", kICMP, "ip", "icmp", 3, true},
	{"icmp code", kCode, "ip", "icmp", 2, true},
	{"icmp id", kID, "ip", "icmp", 1, false},
	{"icmp sequence", kID, "ip", "icmp", 1, false},
	{"icmpv6 type", kICMP6, "ip6", "ipv6-icmp", 3, true},
	{"icmpv6 code", kCode, "ip6", "ipv6-icmp", 2, true},
	{"icmpv6 id", kID, "ip6", "ipv6-icmp", 1, false},
	{"esp spi", kLong, "", "esp", 1, true},

	{"exthdr frag", kBool, "ip6", "", 1, false},
	{"exthdr hbh", kBool, "ip6", "", 1, false},
	{"exthdr dst", kBool, "ip6", "", 1, false},
	{"frag id", kLong, "ip6", "", 1, false},
	{"dst nexthdr", kProto, "ip6", "", 1, false},
	{"hbh nexthdr", kProto, "ip6", "", 1, false},

	{"meta l4proto", kProto, "", "", 6, true},
	{"meta nfproto", kNfproto, "", "", 2, true},
	{"meta protocol", kEther, "", "", 2, true},
	{"meta length", kLength, "", "", 3, true},
	{"meta mark", kMark, "", "", 6, true},
	{"meta priority", kClass, "", "", 2, true},
	{"meta pkttype", kPkttype, "", "", 1, true},
	{"iifname", kIfpattern, "", "", 5, false},
	{"oifname", kIfpattern, "", "", 4, false},
	{"iif", kIface, "", "", 2, false},
	{"oif", kIface, "", "", 2, false},
	{"ether saddr", kMAC, "", "", 2, true},
	{"ether daddr", kMAC, "", "", 1, true},
	{"ether type", kEther, "", "", 1, true},
	{"vlan id", kVLAN, "", "", 1, false},
	{"vlan pcp", kPCP, "", "", 1, false},

	{"ct state", kState, "", "", 10, false},
	{"ct status", kStatus, "", "", 2, false},
	{"ct mark", kMark, "", "", 4, true},
	{"ct direction", kDir, "", "", 2, true},
	{"ct original proto-src", kPort, "", "th", 1, false},
	{"ct original proto-dst", kPort, "", "th", 1, false},
	{"ct reply proto-src", kPort, "", "th", 1, false},
	{"ct original packets", kCount, "", "", 1, false},
	{"ct reply packets", kCount, "", "", 1, false},
	{"ct bytes", kCount, "", "", 1, false},
	{"ct avgpkt", kLength, "", "", 1, false},
	{"ct zone", kID, "", "", 1, true},
	{"ct original ip saddr", kIPv4, "ip", "", 1, false},
	{"ct original ip daddr", kIPv4, "ip", "", 1, false},
	{"ct reply ip saddr", kIPv4, "ip", "", 1, false},
	{"ct reply ip6 daddr", kIPv6, "ip6", "", 1, false},
	{"ct l3proto", kNfproto, "", "", 1, false},
	{"ct protocol", kProto, "", "", 1, false},

	{"fib daddr type", kFibtype, "", "", 1, false},
	{"fib saddr type", kFibtype, "", "", 1, false},
	{"fib saddr . iif oif", kBool, "", "", 1, false},
	{"fib daddr oifname", kIfname, "", "", 1, false},
	{"fib daddr . iif type", kFibtype, "", "", 1, false},
	{"fib saddr . iif oifname", kIfname, "", "", 1, false},
	{"fib saddr . mark . iif oif", kBool, "", "", 1, false},
	{"rt ip nexthop", kIPv4, "ip", "", 1, false},
	{"rt ip6 nexthop", kIPv6, "ip6", "", 1, false},
	{"rt ipsec", kBool, "", "", 1, false},
	{"meta ipsec", kBool, "", "", 1, false},
	{"@ih,0,16", kShort, "", "", 1, true},
	{"@ih,12,20", kLong20, "", "", 1, false},
}

// rare are fields that rules ask for now and then.
var rare = []field{
	{"ip6 version", kNibble, "ip6", "", 0, false},
	{"tcp checksum", kShort, "", "tcp", 0, false},
	{"tcp reserved", kNibble, "", "tcp", 0, false},
	{"udp checksum", kShort, "", "udp", 0, false},
	{"udplite csumcov", kShort, "", "udplite", 0, true},
	{"udplite checksum", kShort, "", "udplite", 0, false},
	{"sctp checksum", kLong, "", "sctp", 0, false},
	{"dccp type", kDCCP, "", "dccp", 0, false},
	{"esp sequence", kLong, "", "esp", 0, true},
	{"ah nexthdr", kProto, "", "ah", 0, true},
	{"ah hdrlength", kByte, "", "ah", 0, true},
	{"ah reserved", kShort, "", "ah", 0, true},
	{"ah spi", kLong, "", "ah", 0, true},
	{"ah sequence", kLong, "", "ah", 0, true},
	{"comp nexthdr", kProto, "", "comp", 0, true},
	{"comp cpi", kShort, "", "comp", 0, true},
	{"igmp type", kIGMP, "ip", "igmp", 0, true},
	{"igmp mrt", kByte, "ip", "igmp", 0, true},
	{"igmp checksum", kShort, "ip", "igmp", 0, false},
	{"icmp checksum", kShort, "ip", "icmp", 0, false},
	{"icmp mtu", kSize, "ip", "icmp", 0, false},
	{"icmp gateway", kLong, "ip", "icmp", 0, false},
	{"icmpv6 checksum", kShort, "ip6", "ipv6-icmp", 0, false},
	{"icmpv6 mtu", kSize, "ip6", "ipv6-icmp", 0, false},
	{"icmpv6 param-problem", kLong, "ip6", "ipv6-icmp", 0, false}, // no other field of it: they belong to other types
	{"icmpv6 sequence", kID, "ip6", "ipv6-icmp", 0, false},

	{"hbh hdrlength", kByte, "ip6", "", 0, false},
	{"dst hdrlength", kByte, "ip6", "", 0, false},
	{"exthdr rt", kBool, "ip6", "", 0, false},
	{"rt nexthdr", kProto, "ip6", "", 0, false},
	{"rt hdrlength", kByte, "ip6", "", 0, false},
	{"rt type", kByte, "ip6", "", 0, false},
	{"rt seg-left", kByte, "ip6", "", 0, false},
	{"srh last-entry", kByte, "ip6", "", 0, false},
	{"srh flags", kByte, "ip6", "", 0, false},
	{"srh tag", kShort, "ip6", "", 0, false},
	{"srh sid[1]", kIPv6, "ip6", "", 0, false},
	{"frag nexthdr", kProto, "ip6", "", 0, false},
	{"frag frag-off", kFrag, "ip6", "", 0, false},
	{"frag more-fragments", kBit, "ip6", "", 0, false},
	{"exthdr mh", kBool, "ip6", "", 0, false},
	{"mh type", kByte, "ip6", "", 0, false},
	{"mh checksum", kShort, "ip6", "", 0, false},

	{"tcp option eol", kBool, "", "tcp", 0, false},
	{"tcp option nop", kBool, "", "tcp", 0, false},
	{"tcp option maxseg length", kByte, "", "tcp", 0, false},
	{"tcp option window", kBool, "", "tcp", 0, false},
	{"tcp option window length", kByte, "", "tcp", 0, false},
	{"tcp option sack-perm length", kByte, "", "tcp", 0, false},
	{"tcp option sack", kBool, "", "tcp", 0, false},
	{"tcp option sack length", kByte, "", "tcp", 0, false},
	{"tcp option sack left", kLong, "", "tcp", 0, false},
	{"tcp option sack right", kLong, "", "tcp", 0, false},
	{"tcp option sack1 left", kLong, "", "tcp", 0, false},
	{"tcp option timestamp tsecr", kLong, "", "tcp", 0, false},
	{"tcp option timestamp length", kByte, "", "tcp", 0, false},
	{"tcp option md5sig", kBool, "", "tcp", 0, false},
	{"tcp option md5sig length", kByte, "", "tcp", 0, false},
	{"tcp option mptcp", kBool, "", "tcp", 0, false},
	{"tcp option mptcp subtype", kNibble, "", "tcp", 0, false},
	{"tcp option fastopen", kBool, "", "tcp", 0, false},
	{"tcp option fastopen length", kByte, "", "tcp", 0, false},

	{"ip option lsrr", kBool, "ip", "", 0, false},
	{"ip option rr", kBool, "ip", "", 0, false},
	{"ip option rr ptr", kByte, "ip", "", 0, false},
	{"ip option rr length", kByte, "ip", "", 0, false},
	{"ip option ssrr", kBool, "ip", "", 0, false},
	{"ip option ra", kBool, "ip", "", 0, false},
	{"ip option ra value", kShort, "ip", "", 0, false},

	{"sctp chunk data", kBool, "", "sctp", 0, false},
	{"sctp chunk data flags", kByte, "", "sctp", 0, false},
	{"sctp chunk data length", kShort, "", "sctp", 0, false},
	{"sctp chunk data tsn", kLong, "", "sctp", 0, false},
	{"sctp chunk data stream", kShort, "", "sctp", 0, false},
	{"sctp chunk data ppid", kLong, "", "sctp", 0, false},
	{"sctp chunk init", kBool, "", "sctp", 0, false},
	{"sctp chunk init init-tag", kLong, "", "sctp", 0, false},
	{"sctp chunk init a-rwnd", kLong, "", "sctp", 0, false},
	{"sctp chunk init num-outbound-streams", kShort, "", "sctp", 0, false},
	{"sctp chunk init-ack", kBool, "", "sctp", 0, false},
	{"sctp chunk init-ack initial-tsn", kLong, "", "sctp", 0, false},
	{"sctp chunk sack", kBool, "", "sctp", 0, false},
	{"sctp chunk sack cum-tsn-ack", kLong, "", "sctp", 0, false},
	{"sctp chunk heartbeat length", kShort, "", "sctp", 0, false},
	{"sctp chunk abort", kBool, "", "sctp", 0, false},
	{"sctp chunk shutdown cum-tsn-ack", kLong, "", "sctp", 0, false},
	{"sctp chunk cookie-echo", kBool, "", "sctp", 0, false},
	{"sctp chunk asconf seqno", kLong, "", "sctp", 0, false},

	{"meta iiftype", kIftype, "", "", 0, false},
	{"meta oiftype", kIftype, "", "", 0, false},
	{"iifgroup", kGroup, "", "", 0, false},
	{"oifgroup", kGroup, "", "", 0, false},
	{"vlan dei", kBit, "", "", 0, false},
	{"vlan type", kEther, "", "", 0, false},
	{"ct original bytes", kCount, "", "", 0, false},
	{"ct reply bytes", kCount, "", "", 0, false},
	{"ct reply proto-dst", kPort, "", "th", 0, false},
	{"ct original ip6 saddr", kIPv6, "ip6", "", 0, false},
	{"ct original ip6 daddr", kIPv6, "ip6", "", 0, false},
	{"ct reply ip daddr", kIPv4, "ip", "", 0, false},
	{"ct helper", kHelper, "", "", 0, false},
}

var kLong20 = number("label", 20, 0, 1, 2, 77, 1<<20-1)

// raw are fields by place.
func (g *maker) raw() field {
	base := pick(g.dice, "nh", "th", "ll")
	bits := pick(g.dice, 4, 8, 8, 16, 16, 32, 32, 48, 64)
	at := g.IntN(10) * pick(g.dice, 8, 8, 8, 4, 1)
	if base == "ll" {
		at = 8 * g.IntN(6)
		bits = 8
	}
	if at%8 != 0 {
		bits = pick(g.dice, 3, 7, 9, 12)
	}
	return field{text: raw(base, at, bits), kind: number(fmt.Sprint("raw", bits), bits, 0, 1, 2, 0x45, 0x60, 64, 80)}
}
