package rulefuzz

import (
	"fmt"
	"slices"
	"strings"
)

// set is a named set or map of the table in work.
type set struct {
	name    string
	keys    []*kind
	field   *field // the only one that fits, of sets made by typeof
	data    *kind  // of a map of values
	verdict bool   // verdict map; its chains are those of hook
	hook    string
	class   string
	object  string // kind of object that a map leads to
	dynamic bool
	timeout bool
	counts  bool // elements have statements
	size    int  // of one that changes
}

// typed are kinds that sets name as nft does; others are made by typeof.
var typed = []*kind{kIPv4, kIPv6, kPort, kProto, kMAC, kMark, kICMP, kICMP6, kDSCP, kEther, kIfname, kDir}

// declare makes a table's sets, maps and objects.
func (g *maker) declare() {
	for i := range g.IntN(3) {
		g.object("counter", fmt.Sprintf("cnt%d", i), fmt.Sprintf("packets %d bytes %d", g.IntN(2), g.IntN(2)))
	}
	for i := range g.IntN(3) {
		g.object("quota", fmt.Sprintf("quo%d", i), fmt.Sprintf("%s%d bytes", pick(g.dice, "over ", "", "over "), pick(g.dice, 1, 100, 1000, 5000, 20000)))
	}
	for i := range g.IntN(3) {
		g.object("limit", fmt.Sprintf("lim%d", i), g.limit())
	}
	if !g.flowless() && g.chance(3) {
		g.trackers()
	}
	for i := range g.IntN(6) {
		g.set(fmt.Sprintf("set%d", i))
	}
}

func (g *maker) object(what, name, body string) {
	g.table.Decls = append(g.table.Decls, &Decl{Head: what + " " + name, Lines: []string{body}})
	g.objects[what] = append(g.objects[what], name)
}

// trackers declares objects that flows get. Expectations would make flows wait
// for one another by chance.
func (g *maker) trackers() {
	l3 := "l3proto " + pick(g.dice, "ip", "ip6")
	if g.table.Family != "inet" {
		l3 = "l3proto " + g.table.Family
	}
	for i := range g.IntN(3) {
		h := pick(g.dice, `"ftp" protocol tcp`, `"tftp" protocol udp`, `"sip" protocol udp`, `"irc" protocol tcp`)
		if strings.Contains(h, "irc") && l3 == "l3proto ip6" {
			continue
		}
		name := fmt.Sprintf("hlp%d", i)
		g.table.Decls = append(g.table.Decls, &Decl{Head: "ct helper " + name, Lines: []string{"type " + h, l3}})
		g.objects["ct helper"] = append(g.objects["ct helper"], name)
	}
	for i := range g.IntN(3) {
		name := fmt.Sprintf("tmo%d", i)
		policy := pick(g.dice, "protocol tcp\n\t\t%s\n\t\tpolicy = { established : 5000, syn_sent : 200, close : 400 }",
			"protocol udp\n\t\t%s\n\t\tpolicy = { unreplied : 300, replied : 3000 }")
		g.table.Decls = append(g.table.Decls, &Decl{Head: "ct timeout " + name, Lines: strings.Split(strings.ReplaceAll(fmt.Sprintf(policy, l3), "\t", ""), "\n")})
		g.objects["ct timeout"] = append(g.objects["ct timeout"], name)
	}
}

// limit is a limit that gives nothing back while a case is played.
func (g *maker) limit() string {
	if g.chance(3) {
		return fmt.Sprintf("rate %s%d bytes/day burst %d bytes", pick(g.dice, "over ", ""), 1+g.IntN(5), pick(g.dice, 60, 100, 500, 2000))
	}
	return fmt.Sprintf("rate %s%d/day burst %d packets", pick(g.dice, "over ", ""), 1+g.IntN(3), 1+g.IntN(20))
}

