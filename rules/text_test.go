package rules

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

func parse(tb testing.TB, text string) *nft.Ruleset {
	tb.Helper()
	tree, err := nft.Parse("test.nft", []byte(text), nft.ParseOptions{})
	if err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	return tree
}

// inChain wraps rules into an inet table with two user chains and a base chain
// at forward; the first rule of the base chain is on line 10.
func inChain(rules string) string {
	return `table inet t {
	set net4 { type ipv4_addr; flags interval; elements = { 10.0.0.0/24, 192.168.1.1-192.168.1.9 }; }
	set ports { type inet_service; elements = { 22, 53, 80, 443, 8080, 8443, 1, 2, 3, 4 }; }
	chain allow { tcp dport 80 accept
		return; }
	chain deny { counter drop; }
	chain base {
		type filter hook forward priority 0; policy drop;
		counter
` + rules + "\n}\n}\n"
}

func TestText(t *testing.T) {
	ct := func(status, mark uint32) *flowtable.Entry {
		e := &flowtable.Entry{Status: status, Mark: mark}
		e.Tuple = flowtable.Tuple{SrcPort: 1024, DstPort: 80, Proto: 6, Family: flowtable.FamilyIPv4}
		copy(e.Tuple.Src[:], []byte{10, 0, 0, 1})
		copy(e.Tuple.Dst[:], []byte{10, 0, 0, 2})
		return e
	}
	udp, icmp, icmp6, gre := flowtable.ProtoUDP, flowtable.ProtoICMP, flowtable.ProtoICMPv6, uint8(47)
	six := func(k pk) pk { k.src, k.dst = "fd00::1", "fd00::2"; return k }
	for _, row := range []struct {
		name  string
		rules string
		pk    pk
		code  Code
		line  int // of the deciding rule, counted from the first of rules; 0: the policy
	}{
		{"policy", "tcp dport 81 accept", pk{}, Drop, 0},
		{"first match wins", "tcp dport 80 accept\ntcp dport 80 drop", pk{}, Accept, 1},
		{"port not equal", "tcp dport != 81 accept", pk{}, Accept, 1},
		{"port not equal wants tcp", "tcp dport != 81 accept", pk{proto: udp}, Drop, 0},
		{"port range", "tcp dport 79-81 accept", pk{}, Accept, 1},
		{"port outside range", "tcp dport 81-90 accept\ntcp dport != 81-90 accept", pk{}, Accept, 2},
		{"port less", "tcp dport < 80 accept\ntcp dport <= 80 accept", pk{}, Accept, 2},
		{"port greater", "tcp dport > 80 accept\ntcp dport >= 80 accept", pk{}, Accept, 2},
		{"nothing is below 0", "tcp dport < 0 accept", pk{}, Drop, 0},
		{"what stands where a later fragment would have a port", "tcp dport != 80 accept\ntcp dport 80 accept\nip protocol tcp accept", pk{later: true}, Accept, 2},
		{"later fragment of IPv6 has no ports", "tcp dport 80 accept\nip6 nexthdr 6 accept", six(pk{later: true}), Accept, 2},
		{"later fragment has no field that is no word", "@th,16,32 != 1 accept\n@th,8,16 != 1 accept\nip protocol tcp accept", pk{later: true}, Accept, 3},
		{"later fragment of IPv6 of another extension header has no protocol", "meta l4proto != 1 accept\nmeta l4proto 60 accept\nmeta l4proto { 1-100 } accept\nip6 nexthdr 60 accept", six(pk{later: true, proto: 60}), Accept, 4},
		{"later fragment of IPv4 has one", "meta l4proto 60 accept", pk{later: true, proto: 60}, Accept, 1},
		{"cut header has no ports", "tcp dport 80 accept\nmeta l4proto tcp accept", pk{short: true}, Accept, 2},
		{"th ports of udp", "th dport 53 accept", pk{proto: udp, dport: 53}, Accept, 1},
		{"prefix", "ip saddr 10.0.0.0/31 accept", pk{}, Accept, 1},
		{"prefix v6", "ip6 saddr fd00::/64 accept", six(pk{}), Accept, 1},
		{"prefix v6 not", "ip6 saddr != fd00:0:0:1::/64 accept", six(pk{}), Accept, 1},
		{"range v6", "ip6 daddr fd00::1-fd00::9 accept", six(pk{}), Accept, 1},
		{"ip is no ip6", "ip saddr 0.0.0.0/0 accept\nmeta nfproto ipv6 accept", six(pk{}), Accept, 2},
		{"ip negation is no ip6", "ip saddr != 10.0.0.9 accept", six(pk{}), Drop, 0},
		{"dscp", "ip dscp 46 accept", pk{tos: 46<<2 | 3}, Accept, 1},
		{"dscp v6", "ip6 dscp 46 accept", six(pk{tos: 46<<2 | 1}), Accept, 1},
		{"ip version", "ip version 4 accept", pk{}, Accept, 1},
		{"hop limit", "ip6 hoplimit 5 accept", six(pk{ttl: 5}), Accept, 1},
		{"tcp flags any", "tcp flags syn,fin accept", pk{flags: 18}, Accept, 1},
		{"tcp flags exact", "tcp flags == syn accept\ntcp flags & (syn|ack) == syn|ack accept", pk{flags: 18}, Accept, 2},
		{"icmp type", "icmp type echo-request accept", pk{proto: icmp, typ: 8}, Accept, 1},
		{"icmp id needs echo", "icmp id 7 accept\nicmp type 3 accept", pk{proto: icmp, typ: 3, sport: 7}, Accept, 2},
		{"icmp id", "icmp id 7 accept", pk{proto: icmp, typ: 8, sport: 7}, Accept, 1},
		{"icmpv6 type", "icmpv6 type echo-request accept", six(pk{proto: icmp6, typ: 128}), Accept, 1},
		{"icmpv6 is not icmp", "icmp type 128 accept", six(pk{proto: icmp6, typ: 128}), Drop, 0},
		{"named interval set", "ip saddr @net4 accept", pk{src: "192.168.1.5"}, Accept, 1},
		{"named interval set, outside", "ip saddr @net4 accept\nip saddr != @net4 accept", pk{src: "192.168.1.10"}, Accept, 2},
		{"named hash set", "tcp dport @ports accept", pk{dport: 8443}, Accept, 1},
		{"anonymous set", "tcp dport { 22, 80 } accept", pk{}, Accept, 1},
		{"set not", "tcp dport != { 22, 81 } accept", pk{}, Accept, 1},
		{"concatenation", "ip saddr . tcp dport { 10.0.0.1 . 80, 10.0.0.1 . 81 } accept", pk{}, Accept, 1},
		{"concatenation v6", "ip6 saddr . ip6 daddr . tcp dport { fd00::1 . fd00::2 . 80 } accept", six(pk{}), Accept, 1},
		{"concatenation of ranges", "ip saddr . tcp dport { 10.0.0.0/24 . 70-90 } accept", pk{}, Accept, 1},
		{"concatenation with name", `iifname . tcp dport { "eth0" . 80 } accept`, pk{}, Accept, 1},
		{"vmap", "tcp dport vmap { 22 : drop, 80 : accept }", pk{}, Accept, 1},
		{"vmap misses", "tcp dport vmap { 22 : drop }\naccept", pk{}, Accept, 2},
		{"vmap of ranges", "tcp dport vmap { 1-79 : drop, 80-90 : accept }", pk{}, Accept, 1},
		{"vmap jumps and returns", "tcp dport vmap { 81 : jump allow }\naccept", pk{dport: 81}, Accept, 2},
		{"vmap continue", "tcp dport vmap { 80 : continue }\naccept", pk{}, Accept, 2},
		{"vmap of names", `iifname vmap { "eth0" : accept, "eth1" : drop }`, pk{}, Accept, 1},
		{"jump returns", "jump allow\nmeta mark set 1 accept", pk{dport: 81}, Accept, 2},
		{"goto ends the chain", "goto allow\naccept", pk{dport: 81}, Drop, 0},
		{"return at base is the policy", "return\naccept", pk{}, Drop, 0},
		{"in name", `iifname "eth0" accept`, pk{}, Accept, 1},
		{"in wildcard", `iifname "eth*" accept`, pk{in: 2}, Accept, 1},
		{"wildcard does not match", `iifname "eth*" accept`, pk{in: 71}, Drop, 0},
		{"eth1 is not eth10", `iifname "eth1" accept`, pk{in: 6}, Drop, 0},
		{"no out port has no name", `oifname "eth0" accept`, pk{}, Drop, 0},
		{"no out port is not eth0", `oifname != "eth0" accept`, pk{}, Accept, 1},
		{"unknown name", `iifname "nosuch0" accept`, pk{}, Drop, 0},
		{"set of names", `iifname { "eth1", "lan0" } accept`, pk{in: 71}, Accept, 1},
		{"index by number", "meta iif 2 accept", pk{}, Accept, 1},
		{"index by name", `oif "lan0" accept`, pk{out: 71}, Accept, 1},
		{"set of indices", `iif { "eth0", "nosuch0" } accept`, pk{}, Accept, 1},
		{"mark", "meta mark 5 accept", pk{mark: 5}, Accept, 1},
		{"mark set", "meta mark set 7\nmeta mark 7 accept", pk{mark: 5}, Accept, 2},
		{"mark masked", "meta mark & 0xf0 == 0x10 accept", pk{mark: 0x1f}, Accept, 1},
		{"ct mark set", "ct mark set 9\nct mark 9 accept", pk{ct: ct(0, 1)}, Accept, 2},
		{"mark from ct", "meta mark set ct mark\nmeta mark 3 accept", pk{ct: ct(0, 3)}, Accept, 2},
		{"ct state", "ct state established,related accept", pk{ct: ct(0, 0), info: flowtable.InfoRelatedReply}, Accept, 1},
		{"ct state new", "ct state new accept", pk{ct: ct(0, 0), info: flowtable.InfoNew}, Accept, 1},
		{"no entry is invalid", "ct state established accept\nct state invalid accept", pk{}, Accept, 2},
		{"untracked", "ct state untracked accept", pk{info: flowtable.InfoUntracked}, Accept, 1},
		{"ct status", "ct status dnat accept", pk{ct: ct(flowtable.StatusDstNAT, 0)}, Accept, 1},
		{"no entry has no status", "ct status != dnat accept", pk{}, Drop, 0},
		{"ct direction", "ct direction reply accept", pk{ct: ct(0, 0), dir: 1}, Accept, 1},
		{"ct original", "meta l4proto tcp ct original ip saddr 10.0.0.1 ct original proto-dst 80 accept", pk{ct: ct(0, 0)}, Accept, 1},
		{"length", "meta length 40 accept", pk{}, Accept, 1},
		{"padding is no part", "ip length 40 meta length 40 accept", pk{}, Accept, 1},
		{"pkttype", "meta pkttype broadcast accept", pk{mac: [6]byte{255, 255, 255, 255, 255, 255}}, Accept, 1},
		{"l4proto", "meta l4proto { icmp, gre } accept", pk{proto: gre}, Accept, 1},
		{"ether saddr", "ether saddr 02:00:00:00:00:02 accept", pk{}, Accept, 1},
		{"ether daddr", "ether daddr 02:00:00:00:00:01 accept", pk{}, Accept, 1},
		{"reject", "reject", pk{}, Reject, 1},
		{"reject reset is for tcp", "reject with tcp reset\naccept", pk{proto: udp}, Accept, 2},
		{"reject icmp is for v4", "reject with icmp type host-unreachable\naccept", six(pk{}), Accept, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			rs, im := mustImage(t, parse(t, inChain(row.rules)), testInterfaces...)
			p := row.pk.packet(t)
			chains := im.Base(p.Family, nft.HookForward)
			if len(chains) != 1 {
				t.Fatalf("%d base chains", len(chains))
			}
			v := im.Eval(&chains[0], p, &Env{})
			info := rs.Rule(v.Rule)
			line := info.Pos.Line - 9
			if info.Policy {
				line = 0
			}
			if v.Code != row.code || line != row.line {
				t.Errorf("%v by rule %d %+v, want %v by rule %d", v.Code, line, info, row.code, row.line)
			}
			if c := im.Counters()[1]; c.Packets != 1 || c.Bytes != uint64(p.Bytes) {
				t.Errorf("counter of the first rule %+v", c)
			}
		})
	}
}

