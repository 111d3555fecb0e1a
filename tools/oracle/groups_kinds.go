package main

// setKinds are sets and statements as users write them that no other ruleset here
// has: elements for everything else, properties that only memory knows, values of
// two parts, meters.
const setKinds = `table inet o {
` + silent + `	set small { type inet_service; policy memory; comment "few"; elements = { 80, 81 comment "two" } }
	set swept { type inet_service; timeout 1h; gc-interval 10s; elements = { 80, 82 } }
	set every { type inet_service; elements = { 80, * } }
	set spans { type inet_service; flags interval; counter; elements = { 80-82, * } }
	set volume { type inet_service; quota over 100 bytes; elements = { 80, 81 } }
	set crowd { type inet_service; flags dynamic; size 10; ct count over 1; elements = { 80, 81 } }
	map rest { type inet_service : mark; elements = { 80 : 1, * : 2 } }
	map ways { type inet_service : verdict; flags interval; elements = { 80-81 : continue, 82 : drop, * : jump other } }
	map pairs { type inet_service : ipv4_addr . inet_service; elements = { 84 : 203.0.113.3 . 8080, 85 : 203.0.113.4 . 80, * : 203.0.113.5 . 9 } }
	map pairs6 { type inet_service : ipv6_addr . inet_service; elements = { 84 : fd77:b::3 . 8080, 85 : fd77:b::4 . 80 } }
	map spread { type inet_service : interval ipv4_addr; elements = { 86 : 203.0.113.4-203.0.113.5, 87 : 203.0.113.2-203.0.113.2 } }
	map nets { type ipv4_addr : interval ipv4_addr; flags interval; elements = { 10.77.11.0/25 : 203.0.113.0/25 } }
	chain other { counter; }
	chain first { type filter hook prerouting priority -300; policy accept;
		udp dport @small counter
		udp dport != @small counter
		udp dport @swept counter
		udp dport @every counter
		udp dport != @every counter
		udp dport @spans counter
		udp dport @volume counter
		meta mark set udp dport map @rest
		meta mark 1 counter
		meta mark 2 counter
		udp dport 80-83 meter seen { udp dport limit rate 1/day burst 2 packets } counter
		udp dport 80-83 meter few size 3 { ip saddr . udp dport timeout 1h counter } counter
		udp dport 84-87 meter joined { udp dport ct count over 1 } counter
	}
	chain coming { type nat hook prerouting priority dstnat; policy accept;
		iifname "lan" udp dport 84-85 dnat ip to udp dport map @pairs
		iifname "lan" udp dport 84-85 dnat ip6 to udp dport map @pairs6
		iifname "lan" udp dport { 86, 87 } dnat ip to udp dport map @spread
	}
	chain leaving { type nat hook postrouting priority srcnat; policy accept;
		oifname "wan" udp dport 88 snat ip prefix to ip saddr map @nets
	}
	chain forwarded { type filter hook forward priority 0; policy accept;` + observed + `
		udp dport @crowd counter
		udp dport vmap @ways
		counter
	}
}
`

// moving is a dump whose targets change addresses without saying which.
const moving = `*nat
:PREROUTING ACCEPT
:POSTROUTING ACCEPT
-A PREROUTING -i lan -d 203.0.113.16/28 -j NETMAP --to 203.0.113.0/28
-A PREROUTING -i lan -p tcp -m tcp --dport 84 -j REDIRECT --to-ports 85
-A PREROUTING -i wan -p udp -m udp --dport 84 -j REDIRECT
-A POSTROUTING -o wan -p udp -m udp --dport 82 -j MASQUERADE --to-ports 5003
-A POSTROUTING -o wan -p tcp -j MASQUERADE
-A POSTROUTING -o wan -s 10.77.11.0/25 -j NETMAP --to 203.0.113.0/25
COMMIT
*filter
:INPUT DROP
:FORWARD ACCEPT
-A INPUT -m conntrack --ctstate DNAT
-A FORWARD -m conntrack --ctstate SNAT
-A FORWARD -m conntrack --ctstate DNAT -j LOG --log-prefix "moved: " --log-level 7 --log-tcp-sequence --log-ip-options
-A FORWARD -m conntrack --ctstate ESTABLISHED -j NFLOG --nflog-group 5 --nflog-prefix "old: " --nflog-threshold 3
COMMIT
*raw
:PREROUTING ACCEPT
-A PREROUTING -p udp -m udp --dport 9 -j TRACE
COMMIT
`

