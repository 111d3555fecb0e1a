package dataplane

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// Fate is where a packet's way ended.
type Fate uint8

const (
	FateDropped  Fate = iota // Drop says why
	FateSent                 // left by OutPort
	FateHost                 // given to the box itself
	FateRejected             // dropped and answered as a rule asked
)

func (f Fate) String() string {
	return [...]string{"drop", "accept", "host", "reject"}[f]
}

// Outcome is what became of one packet.
type Outcome struct {
	Serial          uint32 // the port's number for it
	InPort, OutPort uint16 // packet.NoPort: none
	Worker          uint16
	Fate            Fate
	Drop            packet.Drop
	Made            bool   // an answer of the box, or a copy; Serial and InPort are those of what it answers
	Rule            uint32 // the rule or policy that decided last; 0: none was asked
	Tracked         bool   // conntrack was on: Info and Reason mean something
	Info            flowtable.Info
	Reason          flowtable.Reason
	NATed           bool // Before and After differ
	Before, After   flowtable.Tuple
}

// ended ends the life of p: it counts, traces and forgets.
func (w *worker) ended(p *packet.Packet, fate Fate, d packet.Drop) {
	w.stats.Fates[fate]++
	w.stats.Drops[d]++
	if w.trace {
		w.record(p, fate, d)
	}
}

// drop ends p for reason d and frees its frames.
func (w *worker) drop(p *packet.Packet, d packet.Drop) {
	fate := FateDropped
	if d == packet.DropReject {
		fate = FateRejected
	}
	w.ended(p, fate, d)
	w.abandon(p)
	w.freeWhole(p)
}

// toHost gives p to the box's own stack, as received: by the port it came from.
// Ports without a way there count it only.
func (w *worker) toHost(p *packet.Packet) {
	w.ended(p, FateHost, packet.DropNone)
	lane := len(w.ports) + int(p.InPort)
	if p.InPort == packet.NoPort || w.queues[lane] == nil {
		w.freeWhole(p)
		return
	}
	if w.parts == nil {
		w.transmit(lane, p)
		return
	}
	for _, d := range w.cutUp(p, 0) {
		w.transmitFrame(lane, d)
	}
}

// record keeps p's Outcome. Tracing is for replay: it allocates.
func (w *worker) record(p *packet.Packet, fate Fate, d packet.Drop) {
	o := Outcome{
		Serial: p.Serial, InPort: p.InPort, OutPort: p.OutPort, Worker: uint16(w.id),
		Fate: fate, Drop: d, Rule: p.Rule, Info: p.Info, Reason: p.Reason,
		Tracked: w.next.Load().track[familyIndex(p.Family)] && p.Family != flowtable.FamilyNone,
	}
	if p.Flags&(packet.FlagLocal|packet.FlagCopy) != 0 {
		o.Made = true
	}
	if p.Kind == flowtable.KindFlow {
		o.Before, o.After = p.Tuple, p.Tuple
	}
	if p.Ct != nil && p.Kind == flowtable.KindFlow && p.Ct.Status&flowtable.StatusNATMask != 0 {
		o.After = w.target(p)
		o.NATed = o.After != o.Before
	}
	w.outcomes = append(w.outcomes, o)
}

// Outcomes returns what became of each packet since the last call, in the
// order in which their ways ended, one worker after the other. Only with
// Config.Trace, and between calls of Drain.
func (b *Box) Outcomes() []Outcome {
	var all []Outcome
	for _, w := range b.workers {
		all = append(all, w.outcomes...)
		w.outcomes = w.outcomes[:0]
	}
	return all
}
