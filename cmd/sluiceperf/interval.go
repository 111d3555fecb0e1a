package main

import (
	"cmp"
	"slices"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/perf"
)

// interval is what happened between two readings of a box's accounts.
type interval struct {
	Took    time.Duration
	Stages  []string // of all workers together
	Workers []workerInterval
	Rules   []ruleInterval // those that cost most first
	// NewRules says that the rules changed in between: Rules then are those of
	// the new ones alone.
	NewRules bool
}

// workerInterval is one worker's share. Times are nanoseconds. Those of packets
// and bursts come from a sample of the worker's rounds, rates and Packets from
// all of them.
type workerInterval struct {
	RxRate, TxRate  float64 // packets a second
	HandIn, HandOut float64 // handovers a second
	Idle            float64 // share of the time that passed; polling is idle
	Waiting         float64 // share of the time in which the worker had no CPU but could have worked
	Fill            float64 // packets in a burst
	PerPacket       float64
	Stages          []float64 // ns a packet
	Planned         float64   // share of the packets of established flows
	Drops           map[string]float64
	Bursts          *perf.Distribution // in ns by its quantiles after Rate
	Packets         uint64
	Work            float64 // of rounds with packets, in all
	Polling         float64 // of rounds without any, in all
	CPU, Waited     float64 // as the kernel counts them for the worker's thread
	Interrupted     float64 // bursts that others' work came into: in no other figure but the burst times
	sampled, bursts uint64  // packets of the sample, and bursts with packets that they came in
	rate            perf.Rate
}

// ruleInterval is a rule's, from a sample of the packets.
type ruleInterval struct {
	control.RuleProfile
	PerPacket float64 // ns from the end of the prefetch to the packet's end
	Share     float64 // of the cycles of the packets of the sample
	Decided   float64 // of these packets
	Rate      float64 // packets a second, by Decided
}

// between takes two readings of one box.
func between(a, b *control.Profile) interval {
	in := interval{Took: b.Time.Sub(a.Time), NewRules: a.Generation != b.Generation}
	seconds := max(in.Took.Seconds(), 1e-9)
	for i := range b.Workers {
		now := &b.Workers[i]
		was := control.WorkerProfile{Bursts: new(perf.Distribution)}
		if i < len(a.Workers) {
			was = a.Workers[i]
		}
		account := now.Stages
		account.Sub(was.Stages)
		in.Stages = account.Names
		w := workerInterval{
			RxRate: float64(now.RxPackets-was.RxPackets) / seconds, TxRate: float64(now.TxPackets-was.TxPackets) / seconds,
			HandIn: float64(now.HandoversIn-was.HandoversIn) / seconds, HandOut: float64(now.HandoversOut-was.HandoversOut) / seconds,
			Packets: now.RxPackets + now.HandoversIn - was.RxPackets - was.HandoversIn,
			CPU:     float64(now.Thread.CPU - was.Thread.CPU), Waited: float64(now.Thread.Waited - was.Thread.Waited),
			sampled: account.Packets, bursts: account.Bursts, rate: b.Rate, Drops: perSecond(now.Drops, was.Drops, seconds),
		}
		nanos := 1e9 / float64(b.Rate)
		for s := range account.Cycles {
			w.Stages = append(w.Stages, account.PerPacket(s)*nanos)
			w.PerPacket += w.Stages[s]
		}
		w.Work = w.PerPacket * float64(w.Packets)
		w.Waiting = min(1, w.Waited/(seconds*1e9))
		w.Idle = max(0, 1-w.Waiting-w.Work/(seconds*1e9))
		if n := now.Established - was.Established; n > 0 {
			w.Planned = float64(now.Planned-was.Planned) / float64(n)
		}
		w.Bursts = new(perf.Distribution)
		w.Bursts.Add(now.Bursts)
		w.Bursts.Sub(was.Bursts)
		if account.Packets > 0 { // else the sample says nothing of how many rounds there were
			// Of rounds with packets more are interrupted than of those without: they
			// are longer. So what the sample stands for is counted with these.
			whole := float64(w.Bursts.Count()) / float64(account.Bursts)
			rounds := float64(w.Packets) / (float64(account.Packets) * max(whole, 1))
			w.Polling = float64(account.Idle) * nanos * rounds
			w.Interrupted = float64(account.Interrupted) * rounds
			w.Fill = float64(w.sampled) / float64(w.bursts)
		}
		in.Workers = append(in.Workers, w)
	}
	in.rules(a, b)
	return in
}

// perSecond returns the rates of counters by name, those that moved.
func perSecond(now, was map[string]uint64, seconds float64) map[string]float64 {
	rates := map[string]float64{}
	for name, n := range now {
		if d := n - was[name]; d > 0 {
			rates[name] = float64(d) / seconds
		}
	}
	return rates
}

// rules takes the difference of what rules cost.
func (in *interval) rules(a, b *control.Profile) {
	before := map[uint32]control.RuleProfile{}
	if !in.NewRules {
		for _, r := range a.Rules {
			before[r.ID] = r
		}
	}
	var packets, cycles uint64
	for _, r := range b.Rules {
		was := before[r.ID]
		if r.Packets < was.Packets { // profiling began anew in between
			was = control.RuleProfile{}
		}
		r.Packets -= was.Packets
		r.Cycles -= was.Cycles
		if r.Packets == 0 {
			continue
		}
		packets += r.Packets
		cycles += r.Cycles
		in.Rules = append(in.Rules, ruleInterval{RuleProfile: r, PerPacket: float64(r.Cycles) / float64(r.Packets) * 1e9 / float64(b.Rate)})
	}
	all := in.total()
	for i := range in.Rules {
		r := &in.Rules[i]
		r.Share, r.Decided = float64(r.Cycles)/float64(max(cycles, 1)), float64(r.Packets)/float64(max(packets, 1))
		r.Rate = r.Decided * (all.RxRate + all.HandIn)
	}
	slices.SortFunc(in.Rules, func(x, y ruleInterval) int { return cmp.Compare(y.Cycles, x.Cycles) })
}

// burstTime returns a quantile of a worker's burst times.
func (w *workerInterval) burstTime(q float64) time.Duration {
	return w.rate.Duration(w.Bursts.Quantile(q))
}

// total sums the workers: rates add up, times are means by packets.
func (in *interval) total() workerInterval {
	t := workerInterval{Stages: make([]float64, len(in.Stages)), Drops: map[string]float64{}, Bursts: new(perf.Distribution)}
	for i := range in.Workers {
		w := &in.Workers[i]
		t.RxRate += w.RxRate
		t.TxRate += w.TxRate
		t.HandIn += w.HandIn
		t.HandOut += w.HandOut
		t.Packets += w.Packets
		t.sampled += w.sampled
		t.bursts += w.bursts
		t.Work += w.Work
		t.Polling += w.Polling
		t.CPU += w.CPU
		t.Waited += w.Waited
		t.Interrupted += w.Interrupted
		t.Waiting += w.Waiting / float64(len(in.Workers))
		t.Idle += w.Idle / float64(len(in.Workers))
		t.rate = w.rate
		for s, ns := range w.Stages {
			t.Stages[s] += ns * float64(w.Packets)
		}
		for reason, n := range w.Drops {
			t.Drops[reason] += n
		}
		t.Bursts.Add(w.Bursts)
	}
	if t.Packets > 0 {
		t.PerPacket = t.Work / float64(t.Packets)
		for s := range t.Stages {
			t.Stages[s] /= float64(t.Packets)
		}
	}
	if t.bursts > 0 {
		t.Fill = float64(t.sampled) / float64(t.bursts)
	}
	return t
}
