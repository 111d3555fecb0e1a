package rulefuzz

import (
	"fmt"
	"strings"
)

// statement makes a statement that does not end the rule; "" if the one that
// chance chose does not fit.
func (g *maker) statement(s *scope) string {
	switch g.IntN(19) {
	case 0, 1, 2, 3:
		return "counter"
	case 16, 17:
		what := pick(g.dice, "ct helper", "ct timeout")
		if names := g.objects[what]; len(names) > 0 && g.class == "filter" && g.hook != "ingress" {
			return what + ` set "` + pick(g.dice, names...) + `"`
		}
	case 18:
		return g.minor(s)
	case 4:
		for _, what := range []string{pick(g.dice, "counter", "quota", "limit")} {
			if names := g.objects[what]; len(names) > 0 {
				return what + ` name "` + pick(g.dice, names...) + `"`
			}
		}
	case 5:
		return "limit " + g.limit()
	case 6:
		return fmt.Sprintf("quota %s%d bytes", pick(g.dice, "over ", ""), pick(g.dice, 50, 200, 1000, 5000))
	case 7, 8:
		return g.mark(s)
	case 9:
		return g.rewrite(s)
	case 10, 11:
		return g.update(s)
	case 12:
		return g.objectMap(s)
	case 13:
		if g.hook == "prerouting" && g.class == "filter" {
			return "notrack"
		}
	case 14:
		return fmt.Sprintf("ct label set %d", g.IntN(8))
	case 15:
		return fmt.Sprintf(`log prefix "r%d"`, g.IntN(9))
	}
	return ""
}

// minor makes one of the statements that few rules have.
func (g *maker) minor(s *scope) string {
	switch g.IntN(5) {
	case 4:
		return "meta priority set " + kClass.show(g.draw(kClass))
	case 0:
		if g.early { // the kernel takes packets that it found INVALID for new ones, once they have a zone
			return fmt.Sprintf("ct zone set %d", 1+g.IntN(3))
		}
	case 1:
		if !g.belowIP() {
			return "ct event set " + pick(g.dice, "new", "new,destroy", "assured")
		}
	case 2:
		if f := (&field{l4: "tcp"}); s.allows(f) {
			*s = s.with(f)
			return "reset tcp option " + pick(g.dice, "timestamp", "sack-perm", "maxseg", "window")
		}
	}
	return ""
}

func (g *maker) mark(s *scope) string {
	left := pick(g.dice, "meta mark", "meta mark", "ct mark")
	var right string
	switch g.IntN(9) {
	case 0, 1, 2:
		right = kMark.show(g.draw(kMark))
	case 3:
		right = pick(g.dice, "meta mark", "ct mark") + fmt.Sprintf(" & 0x%x", g.IntN(256)) + pick(g.dice, "", fmt.Sprintf(" | 0x%x", g.IntN(256)))
	case 4:
		right = pick(g.dice, "meta mark", "ct mark") + fmt.Sprintf(" %s %d", pick(g.dice, "<<", ">>"), 1+g.IntN(16))
	case 5:
		of, keys := g.choose(s, func(of *set) bool { return of.data == kMark })
		if of == nil {
			return ""
		}
		right = keys + " map @" + of.name
	case 6:
		f := g.field(s, true)
		right = f.text + " map " + g.mapping(f, func() string { return kMark.show(g.draw(kMark)) })
	case 7:
		right = fmt.Sprintf("numgen inc mod %d offset %d", 2+g.IntN(6), g.IntN(4))
	case 8:
		ip := s.family(g.table.Family)
		if ip == "" {
			return ""
		}
		right = fmt.Sprintf("jhash %s saddr . %s daddr mod %d seed 0x%x", ip, ip, 2+g.IntN(14), 1+g.IntN(1<<16))
	}
	return left + " set " + right
}

// mapping makes a map without a name.
func (g *maker) mapping(f *field, value func() string) string {
	var els []string
	taken := intervals{}
	for range 1 + g.IntN(6) {
		if el := g.element(f.kind, &taken, true); el != "" {
			els = append(els, el+" : "+value())
		}
	}
	return "{ " + strings.Join(els, ", ") + " }"
}

// tuples makes a map without a name from a concatenation.
func (g *maker) tuples(fs []*field, value func() string) string {
	var els []string
	taken, ranges := intervals{}, g.chance(2)
	for range 1 + g.IntN(6) {
		if el := g.apart(fs, &taken, ranges); el != "" {
			els = append(els, el+" : "+value())
		}
	}
	return "{ " + strings.Join(els, ", ") + " }"
}

