package nft

import (
	"bytes"
	"slices"
	"sort"
)

// maxElements bounds what one file may put into its sets, variables spliced.
const maxElements = 2 << 20

// elements resolves the elements of a set literal into s, variables that are
// sets spliced in.
func (c *checker) elements(s *Set, r *raw, bits []int, places map[*Element]*raw) {
	for _, k := range r.kids {
		c.step(k)
		if k.kind == rawSet {
			c.elements(s, k, bits, places)
			continue
		}
		e, key := &Element{Pos: k.pos}, k
		if k.kind == rawElem {
			key = k.kids[0]
			e.Comment, e.empty = textOf(k.comment)
		}
		if key.kind == rawSet {
			if k.kind == rawElem && (k.verdict != nil || len(k.kids) > 1) {
				c.fail(key, "not supported: a set as a map's key")
			}
			c.elements(s, key, bits, places)
			continue
		}
		if key.kind == rawList && !(len(s.Key) == 1 && s.Key[0].Bitmask && k.kind != rawElem) {
			// A variable that holds a list stands for its members.
			c.elements(s, &raw{kind: rawSet, pos: key.pos, end: key.end, kids: key.kids}, bits, places)
			continue
		}
		c.count++
		if c.count > maxElements {
			c.report(k, "too many elements, max %d", maxElements)
			panic(stop{})
		}
		if e.Any = key.kind == rawAny; !e.Any {
			e.Key = c.key(s.Key, bits, key)
		}
		c.elementOptions(s, e, k)
		c.elementData(s, e, k, key)
		s.Elements = append(s.Elements, e)
		places[e] = k
	}
}

// elementOptions takes over an element's timeout and statements.
func (c *checker) elementOptions(s *Set, e *Element, k *raw) {
	if k.opt == nil {
		if s.Stmts == nil {
			return
		}
		k.options()
	}
	e.Timeout, e.Expires = k.opt.timeout, k.opt.expires
	if e.Timeout > 0 && s.Flags&SetTimeout == 0 {
		c.fail(keyOf(k), "Could not process rule: Invalid argument")
	}
	if e.Timeout == s.Timeout {
		e.Timeout = 0
	}
	for i, n := range k.opt.stmts {
		st := n.stmt
		if i >= len(s.Stmts) || StmtName(st) != StmtName(s.Stmts[i]) {
			c.fail(keyOf(k), "Could not process rule: Operation not supported")
		}
		e.Stmts = append(e.Stmts, st)
	}
	for _, st := range s.Stmts[len(e.Stmts):] {
		e.Stmts = append(e.Stmts, copyStmt(st))
	}
}

// copyStmt copies a statement that keeps state.
func copyStmt(st Stmt) Stmt {
	switch st := st.(type) {
	case *Counter:
		x := *st
		return &x
	case *Limit:
		x := *st
		return &x
	case *Quota:
		x := *st
		return &x
	case *ConnLimit:
		x := *st
		return &x
	case *Last:
		x := *st
		return &x
	}
	return st
}

// elementData resolves what a map gives for an element.
func (c *checker) elementData(s *Set, e *Element, k, key *raw) {
	var data *raw
	if k.kind == rawElem && len(k.kids) > 1 {
		data = k.kids[1]
	}
	verdict := k.kind == rawElem && k.verdict != nil
	switch {
	case !s.Map:
		if verdict || data != nil {
			c.fail(k, "Set does not expect data")
		}
	case s.Verdicts:
		if !verdict {
			if data != nil {
				c.fail(data, "Can't parse symbolic netfilter verdict expressions")
			}
			c.fail(key, "Could not process rule: Invalid argument")
		}
		v := *k.verdict
		e.Verdict = &v
	case verdict || data == nil:
		c.fail(key, "Could not process rule: Invalid argument")
	case s.HoldsObjects:
		if data.kind != rawWord && data.kind != rawString {
			c.fail(data, "a name of a %s is needed", s.ObjectKind)
		}
		e.Object = data.text
	default:
		bits := make([]int, len(s.Data))
		for i := range bits {
			bits[i] = s.dataBits(i)
		}
		e.Data = c.key(s.Data, bits, data)
		for _, p := range e.Data {
			if !bytes.Equal(p.Lo, p.Hi) && !s.Ranges {
				c.fail(data, "datatype mismatch: a range where %s is needed", describeKey(s.Data))
			}
		}
		if kind := partKind(data); s.Ranges && kind != rawRange && kind != rawPrefix {
			c.fail(data, "Could not process rule: Invalid argument")
		}
	}
}

// partKind is the kind of a value, or of the first part of several.
func partKind(r *raw) rawKind {
	if r.kind == rawConcat {
		return r.kids[0].kind
	}
	return r.kind
}

