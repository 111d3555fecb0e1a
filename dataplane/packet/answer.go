package packet

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// ShouldAnswer says whether an ICMP error may be sent about p at all (RFC 1122
// section 3.2.2, RFC 1812 section 4.3.2.7, RFC 4443 section 2.4 (e); icmp_send
// and icmp6_send). No error answers: an ICMP error (in IPv6 a redirect is
// none), a later fragment, what came as link-layer or IP broadcast or multicast, and what has
// no single sender. Directed broadcasts are for the caller to see by its routes.
func (p *Packet) ShouldAnswer() bool { return p.answerable(false) }

// ShouldAnswerTooBig is ShouldAnswer for "packet too big" and for options that demand an
// answer, which IPv6 sends about multicast as well.
func (p *Packet) ShouldAnswerTooBig() bool { return p.answerable(true) }

// ShouldReject says whether a reject rule may answer p: as ShouldAnswer, and
// the checksum must be right.
func (p *Packet) ShouldReject() bool {
	return p.Flags&FlagLaterFrag == 0 && p.answerable(false) && p.rejectSumOK()
}

// ShouldRejectFrame says whether a reject rule below IP may answer p: whoever the
// addresses may be, and whatever ICMP it is but an unreachable
// (nf_reject_skb_v4_unreach).
func (p *Packet) ShouldRejectFrame() bool {
	typ, _, ok := p.ICMPType()
	if ok && typ == ICMPUnreachable && p.Proto == protoICMP || ok && typ == ICMPv6Unreachable && p.Proto == protoICMPv6 {
		return false
	}
	return p.Flags&FlagLaterFrag == 0 && p.rejectSumOK()
}

// RejectSums says whether a reject rule verifies p's transport checksum, over what
// is there of it: hardly a first fragment is right.
func (p *Packet) RejectSums() bool {
	switch h := p.Transport(); p.Proto {
	case protoGRE, protoESP, extAuth, protoSCTP, protoUDPLite:
		return false
	case protoUDP:
		return len(h) < 8 || be16(h[6:8]) != 0
	}
	return true
}

// rejectSumOK verifies a checksum as Linux does before a reject
// (nf_reject_verify_csum, nf_ip_checksum): none of protocols that it knows to
// have another kind. Any other protocol is taken to have one over all its bytes,
// in IPv4 without a pseudo header, so that hardly a packet of it is answered.
func (p *Packet) rejectSumOK() bool {
	if p.Family == flowtable.FamilyIPv6 && (int(p.L4) >= int(p.End) || Extension(p.Proto) || p.Proto == extNone) {
		return false // nothing behind the headers (reject6_csum_ok)
	}
	if !p.RejectSums() {
		return true
	}
	h := p.Transport()
	var initial uint32
	if p.Family == flowtable.FamilyIPv6 || p.Proto == protoTCP || p.Proto == protoUDP {
		initial = p.PseudoSum(p.Proto, uint32(len(h)))
	}
	return Checksum(h, initial) == 0
}

// icmpUnused are types below 13 that Linux takes for errors because it has no
// use for them (icmp_pointers): as bits.
const icmpUnused = 1<<1 | 1<<2 | 1<<6 | 1<<7 | 1<<9 | 1<<10

func (p *Packet) answerable(toMulticast bool) bool {
	if p.Family == flowtable.FamilyNone || p.Flags&FlagLaterFrag != 0 && p.Family == flowtable.FamilyIPv4 {
		return false
	}
	var src, dst [16]byte
	p.SrcAddr(&src)
	p.DstAddr(&dst)
	toMulticast = toMulticast && p.Family == flowtable.FamilyIPv6
	if p.Data[0]&1 != 0 && !toMulticast && p.Flags&FlagLocal == 0 {
		return false
	}
	if p.Family == flowtable.FamilyIPv4 {
		if src[0] == 0 || src[0] == 127 || src[0] >= 224 || dst[0] >= 224 || p.Flags&FlagBroadcast != 0 {
			return false
		}
	} else {
		if src == ([16]byte{}) || src[0] == 0xff || dst[0] == 0xff && !toMulticast {
			return false
		}
	}
	switch p.Proto {
	case protoICMP:
		if p.Family != flowtable.FamilyIPv4 {
			return true
		}
		typ, ok := p.firstByte()
		return ok && typ <= icmpLastType && !icmpIsError(typ) && icmpUnused>>typ&1 == 0
	case protoICMPv6:
		if p.Family != flowtable.FamilyIPv6 || p.Flags&FlagLaterFrag != 0 { // no type there, and Linux looks for none
			return true
		}
		typ, ok := p.firstByte()
		if !ok { // RFC 8200 section 4.5: what follows a fragment's header need not be there
			at := int(p.Frag) + 2
			return p.Frag != 0 && at+2 <= int(p.End) && be16(p.Data[at:]) != 0
		}
		return typ >= 128
	}
	return true
}

// firstByte is that of the transport header, which need not be whole.
func (p *Packet) firstByte() (b byte, ok bool) {
	if p.L4 <= p.L3 || int(p.L4) >= int(p.End) {
		return 0, false
	}
	return p.Data[p.L4], true
}

// Martian says that p has an address which may not cross a router: for IPv4
// what ip_route_input_slow calls a martian source or destination (a source that
// is multicast, broadcast, loopback or of this network, a destination that is
// loopback or of this network), for IPv6 an unspecified source. Destinations
// that are multicast or the limited broadcast are no martians, and take the
// unspecified source: DHCP clients and duplicate address detection have none.
func (p *Packet) Martian() bool {
	switch p.Family {
	case flowtable.FamilyIPv4:
		h := p.Data[p.L3:][:ip4Len]
		src, dst := be32(h[ip4Src:]), be32(h[ip4Dst:])
		if dst == 0xffffffff || dst>>28 == 0xe {
			return src>>28 == 0xe || src == 0xffffffff
		}
		return src>>24 == 0 || src>>24 == 127 || src>>28 == 0xe || src == 0xffffffff ||
			dst>>24 == 0 || dst>>24 == 127
	case flowtable.FamilyIPv6:
		h := p.Data[p.L3:][:ip6Len]
		return binary.LittleEndian.Uint64(h[ip6Src:])|binary.LittleEndian.Uint64(h[ip6Src+8:]) == 0 && h[ip6Dst] != 0xff
	}
	return false
}
