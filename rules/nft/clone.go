package nft

import "slices"

// cloning copies a rule set so far that commands may change the copy: tables,
// chains, sets and objects, and the statements that name them or keep state.
// All else is shared, and stays as it is.
type cloning struct {
	state   PrintOptions // for values of counters and quotas
	sets    map[*Set]*Set
	objects map[*Object]*Object
	flows   map[*Flowtable]*Flowtable
}

func cloneRuleset(rs *Ruleset, state PrintOptions) *Ruleset {
	c := &cloning{state, map[*Set]*Set{}, map[*Object]*Object{}, map[*Flowtable]*Flowtable{}}
	out := &Ruleset{Interfaces: slices.Clone(rs.Interfaces), last: rs.last}
	for _, t := range rs.Tables {
		out.Tables = append(out.Tables, c.table(t))
	}
	return out
}

func (c *cloning) table(t *Table) *Table {
	x := *t
	x.Objects, x.Flowtables, x.Sets, x.Chains = nil, nil, nil, nil
	for _, o := range t.Objects {
		n := *o
		if o.Counter != nil {
			n.Counter = c.stateful(o.Counter).(*Counter)
		}
		if o.Quota != nil {
			n.Quota = c.stateful(o.Quota).(*Quota)
		}
		c.objects[o] = &n
		x.Objects = append(x.Objects, &n)
	}
	for _, f := range t.Flowtables {
		n := *f
		n.Devices = slices.Clone(f.Devices)
		c.flows[f] = &n
		x.Flowtables = append(x.Flowtables, &n)
	}
	for _, s := range t.Sets {
		n := *s
		n.Elements = slices.Clone(s.Elements)
		if len(s.Stmts) > 0 {
			for i, e := range n.Elements {
				copied := *e
				copied.Stmts = nil
				for _, st := range e.Stmts {
					copied.Stmts = append(copied.Stmts, c.stateful(st))
				}
				n.Elements[i] = &copied
			}
		}
		c.sets[s] = &n
		x.Sets = append(x.Sets, &n)
	}
	for _, ch := range t.Chains {
		n := *ch
		if ch.Base != nil {
			base := *ch.Base
			if base.Count != nil {
				base.Count = c.stateful(base.Count).(*Counter)
			}
			n.Base = &base
		}
		n.Rules = make([]*Rule, len(ch.Rules))
		for i, r := range ch.Rules {
			n.Rules[i] = c.rule(r)
		}
		x.Chains = append(x.Chains, &n)
	}
	return &x
}

// stateful copies a statement that keeps state, with the values it has now.
func (c *cloning) stateful(st Stmt) Stmt {
	switch st := st.(type) {
	case *Counter:
		x := *st
		if c.state.Counters != nil {
			x.Packets, x.Bytes = c.state.Counters(st)
		}
		return &x
	case *Quota:
		x := *st
		if c.state.Quotas != nil {
			x.Used = c.state.Quotas(st)
		}
		return &x
	case *Last:
		x := *st
		if c.state.Lasts != nil {
			x = c.state.Lasts(st)
		}
		return &x
	}
	return copyStmt(st)
}

func (c *cloning) rule(r *Rule) *Rule {
	x := *r
	x.Stmts = make([]Stmt, len(r.Stmts))
	for i, st := range r.Stmts {
		x.Stmts[i] = c.stmt(st)
	}
	return &x
}

func (c *cloning) set(s *Set) *Set {
	if n := c.sets[s]; n != nil {
		return n
	}
	return s
}

// stmt copies a statement that names something, keeps state or jumps.
func (c *cloning) stmt(st Stmt) Stmt {
	switch st := st.(type) {
	case *Counter, *Limit, *Quota, *ConnLimit, *Last:
		return c.stateful(st)
	case *Verdict:
		x := *st
		return &x
	case *Match:
		x := *st
		x.Left = c.expr(st.Left)
		if ref, ok := st.Right.(*SetRef); ok {
			x.Right = &SetRef{Set: c.set(ref.Set)}
		}
		return &x
	case *VMap:
		x := *st
		x.Left, x.Set = c.expr(st.Left), c.set(st.Set)
		return &x
	case *ObjectRef:
		x := *st
		x.Key, x.Object = c.expr(st.Key), c.objects[st.Object]
		if st.Set != nil {
			x.Set = c.set(st.Set)
		}
		return &x
	case *Assign:
		x := *st
		x.Value = c.expr(st.Value)
		return &x
	case *NAT:
		x := *st
		x.Addr, x.Port = c.expr(st.Addr), c.expr(st.Port)
		return &x
	case *TProxy:
		x := *st
		x.Addr, x.Port = c.expr(st.Addr), c.expr(st.Port)
		return &x
	case *Dup:
		x := *st
		x.Addr, x.Device = c.expr(st.Addr), c.expr(st.Device)
		return &x
	case *Forward:
		x := *st
		x.Addr, x.Device = c.expr(st.Addr), c.expr(st.Device)
		return &x
	case *Queue:
		x := *st
		x.Queue = c.expr(st.Queue)
		return &x
	case *FlowOffload:
		x := *st
		x.Table = c.flows[st.Table]
		return &x
	case *SetUpdate:
		x := *st
		x.Set, x.Key, x.Data = c.set(st.Set), c.expr(st.Key), c.expr(st.Data)
		return &x
	}
	return st
}

// expr copies an expression that looks something up.
func (c *cloning) expr(e Expr) Expr {
	named := false
	exprSets(e, func(s *Set) { named = named || c.sets[s] != nil })
	if !named {
		return e
	}
	switch e := e.(type) {
	case *MapLookup:
		return &MapLookup{Key: c.expr(e.Key), Set: c.set(e.Set)}
	case *Concat:
		x := &Concat{}
		for _, p := range e.Es {
			x.Es = append(x.Es, c.expr(p))
		}
		return x
	case *Masked:
		return &Masked{E: c.expr(e.E), Mask: e.Mask}
	case *Binop:
		return &Binop{Op: e.Op, L: c.expr(e.L), R: c.expr(e.R)}
	case *Hash:
		x := *e
		x.E = c.expr(e.E)
		return &x
	}
	return e
}

// rename gives a chain another name wherever verdicts name it. Elements of maps
// are copied: others may read them.
func (t *Table) rename(ch *Chain, name string) {
	old := ch.Name
	ch.Name = name
	verdict := func(v *Verdict) *Verdict {
		if v == nil || v.Chain != old {
			return v
		}
		x := *v
		x.Chain = name
		return &x
	}
	elements := func(s *Set) *Set {
		x := *s
		x.Elements = slices.Clone(s.Elements)
		for i, e := range x.Elements {
			if v := verdict(e.Verdict); v != e.Verdict {
				n := *e
				n.Verdict = v
				x.Elements[i] = &n
			}
		}
		return &x
	}
	for _, s := range t.Sets {
		if s.Verdicts {
			s.Elements = elements(s).Elements
		}
	}
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			for i, st := range r.Stmts {
				switch st := st.(type) {
				case *Verdict:
					r.Stmts[i] = verdict(st)
				case *VMap:
					if st.Set.Name == "" {
						n := *st
						n.Set = elements(st.Set)
						r.Stmts[i] = &n
					}
				}
			}
		}
	}
}
