package nft

import "math/big"

// Bits that fill no whole bytes are loaded in the bytes around them. nft 1.0.6 finds
// the field again where the bits are compared alone; where they are masked or changed
// it lists the load, the mask and the shift: `(@nh,8,8 & 0xfc) >> 2 & 0x1 == 0x1`.

// loadBits makes an item with bits that are masked or changed one with loads of bytes.
// In them nft does not find the protocol, so that a match on it stays.
func (l *listing) loadBits(it *item) {
	before := it.stmt
	switch st := before.(type) {
	case *Match:
		x := *st
		if x.Left = loaded(st.Left); x.Left == nil {
			return
		}
		switch r := st.Right.(type) {
		case *Const:
			x.Right = &Const{T: TypeRaw, Data: r.Data, PrefixLen: -1}
		case *SetRef:
			if hasNames(r.Set) {
				return
			}
		}
		it.stmt = &x
	case *VMap:
		x := *st
		if x.Left = loaded(st.Left); x.Left == nil || hasNames(st.Set) {
			return
		}
		it.stmt = &x
	default:
		return
	}
	EachExpr(before, func(e Expr) {
		p, ok := e.(*Payload)
		switch {
		case !ok:
		case p.Field.Base == BaseNetwork && l.net == 0:
			it.implied = impliedNetwork(l.family, p.Field.L3)
			if l.family == FamilyBridge {
				it.implied = impliedNetwork(FamilyNetdev, p.Field.L3)
			}
			l.network, l.net = it.implied, p.Field.L3
		case p.Field.HasL4 && l.trans != int(p.Field.L4):
			it.implied = &item{stmt: &Match{Left: &Meta{Key: MetaL4proto}, fam: l.family,
				Right: &Const{T: TypeProto, Data: []byte{p.Field.L4}, PrefixLen: -1}}}
			l.knows(int(p.Field.L4))
			l.transport = it.implied
		}
	})
}

// allFlags is a match on the flags of tcp without the mask that leaves all of them.
func allFlags(st Stmt) Stmt {
	m, ok := st.(*Match)
	if !ok || m.Left.Type() != TypeTCPFlag {
		return st
	}
	c, ok := m.Right.(*Const)
	if !ok {
		return st
	}
	x := *m
	if mask := masked(m.Left); mask != nil && allOnes(mask.Mask, 8) {
		x.Left = mask.E
		return &x
	}
	if m.Op == OpAny && allOnes(c.Data, 8) {
		x.Op, x.Right = OpNe, &Const{T: c.T, Data: []byte{0}, PrefixLen: -1}
		return &x
	}
	return st
}

// hasNames says whether a set has keys with names. nft 1.0.6 lists them beside the load
// too, and then refuses its own listing: those stay with the field here.
func hasNames(s *Set) bool { return len(s.Key) == 1 && s.Key[0].Symbols != nil }

// loaded is an operation on such bits; nil: e is none.
func loaded(e Expr) Expr {
	switch e := e.(type) {
	case *Masked:
		raw, ones, shift := bytesAround(e.E)
		switch {
		case raw == nil:
			return nil
		case shift == 0:
			mask := make([]byte, len(ones)) // that of the bits is in it already
			copy(mask[len(ones)-len(e.Mask):], e.Mask)
			return &Masked{E: raw, Mask: mask}
		}
		return &Masked{E: bitsValue(raw, ones, shift), Mask: e.Mask}
	case *Binop:
		r, ok := e.R.(*Const)
		if !ok || e.Op != "|" && e.Op != "^" {
			return nil
		}
		left := loaded(e.L)
		if raw, ones, shift := bytesAround(e.L); raw != nil {
			left = bitsValue(raw, ones, shift)
		}
		if left == nil {
			return nil
		}
		return &Binop{Op: e.Op, L: left, R: &Const{T: TypeRaw, Data: r.Data, PrefixLen: -1}}
	}
	return nil
}

// bytesAround are the bytes that hold a header's bits, the mask of the bits in them
// and how far they are from the end; nil: e is no such bits.
func bytesAround(e Expr) (raw *Raw, ones []byte, shift uint) {
	var r Raw
	switch e := e.(type) {
	case *Payload:
		r = Raw{Base: e.Field.Base, Offset: e.Field.Offset, Length: e.Field.Length}
	case *Raw:
		r = *e
	default:
		return nil, nil, 0
	}
	if r.Offset%8 == 0 && r.Length%8 == 0 {
		return nil, nil, 0
	}
	whole, mask, _ := r.whole(nil)
	return &whole, mask.FillBytes(make([]byte, whole.Length/8)), uint(whole.Offset + whole.Length - r.Offset - r.Length)
}

// bitsValue is the number that bits of bytes are.
func bitsValue(raw *Raw, ones []byte, shift uint) Expr {
	e := &Masked{E: raw, Mask: ones}
	if shift == 0 {
		return e
	}
	return &Binop{Op: ">>", L: e, R: &Const{T: TypeInteger, Data: putUint(uint64(shift), 1), PrefixLen: -1}}
}

// maskedField is masked bytes of a known header as the masked field that they are or,
// with whole set, as the field that the mask leaves; how far that is from the end of
// the bytes is shift.
func (l *listing) maskedField(e Expr, whole bool) (left Expr, f *Field, shift uint) {
	mask := masked(e)
	if mask == nil {
		return nil, nil, 0
	}
	raw, ok := mask.E.(*Raw)
	if !ok {
		return nil, nil, 0
	}
	if fs := l.fieldsOf(raw); len(fs) == 1 {
		return &Masked{E: &Payload{Field: fs[0]}, Mask: mask.Mask}, fs[0], 0
	}
	bits := new(big.Int).SetBytes(mask.Mask)
	for _, f := range l.known(raw.Base) {
		left := &Payload{Field: f}
		around, ones, shift := bytesAround(left)
		if whole && around != nil && *around == *raw && bits.Cmp(new(big.Int).SetBytes(ones)) == 0 {
			return left, f, shift
		}
	}
	return nil, nil, 0
}

