package afxdp

import "encoding/binary"

// SteerFlow is a Steer function: it spreads flows over queues and sends both
// directions of a flow to the same one, as a network card with symmetric
// receive-side scaling does. It looks at IPv4 and IPv6 addresses and, for TCP,
// UDP and SCTP, at ports, but not at those of fragments, behind IPv6 extension
// headers or behind VLAN tags. Whatever is not IP goes to queue 0.
func SteerFlow(frame []byte) int {
	if len(frame) < 14+20 {
		return 0
	}
	ip := frame[14:]
	var h uint64
	var proto uint8
	var l4 []byte
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800:
		src, dst := binary.BigEndian.Uint32(ip[12:]), binary.BigEndian.Uint32(ip[16:])
		h = mix(uint64(min(src, dst))<<32 | uint64(max(src, dst)))
		header := int(ip[0]&15) * 4
		if binary.BigEndian.Uint16(ip[6:])&0x3fff == 0 && header >= 20 && header <= len(ip) {
			proto, l4 = ip[9], ip[header:]
		}
	case 0x86dd:
		if len(ip) < 40 {
			return 0
		}
		src := mix(binary.BigEndian.Uint64(ip[8:])) + binary.BigEndian.Uint64(ip[16:])
		dst := mix(binary.BigEndian.Uint64(ip[24:])) + binary.BigEndian.Uint64(ip[32:])
		h = mix(mix(src) + mix(dst))
		proto, l4 = ip[6], ip[40:]
	default:
		return 0
	}
	if (proto == 6 || proto == 17 || proto == 132) && len(l4) >= 4 {
		a, b := binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
		h = mix(h ^ (uint64(min(a, b))<<16 | uint64(max(a, b))))
	}
	return int(h >> 33)
}

func mix(x uint64) uint64 {
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return x ^ x>>32
}
