package rules

import (
	"cmp"
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
			run.finder = f.patched(rules, src, pool)
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
