package rules

import (
	"encoding/binary"
	"math/bits"

	"github.com/sluice-net/sluice/rules/nft"
)

func (lw *lowering) match(m *nft.Match) error {
	lw.states(m)
	if meta, ok := m.Left.(*nft.Meta); ok && meta.Key <= nft.MetaOifname {
		bits, err := lw.ports.bits(m, meta.Key == nft.MetaIifname || meta.Key == nft.MetaOifname)
		if err != nil {
			return err
		}
		out := uint8(0)
		if meta.Key == nft.MetaOif || meta.Key == nft.MetaOifname {
			out = 1
		}
		lw.out.steps = append(lw.out.steps, step{ins: ins{op: opPorts, flag: out}, words: bits, pure: true})
		return nil
	}
	if ref, ok := m.Right.(*nft.SetRef); ok {
		neg := uint8(0)
		switch m.Op {
		case nft.OpEq, nft.OpAny:
		case nft.OpNe:
			neg = 1
		default:
			return errorf(m.Pos, "a set can only be compared with == and !=")
		}
		if err := lw.keys(m.Pos, m.Left, ref.Set); err != nil {
			return err
		}
		if changes(ref.Set) {
			lw.dynLookup(ref.Set, dynLookup+neg, 0)
			return nil
		}
		lw.out.steps = append(lw.out.steps, step{ins: ins{op: opLookup, flag: neg}, of: ref.Set, pure: !noded(ref.Set)})
		return nil
	}
	if c, ok := m.Right.(*nft.Const); ok && c.Name != "" {
		index, known := lw.ports.indexOf(c.Name)
		if !known {
			index = ^uint32(0) // nothing has it
		}
		m = &nft.Match{Pos: m.Pos, Left: m.Left, Op: m.Op, Right: &nft.Const{Data: binary.BigEndian.AppendUint32(nil, index), PrefixLen: -1}}
	}
	if !simple(m.Left) {
		return lw.matchValue(m)
	}
	o, err := newOperand(m.Pos, m.Left)
	if err != nil {
		return err
	}
	iv, err := newInterval(m, o)
	if err != nil {
		return err
	}
	neg := uint8(0)
	if iv.neg {
		neg = 1
	}
	if o.wide {
		lw.load(opWide, o, step{
			ins:   ins{test: test{neg: neg}},
			words: []uint64{iv.mask[0], iv.mask[1], iv.lo[0], iv.lo[1], iv.hi[0], iv.hi[1]},
		})
		return nil
	}
	lw.load(opTest, o, step{ins: ins{test: test{neg: neg, mask: iv.mask[1], lo: iv.lo[1], span: iv.hi[1] - iv.lo[1]}}})
	return nil
}

// states takes note of a match that says what is under, or on, the network layer.
func (lw *lowering) states(m *nft.Match) {
	meta, ok := m.Left.(*nft.Meta)
	value, one := m.Right.(*nft.Const)
	if !ok || !one || m.Op != nft.OpEq {
		return
	}
	switch meta.Key {
	case nft.MetaIiftype:
		const ether = 1
		n, err := number64(value.Data)
		lw.link = lw.link || err == nil && n == ether
	case nft.MetaNfproto:
		lw.network = true
	case nft.MetaProtocol:
		lw.network = lw.network || below(lw.ref.table.Family)
	}
}

// interval is the right side of a match, in place: what the masked value must
// lie in, or with neg must not.
type interval struct {
	mask, lo, hi [2]uint64
	neg          bool
}

