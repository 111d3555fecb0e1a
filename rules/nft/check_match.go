package nft

import (
	"bytes"
	mathbits "math/bits"
)

// match checks `left op right`.
func (k *ruleCheck) match(n *matchNode) Stmt {
	k.matching = true
	e := k.left(n.left)
	k.matching = false
	if f, ok := e.(*Fib); ok && isPresence(n.right) {
		if f.Result != FibOifIndex {
			k.fail(n.left, "Could not process rule: Invalid argument")
		}
		x := *f
		x.Flags |= FibPresent
		e = &x
	}
	if c, ok := e.(*CT); ok && n.left.kind == rawSel && !n.left.ctFamily && (c.Key == CTSaddr || c.Key == CTDaddr) {
		if n.right.kind == rawSet || n.right.kind == rawRef {
			k.fail(n.left, "specify either ip or ip6 for address matching")
		}
	}
	k.matchable(n, e)
	m := &Match{Pos: n.pos, Left: e, Op: n.op, fam: k.table.Family}
	r := n.right
	if n.op >= OpLt && n.op <= OpGe {
		if r.kind == rawSet && k.single(r) && !isConcat(e) {
			n.right = keyOf(r.kids[0])
			r = n.right
		}
		k.orderable(n, e)
	}
	switch {
	case n.mask != nil:
		k.flagMask(n, m)
	case r.kind == rawRef:
		k.setMatch(n, m)
	case r.kind == rawSet:
		es, ts := []Expr{e}, []*Type{e.Type()}
		if c, ok := e.(*Concat); ok {
			es, ts = c.Es, nil
			for _, x := range es {
				ts = append(ts, x.Type())
			}
		}
		if len(es) == 1 && k.single(r) && r.kids[0].opt != nil { // what an element alone has besides is forgotten
			x := *r
			x.kids = []*raw{keyOf(r.kids[0])}
			r = &x
		}
		if mask := masked(e); mask != nil && allOnes(mask.Mask, mask.E.Bits()) {
			m.Left = mask.E
		}
		s := k.anonymous(r, es, ts, false)
		m.Right = &SetRef{Set: s}
		if s.Elements.Len() == 1 && len(es) == 1 && k.single(r) && !s.Elements.At(0).Any {
			m.Right = partValue(ts[0], s.Elements.At(0).Key[0])
			m.unprefix()
			if ts[0].Bitmask && n.opAt == nil && masked(e) == nil {
				m.Op = OpAny
			}
		}
	case isConcat(e):
		c := e.(*Concat)
		var ts []*Type
		for _, x := range c.Es {
			ts = append(ts, x.Type())
		}
		k.anonymous(&raw{kind: rawSet, pos: r.pos, end: r.end, kids: []*raw{r}}, c.Es, ts, false)
		k.errorf(n.left.pos, n.left.end, "Use concatenations with sets and maps, not singleton values")
		k.also(r.pos, r.end)
		panic(bail{})
	default:
		k.valueMatch(n, m)
	}
	k.learn(n, m)
	return m
}

// isPresence tells whether a right side is `exists` or `missing`.
func isPresence(r *raw) bool {
	return r.kind == rawWord && (r.text == "exists" || r.text == "missing")
}

// matchable refuses what can be set only, or cannot be compared with a value.
func (k *ruleCheck) matchable(n *matchNode, e Expr) {
	switch e := e.(type) {
	case *Meta:
		if e.Key == MetaNftrace {
			k.fail(n.left, "Could not process rule: Operation not supported")
		}
		if e.Key == MetaSecmark {
			k.fail(n.right, "Cannot be used with right hand side constant value")
		}
	case *CT:
		if e.Key == CTEvent {
			k.fail(n.left, "Could not process rule: Operation not supported")
		}
		if e.Key == CTSecmark {
			k.fail(n.right, "Cannot be used with right hand side constant value")
		}
	}
	if top, ok := highest(e); ok {
		k.within(n.right, top)
	}
}

// highest is the largest value an expression can have where that is no power of
// two.
func highest(e Expr) (uint64, bool) {
	switch e := e.(type) {
	case *Numgen:
		return highestOf(e.Mod, e.Offset)
	case *Hash:
		return highestOf(e.Mod, e.Offset)
	case *Socket:
		return 1, e.Key == SocketTransparent || e.Key == SocketWildcard
	case *Meta:
		return 6, e.Key == MetaDay
	}
	return 0, false
}

