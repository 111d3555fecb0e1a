package perf

import (
	"fmt"
	"slices"
	"sync/atomic"
)

// MaxStages is how many stages an account can have.
const MaxStages = 16

// Stages says which stage of its bursts a worker spends its cycles in. The
// worker calls Begin at the start of a burst, Lap at the end of each stage and
// End at the end of the burst. While the account is off, each of these is one
// branch, always taken the same way.
//
// Reading the cycle counter costs as much as a tenth of a packet. So an account
// of a box at work is of a sample of the bursts, drawn at random whether they
// have packets or not: the others cost what they cost while it is off.
//
// Cycles go on while the kernel lets others run. A burst to which that happened
// is in the account for that alone, and among the times.
type Stages struct {
	names []string
	want  atomic.Uint32 // set by Enable, looked at by Begin
	limit atomic.Uint64 // cycles of an interruption; set by Enable

	_       Pad
	on      bool   // for the burst under way
	wait    uint32 // bursts up to the next one of the sample
	seed    uint32 // of the sample
	watch   *Switches
	came    uint32 // its count at the last look
	last    uint64
	burst   [MaxStages]uint64 // cycles of the burst under way
	cycles  [MaxStages]Counter
	idle    Counter
	broken  Counter // bursts interrupted
	lost    Counter // their cycles
	bursts  Counter
	packets Counter
	times   Histogram
	_       Pad
}

// NewStages makes an account, switched off, with stages numbered from 0 in the
// order of their names. It panics for more than MaxStages, as names are fixed in
// the program.
func NewStages(names ...string) *Stages {
	if len(names) > MaxStages {
		panic(fmt.Sprintf("perf: %d stages: at most %d", len(names), MaxStages))
	}
	return &Stages{names: append([]string(nil), names...), seed: 1}
}

// Enable accounts one of every bursts, in the mean, from the owner's next burst
// on: with 1 all of them, with 0 none. Any goroutine.
func (s *Stages) Enable(every uint32) {
	if every > 0 {
		s.limit.Store(CycleRate().Cycles(Interruption))
	}
	s.want.Store(every)
}

// Watch sets what tells whether others ran in the owner's place; nil: nothing
// does, and only long interruptions are seen. Owner only, between bursts.
func (s *Stages) Watch(w *Switches) { s.watch = w }

// Interrupted says whether others ran in the owner's place since Begin or the
// last call, in what took so many cycles. Owner only, while it is on.
func (s *Stages) Interrupted(cycles uint64) bool {
	if s.watch != nil {
		if came := s.watch.Count(); came != s.came {
			s.came = came
			return true
		}
	}
	return cycles > s.limit.Load()
}

// Begin starts a burst. Owner only.
func (s *Stages) Begin() {
	s.on = false
	if every := s.want.Load(); every != 0 {
		s.begin(every)
	}
}

// begin draws the distance to the next burst of the sample, 1 to 2*every-1,
// so that a worker whose bursts come in a rhythm is sampled evenly.
//
//go:noinline
func (s *Stages) begin(every uint32) {
	if every > 1 && s.wait > 1 {
		s.wait--
		return
	}
	if every > 1 {
		s.seed = s.seed*1664525 + 1013904223
		s.wait = 1 + uint32(uint64(s.seed)*uint64(2*every-1)>>32)
	}
	if s.watch != nil {
		s.came = s.watch.Count()
	}
	s.on = true
	s.last = Cycles()
}

// Skip leaves the burst under way out of the account. Owner only.
func (s *Stages) Skip() { s.on = false }

// Lap ends a stage: the cycles since the last Lap or Begin are its own. A stage
// may end several times in a burst. Owner only.
func (s *Stages) Lap(stage int) {
	if s.on {
		s.lap(stage)
	}
}

