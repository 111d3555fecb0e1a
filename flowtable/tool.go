package flowtable

import "math"

// What tools do with flows (ctnetlink): make, change, delete, zero. All of it is
// for the owner, between packets.

// Wanted is a flow that a tool wants made. Its tuples may lie in other zones.
type Wanted struct {
	Orig, Reply Tuple
	TimeoutSec  uint32 // 0: it ends at once
	Status      uint32 // StatusSeenReply, StatusAssured, StatusFixedTimeout; no other bit can be asked for
	Mark        uint32
	State       TCPState
	VTag        [2]uint32 // SCTP: verification tags by direction
	Labels      Labels
	HasLabels   bool
	// NAT says that Reply is not only what was asked for but a translation: the
	// NAT bits it amounts to are set.
	NAT bool
}

// Changes are what a tool wants to be different. A nil field stays as it is.
type Changes struct {
	Timeout   *uint32 // seconds
	Status    *uint32 // the bits it is to have, all of them
	Mark      *uint32
	State     *TCPState
	VTag      *[2]uint32 // SCTP: both tags go with a state, or neither does
	Labels    *Labels
	LabelMask Labels // bits of Labels that count
}

// ToolResult is what became of a tool's wish.
type ToolResult uint8

const (
	ToolOK      ToolResult = iota
	ToolExists             // a flow has one of the tuples (EEXIST)
	ToolAbsent             // there is no such flow (ENOENT)
	ToolBusy               // a status bit may not be changed (EBUSY)
	ToolFixed              // its timeout may not be changed (EPERM)
	ToolFull               // no room (ENOMEM)
	ToolInvalid            // a tuple without inverse or with another protocol, half of what goes together (EINVAL)
)

// statusUnchangeable are the bits that no tool sets or clears
// (IPS_UNCHANGEABLE_MASK): what flows are by what happened to them.
const statusUnchangeable = StatusNATDoneMask | StatusNATMask | StatusExpected | StatusConfirmed | StatusDying |
	StatusSeqAdjust | StatusTemplate | statusUntracked | statusOffload

const (
	statusUntracked = StatusNATClash // once had that meaning, and so is out of reach
	statusOffload   = 1<<14 | 1<<15
)

// SetTool says which program asks for what follows, by its process number;
// events name it. 0: none does.
func (s *Shard) SetTool(pid uint32) { s.tool = pid }

// Make makes a confirmed flow.
func (s *Shard) Make(w *Wanted, now uint32) (uint32, ToolResult) {
	if _, ok := Invert(&w.Orig); !ok || w.Orig.Proto != w.Reply.Proto || w.Orig.Family != w.Reply.Family {
		return 0, ToolInvalid
	}
	if w.Status&statusUnchangeable&^StatusConfirmed != 0 {
		return 0, ToolBusy
	}
	hash := s.table.Hash(&w.Orig)
	key := spread(&w.Orig, hash)
	for _, tu := range [...]*Tuple{&w.Orig, &w.Reply} {
		if o, _ := s.find(tu, s.key(tu)); o != 0 {
			if !s.entries[o].expired(now) {
				return 0, ToolExists
			}
			s.reap(o)
		}
	}
	n := s.alloc(&w.Orig, key, now)
	if n == 0 {
		return 0, ToolFull
	}
	e := &s.entries[n]
	e.Status, e.Mark, e.State = w.Status&^(StatusConfirmed|StatusOwn), w.Mark, w.State
	e.Expires = milliseconds(w.TimeoutSec)
	if w.NAT {
		e.Status |= StatusNATDoneMask
		if w.Reply.Dst != w.Orig.Src || w.Reply.DstPort != w.Orig.SrcPort {
			e.Status |= StatusSrcNAT
		}
		if w.Reply.Src != w.Orig.Dst || w.Reply.SrcPort != w.Orig.DstPort {
			e.Status |= StatusDstNAT
		}
	}
	if !s.ClaimReply(n, &w.Reply) {
		s.Abandon(n)
		return 0, ToolExists
	}
	if e.Status&StatusSrcNAT != 0 {
		s.KeepSource(n, true)
	}
	s.tcp[n] = tcpLast{} // windows are learnt from the first segments
	if w.Orig.Proto == ProtoSCTP {
		copy(e.Proto[:2], w.VTag[:])
	}
	if w.HasLabels {
		s.SetLabels(n, w.Labels, Labels{^uint64(0), ^uint64(0)})
	}
	if s.watch != 0 {
		s.watchFlow(n, 0)
	}
	p := Probe{Tuple: w.Orig, Hash: hash, Kind: KindFlow, Entry: n}
	if !s.Confirm(&p, now) {
		return 0, ToolExists
	}
	s.stats.Insert++
	if s.watch != 0 && e.flags&flagWatched != 0 {
		s.event(n, s.madeKinds(w), now)
	}
	return n, ToolOK
}

