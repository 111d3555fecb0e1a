package pktgen

import (
	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
)

const burstFrames = 64

// worker sends and receives on the queues of one port. One goroutine steps it.
type worker struct {
	port  *Port
	umem  *afxdp.UMEM
	lanes []*lane
	clock *perf.Clock

	run      uint32
	trackers []*tracker // by stream; nil: not for this port
	expected []bool     // by stream: some port receives it
	rx       [burstFrames]afxdp.Desc

	taken uint64 // frames that were examined
	seen  strangers
	shown struct{ foreign, corrupt, misdirected perf.Counter } // for readers
}

// strangers counts frames that are no sound ones of a stream for this port.
type strangers struct{ foreign, corrupt, stray, misdirected, unexpected uint64 }

// lane is a queue and what is to be sent on it.
type lane struct {
	queue   afxdp.Queue
	before  afxdp.QueueStats // when the run began
	senders []*sender
	first   int // sender that is asked first
	tx      []afxdp.Desc
	from    []uint16 // number of its sender in senders
	n       int      // frames made and not taken by the port
}

// step receives what has come and sends what is due on each queue, some bursts of
// either at most, and says whether there was anything to do. It receives as many
// as it may send: another port stepped in turn with this one may send as much.
func (w *worker) step(sending bool) (work bool) {
	for _, l := range w.lanes {
		for range max(w.port.Bursts, 1) {
			n := l.queue.Recv(w.rx[:])
			if n > 0 {
				w.receive(n)
				work = true
			}
			if n < burstFrames {
				break
			}
		}
		for range w.sends() {
			if sending {
				w.fill(l)
			}
			made := l.n
			if made > 0 {
				l.send(w.clock)
				work = true
			}
			if made < len(l.tx) || l.n > 0 {
				break // no more is due, or the port is full
			}
		}
		l.queue.Flush()
	}
	if w.port.After != nil {
		w.port.After()
	}
	return work
}

// sends returns how often a step sends on a queue, at most.
func (w *worker) sends() int {
	if w.port.OneSend {
		return 1
	}
	return max(w.port.Bursts, 1)
}

// newLane makes the lane of a queue, with room for what one Send takes.
func (w *worker) newLane(q afxdp.Queue) *lane {
	frames := burstFrames * max(w.port.Bursts, 1) / w.sends()
	return &lane{queue: q, tx: make([]afxdp.Desc, frames), from: make([]uint16, frames)}
}

// receive examines the first n frames of rx and frees them.
func (w *worker) receive(n int) {
	now := uint64(w.clock.Nanos())
	w.taken += uint64(n)
	for _, d := range w.rx[:n] {
		what, stream, seq, t := examine(w.umem.Frame(d.Addr, d.Len), w.run)
		w.umem.Free(d.Addr)
		switch what {
		case sound:
			if int(stream) >= len(w.expected) || !w.expected[stream] {
				w.seen.unexpected++
				continue
			}
			if w.trackers[stream] == nil {
				w.seen.misdirected++
				continue
			}
			latency := (now - t) & timeMask
			if latency > timeMask/2 {
				latency = 0 // the clock was read a little earlier here than there
			}
			w.trackers[stream].take(seq, latency, int(d.Len)+FCS)
		case corrupt:
			w.seen.corrupt++
		case stray:
			w.seen.stray++
		default:
			w.seen.foreign++
		}
	}
	for _, t := range w.trackers {
		if t != nil {
			t.publish()
		}
	}
	w.shown.foreign.Add(w.seen.foreign - w.shown.foreign.Load())
	w.shown.corrupt.Add(w.seen.corrupt - w.shown.corrupt.Load())
	w.shown.misdirected.Add(w.seen.misdirected - w.shown.misdirected.Load())
}

// fill makes the frames that are due now, as many as a burst has room for.
func (w *worker) fill(l *lane) {
	if l.n == len(l.tx) || len(l.senders) == 0 {
		return
	}
	now := w.clock.Nanos()
	for i := range l.senders {
		at := l.first + i
		if at >= len(l.senders) {
			at -= len(l.senders)
		}
		s := l.senders[at]
		n := s.due(now, len(l.tx)-l.n)
		made := 0
		for ; made < n; made++ {
			addr, ok := w.umem.Alloc()
			if !ok {
				break
			}
			size := s.build(w.umem.Frame(addr, uint32(w.umem.Room())), now)
			l.tx[l.n] = afxdp.Desc{Addr: addr, Len: uint32(size)}
			l.from[l.n] = uint16(at)
			l.n++
		}
		s.pace.took(made, now)
		if made < n || l.n == len(l.tx) {
			break
		}
	}
	if l.first++; l.first >= len(l.senders) {
		l.first = 0
	}
}

// due returns how many frames of the stream are to be sent now.
func (n *sender) due(now int64, most int) int {
	if n.replay == nil {
		return n.pace.due(now, most)
	}
	return n.replay.due(now, n.pace.due(now, most))
}

// send offers the frames made to the port; what it does not take stays.
func (l *lane) send(clock *perf.Clock) {
	taken := l.queue.Send(l.tx[:l.n])
	if taken == 0 {
		return
	}
	for i, d := range l.tx[:taken] {
		s := l.senders[l.from[i]]
		s.sent++
		s.bytes += uint64(d.Len) + FCS
	}
	copy(l.tx, l.tx[taken:l.n])
	copy(l.from, l.from[taken:l.n])
	l.n -= taken
	for _, s := range l.senders {
		s.publish()
		if s.sent == s.total && s.ended == 0 && s.total > 0 {
			s.ended = clock.Nanos()
		}
	}
}

// finished says whether nothing will ever be due again, and all is sent.
func (w *worker) finished() bool {
	for _, l := range w.lanes {
		if l.n > 0 {
			return false
		}
		for _, s := range l.senders {
			if s.total == 0 || s.sent < s.total {
				return false
			}
		}
	}
	return true
}

// drop gives up what the port has not taken; it counts as never sent.
func (w *worker) drop() (frames int) {
	for _, l := range w.lanes {
		for _, d := range l.tx[:l.n] {
			w.umem.Free(d.Addr)
		}
		frames += l.n
		l.n = 0
	}
	return frames
}
