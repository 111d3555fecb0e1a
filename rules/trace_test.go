package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// told is a ruleset in which ports choose the way through two chains.
const told = `table inet t {
	chain sub { tcp dport 2 counter return
		tcp dport 3 counter
	}
	chain base {
		type filter hook forward priority 0; policy drop;
		tcp dport 1 accept
		tcp dport != 9 counter meta nftrace set 1 counter
		tcp dport 7 meta nftrace set 1 tcp sport 1
		tcp dport 2-3 jump sub
		tcp dport 4 goto sub
		tcp dport vmap { 5 : jump sub, 6 : accept }
		tcp dport 8 meta nftrace set 0
		tcp dport 10 reject
		tcp dport 11 log drop
	}
}
`

// TestTold: what is told of a packet from the rule on that wants it traced, and of one
// that comes traced.
func TestTold(t *testing.T) {
	rs, im := mustImage(t, parse(t, told), testInterfaces...)
	base := "rule 1: continue; "
	for _, row := range []struct {
		port   uint16
		traced bool
		want   string
	}{
		{1, false, ""},
		{1, true, "rule 0: accept"},
		{2, false, base + "rule 3: jump sub; sub rule 0: return; end of base; policy drop"},
		{3, false, base + "rule 3: jump sub; sub rule 1: continue; end of sub; end of base; policy drop"},
		{4, false, base + "rule 4: goto sub; end of sub; policy drop"},
		{5, false, base + "rule 5: jump sub; end of sub; end of base; policy drop"},
		{6, false, base + "rule 5: accept"},
		{7, false, base + "end of base; policy drop"},
		{8, false, base},
		{9, false, ""},
		{9, true, "end of base; policy drop"},
		{10, false, base + "rule 7: drop"},
		{11, false, base + "rule 8: drop"},
	} {
		var got []string
		env := &Env{Trace: func(c *BaseChain, _ *packet.Packet, x Told) {
			at := ""
			switch info := rs.Where(x.Rule); {
			case x.Rule == 0:
				at = "end of " + rs.ChainAt(x.To).Chain
			case x.Policy:
				at = fmt.Sprintf("policy %v", x.Verdict)
			default:
				for i, r := range rs.Tree.Tables[0].Chains[map[string]int{"sub": 0, "base": 1}[info.Chain]].Rules {
					if r == info.Rule {
						at = fmt.Sprintf("rule %d: %v", i, x.Verdict)
					}
				}
				if info.Chain != "base" {
					at = info.Chain + " " + at
				}
				if x.Verdict == SaysJump || x.Verdict == SaysGoto {
					at += " " + rs.ChainAt(x.To).Chain
				}
			}
			got = append(got, at)
		}}
		p := pk{dport: row.port}.packet(t)
		if row.traced {
			p.Flags |= packet.FlagTraced
		}
		im.Eval(&im.Base(p.Family, nft.HookForward)[0], p, env)
		if text := strings.Join(got, "; "); text != strings.TrimSuffix(row.want, "; ") {
			t.Errorf("port %d, traced %v:\ntold %s\nwant %s", row.port, row.traced, text, row.want)
		}
		counted := im.Counters()[2].Packets // the first rule with counters counts twice: before it sets and behind
		if im.Counters()[3].Packets != counted {
			t.Errorf("port %d: %d before the rule wants a trace, %d behind", row.port, counted, im.Counters()[3].Packets)
		}
	}
	if rs.ChainAt(1<<20) != nil || rs.ChainAt(0) == nil {
		t.Error("chains of heads that do not exist, or none of the first")
	}
}

// TestToldAllocatesNothing: nor does the walk that nobody listens to tell anything.
func TestToldAllocatesNothing(t *testing.T) {
	_, im := mustImage(t, parse(t, told), testInterfaces...)
	n := 0
	env := &Env{Trace: func(*BaseChain, *packet.Packet, Told) { n++ }}
	deaf := &Env{}
	p := pk{dport: 3}.packet(t)
	chain := &im.Base(p.Family, nft.HookForward)[0]
	if a := testing.AllocsPerRun(100, func() {
		p.Flags &^= packet.FlagTraced
		im.Eval(chain, p, env)
		im.Eval(chain, p, env)
		im.Eval(chain, p, deaf)
	}); a != 0 || n == 0 {
		t.Errorf("%v allocations, told %d times", a, n)
	}
}

// TestTraceOpensTheWalk: the packets of a flow that a rule wants traced have no plan,
// others have.
func TestTraceOpensTheWalk(t *testing.T) {
	_, im := mustImage(t, parse(t, strings.ReplaceAll(told, "policy drop", "policy accept")), testInterfaces...)
	for port, open := range map[uint16]bool{1: false, 3: true, 9: false} {
		p := pk{dport: port, flags: 16, ct: &flowtable.Entry{}}.packet(t)
		env := &Env{}
		if im.Eval(&im.Base(p.Family, nft.HookForward)[0], p, env); env.Trail.Open != open {
			t.Errorf("port %d: open %v", port, env.Trail.Open)
		}
	}
}

// TestHeaders: how much is shown of which header.
func TestHeaders(t *testing.T) {
	for _, row := range []struct {
		name     string
		k        pk
		l, n, th int
	}{
		{"tcp", pk{payload: 50}, 14, 20, 20},
		{"udp", pk{proto: flowtable.ProtoUDP, payload: 3}, 14, 20, 11},
		{"ipv6", pk{src: "fd00::1", dst: "fd00::2", payload: 9}, 14, 40, 20},
		{"later fragment", pk{later: true}, 14, 20, 20},
		{"later fragment of ipv6", pk{src: "fd00::1", dst: "fd00::2", later: true}, 14, 0, 20},
		{"cut", pk{short: true}, 14, 20, 1},
	} {
		p := row.k.packet(t)
		if l, n, th := Headers(p); len(l) != row.l || len(n) != row.n || len(th) != row.th {
			t.Errorf("%s: %d, %d and %d bytes", row.name, len(l), len(n), len(th))
		}
	}
	p := pk{}.packet(t)
	p.Flags |= packet.FlagLocal
	if l, _, _ := Headers(p); len(l) != 0 {
		t.Error("a link header of what the box sends")
	}
	for size := range 60 {
		for _, off := range []uint16{0, 7, 14, 40, 0xffff} {
			p := pk{}.packet(t)
			p.Data, p.End, p.L3, p.L4 = make([]byte, size), uint32(size+2), off, off
			Headers(p) // stays inside the frame
		}
	}
}
