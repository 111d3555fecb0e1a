package flowtable

// prefetchAhead is how many packets the first stage of Prefetch runs ahead of
// the second. Requests beyond the miss buffers of a core are dropped or make it
// wait: with all 64 buckets of a burst asked for first, prefetch and Track took
// 98 ns/packet at 1 M flows, with 16 ahead 59 (8: 70, 32: 74). The assembly
// routine has the same distance; it saves 10 more while the table fits the
// cache, and nothing where memory is the limit.
const prefetchAhead = 16

// PrefetchAll marks a hash given to Prefetch: fetch also what only TCP and
// SCTP read of their flows.
const PrefetchAll uint64 = 1 << 63

// Prefetch fetches what Track will read for the flows of a burst, given their
// hashes, which may be marked. It changes nothing. hints must be as long: it
// gets for each hash the number of an entry that may be its flow's, or 0, for
// Probe.Hint. Owner only.
func (s *Shard) Prefetch(hashes []uint64, hints []uint32) { s.prefetch(hashes, hints) }

// fetches says for which slots of a bucket a lookup that hits goes on to NAT,
// and which mark all hashes have.
func (s *Shard) fetches() (moved uint8, more uint64) {
	if s.table.nat.Load() {
		moved = 0xff
	}
	if s.acct {
		more = PrefetchAll
	}
	return moved, more
}

// prefetchGo is what prefetch does, for machines without the assembly routine
// and to compare that with. The hints are the one thing about a prefetch that a
// test can see.
func (s *Shard) prefetchGo(hashes []uint64, hints []uint32) {
	moved, more := s.fetches()
	for _, h := range hashes[:min(prefetchAhead, len(hashes))] {
		prefetchBucket(&s.index.buckets[s.index.home(h)])
	}
	for i, h := range hashes {
		if i+prefetchAhead < len(hashes) {
			prefetchBucket(&s.index.buckets[s.index.home(hashes[i+prefetchAhead])])
		}
		hints[i] = s.prefetchEntries(h|more, moved)
	}
}

// prefetchEntries fetches the entries that a lookup of hash may read and
// returns the number of the last one; 0: none.
func (s *Shard) prefetchEntries(hash uint64, moved uint8) (n uint32) {
	x := &s.index
	tag, h := tagOf(hash), x.home(hash)
	b := &x.buckets[h]
	m := b.matches(tag)
	if m == 0 && b.displaced != 0 {
		prefetchBucket(&x.buckets[x.alternative(h, tag)])
	}
	for i := range slots {
		if b.tag(i) != tag {
			continue
		}
		n = b.entry[i]
		prefetchEntry(&s.entries[n])
		if (b.reply|moved)&(1<<i) != 0 {
			prefetchNAT(&s.nat[n])
		}
		if hash&PrefetchAll != 0 {
			prefetchProtocol(&s.entries[n])
			prefetchLast(&s.tcp[n])
		}
	}
	return n
}

// hinted says whether the entry of p.Hint is p's flow, without the index: the
// tuples of live flows are distinct, so one that fits is the one. A flow whose own
// two are the same is left to the index.
func (s *Shard) hinted(p *Probe) (n uint32, dir uint8) {
	e := &s.entries[p.Hint]
	if e.Status&(StatusConfirmed|StatusDying|StatusNATClash|StatusSelf) != StatusConfirmed {
		return 0, Original
	}
	if same(&e.Tuple, &p.Tuple) {
		return p.Hint, Original
	}
	if e.flags&flagMoved != 0 {
		if same(&s.nat[p.Hint].Reply, &p.Tuple) {
			return p.Hint, Reply
		}
	} else if inverse(&e.Tuple, &p.Tuple) {
		return p.Hint, Reply
	}
	return 0, Original
}