// rewrites are fields that rules may write, with values that leave a packet
// that can be forwarded.
var rewrites = []struct {
	field
	values []string
}{
	{field{text: "ip ttl", l3: "ip"}, []string{"9", "64", "255"}},
	{field{text: "ip dscp", l3: "ip"}, []string{"cs3", "ef", "0"}},
	{field{text: "ip ecn", l3: "ip"}, []string{"ce", "ect0"}},
	{field{text: "ip id", l3: "ip"}, []string{"77", "0"}},
	{field{text: "ip saddr", l3: "ip"}, []string{"10.77.11.4", "203.0.113.4", "198.51.100.9"}},
	{field{text: "ip daddr", l3: "ip"}, []string{"10.77.11.4", "203.0.113.4"}},
	{field{text: "ip6 daddr", l3: "ip6"}, []string{"fd77:a::4", "fd77:b::4"}},
	{field{text: "ip6 flowlabel", l3: "ip6"}, []string{"77", "0"}},
	{field{text: "tcp ackseq", l4: "tcp"}, []string{"1", "70000"}},
	{field{text: "tcp urgptr", l4: "tcp"}, []string{"80"}},
	{field{text: "sctp dport", l4: "sctp"}, []string{"80", "1000"}},
	{field{text: "ip6 hoplimit", l3: "ip6"}, []string{"9", "64", "255"}},
	{field{text: "ip6 dscp", l3: "ip6"}, []string{"cs3", "ef", "0"}},
	{field{text: "ip6 saddr", l3: "ip6"}, []string{"fd77:a::4", "2001:db8:1::9"}},
	{field{text: "tcp dport", l4: "tcp"}, []string{"80", "1000"}},
	{field{text: "tcp sport", l4: "tcp"}, []string{"80", "1000"}},
	{field{text: "tcp window", l4: "tcp"}, []string{"999"}},
	{field{text: "udp dport", l4: "udp"}, []string{"80", "1000"}},
	{field{text: "udp sport", l4: "udp"}, []string{"999"}},
	{field{text: "udplite dport", l4: "udplite"}, []string{"80", "1000"}},
	{field{text: "udplite csumcov", l4: "udplite"}, []string{"8", "0"}},
	{field{text: "dccp sport", l4: "dccp"}, []string{"80"}},
	{field{text: "igmp mrt", l3: "ip", l4: "igmp"}, []string{"7"}},
	{field{text: "icmp code", l3: "ip", l4: "icmp"}, []string{"3"}},
	{field{text: "icmpv6 code", l3: "ip6", l4: "ipv6-icmp"}, []string{"3"}},
	{field{text: "tcp option maxseg size", l4: "tcp"}, []string{"500", "1400", "rt mtu"}},
	{field{text: "th dport"}, []string{"81"}},
}

func (g *maker) rewrite(s *scope) string {
	w := pick(g.dice, rewrites...)
	if g.nats && (strings.HasSuffix(w.text, "addr") || strings.HasSuffix(w.text, "port")) { // NAT does not know of it
		return ""
	}
	if strings.HasSuffix(w.text, "daddr") && g.hook != "prerouting" && !g.wire { // whom a link does not know Linux waits for
		return ""
	}
	if !s.allows(&w.field) || w.text == "th dport" && s.l4 == "" || !g.has(&w.field) {
		return ""
	}
	*s = s.with(&w.field)
	v := pick(g.dice, w.values...)
	if v == "rt mtu" && (g.wire || g.hook != "forward" && g.hook != "postrouting") {
		v = "900"
	}
	return w.text + " set " + v
}

// update makes a statement that changes a set.
func (g *maker) update(s *scope) string {
	of, keys := g.choose(s, func(of *set) bool { return of.dynamic && !of.verdict && of.object == "" })
	if of == nil {
		return ""
	}
	verb := pick(g.dice, "add", "update", "update", "delete")
	if verb == "delete" && of.size < 1000 { // the kernel counts deleted elements until it sweeps the set
		verb = "add"
	}
	if verb == "delete" && of.data == nil {
		// Some at most: a dead element stays in the kernel's table until it is swept,
		// and where 16 of a key lie an insertion fails while the table is hashed anew,
		// which is a matter of time.
		return fmt.Sprintf("limit rate 1/day burst %d packets delete @%s { %s }", 1+g.IntN(4), of.name, keys)
	}
	el := keys
	if of.timeout {
		el += " timeout " + pick(g.dice, "1h", "2h")
	}
	if of.data != nil {
		verb = strings.Replace(verb, "delete", "add", 1)
		return verb + " @" + of.name + " { " + el + " : " + of.data.show(g.draw(of.data)) + " }"
	}
	if !of.counts {
		if g.chance(2) {
			el += pick(g.dice, " counter", " limit "+g.limit(), " quota over 500 bytes", " quota 100 bytes")
		}
	}
	return verb + " @" + of.name + " { " + strings.TrimSpace(el) + " }"
}

func (g *maker) objectMap(s *scope) string {
	of, keys := g.choose(s, func(of *set) bool { return of.object != "" })
	if of == nil {
		return ""
	}
	return of.object + " name " + keys + " map @" + of.name
}

