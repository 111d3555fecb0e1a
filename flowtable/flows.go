package flowtable

// Flow is a copy of one flow, for listings.
type Flow struct {
	Orig, Reply Tuple
	Status      uint32
	Mark        uint32
	TimeoutSec  uint32 // what is left
	State       TCPState
	Zone        uint16
	Worker      uint16
	Entry       uint32
	Packets     [2]uint64 // by direction
	Bytes       [2]uint64
}

// Flows copies up to len(out) live flows, looking at no more than max entries
// from number from on (0 begins). It returns the number to go on with, 0 at
// the end, and how many it copied. The owner calls it, in slices between
// bursts; flows that come and go between slices may be missed.
func (s *Shard) Flows(from uint32, max int, now uint32, out []Flow) (next uint32, n int) {
	i := from
	if i == 0 {
		i = 1
	}
	for ; i <= s.high && max > 0 && n < len(out); i, max = i+1, max-1 {
		e := &s.entries[i]
		if !e.Live() || e.expired(now) {
			continue
		}
		out[n] = Flow{
			Orig: e.Tuple, Reply: s.ReplyTuple(i), Status: e.Status, Mark: e.Mark,
			TimeoutSec: (e.Expires - now) / 1000, State: e.State, Zone: e.Tuple.Zone,
			Worker: s.me, Entry: i, Packets: e.Packets, Bytes: e.Bytes,
		}
		n++
	}
	if i > s.high {
		return 0, n
	}
	return i, n
}

// Flush ends up to max live flows from entry number from on (0 begins) and
// returns the number to go on with, 0 at the end, and how many it ended. The
// owner calls it, in slices between bursts.
func (s *Shard) Flush(from uint32, max int) (next uint32, n int) {
	i := from
	if i == 0 {
		i = 1
	}
	for ; i <= s.high && max > 0; i, max = i+1, max-1 {
		if s.entries[i].Live() {
			s.kill(i)
			n++
		}
	}
	if i > s.high {
		return 0, n
	}
	return i, n
}
