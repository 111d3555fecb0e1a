package flowtable

import "sync/atomic"

// Shard is one worker's part of the table. Every method is for the owning
// worker alone, except those that say otherwise; none allocates.
//
// Entry numbers run from 1. An entry is free, unconfirmed (a number and a
// place in the count, but not in the index), or confirmed. A freed entry keeps
// its contents until the number is given out again, so that the packet that
// ended a flow can still be rewritten by it.
type Shard struct {
	table  *Table
	count  *atomic.Int64 // the table's
	me     uint16
	alone  bool // the only worker: no flow can be anywhere else
	acct   bool
	direct bool // as the table's
	ms     timeoutsMs

	// Settings of the TCP tracker, as in Config.
	loose, liberal, ignoreInvalidReset bool
	maxRetrans                         uint8

	index   index
	entries []Entry
	nat     []NAT     // beside entries
	tcp     []tcpLast // beside entries: the last segment of a TCP flow
	freed   []uint32  // stack of free numbers
	free    int       // height of that stack
	high    uint32    // numbers above it were never given out
	live    int       // entries of this shard, unconfirmed ones included
	cursor  uint32    // where Expire goes on

	watch   EventMask // events that somebody wants
	noted   EventMask // what else happened to the flow of seen
	seen    seen      // the flow of the packet under way, as it was before it
	aimed   uint32    // entries that Expire still looks at because the table was full
	pressed uint32    // Table.pressure when it began to
	tick    uint32    // of the last Expire or, while somebody watches, Track
	nanos   int64     // see SetClock
	tool    uint32    // see SetTool
	ring    *eventRing

	members int // memberships in tallies of all flows of this shard

	expect  *expectations // the table's
	cold    cold          // beside entries
	slots   int           // of the expectation table that are this shard's
	swept   uint32        // where sweep goes on
	scratch Expectation
	gone    Expectation // what Unexpect deletes

	stats Stats
}

// newShard does the steps that make shard i.
func newShard(b *builder, t *Table, i int) (*Shard, error) {
	s := &Shard{table: t, count: &t.count, me: uint16(i), alone: t.cfg.Workers == 1, acct: t.cfg.Acct, direct: t.direct, ms: t.ms,
		loose: t.cfg.Loose, liberal: t.cfg.TCPBeLiberal, ignoreInvalidReset: t.cfg.TCPIgnoreInvalidRST, maxRetrans: t.cfg.TCPMaxRetrans,
		expect: &t.expect,
	}
	n := t.cfg.Max + 1 // number 0 is none
	err := steps(
		func() error { return reserve(b, "entries", &s.entries, n) },
		func() error { return reserve(b, "index", &s.index.buckets, indexBuckets(n)) },
		func() error { return reserve(b, "free numbers", &s.freed, n) },
		func() error { return reserve(b, "nat", &s.nat, n) },
		func() error { return reserve(b, "tcp", &s.tcp, n) },
		func() error { return s.cold.reserve(b, t.ext, n) },
		func() error { return s.reserveEvents(b) },
	)
	s.index.mask = uint32(len(s.index.buckets) - 1)
	return s, err
}

// Table returns the table that the shard is a part of. Any goroutine.
func (s *Shard) Table() *Table { return s.table }

// Entry returns entry n, 1 and up. It stays valid until Close, but the flow in
// it may end with any later Track, Expire or Delete.
func (s *Shard) Entry(n uint32) *Entry { return &s.entries[n] }

// NAT returns what stands beside entry n. Reply holds only for a flow whose
// reply tuple is not the inverse of its original one: ask ReplyTuple.
func (s *Shard) NAT(n uint32) *NAT { return &s.nat[n] }

// Len returns the number of entries of this shard, unconfirmed ones included.
func (s *Shard) Len() int { return s.live }

