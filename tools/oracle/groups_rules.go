package main

import "strings"

// features have a counter behind everything that rules can compute, set and
// remember, and pass on frames that rules have changed.
const features = `table inet o {
` + silent + `	set seen { type ipv4_addr . inet_service; flags dynamic; size 1000; }
	set counted { type inet_service; counter; elements = { 81, 5001 }; }
	set few { type inet_service; flags dynamic; size 2; }
	map later { type inet_service : mark; flags dynamic; size 100; }
	chain first { type filter hook prerouting priority mangle; policy accept;
		meta mark set tcp dport map { 80 : 1, 81 : 2, 5001-5009 : 3 } counter
		meta mark 2 counter
		meta mark set meta mark << 4 | 0x3 counter
		meta mark 0x23 counter
		ct mark set meta mark & 0xf0 counter
		meta mark set ip saddr & 0.0.0.255 map { 0.0.0.2 : 5, * : 6 } counter
		meta mark 5 counter
		meta mark set ip saddr . udp dport map { 10.77.11.2 . 81 : 7 } counter
		meta mark 7 counter
		meta mark set jhash ip saddr . ip daddr mod 16 seed 0x1234 counter
		meta mark 0-3 counter
		meta mark 4-7 counter
		meta mark 8-11 counter
		meta mark set jhash tcp sport mod 4 seed 0x99 counter
		meta mark 1 counter
		meta mark 2 counter
	}
	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `
		tcp option maxseg exists counter
		tcp option maxseg size 1460 counter
		tcp option maxseg size > 1000 counter
		tcp option sack-perm exists counter
		tcp option sack-perm missing counter
		tcp option window count 7 counter
		tcp option timestamp exists counter
		@th,16,16 81 counter
		@th,100,12 0x2 counter
		@th,72,16 0x7700 counter
		@th,64,16 0xfd77 counter
		@th,64,24 0xfd7700 counter
		@nh,8,8 & 0x1c != 0 counter
		@nh,64,8 63 counter
		exthdr frag exists counter
		exthdr hbh missing counter
		exthdr dst exists counter
		fib daddr type local counter
		fib saddr type unicast counter
		fib daddr type broadcast counter
		fib saddr . iif oif missing counter
		fib saddr . iif oif exists counter
		fib daddr oifname "wan" counter
		fib daddr oifname "lan" counter
		tcp dport > 0 ct reply proto-src 81 counter
		ct original packets > 1 counter
		ct bytes > 200 counter
		numgen inc mod 3 0 counter
		numgen inc mod 3 offset 10 11 counter
		numgen inc mod 2 vmap { 0 : continue } counter
		ip saddr . tcp dport @seen counter
		add @seen { ip saddr . tcp dport } counter
		udp dport @seen2 counter
		update @few { udp dport counter } counter
		tcp dport @counted counter
		meta mark set tcp dport map @later counter
		add @later { tcp dport : 0x77 } counter
		meta mark 0x77 counter
		add @each { tcp sport limit rate 1/day burst 2 packets } counter
		add @sum { ip daddr quota over 300 bytes } counter
	}
	set seen2 { type inet_service; flags dynamic; size 1000; }
	set each { type inet_service; flags dynamic; size 1000; }
	set sum { type ipv4_addr; flags dynamic; size 1000; }
	chain last { type filter hook postrouting priority mangle; policy accept;
		tcp dport 81 ip ttl set 9
		tcp dport 81 ip6 hoplimit set 9
		udp dport 81 ip dscp set cs3
		udp dport 81 ip6 dscp set cs3
		udp dport 82 ip ecn set ce
		tcp flags syn tcp option maxseg size set 1000
		tcp dport 82 tcp option maxseg size set rt mtu
		tcp dport 83 reset tcp option sack-perm
		udp dport 84 ip id set 77
		udp dport 85 udp sport set 999
		tcp dport 85 tcp window set 999
		tcp dport 86 tcp sport set 777
		counter
	}
}
`

// ruleFeatures are packets at the edges of features.
func ruleFeatures() []*Script {
	var rows []row
	for _, port := range []string{"80", "81", "82", "83", "84", "85", "86", "5001", "5010"} {
		rows = append(rows,
			row{"tcp " + port, "rules features; flow 0 dport=" + port + "; > S; < SA; > A; > PA len=10; < A; < PA len=101; > A"},
			row{"options tcp " + port, "rules features; flow 0 dport=" + port + "; > S mss=1460 sackok ws=7; < SA mss=1400; > A; > PA len=10"},
			row{"odd options tcp " + port, "rules features; flow 0 dport=" + port + "; > S mss=500 ts; < SA mss=1460 sackok; > A"},
			row{"udp " + port, "rules features; flow 0 dport=" + port + "; > udp len=10; < udp len=11; > udp len=100 tos=0x48; > udp ttl=33"},
			row{"udp in pieces " + port, "rules features; flow 0 dport=" + port + "; > udp len=1000 frag=400; > udp"},
		)
	}
	rows = append(rows,
		row{"cut tcp", "rules features; flow 0 dport=85; flow 1 dport=86; > cut 6 len=16; > cut 6 len=17; > cut 6 len=18; > cut 6 f=1 len=16; > cut 6 f=1 len=18"},
		row{"udp without sum", "rules features; flow 0 dport=85; flow 1 dport=81; > udp sum=zero; > udp f=1 sum=zero"},
		row{"icmp", "rules features; > icmp 8/0; < icmp 0/0"},
		row{"many ports", "rules features; > udp dport=91; > udp dport=92; > udp dport=93; > udp dport=91; > udp dport=81; > udp dport=93"},
	)
	const shorter = "rules helper-masquerade; flow 0 dport=6667; > A; < PA; > PA data=PRIVMSG%20bob%20:%01DCC%20CHAT%20chat%20172821250%205000%01%0D%0A"
	for _, options := range []string{"", " ws=0", " sackok", " ws=7 sackok mss=1400", " sack=2811-4225 sackok", " ts mss=1460 ws=3"} {
		for _, cuts := range []string{"0-16,16-2000", "0-8,8-2000", "0-24,24-2000", "0-32,32-96,96-2000", "0-16,16-24,24-32,32-2000", "32-2000,0-32", "0-40,40-2000"} {
			rows = append(rows,
				row{"half a head in pieces " + cuts + options, "rules features; > SA len=1000 cuts=" + cuts + options},
				row{"half a head in pieces behind other numbers " + cuts + options, shorter + "; < SA len=1000 cuts=" + cuts + options})
		}
	}
	alone := row{"later piece that goes alone", "v6; rules features; < A len=1000 cuts=232-2000!,0-104,96-232; > udp f=1 len=1310 cuts=184-2000!,0-184!; > SA f=2 len=1001 cuts=8-2000! ext=dst"}
	return append(bothFamilies(scripts(rows)), scripts([]row{alone})...)
}

// liveSets are sets that packets change, and commands.
const liveSets = `table inet o {
` + silent + `	set timed { type inet_service; size 4; flags dynamic,timeout; timeout 1h; }
	set plain { type inet_service; size 4; flags dynamic; }
	set given { type inet_service; flags timeout; timeout 1h; elements = { 81, 82 timeout 2h }; }
	map marks { type inet_service : mark; size 4; flags dynamic; }
	map still { type inet_service : mark; elements = { 81 : 1, 82 : 2 }; }
	map ways { type inet_service : verdict; elements = { 81 : accept, 83 : drop }; }
	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `
		udp dport @timed counter
		udp dport @plain counter
		udp dport @given counter
		udp dport @marks counter
		udp dport @still counter
		udp dport != @still counter
		udp dport @ways counter
		udp dport 80-89 add @timed { udp dport timeout 30m counter } counter
		udp dport 80-89 add @plain { udp dport } counter
		udp dport 80-89 add @marks { udp dport : 0x5 } counter
	}
}
`

// liveElements change by commands what packets have put into sets.
func liveElements() []*Script {
	const packets = "rules live; > udp dport=81; > udp dport=82; > udp dport=83; "
	var rows []row
	for _, set := range []string{"timed", "plain", "marks"} {
		data, other := "", ""
		if set == "marks" {
			data, other = " : 0x5", " : 0x6"
		}
		set = "inet o " + set
		again := "; > udp dport=81; > udp dport=82; > udp dport=84"
		for _, c := range []string{
			"delete element %s { 81 }", "delete element %s { 99 }", "delete element %s { 81, 99 }", "delete element %s { 81, 81 }",
			"flush %s", "add element %s { 99DATA }", "add element %s { 81DATA }", "create element %s { 81DATA }", "create element %s { 99DATA }",
			"add element %s { 97DATA, 98DATA }", "add element %s { 81OTHER }",
			"delete element %s { 81 }; nft add element %s { 81DATA }", "flush %s; nft add element %s { 98DATA }",
			"delete element %s { 82, 83 }; nft create element %s { 97DATA, 98DATA, 99DATA }",
		} {
			if data == "" && strings.Contains(c, "OTHER") {
				continue
			}
			if strings.HasPrefix(c, "flush %s") {
				kind := "set "
				if data != "" {
					kind = "map "
				}
				c = strings.Replace(c, "flush ", "flush "+kind, 1)
			}
			name := strings.NewReplacer("%s", set, "DATA", data, "OTHER", other, "; nft", ",").Replace(c)
			text := strings.NewReplacer("%s", set, "DATA", data, "OTHER", other).Replace(c)
			rows = append(rows, row{name, packets + "nft " + text + again})
		}
	}
	rows = append(rows,
		row{"add with a timeout", packets + "nft add element inet o timed { 81 timeout 2h }; > udp dport=81"},
		row{"a text's element", packets + "nft add element inet o given { 82 }; nft add element inet o given { 81 timeout 3h }; > udp dport=81; nft delete element inet o given { 81 }; > udp dport=81"},
		row{"another command", packets + "nft add rule inet o forwarded udp dport 81 counter; > udp dport=81; > udp dport=84"},
	)
	return scripts(rows)
}
