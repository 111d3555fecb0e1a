package iptables

import (
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/rules/nft"
)

// TestTranslateAsTheTool: what iptables-translate 1.8.9 prints.
func TestTranslateAsTheTool(t *testing.T) {
	for _, row := range [][2]string{
		{`-A INPUT -p tcp --dport 22 -j ACCEPT`, `nft 'add rule ip filter INPUT tcp dport 22 counter accept'`},
		{`-A INPUT -s 10.0.0.0/8 ! -d 1.2.3.4 -i eth0 -p udp -m udp --sport 1:5 -j DROP`, `nft 'add rule ip filter INPUT iifname "eth0" ip saddr 10.0.0.0/8 ip daddr != 1.2.3.4 udp sport 1-5 counter drop'`},
		{`-I FORWARD -o eth+ -m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT`, `nft 'insert rule ip filter FORWARD oifname "eth*" ct state new,established counter accept'`},
		{`-A FORWARD -p tcp --syn -j REJECT --reject-with tcp-reset`, `nft 'add rule ip filter FORWARD tcp flags syn / fin,syn,rst,ack counter reject with tcp reset'`},
		{`-A FORWARD -j REJECT`, `nft 'add rule ip filter FORWARD counter reject'`},
		{`-A FORWARD -m limit --limit 5/min --limit-burst 7 -j LOG --log-prefix "x y" --log-level 7`, `nft 'add rule ip filter FORWARD limit rate 5/minute burst 7 packets counter log prefix "x y" level debug'`},
		{`-t nat -A POSTROUTING -o eth0 -j MASQUERADE`, `nft 'add rule ip nat POSTROUTING oifname "eth0" counter masquerade'`},
		{`-t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8080`, `nft 'add rule ip nat PREROUTING tcp dport 80 counter dnat to 10.0.0.1:8080'`},
		{`-t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 90`, `nft 'add rule ip nat PREROUTING ip protocol tcp counter redirect to :90'`},
		{`-A INPUT -p icmp --icmp-type 8 -j ACCEPT`, `nft 'add rule ip filter INPUT icmp type echo-request counter accept'`},
		{`-A INPUT -m comment --comment "hi there" -j ACCEPT`, `nft 'add rule ip filter INPUT counter accept comment "hi there"'`},
		{`-A INPUT -m addrtype --dst-type LOCAL -j foo`, `nft 'add rule ip filter INPUT fib daddr type local counter jump foo'`},
		{`-A INPUT -m state --state RELATED -g foo`, `nft 'add rule ip filter INPUT ct state related counter goto foo'`},
		{`-t raw -A PREROUTING -j CT --notrack`, `nft 'add rule ip raw PREROUTING counter notrack'`},
		{`-A INPUT ! -p tcp`, `nft 'add rule ip filter INPUT ip protocol != tcp counter'`},
		{`-A INPUT -s 1.2.3.4 -p tcp -j ACCEPT`, `nft 'add rule ip filter INPUT ip protocol tcp ip saddr 1.2.3.4 counter accept'`},
		{`-A INPUT -i eth0 -s 1.2.3.4 -d 5.6.7.8 ! -p ah -j ACCEPT`, `nft 'add rule ip filter INPUT iifname "eth0" ip protocol != ah ip saddr 1.2.3.4 ip daddr 5.6.7.8 counter accept'`},
		{`-A INPUT -p udp --dport 53 -s 1.2.3.4 -j DROP`, `nft 'add rule ip filter INPUT ip saddr 1.2.3.4 udp dport 53 counter drop'`},
		{`-A INPUT -m connlimit --connlimit-above 5 -p tcp -j REJECT`, "nft 'add set ip filter connlimit0 { type ipv4_addr; flags dynamic; }'\nnft 'add rule ip filter INPUT ip protocol tcp add @connlimit0 { ip saddr ct count over 5 } counter reject'"},
		{`-A INPUT -p tcp -m tcp --tcp-flags ALL NONE -j DROP`, `nft 'add rule ip filter INPUT tcp flags 0x0 / fin,syn,rst,psh,ack,urg counter drop'`},
		{`-A INPUT -m mark ! --mark 0x1/0xf`, `nft 'add rule ip filter INPUT mark and 0xf != 0x1 counter'`},
		{`-A INPUT -m ttl --ttl-lt 5 -j DROP`, `nft 'add rule ip filter INPUT ip ttl lt 5 counter drop'`},
		{`-A INPUT -m connbytes --connbytes 1000: --connbytes-dir both --connbytes-mode bytes`, `nft 'add rule ip filter INPUT ct bytes ge 1000 counter'`},
		{`-A INPUT -m statistic --mode random --probability 0.5`, `nft 'add rule ip filter INPUT meta random & 2147483647 < 1073741824 counter'`},
		{`-A INPUT -m time --timestart 08:00 --timestop 18:00 --weekdays Mon,Sun`, `nft 'add rule ip filter INPUT  meta hour "08:00:00"-"18:00:00" meta day { 1, 0 } counter'`},
		{`-A INPUT -m time --datestart 2020-01-01 --weekdays Mon`, `nft 'add rule ip filter INPUT meta time "2020-01-01 00:00:00"-"2038-01-19 03:14:07" meta day 1 counter'`},
		{`-t raw -A PREROUTING -m rpfilter --invert -j DROP`, `nft 'add rule ip raw PREROUTING fib saddr . iif oif 0 counter drop'`},
		{`-A INPUT -m iprange --src-range 1.1.1.1`, `nft 'add rule ip filter INPUT ip saddr 1.1.1.1-1.1.1.1 counter'`},
		{`-A INPUT -p tcp -m ecn --ecn-tcp-ece --ecn-ip-ect 2`, `nft 'add rule ip filter INPUT ip protocol tcp tcp flags ecn ip ecn ect0 counter'`},
		{`-A INPUT -m conntrack --ctorigsrc 10.0.0.1/24 ! --ctstate NEW`, `nft 'add rule ip filter INPUT ct state ! new ct original saddr 10.0.0.1/24 counter'`},
		{`-A FORWARD -j CLASSIFY --set-class 0:0`, `nft 'add rule ip filter FORWARD counter meta priority set none'`},
		{`-t raw -A PREROUTING -j TRACE`, `nft 'add rule ip raw PREROUTING counter nftrace set 1'`},
		{`-A INPUT -p tcp -m multiport --ports 22,80`, `nft 'add rule ip filter INPUT ip protocol tcp tcp sport . tcp dport { 0-65535 . 22, 22 . 0-65535, 0-65535 . 80, 80 . 0-65535 } counter'`},
		{`-A INPUT -m pkttype --pkt-type broadcast`, `nft 'add rule ip filter INPUT pkttype broadcast counter'`},
		{`-A INPUT -m devgroup --src-group 0x2/0x3`, `nft 'add rule ip filter INPUT iifgroup and 0x3 == 0x2 counter'`},
		{`-t mangle -A PREROUTING -j MARK --set-xmark 0x4/0x6`, `nft 'add rule ip mangle PREROUTING counter meta mark set mark and 0xfffffff9 xor 0x4'`},
		{`-A INPUT -m cpu --cpu 1`, `nft 'add rule ip filter INPUT cpu 1 counter'`},
		{`-N foo`, `nft add chain ip filter foo`},
		{`-t nat -L PREROUTING -n`, `nft list table ip nat`},
		{`-F INPUT`, `nft flush chain ip filter INPUT`},
	} {
		words, err := split(row[0], nft.Pos{})
		if err != nil {
			t.Fatal(err)
		}
		var args []string
		for _, w := range words {
			args = append(args, w.text)
		}
		if got, err := Translate(IPv4, args); got != row[1] || err != nil {
			t.Errorf("%s\n  ours   %s (%v)\n  theirs %s", row[0], got, err, row[1])
		}
	}
}

