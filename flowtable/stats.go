package flowtable

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
	Purged  uint64 // entries that Expire ended because the table had been full
	Foreign uint64 // packets that belong to another worker

	Reasons [Reasons]uint64 // by Reason
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
	s.Purged += o.Purged
	s.Foreign += o.Foreign
	for i := range s.Reasons {
		s.Reasons[i] += o.Reasons[i]
	}
}

// Stats returns the owner's own counters, always current. Owner only.
func (s *Shard) Stats() *Stats { return &s.stats }
