package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/flowtable/conntracktext"
	"github.com/sluice-net/sluice/rules"
)

// snapshot is the router's side of a report.
type snapshot struct {
	stats    dataplane.Stats
	total    dataplane.WorkerStats
	counters []rules.CounterTotal
	flows    []flowtable.Flow
}

func (d *demoBox) snapshot() *snapshot {
	s := &snapshot{stats: d.box.Stats(), counters: d.box.Counters(), flows: d.box.Flows()}
	s.total = s.stats.Total()
	return s
}

// fates are the ends a packet can come to, in the words of a report.
var fates = []struct {
	fate dataplane.Fate
	says string
}{
	{dataplane.FateSent, "passed"},
	{dataplane.FateHost, "for the router itself"},
	{dataplane.FateRejected, "rejected"},
	{dataplane.FateDropped, "dropped"},
}

func reportCaptures(w io.Writer, results []captureResult) {
	fmt.Fprintf(w, "\nReal captures (cmd/sluice/captures): frames in on lan and wan, and what became of them\n"+
		"(a datagram in fragments counts as one packet)\n")
	for i := range results {
		r := &results[i]
		t := &r.stats
		fmt.Fprintf(w, "  %-20s %-32s %4d + %3d in, %4d passed, %3d for the router, %3d dropped\n", r.capture.name, r.capture.what,
			r.frames[portLAN], r.frames[portWAN], t.Fates[dataplane.FateSent], t.Fates[dataplane.FateHost],
			t.Fates[dataplane.FateDropped]+t.Fates[dataplane.FateRejected])
		for d := packet.DropNone + 1; d < packet.DropCount; d++ {
			if t.Drops[d] > 0 && d != packet.DropPolicy && d != packet.DropReject {
				fmt.Fprintf(w, "  %24d  %v\n", t.Drops[d], d)
			}
		}
		for _, s := range r.rules {
			fmt.Fprintf(w, "  %24d  by %s\n", s.packets, s.line)
		}
	}
}

func reportSessions(w io.Writer, world *world) {
	fmt.Fprintf(w, "\nSessions\n")
	for _, a := range world.actors {
		says := "forbidden"
		if a.permit {
			says = "permitted"
		}
		r := a.total()
		fmt.Fprintf(w, "  %s (%s)\n", a.name, says)
		for _, line := range strings.Split(strings.TrimSpace(r.String()), "\n") {
			fmt.Fprintf(w, "    %s\n", line)
		}
	}
}

// connectionsShown is how many connections of each kind a report lists.
const connectionsShown = 2

// reportBox prints what passed, what was dropped and by which rule, the
// counters of the rules and a part of the connections.
func reportBox(w io.Writer, d *demoBox, end *snapshot) {
	t, rs := &end.total, d.box.Rules()
	fmt.Fprintf(w, "\nThe router, of %d frames in and its own answers\n", t.RxFrames)
	for _, f := range fates {
		fmt.Fprintf(w, "  %10d  %s\n", t.Fates[f.fate], f.says)
	}
	fmt.Fprintf(w, "  %10d  handed to the worker that owns the flow\n", t.HandoversIn)

	fmt.Fprintf(w, "\nDropped and rejected, by reason\n")
	for d := packet.DropNone + 1; d < packet.DropCount; d++ {
		if t.Drops[d] > 0 {
			fmt.Fprintf(w, "  %10d  %v\n", t.Drops[d], d)
		}
	}
	fmt.Fprintf(w, "\nDropped and rejected, by rule\n")
	for _, c := range end.counters {
		if rule := rs.Rule(c.RuleID); refusing(rule) && c.Packets > 0 {
			fmt.Fprintf(w, "  %10d  %s\n", c.Packets, ruleLine(rule))
		}
	}
	fmt.Fprintf(w, "\nRule counters (packets, bytes)\n")
	for _, c := range end.counters {
		fmt.Fprintf(w, "  %10d %12d  %s\n", c.Packets, c.Bytes, ruleLine(rs.Rule(c.RuleID)))
	}
	reportConnections(w, end.flows)
}

// refusing says whether a rule's verdict keeps packets from passing.
func refusing(r *rules.RuleInfo) bool {
	if r == nil {
		return false
	}
	words := strings.Fields(r.Text)
	return slices.Contains(words, "drop") || slices.Contains(words, "reject")
}

// reportConnections lists a few connections of each kind.
func reportConnections(w io.Writer, flows []flowtable.Flow) {
	type kind struct{ family, proto uint8 }
	byKind := map[kind][]string{}
	for i := range flows {
		k := kind{flows[i].Orig.Family, flows[i].Orig.Proto}
		byKind[k] = append(byKind[k], conntracktext.FlowLine(&flows[i], ""))
	}
	kinds := make([]kind, 0, len(byKind))
	for k := range byKind {
		kinds = append(kinds, k)
	}
	sortBy(kinds, func(k kind) int { return int(k.family)<<8 + int(k.proto) })
	fmt.Fprintf(w, "\nConnections: %d, some of each kind\n", len(flows))
	for _, k := range kinds {
		lines := byKind[k]
		slices.Sort(lines)
		for _, line := range lines[:min(connectionsShown, len(lines))] {
			fmt.Fprintf(w, "  %s\n", line)
		}
		if more := len(lines) - connectionsShown; more > 0 {
			fmt.Fprintf(w, "  ... and %d more of %s\n", more, protocolName(k.proto))
		}
	}
}

func reportMeasure(w io.Writer, m *measurement) {
	fmt.Fprintf(w, "\nTime: %d ns/packet on one worker (%d packets of %d established, masqueraded UDP flows of %d bytes,\n"+
		"the whole ruleset, both copies of the pipes included)\n", m.perPacket.Nanoseconds(), m.packets, measureFlows, measureFrame)
	total := m.stages.Total()
	for i, name := range m.stages.Names {
		if c := m.stages.Cycles[i]; c > 0 {
			fmt.Fprintf(w, "  %5.1f %%  %s\n", 100*float64(c)/float64(total), name)
		}
	}
}
