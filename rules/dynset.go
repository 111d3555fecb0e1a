package rules

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/sluice-net/sluice/rules/nft"
)

// dynSpec is what a ruleset says of a set that changes while packets pass.
type dynSpec struct {
	set      *nft.Set
	name     string // the same in every ruleset that has the set, and another one if it was made anew
	identity string // the same in every ruleset that keeps the set as it is
	size     uint32
	key      uint32 // words
	data     uint32
	timeout  uint64        // nanoseconds of elements that say nothing else; 0: for ever
	runs     []elementRuns // what elements have: the set's own statements, and those of rules that add some
	elements []element     // that the text gives the set, with their data
	gone     []element     // of nft.LiveEdit
	fresh    []element
	rows     []uint64 // data of elements
	shape    setDesc  // of a noded set, of which the lists above are empty: its keys
	ports    *ports
}

// elementRuns are the statements that an element has.
type elementRuns struct {
	text   string // of all of them
	stmts  []nft.Stmt
	limits []ins // of a limit or quota among them
}

// stateful says whether a set's elements come, go or remember.
func stateful(s *nft.Set) bool {
	return s.Flags&(nft.SetTimeout|nft.SetDynamic|nft.SetWritten) != 0 || len(s.Stmts) > 0
}

// changes says whether a set is a table in the store, and not part of the image.
func changes(s *nft.Set) bool { return stateful(s) && !s.Given() }

// dynamic notes a set that changes.
func (ix *index) dynamic(t *nft.Table, s *nft.Set, stmts []nft.Stmt) error {
	if n, ok := ix.dynOf[s]; ok {
		_, err := ix.dyns[n].variant(stmts)
		return err
	}
	d := dynSpec{set: s, size: s.SizeGiven, timeout: s.Timeout * 1e6, data: uint32(len(s.Data)), ports: ix.ports}
	for i := range s.Key {
		d.key += uint32(wordsOf(partBits(s, i)))
	}
	if s.Map {
		d.data = uint32(dataWords(s))
	}
	d.name = fmt.Sprintf("%d %s %d set %s %d", t.Family, t.Name, t.Handle, s.Name, s.Handle)
	before := ix.old.dynNamed(d.name, s)
	if noded(s) {
		d.shape, d.key, d.data = shape(s), 2*d.key, 0
	}
	if d.size == 0 || noded(s) {
		d.size = max(65535, uint32(1)<<bits.Len(uint(2*s.Elements.Len()))) // few more do not make another one
	}
	if before != nil {
		d.runs = slices.Clone(before.runs) // so that what nodes have keeps its number
		if s.SizeGiven == 0 || noded(s) {
			d.size = max(d.size, before.size)
		}
	}
	if d.size > 1<<24 {
		return errorf(s.Pos, "set %s is too large to change: at most %d elements", s.Name, 1<<24)
	}
	if _, err := d.variant(stmts); err != nil {
		return err
	}
	for _, el := range d.newElements(before) {
		if _, err := d.variant(el.Stmts); err != nil {
			return err
		}
	}
	for _, el := range d.edit().Fresh {
		if _, err := d.variant(el.Stmts); err != nil {
			return err
		}
	}
	d.identity = fmt.Sprintf("%s %d %d %d", d.name, d.size, d.key, d.data)
	if ix.dynOf == nil {
		ix.dynOf = map[*nft.Set]uint32{}
	}
	ix.dynOf[s] = uint32(len(ix.dyns))
	ix.dyns = append(ix.dyns, d)
	return nil
}

