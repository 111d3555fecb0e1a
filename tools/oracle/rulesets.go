package main

import (
	"net/netip"
	"strings"

	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// observed are the rules that make visible how conntrack sees a packet.
const observed = `
		ct state invalid counter
		ct state new counter
		ct state established counter
		ct state related counter
		ct state untracked counter
		ct direction original counter
		ct direction reply counter
`

// silent keeps what is for the box from its own stack, which sluice has none of
// here and which would answer.
const silent = `	chain mine { type filter hook input priority 0; policy drop; }
`

// untracked asks for nothing that flows know, so that rules see fragments: later ones
// have no ports, but the kernel reads what is a word and lies where words may lie.
const untracked = `table inet o {
	chain first { type filter hook prerouting priority 0; policy accept;
		th dport 0 counter
		th dport != 0 counter
		tcp dport != 80 counter
		tcp flags & syn == 0 counter
		tcp sequence 0 counter
		tcp doff != 5 counter
		tcp option maxseg exists counter
		udp length 0 counter
		udp length != 0 counter
		icmp type != 8 counter
		icmpv6 type != 128 counter
		esp spi != 1 counter
		@th,0,8 0 counter
		@th,8,16 != 1 counter
		@th,32,32 0 counter
		@th,16,32 != 1 counter
		@th,0,64 != 1 counter
		th dport { 0-65535 } counter
		th sport . th dport { 0 . 0 } counter
		ip saddr . th dport { 0.0.0.0-255.255.255.255 . 0-65535 } counter
		ip frag-off & 0x1fff != 0 counter
		exthdr frag exists counter
		meta l4proto 6 counter
		meta l4proto 60 counter
		meta l4proto != 1 counter
		meta l4proto < 255 counter
		meta l4proto { 0-100 } counter
		meta l4proto != { 17, 60 } counter
		meta l4proto . meta mark { 60 . 0, 17 . 0, 59 . 0 } counter
	}
	chain forwarded { type filter hook forward priority 0; policy accept; counter; th dport 0-65535 counter; udp dport set 9 counter; }
` + silent + `}
`

// rulesets by name. All observe.
var rulesets = map[string]string{
	"tables":      matching4,
	"table-plain": plainly,
	"table-told":  telling,
	"table-nat":   translating,
	"table-ct":    templates,

	"table-ports": bridgePorts,
	"table-rare":  rarely,

	"table-fields":  fields + "-A PREROUTING -p udp -m udp --dport 81 -j TTL --ttl-set 10\n-A PREROUTING -p udp -m udp --dport 82 -j TTL --ttl-inc 250\n-A PREROUTING -p udp -m udp --dport 83 -j TTL --ttl-dec 200\n-A POSTROUTING -p udp -m udp --dport 84 -j TTL --ttl-dec 3\n-A POSTROUTING -p tcp -m tcp --dport 85 -j ECN --ecn-tcp-remove\nCOMMIT\n",
	"table-fields6": fields + "-A PREROUTING -p udp -m udp --dport 81 -j HL --hl-set 10\n-A PREROUTING -p udp -m udp --dport 82 -j HL --hl-inc 250\n-A PREROUTING -p udp -m udp --dport 83 -j HL --hl-dec 200\n-A POSTROUTING -p udp -m udp --dport 84 -j HL --hl-dec 3\n-A PREROUTING -p mobility-header -m mh --mh-type 1:3\n-A PREROUTING -p mobility-header -m mh ! --mh-type 5\nCOMMIT\n",

	"ip-options":     optionRules,
	"set-kinds":      setKinds,
	"table-moving":   moving,
	"table-headers6": headers6,
	"chunk-fields":   chunkRules(),
	"rare-fields":    headed(rareFields),

	"recent": remembering,
	"observe": `table inet o {
` + silent + `	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `}
	chain first { type filter hook prerouting priority 0; policy accept; counter; }
	chain last { type filter hook postrouting priority 0; policy accept; ct status assured counter; ct status seen-reply counter; ct status confirmed counter; counter; }
}
`,
	"drop-invalid": `table inet o {
` + silent + `	chain forwarded { type filter hook forward priority 0; policy drop;` + observed + `
		ct state invalid drop
		ct state established,related accept
		iifname "lan" ct state new accept
	}
}
`,
	"untracked":  untracked,
	"mirror":     natTable(mirror),
	"masquerade": natTable(`chain leaving { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }`),
	"snat": natTable(`chain leaving { type nat hook postrouting priority srcnat;
		oifname "wan" meta nfproto ipv4 snat ip to 203.0.113.200
		oifname "wan" meta nfproto ipv6 snat ip6 to fd77:b::200
	}`),
	"snat-range": natTable(`chain leaving { type nat hook postrouting priority srcnat;
		oifname "wan" meta nfproto ipv4 meta l4proto { tcp, udp } snat ip to 203.0.113.200:5000-5003
	}`),
	"snat-random": natTable(`chain leaving { type nat hook postrouting priority srcnat; oifname "wan" masquerade random; }`),
	"dnat": natTable(`chain coming { type nat hook prerouting priority dstnat;
		iifname "wan" ip daddr 203.0.113.1 tcp dport 8080 dnat ip to 10.77.11.2:80
		iifname "wan" ip daddr 203.0.113.1 udp dport 8080 dnat ip to 10.77.11.2:80
		iifname "wan" ip6 daddr fd77:b::1 tcp dport 8080 dnat ip6 to [fd77:a::2]:80
		iifname "wan" ip6 daddr fd77:b::1 udp dport 8080 dnat ip6 to [fd77:a::2]:80
		iifname "wan" ip daddr 203.0.113.201 dnat ip to 10.77.11.3
		iifname "wan" ip6 daddr fd77:b::201 dnat ip6 to fd77:a::3
	}`),
	"both": natTable(`chain coming { type nat hook prerouting priority dstnat;
		iifname "lan" ip daddr 203.0.113.201 dnat ip to 203.0.113.3
		iifname "lan" ip6 daddr fd77:b::201 dnat ip6 to fd77:b::3
	}
	chain leaving { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }`),
	"hairpin": natTable(`chain coming { type nat hook prerouting priority dstnat; ip daddr 203.0.113.1 tcp dport 8080 dnat ip to 10.77.11.3:80; }
	chain leaving { type nat hook postrouting priority srcnat; ip saddr 10.77.11.0/24 ip daddr 10.77.11.0/24 masquerade; oifname "wan" masquerade; }`),
	"notrack": `table inet o {
` + silent + `	chain early { type filter hook prerouting priority raw; udp dport 53 notrack; tcp dport 53 notrack; }
	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `}
}
`,
	"early": `table inet o {
` + silent + `	chain early { type filter hook prerouting priority raw;
		udp dport 81 ct zone set 3 ct zone set 4
		udp dport 82 notrack ct zone set 3
		udp dport 83 ct zone set 3 notrack` + observed + `
		ct zone 3 counter
	}
	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `
		ct zone 3 counter
	}
}
`,
	"zones": `table inet o {
` + silent + `	chain early { type filter hook prerouting priority raw; th dport 80 ct zone set 3; th sport 80 ct zone set 3; udp dport 81 ct zone set 4; }
	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `
		ct zone 3 counter
	}
}
`,
	"mark": `table inet o {
` + silent + `	chain first { type filter hook prerouting priority mangle; ct state new ct mark set 7; ct mark 7 counter; }
	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `}
}
`,
	"helper":            helperTable(``),
	"helper-map":        helpersByMap.Replace(helperTable(``)),
	"helper-masquerade": helperTable(`chain leaving { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }`),
	"helper-dnat": helperTable(`chain coming { type nat hook prerouting priority dstnat;
		iifname "wan" ip daddr 203.0.113.1 tcp dport { 21, 6667 } dnat ip to 10.77.11.2
		iifname "wan" ip daddr 203.0.113.1 udp dport { 69, 5060 } dnat ip to 10.77.11.2
	}`),
	"synproxy":            proxyTable("timestamp sack-perm", ""),
	"synproxy-plain":      proxyTable("", ""),
	"synproxy-named":      proxiesByName.Replace(proxyTable("timestamp sack-perm", "")),
	"synproxy-map":        proxiesByMap.Replace(proxyTable("timestamp sack-perm", "")),
	"synproxy-table":      proxyDump("--sack-perm --timestamp"),
	"synproxy-table-ecn":  proxyDump("--sack-perm --timestamp --ecn"),
	"synproxy-table-bare": proxyDump("--ecn"),
	"synproxy-masquerade": proxyTable("timestamp sack-perm", `chain leaving { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }`),
	"features":            features,
	"live":                liveSets,
	"given":               givenSets,
	"given-short":         strings.ReplaceAll(givenSets, "timeout 3h", "timeout 200ms"),
	"counting":            counting,
	"undeclared":          undeclared,
	"counting-map":        timeoutsByMap.Replace(counting),
	"priorities":          priorities,
	"hops":                hopRules,
	"copying":             copying,
	"leaving":             leaving,
	"traced":              traced,
	"traced-frames":       tracedFrames,
	"reject": `table inet o {
` + silent + `	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `
		tcp dport 81 reject with tcp reset
		tcp dport 82 reject
		udp dport 82 reject
		udp dport 83 reject with icmpx admin-prohibited
		udp dport 84 drop
	}
}
`,
}

