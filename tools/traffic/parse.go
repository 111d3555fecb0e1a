package traffic

import "encoding/binary"

// packet is a received frame taken apart. Payload is a view into the frame.
type packet struct {
	src, dst     [16]byte
	from, to     [6]byte // link addresses
	v6           bool
	proto        uint8
	sport, dport uint16 // echo and errors: the identifier in both
	payload      []byte // behind the L4 header

	seq, ack uint32 // TCP; echo: its sequence number in seq
	flags    uint8  // TCP

	typ   uint8 // ICMP; IPv4's numbers for both families
	error bool  // an ICMP error: src to dport are those of the packet it is about
}

// ICMP types, IPv4's numbers.
const (
	echoReply    = 0
	unreachable  = 3
	echoRequest  = 8
	timeExceeded = 11
)

// parse takes a frame apart and verifies its checksums; false: malformed, of a
// kind that no host sends, or a checksum is wrong.
func (p *packet) parse(b []byte) bool {
	*p = packet{}
	if len(b) < etherBytes {
		return false
	}
	p.to, p.from = [6]byte(b[:6]), [6]byte(b[6:12])
	l4, ok := p.parseIP(b[etherBytes:], binary.BigEndian.Uint16(b[12:]) == etherIPv6)
	if !ok || (!p.v6 && binary.BigEndian.Uint16(b[12:]) != etherIPv4) {
		return false
	}
	acc := uint64(0)
	if p.proto != protoICMP {
		acc = pseudo(&p.src, &p.dst, p.v6, p.proto, len(l4))
	}
	if p.proto == protoUDP && !p.v6 && len(l4) >= udpBytes && l4[6]|l4[7] == 0 {
		return p.parseL4(l4) // sent without a checksum
	}
	return fold(sum(l4, acc)) == 0xffff && p.parseL4(l4)
}

// parseIP returns what is behind the IP header.
func (p *packet) parseIP(ip []byte, v6 bool) ([]byte, bool) {
	p.v6 = v6
	if v6 {
		if len(ip) < ip6Bytes || ip[0]>>4 != 6 {
			return nil, false
		}
		n := int(binary.BigEndian.Uint16(ip[4:]))
		if len(ip) < ip6Bytes+n {
			return nil, false
		}
		p.proto = ip[6]
		copy(p.src[:], ip[8:24])
		copy(p.dst[:], ip[24:40])
		return ip[ip6Bytes : ip6Bytes+n], true
	}
	if len(ip) < ip4Bytes || ip[0] != 0x45 {
		return nil, false
	}
	n := int(binary.BigEndian.Uint16(ip[2:]))
	if n < ip4Bytes || len(ip) < n || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 || fold(sum(ip[:ip4Bytes], 0)) != 0xffff {
		return nil, false
	}
	p.proto = ip[9]
	copy(p.src[:4], ip[12:16])
	copy(p.dst[:4], ip[16:20])
	return ip[ip4Bytes:n], true
}

func (p *packet) parseL4(b []byte) bool {
	switch {
	case p.proto == protoTCP:
		if len(b) < tcpBytes {
			return false
		}
		header := int(b[12]>>4) * 4
		if header < tcpBytes || header > len(b) {
			return false
		}
		p.sport, p.dport = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		p.seq, p.ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
		p.flags = b[13]
		p.payload = b[header:]
		return true
	case p.proto == protoUDP:
		if len(b) < udpBytes || int(binary.BigEndian.Uint16(b[4:])) != len(b) {
			return false
		}
		p.sport, p.dport = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		p.payload = b[udpBytes:]
		return true
	case p.proto == protoICMP && !p.v6, p.proto == protoICMPv6 && p.v6:
		return p.parseICMP(b)
	}
	return false
}

func (p *packet) parseICMP(b []byte) bool {
	if len(b) < icmpBytes {
		return false
	}
	p.typ = b[0]
	if p.v6 {
		switch b[0] {
		case 1, 2: // unreachable, too big
			p.typ = unreachable
		case 3:
			p.typ = timeExceeded
		case 128:
			p.typ = echoRequest
		case 129:
			p.typ = echoReply
		default:
			return false
		}
	}
	switch p.typ {
	case echoRequest, echoReply:
		p.sport = binary.BigEndian.Uint16(b[4:])
		p.dport = p.sport
		p.seq = uint32(binary.BigEndian.Uint16(b[6:]))
		p.payload = b[icmpBytes:]
		return true
	case unreachable, timeExceeded:
		return p.parseInner(b[icmpBytes:])
	}
	return false
}

// parseInner reads the packet an ICMP error is about, which may be cut short
// behind eight bytes of its L4 header.
func (p *packet) parseInner(ip []byte) bool {
	p.error = true
	header := ip4Bytes
	if p.v6 {
		header = ip6Bytes
	}
	if len(ip) < header+8 {
		return false
	}
	l4 := ip[header:]
	if p.v6 {
		p.proto = ip[6]
		copy(p.src[:], ip[8:24])
		copy(p.dst[:], ip[24:40])
	} else {
		if ip[0] != 0x45 || fold(sum(ip[:ip4Bytes], 0)) != 0xffff {
			return false
		}
		p.proto = ip[9]
		copy(p.src[:4], ip[12:16])
		copy(p.dst[:4], ip[16:20])
	}
	switch p.proto {
	case protoTCP, protoUDP:
		p.sport, p.dport = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
	case protoICMP, protoICMPv6:
		p.sport = binary.BigEndian.Uint16(l4[4:])
		p.dport = p.sport
	default:
		return false
	}
	return true
}
