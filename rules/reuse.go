package rules

import (
	"crypto/sha256"
	"slices"

	"github.com/sluice-net/sluice/rules/nft"
)

// Much of a ruleset that was compiled before holds for the next one: rules, sets
// and whole chains that are the very same in both trees, by pointer, as nft.Run
// leaves what a text does not touch. What a rule comes to does not depend on
// where it stands: the numbers of what it names, which do, are put in when its
// chain gets its place in an image. So a ruleset is word by word what it would be
// without an earlier one, but for the random seeds of its hash tables and
// classifiers, which find the same.

// world is what a rule's steps depend on besides the rule itself.
type world struct {
	ports   *ports
	helpers map[*nft.Object]uint32 // what opHelper takes
	minRun  int                    // rules that get a classifier, at least
	hashed  bool                   // rules have their hash, for the cache
}

// same says whether rules of one world hold in the other. Objects are the same or
// their rules are not.
func (w *world) same(o *world) bool {
	if w.minRun != o.minRun || w.hashed != o.hashed || !slices.Equal(w.ports.rows, o.ports.rows) {
		return false
	}
	for object, arg := range w.helpers {
		if before, ok := o.helpers[object]; ok && before != arg {
			return false
		}
	}
	return true
}

// remains is what there is of an earlier ruleset; nil: nothing.
type remains struct {
	ix     *index
	chains map[chainName]*chainRef
	// All chains begin where they did, so verdicts that name them hold.
	inPlace bool
	was     map[*chainRef][]int32 // of a new chain: where its rules stood in the old one of that name; -1: nowhere
}

// sets returns how many sets the earlier ruleset has.
func (old *remains) sets() int {
	if old == nil {
		return 0
	}
	return len(old.ix.sets)
}

// dynNamed returns what was said of a set of this name whose elements remember the same.
func (old *remains) dynNamed(name string, s *nft.Set) *dynSpec {
	if old == nil {
		return nil
	}
	for i := range old.ix.dyns {
		if d := &old.ix.dyns[i]; d.name == name && noded(d.set) == noded(s) {
			return d
		}
	}
	return nil
}

type chainName struct {
	family       nft.Family
	table, chain string
}

func (ref *chainRef) name() chainName {
	return chainName{ref.table.Family, ref.table.Name, ref.chain.Name}
}

// newRemains returns what of an earlier ruleset, which may be nil, holds in a world.
func newRemains(rs *Ruleset, w *world) *remains {
	if rs == nil || !w.same(&rs.ix.world) {
		return nil
	}
	old := &remains{ix: rs.ix, chains: map[chainName]*chainRef{}, was: map[*chainRef][]int32{}}
	for _, ref := range rs.ix.chains {
		old.chains[ref.name()] = ref
	}
	return old
}

// rules returns the rules of a chain, those of the old one where they still hold.
func (old *remains) rules(ref *chainRef, w *world) []*rule {
	out := make([]*rule, len(ref.chain.Rules))
	var before *chainRef
	if old != nil {
		before = old.chains[ref.name()]
	}
	if before != nil && (before.chain.Base == nil) == (ref.chain.Base == nil) && (ref.chain.Base == nil || before.chain.Base.Type == ref.chain.Base.Type) {
		was := places(before.chain.Rules, ref.chain.Rules)
		old.was[ref] = was
		for i, at := range was {
			if at < 0 {
				continue
			}
			if before.traits != nil && before.traits[at]&traitKept == traitKept {
				out[i] = before.rules[at]
				continue
			}
			switch r := before.rules[at]; {
			case !r.ready || r.again:
			case r.known:
				out[i] = r
			default: // its statements are walked again, and it may be others' too
				again := *r
				out[i] = &again
			}
		}
	}
	h := canon{helpers: w.helpers}
	for i, r := range out {
		if r == nil {
			out[i] = &rule{src: ref.chain.Rules[i]}
			ref.fresh++
			if w.hashed {
				h.b = h.b[:0]
				h.rule(out[i].src)
				out[i].hash = sha256.Sum256(h.b)
			}
		}
	}
	return out
}

// before returns the chain that one was before, and where its rules stood; nil if
// nothing of it holds.
func (old *remains) before(ref *chainRef) (*chainRef, []int32) {
	if old == nil || old.was[ref] == nil {
		return nil, nil
	}
	return old.chains[ref.name()], old.was[ref]
}

// chain gives a chain the block that it had, if there was one that still holds.
func (old *remains) chain(ref *chainRef) bool {
	before, _ := old.before(ref)
	if before == nil || before.block == nil || !slices.Equal(before.rules, ref.rules) {
		return false
	}
	ref.block, ref.traits = before.block, before.traits
	return true
}

