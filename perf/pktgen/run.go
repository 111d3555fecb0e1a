package pktgen

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/report"
)

// Limits say how long a run takes and how it uses the CPUs.
type Limits struct {
	Duration time.Duration // of sending; 0: until all streams have sent their count
	Settle   time.Duration // what is received after the last frame was sent; 0: 200 ms
	// Threads is how many threads step the ports: one for each port, or 1 for
	// all. 0: one for each when there are CPUs enough, else 1.
	Threads int
	// Watch is called about four times a second with the state so far; nil: not.
	Watch func(*Live)
}

// Live is the state of a run under way.
type Live struct {
	Run     uint32 // differs from that of the run before
	Elapsed time.Duration
	Streams []LiveStream
	Ports   []LivePort
}

// LiveStream counts a stream's frames so far.
type LiveStream struct {
	Name                                             string
	Sent, SentBytes, Received, Duplicates, Reordered uint64
	Expected                                         bool // somebody receives it
	Latency                                          Quantiles
}

// Quantiles are those of a latency so far, in nanoseconds.
type Quantiles struct{ P50, P99, Max uint64 }

// LivePort counts a port's frames that belong to no stream.
type LivePort struct {
	Name                          string
	Foreign, Corrupt, Misdirected uint64
}

const defaultSettle = 200 * time.Millisecond

// Run sends a load and returns what became of it. It ends early when ctx does,
// which the result says.
func (r *Rig) Run(ctx context.Context, load Load, limits Limits) (*report.Run, error) {
	if err := r.prepare(&load); err != nil {
		return nil, err
	}
	if err := limits.check(&load); err != nil {
		return nil, fmt.Errorf("%s: %w", load.Name, err)
	}
	settle := limits.Settle
	if settle == 0 {
		settle = defaultSettle
	}
	threads := limits.Threads
	if threads == 0 && runtime.GOMAXPROCS(0) <= len(r.workers) {
		threads = 1
	}
	var phase atomic.Int32 // 0: sending, 1: what is left and what is under way, 2: end
	start := r.clock.Nanos()
	r.begin(start, limits.Duration)
	var group sync.WaitGroup
	var got, lived atomic.Int64 // CPU time and age of the threads, in nanoseconds
	spin := func(workers []*worker) {
		defer group.Done()
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		used, born := perf.ThreadCPU(), time.Now()
		defer func() {
			got.Add(int64(perf.ThreadCPU() - used))
			lived.Add(int64(time.Since(born)))
		}()
		for p := phase.Load(); p < 2; p = phase.Load() {
			work := false
			for _, w := range workers {
				work = w.step(p == 0) || work
			}
			if !work {
				runtime.Gosched()
			}
		}
	}
	if threads == 1 {
		group.Add(1)
		go spin(r.workers)
	} else {
		for _, w := range r.workers {
			group.Add(1)
			go spin([]*worker{w})
		}
	}
	r.wait(ctx, start, &limits, &load)
	phase.Store(1)
	stop := r.clock.Nanos()
	select {
	case <-time.After(settle):
	case <-ctx.Done(): // asked to end: what is under way gets a moment
		time.Sleep(min(settle, 50*time.Millisecond))
	}
	phase.Store(2)
	group.Wait()
	run := r.result(&load, time.Duration(stop-start), limits.Duration, ctx.Err() != nil)
	run.CPUShare = float64(got.Load()) / float64(max(lived.Load(), 1))
	run.Notes = append(run.Notes, report.CPUNotes(run.CPUShare)...)
	return run, nil
}

// check says whether a run of the load ends.
func (l *Limits) check(load *Load) error {
	switch {
	case l.Duration < 0 || l.Settle < 0 || l.Threads < 0:
		return fmt.Errorf("duration %v, settle %v, threads %d: none may be negative", l.Duration, l.Settle, l.Threads)
	case l.Duration == 0 && !load.Ends():
		return errors.New("a run without duration needs a count on every stream")
	}
	return nil
}