// verdict makes a verdict for a chain of that type and hook, with the number of
// the chain in work; calls go to later ones.
func (g *maker) verdict(class, hook string, from int) string {
	var to []string
	for i, c := range g.calls {
		if i > from && c.class == class && c.hook == hook {
			to = append(to, c.name)
		}
	}
	n := g.IntN(12)
	switch {
	case n < 4 && len(to) > 0:
		return pick(g.dice, "jump ", "jump ", "goto ") + pick(g.dice, to...)
	case n < 7:
		return "accept"
	case n < 9:
		return "drop"
	case n < 11:
		return "return"
	}
	return "continue"
}

// last makes what ends a rule.
func (g *maker) last(s *scope) string {
	n := g.IntN(12)
	switch {
	case g.class == "nat" && n < 6:
		if t := g.nat(s); t != "" {
			return t
		}
	case n == 0 && g.class == "filter" && !g.wire && (g.hook == "forward" || g.hook == "prerouting" || g.hook == "ingress"):
		return g.reject(s)
	case n == 1 && g.chance(2):
		fs := g.keys(s)
		return texts(fs) + " vmap " + g.tuples(fs, func() string { return g.verdict(g.class, g.hook, g.number) })
	case n == 1:
		f := g.field(s, true)
		return f.text + " vmap " + g.mapping(f, func() string { return g.verdict(g.class, g.hook, g.number) })
	case n == 2 && g.class == "filter" && g.number < 0:
		of, keys := g.choose(s, func(of *set) bool { return of.verdict && of.hook == g.hook })
		if of != nil {
			return keys + " vmap @" + of.name
		}
	case n == 3 && g.chance(3):
		v := g.verdict(g.class, g.hook, g.number)
		return fmt.Sprintf("%s mod 4 vmap { 0-1 : %s, 2-3 : %s }", pick(g.dice, "numgen random", "symhash"), v, v)
	case n == 3:
		return fmt.Sprintf("numgen inc mod %d vmap { 0 : %s, 1 : %s }", 2+g.IntN(3), g.verdict(g.class, g.hook, g.number), g.verdict(g.class, g.hook, g.number))
	}
	return g.verdict(g.class, g.hook, g.number)
}

func (g *maker) reject(s *scope) string {
	all := []string{"reject"}
	if s.l4 == "tcp" || s.l4 == "" {
		all = append(all, "reject with tcp reset")
	}
	if g.both() {
		all = append(all, "reject with icmpx "+pick(g.dice, "no-route", "port-unreachable", "host-unreachable", "admin-prohibited"))
	}
	if s.l3 != "ip6" && s.l3 != settled && g.table.Family != "ip6" {
		all = append(all, "reject with icmp "+pick(g.dice, "net-unreachable", "host-unreachable", "prot-unreachable", "port-unreachable", "admin-prohibited"))
	}
	if s.l3 != "ip" && s.l3 != settled && g.table.Family != "ip" {
		all = append(all, "reject with icmpv6 "+pick(g.dice, "no-route", "admin-prohibited", "addr-unreachable", "port-unreachable", "policy-fail", "reject-route"))
	}
	return pick(g.dice, all...)
}

// nat makes a translation that leaves nothing to chance but a port that is taken.
func (g *maker) nat(s *scope) string {
	ip := s.family(g.table.Family)
	if s.l3 == settled {
		return ""
	}
	if ip == "" {
		ip = pick(g.dice, "ip", "ip6")
		if g.table.Family == "inet" {
			s.l3 = ip
		}
	}
	to := "ip to "
	if ip == "ip6" {
		to = "ip6 to "
	}
	if g.table.Family != "inet" {
		to = "to "
	}
	address, kind := map[string][]string{"ip": {"10.77.11.2", "10.77.11.3", "203.0.113.5"}, "ip6": {"fd77:a::2", "fd77:a::3", "fd77:b::5"}}[ip], kIPv4
	if g.hook == "postrouting" {
		address = map[string][]string{"ip": {"203.0.113.200", "203.0.113.201", "203.0.113.1"}, "ip6": {"fd77:b::200", "fd77:b::201"}}[ip]
	}
	if ip == "ip6" {
		kind = kIPv6
	}
	host := pick(g.dice, address...)
	if g.chance(4) {
		host = ip + pick(g.dice, " saddr", " daddr") + " map " + g.mapping(&field{kind: kind}, func() string { return pick(g.dice, address...) })
	}
	if g.hook == "postrouting" {
		return pick(g.dice, "masquerade", "snat "+to+host)
	}
	if g.chance(8) {
		return "redirect"
	}
	if strings.Contains(host, " map ") {
		return "dnat " + to + host
	}
	if (s.l4 == "tcp" || s.l4 == "udp") && g.chance(2) {
		if ip == "ip6" {
			host = "[" + host + "]"
		}
		host += fmt.Sprintf(":%d", pick(g.dice, 80, 8080))
	}
	return "dnat " + to + host
}
