package pktgen

import (
	"fmt"
	"math"
	"math/bits"
)

// Field names a part of a frame that may change from frame to frame.
type Field uint8

// Fields. Addresses change in their last 32 bits.
const (
	FieldSrcMAC Field = iota
	FieldDstMAC
	FieldVLAN // the innermost tag
	FieldSrc
	FieldDst
	FieldSrcPort // ICMP: the identifier
	FieldDstPort // ICMP: the sequence number
	FieldDSCP
	FieldTTL
	fields
)

var fieldNames = [fields]string{"eth.src", "eth.dst", "vlan", "ip.src", "ip.dst", "port.src", "port.dst", "ip.dscp", "ip.ttl"}

func (f Field) String() string { return fieldNames[f] }

// FieldByName returns the field of a name such as "ip.src".
func FieldByName(name string) (Field, bool) {
	for i, n := range fieldNames {
		if n == name {
			return Field(i), true
		}
	}
	return 0, false
}

// FieldNames returns the names of all fields.
func FieldNames() []string { return fieldNames[:] }

// Order says how a field goes through its values.
type Order uint8

// Orders. All sequential fields of a stream together count as an odometer does,
// the first one fastest, so that their values make as many flows as the product
// of their counts. The others are drawn for each frame.
const (
	Sequential Order = iota
	Random
	Zipf
)

// Variation is a field and its values: Count of them, Step apart, from the
// template's on.
type Variation struct {
	Field Field
	Count uint32
	Step  uint32 // 0: 1
	Order Order
	Skew  float64 // Zipf: the exponent, 0: 1
}

const maxZipf = 1 << 24

// counter is a variation in the form that frames are made with.
type counter struct {
	at         int // in the frame
	value      uint32
	first      uint32
	step       uint32
	n, count   uint32
	order      Order
	wide       bool   // four bytes, else two
	inIP, inL4 uint64 // masks: whether the checksums count it
	zipf       []alias
	drawn      []uint32 // of zipf, ahead; the last left are to be used
	left       int
}

// drawAhead is how many values are drawn from a table at once. Tables are larger
// than caches, and looked up one after the other in one loop the misses overlap.
const drawAhead = 64

// alias is a column of Vose's alias method: draw a column, then the column
// itself with probability keep of 2^32, else other.
type alias struct{ keep, other uint32 }

func (h *Headers) counter(v Variation, frame []byte) (c counter, err error) {
	c = counter{count: v.Count, step: max(v.Step, 1), order: v.Order, wide: true}
	l3, l4, all := h.l3(), h.l4(), ^uint64(0)
	limit, shift := uint64(1)<<32, 0
	v4 := h.Src.Is4()
	switch v.Field {
	case FieldSrcMAC:
		c.at = 8
	case FieldDstMAC:
		c.at = 2
	case FieldVLAN:
		if len(h.VLANs) == 0 {
			return c, fmt.Errorf("%v: the stream has no VLAN tag", v.Field)
		}
		c.at, c.wide, limit = l3-4, false, 4096
	case FieldSrc, FieldDst:
		c.at = l3 + 12
		if !v4 {
			c.at = l3 + 20
		} else {
			c.inIP = all
		}
		if v.Field == FieldDst {
			c.at += 4
			if !v4 {
				c.at += 12
			}
		}
		if h.pseudo() {
			c.inL4 = all
		}
	case FieldSrcPort, FieldDstPort:
		c.at, c.wide, limit, c.inL4 = l4, false, 1<<16, all
		if h.Proto == ICMP {
			c.at += 4
		}
		if v.Field == FieldDstPort {
			c.at += 2
		}
	case FieldDSCP:
		c.at, c.wide, limit, shift = l3, false, 64, 2
		if !v4 {
			shift = 6
		}
	case FieldTTL:
		c.at, c.wide, limit, shift = l3+8, false, 256, 8
		if !v4 {
			c.at, shift = l3+6, 0
		}
	default:
		return c, fmt.Errorf("no such field: %d", v.Field)
	}
	if v4 && (v.Field == FieldDSCP || v.Field == FieldTTL) {
		c.inIP = all
	}
	b := frame[c.at:]
	c.first = uint32(b[0])<<8 | uint32(b[1])
	if c.wide {
		c.first = c.first<<16 | uint32(b[2])<<8 | uint32(b[3])
	}
	own := uint64(c.first>>shift) & (limit - 1)
	if v.Count == 0 {
		return c, fmt.Errorf("%v: no values: want a count of 1 or more", v.Field)
	}
	if last := own + uint64(v.Count-1)*uint64(c.step); last >= limit {
		return c, fmt.Errorf("%v: %d values %d apart from %d on go beyond %d", v.Field, v.Count, c.step, own, limit-1)
	}
	c.step <<= shift
	c.value = c.first
	if v.Order > Zipf {
		return c, fmt.Errorf("%v: no such order", v.Field)
	}
	if v.Order == Zipf {
		if v.Skew == 0 {
			v.Skew = 1
		}
		if v.Count > maxZipf || !(v.Skew > 0 && v.Skew <= 10) {
			return c, fmt.Errorf("%v: %d values with skew %g: want up to %d, and a skew above 0, 10 at most", v.Field, v.Count, v.Skew, maxZipf)
		}
		c.zipf, c.drawn = zipfTable(int(v.Count), v.Skew), make([]uint32, drawAhead)
	}
	return c, nil
}

// zipfTable is for values whose number i has a share like 1/(i+1)^skew.
func zipfTable(n int, skew float64) []alias {
	share, total := make([]float64, n), 0.0
	for i := range share {
		share[i] = math.Pow(float64(i+1), -skew)
		total += share[i]
	}
	table := make([]alias, n)
	small, large := make([]uint32, 0, n), make([]uint32, 0, n)
	for i := range share {
		share[i] *= float64(n) / total
		if share[i] < 1 {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		table[s] = alias{uint32(min(share[s]*(1<<32), math.MaxUint32)), l}
		if share[l] -= 1 - share[s]; share[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) {
		table[i] = alias{math.MaxUint32, i}
	}
	return table
}

// next returns the next value; carry says that the sequential fields before
// this one have gone round. It also returns the carry for the field behind.
func (c *counter) next(r *random, carry bool) (value uint32, out bool) {
	switch c.order {
	case Sequential:
		value = c.value
		if !carry {
			return value, false
		}
		if c.n++; c.n < c.count {
			c.value += c.step
			return value, false
		}
		c.n, c.value = 0, c.first
		return value, true
	case Random:
		hi, _ := bits.Mul64(r.next(), uint64(c.count))
		return c.first + uint32(hi)*c.step, carry
	default:
		if c.left == 0 {
			c.draw(r)
		}
		c.left--
		return c.first + c.drawn[c.left]*c.step, carry
	}
}

// draw draws from the table.
func (c *counter) draw(r *random) {
	for k := range c.drawn {
		v := r.next()
		hi, _ := bits.Mul64(v, uint64(c.count))
		i, a := uint32(hi), c.zipf[hi]
		if uint32(v) > a.keep {
			i = a.other
		}
		c.drawn[k] = i
	}
	c.left = len(c.drawn)
}

// random is a generator of one multiplication a number (wyrand).
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0xa0761d6478bd642f
	hi, lo := bits.Mul64(r.state, r.state^0xe7037ed1a0b428db)
	return hi ^ lo
}
