package flowtable

import (
	"runtime"
	"sync/atomic"
)

// A tally counts flows that live: `ct count` has one for each statement, or for
// each element of a set (nf_conncount). A flow is a member from the first packet
// that Join was asked about until it ends or, of TCP, closes.
//
// Members stand in a list of the tally, guarded by a lock of a few dozen
// instructions. Their owners put in and take out; whoever finds too many
// looks for those whose time is over and that their owner has not met yet, so
// that the count does not depend on how soon that happens. For this each
// member bears the expiry of its flow, which its owner keeps up to date.
type tally struct {
	lock   uint32 // 1: held
	serial uint32 // of its use; members of an earlier one are none
	first  uint32 // member
	count  uint32
	swept  uint32 // tick of the last look for members whose time is over
	_      uint32
	next   uint64 // in the list of free ones
}

// member is a flow in a tally.
type member struct {
	tally, serial uint32
	next, prev    uint32 // in the tally's list; under its lock
	linked        uint32 // 1: it is in the list; under its lock
	chain         uint32 // the flow's membership in another tally, or the next free one; the owner's
	due           uint64 // dueHolds and the tick at which the flow ends; 0: it is unconfirmed
}

const (
	dueHolds = uint64(1) << 32
	// MaxTallies is how many tallies a table has.
	MaxTallies = 1 << 20
)

// tallies are a table's.
type tallies struct {
	cells   []tally
	members []member // share of each shard in turn; number 0 is none
	share   uint32

	_     [64]byte
	free  atomic.Uint64 // number of the first free cell, and a tag above it
	fresh atomic.Uint64 // cells never used
	_     [48]byte
}

func (t *Table) reserveTallies() error {
	x := &t.tallies
	x.share = uint32(min(t.cfg.Max+1, int(^uint32(0))/t.cfg.Workers))
	return steps(
		func() error { return reserveSparse(&t.build, "tallies", &x.cells, MaxTallies+1) },
		func() error { return reserveSparse(&t.build, "tally members", &x.members, int(x.share)*t.cfg.Workers) },
	)
}

// NewTally takes a tally without members; 0: there is none. Any goroutine.
func (t *Table) NewTally() uint32 {
	x := &t.tallies
	for {
		old := x.free.Load()
		n := uint32(old)
		if n == 0 {
			break
		}
		next := atomic.LoadUint64(&x.cells[n].next)
		if x.free.CompareAndSwap(old, (old>>32+1)<<32|next) {
			return n
		}
	}
	if n := x.fresh.Add(1); n <= MaxTallies {
		return uint32(n)
	}
	x.fresh.Add(^uint64(0))
	return 0
}

// EndTally gives a tally back. Any goroutine, but once.
func (t *Table) EndTally(number uint32) {
	x := &t.tallies
	c := &x.cells[number]
	c.hold()
	c.serial++
	c.first, c.count = 0, 0
	c.release()
	for {
		old := x.free.Load()
		atomic.StoreUint64(&c.next, old&0xffffffff)
		if x.free.CompareAndSwap(old, (old>>32+1)<<32|uint64(number)) {
			return
		}
	}
}

// Tally returns how many flows a tally counts that live at a tick. Any
// goroutine.
func (t *Table) Tally(number, now uint32) uint32 {
	c := &t.tallies.cells[number]
	c.hold()
	t.tallies.sweep(c, now)
	n := c.count
	c.release()
	return n
}

// hold waits for the lock. Nobody has it for long, but its holder may have to
// wait for this very CPU.
func (c *tally) hold() {
	for try := 1; !atomic.CompareAndSwapUint32(&c.lock, 0, 1); try++ {
		if try%1024 == 0 {
			runtime.Gosched()
		}
	}
}

func (c *tally) release() { atomic.StoreUint32(&c.lock, 0) }

