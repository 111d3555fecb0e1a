package packet

import (
	"encoding/binary"
	"math/bits"

	"github.com/sluice-net/sluice/flowtable"
)

// SetPayload puts b in the place of what a whole TCP or UDP packet carries, and
// makes lengths and checksums right: Data, End and the headers' length fields
// may change, Probe does not. False: it does not fit into the frame's memory or
// into an IP datagram; nothing changed.
func (p *Packet) SetPayload(b []byte) bool {
	end := int(p.L4Payload) + len(b)
	if p.Flags&(FlagL4|FlagFragment) != FlagL4 || p.Proto != protoTCP && p.Proto != protoUDP ||
		end > cap(p.Data) || end > 0xffff || end-int(p.L3) > 0xffff {
		return false
	}
	size := max(end, min(len(p.Data), minFrame))
	p.Data = p.Data[:size]
	copy(p.Data[p.L4Payload:], b)
	clear(p.Data[end:])
	p.End = uint32(end)
	if p.Family == flowtable.FamilyIPv4 {
		h := p.Data[p.L3:][:ip4Len]
		old, now := be16(h[2:4]), uint16(end-int(p.L3))
		binary.BigEndian.PutUint16(h[2:4], now)
		binary.BigEndian.PutUint16(h[10:12], adjust(be16(h[10:12]), diff16(old, now)))
	} else {
		binary.BigEndian.PutUint16(p.Data[p.L3+4:], uint16(end-int(p.L3)-ip6Len))
	}
	l4 := p.Transport()
	at, _ := checksumAt(p.Proto)
	if p.Proto == protoUDP {
		binary.BigEndian.PutUint16(l4[4:6], uint16(len(l4)))
		if be16(l4[at:]) == 0 {
			return true
		}
	}
	binary.BigEndian.PutUint16(l4[at:], 0)
	c := Checksum(l4, p.PseudoSum(p.Proto, uint32(len(l4))))
	if c == 0 && p.Proto == protoUDP {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(l4[at:], c)
	return true
}

// AddSegmentSize puts the option of a segment's size in front of the others of a TCP
// segment that has no data (tcpmss_mangle_packet). A checksum that was wrong stays so.
// False: there is no room for it, and nothing changed.
func (p *Packet) AddSegmentSize(mss uint16) bool {
	const size, most = 4, 60
	head := int(p.L4Payload) - int(p.L4)
	if p.Flags&(FlagL4|FlagFragment) != FlagL4 || p.Proto != protoTCP || head+size > most || int(p.End) != int(p.L4Payload) {
		return false
	}
	at, _ := checksumAt(p.Proto)
	was := [2]uint16{be16(p.Transport()[at:]), be16(p.Transport()[tcpOffset:])}
	if !p.SetPayload([]byte{0, 0, 0, 0}) {
		return false
	}
	p.L4Payload += size
	p.Bytes += size
	h := p.Transport()
	copy(h[tcpLen+size:], h[tcpLen:head])
	h[tcpLen], h[tcpLen+1] = 2, size
	binary.BigEndian.PutUint16(h[tcpLen+2:], mss)
	h[tcpOffset] += size / 4 << 4
	sum := was[0]
	for _, change := range [][2]uint16{{uint16(head), uint16(head + size)}, {was[1], be16(h[tcpOffset:])}, {0, 2<<8 | size}, {0, mss}} {
		sum = adjust(sum, diff16(change[0], change[1]))
	}
	binary.BigEndian.PutUint16(h[at:], sum)
	return true
}

// tcpOffset is where a TCP header says how long it is.
const tcpOffset = 12

// minFrame is the least length of an Ethernet frame without its checksum.
const minFrame = 60

// AdjustTCP moves a whole TCP segment's sequence number as this direction was
// lengthened, acknowledgement and SACK blocks back as the other was
// (nf_ct_seq_adjust), and patches the checksum.
func (p *Packet) AdjustTCP(this, other *flowtable.SeqAdjust) {
	if p.Flags&(FlagL4|FlagFragment) != FlagL4 || p.Proto != protoTCP {
		return
	}
	const ack = 0x10
	h := p.Transport()
	delta := shift(h[4:8], this.Sent(be32(h[4:8])))
	if h[13]&ack != 0 {
		delta += shift(h[8:12], -other.Acked(be32(h[8:12])))
		delta += adjustSACK(p.Data[p.L4:p.L4Payload], other)
		p.Flags |= FlagHeadPulled // nf_ct_sack_adjust
	}
	patch(p.Proto, h, delta)
}

// shift adds by to the 32-bit number in f and returns the change of the sum.
func shift(f []byte, by int32) uint64 {
	old := be32(f)
	now := old + uint32(by)
	binary.BigEndian.PutUint32(f, now)
	return diff32(old, now)
}

// adjustSACK moves the edges in the SACK options of a TCP header back.
func adjustSACK(h []byte, other *flowtable.SeqAdjust) (delta uint64) {
	const end, nop, sack = 0, 1, 5
	for at := tcpLen; at < len(h) && h[at] != end; {
		if h[at] == nop {
			at++
			continue
		}
		if at+1 >= len(h) || h[at+1] < 2 || at+int(h[at+1]) > len(h) {
			break
		}
		next := at + int(h[at+1])
		if h[at] == sack {
			for k := at + 2; k+4 <= next; k += 4 {
				f := h[k : k+4]
				d := shift(f, -other.Acked(be32(f)))
				if k%2 != 0 { // it lies across the words of the sum
					d = uint64(bits.ReverseBytes16(fold(d)))
				}
				delta += d
			}
		}
		at = next
	}
	return delta
}
