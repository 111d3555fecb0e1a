package nft

// nat checks snat, dnat, masquerade and redirect.
func (k *ruleCheck) nat(n *natNode) Stmt {
	if f := k.table.Family; f == FamilyARP || f == FamilyBridge || f == FamilyNetdev {
		k.failToken(&n.word, "NAT is only supported for IPv4/IPv6")
	}
	st := &NAT{Pos: n.pos, Kind: n.kind, Flags: n.flags, FamilyGiven: n.fam != 0, inet: k.table.Family == FamilyInet}
	if n.addr != nil {
		fam := k.ownFamily(n.fam)
		if fam == 0 {
			fam = k.layers.addresses()
		}
		k.agree(fam, n.word, "nat")
		if fam == 0 {
			k.failToken(&n.word, "ip or ip6 must be specified with address for inet tables.")
		}
		st.Family = fam
		t := addressType(fam)
		st.Prefix = n.prefix
		if st.Addr = k.natValue(n.addr, []*Type{t, TypeService}); st.Addr == nil {
			o := k.operand(n.addr, t, t.Bits)
			st.AddrMin, st.AddrMax = o.Lo, o.Hi
			st.ranged = n.addr.kind == rawPrefix || n.addr.kind == rawRange
		} else if m, ok := st.Addr.(*MapLookup); ok && len(m.Set.Data) > 1 {
			k.needTransport(n, n.addr)
		}
	}
	if n.port != nil {
		k.needTransport(n, n.port)
		if n.port.kind == rawPrefix {
			k.fail(n.port, "Prefix expression is undefined for datatype inet_service")
		}
		if st.Port = k.natValue(n.port, []*Type{TypeService}); st.Port != nil {
			return st
		}
		o := k.operand(n.port, TypeService, 16)
		st.PortMin, st.PortMax = uint16(getUint(o.Lo)), uint16(getUint(o.Hi))
		if st.PortMin == 0 {
			k.fail(n.port, "not supported: port 0 in a nat statement")
		}
	}
	return st
}

// needTransport wants the transport protocol known.
func (k *ruleCheck) needTransport(n *natNode, port *raw) {
	if k.layers.transport() == "" && !readsTransport(n.addr) {
		k.errorf(port.pos, port.end, "transport protocol mapping is only valid after transport protocol match")
		k.also(n.word.pos, n.word.end)
		panic(bail{})
	}
}

// readsTransport tells whether a map's key has the transport protocol beside other
// values.
func readsTransport(r *raw) bool {
	if r == nil || r.kind != rawMap || r.kids[0].kind != rawConcat {
		return false
	}
	for _, x := range r.kids[0].kids {
		switch e := x.expr.(type) {
		case *Meta:
			if e.Key == MetaL4proto {
				return true
			}
		case *Payload:
			if e.Field.HasL4 || e.Field.Base == BaseNetwork && e.Field.T == TypeProto {
				return true
			}
		}
	}
	return false
}

// agree wants the network protocol that matches named to be of a statement's family;
// 0 agrees with none.
func (k *ruleCheck) agree(f Family, word token, statement string) {
	have, name := k.layers.addresses(), "unknown"
	if have == 0 || have == f {
		return
	}
	if f != 0 {
		name = familyName(f)
	}
	k.errorf(word.pos, word.end, "conflicting protocols specified: %s vs. %s. You must specify ip or ip6 family in %s statement", familyName(have), name, statement)
	if at := k.layers.at[BaseNetwork].where; at.pos.Line != 0 {
		k.also(at.pos, at.end)
	}
	panic(bail{})
}

// ownFamily is what a statement is of: as it says, else the table's where that is
// one; 0 when neither tells.
func (k *ruleCheck) ownFamily(given Family) Family {
	if f := k.table.Family; given == 0 && (f == FamilyIP || f == FamilyIP6) {
		return f
	}
	return given
}

