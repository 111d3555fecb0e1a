package dataplane

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/rules"
)

// Profile is where the workers' time went since the box was made, as far as
// profiling was on. Cycles are perf.Cycles'; two profiles are compared by Sub of
// their parts.
type Profile struct {
	On      bool
	Rate    perf.Rate // cycles a second
	Workers []WorkerProfile
	// Generation is that of the rules that Rules are of; Rules has one for each
	// rule that decided sampled packets since profiling was switched on or the
	// rules changed, by id.
	Generation uint64
	Rules      []RuleCost
	Ruleset    *rules.Ruleset
}

// WorkerProfile is one worker's. Stages and Bursts are of a sample of its
// rounds, one in stageSample; Stats counts everything.
type WorkerProfile struct {
	Stages  perf.Account
	Bursts  *perf.Distribution // cycles that bursts took
	Adopted *perf.Distribution // cycles that it took, after each publish, to begin with the new tables
	Stats   WorkerStats
	// Thread is what the kernel says of the worker's thread, to hold against the
	// account; zero while the worker is not started.
	Thread perf.ThreadTime
}

// RuleCost is what the packets cost that a rule or policy decided, from behind
// the prefetch to their end, in a sample of the packets: those of one round in
// stageSample times chargeSample.
type RuleCost struct {
	Rule    uint32 // 0: no rule was asked
	Packets uint64
	Cycles  uint64
}

// A worker that is profiled accounts the stages of one round in stageSample, in
// the mean. One in chargeSample of these is not accounted: instead each of its
// packets is clocked and charged to the rule that decided it, for reading the
// cycle counter for each packet would show among the stages.
const (
	stageSample  = 4
	chargeSample = 4
)

// stagesOf says one in how many rounds is accounted, 0 for none.
func (b *Box) stagesOf(profiling bool) uint32 {
	switch {
	case b.cfg.Stages:
		return 1
	case profiling:
		return stageSample
	}
	return 0
}

// chargeRound says whether this round, which is one of the sample, is one whose
// packets are clocked one by one.
func (w *worker) chargeRound(t *tables) bool {
	if w.turn++; w.turn%chargeSample != 0 || len(t.costs) == 0 {
		return false
	}
	w.stages.Skip()
	return true
}

// charge adds the cycles since the packet before to the rule that decided p,
// unless the worker was interrupted meanwhile.
func (w *worker) charge(t *tables, p *packet.Packet) {
	now := perf.Cycles()
	took := now - w.mark
	w.mark = now
	if uint64(p.Rule) < uint64(len(t.costs)) && !w.stages.Interrupted(took) {
		c := &t.costs[p.Rule]
		c.Packets++
		c.Cycles += took
	}
}

// SetProfiling switches the workers' accounts on or off. What they cost a packet
// is BenchmarkProfiling's to say.
func (b *Box) SetProfiling(on bool) {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed || b.profiling == on {
		return
	}
	b.profiling = on
	for _, w := range b.workers {
		w.stages.Enable(b.stagesOf(on))
		var costs []RuleCost
		if on {
			costs = newCosts(b.rules)
		}
		b.ask(w, func(w *worker) bool {
			w.next.Load().costs = costs // the mailbox is served between rounds
			w.watch(on)
			return true
		})
	}
}

// watch begins or ends watching whether others run in the worker's place, where
// it has a thread of its own and the kernel allows it.
func (w *worker) watch(on bool) {
	if w.switches != nil {
		w.stages.Watch(nil)
		_ = w.switches.Close() // nothing is lost by it
		w.switches = nil
	}
	if !on || w.tid.Load() == 0 {
		return
	}
	if s, err := perf.WatchSwitches(); err == nil {
		w.switches = s
		w.stages.Watch(s)
	}
}

// newCosts makes room for the costs of all rules.
func newCosts(rs *rules.Ruleset) []RuleCost {
	if rs == nil {
		return make([]RuleCost, 1)
	}
	return make([]RuleCost, rs.Rules()+1)
}

// Profile returns a copy of all accounts.
func (b *Box) Profile() Profile {
	b.control.Lock()
	defer b.control.Unlock()
	p := Profile{On: b.profiling, Rate: perf.CycleRate(), Generation: b.generation, Ruleset: b.rules}
	if b.closed {
		return p
	}
	var costs []RuleCost
	if b.profiling {
		costs = newCosts(b.rules)
	}
	for _, w := range b.workers {
		one := WorkerProfile{Stages: w.stages.Snapshot(), Bursts: w.stages.Times(), Adopted: w.swaps.Snapshot()}
		if tid := w.tid.Load(); tid != 0 {
			one.Thread, _ = perf.ReadThreadTime(int(tid)) // it may just have ended
		}
		from := 0
		b.ask(w, func(w *worker) bool {
			one.Stats = w.stats
			own := w.next.Load().costs
			end := min(from+costSlice, len(own), len(costs))
			for ; from < end; from++ {
				costs[from].Packets += own[from].Packets
				costs[from].Cycles += own[from].Cycles
			}
			return from >= min(len(own), len(costs))
		})
		p.Workers = append(p.Workers, one)
	}
	for id, c := range costs {
		if c.Packets > 0 {
			c.Rule = uint32(id)
			p.Rules = append(p.Rules, c)
		}
	}
	return p
}

// costSlice is how many rules' costs a worker hands out between two rounds.
const costSlice = 512