// key resolves the parts of one key.
func (c *checker) key(types []*Type, bits []int, r *raw) []KeyPart {
	if len(types) == 1 {
		if r.kind == rawConcat {
			c.fail(r, "datatype mismatch, expected %s, expression has type concatenation", types[0].Desc)
		}
		return []KeyPart{c.operand(r, types[0], bits[0]).KeyPart}
	}
	parts := []*raw{r}
	if r.kind == rawConcat {
		parts = nil
		for _, k := range r.kids {
			if k.kind == rawConcat {
				parts = append(parts, k.kids...)
			} else {
				parts = append(parts, k)
			}
		}
	}
	if len(parts) != len(types) {
		c.fail(r, "invalid data type, expected concatenation of (%s)", describeTypes(types))
	}
	out := make([]KeyPart, len(parts))
	for i, p := range parts {
		out[i] = c.operand(p, types[i], bits[i]).KeyPart
	}
	return out
}

func describeTypes(types []*Type) string {
	s := ""
	for i, t := range types {
		if i > 0 {
			s += ", "
		}
		s += t.Desc
	}
	return s
}

func (e *Element) isInterval() bool {
	for i := range e.Key {
		if !bytes.Equal(e.Key[i].Lo, e.Key[i].Hi) || e.Key[i].PrefixLen >= 0 {
			return true
		}
	}
	return false
}

func compareKeys(a, b *Element) int {
	if a.Any || b.Any { // the catch-all element is the last
		return map[bool]int{true: 1}[a.Any] - map[bool]int{true: 1}[b.Any]
	}
	for i := range a.Key {
		if d := bytes.Compare(a.Key[i].Lo, b.Key[i].Lo); d != 0 {
			return d
		}
		if a.Key[i].Name != b.Key[i].Name {
			if a.Key[i].Name < b.Key[i].Name {
				return -1
			}
			return 1
		}
	}
	return 0
}

func sameKey(a, b *Element) bool {
	if a.Any || b.Any {
		return a.Any && b.Any
	}
	for i := range a.Key {
		if !bytes.Equal(a.Key[i].Hi, b.Key[i].Hi) {
			return false
		}
	}
	return compareKeys(a, b) == 0
}

func sameData(a, b *Element) bool {
	if a.Verdict != nil && b.Verdict != nil {
		return a.Verdict.Kind == b.Verdict.Kind && a.Verdict.Chain == b.Verdict.Chain
	}
	if len(a.Data) != len(b.Data) || a.Object != b.Object {
		return false
	}
	for i := range a.Data {
		if !bytes.Equal(a.Data[i].Lo, b.Data[i].Lo) || !bytes.Equal(a.Data[i].Hi, b.Data[i].Hi) {
			return false
		}
	}
	return true
}

// settle sorts the elements, drops repetitions, and merges or refuses those
// that overlap. places gives where new ones were written.
func (c *checker) settle(s *Set, places map[*Element]*raw) {
	var all *Element
	plain := make([]*Element, 0, len(s.Elements))
	for _, e := range s.Elements {
		if !e.Any {
			plain = append(plain, e)
			continue
		}
		if all != nil && !sameData(all, e) && places[e] != nil {
			c.report(keyOf(places[e]), "Could not process rule: File exists")
		}
		all = e
	}
	s.Elements = plain
	c.settleKeys(s, places)
	if all != nil {
		s.Elements = append(s.Elements, all)
	}
}

// settleKeys settles what has keys.
func (c *checker) settleKeys(s *Set, places map[*Element]*raw) {
	if len(s.Elements) == 0 {
		return
	}
	if len(s.Key) > 1 || s.Flags&SetInterval == 0 {
		c.unique(s, places)
		if len(s.Key) > 1 && s.Flags&SetInterval != 0 {
			c.boxes(s, places)
		}
		if len(s.Key) == 1 || s.Flags&SetInterval == 0 {
			listingOrder(s)
		}
		return
	}
	sort.SliceStable(s.Elements, func(i, j int) bool { return compareKeys(s.Elements[i], s.Elements[j]) < 0 })
	merge := !s.Map && (s.Name == "" || s.Flags&SetAutoMerge != 0)
	var out []*Element
	for _, e := range s.Elements {
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
			m.Key = []KeyPart{{Lo: l.Lo, Hi: k.Hi, PrefixLen: -1}}
			if bytes.Equal(l.Lo, k.Lo) {
				m.Key[0].PrefixLen = k.PrefixLen
			}
			places[&m] = places[last]
			out[len(out)-1] = &m
			continue
		case over && k.Name == l.Name:
			if sameKey(e, last) && sameData(e, last) {
				continue
			}
			// The later one in the text is at fault.
			bad, old := places[e], places[last]
			if bad == nil || old != nil && bad.pos.before(old.pos) {
				bad, old = old, bad
			}
			if bad == nil {
				continue
			}
			c.report(keyOf(bad), "conflicting intervals specified")
			if old != nil && keyOf(old).pos.before(keyOf(bad).pos) && old.pos.File == bad.pos.File && old.pos.Line == bad.pos.Line {
				c.also(keyOf(old).pos, keyOf(old).end)
			}
			continue
		}
		out = append(out, e)
	}
	s.Elements = out
}

// keyOf is the key's own place in an element.
func keyOf(r *raw) *raw {
	if r.kind == rawElem {
		return r.kids[0]
	}
	return r
}

