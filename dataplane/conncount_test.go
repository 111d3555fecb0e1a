package dataplane

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-net/sluice/rules/nft"
)

func countingRules(rule string) string {
	return "table ip t {\n\tset by {\n\t\ttype ipv4_addr\n\t\tflags dynamic\n\t\tsize 100\n\t}\n" +
		"\tchain f {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\t" + rule + "\n\t}\n}\n"
}

// TestConnCount: how many connections there are does not depend on which worker
// has them, nor on whether it has noticed yet that they are over.
func TestConnCount(t *testing.T) {
	type step struct {
		wait         time.Duration
		first, flows int
		passed       int
	}
	for _, c := range []struct {
		name, rule string
		steps      []step
	}{
		{"new ones", "ct state new ct count over 3 drop", []step{{0, 0, 10, 3}, {29 * time.Second, 10, 5, 0}, {time.Second, 20, 5, 3}, {time.Hour, 0, 7, 3}}},
		{"at most", "ct count 4 accept\n\t\tdrop", []step{{0, 0, 10, 4}, {31 * time.Second, 3, 10, 4}}},
		{"none", "ct count over 0 drop", []step{{0, 0, 10, 0}}},
		// Clients 0, 30, 60 and so on have one address.
		{"by source", "add @by { ip saddr ct count over 2 } drop", []step{{0, 0, 120, 60}, {10 * time.Second, 200, 30, 0}, {20 * time.Second, 200, 90, 60}}},
	} {
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", c.name, workers), func(t *testing.T) {
				n := newNet(t, countingRules(c.rule), workers)
				n.lan.steer = rss
				for i, s := range c.steps {
					n.clock.Advance(s.wait)
					passed := 0
					for f := range s.flows {
						n.lan.put(udpFrame(s.first+f, 10))
						n.box.Drain()
						passed += len(n.wan.take())
					}
					if passed != s.passed {
						t.Errorf("step %d: %d of %d flows passed, want %d", i, passed, s.flows, s.passed)
					}
				}
				n.checkLedger()
			})
		}
	}
}

// TestConnCountStays: what a rule counts outlives changes of other rules, and a
// rule that goes counts no more.
func TestConnCountStays(t *testing.T) {
	n := newNet(t, countingRules("ct count over 3 drop"), 2)
	pass := func(want int, what string) {
		t.Helper()
		for i := range 5 {
			n.lan.put(udpFrame(i, 22))
			n.box.Drain()
		}
		if got := len(n.wan.take()); got != want {
			t.Errorf("%s: %d packets passed, want %d", what, got, want)
		}
	}
	pass(3, "at first")
	n.edit("insert rule ip t f tcp dport 1 drop")
	pass(0, "with a rule more: the fourth is in front of none of them")
	n.edit("flush chain ip t f\nadd rule ip t f drop")
	pass(0, "without")
	n.clock.Advance(time.Hour)
	n.edit("flush chain ip t f\nadd rule ip t f ct count over 3 drop")
	pass(3, "anew")
}

// TestLast: when a packet came to a statement.
func TestLast(t *testing.T) {
	n := newNet(t, countingRules("udp dport 53 last"), 2)
	last := n.box.Rules().Tree.Tables[0].Chains[0].Rules[0].Stmts[1].(*nft.Last)
	if now := n.box.Rules().Last(last, n.clock.Nanos()); now.Used {
		t.Errorf("%+v before any packet", now)
	}
	n.clock.Advance(time.Minute)
	n.lan.put(udpFrame(1, 10))
	n.box.Drain()
	n.clock.Advance(1500 * time.Millisecond)
	if now := n.box.Rules().Last(last, n.clock.Nanos()); !now.Used || now.UsedMs != 1500 {
		t.Errorf("%+v, want 1500 ms ago", now)
	}
}
