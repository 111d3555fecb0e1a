package nft

import (
	"bytes"
	"cmp"
	"slices"
)

// order returns how the elements of a settled set are sorted, nil when not by their
// keys: joined intervals stay as written, and flags go by their own rule. The
// catch-all element is the last in any case.
func (s *Set) order() func(a, b *Element) int {
	switch {
	case s.Flags&SetInterval != 0 && len(s.Key) > 1:
		return nil
	case s.Flags&SetInterval != 0:
		return compareKeys
	}
	return s.listed()
}

// listed is the order in which nft lists, intervals aside: by value; names, and what
// is joined of several, as numbers that begin with the lowest byte. Nil: flags.
func (s *Set) listed() func(a, b *Element) int {
	switch {
	case len(s.Key) == 1 && s.Key[0].Bitmask:
		return nil
	case len(s.Key) == 1 && s.Key[0] != TypeIfname && s.Key[0] != TypeString:
		return compareKeys
	}
	return func(a, b *Element) int {
		if a.Any || b.Any {
			return compareKeys(a, b)
		}
		for i := len(a.Key) - 1; i >= 0; i-- {
			x, y := a.Key[i].Lo, b.Key[i].Lo
			if s.forward(i) {
				if d := bytes.Compare(x, y); d != 0 {
					return d
				}
				continue
			}
			for j := len(x) - 1; j >= 0; j-- {
				if x[j] != y[j] {
					return cmp.Compare(x[j], y[j])
				}
			}
		}
		return 0
	}
}

// forward says whether a part's bytes are compared from the first on though the
// parts are from the last on.
func (s *Set) forward(i int) bool {
	t := s.Key[i]
	return t.Host && t != TypeIfname && t != TypeString
}

// leading is the first eight bytes of what an order compares, most of the time enough.
func (s *Set) leading(e *Element) (v uint64) {
	n := 0
	put := func(b byte) {
		if n++; n <= 8 {
			v |= uint64(b) << (64 - 8*n)
		}
	}
	if s.Flags&SetInterval != 0 || len(s.Key) == 1 && s.Key[0] != TypeIfname && s.Key[0] != TypeString {
		for _, b := range e.Key[0].Lo {
			put(b)
		}
		return v
	}
	for i := len(e.Key) - 1; i >= 0 && n < 8; i-- {
		b := e.Key[i].Lo
		for j := range b {
			if s.forward(i) {
				put(b[j])
			} else {
				put(b[len(b)-1-j])
			}
		}
	}
	return v
}

// sortBy sorts elements with keys; of equal ones the first stays the first.
func (s *Set) sortBy(els []*Element, order func(a, b *Element) int) {
	type row struct {
		lead uint64
		at   int
		e    *Element
	}
	rows := make([]row, len(els))
	for i, e := range els {
		rows[i] = row{s.leading(e), i, e}
	}
	slices.SortFunc(rows, func(a, b row) int {
		if a.lead != b.lead {
			return cmp.Compare(a.lead, b.lead)
		}
		return cmp.Or(order(a.e, b.e), a.at-b.at)
	})
	for i := range rows {
		els[i] = rows[i].e
	}
}

// SortElements puts elements, which it may change, into the order in which nft
// lists those of the set.
func SortElements(s *Set, els []*Element) {
	if order := s.listed(); order != nil {
		plain := *s
		plain.Flags &^= SetInterval
		plain.sortBy(els, order)
		return
	}
	// Flags go by the lowest one of each element, later ones first.
	slices.Reverse(els)
	lowest := func(e *Element) uint64 { v := getUint(e.Key[0].Lo); return v & -v }
	slices.SortStableFunc(els, func(a, b *Element) int { return cmp.Compare(lowest(a), lowest(b)) })
}

// index finds the element with the key of another one in a settled set, -1: there is
// none.
func (s *Set) index(e *Element) int {
	if order := s.order(); order != nil {
		i := s.Elements.search(func(o *Element) bool { return order(o, e) >= 0 })
		if i < s.Elements.Len() && sameKey(s.Elements.At(i), e) {
			return i
		}
		return -1
	}
	if e.Any {
		if i := s.plain(); i < s.Elements.Len() {
			return i
		}
		return -1
	}
	return s.Elements.indexOf(s.find(e))
}

// indexOfMany is index, for n questions about a set that does not change meanwhile.
func (s *Set) indexOfMany(n int) func(*Element) int {
	const scan = 1024 // a look at so many elements costs about what one more in a map does
	if s.order() != nil || n*scan < s.Elements.Len() {
		return s.index
	}
	at := make(map[*Element]int, s.Elements.Len())
	for e := range s.Elements.All() {
		at[e] = len(at)
	}
	return func(e *Element) int {
		if e.Any {
			return s.index(e)
		}
		if i, ok := at[s.find(e)]; ok {
			return i
		}
		return -1
	}
}

