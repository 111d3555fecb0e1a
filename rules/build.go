package rules

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/rules/nft"
)

// build compiles every chain and every set into a block, in parallel when there
// is a pool, and links them. Blocks that still hold are taken from old.
func build(ix *index, old *remains, pool Pool) (*master, error) {
	nats := make([]natDesc, len(ix.nats))
	for i, n := range ix.nats {
		var err error
		if nats[i], err = newNAT(n); err != nil {
			return nil, err
		}
	}
	if old != nil && old.ix.setsProto != ix.setsProto {
		old = nil // what classifiers may ask is not the same
		ix.renewPlain()
	}
	old.begin(ix)
	ix.setBlocks = make([]*block, len(ix.sets))
	var work []func() error // what does not hold: for one edit there is nothing to share out
	for _, ref := range ix.chains {
		if !old.chain(ref) {
			work = append(work, func() error { return buildChain(ref, ix, old, pool) })
		}
	}
	for i, s := range ix.sets {
		if ix.setBlocks[i] = old.set(s); ix.setBlocks[i] == nil {
			work = append(work, func() (err error) {
				ix.setBlocks[i], err = ix.setBlock(s, old, pool)
				return err
			})
		}
	}
	errs := make([]error, len(work))
	each(len(work), pool, func(i int) { errs[i] = work[i]() })
	for _, err := range errs {
		if err != nil {
			return nil, err // the first in the text's order, whatever the order of work
		}
	}
	return link(ix, nats)
}

// each runs f(0) to f(n-1) and waits for them. Helpers from the pool and the
// caller take numbers from one counter, so a pool that is full, or whose only
// worker is the caller, just does not help. A panic of one is the caller's when
// all have ended.
func each(n int, pool Pool, f func(int)) {
	var next atomic.Int64
	var done sync.WaitGroup
	var fault atomic.Pointer[perf.Fault]
	done.Add(n)
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			if got := perf.Catch(func() { f(i) }); got != nil {
				fault.Store(got)
			}
			done.Done()
		}
	}
	if pool != nil {
		for range n - 1 {
			if int(next.Load()) >= n || pool.Submit(work) != nil {
				break
			}
		}
	}
	work()
	done.Wait()
	fault.Load().Raise()
}

// later runs f in a pool that has a goroutine to spare; false: it has none.
func later(pool Pool, f func()) bool {
	return pool != nil && pool.Submit(f) == nil
}

// buildChain makes the block of a chain.
func buildChain(ref *chainRef, ix *index, old *remains, pool Pool) error {
	before, was := old.before(ref)
	lw := lowering{ix: ix, ports: ix.ports, ref: ref}
	for i := 0; i < len(ref.rules); i++ {
		if n := before.stretch(ref.rules, was, i); n > 0 {
			i += n - 1
		} else if r := ref.rules[i]; !r.ready {
			if err := lw.rule(r); err != nil {
				return err
			}
		}
	}
	ref.traits = traitsOf(ref.rules, before, was)
	b := &block{runs: findRuns(ref.traits, ix.minRun)}
	for i := range b.runs {
		run := &b.runs[i]
		end := run.from + run.n
		rules, src := ref.rules[run.from:end], ref.chain.Rules[run.from:end]
		if f := finderOf(before, was, run); f != nil {
			run.finder = f.patch(rules, src, pool)
		}
		if run.finder == nil {
			var err error
			if run.finder, err = newFinder(rules, src); err != nil {
				return err
			}
		}
	}
	b.emitAll(ref.rules, before, was)
	ref.block = b
	return nil
}

// finderOf returns the finder that the first of a run's rules had that had one;
// nil: none had.
func finderOf(before *chainRef, was []int32, run *ruleRun) *finder {
	if before == nil || before.block == nil {
		return nil
	}
	for _, at := range was[run.from : run.from+run.n] {
		for _, r := range before.block.runs {
			if int(at) >= r.from && int(at) < r.from+r.n {
				return r.finder
			}
		}
	}
	return nil
}

func newNAT(n natRef) (natDesc, error) {
	st := n.stmt
	d := natDesc{kind: uint8(st.Kind), flags: st.Flags, portMin: st.PortMin, portMax: st.PortMax}
	if st.AddrMin == nil && st.Addr == nil {
		return d, nil
	}
	size := 0
	switch st.Family {
	case nft.FamilyIP:
		size, d.family = 4, flowtable.FamilyIPv4
	case nft.FamilyIP6:
		size, d.family = 16, flowtable.FamilyIPv6
	}
	if n.table == nft.FamilyInet {
		d.needFamily = d.family
	}
	if st.Addr != nil && size != 0 {
		return d, nil
	}
	if size == 0 || len(st.AddrMin) != size || len(st.AddrMax) != size {
		return d, errorf(st.Pos, "addresses of a nat statement do not fit their family")
	}
	d.hasAddr = 1
	copy(d.addrMin[:], st.AddrMin)
	copy(d.addrMax[:], st.AddrMax)
	return d, nil
}

