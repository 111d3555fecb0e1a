package rules

import (
	"math/bits"
	"sync/atomic"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/classify"
	"github.com/sluice-net/sluice/rules/nft"
)

// minRun is how many rules a run has at least. A lookup costs as much as the
// linear scan of about so many heads.
const minRun = 16

// Bits of a classifier's facts beyond those of the facts word.
const (
	factSport uint16 = 1 << 13 // there is a source port
	factDport uint16 = 1 << 14
)

// ruleRun is a stretch of rules of a chain that one classifier stands for: the walk
// comes to the head of one of them and goes to the next one that the classifier
// names. The rules' bodies ask what it left open.
type ruleRun struct {
	from, n int
	finder  *finder
}

// finder is the classifier of a run and what it was made of. It is immutable.
type finder struct {
	classifier
	rules []*nft.Rule // that its index was built of
	anew  *rebuild    // to take its place; nil: it has room for more rules
}

// classifier is what an image has of a finder. Edits leave the index alone until there
// is another one: what they change is put in when an image is laid down.
type classifier struct {
	index []uint64
	patch *classify.Patch // nil: the index is it
	word6 [2]uint8        // which 32 bits of IPv6 addresses it looks at
}

// lay writes the classifier to words and returns how many.
func (c *classifier) lay(words []uint64) int {
	words = words[:len(c.index)]
	if c.patch != nil {
		c.patch.Write(words)
	} else {
		copy(words, c.index)
	}
	return len(words)
}

// rebuild is a finder that is built while others of about the same rules, which
// are patched ones, are in force.
type rebuild struct{ done atomic.Pointer[finder] }

// plain is what a classifier can know of a rule.
type plain struct {
	box     classify.Box
	wide    [2]*[4][2]uint32 // bounds of the words of IPv6 addresses
	answers uint64           // bit i: the classifier asks step i
	weak    bool             // lets every packet through
}

// findRuns returns the runs of a chain's rules, without finders. Two rules side by
// side that a classifier can say nothing about end a run; one alone only costs a
// lookup.
func findRuns(rules []trait, minRun int) []ruleRun {
	if len(rules) < minRun {
		return nil
	}
	var runs []ruleRun
	start, last, strong := -1, -1, 0
	finish := func() {
		if strong >= minRun {
			runs = append(runs, ruleRun{from: start, n: last + 1 - start})
		}
		start, strong = -1, 0
	}
	for i, t := range rules {
		weak := t&traitWeak != 0
		if start >= 0 && (weak && last < i-1 || i-start == classify.MaxRules) {
			finish()
		}
		if !weak {
			if start < 0 {
				start = i
			}
			last = i
			strong++
		}
	}
	finish()
	return runs
}

// patched makes a finder of one of other rules, nil if there is too much that is new.
// It may start a job in a pool that builds one for later.
func (f *finder) patched(rules []*rule, src []*nft.Rule, pool Pool) *finder {
	if f.anew != nil {
		if built := f.anew.done.Load(); built != nil {
			f = built
		}
	}
	p, ok := classify.NewPatch(f.index, places(f.rules, src), func(i int) classify.Box { return rules[i].plain.boxOf(f.word6) })
	if !ok {
		return nil
	}
	out := &finder{classifier{f.index, p, f.word6}, f.rules, f.anew}
	if out.anew == nil && 2*p.Room() <= classify.MostRoom {
		anew := &rebuild{}
		if later(pool, func() {
			if built, err := newFinder(rules, src); err == nil {
				anew.done.Store(built)
			}
		}) {
			out.anew = anew
		}
	}
	return out
}

func newFinder(rules []*rule, src []*nft.Rule) (*finder, error) {
	f := &finder{rules: src}
	for d := range f.word6 {
		f.word6[d] = tellingWord(rules, d)
	}
	var err error
	f.index, err = classify.Build(boxesOf(rules, f.word6))
	return f, err
}

func boxesOf(rules []*rule, word6 [2]uint8) []classify.Box {
	boxes := make([]classify.Box, len(rules))
	for i, r := range rules {
		boxes[i] = r.plain.boxOf(word6)
	}
	return boxes
}

// boxOf returns the box of a finder that looks at these words of IPv6 addresses.
func (p *plain) boxOf(word6 [2]uint8) classify.Box {
	box := p.box
	for d, w := range p.wide {
		if w != nil {
			b := w[word6[d]]
			box.Lo[d], box.Hi[d] = b[0], b[1]
		}
	}
	return box
}

// tellingWord returns the word of IPv6 addresses that tells most rules apart.
func tellingWord(rules []*rule, d int) uint8 {
	best, most := 0, -1
	for j := range 4 {
		seen := map[[2]uint32]bool{}
		for i := range rules {
			if w := rules[i].plain.wide[d]; w != nil {
				seen[w[j]] = true
			}
		}
		if len(seen) > most {
			best, most = j, len(seen)
		}
	}
	return uint8(best)
}