// madeKinds are the events that the kernel tells of for a flow that a tool makes.
func (s *Shard) madeKinds(w *Wanted) EventMask {
	kinds := EventNew | EventProtoInfo | EventMark
	for _, x := range [...]struct {
		is   bool
		kind EventMask
	}{{w.Status&StatusAssured != 0, EventAssured}, {w.Status&StatusSeenReply != 0, EventReply}, {w.HasLabels, EventLabel}} {
		if x.is {
			kinds |= x.kind
		}
	}
	return kinds
}

// milliseconds is a timeout in ticks, at most what a tick can tell.
func milliseconds(sec uint32) uint32 {
	return min(sec, math.MaxInt32/1000) * 1000
}

// Find returns the confirmed flow that has tu as one of its tuples, 0 when there
// is none.
func (s *Shard) Find(tu *Tuple, now uint32) uint32 {
	n, _ := s.find(tu, s.key(tu))
	if n == 0 || !s.entries[n].Live() || s.entries[n].expired(now) {
		return 0
	}
	return n
}

// Still reports whether entry n is the live flow that a listing told of.
func (s *Shard) Still(f *Flow) bool {
	n := f.Entry
	return n != 0 && n <= s.high && s.entries[n].Live() && same(&s.entries[n].Tuple, &f.Orig) && s.ID(n) == f.ID
}

// Change changes the flow of entry n, in the kernel's order, up to the first
// change that is refused.
func (s *Shard) Change(n uint32, c *Changes, now uint32) ToolResult {
	e := &s.entries[n]
	if !e.Live() {
		return ToolAbsent
	}
	if c.Timeout != nil {
		if e.Status&StatusFixedTimeout != 0 {
			return ToolFixed
		}
		e.Expires = now + milliseconds(*c.Timeout)
	}
	kinds := EventMask(0)
	if c.Status != nil {
		// Confirmed stays; SEEN_REPLY and ASSURED can be had, not lost.
		if (*c.Status^e.Status)&statusUnchangeable != 0 || e.Status&^*c.Status&(StatusSeenReply|StatusAssured) != 0 {
			return ToolBusy
		}
		kinds = s.changeStatus(e, *c.Status)
	}
	if e.Tuple.Proto == ProtoSCTP {
		if (c.State == nil) != (c.VTag == nil) {
			return ToolInvalid
		}
		if c.VTag != nil {
			copy(e.Proto[:2], c.VTag[:])
		}
	}
	if c.State != nil && *c.State != e.State {
		e.State = *c.State
		kinds |= EventProtoInfo
	}
	if c.Mark != nil && *c.Mark != e.Mark {
		s.SetMark(n, *c.Mark)
	}
	if c.Labels != nil {
		before := s.Labels(n)
		s.SetLabels(n, *c.Labels, c.LabelMask)
		if s.Labels(n) != before {
			kinds |= EventLabel
		}
	}
	if s.members != 0 {
		s.tell(n)
	}
	if e.flags&flagWatched != 0 {
		s.event(n, kinds|EventProtoInfo|EventMark, now) // the kernel tells these for every change
	}
	return ToolOK
}

// changeStatus gives an entry other status bits, and says which of them are events.
func (s *Shard) changeStatus(e *Entry, status uint32) (kinds EventMask) {
	own := e.Status & StatusOwn
	if status|own == e.Status {
		return 0
	}
	born := status &^ e.Status
	e.Status = status&^StatusOwn | own
	e.forget()
	if born&StatusAssured != 0 {
		kinds |= EventAssured
	}
	if born&StatusSeenReply != 0 {
		kinds |= EventReply
	}
	return kinds
}

// ZeroCounters sets packets and bytes of the flow of entry n to 0.
func (s *Shard) ZeroCounters(n uint32) {
	e := &s.entries[n]
	e.Packets, e.Bytes = [2]uint64{}, [2]uint64{}
}

// CopyFlow writes down the flow of entry n as a listing does.
func (s *Shard) CopyFlow(n, now uint32) (f Flow) {
	s.copyFlow(n, now, &f)
	return f
}
