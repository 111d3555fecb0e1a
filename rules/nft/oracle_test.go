package nft

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// namespace makes a network namespace of the test's own and gives a function
// that runs nft in it.
func namespace(t testing.TB) func(stdin string, args ...string) (string, error) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: comparing with nft needs root")
	}
	for _, tool := range []string{"nft", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: comparing with nft needs %s: %v", tool, err)
		}
	}
	name := fmt.Sprintf("nftlang-%d", os.Getpid())
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no network namespace: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	run := func(stdin string, args ...string) (string, error) {
		cmd := exec.Command("ip", append([]string{"netns", "exec", name, "nft"}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("", "--version"); err != nil || !strings.Contains(out, "v1.0.6") {
		t.Skipf("SKIPPED: comparing with nft needs version 1.0.6, have %q (%v)", out, err)
	}
	return run
}

// oracleRules are rules of each family that nft 1.0.6 takes.
var oracleRules = map[string]string{
	"ip": `
tcp dport 22 tcp sport 1
tcp dport != 22 tcp sport != 1
tcp dport != 22 tcp sport 1
tcp dport 22 ip saddr 1.1.1.1 tcp sport 1
tcp dport 22 meta mark 1 tcp sport 1
tcp dport 22 tcp sport 1-5
tcp dport 22 tcp sequence 5 tcp sport 1
icmp code 1 icmp type 3
icmp type echo-request icmp code 0
ip protocol tcp ip ttl 5
ip daddr 1.2.3.4 ip saddr 1.1.1.1
ip daddr 10.0.0.0/8 ip saddr 10.0.0.0/8
ip protocol tcp tcp dport 22
ip protocol icmp icmp type echo-request
ip protocol tcp ip saddr 1.2.3.4 tcp dport 22
ip protocol { tcp, udp } th dport 53
meta l4proto { tcp, udp } th dport 53
meta protocol ip ip saddr 1.1.1.1
meta protocol ip udp dport 67
meta protocol ip
meta pkttype host meta protocol ip counter
meta protocol ip6
meta protocol { ip, ip6 }
iiftype ether ether saddr 00:0f:54:0c:11:4 accept
meta iiftype ether accept
ip saddr 1.2.3.4 iiftype loopback ip daddr 1.2.3.4
iiftype { loopback, ether } ip saddr 1.2.3.4
iiftype loopback iiftype ether ip saddr 1.2.3.4
iiftype != loopback ip saddr 1.2.3.4
tcp flags syn / 0x2,psh
tcp flags syn,rst / 0x2,rst,psh
tcp flags 0x0 / psh,0x2
iiftype loopback tcp dport 22
meta mark 0x80000000 reject with tcp reset
meta l4proto tcp reject with tcp reset
ip protocol tcp reject with tcp reset
tcp dport 5 reject with tcp reset
ct original saddr 1.1.1.1
ct original saddr 1.1.1.1 ct original protocol tcp ct reply proto-dst 5 ct protocol 17
ct l3proto ipv4
ct original l3proto ipv4
reject
reject with icmp host-unreachable
reject with icmp 3
snat to 1.2.3.4-1.2.3.4
snat to 1.2.3.0/24
snat to 1.2.3.4-1.2.3.7
snat to 1.2.3.4-1.2.3.8 persistent
tcp dport 22 snat to 1.2.3.4:80-90 random,persistent
tcp dport 5 dnat 1.2.3.4
tcp dport 5 dnat to :80
tcp dport 5 dnat to 1.2.3.4-1.2.3.9:5-6
icmp gateway 5
icmp gateway { 5, 6 }
icmp mtu 5
icmp type 3 icmp mtu 5
icmp type parameter-problem
ether saddr 00:01:02:03:04:05 ether daddr 00:01:02:03:04:06
ether daddr 00:01:02:03:04:05 ether saddr 00:01:02:03:04:06
ether type ip ip saddr 1.2.3.4
th dport 5 th sport { 6, ssh }
ip saddr { 1.2.3.4/32, 1.2.3.5 }
ip saddr { 1.2.3.4/32 }
ip saddr { 1.2.3.4/32, 9.9.9.9 }
tcp dport { 5-5, 6 }
ip saddr vmap { 1.2.3.4/32 : accept, 1.2.3.5/32 : accept, 1.2.3.6/32 : drop }
meta mark set ip saddr map { 1.2.3.4/32 : 5, 1.2.3.5 : 5 }
`,
	"ip6": `
ip6 daddr ::1 ip6 saddr ::2
ip6 nexthdr tcp tcp dport 5
ip6 nexthdr icmpv6 icmpv6 type echo-request
meta l4proto ipv6-icmp icmpv6 type 128
meta l4proto 1 icmp type echo-request
ip6 saddr ::1234:1234 ip6 daddr ::ffff:1.2.3.4
ip6 saddr 1234:1234::1234:1234:1234:1234:1234
ip6 saddr fe80::/10
ip6 saddr { ::1, fe80::/10, dead::1-dead::5 }
ip6 saddr ::/64
tcp dport 5 dnat to [::1]:80
dnat to dead::1-dead::5 random
tcp dport 5 dnat to [dead::1]-[dead::5]:5-6
snat to dead::/64
reject
reject with icmpv6 no-route
reject with icmpv6 3
meta protocol ip6 udp dport 67
icmpv6 type { nd-router-advert, nd-neighbor-solicit, 200 }
icmpv6 code { no-route, 7 }
ip6 dscp cs1 ip6 flowlabel 5
ip6 nexthdr { udp, ah, comp }
ip6 nexthdr != esp
ip6 saddr { ::1/128, ::2 }
ip6 daddr { 2001:db8:2::8/128, 2001:db8:2::9/128 }
`,
	"inet": `
ct state established,related
ct state new
ct state != established,related
ct state != new
ct state == new
ct state ! new
ct state { new, established }
ct state new|established
ct state & (new|established) != 0
ct state vmap { invalid : drop, established : accept, related : accept }
ct status assured,dnat ct status != seen-reply
ct direction reply
ct mark & 0xff == 0x10
ct mark and 0xff != 0x10
ct mark != 0
ct expiration 30s
ct expiration 1h30m-2h
ct expiration 30
ct expiration > 5m
ct expiration { 30s, 1h-2h }
ct original ip saddr 1.2.3.4
ct original ip6 daddr ::1
meta nfproto ipv4 ct original saddr 1.2.3.4
ct original ip saddr . meta mark { 1.1.1.1 . 5 }
meta l4proto tcp ct original proto-dst 5
ct protocol udp
ct l3proto ipv4
tcp flags syn
tcp flags != syn
tcp flags == syn
tcp flags == syn,ack
tcp flags syn,ack
tcp flags & (syn|ack) != 0
tcp flags & (syn|ack) == 0
tcp flags & syn == syn
tcp flags & syn == 0
tcp flags & syn != 0
tcp flags & (syn|ack) == syn|ack
tcp flags & (syn|ack) != syn
tcp flags & (fin|syn|rst|ack) == syn
tcp flags syn,ack / syn,ack,rst
tcp flags != syn / syn,ack
tcp flags ! fin,rst
tcp flags { syn, ack }
tcp flags & (syn|ack) == { syn, ack }
tcp flags 0x12
tcp dport 22 log tcp sport 1-5
ct state & (new|established) == new
ct state & (new|established) != new
ct status & assured == assured
tcp flags & (syn|ack) == 0x40
tcp flags & 0xff == syn
ip saddr & 255.0.255.0 == 1.0.1.0
meta mark & 0xffffff00 { 0x100, 0x200 }
tcp dport & 0xff00 == 0x100
ip6 saddr & ffff:: == dead::
ether saddr & ff:ff:00:00:00:00 == 01:02:00:00:00:00
ip ttl & 0xf0 == 0x10
ip protocol != tcp
meta l4proto != { tcp, udp }
meta nfproto != ipv4
meta length & 0xff == 5
ip saddr . meta mark . tcp flags { 1.1.1.1 . 5 . syn }
tcp flags == 0
ip saddr & 255.255.255.0 == 10.0.0.0
ip saddr & 255.255.255.0 != 10.0.0.0
ip saddr & 0.0.0.255 < 0.0.0.127
ip saddr & 255.255.0.0 == { 10.1.0.0, 10.2.0.0 }
ip saddr 10.0.0.0-10.0.0.255
ip saddr != 10.0.0.0/8
ip saddr 0.0.0.0/0
ip saddr 10.0.0.1/8 ip saddr 10.1.1.1/32
ip saddr { 10.0.0.0/8, 1.1.1.1-1.1.1.255, 0.0.0.0-0.255.255.255, 5.5.5.5-5.5.5.5 }
ip saddr { 10.0.0.0/8, 10.1.0.0/16 }
ip saddr { 1.1.1.0-1.1.1.255 }
ip saddr { 10.0.0.0/8 }
ip saddr { 10.0.0.1 }
ip saddr != { 10.0.0.1 }
ip saddr < 10.0.0.1
icmp type echo-request
icmp type { echo-request, 3 } counter packets 5 bytes 10
icmp type 3-8
icmp type != echo-reply
icmpv6 type echo-request
icmp type echo-request icmp id 5
icmp type echo-reply icmp id 5
icmp id 5
icmp id { 5, 6 }
icmp id 5 icmp sequence 6
icmp sequence 6 icmp id 5
icmp type { echo-reply, echo-request } icmp id 5
icmpv6 id 5-7
icmpv6 max-delay 5
icmpv6 mtu 5
icmp mtu 1-5
meta l4proto icmp icmp type 8
ip protocol icmp icmp type 8
meta l4proto ipv6-icmp icmpv6 type 128
meta nfproto ipv4 icmp type 8
meta nfproto ipv6 icmp type 8
ip saddr 1.1.1.1 icmp type 8
icmp type 8 ip saddr 1.1.1.1
ip6 saddr ::1 icmpv6 type 128
meta nfproto ipv4 counter ip saddr 1.2.3.4
meta l4proto tcp counter tcp dport 22
meta l4proto tcp log tcp dport 22
meta l4proto tcp meta mark set 5 tcp dport 22
meta l4proto tcp ct state vmap { new : accept } tcp dport 22
ip protocol tcp tcp dport 22
ip protocol tcp th dport 22
ip protocol tcp ip saddr 1.2.3.4 tcp dport 22
ip protocol tcp counter ip saddr 1.2.3.4 tcp dport 22
ip saddr 1.2.3.4 meta l4proto tcp tcp dport 22
meta l4proto tcp ip saddr 1.2.3.4 tcp dport 22
meta nfproto ipv4 meta l4proto tcp ip saddr 1.2.3.4 tcp dport 22
meta nfproto ipv4 tcp dport 22
meta nfproto ipv4 tcp dport 22 ip saddr 1.2.3.4
meta nfproto ipv4
meta nfproto { ipv4, ipv6 }
meta l4proto tcp ct state new tcp dport 22
meta l4proto tcp tcp dport 22 tcp sport 1
meta l4proto 6 th dport 53
meta l4proto tcp th dport { 5, 6 }
meta l4proto tcp ip saddr . tcp dport { 1.1.1.1 . 5 }
meta nfproto ipv4 meta l4proto tcp ip saddr . tcp dport vmap { 1.1.1.1 . 5 : accept }
meta l4proto != tcp udp dport 5
meta l4proto tcp meta l4proto tcp tcp dport 5
meta l4proto tcp meta l4proto tcp
meta nfproto ipv4 meta nfproto ipv4 ip saddr 1.1.1.1
ip6 nexthdr tcp tcp dport 5
ip6 nexthdr udp ip6 hoplimit 7
th dport 53
meta l4proto tcp
meta l4proto { tcp, udp } th dport 53
meta l4proto { icmp, icmpv6 }
meta l4proto 253
ip protocol 6 ip protocol 253
meta protocol 0x1234
meta protocol { ip, ip6, 0x88cc }
meta protocol ip ip saddr 1.2.3.4
meta pkttype host
meta pkttype { multicast, broadcast }
meta iiftype ether
meta oiftype loopback
ether type ip
ether type ip ip saddr 1.1.1.1
ip saddr 1.1.1.1 ether type ip
ether saddr 00:01:02:03:04:05
tcp dport 22-22
tcp dport >= 1024
tcp dport < 1024
tcp dport { 22, 22-30, 25-40 }
tcp dport { 22 }
tcp dport { 22-23 }
tcp dport != { 22-23 }
tcp dport { 0-65535 }
tcp dport { 1-1, 1024-65535, 512-1023, 3, 4, 5 }
tcp dport { ssh, http, 443 }
tcp dport vmap { 22 : accept, 80-90 : drop }
tcp dport vmap { 90 : accept, 22 : jump u, 5 : goto u, 6 : return, 7 : continue }
ip saddr . tcp dport { 1.2.3.4 . 22, 1.2.3.0/24 . 5-9 }
ip saddr . tcp dport != { 1.2.3.4 . 22 }
ip saddr . ip daddr . tcp dport { 5.5.5.5 . 1.1.1.1 . 2, 1.1.1.1 . 2.2.2.2 . 3 }
iifname . oifname { "b" . "a", "a" . "b" }
iifname "eth*"
iifname eth0
iifname != "eth*"
iifname { "eth*", "lo" }
iifname { "wan", "lan", "dmz" }
iifname vmap { "wan" : drop, "lan" : accept, "eth0" : accept }
iifname "eth\*"
iif "lo"
iif lo oif != "lo"
iif { "lo" }
meta iifname "x"
meta mark 0x10-0x20
meta mark { 1, 2 }
meta mark { 1, 5-7, 0x10 }
ct mark { 3-9 }
meta mark & 0xff 5
meta mark & 0xf0 == 0x10-0x20
meta mark & 0xffffff00 == 0x100
meta mark and 0x3 vmap { 1 : accept, 2 : drop }
mark 5
meta length 100-200
meta length > 500
ip dscp cs1
ip6 dscp != cs1
ip dscp { cs1, 0x3f }
ip dscp 4-5
ip dscp != 0x3e
ip6 dscp vmap { cs0 : accept, 3 : drop }
ip ecn ce
ip version 4 ip hdrlength 5
ip length 5 ip id 3 ip frag-off 0x2000 ip ttl 64
ip frag-off & 0x1fff != 0
ip ttl > 5
ip6 flowlabel 5 ip6 length 7
udp length 5 udp checksum 6
tcp window 0x10 tcp ackseq 0xff tcp doff 5 tcp urgptr 0
sctp dport 5 sctp vtag 3
dccp sport 7
udplite dport 5 udplite csumcov 3
meta mark set 5
meta mark set 1 | 2
ct mark set meta mark or 0x10
meta mark set meta mark and 0xfffffffe
meta mark set ct mark
meta mark set meta mark and 0xff or 0x100
meta mark set meta mark xor 0x100
meta mark set ct mark & 0xff
meta mark set meta mark & 0xff xor 0xff0
meta mark set meta mark ^ 0xffffffff
meta mark set meta mark & 0
meta mark set (meta mark | 0x10) & 0xf3
meta mark set ct mark or 0x1 and 0xff
log
log prefix "abc"
log prefix abc group 2 snaplen 33 queue-threshold 2
log level warn
log level emerg prefix "x "
log level debug flags tcp sequence,options flags ip options flags skuid flags ether
log flags all
log flags tcp options flags ether
counter
counter packets 3 bytes 4
notrack
accept
drop
return
continue
continue accept
jump u
goto u
tcp dport 22 accept comment "a comment"
counter comment short
reject
reject with icmp port-unreachable
reject with icmpv6 no-route
reject with icmpx admin-prohibited
reject with icmpx type no-route
reject with icmpx port-unreachable
reject with tcp reset
meta l4proto tcp reject with tcp reset
tcp dport 22 reject with tcp reset
ip protocol tcp reject with tcp reset
ip saddr 1.2.3.4 reject
ip6 saddr ::1 reject
meta nfproto ipv4 reject
meta nfproto ipv4 reject with icmp host-unreachable
meta nfproto ipv6 reject with icmpv6 no-route
ip saddr 1.2.3.4 reject with icmp host-unreachable
ip saddr 1.2.3.4 reject with icmpx no-route
tcp dport 5 dnat ip to 1.2.3.4:80-90
ip saddr 1.1.1.1 tcp dport 5 dnat to 1.2.3.4
meta nfproto ipv4 tcp dport 5 dnat to 1.2.3.4
meta l4proto tcp dnat to :80
meta l4proto { tcp, udp } dnat ip to 1.1.1.1:80
dnat ip6 to [dead::1]
snat ip to 1.2.3.4
meta l4proto tcp redirect to :80-90 persistent,random
ip protocol tcp redirect to :80
redirect
masquerade
masquerade random,fully-random
tcp dport 5 masquerade to :5-10 random,fully-random,persistent
ip daddr 1.1.1.1 masquerade
`,
}

// TestOracleRules loads every rule into nft and into ours and compares the
// listings.
func TestOracleRules(t *testing.T) {
	nft := namespace(t)
	for _, fam := range []string{"ip", "ip6", "inet"} {
		var rules []string
		for _, r := range strings.Split(oracleRules[fam], "\n") {
			if r = strings.TrimSpace(r); r != "" {
				rules = append(rules, r)
			}
		}
		compareRules(t, nft, fam, rules)
	}
}

func compareRules(t *testing.T, nft func(string, ...string) (string, error), fam string, rules []string) {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "flush ruleset\ntable %s t {\n\tchain u {\n\t}\n", fam)
	for i, r := range rules {
		fmt.Fprintf(&text, "\tchain c%d {\n\t\t%s\n\t}\n", i, r)
	}
	text.WriteString("}\n")
	if out, err := nft(text.String(), "-f", "-"); err != nil {
		t.Fatalf("nft refuses a rule of family %s: %s", fam, out)
	}
	theirs, err := nft("", "list", "ruleset")
	if err != nil {
		t.Fatal(theirs)
	}
	rs, err := Parse("rules", []byte(text.String()), ParseOptions{})
	if err != nil {
		t.Fatalf("we refuse a rule of family %s: %v", fam, err)
	}
	var b bytes.Buffer
	if err := Fprint(&b, rs, PrintOptions{}); err != nil {
		t.Fatal(err)
	}
	want := listed(theirs)
	got := listed(b.String())
	for i, r := range rules {
		if c := fmt.Sprintf("c%d", i); got[c] != want[c] {
			t.Errorf("%s: %s\n  ours %s\n  nft  %s", fam, r, got[c], want[c])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d chains, nft has %d", fam, len(got), len(want))
	}
	again(t, b.String())
}

// listed gives the lines of each chain of a listing.
func listed(text string) map[string]string {
	out := map[string]string{}
	name := ""
	for _, l := range strings.Split(text, "\n") {
		if n, ok := strings.CutPrefix(l, "\tchain "); ok {
			name = strings.TrimSuffix(n, " {")
			out[name] = ""
		} else if r, ok := strings.CutPrefix(l, "\t\t"); ok && name != "" {
			out[name] += r
		}
	}
	return out
}
