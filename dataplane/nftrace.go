package dataplane

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync/atomic"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// What rules do to packets that they want traced (`meta nftrace set 1`) goes by a
// ring of each worker to those who watch. While nobody does, nothing is written, and
// the packets walk like any other, but that they get no plan. A full ring loses the
// step and counts it. A record is:
//
//	0            8       16   20     24   28     32       34    36        37      38     39        40          41
//	| Generation | Order | Id | Rule | To | Mark | InPort | Out | Verdict | Flags | Link | Network | Transport | the headers' beginnings ...
//
// Order is what puts the steps of a packet that changed workers one behind the other.
const (
	traceSlots     = 2048
	traceRecordMax = 128
	traceHeader    = 41
)

// traceShown is a flag of a record: the packet is shown, its headers are there.
const traceShown uint8 = 1

// tracer is a worker's side.
type tracer struct {
	steps *handover
	lost  atomic.Uint64 // WorkerStats.TracesLost; stored by the worker, loaded by the control side
	heard bool          // somebody watches, as of this round
	count uint32        // packets that have a number
	id    uint32        // of the packet that was shown last
	chain uint32        // in which base chain that was: its policy's id
}

// traces is the control side's.
type traces struct {
	heard atomic.Bool   // stored by WatchTraces, loaded by the workers once a round
	order atomic.Uint64 // steps so far; counted by the workers

	took []trace // not yet read; guarded by Box.control
	lost uint64  // steps that there was no room for, or no rules any more; likewise
}

// trace is a step and its place.
type trace struct {
	nft.Trace
	order uint64
}

// maxTraces is how many steps may wait to be read; more are lost.
const maxTraces = 1 << 16

// beHeard begins or ends to write steps.
func (w *worker) beHeard(on bool) {
	w.tracer.heard, w.env.Trace = on, nil
	if on {
		w.env.Trace = w.told
	}
}

// traced returns p's number if it is traced, which it then has; else 0.
func (w *worker) traced(p *packet.Packet) uint32 {
	if p.Flags&packet.FlagTraced == 0 {
		return 0
	}
	for p.Trace == 0 {
		w.tracer.count++
		p.Trace = scatter(w.tracer.count*uint32(len(w.out)) + uint32(w.id))
	}
	return p.Trace
}

// scatter makes numbers that do not look alike of those that do, each another.
func scatter(x uint32) uint32 {
	x = (x ^ x>>16) * 0x7feb352d
	x = (x ^ x>>15) * 0x846ca68b
	return x ^ x>>16
}

// told writes a step (rules.Env.Trace).
func (w *worker) told(c *rules.BaseChain, p *packet.Packet, t rules.Told) {
	id, tr := w.traced(p), &w.tracer
	first := tr.id != id || tr.chain != c.PolicyID
	tr.id, tr.chain = id, c.PolicyID
	if first && t.Verdict == rules.SaysStolen {
		first = false // Linux has it no more
	} else if !first && t.Rule == 0 {
		return
	}
	var rec [traceRecordMax]byte
	le := binary.LittleEndian
	le.PutUint64(rec[:], w.next.Load().image.Generation())
	le.PutUint64(rec[8:], w.box.traces.order.Add(1))
	le.PutUint32(rec[16:], id)
	le.PutUint32(rec[20:], t.Rule)
	le.PutUint32(rec[24:], t.To)
	le.PutUint32(rec[28:], p.Mark)
	le.PutUint16(rec[32:], p.InPort)
	le.PutUint16(rec[34:], p.OutPort)
	rec[36] = uint8(t.Verdict)
	n := traceHeader
	if first {
		rec[37] |= traceShown
		link, network, transport := rules.Headers(p)
		rec[38], rec[39], rec[40] = uint8(len(link)), uint8(len(network)), uint8(len(transport))
		n += copy(rec[n:], link)
		n += copy(rec[n:], network)
		n += copy(rec[n:], transport)
	}
	if !tr.steps.put(rec[:n], parcel{}) {
		w.stats.TracesLost++
		tr.lost.Store(w.stats.TracesLost)
	}
}

// WatchTraces says whether somebody wants to know of traced packets. Workers learn
// of it within a round. What nobody has read until then is forgotten.
func (b *Box) WatchTraces(on bool) {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed {
		return
	}
	b.takeTraces()
	b.traces.took = nil
	b.traces.heard.Store(on)
}

// ReadTraces takes the steps of traced packets that wait, those of each packet in
// order.
func (b *Box) ReadTraces() []nft.Trace {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed {
		return nil
	}
	b.takeTraces()
	took := b.traces.took
	b.traces.took = nil
	slices.SortStableFunc(took, func(x, y trace) int { return cmp.Compare(x.order, y.order) })
	out := make([]nft.Trace, len(took))
	for i := range took {
		out[i] = took[i].Trace
	}
	return out
}

// TracesLost returns how many steps nobody read in time.
func (b *Box) TracesLost() uint64 {
	b.control.Lock()
	defer b.control.Unlock()
	if b.closed {
		return 0
	}
	lost := b.traces.lost
	for _, w := range b.workers {
		lost += w.tracer.lost.Load()
	}
	return lost
}

// takeTraces empties the rings of what the rules in force have to do with. Held:
// b.control.
func (b *Box) takeTraces() {
	now := b.inForce.Load()
	if now == nil {
		return
	}
	until := b.traces.order.Load() // what was told to this point is in the rings, but for steps in work
	for _, w := range b.workers {
		at, n := w.tracer.steps.ring.Peek(traceSlots)
		done := 0
		for ; done < n; done++ {
			rec, _ := w.tracer.steps.read(at + uint32(done))
			gen := binary.LittleEndian.Uint64(rec)
			order := binary.LittleEndian.Uint64(rec[8:])
			if gen > now.generation || order > until {
				break // these rules are about to be in force, or it may have been overtaken
			}
			t, ok := b.traceOf(now.rules, rec)
			if gen < now.generation || !ok || len(b.traces.took) == maxTraces {
				b.traces.lost++
				continue
			}
			b.traces.took = append(b.traces.took, trace{t, order})
		}
		w.tracer.steps.ring.Release(done)
	}
}

// traceOf reads a record.
func (b *Box) traceOf(rs *rules.Ruleset, rec []byte) (t nft.Trace, ok bool) {
	le := binary.LittleEndian
	if len(rec) < traceHeader {
		return t, false
	}
	rule, to, says := le.Uint32(rec[20:]), le.Uint32(rec[24:]), rules.Says(rec[36])
	info := rs.Where(rule)
	if rule == 0 {
		info = rs.ChainAt(to)
	}
	if info == nil {
		return t, false
	}
	t = nft.Trace{ID: le.Uint32(rec[16:]), Family: info.Family, Table: info.Table, Chain: info.Chain, Rule: info.Rule, Mark: le.Uint32(rec[28:])}
	if rule != 0 {
		t.Verdict = says.String()
	}
	if says == rules.SaysJump || says == rules.SaysGoto {
		next := rs.ChainAt(to)
		if next == nil {
			return t, false
		}
		t.Verdict += " " + next.Chain
	}
	if rec[37]&traceShown != 0 {
		part := rec[traceHeader:]
		p := &nft.TracedPacket{In: b.portName(rec[32:]), Out: b.portName(rec[34:])}
		for i, into := range []*[]byte{&p.Link, &p.Network, &p.Transport} {
			size := min(int(rec[38+i]), len(part))
			*into = append([]byte(nil), part[:size]...)
			part = part[size:]
		}
		t.Packet = p
	}
	return t, true
}