// variant returns the number of a list of statements among those that elements of
// the set have, from 1, and adds it; 0 is none. Without one in the rule it is the
// set's own.
func (d *dynSpec) variant(stmts []nft.Stmt) (uint64, error) {
	if len(stmts) == 0 {
		stmts = d.set.Stmts
	}
	if len(stmts) == 0 {
		return 0, nil
	}
	for i := range d.runs {
		if slices.EqualFunc(stmts, d.runs[i].stmts, plainlySame) {
			return uint64(i + 1), nil
		}
	}
	text := nft.RuleIdentity(nft.FamilyInet, &nft.Rule{Stmts: stmts})
	for i := range d.runs {
		if d.runs[i].text == text {
			return uint64(i + 1), nil
		}
	}
	r := elementRuns{text, stmts, make([]ins, len(stmts))}
	for i, st := range stmts {
		switch st := st.(type) {
		case *nft.Counter, *nft.Last:
		case *nft.Quota:
			r.limits[i] = ins{test: test{mask: st.Bytes}}
			if st.Over {
				r.limits[i].flag = 1
			}
		case *nft.ConnLimit:
			r.limits[i] = connLimitIns(st, 0)
		case *nft.Limit:
			var err error
			if r.limits[i], err = limitIns(st, 0); err != nil {
				return 0, err
			}
		default:
			return 0, errorf(st.Position(), "set %s: %s of an element is not supported", d.set.Name, nft.StmtName(st))
		}
	}
	d.runs = append(d.runs, r)
	return uint64(len(d.runs)), nil
}

// plainlySame says whether two statements of elements do the same, as far as that
// takes no time to find out.
func plainlySame(a, b nft.Stmt) bool {
	if _, counts := a.(*nft.Counter); counts {
		_, counts = b.(*nft.Counter)
		return counts
	}
	return a == b
}

// cells is how many statements an element has room for.
func (d *dynSpec) cells() (n uint32) {
	for i := range d.runs {
		n = max(n, uint32(len(d.runs[i].stmts)))
	}
	return n
}

// table identifies the table that fits a set and its statements.
func (d *dynSpec) table() string {
	id := d.identity
	for i := range d.runs {
		for _, st := range d.runs[i].stmts {
			id += " " + nft.StmtName(st)
		}
		id += ";"
	}
	return id
}

// fill reads the elements that the text gives a set, if it is not the very set of an
// earlier ruleset.
func (d *dynSpec) fill(ps *ports, old *remains) error {
	if noded(d.set) {
		return nil
	}
	if old != nil {
		if n, ok := old.ix.dynOf[d.set]; ok {
			was := &old.ix.dyns[n]
			d.elements, d.gone, d.fresh, d.rows = was.elements, was.gone, was.fresh, was.rows
			return nil
		}
	}
	var data rows
	desc := shape(d.set)
	els, exact, err := elements(d.set, &desc, &data, &index{}, ps)
	if err != nil {
		return err
	}
	plain := func(els []element, exact bool, n int) error {
		if !exact || desc.any != 0 || len(els) != n {
			return errorf(d.set.Pos, "set %s: timeouts and statements of the catch-all element and of ports that are not there are not supported", d.set.Name)
		}
		return nil
	}
	if err := plain(els, exact, d.set.Elements.Len()); err != nil {
		return err
	}
	d.elements = els
	for list, to := range map[*[]*nft.Element]*[]element{&d.edit().Gone: &d.gone, &d.edit().Fresh: &d.fresh} {
		of := *d.set
		of.Elements, of.Map = nft.ElementsOf(*list...), of.Map && to == &d.fresh // of those that go nobody says what they gave
		if *to, exact, err = (elements(&of, &desc, &data, &index{}, ps)); err != nil {
			return err
		}
		if err := plain(*to, exact, len(*list)); err != nil {
			return err
		}
	}
	d.rows = data.words
	return nil
}

// edit is what the text does to elements that are there.
func (d *dynSpec) edit() *nft.LiveEdit {
	if d.set.Live == nil {
		return &nft.LiveEdit{}
	}
	return d.set.Live
}

