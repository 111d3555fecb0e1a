package rulefuzz

import (
	"fmt"
	"strings"
)

// scope is what the matches of a rule have settled: a rule that asks for two
// families or two protocols is refused by nft.
type scope struct{ l3, l4 string }

func (s scope) allows(f *field) bool {
	switch {
	case f.l3 != "" && s.l3 != "" && f.l3 != s.l3, f.l3 == "arp" && s.l4 != "":
		return false
	case f.l4 == "" || s.l4 == f.l4:
		return true
	case f.l4 == "th":
		return s.l4 == "tcp" || s.l4 == "udp" || s.l4 == "sctp" || s.l4 == "dccp"
	}
	return s.l4 == ""
}

// settled stands for a family or protocol that a rule has compared itself, after
// which nft takes no fields of any.
const settled = "*"

func (s scope) with(f *field) scope {
	if f.l3 != "" {
		s.l3 = f.l3
	}
	if f.l3 == "arp" {
		s.l4 = settled
	}
	if f.l4 != "" && f.l4 != "th" {
		s.l4 = f.l4
	}
	switch f.text {
	case "ip protocol", "ip6 nexthdr", "meta l4proto", "dst nexthdr", "hbh nexthdr", "ct protocol":
		s.l4 = settled
	case "meta protocol", "meta nfproto", "ct l3proto":
		s.l3 = settled
	case "ether type", "vlan type":
		s.l3, s.l4 = settled, settled
	case "meta iiftype": // what is not Ethernet has none of its fields, nor IP
		s.l3 = settled
	case "icmp type", "icmpv6 type", "icmpv6 param-problem", "icmpv6 mtu", "icmp mtu", "icmp gateway",
		"icmp id", "icmp sequence", "icmpv6 id", "icmpv6 sequence": // some of their fields belong to some types
		s.l4 = settled
	}
	return s
}

func raw(base string, at, bits int) string { return fmt.Sprintf("@%s,%d,%d", base, at, bits) }

// field chooses a field that the rule may ask for, and widens the scope by it.
func (g *maker) field(s *scope, keys bool) *field {
	if !keys && !g.leaving() && g.chance(20) {
		f := g.raw()
		return &f
	}
	for {
		n := g.IntN(g.weight)
		var f *field
		for i := range fields {
			if n -= fields[i].weigh; n < 0 {
				f = &fields[i]
				break
			}
		}
		if g.chance(9) {
			f = &rare[g.IntN(len(rare))]
		}
		if g.wire && g.chance(3) {
			f = &framed[g.IntN(len(framed))]
		}
		if g.wire && strings.HasPrefix(f.text, "vlan") && *s != (scope{}) {
			continue // nft wants a frame's tag in front of what the frame holds
		}
		if keys && !f.set || !s.allows(f) || !g.has(f) {
			continue
		}
		*s = s.with(f)
		return f
	}
}

// has says whether the chain can ask for a field.
func (g *maker) has(f *field) bool {
	switch {
	case strings.HasPrefix(f.text, "vlan"): // what else has a tag goes no further
		return g.hook == "ingress" || g.wire
	case strings.HasPrefix(f.text, "arp "), strings.HasPrefix(f.text, "fib") && g.wire:
		return strings.HasPrefix(f.text, "arp ") && g.wire
	case g.flowless() && strings.HasPrefix(f.text, "ct "):
		return false
	case g.table.Family == "ip" && f.l3 == "ip6", g.table.Family == "ip6" && f.l3 == "ip":
		return false
	case strings.HasPrefix(f.text, "fib"):
		return strings.HasPrefix(f.text, "fib daddr type") || g.hook == "prerouting" || g.hook == "input" || g.hook == "forward"
	case g.wire && strings.HasPrefix(f.text, "rt ip"): // the kernel refuses it in chains that are reached only
		return false
	case strings.HasPrefix(f.text, "rt ip"): // nexthop, ipsec
		return g.hook == "forward" || g.hook == "postrouting"
	case f.text == "meta iiftype": // of what the box itself sends, see rules/doc.go
		return g.hook != "postrouting"
	case f.text == "meta ipsec":
		return g.hook == "prerouting" || g.hook == "input" || g.hook == "forward"
	case f.text == "ip id" || f.text == "ip checksum": // of what the box itself sends chance decides
		return !g.leaving()
	case f.text == "meta nfproto" || f.text == "ct l3proto":
		return g.table.Family == "inet"
	}
	return true
}

