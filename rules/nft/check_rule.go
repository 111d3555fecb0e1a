package nft

import "slices"

// ruleCheck is the state of checking one rule: what the matches so far say
// about the packet.
type ruleCheck struct {
	*checker
	table    *Table
	layers   layers
	effects  bool // a statement that does something was checked
	matching bool // the left side of a match is being checked
	typeof   bool

	implied []Stmt // matches to put before everything else
	inside  bool   // the rule stands in a chain that is written in a rule
	here    []Stmt // matches to put before the statement being checked
}

func (c *checker) rule(t *Table) *ruleCheck {
	return &ruleCheck{checker: c, table: t, layers: newLayers(t.Family)}
}

// addRule checks a rule and adds it to the chain, at a place among its rules.
func (c *checker) addRule(t *Table, ch *Chain, n *ruleNode, at int) {
	k := c.rule(t)
	k.inside = ch.Inner
	r := &Rule{Pos: n.pos, End: n.end, free: true}
	r.Comment, r.empty = textOf(n.comment)
	r.Stmts = make([]Stmt, 0, len(n.stmts))
	var final span // of the statement that ends the rule; Line 0: none so far
	for _, sn := range n.stmts {
		pos, end := sn.span()
		if final.pos.Line != 0 {
			c.errorf(pos, end, "Statement after terminal statement has no effect")
			c.also(final.pos, final.end)
			panic(bail{})
		}
		st := k.statement(sn)
		// What reject needs goes before everything else, as in nft.
		r.Stmts = slices.Insert(r.Stmts, 0, k.implied...)
		r.Stmts = append(r.Stmts, k.here...)
		k.implied, k.here = nil, nil
		free := standsAnywhere(st)
		if r.free = r.free && free; !free {
			c.ends[st] = span{pos, end}
		}
		r.Stmts = append(r.Stmts, st)
		k.effects = k.effects || hasEffect(st)
		switch x := sn.(type) {
		case *verdictNode:
			if x.verdict.Kind != VerdictContinue && x.verdict.Block == nil {
				final = span{pos, end}
			}
		case *natNode:
			final = span{x.word.pos, x.word.end}
		case *queueNode:
			final = span{pos, end}
		case *sendNode:
			if x.word.text == "fwd" {
				final = span{pos, end}
			}
		case *rejectNode:
			final = span{x.word.pos, x.word.end}
		}
	}
	// As in the kernel, the sets written in a rule take handles before it does.
	for _, st := range r.Stmts {
		stmtSets(st, func(s *Set) {
			if s.Name == "" {
				s.Handle = c.nextHandle(t)
			}
		})
	}
	if impliesTypes(r) {
		for _, it := range shownItems(t.Family, r) {
			if m, ok := it.stmt.(*Match); ok && m.icmpTypes {
				c.nextHandle(t) // of the set that nft writes into the rule
			}
		}
	}
	c.addInner(t, r, n)
	r.Handle = c.nextHandle(t)
	ch.Rules = slices.Insert(ch.Rules, at, r)
	verb := "add"
	if c.inserting {
		verb = "insert"
	}
	c.did(Change{Verb: verb, Table: t, Chain: ch, Rule: r})
}

// hasEffect says whether a statement leaves something behind: all but matches do,
// and of those the ones that count in the elements of a set, or count on.
func hasEffect(st Stmt) (yes bool) {
	var left Expr
	switch st := st.(type) {
	case *Match:
		left = st.Left
	case *VMap:
		left = st.Left
	default:
		return true
	}
	_, yes = left.(*Numgen)
	stmtSets(st, func(s *Set) { yes = yes || s.Name != "" })
	return yes
}

// impliesTypes says whether nft may add a match on two icmp types to a rule.
func impliesTypes(r *Rule) bool {
	found := false
	for _, st := range r.Stmts {
		if m, ok := st.(*Match); ok {
			if p, ok := m.Left.(*Payload); ok {
				found = found || len(p.Field.Types) == 2
			}
		}
	}
	return found
}

