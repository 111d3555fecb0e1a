package packet

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// ICMP and ICMPv6 types the dataplane names.
const (
	ICMPUnreachable    uint8 = 3
	ICMPSourceQuench   uint8 = 4
	ICMPRedirect       uint8 = 5
	ICMPTimeExceeded   uint8 = 11
	ICMPParameter      uint8 = 12
	icmpLastType       uint8 = 18
	ICMPv6Unreachable  uint8 = 1
	ICMPv6PacketTooBig uint8 = 2
	ICMPv6TimeExceeded uint8 = 3
	ICMPv6Parameter    uint8 = 4
	icmpv6EchoRequest  uint8 = 128
	icmpv6EchoReply    uint8 = 129
	icmpv6Redirect     uint8 = 137
	icmpv6NodeQuery    uint8 = 139
	icmpv6NodeReply    uint8 = 140
)

// A redirect message up to its options, and with the header of the first one;
// the redirected packet stands behind it.
const (
	icmpv6RedirectBase = 40
	icmpv6RedirectLen  = 48
)

// How much of the complained-of packet's transport header must be there to tell
// its flow, and to rewrite it: what RFC 792 promises.
const (
	innerPorts = 4
	innerL4    = 8
)

// icmpIsError says that a type carries a packet that it complains of.
func icmpIsError(typ uint8) bool {
	switch typ {
	case ICMPUnreachable, ICMPSourceQuench, ICMPRedirect, ICMPTimeExceeded, ICMPParameter:
		return true
	}
	return false
}

// icmpIsQuery and icmpv6IsQuery name the types that come in pairs and whose
// identifier makes a tuple.
func icmpIsQuery(typ uint8) bool {
	switch typ {
	case 0, 8, 13, 14, 15, 16, 17, 18:
		return true
	}
	return false
}

func icmpv6IsQuery(typ uint8) bool {
	switch typ {
	case icmpv6EchoRequest, icmpv6EchoReply, icmpv6NodeQuery, icmpv6NodeReply:
		return true
	}
	return false
}

// icmpv6Untracked names neighbour discovery, MLD and multicast router
// discovery (noct_valid_new).
func icmpv6Untracked(typ uint8) bool {
	return typ >= 130 && typ <= 136 || typ == 143 || typ == 151
}

// parseICMP follows nf_conntrack_icmpv4_error.
func parseICMP(p *Packet, t *flowtable.Table, h []byte) bool {
	if len(h) < icmpLen {
		p.Reason = flowtable.ReasonICMPShort
		return false
	}
	p.Flags |= FlagL4
	p.L4Payload = p.L4 + icmpLen
	typ := h[0]
	if icmpIsQuery(typ) {
		p.Tuple.SrcPort = be16(h[4:6])
		p.Tuple.DstPort = be16(h[0:2])
		return true
	}
	switch {
	case icmpIsError(typ):
		relate(p, t, h[icmpLen:])
	case typ > icmpLastType:
		p.Reason = flowtable.ReasonICMPType
	default:
		p.Reason = flowtable.ReasonNoInverse
	}
	return false
}

// parseICMPv6 follows nf_conntrack_icmpv6_error.
func parseICMPv6(p *Packet, t *flowtable.Table, h []byte) bool {
	if len(h) < icmpLen {
		p.Reason = flowtable.ReasonICMPShort
		return false
	}
	p.Flags |= FlagL4
	p.L4Payload = p.L4 + icmpLen
	typ := h[0]
	switch {
	case icmpv6IsQuery(typ):
		p.Tuple.SrcPort = be16(h[4:6])
		p.Tuple.DstPort = be16(h[0:2])
		return true
	case icmpv6Untracked(typ):
		p.Kind = flowtable.KindUntracked
		return false
	}
	switch {
	case typ < 128:
		relate(p, t, h[icmpLen:])
	case typ == icmpv6Redirect:
		redirect(p, t, h)
	default:
		p.Reason = flowtable.ReasonNoInverse
	}
	return false
}