// leaving says whether the chain sees what the box itself sends.
func (g *maker) leaving() bool {
	return g.hook == "postrouting" || g.hook == "output"
}

// match makes a match of a rule.
func (g *maker) match(s *scope) string {
	switch g.IntN(14) {
	case 0:
		return g.concat(s)
	case 1:
		return g.flags(s)
	case 2:
		if m := g.named(s); m != "" {
			return m
		}
	case 3:
		if m := g.computed(s); m != "" {
			return m
		}
	}
	f := g.field(s, false)
	return f.text + " " + g.right(f)
}

// right makes an operator and what stands right of it.
func (g *maker) right(f *field) string {
	k := f.kind
	v := func() string { return k.show(g.draw(k)) }
	if k == kBool {
		return v()
	}
	if strings.HasPrefix(f.text, "@") {
		return pick(g.dice, "", "", "!= ") + v()
	}
	neg := pick(g.dice, "", "", "", "!= ")
	n := g.IntN(10)
	switch {
	case k.ordered && n == 0:
		return pick(g.dice, "< ", "> ", "<= ", ">= ") + v()
	case k.ordered && n <= 2:
		lo, hi := g.span(k)
		return neg + k.show(lo) + "-" + k.show(hi)
	case (k == kIPv4 || k == kIPv6) && n <= 4:
		return neg + g.prefix(k)
	case n <= 6:
		return neg + g.anonymous(k)
	case (k == kState || k == kStatus) && n == 7:
		a, b := v(), v()
		if a != b {
			return neg + a + "," + b
		}
		return a
	}
	return neg + v()
}

// prefix makes a network.
func (g *maker) prefix(k *kind) string {
	v := g.draw(k)
	n := pick(g.dice, 8, 12, 16, 22, 24, 25, 28, 30, 31, 32)
	if k == kIPv6 {
		n = pick(g.dice, 3, 16, 32, 48, 63, 64, 65, 96, 120, 126, 127, 128)
	}
	lo, hi := v.network(n, k.bits)
	g.seen[k.name] = append(g.seen[k.name], lo, hi)
	return fmt.Sprintf("%s/%d", k.show(lo), n)
}

// network returns the first and the last value of a prefix.
func (v value) network(n, bits int) (lo, hi value) {
	mask := value{}
	for i := range bits - n {
		if i < 64 {
			mask.lo |= 1 << i
		} else {
			mask.hi |= 1 << (i - 64)
		}
	}
	return value{v.hi &^ mask.hi, v.lo &^ mask.lo}, value{v.hi | mask.hi, v.lo | mask.lo}
}

// anonymous makes a set without a name.
func (g *maker) anonymous(k *kind) string {
	var els []string
	taken := intervals{}
	for range 1 + g.IntN(pick(g.dice, 3, 6, 20)) {
		if el := g.element(k, &taken, k != kIfpattern); el != "" {
			els = append(els, el)
		}
	}
	return "{ " + strings.Join(els, ", ") + " }"
}

// intervals are what a set holds already: elements may not overlap.
type intervals struct{ all [][2]value }

func (t *intervals) take(lo, hi value) bool {
	for _, o := range t.all {
		if !hi.less(o[0]) && !o[1].less(lo) {
			return false
		}
	}
	t.all = append(t.all, [2]value{lo, hi})
	return true
}

// element makes an element that overlaps no other; "" if none was found.
func (g *maker) element(k *kind, taken *intervals, ranges bool) string {
	for range 4 {
		switch {
		case ranges && k.ordered && g.chance(4):
			if lo, hi := g.span(k); taken.take(lo, hi) {
				return k.show(lo) + "-" + k.show(hi)
			}
		case ranges && (k == kIPv4 || k == kIPv6) && g.chance(3):
			v, n := g.draw(k), pick(g.dice, 16, 24, 28, 31)
			if k == kIPv6 {
				n += 80
			}
			if lo, hi := v.network(n, k.bits); taken.take(lo, hi) {
				g.seen[k.name] = append(g.seen[k.name], lo, hi)
				return fmt.Sprintf("%s/%d", k.show(lo), n)
			}
		default:
			if v := g.draw(k); taken.take(v, v) {
				return k.show(v)
			}
		}
	}
	return ""
}

