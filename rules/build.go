package rules

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/panjf2000/ants/v2"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// build compiles every chain and every set into a block, in parallel when there
// is a pool, and links them.
func build(ix *index, ps *ports, pool *ants.Pool) (*master, error) {
	nats := make([]natDesc, len(ix.nats))
	for i, n := range ix.nats {
		var err error
		if nats[i], err = newNAT(n); err != nil {
			return nil, err
		}
	}
	blocks := make([]block, len(ix.chains)+len(ix.sets))
	errs := make([]error, len(blocks))
	each(len(blocks), pool, func(i int) {
		if i < len(ix.chains) {
			errs[i] = buildChain(&blocks[i], ix, ps, ix.chains[i])
		} else {
			set := ix.sets[i-len(ix.chains)]
			errs[i] = buildSet(&blocks[i], set, ix, ps)
		}
	})
	for _, err := range errs {
		if err != nil {
			return nil, err // the first in the text's order, whatever the order of work
		}
	}
	return link(ix, ps, blocks, nats)
}

// each runs f(0) to f(n-1) and waits for them. Helpers from the pool and the
// caller take numbers from one counter, so a pool that is full, or whose only
// worker is the caller, just does not help.
func each(n int, pool *ants.Pool, f func(int)) {
	var next atomic.Int64
	var done sync.WaitGroup
	done.Add(n)
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			f(i)
			done.Done()
		}
	}
	if pool != nil {
		for range n - 1 {
			// Free is negative for a pool without limit.
			if pool.Free() == 0 || int(next.Load()) >= n || pool.Submit(work) != nil {
				break
			}
		}
	}
	work()
	done.Wait()
}

func buildChain(b *block, ix *index, ps *ports, ref *chainRef) error {
	lw := lowering{ix: ix, ports: ps, ref: ref}
	rules := make([]*rule, len(ref.chain.Rules))
	for i, r := range ref.chain.Rules {
		out, err := lw.rule(ref.first+uint32(i), r)
		if err != nil {
			return err
		}
		rules[i] = out
	}
	return b.emitAll(rules, ix)
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
func link(ix *index, ps *ports, blocks []block, nats []natDesc) (*master, error) {
	var (
		heads []head
		code  []ins
		data  []uint64
		sets  []setDesc
		runs  []runDesc
		index []uint64 // classifiers
		hdr   [hdrWords]uint64
	)
	hdr[hdrMagic] = imageMagic
	hdr[hdrPorts] = uint64(ps.none())
	for i := range ps.rows {
		hi, lo := words(ps.rows[i].name[:])
		data = append(data, hi, lo)
	}
	hdr[hdrIndex] = uint64(len(data))
	for i := range ps.rows {
		data = append(data, uint64(ps.rows[i].index))
	}
	for i := range blocks {
		b := &blocks[i]
		codeAt, dataAt := uint32(len(code)), uint32(len(data))
		headsAt, runsAt := uint32(len(heads)), uint64(len(runs))
		for _, r := range b.runs {
			runs = append(runs, runDesc{
				first: headsAt + uint32(r.from), n: uint32(r.n), word6: r.word6,
				off: uint32(len(index)), words: uint32(len(r.words)),
			})
			index = append(index, r.words...)
		}
		for _, h := range b.heads {
			h.body += codeAt
			if h.src == srcGate {
				h.mask += runsAt
			}
			heads = append(heads, h)
		}
		for _, in := range b.ins {
			if placed(in.op) {
				in.arg += dataAt
			}
			code = append(code, in)
		}
		data = append(data, b.data...)
		if i >= len(ix.chains) {
			b.set.off += dataAt
			sets = append(sets, b.set)
		}
		if len(code) > math.MaxInt32 || len(data) > math.MaxInt32 || len(index) > math.MaxInt32 {
			return nil, errorf(nft.Pos{}, "ruleset is too large")
		}
	}
	hdr[hdrFlags] |= ix.conntrk
	var base []BaseChain
	for f, family := range []nft.Family{nft.FamilyIP, nft.FamilyIP6} {
		for h := range hooks {
			hdr[hdrSpans+f*(hooks+1)+h] = uint64(len(base))
			base = append(base, baseChains(ix, family, nft.Hook(h))...)
		}
		hdr[hdrSpans+f*(hooks+1)+hooks] = uint64(len(base))
	}
	m := &master{words: make([]uint64, hdrWords)}
	for sec, part := range [sectionCount][]uint64{
		secHeads: asWords(heads), secIns: asWords(code), secData: data,
		secSets: asWords(sets), secNAT: asWords(nats), secBase: asWords(base),
		secRuns: asWords(runs), secClassifiers: index,
	} {
		for sec == secClassifiers && len(m.words)%8 != 0 {
			m.words = append(m.words, 0)
		}
		hdr[hdrSections+2*sec] = uint64(len(m.words))
		hdr[hdrSections+2*sec+1] = uint64(len(part))
		m.words = append(m.words, part...)
	}
	copy(m.words, hdr[:])
	return m, nil
}

// baseChains returns the chains of a hook in the order in which packets of a
// family pass them.
func baseChains(ix *index, family nft.Family, hook nft.Hook) []BaseChain {
	var out []BaseChain
	for i := len(ix.chains) - 1; i >= 0; i-- { // of one priority the newest comes first
		ref := ix.chains[i]
		b := ref.chain.Base
		if b == nil || b.Hook != hook || ref.table.Dormant || ref.table.Family != family && ref.table.Family != nft.FamilyInet {
			continue
		}
		bc := BaseChain{Entry: ref.entry, Priority: b.Priority, NAT: b.Type == nft.TypeNAT, PolicyID: ref.policy}
		if b.Count != nil {
			bc.Count = ix.slots[b.Count] + 1
		}
		if b.Policy == nft.VerdictAccept {
			bc.Policy = Accept
		}
		out = append(out, bc)
	}
	slices.SortStableFunc(out, func(a, b BaseChain) int { return cmp.Compare(a.Priority, b.Priority) })
	return out
}
