package packet

import (
	"encoding/binary"
	"math/bits"

	"github.com/sluice-net/sluice/flowtable"
)

// SetSrc writes the source address (IPv4: the first four bytes of addr) and the
// source port, in host order, and patches every checksum that covers them. For
// an ICMP query port is the identifier; for ICMP errors, later fragments and
// protocols without ports it means nothing. Nothing in Probe changes. SetDst
// writes the call id of PPTP's GRE, as destination key, like a port.
//
// DropNAT: the bytes cannot be rewritten (a transport header that is not
// whole, an SCTP port in a fragment); the frame is then unchanged.
func (p *Packet) SetSrc(addr *[16]byte, port uint16) Drop { return p.set(addr, port, false) }

// SetDst is SetSrc for the destination. The identifier of an ICMP query has no
// direction: SetDst sets the same word as SetSrc, so port must be the
// identifier here too, never a tuple's type and code. Of GRE version 1 port is
// the call id.
func (p *Packet) SetDst(addr *[16]byte, port uint16) Drop { return p.set(addr, port, true) }

func (p *Packet) set(addr *[16]byte, port uint16, dst bool) Drop {
	if p.Family == flowtable.FamilyIPv4 && p.Flags == FlagL4 && (p.Proto == protoTCP || p.Proto == protoUDP) {
		p.setCommon(addr, port, dst)
		return DropNone
	}
	var l4 []byte // nil: addresses only
	if p.Flags&FlagLaterFrag == 0 && needsHeader(p.Proto) {
		if p.Flags&FlagL4 == 0 {
			return DropNAT
		}
		l4 = p.Transport()
	}
	if p.Proto == protoGRE && p.Flags&FlagLaterFrag == 0 && !setCallID(p.Transport(), port, dst) {
		return DropNAT
	}
	at, covers := portAt(p.Proto, l4, dst)
	if p.Proto == protoSCTP && l4 != nil {
		if p.Flags&FlagFragment == 0 { // made anew whatever it was, as sctp_manip_pkt does
			binary.BigEndian.PutUint16(l4[at:], port)
			binary.LittleEndian.PutUint32(l4[8:12], sctpSum(l4))
		} else if be16(l4[at:]) != port {
			return DropNAT // the CRC needs all bytes
		}
		at = -1
	}
	var pseudo uint64
	switch p.Family {
	case flowtable.FamilyIPv4:
		h := p.Data[p.L3:][:ip4Len]
		pseudo = putAddr4(h, addr, dst)
		binary.BigEndian.PutUint16(h[10:12], adjust(be16(h[10:12]), pseudo))
	case flowtable.FamilyIPv6:
		pseudo = putAddr6(p.Data[p.L3:][:ip6Len], addr, dst)
	default:
		return DropNAT
	}
	if l4 == nil {
		return DropNone
	}
	delta := uint64(0)
	if at >= 0 {
		delta = diff16(be16(l4[at:]), port)
		binary.BigEndian.PutUint16(l4[at:], port)
	}
	if covers {
		delta += pseudo
	}
	patch(p.Proto, l4, delta)
	return DropNone
}

// setCommon is set for what nearly all packets are: whole ones of TCP or UDP
// over IPv4 without options. One's complement sums come out the same in either
// byte order, so it adds words as they lie.
func (p *Packet) setCommon(addr *[16]byte, port uint16, dst bool) {
	h := p.Data[p.L3:][:ip4Len]
	l4 := p.Data[p.L4:][:udpLen]
	a, b := h[ip4Src:ip4Dst], l4[0:2]
	if dst {
		a, b = h[ip4Dst:], l4[2:4]
	}
	now, number := binary.LittleEndian.Uint32(addr[:]), bits.ReverseBytes16(port)
	delta := diff32(binary.LittleEndian.Uint32(a), now)
	binary.LittleEndian.PutUint32(a, now)
	binary.LittleEndian.PutUint16(h[10:], adjust(binary.LittleEndian.Uint16(h[10:]), delta))
	delta += diff16(binary.LittleEndian.Uint16(b), number)
	binary.LittleEndian.PutUint16(b, number)
	sum := l4[6:8]
	if p.Proto == protoTCP {
		sum = p.Data[p.L4+16:][:2]
	}
	old := binary.LittleEndian.Uint16(sum)
	if p.Proto == protoUDP && old == 0 {
		return
	}
	c := adjust(old, delta)
	if p.Proto == protoUDP && c == 0 {
		c = 0xffff
	}
	binary.LittleEndian.PutUint16(sum, c)
}

