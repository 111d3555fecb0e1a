package rulefuzz

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// maker makes a case.
type maker struct {
	*dice
	weight  int // of all fields
	c       *Case
	table   *Table
	sets    []*set
	objects map[string][]string // names, by kind
	hooks   []string            // of the table's base chains
	calls   []callee
	class   string // of the chain in work: filter or nat
	hook    string
	number  int  // of the chain in work in calls; -1: a base chain
	early   bool // it is a base chain in front of conntrack
	nats    bool // some rules translate
	frames  bool // some rules see frames below IP
	wire    bool // the box is a wire
	inside  bool // the chain in work is written in a rule
	bare    bool // nothing asks for flows, so that rules see fragments
	flows   int
	dumps   string // Dump4 or Dump6: the case is a dump; "": it is nft's
	lists   int    // names of lists and tables that its matches have
	whole   bool   // no rule of the dump has fragments joined
}

// callee is a chain that can be called.
type callee struct {
	name, class, hook string
}

// Options limits what cases are made of.
type Options struct {
	Packets int    // of a case
	NAT     bool   // chains of type nat too
	Wire    bool   // for a wire: tables of family bridge
	Dump    string // Dump4, Dump6: a dump of that tool
}

// Make makes the n-th case of a seed.
func Make(seed uint64, n int, opt Options) *Case {
	g := &maker{dice: newDice(seed, n), c: &Case{}, wire: opt.Wire, frames: opt.Wire}
	if g.dumps = opt.Dump; g.dumps != "" {
		g.dump(opt)
		g.whole = !joins.MatchString(g.c.Text())
		g.packets(opt.Packets)
		return g.c
	}
	g.bare = g.wire || g.chance(5)
	opt.NAT = opt.NAT && !g.bare
	for i := range fields {
		g.weight += fields[i].weigh
	}
	for i := range pick(g.dice, 1, 1, 1, 2, 3) {
		g.tableOf(i, opt)
	}
	if !g.wire {
		g.c.Tables = append(g.c.Tables, &Table{Family: "inet", Name: "zz", Chains: []*Chain{
			{Name: "mine", Base: "type filter hook input priority 2000; policy drop;"}, // the box's own stack would answer
		}})
	}
	g.packets(opt.Packets)
	return g.c
}

func (g *maker) tableOf(n int, opt Options) {
	g.table = &Table{Family: pick(g.dice, "inet", "inet", "inet", "ip", "ip6", "netdev"), Name: fmt.Sprintf("t%d", n)}
	if g.wire {
		g.table.Family = "bridge"
	}
	g.sets, g.objects, g.calls = nil, map[string][]string{}, nil
	g.c.Tables = append(g.c.Tables, g.table)
	g.hooks = []string{pick(g.dice, "forward", "prerouting", "forward")}
	for _, hook := range []string{"prerouting", "forward", "postrouting", "input", "output"} {
		if g.chance(4) && !(g.bare && hook == "input") { // where the kernel sees datagrams, but a box what came
			g.hooks = append(g.hooks, hook)
		}
	}
	if g.wire {
		g.hooks = []string{pick(g.dice, "forward", "prerouting", "postrouting"), pick(g.dice, "forward", "prerouting", "postrouting")}
		if g.hooks[0] == g.hooks[1] && g.chance(2) {
			g.hooks = g.hooks[:1]
		}
	} else if g.table.Family == "netdev" {
		g.hooks = []string{"ingress"}
	} else if g.table.Family == "inet" && g.chance(8) {
		g.hooks = append(g.hooks, "ingress")
	}
	type base struct{ hook, class, text string }
	var bases []base
	for _, hook := range g.hooks {
		if hook == "ingress" {
			bases = append(bases, base{hook, "filter", fmt.Sprintf("type filter hook ingress devices = { %s } priority %d; policy %s;",
				pick(g.dice, `"lan"`, `"wan"`, `"lan", "wan"`), g.IntN(20)-10, pick(g.dice, "accept", "accept", "accept", "drop"))})
			continue
		}
		prio := pick(g.dice, "0", "0", "filter", "-150", "-300", "10", "-99", "99", "101", "300", fmt.Sprint(g.IntN(400)-200))
		bases = append(bases, base{hook, "filter", fmt.Sprintf("type filter hook %s priority %s; policy %s;", hook, strings.TrimSpace(prio), pick(g.dice, "accept", "accept", "accept", "drop"))})
	}
	if opt.NAT && g.chance(3) && !g.belowIP() {
		g.nats = true
		if g.chance(2) {
			bases = append(bases, base{"prerouting", "nat", "type nat hook prerouting priority dstnat; policy accept;"})
		}
		if g.chance(2) {
			bases = append(bases, base{"postrouting", "nat", "type nat hook postrouting priority srcnat; policy accept;"})
		}
	}
	for i := range g.IntN(6) {
		b := pick(g.dice, bases...)
		g.calls = append(g.calls, callee{fmt.Sprintf("call%d", i), b.class, b.hook})
	}
	g.hook, g.class = "prerouting", "filter" // as far as sets ask
	g.declare()
	for i, b := range bases {
		ch := &Chain{Name: fmt.Sprintf("base%d", i), Base: b.text}
		g.chain(ch, b.class, b.hook, -1)
	}
	for i, c := range g.calls {
		g.chain(&Chain{Name: c.name}, c.class, c.hook, i)
	}
}

