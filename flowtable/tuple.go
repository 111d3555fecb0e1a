package flowtable

// Families as netfilter numbers them (NFPROTO_*).
const (
	FamilyNone uint8 = 0
	FamilyIPv4 uint8 = 2
	FamilyIPv6 uint8 = 10
)

// IP protocol numbers the package knows by name.
const (
	ProtoICMP    uint8 = 1
	ProtoTCP     uint8 = 6
	ProtoUDP     uint8 = 17
	ProtoGRE     uint8 = 47
	ProtoICMPv6  uint8 = 58
	ProtoSCTP    uint8 = 132
	ProtoUDPLite uint8 = 136
)

// Directions of a flow.
const (
	Original uint8 = 0
	Reply    uint8 = 1
)

// Tuple identifies one direction of a flow. It has no padding and no pointers,
// so == compares it flat.
//
//	0        16        32    34    36    37    38   40
//	| Src    | Dst     |SPort|DPort|Proto|Fam  |Zone |
//
// Src and Dst are in network byte order; an IPv4 address stands in the first
// four bytes and the rest is zero. The two 16-bit fields are in host order and
// mean, by protocol:
//
//	TCP, UDP, UDPLite, SCTP   source port, destination port
//	ICMP, ICMPv6              identifier, type<<8 | code
//	GRE                       source key, destination key
//	others                    0, 0
type Tuple struct {
	Src, Dst         [16]byte
	SrcPort, DstPort uint16
	Proto            uint8
	Family           uint8
	Zone             uint16
}

// icmpPair gives the type that answers an ICMP or ICMPv6 type, plus one; 0 says
// that there is none (RFC 792, RFC 950, RFC 4443, RFC 4620).
var (
	icmpPair   = [256]uint16{8: 1, 0: 9, 13: 15, 14: 14, 15: 17, 16: 16, 17: 19, 18: 18}
	icmpv6Pair = [256]uint16{128: 130, 129: 129, 139: 141, 140: 140}
)

// Invert returns the tuple of the answer to tu: addresses and ports swapped;
// ICMP keeps identifier and code and takes the type's pair. False: the ICMP
// type has no pair. It does not allocate.
func Invert(tu *Tuple) (Tuple, bool) {
	out := *tu
	out.Src, out.Dst = tu.Dst, tu.Src
	switch tu.Proto {
	case ProtoICMP, ProtoICMPv6:
		pair := &icmpPair
		if tu.Proto == ProtoICMPv6 {
			pair = &icmpv6Pair
		}
		t := pair[tu.DstPort>>8]
		if t == 0 {
			return Tuple{}, false
		}
		out.DstPort = (t-1)<<8 | tu.DstPort&0xff
	default:
		out.SrcPort, out.DstPort = tu.DstPort, tu.SrcPort
	}
	return out, true
}

// inverse reports whether b is the answer to a, without building it.
func inverse(a, b *Tuple) bool {
	x, y := words(a), words(b)
	if x[0] != y[2] || x[1] != y[3] || x[2] != y[0] || x[3] != y[1] ||
		a.Proto != b.Proto || a.Family != b.Family || a.Zone != b.Zone {
		return false
	}
	if a.Proto == ProtoICMP || a.Proto == ProtoICMPv6 {
		want, ok := Invert(a)
		return ok && want.SrcPort == b.SrcPort && want.DstPort == b.DstPort
	}
	return a.SrcPort == b.DstPort && a.DstPort == b.SrcPort
}

// same reports whether two tuples are equal; == on the struct calls a
// comparison routine, this does not.
func same(a, b *Tuple) bool {
	x, y := words(a), words(b)
	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2] && x[3] == y[3] && x[4] == y[4]
}
