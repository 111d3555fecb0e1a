package packet

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"

	"github.com/sluice-net/sluice/flowtable"
)

// Constants that Go has no constants for. What crc32.Update is given escapes,
// so the zeros must not be a local variable.
var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	zeroField  [4]byte
)

// sum adds the 16-bit words of b in one's complement, in the byte order of a
// little-endian load; a last odd byte counts as if a zero followed.
func sum(b []byte) uint64 {
	var s, c uint64
	for len(b) >= 32 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[8:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[16:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[24:]), c)
		b = b[32:]
	}
	for len(b) >= 8 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), c)
		b = b[8:]
	}
	if len(b) > 0 {
		var w uint64
		for i, x := range b {
			w |= uint64(x) << (8 * i)
		}
		s, c = bits.Add64(s, w, c)
	}
	s, c = bits.Add64(s, 0, c)
	return s + c
}

// fold brings a one's complement sum down to 16 bits.
func fold(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return uint16(s)
}

// Checksum is the Internet checksum (RFC 1071) of b added to initial, which is
// a sum of 16-bit words in host order such as PseudoSum returns. The result is
// in host order, to be stored big-endian. Over bytes that hold a right checksum
// it is 0.
func Checksum(b []byte, initial uint32) uint16 {
	return ^fold(uint64(bits.ReverseBytes16(fold(sum(b)))) + uint64(initial))
}

// PseudoSum returns the sum, not complemented, of the pseudo header of p's
// datagram as it stands in the frame, for a transport protocol and length in
// bytes. Valid when p.Family is not FamilyNone.
func (p *Packet) PseudoSum(proto uint8, length uint32) uint32 {
	off, n := int(p.L3)+ip4Src, 8
	if p.Family == flowtable.FamilyIPv6 {
		off, n = int(p.L3)+ip6Src, 32
	}
	s := uint32(bits.ReverseBytes16(fold(sum(p.Data[off : off+n]))))
	return s + uint32(proto) + length>>16 + length&0xffff
}

// checksumAt returns where in the transport header the Internet checksum
// stands, and whether it covers a pseudo header; -1 when proto has none.
func checksumAt(proto uint8) (off int, pseudo bool) {
	switch proto {
	case protoTCP:
		return 16, true
	case protoUDP, protoUDPLite:
		return 6, true
	case protoICMP:
		return 2, false
	case protoICMPv6:
		return 2, true
	}
	return -1, false
}

// adjust returns checksum old after delta was added to the sum it covers (RFC
// 1624, equation 3). delta is a sum of ^old and new words, some thousand at
// most; old, delta and result are of one byte order.
func adjust(old uint16, delta uint64) uint16 {
	s := uint64(^old) + delta
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return ^uint16(s)
}

// diff16 and diff32 return what to add for a changed word.
func diff16(old, new uint16) uint64 { return uint64(^old) + uint64(new) }

func diff32(old, new uint32) uint64 { return uint64(^old) + uint64(new) }

// covered returns how many bytes of the transport part h proto's checksum
// covers; false when the header contradicts itself.
func covered(proto uint8, h []byte) (int, bool) {
	switch proto {
	case protoUDPLite:
		n := int(be16(h[4:6]))
		if n == 0 {
			n = len(h)
		}
		return n, n >= udpLen && n <= len(h)
	}
	return len(h), true // of UDP too, whatever the length in its header is: nf_ip_checksum
}

// ChecksumOK verifies the transport checksum of a whole packet. True also when
// there is nothing to verify: fragments, protocols without one, UDP's zero, a
// header that is not whole.
func (p *Packet) ChecksumOK() bool {
	if p.Flags&(FlagL4|FlagFragment) != FlagL4 {
		return true
	}
	h := p.Transport()
	if p.Proto == protoSCTP {
		return binary.LittleEndian.Uint32(h[8:12]) == sctpSum(h)
	}
	off, pseudo := checksumAt(p.Proto)
	if off < 0 {
		return true
	}
	n, ok := covered(p.Proto, h)
	if !ok {
		return false
	}
	if p.Proto == protoUDP && be16(h[6:8]) == 0 {
		return true
	}
	var initial uint32
	if pseudo {
		initial = p.PseudoSum(p.Proto, uint32(len(h)))
	}
	c := Checksum(h[:n], initial)
	return c == 0 || c == 0xffff // Linux counts the IPv4 header in, so that nothing but zeros has a right sum
}

// sctpSum is the CRC32c of an SCTP packet with its checksum field taken as
// zero, as it is stored little-endian (RFC 9260, appendix A).
func sctpSum(h []byte) uint32 {
	c := crc32.Update(0, castagnoli, h[:8])
	c = crc32.Update(c, castagnoli, zeroField[:])
	return crc32.Update(c, castagnoli, h[12:])
}

// CompleteChecksum finishes the checksum of a TCP or UDP packet whose sender
// left it to hardware: the field then holds exactly the pseudo header's sum,
// not complemented. Any other value is left alone. It says whether the field
// was written. To be called before anything is rewritten, since differences
// applied to an unfinished checksum spoil it.
func CompleteChecksum(p *Packet) bool {
	if p.Flags&(FlagL4|FlagFragment) != FlagL4 {
		return false
	}
	h := p.Transport()
	var at int
	switch p.Proto {
	case protoTCP:
		at = 16
	case protoUDP:
		at = 6
		if int(be16(h[4:6])) != len(h) {
			return false
		}
	default:
		return false
	}
	bare := fold(uint64(p.PseudoSum(p.Proto, uint32(len(h)))))
	if be16(h[at:]) != bare {
		return false
	}
	// The field itself counts as the pseudo header, which is what it holds.
	c := Checksum(h, 0)
	if c == 0 && p.Proto == protoUDP {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(h[at:], c)
	return true
}
