package flowtable

import (
	"math/bits"
	"sync/atomic"
)

// EventMask is a set of kinds of events.
type EventMask uint32

// Kinds of events of flows, numbered as IPCT_* (enum ip_conntrack_events), and
// of expectations.
const (
	EventNew EventMask = 1 << iota
	EventRelated
	EventDestroy
	EventReply
	EventAssured
	EventProtoInfo
	EventHelper
	EventMark
	EventSeqAdjust
	EventSecMark // never: there are no security marks
	EventLabel
	EventSynproxy
	EventExpectNew     EventMask = 1 << 16
	EventExpectDestroy EventMask = 1 << 17

	EventFlows   = EventSynproxy<<1 - 1
	EventExpects = EventExpectNew | EventExpectDestroy
)

// EventsMode is nf_conntrack_events.
type EventsMode uint8

const (
	EventsOff  EventsMode = iota
	EventsOn              // always, whether somebody reads them or not
	EventsAuto            // of flows that begin while somebody listens
)

const (
	defaultEventRing = 4096
	maxEventRing     = 1 << 20
)

// Event is what happened to one flow with one packet, or to one expectation.
type Event struct {
	Kinds  EventMask
	Worker uint32
	Tick   uint32
	Tool   uint32 // process number of the program that asked for it; 0: none did
	Nanos  int64  // see Shard.SetClock
	Flow   Flow   // zero for expectations
	Expect Expectation
}

// eventRing carries events from a worker to the one who calls ReadEvents. A
// worker that finds it full drops the event and counts it.
type eventRing struct {
	slots []Event
	_     [64]byte
	tail  atomic.Uint64 // stored by the worker
	lost  atomic.Uint64 // stored by the worker
	_     [48]byte
	head  atomic.Uint64 // stored by the reader
	_     [56]byte
}

func (s *Shard) reserveEvents(b *builder) error {
	n := s.table.cfg.EventRing
	if n == 0 {
		n = defaultEventRing
	}
	if s.table.cfg.Events == EventsOff {
		n = 0
	}
	s.ring = new(eventRing)
	return reserve(b, "events", &s.ring.slots, n)
}

// slot returns where the next event goes, or nil.
func (r *eventRing) slot() *Event {
	tail := r.tail.Load()
	if tail-r.head.Load() >= uint64(len(r.slots)) {
		r.lost.Store(r.lost.Load() + 1)
		return nil
	}
	return &r.slots[tail&uint64(len(r.slots)-1)]
}

func (r *eventRing) push() { r.tail.Store(r.tail.Load() + 1) }

// Listen says which kinds of events somebody wants; 0: none, and then events
// cost nothing. Workers learn of it with their next Expire. Any goroutine. With
// EventsOff nothing happens.
func (t *Table) Listen(kinds EventMask) {
	if t.cfg.Events == EventsOn {
		kinds = EventFlows | EventExpects
	}
	if t.cfg.Events != EventsOff {
		t.watch.Store(uint32(kinds))
	}
}

// Events says in which mode the table delivers events.
func (t *Table) Events() EventsMode { return t.cfg.Events }

// ReadEvents takes up to len(out) events that wait, those of each worker in
// order. One goroutine at a time.
func (t *Table) ReadEvents(out []Event) (n int) {
	for _, s := range t.shards {
		r := s.ring
		head := r.head.Load()
		for tail := r.tail.Load(); head != tail && n < len(out); head++ {
			out[n] = r.slots[head&uint64(len(r.slots)-1)]
			n++
		}
		r.head.Store(head)
	}
	return n
}

// EventsLost returns how many events were dropped because nobody read in time.
// Any goroutine.
func (t *Table) EventsLost() (n uint64) {
	for _, s := range t.shards {
		n += s.ring.lost.Load()
	}
	return n
}

// seen is what a flow was before the packet under way.
type seen struct {
	n      uint32 // entry; 0: none
	status uint32
	mark   uint32
	state  TCPState
}

// watchPacket notes the flow of entry n before its tracker has the packet.
func (s *Shard) watchPacket(n uint32) {
	e := &s.entries[n]
	s.noted = 0
	s.seen = seen{n: n, status: e.Status, mark: e.Mark, state: e.State}
}

// watchFlow decides whether events of a new flow are wanted.
func (s *Shard) watchFlow(n uint32, mask EventMask) {
	if mask == 0 {
		mask = EventFlows | EventExpects
	}
	s.entries[n].flags |= flagWatched
	s.cold.events[n] = mask
}

// Deliver sends the events of the packet before. Track and Expire do it by
// themselves; a caller does that wants them before an idle time.
func (s *Shard) Deliver(now uint32) {
	if s.seen.n != 0 {
		s.deliver(now)
	}
}

func (s *Shard) deliver(now uint32) {
	was := s.seen
	s.seen.n = 0
	e := &s.entries[was.n]
	if !e.Live() || e.flags&flagWatched == 0 {
		return
	}
	kinds := s.noted
	born := e.Status &^ was.status
	if born&StatusConfirmed != 0 {
		if kinds |= EventNew; e.Status&StatusExpected != 0 {
			kinds = kinds&^EventNew | EventRelated
		}
		if e.flags&flagHelper != 0 {
			kinds |= EventHelper
		}
	}
	if born&StatusSeenReply != 0 {
		kinds |= EventReply
	}
	if born&StatusAssured != 0 {
		kinds |= EventAssured
	}
	if born&StatusSeqAdjust != 0 {
		kinds |= EventSeqAdjust
	}
	if e.State != was.state {
		kinds |= EventProtoInfo
	}
	if e.Mark != was.mark {
		kinds |= EventMark
	}
	s.event(was.n, kinds, now)
}

// destroyed delivers the end of a watched flow, at the tick of its last packet
// or slice: whoever asks for ends by Delete has no tick at hand.
func (s *Shard) destroyed(n uint32) {
	if s.seen.n == n {
		s.seen.n = 0
	}
	s.event(n, EventDestroy, s.tick)
}

// event puts what happened to the flow of entry n into the ring.
func (s *Shard) event(n uint32, kinds EventMask, now uint32) {
	if kinds &= s.watch & s.cold.events[n]; kinds == 0 {
		return
	}
	if ev := s.ring.slot(); ev != nil {
		ev.Kinds, ev.Worker, ev.Tick, ev.Tool, ev.Nanos = kinds, uint32(s.me), now, s.tool, s.nanos
		s.copyFlow(n, now, &ev.Flow)
		ev.Expect = Expectation{}
		s.ring.push()
	}
}

// expectEvent puts what happened to an expectation into the ring.
func (s *Shard) expectEvent(kind EventMask, x *Expectation) {
	if s.watch&kind == 0 {
		return
	}
	if ev := s.ring.slot(); ev != nil {
		ev.Kinds, ev.Worker, ev.Tick, ev.Tool, ev.Nanos = kind, uint32(s.me), s.tick, s.tool, s.nanos
		ev.Flow = Flow{}
		ev.Expect = *x
		s.ring.push()
	}
}

// Name returns the word of the first kind in m, as `ct event` and conntrack
// have it.
func (m EventMask) Name() string {
	if m == 0 {
		return ""
	}
	i := bits.TrailingZeros32(uint32(m))
	switch {
	case i < len(eventNames):
		return eventNames[i]
	case m&EventExpectNew != 0:
		return "expect-new"
	default:
		return "expect-destroy"
	}
}

var eventNames = [...]string{
	"new", "related", "destroy", "reply", "assured", "protoinfo", "helper", "mark", "natseqadj", "secmark", "label", "synproxy",
}
