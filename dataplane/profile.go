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

// WorkerProfile is one worker's.
type WorkerProfile struct {
	Stages perf.Account
	Bursts *perf.Distribution // cycles that bursts took
	Stats  WorkerStats
}

// RuleCost is what the packets cost that a rule or policy decided, from behind
// the prefetch to their end. One of costSample packets is measured.
type RuleCost struct {
	Rule    uint32 // 0: no rule was asked
	Packets uint64
	Cycles  uint64
}

// costSample: a power of two. Reading the cycle counter twice for each packet
// would cost more than some packets do.
const costSample = 16

// sampled says whether the next packet is one of those that are measured.
func (w *worker) sampled() bool {
	w.sample++
	return w.sample&(costSample-1) == 0
}

// measured is packet with its cycles added to the rule that decides.
func (w *worker) measured(t *tables, p *packet.Packet, came parcelKind) {
	before := perf.Cycles()
	w.packet(t, p, came)
	took := perf.Cycles() - before
	if uint64(p.Rule) < uint64(len(t.costs)) {
		c := &t.costs[p.Rule]
		c.Packets++
		c.Cycles += took
	}
}

// SetProfiling switches the workers' accounts on or off. They cost some
// nanoseconds a packet.
func (b *Box) SetProfiling(on bool) {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed || b.profiling == on {
		return
	}
	b.profiling = on
	for _, w := range b.workers {
		w.stages.Enable(on || b.cfg.Stages)
		var costs []RuleCost
		if on {
			costs = newCosts(b.rules)
		}
		b.ask(w, func(w *worker) bool {
			w.next.Load().costs = costs // the mailbox is served between rounds
			return true
		})
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
		one := WorkerProfile{Stages: w.stages.Snapshot(), Bursts: w.stages.Times()}
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
