package packet

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// Store overwrites the bytes from offset at of the frame with b. What lies in
// an IP header is taken over into the header's checksum, and addresses also into
// the transport checksum; with sum what lies behind the transport header's
// start is taken over into that one, UDP's "none" staying none. A checksum that
// is itself overwritten becomes what b says. False: the bytes are not within the
// datagram, and nothing changed.
func (p *Packet) Store(at int, b []byte, sum bool) bool {
	if at < 0 || len(b) > 16 || at+len(b) > int(p.End) || int(p.End) > len(p.Data) {
		return false
	}
	if len(b) == 0 || p.Family == flowtable.FamilyNone || at < int(p.L3) {
		copy(p.Data[max(at, 0):], b)
		return true
	}
	whole := p.Flags&FlagL4 != 0 && p.Flags&FlagLaterFrag == 0 && int(p.L4) <= int(p.End)
	behind := whole && at >= int(p.L4)
	start := int(p.L3)
	if behind {
		start = int(p.L4)
	}
	delta := p.change(start, at, b)
	if behind {
		if sum {
			patch(p.Proto, p.Data[p.L4:p.End], delta)
		}
		copy(p.Data[at:], b)
		return true
	}
	first, last := ip4Src, ip4Dst+4
	if p.Family == flowtable.FamilyIPv6 {
		first, last = ip6Src, ip6Dst+16
	} else if at-start < int(p.Data[start]&0xf)*4 {
		f := p.Data[start+10 : start+12]
		binary.BigEndian.PutUint16(f, adjust(be16(f), delta))
	}
	if off := at - start; whole && off >= first && off < last {
		if _, pseudo := checksumAt(p.Proto); pseudo {
			patch(p.Proto, p.Data[p.L4:p.End], delta)
		}
	}
	copy(p.Data[at:], b)
	return true
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