// TestTranslateDumpAsTheTool: chains that the file names, rules in its order, a set of
// its own for each that needs one.
func TestTranslateDumpAsTheTool(t *testing.T) {
	var out strings.Builder
	dump := "*filter\n:INPUT ACCEPT [0:0]\n:x - [0:0]\n-A x -j DROP\n-A INPUT -p tcp -s 1.2.3.4 -j x\n" +
		"-A x -m connlimit --connlimit-above 1 -j DROP\n-A INPUT -m connlimit --connlimit-above 2 -j DROP\nCOMMIT\n"
	if left, err := TranslateDump(&out, IPv4, "f", []byte(dump), time.Unix(0, 0)); err != nil || len(left) > 0 {
		t.Fatal(left, err)
	}
	_, got, _ := strings.Cut(out.String(), "\n")
	got, _, _ = strings.Cut(got, "#")
	if want := `add table ip filter
add chain ip filter INPUT { type filter hook input priority 0; policy accept; }
add chain ip filter x
add rule ip filter x counter drop
add rule ip filter INPUT ip protocol tcp ip saddr 1.2.3.4 counter jump x
add set ip filter connlimit0 { type ipv4_addr; flags dynamic; }
add rule ip filter x add @connlimit0 { ip saddr ct count over 1 } counter drop
add set ip filter connlimit1 { type ipv4_addr; flags dynamic; }
add rule ip filter INPUT add @connlimit1 { ip saddr ct count over 2 } counter drop
`; got != want {
		t.Errorf("ours\n%s\ntheirs\n%s", got, want)
	}
}

