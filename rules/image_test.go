package rules

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules/nft"
)

func TestLayout(t *testing.T) {
	for _, row := range []struct {
		name      string
		got, want uintptr
	}{
		{"head", unsafe.Sizeof(head{}), 40},
		{"instruction", unsafe.Sizeof(ins{}), 40},
		{"set", unsafe.Sizeof(setDesc{}), 64},
		{"nat", unsafe.Sizeof(natDesc{}), 48},
		{"base chain", unsafe.Sizeof(BaseChain{}), 32},
		{"run", unsafe.Sizeof(runDesc{}), 24},
	} {
		if row.got != row.want {
			t.Errorf("%s takes %d bytes, want %d", row.name, row.got, row.want)
		}
	}
}

func TestBaseOrder(t *testing.T) {
	rs, im := mustImage(t, parse(t, `
table ip a {
	chain late { type filter hook forward priority 10; }
	chain same1 { type filter hook forward priority 0; }
	chain same2 { type filter hook forward priority 0; }
	chain nat { type nat hook prerouting priority dstnat; }
}
table inet b {
	chain early { type filter hook forward priority raw; policy drop; }
	chain same3 { type filter hook forward priority 0; }
}
table ip6 c {
	chain six { type filter hook forward priority filter; }
}`))
	names := func(family uint8, hook nft.Hook) string {
		var out []string
		for _, c := range im.Base(family, hook) {
			out = append(out, rs.Rule(c.PolicyID).Chain)
		}
		return strings.Join(out, " ")
	}
	for _, row := range []struct {
		family uint8
		hook   nft.Hook
		want   string
	}{
		{flowtable.FamilyIPv4, nft.HookForward, "early same3 same2 same1 late"},
		{flowtable.FamilyIPv6, nft.HookForward, "early six same3"},
		{flowtable.FamilyIPv4, nft.HookPrerouting, "nat"},
		{flowtable.FamilyIPv6, nft.HookPrerouting, ""},
		{flowtable.FamilyIPv4, nft.HookInput, ""},
		{flowtable.FamilyIPv4, nft.HookIngress, ""},
		{flowtable.FamilyNone, nft.HookForward, ""},
	} {
		if got := names(row.family, row.hook); got != row.want {
			t.Errorf("family %d hook %d: %q, want %q", row.family, row.hook, got, row.want)
		}
	}
	if c := im.Base(flowtable.FamilyIPv4, nft.HookPrerouting)[0]; !c.NAT || c.Priority != -100 || c.Policy != Accept {
		t.Errorf("nat chain %+v", c)
	}
	if c := im.Base(flowtable.FamilyIPv4, nft.HookForward)[0]; c.NAT || c.Priority != -300 || c.Policy != Drop {
		t.Errorf("first chain %+v", c)
	}
}

func TestNeedsConntrack(t *testing.T) {
	for _, row := range []struct {
		name, rule string
		want       bool
	}{
		{"no", "tcp dport 80 accept", false},
		{"state", "ct state new accept", true},
		{"in a set", "ct state . tcp dport { new . 80 } accept", true},
		{"mark set", "ct mark set 1", true},
		{"mark read", "meta mark set ct mark", true},
		{"nat chain", "}\nchain n { type nat hook postrouting priority srcnat; masquerade", true},
		{"an object for flows that no rule names", "}\nct helper h { type \"ftp\" protocol tcp; }\nchain n {", true},
		{"nat chain without rules", "}\nchain n { type nat hook postrouting priority srcnat;", false},
	} {
		_, im := mustImage(t, parse(t, inChain(row.rule)))
		for _, family := range []uint8{flowtable.FamilyIPv4, flowtable.FamilyIPv6} {
			if got := im.NeedsConntrack(family); got != row.want {
				t.Errorf("%s: %v", row.name, got)
			}
		}
	}
	_, im := mustImage(t, parse(t, "table ip6 six { chain c { type filter hook forward priority 0; ct state new accept; }; }"))
	if im.NeedsConntrack(flowtable.FamilyIPv4) || !im.NeedsConntrack(flowtable.FamilyIPv6) {
		t.Error("a rule of one family makes the other one tracked")
	}
}

