package nft

// nat checks snat, dnat, masquerade and redirect.
func (k *ruleCheck) nat(n *natNode) Stmt {
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
		t := TypeIPv4
		if fam == FamilyIP6 {
			t = TypeIPv6
		}
		o := k.operand(n.addr, t, t.Bits)
		st.AddrMin, st.AddrMax = o.Lo, o.Hi
		st.ranged = n.addr.kind == rawPrefix || n.addr.kind == rawRange
	}
	if n.port != nil {
		if !k.ports && !(k.l4 >= 0) {
			k.errorf(n.port.pos, n.port.end, "transport protocol mapping is only valid after transport protocol match")
			k.also(n.word.pos, n.word.end)
			panic(bail{})
		}
		if n.port.kind == rawPrefix {
			k.fail(n.port, "Prefix expression is undefined for datatype inet_service")
		}
		o := k.operand(n.port, TypeService, 16)
		st.PortMin, st.PortMax = uint16(getUint(o.Lo)), uint16(getUint(o.Hi))
		if st.PortMin == 0 {
			k.fail(n.port, "not supported: port 0 in a nat statement")
		}
	}
	return st
}

// reject checks a reject statement and finds the answer's protocol.
func (k *ruleCheck) reject(n *rejectNode) Stmt {
	st := &Reject{Pos: n.pos, Bare: n.with == ""}
	fam := k.table.Family
	if fam == FamilyInet && k.l3 != 0 {
		fam = k.l3
	}
	conflict := func() {
		k.errorf(n.code.pos, n.code.end, "conflicting protocols specified: ip vs ip6")
		if k.table.Family != FamilyInet {
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
		if k.l3 == 0 {
			k.imply(n.pos, MetaNfproto, TypeNfproto, uint64(FamilyIP))
		}
	case "icmpv6":
		st.Proto, st.Code = protoICMPv6, k.rejectCode(n, TypeICMPv6Code)
		if fam == FamilyIP {
			conflict()
		}
		if k.l3 == 0 {
			k.imply(n.pos, MetaNfproto, TypeNfproto, uint64(FamilyIP6))
		}
	case "icmpx":
		st.Proto, st.Code = 255, k.rejectCode(n, TypeICMPXCode)
		if k.table.Family != FamilyInet {
			k.errorf(n.code.pos, n.code.end, "abstracted ICMP unreachable not supported")
			k.also(n.word.pos, n.word.end)
			panic(bail{})
		}
	}
	st.inet = k.table.Family == FamilyInet
	return st
}

// imply adds the match a statement needs and that was not written.
func (k *ruleCheck) imply(pos Pos, key MetaKey, t *Type, v uint64) {
	k.implied = append(k.implied, &Match{
		Pos: pos, Left: &Meta{Key: key}, Right: &Const{T: t, Data: putUint(v, 1), PrefixLen: -1},
		implied: true, fam: k.table.Family,
	})
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
		return MangleValue{Src: r.expr, And: 1<<32 - 1}
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