// find returns the entry that has tu as one of its tuples, and which; 0: none.
func (s *Shard) find(tu *Tuple, key uint64) (n uint32, dir uint8) {
	x := &s.index
	tag, at := tagOf(key), x.home(key)
	b := &x.buckets[at]
	for round := 0; ; round++ {
		for m := b.matches(tag); m != 0; m &= m - 1 {
			i := slot(m)
			n := b.entry[i&(slots-1)]
			if b.reply&(1<<i) == 0 && same(&s.entries[n].Tuple, tu) {
				return n, Original
			}
			if s.answers(b, i, tu) {
				return n, Reply
			}
		}
		if round == 1 || b.displaced == 0 {
			return 0, Original
		}
		b = &x.buckets[x.alternative(at, tag)]
	}
}

// answers reports whether tu is the reply tuple of the flow in slot i of b. A
// flow without NAT has one slot for both directions, any other one for each.
func (s *Shard) answers(b *bucket, i int, tu *Tuple) bool {
	n := b.entry[i&(slots-1)]
	if b.reply&(1<<i) != 0 {
		return same(&s.nat[n].Reply, tu)
	}
	e := &s.entries[n]
	return e.flags&flagMoved == 0 && inverse(&e.Tuple, tu)
}

// alloc takes an entry number and a place in the count for a new flow of tu,
// as __nf_conntrack_alloc: over the limit it drops unassured flows near key
// early. 0: the table is full.
func (s *Shard) alloc(tu *Tuple, key uint64, now uint32) uint32 {
	if s.count.Add(1) > s.table.max && !s.earlyDrop(key, now) {
		s.count.Add(-1)
		s.press()
		return 0
	}
	var n uint32
	switch {
	case s.free > 0:
		s.free--
		n = s.freed[s.free]
	case int(s.high) < len(s.entries)-1:
		s.high++
		n = s.high
	default:
		s.count.Add(-1)
		return 0
	}
	s.live++
	s.stats.Created++
	s.entries[n] = Entry{Tuple: *tu}
	return n
}

// recycle gives the number of entry n back. Its contents stay for now.
func (s *Shard) recycle(n uint32) {
	s.freed[s.free] = n
	s.free++
	s.live--
	s.count.Add(-1)
}

// kill ends a confirmed flow: out of the index and the directory, number free.
func (s *Shard) kill(n uint32) {
	e := &s.entries[n]
	s.unfile(n, e)
	if s.cold.stamps != nil {
		s.cold.stamps[n].Stop = s.nanos
	}
	if e.flags&flagWatched != 0 {
		s.destroyed(n)
	}
	s.end(n, e)
}

// end frees an entry that is in the index no more, or never was.
func (s *Shard) end(n uint32, e *Entry) {
	if e.flags&flagExpects != 0 {
		s.dropExpectations(n)
	}
	if e.flags&flagHelper != 0 {
		if ended := s.table.helpers[s.cold.help[n].Helper].Ended; ended != nil {
			ended(s, n)
		}
	}
	if s.members != 0 {
		s.quit(n)
	}
	if e.Status&StatusExpected != 0 {
		s.table.adopt(&s.cold.child[n].Expectation, -1)
	}
	e.Status |= StatusDying
	s.recycle(n)
}

// unfile takes a confirmed entry out of the index and the directory.
func (s *Shard) unfile(n uint32, e *Entry) {
	if e.Status&(StatusNATClash|StatusSelf) == 0 {
		s.index.remove(s.key(&e.Tuple), n, false)
	}
	s.unlist(e)
	if e.flags&flagMoved != 0 || e.Status&StatusSelf != 0 {
		s.index.remove(s.key(&s.nat[n].Reply), n, true)
	}
	s.releaseClaim(n)
}

func (s *Shard) key(tu *Tuple) uint64 { return spread(tu, s.table.Hash(tu)) }

// Live reports whether entry n is a confirmed flow that has not ended.
func (e *Entry) Live() bool { return e.Status&(StatusConfirmed|StatusDying) == StatusConfirmed }

func (e *Entry) expired(now uint32) bool { return int32(e.Expires-now) <= 0 }

// Delete ends the confirmed flow of entry n now. It does nothing for an entry
// that is free or unconfirmed.
func (s *Shard) Delete(n uint32) {
	if n != 0 && n <= s.high && s.entries[n].Live() {
		s.kill(n)
	}
}