// plain returns how many elements there are without the catch-all.
func (s *Set) plain() int {
	n := s.Elements.Len()
	if n > 0 && s.Elements.At(n-1).Any {
		n--
	}
	return n
}

// settleAll settles every named set: at the end of the commands, and for those that
// ask what elements name.
func (c *checker) settleAll() {
	for _, t := range c.rs.Tables {
		for _, s := range t.Sets {
			if len(c.unsettled) == 0 {
				return
			}
			c.settleNamed(s)
		}
	}
}

// settleNamed settles a named set that has new elements.
func (c *checker) settleNamed(s *Set) {
	fresh := c.unsettled[s]
	if fresh == nil {
		return
	}
	delete(c.unsettled, s)
	if l := c.live(s); l != nil { // and that has looked at the size; the text has what is said last
		for _, e := range fresh {
			if i := s.index(e); i >= 0 {
				s.Elements = s.Elements.replace(i, i+1, nil)
			}
		}
	} else if fresh = s.renew(fresh); len(fresh) == 0 {
		return
	} else if at := int(s.SizeGiven) - s.Elements.Len(); s.SizeGiven > 0 && at >= 0 && at < len(fresh) {
		c.report(keyOf(fresh[at].at), "Could not process rule: Too many open files in system")
	}
	c.settle(s, fresh)
}

// settle puts new elements among those of a set: sorted, without repetitions, those
// that overlap merged or refused. Few new ones are settled with their neighbours.
func (c *checker) settle(s *Set, fresh []*Element) {
	order := s.order()
	if few := 10*len(fresh) < s.Elements.Len(); few && order == nil && len(s.Key) > 1 && !slices.ContainsFunc(fresh, func(e *Element) bool { return e.Any }) {
		c.settleBehind(s, fresh)
	} else if few && order != nil {
		c.settleAmong(s, fresh, order)
	} else {
		s.Elements = ElementsOf(c.settled(s, append(s.Elements.List(), fresh...))...)
	}
	for _, e := range append(fresh, c.merged...) {
		e.at = nil
	}
	c.merged = nil
}

// settleAmong puts few new elements among those of a set, each with its neighbours and
// with the new ones that have the same.
func (c *checker) settleAmong(s *Set, fresh []*Element, order func(a, b *Element) int) {
	sorted := slices.Clone(fresh)
	slices.SortStableFunc(sorted, order)
	var all []exchange
	for _, e := range sorted {
		from, to := s.around(e, order)
		n := len(all) - 1
		if n < 0 || from > all[n].j {
			all = append(all, exchange{i: from, j: from})
			n++
		}
		x := &all[n]
		for ; x.j < to; x.j++ {
			x.others = append(x.others, s.Elements.At(x.j))
		}
		x.others = append(x.others, e)
	}
	for i := range all {
		all[i].others = c.settled(s, all[i].others)
	}
	s.Elements = s.Elements.replaceAll(all)
}

// settleBehind puts few new elements behind those of a set that stay as written.
func (c *checker) settleBehind(s *Set, fresh []*Element) {
	known, n := s.Elements, s.plain()
	came := make([]*Element, 0, len(fresh))
	for _, e := range c.unique(fresh) {
		if old := s.find(e); old == nil {
			came = append(came, e)
		} else if !sameData(old, e) {
			c.report(keyOf(e.at), "Could not process rule: File exists")
		}
	}
	if n+len(came) <= maxBoxes {
		c.boxes(append(known.List()[:n], came...))
	}
	s.Elements = known.replace(n, n, came)
}

// around returns the elements that a new one may meet: those of the same key, of an
// interval those that it overlaps or is beside.
func (s *Set) around(e *Element, order func(a, b *Element) int) (from, to int) {
	if s.Flags&SetInterval == 0 || e.Any {
		from = s.Elements.search(func(o *Element) bool { return order(o, e) >= 0 })
		return from, s.Elements.search(func(o *Element) bool { return order(o, e) > 0 })
	}
	k := &e.Key[0]
	from = s.Elements.search(func(o *Element) bool {
		return o.Any || bytes.Compare(o.Key[0].Hi, k.Lo) >= 0 || isNext(o.Key[0].Hi, k.Lo)
	})
	to = s.Elements.search(func(o *Element) bool {
		return o.Any || bytes.Compare(o.Key[0].Lo, k.Hi) > 0 && !isNext(k.Hi, o.Key[0].Lo)
	})
	return from, to
}

