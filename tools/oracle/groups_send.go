package main

import "slices"

// Rules that send copies, and frames past everything else, and what passes the
// egress of ports.

// copying sends copies to hosts of either side, from every hook.
const copying = `table ip o4 {
	chain early { type filter hook prerouting priority raw; policy accept;
		udp dport 81 dup to 10.77.11.5 counter
		udp dport 82 ip dscp set cs1 dup to 203.0.113.6 device "wan" ip dscp set cs2
		udp dport 83 dup to ip saddr map { 10.77.11.2 : 203.0.113.7, * : 10.77.11.6 } dup to 203.0.113.9
		udp dport 87 dup to 198.51.100.1
		udp dport 88 meta mark set 7 meta priority set 1:1 dup to 203.0.113.6
	}
	chain forwarded { type filter hook forward priority 0; policy accept;
		th dport 84 dup to 203.0.113.8 drop
		th dport 85 dup to meta mark map { 0 : 203.0.113.8 } device meta mark map { 0 : "wan" }
	}
	chain last { type filter hook postrouting priority srcnat + 1; policy accept; udp dport 81 dup to 10.77.11.8; tcp dport 80 dup to 10.77.11.8; }
	chain mine { type filter hook input priority -10; policy accept; dup to 203.0.113.6; }
}
table ip6 o6 {
	chain early { type filter hook prerouting priority raw; policy accept;
		udp dport 81 dup to fd77:a::5 counter
		udp dport 82 ip6 dscp set cs1 dup to fd77:b::6 device "wan" ip6 dscp set cs2
		udp dport 83 dup to fd77:b::9
		udp dport 87 dup to 2001:db8::1
		udp dport 88 meta mark set 7 meta priority set 1:1 dup to fd77:b::6
	}
	chain forwarded { type filter hook forward priority 0; policy accept;
		th dport 84 dup to fd77:b::8 drop
		th dport 85 dup to meta mark map { 0 : fd77:b::8 } device meta mark map { 0 : "wan" }
	}
	chain last { type filter hook postrouting priority srcnat + 1; policy accept; udp dport 81 dup to fd77:a::8; tcp dport 80 dup to fd77:a::8; }
	chain mine { type filter hook input priority -10; policy accept; dup to fd77:b::6; }
}
table inet o {
` + silent + `	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `}
	chain sent { type filter hook output priority 0; policy accept;` + observed + asked + `
		udp dport 88 ip ttl set 9
	}
	chain last { type filter hook postrouting priority 0; policy accept;` + observed + asked + `	udp dport 83 oifname "wan" drop; }
	chain leaving { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
}
`

const asked = `
		iifname "lan" counter
		iif "wan" counter
		oifname "wan" counter
		oifname "lan" counter
		meta mark 7 counter
		meta priority 1:1 counter
		meta pkttype host counter
		ip ttl 63 counter
		ip6 hoplimit 63 counter
		meta length > 100 counter
