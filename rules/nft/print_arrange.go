package nft

import "sort"

// item is a statement on its way to the listing.
type item struct {
	stmt   Stmt
	hidden bool
	th     string // protocol to show for `th`, when known
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
		out = append(out, mergeFields(items[from:i])...)
		out = append(out, it)
		from = i + 1
	}
	out = append(out, mergeFields(items[from:])...)
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
			out = append(out, bothPorts(it, after[i][0]))
			continue
		}
		out = append(out, it)
		out = append(out, after[i]...)
	}
	return out
}

// bothPorts is one match of both ports of a transport protocol that may be any:
// nft does not find the fields again in what it loads for both.
func bothPorts(src, dst *item) *item {
	m := *src.stmt.(*Match)
	a, b := m.Right.(*Const), dst.stmt.(*Match).Right.(*Const)
	m.Left = &Raw{Base: BaseTransport, Length: 32}
	m.Right = &Const{T: TypeRaw, Data: append(append([]byte(nil), a.Data...), b.Data...), PrefixLen: -1}
	return &item{stmt: &m}
}
