package perf

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestCycles(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	first := Cycles()
	last := first
	for range 100_000 {
		now := Cycles()
		if now < last {
			t.Fatalf("%d after %d", now, last)
		}
		last = now
	}
	if last == first {
		t.Error("the counter stands still")
	}
}

func TestRate(t *testing.T) {
	if r := measureRate(time.Millisecond); r <= 0 || math.IsInf(float64(r), 0) || math.IsNaN(float64(r)) {
		t.Errorf("rate is %v", r)
	}
	if CycleRate() != CycleRate() {
		t.Error("the rate was measured twice")
	}
	for _, tc := range []struct {
		name   string
		rate   Rate
		cycles uint64
		want   time.Duration
	}{
		{"nothing", 1e9, 0, 0},
		{"nanoseconds", 1e9, 1234, 1234},
		{"2.5 GHz", 2.5e9, 5000, 2 * time.Microsecond},
		{"days", 3e9, 3e9 * 86400, 24 * time.Hour},
	} {
		if got := tc.rate.Duration(tc.cycles); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestCounterReaders has readers beside the writer: values never go back and
// the last is the sum.
func TestCounterReaders(t *testing.T) {
	const total = 100_000
	var c Counter
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for last := uint64(0); last < total; {
				now := c.Load()
				if now < last {
					t.Errorf("%d after %d", now, last)
					return
				}
				last = now
				runtime.Gosched()
			}
		})
	}
	for range total / 4 {
		c.Add(1)
		c.Add(3)
	}
	wg.Wait()
	if c.Load() != total {
		t.Errorf("%d, want %d", c.Load(), total)
	}
}

func TestStages(t *testing.T) {
	burst := func(s *Stages, packets int) {
		s.Begin()
		for i := range 100 {
			s.Lap(i % 3)
		}
		s.End(packets)
	}
	for _, tc := range []struct {
		name            string
		do              func(s *Stages)
		bursts, packets uint64
		busy, idle      bool // cycles were counted
	}{
		{"off", func(s *Stages) { burst(s, 5) }, 0, 0, false, false},
		{"on", func(s *Stages) { s.Enable(1); burst(s, 5); burst(s, 7) }, 2, 12, true, false},
		{"idle", func(s *Stages) { s.Enable(1); burst(s, 0) }, 0, 0, false, true},
		{"both", func(s *Stages) { s.Enable(1); burst(s, 0); burst(s, 64) }, 1, 64, true, true},
		{"switched off again", func(s *Stages) { s.Enable(1); burst(s, 1); s.Enable(0); burst(s, 1) }, 1, 1, true, false},
		{"switched on inside a burst", func(s *Stages) { s.Begin(); s.Enable(1); s.Lap(0); s.End(3) }, 0, 0, false, false},
		{"switched off inside a burst", func(s *Stages) {
			s.Enable(1)
			s.Begin()
			s.Enable(0)
			for range 100 {
				s.Lap(1)
			}
			s.End(3)
		}, 1, 3, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var a Account
			for range 20 { // until nothing else ran meanwhile
				s := NewStages("parse", "track", "rules")
				tc.do(s)
				if a = s.Snapshot(); a.Interrupted == 0 {
					break
				}
			}
			if a.Bursts != tc.bursts || a.Packets != tc.packets || (a.Total() > 0) != tc.busy || (a.Idle > 0) != tc.idle {
				t.Errorf("%+v", a)
			}
			var sum Account
			sum.Add(a)
			sum.Add(a)
			if sum.Total() != 2*a.Total() || sum.Packets != 2*a.Packets || sum.Bursts != 2*a.Bursts || sum.Idle != 2*a.Idle || len(sum.Names) != 3 {
				t.Errorf("twice that is %+v", sum)
			}
		})
	}
}

// TestStagesSample: of many bursts the stated share is accounted, busy and idle
// ones alike, also when they come in turn.
func TestStagesSample(t *testing.T) {
	const bursts, every = 60_000, 4
	for _, idle := range []int{2, every, 2 * every} { // one of so many bursts is busy
		s := NewStages("a")
		s.Enable(every)
		on := 0
		for i := range bursts {
			s.Begin()
			if s.On() {
				on++
			}
			s.Lap(0)
			if i%idle == 0 {
				s.End(3)
			} else {
				s.End(0)
			}
		}
		a := s.Snapshot()
		for _, c := range []struct {
			name      string
			got, want int
		}{{"bursts", on, bursts / every}, {"with packets", int(a.Bursts), bursts / every / idle}} {
			if math.Abs(float64(c.got)/float64(c.want)-1) > 0.2 { // chance, and bursts that were interrupted
				t.Errorf("one of %d busy: %s: %d accounted, want about %d", idle, c.name, c.got, c.want)
			}
		}
		// Of the interrupted ones only those with packets have a time.
		if times := s.Times().Count(); a.Packets != 3*a.Bursts || times < a.Bursts || times > a.Bursts+a.Interrupted {
			t.Errorf("%+v, %d times", a, times)
		}
		s.Begin()
		s.Skip()
		s.Lap(0)
		s.End(1)
		if b := s.Snapshot(); b.Bursts != a.Bursts || s.On() {
			t.Errorf("a burst was accounted that was left out: %+v", b)
		}
	}
}

