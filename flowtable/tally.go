package flowtable

import (
	"runtime"
	"sync/atomic"
)

// A tally counts flows that live: `ct count` has one for each statement, or for
// each element of a set (nf_conncount). It is a list of members in the order in
// which they joined, guarded by a lock of a few dozen instructions. Members whose
// flow has ended, is over or closed stay in it, and count, until a walk over the
// list comes by and takes them out; a walk for a flow that is a member ends there,
// unless it is assured. So a flow that a rule refused because too many were there
// is one more for a moment. That is the kernel's way, and what rules see.
//
// The kernel adds without looking when it has looked within the same jiffy, and
// takes what another CPU added a moment ago for alive. Neither is so here.
type tally struct {
	lock        uint32 // 1: held
	serial      uint32 // of its use; members of an earlier one are none
	first, last uint32 // members
	count       uint32
	_           uint32
	next        uint64 // in the list of free ones
}

// member is a flow in a tally. It is free when it is neither in the list nor the
// flow's.
type member struct {
	tally, serial uint32
	next, prev    uint32 // in the tally's list; under its lock
	linked        uint32 // 1: in the list; under its lock
	chain         uint32 // the flow's membership in another tally; the owner's
	state         uint64 // member* bits and the tick at which the flow ends; a free one: the next free one
}

const (
	memberFiled  = uint64(1) << 32 // the flow is confirmed: the tick holds
	memberClosed = uint64(1) << 33 // of TCP, in TIME_WAIT or CLOSE
	memberGone   = uint64(1) << 34 // the flow has ended, or there never was one

	// MaxTallies is how many tallies a table has.
	MaxTallies = 1 << 20
	// tallyEvictions is how many dead members a walk may have met to go on
	// (CONNCOUNT_GC_MAX_NODES).
	tallyEvictions = 8
)

// tallies are a table's. Both of its stocks are lists of numbers, the first one
// below a tag, and what was never used.
type tallies struct {
	cells   []tally  // number 0 is none
	members []member // likewise

	_           [64]byte
	free        atomic.Uint64
	fresh       atomic.Uint64
	memberFree  atomic.Uint64
	memberFresh atomic.Uint64
	_           [32]byte
}

func (t *Table) reserveTallies() error {
	x := &t.tallies
	return steps(
		func() error { return reserveSparse(&t.build, "tallies", &x.cells, MaxTallies+1) },
		func() error { return reserveSparse(&t.build, "tally members", &x.members, 2*t.cfg.Max+1) },
	)
}

// takeNumber takes a number out of a stock; link is where the number's list goes
// on. 0: there is none.
func takeNumber(free, fresh *atomic.Uint64, limit int, link func(n uint32) *uint64) uint32 {
	for {
		old := free.Load()
		n := uint32(old)
		if n == 0 {
			break
		}
		next := atomic.LoadUint64(link(n)) & 0xffffffff
		if free.CompareAndSwap(old, (old>>32+1)<<32|next) {
			return n
		}
	}
	for {
		used := fresh.Load()
		if used >= uint64(limit) {
			return 0
		}
		if fresh.CompareAndSwap(used, used+1) {
			return uint32(used + 1)
		}
	}
}

// putNumber gives a number back.
func putNumber(free *atomic.Uint64, n uint32, link *uint64) {
	for {
		old := free.Load()
		atomic.StoreUint64(link, old&0xffffffff)
		if free.CompareAndSwap(old, (old>>32+1)<<32|uint64(n)) {
			return
		}
	}
}

func (x *tallies) cellLink(n uint32) *uint64   { return &x.cells[n].next }
func (x *tallies) memberLink(n uint32) *uint64 { return &x.members[n].state }

// NewTally takes a tally without members; 0: there is none. Any goroutine.
func (t *Table) NewTally() uint32 {
	x := &t.tallies
	return takeNumber(&x.free, &x.fresh, MaxTallies, x.cellLink)
}

// EndTally gives a tally back. Any goroutine, but once.
func (t *Table) EndTally(number uint32) {
	x := &t.tallies
	c := &x.cells[number]
	c.hold()
	for c.first != 0 {
		x.cut(c, c.first)
	}
	c.serial++
	c.release()
	putNumber(&x.free, number, &c.next)
}

