package flowtable

import "sync/atomic"

// expectSweep is how many slots of the shared table one Expire looks at.
const expectSweep = 16

// FirstExpect returns a handle of the newest expectation of the flow of entry
// n, NextExpect of the one before; 0: none. A handle is good until the owner
// deletes that expectation or calls Expect or Expire. Owner of the master only,
// as all that takes handles.
func (s *Shard) FirstExpect(n uint32) uint32 {
	if s.entries[n].flags&flagExpects == 0 {
		return 0
	}
	return s.holding(s.cold.help[n].first)
}

// NextExpect: see FirstExpect.
func (s *Shard) NextExpect(h uint32) uint32 { return s.holding(s.expect.links[h-1]) }

// holding skips what other workers used up.
func (s *Shard) holding(h uint32) uint32 {
	for h != 0 && !holds(atomic.LoadUint64(&s.expect.words[h-1])) {
		h = s.expect.links[h-1]
	}
	return h
}

// Expectation copies the expectation of handle h. False: it was used up.
func (s *Shard) Expectation(h uint32, out *Expectation) bool {
	word := atomic.LoadUint64(&s.expect.words[h-1])
	return holds(word) && s.expect.read(uint64(h-1), word, out)
}

// LookupExpect copies the expectation of any worker that tu would match,
// active or not.
func (s *Shard) LookupExpect(tu *Tuple, out *Expectation) bool { return s.expect.find(tu, out) }

// ExpectCount returns how many expectations of a class the flow of entry n has.
func (s *Shard) ExpectCount(n uint32, class uint8) int {
	count := 0
	for h := s.FirstExpect(n); h != 0; h = s.NextExpect(h) {
		if s.Expectation(h, &s.scratch) && s.scratch.Class == class {
			count++
		}
	}
	return count
}

// evict deletes the oldest expectation of a class.
func (s *Shard) evict(n uint32, class uint8) {
	oldest := uint32(0)
	for h := s.FirstExpect(n); h != 0; h = s.NextExpect(h) {
		if s.Expectation(h, &s.scratch) && s.scratch.Class == class {
			oldest = h
		}
	}
	if oldest != 0 {
		s.Unexpect(oldest)
	}
}

// RefreshExpect gives the expectation of handle h another timeout and, with
// activate, takes ExpectInactive from it. False: it was used up.
func (s *Shard) RefreshExpect(h, timeoutSec uint32, activate bool, now uint32) bool {
	if !s.Expectation(h, &s.scratch) {
		return false
	}
	s.scratch.Expires = now + timeoutSec*1000
	if activate {
		s.scratch.Flags &^= ExpectInactive
	}
	atomic.StoreUint64(&s.expect.records[h-1][wordFlags], recordOf(&s.scratch)[wordFlags])
	return true
}

// markExpectations passes the mark of a master on to its expectations.
func (s *Shard) markExpectations(n, mark uint32) {
	for h := s.cold.help[n].first; h != 0; h = s.expect.links[h-1] {
		s.expect.load(uint64(h-1), &s.scratch)
		s.scratch.Mark = mark
		atomic.StoreUint64(&s.expect.records[h-1][wordMark], recordOf(&s.scratch)[wordMark])
	}
}

// Unexpect deletes the expectation of handle h. False: it was used up already.
func (s *Shard) Unexpect(h uint32) bool {
	t, i := s.expect, uint64(h-1)
	t.load(i, &s.gone)
	s.unlink(s.gone.MasterEntry, h)
	for {
		word := atomic.LoadUint64(&t.words[i])
		if !holds(word) {
			s.freeSlot(i) // spent
			return false
		}
		if t.step(i, word, expectSpent) {
			break
		}
	}
	t.count.Add(-1)
	s.freeSlot(i)
	s.stats.ExpectDelete++
	s.expectEvent(EventExpectDestroy, &s.gone)
	return true
}

// unlink takes handle h out of its master's list.
func (s *Shard) unlink(n, h uint32) {
	at := &s.cold.help[n].first
	for *at != h {
		at = &s.expect.links[*at-1]
	}
	*at = s.expect.links[h-1]
}

// dropExpectations deletes all expectations of a master that ends.
func (s *Shard) dropExpectations(n uint32) {
	for s.cold.help[n].first != 0 {
		s.Unexpect(s.cold.help[n].first)
	}
}

// armExpectations wakes what a flow announced with its first packet.
func (s *Shard) armExpectations(n uint32) {
	for h := s.cold.help[n].first; h != 0; h = s.expect.links[h-1] {
		word := atomic.LoadUint64(&s.expect.words[h-1])
		if word&phaseMask == expectDormant {
			s.expect.step(uint64(h-1), word, expectArmed)
		}
	}
}

// sweep looks at the next slots of the shared table and frees those of this
// worker's masters that are used up or over.
func (s *Shard) sweep(now uint32) {
	t := s.expect
	for range expectSweep {
		i := s.swept
		s.swept = (s.swept + 1) & uint32(len(t.words)-1)
		word := atomic.LoadUint64(&t.words[i])
		if word&phaseMask == expectFree || uint16(word>>expectOwner&0xff) != s.me {
			continue
		}
		t.load(uint64(i), &s.gone)
		if !holds(word) || int32(s.gone.Expires-now) <= 0 {
			s.Unexpect(i + 1)
		}
	}
}
