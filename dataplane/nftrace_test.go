package dataplane

import (
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
	"github.com/sluice-net/sluice/tools/frame"
)

// told returns what was told of traced packets, without their headers.
func (n *testNet) told() string {
	var b strings.Builder
	for _, t := range n.box.ReadTraces() {
		if t.Packet != nil {
			b.WriteString(t.Chain + " " + t.Packet.In + ">" + t.Packet.Out + ": ")
			t.Packet = nil
		}
		if t.Verdict != "" {
			_ = nft.FprintTrace(&b, &t, nft.PrintOptions{}) // a builder takes everything
		}
	}
	return b.String()
}

const tracing = `table ip t {
	chain f { type filter hook forward priority 0; policy accept;
		udp dport 53 ct state established meta nftrace set 1
		udp sport 53 counter
	}
	chain last { type filter hook postrouting priority 0; ct state new; }
}
`

// TestTracedFlow: no packet of a flow is told of less because of a plan, and flows that
// no rule wants traced have their plans.
func TestTracedFlow(t *testing.T) {
	s := planScript{n: newNet(t, tracing, 1)}
	s.n.box.WatchTraces(true)
	answer := frame.IPv4{Src: "198.51.100.1", Dst: "10.0.0.2"}
	for range 2 {
		s.up(upIP, upUDP)
		s.down(answer, downUDP)
	}
	s.n.told()
	s.planned()
	for range 3 {
		s.up(upIP, upUDP)
		got := s.n.told()
		if strings.Count(got, "trace id") != 3 || !strings.Contains(got, "f lan>wan: trace id ") || !strings.Contains(got, "last lan>wan: ") ||
			!strings.Contains(got, "rule udp dport 53 ct state established meta nftrace set 1 (verdict continue)") {
			t.Errorf("told of a packet: %q", got)
		}
	}
	s.demandPlanned("traced", 0)
	s.down(answer, downUDP)
	s.demandPlanned("the other direction", 1)
	other := frame.UDP{Src: 4001, Dst: 54}
	s.up(upIP, other)
	s.down(answer, frame.UDP{Src: 54, Dst: 4001})
	s.up(upIP, other)
	s.up(upIP, other)
	s.down(answer, frame.UDP{Src: 54, Dst: 4001})
	s.demandPlanned("another flow", 2)
	if got := s.n.told(); got != "" {
		t.Errorf("told of another flow: %q", got)
	}
}

// TestWatchTraces: nothing is told while nobody watches, what was is forgotten, and
// of rules that were replaced the steps that wait are told all the same.
func TestWatchTraces(t *testing.T) {
	const all = `table ip t { chain f { type filter hook forward priority 0; meta nftrace set 1; }; }`
	s := planScript{n: newNet(t, all, 2)}
	s.up(upIP, upUDP)
	s.n.box.WatchTraces(true)
	if got := s.n.told(); got != "" {
		t.Errorf("nobody watched: %q", got)
	}
	s.up(upIP, upUDP)
	s.n.load(strings.ReplaceAll(all, "chain f", "chain g"))
	s.up(upIP, upUDP)
	got := s.n.told()
	if strings.Count(got, " ip t f ") != 2 || strings.Count(got, " ip t g ") != 2 || strings.Index(got, " g ") < strings.Index(got, " f ") {
		t.Errorf("before and behind a change of rules: %q", got)
	}
	s.up(upIP, upUDP)
	s.n.box.WatchTraces(false)
	s.up(upIP, upUDP)
	s.n.box.WatchTraces(true)
	if got := s.n.told(); got != "" {
		t.Errorf("not forgotten: %q", got)
	}
	if lost := s.n.box.TracesLost(); lost != 0 {
		t.Errorf("%d lost", lost)
	}
	for range traceSlots {
		s.up(upIP, upUDP)
	}
	if told := uint64(len(s.n.box.ReadTraces())); told == 0 || told+s.n.box.TracesLost() != 2*traceSlots || s.n.box.Stats().Total().TracesLost != s.n.box.TracesLost() {
		t.Errorf("told %d, lost %d of %d", told, s.n.box.TracesLost(), 2*traceSlots)
	}
	_ = s.n.box.Close()
	if s.n.box.WatchTraces(true); s.n.box.ReadTraces() != nil || s.n.box.TracesLost() != 0 {
		t.Error("a closed box tells")
	}
}

// TestTracedNumbers: the numbers of packets differ, whichever worker gave them.
func TestTracedNumbers(t *testing.T) {
	seen := map[uint32]bool{}
	for i := range uint32(100_000) {
		seen[scatter(i)] = true
	}
	if len(seen) != 100_000 {
		t.Errorf("%d numbers of 100000", len(seen))
	}
}