// highestOf is the largest of mod values from offset on; nft does not know one that is
// zero.
func highestOf(mod, offset uint32) (uint64, bool) {
	top := uint64(mod) + uint64(offset) - 1
	return top, top > 0
}

// within wants every number of a right side to be at most top.
func (k *ruleCheck) within(r *raw, top uint64) {
	if r.kind == rawNumber {
		if v, ok := parseBig(r.text); ok && (!v.IsUint64() || v.Uint64() > top) {
			k.fail(r, "Value %s exceeds valid range 0-%d", v, top)
		}
	}
	for _, x := range r.kids {
		k.within(x, top)
	}
}

func isConcat(e Expr) bool { _, ok := e.(*Concat); return ok }

// single tells whether the literal was written with one element.
func (k *ruleCheck) single(r *raw) bool {
	return len(r.kids) == 1 && keyOf(r.kids[0]).kind != rawSet
}

func partValue(t *Type, p KeyPart) Value {
	if p.PrefixLen >= 0 || bytes.Equal(p.Lo, p.Hi) {
		return &Const{T: t, Data: p.Lo, PrefixLen: p.PrefixLen, Name: p.Name}
	}
	return &Range{T: t, Lo: p.Lo, Hi: p.Hi}
}

// orderable refuses <, > and the like where there is no order.
func (k *ruleCheck) orderable(n *matchNode, e Expr) {
	sign := map[Op]string{OpLt: "<", OpGt: ">", OpLe: "<=", OpGe: ">="}[n.op]
	kind := ""
	switch n.right.kind {
	case rawRange:
		kind = "range"
	case rawSet, rawRef:
		kind = "set"
	case rawPrefix:
		kind = "prefix"
	}
	at := span{n.right.pos, n.right.end}
	if kind == "" && isConcat(e) {
		kind, at = "concat", span{n.left.pos, n.left.end}
	}
	if kind == "" && e.Type() == TypeIfname {
		k.fail(n.right, "not supported: Relational expression (%s) for %s", sign, e.Type().Desc)
	}
	if kind != "" {
		k.errorf(at.pos, at.end, "Relational expression (%s) is undefined for %s expressions", sign, kind)
		k.also(n.opAt.pos, n.opAt.end)
		panic(bail{})
	}
}

// setMatch resolves `left @set`.
func (k *ruleCheck) setMatch(n *matchNode, m *Match) {
	s := k.findSet(k.table, n.right.text, n.right)
	ts := []*Type{m.Left.Type()}
	if c, ok := m.Left.(*Concat); ok {
		ts = nil
		for _, x := range c.Es {
			ts = append(ts, x.Type())
		}
	}
	if !sameTypes(s.Key, ts) {
		k.errorf(n.right.pos, n.right.end, "datatype mismatch, expected %s, expression has type %s", describeKey(ts), describeKey(s.Key))
		k.also(n.left.pos, n.left.end)
		panic(bail{})
	}
	m.Right = &SetRef{Set: s}
}

// flagMask resolves `flags value / mask`.
func (k *ruleCheck) flagMask(n *matchNode, m *Match) {
	t := m.Left.Type()
	if n.none || n.op > OpNe {
		k.failAt(span{n.pos, n.end}, "either == or != is allowed")
	}
	if t == nil || !t.Bitmask || masked(m.Left) != nil {
		k.failAt(span{n.mask.pos, n.mask.end}, "a mask after '/' is possible for flags only")
	}
	v := k.constant(n.right, t, m.Left.Bits())
	mask := k.constant(n.mask, t, m.Left.Bits())
	m.Left = &Masked{E: m.Left, Mask: mask.Lo}
	m.Right = &Const{T: t, Data: v.Lo, PrefixLen: -1}
}

func masked(e Expr) *Masked { m, _ := e.(*Masked); return m }

// allOnes tells whether a mask leaves all bits.
func allOnes(mask []byte, bits int) bool {
	n := 0
	for _, b := range mask {
		n += mathbits.OnesCount8(b)
	}
	return n == bits
}

func isZero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

