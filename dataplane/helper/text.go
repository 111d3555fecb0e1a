package helper

import (
	"encoding/binary"
	"strconv"

	"github.com/sluice-net/sluice/flowtable"
)

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// hexValue returns the value of a hexadecimal digit; -1 for another byte.
func hexValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20) - 'a' + 10
	}
	return -1
}

// foldPrefix says whether b begins with word, letters in either case.
func foldPrefix(b []byte, word string) bool {
	return len(b) >= len(word) && foldEqual(b[:len(word)], word)
}

func foldEqual(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range b {
		c, d := b[i], word[i]
		if c != d && (!isAlpha(c) || c|0x20 != d|0x20) {
			return false
		}
	}
	return true
}

// number reads decimal digits from b and returns the value, modulo 2^32, and
// how many there are.
func number(b []byte) (v uint32, n int) {
	for n < len(b) && isDigit(b[n]) {
		v = v*10 + uint32(b[n]-'0')
		n++
	}
	return v, n
}

// appendUint appends v in decimal.
func appendUint(b []byte, v uint32) []byte { return strconv.AppendUint(b, uint64(v), 10) }

// appendAddr appends an address as people write it: IPv6 in its short form.
func appendAddr(b []byte, a *[16]byte, family uint8) []byte {
	if family == flowtable.FamilyIPv6 {
		return appendShort6(b, a)
	}
	for i, x := range a[:4] {
		if i > 0 {
			b = append(b, '.')
		}
		b = appendUint(b, uint32(x))
	}
	return b
}

// appendLong6 appends an IPv6 address with all its digits.
func appendLong6(b []byte, a *[16]byte) []byte {
	const digits = "0123456789abcdef"
	for i, x := range a {
		if i > 0 && i%2 == 0 {
			b = append(b, ':')
		}
		b = append(b, digits[x>>4], digits[x&15])
	}
	return b
}

// appendShort6 appends an IPv6 address as RFC 5952 writes it.
func appendShort6(b []byte, a *[16]byte) []byte {
	from, to := 8, 8 // the longest run of zero words, of two or more
	for i := 0; i < 8; i++ {
		k := i
		for k < 8 && a[2*k] == 0 && a[2*k+1] == 0 {
			k++
		}
		if k-i > 1 && k-i > to-from {
			from, to = i, k
		}
		if k > i {
			i = k - 1
		}
	}
	for i := 0; i < 8; i++ {
		if i == from {
			b = append(b, ':', ':')
			i = to - 1
			continue
		}
		if i > 0 && i != to {
			b = append(b, ':')
		}
		b = strconv.AppendUint(b, uint64(binary.BigEndian.Uint16(a[2*i:])), 16)
	}
	return b
}

// addr4 reads an IPv4 address in dotted decimal from the front of b; n is how
// long it is, 0 when there is none.
func addr4(b []byte, a *[16]byte) (n int) {
	var out [16]byte
	for i := range 4 {
		if i > 0 {
			if n >= len(b) || b[n] != '.' {
				return 0
			}
			n++
		}
		v, k := number(b[n:])
		if k == 0 || k > 3 || v > 255 || k > 1 && b[n] == '0' {
			return 0
		}
		out[i] = byte(v)
		n += k
	}
	*a = out
	return n
}

// addr6 is addr4 for an IPv6 address (RFC 4291 section 2.2), with or without
// a last part in dotted decimal.
func addr6(b []byte, a *[16]byte) (n int) {
	var out [16]byte
	words, gap := 0, -1
	if len(b) >= 2 && b[0] == ':' && b[1] == ':' {
		gap, n = 0, 2
	}
	for words < 8 {
		start, v := n, 0
		for n < len(b) && n-start < 4 && hexValue(b[n]) >= 0 {
			v = v<<4 | hexValue(b[n])
			n++
		}
		if n == start {
			break // behind "::"
		}
		if n < len(b) && b[n] == '.' && words <= 6 && (words == 6 || gap >= 0) {
			var v4 [16]byte
			k := addr4(b[start:], &v4)
			if k == 0 {
				return 0
			}
			copy(out[2*words:], v4[:4])
			words += 2
			n = start + k
			break
		}
		binary.BigEndian.PutUint16(out[2*words:], uint16(v))
		words++
		if n >= len(b) || b[n] != ':' || words == 8 {
			break
		}
		if n+1 < len(b) && b[n+1] == ':' {
			if gap >= 0 {
				break
			}
			gap, n = words, n+2
			continue
		}
		if n+1 >= len(b) || hexValue(b[n+1]) < 0 {
			break // a colon that belongs to what follows
		}
		n++
	}
	switch {
	case gap < 0 && words != 8 || gap >= 0 && words == 8:
		return 0
	case gap >= 0:
		moved := words - gap
		copy(out[16-2*moved:], out[2*gap:2*words])
		clear(out[2*gap : 16-2*moved])
	}
	*a = out
	return n
}

// addrOf reads an address of a family.
func addrOf(b []byte, family uint8, a *[16]byte) (n int) {
	if family == flowtable.FamilyIPv6 {
		return addr6(b, a)
	}
	return addr4(b, a)
}
