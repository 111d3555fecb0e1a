package frame

// onesSum adds the 16-bit words of b and start in one's complement.
func onesSum(b []byte, start uint32) uint16 {
	s := start
	for i, x := range b {
		if i%2 == 0 {
			s += uint32(x) << 8
		} else {
			s += uint32(x)
		}
		if s > 0xffff {
			s = s&0xffff + s>>16
		}
	}
	for s > 0xffff {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}

// pseudoSum sums the pseudo header for n bytes of transport.
func pseudoSum(ip Layer, proto uint8, n int) uint32 {
	var src, dst []byte
	switch h := ip.(type) {
	case IPv4:
		src, dst = h.addrs()
	case IPv6:
		src, dst = h.addrs()
	default:
		panic("frame: this transport layer needs an IP layer in front")
	}
	return pseudoBytes(src, dst, proto, n)
}

func pseudoBytes(src, dst []byte, proto uint8, n int) uint32 {
	b := append([]byte(nil), src...)
	b = append(b, dst...)
	b = append(b, 0, proto, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	return uint32(onesSum(b, 0))
}

// spoil returns a checksum that is wrong and not zero.
func spoil(right uint16) uint16 {
	if w := right ^ 0x5555; w != 0 {
		return w
	}
	return 0x1234
}

// crc32c is the SCTP checksum of b with the field at 8 taken as zero, computed
// bit by bit.
func crc32c(b []byte) uint32 {
	c := ^uint32(0)
	for i, x := range b {
		if i >= 8 && i < 12 {
			x = 0
		}
		c ^= uint32(x)
		for range 8 {
			if c&1 != 0 {
				c = c>>1 ^ 0x82f63b78
			} else {
				c >>= 1
			}
		}
	}
	return ^c
}
