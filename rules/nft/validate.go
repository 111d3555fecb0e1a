package nft

// maxJumps is how many jumps may be nested below a base chain; the kernel's
// stack has 16 places and the base chain takes one.
const maxJumps = 15

// validate checks what the kernel checks when it takes a rule set: loops,
// depth, and statements that need a hook or a chain type.
func (c *checker) validate() {
	for _, t := range c.rs.Tables {
		if !c.own.mine[t] {
			continue // it is as it was
		}
		v := &validation{checker: c, table: t, state: map[*Chain]int{}, depth: map[*Chain]int{}, named: map[Stmt]bool{}}
		for _, ch := range t.Chains {
			if ch.Base != nil { // what none reaches may loop, as in the kernel
				v.loops(ch)
			}
		}
		if v.looped {
			continue
		}
		for _, ch := range t.Chains {
			if ch.Base != nil {
				v.seen = map[*Chain]bool{}
				v.hook(ch, ch.Base)
			}
		}
	}
}

type validation struct {
	*checker
	table  *Table
	state  map[*Chain]int // 1 being walked, 2 done
	depth  map[*Chain]int // of the deepest chain below
	seen   map[*Chain]bool
	named  map[Stmt]bool // statements reported already
	looped bool
}

// targets calls f for each chain the rule may go to, and the statement that says so.
func (v *validation) targets(r *Rule, f func(ch *Chain, st Stmt)) {
	visit := func(x *Verdict, st Stmt) {
		if x.Chain == "" {
			return
		}
		ch := x.Block
		if ch == nil {
			ch = v.table.chain(x.Chain)
		}
		if ch != nil {
			f(ch, st)
		}
	}
	for _, st := range r.Stmts {
		switch st := st.(type) {
		case *Verdict:
			visit(st, st)
		case *VMap:
			setVerdicts(st.Set, func(x *Verdict) { visit(x, st) })
		}
	}
}

// loops finds chains that come back to themselves and jumps nested too deep.
// It returns the number of chains on the longest way down from ch.
func (v *validation) loops(ch *Chain) int {
	if v.state[ch] == 2 {
		return v.depth[ch]
	}
	v.state[ch] = 1
	deep := 0
	for _, r := range ch.Rules {
		if r.free {
			continue
		}
		v.targets(r, func(to *Chain, st Stmt) {
			if v.state[to] == 1 {
				at := v.at(st)
				v.errorf(at.pos, at.end, "Could not process rule: Too many links")
				v.looped = true
				return
			}
			d := v.loops(to) + 1
			if d > maxJumps && d > deep && !v.looped && ch.Base != nil {
				at := v.at(st)
				v.errorf(at.pos, at.end, "Could not process rule: Too many links")
			}
			deep = max(deep, d)
		})
	}
	v.state[ch] = 2
	v.depth[ch] = deep
	return deep
}

// hook checks the statements a base chain reaches.
func (v *validation) hook(ch *Chain, b *Base) {
	if v.seen[ch] {
		return
	}
	v.seen[ch] = true
	for _, r := range ch.Rules {
		if r.free {
			continue
		}
		for _, st := range r.Stmts {
			ok := true
			switch st := st.(type) {
			case *NAT:
				ok = b.Type == TypeNAT
				switch st.Kind {
				case NATSrc:
					ok = ok && (b.Hook == HookPostrouting || b.Hook == HookInput)
				case NATMasquerade:
					ok = ok && b.Hook == HookPostrouting
				default:
					ok = ok && (b.Hook == HookPrerouting || b.Hook == HookOutput)
				}
			case *TProxy:
				ok = b.Type == TypeFilter && b.Hook == HookPrerouting
			case *Synproxy:
				ok = b.Hook == HookInput || b.Hook == HookForward
			case *ObjectRef: // the same, of an object (nft_objref_validate)
				ok = st.Kind != ObjSynproxy || b.Hook == HookInput || b.Hook == HookForward
			case *Reject:
				ok = b.Hook != HookPostrouting && b.Hook != HookEgress
			}
			if b.Hook == HookEgress {
				ok = ok && atEgress(st)
			}
			switch f := v.table.Family; f {
			case FamilyIP, FamilyIP6, FamilyInet:
				ok = ok && stmtHooks(st)>>b.Hook&1 != 0
				ok = ok && (f != FamilyIP6 || !readsPrints(st))
			case FamilyARP:
				ok = ok && inARP(st)
			default:
				ok = ok && !readsAboveLink(st, f)
			}
			// One report is enough though several base chains reach it.
			if !ok && !v.named[st] {
				v.named[st] = true
				at := v.at(st)
				v.errorf(at.pos, at.end, "Could not process rule: Operation not supported")
			}
		}
		v.targets(r, func(to *Chain, _ Stmt) { v.hook(to, b) })
	}
}

// standsAnywhere says that validation has nothing to ask of a statement, wherever
// it stands. Few are others, and a rule is looked at with every change of its table.
func standsAnywhere(st Stmt) bool {
	switch st := st.(type) {
	case *NAT, *TProxy, *Synproxy, *Reject, *VMap:
		return false
	case *ObjectRef:
		if st.Kind == ObjSynproxy {
			return false
		}
	case *Verdict:
		if st.Chain != "" || st.Block != nil {
			return false
		}
	}
	routes := false // of which tables of arp and bridge know nothing
	EachExpr(st, func(e Expr) {
		_, is := e.(*RT)
		routes = routes || is
	})
	return !routes && stmtHooks(st) == everywhere
}

// InForce is what errors call the text of rules that were there before.
const InForce = "<ruleset in force>"

// at is a statement's place; of one that was there before the text, where it
// began in its own.
func (v *validation) at(st Stmt) span {
	if at, ok := v.ends[st]; ok {
		return at
	}
	pos := st.Position()
	pos.File = InForce
	return span{pos, pos}
}
