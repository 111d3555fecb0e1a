package flowtable

import "sync/atomic"

// Expect announces a child of the flow of entry n, confirmed or not
// (nf_ct_expect_related). An equal one of the same master is replaced; when the
// class is full its oldest one goes. With ExpectOK every worker sees it at
// once, so that the packet that announced it may leave. Second part of x is
// filled in. Owner of the master only.
func (s *Shard) Expect(n uint32, x *Expectation, now uint32) ExpectResult {
	e := &s.entries[n]
	if n == 0 || e.Status&StatusDying != 0 {
		return ExpectRefused
	}
	limit := 0
	x.Helper = s.HelperOf(n)
	timeout := x.Timeout
	if x.Helper != 0 {
		h := &s.table.helpers[x.Helper]
		if int(x.Class) >= len(h.Classes) {
			return ExpectRefused
		}
		limit = h.Classes[x.Class].Max
		if timeout == 0 {
			timeout = h.Classes[x.Class].TimeoutSec
		}
	}
	if timeout == 0 || timeout > maxTimeout {
		return ExpectRefused
	}
	skip := x.Flags&ExpectSkipMaster != 0
	x.Flags &^= ExpectSkipMaster
	x.Expires = now + timeout*1000
	x.MasterEntry, x.MasterID, x.Worker, x.Mark = n, s.ID(n), uint32(s.me), e.Mark
	x.Master, x.MasterReply = e.Tuple, s.ReplyTuple(n)
	if e.flags&flagExpects == 0 {
		s.bear(n)
	}
	x.Serial = uint16(atomic.LoadUint32(&s.cold.children[n]) >> childBits)
	if r := s.clear(x, skip, now); r != ExpectOK {
		return r
	}
	if limit > 0 && s.ExpectCount(n, x.Class) >= limit {
		s.evict(n, x.Class)
	}
	if s.expect.count.Add(1) > s.expect.max {
		s.expect.count.Add(-1)
		s.stats.Reasons[ReasonExpectFull]++
		return ExpectFull
	}
	r := s.claimExpect(n, x)
	if r != ExpectOK {
		s.expect.count.Add(-1)
		return r
	}
	s.stats.ExpectCreate++
	s.expectEvent(EventExpectNew, x)
	return ExpectOK
}

// clear looks at what holds in the window of x already: an equal one of the
// same master goes, any other that overlaps stands in the way.
func (s *Shard) clear(x *Expectation, skip bool, now uint32) ExpectResult {
	t := s.expect
	lines, print := t.place(&x.Tuple)
	o := &s.scratch
	for _, at := range lines {
		for i := at; i < at+slots; i++ {
			word := atomic.LoadUint64(&t.words[i])
			if word>>expectPrint != print || !holds(word) || !t.read(i, word, o) || !o.overlaps(x) {
				continue
			}
			mine := o.Worker == x.Worker && o.MasterEntry == x.MasterEntry
			equal := o.Tuple == x.Tuple && o.MaskSrc == x.MaskSrc && o.MaskPort == x.MaskPort
			switch {
			case mine && int32(o.Expires-now) <= 0:
				s.Unexpect(uint32(i) + 1)
			case equal && (mine || skip) && (!mine || o.Class != x.Class):
				return ExpectAlready
			case equal && mine:
				s.Unexpect(uint32(i) + 1)
			case int32(o.Expires-now) <= 0 && s.table.expect.step(i, word, expectSpent):
				s.expect.count.Add(-1) // another worker's, over and not yet swept
				s.stats.ExpectDelete++
				s.expectEvent(EventExpectDestroy, o)
			default:
				return ExpectBusy
			}
		}
	}
	return ExpectOK
}

// claimExpect puts x into a free slot and makes it hold, unless an overlapping
// one got there first. As in the directory, of two tried at the same time the
// later one sees the other: it gives way to one that holds or stands lower, and
// takes out one that stands higher.
func (s *Shard) claimExpect(n uint32, x *Expectation) ExpectResult {
	t := s.expect
	lines, print := t.place(&x.Tuple)
	slot, word, ok := s.takeSlot(lines, print)
	if !ok {
		s.stats.Reasons[ReasonExpectFull]++
		return ExpectFull
	}
	t.store(slot, x)
	atomic.StoreUint64(&t.words[slot], word|expectTried)
	o := &s.scratch
	passed := false
	for _, at := range lines {
		for i := at; i < at+slots; i++ {
			if i == slot {
				passed = true
				continue
			}
			for {
				other := atomic.LoadUint64(&t.words[i])
				tried := other&phaseMask == expectTried
				if other>>expectPrint != print || !tried && !holds(other) {
					break
				}
				if !t.read(i, other, o) {
					continue // its owner made progress
				}
				if !o.overlaps(x) {
					break
				}
				if !tried || !passed {
					s.freeSlot(slot)
					return ExpectBusy
				}
				if t.step(i, other, expectSpent) {
					break
				}
			}
		}
	}
	phase := expectDormant
	if s.entries[n].Status&StatusConfirmed != 0 {
		phase = expectArmed
	}
	if !t.step(slot, word|expectTried, phase) {
		s.freeSlot(slot)
		return ExpectBusy
	}
	h := &s.cold.help[n]
	if s.entries[n].flags&(flagHelper|flagExpects) == 0 {
		*h = Help{}
	}
	s.entries[n].flags |= flagExpects
	t.links[slot], h.first = h.first, uint32(slot)+1
	return ExpectOK
}

// takeSlot takes a free word of the window and returns it without a phase.
func (s *Shard) takeSlot(lines [2]uint64, print uint64) (slot, word uint64, ok bool) {
	t := s.expect
	for _, at := range lines {
		for i := at; i < at+slots; i++ {
			old := atomic.LoadUint64(&t.words[i])
			if old&phaseMask != expectFree {
				continue
			}
			word := print<<expectPrint | (old>>expectSerial+1)&serialMask<<expectSerial | uint64(s.me)<<expectOwner
			if atomic.CompareAndSwapUint64(&t.words[i], old, word|expectWriting) {
				s.slots++
				return i, word, true
			}
		}
	}
	return 0, 0, false
}

// freeSlot gives a slot of this worker back; the serial number stays.
func (s *Shard) freeSlot(i uint64) {
	word := atomic.LoadUint64(&s.expect.words[i])
	atomic.StoreUint64(&s.expect.words[i], word&(serialMask<<expectSerial))
	s.slots--
}
