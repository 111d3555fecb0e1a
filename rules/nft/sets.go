package nft

import (
	"bytes"
	"cmp"
)

// maxElements bounds what one file may put into its sets, variables spliced.
const maxElements = 2 << 20

// elements adds the elements of a set literal, as they are for s, to a list;
// variables that are sets are spliced in.
func (c *checker) elements(s *Set, r *raw, bits []int, to []*Element) []*Element {
	if to == nil {
		to = make([]*Element, 0, len(r.kids))
	}
	for _, k := range r.kids {
		c.step(k)
		if k.kind == rawSet {
			to = c.elements(s, k, bits, to)
			continue
		}
		e, key := &Element{Pos: k.pos, at: k}, k
		if k.kind == rawElem {
			key = k.kids[0]
			e.Comment, e.empty = textOf(k.comment)
		}
		if key.kind == rawSet {
			if k.kind == rawElem && (k.verdict != nil || len(k.kids) > 1) {
				c.fail(key, "not supported: a set as a map's key")
			}
			to = c.elements(s, key, bits, to)
			continue
		}
		if key.kind == rawList && !(len(s.Key) == 1 && s.Key[0].Bitmask && k.kind != rawElem) {
			// A variable that holds a list stands for its members.
			to = c.elements(s, &raw{kind: rawSet, pos: key.pos, end: key.end, kids: key.kids}, bits, to)
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
		to = append(to, e)
	}
	return to
}

// elementOptions takes over an element's timeout and statements.
func (c *checker) elementOptions(s *Set, e *Element, k *raw) {
	if k.opt == nil {
		if s.Stmts == nil {
			return
		}
		k.options()
	}
	c.elementStatements(s, e, k)
	e.Timeout, e.Expires = k.opt.timeout, k.opt.expires
	if (e.Timeout > 0 || e.Expires > 0) && s.Flags&SetTimeout == 0 {
		c.fail(keyOf(k), "Could not process rule: Invalid argument")
	}
	switch limit := cmp.Or(e.Timeout, s.Timeout); {
	case e.Expires > 0 && limit == 0:
		c.fail(keyOf(k), "Could not process rule: Operation not supported")
	case e.Expires > limit:
		c.fail(keyOf(k), "Could not process rule: Numerical result out of range")
	}
	if e.Timeout == s.Timeout {
		e.Timeout = 0
	}
}

// elementStatements takes over an element's statements, else those of its set. An
// element of a set that declares none has what it likes where rules may add others, and
// in a literal set.
func (c *checker) elementStatements(s *Set, e *Element, k *raw) {
	stmts, kind := k.opt.stmts, "set"
	if s.Map {
		kind = "map"
	}
	if len(stmts) == 0 {
		for _, st := range s.Stmts {
			e.Stmts = append(e.Stmts, copyStmt(st))
		}
		return
	}
	if len(s.Stmts) == 0 && s.Flags&(SetDynamic|SetWritten) == 0 && (s.Name != "" || s.Map) {
		c.errorf(stmts[0].pos, stmts[0].end, "missing statement in %s declaration", kind)
		panic(bail{})
	}
	if len(s.Stmts) > 0 && len(stmts) != len(s.Stmts) {
		c.fail(keyOf(k), "number of statements mismatch, set expects %d but element has %d", len(s.Stmts), len(stmts))
	}
	for i, n := range stmts {
		if len(s.Stmts) > 0 && StmtName(n.stmt) != StmtName(s.Stmts[i]) {
			c.errorf(n.pos, n.end, "statement mismatch, element expects %s, but %s has type %s", stateName(n.stmt), kind, stateName(s.Stmts[i]))
			panic(bail{})
		}
		e.Stmts = append(e.Stmts, n.stmt)
	}
}

// stateName is what errors call a statement that keeps state.
func stateName(st Stmt) string {
	if _, ok := st.(*ConnLimit); ok {
		return "connlimit"
	}
	return StmtName(st)
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
	case s.named:
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

// writtenInterval tells whether an element is an interval by the way it is written: a
// prefix of full length and a range of one value are, though they hold one.
func (e *Element) writtenInterval() bool {
	if e.isInterval() {
		return true
	}
	if e.at == nil || len(e.Key) > 1 {
		return false
	}
	kind := keyOf(e.at).kind
	return kind == rawPrefix || kind == rawRange
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