// Ends says whether every stream ends by itself.
func (l *Load) Ends() bool {
	for i := range l.Streams {
		if l.Streams[i].total() == 0 {
			return false
		}
	}
	return true
}

// begin sets the streams' clocks, for a run of so long; 0: without end.
func (r *Rig) begin(start int64, long time.Duration) {
	for _, w := range r.workers {
		for _, l := range w.lanes {
			for _, s := range l.senders {
				s.pace.begin(start, long)
			}
		}
	}
}

// wait returns when sending is over, and calls Watch meanwhile.
func (r *Rig) wait(ctx context.Context, start int64, limits *Limits, load *Load) {
	var ends int64 = 1 << 62
	if limits.Duration > 0 {
		ends = start + int64(limits.Duration)
	}
	nextWatch := start + int64(250*time.Millisecond)
	for ctx.Err() == nil {
		now := r.clock.Nanos()
		if now >= ends+debt || now >= ends && r.allDue(load) || r.allSent(load) {
			return
		}
		if limits.Watch != nil && now >= nextWatch {
			nextWatch += int64(250 * time.Millisecond)
			limits.Watch(r.live(load, time.Duration(now-start)))
		}
		time.Sleep(min(max(time.Duration(ends-now), time.Millisecond), 5*time.Millisecond))
	}
}

// allDue says whether all is sent that is due before the end of the run.
func (r *Rig) allDue(load *Load) bool {
	for i := range load.Streams {
		n := r.sender(&load.Streams[i], i)
		if n.replay == nil && n.shown.frames.Load() < n.pace.most {
			return false
		}
	}
	return true
}

// allSent says whether every stream has sent its count.
func (r *Rig) allSent(load *Load) bool {
	for i := range load.Streams {
		s := &load.Streams[i]
		if want := s.total(); want == 0 || r.sender(s, i).shown.frames.Load() < want {
			return false
		}
	}
	return len(load.Streams) > 0
}

// Stepped runs a load on the calling goroutine, one step of every port after the
// other, until all streams have sent their count; between says what happens
// between two steps, such as moving a virtual clock. quiet is how many rounds
// without work end it.
func (r *Rig) Stepped(load Load, quiet int, between func()) (*report.Run, error) {
	if err := r.prepare(&load); err != nil {
		return nil, err
	}
	if !load.Ends() {
		return nil, fmt.Errorf("%s: every stream needs a count", load.Name)
	}
	start := r.clock.Nanos()
	r.begin(start, 0)
	var stop int64
	for idle := 0; idle < quiet; {
		work, over := false, true
		for _, w := range r.workers {
			work = w.step(true) || work
			over = w.finished() && over
		}
		if over && stop == 0 {
			stop = r.clock.Nanos()
		}
		idle++
		if work || !over {
			idle = 0
		}
		if between != nil {
			between()
		}
	}
	return r.result(&load, time.Duration(stop-start), 0, false), nil
}

// live reads the counters of a run under way.
func (r *Rig) live(load *Load, elapsed time.Duration) *Live {
	l := &Live{Run: r.run, Elapsed: elapsed}
	for i := range load.Streams {
		s := &load.Streams[i]
		n, t := r.sender(s, i), r.tracker(s, i)
		one := LiveStream{Name: s.Name, Sent: n.shown.frames.Load(), SentBytes: n.shown.bytes.Load()}
		if t != nil {
			one.Expected = true
			one.Received, one.Duplicates, one.Reordered = t.shown.frames.Load(), t.shown.duplicates.Load(), t.shown.reordered.Load()
			d := t.latency.Snapshot()
			one.Latency = Quantiles{d.Quantile(0.5), d.Quantile(0.99), d.Max()}
		}
		l.Streams = append(l.Streams, one)
	}
	for _, w := range r.workers {
		l.Ports = append(l.Ports, LivePort{w.port.Name, w.shown.foreign.Load(), w.shown.corrupt.Load(), w.shown.misdirected.Load()})
	}
	return l
}
