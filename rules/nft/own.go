package nft

import "slices"

// ownership says what of a rule set belongs to the commands being run: they may
// change that, and make a copy of anything else first. What they leave alone is
// shared with the rule set before. A copy is shallow, and made once.
type ownership struct {
	state PrintOptions // for what objects that are reset had
	mine  map[any]bool // *Table, *Chain, *Set, *Object and *Flowtable

	// What has been copied, and its copy.
	tables  map[*Table]*Table
	chains  map[*Chain]*Chain
	sets    map[*Set]*Set
	objects map[*Object]*Object
	flows   map[*Flowtable]*Flowtable
	was     map[*Set]*Set // of which a copy was made
}

func newOwnership() ownership {
	return ownership{
		mine: map[any]bool{}, tables: map[*Table]*Table{}, chains: map[*Chain]*Chain{}, sets: map[*Set]*Set{},
		objects: map[*Object]*Object{}, flows: map[*Flowtable]*Flowtable{}, was: map[*Set]*Set{},
	}
}

// fresh notes something that the commands have made.
func (o *ownership) fresh(x any) { o.mine[x] = true }

// own returns x if it is the commands' own, else a copy of it that has taken its
// place in a list and is noted among the copies.
func own[T any](o *ownership, list []*T, copies map[*T]*T, x *T) *T {
	if o.mine[x] {
		return x
	}
	n := new(T)
	*n = *x
	o.mine[n], copies[x] = true, n
	if i := slices.Index(list, x); i >= 0 {
		list[i] = n
	}
	return n
}

func (c *checker) ownTable(t *Table) *Table {
	n := own(&c.own, c.rs.Tables, c.own.tables, t)
	if n != t {
		n.Objects, n.Flowtables = slices.Clone(t.Objects), slices.Clone(t.Flowtables)
		n.Sets, n.Chains = slices.Clone(t.Sets), slices.Clone(t.Chains)
	}
	return n
}

// ownChain and those below take something of a table that is owned.
func (c *checker) ownChain(t *Table, ch *Chain) *Chain {
	n := own(&c.own, t.Chains, c.own.chains, ch)
	if n != ch {
		n.Rules = slices.Clone(ch.Rules)
		if ch.Base != nil {
			base := *ch.Base
			n.Base = &base
		}
	}
	return n
}

// ownSet's copies are not yet what rules name: see redirect.
func (c *checker) ownSet(t *Table, s *Set) *Set {
	n := own(&c.own, t.Sets, c.own.sets, s)
	if n != s {
		n.Live = nil
		c.own.was[n] = s
	}
	return n
}

func (c *checker) ownFlowtable(t *Table, f *Flowtable) *Flowtable {
	n := own(&c.own, t.Flowtables, c.own.flows, f)
	if n != f {
		n.Devices = slices.Clone(f.Devices)
	}
	return n
}

// ownObject's copies have statements of their own, with the values of now.
func (c *checker) ownObject(t *Table, o *Object) *Object {
	n := own(&c.own, t.Objects, c.own.objects, o)
	if n == o {
		return o
	}
	if o.Counter != nil {
		x := *o.Counter
		if c.own.state.Counters != nil {
			x.Packets, x.Bytes = c.own.state.Counters(o.Counter)
		}
		n.Counter = &x
	}
	if o.Quota != nil {
		x := *o.Quota
		if c.own.state.Quotas != nil {
			x.Used = c.own.state.Quotas(o.Quota)
		}
		n.Quota = &x
	}
	return n
}

// redirect makes rules and queries name the copies, at the end of the commands.
func (c *checker) redirect() {
	for _, q := range c.out.Queries {
		q.Table, q.Chain = latest(c.own.tables, q.Table), latest(c.own.chains, q.Chain)
		q.Set, q.Single = latest(c.own.sets, q.Set), latest(c.own.objects, q.Single)
		q.Flowtable = latest(c.own.flows, q.Flowtable)
	}
	inner := false // a chain written in a rule was copied
	for ch := range c.own.chains {
		inner = inner || ch.Inner
	}
	if len(c.own.sets)+len(c.own.objects)+len(c.own.flows) == 0 && !inner {
		return
	}
	for _, t := range c.rs.Tables {
		if !c.own.mine[t] {
			continue
		}
		// The chains written in rules before those that have the rules.
		for _, inner := range []bool{true, false} {
			for _, ch := range slices.Clone(t.Chains) {
				if ch.Inner != inner {
					continue
				}
				for i, r := range ch.Rules {
					if n := c.ownRule(r); n != r {
						ch = c.ownChain(t, ch)
						ch.Rules[i] = n
					}
				}
			}
		}
	}
}

