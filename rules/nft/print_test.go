package nft

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// setsText declares sets, maps and chains of many shapes.
const setsText = `table ip t {
	comment "tc"
	set a { type ipv4_addr; elements = { 5.5.5.5, 1.1.1.1, 3.3.3.3, 2.2.2.2, 9.9.9.9 }; }
	set b { type inet_service; flags interval; elements = { 5-7, 80, 22, 100-200, 300, 400, 500, 600, 65535 } ; }
	set b2 { type inet_service; size 100; comment "hi"; elements = { 80, 22, 443, 300, 400, 500 } ; }
	set c { type ipv4_addr . inet_service; elements = { 5.5.5.5 . 3, 1.1.1.1 . 80, 1.1.1.1 . 22 }; }
	set d { type ifname; elements = { "wan", "lan", "eth0" }; }
	set e { type ipv6_addr; flags interval; auto-merge; elements = { ::1, fe80::/10, dead::1-dead::5, ::2 }; }
	set f { type ether_addr; elements = { 00:01:02:03:04:05, 00:01:02:03:04:04 }; }
	set g { type mark; elements = { 1,2,3,4,5,6,7,8,9,10,11,12,13 }; }
	set h { typeof ip saddr . tcp dport; elements = { 1.1.1.1 . 80 }; }
	set i { typeof ip saddr; flags constant,interval; elements = { 1.1.1.0/24, 1.1.2.0-1.1.2.255, 3.3.3.3 }; }
	set j { type inet_proto; elements = { tcp, udp, 253, icmp, esp, ah }; }
	set k { type ipv4_addr; policy memory; }
	set l { type ct_state; elements = { new, established, related, invalid, untracked }; }
	set m { type ifname; flags interval; elements = { "wan*", "lan", "eth0" }; }
	set n { type ipv4_addr . ipv4_addr; flags interval; elements = { 10.0.0.0/8 . 1.1.1.1, 5.5.5.5-6.6.6.6 . 1.0.0.0-1.255.255.255 }; }
	set o { type icmp_type; elements = { echo-request, echo-reply, 3 }; }
	set p { typeof ip ttl; elements = { 1,2,3,4,5,6,7,8,9,10,11,12,13 }; }
	set q { type ipv4_addr; elements = { 1.1.1.1 comment "x", 2.2.2.2 }; }
	set r { type ether_type; elements = { ip, ip6, arp }; }
	set s { type tcp_flag; elements = { syn, ack, fin, rst, psh, urg }; }
	set u { type time; elements = { 5s, 1h }; }
	set v { type iface_index; elements = { lo }; }
	set w { type pkt_type; elements = { host, broadcast, multicast }; }
	set x { type mark; flags interval; elements = { 5, 8-11, 100 } ; }
	set y { type nf_proto; elements = { ipv4, ipv6 }; }
	set z { type dscp; elements = { cs1, cs2, cs3, cs4 }; }
	map m1 { type ipv4_addr : verdict; elements = { 5.5.5.5 : accept, 1.1.1.1 : drop, 3.3.3.3 : jump u } ; }
	map m2 { type inet_service : verdict; flags interval; elements = { 80 : accept, 22-30 : drop, 5 : return }; }
	map m3 { type ifname : verdict; elements = { "docker0" : jump u, "bridge1" : jump u } ; comment "x"; size 5; }
	map m4 { type ipv4_addr . inet_service : verdict; flags interval; elements = { 10.0.0.0/8 . 22 : accept, 0.0.0.0/0 . 23 : drop }; }
	map m5 { typeof ip saddr . meta mark : verdict; elements = { 1.1.1.1 . 5 comment "y" : accept }; }
	chain u { comment "cc"; }
	chain p1 { type filter hook input priority -10; comment "cd"; }
	chain p2 { type filter hook input priority 11; policy drop; }
	chain p3 { type filter hook prerouting priority dstnat + 5; }
	chain p4 { type filter hook input priority -100; }
	chain p5 { type nat hook postrouting priority srcnat - 7; }
	chain p6 { type filter hook input priority raw + 11; }
	chain p7 { type filter hook input priority security; }
	chain p8 { type filter hook input priority 45; }
	chain p9 { type filter hook output priority -2147483648; }
	chain p10 { type route hook output priority mangle; policy accept; }
}
table inet e {
}
add rule ip t u ip saddr @a tcp dport vmap @m2
insert rule ip t u ip saddr . tcp dport vmap @m4
add rule ip t u tcp dport { 1, 2 } ct state vmap { new : accept, established : drop }
add rule ip t u tcp dport { 1 } drop
add element ip t a { 7.7.7.7 }
delete element ip t a { 1.1.1.1 }
`

