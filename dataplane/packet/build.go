package packet

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

const (
	answerTTL = 64 // net.ipv4.ip_default_ttl, net.ipv6 hop_limit

	errorMax4 = 576  // RFC 1812 section 4.3.2.3: size of an ICMP error, IP header included
	errorMax6 = 1280 // RFC 4443 section 2.4 (c)

	tcpFIN, tcpSYN, tcpRST, tcpACK = 1, 2, 4, 16
)

// BuildICMPError writes into buf the frame of an ICMP (or, by orig's family,
// ICMPv6) error about orig: from src to orig's source, type and code as given,
// info in the word behind the checksum (MTU, pointer; 0 otherwise), then orig's
// datagram as it stands in its frame now, as much as the RFCs allow. options
// stand behind an IPv4 header, a multiple of four bytes. The Ethernet header has its EtherType and zero MACs, to be filled on sending.
// The caller has asked ShouldAnswer.
//
// It returns the frame's length, 0 when buf is too small or orig is not IP.
// orig's frame and buf must not overlap.
func BuildICMPError(buf []byte, orig *Packet, typ, code uint8, info uint32, src *[16]byte, options []byte) int {
	var to [16]byte
	switch orig.Family {
	case flowtable.FamilyIPv4:
		orig.SrcAddr(&to)
		quote := orig.IP()
		quote = quote[:min(len(quote), errorMax4-ip4Len-len(options)-icmpLen)]
		n := len(options) + icmpLen + len(quote)
		msg := beginIPv4(buf, n, protoICMP, src, &to, orig.Data[orig.L3+1]&0x1e|0xc0, be16(orig.Data[orig.L3+4:]))
		if msg == nil {
			return 0
		}
		if copy(msg, options) > 0 {
			h := buf[EtherLen:][:ip4Len+len(options)]
			h[0] += byte(len(options) / 4)
			finishIPv4(h)
		}
		putError(msg[len(options):], typ, code, info, quote, 0)
		return EtherLen + ip4Len + n
	case flowtable.FamilyIPv6:
		orig.SrcAddr(&to)
		quote := orig.IP()
		quote = quote[:min(len(quote), errorMax6-ip6Len-icmpLen)]
		n := icmpLen + len(quote)
		msg := beginIPv6(buf, n, protoICMPv6, src, &to)
		if msg == nil {
			return 0
		}
		putError(msg, typ, code, info, quote, pseudo6(buf, protoICMPv6, n))
		return EtherLen + ip6Len + n
	}
	return 0
}

func putError(msg []byte, typ, code uint8, info uint32, quote []byte, initial uint32) {
	msg[0], msg[1], msg[2], msg[3] = typ, code, 0, 0
	binary.BigEndian.PutUint32(msg[4:8], info)
	copy(msg[icmpLen:], quote)
	binary.BigEndian.PutUint16(msg[2:4], Checksum(msg, initial))
}

