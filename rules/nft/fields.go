package nft

const (
	protoICMP    = 1
	protoIGMP    = 2
	protoTCP     = 6
	protoUDP     = 17
	protoDCCP    = 33
	protoESP     = 50
	protoAH      = 51
	protoICMPv6  = 58
	protoComp    = 108
	protoSCTP    = 132
	protoUDPLite = 136
)

// fields is every header field a rule can name, in header order by protocol.
var fields = []*Field{
	{Proto: "ether", Name: "daddr", Base: BaseLink, Offset: 0, Length: 48, T: TypeEther},
	{Proto: "ether", Name: "saddr", Base: BaseLink, Offset: 48, Length: 48, T: TypeEther},
	{Proto: "ether", Name: "type", Base: BaseLink, Offset: 96, Length: 16, T: TypeEtherType},

	{Proto: "vlan", Name: "pcp", Base: BaseLink, Offset: 112, Length: 3, T: TypeInteger},
	{Proto: "vlan", Name: "dei", Base: BaseLink, Offset: 115, Length: 1, T: TypeInteger},
	{Proto: "vlan", Name: "id", Base: BaseLink, Offset: 116, Length: 12, T: TypeInteger},
	{Proto: "vlan", Name: "type", Base: BaseLink, Offset: 128, Length: 16, T: TypeEtherType},

	arp("htype", 0, 16, TypeInteger), arp("ptype", 16, 16, TypeEtherType), arp("hlen", 32, 8, TypeInteger),
	arp("plen", 40, 8, TypeInteger), arp("operation", 48, 16, TypeARPOp), arp("saddr ether", 64, 48, TypeEther),
	arp("saddr ip", 112, 32, TypeIPv4), arp("daddr ether", 144, 48, TypeEther), arp("daddr ip", 192, 32, TypeIPv4),

	ip4("version", 0, 4, TypeInteger), ip4("hdrlength", 4, 4, TypeInteger),
	ip4("dscp", 8, 6, TypeDSCP), ip4("ecn", 14, 2, TypeECN), ip4("length", 16, 16, TypeInteger),
	ip4("id", 32, 16, TypeInteger), ip4("frag-off", 48, 16, TypeInteger), ip4("ttl", 64, 8, TypeInteger),
	ip4("protocol", 72, 8, TypeProto), ip4("checksum", 80, 16, TypeInteger),
	ip4("saddr", 96, 32, TypeIPv4), ip4("daddr", 128, 32, TypeIPv4),

	ip6("version", 0, 4, TypeInteger), ip6("dscp", 4, 6, TypeDSCP), ip6("ecn", 10, 2, TypeECN),
	ip6("flowlabel", 12, 20, TypeInteger), ip6("length", 32, 16, TypeInteger), ip6("nexthdr", 48, 8, TypeProto),
	ip6("hoplimit", 56, 8, TypeInteger), ip6("saddr", 64, 128, TypeIPv6), ip6("daddr", 192, 128, TypeIPv6),

	l4("tcp", protoTCP, "sport", 0, 16, TypeService), l4("tcp", protoTCP, "dport", 16, 16, TypeService),
	l4("tcp", protoTCP, "sequence", 32, 32, TypeInteger), l4("tcp", protoTCP, "ackseq", 64, 32, TypeInteger),
	l4("tcp", protoTCP, "doff", 96, 4, TypeInteger), l4("tcp", protoTCP, "reserved", 100, 4, TypeInteger),
	l4("tcp", protoTCP, "flags", 104, 8, TypeTCPFlag), l4("tcp", protoTCP, "window", 112, 16, TypeInteger),
	l4("tcp", protoTCP, "checksum", 128, 16, TypeInteger), l4("tcp", protoTCP, "urgptr", 144, 16, TypeInteger),

	l4("udp", protoUDP, "sport", 0, 16, TypeService), l4("udp", protoUDP, "dport", 16, 16, TypeService),
	l4("udp", protoUDP, "length", 32, 16, TypeInteger), l4("udp", protoUDP, "checksum", 48, 16, TypeInteger),

	l4("udplite", protoUDPLite, "sport", 0, 16, TypeService), l4("udplite", protoUDPLite, "dport", 16, 16, TypeService),
	l4("udplite", protoUDPLite, "csumcov", 32, 16, TypeInteger), l4("udplite", protoUDPLite, "checksum", 48, 16, TypeInteger),

	l4("sctp", protoSCTP, "sport", 0, 16, TypeService), l4("sctp", protoSCTP, "dport", 16, 16, TypeService),
	l4("sctp", protoSCTP, "vtag", 32, 32, TypeInteger), l4("sctp", protoSCTP, "checksum", 64, 32, TypeInteger),

	l4("dccp", protoDCCP, "sport", 0, 16, TypeService), l4("dccp", protoDCCP, "dport", 16, 16, TypeService),

	l4("dccp", protoDCCP, "type", 67, 4, TypeDCCPType),

	l4("ah", protoAH, "nexthdr", 0, 8, TypeProto), l4("ah", protoAH, "hdrlength", 8, 8, TypeInteger),
	l4("ah", protoAH, "reserved", 16, 16, TypeInteger), l4("ah", protoAH, "spi", 32, 32, TypeInteger),
	l4("ah", protoAH, "sequence", 64, 32, TypeInteger),
	l4("esp", protoESP, "spi", 0, 32, TypeInteger), l4("esp", protoESP, "sequence", 32, 32, TypeInteger),
	l4("comp", protoComp, "nexthdr", 0, 8, TypeProto), l4("comp", protoComp, "flags", 8, 8, TypeBitmask),
	l4("comp", protoComp, "cpi", 16, 16, TypeInteger),

	igmp("type", 0, 8, TypeIGMPType), igmp("mrt", 8, 8, TypeInteger), igmp("checksum", 16, 16, TypeInteger),
	igmp("group", 32, 32, TypeInteger),

	{Proto: "th", Name: "sport", Base: BaseTransport, Offset: 0, Length: 16, T: TypeService},
	{Proto: "th", Name: "dport", Base: BaseTransport, Offset: 16, Length: 16, T: TypeService},

	icmp4("type", 0, 8, TypeICMPType, nil), icmp4("code", 8, 8, TypeICMPCode, nil),
	icmp4("checksum", 16, 16, TypeInteger, nil),
	icmp4("id", 32, 16, TypeInteger, []byte{8, 0}), icmp4("sequence", 48, 16, TypeInteger, []byte{8, 0}),
	icmp4("mtu", 48, 16, TypeInteger, []byte{3}), icmp4("gateway", 32, 32, TypeInteger, []byte{5}),

	icmp6("type", 0, 8, TypeICMPv6Type, nil), icmp6("code", 8, 8, TypeICMPv6Code, nil),
	icmp6("checksum", 16, 16, TypeInteger, nil),
	icmp6("parameter-problem", 32, 32, TypeInteger, []byte{4}),
	icmp6("mtu", 32, 32, TypeInteger, []byte{2}),
	icmp6("id", 32, 16, TypeInteger, []byte{128, 129}), icmp6("sequence", 48, 16, TypeInteger, []byte{128, 129}),
	icmp6("max-delay", 32, 16, TypeInteger, []byte{130}),
}

