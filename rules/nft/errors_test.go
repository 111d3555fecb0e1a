package nft

import (
	"fmt"
	"strings"
	"testing"
)

// in puts a rule into a chain: of family inet, hook input, when kind is "";
// else "family" or "family type".
func in(kind, rule string) string {
	fam, typ, _ := strings.Cut(kind, " ")
	if fam == "" {
		fam = "inet"
	}
	base := "type filter hook input priority 0;"
	switch typ {
	case "dnat":
		base = "type nat hook prerouting priority -100;"
	case "snat":
		base = "type nat hook postrouting priority 100;"
	case "ingress":
		base = "type filter hook ingress device lo priority 0;"
	case "user":
		base = ""
	}
	return "table " + fam + " t {\n set s {\n  type ipv4_addr\n }\n chain c {\n  " + base + "\n  " + rule + "\n }\n chain u {\n }\n}\n"
}

// errorCases are texts that nft refuses and how: "line:col-col: message".
// Those marked ours differ from nft's words for a reason given.
var errorCases = []struct {
	name, text, want string
	ours             string
}{
	{"jump to nothing", in("", "jump nosuch"), "7:8-13: Could not process rule: No such file or directory", ""},
	{"jump nearly", in("", "jump uu"), "7:8-9: Could not process rule: No such file or directory", ""},
	{"jump to base", in("", "jump c"), "7:8-8: Could not process rule: Operation not supported", ""},
	{"after accept", in("", "tcp dport 22 accept drop"), "7:23-26: Statement after terminal statement has no effect", ""},
	{"match after accept", in("", "accept tcp dport 22"), "7:10-21: Statement after terminal statement has no effect", ""},
	{"after goto", in("", "goto u jump u"), "7:10-15: Statement after terminal statement has no effect", ""},
	{"after dnat", in("ip dnat", "dnat to 1.2.3.4 drop"), "7:19-22: Statement after terminal statement has no effect", ""},
	{"no set", in("", "ip saddr @nos accept"), "7:12-15: No such file or directory; did you mean set ‘s’ in table inet ‘t’?", ""},
	{"tcp and udp", in("", "tcp dport 22 udp dport 53"), "7:16-24: conflicting protocols specified: tcp vs. udp", ""},
	{"ip protocol and udp", in("", "ip protocol tcp udp dport 53"), "7:19-27: conflicting protocols specified: tcp vs. udp", ""},
	{"l4proto and udp", in("", "meta l4proto tcp udp dport 53"), "7:20-28: conflicting protocols specified: tcp vs. udp", ""},
	{"l4proto set and tcp", in("", "meta l4proto { tcp, udp } tcp dport 53"), "7:29-37: conflicting protocols specified: udp vs. tcp", ""},
	{"ip6 in ip", in("ip", "ip6 saddr ::1"), "7:3-11: conflicting protocols specified: ip vs. ip6", ""},
	{"ip in ip6", in("ip6", "ip saddr 1.2.3.4"), "7:3-10: conflicting protocols specified: ip6 vs. ip", ""},
	{"ip and ip6", in("", "ip saddr 1.2.3.4 ip6 daddr ::1"), "7:20-28: conflicting protocols specified: ip vs. ip6", ""},
	{"loopback and ip", in("", "iiftype loopback ip saddr 1.2.3.4"), "7:20-27: conflicting protocols specified: unknown vs. ip", ""},
	{"loopback written last and ip", in("", "iiftype { ether, loopback } counter ip saddr 1.2.3.4"), "7:39-46: conflicting protocols specified: unknown vs. ip", ""},
	{"loopback and ether", in("ip", "iiftype loopback ether saddr 0:0:0:0:0:1"), "7:20-30: conflicting protocols specified: unknown vs. ether", ""},
	{"loopback and an extension header", in("", "iiftype loopback exthdr frag exists"), "7:20-30: conflicting protocols specified: unknown vs. ip6", ""},
	{"loopback and an answer", in("", "iiftype loopback reject with icmpv6 no-route"), "7:20-25: conflicting protocols specified: unknown vs. ip6", ""},
	{"port too large", in("", "tcp dport 65536"), "7:13-17: Service out of range", ""},
	{"no service", in("", "tcp dport foo"), "7:13-15: Could not resolve service: Servname not supported for ai_socktype", ""},
	{"range backwards", in("", "tcp dport 90-80"), "7:13-17: Range has zero or negative size", ""},
	{"vmap key twice", in("", "tcp dport vmap { 22 : accept, 22 : drop }"), "7:33-34: Could not process rule: File exists", ""},
	{"vmap overlap", in("", "ip saddr vmap { 10.0.0.0/8 : accept, 10.1.0.0/16 : drop }"), "7:40-50: conflicting intervals specified", ""},
	{"bad address", in("", "ip saddr 300.1.1.1"), "7:12-20: Could not resolve hostname: Name or service not known", ""},
	{"host name", in("", "ip saddr nosuchhost"), "7:12-21: not supported: host name nosuchhost", "nft asks the resolver"},
	{"prefix too long", in("", "ip saddr 1.2.3.4/33"), "7:12-21: Prefix length 33 is invalid for type of 32 bits width", ""},
	{"no ct state", in("", "ct state foo"), "7:12-14: Could not parse conntrack state", ""},
	{"no ct state in a list", in("", "ct state new,foo"), "7:16-18: Could not parse conntrack state", ""},
	{"no icmp type", in("", "icmp type foo"), "7:13-15: Could not parse ICMP type", ""},
	{"no tcp flag", in("", "tcp flags syn,foo"), "7:17-19: Could not parse TCP flag", ""},
	{"ct address of no family", in("", "ct original saddr 1.2.3.4"), "7:3-19: cannot determine ip protocol version, use \"ip saddr\" or \"ip6 saddr\" instead", ""},
	{"masquerade in filter", in("", "masquerade"), "7:3-12: Could not process rule: Operation not supported", ""},
	{"snat in filter", in("", "snat ip to 1.2.3.4"), "7:3-20: Could not process rule: Operation not supported", ""},
	{"snat in prerouting", in("ip dnat", "snat to 1.2.3.4"), "7:3-17: Could not process rule: Operation not supported", ""},
	{"dnat in postrouting", in("ip snat", "dnat to 1.2.3.4"), "7:3-17: Could not process rule: Operation not supported", ""},
	{"redirect in postrouting", in("ip snat", "redirect"), "7:3-10: Could not process rule: Operation not supported", ""},
	{"masquerade in prerouting", in("ip dnat", "masquerade"), "7:3-12: Could not process rule: Operation not supported", ""},
	{"reject in postrouting", in("ip snat", "reject"), "7:3-8: Could not process rule: Operation not supported", ""},
	{"segment size of the route at input", in("", "tcp option maxseg size set rt mtu"), "7:3-35: Could not process rule: Operation not supported", ""},
	{"ipsec at postrouting", in("ip snat", "meta ipsec missing"), "7:3-20: Could not process rule: Operation not supported", ""},
	{"slave's index at postrouting", in("ip snat", "meta sdif 0"), "7:3-13: Could not process rule: Operation not supported", ""},
	{"fib interface at postrouting", in("ip snat", "fib daddr oif 1"), "7:3-17: Could not process rule: Operation not supported", ""},
	{"fib type by output interface at input", in("", "fib daddr . oif type local"), "7:3-28: Could not process rule: Operation not supported", ""},
	{"packet type set at input", in("", "meta pkttype set unicast"), "7:3-26: Could not process rule: Operation not supported", ""},
	{"fib type at ingress", in("inet ingress", "fib daddr type local"), "7:3-22: Could not process rule: Operation not supported", ""},
	{"segment size of the route at ingress", in("inet ingress", "rt mtu 500"), "7:3-12: Could not process rule: Operation not supported", ""},
	{"nat of frames", in("netdev ingress", "snat to 1.2.3.4"), "7:3-6: NAT is only supported for IPv4/IPv6", ""},
	{"tproxy of frames", in("netdev ingress", "tproxy to :50"), "7:3-15: tproxy is only supported for IPv4/IPv6/INET", ""},
	{"arp and a port", in("netdev ingress", "meta protocol { ip, arp } udp sport 5"), "7:29-37: conflicting protocols specified: arp vs. udp", ""},
	{"arp and ip", in("netdev ingress", "meta protocol arp ip saddr 1.2.3.4"), "7:21-28: conflicting protocols specified: arp vs. ip", ""},
	{"reject of arp", in("netdev ingress", "ether type arp reject"), "7:18-23: cannot reject this network family", ""},
	{"reset of arp", in("", "ether type arp reject with tcp reset"), "7:18-23: conflicting protocols specified: arp vs. tcp", ""},
	{"snat of no family", in("", "snat to 1.2.3.4"), "7:3-6: ip or ip6 must be specified with address for inet tables.", ""},
	{"port without protocol", in("ip dnat", "dnat to 1.2.3.4:80"), "7:19-20: transport protocol mapping is only valid after transport protocol match", ""},
	{"port after th", in("ip dnat", "th dport 5 dnat to :80"), "7:23-24: transport protocol mapping is only valid after transport protocol match", ""},
	{"port after not tcp", in("ip dnat", "meta l4proto != tcp dnat to :80"), "7:32-33: transport protocol mapping is only valid after transport protocol match", ""},
	{"redirect without protocol", in("inet dnat", "redirect to :80"), "7:16-17: transport protocol mapping is only valid after transport protocol match", ""},
	{"nat range backwards", in("ip dnat", "dnat to 1.2.3.9-1.2.3.4"), "7:11-25: Range has zero or negative size", ""},
	{"nat port range backwards", in("ip dnat", "tcp dport 5 dnat to :80-70"), "7:24-28: Range has zero or negative size", ""},
	{"nat other family", in("ip dnat", "dnat to ::1"), "7:11-13: Could not resolve hostname: Address family for hostname not supported", ""},
	{"reject icmpv6 in ip", in("ip", "reject with icmpv6 no-route"), "7:22-29: conflicting protocols specified: ip vs ip6", ""},
	{"reject icmp in ip6", in("ip6", "reject with icmp port-unreachable"), "7:20-35: conflicting protocols specified: ip vs ip6", ""},
	{"reject icmpx in ip", in("ip", "reject with icmpx no-route"), "7:21-28: abstracted ICMP unreachable not supported", ""},
	{"reset of udp", in("", "udp dport 53 reject with tcp reset"), "7:16-21: you cannot use tcp reset with this protocol", ""},
	{"reset of protocol 17", in("", "ip protocol 17 reject with tcp reset"), "7:18-23: you cannot use tcp reset with this protocol", ""},
	{"no reject code", in("ip", "reject with icmp foo"), "7:20-22: Could not parse icmp code", ""},
	{"mark from address", in("", "meta mark set ip saddr"), "7:17-24: datatype mismatch: expected packet mark, expression has type IPv4 address", ""},
	{"ttl too large", in("", "ip ttl 256"), "7:10-12: Value 256 exceeds valid range 0-255", ""},
	{"mark too large", in("", "meta mark 0x1ffffffff"), "7:13-23: Value 8589934591 exceeds valid range 0-4294967295", ""},
	{"interface name too long", in("", "iifname \"averyveryverylongname\""), "7:11-33: String exceeds maximum length of 16", ""},
	{"interface name empty", in("", "iifname \"\""), "7:11-12: Empty string is not allowed", ""},
	{"interface name all", in("", "iifname \"*\""), "7:11-13: All-wildcard strings are not supported", ""},
	{"no selector", in("", "foo bar"), "7:3-5: No symbol type information", ""},
	{"no value", in("", "tcp dport"), "7:12-12: syntax error, unexpected newline", ""},
	{"no field", in("", "tcp foo 1"), "7:7-9: syntax error, unexpected string", ""},
	{"operator twice", in("", "tcp dport != != 3"), "7:16-17: syntax error, unexpected !=", ""},
	{"mask without value", in("", "tcp flags & syn"), "7:18-18: syntax error, unexpected newline", ""},
	{"no log level", in("", "log prefix \"a\" level foo"), "7:24-26: invalid log level", ""},
	{"log level and group", in("", "log level info group 1"), "7:3-5: level and group are mutually exclusive", ""},
	{"undefined variable", in("", "tcp dport $foo"), "7:14-16: unknown identifier 'foo'", ""},
	{"ip6 address for ip", in("", "ip saddr ::1"), "7:12-14: Could not resolve hostname: Address family for hostname not supported", ""},
	{"ip address for ip6", in("", "ip6 saddr 1.2.3.4"), "7:13-19: Could not resolve hostname: Address family for hostname not supported", ""},
	{"concatenation too short", in("", "ip saddr . tcp dport { 1.2.3.4 . 22, 1.2.3.5 }"), "7:40-46: invalid data type, expected concatenation of (IPv4 address, internet network service)", ""},
	{"concatenation without set", in("", "ip saddr . tcp dport 1.2.3.4 . 22"), "7:3-22: Use concatenations with sets and maps, not singleton values", ""},
	{"list of ports", in("", "tcp dport 22,23"), "7:13-14: Basetype of type internet network service is not bitmask", ""},
	{"less than a range", in("", "tcp dport > 1-2"), "7:15-17: Relational expression (>) is undefined for range expressions", ""},
	{"less than a set", in("", "tcp dport > { 1, 2 }"), "7:15-22: Relational expression (>) is undefined for set expressions", ""},
	{"set of another type", in("", "tcp dport @s"), "7:13-14: datatype mismatch, expected internet network service, expression has type IPv4 address", ""},
	{"set as a map", in("", "ip saddr vmap @s"), "7:17-18: Expression is not a map", ""},
	{"empty set", in("", "tcp dport { }"), "7:15-15: syntax error, unexpected '}'", ""},
	{"icmp field of another type", in("ip", "icmp type 8 icmp mtu 5"), "7:15-22: incompatible icmp match: rule has 8, need 3", ""},
	{"nfproto in ip", in("ip", "meta nfproto ipv4"), "7:3-14: meta nfproto is only useful in the inet family", ""},
	{"after a comment", in("", "counter comment \"a\" accept"), "7:23-28: syntax error, unexpected accept, expecting newline or semicolon", ""},
	{"brace on the line", "table ip t { chain c { tcp dport 22 accept }\n}\n", "1:44-44: syntax error, unexpected '}', expecting newline or semicolon", ""},
	{"nat at forward", "table ip t { chain c { type nat hook forward priority 0; }\n}\n", "1:20-20: Could not process rule: Operation not supported", ""},
	{"nat before conntrack", "table ip t { chain c { type nat hook prerouting priority -300; }\n}\n", "1:20-20: Could not process rule: Operation not supported", ""},
	{"route at input", "table ip t { chain c { type route hook input priority 0; }\n}\n", "1:20-20: Could not process rule: Operation not supported", ""},
	{"no chain type", "table ip t { chain c { type foo hook input priority 0; }\n}\n", "1:29-31: unknown chain type", ""},
	{"no hook", "table ip t { chain c { type filter hook foo priority 0; }\n}\n", "1:41-43: unknown chain hook", ""},
	{"no priority", "table ip t { chain c { type filter hook input priority foo; }\n}\n", "1:47-58: invalid priority expression value in this context.", ""},
	{"dstnat at input", "table ip t { chain c { type filter hook input priority dstnat; }\n}\n", "1:47-61: invalid priority expression value in this context.", ""},
	{"policy of a user chain", "table ip t { chain c { policy drop; }\n}\n", "1:24-34: Could not process rule: Operation not supported", ""},
	{"base twice", "table ip t { chain c { type filter hook input priority 0; }\n chain c { type filter hook output priority 0; }\n}\n", "2:8-8: Could not process rule: Operation not supported", ""},
	{"create twice", "create table ip t\ncreate table ip t\n", "2:17-17: Could not process rule: File exists", ""},
	{"rule without table", "add rule ip t c accept\n", "1:13-13: Could not process rule: No such file or directory", ""},
	{"rule without chain", "add table ip t\nadd rule ip t c accept\n", "2:15-15: Could not process rule: No such file or directory", ""},
	{"chain misspelt", "add table ip t\nadd chain ip t c\nadd rule ip t cc accept\n", "3:15-16: No such file or directory; did you mean chain ‘c’ in table ip ‘t’?", ""},
	{"element without set", "add table ip t\nadd element ip t s { 1.2.3.4 }\n", "2:18-18: No such file or directory", ""},
	{"prefix without interval", "add table ip t\nadd set ip t s { type ipv4_addr; }\nadd element ip t s { 1.2.3.0/24 }\n", "3:22-31: You must add 'flags interval' to your set declaration if you want to add prefix elements", ""},
	{"delete an interval that is not there", "add table ip t\nadd set ip t s { type ipv4_addr; flags interval; }\ndelete element ip t s { 1.2.3.0/24 }\n", "3:25-34: element does not exist", ""},
	{"overlap", "add table ip t\nadd set ip t s { type ipv4_addr; flags interval; }\nadd element ip t s { 1.2.3.0/24, 1.2.3.4 }\n", "3:34-40: conflicting intervals specified", ""},
	{"element of another type", "add table ip t\nadd set ip t s { type ipv4_addr; }\nadd element ip t s { 22, ::1 }\n", "3:26-28: Could not resolve hostname: Address family for hostname not supported", ""},
	{"set without type", "add table ip t\nadd set ip t s { }\n", "2:16-16: set definition does not specify key", ""},
	{"map without type", "add table ip t\nadd map ip t s { flags interval; }\n", "2:16-32: set definition does not specify key", ""},
	{"map of a block without type", "table ip t {\nmap s { flags interval; }\n}\n", "2:5-5: set definition does not specify key", ""},
	{"map of no objects", "table ip t {\nmap s { type inet_service : mark; }\nchain c { counter name tcp dport map @s\n}\n}\n", "3:38-39: Expression is not a map with objects", ""},
	{"element of no object", "table ip t {\nmap s { type inet_service : counter; elements = { 21 : \"x\" } \n}\n}\n", "2:51-52: Could not process rule: No such file or directory", ""},
	{"statement that the set does not declare", "add table ip t\nadd set ip t s { type ipv4_addr; }\nadd element ip t s { 1.2.3.4 counter }\n", "3:30-36: missing statement in set declaration", ""},
	{"statement of a literal map", "table ip t {\nchain c {\nmeta mark set ip saddr map { 1.2.3.4 counter : 1 }\n}\n}\n", "3:38-44: missing statement in map declaration", ""},
	{"another statement than the set's", "add table ip t\nadd set ip t s { type ipv4_addr; counter; }\nadd element ip t s { 1.2.3.4 limit rate 5/second }\n", "3:30-48: statement mismatch, element expects limit, but set has type counter", ""},
	{"fewer statements than the set", "add table ip t\nadd set ip t s { type ipv4_addr; flags dynamic; counter limit rate 1/second; }\nadd element ip t s { 1.2.3.4 counter }\n", "3:22-28: number of statements mismatch, set expects 2 but element has 1", ""},
	{"end without timeout", "add table ip t\nadd set ip t s { type ipv4_addr; }\nadd element ip t s { 1.2.3.4 expires 5s }\n", "3:22-28: Could not process rule: Invalid argument", ""},
	{"set of no type", "add table ip t\nadd set ip t s { type foo; }\n", "2:23-25: unknown datatype foo", ""},
	{"set twice", "add table ip t\nadd set ip t s { type ipv4_addr; }\nadd set ip t s { type inet_service; }\n", "3:14-14: Could not process rule: File exists", ""},
	{"vmap of another type", "add table ip t\nadd map ip t s { type ipv4_addr : verdict; }\nadd chain ip t c\nadd rule ip t c tcp dport vmap @s\n", "4:32-33: datatype mismatch, map expects IPv4 address, mapping expression has type internet network service", ""},
	{"element jumps to nothing", "add table ip t\nadd map ip t s { type ipv4_addr : verdict; }\nadd element ip t s { 1.2.3.4 : jump x }\n", "3:22-28: Could not process rule: No such file or directory", ""},
	{"element twice", "add table ip t\nadd map ip t s { type ipv4_addr : verdict; }\nadd element ip t s { 1.2.3.4 : accept, 1.2.3.4 : drop }\n", "3:40-46: Could not process rule: File exists", ""},
	{"element without verdict", "add table ip t\nadd map ip t s { type ipv4_addr : verdict; }\nadd element ip t s { 1.2.3.4 }\n", "3:22-28: Could not process rule: Invalid argument", ""},
	{"chain busy", "add table ip t\nadd chain ip t c\nadd chain ip t d\nadd rule ip t c jump d\ndelete chain ip t d\n", "5:19-19: Could not process rule: Device or resource busy", ""},
	{"set busy", "add table ip t\nadd set ip t s { type ipv4_addr; }\nadd chain ip t c\nadd rule ip t c ip saddr @s\ndelete set ip t s\n", "5:17-17: Could not process rule: Device or resource busy", ""},
	{"object of a literal map busy", "add table ip t\nadd counter ip t o\nadd chain ip t c\nadd rule ip t c counter name tcp dport map { 80 : \"o\" }\ndelete counter ip t o\n", "5:21-21: Could not process rule: Device or resource busy", ""},
	{"delete nothing", "delete table ip t\n", "1:17-17: Could not process rule: No such file or directory", ""},
	{"include nothing", "include \"nosuch.nft\"\n", "1:1-21: File not found: nosuch.nft", ""},
	{"define twice", "define a = 1\ndefine a = 2\n", "2:8-8: redefinition of symbol 'a'", ""},
	{"chain name a keyword", "table ip t { chain fwd { }\n}\n", "1:20-22: syntax error, unexpected fwd, expecting string", ""},
	{"jump loop", "table ip t { chain a { jump a; }\nchain i { type filter hook input priority 0; jump a; }\n}\n", "1:24-29: Could not process rule: Too many links", "nft marks the base chain's jump"},
	{"hook through a jump", "table ip t { chain a { masquerade; }\nchain i { type filter hook input priority 0; jump a; }\n}\n", "1:24-33: Could not process rule: Operation not supported", "nft marks the base chain's jump"},
	{"joined ranges overlap", "table ip t {\n set s {\n  type inet_service . inet_service\n  flags interval\n  elements = { 1-5 . 2, 3-9 . 2 }\n }\n}\n", "5:25-31: Could not process rule: File exists", ""},
	{"no comma", in("", "tcp dport {22 23}"), "7:17-18: syntax error, unexpected number, expecting comma or '}'", ""},
	{"ether type of another family", in("ip", "ether type ip6 ip saddr 1.1.1.1"), "7:18-25: conflicting protocols specified: ip6 vs. ip", ""},
	{"range of names", in("", "iifname \"a\" - \"b\""), "7:11-13: Range expression is undefined for network interface name types", ""},
	{"nat of another family", in("inet dnat", "ip saddr 1.1.1.1 dnat ip6 to ::1"), "7:20-23: conflicting protocols specified: ip vs. ip6. You must specify ip or ip6 family in nat statement", ""},
	{"limit without a rate", in("", "limit 5/second accept"), "7:9-9: syntax error, unexpected number, expecting name or rate", ""},
	{"limit of packets with a burst of bytes", in("", "limit rate 5/second burst 5 kbytes"), "7:31-36: syntax error, unexpected string, expecting packets", ""},
	{"limit of nothing", in("", "limit rate 0/second"), "7:9-21: limit rate must be > 0", "0 packets"},
	{"no such counter", in("", "counter name \"x\""), "7:16-18: Could not process rule: No such file or directory", ""},
	{"no such helper", "table ip t {\n ct helper h {\n  type \"foo\" protocol tcp;\n }\n}\n", "2:12-12: Could not process rule: No such file or directory", ""},
	{"map as a set", "table ip t {\n map m {\n  type ipv4_addr : mark\n }\n chain c {\n  add @m { ip saddr }\n }\n}\n", "6:3-21: Could not process rule: Invalid argument", ""},
	{"element times out in a set without", "table ip t {\n set m {\n  type ipv4_addr\n  flags dynamic\n }\n chain c {\n  add @m { ip saddr timeout 5s }\n }\n}\n", "7:3-32: Could not process rule: Operation not supported", ""},
}