func (k *ruleCheck) statement(sn stmtNode) Stmt {
	switch n := sn.(type) {
	case *matchNode:
		return k.match(n)
	case *vmapNode:
		return k.vmap(n)
	case *verdictNode:
		if n.verdict.Block != nil {
			return k.inner(n)
		}
		if n.verdict.Chain != "" {
			k.checkTarget(k.table, n.verdict, &raw{pos: n.chainPos, end: n.chainEnd})
		}
		v := *n.verdict
		return &v
	case *plainNode:
		return k.plain(n)
	case *objectNode:
		return k.objectUse(n)
	case *setNode:
		return k.setUpdate(n)
	case *flowNode:
		return k.flow(n)
	case *tproxyNode:
		return k.tproxy(n)
	case *sendNode:
		return k.send(n)
	case *queueNode:
		return k.queue(n)
	case *resetNode:
		return k.reset(n)
	case *natNode:
		return k.nat(n)
	case *rejectNode:
		return k.reject(n)
	case *assignNode:
		return k.assign(n)
	}
	return nil
}

// keyExprs resolves the parts of a left side that may be a concatenation.
func (k *ruleCheck) keyExprs(r *raw) ([]Expr, []*Type) {
	parts := []*raw{r}
	if r.kind == rawConcat {
		parts = r.kids
	}
	var es []Expr
	var ts []*Type
	words := 0
	for _, p := range parts {
		e := k.left(p)
		if c, ok := e.(*CT); ok && !p.ctFamily && (c.Key == CTSaddr || c.Key == CTDaddr) && !k.typeof {
			k.fail(p, "specify either ip or ip6 for address matching")
		}
		if t := e.Type(); len(parts) > 1 && (t == TypeString || t == TypeBitmask || isFibName(e)) {
			k.fail(p, "can not use variable sized data types (%s) in concat expressions", t.Name)
		}
		es, ts = append(es, e), append(ts, e.Type())
		words += (e.Bits() + 31) / 32
	}
	if words > 16 {
		k.fail(r, "Concatenation size exceeds 512 bits")
	}
	return es, ts
}

// isFibName tells whether an expression is the name of an interface from a route
// lookup, which is a string of any length.
func isFibName(e Expr) bool {
	f, ok := e.(*Fib)
	return ok && f.Result == FibOifName
}

// vmap checks a verdict map lookup.
func (k *ruleCheck) vmap(n *vmapNode) Stmt {
	es, ts := k.keyExprs(n.left)
	st := &VMap{Pos: n.pos, Left: es[0]}
	if len(es) > 1 {
		st.Left = &Concat{Es: es}
	}
	if n.set.kind == rawRef {
		s := k.findSet(k.table, n.set.text, n.set)
		if !s.Map {
			k.fail(n.set, "Expression is not a map")
		}
		if !s.Verdicts {
			k.fail(n.set, "not supported: maps of data")
		}
		if !sameTypes(s.Key, ts) {
			k.errorf(n.set.pos, n.set.end, "datatype mismatch, map expects %s, mapping expression has type %s", describeKey(s.Key), describeKey(ts))
			k.also(n.left.pos, n.left.end)
			panic(bail{})
		}
		st.Set = s
		return st
	}
	st.Set = k.anonymous(n.set, es, ts, true)
	return st
}

func describeKey(ts []*Type) string {
	if len(ts) == 1 {
		return ts[0].Desc
	}
	return "concatenation of (" + describeTypes(ts) + ")"
}

// anonymous makes the set of a literal.
func (k *ruleCheck) anonymous(r *raw, es []Expr, ts []*Type, vmap bool) *Set {
	return k.literal(r, &Set{Pos: r.pos, Key: ts, KeyExprs: es, Map: vmap, Verdicts: vmap, Flags: SetConstant})
}

// literal fills an anonymous set.
func (k *ruleCheck) literal(r *raw, s *Set) *Set {
	els := k.elements(s, r, s.keyBits(), nil)
	if len(els) == 0 {
		k.fail(r, "Set is empty")
	}
	for _, e := range els {
		if e.writtenInterval() {
			s.Flags |= SetInterval
		}
		if e.Verdict != nil && e.Verdict.Chain != "" {
			k.checkTarget(k.table, e.Verdict, keyOf(e.at))
		}
		if s.HoldsObjects && k.table.object(s.ObjectKind, e.Object) == nil {
			k.fail(keyOf(e.at), "Could not process rule: %s", noEntry)
		}
	}
	k.settle(s, els)
	return s
}