// TestNeedsPriority: whoever asks for meta priority, wherever that stands, is heard;
// also when only other rules of its chain were made anew.
func TestNeedsPriority(t *testing.T) {
	for _, row := range []struct {
		name, rule string
		want       bool
	}{
		{"no", "tcp dport 80 accept", false},
		{"set", "meta priority set 1:1", false},
		{"a match", "meta priority 1:1 accept", true},
		{"in a set", "meta priority . tcp dport { 1:1 . 80 } accept", true},
		{"in a map's key", "meta mark set meta priority map { 1:1 : 3 }", true},
		{"in a vmap", "meta priority vmap { 1:1 : drop }", true},
		{"for another field", "tcp dport set meta priority map { 1:1 : 22 }", true},
		{"for itself", "meta priority set meta priority | 1", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, im := mustImage(t, parse(t, inChain(row.rule)))
			if got := im.NeedsPriority(); got != row.want {
				t.Errorf("%v, want %v", got, row.want)
			}
		})
	}
}

func TestNATSpec(t *testing.T) {
	_, im := mustImage(t, parse(t, `table inet n { chain c { type nat hook postrouting priority srcnat;
		meta l4proto udp snat ip to 10.9.0.1-10.9.0.7:1000-2000 persistent
		snat ip6 to fd00::9
		masquerade random; }; }`))
	for _, row := range []struct {
		name string
		pk   pk
		want NATSpec
		arg  uint32
	}{
		{"range", pk{proto: flowtable.ProtoUDP}, NATSpec{Kind: nft.NATSrc, Family: flowtable.FamilyIPv4, HasAddr: true,
			AddrMin: [16]byte{10, 9, 0, 1}, AddrMax: [16]byte{10, 9, 0, 7}, PortMin: 1000, PortMax: 2000, Flags: nft.NATPersistent}, 0},
		{"other family", pk{src: "fd00::1", dst: "fd00::2"}, NATSpec{Kind: nft.NATSrc, Family: flowtable.FamilyIPv6, HasAddr: true,
			AddrMin: [16]byte{0xfd, 15: 9}, AddrMax: [16]byte{0xfd, 15: 9}}, 1},
		{"falls through", pk{}, NATSpec{Kind: nft.NATMasquerade, Flags: nft.NATRandom}, 2},
	} {
		p := row.pk.packet(t)
		env := Env{NAT: NATSpec{AddrMax: [16]byte{15: 0xff}, PortMax: 9}} // of an earlier packet
		v := im.Eval(&im.Base(p.Family, nft.HookPostrouting)[0], p, &env)
		if v.Code != NAT || v.Arg != row.arg || env.NAT != row.want {
			t.Errorf("%s: %+v %+v, want %+v", row.name, v, env.NAT, row.want)
		}
	}
}

func TestLogs(t *testing.T) {
	rs, im := mustImage(t, parse(t, inChain(`log prefix "one " group 5
		log prefix "two " level info`+strings.Repeat("\nlog", 10))))
	p := pk{}.packet(t)
	var env Env
	im.Eval(&im.Base(p.Family, nft.HookForward)[0], p, &env)
	if env.NLogs != MaxLogs || env.LogsLost != 12-MaxLogs {
		t.Errorf("%d logs and %d lost", env.NLogs, env.LogsLost)
	}
	one, two := rs.LogSpec(env.Logs[0]), rs.LogSpec(env.Logs[1])
	if one.Prefix != "one " || one.Group != 5 || rs.Rule(one.Rule).Pos.Line != 10 {
		t.Errorf("first %+v", one)
	}
	if two.Prefix != "two " || two.Level != "info" || two.Group != -1 || rs.Rule(two.Rule).Pos.Line != 11 {
		t.Errorf("second %+v", two)
	}
	if rs.LogSpec(env.Logs[2]).Level != "warn" || rs.LogSpec(1000) != (LogSpec{}) {
		t.Error("default level or unknown id")
	}
}

