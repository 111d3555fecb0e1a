package iptables

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// kind is what an option takes.
type kind uint8

const (
	kFlag   kind = iota
	kDec         // a number, printed in decimal
	kHex         // a number, printed as 0x5
	kHex2        // 0x05
	kHex4        // 0x0005
	kHex8        // 0x00000005
	kRange       // a:b
	kMark        // value[/mask], all bits when there is no mask
	kString      // quoted where needed
	kQuoted      // always in quotes
	kRaw         // printed as it was given
	kPorts       // ports or a range of them, by number or name
	kMAC         // an Ethernet address
	kAddr        // an address, as the C library reads it
	kPrefix      // address[/mask]
	kCustom      // its own functions
)

const (
	max8  = 1<<8 - 1
	max16 = 1<<16 - 1
	max32 = 1<<32 - 1
	max64 = 1<<64 - 1
)

// blanks are what C's library skips before a number.
const blanks = " \t\n\v\f\r"

// number reads a number as strtoul does with base 0, but none below 0.
func number(s string, top uint64) (uint64, bool) {
	s = strings.TrimPrefix(strings.TrimLeft(s, blanks), "+")
	base, digits := 10, s
	switch {
	case strings.HasPrefix(s, "0x"), strings.HasPrefix(s, "0X"):
		base, digits = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, digits = 8, s[1:]
	}
	if digits == "" || digits[0] == '+' || digits[0] == '-' {
		return 0, false
	}
	v, err := strconv.ParseUint(digits, base, 64)
	return v, err == nil && v <= top
}

// pair reads a, a:b, a:, :b or :.
func pair(s string, lo, hi uint64, sep string, one func(string) (uint64, bool)) (a, b uint64, ok bool) {
	first, second, two := strings.Cut(s, sep)
	a, b = lo, hi
	ok = true
	if first != "" {
		a, ok = one(first)
	} else if !two {
		return 0, 0, false
	}
	if !ok {
		return
	}
	if !two {
		return a, a, true
	}
	if second != "" {
		b, ok = one(second)
	}
	return
}

// port reads a port's number or name.
func port(s string) (uint64, bool) {
	if v, ok := number(s, max16); ok {
		return v, true
	}
	return servicePort(s)
}

// plainPort reads a port's number, always in decimal, or its name.
func plainPort(s string) (uint64, bool) {
	if v, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimLeft(s, blanks), "+"), 10, 16); err == nil {
		return v, true
	}
	return servicePort(s)
}

// numberedPort reads a port of a protocol whose services have no names.
func numberedPort(s string) (uint64, bool) { return number(s, max16) }

// mark reads value[/mask] of so many bits.
func mark(s string, top uint64) (v, mask uint64, ok bool) {
	first, second, two := strings.Cut(s, "/")
	if v, ok = number(first, top); !ok {
		return
	}
	mask = top
	if two {
		mask, ok = number(second, top)
	}
	return
}

// value reads the word of an option without a function of its own.
func (o *option) value(x *Instance, r *Rule, v *value, w word) error {
	s, ok := w.text, false
	top := o.max
	switch o.kind {
	case kDec, kHex, kHex2, kHex4, kHex8:
		v.n[0], ok = number(s, top)
		ok = ok && v.n[0] >= o.min
	case kRange:
		v.n[0], v.n[1], ok = pair(s, o.min, top, ":", func(s string) (uint64, bool) { return number(s, top) })
		ok = ok && v.n[0] >= o.min
	case kMark:
		v.n[0], v.n[1], ok = mark(s, top)
	case kString, kQuoted, kRaw:
		v.s, ok = s, uint64(len(s)) >= o.min && uint64(len(s)) <= top
		if o.kind == kRaw && strings.ContainsAny(s, " \t\r\n\"\\") {
			ok = false // it is printed without quotes
		}
		if o.cut && !ok && s != "" {
			v.s, ok = s[:top], true
		}
	case kPorts:
		one := port
		if o.port != nil {
			one = o.port
		}
		v.n[0], v.n[1], ok = pair(s, 0, max16, ":", one)
		ok = ok && (v.n[0] <= v.n[1] || o.loose)
	case kMAC:
		v.n[0], ok = parseMAC(s)
	case kAddr:
		v.a[0], ok = hostAddr(s, x.family)
	case kPrefix:
		var p []Prefix
		if p, ok = parsePrefix(s, x.family, true); ok {
			ok = len(p) == 1
			v.a = [2]netip.Addr{p[0].Addr, p[0].Mask}
		}
	}
	if !ok {
		return errorf(w.pos, "%s: bad value %q for option \"--%s\"", x.ext.name, s, o.name)
	}
	return nil
}

// text prints a value.
func (o *option) text(v *value) string {
	switch o.kind {
	case kDec:
		return strconv.FormatUint(v.n[0], 10)
	case kHex:
		return hex(v.n[0])
	case kHex2:
		return fmt.Sprintf("0x%02x", v.n[0])
	case kHex4:
		return fmt.Sprintf("0x%04x", v.n[0])
	case kHex8:
		return fmt.Sprintf("0x%08x", v.n[0])
	case kRange, kPorts:
		if v.n[0] == v.n[1] {
			return strconv.FormatUint(v.n[0], 10)
		}
		return fmt.Sprintf("%d:%d", v.n[0], v.n[1])
	case kMark:
		if v.n[1] == o.max {
			return hex(v.n[0])
		}
		return hex(v.n[0]) + "/" + hex(v.n[1])
	case kString:
		return quote(v.s)
	case kQuoted:
		return "\"" + escape(v.s) + "\""
	case kRaw:
		return v.s
	case kMAC:
		return macText(v.n[0])
	case kAddr:
		return addrText(v.a[0])
	case kPrefix:
		return addrMask(v.a[0], v.a[1], false)
	}
	return ""
}

