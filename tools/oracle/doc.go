// Command oracle drives the kernel and sluice with the same frames and compares
// what comes of them: frames out with their side, conntrack entries, rule
// counters, conntrack's own counters, what nft monitor tells of traced packets. It makes its own namespaces and needs root.
//
//	oracle ct             every scripted connection; the last line counts them
//	oracle run FILE...    scripts from files
//	oracle fuzz           random sequences of packets, differences made short
//	oracle pcap FILE...   captures
//	oracle rules          random rulesets judge random packets (package rulefuzz);
//	                      with --family bridge the box is a wire, the kernel a bridge
//
// # Scripts
//
// A script is a few connections ("flows") and a line for each packet, after
// which both sides are compared. ">" is a packet of the side that began, "<" one
// of the other, which answers what really came out over there: through NAT it
// goes to the address that NAT has given.
//
//	rules masquerade          # a ruleset of rulesets.go
//	set tcp_loose=0           # net.netfilter.nf_conntrack_tcp_loose
//	v6                        # flows are IPv6
//	burst 4                   # compare after four lines
//	flow 0 from=wan dst=box dport=8080
//	> PA data=PORT%2010,0     # percent signs as in addresses of the web
//	> S ws=7 sackok           # TCP flags alone; sequence numbers go on by themselves
//	< SA
//	> PA len=10 seq=+1000     # off by 1000; @N counts from the initial number, =N is N
//	< A win=0 sack=101-201
//	> udp f=1 len=100 frag=48 order=1.0.2
//	< err 3/4 info=1400       # ICMP error about the last frame that came out there
//	> icmp 8/0 | sctp init | gre v=1 key=5 | proto 200 | raw HEX
//	wait 2.1s
//	nft add element inet o s { 1.1.1.1 }   # a command to both, then the listings
//	reach ESTABLISHED         # the script is worth nothing unless the kernel is there
//
// # Differences
//
// A script ends at its first difference. Differences that are meant stand in
// known.go with the reason; one that no longer differs fails.
//
// Files in reading order: main.go, ct.go (the command that plays all scripts),
// script.go (their language), packets.go, sctp.go, split.go (lines to frames),
// trial.go (a script played to both), fuzz.go, dice.go, talks.go, captures.go, rules.go, rulesets.go,
// known.go, groups.go, groups_tcp.go, groups_udp.go, groups_self.go, groups_expiry.go, groups_icmp.go,
// groups_more.go, groups_helper.go, groups_sip.go, groups_pptp.go, groups_rules.go, groups_priority.go, groups_send.go, groups_hops.go, groups_count.go, groups_given.go,
// groups_tables.go, groups_matches.go, groups_recent.go, groups_trace.go, groups_synproxy.go, groups_objects.go, groups_options.go, groups_fields.go, groups_kinds.go.
package main