`

// copied are packets for copying.
func copied() []*Script {
	var rows []row
	for _, port := range []string{"80", "81", "82", "83", "84", "85", "87", "88"} {
		rows = append(rows,
			row{"udp " + port, "rules copying; flow 0 dport=" + port + "; > udp len=10; < udp len=11; > udp len=10 ttl=1; > udp len=10 ttl=2; > udp tos=0xb8"},
			row{"tcp " + port, "rules copying; flow 0 dport=" + port + "; > S; < SA; > A; > PA len=10; < A; < PA len=101; > FA; < FA"},
		)
	}
	rows = append(rows,
		row{"for the box", "rules copying; flow 0 dst=box dport=99; > udp len=10; > S"},
		row{"ping", "rules copying; > icmp 8/0; < icmp 0/0"},
	)
	four := []row{} // IPv6's have numbers of their own in Linux
	for _, port := range []string{"81", "82", "83", "84", "87"} {
		four = append(four,
			row{"pieces " + port, "rules copying; flow 0 dport=" + port + "; > udp len=1000 frag=400; < udp len=600 frag=304; > udp len=1400"},
			row{"odd pieces " + port, "rules copying; flow 0 dport=" + port + "; > udp len=1000 cuts=0-104,104-312,312-2000; < udp len=600 cuts=304-2000,0-304"},
			row{"not to be cut up " + port, "rules copying; flow 0 dport=" + port + "; > udp len=1000 frag=400 df; > udp len=10 df"})
	}
	return append(bothFamilies(scripts(rows)), scripts(four)...)
}

// leaving sends frames on from the ingress of ports, and judges, copies and sends on
// what leaves by them.
const leaving = `table netdev o {
	chain in { type filter hook ingress device "lan" priority 0; policy accept;
		udp dport 81 dup to "wan"
		udp dport 82 fwd to "wan"
		udp dport 83 fwd ip to 203.0.113.6 device "wan"
		udp dport 83 fwd ip6 to fd77:b::6 device "wan"
		udp dport 84 meta mark set 3 meta priority set 1:1 ip dscp set cs1 dup to meta mark map { 3 : "wan" } ip dscp set cs2
		udp dport 85 dup to "lan" dup to "wan"
		udp dport 86 fwd to "lan"
		ip protocol udp udp dport 87 fwd ip6 to fd77:b::6 device "wan"
		tcp dport 81 fwd to meta mark map { 0 : "wan" }
		tcp dport 82 reject
		tcp dport 83 reject with tcp reset
	}
	chain out { type filter hook egress device "wan" priority 0; policy accept;` + passing + `
		th dport 88 drop
		udp dport 89 ip ttl set 9
		udp dport 89 ip6 hoplimit set 9
		udp dport 90 dup to "lan" udp dport set 99
		udp dport 91 fwd to "lan"
		udp dport 92 dup to "wan" dup to "lan"
		udp dport 93 fwd ip to 10.77.11.5 device "lan"
		udp dport 94 ether daddr set 02:00:00:00:00:77 meta mark 0 counter
		meta priority { 0:2, 0:6, 2:2 } counter
	}
	chain out2 { type filter hook egress device "lan" priority 0; policy accept;` + passing + `
		udp dport 92 dup to "wan"
		udp sport 88 drop
	}
	chain out3 { type filter hook egress device "lan" priority 7; policy accept;
		meta protocol { ip, ip6 } counter
	}
}
table inet o {
` + silent + `	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `
		udp dport 95 meta mark set 3 meta priority set 2:2
		tcp dport 95 reject
	}
	chain leaving { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
}
`

const passing = `
		meta protocol { ip, ip6 } counter
		meta protocol { ip, ip6 } iifname "lan" counter
		meta protocol { ip, ip6 } oifname "wan" counter
		meta protocol { ip, ip6 } oif "lan" counter
		meta protocol { ip, ip6 } ether saddr 02:00:00:00:00:02 counter
		ether type ip counter
		ether type ip6 counter
		ip protocol udp counter
		meta l4proto tcp counter
		meta protocol { ip, ip6 } meta length > 100 counter
		meta protocol { ip, ip6 } meta length 52 counter
		meta protocol { ip, ip6 } meta pkttype host counter
		meta mark 3 counter
		meta priority 1:1 counter
		ip ttl 63 counter
		ip6 hoplimit 63 counter
		tcp flags syn counter
		udp length 18 counter
`

// sentOn are packets for leaving.
func sentOn() []*Script {
	var rows []row
	for _, port := range []string{"80", "81", "82", "83", "84", "85", "86", "87", "88", "89", "90", "91", "92", "93", "94", "95"} {
		rows = append(rows,
			row{"udp " + port, "rules leaving; flow 0 dport=" + port + "; > udp len=10; < udp len=11; > udp len=10 ttl=1; > udp len=10 ttl=2; > udp len=10 tos=0x10; < udp len=11; > udp tos=0x10; > udp len=10 tos=8"},
			row{"tcp " + port, "rules leaving; flow 0 dport=" + port + "; > S; < SA; > A; > PA len=10; < A; < PA len=101; > PA len=10 tos=8; > FA; < FA"},
			row{"pieces " + port, "rules leaving; flow 0 dport=" + port + "; > udp len=1000 frag=400; < udp len=600 frag=304; > udp len=1400"})
	}
	rows = slices.DeleteFunc(rows, func(r row) bool { return r.name == "pieces 84" }) // what ingress writes on a fragment ends there
	rows = append(rows,
		row{"ping", "rules leaving; > icmp 8/0; < icmp 0/0"},
		row{"broken", "rules leaving; flow 0 dport=81; flow 1 dport=82; > cut 17 len=4; > udp sum=bad; > udp f=1 sum=bad"},
	)
	return bothFamilies(scripts(rows))
}
