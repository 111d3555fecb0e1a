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
	ID          uint32    // Shard.ID
	Packets     [2]uint64 // by direction
	Bytes       [2]uint64
	Times       Timestamps // zero without Config.Timestamp
	Labels      Labels
	VTags       [2]uint32 // SCTP: verification tags by direction
	Helper      uint8     // number; 0 none
	_           uint8
	Policy      uint16 // number of its timeout policy; 0 none
	Children    uint16 // flows that it announced and that live; one of a use count each
	_           [2]byte
}

// copyFlow writes down what there is to say about entry n.
func (s *Shard) copyFlow(n, now uint32, f *Flow) {
	e := &s.entries[n]
	*f = Flow{
		Orig: e.Tuple, Reply: s.ReplyTuple(n), Status: e.Status &^ StatusOwn, Mark: e.Mark, State: e.State, Zone: e.Tuple.Zone,
		Worker: s.me, Entry: n, ID: s.ID(n), Packets: e.Packets, Bytes: e.Bytes, Labels: s.Labels(n),
		Times: s.Timestamps(n), Helper: s.HelperOf(n), Policy: s.TimeoutsOf(n), Children: s.childrenOf(n),
	}
	if e.Tuple.Proto == ProtoSCTP {
		f.VTags = [2]uint32(e.Proto[:2])
	}
	if left := int32(e.Expires - now); left > 0 {
		f.TimeoutSec = uint32(left) / 1000
	}
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
		s.copyFlow(i, now, &out[n])
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
