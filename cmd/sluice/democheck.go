package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/tools/traffic"
)

// verdict is one thing the demonstration checks about itself.
type verdict struct {
	what string
	bad  string // empty: it holds
}

// check compares what the hosts saw with what the router says; played is the
// router before the sessions, end after them.
func check(d *demoBox, w *world, captures []captureResult, played, end *snapshot) []verdict {
	var list []verdict
	hold := func(ok bool, what, format string, args ...any) {
		v := verdict{what: what}
		if !ok {
			v.bad = fmt.Sprintf(format, args...)
		}
		list = append(list, v)
	}
	same := func(what string, a, b uint64) { hold(a == b, what, "%d and %d", a, b) }

	for i := range captures {
		if c := &captures[i]; !c.settled {
			hold(false, "the router deals with every frame of "+c.capture.name, "frames are missing after %v", settleTime)
		}
	}
	for _, a := range w.actors {
		r := a.total()
		s := r.Total()
		if a.permit {
			hold(s.Opened > 0 && r.Clean(), a.name+": every permitted session completes, with the right bytes",
				"%d opened, %d completed; %v, %d lost", s.Opened, s.Completed, &r.Frames, r.Lost)
		} else {
			hold(s.Opened > 0 && s.Completed == 0, a.name+": no forbidden session completes",
				"%d opened, %d completed", s.Opened, s.Completed)
		}
	}
	for port, s := range w.servers {
		f := s.Report()
		hold(f.Bad+f.Stray+f.Foreign+f.Payload == 0, "server on "+portNames[port]+": sound frames, from translated addresses only", "%v", &f)
	}

	frames := w.frames()
	received := frames.Received
	sent := frames.Sent
	for _, f := range d.far {
		sent, received = sent+f.sent, received+f.received
	}
	t := &end.total
	same("frames: the hosts sent as many as the router received", sent, t.RxFrames)
	same("frames: the router sent as many as the hosts received", t.TxFrames, received)
	same("frames: all are free but those of fragments that wait for more", uint64(end.stats.Frames-end.stats.FreeFrames), uint64(end.stats.Held))
	same("workers: whatever is handed over arrives", t.HandoversOut, t.HandoversIn)
	same("rules: no packet is judged by two generations", t.Mixed, 0)

	rs := d.box.Rules()
	grown := func(text string) (n uint64) {
		for i, c := range end.counters {
			if rule := rs.Rule(c.RuleID); strings.Contains(rule.Text, text) {
				n += c.Packets - played.counters[i].Packets
			}
		}
		return n
	}
	_, visitors, rogues, intruders := w.actors[0], w.actors[1], w.actors[2], w.actors[3]
	same("counters: dnat counts the visitors' sessions", grown("dnat to"), opened(visitors.total()))
	same("counters: the rules against telnet and mail count the rogues' sessions", grown("dport 23")+grown("dport 25"), opened(rogues.reports[0]))
	same("counters: the rule for blocked addresses counts the rogues' sessions", grown("@blocked"), opened(rogues.reports[1]))
	same("counters: the rule against unasked traffic counts the intruders' sessions", grown(`iifname "wan" counter packets 0 bytes 0 drop`), opened(intruders.total()))
	var refused uint64
	for _, c := range end.counters {
		if refusing(rs.Rule(c.RuleID)) {
			refused += c.Packets
		}
	}
	hold(refused <= t.Drops[packet.DropPolicy]+t.Drops[packet.DropReject] && refused > 0, "counters: rules that drop agree with the drop reasons",
		"%d by rules, %d policy, %d reject", refused, t.Drops[packet.DropPolicy], t.Drops[packet.DropReject])
	return list
}

func opened(r traffic.Report) uint64 {
	s := r.Total()
	return s.Opened
}

// reportChecks prints the checks and says whether all hold.
func reportChecks(w io.Writer, list []verdict) bool {
	failures := 0
	fmt.Fprintf(w, "\nChecks\n")
	for _, v := range list {
		if v.bad == "" {
			fmt.Fprintf(w, "  ok    %s\n", v.what)
			continue
		}
		failures++
		fmt.Fprintf(w, "  FAIL  %s: %s\n", v.what, v.bad)
	}
	if failures > 0 {
		fmt.Fprintf(w, "\n%d of %d checks failed\n", failures, len(list))
		return false
	}
	fmt.Fprintf(w, "\nall %d checks passed\n", len(list))
	return true
}
