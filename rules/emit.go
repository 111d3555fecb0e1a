package rules

import "math/bits"

// block is the code of one chain, or the entries of one set, before it has its
// place: all numbers in it count from the block's own start. Rulesets share it.
type block struct {
	heads []head
	ins   []ins
	data  []uint64
	set   setDesc
	runs  []ruleRun
	fixes []fix
	n     ordinals // of what its rules have
	marks []mark   // of each rule, and of the end

	bulk *bulk   // the entries of a large set, which are not in data
	now  changed // what has become of it
}

// mark is where a rule's part of a block begins.
type mark struct {
	ins, data, fixes uint32
	n                ordinals
}

func (b *block) mark() {
	b.marks = append(b.marks, mark{uint32(len(b.ins)), uint32(len(b.data)), uint32(len(b.fixes)), b.n})
}

// fix is an instruction whose arg is the number of something that is not the chain's.
type fix struct {
	at uint32
	of any
}

// emitAll appends the rules of a chain, of which b.runs are found, and its end.
// before is the chain as it was, if there was one, and was where its rules stood.
func (b *block) emitAll(rules []*rule, before *chainRef, was []int32) {
	b.heads, b.marks = make([]head, 0, len(rules)+1), make([]mark, 0, len(rules)+1)
	var old *block
	if before != nil && before.block != nil {
		old = before.block
		const more = 64 // than it had: an edit or two
		b.ins, b.data = make([]ins, 0, len(old.ins)+more), make([]uint64, 0, len(old.data)+more)
	}
	seen := map[test]int{} // how many rules outside of runs ask the same
	b.each(rules, func(_ int, r *rule, run, _ int) {
		if run >= 0 {
			return
		}
		for _, s := range r.steps[:r.lead] {
			if s.op == opTest {
				seen[s.test]++
			}
		}
	})
	b.each(rules, func(i int, r *rule, run, at int) {
		b.mark()
		switch {
		case run < 0:
			b.emit(r, uint32(i), seen)
		case old != nil && was[i] >= 0 && before.rules[was[i]] == r && old.heads[was[i]].src == srcGate:
			b.gateHead(uint32(i), run, at)
			b.copyBody(old, int(was[i]))
		default:
			b.gateHead(uint32(i), run, at)
			b.emitBody(r, r.plain.answers) // asks what the run's classifier leaves open
		}
		n := &r.has.n
		b.n = ordinals{b.n.counters + n.counters, b.n.logs + n.logs, b.n.nats + n.nats, b.n.exts + n.exts}
	})
	b.mark()
	b.end()
}

// each calls f for every rule with the run it is in, and its place there; -1: none.
func (b *block) each(rules []*rule, f func(i int, r *rule, run, at int)) {
	next := 0
	for i, r := range rules {
		for next < len(b.runs) && i >= b.runs[next].from+b.runs[next].n {
			next++
		}
		if next < len(b.runs) && i >= b.runs[next].from {
			f(i, r, next, i-b.runs[next].from)
		} else {
			f(i, r, -1, 0)
		}
	}
}

// gateHead appends the head of a rule of a run.
func (b *block) gateHead(number uint32, run, at int) {
	h := head{rule: number, body: uint32(len(b.ins))}
	h.test = test{src: srcGate, mask: uint64(run), lo: uint64(at)}
	b.heads = append(b.heads, h)
}

// copyBody appends what emitBody made of a rule of a run in an older block.
func (b *block) copyBody(old *block, number int) {
	from, to := &old.marks[number], &old.marks[number+1]
	at, data := len(b.ins), uint32(len(b.data))
	b.ins = append(b.ins, old.ins[from.ins:to.ins]...)
	if from.data != to.data || from.n != to.n {
		for i := at; i < len(b.ins); i++ {
			in := &b.ins[i]
			if n := b.n.of(in.op); n != nil {
				in.arg += *n - *from.n.of(in.op)
			} else if placed(in.op) {
				in.arg += data - from.data
			}
		}
	}
	b.data = append(b.data, old.data[from.data:to.data]...)
	for _, f := range old.fixes[from.fixes:to.fixes] {
		b.fixes = append(b.fixes, fix{f.at - from.ins + uint32(at), f.of})
	}
}

// emit appends a rule: one head and its body. Of the tests the rule begins with
// the one that will turn away most packets becomes the head.
func (b *block) emit(r *rule, number uint32, seen map[test]int) {
	lead := r.lead
	g, best, score := guard{}, -1, 0
	for i := range r.steps[:lead] {
		s := &r.steps[i]
		g = g.and(guard{s.need, s.needMask})
		if s.op == opTest && i < 64 {
			if n := selectivity(&s.test, seen[s.test]); best < 0 || n > score {
				best, score = i, n
			}
		}
	}
	h := head{rule: number, body: uint32(len(b.ins))}
	h.test = test{src: srcFacts} // masks everything away and finds 0: always holds
	if best >= 0 {
		h.test = r.steps[best].test
	}
	h.need, h.needMask = g.need, g.mask
	b.heads = append(b.heads, h)
	answers := uint64(0)
	if best >= 0 {
		answers = 1 << best
	}
	b.emitBody(r, answers)
}

// emitBody appends the steps of a rule but those of the first 64 whose bit is
// set in answers: they hold already, and so does the guard of the leading ones.
func (b *block) emitBody(r *rule, answers uint64) {
	for i := range r.steps {
		if i < 64 && answers>>i&1 != 0 {
			continue
		}
		s := &r.steps[i]
		b.ins = append(b.ins, s.ins)
		in := &b.ins[len(b.ins)-1]
		if i < r.lead { // the head has asked for all of it
			in.need, in.needMask = 0, 0
		}
		if s.words != nil {
			in.arg = uint32(len(b.data))
			b.data = append(b.data, s.words...)
		}
		if s.of != nil {
			b.fixes = append(b.fixes, fix{uint32(len(b.ins)) - 1, s.of})
		} else if n := b.n.of(s.op); n != nil {
			in.arg += *n
		}
		if ends(s.op) {
			return
		}
	}
	b.ins = append(b.ins, ins{op: opNext})
}

// of returns the number of the first one of what an instruction is about, nil if
// that is not something a rule has for itself.
func (n *ordinals) of(op uint8) *uint32 {
	switch op {
	case opCounter:
		return &n.counters
	case opLog:
		return &n.logs
	case opNAT:
		return &n.nats
	case opExtension:
		return &n.exts
	}
	return nil
}

// end appends the end of a chain.
func (b *block) end() {
	b.heads = append(b.heads, head{body: uint32(len(b.ins)), test: test{src: srcFacts}})
	b.ins = append(b.ins, ins{op: opEnd})
}

// selectivity guesses how many packets a test turns away that came past the
// rules before: the more bits it fixes the more, but a test that many rules of
// the chain share tells them apart from nothing.
func selectivity(t *test, shared int) int {
	if t.neg&testNeg != 0 {
		return -2 * bits.Len(uint(shared))
	}
	return min(bits.OnesCount64(t.mask)-bits.Len64(t.span), 16) - 2*bits.Len(uint(shared))
}

// ends says whether the walk never goes on behind an instruction.
func ends(op uint8) bool {
	switch op {
	case opDrop, opAccept, opReturn, opJump, opGoto, opReject, opNAT:
		return true
	}
	return false
}

// placed says whether an instruction's arg is an offset in data.
func placed(op uint8) bool {
	switch op {
	case opWide, opByteIn, opPorts, opWideKey, opKeyTest:
		return true
	case opHash:
		return true
	}
	return false
}