// BuildTCPReset writes into buf the frame of the RST that a reject rule answers
// orig with (RFC 9293 section 3.5.2; nf_reject_ip_tcphdr_put): from orig's
// destination to its source. With an ACK in orig, its acknowledgment becomes
// our sequence number; else we acknowledge all that orig occupies. MACs are
// zero, to be filled on sending.
//
// It returns the frame's length; 0 when no RST may answer orig (not a TCP header,
// itself an RST, a fragment) or buf is too small. Nobody asks whether the header's
// length is true: the acknowledgment wraps where it is not.
func BuildTCPReset(buf []byte, orig *Packet) int {
	if orig.Proto != protoTCP || orig.Flags&(FlagL4|FlagFragment) != FlagL4 {
		return 0
	}
	o := orig.Transport()
	flags := o[13]
	doff := int(o[12]>>4) * 4
	if flags&tcpRST != 0 {
		return 0
	}
	var from, to [16]byte
	orig.DstAddr(&from)
	orig.SrcAddr(&to)
	var h []byte
	var initial uint32
	n := 0
	switch orig.Family {
	case flowtable.FamilyIPv4:
		if h = beginIPv4(buf, tcpLen, protoTCP, &from, &to, 0, 0); h == nil {
			return 0
		}
		ip := buf[EtherLen : EtherLen+ip4Len]
		ip[6] = 0x40 // don't fragment, which allows the id to be 0 (RFC 6864)
		finishIPv4(ip)
		initial = uint32(protoTCP) + tcpLen + words(ip[ip4Src:ip4Len])
		n = EtherLen + ip4Len + tcpLen
	case flowtable.FamilyIPv6:
		if h = beginIPv6(buf, tcpLen, protoTCP, &from, &to); h == nil {
			return 0
		}
		initial = pseudo6(buf, protoTCP, tcpLen)
		n = EtherLen + ip6Len + tcpLen
	default:
		return 0
	}
	clear(h)
	binary.BigEndian.PutUint16(h[0:], be16(o[2:]))
	binary.BigEndian.PutUint16(h[2:], be16(o[0:]))
	h[12] = tcpLen / 4 << 4
	h[13] = tcpRST
	if flags&tcpACK != 0 {
		binary.BigEndian.PutUint32(h[4:], be32(o[8:]))
	} else {
		ack := be32(o[4:]) + uint32(len(o)-doff)
		if flags&tcpSYN != 0 {
			ack++
		}
		if flags&tcpFIN != 0 {
			ack++
		}
		binary.BigEndian.PutUint32(h[8:], ack)
		h[13] |= tcpACK
	}
	binary.BigEndian.PutUint16(h[16:], Checksum(h, initial))
	return n
}

// beginIPv4 writes Ethernet and IPv4 headers for n transport bytes and returns
// those; nil when buf is too small.
func beginIPv4(buf []byte, n int, proto uint8, src, dst *[16]byte, tos uint8, id uint16) []byte {
	if len(buf) < EtherLen+ip4Len+n {
		return nil
	}
	e := buf[:EtherLen]
	clear(e)
	binary.BigEndian.PutUint16(e[12:], EtherIPv4)
	h := buf[EtherLen : EtherLen+ip4Len]
	clear(h)
	h[0], h[1] = 0x45, tos
	binary.BigEndian.PutUint16(h[2:], uint16(ip4Len+n))
	binary.BigEndian.PutUint16(h[4:], id)
	h[8], h[9] = answerTTL, proto
	copy(h[ip4Src:], src[:4])
	copy(h[ip4Dst:], dst[:4])
	finishIPv4(h)
	return buf[EtherLen+ip4Len : EtherLen+ip4Len+n]
}

func finishIPv4(h []byte) {
	h[10], h[11] = 0, 0
	binary.BigEndian.PutUint16(h[10:], Checksum(h, 0))
}

// beginIPv6 is beginIPv4 for IPv6.
func beginIPv6(buf []byte, n int, proto uint8, src, dst *[16]byte) []byte {
	if len(buf) < EtherLen+ip6Len+n {
		return nil
	}
	e := buf[:EtherLen]
	clear(e)
	binary.BigEndian.PutUint16(e[12:], EtherIPv6)
	h := buf[EtherLen : EtherLen+ip6Len]
	clear(h)
	h[0] = 0x60
	binary.BigEndian.PutUint16(h[4:], uint16(n))
	h[6], h[7] = proto, answerTTL
	copy(h[ip6Src:], src[:])
	copy(h[ip6Dst:], dst[:])
	return buf[EtherLen+ip6Len : EtherLen+ip6Len+n]
}

// pseudo6 is the pseudo header's sum for the frame that beginIPv6 began.
func pseudo6(buf []byte, proto uint8, n int) uint32 {
	return uint32(proto) + uint32(n) + words(buf[EtherLen+ip6Src:EtherLen+ip6Len])
}

// words sums the 16-bit words of b.
func words(b []byte) uint32 { return uint32(^Checksum(b, 0)) }