func TestRejectSpecs(t *testing.T) {
	six := pk{src: "fd00::1", dst: "fd00::2"}
	for _, row := range []struct {
		rule string
		v4   RejectSpec
		v6   RejectSpec
	}{
		{"reject", RejectSpec{Type: 3, Code: 3}, RejectSpec{Type: 1, Code: 4}},
		{"reject with icmpx type no-route", RejectSpec{Type: 3, Code: 0}, RejectSpec{Type: 1, Code: 0}},
		{"reject with icmpx type port-unreachable", RejectSpec{Type: 3, Code: 3}, RejectSpec{Type: 1, Code: 4}},
		{"reject with icmpx type host-unreachable", RejectSpec{Type: 3, Code: 1}, RejectSpec{Type: 1, Code: 3}},
		{"reject with icmpx type admin-prohibited", RejectSpec{Type: 3, Code: 13}, RejectSpec{Type: 1, Code: 1}},
		{"reject with icmp type net-prohibited", RejectSpec{Type: 3, Code: 9}, RejectSpec{}},
		{"reject with icmpv6 type policy-fail", RejectSpec{}, RejectSpec{Type: 1, Code: 5}},
		{"reject with tcp reset", RejectSpec{Reset: true}, RejectSpec{Reset: true}},
	} {
		t.Run(row.rule, func(t *testing.T) {
			_, im := mustImage(t, parse(t, inChain(row.rule)))
			for _, k := range []pk{{}, six} {
				p := k.packet(t)
				want := row.v4
				if p.Family == flowtable.FamilyIPv6 {
					want = row.v6
				}
				var env Env
				v := im.Eval(&im.Base(p.Family, nft.HookForward)[0], p, &env)
				if env.Reject != want || (v.Code == Reject) != (want != RejectSpec{}) {
					t.Errorf("family %d: %v %+v, want %+v", p.Family, v, env.Reject, want)
				}
			}
		})
	}
}

