package main

// hopRules ask where a packet is sent next, whether that is through IPsec, and what its
// transport header carries.
const hopRules = `table inet o {
` + silent + `	chain first { type filter hook prerouting priority 0; policy accept;
		rt ip nexthop 203.0.113.2 counter
		rt ip6 nexthop fd77:b::2 counter
		rt ipsec missing counter
		meta ipsec missing counter
		meta ipsec exists counter
		ipsec in reqid 0 counter
		ipsec in reqid != 1 counter
		ipsec in ip saddr != 192.0.2.1 counter
		ipsec in ip6 daddr != ::1 counter` + carried + `
	}
	chain forwarded { type filter hook forward priority 0; policy accept;` + nexthops + `
		meta ipsec missing counter
		meta sdif 0 counter
		meta sdifname "lan" counter
		meta sdifname != "lan" counter
		tcp dport 5001 reject with tcp reset
		udp dport 5001 reject
	}
	chain sent { type filter hook output priority 0; policy accept;` + nexthops + `
	}
	chain last { type filter hook postrouting priority 0; policy accept;` + nexthops + carried + `
	}
}
`

const nexthops = `
		rt ip nexthop 203.0.113.2 counter
		rt ip nexthop 10.77.11.2 counter
		rt ip nexthop 203.0.113.0/24 counter
		rt ip nexthop != 203.0.113.0/24 counter
		ip daddr 198.51.100.0/24 rt ip nexthop 198.51.100.0/24 counter
		ip daddr 198.51.100.0/24 rt ip nexthop 203.0.113.0/24 counter
		rt ip6 nexthop fd77:b::2 counter
		rt ip6 nexthop fd77:a::2 counter
		ip6 daddr != fd77::/16 rt ip6 nexthop fd77:b::/64 counter
		rt ip nexthop . th dport { 203.0.113.2 . 80, 10.77.11.2 . 81 } counter
		rt ipsec missing counter
		rt ipsec exists counter
		ipsec out spi != 1 counter
		ipsec out ip daddr != 192.0.2.1 counter
`

const carried = `
		@ih,0,8 0x61 counter
		@ih,0,8 != 0x61 counter
		@ih,0,16 > 0 counter
		@ih,0,32 0 counter
		@ih,4,12 & 0xf0f == 0x101 counter
		@ih,72,8 >= 0 counter
		@ih,72,24 > 0 counter
		@ih,72,104 > 0 counter
`

// hops are packets for hopRules.
func hops() []*Script {
	var rows []row
	for _, port := range []string{"80", "81", "5001"} {
		rows = append(rows,
			row{"udp " + port, "rules hops; flow 0 dport=" + port + "; > udp len=10; < udp len=11; > udp; > udp len=1; > udp len=9 data=aaaaaaaaa; > udp len=1000 frag=400"},
			row{"tcp " + port, "rules hops; flow 0 dport=" + port + "; > S mss=1460 sackok ws=7; < SA mss=1400 ts; > A; > PA len=10; < PA len=9; < A; > PA len=101 ts; > PA len=600 frag=400"})
	}
	rows = append(rows,
		row{"others", "rules hops; > icmp 8/0; < icmp 0/0; > gre; < gre; > proto 4 len=30; > proto 200 len=30; > cut 6 len=12; > cut 6 len=16; > cut 17 len=8"},
		row{"further", "rules hops; flow 0 v4 dst=198.51.100.9 dport=80; > udp len=10; > S; > icmp 8/0"})
	return bothFamilies(scripts(rows))
}