func addressType(f Family) *Type {
	if f == FamilyIP6 {
		return TypeIPv6
	}
	return TypeIPv4
}

// natValue resolves what computes a value of the first type, or by a map of all
// of them; nil when r is a constant.
func (k *ruleCheck) natValue(r *raw, types []*Type) Expr {
	if r.kind != rawMap {
		if !hasSelector(r) {
			return nil
		}
		e := k.left(r)
		k.assignable(&verdictNode{place: place{r.pos, r.end}}, r, e, types[0], types[0].Bits)
		return e
	}
	es, ts := k.keyExprs(r.kids[0])
	want := &Set{Data: types[:1]}
	if lit := r.kids[1]; lit.kind != rawRef {
		for _, e := range lit.kids {
			if e.kind != rawElem || len(e.kids) < 2 {
				continue
			}
			data := []*raw{e.kids[1]}
			if data[0].kind == rawConcat {
				data = data[0].kids
				want.Data = types
			}
			for _, d := range data {
				want.Ranges = want.Ranges || d.kind == rawRange || d.kind == rawPrefix
			}
		}
	} else if s := k.table.set(lit.text); s != nil && len(s.Data) == 2 {
		want.Data = types
	}
	return &MapLookup{Key: joined(es), Set: k.mapSet(r, es, ts, want)}
}

// markValue folds an expression over one mark into (source & And) ^ Xor.
func (k *ruleCheck) markValue(n *assignNode, r *raw) MangleValue {
	k.step(r)
	switch r.kind {
	case rawSel:
		if t := r.expr.Type(); t != TypeMark {
			k.errorf(r.pos, r.end, "datatype mismatch: expected packet mark, expression has type %s", describeKey([]*Type{t}))
			k.also(n.pos, r.pos)
			panic(bail{})
		}
		return MangleValue{Src: k.selector(r), And: 1<<32 - 1}
	case rawBin:
		a := k.markValue(n, r.kids[0])
		b := k.markValue(n, r.kids[1])
		if a.Src != nil && b.Src != nil {
			k.fail(r, "not supported: combining two marks")
		}
		if b.Src != nil {
			a, b = b, a
		}
		c := b.Xor
		switch r.text {
		case "&":
			a.And &= c
			a.Xor &= c
		case "|":
			// x | c = (x & ^c) ^ c
			a.And &^= c
			a.Xor = a.Xor&^c | c
		case "^":
			a.Xor ^= c
		default:
			k.fail(r, "not supported: shifts")
		}
		return a
	}
	return MangleValue{Xor: uint32(getUint(k.constant(r, TypeMark, 32).Lo))}
}

// tproxy checks tproxy.
func (k *ruleCheck) tproxy(n *tproxyNode) Stmt {
	if f := k.table.Family; f == FamilyARP || f == FamilyBridge || f == FamilyNetdev {
		k.failAt(span{n.pos, n.end}, "tproxy is only supported for IPv4/IPv6/INET")
	}
	st := &TProxy{Pos: n.pos, table: k.table.Family}
	if k.layers.transport() == "" {
		k.failAt(span{n.pos, n.end}, "Transparent proxy support requires transport protocol match")
	}
	st.Family = k.ownFamily(n.fam)
	k.agree(st.Family, n.word, "tproxy")
	if k.ownFamily(0) != 0 && k.ownFamily(0) != st.Family {
		k.failAt(span{n.pos, n.end}, "Could not process rule: Invalid argument")
	}
	if n.addr != nil {
		if st.Family == 0 {
			k.failToken(&n.word, "ip or ip6 must be specified with address for inet tables.")
		}
		t := addressType(st.Family)
		if n.addr.kind == rawRange || n.addr.kind == rawPrefix {
			k.fail(n.addr, "Address ranges are not supported for tproxy.")
		}
		if st.Addr = k.natValue(n.addr, []*Type{t}); st.Addr == nil {
			st.Addr = &Const{T: t, Data: k.constant(n.addr, t, t.Bits).Lo, PrefixLen: -1}
		}
	}
	if n.port != nil {
		if n.port.kind == rawRange {
			k.fail(n.port, "Port ranges are not supported for tproxy.")
		}
		if st.Port = k.natValue(n.port, []*Type{TypeService}); st.Port == nil {
			st.Port = &Const{T: TypeService, Data: k.constant(n.port, TypeService, 16).Lo, PrefixLen: -1}
		}
	}
	return st
}