func TestRuleInfo(t *testing.T) {
	rs, err := Compile(parse(t, inChain("tcp dport 80 counter accept")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for id := range rs.Rules() + 2 {
		info := rs.Rule(uint32(id))
		if info == nil {
			got = append(got, "none")
			continue
		}
		if int(info.ID) != id || info.Table != "t" || info.Family != nft.FamilyInet || info.Policy != (info.Rule == nil) {
			t.Errorf("id %d: %+v", id, info)
		}
		got = append(got, fmt.Sprintf("%d %s: %s", info.Pos.Line, info.Chain, info.Text))
	}
	want := []string{"none", "4 allow: tcp dport 80 accept", "5 allow: return", "6 deny: counter packets 0 bytes 0 drop",
		"7 base: policy drop", "9 base: counter packets 0 bytes 0", "10 base: tcp dport 80 counter packets 0 bytes 0 accept", "none"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestCopies: images of one ruleset share nothing, and Collect sums them.
func TestCopies(t *testing.T) {
	before := offheap.InUse()
	rs, err := Compile(parse(t, inChain("tcp dport 80 counter packets 100 bytes 200 accept")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	rs.Generation = 42
	a, errA := rs.Copy()
	b, errB := rs.CopyOf(a)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	p := pk{}.packet(t)
	for range 3 {
		a.Eval(&a.Base(p.Family, nft.HookForward)[0], p, &Env{})
	}
	a.Poison()
	if b.Eval(&b.Base(p.Family, nft.HookForward)[0], p, &Env{}).Code != Accept || b.Generation() != 42 {
		t.Error("poisoning one image reached another one")
	}
	totals := rs.Collect([]*Image{a, b})
	last := totals[len(totals)-1]
	if last.Packets != 4 || last.Bytes != 160 || last.Counter.Packets != 100 || rs.Rule(last.RuleID).Pos.Line != 10 {
		t.Errorf("total %+v", last)
	}
	for _, im := range []*Image{a, b, a} {
		if err := im.Free(); err != nil {
			t.Error(err)
		}
	}
	if now := offheap.InUse(); now != before {
		t.Errorf("%d bytes not given back", now-before)
	}
}

// TestPoison: a dead image drops everything with PoisonedRule, whatever chain it
// is asked for, and even if only part of it is overwritten.
func TestPoison(t *testing.T) {
	rs, err := Compile(parse(t, inChain(`ip saddr @net4 tcp dport @ports jump allow
		iifname "eth0" accept
		ip6 saddr fd00::/8 accept
		tcp dport vmap { 1-9 : accept }`)), Options{Interfaces: testInterfaces})
	if err != nil {
		t.Fatal(err)
	}
	p := pk{dport: 443}.packet(t)
	fresh := func() (*Image, BaseChain) {
		im, err := rs.Copy()
		if err != nil {
			t.Fatal(err)
		}
		return im, im.Base(p.Family, nft.HookForward)[0]
	}
	want := Verdict{Code: Drop, Rule: PoisonedRule}
	im, chain := fresh()
	im.Poison()
	if im.Alive() || im.Generation() != 0 || im.NeedsConntrack(flowtable.FamilyIPv4) {
		t.Error("a poisoned image seems alive")
	}
	if v := im.Eval(&chain, p, &Env{}); v != want {
		t.Errorf("kept chain of a poisoned image: %+v", v)
	}
	base := im.Base(p.Family, nft.HookOutput)
	if len(base) != 1 || im.Eval(&base[0], p, &Env{}) != want {
		t.Errorf("base chains of a poisoned image: %+v", base)
	}
	if err := im.Free(); err != nil {
		t.Error(err)
	}
	if im.Alive() || im.Eval(&chain, p, &Env{}) != want {
		t.Error("a freed image decides")
	}
	// As if Poison came in the middle of a walk: the magic still stands, and
	// the rest is overwritten from some word on.
	poisoned := 0
	for from := 1; from < rs.master.words; from++ {
		im, chain := fresh()
		for i := from; i < len(im.region); i++ {
			im.region[i] = poisonWord
		}
		if im.Eval(&chain, p, &Env{}) == want {
			poisoned++
		}
		if err := im.Free(); err != nil {
			t.Error(err)
		}
	}
	if poisoned < hdrWords {
		t.Errorf("only %d walks noticed", poisoned)
	}
	if rs.Rule(PoisonedRule) != nil || rs.Rule(0) != nil {
		t.Error("reserved ids have rules")
	}
}

func TestEvalAllocatesNothing(t *testing.T) {
	_, im := mustImage(t, parse(t, inChain(`ip saddr @net4 tcp dport @ports counter log meta mark set 4
		iifname . meta mark { "eth1" . 4, "eth0" . 5 } accept
		ip saddr . tcp dport { 10.0.0.0/24 . 1-9 } accept
		ip6 saddr fd00::/8 counter accept
		ip6 saddr { fd00::1-fd00::5, fd00::9 } accept
		ct state new ct mark set 5
		jump allow
		tcp dport vmap { 1-79 : drop, 443 : goto deny }
		reject`)), testInterfaces...)
	six := pk{src: "fe80::1", dst: "fd00::2", ct: &flowtable.Entry{}}
	var env Env
	for _, k := range []pk{{}, {dport: 443, ct: &flowtable.Entry{}}, {proto: flowtable.ProtoUDP, in: 2}, six} {
		p := k.packet(t)
		chain := &im.Base(p.Family, nft.HookForward)[0]
		if n := testing.AllocsPerRun(100, func() {
			env.NLogs = 0
			im.Eval(chain, p, &env)
			im.Base(p.Family, nft.HookForward)
		}); n != 0 {
			t.Errorf("%+v: %v allocations", k, n)
		}
	}
}

// TestOddPackets: whatever the offsets say, Eval stays inside the frame.
func TestOddPackets(t *testing.T) {
	_, im := mustImage(t, parse(t, inChain(`ip version 4 ip daddr 10.0.0.0/8 ip dscp 0 counter
		ether daddr 02:00:00:00:00:01 counter
		ip6 saddr fd00::/8 ip6 daddr { fd00::1-fd00::5 } counter
		tcp dport 80 tcp flags syn counter
		icmp id 5 counter
		th sport 1 counter
		accept`)), testInterfaces...)
	for _, family := range []uint8{flowtable.FamilyNone, flowtable.FamilyIPv4, flowtable.FamilyIPv6} {
		for size := range 100 {
			for _, off := range []uint16{0, 1, 7, 14, 60, 99, 0xffff} {
				p := pk{}.packet(t)
				p.Data, p.End, p.L3, p.L4, p.Family = make([]byte, size), uint32(size+2), off, off, family
				chain := &im.Base(flowtable.FamilyIPv4, nft.HookForward)[0]
				if v := im.Eval(chain, p, &Env{}); v.Code != Accept {
					t.Errorf("family %d, %d bytes, offsets %d: %+v", family, size, off, v)
				}
			}
		}
	}
}

const evilEnv = "SLUICE_RULES_PLANTED_RACE"

// TestPlantedRace proves that the race detector sees an image's memory: the
// test binary, run again, lets two goroutines count into one image, and must be
// told so. Without the race build there is nothing to prove.
func TestPlantedRace(t *testing.T) {
	if os.Getenv(evilEnv) != "" {
		_, im := mustImage(t, forward(nft.VerdictDrop, ruleOf(&nft.Counter{}, acceptStmt)))
		var both sync.WaitGroup
		for range 2 {
			p := pk{}.packet(t)
			both.Go(func() {
				for range 1000 {
					im.Eval(&im.Base(p.Family, nft.HookForward)[0], p, &Env{})
				}
			})
		}
		both.Wait()
		return
	}
	if !offheap.RaceTwin {
		t.Skip("SKIPPED: needs -race, which is what this test tests")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPlantedRace$", "-test.count=1")
	cmd.Env = append(slices.Clone(os.Environ()), evilEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "DATA RACE") {
		t.Errorf("a planted race was not reported: %v\n%s", err, out)
	}
}

// TestCarry wants counters to go on over texts that keep their statements, whatever
// stands before them, and others to begin at nothing.
func TestCarry(t *testing.T) {
	tree, err := nft.Parse("f", []byte("table ip t {\n counter a { }\n counter b { }\n chain c { type filter hook input priority 0\n counter\n counter\n counter\n }\n}\n"), nft.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	old, err := Compile(tree, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		want       []uint64
	}{
		{"nothing new", "add chain ip t d", []uint64{1, 2, 3, 4, 5}},
		{"one more at the end", "add rule ip t c counter", []uint64{1, 2, 3, 4, 5, 0}},
		{"one in front", "insert rule ip t c counter", []uint64{1, 2, 0, 3, 4, 5}},
		{"one less", "delete rule ip t c handle 5", []uint64{1, 2, 3, 5}},
		{"another in its place", "replace rule ip t c handle 5 counter", []uint64{1, 2, 3, 0, 5}},
		{"reset", "reset counter ip t b", []uint64{1, 0, 3, 4, 5}},
		{"a table in front of the others' place", "delete counter ip t a", []uint64{2, 3, 4, 5}},
		{"all anew", "flush chain ip t c", []uint64{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			old.Close(nil)
			for i := range old.carried {
				old.carried[i].Packets = uint64(i + 1)
			}
			next, err := nft.Apply(tree, "f", []byte(c.text), nft.ParseOptions{}, nft.PrintOptions{})
			if err != nil {
				t.Fatal(err)
			}
			rs, err := Compile(next, Options{})
			if err != nil {
				t.Fatal(err)
			}
			rs.Carry(old, rs.Common(old))
			var got []uint64
			for _, x := range rs.Collect(nil) {
				got = append(got, x.Packets)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
