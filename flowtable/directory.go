package flowtable

import (
	"math/bits"
	"sync/atomic"
)

// directory holds the reply tuples of NATed flows of all workers, and while NAT
// is on the tuples of every other flow too: which worker has the flow. It is the one thing that workers write in common, with single
// atomic words and a bounded number of steps.
//
// A word is
//
//	  63       62        55 54                       0
//	| settled | owner      | fingerprint, 0 = empty   |
//
// and stands in one of the two cache lines that the direction-free hash of the
// tuple names: its window of 16 words, in the same order for everybody.
//
// No two workers ever hold the same fingerprint. A claim is put into an empty
// word of the emptier line unsettled, then the whole window is read again. Of two
// claims, one was put in later, and its reading sees the other:
//
//	other is settled                     mine goes, lost
//	other unsettled at a lower position  mine goes, lost
//	other unsettled at a higher position the other is taken out; when that
//	                                     fails because it settled, mine goes, lost
//
// then the word is settled by compare-and-swap, which fails if somebody took
// it out. Two claims may defeat each other; both then try another tuple.
type directory struct {
	words []uint64
	mask  uint64
	key   uint64
}

const (
	window     = 16
	settled    = 1 << 63
	ownerShift = 55
	printMask  = 1<<ownerShift - 1
)

// reserve makes room for n words. At 3/5 load, words going into the emptier line
// of two, a full window is met once in tens of thousands; at 4/5 it would be 3 in a hundred.
func (d *directory) reserve(b *builder, n int, k *keys) error {
	buckets := 1 << bits.Len64(uint64(n)*5/(3*slots)+1)
	d.mask, d.key = uint64(buckets-1), k.last
	return reserve(b, "directory", &d.words, buckets*slots)
}

// lines returns the offsets of the two halves of a window.
func (d *directory) lines(hash uint64) [2]uint64 {
	// Other bits than those that chose the worker and its bucket: shards see
	// only a part of all hashes.
	h := fold(hash, d.key)
	a := h & d.mask
	return [2]uint64{a * slots, (a ^ (h>>32|1)&d.mask) * slots}
}

// lookup returns the worker that holds fp.
func (d *directory) lookup(hash, fp uint64) (owner uint16, ok bool) {
	for _, at := range d.lines(hash) {
		line := d.words[at : at+slots]
		for i := range line {
			w := atomic.LoadUint64(&line[i])
			if w&settled != 0 && w&printMask == fp {
				return uint16(w >> ownerShift & 0xff), true
			}
		}
	}
	return 0, false
}

// release takes out the settled word that owner holds for fp.
func (d *directory) release(hash, fp uint64, owner uint16) bool {
	word := settled | uint64(owner)<<ownerShift | fp
	for _, at := range d.lines(hash) {
		line := d.words[at : at+slots]
		for i := range line {
			if atomic.LoadUint64(&line[i]) == word {
				return atomic.CompareAndSwapUint64(&line[i], word, 0)
			}
		}
	}
	return false
}

type claimResult uint8

const (
	claimOpen claimResult = iota // not decided yet
	claimHeld
	claimLost // somebody has fp, or tried for it at the same time
	claimFull // no empty word in the window
)

// claim takes fp for owner. Bounded: each word of the window is visited at
// most a few times.
func (d *directory) claim(hash, fp uint64, owner uint16) claimResult {
	c := claimant{lines: d.lines(hash), word: uint64(owner)<<ownerShift | fp}
	for c.result == claimOpen {
		c.step(d.words)
	}
	return c.result
}

// claimant is one claim under way, as a machine whose every step reads or
// writes one shared word once, so that a test can try all interleavings.
type claimant struct {
	lines  [2]uint64
	word   uint64 // unsettled
	seen   uint64 // what the rescan read at position i
	phase  claimPhase
	i      uint8                 // position under consideration
	mine   uint8                 // where word stands
	tried  uint8                 // positions that phasePut found taken
	free   [window / slots]uint8 // empty words of each line, as the scan found them
	result claimResult
}

type claimPhase uint8

const (
	phaseScan   claimPhase = iota // is it there already?
	phasePut                      // into an empty word
	phaseRescan                   // who else put one in?
	phaseOust                     // take out an unsettled one above mine
	phaseLook                     // it could not be taken out: why?
	phaseSettle
	phaseLeave // take mine out again
)

func (c *claimant) at(i uint8) uint64 { return c.lines[i/slots] + uint64(i%slots) }

func (c *claimant) step(words []uint64) {
	p := &words[c.at(c.i%window)]
	fp := c.word & printMask
	switch c.phase {
	case phaseScan:
		w := atomic.LoadUint64(p)
		if w&settled != 0 && w&printMask == fp {
			c.result = claimLost
		}
		if w == 0 {
			c.free[c.i/slots]++
		}
		if c.next(phasePut); c.phase == phasePut && c.free[1] > c.free[0] {
			c.i = slots
		}
	case phasePut:
		if atomic.CompareAndSwapUint64(p, 0, c.word) {
			c.mine, c.i, c.phase = c.i, 0, phaseRescan
			return
		}
		c.i = (c.i + 1) % window
		if c.tried++; c.tried == window {
			c.result = claimFull
		}
	case phaseRescan:
		w := atomic.LoadUint64(p)
		switch {
		case c.i == c.mine || w&printMask != fp:
			c.next(phaseSettle)
		case w&settled != 0 || c.i < c.mine:
			c.phase = phaseLeave
		default:
			c.seen, c.phase = w, phaseOust
		}
	case phaseOust:
		if atomic.CompareAndSwapUint64(p, c.seen, 0) {
			c.phase = phaseRescan
			c.next(phaseSettle)
			return
		}
		c.phase = phaseLook
	case phaseLook:
		w := atomic.LoadUint64(p)
		c.phase = phaseRescan
		if w&printMask == fp {
			// It settled, or went and was put in anew: give way to it.
			c.phase = phaseLeave
			return
		}
		c.next(phaseSettle)
	case phaseSettle:
		c.result = claimLost
		if atomic.CompareAndSwapUint64(&words[c.at(c.mine)], c.word, c.word|settled) {
			c.result = claimHeld
		}
	case phaseLeave:
		// It may have been taken out already.
		atomic.CompareAndSwapUint64(&words[c.at(c.mine)], c.word, 0)
		c.result = claimLost
	}
}

// next goes to the following position, and from the last one to phase then.
func (c *claimant) next(then claimPhase) {
	if c.i++; c.i == window {
		c.i, c.phase = 0, then
	}
}
