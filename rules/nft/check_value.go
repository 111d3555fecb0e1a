package nft

import (
	"math/big"
	"net/netip"
	"strconv"
	"strings"
)

// operand is a resolved right side: a value, a range or a prefix.
type operand struct {
	KeyPart
	kind rawKind // rawWord, rawRange or rawPrefix
}

func sizeOf(bits int) int { return (bits + 7) / 8 }

// putUint writes v big endian into n bytes.
func putUint(v uint64, n int) []byte {
	b := make([]byte, n)
	for i := n - 1; i >= 0; i-- {
		b[i] = byte(v)
		v >>= 8
	}
	return b
}

func getUint(b []byte) uint64 {
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

func compareBytes(a, b []byte) int { return strings.Compare(string(a), string(b)) }

// operand resolves r as a value of type t that is bits long.
func (c *checker) operand(r *raw, t *Type, bits int) operand {
	switch r.kind {
	case rawRange:
		lo, hi := c.constant(r.kids[0], t, bits), c.constant(r.kids[1], t, bits)
		if lo.PrefixLen >= 0 || hi.PrefixLen >= 0 || lo.Name != "" || hi.Name != "" {
			c.fail(r, "ranges of %s are not possible", t.Desc)
		}
		if t == TypeIfname {
			c.report(r.kids[0], "Range expression is undefined for %s types", t.Desc)
			c.also(r.pos, r.end)
			panic(bail{})
		}
		if compareBytes(lo.Lo, hi.Lo) > 0 {
			c.fail(r, "Range has zero or negative size")
		}
		return operand{KeyPart{Lo: lo.Lo, Hi: hi.Lo, PrefixLen: -1}, rawRange}
	case rawPrefix:
		v := c.constant(r.kids[0], t, bits)
		n, err := strconv.ParseInt(r.kids[1].text, 0, 64)
		if err != nil || n > int64(bits) {
			c.fail(r, "Prefix length %s is invalid for type of %d bits width", r.kids[1].text, bits)
		}
		if t.Name == "ifname" || v.Name != "" {
			c.fail(r, "Prefix expression is undefined for datatype %s", t.Name)
		}
		plen := int(n)
		lo, hi := prefixBounds(v.Lo, plen+8*len(v.Lo)-bits)
		if plen == bits {
			return operand{KeyPart{Lo: lo, Hi: lo, PrefixLen: -1}, rawWord}
		}
		return operand{KeyPart{Lo: lo, Hi: hi, PrefixLen: plen}, rawPrefix}
	}
	v := c.constant(r, t, bits)
	if v.PrefixLen >= 0 {
		return operand{v, rawPrefix}
	}
	return operand{v, rawWord}
}

// prefixBounds gives the first and the last value with b's first plen bits.
func prefixBounds(b []byte, plen int) (lo, hi []byte) {
	lo, hi = make([]byte, len(b)), make([]byte, len(b))
	for i := range b {
		m := byte(0xff)
		if n := plen - 8*i; n <= 0 {
			m = 0
		} else if n < 8 {
			m = 0xff << (8 - n)
		}
		lo[i] = b[i] & m
		hi[i] = b[i] | ^m
	}
	return lo, hi
}

// constant resolves one value.
func (c *checker) constant(r *raw, t *Type, bits int) KeyPart {
	c.step(r)
	switch r.kind {
	case rawBin:
		a, b := c.constant(r.kids[0], t, bits), c.constant(r.kids[1], t, bits)
		if t == TypeIfname || a.Name != "" || b.Name != "" {
			c.fail(r, "Binary operation (%s) is undefined for %s types", r.text, t.Desc)
		}
		out := make([]byte, len(a.Lo))
		for i := range out {
			switch r.text {
			case "|":
				out[i] = a.Lo[i] | b.Lo[i]
			case "&":
				out[i] = a.Lo[i] & b.Lo[i]
			case "^":
				out[i] = a.Lo[i] ^ b.Lo[i]
			default:
				c.fail(r, "not supported: shifts")
			}
		}
		return plain(out)
	case rawList:
		if !t.Bitmask {
			c.fail(r.kids[0], "Basetype of type %s is not bitmask", t.Desc)
		}
		out := make([]byte, sizeOf(bits))
		for _, k := range r.kids {
			v := c.constant(k, t, bits)
			for i := range out {
				out[i] |= v.Lo[i]
			}
		}
		return plain(out)
	case rawWord, rawString, rawNumber:
		return c.symbol(r, t, bits)
	case rawSel:
		c.fail(r, "not supported: a right side that is not constant")
	case rawConcat:
		c.fail(r, "invalid data type, expected %s", t.Desc)
	case rawRange:
		c.fail(r, "Range expression is not possible here")
	case rawNeg:
		c.fail(r, "negative values are not possible here")
	case rawElem:
		c.fail(r, "mapping is not possible here")
	case rawSet:
		c.fail(r, "Set expression is not possible here")
	case rawAny:
		c.fail(r, "not supported: catch-all element '*'")
	}
	c.fail(r, "Can't parse symbolic %s expressions", t.Desc)
	return KeyPart{}
}

// maxSteps bounds the work of one file: variables that name each other several
// times grow exponentially.
const maxSteps = 8 << 20

func (c *checker) step(r *raw) {
	c.steps++
	if c.steps > maxSteps {
		c.report(r, "too much to evaluate, max %d values", maxSteps)
		panic(stop{})
	}
}

func plain(b []byte) KeyPart { return KeyPart{Lo: b, Hi: b, PrefixLen: -1} }

// decimal is how nft spells a word or number that a type reads as text.
func (r *raw) decimal() string {
	if r.kind == rawNumber {
		if v, ok := parseBig(r.text); ok {
			return v.String()
		}
	}
	return r.text
}

// symbol resolves a word, number or string.
func (c *checker) symbol(r *raw, t *Type, bits int) KeyPart {
	size := sizeOf(bits)
	switch t {
	case TypeIfname:
		return c.interfaceName(r)
	case TypeString:
		if r.glob {
			c.fail(r, "Could not parse %s", t.Desc)
		}
		text := r.decimal()
		if len(text) >= size || text == "" {
			c.fail(r, "String exceeds maximum length of %d", size)
		}
		b := make([]byte, size)
		copy(b, text)
		return plain(b)
	case TypeCTLabel:
		return plain(labelBit(int(c.integer(r, 7, "")), size))
	case TypeIfindex:
		if r.kind != rawNumber {
			if len(r.text) >= 16 || r.text == "" || isAddressLike(r.text) {
				c.fail(r, "Interface does not exist")
			}
			var index uint32
			if c.opt.Interface != nil {
				var ok bool
				if index, ok = c.opt.Interface(r.text); !ok {
					c.fail(r, "Interface does not exist")
				}
			}
			b := putUint(uint64(index), 4)
			return KeyPart{Lo: b, Hi: b, PrefixLen: -1, Name: r.text}
		}
	case TypeIPv4, TypeIPv6:
		if t == TypeIPv6 && r.kind == rawNumber {
			c.fail(r, "Could not resolve hostname: Address family for hostname not supported")
		}
		if r.kind != rawNumber {
			a, err := netip.ParseAddr(r.text)
			switch {
			case err != nil && isAddressLike(r.text):
				c.fail(r, "Could not resolve hostname: Name or service not known")
			case err != nil:
				c.fail(r, "not supported: host name %s", r.text)
			case a.Is4() != (t == TypeIPv4):
				c.fail(r, "Could not resolve hostname: Address family for hostname not supported")
			}
			return plain(a.AsSlice())
		}
	case TypeEther:
		text := r.decimal()
		if m := parseMAC(text); m != nil {
			return plain(m)
		}
		if v, err := strconv.ParseUint(text, 16, 8); err == nil && r.kind == rawNumber { // the last octet
			return plain(putUint(v, size))
		}
		if r.kind == rawNumber {
			c.fail(r, "Invalid LL address")
		}
	case TypeTime:
		if r.kind == rawNumber {
			v := c.integer(r, 32, "")
			if v*1000 > 1<<32-1 {
				c.fail(r, "Value %s is too large", r.text)
			}
			return plain(putUint(v*1000, 4))
		}
		ms, ok := parseTime(r.text)
		if !ok || ms > 1<<32-1 {
			c.fail(r, "Could not parse %s", t.Desc)
		}
		return plain(putUint(ms, 4))
	case TypeVerdict:
		c.fail(r, "Can't parse symbolic netfilter verdict expressions")
	}
	if v, ok := t.special(r.text); ok {
		return plain(putUint(v, size))
	}
	if t == TypeDate && r.kind == rawNumber {
		return plain(putUint(c.integer(r, 34, "")*1e9, size))
	}
	if r.kind == rawNumber {
		return plain(c.number(r, t, bits, size))
	}
	if v, ok := t.Lookup(r.text); ok {
		return plain(putUint(v, size))
	}
	switch t {
	case TypeService:
		c.fail(r, "Could not resolve service: Servname not supported for ai_socktype")
	case TypeProto:
		c.fail(r, "Could not resolve protocol name")
	}
	c.fail(r, "Could not parse %s", t.Desc)
	return KeyPart{}
}

func isAddressLike(s string) bool { return addressLen(s) == len(s) }

// number resolves digits, of any length up to the type's.
func (c *checker) number(r *raw, t *Type, bits, size int) []byte {
	what := ""
	switch t {
	case TypeService:
		what = "Service out of range"
	case TypeProto:
		what = "Protocol out of range"
	}
	if bits > 64 {
		v, ok := parseBig(r.text)
		if !ok || v.BitLen() > bits {
			c.fail(r, "Value %s exceeds valid range", r.text)
		}
		return v.FillBytes(make([]byte, size))
	}
	return putUint(c.integer(r, bits, what), size)
}

func parseBig(text string) (*big.Int, bool) {
	if len(text) > 64 {
		return nil, false
	}
	if strings.HasPrefix(text, "0x") {
		return new(big.Int).SetString(text[2:], 16)
	}
	if len(text) > 1 && text[0] == '0' && strings.Trim(text, "01234567") == "" {
		return new(big.Int).SetString(text, 8) // as in C
	}
	return new(big.Int).SetString(text, 10)
}

func (c *checker) integer(r *raw, bits int, what string) uint64 {
	if n, err := strconv.ParseUint(r.text, 10, bits); err == nil && r.text[0] != '0' { // most are, and this allocates nothing
		return n
	}
	v, ok := parseBig(r.text)
	limit := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	if !ok || v.Cmp(limit) >= 0 {
		if what != "" {
			c.fail(r, "%s", what)
		}
		text := r.text
		if ok {
			text = v.String()
		}
		c.fail(r, "Value %s exceeds valid range 0-%s", text, limit.Sub(limit, big.NewInt(1)))
	}
	return v.Uint64()
}

// interfaceName makes 16 bytes, zero padded, of a name; "eth*" is a prefix.
func (c *checker) interfaceName(r *raw) KeyPart {
	text, wild := r.text, r.glob
	if r.kind == rawString && strings.HasSuffix(text, "*") {
		wild = true
		if strings.HasSuffix(text, `\*`) {
			text, wild = text[:len(text)-2]+"*", false
		}
	}
	if wild {
		text = text[:len(text)-1]
		if text == "" {
			c.fail(r, "All-wildcard strings are not supported")
		}
	}
	if len(text) >= 16 {
		c.fail(r, "String exceeds maximum length of 16")
	}
	if text == "" {
		c.fail(r, "Empty string is not allowed")
	}
	b := make([]byte, 16)
	copy(b, text)
	if !wild {
		return plain(b)
	}
	lo, hi := prefixBounds(b, 8*len(text))
	return KeyPart{Lo: lo, Hi: hi, PrefixLen: 8 * len(text)}
}
