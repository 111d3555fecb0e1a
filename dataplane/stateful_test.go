package dataplane

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tools/frame"
)

// udpFrame is a UDP datagram of client i with so many bytes of payload.
func udpFrame(i, payload int) []byte {
	return frame.Build(clientToBox, frame.IPv4{Src: fmt.Sprintf("10.0.0.%d", 2+i%30), Dst: fmt.Sprintf("198.51.100.%d", 1+i%200)},
		frame.UDP{Src: uint16(1024 + i), Dst: 53}, frame.Zeros(payload))
}

func chainOf(statements string) string {
	return "table ip t {\n\tcounter seen {\n\t}\n\tlimit slow {\n\t\trate 10/second\n\t}\n\tquota much {\n\t\t1000 bytes\n\t}\n" +
		"\tchain f {\n\t\ttype filter hook forward priority filter; policy drop;\n\t\t" + statements + "\n\t}\n}\n"
}

// TestLimits: what passes a limit follows from its definition
// (net/netfilter/nft_limit.c), and is the same for one worker and for four,
// because there is one bucket for the whole box.
func TestLimits(t *testing.T) {
	type step struct {
		wait    time.Duration
		packets int
		passed  int
	}
	for _, c := range []struct {
		name, rule string
		payload    int
		steps      []step
	}{
		{"packets, default burst", `limit rate 10/second accept`, 0, []step{
			{0, 20, 5}, {50 * time.Millisecond, 5, 0}, {50 * time.Millisecond, 5, 1}, {250 * time.Millisecond, 5, 2}, {time.Hour, 20, 5}}},
		{"burst", `limit rate 1/minute burst 3 packets accept`, 0, []step{{0, 5, 3}, {59 * time.Second, 1, 0}, {time.Second, 2, 1}}},
		{"over", `limit rate over 10/second burst 2 packets drop` + "\n\t\taccept", 0, []step{{0, 6, 2}, {100 * time.Millisecond, 3, 1}}},
		// 100 bytes of payload are datagrams of 128: the bucket holds rate and burst.
		{"bytes", `limit rate 1024 bytes/second burst 256 bytes accept`, 100, []step{{0, 20, 10}, {time.Second, 20, 8}}},
		{"too large for the bucket", `limit rate 10 bytes/second burst 20 bytes accept`, 100, []step{{time.Hour, 2, 0}}},
		{"by name", `limit name "slow" accept`, 0, []step{{0, 20, 5}, {100 * time.Millisecond, 3, 1}}},
		{"two rules, one object", `limit name "slow" accept` + "\n\t\t" + `limit name "slow" accept`, 0, []step{{0, 20, 5}}},
		{"two rules of their own", `limit rate 10/second accept` + "\n\t\t" + `limit rate 10/second accept`, 0, []step{{0, 20, 10}}},
		{"quota", `quota 300 bytes accept`, 72, []step{{0, 10, 3}, {time.Hour, 5, 0}}},
		{"quota over", `quota over 300 bytes drop` + "\n\t\taccept", 72, []step{{0, 10, 3}}},
		{"quota by name", `quota name "much" accept`, 72, []step{{0, 20, 10}}},
	} {
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", c.name, workers), func(t *testing.T) {
				n := newNet(t, chainOf(c.rule), workers)
				n.lan.steer = rss
				sent := 0
				for i, s := range c.steps {
					n.clock.Advance(s.wait)
					for range s.packets {
						n.lan.put(udpFrame(sent, c.payload))
						sent++
					}
					n.box.Drain()
					if got := len(n.wan.take()); got != s.passed {
						t.Errorf("step %d: %d of %d packets passed, want %d", i, got, s.packets, s.passed)
					}
				}
				n.checkLedger()
			})
		}
	}
}

// TestStateSurvives: what a limit or quota remembers outlives every change of
// the rules that keeps it, and no other, as in the kernel.
func TestStateSurvives(t *testing.T) {
	n := newNet(t, chainOf(`limit rate 1/hour burst 4 packets counter name "seen" quota name "much" accept`), 2)
	pass := func(want int, what string) {
		t.Helper()
		for i := range 10 {
			n.lan.put(udpFrame(i, 22))
		}
		n.box.Drain()
		if got := len(n.wan.take()); got != want {
			t.Errorf("%s: %d packets passed, want %d", what, got, want)
		}
	}
	pass(4, "at first")
	if rs := n.box.Rules(); rs.QuotaUsed(rs.Tree.Tables[0].Objects[2].Quota) != 200 {
		t.Errorf("quota has counted %d bytes, want 200", rs.QuotaUsed(rs.Tree.Tables[0].Objects[2].Quota))
	}
	if got := n.counters(); !strings.Contains(got, "packets 4 bytes 200") && !strings.Contains(got, "packets 4") {
		t.Errorf("named counter: %s", got)
	}
	n.edit("insert rule ip t f tcp dport 1 accept\nrename chain ip t f g")
	pass(0, "with a rule more, in a chain of another name")
	n.edit(`add rule ip t g limit rate 1/hour burst 6 packets counter name "seen" quota name "much" accept`)
	pass(6, "with another limit")
	n.edit("flush chain ip t g\nadd rule ip t g quota name much accept")
	pass(10, "the quota alone, 500 bytes left")
	n.edit("flush chain ip t g\nadd rule ip t g drop")
	pass(0, "without")
	n.edit("flush chain ip t g\nadd rule ip t g quota name much accept")
	pass(0, "the object stayed in the table all the time")
	n.edit("flush chain ip t g\ndelete quota ip t much\nadd quota ip t much { 250 bytes }\nadd rule ip t g quota name much accept")
	pass(5, "another object of that name")
	for _, what := range []string{"a limit", "the same one made anew", "and once more"} {
		n.edit("flush chain ip t g\nadd rule ip t g limit rate 1/hour burst 3 packets accept")
		pass(3, what)
	}
}

// TestTimeoutBehindAuthentication: a flow of UDP behind an authentication header is
// none to `ct timeout set`, since for rules the header is the protocol.
func TestTimeoutBehindAuthentication(t *testing.T) {
	for _, row := range []struct {
		layers []frame.Layer
		want   string
	}{
		{[]frame.Layer{frame.UDP{Src: 1, Dst: 2}}, " 300 "},
		{[]frame.Layer{frame.Ext{Kind: frame.Auth}, frame.UDP{Src: 1, Dst: 2}}, " 30 "},
	} {
		n := newNet(t, "table inet t {\nct timeout long {\nprotocol udp\nl3proto ip6\npolicy = { unreplied : 300, replied : 3000 }\n}\nchain f {\ntype filter hook forward priority 0;\nct timeout set \"long\"\n}\n}\n", 1)
		n.lan.put(frame.Build(append([]frame.Layer{clientToBox, frame.IPv6{Src: "2001:db8:1::2", Dst: "2001:db8:2::2"}}, row.layers...)...))
		n.runUntilIdle()
		if flows := n.conntrack(); len(flows) != 1 || !strings.Contains(flows[0], row.want) {
			t.Errorf("%q, want%s", flows, row.want)
		}
	}
}
