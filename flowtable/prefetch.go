package flowtable

// prefetchAhead is how many packets the first stage of Prefetch runs ahead of
// the second. Requests beyond the miss buffers of a core are dropped or make it
// wait: with all 64 buckets of a burst asked for first, prefetch and Track took
// 98 ns/packet at 1 M flows, with 16 ahead 59 (8: 70, 32: 74). The assembly
// routine has the same distance; it saves 10 more while the table fits the
// cache, and nothing where memory is the limit.
const prefetchAhead = 16

// Prefetch fetches what Track will read for the flows of a burst, given their
// hashes. It changes nothing: Track looks again. Owner only.
func (s *Shard) Prefetch(hashes []uint64) { s.prefetch(hashes) }

// prefetchGo is what prefetch does, for machines without the assembly routine
// and to compare that with. Both return the sum of the entry numbers they met,
// the one thing about a prefetch that a test can see.
func (s *Shard) prefetchGo(hashes []uint64) (sum uint64) {
	for _, h := range hashes[:min(prefetchAhead, len(hashes))] {
		s.PrefetchBucket(h)
	}
	for i, h := range hashes {
		if i+prefetchAhead < len(hashes) {
			s.PrefetchBucket(hashes[i+prefetchAhead])
		}
		sum += s.PrefetchEntry(h)
	}
	return sum
}

// PrefetchBucket fetches what a lookup of hash reads first. Stage one of a
// burst.
func (s *Shard) PrefetchBucket(hash uint64) {
	prefetchBucket(&s.index.buckets[s.index.home(hash)])
}

// PrefetchEntry fetches the entries that a lookup of hash may read. Stage two:
// it looks at the bucket. Track looks again, so this is only a hint. It returns
// the sum of the entry numbers it met.
func (s *Shard) PrefetchEntry(hash uint64) (sum uint64) {
	x := &s.index
	tag, h := tagOf(hash), x.home(hash)
	b := &x.buckets[h]
	m := b.matches(tag)
	if m == 0 && b.displaced != 0 {
		prefetchBucket(&x.buckets[x.alternative(h, tag)])
	}
	for ; m != 0; m &= m - 1 {
		if i := slot(m); b.tag(i) == tag {
			sum += uint64(b.entry[i&(slots-1)])
			s.prefetchSlot(b, i)
		}
	}
	return sum
}

func (s *Shard) prefetchSlot(b *bucket, i int) {
	n := b.entry[i&(slots-1)]
	prefetchEntry(&s.entries[n])
	prefetchLast(&s.tcp[n])
	if b.reply&(1<<i) != 0 {
		prefetchNAT(&s.nat[n])
	}
}
