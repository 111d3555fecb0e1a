package dataplane

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tools/frame"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestPlainFlowsKeepTheirTuples translates one host to the address of another
// that uses the same ports without translation: no two flows may look the same
// on the wire, whichever workers own them.
func TestPlainFlowsKeepTheirTuples(t *testing.T) {
	const text = "table ip n {\nchain post { type nat hook postrouting priority srcnat; ip saddr 10.0.0.2 snat to 10.0.0.3; }\n}\n"
	for _, workers := range []int{1, 2, 4} {
		n := newNet(t, text, workers)
		n.lan.steer = rss
		const flows = 60
		for i := range flows {
			n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.3", Dst: "198.51.100.1"}, frame.UDP{Src: uint16(2000 + i), Dst: 53})...))
		}
		n.box.Drain()
		for i := range flows {
			n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: uint16(2000 + i), Dst: 53})...))
		}
		n.box.Drain()
		seen := map[string]int{}
		for _, f := range n.wan.take() {
			d, err := frame.Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			seen[fmt.Sprint(d.Src, d.SrcPort)]++
		}
		if len(seen) != 2*flows {
			t.Errorf("%d workers: %d different sources of %d flows", workers, len(seen), 2*flows)
		}
		n.box.Flush()
		if got := n.box.Stats().Flows; got != 0 {
			t.Errorf("%d workers: %d flows after a flush", workers, got)
		}
	}
}

// TestLeapsOfTheClock: a flow does not outlive its timeout, however far the
// clock goes on, with or without rules that track.
func TestLeapsOfTheClock(t *testing.T) {
	for _, days := range []int{1, 20, 30, 49, 60, 400} {
		n := newNet(t, natRules, 1)
		n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2})...))
		n.box.Drain()
		n.clock.Advance(time.Duration(days) * 24 * time.Hour)
		n.wan.put(frame.Build(wanIn(frame.IPv4{Src: "198.51.100.1", Dst: "203.0.113.1"}, frame.UDP{Src: 2, Dst: 1})...))
		n.box.Drain()
		if got := len(n.lan.take()); got != 0 {
			t.Errorf("after %d days the answer of an ended flow came through", days)
		}
	}
	n := newNet(t, natRules, 1)
	n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2})...))
	whole := frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", ID: 1}, frame.UDP{Src: 1, Dst: 2}, frame.Zeros(600))...)
	n.lan.put(frame.Split(whole, 304, 1)[0])
	n.box.Drain()
	n.load("") // nothing tracks any more
	for range 100 {
		n.clock.Advance(24 * time.Hour)
		n.box.Drain()
	}
	if c := n.conntrack(); len(c) != 0 {
		t.Errorf("listed after 100 days: %v", c)
	}
	n.checkLedger()
}

func TestClosedBox(t *testing.T) {
	n := newNet(t, natRules, 2)
	if err := n.box.Close(); err != nil {
		t.Fatal(err)
	}
	if err := n.box.Start(); err == nil {
		t.Error("a closed box started")
	}
	if _, err := n.box.Load("x.nft", []byte(acceptAll)); !errors.Is(err, ErrClosed) {
		t.Errorf("rules loaded into a closed box: %v", err)
	}
	if err := n.box.SetState(n.state()); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed box took a state: %v", err)
	}
	if f, c, s := n.box.Flows(), n.box.Flush(), n.box.Stats(); len(f) != 0 || c != 0 || len(s.Workers) != 0 || n.box.Counters() != nil {
		t.Error("a closed box has flows or counters")
	}
}

// TestLogSurvivesPublish: what the old rules logged is written in their words.
func TestLogSurvivesPublish(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	n := newNet(t, "table inet t {\nchain f { type filter hook forward priority 0; udp dport 2 log prefix \"old \"; }\n}\n", 1,
		func(c *Config) { c.Log = zap.New(core) })
	n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2})...))
	n.box.workers[0].round(true) // not Drain, which would write it
	n.load(acceptAll)
	lines := logs.FilterMessage("rule log").All()
	if len(lines) != 1 {
		t.Fatalf("%d lines: %v", len(lines), logs.All())
	}
	if got := lines[0].ContextMap()["line"].(string); got[:20] != "old IN=lan OUT=wan M" {
		t.Errorf("logged %q", got)
	}
}