// Tally returns how many members a tally has, dead ones included, and whether one
// of them lives at a tick. Any goroutine.
func (t *Table) Tally(number, now uint32) (count uint32, alive bool) {
	x := &t.tallies
	c := &x.cells[number]
	c.hold()
	for h := c.first; h != 0 && !alive; h = x.members[h].next {
		alive = !x.members[h].dead(now)
	}
	count = c.count
	c.release()
	return count, alive
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

func (m *member) dead(now uint32) bool {
	state := atomic.LoadUint64(&m.state)
	return state&(memberGone|memberClosed) != 0 || state&memberFiled != 0 && int32(uint32(state)-now) <= 0
}

// Join makes the flow of entry n a member of a tally, unless it is assured, and
// returns how many that then has. n is 0 for a packet without flow, which is a dead member from the
// beginning. False: there is no room. Owner only.
func (s *Shard) Join(n, number, now uint32) (count uint32, ok bool) {
	x := &s.table.tallies
	c := &x.cells[number]
	c.hold()
	defer c.release()
	own, status := uint32(0), uint32(0)
	if n != 0 {
		own, status = s.cold.tally[n], s.entries[n].Status
		for own != 0 && (x.members[own].tally != number || x.members[own].serial != c.serial) {
			own = x.members[own].chain
		}
	}
	evicted := 0
	for h := c.first; h != 0 && evicted <= tallyEvictions; {
		m := &x.members[h]
		next := m.next
		switch {
		case h == own && status&(StatusConfirmed|StatusAssured) == StatusConfirmed:
			return c.count, true
		case h == own && status&StatusConfirmed == 0 || m.dead(now):
			x.cut(c, h)
			if status&StatusAssured == 0 {
				evicted++
			}
		}
		h = next
	}
	if status&StatusAssured != 0 {
		return c.count, true
	}
	if own == 0 {
		if own = takeNumber(&x.memberFree, &x.memberFresh, len(x.members)-1, x.memberLink); own == 0 {
			return 0, false
		}
		m := &x.members[own]
		m.tally, m.serial, m.linked = number, c.serial, 0
		if n != 0 {
			m.chain = s.cold.tally[n]
			s.cold.tally[n] = own
			s.members++
		}
		s.note(m, n)
	}
	if x.members[own].linked != 0 { // the walk ended before it
		x.cut(c, own)
	}
	x.link(c, own)
	return c.count, true
}

// note writes into a membership what is to know of the flow of entry n.
func (s *Shard) note(m *member, n uint32) {
	state := memberGone
	if n != 0 {
		state = 0
		e := &s.entries[n]
		if e.Status&StatusConfirmed != 0 {
			state = memberFiled | uint64(e.Expires)
		}
		if e.Tuple.Proto == ProtoTCP && (e.State == TCPTimeWait || e.State == TCPClose) {
			state |= memberClosed
		}
	}
	atomic.StoreUint64(&m.state, state)
}

// tell lets the tallies of the flow of entry n know when it ends, or that it
// is closed.
func (s *Shard) tell(n uint32) {
	for h := s.cold.tally[n]; h != 0; {
		m := &s.table.tallies.members[h]
		s.note(m, n)
		h = m.chain
	}
}

// quit ends the memberships of the flow of entry n, which ends.
func (s *Shard) quit(n uint32) {
	x := &s.table.tallies
	for h := s.cold.tally[n]; h != 0; {
		m := &x.members[h]
		next := m.chain
		c := &x.cells[m.tally]
		c.hold()
		atomic.StoreUint64(&m.state, memberGone)
		if m.linked == 0 {
			putNumber(&x.memberFree, h, &m.state)
		}
		c.release()
		s.members--
		h = next
	}
	s.cold.tally[n] = 0
}

// link puts a member at the end of the list of c, which is held.
func (x *tallies) link(c *tally, h uint32) {
	m := &x.members[h]
	m.next, m.prev, m.linked = 0, c.last, 1
	if c.last != 0 {
		x.members[c.last].next = h
	} else {
		c.first = h
	}
	c.last = h
	c.count++
}

// cut takes a member out of the list of c, which is held, and frees it if it is
// nobody's any more.
func (x *tallies) cut(c *tally, h uint32) {
	m := &x.members[h]
	if m.prev != 0 {
		x.members[m.prev].next = m.next
	} else {
		c.first = m.next
	}
	if m.next != 0 {
		x.members[m.next].prev = m.prev
	} else {
		c.last = m.prev
	}
	m.linked = 0
	c.count--
	if atomic.LoadUint64(&m.state)&memberGone != 0 {
		putNumber(&x.memberFree, h, &m.state)
	}
}