// nameMasked shows masked bytes of a known header with the field's name.
func (l *listing) nameMasked(it *item) {
	switch st := it.stmt.(type) {
	case *Match:
		left, f, shift := l.maskedField(st.Left, st.Op <= OpNe)
		if left == nil {
			return
		}
		x := *st
		switch r := st.Right.(type) {
		case *Const:
			x.Right = &Const{T: f.T, Data: moved(r.Data, -int(shift), sizeOf(int(f.Length))), PrefixLen: -1}
		case *SetRef:
			x.Right = &SetRef{Set: movedKeys(r.Set, -int(shift), sizeOf(int(f.Length)))}
		default:
			return
		}
		x.Left, it.stmt = left, &x
	case *VMap:
		if left, f, shift := l.maskedField(st.Left, true); left != nil {
			x := *st
			x.Left, x.Set = left, movedKeys(st.Set, -int(shift), sizeOf(int(f.Length)))
			it.stmt = &x
		}
	}
}

// nameKeys shows bits compared with the keys of a rule's set as nft loads them: as a
// field of a known header or as masked bytes.
func (l *listing) nameKeys(it *item) {
	name := func(e Expr, s *Set) (Expr, *Set) {
		r, ok := e.(*Raw)
		if !ok || s.Name != "" {
			return nil, nil
		}
		if fs := l.fieldsOf(r); len(fs) == 1 && r.Type() == TypeRaw {
			return &Payload{Field: fs[0]}, movedKeys(s, 0, sizeOf(int(r.Length)))
		}
		raw, ones, shift := bytesAround(r)
		if raw == nil {
			return nil, nil
		}
		return &Masked{E: raw, Mask: ones}, movedKeys(s, int(shift), len(ones))
	}
	switch st := it.stmt.(type) {
	case *Match:
		if r, ok := st.Right.(*SetRef); ok {
			raw, is := st.Left.(*Raw)
			if is && raw.Offset%8 == 0 && raw.Length%8 == 0 {
				return
			}
			if left, set := name(st.Left, r.Set); left != nil {
				x := *st
				x.Left, x.Right = left, &SetRef{Set: set}
				it.stmt = &x
			}
		}
	case *VMap:
		if left, set := name(st.Left, st.Set); left != nil {
			x := *st
			x.Left, x.Set = left, set
			it.stmt = &x
		}
	}
}

// moved is a number shifted to the left, in as many bytes as said.
func moved(b []byte, by, size int) []byte {
	v := new(big.Int).SetBytes(b)
	if by < 0 {
		v.Rsh(v, uint(-by))
	} else {
		v.Lsh(v, uint(by))
	}
	if v.BitLen() > 8*size {
		return b
	}
	return v.FillBytes(make([]byte, size))
}

// movedKeys is a rule's set of plain numbers with shifted keys.
func movedKeys(s *Set, by, size int) *Set {
	x := plainKeys(s)
	if x == s {
		return s
	}
	var els []*Element
	for e := range s.Elements.All() {
		c := *e
		if !e.Any {
			k := e.Key[0]
			k.Lo, k.Hi = moved(k.Lo, by, size), moved(k.Hi, by, size)
			c.Key = []KeyPart{k}
		}
		els = append(els, &c)
	}
	x.Elements = ElementsOf(els...)
	return x
}

// headOfField shows the first bytes of a known header's field, compared with a value,
// as a prefix of the field.
func (l *listing) headOfField(e *Raw, m *Match) *Match {
	if !isConst(m) || e.Length%8 != 0 {
		return nil
	}
	for _, f := range l.known(e.Base) {
		if f.Offset != e.Offset || f.Length <= e.Length || f.Length%8 != 0 {
			continue
		}
		x := *m
		data := make([]byte, f.Length/8)
		copy(data, m.Right.(*Const).Data)
		x.Left = &Payload{Field: f}
		x.Right = &Const{T: f.T, Data: data, PrefixLen: int(e.Length)}
		return &x
	}
	return nil
}

// wordAssign is a field of one byte as nft 1.0.6 lists its assignment: the kernel
// sums words, so a byte of icmp or igmp is set in the word around it.
func wordAssign(s *Assign) *Assign {
	p, ok := s.Left.(*Payload)
	c, constant := s.Value.(*Const)
	if !ok || !constant || p.Field.Base != BaseTransport || p.Field.Length != 8 || p.Field.Offset > 8 {
		return s
	}
	up := 8 - uint(p.Field.Offset)
	set := getUint(c.Data) << up
	keep := 0xff00>>up | set
	word := &Payload{Field: LookupField("th", "sport")}
	number := func(v uint64) *Const { return &Const{T: TypeInteger, Data: putUint(v, 2), PrefixLen: -1} }
	var value Expr = word
	if keep != 0xffff {
		value = &Binop{Op: "&", L: value, R: number(keep)}
	}
	if set != 0 {
		value = &Binop{Op: "|", L: value, R: number(set)}
	}
	x := *s
	x.Left, x.Value = word, value
	return &x
}

// plainKeys is a rule's set with keys without a type as numbers: nft shows the digits
// of base 16 only where the bits are compared with the set themselves.
func plainKeys(s *Set) *Set {
	if s.Name != "" || len(s.Key) != 1 || s.Key[0] != TypeRaw {
		return s
	}
	x := *s
	x.Key = []*Type{TypeInteger}
	return &x
}