// TestStagesAddUp drives the account with known laps.
func TestStagesAddUp(t *testing.T) {
	s := NewStages("a", "b")
	s.Enable(1)
	s.Begin()
	s.burst = [MaxStages]uint64{300, 50}
	s.End(10)
	a := s.Snapshot()
	if !slices.Equal(a.Cycles, []uint64{300, 50}) || a.PerPacket(0) != 30 || a.PerPacket(1) != 5 {
		t.Errorf("%+v", a)
	}
	s.Begin()
	s.burst[0] = 7
	s.End(0)
	if a := s.Snapshot(); a.Idle != 7 || a.Cycles[0] != 300 {
		t.Errorf("after an idle burst: %+v", a)
	}
	long := CycleRate().Cycles(2 * Interruption)
	for _, packets := range []int{0, 4} {
		s.Begin()
		s.burst[0] = long
		s.End(packets)
	}
	if a := s.Snapshot(); a.Interrupted != 2 || a.InterruptedCycles != 2*long || a.Packets != 10 || a.Total() != 350 || a.Idle != 7 {
		t.Errorf("after two interrupted bursts: %+v", a)
	}
	if n := s.Times().Count(); n != 2 {
		t.Errorf("%d burst times, want those of the two with packets", n)
	}
	if (&Account{Cycles: []uint64{1}}).PerPacket(0) != 0 {
		t.Error("cycles per packet without packets")
	}
	defer func() {
		if recover() == nil {
			t.Error("17 stages were taken")
		}
	}()
	NewStages(make([]string, MaxStages+1)...)
}

// TestStagesReaders takes snapshots and switches beside the owner.
func TestStagesReaders(t *testing.T) {
	s := NewStages("a", "b")
	s.Enable(1)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		var last uint64
		for every := uint32(0); ; every = (every + 1) % 4 {
			select {
			case <-done:
				return
			default:
			}
			s.Enable(every)
			if a := s.Snapshot(); a.Packets < last {
				t.Errorf("%d packets after %d", a.Packets, last)
				return
			} else {
				last = a.Packets
			}
			runtime.Gosched()
		}
	})
	for range 20_000 {
		s.Begin()
		s.Lap(0)
		s.Lap(1)
		s.End(2)
	}
	close(done)
	wg.Wait()
}

func TestBuckets(t *testing.T) {
	values := []uint64{0, 1, 31, 32, 33, 63, 64, 65, 127, 128, 1000, 1 << 20, math.MaxInt64, math.MaxUint64}
	for i := range 64 {
		values = append(values, 1<<i-1, 1<<i, 1<<i+1)
	}
	slices.Sort(values)
	last := -1
	for _, v := range values {
		b := bucket(v)
		if b < last || b >= histBuckets {
			t.Fatalf("%d is in bucket %d, a smaller value in %d", v, b, last)
		}
		last = b
		if up := upper(b); up < v || up-v > v/histSub {
			t.Errorf("%d is in bucket %d, which ends at %d", v, b, up)
		}
		if b > 0 && upper(b-1) >= v {
			t.Errorf("%d is in bucket %d, but the one before ends at %d", v, b, upper(b-1))
		}
	}
	if upper(histBuckets-1) != math.MaxUint64 {
		t.Errorf("the last bucket ends at %d", uint64(upper(histBuckets-1)))
	}
}