// setCallID writes the destination key of PPTP's GRE, the only one on the wire
// (gre_manip_pkt). False: Linux does not translate such a header, which is too
// short, or for a destination of a version that nobody knows.
func setCallID(h []byte, id uint16, dst bool) bool {
	switch {
	case len(h) < greManipLen:
		return false
	case !dst || h[1]&greVersion == 0:
	case h[1]&greVersion == 1:
		binary.BigEndian.PutUint16(h[greCallID:], id)
	default:
		return false
	}
	return true
}

// portAt returns the offset of the word that SetSrc or SetDst writes, -1 for
// none, and whether the protocol's checksum covers the addresses.
func portAt(proto uint8, l4 []byte, dst bool) (at int, pseudo bool) {
	if l4 == nil {
		return -1, false
	}
	switch proto {
	case protoICMP:
		if icmpIsQuery(l4[0]) {
			return 4, false
		}
		return -1, false
	case protoICMPv6:
		if l4[0] == icmpv6EchoRequest || l4[0] == icmpv6EchoReply { // not those of node information, as icmpv6_manip_pkt
			return 4, true
		}
		return -1, true
	}
	if dst {
		return 2, proto != protoSCTP
	}
	return 0, proto != protoSCTP
}

// putAddr4 writes an address into an IPv4 header and returns the change of the
// one's complement sum.
func putAddr4(h []byte, addr *[16]byte, dst bool) uint64 {
	off := ip4Src
	if dst {
		off = ip4Dst
	}
	f := h[off : off+4]
	old, now := be32(f), be32(addr[:4])
	binary.BigEndian.PutUint32(f, now)
	return diff32(old, now)
}

// putAddr6 is putAddr4 for IPv6.
func putAddr6(h []byte, addr *[16]byte, dst bool) uint64 {
	off := ip6Src
	if dst {
		off = ip6Dst
	}
	f := h[off : off+16]
	d := uint64(0)
	for i := 0; i < 16; i += 4 {
		d += diff32(be32(f[i:]), be32(addr[i:]))
	}
	copy(f, addr[:])
	return d
}

// patch adds delta to what the transport checksum of l4 covers. A checksum
// that is not among the bytes, or UDP's "none", stays as it is.
func patch(proto uint8, l4 []byte, delta uint64) {
	at, _ := checksumAt(proto)
	if at < 0 || at+2 > len(l4) {
		return
	}
	f := l4[at : at+2]
	old := be16(f)
	if proto == protoUDP && old == 0 {
		return
	}
	c := adjust(old, delta)
	if c == 0 && (proto == protoUDP || proto == protoUDPLite) {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(f, c)
}

// DecTTL takes one from TTL or hop limit. False: it is used up (1 or 0), the
// frame must not be forwarded, and nothing changed.
func (p *Packet) DecTTL() bool {
	if p.Family == flowtable.FamilyIPv4 {
		h := p.Data[p.L3:][:ip4Len]
		if h[8] <= 1 {
			return false
		}
		h[8]--
		// The TTL is the high byte of its word: the sum loses 0x0100, the checksum gains it.
		c := uint32(be16(h[10:12])) + 0x0100
		if c >= 0xffff {
			c++
		}
		binary.BigEndian.PutUint16(h[10:12], uint16(c))
		return true
	}
	h := p.Data[p.L3:][:ip6Len]
	if h[7] <= 1 {
		return false
	}
	h[7]--
	return true
}