func errorOf(t testing.TB, text string) *Error {
	t.Helper()
	_, err := Parse("/dev/stdin", []byte(text), ParseOptions{})
	if err == nil {
		t.Errorf("accepted:\n%s", text)
		return nil
	}
	return err.(ErrorList)[0]
}

func TestErrors(t *testing.T) {
	for _, c := range errorCases {
		t.Run(c.name, func(t *testing.T) {
			e := errorOf(t, c.text)
			if e == nil {
				return
			}
			got := fmt.Sprintf("%d:%d-%d: %s", e.Pos.Line, e.Pos.Col, e.End.Col-1, e.Msg)
			if got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestOracleErrors compares whole messages with nft's: position, words, the
// line, and the carets.
func TestOracleErrors(t *testing.T) {
	nft := namespace(t)
	for _, c := range errorCases {
		out, err := nft(c.text, "-f", "-")
		if err == nil {
			if c.ours != "not in our scope" {
				t.Errorf("%s: nft accepts this", c.name)
			}
			nft("", "flush", "ruleset")
		}
		if c.ours != "" {
			continue
		}
		e := errorOf(t, c.text)
		if e == nil {
			continue
		}
		want := strings.Split(out, "\n")
		if len(want) > 3 {
			want = want[:3]
		}
		if w := strings.Join(want, "\n"); e.Error() != w {
			t.Errorf("%s:\nours\n%s\nnft\n%s", c.name, e.Error(), w)
		}
	}
}

// recovered are texts with several errors, of which nft names each: syntax errors
// first, then what it finds wrong with the commands that it could read, ten in all.
var recovered = []struct{ name, text string }{
	{"a brace on the line of the error", "table ip t {\n chain c {\n  tcp dport\n }\n chain u { return }\n}\n"},
	{"behind the block", "table ip t {\n chain c { accept; }, foo\n accept\n}\nfoo bar baz\n"},
	{"in a set", "table ip t {\n set s { type ipv4_addr; flags foo; size 5\n }\n set @x { type ipv4_addr; }\n}\n"},
	{"in an object", "table ip t {\n ct helper h {\n  type ftp\n  protocol tcp;\n }\n counter c { foo\n }\n}\n"},
	{"the end comes too early", "table ip t {\n chain c {\n  accept foo\n"},
	{"no table around", "chain input {\n type filter hook input priority 0;\n iifname \"eth0\" accept\n}\n"},
	{"more than ten", strings.Repeat("add nonsense {\n", 12)},
	{"syntax before sense", "table ip t {\n chain c {\n  tcp dport 22 foo\n  tcp dport bar\n  jump nowhere\n }\n}\nadd rule ip t c ip saddr ::1\nadd foo\n"},
	{"what only the kernel says", "add table ip t\nadd chain ip t c { type nat hook forward priority 0; }\n"},
	{"a helper of IPv4", "table inet t {\n ct helper h { type \"pptp\" protocol tcp; l3proto ip6; }\n}\n"},
	{"a helper of another family", "add table ip t\nadd ct helper ip t h { type \"ftp\" protocol tcp; l3proto ip6; }\n"},
	{"another type for a chain", "add table ip t\nadd chain ip t c { type filter hook input priority 0; }\nadd chain ip t c { type nat hook input priority 0; }\n"},
	{"another priority for a chain", "add table ip t\nadd chain ip t c { type filter hook input priority 0; }\nadd chain ip t c { type filter hook input priority 5; }\n"},
	{"a hook for a chain without", "table ip t {\n chain c { }\n}\nadd chain ip t c { type filter hook input priority 0; }\n"},
	{"a prefix for a set without intervals", "table ip t {\n set s { type ipv4_addr; elements = { 1.2.3.4/32 }\n }\n}\n"},
	{"a key of another type", "table ip t {\n set s { type ipv4_addr; flags dynamic; }\n chain c { add @s { tcp dport timeout 5s }\n }\n}\n"},
	{"two definitions of a name", "define a = 1\ndefine a = 2\ndefine b = 3\ntable ip t { chain c { tcp dport $b; }\n}\n"},
	{"no file to include", "include \"nosuch.nft\"\ninclude \"nosuch2.nft\"\ninclude \"nosuch3.nft\"\n"},
}

// TestOracleRecovery compares all errors of a text with nft's.
func TestOracleRecovery(t *testing.T) {
	nft := namespace(t)
	for _, c := range recovered {
		want, err := nft(c.text, "-c", "-f", "-")
		if err == nil {
			t.Errorf("%s: nft accepts this", c.name)
			continue
		}
		_, err = Parse("/dev/stdin", []byte(c.text), ParseOptions{})
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		if got := err.Error() + "\n"; got != want {
			t.Errorf("%s:\nours\n%s\nnft\n%s", c.name, got, want)
		}
	}
}

// TestErrorLines has lines with tabs and lines that are long: they are shown as they
// are, and the row of carets is as wide wherever tabs end.
func TestErrorLines(t *testing.T) {
	for _, c := range []struct{ name, line, shown, row string }{
		{"tabs before the place", "add rule ip x c\ttcp\tdport\tsyn", "", "               \t   \t     \t^^^"},
		{"tabs inside the place", "add rule ip x c ip saddr\t{ 1.1.1.1, 80\t-\t70 }", "", "                        \t           ^^^^^^^"},
		{"as long as nft shows", "add rule ip x c tcp dport foo" + strings.Repeat(" ", 994), "", "                          ^^^"},
		{"longer", "add rule ip x c tcp dport foo" + strings.Repeat(" ", 995), "add rule ip x c tcp dport foo" + strings.Repeat(" ", 991) + "...", "                          ^^^"},
	} {
		_, err := Parse("f", []byte("add table ip x\nadd chain ip x c\n"+c.line+"\n"), ParseOptions{})
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		shown := c.shown
		if shown == "" {
			shown = c.line
		}
		if len(lines) != 3 || lines[1] != shown || lines[2] != c.row {
			t.Errorf("%s:\n%q\nwant\n%q\n%q", c.name, lines, shown, c.row)
		}
	}
}

// TestSeveralErrors wants every wrong rule named in one run.
func TestSeveralErrors(t *testing.T) {
	text := in("", "tcp dport 70000\n  ct state foo accept\n  accept\n  jump nowhere\n  tcp dport 22 nowhere")
	_, err := Parse("f", []byte(text), ParseOptions{})
	list, ok := err.(ErrorList)
	if !ok || len(list) != 3 { // the jump would be the kernel's business
		t.Fatalf("want three errors, got %v", err)
	}
	for i, line := range []int{11, 7, 8} { // syntax first
		if list[i].Pos.Line != line || list[i].Line == "" {
			t.Errorf("error %d is at line %d, want %d: %v", i, list[i].Pos.Line, line, list[i])
		}
	}
}
