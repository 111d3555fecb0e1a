package nft

import (
	"fmt"
	"math/big"
	"strings"
)

// known gives the fields of the header that is known to be at a layer.
func (l *listing) known(base HeaderBase) []*Field {
	var out []*Field
	for _, f := range fields {
		switch {
		case f.Base != base || f.Types != nil:
		case base == BaseLink && l.ether && f.Proto == "ether",
			base == BaseNetwork && l.net != 0 && f.L3 == l.net,
			base == BaseTransport && l.trans >= 0 && f.HasL4 && int(f.L4) == l.trans:
			out = append(out, f)
		}
	}
	return out
}

// fieldsOf splits raw bits into fields that follow each other; nil when they are
// not exactly such.
func (l *listing) fieldsOf(e *Raw) []*Field {
	var out []*Field
	at, end := e.Offset, e.Offset+e.Length
	for _, f := range l.known(e.Base) {
		if f.Offset == at && f.Offset+f.Length <= end {
			out = append(out, f)
			at += f.Length
		}
	}
	if at != end {
		return nil
	}
	return out
}

// rawField shows raw bits that are one field of a known header as that.
func (l *listing) rawField(it *item, e *Raw) {
	if isPort(e) {
		l.transportField(it, portField(e))
	}
}

// portOf is a port of any transport protocol as one of the protocol that is known to
// be there, if that has ports.
func portOf(f *Field, proto int) *Field {
	for _, x := range fields {
		if f.Proto == "th" && x.HasL4 && int(x.L4) == proto && x.Name == f.Name {
			return x
		}
	}
	return f
}

// namePorts is a statement with the ports that it reads as those of the protocol that
// is known.
func (l *listing) namePorts(st Stmt) Stmt {
	found := false
	EachExpr(st, func(e Expr) {
		p, ok := e.(*Payload)
		found = found || ok && p.Field.Proto == "th" || isPort(e)
	})
	if !found {
		return st
	}
	var name func(Expr) Expr
	name = func(e Expr) Expr {
		switch x := e.(type) {
		case *Payload:
			return &Payload{Field: portOf(x.Field, l.trans)}
		case *Raw:
			if isPort(x) {
				if f := portField(x); portOf(f, l.trans) != f {
					return &Payload{Field: portOf(f, l.trans)}
				}
			}
		}
		return withParts(e, name)
	}
	return withExprs(st, name)
}

// isPort says whether an expression is bits that are a port.
func isPort(e Expr) bool {
	r, ok := e.(*Raw)
	return ok && r.Type() == TypeService
}

func portField(e *Raw) *Field { return LookupField("th", [...]string{"sport", "dport"}[e.Offset/16]) }

// raw shows a match of raw bits with a value as matches of the fields they are.
func (l *listing) raw(it *item, e *Raw, m *Match) bool {
	fs := l.fieldsOf(e)
	if fs == nil {
		if x := l.headOfField(e, m); x != nil {
			it.stmt = x
			l.match(it, x)
			return true
		}
		return false
	}
	if !isConst(m) {
		if len(fs) > 1 {
			return false
		}
		x := *m
		x.Left = &Payload{Field: fs[0]}
		it.stmt = &x
		l.match(it, &x)
		return true
	}
	v := new(big.Int).SetBytes(m.Right.(*Const).Data)
	left := int(e.Length)
	for _, f := range fs {
		left -= int(f.Length)
		part := new(big.Int).Rsh(v, uint(left))
		v.Sub(v, new(big.Int).Lsh(part, uint(left)))
		x := &Match{Pos: m.Pos, Left: &Payload{Field: f}, Op: m.Op, fam: m.fam,
			Right: &Const{T: f.T, Data: part.FillBytes(make([]byte, sizeOf(int(f.Length)))), PrefixLen: -1}}
		part2 := &item{stmt: x}
		l.match(part2, x)
		it.split = append(it.split, part2)
	}
	return true
}

// rawAssign shows raw bits that are set and are one field of a known header as that.
func (l *listing) rawAssign(s *Assign) *Assign {
	e, ok := s.Left.(*Raw)
	c, constant := s.Value.(*Const)
	if !ok || !constant {
		return s
	}
	fs := l.fieldsOf(e)
	if len(fs) != 1 {
		return s
	}
	x := *s
	x.Left, x.Value = &Payload{Field: fs[0]}, &Const{T: fs[0].T, Data: c.Data, PrefixLen: -1}
	return &x
}

// partial says whether nft compares whole bytes and a mask for bits that are none.
func (e *Raw) partial(op Op) bool { return op <= OpNe && (e.Offset%8 != 0 || e.Length%8 != 0) }

// whole are the bytes around the bits, and the mask and value to compare.
func (e *Raw) whole(value []byte) (whole Raw, mask, shifted *big.Int) {
	first, last := e.Offset/8*8, (e.Offset+e.Length+7)/8*8
	shift := uint(last - e.Offset - e.Length)
	whole = *e
	whole.Offset, whole.Length = first, last-first
	mask = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(e.Length)), big.NewInt(1))
	shifted = new(big.Int).SetBytes(value)
	return whole, mask.Lsh(mask, shift), shifted.Lsh(shifted, shift)
}

// rawMatchText shows a match of raw bits: what is no whole number of bytes is
// loaded in whole ones and masked.
func rawMatchText(e *Raw, mask []byte, m *Match, opt *PrintOptions) string {
	op := opText[m.Op]
	left := rawText(e, opt)
	if c, ok := m.Right.(*Const); ok && mask == nil && e.partial(m.Op) {
		whole, ones, v := e.whole(c.Data)
		return fmt.Sprintf("%s & 0x%x %s0x%x", rawText(&whole, opt), ones, op, v)
	}
	if m.Op == OpEq {
		op = ""
	}
	if mask != nil {
		left += " & " + bigHex(mask)
		if m.Op == OpEq {
			op = opText[OpEq]
		}
	}
	switch r := m.Right.(type) {
	case *Const:
		return left + " " + op + bigHex(r.Data)
	case *Range:
		return left + " " + op + bigHex(r.Lo) + "-" + bigHex(r.Hi)
	}
	return ""
}

func bigHex(b []byte) string {
	s := strings.TrimLeft(fmt.Sprintf("%x", b), "0")
	if s == "" {
		s = "0"
	}
	return "0x" + s
}
