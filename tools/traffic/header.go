package traffic

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

const (
	etherBytes = 14
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	ip4Bytes   = 20
	ip6Bytes   = 40
	tcpBytes   = 20
	udpBytes   = 8
	icmpBytes  = 8

	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// TCP flags.
const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
)

const window = 64240

// synOptions are a maximum segment size, filled in, and a window scale, so that
// connection tracking takes long answers without acknowledgement to be in window.
var synOptions = [8]byte{2, 4, 0, 0, 1, 3, 3, 7}

// flow is the addressing of what a host sends.
type flow struct {
	src, dst     [16]byte // IPv4 in the first four bytes
	sport, dport uint16   // echo: the identifier in sport
	mac          [6]byte  // next hop
	v6           bool
}

// address returns an address in the form of flow.
func address(a netip.Addr) (b [16]byte) {
	if a.Is4() {
		v4 := a.As4()
		copy(b[:], v4[:])
		return b
	}
	return a.As16()
}

// sum adds b to a ones' complement sum in 64 bits.
func sum(b []byte, acc uint64) uint64 {
	var carry uint64
	for ; len(b) >= 8; b = b[8:] {
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(b), carry)
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		acc, carry = bits.Add64(acc, binary.BigEndian.Uint64(tail[:]), carry)
	}
	acc, carry = bits.Add64(acc, carry, 0)
	return acc + carry
}

// fold returns the sum in 16 bits.
func fold(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16&0xffff + acc&0xffff + acc>>32
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return uint16(acc)
}

// pseudo returns the sum of the pseudo-header.
func pseudo(src, dst *[16]byte, v6 bool, proto uint8, n int) uint64 {
	acc := uint64(proto) + uint64(n)
	if v6 {
		return sum(dst[:], sum(src[:], acc))
	}
	return acc + uint64(binary.BigEndian.Uint32(src[:])) + uint64(binary.BigEndian.Uint32(dst[:]))
}

// putIP writes the Ethernet and IP headers in front of n bytes and returns
// their length.
func (f *flow) putIP(b []byte, from [6]byte, proto uint8, n int, id uint16) int {
	copy(b, f.mac[:])
	copy(b[6:], from[:])
	if f.v6 {
		binary.BigEndian.PutUint16(b[12:], etherIPv6)
		ip := b[etherBytes : etherBytes+ip6Bytes]
		binary.BigEndian.PutUint32(ip, 6<<28)
		binary.BigEndian.PutUint16(ip[4:], uint16(n))
		ip[6], ip[7] = proto, 64
		copy(ip[8:], f.src[:])
		copy(ip[24:], f.dst[:])
		return etherBytes + ip6Bytes
	}
	binary.BigEndian.PutUint16(b[12:], etherIPv4)
	ip := b[etherBytes : etherBytes+ip4Bytes]
	binary.BigEndian.PutUint32(ip, 0x45000000|uint32(ip4Bytes+n))
	binary.BigEndian.PutUint32(ip[4:], uint32(id)<<16|0x4000) // don't fragment
	ip[8], ip[9], ip[10], ip[11] = 64, proto, 0, 0
	copy(ip[12:16], f.src[:])
	copy(ip[16:20], f.dst[:])
	binary.BigEndian.PutUint16(ip[10:], ^fold(sum(ip, 0)))
	return etherBytes + ip4Bytes
}

// putSum computes the checksum of an L4 packet whose checksum field at is zero.
func (f *flow) putSum(l4 []byte, proto uint8, at int) {
	c := ^fold(sum(l4, pseudo(&f.src, &f.dst, f.v6, proto, len(l4))))
	if c == 0 && proto == protoUDP {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(l4[at:], c)
}

// segment is the variable part of a TCP header.
type segment struct {
	seq, ack uint32
	flags    uint8
}

// putTCP writes a whole frame with n bytes of payload, which the caller has put
// at the place that tcpPayload tells, and returns its length.
func (f *flow) putTCP(b []byte, from [6]byte, s segment, n int) int {
	header := tcpBytes
	if s.flags&syn != 0 {
		header += len(synOptions)
	}
	at := f.putIP(b, from, protoTCP, header+n, uint16(s.seq))
	t := b[at : at+header+n]
	binary.BigEndian.PutUint16(t, f.sport)
	binary.BigEndian.PutUint16(t[2:], f.dport)
	binary.BigEndian.PutUint32(t[4:], s.seq)
	binary.BigEndian.PutUint32(t[8:], s.ack)
	t[12], t[13] = uint8(header/4)<<4, s.flags
	binary.BigEndian.PutUint16(t[14:], window)
	binary.BigEndian.PutUint32(t[16:], 0)
	if s.flags&syn != 0 {
		copy(t[tcpBytes:], synOptions[:])
		mss := 1460
		if f.v6 {
			mss = 1440
		}
		binary.BigEndian.PutUint16(t[tcpBytes+2:], uint16(mss))
	}
	f.putSum(t, protoTCP, 16)
	return at + header + n
}

// payload returns where in a frame the payload behind an L4 header starts.
func (f *flow) payload(l4 int) int {
	if f.v6 {
		return etherBytes + ip6Bytes + l4
	}
	return etherBytes + ip4Bytes + l4
}

// putUDP is putTCP for UDP.
func (f *flow) putUDP(b []byte, from [6]byte, n int) int {
	at := f.putIP(b, from, protoUDP, udpBytes+n, 0)
	u := b[at : at+udpBytes+n]
	binary.BigEndian.PutUint16(u, f.sport)
	binary.BigEndian.PutUint16(u[2:], f.dport)
	binary.BigEndian.PutUint32(u[4:], uint32(udpBytes+n)<<16)
	f.putSum(u, protoUDP, 6)
	return at + udpBytes + n
}

// putEcho is putTCP for an echo request or reply.
func (f *flow) putEcho(b []byte, from [6]byte, reply bool, seq uint16, n int) int {
	typ, proto := uint8(8), uint8(protoICMP)
	switch {
	case f.v6 && reply:
		typ, proto = 129, protoICMPv6
	case f.v6:
		typ, proto = 128, protoICMPv6
	case reply:
		typ = 0
	}
	at := f.putIP(b, from, proto, icmpBytes+n, seq)
	c := b[at : at+icmpBytes+n]
	binary.BigEndian.PutUint32(c, uint32(typ)<<24)
	binary.BigEndian.PutUint16(c[4:], f.sport)
	binary.BigEndian.PutUint16(c[6:], seq)
	if f.v6 {
		f.putSum(c, proto, 2)
	} else {
		binary.BigEndian.PutUint16(c[2:], ^fold(sum(c, 0)))
	}
	return at + icmpBytes + n
}
