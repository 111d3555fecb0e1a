package rules

import (
	"math/bits"
	"slices"
	"sort"
)

// block is the code of one chain, or the entries of one set, before it has its
// place: all numbers in it count from the block's own start. Rulesets share it.
type block struct {
	pieces []placed // of a chain
	of     [][]any  // what their fixes are about
	runs   []ruleRun
	end    mark // behind the last rule

	data    []uint64 // of a set
	set     setDesc
	bulk    *bulk   // the entries of a large set, which are not in data
	now     changed // what has become of it
	objects objects // of a map to some
}

// piece is the code of some rules side by side, all of one run or all of none: as much
// of a chain as an edit makes anew. All numbers in it count from its own start. It is
// immutable, and blocks share it.
type piece struct {
	heads []head // of rules of no run; the others have gates, which follow from their place
	ins   []ins
	data  []uint64
	fixes []uint32 // instructions whose arg is the number of something that is not the chain's
	marks []mark   // of each rule, and of the end
}

// placed is a piece of a block.
type placed struct {
	*piece
	run int  // of the block; -1: none
	at  mark // where it begins
}

// mark is where a rule's part begins.
type mark struct {
	rule, ins, data uint32
	fixes           uint32
	n               ordinals // of what the rules before have
}

// plus returns a mark that is another one further on.
func (m mark) plus(o mark) mark {
	return mark{m.rule + o.rule, m.ins + o.ins, m.data + o.data, m.fixes + o.fixes, m.n.plus(o.n, 1)}
}

// rules is how many rules a piece has.
func (p *piece) rules() int { return len(p.marks) - 1 }

// pieceOf returns the number of the piece that rule at of a block is in.
func (b *block) pieceOf(at int) int {
	return sort.Search(len(b.pieces), func(i int) bool { return int(b.pieces[i].at.rule) > at }) - 1
}

// mark returns where the part of rule at begins, or where the last one's ends.
func (b *block) mark(at int) mark {
	if at == int(b.end.rule) {
		return b.end
	}
	p := &b.pieces[b.pieceOf(at)]
	return p.at.plus(p.marks[at-int(p.at.rule)])
}

// How many rules a piece has: as many as fill one, and up to so many after edits.
// Smaller ones grow together.
const (
	pieceFull = 256
	pieceMost = 2 * pieceFull
)

// emitter makes the pieces of a block, one after the other.
type emitter struct {
	b     *block
	run   int // of the next piece
	piece     // in work; its memory is used again
	of    []any
	n     ordinals // of what its rules have
}

