package nft

// nat checks snat, dnat, masquerade and redirect.
func (k *ruleCheck) nat(n *natNode) Stmt {
	if f := k.table.Family; f == FamilyBridge || f == FamilyNetdev {
		k.failToken(&n.word, "NAT is only supported for IPv4/IPv6")
	}
	st := &NAT{Pos: n.pos, Kind: n.kind, Flags: n.flags, FamilyGiven: n.fam != 0, inet: k.table.Family == FamilyInet}
	if n.fam != 0 && k.l3 != 0 && k.l3 != n.fam {
		k.errorf(n.word.pos, n.word.end, "conflicting protocols specified: %s vs. %s. You must specify ip or ip6 family in nat statement", familyName(k.l3), familyName(n.fam))
		k.also(k.l3At.pos, k.l3At.end)
		panic(bail{})
	}
	if n.addr != nil {
		fam := n.fam
		if fam == 0 {
			fam = k.l3
		}
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
	if !k.ports && k.l4 < 0 {
		k.errorf(port.pos, port.end, "transport protocol mapping is only valid after transport protocol match")
		k.also(n.word.pos, n.word.end)
		panic(bail{})
	}
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

// reject checks a reject statement and finds the answer's protocol.
func (k *ruleCheck) reject(n *rejectNode) Stmt {
	st := &Reject{Pos: n.pos, Bare: n.with == ""}
	fam := k.table.Family
	mixed := fam == FamilyInet || fam == FamilyBridge || fam == FamilyNetdev
	if mixed && k.l3 != 0 {
		fam = k.l3
	}
	if mixed && fam == FamilyARP {
		k.rejectARP(n)
	}
	conflict := func() {
		k.errorf(n.code.pos, n.code.end, "conflicting protocols specified: ip vs ip6")
		if !mixed {
			k.also(n.word.pos, n.word.end)
		} else if k.l3At.pos.Line == n.pos.Line {
			k.also(k.l3At.pos, k.l3At.end)
		}
		panic(bail{})
	}
	switch n.with {
	case "":
		switch fam {
		case FamilyIP:
			st.Proto, st.Code = protoICMP, 3
		case FamilyIP6:
			st.Proto, st.Code = protoICMPv6, 4
		default:
			st.Proto, st.Code = 255, 1
		}
	case "tcp reset":
		if k.l4 >= 0 && k.l4 != protoTCP && !k.l4Set {
			k.errorf(n.word.pos, n.word.end, "you cannot use tcp reset with this protocol")
			if k.l4At.pos.Line == n.pos.Line {
				k.also(k.l4At.pos, k.l4At.end)
			}
			panic(bail{})
		}
		st.Reset = true
		if k.l4 < 0 || k.l4Set {
			k.imply(n.pos, MetaL4proto, TypeProto, protoTCP)
		}
	case "icmp":
		st.Proto, st.Code = protoICMP, k.rejectCode(n, TypeICMPCode)
		if fam == FamilyIP6 {
			conflict()
		}
		k.rejectNetwork(n, FamilyIP)
	case "icmpv6":
		st.Proto, st.Code = protoICMPv6, k.rejectCode(n, TypeICMPv6Code)
		if fam == FamilyIP {
			conflict()
		}
		k.rejectNetwork(n, FamilyIP6)
	case "icmpx":
		st.Proto, st.Code = 255, k.rejectCode(n, TypeICMPXCode)
		if !mixed {
			k.errorf(n.code.pos, n.code.end, "abstracted ICMP unreachable not supported")
			k.also(n.word.pos, n.word.end)
			panic(bail{})
		}
	}
	st.inet = mixed
	return st
}

// rejectNetwork sees to it that the packet has the network protocol of the answer.
func (k *ruleCheck) rejectNetwork(n *rejectNode, f Family) {
	if k.l3 != 0 {
		return
	}
	if k.foreign {
		word := n.pos
		word.Col += len("reject")
		k.errorf(n.pos, word, "conflicting protocols specified: unknown vs. %s", familyName(f))
		panic(bail{})
	}
	k.implyNetwork(n.pos, f)
}

// implyNetwork adds the match on the network protocol a statement needs.
func (k *ruleCheck) implyNetwork(pos Pos, f Family) {
	onEther := k.table.Family == FamilyBridge || k.ether && !k.vlan
	if k.table.Family == FamilyInet && !onEther {
		k.imply(pos, MetaNfproto, TypeNfproto, uint64(f))
		return
	}
	k.imply(pos, MetaProtocol, TypeEtherType, etherType(f))
	if onEther {
		k.implied[len(k.implied)-1].(*Match).Left = &Payload{Field: LookupField("ether", "type")}
	}
}

// imply adds the match a statement needs and that was not written.
func (k *ruleCheck) imply(pos Pos, key MetaKey, t *Type, v uint64) {
	k.implied = append(k.implied, &Match{
		Pos: pos, Left: &Meta{Key: key}, Right: &Const{T: t, Data: putUint(v, sizeOf(t.Bits)), PrefixLen: -1},
		implied: true, fam: k.table.Family,
	})
}

// rejectARP refuses what cannot answer ARP; of an inet table nft takes icmpx, which
// no packet ever reaches there.
func (k *ruleCheck) rejectARP(n *rejectNode) {
	word := n.pos
	word.Col += len("reject")
	switch {
	case k.table.Family != FamilyInet:
		k.errorf(n.pos, word, "cannot reject this network family")
		if k.l3At.pos.Line == n.pos.Line {
			k.also(k.l3At.pos, k.l3At.end)
		}
	case n.with == "icmpx":
		return
	case n.with == "tcp reset":
		k.errorf(n.pos, word, "conflicting protocols specified: arp vs. tcp")
	default:
		k.errorf(n.pos, word, "cannot infer ICMP reject variant to use: explicit value required.\n")
	}
	panic(bail{})
}

func (k *ruleCheck) rejectCode(n *rejectNode, t *Type) uint8 {
	if n.code.kind == rawWord || n.code.kind == rawString {
		if v, ok := t.Lookup(n.code.text); ok {
			return uint8(v)
		}
		var names []string
		for _, s := range t.Symbols {
			names = append(names, s.Name)
		}
		k.fail(n.code, "Could not parse %s%s", t.Desc, nearest(n.code.text, names))
	}
	v := getUint(k.constant(n.code, t, 8).Lo)
	if t == TypeICMPXCode && v > 3 {
		k.fail(n.code, "Could not parse %s", t.Desc)
	}
	return uint8(v)
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
	if f := k.table.Family; f == FamilyBridge || f == FamilyNetdev {
		k.failAt(span{n.pos, n.end}, "tproxy is only supported for IPv4/IPv6/INET")
	}
	st := &TProxy{Pos: n.pos, Family: n.fam, table: k.table.Family}
	if n.fam != 0 && k.l3 != 0 && k.l3 != n.fam {
		k.errorf(n.word.pos, n.word.end, "conflicting protocols specified: %s vs. %s. You must specify ip or ip6 family in tproxy statement", familyName(k.l3), familyName(n.fam))
		panic(bail{})
	}
	if k.l4 == protoICMP || k.l4 == protoICMPv6 {
		if k.table.Family == FamilyInet {
			k.failToken(&n.word, "conflicting protocols specified: ip vs. unknown. You must specify ip or ip6 family in tproxy statement")
		}
	}
	if !k.ports && k.l4 < 0 {
		k.failAt(span{n.pos, n.end}, "Transparent proxy support requires transport protocol match")
	}
	if st.Family == 0 && k.table.Family != FamilyInet {
		st.Family = k.table.Family
	}
	if n.addr != nil {
		fam := st.Family
		if fam == 0 {
			fam = k.l3
		}
		if fam == 0 {
			k.failToken(&n.word, "ip or ip6 must be specified with address for inet tables.")
		}
		st.Family = fam
		t := addressType(fam)
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
	k.notIn(&raw{pos: n.pos, end: n.end}, FamilyNetdev)
	switch r := n.num; {
	case r == nil:
	case r.kind == rawMap || hasSelector(r):
		e := k.queueNumber(r)
		if top, ok := highest(e); ok && top >= 65535 {
			k.fail(r, "Value %d exceeds valid range 0-65535", top+1)
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
