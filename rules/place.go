package rules

import (
	"math"

	"github.com/sluice-net/sluice/rules/nft"
)

// master is a compiled ruleset: what an image of it consists of, and where in one it
// goes. Blocks and pieces are those of its index, and of rulesets before and behind
// it, so an edit leaves behind little that is its own. It has nothing of the tree, is
// immutable once made, and so shared by the rulesets that the cache hands it to. The
// collector frees it.
type master struct {
	hdr     [hdrWords]uint64
	words   int      // of an image
	data    []uint64 // interfaces, and ports of chains
	nats    []natDesc
	base    []BaseChain
	chains  []placedChain
	sets    []*block // and behind them those that say what has changed
	changes uint32   // the first of these
	live    []uint32 // of sets: number of the table with their elements' nodes, from 1; nil: none has one
	bulks   []*bulk  // entries of large sets, in the order of their numbers
}

// placedChain is what a chain brings into an image.
type placedChain struct {
	pieces  []placed
	runs    []placedRun
	end     mark
	first   uint32   // id of the first rule
	owns    ordinals // numbers of the first of everything its rules have
	numbers []uint32 // args of instructions that are of something else, in the order of fixes
}

// placedRun is a run of a chain.
type placedRun struct {
	from, n int
	classifier
}

// bytes is the size of an image and of what all images share.
func (m *master) bytes() int {
	n := m.words
	for _, b := range m.bulks {
		n += len(b.words)
	}
	return 8 * n
}

// link gives everything its place.
func link(ix *index, nats []natDesc) (*master, error) {
	m := &master{nats: nats, sets: make([]*block, 0, len(ix.sets)+8), changes: uint32(len(ix.sets))}
	m.sets = append(m.sets, ix.setBlocks...)
	for i, b := range ix.setBlocks { // numbered behind all of the sets
		if b.bulk != nil {
			m.bulks = append(m.bulks, b.bulk)
		}
		if b.now.block != nil {
			m.sets = append(m.sets, b.now.block)
		}
		if s := ix.sets[i]; noded(s) {
			if m.live == nil {
				m.live = make([]uint32, len(ix.sets))
			}
			m.live[i] = ix.dynOf[s] + 1
		}
	}
	m.hdr[hdrMagic] = imageMagic
	m.hdr[hdrPorts] = uint64(ix.ports.none())
	m.hdr[hdrIndex] = uint64(2 * len(ix.ports.rows))
	m.hdr[hdrFlags] |= ix.asks
	devices, err := m.hooks(ix)
	if err != nil {
		return nil, err
	}
	m.interfaces(ix.ports.rows, devices)

	code, data, runs, classifiers := 0, len(m.data), 0, 0
	m.chains = make([]placedChain, len(ix.chains))
	for i, ref := range ix.chains {
		b := ref.block
		c := &m.chains[i]
		*c = placedChain{pieces: b.pieces, end: b.end, first: ref.first, owns: ref.owns, numbers: ix.numbers(ref)}
		code, data, runs = code+int(b.end.ins)+1, data+int(b.end.data), runs+len(b.runs)
		for _, r := range b.runs {
			c.runs = append(c.runs, placedRun{r.from, r.n, r.finder.classifier})
			classifiers += len(r.finder.index)
		}
	}
	for _, b := range m.sets {
		data += len(b.data) + len(b.objects.rows)
	}
	if code > math.MaxInt32 || data > math.MaxInt32 || classifiers > math.MaxInt32 {
		return nil, errorf(nft.Pos{}, "ruleset is too large")
	}
	m.words = hdrWords
	for sec, words := range [sectionCount]int{
		secHeads: wordsIn[head](ix.heads), secIns: wordsIn[ins](code), secData: data,
		secSets: wordsIn[setDesc](len(m.sets)), secNAT: wordsIn[natDesc](len(nats)), secBase: wordsIn[BaseChain](len(m.base)),
		secRuns: wordsIn[runDesc](runs), secClassifiers: classifiers,
	} {
		if sec == secClassifiers {
			m.words = (m.words + 7) &^ 7
		}
		m.hdr[hdrSections+2*sec], m.hdr[hdrSections+2*sec+1] = uint64(m.words), uint64(words)
		m.words += words
	}
	return m, nil
}

// hooks notes the base chains, and returns the ports of those below IP.
func (m *master) hooks(ix *index) ([]uint64, error) {
	base, devices, err := portChains(ix, nft.HookIngress, 0)
	if err != nil {
		return nil, err
	}
	leaving, more, err := portChains(ix, nft.HookEgress, len(devices))
	if err != nil {
		return nil, err
	}
	m.hdr[hdrIngress] = uint64(len(base))
	base, devices = append(base, leaving...), append(devices, more...)
	m.hdr[hdrEgress] = uint64(len(base))
	for f, family := range [spans]nft.Family{spanIPv4: nft.FamilyIP, spanIPv6: nft.FamilyIP6, spanBridge: nft.FamilyBridge} {
		for h := range hooks {
			m.hdr[hdrSpans+f*(hooks+1)+h] = uint64(len(base))
			base = append(base, baseChains(ix, family, nft.Hook(h))...)
		}
		m.hdr[hdrSpans+f*(hooks+1)+hooks] = uint64(len(base))
	}
	m.base = base
	return devices, nil
}