// emitAll makes the pieces of the rules of a chain, of which b.runs are found.
// before is the chain as it was, if there was one, and was where its rules stood.
func (b *block) emitAll(rules []*rule, before *chainRef, was []int32) {
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
	e := emitter{b: b}
	b.parts(len(rules), func(run, from, to int) {
		e.run = run
		for i := from; i < to; {
			if run >= 0 {
				if n := before.stretch(rules[:to], was, i); n > 0 {
					if n = e.take(before.block, int(was[i]), n); n > 0 {
						i += n
						continue
					}
				}
			}
			if len(e.marks) >= pieceFull {
				e.close()
			}
			e.mark()
			if r := rules[i]; run < 0 {
				e.emit(r, seen)
			} else {
				e.emitBody(r, r.plain.answers) // asks what the run's classifier leaves open
			}
			e.n = e.n.plus(rules[i].has.n, 1)
			i++
		}
		e.close()
	})
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

// end is where the next rule's part begins.
func (e *emitter) end() mark {
	return mark{uint32(len(e.marks)), uint32(len(e.ins)), uint32(len(e.data)), uint32(len(e.fixes)), e.n}
}

func (e *emitter) mark() { e.marks = append(e.marks, e.end()) }

// close ends the piece in work, if there is one. It grows together with the one before
// if both are small.
func (e *emitter) close() {
	if len(e.marks) == 0 {
		return
	}
	e.mark()
	p, of := &piece{slices.Clone(e.heads), slices.Clone(e.ins), slices.Clone(e.data), slices.Clone(e.fixes), slices.Clone(e.marks)}, slices.Clone(e.of)
	e.heads, e.ins, e.data, e.fixes, e.marks = e.heads[:0], e.ins[:0], e.data[:0], e.fixes[:0], e.marks[:0]
	e.of, e.n = e.of[:0], ordinals{}
	if n := len(e.b.pieces) - 1; n >= 0 && e.run >= 0 && e.b.pieces[n].run == e.run {
		if last := e.b.pieces[n]; last.rules()+p.rules() <= pieceFull {
			e.copyRules(last.piece, e.b.of[n], 0, last.rules())
			e.copyRules(p, of, 0, p.rules())
			e.b.pieces, e.b.of, e.b.end = e.b.pieces[:n], e.b.of[:n], last.at
			e.close()
			return
		}
	}
	e.add(p, of)
}

// add appends a piece to the block.
func (e *emitter) add(p *piece, of []any) {
	b := e.b
	b.pieces, b.of = append(b.pieces, placed{p, e.run, b.end}), append(b.of, of)
	b.end = b.end.plus(p.marks[p.rules()])
}

// take takes over what an older block has of n rules from one on: a whole piece as it
// is, or rules of one. It returns how many; 0: they are in no run.
func (e *emitter) take(old *block, from, n int) int {
	at := old.pieceOf(from)
	p := &old.pieces[at]
	if p.run < 0 {
		return 0
	}
	from -= int(p.at.rule)
	n = min(n, p.rules()-from)
	if n == p.rules() && (len(e.marks) == 0 || len(e.marks)+n > pieceFull) {
		e.close()
		e.add(p.piece, old.of[at])
		return n
	}
	if len(e.marks) >= pieceMost {
		e.close()
	}
	n = min(n, pieceMost-len(e.marks))
	e.copyRules(p.piece, old.of[at], from, n)
	return n
}

// copyRules appends n rules of a piece from one on.
func (e *emitter) copyRules(old *piece, of []any, from, n int) {
	first, last := &old.marks[from], &old.marks[from+n]
	to := e.end()
	moved := mark{to.rule - first.rule, to.ins - first.ins, to.data - first.data, to.fixes - first.fixes, to.n.plus(first.n, -1)}
	for _, m := range old.marks[from : from+n] {
		e.marks = append(e.marks, m.plus(moved))
	}
	e.ins = append(e.ins, old.ins[first.ins:last.ins]...)
	relocate(e.ins[to.ins:], moved.data, moved.n)
	e.data = append(e.data, old.data[first.data:last.data]...)
	for _, at := range old.fixes[first.fixes:last.fixes] {
		e.fixes = append(e.fixes, at+moved.ins)
	}
	e.of = append(e.of, of[first.fixes:last.fixes]...)
	e.n = last.n.plus(moved.n, 1)
}

// relocate changes instructions whose data, and of which what they are about, has
// other numbers now: that much larger.
func relocate(code []ins, data uint32, n ordinals) {
	for i := range code {
		in := &code[i]
		switch {
		case in.op == opTest || in.op == opNext: // most are
		case inData(in.op):
			in.arg += data
		default:
			if own := n.of(in.op); own != nil {
				in.arg += *own
			}
		}
	}
}

// emit appends a rule: one head and its body. Of the tests the rule begins with
// the one that will turn away most packets becomes the head.
func (e *emitter) emit(r *rule, seen map[test]int) {
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
	h := head{rule: uint32(len(e.heads)), body: uint32(len(e.ins))}
	h.test = test{src: srcFacts} // masks everything away and finds 0: always holds
	if best >= 0 {
		h.test = r.steps[best].test
	}
	h.need, h.needMask = g.need, g.mask
	e.heads = append(e.heads, h)
	answers := uint64(0)
	if best >= 0 {
		answers = 1 << best
	}
	e.emitBody(r, answers)
}

// emitBody appends the steps of a rule but those of the first 64 whose bit is
// set in answers: they hold already, and so does the guard of the leading ones.
func (e *emitter) emitBody(r *rule, answers uint64) {
	for i := range r.steps {
		if i < 64 && answers>>i&1 != 0 {
			continue
		}
		s := &r.steps[i]
		e.ins = append(e.ins, s.ins)
		in := &e.ins[len(e.ins)-1]
		if i < r.lead { // the head has asked for all of it, but a gate that cannot
			in.need, in.needMask = in.need&factUnread, in.needMask&factUnread
		}
		if s.words != nil {
			in.arg = uint32(len(e.data))
			e.data = append(e.data, s.words...)
		}
		if s.of != nil {
			e.fixes, e.of = append(e.fixes, uint32(len(e.ins))-1), append(e.of, s.of)
		} else if n := e.n.of(s.op); n != nil {
			in.arg += *n
		}
		if ends(s.op) {
			return
		}
	}
	e.ins = append(e.ins, ins{op: opNext})
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

// inData says whether an instruction's arg is an offset in data.
func inData(op uint8) bool {
	switch op {
	case opWide, opByteIn, opPorts, opWideKey, opKeyTest:
		return true
	case opHash:
		return true
	}
	return false
}
