package nft

import (
	"bytes"
	"slices"
)

// Query is a command that asks: list, get, reset, monitor, describe. It holds
// what it is about as it was found when the command was checked.
type Query struct {
	Verb string // "list", "get", "reset", "monitor" or "describe"

	// Object is what to list: "ruleset", "table", "chain", "set", "map", "meter",
	// "flowtable" or "object"; of get "element".
	Object string
	Kind   ObjectKind // of objects
	Many   bool       // all of them, of Table or if that is nil of Family (0: all)
	Family Family

	Table     *Table
	Chain     *Chain
	Set       *Set // of get with the elements found
	Single    *Object
	Flowtable *Flowtable

	Events []string // of monitor: "new" or "destroy", and what objects
	Text   string   // of describe: the answer

	before map[*Table][]*Object // of reset: with the values they had
}

// query checks a command that asks.
func (c *checker) query(cmd *command) {
	n := cmd.query
	q := &Query{Verb: n.verb, Object: n.object, Kind: cmd.kind, Many: n.many, Family: cmd.family, Events: n.events, Text: n.text}
	c.out.Queries = append(c.out.Queries, q)
	if cmd.table.text != "" {
		c.queryTable(cmd, q)
	}
	if q.Verb == "reset" {
		c.reset(q)
	}
}

// queryTable finds what a query of one table is about.
func (c *checker) queryTable(cmd *command, q *Query) {
	n := cmd.query
	t := c.table(cmd.family, cmd.table.text)
	if t == nil {
		if n.object == "object" || n.object == "element" {
			c.noTable(cmd)
		}
		c.failToken(&cmd.table, noEntry)
	}
	q.Table = t
	name := cmd.name.text
	missing := false
	switch {
	case name == "":
	case n.object == "chain":
		q.Chain = t.chain(name)
		missing = q.Chain == nil
	case n.object == "set", n.object == "map", n.object == "meter":
		s := t.set(name)
		missing = s == nil || setKind(s) != n.object
		q.Set = s
	case n.object == "object":
		q.Single = t.object(cmd.kind, name)
		if q.Single == nil {
			if n.verb == "reset" {
				c.failAt(span{cmd.pos, cmd.end}, "Could not process rule: %s", noEntry)
			}
			c.failToken(&cmd.name, "%s", orElse(c.hint("obj", name, objectNames), noEntry))
		}
	case n.object == "flowtable":
		q.Flowtable = t.flowtable(name)
		missing = q.Flowtable == nil
	case n.object == "element":
		q.Set = c.getElements(c.findSet(t, name, &raw{pos: cmd.name.pos, end: cmd.name.end}), cmd)
	}
	if missing {
		c.failToken(&cmd.name, noEntry)
	}
}

// setKind is the word for a set in commands.
func setKind(s *Set) string {
	switch {
	case s.meter:
		return "meter"
	case s.Map:
		return "map"
	}
	return "set"
}

// getElements is the set with those of its elements that are asked for: each
// element, or the interval around it.
func (c *checker) getElements(s *Set, cmd *command) *Set {
	c.settleNamed(s)
	asked := &Set{Name: s.Name, Key: s.Key, KeyExprs: s.KeyExprs, Flags: s.Flags, Map: s.Map, named: true}
	have := s.Elements.List()
	if c.opt.Elements != nil {
		if live := c.opt.Elements(s); live != nil {
			have = live
		}
	}
	found := *s
	var els []*Element
	for _, e := range c.elements(asked, cmd.elements, s.keyBits(), nil) {
		i := slices.IndexFunc(have, func(o *Element) bool { return o.covers(e) })
		if i < 0 {
			c.failAt(span{cmd.pos, cmd.end}, "Could not process rule: %s", noEntry)
		}
		if e = have[i]; s.Flags&SetInterval != 0 && len(s.Key) == 1 && !s.Map {
			e = &Element{Pos: e.Pos, Key: e.Key, Any: e.Any} // nft asks for both ends, and puts them together
		}
		els = append(els, e)
	}
	found.Stmts = nil
	found.Elements = ElementsOf(els...)
	return &found
}

// covers says whether an element has all of another's key.
func (e *Element) covers(o *Element) bool {
	if e.Any || o.Any {
		return e.Any && o.Any
	}
	for i := range e.Key {
		if bytes.Compare(e.Key[i].Lo, o.Key[i].Lo) > 0 || bytes.Compare(e.Key[i].Hi, o.Key[i].Hi) < 0 {
			return false
		}
	}
	return true
}

// reset takes the values of the objects a query shows back to nothing. The query
// keeps copies with those they had.
func (c *checker) reset(q *Query) {
	c.out.Changed = true
	q.before = map[*Table][]*Object{}
	for _, was := range slices.Clone(c.rs.Tables) {
		if !slices.ContainsFunc(was.Objects, func(o *Object) bool { return q.asks(was, o) }) {
			continue
		}
		t := c.ownTable(was)
		if q.Table == was {
			q.Table = t
		}
		for _, o := range slices.Clone(t.Objects) {
			if !q.asks(t, o) {
				continue
			}
			single := q.Single == o
			o = c.ownObject(t, o)
			if single {
				q.Single = o
			}
			old := *o
			switch {
			case o.Counter != nil:
				x := *o.Counter
				old.Counter = &x
				o.Counter.Packets, o.Counter.Bytes = 0, 0
			case o.Quota != nil:
				x := *o.Quota
				old.Quota = &x
				o.Quota.Used = 0
				c.out.Quotas = append(c.out.Quotas, o.Quota)
			}
			q.before[t] = append(q.before[t], &old)
		}
	}
}

// asksTable says whether a query is about a table, or something of it.
func (q *Query) asksTable(t *Table) bool {
	return q.Table == t || q.Table == nil && (q.Family == 0 || q.Family == t.Family)
}

func (q *Query) asks(t *Table, o *Object) bool {
	return q.asksTable(t) && o.Kind == q.Kind && (q.Single == nil || q.Single == o)
}
