package perf

// Stage is a part of a worker's round.
type Stage uint8

const (
	StageReceive  Stage = iota // frames from the ports' RX rings
	StageHandover              // frames from other workers
	StageParse                 // headers, hash, first prefetch
	StagePrefetch              // candidates in the flow table
	StageWalk                  // everything with an effect: track, rules, NAT, rewrite
	StageTransmit              // TX rings, expiry
	StageCount                 // number of stages
)

var stageNames = [StageCount]string{"receive", "handover", "parse", "prefetch", "walk", "transmit"}

func (s Stage) String() string {
	if s < StageCount {
		return stageNames[s]
	}
	return "unknown"
}

// Stages accounts a worker's time to stages: one clock read for each stage of a
// burst, none when off. One goroutine owns it.
type Stages struct {
	on     bool
	last   uint64
	cycles [StageCount]uint64
}

// NewStages returns accounts that count, or that do nothing.
func NewStages(on bool) *Stages { return &Stages{on: on} }

// Begin starts the clock of a round.
func (s *Stages) Begin() {
	if s.on {
		s.last = Cycles()
	}
}

// Lap gives the time since Begin or the last Lap to a stage.
func (s *Stages) Lap(stage Stage) {
	if s.on {
		now := Cycles()
		s.cycles[stage] += now - s.last
		s.last = now
	}
}

// Spent returns the time by stage so far, in cycles of Cycles.
func (s *Stages) Spent() [StageCount]uint64 { return s.cycles }

// Reset forgets what was counted.
func (s *Stages) Reset() { s.cycles = [StageCount]uint64{} }