var metaMark = &field{text: "meta mark", kind: kMark}

// keys chooses fields for a concatenation.
func (g *maker) keys(s *scope) []*field {
	fs := []*field{g.field(s, true), g.field(s, true)}
	for len(fs) < 5 && g.chance(3) {
		fs = append(fs, g.field(s, true))
	}
	for i, f := range fs { // nft 1.0.6 cannot list what it finds twice under two names
		if f.l4 == "th" || strings.HasPrefix(f.text, "th ") || f.text == "ether type" {
			fs[i] = &fields[0]
			if s.l3 != "" && s.l3 != "ip" || g.table.Family == "ip6" {
				fs[i] = metaMark
			}
			*s = s.with(fs[i])
		}
	}
	return fs
}

func texts(fs []*field) string {
	var all []string
	for _, f := range fs {
		all = append(all, f.text)
	}
	return strings.Join(all, " . ")
}

// tuple makes an element of a concatenation.
func (g *maker) tuple(fs []*field, ranges bool) string {
	var parts []string
	for _, f := range fs {
		t := intervals{}
		parts = append(parts, g.element(f.kind, &t, ranges && g.chance(2)))
	}
	return strings.Join(parts, " . ")
}

// apart makes an element of a concatenation whose first field overlaps that of no
// other; "" if none was found.
func (g *maker) apart(fs []*field, taken *intervals, ranges bool) string {
	first := g.element(fs[0].kind, taken, ranges && g.chance(2))
	if first == "" {
		return ""
	}
	return first + " . " + g.tuple(fs[1:], ranges)
}

func (g *maker) concat(s *scope) string {
	fs := g.keys(s)
	var els []string
	ranges := g.chance(2)
	for range 1 + g.IntN(6) {
		els = append(els, g.tuple(fs, ranges))
	}
	return texts(fs) + " " + pick(g.dice, "", "", "!= ") + "{ " + strings.Join(dedupe(els), ", ") + " }"
}

func dedupe(list []string) (out []string) {
	seen := map[string]bool{}
	for _, s := range list {
		if !seen[s] {
			out = append(out, s)
		}
		seen[s] = true
	}
	return out
}

// flags makes a match of bits.
func (g *maker) flags(s *scope) string {
	mask := kFlags.show(g.draw(kFlags))
	v := kFlags.show(g.draw(kFlags))
	f := &field{l4: "tcp"}
	if !s.allows(f) {
		return pick(g.dice, "meta mark", "ct mark") + fmt.Sprintf(" and 0x%x %s 0x%x", 1+g.IntN(255), pick(g.dice, "==", "!="), g.IntN(16))
	}
	*s = s.with(f)
	switch g.IntN(6) {
	case 0:
		return "tcp flags " + strings.ReplaceAll(v, "|", ",")
	case 1:
		return "tcp flags & (" + mask + ") " + pick(g.dice, "==", "!=") + " " + v
	case 2:
		return "tcp flags == " + v
	case 3:
		return "tcp flags != " + v
	case 4:
		return "tcp flags & (" + mask + ") != 0"
	}
	if !strings.Contains(mask, "|") { // nft 1.0.6 wants two at least
		mask += "|" + pick(g.dice, "syn|ack", "fin|rst", "psh|urg")
	}
	return "tcp flags " + strings.ReplaceAll(v, "|", ",") + " / " + strings.ReplaceAll(mask, "|", ",")
}