func latest[T any](copies map[*T]*T, x *T) *T {
	if n := copies[x]; n != nil {
		return n
	}
	return x
}

// ownRule is a rule that names copies where r names what has been copied.
func (c *checker) ownRule(r *Rule) *Rule {
	n := r
	for i, st := range r.Stmts {
		if !c.own.stale(st) {
			continue
		}
		if n == r {
			x := *r
			x.Stmts = slices.Clone(r.Stmts)
			n = &x
		}
		n.Stmts[i] = c.own.stmt(st)
		if at, ok := c.ends[st]; ok {
			c.ends[n.Stmts[i]] = at
		}
	}
	return n
}

// stale says whether a statement names something that has been copied.
func (o *ownership) stale(st Stmt) bool {
	found := false
	switch st := st.(type) {
	case *ObjectRef:
		found = st.Object != nil && o.objects[st.Object] != nil
	case *FlowOffload:
		found = o.flows[st.Table] != nil
	case *Verdict:
		found = st.Block != nil && o.chains[st.Block] != nil
	}
	if len(o.sets) > 0 {
		stmtSets(st, func(s *Set) { found = found || s.Name != "" && o.sets[s] != nil })
	}
	return found
}

// stmt copies a statement that names something.
func (o *ownership) stmt(st Stmt) Stmt {
	st = withExprs(st, o.expr)
	switch st := st.(type) {
	case *Match:
		if ref, ok := st.Right.(*SetRef); ok {
			st.Right = &SetRef{Set: latest(o.sets, ref.Set)}
		}
	case *VMap:
		st.Set = latest(o.sets, st.Set)
	case *ObjectRef:
		st.Object, st.Set = latest(o.objects, st.Object), latest(o.sets, st.Set)
	case *SetUpdate:
		st.Set = latest(o.sets, st.Set)
	case *Verdict:
		x := *st
		x.Block = latest(o.chains, st.Block)
		return &x
	case *FlowOffload:
		x := *st
		x.Table = latest(o.flows, st.Table)
		return &x
	}
	return st
}

// expr copies an expression that looks something up.
func (o *ownership) expr(e Expr) Expr {
	named := false
	eachExpr(e, func(part Expr) {
		m, ok := part.(*MapLookup)
		named = named || ok && o.sets[m.Set] != nil
	})
	if !named {
		return e
	}
	e = withParts(e, o.expr)
	if m, ok := e.(*MapLookup); ok {
		m.Set = latest(o.sets, m.Set)
	}
	return e
}

// rename gives a chain another name, and returns its copy, wherever verdicts name
// it.
func (c *checker) rename(t *Table, ch *Chain, name string) *Chain {
	old := ch.Name
	ch = c.ownChain(t, ch)
	ch.Name = name
	verdict := func(v *Verdict) *Verdict {
		if v == nil || v.Chain != old {
			return v
		}
		x := *v
		x.Chain = name
		return &x
	}
	names := func(s *Set) (found bool) {
		setVerdicts(s, func(v *Verdict) { found = found || v.Chain == old })
		return found
	}
	elements := func(s *Set) {
		els := s.Elements.List()
		for i, e := range els {
			if v := verdict(e.Verdict); v != e.Verdict {
				n := *e
				n.Verdict = v
				els[i] = &n
			}
		}
		s.Elements = ElementsOf(els...)
	}
	for _, s := range slices.Clone(t.Sets) {
		if s.Verdicts && names(s) {
			elements(c.ownSet(t, s))
		}
	}
	for _, in := range slices.Clone(t.Chains) {
		for i, r := range in.Rules {
			n := *r
			n.Stmts = slices.Clone(r.Stmts)
			changed := false
			for i, st := range r.Stmts {
				switch st := st.(type) {
				case *Verdict:
					n.Stmts[i] = verdict(st)
				case *VMap:
					if st.Set.Name == "" && names(st.Set) {
						x, set := *st, *st.Set
						elements(&set)
						x.Set = &set
						n.Stmts[i] = &x
					}
				}
				changed = changed || n.Stmts[i] != st
			}
			if changed {
				in = c.ownChain(t, in)
				in.Rules[i] = &n
			}
		}
	}
	return ch
}