// helperTable gives every protocol its helper and lets in what is related.
func helperTable(nat string) string {
	return `table inet o {
` + silent + `	ct helper ftp { type "ftp" protocol tcp; }
	ct helper tftp { type "tftp" protocol udp; }
	ct helper irc { type "irc" protocol tcp; l3proto ip; }
	ct helper pptp { type "pptp" protocol tcp; l3proto ip; }
	ct helper sip { type "sip" protocol udp; }
	ct helper siptcp { type "sip" protocol tcp; }
	chain first { type filter hook prerouting priority 0; policy accept;
		tcp dport 21 ct helper set "ftp"
		udp dport 69 ct helper set "tftp"
		tcp dport 6667 ct helper set "irc"
		tcp dport 1723 ct helper set "pptp"
		udp dport 5060 ct helper set "sip"
		tcp dport 5060 ct helper set "siptcp"
	}
	chain local { type filter hook input priority 0; policy drop; }
	chain forwarded { type filter hook forward priority 0; policy drop;` + observed + `
		ct status expected counter
		ct helper "ftp" counter
		ct helper != "tftp" counter
		ct helper { "sip", "irc", "pptp" } counter
		ct state established,related accept
		tcp dport { 21, 1723, 5060, 6667 } accept
		udp dport { 69, 5060 } accept
	}
	` + nat + `
}
`
}

