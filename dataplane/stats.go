package dataplane

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/rules"
)

// Stages of a worker's round, as its stage account names them.
const (
	stageReceive  = iota // frames from the ports' RX rings
	stageHandover        // frames from other workers
	stageParse           // headers, hash, first prefetch
	stagePrefetch        // candidates in the flow table
	stageWalk            // everything with an effect: track, rules, NAT, rewrite
	stageTransmit        // TX rings, expiry
	stageCount
)

var stageNames = [stageCount]string{"receive", "handover", "parse", "prefetch", "walk", "transmit"}

// WorkerStats counts packets since the box was made. The worker writes its
// own; others get copies through the mailbox.
type WorkerStats struct {
	RxFrames, TxFrames        uint64
	HandoversIn, HandoversOut uint64
	Fates                     [4]uint64                // by Fate
	Drops                     [packet.DropCount]uint64 // by reason; DropNone counts what was not dropped
	Established               uint64                   // packets of established flows, local ones not among them
	Planned                   uint64                   // of these, those that skipped the rules by a plan
	Fragments                 uint64                   // fragments that came for reassembly
	Mixed                     uint64                   // checking mode: packets that saw a retired generation
	ICMPLimited               uint64                   // ICMP errors not sent because of the rate
	ICMPNoSource              uint64                   // ICMP errors not sent because the port has no address
	LogsLost                  uint64                   // log records lost because the ring was full
	TracesLost                uint64                   // steps of traced packets, likewise
}

// Stats is a copy of the box's counters. Workers are read one after the other.
type Stats struct {
	Workers   []WorkerStats
	Conntrack []flowtable.Stats // by worker
	Stages    perf.Account      // where the workers' time went; with Config.Stages
	Flows     int               // entries now
	// UMEM frames of all workers, and how many of them are free.
	Frames, FreeFrames int
	Held               int  // of the others: fragments that wait for their datagram's rest, packets that wait for a next hop
	HugePages          bool // all of them are on pages of the hugetlb pool
	KernelFrames       int  // of the others: in rings that sockets share with the kernel
}

// Total sums the workers.
func (s Stats) Total() WorkerStats {
	var t WorkerStats
	for i := range s.Workers {
		w := &s.Workers[i]
		t.RxFrames += w.RxFrames
		t.TxFrames += w.TxFrames
		t.HandoversIn += w.HandoversIn
		t.HandoversOut += w.HandoversOut
		for f := range w.Fates {
			t.Fates[f] += w.Fates[f]
		}
		for d := range w.Drops {
			t.Drops[d] += w.Drops[d]
		}
		t.Established += w.Established
		t.Planned += w.Planned
		t.Fragments += w.Fragments
		t.Mixed += w.Mixed
		t.ICMPLimited += w.ICMPLimited
		t.ICMPNoSource += w.ICMPNoSource
		t.LogsLost += w.LogsLost
		t.TracesLost += w.TracesLost
	}
	return t
}

// LostFrames is what the account of frames lacks: frames that nobody has. Never
// anything but 0, unless a box is run by hand and in the midst of something.
func (s *Stats) LostFrames() int { return s.Frames - s.FreeFrames - s.Held - s.KernelFrames }

// Stats returns a copy of all counters.
func (b *Box) Stats() Stats {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed {
		return Stats{}
	}
	s := Stats{
		Workers: make([]WorkerStats, len(b.workers)), Conntrack: make([]flowtable.Stats, len(b.workers)),
		Flows: b.table.Count(), HugePages: true,
	}
	for i, w := range b.workers {
		b.ask(w, func(w *worker) bool {
			s.Workers[i] = w.stats
			s.Conntrack[i] = *w.shard.Stats()
			s.FreeFrames += w.umem.FreeFrames()
			s.Held += int(w.frags.Stats().Held) + w.waiting.frames
			s.KernelFrames += w.umem.KernelFrames()
			return true
		})
		s.Frames += w.umem.Frames()
		s.HugePages = s.HugePages && w.umem.HugePages()
		s.Stages.Add(w.stages.Snapshot())
	}
	return s
}

// Counters returns the counter statements of the rules in force, summed over
// the workers.
func (b *Box) Counters() []rules.CounterTotal {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed {
		return nil
	}
	return b.counters()
}