// redirect follows nf_conntrack_icmpv6_redirect. What is no redirect of a
// packet after all is a message without an answer.
func redirect(p *Packet, t *flowtable.Table, h []byte) {
	src := p.Data[int(p.L3)+ip6Src:]
	linkLocal := src[0] == 0xfe && src[1]&0xc0 == 0x80
	switch {
	case len(h) < icmpv6RedirectBase:
		p.Reason = flowtable.ReasonICMPShort
	case h[1] != 0:
		p.Reason = flowtable.ReasonNoInverse
	case p.TTL() != 255 || !linkLocal || len(h) < icmpv6RedirectBase+2 || h[icmpv6RedirectBase+1] == 0:
		p.Reason = flowtable.ReasonRedirect
	case h[icmpv6RedirectBase] != 4: // not the "redirected header" option
		p.Reason = flowtable.ReasonNoInverse
	default:
		relate(p, t, h[min(icmpv6RedirectLen, len(h)):])
	}
}

// relate makes p a KindError if the packet quoted in inner gives a tuple that
// can be inverted. The kernel compares the outer destination with that of the
// tuple it finds, which by the inversion is the inner packet's source, so
// Misdirected needs no entry to be known.
func relate(p *Packet, t *flowtable.Table, inner []byte) {
	var tu flowtable.Tuple
	if _, ok := innerTuple(&tu, t, inner, p.Family); !ok {
		p.Reason = flowtable.ReasonICMPInner
		return
	}
	inv, ok := flowtable.Invert(&tu)
	if !ok {
		p.Reason = flowtable.ReasonICMPInner
		return
	}
	p.Misdirected = p.Tuple.Dst != tu.Src
	p.Tuple = inv
	p.Kind = flowtable.KindError
	p.Reason = flowtable.ReasonNone
	p.Flags |= FlagRelatedError
}

// innerTuple reads the tuple of the packet quoted in b, of which the end is
// usually cut off, and returns the offset of its transport header. t, for
// GRE's keys, is nil where they do not matter.
func innerTuple(tu *flowtable.Tuple, t *flowtable.Table, b []byte, family uint8) (l4 int, ok bool) {
	le := binary.LittleEndian
	*tu = flowtable.Tuple{Family: family}
	if family == flowtable.FamilyIPv4 {
		if len(b) < ip4Len || be16(b[6:8])&0x1fff != 0 { // nobody looks at the version
			return 0, false
		}
		l4 = int(b[0]&15) * 4
		if l4 < ip4Len || l4 > len(b) {
			return 0, false
		}
		le.PutUint64(tu.Src[:8], uint64(le.Uint32(b[12:16])))
		le.PutUint64(tu.Dst[:8], uint64(le.Uint32(b[16:20])))
		tu.Proto = b[9]
	} else {
		if len(b) < ip6Len {
			return 0, false
		}
		c := walkIPv6(b, true)
		if c.end != walkFound {
			return 0, false
		}
		copy(tu.Src[:], b[8:24])
		copy(tu.Dst[:], b[24:40])
		l4 = min(c.off, len(b))
		tu.Proto = c.next
	}
	h := b[l4:]
	switch tu.Proto {
	case protoTCP, protoUDP, protoUDPLite, protoSCTP:
		if len(h) < innerPorts {
			return 0, false
		}
		tu.SrcPort, tu.DstPort = be16(h[0:2]), be16(h[2:4])
	case protoICMP, protoICMPv6:
		if len(h) < innerL4 || (tu.Proto == protoICMP) != (family == flowtable.FamilyIPv4) {
			return 0, false
		}
		tu.SrcPort, tu.DstPort = be16(h[4:6]), be16(h[0:2])
	case protoGRE:
		if t != nil && !greTuple(tu, t, h) {
			return 0, false
		}
	}
	return l4, true
}

// Redirect says whether p is a sound ICMP or ICMPv6 redirect.
func (p *Packet) Redirect() bool {
	return p.Flags&FlagL4 != 0 && (p.Proto == protoICMP && p.Data[p.L4] == ICMPRedirect || p.Proto == protoICMPv6 && p.Data[p.L4] == icmpv6Redirect)
}