func list(t testing.TB, text string, opt PrintOptions) string {
	t.Helper()
	rs, err := Parse("text", []byte(text), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Fprint(&b, rs, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestOracleSets(t *testing.T) {
	nft := namespace(t)
	if out, err := nft(setsText, "-f", "-"); err != nil {
		t.Fatal(out)
	}
	theirs, _ := nft("", "list", "ruleset")
	ours := list(t, setsText, PrintOptions{})
	a, b := strings.Split(ours, "\n"), strings.Split(theirs, "\n")
	for i := range a {
		if i < len(b) && a[i] != b[i] {
			t.Errorf("line %d\nours %q\nnft  %q", i+1, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		t.Errorf("%d lines, nft has %d", len(a), len(b))
	}
	handles, _ := nft("", "-a", "list", "ruleset")
	if got := list(t, setsText, PrintOptions{Handles: true}); got != handles {
		t.Errorf("with handles:\n%s\nnft\n%s", got, handles)
	}
	again(t, ours)
	// What we print is taken by nft.
	if out, err := nft("flush ruleset\n"+ours, "-f", "-"); err != nil {
		t.Errorf("nft refuses our listing: %s", out)
	}
}

func TestPrintOptions(t *testing.T) {
	text := "table ip t {\n\tchain c {\n\t\ttcp dport 22 counter packets 1 bytes 2 accept\n\t}\n}\n"
	for _, c := range []struct {
		name, want string
		opt        PrintOptions
	}{
		{"plain", text, PrintOptions{}},
		{"stateless", strings.Replace(text, " packets 1 bytes 2", "", 1), PrintOptions{Stateless: true}},
		{"values", strings.Replace(text, "packets 1 bytes 2", "packets 7 bytes 8", 1), PrintOptions{Counters: func(*Counter) (uint64, uint64) { return 7, 8 }}},
		{"handles", "table ip t { # handle 1\n\tchain c { # handle 1\n\t\ttcp dport 22 counter packets 1 bytes 2 accept # handle 2\n\t}\n}\n", PrintOptions{Handles: true}},
	} {
		if got := list(t, text, c.opt); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestIncludeAndDefine(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	write("b.d/1.nft", "define ports = { 22, 80-90 }\n")
	write("b.d/2.nft", "define net = 10.0.0.0/8")
	write("lib/x.nft", "tcp dport $ports accept\n")
	main := "include \"b.d/*.nft\"\ninclude \"none.d/*.nft\"\ntable ip t {\n\tchain c {\n\t\tip saddr $net drop\n\t\tinclude \"x.nft\"\n\t\ttcp dport { $ports, 443 } \\\n\t\t\treturn\n\t\tiifname $wan accept\n\t}\n}\n"
	rs, err := Parse(filepath.Join(dir, "main.nft"), []byte(main), ParseOptions{
		IncludeDirs: []string{filepath.Join(dir, "lib")}, Defines: map[string]string{"wan": "{ eth0, \"ppp*\" }"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"ip saddr 10.0.0.0/8 drop", "tcp dport { 22, 80-90 } accept", "tcp dport { 22, 80-90, 443 } return",
		`iifname { "eth0", "ppp*" } accept`,
	}
	for i, r := range rs.Tables[0].Chains[0].Rules {
		if got := RuleText(rs.Tables[0].Family, r); got != want[i] {
			t.Errorf("rule %d: %s, want %s", i, got, want[i])
		}
	}
	loop := write("loop.nft", "include \"loop.nft\"\n")
	if _, err := Parse(loop, []byte("include \"loop.nft\"\n"), ParseOptions{}); err == nil || !strings.Contains(err.Error(), "nested too deeply") {
		t.Errorf("a file that includes itself: %v", err)
	}
}

func TestScript(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"flush ruleset", "table ip a {\n}\nflush ruleset\ntable ip b {\n}\n", "table ip b {\n}\n"},
		{"flush table", "table ip a {\n chain c {\n accept\n }\n}\nflush table ip a\n", "table ip a {\n\tchain c {\n\t}\n}\n"},
		{"flush chain", "table ip a {\n chain c {\n accept\n }\n}\nflush chain ip a c\nadd rule ip a c drop", "table ip a {\n\tchain c {\n\t\tdrop\n\t}\n}\n"},
		{"delete table", "table ip a {\n}\ntable ip b {\n}\ndelete table ip a\n", "table ip b {\n}\n"},
		{"delete chain", "table ip a {\n chain c {\n }\n chain d {\n }\n}\ndelete chain ip a c\n", "table ip a {\n\tchain d {\n\t}\n}\n"},
		{"insert", "add table a; add chain a c; add rule a c drop; insert rule a c accept", "table ip a {\n\tchain c {\n\t\taccept\n\t\tdrop\n\t}\n}\n"},
		{"table twice", "table ip a {\n chain c {\n accept\n }\n}\ntable ip a {\n chain c {\n drop\n }\n}\n", "table ip a {\n\tchain c {\n\t\taccept\n\t\tdrop\n\t}\n}\n"},
		{"redefine", "define a = 1\nredefine a = 2\ntable ip a {\n chain c {\n tcp dport $a\n }\n}\n", "table ip a {\n\tchain c {\n\t\ttcp dport 2\n\t}\n}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := list(t, c.text, PrintOptions{}); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestInterfaceNames(t *testing.T) {
	text := "table ip t {\n chain c {\n iif \"eth1\"\n oif { \"eth1\", 7 }\n }\n}\n"
	opt := ParseOptions{Interface: func(name string) (uint32, bool) { return 5, name == "eth1" }}
	rs, err := Parse("f", []byte(text), opt)
	if err != nil {
		t.Fatal(err)
	}
	m := rs.Tables[0].Chains[0].Rules[0].Stmts[0].(*Match).Right.(*Const)
	if m.Name != "eth1" || getUint(m.Data) != 5 {
		t.Errorf("want eth1 and 5, got %q and %d", m.Name, getUint(m.Data))
	}
	if _, err := Parse("f", []byte(strings.ReplaceAll(text, "eth1", "eth2")), opt); err == nil || !strings.Contains(err.Error(), "Interface does not exist") {
		t.Errorf("an unknown interface: %v", err)
	}
}

// TestGrowth wants definitions that double each time to end in an error soon.
func TestGrowth(t *testing.T) {
	var b strings.Builder
	b.WriteString("define a0 = 1\n")
	for i := 1; i < 60; i++ {
		n := "$a" + strconv.Itoa(i-1)
		b.WriteString("define a" + strconv.Itoa(i) + " = " + n + " | " + n + "\n")
	}
	b.WriteString("table ip t {\n chain c {\n meta mark $a59\n }\n}\n")
	if _, err := Parse("f", []byte(b.String()), ParseOptions{}); err == nil || !strings.Contains(err.Error(), "too much to evaluate") {
		t.Errorf("want too much to evaluate, got %v", err)
	}
}
