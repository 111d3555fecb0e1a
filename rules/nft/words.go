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
with saddr daddr sport dport protocol last addr nexthdr hdrlength flow length original reply label
position offload rtclassid iifgroup oifgroup bytes packets
`)

// notStart are words that begin no statement, notValue those that are no value (secmark
// is one, an event; so is length, a reason of ct reason, which nft does not have).
// Other words begin one, as values without a type if need be.
var (
	notStart = wordSet(`
all auto-merge bridge chain constant create define describe device devices dynamic ecn element
elements exists expires export flags flowtable flush gc-interval handle hook import include index
inet insert interval list map missing monitor netdev offload policy position priority random redefine rename
replace rule ruleset secmark size table timeout type typeof undefine vmap
`)
	notValue = wordSet(`
accept add all auto-merge bridge cgroup chain comment constant continue counter cpu create ct day
define delete describe device devices drop dst dup dynamic element elements expires export exthdr
fib flags flow flowtable flush frag fwd gc-interval goto handle hbh hook hour iif iifgroup iifname
iiftype import include index inet insert interval ipsec jhash jump limit list log mark
masquerade meta meter mh monitor netdev notrack numgen offload oif oifgroup oifname oiftype osf
pkttype policy position priority protocol queue quota random redefine reject rename replace return
rt rt0 rt2 rtclassid rule ruleset size skgid skuid socket srh symhash synproxy table th
time timeout tproxy type typeof undefine update xt
`)
)

func wordSet(text string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(text) {
		out[w] = true
	}
	return out
}