// TestTranslationsAreNft: whatever is translated, nft's parser takes.
func TestTranslationsAreNft(t *testing.T) {
	var translated int
	for line := range strings.Lines(rowsText) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		family, ip := IPv4, "ip"
		if f[0] == "ip6tables" {
			family, ip = IPv6, "ip6"
		}
		if f[4] == "FAIL" {
			continue
		}
		words, err := split("-t "+f[1]+" -A "+f[2]+" "+f[3], nft.Pos{})
		if err != nil {
			t.Fatal(err)
		}
		var args []string
		for _, w := range words {
			args = append(args, w.text)
		}
		text, err := Translate(family, args)
		if err != nil {
			continue
		}
		k := kindOf(f[1])
		script := "add table " + ip + " " + f[1] + "\n"
		for i, name := range chainNames {
			if k.hooks>>i&1 != 0 {
				kind := "filter"
				if f[1] == "nat" {
					kind = "nat"
				}
				script += "add chain " + ip + " " + f[1] + " " + name + " { type " + kind + " hook " + strings.ToLower(name) + " priority 0; }\n"
			}
		}
		for cmd := range strings.Lines(text) {
			cmd = strings.TrimSpace(strings.TrimPrefix(cmd, "nft "))
			script += strings.TrimSuffix(strings.TrimPrefix(cmd, "'"), "'") + "\n"
		}
		if _, err := nft.Parse("t", []byte(script), nft.ParseOptions{}); err != nil {
			if strings.Contains(err.Error(), "not supported") {
				continue
			}
			t.Errorf("%s\n  %s\n  %v", f[3], text, err)
		}
		translated++
	}
	if translated < 300 {
		t.Errorf("only %d rules were translated", translated)
	}
}

// TestTranslateSaysWhatItLeavesOut: what has no counterpart is named with the
// reason, and what iptables-translate drops is said.
func TestTranslateSaysWhatItLeavesOut(t *testing.T) {
	for _, row := range []struct{ args, text, why string }{
		{"-I INPUT 3 -p tcp -j ACCEPT", "nft 'insert rule ip filter INPUT ip protocol tcp counter accept'", "place 3 is left out"},
		{"-I INPUT 1 -j ACCEPT", "nft 'insert rule ip filter INPUT counter accept'", ""},
		{"-D INPUT 3", "", "-D needs the handle"},
		{"-D INPUT -p tcp -j ACCEPT", "", "-D needs the handle"},
		{"-R INPUT 1 -j DROP", "", "-R needs the handle"},
		{"-P INPUT DROP", "", "-P belongs to the declaration"},
		{"-C INPUT -j DROP", "", "-C asks"},
		{"-E a b", "", "-E is"},
		{"-Z INPUT", "", "-Z is"},
		{"-S", "", "-S prints"},
	} {
		text, err := Translate(IPv4, strings.Fields(row.args))
		if text != row.text || (err == nil) != (row.why == "") || err != nil && !strings.Contains(err.Error(), row.why) {
			t.Errorf("%s: %q, error %v; want %q, %q", row.args, text, err, row.text, row.why)
		}
	}
}
