package packet

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// Store overwrites the bytes from offset at of the frame with b. What lies in
// an IP header is taken over into the header's checksum, and addresses also into
// the transport checksum; with sum what lies behind the transport header's
// start is taken over into that one, even where UDP has none (which addresses
// respect), as nft_payload_set_eval does; no header behind one of authentication is
// looked into. A checksum that is itself overwritten becomes what b says. False: the bytes, or the checksum, are not
// within the datagram, and nothing changed.
func (p *Packet) Store(at int, b []byte, sum bool) bool {
	if at < 0 || len(b) > 16 || at+len(b) > int(p.End) || int(p.End) > len(p.Data) {
		return false
	}
	if len(b) == 0 || p.Family == flowtable.FamilyNone || at < int(p.L3) {
		copy(p.Data[max(at, 0):], b)
		return true
	}
	begun := p.AH == 0 && p.L4 > p.L3 && p.Flags&FlagLaterFrag == 0 && int(p.L4) <= int(p.End)
	whole, behind := begun && p.Flags&FlagL4 != 0, begun && at >= int(p.L4)
	if sumAt, _ := checksumAt(p.Proto); behind && sum && sumAt >= 0 && int(p.L4)+sumAt+2 > int(p.End) {
		return false
	}
	start := int(p.L3)
	if behind {
		start = int(p.L4)
	}
	delta := p.change(start, at, b)
	if behind {
		if at, _ := checksumAt(p.Proto); sum && at >= 0 {
			replaceSum(p.Data[p.L4:p.End], at, delta)
		}
		copy(p.Data[at:], b)
		if l4 := p.Data[p.L4:p.End]; sum && p.Proto == protoSCTP && whole && p.Flags&FlagFragment == 0 {
			binary.LittleEndian.PutUint32(l4[8:12], sctpSum(l4)) // whatever it was, as nft_payload_csum_sctp
		}
		return true
	}
	first, last := ip4Src, ip4Dst+4
	if p.Family == flowtable.FamilyIPv6 {
		first, last = ip6Src, ip6Dst+16
	} else if at-start < int(p.Data[start]&0xf)*4 {
		replaceSum(p.Data[start:p.End], 10, delta)
	}
	if off := at - start; whole && off >= first && off < last {
		l4 := p.Data[p.L4:p.End]
		if at, pseudo := checksumAt(p.Proto); pseudo && !(p.Proto == protoUDP && be16(l4[at:]) == 0) {
			replaceSum(l4, at, delta)
		}
	}
	copy(p.Data[at:], b)
	return true
}

// replaceSum adds delta to what the checksum at an offset of h covers, as
// nft_csum_replace: never 0, in whatever header.
func replaceSum(h []byte, at int, delta uint64) {
	if at+2 > len(h) {
		return
	}
	c := adjust(be16(h[at:]), delta)
	if c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(h[at:], c)
}

// change is what b at offset at adds to a sum of the 16-bit words from start on.
func (p *Packet) change(start, at int, b []byte) (delta uint64) {
	for i, c := range b {
		old, now := uint16(p.Data[at+i]), uint16(c)
		if (at+i-start)&1 == 0 {
			old, now = old<<8, now<<8
		}
		delta += diff16(old, now)
	}
	return delta
}

// Renew reads addresses and ports of a packet of no flow anew, after a Store.
func (p *Packet) Renew(t *flowtable.Table) {
	if p.Entry != 0 || p.Kind != flowtable.KindFlow {
		return
	}
	p.SrcAddr(&p.Tuple.Src)
	p.DstAddr(&p.Tuple.Dst)
	if src, dst, ok := p.Ports(); ok {
		p.Tuple.SrcPort, p.Tuple.DstPort = src, dst
	}
	p.Hash = t.Hash(&p.Tuple)
}
