package packet

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// Sums are the checksums that what a rule writes is taken over into. They go by the
// field's name, as nft says to the kernel with the write, not by where it lies.
type Sums uint8

const (
	SumIP        Sums = 1 << iota // of the IPv4 header
	SumAddresses                  // of the transport, which covers a pseudo header
	SumTransport                  // of the transport header that is written, even where UDP has none
	SumUnmangled                  // not nft_csum_replace writes it: it may become 0
)

// protoIGMP has a checksum where ICMP has it.
const protoIGMP = 2

// Store overwrites the bytes from offset at of the frame with b and takes that over
// into sums, as nft_payload_set_eval does; no header behind one of authentication is
// looked into. A checksum that is itself overwritten becomes what b says. False: the
// rule ends, for the bytes, or a checksum, are not within the datagram. As in Linux
// the checksum of IPv4 is changed by then, and an SCTP header that is cut off written.
func (p *Packet) Store(at int, b []byte, sums Sums) bool {
	if at < 0 || len(b) > 16 || at+len(b) > int(p.End) || int(p.End) > len(p.Data) {
		return false
	}
	if len(b) == 0 || p.Family == flowtable.FamilyNone || at < int(p.L3) {
		copy(p.Data[max(at, 0):], b)
		return true
	}
	ip, l4, mangled := p.Data[p.L3:p.End], []byte(nil), sums&SumUnmangled == 0
	if p.AH == 0 && p.L4 > p.L3 && p.Flags&FlagLaterFrag == 0 && int(p.L4) <= int(p.End) {
		l4 = p.Data[p.L4:p.End]
	}
	if sums&SumIP != 0 && !replaceSum(ip, 10, p.change(int(p.L3), at, b), mangled) {
		return false
	}
	if sums&SumAddresses != 0 && l4 != nil {
		if off, pseudo := checksumAt(p.Proto); pseudo && p.sums(l4) && !replaceSum(l4, off, p.change(int(p.L3), at, b), mangled) {
			return false
		}
	}
	if sums&SumTransport != 0 && l4 != nil {
		off, _ := checksumAt(p.Proto)
		if p.Proto == protoIGMP {
			off = 2
		}
		if off >= 0 && !replaceSum(l4, off, p.change(int(p.L4), at, b), mangled) {
			return false
		}
	}
	copy(p.Data[at:], b)
	if sums&SumTransport != 0 && p.Proto == protoSCTP && l4 != nil {
		if len(l4) < sctpLen {
			return false
		}
		binary.LittleEndian.PutUint32(l4[8:12], sctpSum(l4)) // whatever it was, of a first fragment too (nft_payload_csum_sctp)
	}
	return true
}

// sums says whether new addresses change the checksum in the transport header h: of
// UDP only one that is there (nft_payload_udp_checksum).
func (p *Packet) sums(h []byte) bool {
	return p.Proto != protoUDP || len(h) >= udpLen && be16(h[6:8]) != 0
}

// replaceSum adds delta to what the checksum at an offset of h covers, with mangled
// as nft_csum_replace: never 0, in whatever header. False: it is not there.
func replaceSum(h []byte, at int, delta uint64, mangled bool) bool {
	if at+2 > len(h) {
		return false
	}
	c := adjust(be16(h[at:]), delta)
	if c == 0 && mangled {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(h[at:], c)
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