// begin brings a table to what the text says: its elements, if nobody has used the
// table before; else what the text does to those that are there, or, of a whole text,
// its elements that the one before had not. Meanwhile packets go on changing the table.
func (d *dynSpec) begin(t *dynTable, before *dynSpec) {
	switch {
	case before != nil && before.set == d.set && (!noded(d.set) || slices.Equal(before.ports.rows, d.ports.rows)):
	case noded(d.set):
		d.beginGiven(t, before)
	case before != nil && d.set.Live != nil:
		if d.set.Live.Flush {
			t.flush()
		}
		for _, el := range d.gone {
			if b := t.hold(el.lo); b != nil {
				if node, n := t.find(b, el.lo); node != nil {
					t.remove(b, n)
				}
				release(b)
			}
		}
		for i, el := range d.fresh {
			d.put(t, d.set.Live.Fresh[i], el, true)
		}
	default:
		old := map[string]bool{}
		if before != nil {
			for _, el := range before.elements {
				old[fmt.Sprint(el.lo)] = true
			}
		}
		i := 0
		for e := range d.set.Elements.All() {
			if !old[fmt.Sprint(d.elements[i].lo)] {
				d.put(t, e, d.elements[i], false)
			}
			i++
		}
	}
}

// put puts an element into a table. One that is there stays; with again its time begins
// anew, as the text says (nft_add_set_elem).
func (d *dynSpec) put(t *dynTable, e *nft.Element, el element, again bool) {
	b := t.hold(el.lo)
	if b == nil {
		return
	}
	node, _ := t.find(b, el.lo)
	switch {
	case node == nil:
		if node = t.insert(b, el.lo, 0); node != nil {
			d.start(t, node, e, el.value)
		}
	case again && node[nodeTimeout] > 0:
		if timeout, left := d.times(e); timeout > 0 {
			node[nodeTimeout], node[nodeEnd] = timeout, t.begins(left)
		}
	}
	release(b)
}

// times are how long an element stays, and how much of it is left; 0: for ever.
func (d *dynSpec) times(e *nft.Element) (timeout, left uint64) {
	timeout = d.timeout
	if e.Timeout > 0 {
		timeout = e.Timeout * 1e6
	}
	if e.Expires > 0 {
		return timeout, e.Expires * 1e6
	}
	return timeout, timeout
}

func (d *dynSpec) start(t *dynTable, node []uint64, e *nft.Element, value uint64) {
	timeout, left := d.times(e)
	if node[nodeTimeout] = timeout; timeout > 0 {
		node[nodeEnd] = t.begins(left)
	}
	if d.data > 0 {
		copy(t.dataOf(node), d.rows[uint32(value):][:d.data])
	}
	node[nodeRuns], _ = d.variant(e.Stmts) // which is known: see dynamic
	for i, st := range e.Stmts {
		switch st := st.(type) {
		case *nft.Counter:
			node[nodeStmts+2*i], node[nodeStmts+2*i+1] = st.Packets, st.Bytes
		case *nft.Quota:
			node[nodeStmts+2*i] = st.Used
		}
	}
}

// setUpdate lowers add, update and delete.
func (lw *lowering) setUpdate(st *nft.SetUpdate) error {
	if err := lw.keys(st.Pos, st.Key, st.Set); err != nil {
		return err
	}
	d := &lw.ix.dyns[lw.ix.dynOf[st.Set]]
	runs, err := d.variant(st.Stmts)
	if err != nil {
		return err
	}
	if st.Data != nil {
		if _, err := lw.value(st.Pos, st.Data, uint8(d.key)); err != nil {
			return err
		}
	}
	in := ins{op: opDyn, flag: [...]uint8{dynAdd, dynRefresh, dynDelete}[st.Verb], test: test{lo: st.TimeoutMs * 1e6, span: runs}}
	if in.lo == 0 {
		in.lo = d.timeout
	}
	lw.out.steps = append(lw.out.steps, step{ins: in, of: st.Set})
	return nil
}

// dynLookup lowers a look at a set that changes.
func (lw *lowering) dynLookup(s *nft.Set, verb, at uint8) {
	lw.out.steps = append(lw.out.steps, step{ins: ins{op: opDyn, flag: verb, key: at}, of: s})
}
