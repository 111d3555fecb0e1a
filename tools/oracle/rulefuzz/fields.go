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
