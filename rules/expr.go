package rules

import "github.com/sluice-net/sluice/rules/nft"

// Expressions that are more than a window of a header or a fact of the packet
// are computed into the key words of Env, step by step: what stands left of an
// operator from word at on, what stands right of it behind that. A value of up
// to 64 bits takes one word, a longer one two, the upper one first.

// simple says whether newOperand knows an expression: one load reads it.
func simple(e nft.Expr) bool {
	switch e := e.(type) {
	case *nft.Payload, *nft.Raw:
		_, err := newOperand(nft.Pos{}, e)
		return err == nil
	case *nft.Meta, *nft.CT:
		return true
	case *nft.RT:
		return e.Key == nft.RTIPsec
	case *nft.Masked:
		return simple(e.E)
	}
	return false
}

// wordsOf is how many key words a value of so many bits takes.
func wordsOf(bits int) uint8 {
	if bits > 64 {
		return 2
	}
	return 1
}

// pure adds a step that reads and writes key words only, or reads the packet.
func (lw *lowering) pure(s step) {
	s.pure = true
	lw.out.steps = append(lw.out.steps, s)
}

// value adds the steps that compute e into the key words from at on and returns
// the number of words.
func (lw *lowering) value(pos nft.Pos, e nft.Expr, at uint8) (uint8, error) {
	if at > keyWords-2 {
		return 0, errorf(pos, "the expression is too long")
	}
	if simple(e) {
		o, err := newOperand(pos, e)
		if err != nil {
			return 0, err
		}
		if o.wide {
			lw.load(opWideKey, o, step{ins: ins{key: at}, words: []uint64{o.mask[0], o.mask[1]}})
			return 2, nil
		}
		lw.load(opKey, o, step{ins: ins{key: at, shift: o.shift}})
		return 1, nil
	}
	switch e := e.(type) {
	case *nft.Concat:
		n := uint8(0)
		for _, part := range e.Es {
			w, err := lw.value(pos, part, at+n)
			if err != nil {
				return 0, err
			}
			n += w
		}
		return n, nil
	case *nft.Const:
		return lw.constant(pos, e, at)
	case *nft.Masked:
		n, err := lw.value(pos, e.E, at)
		if err != nil {
			return 0, err
		}
		m, err := wideNumber(pos, e.Mask)
		lw.alter(at, n, m, [2]uint64{})
		return n, err
	case *nft.Binop:
		return lw.binop(pos, e, at)
	case *nft.MapLookup:
		return lw.mapLookup(pos, e, at)
	}
	return lw.special(pos, e, at)
}

// constant adds the steps that write a constant.
func (lw *lowering) constant(pos nft.Pos, c *nft.Const, at uint8) (uint8, error) {
	n, err := wideNumber(pos, c.Data)
	if c.Name != "" {
		index, _ := lw.ports.indexOf(c.Name)
		n = [2]uint64{0, uint64(index)}
	}
	if err != nil {
		return 0, err
	}
	w := wordsOf(8 * len(c.Data))
	if w == 2 {
		lw.pure(step{ins: ins{op: opConst, key: at, test: test{lo: n[0]}}})
	}
	lw.pure(step{ins: ins{op: opConst, key: at + w - 1, test: test{lo: n[1]}}})
	return w, nil
}

// alter adds steps that make value words (word & mask) ^ xor.
func (lw *lowering) alter(at, n uint8, mask, xor [2]uint64) {
	for i := range n {
		k := i + 2 - n
		lw.pure(step{ins: ins{op: opAlter, key: at + i, test: test{mask: mask[k], lo: xor[k]}}})
	}
}

// Operators of opBinop, in ins.flag.
const (
	binAnd uint8 = iota
	binOr
	binXor
	binLeft
	binRight
)

var binops = map[string]uint8{"&": binAnd, "|": binOr, "^": binXor, "<<": binLeft, ">>": binRight}

func (lw *lowering) binop(pos nft.Pos, e *nft.Binop, at uint8) (uint8, error) {
	op, ok := binops[e.Op]
	if !ok {
		return 0, errorf(pos, "operator %s is not supported", e.Op)
	}
	n, err := lw.value(pos, e.L, at)
	if err != nil {
		return 0, err
	}
	if n > 2 || n == 2 && op >= binLeft {
		return 0, errorf(pos, "%s is not supported for a value of %d bits", e.Op, e.L.Bits())
	}
	c, constant := e.R.(*nft.Const)
	if constant && c.Name == "" && op < binLeft {
		v, err := wideNumber(pos, c.Data)
		if err != nil {
			return 0, err
		}
		switch op {
		case binAnd:
			lw.alter(at, n, v, [2]uint64{})
		case binOr:
			lw.alter(at, n, [2]uint64{^v[0], ^v[1]}, v)
		default:
			lw.alter(at, n, [2]uint64{^uint64(0), ^uint64(0)}, v)
		}
		return n, nil
	}
	right, err := lw.value(pos, e.R, at+n)
	if err != nil {
		return 0, err
	}
	if right > n {
		return 0, errorf(pos, "%s of %d and %d bits is not supported", e.Op, e.L.Bits(), e.R.Bits())
	}
	if right < n { // two words and one
		lw.pure(step{ins: ins{op: opAlter, key: at + 3, test: test{}}})
		lw.pure(step{ins: ins{op: opBinop, key: at + 3, arg: uint32(at + 2), flag: binOr, test: test{mask: ^uint64(0)}}})
		lw.pure(step{ins: ins{op: opConst, key: at + 2}})
	}
	for i := range n {
		// The kernel's registers have 32 bits, so a small value may grow that far.
		lw.pure(step{ins: ins{op: opBinop, key: at + i, arg: uint32(at + n + i), flag: op,
			test: test{mask: ones(max(32, e.L.Bits()))}}})
	}
	return n, nil
}

