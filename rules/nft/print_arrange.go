package nft

import "sort"

// item is a statement on its way to the listing.
type item struct {
	stmt   Stmt
	hidden bool
	before *Match // an implied match on icmp types, shown before

	implied *item   // a match that is shown before, unless a later one makes it redundant
	split   []*item // shown instead: the fields that raw bits are
}

// arrange gives the statements as nft lists them. The listing is made from the
// kernel's byte code: neighbouring header fields compared together come out in
// header order, and matches that only say what a later field needs are left
// out.
func arrange(t Family, r *Rule) []*item {
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
		out = append(out, mergeFields(joinRaw(items[from:i]))...)
		out = append(out, it)
		from = i + 1
	}
	out = append(out, mergeFields(joinRaw(items[from:]))...)
	newListing(t, out).run()
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

// joinRaw joins raw bits with those written behind them that follow in the header.
func joinRaw(items []*item) []*item {
	out := items[:0:0]
	for _, it := range items {
		if len(out) > 0 {
			if joined := join2(out[len(out)-1], it); joined != nil {
				out[len(out)-1] = joined
				continue
			}
		}
		out = append(out, it)
	}
	return out
}

// join2 is one match of the raw bits of two; nil: they are not to be joined.
func join2(first, second *item) *item {
	a, f := rawMatch(first)
	b, g := rawMatch(second)
	if f == nil || g == nil || a.Op != b.Op || f.Base != g.Base || f.Offset+f.Length != g.Offset {
		return nil
	}
	if all := f.Length + g.Length; all > maxMerge && (f.Length <= maxMerge || all > 128) {
		return nil
	}
	return together(a, b, &Raw{Base: f.Base, Offset: f.Offset, Length: f.Length + g.Length})
}

// rawMatch is a match of whole bytes given by their place with a value.
func rawMatch(it *item) (*Match, *Raw) {
	m, ok := it.stmt.(*Match)
	if !ok || !isConst(m) {
		return nil, nil
	}
	e, ok := m.Left.(*Raw)
	if !ok || e.Offset%8 != 0 || e.Length%8 != 0 {
		return nil, nil
	}
	return m, e
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
		if len(after[i]) == 1 && mergeable(it).Proto == "th" {
			if next := mergeable(after[i][0]); next.HasL4 { // written before, else it would not be moved to here
				m := *it.stmt.(*Match)
				m.Left = &Payload{Field: portOf(mergeable(it), int(next.L4))}
				out = append(out, &item{stmt: &m}, after[i][0])
			} else {
				both := &Raw{Base: BaseTransport, Length: 32} // the ports
				out = append(out, together(it.stmt.(*Match), after[i][0].stmt.(*Match), both))
			}
			continue
		}
		out = append(out, it)
		out = append(out, after[i]...)
	}
	return out
}

// together is one match of the bits of two matches: nft does not find again, in what
// it loads for both, fields of no protocol.
func together(first, second *Match, left *Raw) *item {
	m := *first
	a, b := m.Right.(*Const), second.Right.(*Const)
	m.Left = left
	m.Right = &Const{T: TypeRaw, Data: append(append([]byte(nil), a.Data...), b.Data...), PrefixLen: -1}
	return &item{stmt: &m}
}