// TestQuantiles compares with sorted values.
func TestQuantiles(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	var h, half Histogram
	var values, second []uint64
	var sum float64
	var before *Distribution
	for i := range 10_000 {
		v := rnd.Uint64() >> rnd.IntN(40) >> 24
		values = append(values, v)
		sum += float64(v)
		h.Record(v)
		if i == 4999 {
			before = h.Snapshot()
		} else if i > 4999 {
			second = append(second, v)
			half.Record(v)
		}
	}
	slices.Sort(values)
	slices.Sort(second)
	check := func(name string, d *Distribution, sorted []uint64) {
		t.Helper()
		if d.Count() != uint64(len(sorted)) {
			t.Errorf("%s: %d values, want %d", name, d.Count(), len(sorted))
		}
		for _, q := range []float64{0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.9999, 1} {
			want := sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
			if got := d.Quantile(q); got < want || got-want > want/histSub {
				t.Errorf("%s: quantile %v is %d, want %d", name, q, got, want)
			}
		}
	}
	d := h.Snapshot()
	check("all", d, values)
	if d.Max() != values[len(values)-1] {
		t.Errorf("maximum %d, want %d", d.Max(), values[len(values)-1])
	}
	if mean := sum / 10_000; math.Abs(d.Mean()-mean) > mean/1e6 {
		t.Errorf("mean %g, want %g", d.Mean(), mean)
	}
	d.Sub(before)
	check("difference", d, second)
	before.Add(half.Snapshot())
	check("sum", before, values)
	var none Distribution
	if none.Quantile(0.5) != 0 || none.Mean() != 0 || none.Max() != 0 {
		t.Error("an empty distribution has values")
	}
	d.Sub(half.Snapshot())
	if d.Count() != 0 || d.Max() != 0 {
		t.Errorf("all taken away, %d values up to %d are left", d.Count(), d.Max())
	}
}

func TestOwnersDoNotAllocate(t *testing.T) {
	s := NewStages("a")
	s.Enable(1)
	h := new(Histogram)
	for name, f := range map[string]func(){
		"stages":    func() { s.Begin(); s.Lap(0); s.End(1) },
		"histogram": func() { h.Record(12345) },
		"cycles":    func() { Cycles() },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkStages(b *testing.B) {
	for name, every := range map[string]uint32{"off": 0, "all": 1, "one in 4": 4} {
		b.Run(name, func(b *testing.B) {
			s := NewStages("a", "b", "c", "d")
			s.Enable(every)
			for range b.N {
				s.Begin()
				s.Lap(0)
				s.Lap(1)
				s.Lap(2)
				s.Lap(3)
				s.End(64)
			}
		})
	}
}

func BenchmarkClock(b *testing.B) {
	for name, c := range map[string]*Clock{"real": NewClock(), "virtual": NewVirtual(day)} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				c.Nanos()
			}
		})
	}
	b.Run("cycles", func(b *testing.B) {
		for range b.N {
			Cycles()
		}
	})
}

func BenchmarkHistogram(b *testing.B) {
	var h Histogram
	for i := range b.N {
		h.Record(uint64(i))
	}
}

// TestThreadTime: a thread that works is seen working.
func TestThreadTime(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := ReadThreadTime(unix.Gettid())
	if err != nil {
		t.Fatal(err)
	}
	var now ThreadTime
	for start := ThreadCPU(); ThreadCPU()-start < 50*time.Millisecond; {
		if now, err = ReadThreadTime(unix.Gettid()); err != nil {
			t.Fatal(err)
		}
	}
	if now.CPU-before.CPU < 30*time.Millisecond || now.Waited < before.Waited {
		t.Errorf("50 ms of work: %v, then %v", before, now)
	}
	if _, err := ReadThreadTime(1 << 30); err == nil {
		t.Error("there is a thread that cannot be")
	}
}

// TestSwitches: a thread that sleeps is switched, and a burst in which it does
// is left out.
func TestSwitches(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w, err := WatchSwitches()
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		t.Skipf("SKIP-PRIVILEGE: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := NewStages("a")
	s.Enable(1)
	s.Watch(w)
	const bursts = 1000
	for range bursts {
		s.Begin()
		s.Lap(0)
		s.End(1)
	}
	if a := s.Snapshot(); a.Bursts < bursts/2 || a.Bursts+a.Interrupted != bursts {
		t.Errorf("short bursts: %+v", a)
	}
	before := s.Snapshot()
	for range 3 {
		s.Begin()
		count := w.Count()
		pause := unix.Timespec{Nsec: 1000}
		_ = unix.Nanosleep(&pause, nil) // a signal makes it shorter
		s.Lap(0)
		s.End(1)
		if w.Count() == count {
			t.Error("asleep, and not switched")
		}
	}
	if a := s.Snapshot(); a.Interrupted != before.Interrupted+3 || a.Bursts != before.Bursts {
		t.Errorf("bursts that slept: %+v, before %+v", a, before)
	}
	s.Watch(nil)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
