package frame

import "fmt"

// Split cuts the IP datagram of a frame into fragments that carry size bytes of
// it each (a multiple of 8), the last one the rest. IPv6 fragments get a
// fragment header with the given id right behind the fixed header and any
// hop-by-hop options; IPv4 ones keep the datagram's own id and, as an exception
// to what a router may do, ignore DF, which they lose.
func Split(b []byte, size int, id uint32) [][]byte {
	if size <= 0 || size%8 != 0 {
		panic(fmt.Sprintf("frame: fragments of %d bytes", size))
	}
	l3, et := 14, get16(b[12:])
	for et == TypeVLAN || et == TypeQinQ {
		et = get16(b[l3+2:])
		l3 += 4
	}
	ip := b[l3:]
	if et == TypeIPv4 {
		return split4(b[:l3], ip[:get16(ip[2:])], size)
	}
	if et == TypeIPv6 {
		return split6(b[:l3], ip[:40+int(get16(ip[4:]))], size, id)
	}
	panic("frame: not an IP frame")
}

func split4(link, ip []byte, size int) [][]byte {
	hl := int(ip[0]&15) * 4
	var out [][]byte
	for at := 0; at < len(ip)-hl; at += size {
		end := min(at+size, len(ip)-hl)
		f := append([]byte(nil), link...)
		f = append(f, ip[:hl]...)
		f = append(f, ip[hl+at:hl+end]...)
		h := f[len(link):]
		put16(h[2:], uint16(hl+end-at))
		v := uint16(at / 8)
		if end < len(ip)-hl {
			v |= 0x2000
		}
		put16(h[6:], v)
		put16(h[10:], 0)
		put16(h[10:], onesSum(h[:hl], 0)^0xffff)
		out = append(out, f)
	}
	return out
}

func split6(link, ip []byte, size int, id uint32) [][]byte {
	fixed, nextAt := 40, 6
	if ip[6] == HopByHop {
		nextAt = 40
		fixed += (int(ip[41]) + 1) * 8
	}
	var out [][]byte
	for at := 0; at < len(ip)-fixed; at += size {
		end := min(at+size, len(ip)-fixed)
		f := append([]byte(nil), link...)
		f = append(f, ip[:fixed]...)
		h := f[len(link):]
		put16(h[4:], uint16(fixed-40+8+end-at))
		h[nextAt] = FragHdr
		fh := make([]byte, 8)
		fh[0] = ip[nextAt]
		v := uint16(at)
		if end < len(ip)-fixed {
			v |= 1
		}
		put16(fh[2:], v)
		put32(fh[4:], id)
		f = append(f, fh...)
		f = append(f, ip[fixed+at:fixed+end]...)
		out = append(out, f)
	}
	return out
}