// link places the blocks one behind the other and writes the image.
func link(ix *index, nats []natDesc) (*master, error) {
	blocks := make([]*block, 0, len(ix.chains)+len(ix.sets))
	for _, ref := range ix.chains {
		blocks = append(blocks, ref.block)
	}
	blocks = append(blocks, ix.setBlocks...)
	for _, b := range ix.setBlocks { // numbered behind all of the sets
		if b.now.block != nil {
			blocks = append(blocks, b.now.block)
		}
	}
	var hdr [hdrWords]uint64
	hdr[hdrMagic] = imageMagic
	hdr[hdrPorts] = uint64(ix.ports.none())
	hdr[hdrIndex] = uint64(2 * len(ix.ports.rows))
	hdr[hdrFlags] |= ix.asks
	base, devices, err := portChains(ix, nft.HookIngress, 0)
	if err != nil {
		return nil, err
	}
	leaving, more, err := portChains(ix, nft.HookEgress, len(devices))
	if err != nil {
		return nil, err
	}
	hdr[hdrIngress] = uint64(len(base))
	base, devices = append(base, leaving...), append(devices, more...)
	hdr[hdrEgress] = uint64(len(base))
	for f, family := range [spans]nft.Family{spanIPv4: nft.FamilyIP, spanIPv6: nft.FamilyIP6, spanBridge: nft.FamilyBridge} {
		for h := range hooks {
			hdr[hdrSpans+f*(hooks+1)+h] = uint64(len(base))
			base = append(base, baseChains(ix, family, nft.Hook(h))...)
		}
		hdr[hdrSpans+f*(hooks+1)+hooks] = uint64(len(base))
	}

	var code, data, runs, classifiers int
	data = 3*len(ix.ports.rows) + len(devices)
	for _, b := range blocks {
		code, data, runs = code+len(b.ins), data+len(b.data)+len(b.objects.rows), runs+len(b.runs)
		for _, r := range b.runs {
			classifiers += len(r.finder.words)
		}
	}
	if code > math.MaxInt32 || data > math.MaxInt32 || classifiers > math.MaxInt32 {
		return nil, errorf(nft.Pos{}, "ruleset is too large")
	}
	size := hdrWords
	for sec, words := range [sectionCount]int{
		secHeads: wordsIn[head](ix.heads), secIns: wordsIn[ins](code), secData: data,
		secSets: wordsIn[setDesc](len(blocks) - len(ix.chains)), secNAT: wordsIn[natDesc](len(nats)), secBase: wordsIn[BaseChain](len(base)),
		secRuns: wordsIn[runDesc](runs), secClassifiers: classifiers,
	} {
		if sec == secClassifiers {
			size = (size + 7) &^ 7
		}
		hdr[hdrSections+2*sec], hdr[hdrSections+2*sec+1] = uint64(size), uint64(words)
		size += words
	}
	m := &master{words: make([]uint64, size)}
	copy(m.words, hdr[:])
	copy(view[natDesc](m.words, secNAT), nats)
	copy(view[BaseChain](m.words, secBase), base)
	p := placing{ix: ix, heads: view[head](m.words, secHeads), ins: view[ins](m.words, secIns), data: view[uint64](m.words, secData),
		sets: view[setDesc](m.words, secSets), runs: view[runDesc](m.words, secRuns), classifiers: view[uint64](m.words, secClassifiers)}
	p.interfaces(devices)
	p.changes = uint32(len(ix.sets))
	for i, b := range blocks {
		if i < len(ix.chains) {
			p.chain(ix.chains[i], b)
		} else {
			live := uint32(0)
			if n := i - len(ix.chains); n < len(ix.sets) && noded(ix.sets[n]) {
				live = ix.dynOf[ix.sets[n]] + 1
			}
			p.set(b, live)
		}
	}
	m.bulks = p.bulks
	return m, nil
}

// placing is where the next block goes.
type placing struct {
	ix          *index
	heads       []head
	ins         []ins
	data        []uint64
	sets        []setDesc
	runs        []runDesc
	classifiers []uint64
	bulks       []*bulk
	changes     uint32 // number of the next set that says what has changed
	at          struct{ head, ins, data, set, run, classifier uint32 }
}

