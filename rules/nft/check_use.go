package nft

// plain copies a statement that needs no names; conditions of the kernel are
// checked.
func (k *ruleCheck) plain(n *plainNode) Stmt {
	switch s := n.stmt.(type) {
	case *Counter:
		x := *s
		return &x
	case *Log:
		x := *s
		return &x
	case *Limit:
		x := *s
		return &x
	case *Quota:
		if s.Used > s.Bytes {
			k.failAt(span{n.pos, n.end}, "Could not process rule: Invalid argument")
		}
		x := *s
		return &x
	case *ConnLimit:
		k.notIn(&raw{pos: n.pos, end: n.end}, FamilyNetdev)
		k.tracked(span{n.pos, n.end})
		x := *s
		return &x
	case *Last:
		x := *s
		return &x
	case *Synproxy:
		k.notIn(&raw{pos: n.pos, end: n.end}, FamilyNetdev, FamilyBridge)
		k.tracked(span{n.pos, n.end})
		x := *s
		return &x
	}
	if x, ok := n.stmt.(*Extension); ok {
		return x
	}
	x := *n.stmt.(*Notrack)
	return &x
}

// objectUse checks the use of a named object.
func (k *ruleCheck) objectUse(n *objectNode) Stmt {
	st := &ObjectRef{Pos: n.pos, Kind: n.kind}
	if n.kind >= ObjHelper && n.kind <= ObjSynproxy {
		k.notIn(&raw{pos: n.pos, end: n.end}, FamilyNetdev)
	}
	switch v := n.value; v.kind {
	case rawWord, rawString:
		st.Object = k.findObject(k.table, n.kind, v)
	case rawMap:
		es, ts := k.keyExprs(v.kids[0])
		st.Key = joined(es)
		st.Set = k.mapSet(v, es, ts, &Set{HoldsObjects: true, ObjectKind: n.kind})
		st.Kind = st.Set.ObjectKind // whatever the statement says
	default:
		k.fail(v, "a name of a %s is needed", n.kind)
	}
	return st
}

func joined(es []Expr) Expr {
	if len(es) == 1 {
		return es[0]
	}
	return &Concat{Es: es}
}

// mapSet finds or makes the map of `key map set`, which must give what want
// does.
func (k *ruleCheck) mapSet(r *raw, es []Expr, ts []*Type, want *Set) *Set {
	lit := r.kids[1]
	if lit.kind != rawRef {
		want.Key, want.KeyExprs, want.Map, want.Flags, want.Pos = ts, es, true, SetConstant, lit.pos
		return k.literal(lit, want)
	}
	s := k.findSet(k.table, lit.text, lit)
	if !s.Map || s.Verdicts {
		k.fail(lit, "Expression is not a map")
	}
	if !sameTypes(s.Key, ts) {
		k.errorf(lit.pos, lit.end, "datatype mismatch, map expects %s, mapping expression has type %s", describeKey(s.Key), describeKey(ts))
		k.also(r.kids[0].pos, r.kids[0].end)
		panic(bail{})
	}
	switch {
	case want.HoldsObjects && !s.HoldsObjects:
		k.fail(lit, "Expression is not a map with objects")
	case s.HoldsObjects && !want.HoldsObjects:
		k.fail(lit, "Expression is not a map of that kind")
	case !s.HoldsObjects && !sameData2(s.Data, want.Data):
		k.fail(lit, "datatype mismatch: map gives %s, %s is needed", describeKey(s.Data), describeKey(want.Data))
	}
	return s
}

// sameData2 compares types of data: integers are alike.
func sameData2(a, b []*Type) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name {
			return false
		}
	}
	return true
}

// assign checks `left set value`.
func (k *ruleCheck) assign(n *assignNode) Stmt {
	left := k.selector(n.left)
	t, bits := left.Type(), left.Bits()
	switch e := left.(type) {
	case *Meta:
		if !metaKeys[e.Key].set {
			k.fail(n.left, "Could not process rule: Operation not supported")
		}
	case *CT:
		if !ctKeys[e.Key].set {
			k.fail(n.left, "Could not process rule: Operation not supported")
		}
		if e.Key == CTSecmark && !hasSelector(n.value) {
			k.fail(n.value, "ct secmark must not be set to constant value")
		}
	case *Option:
		if e.Kind != OptionTCP || e.Exists {
			k.fail(n.left, "syntax error, unexpected set")
		}
		if bits != 16 && bits != 32 {
			k.fail(n.left, "Could not process rule: Operation not supported")
		}
	case *Payload, *Raw:
	default:
		k.fail(n.left, "syntax error, unexpected set")
	}
	if t == TypeMark && foldable(n.value, new(int)) {
		v := k.markValue(n, n.value)
		return &Mangle{Pos: n.pos, Left: left, Value: v}
	}
	v := k.value(n, n.value, t, bits)
	if p, ok := left.(*Payload); ok {
		k.mangled(n.value, v, p.Field)
	}
	return &Assign{Pos: n.pos, Left: left, Value: v}
}

