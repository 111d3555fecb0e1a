package nft

// selector checks one selector against what is known and notes what it says.
func (k *ruleCheck) selector(r *raw) Expr {
	switch e := r.expr.(type) {
	case *Payload:
		k.payload(r, e.Field)
		return e
	case *Meta:
		k.meta(r, e)
		return e
	case *CT:
		return k.ct(r, e)
	case *Option:
		return k.option(r, e)
	case *RT:
		k.notIn(r, FamilyNetdev)
		if e.Key != RTNexthop {
			return e
		}
		x := *e
		if x.Family == 0 {
			if x.Family = k.layers.addresses(); x.Family == 0 {
				k.fail(r, "cannot determine ip protocol version, use \"ip nexthop\" or \"ip6 nexthop\" instead")
			}
		} else if one := k.table.Family; (one == FamilyIP || one == FamilyIP6) && one != x.Family {
			k.fail(r, "%s nexthop will not match", familyName(x.Family))
		}
		return &x
	case *Fib:
		k.notIn(r, FamilyBridge)
		k.noModule(span{r.pos, r.end})
		if e.Flags&FibOif != 0 && e.Result != FibAddrType { // nft_fib_init
			k.fail(r, "Could not process rule: Invalid argument")
		}
		if e.Flags&FibOif != 0 {
			k.notIn(r, FamilyNetdev)
		}
		return e
	case *Socket:
		k.notIn(r, FamilyARP, FamilyBridge, FamilyNetdev)
		return e
	case *OSF:
		k.notIn(r, FamilyNetdev)
		return e
	case *Xfrm:
		switch k.table.Family {
		case FamilyIP, FamilyIP6, FamilyInet:
		default:
			k.fail(r, "ipsec expression is only valid in ip/ip6/inet tables")
		}
		return e
	case *Hash:
		if r.text == "symhash" {
			return e
		}
		x := *e
		es, _ := k.keyExprs(r.kids[0])
		x.E = joined(es)
		return &x
	case *Numgen, *Raw:
		return e
	}
	k.fail(r, "No symbol type information")
	return nil
}

// notIn refuses what the kernel has no code for in a family.
func (k *ruleCheck) notIn(r *raw, families ...Family) {
	for _, f := range families {
		if k.table.Family == f && !k.typeof {
			k.fail(r, "Could not process rule: Operation not supported")
		}
	}
}

// noModule refuses what the kernel has a module of each family for, and none for arp.
func (k *ruleCheck) noModule(at span) {
	if k.table.Family == FamilyARP && !k.typeof {
		k.failAt(at, "Could not process rule: %s", noEntry)
	}
}

// tracked refuses what needs connections where the kernel has none (nf_ct_netns_get).
func (k *ruleCheck) tracked(at span) {
	if k.table.Family == FamilyARP && !k.typeof {
		k.failAt(at, "Could not process rule: Protocol error")
	}
}

// meta checks keys that not every family has.
func (k *ruleCheck) meta(r *raw, e *Meta) {
	if k.typeof {
		return
	}
	switch e.Key {
	case MetaNfproto:
		if k.table.Family != FamilyInet {
			k.fail(r, "meta nfproto is only useful in the inet family")
		}
	case MetaIbrname, MetaObrname, MetaIbrpvid, MetaIbrvproto:
		if k.table.Family != FamilyBridge {
			k.fail(r, "Could not process rule: Operation not supported")
		}
	}
}

// ct checks a key of a connection.
func (k *ruleCheck) ct(r *raw, e *CT) Expr {
	k.notIn(r, FamilyNetdev)
	k.tracked(span{r.pos, r.end})
	if e.Key == CTSaddr || e.Key == CTDaddr {
		x := *e
		x.bare = !r.ctFamily
		have := k.layers.addresses()
		if x.Family == 0 {
			if have == 0 {
				k.fail(r, "cannot determine ip protocol version, use \"ip saddr\" or \"ip6 saddr\" instead")
			}
			x.Family = have
			if f := k.table.Family; f == FamilyBridge || f != have && (f == FamilyIP || f == FamilyIP6) {
				k.fail(r, "Could not process rule: Address family not supported by protocol")
			}
		} else if have != 0 && have != x.Family && !k.typeof {
			k.conflict(r, familyName(have), familyName(x.Family))
		}
		return &x
	}
	if (e.Key == CTProtoSrc || e.Key == CTProtoDst) && k.layers.transport() == "" && !k.typeof {
		k.fail(r, "cannot determine the transport protocol, a match on it must come before")
	}
	return e
}

// option checks the header an option is in.
func (k *ruleCheck) option(r *raw, e *Option) Expr {
	var f Family
	switch e.Kind {
	case OptionIPv6:
		f = FamilyIP6
	case OptionIPv4:
		f = FamilyIP
	default:
		return e
	}
	have := k.layers.at[BaseNetwork].proto
	switch {
	case k.typeof || have == familyName(f):
	case have != "":
		k.fail(r, "cannot use exthdr with %s", have)
	default:
		// The match on the protocol that nft adds stands before everything else, and
		// so has an effect on what a statement before this one does.
		k.dependNetwork(r, familyName(f))
		if k.effects {
			k.implyNetwork(r.pos, f)
		}
	}
	return e
}

// left resolves a left side.
func (k *ruleCheck) left(r *raw) Expr {
	k.step(r)
	switch r.kind {
	case rawSel:
		return k.selector(r)
	case rawConcat:
		es, _ := k.keyExprs(r)
		return joined(es)
	case rawBin:
		return k.binop(r)
	}
	k.fail(r, "No symbol type information")
	return nil
}

// binop resolves what is done to a selector: a mask, or another operation.
func (k *ruleCheck) binop(r *raw) Expr {
	e := k.left(r.kids[0])
	t := e.Type()
	if t == nil || t == TypeIfname || t == TypeString || t == TypeTime {
		k.fail(r, "Binary operation (%s) is undefined for %s types", r.text, "concat or string")
	}
	if hasSelector(r.kids[1]) {
		k.fail(r.kids[1], "Right hand side of binary operation (%s) must be constant", r.text)
	}
	if r.text == "<<" || r.text == ">>" {
		if k.matching && !isInteger(t) {
			k.errorf(r.pos, r.end, "datatype mismatch, expected %s, expression has type integer", t.Desc)
			panic(bail{})
		}
		n := k.constant(r.kids[1], TypeInteger, 32)
		if getUint(n.Lo) >= uint64(e.Bits()) {
			k.fail(r.kids[1], "Left shift of %d bits is undefined for type of %d bits width", getUint(n.Lo), e.Bits())
		}
		return &Binop{Op: r.text, L: e, R: &Const{T: TypeInteger, Data: n.Lo, PrefixLen: -1}}
	}
	m := k.constant(r.kids[1], t, e.Bits())
	if m.Name != "" || m.PrefixLen >= 0 {
		k.fail(r, "Binary operation (%s) needs a number", r.text)
	}
	if r.text != "&" {
		return &Binop{Op: r.text, L: e, R: &Const{T: t, Data: m.Lo, PrefixLen: -1}}
	}
	mask := m.Lo
	if in, ok := e.(*Masked); ok {
		e = in.E
		mask = append([]byte(nil), mask...)
		for i := range mask {
			mask[i] &= in.Mask[i]
		}
	}
	return &Masked{E: e, Mask: mask}
}