// TestErrors has what the language allows and the engine refuses, or what only
// a tree made by hand can hold: the error names the place.
func TestErrors(t *testing.T) {
	at := nft.Pos{File: "x.nft", Line: 3, Col: 7}
	jump := func(name string) *nft.Rule {
		return ruleOf(&nft.Verdict{Pos: at, Kind: nft.VerdictJump, Chain: name})
	}
	calls := func(n int) *nft.Ruleset { // the base chain calls A calls B ..., n calls
		tree := forward(nft.VerdictDrop, jump("A"))
		for i := range n {
			c := &nft.Chain{Name: string(rune('A' + i))}
			if i < n-1 {
				c.Rules = []*nft.Rule{jump(string(rune('A' + i + 1)))}
			}
			tree.Tables[0].Chains = append(tree.Tables[0].Chains, c)
		}
		return tree
	}
	loop := calls(2)
	loop.Tables[0].Chains[2].Rules = []*nft.Rule{ruleOf(&nft.Verdict{Pos: at, Kind: nft.VerdictGoto, Chain: "A"})}
	overlap := forward(nft.VerdictDrop, ruleOf(&nft.VMap{Pos: at, Left: field("tcp", "dport"), Set: &nft.Set{
		Key: []*nft.Type{nft.TypeService}, Verdicts: true,
		Elements: nft.ElementsOf(
			&nft.Element{Pos: at, Key: []nft.KeyPart{{Lo: []byte{0, 1}, Hi: []byte{0, 9}}}, Verdict: dropStmt},
			&nft.Element{Pos: at, Key: []nft.KeyPart{{Lo: []byte{0, 9}, Hi: []byte{0, 10}}}, Verdict: acceptStmt},
		),
	}}))
	for _, row := range []struct {
		name string
		tree *nft.Ruleset
		want string
	}{
		{"loop", loop, "x.nft:3:7: Error: chain A calls itself: loop"},
		{"too deep", calls(16), "x.nft:3:7: Error: more than 15 nested calls"},
		{"no chain", forward(nft.VerdictDrop, jump("x")), "x.nft:3:7: Error: chain x does not exist"},
		{"call of a base chain", forward(nft.VerdictDrop, jump("forward")), "x.nft:3:7: Error: chain forward is a base chain"},
		{"overlapping map", overlap, "x.nft:3:7: Error: element overlaps"},
		{"socket owner", parse(t, inChain("meta skuid 0 accept")), "test.nft:10:1: Error: meta skuid is not supported: forwarded packets have no local socket"},
		{"nat in filter chain", forward(nft.VerdictDrop, ruleOf(&nft.NAT{Pos: at, Kind: nft.NATMasquerade})), "x.nft:3:7: Error: nat statement in chain forward"},
		{"value too long", forward(nft.VerdictDrop, ruleOf(&nft.Match{Pos: at, Left: field("ip", "dscp"), Right: &nft.Const{Data: []byte{64}, PrefixLen: -1}})), "x.nft:3:7: Error: value 0x40 does not fit 6 bits"},
		{"family", &nft.Ruleset{Tables: []*nft.Table{{Pos: at, Family: nft.FamilyARP}}}, "x.nft:3:7: Error: tables of family arp"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Compile(row.tree, Options{})
			var e *Error
			if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), row.want) {
				t.Errorf("%v, want %s", err, row.want)
			}
		})
	}
	if _, err := Compile(calls(15), Options{}); err != nil {
		t.Errorf("15 nested calls: %v", err)
	}
	aside := parse(t, "table ip t {\nchain a { jump b; }\nchain b { counter goto a; }\nchain c { jump c; }\nchain f { type filter hook forward priority 0; counter accept; }\n}\n")
	if _, err := Compile(aside, Options{}); err != nil {
		t.Errorf("loops that no base chain reaches: %v", err)
	}
}