// valueMatch resolves a value, range, prefix or list of flags.
func (k *ruleCheck) valueMatch(n *matchNode, m *Match) {
	t, bits := m.Left.Type(), m.Left.Bits()
	if n.none {
		if !t.Bitmask || masked(m.Left) != nil {
			k.failAt(*n.opAt, "Relational expression (!) is possible for flags only")
		}
		v := k.constant(n.right, t, bits)
		m.Left = &Masked{E: m.Left, Mask: v.Lo}
		m.Right = &Const{T: t, Data: make([]byte, len(v.Lo)), PrefixLen: -1}
		return
	}
	if r := n.right; t == TypeHour && r.kind == rawRange && m.Op <= OpNe {
		// A range over midnight is what is not between its ends.
		lo, hi := k.constant(r.kids[0], t, bits), k.constant(r.kids[1], t, bits)
		if bytes.Compare(lo.Lo, hi.Lo) > 0 {
			m.Op ^= OpEq ^ OpNe
			m.Right = &Range{T: t, Lo: hi.Lo, Hi: lo.Lo}
			return
		}
	}
	o := k.operand(n.right, t, bits)
	m.Right = partValue(t, o.KeyPart)
	if o.kind == rawRange {
		m.Right = &Range{T: t, Lo: o.Lo, Hi: o.Hi}
	}
	if b, ok := m.Left.(*Binop); ok && b.Op == "^" && o.kind == rawWord && m.Op <= OpNe {
		// (left ^ c) == v is left == v ^ c
		c, v := b.R.(*Const).Data, append([]byte(nil), o.Lo...)
		for i := range v {
			v[i] ^= c[i]
		}
		m.Left, m.Right = b.L, &Const{T: t, Data: v, PrefixLen: -1}
		return
	}
	mask := masked(m.Left)
	if m.unprefix() {
		return
	}
	switch {
	case mask != nil && allOnes(mask.Mask, bits):
		m.Left = mask.E
	case mask == nil:
		if t.Bitmask && n.opAt == nil && o.kind == rawWord {
			m.Op = OpAny
		}
	case t.Bitmask && m.Op == OpNe && o.kind == rawWord && isZero(o.Lo):
		// (flags & mask) != 0 is some bit in common.
		m.Left, m.Op = mask.E, OpAny
		m.Right = &Const{T: t, Data: mask.Mask, PrefixLen: -1}
	case prefixTypes[t] && (m.Op == OpEq || m.Op == OpNe) && o.kind == rawWord:
		// addr & 255.255.0.0 == v is a prefix.
		hi := inverse(mask.Mask)
		if plen := prefixOf(make([]byte, len(hi)), hi); plen >= 0 && plen < bits {
			if lo, _ := prefixBounds(o.Lo, plen); bytes.Equal(lo, o.Lo) {
				m.Left = mask.E
				m.Right = &Const{T: t, Data: o.Lo, PrefixLen: plen}
			}
		}
	}
}

// prefixTypes are listed as prefixes when a range or mask is one.
var prefixTypes = map[*Type]bool{TypeIPv4: true, TypeIPv6: true, TypeMark: true, TypeDevgroup: true}

// listsMask tells whether a match with a prefix is one with a mask to nft: that is
// so where it cannot compare the first bytes alone.
func listsMask(left Expr, c *Const) bool {
	t := c.T
	if c.PrefixLen < 0 || t.Bitmask || prefixTypes[t] || t == TypeIfname {
		return false
	}
	if _, raw := left.(*Raw); raw || left.Bits()%8 != 0 {
		return false
	}
	return t.Host || c.PrefixLen == 0 || c.PrefixLen%8 != 0
}

// unprefix makes a mask of a prefix if nft does, and tells whether.
func (m *Match) unprefix() bool {
	c, ok := m.Right.(*Const)
	if !ok || masked(m.Left) != nil || m.Op > OpNe || !listsMask(m.Left, c) {
		return false
	}
	_, rest := prefixBounds(make([]byte, len(c.Data)), c.PrefixLen)
	m.Left, m.Right = &Masked{E: m.Left, Mask: inverse(rest)}, &Const{T: c.T, Data: c.Data, PrefixLen: -1}
	return true
}

func inverse(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}
