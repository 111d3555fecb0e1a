package packet

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// Sketch fills in what chains below IP may read of a frame that Parse has refused:
// the family by its EtherType and, where the length is sound, the transport
// protocol (nft_set_pktinfo_ipv4_validate and its IPv6 twin, which look at no
// checksum, address or option). The frame is for them alone: it will be dropped.
func (p *Packet) Sketch() {
	if p.L3 == 0 || int(p.L3) > len(p.Data) {
		return
	}
	b := p.Data[p.L3:]
	switch p.EtherType {
	case EtherIPv6:
		p.Family = flowtable.FamilyIPv6
		if len(b) < ip6Len || b[0]>>4 != 6 {
			return
		}
		if total := int(be16(b[4:])) + ip6Len; total <= len(b) {
			if c := walkIPv6(b[:total], false); c.end != walkRefuse {
				lead6(p, &c, int(p.L3), total)
				if c.end == walkFound {
					markHeader(p)
				}
			}
		}
	case EtherIPv4:
		p.Family = flowtable.FamilyIPv4
		if len(b) < ip4Len || b[0]>>4 != 4 {
			return
		}
		if hl, total := int(b[0]&15)*4, int(be16(b[2:])); hl >= ip4Len && hl <= total && total <= len(b) {
			p.Proto, p.L4 = b[9], p.L3+uint16(hl)
			p.L4Payload, p.End, p.Bytes = p.L4, uint32(int(p.L3)+total), uint32(total)
			if be16(b[6:])&0x1fff != 0 {
				p.Flags |= FlagLaterFrag
			} else {
				markHeader(p)
			}
		}
	}
}

// Layers are what Parse has found in a frame.
type Layers struct {
	l3, l4, payload, ah, frag, etherType uint16
	end, bytes                           uint32
	family, proto                        uint8
	flags                                Flags
}

// found are flags about layers.
const found = FlagL4 | FlagLaterFrag | FlagNoProto

// Below lets a frame look as chains below IP see it in Linux. The datagram goes on to
// the frame's end, and IPv6's headers may lead into the padding. Of two tags one is not
// in the frame but beside it, and what follows is the other one, which is no IP. It
// returns what Restore wants.
func (p *Packet) Below() (was Layers) {
	was = Layers{p.L3, p.L4, p.L4Payload, p.AH, p.Frag, p.EtherType, p.End, p.Bytes, p.Family, p.Proto, p.Flags & found}
	const tag = 4
	switch end := uint32(len(p.Data)); {
	case p.VLANs >= 2:
		p.L3 = EtherLen + tag
		p.EtherType = be16(p.Data[EtherLen+tag-2:])
		p.L4, p.Family, p.Proto = 0, flowtable.FamilyNone, 0
		p.Flags &^= FlagL4
	case p.Family == flowtable.FamilyIPv6 && p.L4 != 0 && p.End != end && Extension(p.Data[p.L3+6]):
		if c := walkIPv6(p.Data[p.L3:], false); c.end != walkRefuse {
			p.AH, p.Frag = 0, 0
			p.Flags &^= found
			lead6(p, &c, int(p.L3), len(p.Data)-int(p.L3))
			if c.end == walkFound {
				markHeader(p)
			}
		}
	}
	p.End = uint32(len(p.Data))
	return was
}

// Restore makes a frame what it was before Below.
func (p *Packet) Restore(was Layers) {
	p.L3, p.L4, p.L4Payload, p.AH, p.Frag, p.EtherType = was.l3, was.l4, was.payload, was.ah, was.frag, was.etherType
	p.End, p.Bytes, p.Family, p.Proto = was.end, was.bytes, was.family, was.proto
	p.Flags = p.Flags&^found | was.flags
}

// BuildUnreachable writes into buf the frame of a destination unreachable that
// answers orig in the name of whom it was sent to, as reject does below IP
// (nf_reject_skb_v4_unreach): it quotes what the frame has behind the datagram too.
// MACs are zero, to be filled on sending. It returns
// the frame's length, 0 when buf is too small or orig is not IP.
func BuildUnreachable(buf []byte, orig *Packet, typ, code uint8) int {
	const most4, most6 = 536, 1220
	var from, to [16]byte
	orig.DstAddr(&from)
	orig.SrcAddr(&to)
	quote := orig.Data[orig.L3:]
	switch orig.Family {
	case flowtable.FamilyIPv4:
		quote = quote[:min(len(quote), most4)]
		n := icmpLen + len(quote)
		msg := beginIPv4(buf, n, protoICMP, &from, &to, 0, 0)
		if msg == nil {
			return 0
		}
		ip := buf[EtherLen : EtherLen+ip4Len]
		binary.BigEndian.PutUint16(ip[6:], 0x4000) // don't fragment, which allows the id to be 0 (RFC 6864)
		finishIPv4(ip)
		putError(msg, typ, code, 0, quote, 0)
		return EtherLen + ip4Len + n
	case flowtable.FamilyIPv6:
		quote = quote[:min(len(quote), most6)]
		n := icmpLen + len(quote)
		msg := beginIPv6(buf, n, protoICMPv6, &from, &to)
		if msg == nil {
			return 0
		}
		putError(msg, typ, code, 0, quote, pseudo6(buf, protoICMPv6, n))
		return EtherLen + ip6Len + n
	}
	return 0
}
