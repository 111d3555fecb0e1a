package main

import "strings"

// givenSets are sets that only texts change, whose elements end and count.
const givenSets = `table inet o {
` + silent + `	set spans { type inet_service; flags interval,timeout; timeout 1h; counter; elements = { 80-82, 84-86 counter packets 3 bytes 4 timeout 2h, 90-95 timeout 3h, 5000-5001 } }
	set merged { type inet_service; flags interval,timeout; auto-merge; counter; elements = { 80-81 counter packets 7 bytes 8 timeout 500s, 84-85, 90 timeout 3h } }
	set plain { type inet_service; flags interval; counter; elements = { 80-85, 90-95 } }
	set few { type inet_service; flags interval; limit rate 1/day burst 2 packets; elements = { 80-81, 83-99 } }
	set joined { type ipv4_addr . inet_service; flags interval,timeout; counter; elements = { 10.77.11.0/24 . 80-82 timeout 1h, 10.77.11.2 . 90-91 timeout 3h } }
	set joined6 { type ipv6_addr . inet_service; flags interval,timeout; counter; elements = { fd77:a::/64 . 80-82 timeout 1h, fd77:a::2 . 90-91 timeout 3h } }
	map ways { type inet_service : verdict; flags timeout; timeout 1h; counter; elements = { 80 : accept, 81 : continue, 83 : drop, 90 timeout 3h : drop } }
	map spanned { type inet_service : verdict; flags interval; counter; elements = { 70-80 : accept, 81 : jump other, 84-89 : drop } }
	map marks { type inet_service : mark; flags interval,timeout; elements = { 80-81 : 1, 82-83 timeout 3h : 2 } }
	map named { type inet_service : counter; flags timeout; elements = { 80 : "k", 90 timeout 3h : "k" } }
	counter k { }
	chain other { counter; }
	chain first { type filter hook prerouting priority 0; policy accept;
		udp dport @spans counter
		udp dport != @spans counter
		udp dport @merged counter
		udp dport @plain counter
		udp dport != @plain counter
		udp dport @few counter
		ip saddr . udp dport @joined counter
		ip6 saddr . udp dport @joined6 counter
		meta mark set udp dport map @marks counter
		meta mark 2 counter
		counter name udp dport map @named counter
		udp dport vmap @spanned
		counter
	}
	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `
		udp dport vmap @ways
		counter
	}
}
`

// undeclared is a set whose elements have statements that it says nothing of.
const undeclared = `table inet o {
` + silent + `	set mixed { type inet_service; flags dynamic; size 20; elements = { 80 counter packets 3 bytes 4, 81 limit rate 1/day burst 2 packets, 82, 83 counter limit rate 1/day burst 1 packets, 84 ct count over 1 } }
	map marks { type inet_service : mark; flags dynamic; size 20; elements = { 80 counter : 1, 81 limit rate 1/day burst 1 packets : 2, 82 : 3 } }
	chain first { type filter hook prerouting priority 0; policy accept;
		udp dport @mixed counter
		udp dport != @mixed counter
		udp dport { 80, 81, 90 } add @mixed { udp dport counter } counter
		udp dport { 82, 83, 91 } update @mixed { udp dport limit rate 1/day burst 1 packets } counter
		meta mark set udp dport map @marks counter
		udp dport { 81, 82, 92 } add @marks { udp dport counter : 4 } counter
	}
	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `
	}
}
`

// givenElements are packets to such sets, and commands that change them.
func givenElements() []*Script {
	const packets = "rules given; > udp dport=80; > udp dport=81; > udp dport=82; > udp dport=83; > udp dport=85; "
	const again = "; > udp dport=80; > udp dport=81; > udp dport=84; > udp dport=90; > udp dport=99"
	rows := []row{{"packets", packets + "> udp dport=90; > udp dport=90; > udp dport=5000; > udp dport=99; > udp dport=99; > udp dport=70; > udp dport=86"}}
	for _, c := range []string{
		"delete element inet o spans { 80-82 }", "delete element inet o spans { 80 }", "delete element inet o spans { 80-82, 84-86 }; add element inet o spans { 80-82 }",
		"add element inet o spans { 80-82 }", "add element inet o spans { 80-82 timeout 3h }", "add element inet o spans { 84-86 }", "create element inet o spans { 84-86 }",
		"add element inet o spans { 97-99 timeout 5h }", "add element inet o spans { 97-99, 70 counter packets 9 bytes 99 }", "flush set inet o spans",
		"flush set inet o spans; add element inet o spans { 80-99 }", "add rule inet o forwarded counter",
		"add element inet o merged { 82-83 timeout 300s }", "add element inet o merged { 79 counter packets 2 bytes 3 timeout 100s }", "add element inet o merged { 81 timeout 10s }",
		"add element inet o merged { 80-81 timeout 10s }", "add element inet o merged { 70-99 }", "add element inet o merged { 86, 88-89 timeout 1h }", "delete element inet o merged { 84-85 }",
		"add element inet o merged { 82-83 }; add element inet o merged { 86-89 timeout 7h }",
		"add element inet o plain { 87 }", "delete element inet o plain { 90-95 }", "delete element inet o plain { 80-85 }; add element inet o plain { 80-85 }", "add element inet o plain { 80-85 }",
		"add element inet o few { 82 limit rate 1/day burst 1 packets }", "delete element inet o few { 80-81 }", "add element inet o few { 80-81 }", "delete element inet o few { 80-81 }; add element inet o few { 80-81 }",
		"add element inet o joined { 10.77.11.0/24 . 80-82 timeout 5h }", "add element inet o joined { 10.77.12.0/24 . 80-82 timeout 5h, 10.77.11.2 . 99 }",
		"delete element inet o joined { 10.77.11.0/24 . 80-82 }", "add element inet o joined { 10.77.11.0/24 . 81 }", "flush set inet o joined",
		"delete element inet o joined { 10.77.11.0/24 . 80-82 }; add element inet o joined { 10.77.11.0/25 . 80 timeout 9h }",
		"add element inet o ways { 81 : continue }", "add element inet o ways { 81 timeout 9h : continue }", "add element inet o ways { 81 : drop }", "add element inet o ways { 84 timeout 2h : drop }",
		"delete element inet o ways { 83 : drop }", "delete element inet o ways { 83 }", "delete element inet o ways { 83 }; add element inet o ways { 83 : accept }", "flush map inet o ways",
		"add element inet o spanned { 90-99 : jump other }", "delete element inet o spanned { 84-89 }", "add element inet o spanned { 82-83 : drop }", "add element inet o spanned { 70-80 : accept }",
		"add element inet o marks { 90-99 : 2 }", "delete element inet o marks { 80-81 }; add element inet o marks { 80-84 timeout 1h : 2 }", "add element inet o marks { 82-83 timeout 1h : 2 }",
		`add element inet o named { 81 : "k" }`, `delete element inet o named { 80 }`, `add element inet o named { 90 timeout 3h : "k" }`,
		"get element inet o spans { 81 }", "get element inet o joined { 10.77.11.7 . 81 }", "get element inet o ways { 81 }", "get element inet o marks { 80 }", "get element inet o merged { 85, 80-81 }",
	} {
		rows = append(rows, row{c, packets + "nft " + strings.ReplaceAll(c, "; ", "; nft ") + again})
	}
	const mixed = "rules undeclared; > udp dport=80; > udp dport=81; > udp dport=82; > udp dport=83; > udp dport=84; > udp dport=90; > udp dport=91; > udp dport=92; "
	for _, c := range []string{
		"", "add element inet o mixed { 93 counter packets 7 bytes 8, 94 limit rate 1/day burst 1 packets, 95 }", "delete element inet o mixed { 80, 90 }", "add element inet o mixed { 80 limit rate 1/day }",
		"delete element inet o mixed { 83 }; add element inet o mixed { 83 counter }", "flush set inet o mixed", "add element inet o marks { 93 counter packets 7 bytes 8 : 9 }",
	} {
		text := mixed
		if c != "" {
			text += "nft " + strings.ReplaceAll(c, "; ", "; nft ") + "; "
		}
		rows = append(rows, row{"undeclared " + c, text + "> udp dport=80; > udp dport=81; > udp dport=83; > udp dport=90; > udp dport=91; > udp dport=93; > udp dport=93; > udp dport=94; > udp dport=94; > udp dport=92"})
	}
	all := bothFamilies(scripts(rows))
	// When they have ended. What is before the wait asks for none that may end meanwhile.
	for _, c := range []string{
		"", "nft add element inet o spans { 91 }; ", "nft add element inet o spans { 90-95 }; ", "nft delete element inet o spans { 90-95 }; ", "nft create element inet o spans { 90-95 }; ",
		"nft add element inet o merged { 91 timeout 1h }; ", "nft add element inet o joined { 10.77.11.0/24 . 90 }; ", "nft add element inet o ways { 90 : accept }; ",
		"nft delete element inet o ways { 90 }; ", "nft get element inet o spans { 91 }; ", "nft add element inet o marks { 80-85 timeout 1h : 2 }; ", "nft add element inet o marks { 83 timeout 1h : 2 }; ",
	} {
		text := "rules given-short; > udp dport=80; wait 0.3s; " + c + "nft add rule inet o forwarded counter; > udp dport=90; > udp dport=91; > udp dport=82; > udp dport=83"
		all = append(all, scripts([]row{{"later " + c, text}})...)
	}
	return all
}
