package rulefuzz

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Dumps of iptables and ip6tables: random rules of the tables, judged by packets
// that are aimed at their values as those of nft's rules are.

// The families of dumps, as Options.Dump and Table.Family name them.
const (
	Dump4 = "iptables"
	Dump6 = "ip6tables"
)

func dumped(family string) bool { return family == Dump4 || family == Dump6 }

// joins is what a rule has for whose sake fragments are joined.
var joins = regexp.MustCompile(`-m (conntrack|state|connmark|connbytes) `)

// dumpHooks are the chains of the tables that packets meet.
var dumpHooks = map[string][]string{
	"raw":      {"PREROUTING", "OUTPUT"},
	"mangle":   {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"},
	"nat":      {"PREROUTING", "POSTROUTING"},
	"filter":   {"FORWARD", "OUTPUT"},
	"security": {"FORWARD"},
}

// dump fills the case with tables of iptables.
func (g *maker) dump(opt Options) {
	names := []string{"filter"}
	for _, name := range []string{"raw", "mangle", "nat", "security"} {
		if g.chance(2) && (name != "nat" || opt.NAT && g.chance(2)) && (name != "security" || g.chance(4)) {
			names = append(names, name)
			g.nats = g.nats || name == "nat"
		}
	}
	for _, name := range names {
		g.dumpTable(name)
	}
}

func (g *maker) dumpTable(name string) {
	g.table = &Table{Family: g.dumps, Name: name}
	g.c.Tables = append(g.c.Tables, g.table)
	g.calls = nil
	hooks := dumpHooks[name]
	for i := range g.IntN(5) {
		hook := pick(g.dice, hooks...)
		g.calls = append(g.calls, callee{fmt.Sprintf("call%d", i), name, hook})
	}
	if name == "filter" {
		g.table.Chains = append(g.table.Chains, &Chain{Name: "INPUT", Base: "DROP [0:0]"}) // the box's own stack would answer
	}
	for _, hook := range hooks {
		if hook != "FORWARD" && hook != "PREROUTING" && !g.chance(3) {
			continue
		}
		policy := "ACCEPT [0:0]"
		if name != "nat" && g.chance(5) {
			policy = "DROP [0:0]"
		}
		g.dumpChain(&Chain{Name: hook, Base: policy}, name, hook, -1)
	}
	for i, c := range g.calls {
		g.dumpChain(&Chain{Name: c.name, Base: "- [0:0]"}, name, c.hook, i)
	}
}

func (g *maker) dumpChain(c *Chain, table, hook string, number int) {
	g.class, g.hook, g.number = table, hook, number
	for range 1 + g.IntN(pick(g.dice, 3, 8, 16)) {
		c.Rules = append(c.Rules, g.dumpRule())
	}
	g.table.Chains = append(g.table.Chains, c)
}

func (g *maker) six() bool { return g.dumps == Dump6 }

// address is the kind of the dump's addresses.
func (g *maker) address() *kind {
	if g.six() {
		return kIPv6
	}
	return kIPv4
}

// not is now and then what turns an option around.
func (g *maker) not() string { return pick(g.dice, "", "", "! ") }

// dumpRule makes a rule: what it asks, and where it leads.
func (g *maker) dumpRule() []string {
	var r []string
	add := func(format string, args ...any) { r = append(r, fmt.Sprintf(format, args...)) }
	for _, option := range []string{"-s", "-d"} {
		if g.chance(4) {
			add("%s%s %s", g.not(), option, pick(g.dice, g.prefix(g.address()), g.address().show(g.draw(g.address()))))
		}
	}
	if g.chance(6) && (g.hook == "PREROUTING" || g.hook == "INPUT" || g.hook == "FORWARD") {
		add("%s-i %s", g.not(), pick(g.dice, "lan", "wan", "la+", "w+", "eth0", "+"))
	}
	if g.chance(6) && (g.hook == "OUTPUT" || g.hook == "POSTROUTING" || g.hook == "FORWARD") {
		add("%s-o %s", g.not(), pick(g.dice, "lan", "wan", "la+", "w+", "eth0"))
	}
	icmp := "icmp"
	if g.six() {
		icmp = "ipv6-icmp"
	}
	proto := pick(g.dice, "", "", "tcp", "tcp", "tcp", "udp", "udp", icmp, "sctp", "dccp", "esp", "ah", "udplite")
	if proto == "ah" && g.six() {
		add("%s", g.protoMatch(proto)) // ip6tables-legacy looks past AH for -p, unlike iptables-nft and sluice
	} else if proto != "" {
		add("-p %s", proto)
		if m := g.protoMatch(proto); m != "" && !g.chance(4) {
			add("%s", m)
		}
	} else if g.chance(6) {
		add("! -p %s", pick(g.dice, "tcp", "udp", icmp, "sctp", "47"))
	}
	if g.chance(30) && !g.six() {
		add("%s-f", g.not())
	}
	var had []string
	for range g.IntN(4) {
		m := g.dumpMatch(proto)
		name, _, _ := strings.Cut(strings.TrimPrefix(m, "-m "), " ")
		if m == "" || slices.Contains(had, name) {
			continue
		}
		had = append(had, name)
		add("%s", m)
	}
	if t := g.target(proto); t != "" {
		add("%s", t)
	}
	if len(r) == 0 {
		add("-m comment --comment all")
	}
	return r
}

// target makes what a rule leads to; "" for a rule that counts only.
func (g *maker) target(proto string) string {
	switch g.IntN(8) {
	case 0, 1:
		return ""
	case 2, 3, 4:
		if t := g.tableTarget(proto); t != "" {
			return t
		}
	}
	var to []string
	for i, c := range g.calls {
		if i > g.number && c.hook == g.hook {
			to = append(to, c.name)
		}
	}
	if len(to) > 0 && g.chance(3) {
		return pick(g.dice, "-j ", "-j ", "-g ") + pick(g.dice, to...)
	}
	if g.class == "nat" {
		return "-j " + pick(g.dice, "ACCEPT", "RETURN")
	}
	if g.hook == "INPUT" {
		return "-j " + pick(g.dice, "RETURN", "DROP")
	}
	return "-j " + pick(g.dice, "ACCEPT", "ACCEPT", "DROP", "RETURN", "RETURN")
}

func (g *maker) tableTarget(proto string) string {
	switch g.class {
	case "filter":
		if g.hook != "FORWARD" {
			return ""
		}
		if proto == "tcp" && g.chance(2) {
			return "-j REJECT --reject-with tcp-reset"
		}
		if g.six() {
			return "-j REJECT --reject-with " + pick(g.dice, "icmp6-port-unreachable", "icmp6-no-route", "icmp6-adm-prohibited", "icmp6-addr-unreachable", "icmp6-policy-fail", "icmp6-reject-route")
		}
		return "-j REJECT --reject-with " + pick(g.dice, "icmp-port-unreachable", "icmp-net-unreachable", "icmp-host-unreachable", "icmp-proto-unreachable", "icmp-net-prohibited", "icmp-host-prohibited", "icmp-admin-prohibited")
	case "raw":
		if g.hook == "PREROUTING" {
			return pick(g.dice, "-j NOTRACK", "-j CT --notrack", "-j CT --zone 2", "-j CT --zone mark", "-j CT --ctevents new,destroy")
		}
	case "mangle":
		return g.mangled(proto)
	case "nat":
		return g.translated(proto)
	}
	return ""
}

// mangled makes a target that changes a packet, or what is known of it.
func (g *maker) mangled(proto string) string {
	mark := func() string { return kMark.show(g.draw(kMark)) }
	hops := "TTL --ttl"
	if g.six() {
		hops = "HL --hl"
	}
	switch g.IntN(16) {
	case 0, 1:
		return fmt.Sprintf("-j MARK --set-xmark %s/0x%x", mark(), g.aim(kMark).lo)
	case 2:
		return "-j MARK " + pick(g.dice, "--set-mark ", "--or-mark ", "--and-mark ", "--xor-mark ") + mark()
	case 3:
		return fmt.Sprintf("-j CONNMARK --set-xmark %s/0x%x", mark(), g.aim(kMark).lo)
	case 4:
		return fmt.Sprintf("-j CONNMARK %s --nfmask 0x%x --ctmask 0x%x", pick(g.dice, "--save-mark", "--restore-mark"), g.aim(kMark).lo, g.aim(kMark).lo)
	case 5:
		return fmt.Sprintf("-j CONNMARK %s --nfmask 0x%x --ctmask 0x%x %s %d", pick(g.dice, "--save-mark", "--restore-mark"), 0xffff, 0xff, pick(g.dice, "--left-shift-mark", "--right-shift-mark"), 1+g.IntN(16))
	case 6:
		return fmt.Sprintf("-j DSCP --set-dscp 0x%02x", g.draw(kDSCP).lo)
	case 7:
		return fmt.Sprintf("-j TOS --set-tos 0x%02x/0x%02x", g.IntN(256), pick(g.dice, 0xff, 0x3f, 0xfc, 0x0c))
	case 8:
		return fmt.Sprintf("-j %s-%s %d", hops, pick(g.dice, "set", "inc", "dec"), pick(g.dice, 1, 1, 2, 9, 64))
	case 9, 10:
		if proto == "tcp" && (g.hook == "FORWARD" || g.hook == "POSTROUTING" || g.hook == "OUTPUT") {
			return pick(g.dice, "-m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu", fmt.Sprintf("-m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss %d", 500+g.IntN(900)))
		}
	case 11:
		if proto == "tcp" {
			return "-j TCPOPTSTRIP --strip-options " + pick(g.dice, "2", "3,4", "8", "4,5,8", "2,3,4,8")
		}
	case 12:
		if g.hook == "FORWARD" || g.hook == "POSTROUTING" || g.hook == "OUTPUT" {
			return fmt.Sprintf("-j CLASSIFY --set-class %04x:%04x", g.IntN(4), g.IntN(32))
		}
	case 13:
		if proto == "tcp" && !g.six() {
			return "-j ECN --ecn-tcp-remove"
		}
	case 14:
		return "-j CHECKSUM --checksum-fill"
	}
	return ""
}

// translated makes a target of nat that leaves nothing to chance but a port that is taken.
func (g *maker) translated(proto string) string {
	inside, outside := []string{"10.77.11.2", "10.77.11.3", "203.0.113.5"}, []string{"203.0.113.200", "203.0.113.201", "203.0.113.1"}
	nets := []string{"10.77.11.4/30", "203.0.113.4/30"}
	if g.six() {
		inside, outside = []string{"fd77:a::2", "fd77:a::3", "fd77:b::5"}, []string{"fd77:b::200", "fd77:b::201"}
		nets = []string{"fd77:a::4/126", "fd77:b::4/126"}
	}
	ported := proto == "tcp" || proto == "udp"
	if g.hook == "POSTROUTING" {
		return pick(g.dice, "-j MASQUERADE", "-j SNAT --to-source "+pick(g.dice, outside...), "-j SNAT --to-source "+pick(g.dice, outside...)+" --persistent")
	}
	switch g.IntN(5) {
	case 0:
		return "-j NETMAP --to " + pick(g.dice, nets...)
	case 1:
		if ported {
			return fmt.Sprintf("-j REDIRECT --to-ports %d", pick(g.dice, 80, 8080))
		}
		return "-j REDIRECT"
	case 2:
		if ported {
			host := pick(g.dice, inside...)
			if g.six() {
				host = "[" + host + "]"
			}
			return fmt.Sprintf("-j DNAT --to-destination %s:%d", host, pick(g.dice, 80, 8080))
		}
	}
	return "-j DNAT --to-destination " + pick(g.dice, inside...)
}
