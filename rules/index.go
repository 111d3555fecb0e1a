package rules

import (
	"math"
	"sort"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// index numbers everything in a tree, in the order of the text: rule ids,
// counters, logs, sets, NAT statements, chains and where each chain's heads
// start. Equal text gives equal numbers, which is what lets a master image from
// the cache serve a newly parsed tree.
type index struct {
	world
	ids       uint32 // of rules and policies: the last one
	chains    []*chainRef
	counters  []counterRef
	objects   map[*nft.Counter]string // names of those that are objects
	exts      []Extension             // by opExtension's arg
	logs      []LogSpec
	sets      []*nft.Set
	setOf     map[*nft.Set]setUse
	nats      []natRef
	slots     map[nft.Stmt]uint32 // number of a state, and of the Counter of an object or policy
	states    []stateRef
	policies  []flowtable.Timeouts
	policyOf  map[*nft.Object]uint32
	dyns      []dynSpec
	dynOf     map[*nft.Set]uint32
	exprSlots map[nft.Expr]uint32 // number of a numgen's state
	heads     int
	asks      uint64     // flags of an image: what its rules ask for
	setsProto bool       // some rule writes the protocol of an IP header
	named     []*nft.Set // sets of the statement in work
	setBlocks []*block   // of sets
	old       *remains   // while it is made: what there is of an earlier one
}

type chainRef struct {
	table      *nft.Table
	chain      *nft.Chain
	policy     uint32 // id of the policy; 0: no base chain
	policyText string
	first      uint32 // id of the first rule
	entry      uint32 // its first head
	number     int
	names      map[string]*chainRef // chains of the table
	calls      []call
	rules      []*rule
	traits     []trait  // of the rules; nil as long as there is no block
	fresh      int      // rules that no ruleset before had
	owns       ordinals // numbers of the first of everything its rules have
	block      *block
}

// call is where a verdict goes.
type call struct {
	to      *chainRef
	verdict *nft.Verdict
}

type counterRef struct {
	rule uint32 // 0: it is an object
	stmt *nft.Counter
}

type natRef struct {
	stmt  *nft.NAT
	table nft.Family
}

type setUse struct {
	number uint32
	names  map[string]*chainRef // of the table, for verdicts
	table  *nft.Table
}

// newIndex walks the tree, but for the rules that are in old too. Errors: what
// the engine cannot run in this tree.
func newIndex(tree *nft.Ruleset, w world, old *remains) (*index, error) {
	ix := &index{world: w, old: old, setOf: make(map[*nft.Set]setUse, old.sets()), slots: map[nft.Stmt]uint32{}, objects: map[*nft.Counter]string{}, exprSlots: map[nft.Expr]uint32{}, policyOf: map[*nft.Object]uint32{}}
	if old != nil {
		ix.counters = make([]counterRef, 0, len(old.ix.counters)+len(old.ix.counters)/64+16)
	}
	for _, t := range tree.Tables {
		if t.Family == nft.FamilyARP {
			return nil, errorf(t.Pos, "tables of family arp are not supported: the box's own stack answers ARP")
		}
		names := map[string]*chainRef{}
		first := len(ix.chains)
		for _, o := range t.Objects {
			if err := ix.object(t, o); err != nil {
				return nil, err
			}
		}
		for _, c := range t.Chains {
			ref := &chainRef{table: t, chain: c, entry: uint32(ix.heads), number: len(ix.chains), names: names}
			if names[c.Name] != nil {
				return nil, errorf(c.Pos, "chain %s exists already", c.Name)
			}
			names[c.Name] = ref
			ix.chains = append(ix.chains, ref)
			ix.heads += len(c.Rules) + 1
			if b := c.Base; b != nil {
				if b.Offload {
					return nil, errorf(c.Pos, "chain %s: offload to hardware is not supported", c.Name)
				}
				text := "policy accept"
				if b.Policy == nft.VerdictDrop {
					text = "policy drop"
				} else if b.Policy != nft.VerdictAccept {
					return nil, errorf(c.Pos, "policy of chain %s is neither accept nor drop", c.Name)
				}
				if b.Count != nil {
					ix.slots[b.Count] = uint32(len(ix.counters))
					ix.counters = append(ix.counters, counterRef{rule: ix.ids + 1, stmt: b.Count})
				}
				ix.ids++
				ref.policy, ref.policyText = ix.ids, text
			}
			ref.first = ix.ids + 1
			ix.ids += uint32(len(c.Rules))
			ref.rules = old.rules(ref, &w)
		}
		for _, ref := range ix.chains[first:] {
			if err := ix.number(ref, old); err != nil {
				return nil, err
			}
		}
	}
	if ix.heads > math.MaxInt32 {
		return nil, errorf(nft.Pos{}, "too many rules")
	}
	for _, t := range tree.Tables { // behind all that has a number in some rule
		for _, s := range t.Sets {
			if n := s.Elements.Len(); !stateful(s) || n > 0 && s.Elements.At(n-1).Any && !s.Given() {
				continue
			}
			if err := ix.dynamic(t, s, nil); err != nil { // time passes, and what packets left stays, even if no rule asks for the set any more
				return nil, err
			}
		}
	}
	ix.old = nil
	return ix, ix.checkCalls()
}

// refuseSet refuses by name what a set of the image cannot do.
func refuseSet(s *nft.Set) error {
	refuse := func(what string) error { return errorf(s.Pos, "set %s: %s are not supported", s.Name, what) }
	switch {
	case s.HoldsObjects && s.ObjectKind == nft.ObjSecmark:
		return refuse("maps to secmark objects")
	}
	return nil
}

// info returns what an id stands for, but for a rule's text; nil: there is no such id.
func (ix *index) info(id uint32) *RuleInfo {
	if id == 0 || id > ix.ids {
		return nil
	}
	at := sort.Search(len(ix.chains), func(i int) bool { return ix.chains[i].first > id })
	if at < len(ix.chains) && ix.chains[at].policy == id {
		ref := ix.chains[at]
		return &RuleInfo{ID: id, Pos: ref.chain.Pos, Family: ref.table.Family, Table: ref.table.Name, Chain: ref.chain.Name, Text: ref.policyText, Policy: true}
	}
	ref := ix.chains[at-1]
	r := ref.chain.Rules[id-ref.first]
	return &RuleInfo{ID: id, Pos: r.Pos, Family: ref.table.Family, Table: ref.table.Name, Chain: ref.chain.Name, Rule: r}
}

// number gives the statements of a chain their numbers and notes its calls.
func (ix *index) number(ref *chainRef, old *remains) error {
	same := map[string]int{}
	ref.owns = ix.next()
	before, was := old.before(ref)
	for i := 0; i < len(ref.rules); i++ {
		if n := before.stretch(ref.rules, was, i); n > 0 {
			if err := ix.takeAll(ref, i, n, old.ix, before, int(was[i])); err != nil {
				return err
			}
			i += n - 1
			continue
		}
		r, id := ref.rules[i], ref.first+uint32(i)
		if r.known {
			if err := ix.take(ref, id, &r.has); err != nil {
				return err
			}
			continue
		}
		if err := ix.statements(ref, id, r, same); err != nil {
			return err
		}
	}
	return nil
}

// statements gives the statements of a rule their numbers, and notes in the rule
// what it has, for take.
func (ix *index) statements(ref *chainRef, id uint32, r *rule, same map[string]int) error {
	first, calls, track, proto := ix.next(), len(ref.calls), ix.asks, ix.setsProto
	ix.named, ix.asks, ix.setsProto, r.known = ix.named[:0], 0, false, true
	for _, st := range r.src.Stmts {
		ix.remember(ref, r, st, same)
		if err := ix.exprs(ref, r, st, same); err != nil {
			return err
		}
		switch st := st.(type) {
		case *nft.Assign:
			ix.setsProto = ix.setsProto || writesProto(st.Left)
		case *nft.Counter:
			ix.counters = append(ix.counters, counterRef{rule: id, stmt: st})
		case *nft.Log:
			spec := LogSpec{Prefix: st.Prefix, Level: st.Level, Group: st.Group, Rule: id}
			if spec.Level == "" {
				spec.Level = "warn"
			}
			ix.logs = append(ix.logs, spec)
		case *nft.NAT:
			f := ref.table.Family // a chain of type nat alone does not
			if st.Family == nft.FamilyIP || st.Family == nft.FamilyIP6 {
				f = st.Family
			}
			ix.asks |= trackFlags(f)
			ix.nats = append(ix.nats, natRef{st, ref.table.Family})
		case *nft.Match:
			if s, ok := st.Right.(*nft.SetRef); ok {
				if s.Set == nil {
					return errorf(st.Pos, "set is not resolved")
				}
				if err := refuseSet(s.Set); err != nil {
					return err
				}
				if err := ix.use(s.Set, ref); err != nil {
					return err
				}
			}
		case *nft.VMap:
			r.known = false // its elements' calls are not noted
			if st.Set == nil {
				return errorf(st.Pos, "map is not resolved")
			}
			if err := refuseSet(st.Set); err != nil {
				return err
			}
			if err := ix.use(st.Set, ref); err != nil {
				return err
			}
			for el := range st.Set.Elements.All() {
				if err := ref.call(el.Verdict); err != nil {
					return err
				}
			}
		case *nft.SetUpdate:
			r.again = true // what its elements have is numbered in the order of rules
			if noded(st.Set) {
				return errorf(st.Pos, "rules cannot change such a %s: set %s", map[bool]string{true: "map", false: "set"}[st.Set.Map], st.Set.Name)
			}
			if err := ix.dynamic(ref.table, st.Set, st.Stmts); err != nil {
				return err
			}
			for _, own := range st.Stmts {
				if _, counts := own.(*nft.ConnLimit); counts {
					ix.asks |= trackFlags(ref.table.Family)
				}
			}
		case *nft.Extension:
			impl, ok := st.Impl.(Extension)
			if !ok {
				return refusal(st)
			}
			ix.exts = append(ix.exts, impl)
			if _, ok := impl.(Stateless); !ok {
				ix.asks |= trackFlags(ref.table.Family)
			}
			if _, ok := impl.(PerFlow); !ok { // packets of one flow differ in their priority
				ix.asks |= flagClass
			}
		case *nft.Verdict:
			if err := ref.call(st); err != nil {
				return err
			}
		case *nft.ObjectRef:
			if st.Set != nil {
				if err := refuseSet(st.Set); err != nil {
					return err
				}
				if err := ix.use(st.Set, ref); err != nil {
					return err
				}
			}
			if st.Kind >= nft.ObjHelper && st.Kind <= nft.ObjSynproxy {
				ix.asks |= trackFlags(ref.table.Family)
			}
		case *nft.ConnLimit, *nft.Synproxy:
			ix.asks |= trackFlags(ref.table.Family)
		}
	}
	r.known = r.known && !r.remembers
	r.note(ix, first, ref.calls[calls:])
	ix.asks, ix.setsProto = ix.asks|track, ix.setsProto || proto
	return nil
}

func (ix *index) use(s *nft.Set, ref *chainRef) error {
	ix.named = append(ix.named, s)
	if changes(s) {
		return ix.dynamic(ref.table, s, nil)
	}
	if noded(s) {
		if err := ix.dynamic(ref.table, s, nil); err != nil {
			return err
		}
	}
	if _, ok := ix.setOf[s]; !ok {
		ix.setOf[s] = setUse{uint32(len(ix.sets)), ref.names, ref.table}
		ix.sets = append(ix.sets, s)
	}
	return nil
}

// call notes where a verdict goes.
func (ref *chainRef) call(v *nft.Verdict) error {
	if v == nil || (v.Kind != nft.VerdictJump && v.Kind != nft.VerdictGoto) {
		return nil
	}
	to := ref.names[v.Chain]
	if to == nil {
		return errorf(v.Pos, "chain %s does not exist", v.Chain)
	}
	if to.chain.Base != nil {
		return errorf(v.Pos, "chain %s is a base chain and cannot be called", v.Chain)
	}
	ref.calls = append(ref.calls, call{to, v})
	return nil
}

// checkCalls refuses loops and base chains from which calls nest deeper than the
// kernel allows: with the base chain itself stackDepth chains. Goto counts like
// jump, as in nft_chain_validate, and as there chains that no base chain reaches
// may do as they like: no packet enters them.
func (ix *index) checkCalls() error {
	const open = -1
	depth := make([]int, len(ix.chains)) // chains on the longest way down, itself included; 0: not known
	var visit func(ref *chainRef) (int, error)
	visit = func(ref *chainRef) (int, error) {
		if d := depth[ref.number]; d > 0 {
			return d, nil
		}
		depth[ref.number] = open
		deepest := 1
		for _, c := range ref.calls {
			if depth[c.to.number] == open {
				return 0, errorf(c.verdict.Pos, "chain %s calls itself: loop", c.to.chain.Name)
			}
			d, err := visit(c.to)
			if err != nil {
				return 0, err
			}
			if ref.policy != 0 && d >= stackDepth {
				return 0, errorf(c.verdict.Pos, "more than %d nested calls", stackDepth-1)
			}
			deepest = max(deepest, d+1)
		}
		depth[ref.number] = deepest
		return deepest, nil
	}
	for _, ref := range ix.chains {
		if ref.chain.Base == nil {
			continue
		}
		if _, err := visit(ref); err != nil {
			return err
		}
	}
	return nil
}

// trackFlags are the families of which a rule in a table of that family makes
// conntrack see the packets (nf_ct_netns_get).
func trackFlags(f nft.Family) uint64 {
	switch f {
	case nft.FamilyIP:
		return flagTrack4
	case nft.FamilyIP6:
		return flagTrack6
	}
	if below(f) {
		return 0
	}
	return flagTrack4 | flagTrack6
}

// exprs numbers what the expressions of a statement need.
func (ix *index) exprs(ref *chainRef, r *rule, st nft.Stmt, same map[string]int) error {
	failed := withoutFlows(ref.table.Family, st)
	nft.EachExpr(st, func(e nft.Expr) {
		switch e := e.(type) {
		case *nft.CT:
			if ix.asks |= trackFlags(ref.table.Family); below(ref.table.Family) {
				failed = noFlows(st, ref.table.Family, nft.ExprText(e))
			}
		case *nft.Meta:
			if set, ok := st.(*nft.Assign); e.Key == nft.MetaPriority && !(ok && set.Left == e) {
				ix.asks |= flagClass
			}
		case *nft.Numgen:
			if !e.Random {
				r.remembers = true
				ix.exprSlots[e] = uint32(len(ix.states))
				ix.states = append(ix.states, stateRef{identity: identity(ref, r, same), stmt: st})
			}
		case *nft.MapLookup:
			err := errorf(st.Position(), "map is not resolved")
			if e.Set != nil {
				err = refuseSet(e.Set)
			}
			if err != nil {
				failed = err
				return
			}
			if err := ix.use(e.Set, ref); err != nil {
				failed = err
			}
		}
	})
	return failed
}
