package flowtable

import "sync/atomic"

// Stats are the counters of a shard, or of all of them. The first part has the
// kernel's names (/proc/net/stat/nf_conntrack, `conntrack -S`).
type Stats struct {
	Found         uint64 // reply tuples met in use while NAT searched for one
	Invalid       uint64
	Insert        uint64 // entries made by a tool
	InsertFailed  uint64
	ClashResolve  uint64
	Drop          uint64
	EarlyDrop     uint64
	Error         uint64 // refused ICMP errors
	SearchRestart uint64 // always 0: a shard has one writer
	ChainTooLong  uint64 // tuples whose two buckets were full
	ExpectNew     uint64
	ExpectCreate  uint64
	ExpectDelete  uint64

	Created uint64 // entries made, confirmed or not
	Expired uint64 // entries that reached their timeout
	Foreign uint64 // packets that belong to another worker

	Reasons [Reasons]uint64 // by Reason
}

const (
	statFields = 16
	statWords  = statFields + Reasons
)

func (s *Stats) words() [statWords]uint64 {
	w := [statWords]uint64{
		s.Found, s.Invalid, s.Insert, s.InsertFailed, s.ClashResolve, s.Drop, s.EarlyDrop, s.Error, s.SearchRestart,
		s.ChainTooLong, s.ExpectNew, s.ExpectCreate, s.ExpectDelete, s.Created, s.Expired, s.Foreign,
	}
	copy(w[statFields:], s.Reasons[:])
	return w
}

// Add adds o to s, field by field.
func (s *Stats) Add(o *Stats) {
	s.Found += o.Found
	s.Invalid += o.Invalid
	s.Insert += o.Insert
	s.InsertFailed += o.InsertFailed
	s.ClashResolve += o.ClashResolve
	s.Drop += o.Drop
	s.EarlyDrop += o.EarlyDrop
	s.Error += o.Error
	s.SearchRestart += o.SearchRestart
	s.ChainTooLong += o.ChainTooLong
	s.ExpectNew += o.ExpectNew
	s.ExpectCreate += o.ExpectCreate
	s.ExpectDelete += o.ExpectDelete
	s.Created += o.Created
	s.Expired += o.Expired
	s.Foreign += o.Foreign
	for i := range s.Reasons {
		s.Reasons[i] += o.Reasons[i]
	}
}

// published is what others may read of a shard's Stats: the owner stores each
// word with PublishStats, ReadStats loads them.
type published struct {
	last  Stats // the owner's copy of what it stored
	words [statWords]atomic.Uint64
}

// PublishStats makes the counters visible to ReadStats. The owner calls it at
// the end of a burst; when nothing changed it costs one comparison, because an
// atomic store is an exchange of some 20 cycles on amd64 and there are many
// words.
func (s *Shard) PublishStats() {
	p := &s.published
	if p.last == s.stats {
		return
	}
	was, now := p.last.words(), s.stats.words()
	for i := range now {
		if was[i] != now[i] {
			p.words[i].Store(now[i])
		}
	}
	p.last = s.stats
}

// ReadStats returns what the owner last published. Any goroutine may call it.
// Each word is whole; between words a publication may fall.
func (s *Shard) ReadStats() Stats {
	w := &s.published.words
	r := Stats{
		Found: w[0].Load(), Invalid: w[1].Load(), Insert: w[2].Load(), InsertFailed: w[3].Load(),
		ClashResolve: w[4].Load(), Drop: w[5].Load(), EarlyDrop: w[6].Load(), Error: w[7].Load(),
		SearchRestart: w[8].Load(), ChainTooLong: w[9].Load(), ExpectNew: w[10].Load(),
		ExpectCreate: w[11].Load(), ExpectDelete: w[12].Load(), Created: w[13].Load(),
		Expired: w[14].Load(), Foreign: w[15].Load(),
	}
	for i := range r.Reasons {
		r.Reasons[i] = w[statFields+i].Load()
	}
	return r
}

// Stats returns the owner's own counters, always current. Owner only.
func (s *Shard) Stats() *Stats { return &s.stats }

// Stats returns the sum of what the shards have published. Any goroutine may
// call it.
func (t *Table) Stats() Stats {
	var sum Stats
	for _, s := range t.shards {
		r := s.ReadStats()
		sum.Add(&r)
	}
	return sum
}