// trait is what is asked of all rules of a chain again and again, a byte for each
// beside each other: rules themselves are far apart.
type trait uint8

const (
	traitKept   trait = 1 << iota // all that it brings holds in the next ruleset too
	traitMore                     // it brings more than counters
	traitTrack4                   // conntrack sees IPv4 because of it
	traitTrack6                   // or IPv6
	traitClass                    // it asks for meta priority
	traitProto                    // it writes the protocol of an IP header
	traitWeak                     // a classifier can say nothing about it
)

// trait returns those of a rule that is ready.
func (r *rule) trait() (t trait) {
	set := func(bit trait, on bool) {
		if on {
			t |= bit
		}
	}
	set(traitKept, r.known && !r.again)
	set(traitMore, r.has.more)
	set(traitTrack4, r.has.asks&flagTrack4 != 0)
	set(traitTrack6, r.has.asks&flagTrack6 != 0)
	set(traitClass, r.has.asks&flagClass != 0)
	set(traitProto, r.has.proto)
	set(traitWeak, r.plain.weak)
	return t
}

// traitsOf returns the traits of a chain's rules, which are ready.
func traitsOf(rules []*rule, before *chainRef, was []int32) []trait {
	out := make([]trait, len(rules))
	for i := 0; i < len(rules); {
		if n := before.stretch(rules, was, i); n > 0 {
			copy(out[i:i+n], before.traits[was[i]:])
			i += n
			continue
		}
		out[i] = rules[i].trait()
		i++
	}
	return out
}

// stretch returns how many rules of a chain from number i on are the same, and as
// close together, as they were in a chain before, which may be nil: no rules.
func (before *chainRef) stretch(rules []*rule, was []int32, i int) int {
	if before == nil || before.block == nil || was[i] < 0 {
		return 0
	}
	n, at := 0, int(was[i])
	for i+n < len(rules) && was[i+n] == int32(at+n) && rules[i+n] == before.rules[at+n] {
		n++
	}
	return n
}

// set returns the block of a set, if there was one that still holds.
func (old *remains) set(s *nft.Set) *block {
	if old == nil || s.Verdicts && !old.inPlace || s.HoldsObjects || old.ix.setBlocks == nil {
		return nil // verdicts and objects have numbers, which change
	}
	use, ok := old.ix.setOf[s]
	if !ok {
		return nil
	}
	return old.ix.setBlocks[use.number]
}

// begin finds out whether the chains of a new index begin where the old ones did.
func (old *remains) begin(ix *index) {
	if old != nil {
		old.inPlace = slices.EqualFunc(ix.chains, old.ix.chains, func(a, b *chainRef) bool {
			return a.entry == b.entry && a.name() == b.name()
		})
	}
}

// renewPlain finds out anew what a classifier can know of rules that were made
// ready for a ruleset in which it was something else.
func (ix *index) renewPlain() {
	for _, ref := range ix.chains {
		for i, r := range ref.rules {
			if r.ready {
				again := *r
				again.plain = again.plainOf(!ix.setsProto)
				ref.rules[i] = &again
			}
		}
	}
}

// places returns where each of list stands in old, -1 of what does not; only as
// far as both have the same order.
func places[T comparable](old, list []T) []int32 {
	out := make([]int32, len(list))
	front := 0
	for front < min(len(old), len(list)) && old[front] == list[front] {
		out[front] = int32(front)
		front++
	}
	oldEnd, end := len(old), len(list)
	for oldEnd > front && end > front && old[oldEnd-1] == list[end-1] {
		oldEnd--
		end--
		out[end] = int32(oldEnd)
	}
	i, k := front, front
	for i < end && k < oldEnd {
		if old[k] != list[i] {
			gone, fresh := meeting(old[k:oldEnd], list[i:end])
			if gone+fresh == 0 {
				break // much is different
			}
			for ; fresh > 0; fresh-- {
				out[i] = -1
				i++
			}
			k += gone
			continue
		}
		out[i] = int32(k)
		i, k = i+1, k+1
	}
	var at map[T]int32
	if i < end && k < oldEnd {
		at = make(map[T]int32, oldEnd-k)
		for i, x := range old[k:oldEnd] {
			at[x] = int32(k + i)
		}
	}
	last := int32(k) - 1
	for i := i; i < end; i++ {
		out[i] = -1
		if p, ok := at[list[i]]; ok && p > last {
			out[i], last = p, p
		}
	}
	return out
}

