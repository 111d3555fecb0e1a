package packet

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// IPv6 extension headers that lead on to another header (ipv6_ext_hdr).
const (
	extHopByHop = 0
	extRouting  = 43
	extFragment = 44
	extAuth     = 51
	extNone     = 59
	extDest     = 60

	fragHeaderLen = 8

	// maxExtBytes bounds the walk, so that offsets fit into 16 bits. The kernel has no
	// limit here but the packet's end; only datagrams that came in fragments, of
	// almost nothing but extension headers, come near.
	maxExtBytes = 0xf000
)

// walkEnd says how the walk over extension headers ended.
type walkEnd uint8

const (
	walkFound  walkEnd = iota // next is a transport protocol
	walkLater                 // a fragment header with an offset: no transport header here
	walkBroken                // the chain runs out of bytes
	walkNone                  // the chain ends in "no next header"
	walkRefuse                // too many bytes of headers
)

// chain is what the walk found.
type chain struct {
	off  int   // where the walk ended
	frag int   // offset of the header of a true fragment; 0 is none
	atom int   // offset of the first fragment header, which may be all of a datagram and may be cut off; 0 is none
	auth int   // offset of the first authentication header; 0 is none
	next uint8 // protocol at off
	end  walkEnd
}

// walkIPv6 follows the extension headers of the datagram b, whose fixed header
// is whole. Offsets count from its start. A header need not be whole if it is there
// far enough to say what follows (ipv6_skip_exthdr): off may be beyond b. quoted
// says that b is a packet in an ICMP error.
func walkIPv6(b []byte, quoted bool) chain {
	c := chain{off: ip6Len, next: b[6]}
	for c.off <= maxExtBytes {
		need, size := 2, fragHeaderLen
		switch c.next {
		case extHopByHop, extDest, extAuth:
		case extRouting:
			if !quoted {
				need = 4 // ipv6_find_hdr wants that much, for rules
			}
		case extFragment:
			if need = 4; !quoted && c.atom == 0 && len(b) > ip6Len && c.off <= len(b) {
				c.atom = c.off // nf_ct_frag6_gather comes to it, whole or not
			}
		case extNone:
			c.end = walkNone
			return c
		default:
			return c
		}
		if c.off+need > len(b) {
			c.end = walkBroken
			return c
		}
		h := b[c.off : c.off+need]
		switch c.next {
		case extFragment:
			if info := be16(h[2:4]); info&0xfff9 != 0 {
				if c.frag == 0 {
					c.frag = c.off
				}
				if info&0xfff8 != 0 {
					c.off += fragHeaderLen
					c.next = h[0]
					c.end = walkLater
					return c
				}
			}
		case extAuth:
			size = (int(h[1]) + 2) * 4
			if c.auth == 0 {
				c.auth = c.off
			}
		default:
			size = (int(h[1]) + 1) * 8
		}
		c.next = h[0]
		c.off += size
	}
	c.end = walkRefuse
	return c
}

// ParseJoined is Parse of a datagram that has been put together. Hop-by-hop options
// that were behind the fragment header are no longer read as those of a packet that
// comes in: the kernel has done that.
func ParseJoined(p *Packet, t *flowtable.Table, l3 int) Drop {
	if next := &p.Data[l3+6]; p.Data[l3]>>4 == 6 && *next == extHopByHop {
		*next = extDest // another header that leads on
		d := Parse(p, t)
		*next = extHopByHop
		return d
	}
	return Parse(p, t)
}

// parseIPv6 checks what ip6_rcv_core checks.
func parseIPv6(p *Packet, t *flowtable.Table, l3 int) Drop {
	b := p.Data[l3:]
	if len(b) < ip6Len {
		return DropShort
	}
	h := b[:ip6Len]
	if h[0]>>4 != 6 {
		return DropIPVersion
	}
	if !wireAddresses(h) {
		return DropIPAddress
	}
	// A payload length of zero in front of hop-by-hop options announces a
	// jumbogram; without a jumbo option the kernel takes the frame's length.
	total := int(be16(h[4:6])) + ip6Len
	if total == ip6Len && h[6] == extHopByHop {
		total = len(b)
	}
	if total > len(b) {
		return DropIPTruncated
	}
	b = b[:total]
	c := chain{off: ip6Len, next: h[6]}
	if c.next != protoTCP && c.next != protoUDP {
		if c.next == extHopByHop {
			if sound, _, _ := readHops(b); !sound {
				return DropIPv6Extension
			}
		}
		c = walkIPv6(b, false)
		if c.end == walkRefuse {
			return DropIPv6Extension
		}
		if c.off != ip6Len || c.end != walkFound {
			p.Flags |= FlagExtHeaders
		}
	}
	lead6(p, &c, l3, total)
	if c.frag != 0 {
		p.Flags |= FlagFragment
		p.Reason = flowtable.ReasonFragment
		if c.end == walkFound {
			markHeader(p)
		}
		return DropNone
	}
	if c.end != walkFound {
		p.Reason = flowtable.ReasonMalformed
		if c.end == walkBroken && c.frag == 0 {
			ReadAlone(p, t)
		}
		return DropNone
	}
	addresses6(p, h)
	parseTransport(p, t, b[c.off:], total-c.off)
	return DropNone
}