func (g *maker) chain(c *Chain, class, hook string, number int) {
	g.class, g.hook, g.number = class, hook, number
	g.early = hook == "prerouting" && strings.Contains(c.Base, "priority -300;")
	g.frames = g.frames || hook == "ingress"
	if hook == "ingress" && number < 0 {
		c.Rules = append(c.Rules, []string{"meta protocol arp accept"}) // the kernel's barrier
	}
	if g.chance(12) {
		g.run(c)
	}
	for range 1 + g.IntN(pick(g.dice, 3, 8, 16)) {
		r := g.rule()
		for g.flowless() && asksFlows.MatchString(strings.Join(r, " ")) {
			r = g.rule()
		}
		c.Rules = append(c.Rules, r)
	}
	g.table.Chains = append(g.table.Chains, c)
}

// run gives a chain many plain rules one after the other.
func (g *maker) run(c *Chain) {
	ip, k := "ip", kIPv4
	if g.table.Family == "ip6" || g.both() && g.chance(3) {
		ip, k = "ip6", kIPv6
	}
	for range 20 + g.IntN(200) {
		var r []string
		if g.chance(2) {
			r = append(r, ip+" saddr "+pick(g.dice, g.prefix(k), k.show(g.draw(k))))
		}
		if g.chance(2) {
			r = append(r, ip+" daddr "+pick(g.dice, g.prefix(k), k.show(g.draw(k))))
		}
		if proto := pick(g.dice, "tcp", "udp", ""); proto != "" || len(r) == 0 {
			f := &field{text: pick(g.dice, "tcp", "udp") + pick(g.dice, " dport", " sport"), kind: kPort}
			lo, hi := g.span(kPort)
			r = append(r, f.text+" "+pick(g.dice, kPort.show(g.draw(kPort)), decimal(lo)+"-"+decimal(hi)))
		}
		if g.chance(3) {
			r = append(r, "counter")
		}
		r = append(r, g.verdict(g.class, g.hook, g.number))
		c.Rules = append(c.Rules, r)
	}
}

// both says whether the table sees IPv4 and IPv6.
func (g *maker) both() bool { return g.table.Family == "inet" || g.belowIP() }

// belowIP says whether the table sees frames, and no flows.
func (g *maker) belowIP() bool { return belowIP(g.table.Family) }

// flowless says whether no rule of the table asks for flows.
func (g *maker) flowless() bool { return g.bare || g.belowIP() }

var asksFlows = regexp.MustCompile(`\b(ct |notrack)`)

func belowIP(family string) bool { return family == "netdev" || family == "bridge" }

func (g *maker) rule() []string {
	var r []string
	s := &scope{}
	if !g.both() {
		s.l3 = g.table.Family
	}
	unequal, ether, flags, beside, counted := false, false, false, false, false
	for range g.IntN(4) {
		before := *s
		m := g.match(s)
		if counted && ofHeader(m) { // nft 1.0.6 may compare it, or what it implies, in front of the set
			*s = before
			continue
		}
		counted = counted || g.counts(m)
		if mergeable(m) && strings.HasPrefix(m, "tcp flags ") {
			if flags = true; beside { // nft 1.0.6 compares two neighbours at once: that the flags are these and no others
				*s = before
				continue
			}
		} else if mergeable(m) {
			if beside = true; flags {
				*s = before
				continue
			}
		}
		ether = ether || strings.HasPrefix(m, "ether ") && mergeable(m)
		if mergeable(m) && strings.Contains(m, " != ") {
			if unequal { // nft 1.0.6 compares two neighbours at once: that one of them differs
				*s = before
				continue
			}
			unequal = true
		}
		r = append(r, m)
	}
	if ether && s.l3 == "" { // nft 1.0.6 would compare it together with the EtherType of a later field, see mergeable
		s.l3 = settled
	}
	for range g.IntN(4) {
		if st := g.statement(s); st != "" {
			r = append(r, st)
		}
		if g.chance(6) {
			before := *s
			if m := g.match(s); !mergeable(m) {
				r = append(r, m)
			} else {
				*s = before
			}
		}
	}
	if !g.inside && g.chance(16) {
		r = append(r, g.block())
		if g.chance(3) { // which nothing comes to
			return append(r, "counter")
		}
		return r
	}
	if len(r) == 0 || g.chance(2) {
		r = append(r, g.last(s))
	}
	return r
}

// block makes a jump to a chain that is written in it.
func (g *maker) block() string {
	g.inside = true
	defer func() { g.inside = false }()
	text := pick(g.dice, "jump", "jump", "goto") + " { "
	for range 1 + g.IntN(4) {
		text += strings.Join(g.rule(), " ") + "; "
	}
	return text + "}"
}

// mergeable says whether nft 1.0.6 may compare a field together with one that
// stands in front of a statement, and then does so behind it, which says another
// thing than the rule. sluice does not follow it there.
func mergeable(match string) bool {
	if !ofHeader(match) {
		return false
	}
	one := strings.Contains(match, "{") && !strings.Contains(match, ",") // nft makes a value of it
	return (one || !strings.Contains(match, "{")) && !strings.Contains(match, " @")
}

// ofHeader says whether a match begins with a field of a header.
func ofHeader(match string) bool {
	first, _, _ := strings.Cut(match, " ")
	return first != "meta" && first != "ct" && first != "fib" && !strings.HasPrefix(first, "iif") && !strings.HasPrefix(first, "oif")
}

// counts says whether a match is of a set whose elements remember what matched.
func (g *maker) counts(match string) bool {
	return slices.ContainsFunc(g.sets, func(s *set) bool {
		return (s.counts || s.dynamic) && strings.HasSuffix(match, " @"+s.name)
	})
}
