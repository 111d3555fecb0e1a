package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// TestRunsAgainstTwin demands of long chains, most of whose rules are plain, what
// TestAgainstTwin demands of all kinds of rules in short ones.
func TestRunsAgainstTwin(t *testing.T) {
	var hits [4]int
	rounds := eachRound(t, 60, func(g *gen, round int) {
		tree := parse(t, inChain(strings.Join(plainRules(g, 30+g.r.IntN(60)), "\n")))
		compareTree(t, g, tree, fmt.Sprintf("round %d", round), 60, &hits)
	})
	t.Logf("decisions of rules: drop %d, accept %d", hits[0], hits[1])
	if hits[0] < rounds || hits[1] < rounds {
		t.Error("the generator misses")
	}
}

// plainRules are n rules in the text's language about the packets of a gen.
func plainRules(g *gen, n int) []string {
	var out []string
	for range n {
		var m []string
		add := func(in int, format string, args ...any) {
			if g.one(in) {
				m = append(m, fmt.Sprintf(format, args...))
			}
		}
		proto, fixed := pick(g, "tcp", "udp", "th"), ""
		v4 := !g.one(3)
		op := func() string { return pick(g, "", "", "", "", "!= ", "> ", "<= ") }
		if !v4 {
			v6 := func() string { return pick(g, pool6...) + pick(g, "", "", "/64", "/120", "/20") }
			add(2, "ip6 saddr %s", v6())
			add(2, "ip6 daddr %s", v6())
			add(8, "ip6 daddr %s-ffff::", pick(g, "::", "fd00::1", "2001::"))
		} else {
			addr := func() string { return pick(g, pool4...) + pick(g, "", "", "/30", "/24", "/8", "/1") }
			add(2, "ip saddr %s", addr())
			add(2, "ip daddr %s", addr())
			add(9, "ip saddr != %s", addr())
			add(9, "ip daddr 10.0.0.1-%s", pick(g, "10.0.0.2", "10.0.1.0", "192.168.1.9"))
			add(9, "ip saddr & 255.255.0.255 == %s", pick(g, "10.0.0.1", "10.0.0.2"))
			if proto == "th" && g.one(3) {
				fixed = pick(g, "6", "17", "47")
				add(1, "ip protocol %s", fixed)
			}
			add(9, "ip ttl %d", pick(g, 1, 64, 255))
		}
		add(2, "%s dport %s%d", proto, op(), pick(g, poolPorts...))
		add(3, "%s sport %s%d", proto, op(), pick(g, poolPorts...))
		add(6, "%s dport %d-%d", proto, 1+g.r.IntN(100), 100+g.r.IntN(60000))
		if proto == "th" && fixed == "" {
			add(3, "meta l4proto %s%s", pick(g, "", "", "!= "), pick(g, "tcp", "udp", "icmp", "60"))
		}
		add(9, "ct state %s", pick(g, "new", "established,related", "invalid"))
		add(9, `iifname "%s"`, pick(g, "eth0", "lan0"))
		add(12, "%s dport @ports", proto)
		if v4 {
			add(40, "ip ttl set 9")
			add(40, "ip daddr set 10.0.0.2")
			add(60, "ip protocol set 6")
		}
		add(40, "%s dport set 80", proto)
		m = append(m, "counter", pick(g, "", "", "", "accept", "drop", "jump allow", "jump deny", "return"))
		out = append(out, strings.Join(m, " "))
	}
	return out
}

// TestRuns: which rules get a classifier.
func TestRuns(t *testing.T) {
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format+"\n", i)
		}
		return b.String()
	}
	plain := many(minRun, "ip saddr 10.1.0.%d accept")
	for _, row := range []struct {
		name, rules string
		want        []int // rules of each run
	}{
		{"too short", many(minRun-1, "ip saddr 10.1.0.%d accept"), nil},
		{"just long enough", plain, []int{minRun}},
		{"ports", many(minRun, "tcp dport 1%d accept"), []int{minRun}},
		{"IPv6", many(minRun, "ip6 daddr fd00::%d accept"), []int{minRun}},
		{"interfaces only", many(minRun, "meta mark %d accept"), nil},
		{"negations only", many(minRun, "ip saddr != 10.1.0.%d accept"), nil},
		{"one rule for all packets inside", plain + "counter\n" + plain, []int{2*minRun + 1}},
		{"two of them", plain + "counter\ncounter\n" + plain, []int{minRun, minRun}},
		{"around", "counter\ncounter\n" + plain + "counter\n", []int{minRun}},
		{"statements first", many(minRun, "counter ip saddr 10.1.0.%d accept"), nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, im := mustImage(t, parse(t, inChain("ct state established accept\n"+row.rules)))
			var got []int
			for i := range im.runs {
				got = append(got, int(im.runs[i].n))
			}
			if fmt.Sprint(got) != fmt.Sprint(row.want) {
				t.Errorf("runs of %v rules, want %v", got, row.want)
			}
		})
	}
}

// TestRunInDeadImage: a walk that comes to a gate of a poisoned image drops.
func TestRunInDeadImage(t *testing.T) {
	_, im := mustImage(t, manyRules(100, false))
	w := walk{}
	h := im.heads[0]
	if h.src != srcGate {
		t.Fatal("no gate")
	}
	p := pk{}.packet(t)
	w.begin(p)
	if at, ok := im.gate(&h, &w); ok || at != 100 {
		t.Errorf("gate of an image: head %d, %v", at, ok)
	}
	im.Poison()
	if at, ok := im.gate(&h, &w); ok || at < uint(len(im.heads)) {
		t.Errorf("gate of a dead image: head %d, %v", at, ok)
	}
}

// BenchmarkRun: runs are worth their lookup from about minRun rules on.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{8, 16, 24, 32, 64, 128, 1024} {
		for _, run := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/run=%v", n, run), func(b *testing.B) {
				opt := Options{shortestRun: 1}
				if !run {
					opt.shortestRun = 1 << 30
				}
				rs, err := Compile(manyRules(n, false), opt)
				if err != nil {
					b.Fatal(err)
				}
				im, err := rs.Copy()
				if err != nil {
					b.Fatal(err)
				}
				defer im.Free()
				chain := &im.Base(flowtable.FamilyIPv4, nft.HookForward)[0]
				packets := ringOf(b, 1024, 1<<28)
				env := &Env{}
				i := 0
				for b.Loop() {
					im.Eval(chain, packets[i&1023], env)
					i++
				}
			})
		}
	}
}