// Extension says whether a protocol number is that of an IPv6 extension header
// that another one follows.
func Extension(proto uint8) bool {
	switch proto {
	case extHopByHop, extRouting, extFragment, extAuth, extDest:
		return true
	}
	return false
}

// lead6 notes in p what leads to the transport header of a datagram of total bytes
// at l3, through whose headers c has walked.
func lead6(p *Packet, c *chain, l3, total int) {
	p.Family = flowtable.FamilyIPv6
	p.Proto = c.next
	p.End = uint32(l3 + total)
	c.off = min(c.off, total)
	p.L4 = uint16(l3 + c.off)
	p.L4Payload = p.L4
	p.Bytes = uint32(total)
	if c.auth != 0 {
		p.AH = uint16(l3 + c.auth)
	} else if c.end == walkBroken || c.end == walkLater && Extension(c.next) {
		p.Flags |= FlagNoProto
	}
	if c.atom != 0 {
		p.Frag = uint16(l3 + c.atom)
	}
	if c.end == walkLater {
		p.Flags |= FlagLaterFrag
	}
}

// addresses6 begins the tuple of p, whose fixed header is h.
func addresses6(p *Packet, h []byte) {
	le := binary.LittleEndian
	le.PutUint64(p.Tuple.Src[:8], le.Uint64(h[8:16]))
	le.PutUint64(p.Tuple.Src[8:], le.Uint64(h[16:24]))
	le.PutUint64(p.Tuple.Dst[:8], le.Uint64(h[24:32]))
	le.PutUint64(p.Tuple.Dst[8:], le.Uint64(h[32:40]))
	p.Tuple.Proto = p.Proto
	p.Tuple.Family = flowtable.FamilyIPv6
}

// ReadAlone completes p, a first fragment of IPv6 as Parse has left it, as if it
// were all of a datagram, which is how Linux tracks one that it does not gather.
func ReadAlone(p *Packet, t *flowtable.Table) {
	p.Flags &^= FlagFragment
	c := walkIPv6(p.Data[p.L3:p.End], true) // a header that is cut off hides no protocol (ipv6_skip_exthdr)
	if c.end != walkFound {
		p.Reason = flowtable.ReasonMalformed
		return
	}
	p.Reason, p.Proto = flowtable.ReasonNone, c.next
	p.L4 = uint16(min(uint32(p.L3)+uint32(c.off), p.End))
	p.L4Payload = max(p.L4, p.L4Payload)
	addresses6(p, p.Data[p.L3:][:ip6Len])
	h := p.Data[p.L4:p.End]
	parseTransport(p, t, h, len(h))
}

// Headless says that p, as Parse has left it, is a first fragment of IPv6 without
// the whole transport header, which Linux does not gather
// (ipv6frag_thdr_truncated; RFC 8200 section 4.5).
func Headless(p *Packet) bool {
	if p.Family != flowtable.FamilyIPv6 || p.Flags&FlagLaterFrag != 0 {
		return false
	}
	c := walkIPv6(p.Data[p.L3:p.End], true)
	if c.end != walkFound {
		return false
	}
	need := 1
	switch c.next {
	case protoTCP:
		need = tcpLen
	case protoUDP, protoICMPv6:
		need = udpLen
	}
	return int(p.L3)+c.off+need > int(p.End)
}

// wireAddresses refuses the addresses that ip6_rcv_core refuses on a device
// that is not the loopback: loopback either way, multicast source, v4-mapped
// source, destinations of multicast scope 0 and 1.
func wireAddresses(h []byte) bool {
	_ = h[39]
	if h[8] == 0xff || h[24] == 0xff && h[25]&15 < 2 {
		return false
	}
	src, dst := binary.BigEndian.Uint64(h[8:]), binary.BigEndian.Uint64(h[24:])
	if src != 0 && dst != 0 {
		return true
	}
	srcLow, dstLow := binary.BigEndian.Uint64(h[16:]), binary.BigEndian.Uint64(h[32:])
	if src == 0 && (srcLow == 1 || srcLow>>32 == 0xffff) {
		return false
	}
	return dst != 0 || dstLow != 1
}