func macText(v uint64) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", v>>40&0xff, v>>32&0xff, v>>24&0xff, v>>16&0xff, v>>8&0xff, v&0xff)
}

func parseMAC(s string) (v uint64, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) != 6 {
		return 0, false
	}
	for _, p := range parts {
		b, err := strconv.ParseUint(p, 16, 8)
		if err != nil || len(p) > 2 {
			return 0, false
		}
		v = v<<8 | b
	}
	return v, true
}

// parseAddr reads an address; of IPv4 missing parts are 0, as in 10.1.
func parseAddr(s string, f Family) (netip.Addr, bool) {
	if f == IPv6 {
		a, err := netip.ParseAddr(s)
		return a, err == nil && a.Is6() && a.Zone() == ""
	}
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var b [4]byte
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 8)
		if err != nil || p[0] == '+' {
			return netip.Addr{}, false
		}
		b[i] = byte(v)
	}
	return netip.AddrFrom4(b), true
}

// hostAddr reads an address as inet_aton does: of IPv4 the last part has all the
// bits that are left, as in 10.1, which is 10.0.0.1.
func hostAddr(s string, f Family) (netip.Addr, bool) {
	if f == IPv6 {
		return parseAddr(s, f)
	}
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var b [4]byte
	for i, p := range parts {
		left := 1
		if i == len(parts)-1 {
			left = 4 - i
		}
		v, ok := number(p, 1<<(8*left)-1)
		if !ok || p[0] == '+' || p[0] == ' ' {
			return netip.Addr{}, false
		}
		for j := range left {
			b[i+j] = byte(v >> (8 * (left - 1 - j)))
		}
	}
	return netip.AddrFrom4(b), true
}

// addrText prints an address as inet_ntop does: one of IPv6 that is an IPv4
// address behind zeros ends like one.
func addrText(a netip.Addr) string {
	if a.Is6() {
		b := a.As16()
		if [12]byte(b[:12]) == [12]byte{} && (b[12] != 0 || b[13] != 0) {
			return "::" + netip.AddrFrom4([4]byte(b[12:])).String()
		}
	}
	return a.String()
}

// maskOf returns the mask of a prefix length.
func maskOf(n int, f Family) netip.Addr {
	var b [16]byte
	for i := range n {
		b[i/8] |= 0x80 >> (i % 8)
	}
	if f == IPv4 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b)
}

// under returns an address under a mask.
func under(a, mask netip.Addr) netip.Addr {
	x, m := a.AsSlice(), mask.AsSlice()
	for i := range x {
		x[i] &= m[i]
	}
	out, _ := netip.AddrFromSlice(x)
	return out
}

// prefixLen returns the length of a mask, or -1 when it is not one of a prefix.
func prefixLen(mask netip.Addr) int {
	n := 0
	b := mask.AsSlice()
	for i, c := range b {
		ones := bits.LeadingZeros8(^c)
		n += ones
		if ones < 8 {
			if c<<ones != 0 {
				return -1
			}
			for _, rest := range b[i+1:] {
				if rest != 0 {
					return -1
				}
			}
			break
		}
	}
	return n
}

// parseMask reads a prefix length or a mask.
func parseMask(s string, f Family) (netip.Addr, bool) {
	if n, err := strconv.ParseUint(s, 10, 8); err == nil && s[0] != '+' {
		return maskOf(int(min(n, 128)), f), n <= uint64(f.bits())
	}
	if f == IPv4 && strings.Count(s, ".") != 3 {
		return netip.Addr{}, false
	}
	return parseAddr(s, f)
}

// parsePrefix reads address[/mask], several with commas between unless one is wanted.
func parsePrefix(s string, f Family, one bool) (list []Prefix, ok bool) {
	for part := range strings.SplitSeq(s, ",") {
		if len(list) > 0 && one {
			return nil, false
		}
		addr, mask, two := strings.Cut(strings.TrimLeft(part, " "), "/")
		p := Prefix{Mask: maskOf(f.bits(), f)}
		if p.Addr, ok = parseAddr(addr, f); !ok {
			return nil, false
		}
		if two {
			if p.Mask, ok = parseMask(mask, f); !ok {
				return nil, false
			}
		}
		p.Addr = under(p.Addr, p.Mask)
		list = append(list, p)
	}
	return list, true
}

// addrMask prints an address and its mask; that of a host only when asked.
func addrMask(a, mask netip.Addr, host bool) string {
	n := prefixLen(mask)
	switch {
	case n < 0:
		return addrText(a) + "/" + mask.String()
	case n == mask.BitLen() && !host:
		return addrText(a)
	}
	return addrText(a) + "/" + strconv.Itoa(n)
}

func escape(s string) string {
	q := quote(s)
	return strings.TrimSuffix(strings.TrimPrefix(q, "\""), "\"")
}
