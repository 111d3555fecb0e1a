package main

import "slices"

// priorities have a counter for every priority that rules set and routing gives, in
// front of each step that may change it and behind.
const priorities = `table netdev o {
	chain lan { type filter hook ingress device "lan" priority 0; policy accept;
		meta priority none counter
		udp dport 81 meta priority set 1:1
	}
}
table inet o {
` + silent + `	chain early { type filter hook prerouting priority raw; policy accept;
		meta priority vmap { none : continue, 1:1 : continue }
		meta priority 1:1 counter
		udp dport 82 meta priority set 2:2
		ip dscp cs3 meta priority set root
	}
	chain first { type filter hook prerouting priority 0; policy accept;
		meta priority { 2:2, root } counter
		th dport 83 meta priority set ct mark map { 0 : 3:3, * : 3:4 } counter
		th dport 84 meta priority set meta priority | 0x5 counter
	}
	chain forwarded { type filter hook forward priority 0; policy accept;` + given + `
		udp dport 85 meta priority set 5:5
		udp dport 86 meta priority set ip dscp map { 0 : 6:6, ef : none }
		udp dport 86 meta priority set ip6 dscp map { 0 : 6:7, ef : none }
		tcp dport 5001 reject with tcp reset
		udp dport 5001 reject
	}
	chain sent { type filter hook output priority 0; policy accept;` + given + `
		meta priority set 7:7
	}
	chain last { type filter hook postrouting priority 0; policy accept;` + given + `
		meta priority > 5:5 counter
		meta priority & 0xffff0000 == 0x50000 counter
		meta priority 2:0-5:5 counter
	}
}
`

const given = `
		meta priority none counter
		meta priority 0:2 counter
		meta priority 0:4 counter
		meta priority 0:6 counter
		meta priority 1:1 counter
		meta priority 2:2 counter
		meta priority 3:3 counter
		meta priority 0:5 counter
		meta priority 5:5 counter
		meta priority 6:6 counter
		meta priority 6:7 counter
		meta priority 7:7 counter
		meta priority root counter
`

// classes are packets for priorities.
func classes() []*Script {
	var rows []row
	for _, port := range []string{"80", "81", "82", "83", "84", "85", "86", "5001"} {
		rows = append(rows,
			row{"udp " + port, "rules priorities; flow 0 dport=" + port + "; > udp len=10; < udp len=11; > udp len=10; > udp tos=0xb8; < udp tos=8; > udp tos=0x10; > udp tos=0x1f"},
			row{"tcp " + port, "rules priorities; flow 0 dport=" + port + "; > S; < SA tos=0x48; > A; > PA len=10 tos=8; < A; < PA len=101 tos=0x60; > A; > PA len=10 tos=0x18"},
			row{"pieces " + port, "rules priorities; flow 0 dport=" + port + "; > udp len=1000 frag=400 tos=8; > udp; > udp ttl=1"})
	}
	rows = slices.DeleteFunc(rows, func(r row) bool { return r.name == "pieces 81" }) // what ingress writes on a fragment ends there
	return bothFamilies(scripts(rows))
}
