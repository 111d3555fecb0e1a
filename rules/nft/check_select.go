package nft

import "bytes"

// conflict reports two protocols a packet cannot have at once.
func (k *ruleCheck) conflict(r *raw, have, want string) {
	if k.typeof {
		return // a set may be for packets of any protocol
	}
	k.fail(r, "conflicting protocols specified: %s vs. %s", have, want)
}

// overEther refuses what stands on Ethernet where a match says that the packet
// came over something else.
func (k *ruleCheck) overEther(r *raw, proto string) {
	if k.foreign {
		k.conflict(r, "unknown", proto)
	}
}

// needNetwork notes that the packet must be of a network protocol.
func (k *ruleCheck) needNetwork(r *raw, f Family, proto string) {
	if k.l3 == 0 {
		k.overEther(r, proto)
	}
	if k.l3 != 0 && k.l3 != f {
		k.conflict(r, familyName(k.l3), proto)
	}
	if k.l3 == 0 && f == FamilyARP && k.table.Family == FamilyInet && !k.typeof {
		k.conflict(r, "inet", proto)
	}
	k.l3 = f
}

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
			if k.l3 == 0 {
				k.fail(r, "cannot determine ip protocol version, use \"ip nexthop\" or \"ip6 nexthop\" instead")
			}
			x.Family = k.l3
		} else if k.l3 != 0 && k.l3 != x.Family {
			k.fail(r, "%s nexthop will not match", familyName(x.Family))
		}
		return &x
	case *Fib:
		k.notIn(r, FamilyBridge)
		if e.Flags&FibOif != 0 {
			k.notIn(r, FamilyNetdev)
		}
		return e
	case *Socket:
		k.notIn(r, FamilyBridge, FamilyNetdev)
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

// payload checks the protocols of a header field.
func (k *ruleCheck) payload(r *raw, f *Field) {
	if f.Base == BaseLink {
		k.overEther(r, f.Proto)
	}
	if f.Proto == "vlan" && !k.vlan {
		one := k.table.Family == FamilyIP || k.table.Family == FamilyIP6
		if one && k.ether || !one && k.l3 != 0 || k.etherAt.pos.Line != 0 {
			k.conflict(r, "ether", "vlan")
		}
		k.vlan = true
		if !k.typeof {
			k.here = append(k.here, &Match{
				Pos: r.pos, Left: &Payload{Field: LookupField("ether", "type")},
				Right:   &Const{T: TypeEtherType, Data: putUint(0x8100, 2), PrefixLen: -1},
				implied: true, fam: k.table.Family,
			})
		}
	}
	k.ether = k.ether || f.Base == BaseLink
	if f.L3 != 0 && f.Base == BaseNetwork {
		k.needNetwork(r, f.L3, f.Proto)
	}
	if f.HasL4 {
		if k.l3 == FamilyARP && !k.typeof {
			k.conflict(r, "arp", f.Proto)
		}
		if k.l4 >= 0 && k.l4 != int(f.L4) {
			k.conflict(r, k.l4Name, f.Proto)
		}
		if k.l4 < 0 {
			k.l4, k.l4Name = int(f.L4), f.Proto
			k.l4At = span{r.pos, r.end}
		}
		k.ports = true
		if f.L3 != 0 && k.l3 == 0 {
			k.overEther(r, familyName(f.L3))
			k.l3 = f.L3
			k.l3At = span{r.pos, r.end}
		}
	}
	if f.Types != nil && k.icmpType >= 0 && bytes.IndexByte(f.Types, byte(k.icmpType)) < 0 {
		k.fail(r, "incompatible icmp match: rule has %d, need %d", k.icmpType, f.Types[0])
	}
	if f.Base == BaseNetwork && k.l3At.pos.Line == 0 {
		k.l3At = span{r.pos, r.end}
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
	case MetaSdif, MetaSdifname:
		k.notIn(r, FamilyNetdev)
	case MetaIbrname, MetaObrname, MetaIbrpvid, MetaIbrvproto:
		if k.table.Family != FamilyBridge {
			k.fail(r, "Could not process rule: Operation not supported")
		}
	}
}

// ct checks a key of a connection.
func (k *ruleCheck) ct(r *raw, e *CT) Expr {
	k.notIn(r, FamilyNetdev)
	if e.Key == CTSaddr || e.Key == CTDaddr {
		x := *e
		x.bare = !r.ctFamily
		if x.Family == 0 {
			if k.l3 == 0 {
				k.fail(r, "cannot determine ip protocol version, use \"ip saddr\" or \"ip6 saddr\" instead")
			}
			x.Family = k.l3
		} else if k.l3 != 0 && k.l3 != x.Family {
			k.conflict(r, familyName(k.l3), familyName(x.Family))
		}
		return &x
	}
	if (e.Key == CTProtoSrc || e.Key == CTProtoDst) && k.l4 < 0 && !k.ctProto && !k.typeof {
		k.fail(r, "cannot determine the transport protocol, a match on it must come before")
	}
	if e.Key == CTProtocol {
		k.ctProto = true
	}
	return e
}

// option checks the header an option is in.
func (k *ruleCheck) option(r *raw, e *Option) Expr {
	l3 := k.l3
	switch e.Kind {
	case OptionIPv6:
		if k.l3 != 0 && k.l3 != FamilyIP6 {
			k.fail(r, "cannot use exthdr with %s", familyName(k.l3))
		}
		if k.l3 == 0 {
			k.overEther(r, "ip6")
		}
		k.l3 = FamilyIP6
	case OptionIPv4:
		k.needNetwork(r, FamilyIP, "ip")
	}
	// The match on the protocol that nft adds stands before everything else, and
	// so has an effect on what a statement before this one does.
	if l3 == 0 && k.l3 != 0 && k.effects && !k.typeof {
		k.implyNetwork(r.pos, k.l3)
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
