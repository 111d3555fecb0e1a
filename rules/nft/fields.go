package nft

const (
	protoICMP    = 1
	protoTCP     = 6
	protoUDP     = 17
	protoDCCP    = 33
	protoICMPv6  = 58
	protoSCTP    = 132
	protoUDPLite = 136
)

// fields is every header field a rule can name, in header order by protocol.
var fields = []*Field{
	{Proto: "ether", Name: "daddr", Base: BaseLink, Offset: 0, Length: 48, T: TypeEther},
	{Proto: "ether", Name: "saddr", Base: BaseLink, Offset: 48, Length: 48, T: TypeEther},
	{Proto: "ether", Name: "type", Base: BaseLink, Offset: 96, Length: 16, T: TypeEtherType},

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

	{Proto: "th", Name: "sport", Base: BaseTransport, Offset: 0, Length: 16, T: TypeService},
	{Proto: "th", Name: "dport", Base: BaseTransport, Offset: 16, Length: 16, T: TypeService},

	icmp4("type", 0, 8, TypeICMPType, nil), icmp4("code", 8, 8, TypeICMPCode, nil),
	icmp4("checksum", 16, 16, TypeInteger, nil),
	icmp4("id", 32, 16, TypeInteger, []byte{8, 0}), icmp4("sequence", 48, 16, TypeInteger, []byte{8, 0}),
	icmp4("mtu", 48, 16, TypeInteger, []byte{3}), icmp4("gateway", 32, 32, TypeInteger, []byte{5}),

	icmp6("type", 0, 8, TypeICMPv6Type, nil), icmp6("code", 8, 8, TypeICMPv6Code, nil),
	icmp6("checksum", 16, 16, TypeInteger, nil),
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

func icmp4(name string, off, bits uint16, t *Type, types []byte) *Field {
	return &Field{Proto: "icmp", Name: name, Base: BaseTransport, Offset: off, Length: bits, T: t, L3: FamilyIP, L4: protoICMP, HasL4: true, Types: types}
}

func icmp6(name string, off, bits uint16, t *Type, types []byte) *Field {
	return &Field{Proto: "icmpv6", Name: name, Base: BaseTransport, Offset: off, Length: bits, T: t, L3: FamilyIP6, L4: protoICMPv6, HasL4: true, Types: types}
}

// LookupField finds a field by its names ("tcp", "dport"); nil when there is none.
func LookupField(proto, name string) *Field {
	if proto == "tcp" && name == "seq" {
		name = "sequence"
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

// metaKeys are the keys `meta` can read.
var metaKeys = []struct {
	name string
	key  MetaKey
	t    *Type
	bits int
	bare bool // `iif` is allowed without `meta`
}{
	{"iif", MetaIif, TypeIfindex, 32, true},
	{"oif", MetaOif, TypeIfindex, 32, true},
	{"iifname", MetaIifname, TypeIfname, 128, true},
	{"oifname", MetaOifname, TypeIfname, 128, true},
	{"mark", MetaMark, TypeMark, 32, true},
	{"l4proto", MetaL4proto, TypeProto, 8, false},
	{"nfproto", MetaNfproto, TypeNfproto, 8, false},
	{"protocol", MetaProtocol, TypeEtherType, 16, false},
	{"length", MetaLength, TypeInteger, 32, false},
	{"pkttype", MetaPkttype, TypePkttype, 8, true},
	{"iiftype", MetaIiftype, TypeIftype, 16, true},
	{"oiftype", MetaOiftype, TypeIftype, 16, true},
}

// ctKeys are the keys `ct` can read. dir says whether a direction is allowed
// (1) or needed (2).
var ctKeys = []struct {
	name string
	key  CTKey
	t    *Type
	bits int
	dir  int
}{
	{"state", CTState, TypeCTState, 32, 0},
	{"status", CTStatus, TypeCTStatus, 32, 0},
	{"mark", CTMark, TypeMark, 32, 0},
	{"direction", CTDirection, TypeCTDir, 8, 0},
	{"expiration", CTExpiration, TypeTime, 32, 0},
	{"l3proto", CTL3proto, TypeNfproto, 8, 1},
	{"protocol", CTProtocol, TypeProto, 8, 1},
	{"saddr", CTSaddr, nil, 0, 2},
	{"daddr", CTDaddr, nil, 0, 2},
	{"proto-src", CTProtoSrc, TypeService, 16, 2},
	{"proto-dst", CTProtoDst, TypeService, 16, 2},
}

// Type and Bits make *Payload an Expr.
func (e *Payload) Type() *Type { return e.Field.T }

// Bits is the field's length.
func (e *Payload) Bits() int { return int(e.Field.Length) }

// Type is the key's type.
func (e *Meta) Type() *Type { return metaKeys[e.Key].t }

// Bits is the key's length.
func (e *Meta) Bits() int { return metaKeys[e.Key].bits }

// Type is the key's type; of an address the one of its family.
func (e *CT) Type() *Type {
	if e.Key == CTSaddr || e.Key == CTDaddr {
		if e.Family == FamilyIP6 {
			return TypeIPv6
		}
		return TypeIPv4
	}
	return ctKeys[e.Key].t
}

// Bits is the key's length.
func (e *CT) Bits() int {
	if e.Key == CTSaddr || e.Key == CTDaddr {
		return e.Type().Bits
	}
	return ctKeys[e.Key].bits
}

// Type is the type of what is masked.
func (e *Masked) Type() *Type { return e.E.Type() }

// Bits is the length of what is masked.
func (e *Masked) Bits() int { return e.E.Bits() }

// Type is nil: a concatenation has several.
func (e *Concat) Type() *Type { return nil }

// Bits is the sum of the parts.
func (e *Concat) Bits() int {
	n := 0
	for _, p := range e.Es {
		n += p.Bits()
	}
	return n
}