// set declares a set or a map.
func (g *maker) set(name string) {
	s := &set{name: name}
	d := &Decl{}
	fs := g.setKeys(s)
	key := "type " + kindNames(s.keys)
	if s.field != nil {
		key = "typeof " + s.field.text
	}
	ranged := g.chance(2)
	var value func() string
	switch n := g.IntN(12); {
	case n < 3:
		s.data = pick(g.dice, kMark, kMark, kPort, kIPv4, kIPv6, kByte)
		if s.data == kByte {
			s.data = kMark
		}
		key += " : " + s.data.name
		value = func() string { return s.data.show(g.draw(s.data)) }
		if s.field != nil && s.data != kMark {
			return
		}
		if s.field != nil {
			key = strings.TrimSuffix(key, s.data.name) + "meta mark"
		}
	case n < 6 && s.field == nil:
		s.verdict, s.class, s.hook = true, "filter", pick(g.dice, g.hooks...)
		key += " : verdict"
		value = func() string { return g.verdict(s.class, s.hook, -1) }
	case n == 6 && s.field == nil:
		s.object = pick(g.dice, "counter", "quota", "limit")
		if len(g.objects[s.object]) == 0 {
			return
		}
		key += " : " + s.object
		value = func() string { return `"` + pick(g.dice, g.objects[s.object]...) + `"` }
	case n < 9:
		s.dynamic, ranged = true, false
	}
	if s.data != nil && g.chance(4) && kindBits(s.keys) <= 128 { // nft 1.0.6 puts the data into the registers of a longer key
		s.dynamic, ranged = true, false
	}
	d.Head = "set " + name
	if value != nil {
		d.Head = "map " + name
	}
	d.Lines = []string{key}
	var flags []string
	if s.dynamic {
		flags = append(flags, "dynamic")
		s.size = pick(g.dice, 2, 4, 16, 1000, 1000)
		d.Lines = append(d.Lines, fmt.Sprintf("size %d", s.size))
		if s.timeout = g.chance(3); s.timeout {
			flags = append(flags, "timeout")
		}
	}
	if ranged {
		flags = append(flags, "interval")
	}
	if !s.dynamic && g.chance(6) {
		flags = append(flags, "constant")
	}
	if len(flags) > 0 {
		d.Lines = append(d.Lines, "flags "+strings.Join(flags, ","))
	}
	if s.timeout && g.chance(2) {
		d.Lines = append(d.Lines, "timeout 1h")
	}
	if value == nil && !ranged && g.chance(3) && !slices.Contains(flags, "constant") {
		s.counts = true
		d.Lines = append(d.Lines, "counter")
	}
	g.fill(d, fs, ranged, s, value)
	g.table.Decls = append(g.table.Decls, d)
	g.sets = append(g.sets, s)
}

// setKeys chooses what a set's keys are.
func (g *maker) setKeys(s *set) []*field {
	sc := &scope{}
	fs := []*field{g.field(sc, true)}
	if g.chance(3) {
		fs = g.keys(sc)
	}
	for i, f := range fs {
		if !slices.Contains(typed, f.kind) {
			s.field, s.keys = fs[i], []*kind{f.kind}
			return fs[i : i+1]
		}
	}
	for _, f := range fs {
		s.keys = append(s.keys, f.kind)
	}
	return fs
}

func kindNames(ks []*kind) string {
	var all []string
	for _, k := range ks {
		all = append(all, k.name)
	}
	return strings.Join(all, " . ")
}

func kindBits(ks []*kind) (bits int) {
	for _, k := range ks {
		bits += (k.bits + 31) / 32 * 32
	}
	return bits
}

// fill gives a set its elements.
func (g *maker) fill(d *Decl, fs []*field, ranged bool, s *set, value func() string) {
	most := pick(g.dice, 2, 8, 40)
	if s.dynamic {
		most = 2
	}
	taken := intervals{}
	for range g.IntN(most + 1) {
		var el string
		if len(fs) == 1 {
			el = g.element(fs[0].kind, &taken, ranged)
		} else {
			if el = g.tuple(fs, ranged); value != nil && ranged {
				el = g.apart(fs, &taken, true)
			}
			if value != nil && slices.ContainsFunc(d.Elements, func(o string) bool { return strings.HasPrefix(o, el+" :") }) {
				continue // it may overlap another one with another value
			}
		}
		if el == "" || slices.Contains(d.Elements, el) {
			continue
		}
		if s.counts && g.chance(3) {
			el += fmt.Sprintf(" counter packets %d bytes %d", g.IntN(3), g.IntN(3))
		}
		if value != nil {
			el += " : " + value()
		}
		d.Elements = append(d.Elements, el)
	}
}

// use finds fields for the keys of a set that a rule may ask for; nil: there are
// none.
func (g *maker) use(s *scope, of *set) []*field {
	if of.field != nil {
		if !s.allows(of.field) || !g.has(of.field) {
			return nil
		}
		*s = s.with(of.field)
		return []*field{of.field}
	}
	next := *s
	var fs []*field
	for _, k := range of.keys {
		var fit []*field
		for i := range fields {
			if f := &fields[i]; f.kind == k && f.set && next.allows(f) && g.has(f) {
				fit = append(fit, f)
			}
		}
		if len(fit) == 0 {
			return nil
		}
		f := pick(g.dice, fit...)
		next = next.with(f)
		fs = append(fs, f)
	}
	*s = next
	return fs
}

// choose returns a set that fits, and the keys to ask it for; nil: there is none.
func (g *maker) choose(s *scope, fits func(*set) bool) (*set, string) {
	for range 4 {
		if len(g.sets) == 0 {
			break
		}
		of := pick(g.dice, g.sets...)
		if !fits(of) {
			continue
		}
		if fs := g.use(s, of); fs != nil {
			return of, texts(fs)
		}
	}
	return nil, ""
}

// named makes a match of a named set, "" if none fits.
func (g *maker) named(s *scope) string {
	of, keys := g.choose(s, func(of *set) bool { return of.data == nil && !of.verdict && of.object == "" })
	if of == nil {
		return ""
	}
	return keys + " " + pick(g.dice, "", "", "!= ") + "@" + of.name
}