func ip4(name string, off, bits uint16, t *Type) *Field {
	return &Field{Proto: "ip", Name: name, Base: BaseNetwork, Offset: off, Length: bits, T: t, L3: FamilyIP}
}

func ip6(name string, off, bits uint16, t *Type) *Field {
	return &Field{Proto: "ip6", Name: name, Base: BaseNetwork, Offset: off, Length: bits, T: t, L3: FamilyIP6}
}

func l4(proto string, num uint8, name string, off, bits uint16, t *Type) *Field {
	return &Field{Proto: proto, Name: name, Base: BaseTransport, Offset: off, Length: bits, T: t, L4: num, HasL4: true}
}

func arp(name string, off, bits uint16, t *Type) *Field {
	return &Field{Proto: "arp", Name: name, Base: BaseNetwork, Offset: off, Length: bits, T: t, L3: FamilyARP}
}

func igmp(name string, off, bits uint16, t *Type) *Field {
	return &Field{Proto: "igmp", Name: name, Base: BaseTransport, Offset: off, Length: bits, T: t, L3: FamilyIP, L4: protoIGMP, HasL4: true}
}

func icmp4(name string, off, bits uint16, t *Type, types []byte) *Field {
	return &Field{Proto: "icmp", Name: name, Base: BaseTransport, Offset: off, Length: bits, T: t, L3: FamilyIP, L4: protoICMP, HasL4: true, Types: types}
}

func icmp6(name string, off, bits uint16, t *Type, types []byte) *Field {
	return &Field{Proto: "icmpv6", Name: name, Base: BaseTransport, Offset: off, Length: bits, T: t, L3: FamilyIP6, L4: protoICMPv6, HasL4: true, Types: types}
}

// LookupField finds a field by its names ("tcp", "dport"); nil when there is none.
func LookupField(proto, name string) *Field {
	switch {
	case proto == "vlan" && name == "cfi":
		name = "dei"
	case proto == "icmpv6" && name == "param-problem":
		name = "parameter-problem"
	}
	for _, f := range fields {
		if f.Proto == proto && f.Name == name {
			return f
		}
	}
	return nil
}

// hasProto tells whether some field belongs to the header.
func hasProto(proto string) bool {
	for _, f := range fields {
		if f.Proto == proto {
			return true
		}
	}
	return false
}