// plainOf takes from a rule's leading steps what a classifier can ask. Tests of
// what may differ between packets of a flow are left to the body, for plans to
// take notice of.
func (r *rule) plainOf(fixedProto bool) plain {
	p := plain{box: classify.Any()}
	g := guard{}
	for i := range r.steps[:r.lead] {
		s := &r.steps[i]
		g = g.and(guard{s.need &^ factUnread, s.needMask &^ factUnread})
		if s.neg != 0 || i >= 64 {
			continue
		}
		asked := false
		switch s.op {
		case opTest:
			if extra, ok := s.fact(fixedProto); ok {
				g, asked = g.and(extra), true
			} else {
				asked = p.narrow(s)
			}
		case opWide:
			p.narrow6(s)
		}
		if asked {
			p.answers |= 1 << i
		}
	}
	p.box.Need |= g.need
	p.box.Mask |= g.mask
	p.weak = p.box.Lo == classify.Any().Lo && p.box.Hi == classify.Any().Hi && p.wide == [2]*[4][2]uint32{} && g.mask&needProto == 0
	return p
}

// isFamily says whether a step is for one family only, and which.
func (s *step) isFamily(f nft.Family) bool {
	return s.needMask&needFamily == needFamily && s.need&needFamily == uint16(f)<<factFamily
}

// fact returns the guard that a test of one bit pattern of the facts is. The
// protocol in an IPv4 header is one too, unless rules rewrite it.
func (s *step) fact(fixedProto bool) (guard, bool) {
	if s.span != 0 {
		return guard{}, false
	}
	switch {
	case s.needMask&factUnread != 0 && (s.mask != needProto || packet.Extension(uint8(s.lo))):
		return guard{}, false // where a packet's headers break off, see factUnread
	case s.src == srcFacts && s.mask&^(needProto|needFamily) == 0 && s.lo&^s.mask == 0:
		return guard{uint16(s.lo), uint16(s.mask)}, true
	case s.src == srcNetwork && s.end == 10 && s.isFamily(nft.FamilyIP) && s.mask == 0xff && s.lo <= 0xff && fixedProto:
		return protoGuard(uint8(s.lo)), true
	}
	return guard{}, false
}

// narrow takes a test of an IPv4 address or a port into the box and says whether
// the box now asks all that it asks.
func (p *plain) narrow(s *step) bool {
	d, all, fact := 0, uint64(1<<32-1), uint16(0)
	switch {
	case s.src == srcNetwork && s.end == 16 && s.isFamily(nft.FamilyIP):
		d = classify.Src
	case s.src == srcNetwork && s.end == 20 && s.isFamily(nft.FamilyIP):
		d = classify.Dst
	case s.src == srcTransport && s.end == 2:
		d, all, fact = classify.Sport, 0xffff, factSport
	case s.src == srcTransport && s.end == 4:
		d, all, fact = classify.Dport, 0xffff, factDport
	default:
		return false
	}
	free := all &^ s.mask
	if s.mask&^all != 0 || free&(free+1) != 0 {
		return false // not the first bits of the field
	}
	p.box.Need |= fact
	p.box.Mask |= fact
	hi, carry := bits.Add64(s.lo, s.span, 0)
	if carry != 0 || hi > all {
		hi = all
	}
	if s.lo > all {
		p.box.Lo[d], p.box.Hi[d] = 1, 0 // no packet
		return true
	}
	exact := (s.lo|hi)&free == 0 || free == 0
	p.box.Lo[d] = max(p.box.Lo[d], uint32(s.lo))
	p.box.Hi[d] = min(p.box.Hi[d], uint32(hi|free))
	return exact
}

// narrow6 notes the bounds of an IPv6 address. The body asks the whole address,
// for the classifier sees 32 bits of it.
func (p *plain) narrow6(s *step) {
	if s.src != srcNetwork || !s.isFamily(nft.FamilyIP6) || s.end != 24 && s.end != 40 {
		return
	}
	d := classify.Src
	if s.end == 40 {
		d = classify.Dst
	}
	half := func(i, j int) uint32 { return uint32(s.words[2*i+j/2] >> (32 * (1 - j%2))) }
	out, same := &[4][2]uint32{}, true
	for j := range out {
		mask, lo, hi := half(0, j), half(1, j), half(2, j)
		out[j] = [2]uint32{0, ^uint32(0)}
		if free := ^mask; same && free&(free+1) == 0 && lo <= hi|free {
			out[j] = [2]uint32{lo, hi | free}
		}
		same = same && lo == hi // else a later word may be anything
	}
	p.wide[d] = out
}

// writesProto says whether setting e writes the protocol of an IPv4 header.
func writesProto(e nft.Expr) bool {
	const at = 72 // bits
	switch e := e.(type) {
	case *nft.Payload:
		f := e.Field
		return f.Base == nft.BaseNetwork && f.Offset < at+8 && f.Offset+f.Length > at
	case *nft.Raw:
		return e.Base == nft.BaseNetwork && e.Offset < at+8 && e.Offset+e.Length > at
	}
	return false
}