// mangled wants a constant for what nft writes as a part of a larger word: bits that
// are no bytes, and in headers with a checksum what is no 16-bit word.
func (k *ruleCheck) mangled(r *raw, v Expr, f *Field) {
	if _, ok := v.(*Const); ok {
		return
	}
	at, bits := int(f.Offset)%8, int(f.Length)
	word := (at + bits + 7) / 8 * 8
	shift := word - at - bits
	summed := f.HasL4 && f.L4 != protoAH && f.L4 != protoComp && f.L4 != protoESP || f.Proto == "ip"
	if summed && word%16 != 0 && int(f.Offset)/8%2 == 0 {
		shift += 8
	}
	if word == bits && (!summed || bits%16 == 0) {
		return
	}
	if _, ok := v.(*MapLookup); ok {
		if shift > 0 {
			k.fail(r, "Value %d exceeds valid range 0-0", shift)
		}
		k.fail(r, "Binary operation (^) is undefined for map expressions")
	}
	if p, ok := v.(*Payload); ok {
		bits := int(p.Field.Length)
		if right := -(int(p.Field.Offset) + bits) & 7; right >= bits {
			k.fail(r, "Right shift of %d bits is undefined for type of %d bits width", right, bits)
		}
	}
	if shift >= v.Bits() {
		k.fail(r, "Left shift of %d bits is undefined for type of %d bits width", shift, v.Bits())
	}
	k.fail(r, "Right hand side of binary operation (^) must be constant")
}

// foldable tells whether r is made of constants and at most one mark.
func foldable(r *raw, marks *int) bool {
	switch r.kind {
	case rawSel:
		*marks++
		switch e := r.expr.(type) {
		case *Meta:
			return e.Key == MetaMark && *marks == 1
		case *CT:
			return e.Key == CTMark && *marks == 1
		}
		return false
	case rawBin:
		return r.text != "<<" && r.text != ">>" && foldable(r.kids[0], marks) && foldable(r.kids[1], marks)
	case rawMap, rawConcat:
		return false
	}
	return true
}

// value checks what a statement takes: a constant, what the packet has, or what
// a map gives.
func (k *ruleCheck) value(n stmtNode, r *raw, t *Type, bits int) Expr {
	k.step(r)
	switch r.kind {
	case rawMap:
		es, ts := k.keyExprs(r.kids[0])
		s := k.mapSet(r, es, ts, &Set{Data: []*Type{t}, dataLen: bits})
		return &MapLookup{Key: joined(es), Set: s}
	case rawSel:
		e := k.selector(r)
		k.assignable(n, r, e, t, bits)
		return e
	case rawBin:
		if !hasSelector(r) {
			break
		}
		e := k.left(r)
		k.assignable(n, r, e, t, bits)
		return e
	}
	v := k.constant(r, t, bits)
	return &Const{T: t, Data: v.Lo, PrefixLen: v.PrefixLen, Name: v.Name}
}

// assignable wants a value of type t.
func (k *ruleCheck) assignable(n stmtNode, r *raw, e Expr, t *Type, bits int) {
	have := e.Type()
	field, whole := e.(*Payload) // nft reads other bits by a mask, and asks of those for no length
	whole = whole && field.Field.Length%8 == 0 && field.Field.Offset%8 == 0
	if have == t && (!whole || !isInteger(t) || e.Bits() == bits) || have != t && isInteger(have) && (!whole || isInteger(t) && e.Bits() == bits) {
		return
	}
	what := describeKey([]*Type{have})
	if isInteger(have) {
		what += " with length " + itoa(e.Bits())
	}
	pos, _ := n.span()
	k.errorf(r.pos, r.end, "datatype mismatch: expected %s, expression has type %s", t.Desc, what)
	k.also(pos, r.pos)
	panic(bail{})
}

func isInteger(t *Type) bool { return t == TypeInteger || t == TypeHostInteger || t == TypeRaw }

func hasSelector(r *raw) bool {
	if r.kind == rawSel {
		return true
	}
	for _, k := range r.kids {
		if hasSelector(k) {
			return true
		}
	}
	return false
}