// TestLogInvalid: some INVALID packets are logged, of the protocol asked for.
func TestLogInvalid(t *testing.T) {
	const invalid = 5 // TCP segments without flags
	for _, row := range []struct {
		name       string
		logInvalid uint8
		apart      time.Duration
		want       int
	}{
		{"off", 0, time.Second, 0}, {"all", 255, time.Second, invalid}, {"tcp", 6, time.Second, invalid}, {"udp", 17, time.Second, 0},
		{"a flood", 255, time.Millisecond, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			core, logs := observer.New(zap.DebugLevel)
			n := newNet(t, acceptAll+"table ip x {\nchain f { type filter hook forward priority 0; ct state invalid drop; }\n}\n", 1,
				func(c *Config) { c.Log, c.LogInvalid = zap.New(core), row.logInvalid })
			n.clock.Advance(time.Minute)
			for range invalid {
				n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.TCP{Src: 1, Dst: 2})...))
				n.box.Drain()
				n.clock.Advance(row.apart)
			}
			lines := logs.FilterMessage("invalid packet").All()
			if len(lines) != row.want {
				t.Fatalf("%d lines, want %d: %v", len(lines), row.want, lines)
			}
			for _, l := range lines {
				if m := l.ContextMap(); m["reason"] != "tcp-flags" || !strings.HasPrefix(m["line"].(string), "IN=lan OUT= MAC=") {
					t.Errorf("logged %v", m)
				}
			}
		})
	}
}

// TestLogTableFull: a table without room is said, at once and then seldom.
func TestLogTableFull(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	n := newNet(t, acceptAll, 1, func(c *Config) { c.Log, c.Conntrack.Max = zap.New(core), 1 })
	client, server := frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.IPv4{Src: "198.51.100.1", Dst: "10.0.0.2"}
	n.inject(true, client, frame.TCP{Src: 1, Dst: 2, Seq: 10, Flags: "S", Window: 1000})
	n.inject(false, server, frame.TCP{Src: 2, Dst: 1, Seq: 20, Ack: 11, Flags: "SA", Window: 1000})
	n.inject(true, client, frame.TCP{Src: 1, Dst: 2, Seq: 11, Ack: 21, Flags: "A", Window: 1000})
	for step, want := range []int{1, 1, 2} { // 3 s apart, of which 5 s have to pass
		if out, _ := n.inject(true, client, frame.UDP{Src: uint16(step + 1), Dst: 2}); len(out) != 0 {
			t.Fatalf("step %d: a table for one flow took a second", step)
		}
		lines := logs.FilterMessage("connection table full, dropping packets").All()
		if len(lines) != want {
			t.Fatalf("step %d: %d lines, want %d: %v", step, len(lines), want, logs.All())
		}
		if m := lines[0].ContextMap(); m["nf_conntrack_max"] != int64(1) || !strings.HasPrefix(m["line"].(string), "IN=lan OUT= MAC=") {
			t.Errorf("logged %v", m)
		}
		n.clock.Advance(3 * time.Second)
	}
}

// TestExpirationIsLeftTime: rules that ask how long a flow has left get it by
// the box's clock, which does not begin at zero.
func TestExpirationIsLeftTime(t *testing.T) {
	n := newNet(t, "table inet t {\nchain f { type filter hook forward priority 0; policy drop; ct expiration 0s-1m accept; }\n}\n", 1)
	n.clock.Advance(100 * 24 * time.Hour)
	for range 2 {
		n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2})...))
		n.box.Drain()
	}
	if got := len(n.wan.take()); got != 2 {
		t.Errorf("%d of 2 packets of a flow with 30 s left came through", got)
	}
	n.load("table inet t {\nchain f { type filter hook forward priority 0; policy drop; ct expiration > 1m accept; }\n}\n")
	n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2})...))
	n.box.Drain()
	if got := len(n.wan.take()); got != 0 {
		t.Error("a flow with 30 s left passed as one with more than a minute")
	}
}
