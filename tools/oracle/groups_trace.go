package main

import "fmt"

// traced follows packets through every kind of rule and chain. Ports tell which.
const traced = `table inet o {
	set hosts { type ipv4_addr; elements = { 10.77.11.2, 10.77.11.3 } }
	map ways { type inet_service : verdict; elements = { 201 : accept, 202 : drop, 203 : jump plain, 204 : goto plain, 205 : continue, 206 : return, 207 : jump deep } }
	chain early { type filter hook prerouting priority raw; policy accept;
		meta l4proto != 255 meta nftrace set 1
		tcp dport 90 meta nftrace set 0
		udp dport 90 meta nftrace set 0
		udp dport 53 notrack counter
	}
	chain first { type filter hook prerouting priority 0; policy accept; ip saddr 192.0.2.1 drop; }
	chain second { type filter hook prerouting priority 0; policy accept; ip ttl 64 counter ct state new; ip6 hoplimit 64 counter; }
	chain plain { ip saddr @hosts counter return
		counter
	}
	chain deep { jump deeper
		ct state new counter
	}
	chain deeper { goto plain
	}
	chain late { meta nftrace set 1 counter
		return
	}
	chain mine { type filter hook input priority 0; policy drop; udp dport 7 counter; }
	chain forwarded { type filter hook forward priority 0; policy drop;
		tcp dport 90 jump late
		udp dport 90 goto late
		th dport vmap @ways
		th dport 208 meta mark set 0x17
		th dport 209 ip dscp set cs1 ip ttl set 9 counter accept
		th dport 210 reject
		tcp dport 211 reject with tcp reset
		th dport 212 log prefix "seen " counter drop comment "the last"
		th dport 213 meta nftrace set 0 counter
		th dport 214 meta nftrace set 1 udp length > 60000
		th dport 215 limit rate over 1000000/second accept
		th dport 216 jump deep
		ct state established,related accept
		th dport { 53, 80-82, 5001 } ct mark set 3 accept
		meta l4proto { icmp, ipv6-icmp, gre, 200, sctp } accept
	}
	chain last { type filter hook postrouting priority 0; policy accept; counter; }
	chain behind { type filter hook postrouting priority 10; policy accept; ct mark 3 counter; }
	chain unseen { type filter hook output priority 0; policy accept; counter; }
}
table ip n {
	chain coming { type nat hook prerouting priority dstnat; tcp dport 82 dnat to 203.0.113.2:80; udp dport 82 counter; }
	chain leaving { type nat hook postrouting priority srcnat; th dport 81 snat to 203.0.113.200; th dport 80 counter; }
	chain other { type nat hook postrouting priority 110; th dport 80 accept; }
}
table ip6 n {
	chain coming { type nat hook prerouting priority dstnat; tcp dport 82 dnat to [fd77:b::2]:80; }
	chain after { type filter hook forward priority 10; policy accept; ip6 nexthdr udp counter; }
}
table ip m {
	chain after { type filter hook forward priority 10; policy accept; ip protocol udp counter; }
}
`

// tracedFrames follow frames from a port's ingress on.
const tracedFrames = `table netdev d {
	chain lan { type filter hook ingress device "lan" priority 0; policy accept;
		meta protocol ip meta nftrace set 1
		meta protocol ip6 counter meta nftrace set 1 counter
		udp dport 84 drop
	}
}
table inet o {
	chain lan { type filter hook ingress device "lan" priority 10; policy accept; udp dport 85 counter; }
	chain mine { type filter hook input priority 0; policy drop; }
	chain forwarded { type filter hook forward priority 0; policy accept; ct state new counter; udp dport 86 drop; }
}
`

// traces are packets of which nft monitor trace tells.
func traces() []*Script {
	rows := []row{
		{"tcp", "flow 0 dport=80; > S ws=7 sackok; < SA; > A; > PA len=10; < A; > FA; < R; < SA"},
		{"translated", "flow 0 dport=82; flow 1 dport=82; > S; < SA; > udp f=1 len=9; < udp f=1"},
		{"untracked", "flow 0 dport=53; > udp len=3; < udp"},
		{"invalid", "> A; > R; > S; < S; > - f=1"},
		{"errors", "flow 0 dport=80; > udp len=100; < err 3/3"},
		{"for the box", "flow 0 dst=box dport=7; flow 1 dst=box; > udp; > udp f=1 len=30; > S f=1"},
		{"from outside", "flow 0 from=wan dport=80; > S; < SA"},
		{"no longer traced", "flow 0 dport=90; > S; > udp"},
		{"hop limit", "flow 0 dport=80; > udp ttl=1; > udp ttl=2"},
		{"too long", "flow 0 dport=80; > udp len=1450; > udp len=1450 df"},
		{"fragments", "flow 0 dport=80; > udp len=100 frag=48; > udp len=100 frag=48 order=1.2.0"},
		{"others", "> gre len=9; > gre v=1 key=7 len=3; > proto 200 len=30; > sctp init; > proto 4 len=40; > proto 50 len=4; > proto 108 len=4; > dccp; > proto 2 len=12"},
		{"cut", "> cut 6 len=3; > cut 6 len=14; > cut 17 len=0; > cut 17 len=3; > cut 17 len=7; > cut 132 len=9"},
		{"flags", "flow 0 dport=80; > SFAPURE; > -; > FPU tos=0x2e; > A tos=0x47"},
	}
	for port := 201; port <= 216; port++ {
		rows = append(rows, row{fmt.Sprintf("port %d", port), fmt.Sprintf("flow 0 dport=%d; flow 1 dport=%d; > S; > udp f=1 len=20; > udp f=1; < udp f=1", port, port)})
	}
	pings := []row{
		{"ping", "> icmp 8/0 len=8; < icmp 0/0 len=8; > icmp 8/0 len=8 iseq=2; > icmp 13/0 len=12; > icmp 17/0; > icmp 5/1 len=30; > icmp 77/3"},
		{"ping v6", "v6; > icmp 128/0 len=8; < icmp 129/0 len=8; > icmp 135/0 len=24 ttl=255; > icmp 2/0 len=4; > icmp 77/3"},
	}
	frames := []row{
		{"frames", "> udp; > S; < SA; > udp f=1 len=40; > icmp 8/0 f=2; > gre f=3; flow 5 dport=84; flow 6 dport=85; flow 7 dport=86; > udp f=5; > udp f=6; > udp f=7"},
	}
	for i := range rows {
		rows[i].text = "rules traced; " + rows[i].text
	}
	for i := range pings {
		pings[i].text = "rules traced; " + pings[i].text
	}
	for i := range frames {
		frames[i].text = "rules traced-frames; " + frames[i].text
	}
	return append(append(bothFamilies(scripts(rows)), scripts(pings)...), bothFamilies(scripts(frames))...)
}