func (m *master) interfaces(rows []portRow, devices []uint64) {
	m.data = make([]uint64, 3*len(rows), 3*len(rows)+len(devices))
	for i := range rows {
		m.data[2*i], m.data[2*i+1] = words(rows[i].name[:])
		m.data[2*len(rows)+i] = uint64(rows[i].index)
	}
	m.data = append(m.data, devices...)
}

// lay writes an image to words, whatever is there. It does not allocate.
func (m *master) lay(words []uint64) {
	copy(words, m.hdr[:])
	copy(view[natDesc](words, secNAT), m.nats)
	copy(view[BaseChain](words, secBase), m.base)
	p := placing{heads: view[head](words, secHeads), ins: view[ins](words, secIns), data: view[uint64](words, secData),
		sets: view[setDesc](words, secSets), runs: view[runDesc](words, secRuns), classifiers: view[uint64](words, secClassifiers)}
	p.at.data = uint32(copy(p.data, m.data))
	for i := range m.chains {
		p.chain(&m.chains[i])
	}
	changes := m.changes
	for i, b := range m.sets {
		d := p.set(b)
		if i < len(m.live) {
			d.live = m.live[i]
		}
		if b.bulk != nil && b.now.block != nil {
			d.changes = changes
			changes++
		}
	}
}

// placing is where the next thing goes.
type placing struct {
	heads       []head
	ins         []ins
	data        []uint64
	sets        []setDesc
	runs        []runDesc
	classifiers []uint64
	bulks       uint32
	at          struct{ head, ins, data, set, run, classifier uint32 }
}

func (p *placing) chain(c *placedChain) {
	numbers := c.numbers
	for i := range c.pieces {
		piece := &c.pieces[i]
		p.piece(c, piece, numbers[:len(piece.fixes)])
		numbers = numbers[len(piece.fixes):]
	}
	p.heads[p.at.head+c.end.rule] = head{body: p.at.ins + c.end.ins, test: test{src: srcFacts}}
	p.ins[p.at.ins+c.end.ins] = ins{op: opEnd}
	for i := range c.runs {
		r := &c.runs[i]
		words := uint32(r.lay(p.classifiers[p.at.classifier:]))
		p.runs[p.at.run] = runDesc{first: p.at.head + uint32(r.from), n: uint32(r.n), word6: r.word6, off: p.at.classifier, words: words}
		p.at.run++
		p.at.classifier += words
	}
	p.at.head += c.end.rule + 1
	p.at.ins += c.end.ins + 1
	p.at.data += c.end.data
}

func (p *placing) piece(c *placedChain, b *placed, numbers []uint32) {
	heads := p.heads[p.at.head+b.at.rule:][:len(b.marks)-1]
	body, data, rule := p.at.ins+b.at.ins, p.at.data+b.at.data, c.first+b.at.rule
	if b.run < 0 {
		for i := range heads {
			h := &heads[i]
			*h = b.heads[i]
			h.body += body
			h.rule += rule
		}
	} else {
		gate := head{test: test{src: srcGate, mask: uint64(p.at.run) + uint64(b.run)}}
		from := b.at.rule - uint32(c.runs[b.run].from)
		for i := range heads {
			gate.rule, gate.body, gate.lo = rule+uint32(i), body+b.marks[i].ins, uint64(from)+uint64(i)
			heads[i] = gate
		}
	}
	code := p.ins[body:][:len(b.ins)]
	copy(code, b.ins)
	relocate(code, data, c.owns.plus(b.at.n, 1))
	for i, at := range b.fixes {
		code[at].arg = numbers[i]
	}
	copy(p.data[data:], b.data)
}

func (p *placing) set(b *block) *setDesc {
	d := &p.sets[p.at.set]
	*d = b.set
	p.at.set++
	if len(b.objects.rows) > 0 {
		d.objects = p.at.data
		p.at.data += uint32(copy(p.data[p.at.data:], b.objects.rows))
	}
	if b.bulk != nil {
		p.bulks++
		d.bulk = p.bulks
		return d
	}
	d.off += p.at.data
	p.at.data += uint32(copy(p.data[p.at.data:], b.data))
	return d
}

// numbers returns the numbers of all that instructions of a chain are of and that is
// not the chain's.
func (ix *index) numbers(ref *chainRef) []uint32 {
	n := 0
	for _, of := range ref.block.of {
		n += len(of)
	}
	out := make([]uint32, 0, n)
	for i := range ref.block.pieces {
		piece := &ref.block.pieces[i]
		for k, of := range ref.block.of[i] {
			out = append(out, ix.numberOf(ref, of, piece.ins[piece.fixes[k]].op))
		}
	}
	return out
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
