package main

import "strings"

// counting has rules that give flows timeouts, announce others and count them.
const counting = `table inet o {
` + silent + `	ct timeout quick { protocol tcp; policy = { syn_sent : 7, syn_recv : 8, established : 90, fin_wait : 11, close : 5 }
	}
	ct timeout brief { protocol udp; policy = { unreplied : 6, replied : 66 }
	}
	ct expectation back { protocol udp; dport 9876; timeout 5s; size 2; l3proto ip; }
	ct expectation back6 { protocol udp; dport 9876; timeout 5s; size 2; l3proto ip6; }
	set sources { type ipv4_addr; flags dynamic; size 100; }
	set sources6 { type ipv6_addr; flags dynamic; size 100; }
	chain first { type filter hook prerouting priority mangle; policy accept;
		tcp dport 90 ct timeout set "quick"
		meta l4proto udp ct timeout set "quick" counter
		udp dport 90 ct timeout set "brief" counter
	}
	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `
		tcp dport 91 ct state new ct expectation set "back" counter
		tcp dport 91 meta nfproto ipv6 ct expectation set "back6" counter
		ct status expected counter
		tcp dport 92 ct state new ct count over 2 counter drop
		udp dport 92 ct count over 2 counter drop
		udp dport 93 ct count 2 counter
		udp dport 94 ct state new add @sources { ip saddr ct count over 2 } counter drop
		udp dport 94 ct state new add @sources6 { ip6 saddr ct count over 2 } counter drop
		tcp dport 95 ct count over 1 counter reject with tcp reset
		icmp type echo-request ct count over 1 counter drop
		udp dport 96 meta mark set 1 ct count over 0 counter
	}
	chain early { type filter hook prerouting priority raw; policy accept; udp dport 96 notrack; }
}
`

// counts are connections under such rules. The pauses let the kernel's clock tick,
// without which it counts and does not look.
func counts() []*Script {
	open := func(f string) string { return "> S f=" + f + "; < SA f=" + f + "; > A f=" + f + "; " }
	flows := func(port string, n int) (text string) {
		for i := range n {
			d := string(rune('0' + i))
			text += "flow " + d + " src=0 sport=4100" + d + " dport=" + port + "; "
		}
		return text
	}
	slowly := func(text string) string { return strings.ReplaceAll(text, "; ", "; wait 0.02s; ") }
	head := "rules counting; set udp_timeout=2; set udp_timeout_stream=3; set icmp_timeout=1; "
	announced := "flow 1 from=wan src=0 dst=0 sport=5 dport=9876; "
	rows := []row{
		{"timeouts of tcp", head + "flow 0 dport=90; > S; < SA; > A; > PA len=10; < A; > FA; < A; < FA; > A"},
		{"timeouts of a reset", head + "flow 0 dport=90; " + open("0") + "< R"},
		{"timeouts in the middle", head + "flow 0 dport=90; > PA len=9; < A; > PA len=9"},
		{"timeouts of others", head + "flow 0 dport=89; > udp; flow 1 dport=89; > S f=1; > icmp 8/0 f=2"},
		{"timeouts of udp", head + "flow 0 dport=90; > udp; < udp; wait 2.2s; > udp; < udp; > udp"},
		{"expectation", head + "flow 0 dport=91; " + open("0") + announced + "> udp f=1; < udp f=1; > udp f=1; flow 2 from=wan src=0 dst=0 sport=6 dport=9876; > udp f=2"},
		{"expectation of another host", head + "flow 0 dport=91; " + open("0") + "flow 1 from=wan src=1 dst=0 sport=5 dport=9876; > udp f=1"},
		{"expectation of another port", head + "flow 0 dport=91; " + open("0") + "flow 1 from=wan src=0 dst=0 sport=5 dport=9877; > udp f=1"},
		{"expectation twice", head + "flow 0 dport=91; " + open("0") + "flow 1 src=0 dst=0 sport=77 dport=91; > S f=1; flow 2 from=wan src=0 dst=0 sport=5 dport=9876; > udp f=2"},
		{"expectation of a repeated syn", head + "flow 0 dport=91; > S; > S; < SA; " + announced + "> udp f=1"},
		{"child outlives", head + "flow 0 dport=91; " + open("0") + announced + "> udp f=1; > R; < udp f=1"},
		{"syns", head + flows("92", 4) + slowly("> S f=0; > S f=1; > S f=2; > S f=3; > S f=0; > S f=2")},
		{"connections", head + flows("92", 4) + slowly(open("0")+open("1")+"> S f=2; > PA len=1; < A; > FA; < FA; > A; > S f=2; > S f=3; < SA f=2; > A f=2; > S f=3")},
		{"resets", head + flows("92", 4) + slowly(open("0")+open("1")+"> S f=2; < R f=1; > S f=3; < SA f=3; > S f=2")},
		{"unanswered resets", head + flows("92", 4) + slowly("> S f=0; > S f=1; > S f=2; < RA f=1; > S f=3; > S f=2")},
		{"time", head + flows("92", 4) + slowly("> udp f=0; > udp f=1; > udp f=2; ") + "wait 1.4s; > udp f=1; wait 1.1s; > udp f=2; wait 0.02s; > udp f=3; wait 0.02s; > udp f=1"},
		{"datagrams", head + flows("92", 4) + slowly("> udp f=0; < udp f=0; > udp f=1; > udp f=0; > udp f=2; > udp f=1; > udp f=3")},
		{"at most", head + flows("93", 4) + slowly("> udp f=0; < udp f=0; > udp f=1; > udp f=0; > udp f=2; > udp f=1; > udp f=3; ") + "wait 2.5s; > udp f=3; wait 0.02s; > udp f=3"},
		{"by source", head + flows("94", 4) + "flow 5 src=1 sport=1 dport=94; " + slowly("> udp f=0; > udp f=1; > udp f=2; > udp f=5; < udp f=0; > udp f=0; > udp f=3; ") + "wait 3.5s; " + slowly("> udp f=3; > udp f=2; > udp f=1; > udp f=5")},
		{"assured and not", head + flows("95", 3) + slowly("> S f=0; > S f=1; > S f=0; < SA f=0; > A f=0; > S f=1; > A f=0; > S f=1; > S f=2; > A f=0")},
		{"assured", head + flows("95", 3) + slowly(open("0")+"> S f=1; > A f=0; > S f=1; > S f=2; > PA f=0 len=9; < A f=0; > FA f=0; > S f=2; < FA f=0; > A f=0; > S f=1; > A f=0")},
		{"picked up", head + flows("95", 3) + slowly("> PA f=0 len=5; > S f=1; < A f=0; > PA f=0 len=5; > S f=1")},
		{"refusal", head + flows("95", 3) + slowly(open("0")+"> S f=1; > PA len=9; < A; > FA; < FA; > A; > S f=1; < SA f=1; > S f=2")},
		{"reopened", head + flows("95", 3) + slowly(open("0")+"> FA; < FA; > A; > S seq=+100000; < SA; > A; > S f=1")},
		{"pings", head + "flow 0 sport=1; flow 1 sport=2; " + slowly("> icmp 8/0; < icmp 0/0; > icmp 8/0; > icmp 8/0 f=1; ") + "wait 1.5s; > icmp 8/0 f=1"},
		{"without flows", head + flows("96", 3) + slowly("> udp f=0; > udp f=1; > udp f=0; > udp f=2")},
	}
	return bothFamilies(scripts(rows))
}
