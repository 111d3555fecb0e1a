package nft

import "strings"

// reserved words cannot be names of tables, chains, sets or definitions.
var reserved = wordSet(`
all fwd dup accept drop continue jump goto return counter log reject snat dnat masquerade redirect
notrack meta ct ip ip6 tcp udp udplite sctp dccp th icmp icmpv6 ether set map vmap table chain rule
element add create insert delete flush define redefine undefine include type typeof hook priority
policy flags elements timeout comment iif oif iifname oifname mark queue limit quota fib vlan arp
inet netdev bridge handle index position list reset rename replace export import monitor describe
ruleset flowtable device devices constant interval dynamic auto-merge size gc-interval ecn random
tproxy synproxy osf socket rt ipsec numgen jhash symhash and or xor lshift rshift eq ne lt gt le ge
not missing exists esp ah comp igmp frag hbh dst mh srh rt0 rt2 exthdr iiftype oiftype pkttype skuid
skgid cpu cgroup day hour time secmark meter update xt expires
`)

// namedWords are other words a syntax error calls by themselves.
var namedWords = wordSet(`
to with saddr daddr sport dport protocol last
`)

func wordSet(text string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(text) {
		out[w] = true
	}
	return out
}
