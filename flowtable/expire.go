package flowtable

const earlyDropBuckets = 8 // buckets that earlyDrop looks at

// reap ends a flow whose time is over.
func (s *Shard) reap(n uint32) {
	s.kill(n)
	s.stats.Expired++
}

// Expire looks at the next slice entries and ends those whose time is over.
// The owner calls it once for each burst, with a slice that passes over the
// shard within seconds. now is the tick in milliseconds; an entry that nobody
// looks at for 24 days after its end would seem alive again.
//
// After a packet found the table full it ends, for one pass over the shard and
// while the table is above 95 % of its size, also what is not assured and what
// is closing (gc_worker in its aggressive mode).
func (s *Shard) Expire(now uint32, slice int) {
	s.tick = now
	if w := EventMask(s.table.watch.Load()); w|s.watch != 0 {
		s.Deliver(now)
		s.watch = w
	}
	if s.table.doomed.waiting.Load() != 0 {
		s.endDoomed()
	}
	if p := s.table.pressure.Load(); p != s.pressed {
		s.pressed, s.aimed = p, s.high
	}
	for range min(slice, int(s.high)) {
		s.cursor++
		if s.cursor > s.high {
			s.cursor = 1
		}
		e := &s.entries[s.cursor]
		switch {
		case !e.Live():
		case e.expired(now):
			s.reap(s.cursor)
		case s.aimed > 0 && s.crowded() && s.mayDrop(e):
			s.kill(s.cursor)
			s.stats.Purged++ // the kernel does not count these
		}
		if s.aimed > 0 {
			s.aimed--
		}
	}
	if s.slots > 0 {
		s.sweep(now)
	}
}

// crowded reports whether more than 95 % of the table is in use.
func (s *Shard) crowded() bool { return s.count.Load() > s.table.max/100*95 }

// press has all workers make room. One that is at it already has not seen the
// end of its pass; to raise the number again would only bounce a cache line.
func (s *Shard) press() {
	if s.aimed == 0 && s.table.pressure.Load() == s.pressed {
		s.table.pressure.Add(1)
	}
}

func (s *Shard) mayDrop(e *Entry) bool {
	if e.Status&StatusAssured == 0 {
		return true
	}
	f := s.table.tracker(&e.Tuple).MayDrop
	return f != nil && f(e)
}

// earlyDrop makes room as early_drop of nf_conntrack: from the bucket of key
// on it looks for one that holds flows which are not assured, and ends all of
// those. Expired flows it meets are reaped but do not count as room.
func (s *Shard) earlyDrop(key uint64, now uint32) bool {
	x := &s.index
	at := x.home(key)
	for range earlyDropBuckets {
		b := &x.buckets[at&x.mask]
		at++
		dropped := 0
		for i := range slots {
			n := b.entry[i]
			if n == 0 {
				continue
			}
			switch e := &s.entries[n]; {
			case e.expired(now):
				s.reap(n)
			case e.Status&StatusAssured == 0:
				s.kill(n)
				dropped++
			}
		}
		if dropped > 0 {
			s.stats.EarlyDrop += uint64(dropped)
			return true
		}
	}
	return false
}