func (p *placing) interfaces(devices []uint64) {
	rows := p.ix.ports.rows
	for i := range rows {
		p.data[2*i], p.data[2*i+1] = words(rows[i].name[:])
		p.data[2*len(rows)+i] = uint64(rows[i].index)
	}
	p.at.data = uint32(3*len(rows) + copy(p.data[3*len(rows):], devices))
}

func (p *placing) chain(ref *chainRef, b *block) {
	heads, code := p.heads[p.at.head:], p.ins[p.at.ins:]
	for i := range b.heads {
		h := &heads[i]
		*h = b.heads[i]
		h.body += p.at.ins
		if h.src == srcGate {
			h.mask += uint64(p.at.run)
		}
		if i < len(b.heads)-1 { // that is the end
			h.rule += ref.first
		}
	}
	for i := range b.ins {
		in := &code[i]
		*in = b.ins[i]
		if n := ref.owns.of(in.op); n != nil {
			in.arg += *n
		} else if placed(in.op) {
			in.arg += p.at.data
		}
	}
	for _, f := range b.fixes {
		code[f.at].arg = p.ix.numberOf(ref, f.of, code[f.at].op)
	}
	for _, r := range b.runs {
		p.runs[p.at.run] = runDesc{
			first: p.at.head + uint32(r.from), n: uint32(r.n), word6: r.finder.word6,
			off: p.at.classifier, words: uint32(len(r.finder.words)),
		}
		p.at.run++
		p.at.classifier += uint32(copy(p.classifiers[p.at.classifier:], r.finder.words))
	}
	p.at.data += uint32(copy(p.data[p.at.data:], b.data))
	p.at.head += uint32(len(b.heads))
	p.at.ins += uint32(len(b.ins))
}

func (p *placing) set(b *block, live uint32) {
	d := &p.sets[p.at.set]
	*d = b.set
	d.live = live
	p.at.set++
	if len(b.objects.rows) > 0 {
		d.objects = p.at.data
		p.at.data += uint32(copy(p.data[p.at.data:], b.objects.rows))
	}
	if b.bulk != nil {
		p.bulks = append(p.bulks, b.bulk)
		d.bulk = uint32(len(p.bulks))
		if b.now.block != nil {
			d.changes = p.changes
			p.changes++
		}
		return
	}
	d.off += p.at.data
	p.at.data += uint32(copy(p.data[p.at.data:], b.data))
}

// numberOf returns the number of what a step is of.
func (ix *index) numberOf(ref *chainRef, of any, op uint8) uint32 {
	switch of := of.(type) {
	case *nft.Set:
		if op == opDyn {
			return ix.dynOf[of]
		}
		return ix.setOf[of].number
	case *nft.Verdict:
		return ref.names[of.Chain].entry
	case *nft.Object:
		return ix.policyOf[of]
	case nft.Expr:
		return ix.exprSlots[of]
	case nft.Stmt:
		return ix.slots[of]
	}
	return 0
}

// baseChains returns the chains of a hook in the order in which packets of a
// family pass them.
func baseChains(ix *index, family nft.Family, hook nft.Hook) []BaseChain {
	var out []BaseChain
	for i := len(ix.chains) - 1; i >= 0; i-- { // of one priority the newest comes first
		ref := ix.chains[i]
		b := ref.chain.Base
		f := ref.table.Family
		if b == nil || b.Hook != hook || ref.table.Dormant || f != family && (f != nft.FamilyInet || family == nft.FamilyBridge) {
			continue
		}
		bc := newBaseChain(ix, ref)
		bc.Writes = family == nft.FamilyBridge && writes(ref.table)
		out = append(out, bc)
	}
	sortChains(out)
	return out
}

func newBaseChain(ix *index, ref *chainRef) BaseChain {
	b := ref.chain.Base
	bc := BaseChain{Entry: ref.entry, Priority: b.Priority, NAT: b.Type == nft.TypeNAT, PolicyID: ref.policy,
		Early: b.Hook == nft.HookPrerouting || b.Hook == nft.HookInput}
	if b.Count != nil {
		bc.Count = ix.slots[b.Count] + 1
	}
	if b.Policy == nft.VerdictAccept {
		bc.Policy = Accept
	}
	return bc
}

// sortChains orders chains that stand newest first.
func sortChains(list []BaseChain) {
	slices.SortStableFunc(list, func(a, b BaseChain) int { return cmp.Compare(a.Priority, b.Priority) })
}