// headers6 asks for IPv6 extension headers.
const headers6 = `*filter
:INPUT DROP
:FORWARD ACCEPT
-A FORWARD -m frag --fragid 5:9
-A FORWARD -m frag --fragfirst
-A FORWARD -m frag --fragmore
-A FORWARD -m frag --fraglast
-A FORWARD -m frag --fragres
-A FORWARD -m frag ! --fragid 7 --fraglast
-A FORWARD -m hbh
-A FORWARD -m hbh --hbh-len 8
-A FORWARD -m hbh ! --hbh-len 8
-A FORWARD -m dst --dst-len 8
-A FORWARD -m rt --rt-type 0
-A FORWARD -m rt --rt-segsleft 0:2
-A FORWARD -m rt ! --rt-type 2 --rt-len 8
-A FORWARD -m hbh --hbh-opts 5:2,1:0
-A FORWARD -m hbh --hbh-opts 1
-A FORWARD -m hbh ! --hbh-len 16 --hbh-opts 5
-A FORWARD -m dst --dst-opts 1:4
-A FORWARD -m dst --dst-opts 0,0,1:2
-A FORWARD -m rt --rt-type 0 --rt-0-res
-A FORWARD -m rt --rt-type 0 --rt-0-addrs 2001:db8::1,2001:db8::2
-A FORWARD -m rt --rt-type 0 --rt-0-addrs 2001:db8::2
-A FORWARD -m rt --rt-type 0 --rt-0-addrs 2001:db8::2 --rt-0-not-strict
-A FORWARD -m rt --rt-type 0 --rt-0-addrs 2001:db8::2,2001:db8::1 --rt-0-not-strict
-A FORWARD ! -i +
COMMIT
`

// kindRows are packets for them.
func kindRows() []*Script {
	const ports = "flow 0 dport=80; flow 1 dport=81; flow 2 dport=82; flow 3 dport=83; flow 4 dport=84; flow 5 dport=85; flow 6 dport=86; flow 7 dport=87; flow 8 dport=88 src=3; flow 9 sport=9 dport=80; "
	const once = "> udp len=20; > udp f=1 len=3; > udp f=2; > udp f=3; > udp f=4; > udp f=5; > udp f=6; > udp f=7; > udp f=8; > udp f=9"
	both := bothFamilies(scripts([]row{
		{"sets", "rules set-kinds; " + ports + once + "; " + once + "; < udp; < udp f=4; < udp f=5; < udp f=6; < udp f=7; < udp f=8; < udp f=1; " + once},
	}))
	moved := scripts([]row{
		{"moved", "rules table-moving; flow 1 dport=82; flow 2 dst=18 dport=7; flow 3 dport=84; flow 4 from=wan dst=box dport=84; flow 5 src=5 sport=0 dport=82; flow 6 dport=9; " +
			"> udp; < udp; > udp f=1; < udp f=1; > udp f=5; < udp f=5; > udp f=2; < udp f=2; > S f=3; > udp f=4; > S; < SA; > A; > PA len=5; > icmp 8/0; < icmp 0/0; > udp f=6; < udp f=6"},
		{"IPv6 headers", "v6; rules table-headers6; > udp; > udp ext=hop; > udp ext=dst; > udp ext=route; > udp ext=hop,dst,route; > udp ext=dst,route,dst; > udp len=100 frag=48; > udp len=100 frag=48 fid=7 ext=hop; > udp ext=auth"},
		{"IPv6 options", "v6; rules table-headers6; > proto 0 data=%3b%00%05%02%00%00%01%00; > proto 0 data=%3b%01%05%02%00%00%01%08aaaaaaaa; > proto 60 data=%3b%00%00%00%01%02%00%00; " +
			"> proto 60 data=%3b%00%01%04aaaa; > proto 60 data=%3b"},
		{"IPv6 addresses", "v6; rules table-headers6; > proto 43 data=%3b%00%00%00%00%00%00%00; > proto 43 data=%3b%00%00%00%00%00%00%01; > proto 43 data=%3b%00%00; " +
			"> proto 43 data=%3b%04%00%00%00%00%00%00%20%01%0d%b8%00%00%00%00%00%00%00%00%00%00%00%01%20%01%0d%b8%00%00%00%00%00%00%00%00%00%00%00%02; " +
			"> proto 43 data=%3b%02%00%00%00%00%00%00%20%01%0d%b8%00%00%00%00%00%00%00%00%00%00%00%02"},
	})
	return append(both, moved...)
}