func (p Pos) before(q Pos) bool {
	return p.File == q.File && (p.Line < q.Line || p.Line == q.Line && p.Col < q.Col)
}

// keyText is the same for the same keys of one set, and for no others.
func (e *Element) keyText() string {
	b := make([]byte, 0, 64) // of most keys: not on the heap
	for i := range e.Key {
		k := &e.Key[i]
		b = append(append(append(append(b, k.Lo...), k.Hi...), k.Name...), 0)
	}
	return string(b)
}

// unique drops repeated keys; in a map they must not differ in what they give.
// The order stays.
func (c *checker) unique(s *Set, places map[*Element]*raw) {
	seen := make(map[string]*Element, len(s.Elements))
	out := s.Elements[:0]
	for _, e := range s.Elements {
		key := e.keyText()
		old := seen[key]
		if old == nil {
			seen[key] = e
			out = append(out, e)
			continue
		}
		if k := places[e]; k != nil && !sameData(old, e) {
			c.report(keyOf(k), "Could not process rule: File exists")
		}
	}
	s.Elements = out
}

// maxBoxes bounds the elements whose overlaps are searched pair by pair.
const maxBoxes = 4096

// boxes refuses joined ranges of which a later one begins or ends inside an
// earlier one, as the kernel does.
func (c *checker) boxes(s *Set, places map[*Element]*raw) {
	if len(s.Elements) > maxBoxes {
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
	for n, e := range s.Elements {
		for _, o := range s.Elements[:n] {
			if !inside(e, o, false) && !inside(e, o, true) {
				continue
			}
			if k := places[e]; k != nil {
				c.report(keyOf(k), "Could not process rule: File exists")
			}
			break
		}
	}
}

// SortElements puts elements, which it may change, into the order in which nft
// lists those of the set.
func SortElements(s *Set, els []*Element) {
	listingOrder(&Set{Key: s.Key, Elements: els})
}

// listingOrder sorts as nft lists: by value; names, and what is joined of
// several, as numbers that begin with the lowest byte.
func listingOrder(s *Set) {
	if len(s.Key) == 1 && s.Key[0].Bitmask {
		// Flags go by the lowest one of each element, later ones first.
		slices.Reverse(s.Elements)
		lowest := func(e *Element) uint64 { v := getUint(e.Key[0].Lo); return v & -v }
		sort.SliceStable(s.Elements, func(i, j int) bool { return lowest(s.Elements[i]) < lowest(s.Elements[j]) })
		return
	}
	if len(s.Key) == 1 && s.Key[0] != TypeIfname && s.Key[0] != TypeString {
		sort.SliceStable(s.Elements, func(i, j int) bool { return compareKeys(s.Elements[i], s.Elements[j]) < 0 })
		return
	}
	keys := make(map[*Element][]byte, len(s.Elements))
	for _, e := range s.Elements {
		var b []byte
		for i, k := range e.Key {
			if t := s.Key[i]; t.Host && t != TypeIfname && t != TypeString {
				b = append(b, reversed(k.Lo)...)
			} else {
				b = append(b, k.Lo...)
			}
		}
		keys[e] = reversed(b)
	}
	sort.SliceStable(s.Elements, func(i, j int) bool {
		return bytes.Compare(keys[s.Elements[i]], keys[s.Elements[j]]) < 0
	})
}

func reversed(b []byte) []byte {
	out := make([]byte, len(b))
	for i, c := range b {
		out[len(b)-1-i] = c
	}
	return out
}

// isNext tells whether b is a plus one.
func isNext(a, b []byte) bool {
	carry := true
	for i := len(a) - 1; i >= 0; i-- {
		v := a[i]
		if carry {
			v++
			carry = v == 0
		}
		if v != b[i] {
			return false
		}
	}
	return !carry
}

// prefixOf is the length of the prefix that is exactly lo to hi; -1: none.
func prefixOf(lo, hi []byte) int {
	n := 0
	for n < 8*len(lo) && (lo[n/8]^hi[n/8])>>(7-n%8)&1 == 0 {
		n++
	}
	for i := n; i < 8*len(lo); i++ {
		if lo[i/8]>>(7-i%8)&1 != 0 || hi[i/8]>>(7-i%8)&1 != 1 {
			return -1
		}
	}
	return n
}

// settleNamed settles a named set that has new elements.
func (c *checker) settleNamed(s *Set) {
	places := c.unsettled[s]
	if places == nil {
		return
	}
	delete(c.unsettled, s)
	if s.SizeGiven > 0 && len(s.Elements) > int(s.SizeGiven) {
		if k := places[s.Elements[s.SizeGiven]]; k != nil {
			c.report(keyOf(k), "Could not process rule: Too many open files in system: the set's size is %d", s.SizeGiven)
		}
	}
	c.settle(s, places)
}

// settleAll settles every named set, at the end of the commands.
func (c *checker) settleAll() {
	for _, t := range c.rs.Tables {
		for _, s := range t.Sets {
			c.settleNamed(s)
		}
	}
}
