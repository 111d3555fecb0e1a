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

	bulk    *bulk   // the entries of a large set, which are not in data
	now     changed // what has become of it
	objects objects // of a map to some
}

// mark is where a rule's part of a block begins.
type mark struct {
	ins, data, fixes uint32
	n                ordinals
}

func (b *block) mark() { b.marks = append(b.marks, b.end()) }

// end is where the next rule's part begins.
func (b *block) end() mark {
	return mark{uint32(len(b.ins)), uint32(len(b.data)), uint32(len(b.fixes)), b.n}
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
		b.ins, b.data, b.fixes = make([]ins, 0, len(old.ins)+more), make([]uint64, 0, len(old.data)+more), make([]fix, 0, len(old.fixes)+more)
	}
	seen := map[test]int{} // how many rules outside of runs ask the same
	b.parts(len(rules), func(run, from, to int) {
		if run >= 0 {
			return
		}
		for _, r := range rules[from:to] {
			for _, s := range r.steps[:r.lead] {
				if s.op == opTest {
					seen[s.test]++
				}
			}
		}
	})
	b.parts(len(rules), func(run, from, to int) {
		for i := from; i < to; {
			if run >= 0 {
				if n := before.stretch(rules[:to], was, i); n > 0 {
					if n = old.gates(int(was[i]), n); n > 0 {
						b.copyRules(old, int(was[i]), n, run, i-from)
						i += n
						continue
					}
				}
			}
			b.mark()
			r := rules[i]
			if run < 0 {
				b.emit(r, uint32(i), seen)
			} else {
				b.gateHead(uint32(i), run, i-from)
				b.emitBody(r, r.plain.answers) // asks what the run's classifier leaves open
			}
			b.n = b.n.plus(r.has.n, 1)
			i++
		}
	})
	b.mark()
	b.finish()
}

// parts calls f for the rules of each run, and for those before, between and behind
// the runs, of which run is -1.
func (b *block) parts(rules int, f func(run, from, to int)) {
	at := 0
	for i, r := range b.runs {
		if at < r.from {
			f(-1, at, r.from)
		}
		at = r.from + r.n
		f(i, r.from, at)
	}
	if at < rules {
		f(-1, at, rules)
	}
}

// gates returns how many of n rules from one on are in runs, at most the first n.
func (b *block) gates(from, n int) int {
	for i := range b.heads[from : from+n] {
		if b.heads[from+i].src != srcGate {
			return i
		}
	}
	return n
}

// gateHead appends the head of a rule of a run.
func (b *block) gateHead(number uint32, run, at int) {
	h := head{rule: number, body: uint32(len(b.ins))}
	h.test = test{src: srcGate, mask: uint64(run), lo: uint64(at)}
	b.heads = append(b.heads, h)
}

// copyRules appends n rules of runs of an older block to run run, as those from
// place at on.
func (b *block) copyRules(old *block, from, n, run, at int) {
	first, last := &old.marks[from], &old.marks[from+n]
	to := b.end()
	moved := mark{to.ins - first.ins, to.data - first.data, to.fixes - first.fixes, to.n.plus(first.n, -1)}
	rule := len(b.heads)
	for i := range n {
		b.gateHead(uint32(rule+i), run, at+i)
		m := old.marks[from+i]
		b.heads[rule+i].body = m.ins + moved.ins
		b.marks = append(b.marks, mark{m.ins + moved.ins, m.data + moved.data, m.fixes + moved.fixes, m.n.plus(moved.n, 1)})
	}
	b.ins = append(b.ins, old.ins[first.ins:last.ins]...)
	if moved.data != 0 || moved.n != (ordinals{}) {
		for i := range b.ins[to.ins:] {
			in := &b.ins[int(to.ins)+i]
			if own := moved.n.of(in.op); own != nil {
				in.arg += *own
			} else if placed(in.op) {
				in.arg += moved.data
			}
		}
	}
	b.data = append(b.data, old.data[first.data:last.data]...)
	for _, f := range old.fixes[first.fixes:last.fixes] {
		b.fixes = append(b.fixes, fix{f.at + moved.ins, f.of})
	}
	b.n = last.n.plus(moved.n, 1)
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
		if i < r.lead { // the head has asked for all of it, but a gate that cannot
			in.need, in.needMask = in.need&factUnread, in.needMask&factUnread
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

// finish appends the end of a chain.
func (b *block) finish() {
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
	case opDrop, opAccept, opReturn, opJump, opGoto, opReject, opNAT, opRelay:
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
