package pktgen

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
)

// Port is where streams begin and end.
type Port struct {
	Name  string
	Port  afxdp.Port
	Speed float64 // bit/s, for rates in percent; 0: not known
	// Frames is how many frames of memory the port gets, 0: 8192.
	Frames int
	// Bursts is how many full bursts are made, when as many are due, before the
	// port is told to send: telling costs a system call on interfaces. 0: 1.
	Bursts int
	// OneSend makes one Send of these bursts, for ports on which that costs the
	// system call.
	OneSend bool
	// In runs a function in the network namespace of the port; nil: as it is.
	In func(func() error) error
	// After is called by the port's worker after each burst; nil: nothing is.
	After func()
}

// attacher is an interface, whose program is attached when all is open.
type attacher interface{ Attach() error }

// Rig is a set of ports, open for run after run. It belongs to one goroutine.
type Rig struct {
	clock   *perf.Clock
	workers []*worker
	byName  map[string]int
	run     uint32
}

// NewRig opens all queues of the ports, which stay the caller's to close, after
// the rig.
func NewRig(clock *perf.Clock, ports ...*Port) (_ *Rig, err error) {
	r := &Rig{clock: clock, byName: map[string]int{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if len(ports) == 0 {
		return nil, errors.New("no ports")
	}
	for _, p := range ports {
		if _, ok := r.byName[p.Name]; ok {
			return nil, fmt.Errorf("port %s: the name is taken", p.Name)
		}
		r.byName[p.Name] = len(r.workers)
		w := &worker{port: p, clock: clock}
		r.workers = append(r.workers, w)
		if err = p.in(w.open); err != nil {
			return nil, fmt.Errorf("port %s: %w", p.Name, err)
		}
	}
	return r, nil
}

// longest returns the longest frame a port has, in bytes without FCS.
func longest(p afxdp.Port) int { return p.MTU() + 14 + 2*4 }

// longestSent returns the longest that it sends.
func longestSent(p afxdp.Port) int {
	if i, ok := p.(interface{ LongestFrame() int }); ok {
		return i.LongestFrame()
	}
	return longest(p)
}

func (w *worker) open() (err error) {
	frames := w.port.Frames
	if frames == 0 {
		frames = 8192
	}
	if most := afxdp.MaxChunk - afxdp.Headroom; longest(w.port.Port) > most {
		return fmt.Errorf("MTU of %d: it can be %d at most", w.port.Port.MTU(), most-(longest(w.port.Port)-w.port.Port.MTU()))
	}
	n := w.port.Port.Queues()
	if w.umem, err = afxdp.NewUMEM(max(frames, n*frames/2), afxdp.ChunkFor(longest(w.port.Port))); err != nil {
		return err
	}
	for i := range n {
		q, err := w.port.Port.Open(i, w.umem)
		if err != nil {
			return err
		}
		w.lanes = append(w.lanes, w.newLane(q))
	}
	if a, ok := w.port.Port.(attacher); ok {
		return a.Attach()
	}
	return nil
}

// Close gives the memory back. Interfaces must be closed before it: sockets use
// the memory.
func (r *Rig) Close() error {
	var errs []error
	for _, w := range r.workers {
		errs = append(errs, w.forget())
		if w.umem != nil {
			errs = append(errs, w.umem.Close())
			w.umem = nil
		}
	}
	return errors.Join(errs...)
}

// forget frees what a run needed.
func (w *worker) forget() error {
	var errs []error
	for _, t := range w.trackers {
		if t != nil {
			errs = append(errs, t.close())
		}
	}
	w.trackers = nil
	for _, l := range w.lanes {
		l.senders, l.first = nil, 0
	}
	return errors.Join(errs...)
}

// Load is what a run sends.
type Load struct {
	Name    string
	Streams []Stream
	Seed    uint64
	// Window is over how many frames of a stream duplicates and reordering are
	// seen: a power of two, 64 at least; 0: 2^20, and less for many streams.
	Window int
	// RxOnly counts what arrives and sends nothing.
	RxOnly bool
}

// prepare makes the rig ready for a run.
func (r *Rig) prepare(load *Load) error {
	window, err := load.check()
	if err != nil {
		return err
	}
	if r.run, err = load.nextRun(r.run); err != nil {
		return err
	}
	expected := make([]bool, len(load.Streams))
	for i := range load.Streams {
		expected[i] = load.Streams[i].measured()
	}
	for _, w := range r.workers {
		if err := w.forget(); err != nil {
			return err
		}
		w.run = r.run
		w.taken, w.seen, w.expected = 0, strangers{}, expected
		for _, l := range w.lanes {
			l.queue.Flush() // a socket is opened with few frames to receive into
			l.before = l.queue.Stats()
		}
		w.shown.foreign, w.shown.corrupt, w.shown.misdirected = perf.Counter{}, perf.Counter{}, perf.Counter{}
		w.trackers = make([]*tracker, len(load.Streams))
	}
	for i := range load.Streams {
		s := &load.Streams[i]
		if err := r.add(s, uint32(i), load.Seed, window); err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	for _, w := range r.workers {
		if err := w.checkTransmit(); err != nil {
			return fmt.Errorf("port %s: %w", w.port.Name, err)
		}
	}
	return nil
}

// checkTransmit asks a port that is to send whether frames can leave it.
func (w *worker) checkTransmit() error {
	i, ok := w.port.Port.(interface{ CheckTransmit() error })
	if !ok || !slices.ContainsFunc(w.lanes, func(l *lane) bool { return len(l.senders) > 0 }) {
		return nil
	}
	return w.port.in(i.CheckTransmit)
}

// in runs a function in the port's network namespace.
func (p *Port) in(f func() error) error {
	if p.In == nil {
		return f()
	}
	return p.In(f)
}

func (r *Rig) add(s *Stream, id uint32, seed uint64, window int) error {
	from, ok := r.byName[s.From]
	if !ok {
		return fmt.Errorf("no port is called %q", s.From)
	}
	w := r.workers[from]
	if s.Queue < 0 || s.Queue >= len(w.lanes) {
		return fmt.Errorf("queue %d of port %s: it has %d", s.Queue, s.From, len(w.lanes))
	}
	n, err := newSender(s, id, r.run, seed, longestSent(w.port.Port)+FCS, w.port.Speed)
	if err != nil {
		return err
	}
	l := w.lanes[s.Queue]
	if len(l.senders) == math.MaxUint16 {
		return errors.New("too many streams on one queue")
	}
	l.senders = append(l.senders, n)
	if s.To == "" {
		return nil
	}
	to, ok := r.byName[s.To]
	if !ok {
		return fmt.Errorf("no port is called %q", s.To)
	}
	if !s.measured() {
		return nil
	}
	r.workers[to].trackers[id], err = newTracker(window)
	return err
}

// sender returns the sender of a stream.
func (r *Rig) sender(s *Stream, id int) *sender {
	for _, n := range r.workers[r.byName[s.From]].lanes[s.Queue].senders {
		if n.id == uint32(id) {
			return n
		}
	}
	return nil
}

// nextRun returns the number of the run that follows one. Frames of this load's
// captures may be signed, by a generator that was recorded: no run has the number
// of theirs, so that they count as frames of another run and never as a stream's.
func (l *Load) nextRun(run uint32) (uint32, error) {
	var taken uint64
	measured := false
	for i := range l.Streams {
		if r := l.Streams[i].Replay; r != nil {
			taken |= r.runs
		}
		measured = measured || l.Streams[i].measured()
	}
	for range maxRuns {
		if run = (run + 1) % maxRuns; taken>>run&1 == 0 {
			return run, nil
		}
	}
	if measured {
		return 0, errors.New("the captures to be sent hold signed frames of all runs: they cannot be told from those of streams that are measured: send them without such streams")
	}
	return run, nil
}

// tracker returns the tracker of a stream; nil when nobody expects it.
func (r *Rig) tracker(s *Stream, id int) *tracker {
	if !s.measured() {
		return nil
	}
	return r.workers[r.byName[s.To]].trackers[id]
}

// CheckWindow says whether the window can be had.
func (l *Load) CheckWindow() error {
	if w := l.Window; w != 0 && (w < 64 || w&(w-1) != 0 || w > 1<<30) {
		return fmt.Errorf("window of %d frames: want a power of two, 64 to 2^30", w)
	}
	return nil
}

// check checks what does not hang on ports, and returns the window to use.
func (l *Load) check() (window int, err error) {
	if len(l.Streams) > maxStreams {
		return 0, fmt.Errorf("%d streams: want %d at most; one stream may have millions of flows", len(l.Streams), maxStreams)
	}
	if err := l.CheckWindow(); err != nil {
		return 0, err
	}
	names := map[string]bool{}
	for i := range l.Streams {
		if name := l.Streams[i].Name; names[name] {
			return 0, fmt.Errorf("stream %s: the name is taken", name)
		} else {
			names[name] = true
		}
	}
	if window = l.Window; window == 0 {
		for window = 1 << 20; window > 1<<14 && window*len(l.Streams) > 1<<25; {
			window /= 2
		}
	}
	return window, nil
}

// Check says whether the load can be run so on these ports, without sending
// anything: what Run would refuse.
func (l *Load) Check(limits Limits, ports ...*Port) error {
	if _, err := l.check(); err != nil {
		return err
	}
	for i := range l.Streams {
		s := &l.Streams[i]
		from := slices.IndexFunc(ports, func(p *Port) bool { return p.Name == s.From })
		if from < 0 {
			return fmt.Errorf("stream %s: no port is called %q", s.Name, s.From)
		}
		if err := Check(s, ports[from]); err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	return limits.check(l)
}

// DueIn returns how many frames a stream's rate comes to in such a time on a port
// that can send it; without end at top speed, and for a capture at its own speed.
func (s *Stream) DueIn(d time.Duration, from *Port) float64 {
	n, err := newSender(s, 0, 0, 0, longestSent(from.Port)+FCS, from.Speed)
	if err != nil || n.pace.rate == 0 {
		return math.Inf(1)
	}
	return n.pace.rate * d.Seconds()
}

// Check says whether a port can send a stream, without sending anything.
func Check(s *Stream, from *Port) error {
	if s.Queue < 0 || s.Queue >= from.Port.Queues() {
		return fmt.Errorf("queue %d of port %s: it has %d", s.Queue, from.Name, from.Port.Queues())
	}
	_, err := newSender(s, 0, 0, 0, longestSent(from.Port)+FCS, from.Speed)
	return err
}