// computed makes a match of something that takes computing.
func (g *maker) computed(s *scope) string {
	switch g.IntN(13) {
	case 8, 9:
		return g.certain()
	case 10:
		if g.belowIP() {
			return ""
		}
		return "ct expiration " + pick(g.dice, "< ", "> ", "<= ", ">= ", "!= 15s-") + pick(g.dice, "45s", "90s", "150s", "1000s", "2h")
	case 11:
		return g.clock()
	case 12:
		if g.hook == "input" || g.hook == "forward" {
			return "meta sdif 0"
		}
		return ""
	case 0:
		return fmt.Sprintf("numgen inc mod %d %d", 3+g.IntN(5), g.IntN(3))
	case 1:
		ip := s.family(g.table.Family)
		if ip == "" {
			return ""
		}
		n := 2 + g.IntN(14)
		return fmt.Sprintf("jhash %s saddr . %s daddr mod %d seed 0x%x %d", ip, ip, n, 1+g.IntN(1<<20), g.IntN(n))
	case 2:
		return fmt.Sprintf("meta mark & 0x%x %s 0x%x", 1+g.IntN(255), pick(g.dice, "==", "!="), g.IntN(16))
	case 3:
		if s.l3 != "" && s.l3 != "ip" || g.table.Family == "ip6" {
			return ""
		}
		s.l3 = "ip"
		return fmt.Sprintf("ip %s & %s %s %s", pick(g.dice, "saddr", "daddr"), pick(g.dice, "0.0.0.255", "255.0.0.255", "0.0.0.3"),
			pick(g.dice, "==", "!="), pick(g.dice, "0.0.0.2", "0.0.0.1", "0.0.0.3"))
	case 4:
		if s.l3 != "" && s.l3 != "ip6" || g.table.Family == "ip" {
			return ""
		}
		s.l3 = "ip6"
		return fmt.Sprintf("ip6 %s & %s %s %s", pick(g.dice, "saddr", "daddr"), pick(g.dice, "::ff", "ffff::", "::3"),
			pick(g.dice, "==", "!="), pick(g.dice, "::2", "fd77::", "::3"))
	case 5:
		return fmt.Sprintf("ct state & (established|related) %s 0", pick(g.dice, "==", "!="))
	case 6:
		return fmt.Sprintf("th dport & 0x%x == 0x%x", 1+g.IntN(255), g.IntN(4))
	}
	return "ct label " + fmt.Sprint(g.IntN(8))
}

// certain makes a match of what chance decides that is the same whatever it says.
func (g *maker) certain() string {
	n := 2 + g.IntN(6)
	of := pick(g.dice, "numgen random", "numgen random", "symhash")
	switch g.IntN(4) {
	case 0:
		return fmt.Sprintf("%s mod 1 offset %d %s%d", of, n, pick(g.dice, "", "!= "), n)
	case 1:
		return fmt.Sprintf("%s mod %d %s{ 0-%d }", of, n, pick(g.dice, "", "!= "), n-1)
	case 2:
		return fmt.Sprintf("%s mod %d offset 10 %s", of, n, pick(g.dice, "< 10", ">= 10", fmt.Sprintf("10-%d", 9+n), fmt.Sprintf("<= %d", 9+n)))
	}
	return pick(g.dice, "meta random >= 0", "meta cpu < 4096", "meta cpu != 4000", "meta cpu > 4095")
}

// clock makes a match of the time.
func (g *maker) clock() string {
	hour := func() string { return fmt.Sprintf(`"%02d:%d0"`, g.IntN(24), g.IntN(6)) }
	days := []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
	switch g.IntN(5) {
	case 0:
		a, b := hour(), hour()
		if a == b {
			return "meta hour < " + a
		}
		return "meta hour " + min(a, b) + "-" + max(a, b)
	case 1:
		return "meta hour " + pick(g.dice, "< ", ">= ") + hour()
	case 2:
		return "meta day " + pick(g.dice, "", "!= ") + pick(g.dice, days...)
	case 3:
		n := g.IntN(6)
		return "meta day " + pick(g.dice, "", "!= ") + "{ " + days[n] + ", " + days[n+1] + " }"
	}
	return "meta time " + pick(g.dice, `> "2020-01-01 00:00:00"`, `< "2020-01-01 00:00:00"`, `"2020-01-01 00:00:00"-"2035-01-01 00:00:00"`, `< "2035-01-01"`)
}

// family is the rule's, where the table has both.
func (s scope) family(table string) string {
	if table == "inet" || belowIP(table) {
		return strings.Trim(s.l3, settled)
	}
	return table
}