// maxStateful is how many statements an element may have.
const maxStateful = 2

// setUpdate checks statements that change a set.
func (k *ruleCheck) setUpdate(n *setNode) Stmt {
	st := &SetUpdate{Pos: n.pos, Verb: n.verb, Meter: n.meter}
	es, ts := k.keyExprs(n.key.kids[0])
	st.Key = joined(es)
	st.TimeoutMs, st.expires = n.key.opt.timeout, n.key.opt.expires
	for _, p := range n.stmts {
		st.Stmts = append(st.Stmts, k.plain(p))
	}
	if len(st.Stmts) > maxStateful {
		k.failAt(span{n.pos, n.end}, "Could not process rule: Argument list too long")
	}
	unsupported := func() { k.failAt(span{n.pos, n.end}, "Could not process rule: Operation not supported") }
	if n.meter {
		st.Set = k.meterSet(n, es, ts, st)
		return st
	}
	s := k.findSet(k.table, n.name.text, n.name)
	st.Set = s
	if s.Map != (n.data != nil) {
		k.failAt(span{n.pos, n.end}, "Could not process rule: Invalid argument")
	}
	if !sameTypes(s.Key, ts) {
		k.errorf(n.key.kids[0].pos, n.key.kids[0].end, "datatype mismatch: expected %s, expression has type %s", describeKey(s.Key), describeKey(ts))
		k.also(n.pos, n.end)
		panic(bail{})
	}
	if n.data != nil {
		st.Data = k.dataValue(n, s)
	}
	if s.Flags&SetConstant != 0 {
		k.failAt(span{n.pos, n.end}, "Could not process rule: Device or resource busy")
	}
	if s.Flags&SetInterval != 0 {
		unsupported()
	}
	if st.TimeoutMs > 0 && s.Flags&SetTimeout == 0 && s.Timeout == 0 {
		unsupported()
	}
	if len(s.Stmts) > 0 && len(st.Stmts) > 0 {
		for i, x := range st.Stmts {
			if i >= len(s.Stmts) || StmtName(x) != StmtName(s.Stmts[i]) {
				unsupported()
			}
		}
		st.Stmts = nil
	}
	kind := SetDynamic // which a rule makes a set, but no map
	if s.Map {
		kind = SetWritten
	}
	dynamic := s.Flags&(kind|SetDynamic) != 0
	if !dynamic || s.SizeGiven == 0 {
		s = k.ownSet(k.table, s)
		if !dynamic {
			s.Flags |= kind
		}
		if s.SizeGiven == 0 {
			s.SizeGiven = 65535
		}
		st.Set = s
	}
	return st
}

// dataValue checks what a statement gives a map.
func (k *ruleCheck) dataValue(n *setNode, s *Set) Expr {
	parts := []*raw{n.data}
	if len(s.Data) > 1 && n.data.kind == rawConcat {
		parts = n.data.kids
	}
	if len(parts) != len(s.Data) || s.HoldsObjects || s.Verdicts {
		k.fail(n.data, "datatype mismatch, expected %s", describeKey(s.Data))
	}
	var es []Expr
	for i, r := range parts {
		es = append(es, k.value(n, r, s.Data[i], s.dataBits(i)))
	}
	return joined(es)
}

// meterSet makes the set of a meter.
func (k *ruleCheck) meterSet(n *setNode, es []Expr, ts []*Type, st *SetUpdate) *Set {
	if k.table.set(n.name.text) != nil {
		k.fail(n.name, "Could not process rule: File exists")
	}
	if n.size > 1<<32-1 {
		k.fail(n.name, "Value %d is too large", n.size)
	}
	s := &Set{Pos: n.pos, Name: n.name.text, Key: ts, KeyExprs: es, Flags: SetDynamic, SizeGiven: uint32(n.size), meter: true}
	if s.SizeGiven == 0 {
		s.SizeGiven = 65535
	}
	if st.TimeoutMs > 0 {
		s.Flags |= SetTimeout
	}
	s.Handle = k.nextHandle(k.table)
	k.own.fresh(s)
	k.table.Sets = append(k.table.Sets, s)
	return s
}

// flow checks `flow add`.
func (k *ruleCheck) flow(n *flowNode) Stmt {
	f := k.table.flowtable(n.name.text)
	if f == nil {
		k.failToken(&n.name, "Could not process rule: %s", noEntry)
	}
	return &FlowOffload{Pos: n.pos, Table: f}
}