func newInterval(m *nft.Match, o operand) (interval, error) {
	iv := interval{mask: o.mask, neg: m.Op == nft.OpNe}
	switch r := m.Right.(type) {
	case *nft.Const:
		n, err := number(m.Pos, r.Data, o)
		if err != nil {
			return iv, err
		}
		iv.lo, iv.hi = n, n
		if r.PrefixLen >= 0 {
			if m.Op != nft.OpEq && m.Op != nft.OpNe || r.PrefixLen > o.bits {
				return iv, errorf(m.Pos, "a prefix can only be compared with == and !=")
			}
			p := prefixMask(r.PrefixLen, o)
			for i := range p {
				iv.mask[i] &= p[i]
				iv.lo[i] &= p[i]
			}
			iv.hi = iv.lo
			return iv, nil
		}
		return iv, iv.compare(m, n)
	case *nft.Range:
		var err error
		if iv.lo, err = number(m.Pos, r.Lo, o); err != nil {
			return iv, err
		}
		if iv.hi, err = number(m.Pos, r.Hi, o); err != nil {
			return iv, err
		}
		if less(iv.hi, iv.lo) {
			return iv, errorf(m.Pos, "range ends before it begins")
		}
		if m.Op != nft.OpEq && m.Op != nft.OpNe {
			return iv, errorf(m.Pos, "a range can only be compared with == and !=")
		}
		return iv, nil
	}
	return iv, errorf(m.Pos, "%T cannot be compared with", m.Right)
}

// compare makes the interval of an operator and one value.
func (iv *interval) compare(m *nft.Match, n [2]uint64) error {
	top := [2]uint64{^uint64(0), ^uint64(0)}
	zero := [2]uint64{}
	if m.Op == nft.OpLt && n == zero || m.Op == nft.OpGt && n == top {
		*iv = interval{lo: top, hi: top} // nothing: 0 is outside
		return nil
	}
	switch m.Op {
	case nft.OpEq, nft.OpNe:
	case nft.OpLt:
		lo, borrow := bits.Sub64(n[1], 1, 0)
		iv.lo, iv.hi = zero, [2]uint64{n[0] - borrow, lo}
	case nft.OpLe:
		iv.lo = zero
	case nft.OpGt:
		lo, carry := bits.Add64(n[1], 1, 0)
		iv.lo, iv.hi = [2]uint64{n[0] + carry, lo}, top
	case nft.OpGe:
		iv.hi = top
	case nft.OpAny:
		iv.mask[0] &= n[0]
		iv.mask[1] &= n[1]
		iv.lo, iv.hi, iv.neg = zero, zero, true
	default:
		return errorf(m.Pos, "operator %d is not supported", m.Op)
	}
	return nil
}

// prefixMask returns the mask of the first n bits of an operand, in place.
func prefixMask(n int, o operand) [2]uint64 {
	if o.wide {
		rest := o.bits - n
		return [2]uint64{ones(o.bits-64) &^ ones(max(rest-64, 0)), ^ones(min(rest, 64))}
	}
	return [2]uint64{0, (ones(o.bits) &^ ones(o.bits-n)) << o.shift}
}

func less(a, b [2]uint64) bool { return a[0] < b[0] || a[0] == b[0] && a[1] < b[1] }

// keys adds the loads that form the key of a set.
func (lw *lowering) keys(pos nft.Pos, left nft.Expr, s *nft.Set) error {
	return lw.keysAt(pos, left, s, 0)
}

// keysAt is keys for a key that begins at word at.
func (lw *lowering) keysAt(pos nft.Pos, left nft.Expr, s *nft.Set, at uint8) error {
	parts := []nft.Expr{left}
	if c, ok := left.(*nft.Concat); ok {
		parts = c.Es
	}
	if len(parts) != len(s.Key) {
		return errorf(pos, "key of %d parts for a set of %d", len(parts), len(s.Key))
	}
	for i, part := range parts {
		size := uint8(1)
		if bits := partBits(s, i); bits > 64 || bits == 0 && part.Bits() > 64 {
			size = 2
		}
		if int(at)+int(size) > keyWords {
			return errorf(pos, "key is too long")
		}
		n, err := lw.value(pos, part, at)
		if err != nil {
			return err
		}
		if n != size {
			return errorf(pos, "key of %d bits for a set of %d", part.Bits(), partBits(s, i))
		}
		at += size
	}
	return nil
}