// Join counts the flow of entry n in a tally and returns how many it counts, the
// flow included. When that is more than limit it is exact. A flow that is confirmed
// already does not become a member, and one that is closed is none any more. n is
// 0 for a packet without flow, which counts for the moment. False: there is
// no room for another member. Owner only.
func (s *Shard) Join(n, number, limit, now uint32) (count uint32, ok bool) {
	x := &s.table.tallies
	c := &x.cells[number]
	c.hold()
	defer c.release()
	extra := uint32(1)
	if n != 0 {
		h := s.cold.tally[n]
		for h != 0 && (x.members[h].tally != number || x.members[h].serial != c.serial) {
			h = x.members[h].chain
		}
		if h == 0 && s.entries[n].Status&StatusConfirmed == 0 {
			if h = s.takeMember(n); h == 0 {
				return 0, false
			}
			m := &x.members[h]
			m.tally, m.serial = number, c.serial
			x.link(c, h)
		}
		extra = 0
	}
	if c.count+extra > limit {
		x.sweep(c, now)
	}
	return c.count + extra, true
}

// takeMember gives the flow of entry n another membership; 0: there is none.
func (s *Shard) takeMember(n uint32) uint32 {
	x := &s.table.tallies
	h := s.memberFree
	switch {
	case h != 0:
		s.memberFree = x.members[h].chain
	case s.memberHigh < x.share-1:
		s.memberHigh++
		h = uint32(s.me)*x.share + s.memberHigh
	default:
		return 0
	}
	m := &x.members[h]
	atomic.StoreUint64(&m.due, 0)
	m.chain = s.cold.tally[n]
	s.cold.tally[n] = h
	s.members++
	return h
}

// tell lets the tallies of the flow of entry n know when it ends, or that it
// is closed.
func (s *Shard) tell(n uint32) {
	e, x := &s.entries[n], &s.table.tallies
	closed := e.Tuple.Proto == ProtoTCP && (e.State == TCPTimeWait || e.State == TCPClose)
	for h := s.cold.tally[n]; h != 0; h = x.members[h].chain {
		switch m := &x.members[h]; {
		case closed:
			x.unlink(m)
		case e.Status&StatusConfirmed != 0:
			atomic.StoreUint64(&m.due, dueHolds|uint64(e.Expires))
		}
	}
}

// quit takes the flow of entry n, which ends, out of its tallies.
func (s *Shard) quit(n uint32) {
	x := &s.table.tallies
	for h := s.cold.tally[n]; h != 0; {
		m := &x.members[h]
		x.unlink(m)
		next := m.chain
		m.chain, s.memberFree = s.memberFree, h
		s.members--
		h = next
	}
	s.cold.tally[n] = 0
}

// link puts a member into the list of c, which is held.
func (x *tallies) link(c *tally, h uint32) {
	m := &x.members[h]
	m.next, m.prev, m.linked = c.first, 0, 1
	if c.first != 0 {
		x.members[c.first].prev = h
	}
	c.first = h
	c.count++
}

// unlink takes a member out of its tally, if it still is in there.
func (x *tallies) unlink(m *member) {
	c := &x.cells[m.tally]
	c.hold()
	if m.serial == c.serial && m.linked != 0 {
		x.cut(c, m)
	}
	c.release()
}

// cut takes a member out of the list of c, which is held.
func (x *tallies) cut(c *tally, m *member) {
	if m.prev != 0 {
		x.members[m.prev].next = m.next
	} else {
		c.first = m.next
	}
	if m.next != 0 {
		x.members[m.next].prev = m.prev
	}
	m.linked = 0
	c.count--
}

// sweep takes members whose time is over out of c, which is held. Between two
// ticks none can have come to that.
func (x *tallies) sweep(c *tally, now uint32) {
	if c.swept == now {
		return
	}
	c.swept = now
	for h := c.first; h != 0; {
		m := &x.members[h]
		h = m.next
		if due := atomic.LoadUint64(&m.due); due&dueHolds != 0 && int32(uint32(due)-now) <= 0 {
			x.cut(c, m)
		}
	}
}
