package nft

import "sort"

// item is a statement on its way to the listing.
type item struct {
	stmt   Stmt
	hidden bool
	th     string // protocol to show for `th`, when known
	before string // an implied match shown before
}

// arrange gives the statements as nft lists them. The listing is made from the
// kernel's byte code: neighbouring header fields compared together come out in
// header order, and matches that only say what a later field needs are left
// out.
func arrange(r *Rule) []*item {
	items := make([]*item, len(r.Stmts))
	for i, s := range r.Stmts {
		items[i] = &item{stmt: s}
	}
	// Fields are not moved over a statement that does something, as nft 1.0.6
	// does: that would say another thing than the rule.
	var out []*item
	from := 0
	for i, it := range items {
		switch it.stmt.(type) {
		case *Match, *VMap:
			continue
		}
		out = append(out, mergeFields(items[from:i])...)
		out = append(out, it)
		from = i + 1
	}
	out = append(out, mergeFields(items[from:])...)
	hideDependencies(out)
	return out
}

// mergeable is the field of a match that nft may load together with its
// neighbour.
func mergeable(it *item) *Field {
	m, ok := it.stmt.(*Match)
	if !ok || m.Op > OpNe {
		return nil
	}
	p, ok := m.Left.(*Payload)
	if !ok || p.Field.Offset%8 != 0 || p.Field.Length%8 != 0 {
		return nil
	}
	if c, ok := m.Right.(*Const); !ok || c.PrefixLen >= 0 {
		return nil
	}
	return p.Field
}

// maxMerge is how many bits nft loads at once for several fields: the kernel's
// fast comparison takes 32. What is longer anyway may grow to a register, 128.
const maxMerge = 32

// mergeFields puts fields next to each other in the header, compared with the
// same operator, together at the place of the first of the header.
func mergeFields(items []*item) []*item {
	var idx []int
	for i, it := range items {
		if mergeable(it) != nil {
			idx = append(idx, i)
		}
	}
	if len(idx) < 2 {
		return items
	}
	sort.SliceStable(idx, func(a, b int) bool {
		x, y := mergeable(items[idx[a]]), mergeable(items[idx[b]])
		if x.Base != y.Base {
			return x.Base < y.Base
		}
		return x.Offset < y.Offset
	})
	after := map[int][]*item{} // items shown behind the one at the index
	moved := map[int]bool{}
	first, bits := idx[0], mergeable(items[idx[0]]).Length
	end := mergeable(items[idx[0]]).Offset + bits
	for _, i := range idx[1:] {
		f, g := mergeable(items[first]), mergeable(items[i])
		same := items[first].stmt.(*Match).Op == items[i].stmt.(*Match).Op
		if same && f.Base == g.Base && end == g.Offset && (bits+g.Length <= maxMerge || bits > maxMerge && bits+g.Length <= 128) {
			after[first] = append(after[first], items[i])
			moved[i] = true
			bits += g.Length
			end += g.Length
			continue
		}
		first, bits, end = i, g.Length, g.Offset+g.Length
	}
	out := make([]*item, 0, len(items))
	for i, it := range items {
		if moved[i] {
			continue
		}
		out = append(out, it)
		out = append(out, after[i]...)
	}
	return out
}

// hideDependencies hides matches a later field makes clear.
func hideDependencies(items []*item) {
	var l3, l4 *item // the last match that says the network or transport protocol
	known := 256     // transport protocol known so far
	typed := false   // an icmp type was matched already
	var l2, typ *item
	for i, it := range items {
		switch s := it.stmt.(type) {
		case *Match:
			if statesFamily(s) && i < len(items)-1 {
				it.hidden = true
				continue
			}
			if m, ok := s.Left.(*Meta); ok && m.Key == MetaIiftype && isValue(s, 1) {
				l2 = it
			}
			if p, ok := s.Left.(*Payload); ok {
				if p.Field.Base == BaseLink && l2 != nil {
					l2.hidden, l2 = true, nil
				}
				if p.Field.Types != nil && typ != nil && len(p.Field.Types) == 1 && isValue(typ.stmt.(*Match), uint64(p.Field.Types[0])) {
					typ.hidden, typ = true, nil
				}
				if p.Field.T == TypeICMPType || p.Field.T == TypeICMPv6Type {
					typ = it
				}
			}
			if dep3, dep4 := dependency(s); dep3 >= 0 {
				l3 = it
				continue
			} else if dep4 >= 0 {
				if p, ok := s.Left.(*Payload); ok {
					hide(&l3, p.Field.L3)
				}
				l4, known = it, dep4
				continue
			}
			useAll(s.Left, it, &l3, &l4, &known)
			implyType(s, it, &typed)
		case *VMap:
			useAll(s.Left, it, &l3, &l4, &known)
		case *Reject:
			if s.Reset && !s.inet && l4 != nil && isValue(l4.stmt.(*Match), protoTCP) {
				l4.hidden, l4 = true, nil
			}
			if s.Proto == protoICMP {
				hide(&l3, FamilyIP)
			} else if s.Proto == protoICMPv6 {
				hide(&l3, FamilyIP6)
			}
		case *NAT:
		default:
			l3, l4, l2, typ = nil, nil, nil, nil
		}
	}
}