func TestInterfaceErrors(t *testing.T) {
	for _, ifs := range [][]Interface{
		{{Name: "eth0", Port: 0xffff}}, {{Name: "", Port: 1}}, {{Name: "sixteen-bytes-xx", Port: 1}},
		{{Name: "a", Port: 1}, {Name: "b", Port: 1}},
	} {
		if _, err := Compile(&nft.Ruleset{}, Options{Interfaces: ifs}); err == nil {
			t.Errorf("%+v: no error", ifs)
		}
	}
}

// TestStack walks the deepest calls allowed and back.
func TestStack(t *testing.T) {
	text := "table ip t {\nchain c15 { counter return; }\n"
	for i := 14; i >= 1; i-- {
		text += "chain c" + strconv.Itoa(i) + " { jump c" + strconv.Itoa(i+1) + "; counter; }\n"
	}
	text += "chain b { type filter hook input priority 0; policy drop; jump c1; accept; }\n}\n"
	_, im := mustImage(t, parse(t, text))
	p := pk{}.packet(t)
	v := im.Eval(&im.Base(p.Family, nft.HookInput)[0], p, &Env{})
	if v.Code != Accept {
		t.Errorf("verdict %+v", v)
	}
	for i, c := range im.Counters() {
		if c.Packets != 1 {
			t.Errorf("counter %d of the way back: %+v", i, c)
		}
	}
}