// lap stays a call, so that Lap is small enough to be inlined.
//
//go:noinline
func (s *Stages) lap(stage int) {
	now := Cycles()
	s.burst[stage&(MaxStages-1)] += now - s.last
	s.last = now
}

// End ends a burst of so many packets and publishes it. All cycles of a burst
// without packets count as idle. Owner only.
func (s *Stages) End(packets int) {
	if s.on {
		s.end(packets)
	}
}

//go:noinline
func (s *Stages) end(packets int) {
	var sum uint64
	for i := range s.names {
		sum += s.burst[i]
	}
	if packets > 0 {
		s.times.Record(sum)
	}
	switch {
	case s.Interrupted(sum):
		s.broken.Add(1)
		s.lost.Add(sum)
	case packets == 0:
		s.idle.Add(sum)
	default:
		for i := range s.names {
			s.cycles[i].Add(s.burst[i])
		}
		s.bursts.Add(1)
		s.packets.Add(uint64(packets))
	}
	s.burst = [MaxStages]uint64{}
}

// Account is what a stage account held at some moment, all of it of the bursts
// that were accounted. Accounts of several workers add up with Add.
type Account struct {
	Names   []string `json:"stages"`
	Cycles  []uint64 `json:"cycles"`      // by stage, in bursts with packets
	Idle    uint64   `json:"idle_cycles"` // in bursts without packets
	Bursts  uint64   `json:"bursts"`      // with packets
	Packets uint64   `json:"packets"`
	// Interrupted bursts are in none of the above.
	Interrupted       uint64 `json:"interrupted"`
	InterruptedCycles uint64 `json:"interrupted_cycles"`
}

// On says whether the burst under way is accounted. Owner only.
func (s *Stages) On() bool { return s.on }

// Times returns how many cycles each burst of the sample with packets took,
// interrupted ones too. Any goroutine.
func (s *Stages) Times() *Distribution { return s.times.Snapshot() }

// Snapshot returns the account. Any goroutine; taken while the owner publishes
// a burst, it may hold a part of that burst only.
func (s *Stages) Snapshot() Account {
	a := Account{Names: s.names, Cycles: make([]uint64, len(s.names)),
		Idle: s.idle.Load(), Bursts: s.bursts.Load(), Packets: s.packets.Load(),
		Interrupted: s.broken.Load(), InterruptedCycles: s.lost.Load()}
	for i := range a.Cycles {
		a.Cycles[i] = s.cycles[i].Load()
	}
	return a
}

// Add adds the account of another worker, which must have the same stages.
func (a *Account) Add(o Account) {
	if a.Names == nil {
		a.Names, a.Cycles = o.Names, make([]uint64, len(o.Cycles))
	}
	for i, c := range o.Cycles {
		a.Cycles[i] += c
	}
	a.Idle += o.Idle
	a.Bursts += o.Bursts
	a.Packets += o.Packets
	a.Interrupted += o.Interrupted
	a.InterruptedCycles += o.InterruptedCycles
}

// Sub takes an earlier account of the same workers away, which leaves what was
// added since.
func (a *Account) Sub(earlier Account) {
	a.Cycles = slices.Clone(a.Cycles)
	for i := range min(len(a.Cycles), len(earlier.Cycles)) {
		a.Cycles[i] -= earlier.Cycles[i]
	}
	a.Idle -= earlier.Idle
	a.Bursts -= earlier.Bursts
	a.Packets -= earlier.Packets
	a.Interrupted -= earlier.Interrupted
	a.InterruptedCycles -= earlier.InterruptedCycles
}

// Total returns the cycles of all stages.
func (a *Account) Total() (sum uint64) {
	for _, c := range a.Cycles {
		sum += c
	}
	return sum
}

// PerPacket returns the cycles that a stage takes for a packet; 0 without
// packets.
func (a *Account) PerPacket(stage int) float64 {
	if a.Packets == 0 {
		return 0
	}
	return float64(a.Cycles[stage]) / float64(a.Packets)
}
