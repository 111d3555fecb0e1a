package main

import "fmt"

// unchecked turns checksums off, for UDPLite: the kernel takes UDP's protocol
// number into the sum and finds every right one wrong.
const unchecked = "set checksum=0; "

// datagrams are UDP, UDPLite, GRE and what has no tracker.
func datagrams() []*Script {
	var rows []row
	for _, p := range []string{"udp", "udplite", "gre", "gre v=1 key=7", "proto 200", "dccp", "proto 50", "proto 4", "proto 41", "proto 0", "proto 59", "proto 255", "proto 132"} {
		name := p
		head := ""
		if p == "udplite" {
			head = unchecked
		}
		rows = append(rows,
			row{name + " one way", head + fmt.Sprintf("> %s len=8; > %s len=8; > %s len=20", p, p, p)},
			row{name + " answered", head + fmt.Sprintf("> %s len=8; < %s len=8; > %s len=8; < %s len=8; > %s", p, p, p, p, p)},
			row{name + " from outside", head + fmt.Sprintf("flow 0 from=wan; > %s len=8; < %s len=8; > %s", p, p, p)},
		)
	}
	for _, p := range []string{"udp", "udplite"} {
		head := ""
		if p == "udplite" {
			head = unchecked
		}
		for _, o := range []string{"sum=bad", "sum=zero", "ttl=1", "ttl=0", "ipsum=bad", "tos=0x2e"} {
			rows = append(rows, row{p + " " + o, head + fmt.Sprintf("> %s len=8 %s; < %s len=8; > %s len=8 %s", p, o, p, p, o)})
		}
		for _, n := range []int{0, 1, 3, 4, 7} {
			number := map[string]int{"udp": 17, "udplite": 136}[p]
			rows = append(rows, row{fmt.Sprintf("%s cut to %d", p, n), head + fmt.Sprintf("> cut %d len=%d; > %s", number, n, p)})
		}
	}
	for _, n := range []int{1, 7, 8, 15, 16, 17, 1000} {
		rows = append(rows, row{fmt.Sprintf("udp says %d bytes", n), fmt.Sprintf("> udp len=8 ulen=%d; < udp len=8", n)})
	}
	for _, n := range []int{1, 7, 8, 9, 16, 17, 100} {
		rows = append(rows, row{fmt.Sprintf("udplite covers %d bytes", n), unchecked + fmt.Sprintf("> udplite len=8 cov=%d; < udplite len=8 cov=8; > udplite", n)})
	}
	rows = append(rows,
		row{"checked udplite", "> udplite len=8; < udplite len=8"},
		row{"two flows", "> udp; > udp f=1; < udp; < udp f=1; > udp"},
		row{"gre keys", "> gre v=1 key=1; > gre v=1 key=2; < gre v=1 key=3; > gre"},
		row{"gre version 2", "> gre v=2; < gre v=2"},
		row{"gre cut", "> cut 47 len=2; > cut 47 len=3; > cut 47 len=4; > cut 47 len=7"},
		row{"both at once", "> udp; < udp; < udp; > udp"},
		row{"mark", "rules mark; > udp; < udp; > udp f=1; > S f=2; < SA f=2"},
		row{"notrack", "rules notrack; flow 0 dport=53; > udp; < udp; > S; < SA; > udp f=1; < udp f=1"},
		row{"zones and notrack", "rules early; flow 0 dport=81; flow 1 dport=82; flow 2 dport=83; flow 3 dport=84; > udp; > udp f=1; > udp f=2; > udp f=3; < udp; < udp f=2"},
		row{"drop invalid", "rules drop-invalid; > udp; < udp; < udp f=1; > S f=2; < SA f=2; > - f=2; > A f=2; < S f=3"},
	)
	return bothFamilies(scripts(rows))
}

// streams are timeouts that change with time.
func streams() []*Script {
	return bothFamilies(scripts([]row{
		{"udp", "> udp; < udp; > udp; wait 1.2s; < udp; wait 1.2s; > udp; < udp; > udp"},
		{"udp answered late", "> udp; wait 2.1s; < udp; > udp; < udp"},
		{"udplite and gre", unchecked + "> udplite; < udplite; > udplite; > gre f=1; < gre f=1; > gre f=1; wait 2.1s; > udplite; > gre f=1"},
		{"expiry", "set udp_timeout=1; set icmp_timeout=1; set icmpv6_timeout=1; set generic_timeout=1; set tcp_timeout_syn_sent=1; > udp; > icmp 8/0 f=1; > proto 200 f=2; > S f=3; wait 2.2s; > udp; < udp"},
		{"answer after expiry", "set udp_timeout=1; > udp; wait 2.2s; < udp; > udp; < udp"},
	}))
}
