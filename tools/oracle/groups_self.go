package main

import (
	"fmt"

	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// mirror has translations after which the answer to a packet looks as the packet did.
const mirror = `chain coming { type nat hook prerouting priority dstnat;
		iifname "lan" ip daddr 203.0.113.2 meta l4proto { tcp, udp, 200 } dnat ip to 10.77.11.2
		iifname "lan" ip6 daddr fd77:b::2 meta l4proto { tcp, udp, 200 } dnat ip6 to fd77:a::2
	}
	chain leaving { type nat hook postrouting priority srcnat;
		iifname "lan" ip daddr 10.77.11.2 snat ip to 203.0.113.2
		iifname "lan" ip6 daddr fd77:a::2 snat ip6 to fd77:b::2
	}`

// toThemselves are flows whose two tuples are the same: whatever comes after their
// first packet is an answer. Pings to themselves are not, for their answers are of
// another type.
func toThemselves() (all []*Script) {
	for _, six := range []bool{false, true} {
		var rows []row
		for _, side := range []pair.Side{pair.Lan, pair.Wan} {
			name := map[pair.Side]string{pair.Lan: "lan", pair.Wan: "wan"}[side]
			for _, host := range []pair.Side{pair.Lan, pair.Wan} {
				a := pair.HostAddr(host, 0, six)
				head := fmt.Sprintf("flow 0 from=%s src=%s dst=%s sport=7 dport=7; ", name, a, a)
				for _, p := range []string{"udp", "udplite", "gre", "gre v=1 key=7", "proto 50", "dccp", "sctp init"} {
					set := ""
					if p == "udplite" {
						set = unchecked
					}
					rows = append(rows, row{fmt.Sprintf("%s %s %s", p, name, a), set + head + fmt.Sprintf("> %s; > %s; > %s", p, p, p)})
				}
				rows = append(rows,
					row{fmt.Sprintf("ping %s %s", name, a), head + "> icmp 8/0; > icmp 8/0; > icmp 0/0; > icmp 0/0"},
					row{fmt.Sprintf("ping6 %s %s", name, a), head + "> icmp 128/0; > icmp 128/0; > icmp 129/0"},
					row{fmt.Sprintf("tcp %s %s", name, a), head + "> S; > S; > SA; > SA; > A; > PA len=5; > PA len=5; > FA; > FA; > A"},
					row{fmt.Sprintf("tcp refused %s %s", name, a), head + "> S; > S; > RA; > S"},
					row{fmt.Sprintf("tcp picked up %s %s", name, a), head + "> A; > A; > PA len=7; > R"},
					row{fmt.Sprintf("masqueraded %s %s", name, a), "rules masquerade; " + head + "> udp; > udp; > proto 50; > proto 50; > S; > S"},
					row{fmt.Sprintf("error %s %s", name, a), head + "> udp len=20; > udp len=20 ttl=1; > udp; > udp ttl=1"},
				)
			}
		}
		a, b := pair.HostAddr(pair.Lan, 0, six), pair.HostAddr(pair.Wan, 0, six)
		head := fmt.Sprintf("rules mirror; flow 0 src=%s dst=%s sport=7 dport=7; ", a, b)
		rows = append(rows,
			row{"mirrored udp " + a.String(), head + "> udp; > udp; > udp"},
			row{"mirrored tcp " + a.String(), head + "> S; > S; > SA; > A"},
			row{"mirrored proto " + a.String(), head + "> proto 200; > proto 200"},
		)
		for _, s := range scripts(rows) {
			s.Six = six
			all = append(all, s)
		}
	}
	return all
}