// meeting returns how many to skip of two lists, which begin otherwise, to come to what
// both have; 0 and 0: it is not near.
func meeting[T comparable](old, list []T) (gone, fresh int) {
	const near = 32 // a map costs more than so many steps
	for n := 1; n <= near; n++ {
		switch {
		case n < len(old) && old[n] == list[0]:
			return n, 0
		case n < len(list) && list[n] == old[0]:
			return 0, n
		case n < len(old) && n < len(list) && old[n] == list[n]:
			return n, n
		}
	}
	return 0, 0
}

// ordinals count what rules have, or are the numbers of the first ones.
type ordinals struct{ counters, logs, nats, exts uint32 }

// next returns the numbers of what comes next.
func (ix *index) next() ordinals {
	return ordinals{uint32(len(ix.counters)), uint32(len(ix.logs)), uint32(len(ix.nats)), uint32(len(ix.exts))}
}

// plus returns ordinals that are sign times others larger, which may wrap.
func (n ordinals) plus(o ordinals, sign int32) ordinals {
	k := uint32(sign)
	return ordinals{n.counters + k*o.counters, n.logs + k*o.logs, n.nats + k*o.nats, n.exts + k*o.exts}
}

// has is what a rule brings into an index.
type has struct {
	n        ordinals
	asks     uint64
	proto    bool // it writes the protocol of an IP header
	more     bool // than counters
	counters []*nft.Counter
	logs     []LogSpec
	nats     []natRef
	exts     []Extension
	sets     []*nft.Set
	calls    []*nft.Verdict
}

// note keeps what a rule has brought into an index since first.
func (r *rule) note(ix *index, first ordinals, calls []call) {
	h := has{asks: ix.asks, proto: ix.setsProto, sets: slices.Clone(ix.named)}
	for _, c := range ix.counters[first.counters:] {
		h.counters = append(h.counters, c.stmt)
	}
	h.logs = slices.Clone(ix.logs[first.logs:])
	h.nats = slices.Clone(ix.nats[first.nats:])
	h.exts = slices.Clone(ix.exts[first.exts:])
	for _, c := range calls {
		h.calls = append(h.calls, c.verdict)
	}
	h.n = ordinals{uint32(len(h.counters)), uint32(len(h.logs)), uint32(len(h.nats)), uint32(len(h.exts))}
	h.more = len(h.logs)+len(h.nats)+len(h.exts)+len(h.sets)+len(h.calls) > 0
	r.has = h
}

// takeAll brings into an index what n rules of a chain from number i on have, which
// were in a row from number at on in a chain of an old index too.
func (ix *index) takeAll(ref *chainRef, i, n int, old *index, before *chainRef, at int) error {
	first, last := before.block.mark(at).n, before.block.mark(at+n).n
	from := len(ix.counters)
	ix.counters = append(ix.counters, old.counters[before.owns.counters+first.counters:before.owns.counters+last.counters]...)
	moved := ref.first + uint32(i) - before.first - uint32(at)
	for k := range ix.counters[from:] {
		ix.counters[from+k].rule += moved
	}
	var all trait
	for k, t := range before.traits[at : at+n] {
		if all |= t; t&traitMore != 0 {
			if err := ix.takeMore(ref, ref.first+uint32(i+k), &ref.rules[i+k].has); err != nil {
				return err
			}
		}
	}
	if all&traitTrack4 != 0 {
		ix.asks |= flagTrack4
	}
	if all&traitTrack6 != 0 {
		ix.asks |= flagTrack6
	}
	if all&traitClass != 0 {
		ix.asks |= flagClass
	}
	ix.setsProto = ix.setsProto || all&traitProto != 0
	return nil
}

// take brings into an index what a rule has.
func (ix *index) take(ref *chainRef, id uint32, h *has) error {
	ix.asks |= h.asks
	ix.setsProto = ix.setsProto || h.proto
	for _, c := range h.counters {
		ix.counters = append(ix.counters, counterRef{rule: id, stmt: c})
	}
	return ix.takeMore(ref, id, h)
}

// takeMore brings into an index what a rule has but counters.
func (ix *index) takeMore(ref *chainRef, id uint32, h *has) error {
	for _, l := range h.logs {
		l.Rule = id
		ix.logs = append(ix.logs, l)
	}
	ix.nats = append(ix.nats, h.nats...)
	ix.exts = append(ix.exts, h.exts...)
	for _, s := range h.sets {
		if err := ix.use(s, ref); err != nil {
			return err
		}
	}
	for _, v := range h.calls {
		if err := ref.call(v); err != nil {
			return err
		}
	}
	return nil
}