// proxyTable has a SYN proxy for servers beyond the box and for one on it.
func proxyTable(offers, nat string) string {
	return `table inet o {
	chain early { type filter hook prerouting priority raw; policy accept; tcp dport 80 tcp flags syn notrack; }
	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `
		tcp dport 80 ct state invalid,untracked synproxy mss 1400 wscale 7 ` + offers + `
		ct state invalid drop
	}
	chain mine { type filter hook input priority 0; policy drop;
		tcp dport 80 ct state invalid,untracked synproxy mss 1300 wscale 5 ` + offers + `
	}
	` + nat + `
}
`
}

// proxyDump is proxyTable as a dump of iptables.
func proxyDump(offers string) string {
	return `*raw
:PREROUTING ACCEPT
-A PREROUTING -p tcp -m tcp --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -j CT --notrack
COMMIT
*filter
:INPUT DROP
:FORWARD ACCEPT
-A FORWARD -p tcp -m tcp --dport 80 -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --mss 1400 --wscale 7 ` + offers + `
-A FORWARD -p tcp -m tcp --tcp-flags FIN,RST NONE
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A INPUT -p tcp -m tcp --dport 80 -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --mss 1300 --wscale 5 ` + offers + `
COMMIT
`
}

// natTable observes and translates.
func natTable(chains string) string {
	return `table inet o {
` + silent + `	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `
		ct status snat counter
		ct status dnat counter
	}
	` + chains + `
}
`
}

// free says, by ruleset, what NAT may choose by chance.
var free = map[string]func(netip.Addr, uint16) bool{
	"copying":             func(a netip.Addr, port uint16) bool { return a == box4 || a == box6 },
	"leaving":             func(a netip.Addr, port uint16) bool { return a == box4 || a == box6 },
	"masquerade":          func(a netip.Addr, port uint16) bool { return a == box4 || a == box6 },
	"both":                func(a netip.Addr, port uint16) bool { return a == box4 || a == box6 },
	"synproxy-masquerade": func(a netip.Addr, port uint16) bool { return a == box4 || a == box6 },
	"helper-masquerade":   func(a netip.Addr, port uint16) bool { return a == box4 || a == box6 },
	"snat-random":         func(a netip.Addr, port uint16) bool { return a == box4 || a == box6 },
	"snat":                func(a netip.Addr, port uint16) bool { return a == snat4 || a == snat6 },
	"snat-range":          func(a netip.Addr, port uint16) bool { return a == snat4 && port >= 5000 && port <= 5003 },
	"dnat":                func(netip.Addr, uint16) bool { return false },
	"table-nat":           func(a netip.Addr, port uint16) bool { return a == snat4 || a == pair.Spare(1, false) },
}

var (
	box4  = pair.BoxAddr(pair.Wan, false)
	box6  = pair.BoxAddr(pair.Wan, true)
	snat4 = pair.Spare(0, false)
	snat6 = pair.Spare(0, true)
)