// send checks dup and fwd.
func (k *ruleCheck) send(n *sendNode) Stmt {
	value := func(r *raw, t *Type) Expr {
		if r == nil {
			return nil
		}
		if e := k.natValue(r, []*Type{t}); e != nil {
			return e
		}
		v := k.constant(r, t, t.Bits)
		return &Const{T: t, Data: v.Lo, PrefixLen: -1, Name: v.Name}
	}
	f := k.table.Family
	if n.word.text == "fwd" {
		if f != FamilyNetdev {
			k.failAt(span{n.pos, n.end}, "unsupported family")
		}
		if n.fam == 0 {
			return &Forward{Pos: n.pos, Device: value(n.addr, TypeIfindex)}
		}
		return &Forward{Pos: n.pos, Family: n.fam, Addr: value(n.addr, addressType(n.fam)), Device: value(n.device, TypeIfindex)}
	}
	switch f {
	case FamilyIP, FamilyIP6:
		return &Dup{Pos: n.pos, Addr: value(n.addr, addressType(f)), Device: value(n.device, TypeIfindex)}
	case FamilyNetdev:
		if n.device != nil {
			k.fail(n.device, "cannot specify device")
		}
		return &Dup{Pos: n.pos, Device: value(n.addr, TypeIfindex)}
	}
	k.failAt(span{n.pos, n.end}, "unsupported family")
	return nil
}

// queue checks queue.
func (k *ruleCheck) queue(n *queueNode) Stmt {
	st := &Queue{Pos: n.pos, Bypass: n.bypass, Fanout: n.fanout}
	k.notIn(&raw{pos: n.pos, end: n.end}, FamilyNetdev, FamilyARP)
	switch r := n.num; {
	case r == nil:
	case r.kind == rawMap || hasSelector(r):
		e := k.queueNumber(r)
		if top, ok := highest(e); ok && top >= 65535 {
			k.fail(r, "Value %d exceeds valid range 0-65535", top+1)
		}
		if st.Fanout {
			k.failAt(span{n.pos, n.end}, "fanout requires a range to be specified")
		}
		st.Queue = e
		return st
	default:
		o := k.operand(r, TypeInteger, 16)
		st.From, st.To = uint16(getUint(o.Lo)), uint16(getUint(o.Hi))
	}
	if st.Fanout && st.From == st.To && n.num != nil {
		k.failAt(span{n.pos, n.end}, "fanout requires a range to be specified")
	}
	return st
}

// queueNumber resolves what computes a queue's number.
func (k *ruleCheck) queueNumber(r *raw) Expr {
	if r.kind == rawMap {
		es, ts := k.keyExprs(r.kids[0])
		return &MapLookup{Key: joined(es), Set: k.mapSet(r, es, ts, &Set{Data: []*Type{TypeHostInteger}, dataLen: 16})}
	}
	e := k.left(r)
	switch e.(type) {
	case *Hash, *Numgen:
		return e
	}
	k.fail(r, "queue number is not constant nor a hash, a number generator or a map")
	return nil
}

// reset checks `reset tcp option`.
func (k *ruleCheck) reset(n *resetNode) Stmt {
	e, ok := k.selector(n.option).(*Option)
	if !ok || e.Kind != OptionTCP || !e.Exists {
		k.fail(n.option, "syntax error, an option of tcp is needed")
	}
	return &ResetOption{Pos: n.pos, Option: e}
}