// mapLookup adds the steps that look a key up and leave the data.
func (lw *lowering) mapLookup(pos nft.Pos, e *nft.MapLookup, at uint8) (uint8, error) {
	if err := lw.keysAt(pos, e.Key, e.Set, at); err != nil {
		return 0, err
	}
	n := dataWords(e.Set)
	total := n
	if e.Set.Ranges {
		total *= 2
	}
	if at+total > keyWords {
		return 0, errorf(pos, "the map's data are too long")
	}
	if changes(e.Set) {
		lw.dynLookup(e.Set, dynMap, at)
		return n, nil
	}
	lw.out.steps = append(lw.out.steps, step{ins: ins{op: opMap, key: at, flag: total}, of: e.Set, pure: !noded(e.Set)})
	return n, nil
}

// special adds the steps of what has an instruction of its own.
func (lw *lowering) special(pos nft.Pos, e nft.Expr, at uint8) (uint8, error) {
	switch e := e.(type) {
	case *nft.Raw:
		return lw.bits(pos, e, &nft.Field{Base: e.Base, Offset: e.Offset, Length: e.Length}, at)
	case *nft.Option:
		s := tlvStep(opOption, e)
		if s.span > 128 {
			return 0, errorf(pos, "%s is not supported: a value has 1 to 128 bits", nft.ExprText(e))
		}
		lw.under(operand{guard: guard{s.need, s.needMask}})
		s.key = at
		lw.pure(s)
		return wordsOf(e.Bits()), nil
	case *nft.Fib:
		return lw.fib(e, at), nil
	case *nft.RT:
		switch e.Key {
		case nft.RTMTU:
			lw.pure(step{ins: ins{op: opSegment, key: at}})
			return 1, nil
		case nft.RTNexthop:
			g := familyGuard(e.Family)
			lw.pure(step{ins: ins{op: opNextHop, key: at, test: test{need: g.need, needMask: g.mask}}})
			return wordsOf(e.Bits()), nil
		}
		return 0, errorf(pos, "%s is not supported: routes have no realms", nft.ExprText(e))
	case *nft.Numgen:
		return lw.numgen(pos, e, at)
	case *nft.Hash:
		return lw.hash(pos, e, at)
	case *nft.Socket:
		return 0, errorf(pos, "%s is not supported: forwarded packets have no local socket", nft.ExprText(e))
	case *nft.OSF:
		return 0, errorf(pos, "%s is not supported: there is no database of fingerprints", nft.ExprText(e))
	case *nft.Xfrm: // packets come and go without states of IPsec, and the rule ends (nft_xfrm_eval)
		lw.pure(step{ins: ins{op: opBits, key: at, test: test{src: uint8(nft.BaseNetwork), lo: behindAll, span: 1}}})
		return wordsOf(e.Bits()), nil
	case *nft.Payload:
		return lw.bits(pos, e, e.Field, at)
	}
	return 0, errorf(pos, "%s is not supported", nft.ExprText(e))
}

// behindAll is a bit that no packet is long enough to have.
const behindAll = 1 << 40

// bits adds the step that reads bits which no window holds.
func (lw *lowering) bits(pos nft.Pos, e nft.Expr, f *nft.Field, at uint8) (uint8, error) {
	if f.Length == 0 || f.Length > 128 || len(f.Types) > 0 {
		return 0, errorf(pos, "%s is not supported: a value has 1 to 128 bits", nft.ExprText(e))
	}
	g := familyGuard(f.L3).and(transportGuard(f))
	lw.pure(step{ins: ins{op: opBits, key: at, test: test{src: uint8(f.Base), need: g.need, needMask: g.mask,
		lo: uint64(f.Offset), span: uint64(f.Length)}}})
	return wordsOf(int(f.Length)), nil
}

// matchValue is a match whose left side has to be computed.
func (lw *lowering) matchValue(m *nft.Match) error {
	n, err := lw.value(m.Pos, m.Left, 0)
	if err != nil {
		return err
	}
	if n > 2 {
		return errorf(m.Pos, "%s can only be compared with a set", nft.ExprText(m.Left))
	}
	bits := m.Left.Bits()
	if c, ok := m.Right.(*nft.Const); ok && c.PrefixLen < 0 {
		bits = max(bits, 8*len(c.Data)) // a shifted value may be longer than what was shifted
	}
	o := operand{bits: bits, mask: [2]uint64{0, ones(64)}, wide: n == 2}
	if o.wide {
		o.mask[0] = ones(64)
	}
	iv, err := newInterval(m, o)
	if err != nil {
		return err
	}
	if c, ok := m.Right.(*nft.Const); ok && c.PrefixLen >= 0 && n == 1 {
		iv.mask[1] |= ^ones(bits)
	}
	s := step{ins: ins{op: opKeyTest, flag: n}, words: []uint64{iv.mask[0], iv.mask[1], iv.lo[0], iv.lo[1], iv.hi[0], iv.hi[1]}}
	if n == 1 {
		s.words[0], s.words[2], s.words[4] = 0, 0, 0
	}
	if iv.neg {
		s.neg = testNeg
	}
	lw.pure(s)
	return nil
}

// wideNumber reads up to 16 bytes.
func wideNumber(pos nft.Pos, data []byte) ([2]uint64, error) {
	if len(data) > 16 {
		return [2]uint64{}, errorf(pos, "value of %d bytes where at most 16 are allowed", len(data))
	}
	var b [16]byte
	copy(b[16-len(data):], data)
	hi, lo := words(b[:])
	return [2]uint64{hi, lo}, nil
}