// settled settles a list.
func (c *checker) settled(s *Set, els []*Element) []*Element {
	var all *Element
	plain := els[:0]
	for _, e := range els {
		if !e.Any {
			plain = append(plain, e)
			continue
		}
		if all != nil && !sameData(all, e) && e.at != nil {
			c.report(keyOf(e.at), "Could not process rule: File exists")
		}
		all = e
	}
	order := s.order()
	switch {
	case len(plain) == 0:
	case order == nil:
		plain = c.unique(plain)
		if len(s.Key) > 1 {
			c.boxes(plain)
		} else {
			SortElements(s, plain)
		}
	case s.Flags&SetInterval == 0:
		s.sortBy(plain, order)
		plain = c.distinct(plain)
	default:
		s.sortBy(plain, order)
		plain = c.disjoint(s, plain)
	}
	if all != nil {
		plain = append(plain, all)
	}
	return plain
}

// disjoint merges or refuses sorted intervals that overlap.
func (c *checker) disjoint(s *Set, els []*Element) []*Element {
	merge := !s.Map && (s.Name == "" || s.Flags&SetAutoMerge != 0)
	out := els[:0]
	for _, e := range els {
		if len(out) == 0 {
			out = append(out, e)
			continue
		}
		last := out[len(out)-1]
		k, l := &e.Key[0], &last.Key[0]
		over := bytes.Compare(k.Lo, l.Hi) <= 0
		switch {
		case merge && (over || isNext(l.Hi, k.Lo)) && k.Name == "" && l.Name == "":
			if bytes.Compare(k.Hi, l.Hi) <= 0 {
				continue
			}
			m := *last
			if last.at == nil && e.at != nil { // the new one has grown
				m = *e
			}
			m.Key = []KeyPart{{Lo: l.Lo, Hi: k.Hi, PrefixLen: -1}}
			if bytes.Equal(l.Lo, k.Lo) {
				m.Key[0].PrefixLen = k.PrefixLen
			}
			c.merged = append(c.merged, &m)
			out[len(out)-1] = &m
			continue
		case over && k.Name == l.Name:
			if sameKey(e, last) && sameData(e, last) {
				continue
			}
			// The later one in the text is at fault.
			bad, old := e.at, last.at
			if bad == nil || old != nil && bad.pos.before(old.pos) {
				bad, old = old, bad
			}
			if bad == nil {
				continue
			}
			if old == nil {
				c.report(keyOf(bad), "interval overlaps with an existing one")
				continue
			}
			c.report(keyOf(bad), "conflicting intervals specified")
			if keyOf(old).pos.before(keyOf(bad).pos) && old.pos.File == bad.pos.File && old.pos.Line == bad.pos.Line {
				c.also(keyOf(old).pos, keyOf(old).end)
			}
			continue
		}
		out = append(out, e)
	}
	return out
}

// distinct drops repeated keys of a sorted list; in a map they must not differ in
// what they give.
func (c *checker) distinct(els []*Element) []*Element {
	out := els[:0]
	var twice []*Element // with other data
	for _, e := range els {
		if n := len(out); n == 0 || !sameKey(out[n-1], e) {
			out = append(out, e)
		} else if e.at != nil && !sameData(out[n-1], e) {
			twice = append(twice, e)
		}
	}
	slices.SortFunc(twice, func(a, b *Element) int {
		return cmp.Or(cmp.Compare(a.at.pos.Line, b.at.pos.Line), cmp.Compare(a.at.pos.Col, b.at.pos.Col))
	})
	for _, e := range twice {
		c.report(keyOf(e.at), "Could not process rule: File exists")
	}
	return out
}

// unique is distinct for elements in any order, which stays.
func (c *checker) unique(els []*Element) []*Element {
	seen := make(map[string]*Element, len(els))
	out := els[:0]
	for _, e := range els {
		key := e.keyText()
		old := seen[key]
		if old == nil {
			seen[key] = e
			out = append(out, e)
			continue
		}
		if e.at != nil && !sameData(old, e) {
			c.report(keyOf(e.at), "Could not process rule: File exists")
		}
	}
	return out
}

// maxBoxes bounds the elements whose overlaps are searched pair by pair.
const maxBoxes = 4096

// boxes refuses joined ranges that are new and begin or end inside an earlier one, as
// the kernel does.
func (c *checker) boxes(els []*Element) {
	if len(els) > maxBoxes {
		return
	}
	inside := func(e, o *Element, end bool) bool {
		for i := range e.Key {
			at := e.Key[i].Lo
			if end {
				at = e.Key[i].Hi
			}
			if bytes.Compare(at, o.Key[i].Lo) < 0 || bytes.Compare(at, o.Key[i].Hi) > 0 || e.Key[i].Name != o.Key[i].Name {
				return false
			}
		}
		return true
	}
	for n, e := range els {
		if e.at == nil { // it was there before
			continue
		}
		if slices.ContainsFunc(els[:n], func(o *Element) bool { return inside(e, o, false) || inside(e, o, true) }) {
			c.report(keyOf(e.at), "Could not process rule: File exists")
		}
	}
}