// isValue tells whether m wants one value and it is v.
func isValue(m *Match, v uint64) bool {
	c, ok := m.Right.(*Const)
	return ok && m.Op == OpEq && c.PrefixLen < 0 && getUint(c.Data) == v
}

// statesFamily tells whether a match only says what the table's family does.
func statesFamily(m *Match) bool {
	e, ok := m.Left.(*Meta)
	return ok && e.Key == MetaProtocol && (m.fam == FamilyIP && isValue(m, 0x0800) || m.fam == FamilyIP6 && isValue(m, 0x86dd))
}

// implyType shows the icmp types `icmp id` needs when none was matched.
func implyType(m *Match, it *item, typed *bool) {
	p, ok := m.Left.(*Payload)
	if !ok {
		return
	}
	f := p.Field
	if (f.Proto == "icmp" || f.Proto == "icmpv6") && f.Name == "type" {
		*typed = true
		return
	}
	if len(f.Types) == 2 && !*typed {
		*typed = true
		it.before = f.Proto + " type { "
		for i, t := range []uint64{uint64(min(f.Types[0], f.Types[1])), uint64(max(f.Types[0], f.Types[1]))} {
			if i > 0 {
				it.before += ", "
			}
			it.before += LookupField(f.Proto, "type").T.Symbol(t)
		}
		it.before += " } "
	}
}

// dependency is the network protocol (a Family) or transport protocol a match
// states; -1 and -1 when it states none.
func dependency(m *Match) (l3, l4 int) {
	c, ok := m.Right.(*Const)
	if !ok || m.Op != OpEq || c.PrefixLen >= 0 {
		return -1, -1
	}
	v := int(getUint(c.Data))
	switch e := m.Left.(type) {
	case *Meta:
		switch e.Key {
		case MetaNfproto:
			return v, -1
		case MetaL4proto:
			return -1, v
		}
	case *Payload:
		switch f := e.Field; {
		case f.Proto == "ether" && f.Name == "type":
			if v == 0x0800 {
				return int(FamilyIP), -1
			}
			if v == 0x86dd {
				return int(FamilyIP6), -1
			}
		case f.Proto == "ip" && f.Name == "protocol", f.Proto == "ip6" && f.Name == "nexthdr":
			return -1, v
		}
	}
	return -1, -1
}

// hide hides a pending network protocol match that says what is clear now.
func hide(l3 **item, f Family) {
	if *l3 == nil || f == 0 {
		return
	}
	if d, _ := dependency((*l3).stmt.(*Match)); d == int(f) {
		(*l3).hidden = true
		*l3 = nil
	}
}

// useAll takes note of the fields an expression reads.
func useAll(e Expr, it *item, l3, l4 **item, known *int) {
	switch e := e.(type) {
	case *Concat:
		for _, x := range e.Es {
			useAll(x, it, l3, l4, known)
		}
	case *Masked:
		useAll(e.E, it, l3, l4, known)
	case *CT:
		if e.Key == CTSaddr || e.Key == CTDaddr {
			hide(l3, e.Family)
		}
	case *Payload:
		f := e.Field
		if f.Base == BaseNetwork || f.Proto == "icmp" || f.Proto == "icmpv6" {
			hide(l3, f.L3)
		}
		if f.Base != BaseTransport {
			return
		}
		want := int(f.L4)
		if !f.HasL4 {
			want = *known
			for _, x := range fields {
				if x.HasL4 && int(x.L4) == *known && x.Name == f.Name {
					it.th = x.Proto
				}
			}
			if it.th == "" {
				return
			}
		} else {
			*known = want
		}
		if *l4 == nil {
			return
		}
		m := (*l4).stmt.(*Match)
		if _, v := dependency(m); v != want {
			return
		}
		// `ip protocol` in an inet table also says that the packet is IPv4.
		if _, ok := m.Left.(*Payload); ok && m.fam == FamilyInet {
			return
		}
		(*l4).hidden = true
		*l4 = nil
	}
}
