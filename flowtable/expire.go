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
func (s *Shard) Expire(now uint32, slice int) {
	for range min(slice, int(s.high)) {
		s.cursor++
		if s.cursor > s.high {
			s.cursor = 1
		}
		if e := &s.entries[s.cursor]; e.Live() && e.expired(now) {
			s.reap(s.cursor)
		}
	}
	if s.slots > 0 {
		s.sweep(now)
	}
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
