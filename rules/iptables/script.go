package iptables

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// generated is how names of sets and objects begin that extensions need.
const generated = "xt_"

// Script is nft text for tables, and what is needed to understand it.
type Script struct {
	Exts   []*nft.Extension // what `xt match "N"` stands for
	family nft.Family
	text   []string
	lines  []nft.Pos // where each line comes from
	rules  []scriptRule
	chains []scriptChain
	stamps map[*recentList]uint32 // that its rules want, see InForce
}

type scriptRule struct {
	table, chain string
	rule         *Rule
}

type scriptChain struct {
	table, alias string
	chain        *Chain
}

// ScriptName is what errors call the text of a Script.
const ScriptName = "iptables"

// Given is what rules may ask for that is not in their dump.
type Given struct {
	Sets []*IPSet // for tables that lack them
	// Countries reads a file of the database of -m geoip, as "DE.iv4" (CountryFiles);
	// its errors name the file. nil: from CountryDir.
	Countries func(file string) ([]byte, error)
}

// Lower makes a script that gives tables of old the rules of tables. The tables'
// sets stay, and of given.Sets it gets those that its rules name and that it lacks;
// tree is what is in force.
func Lower(rs *Ruleset, tables []*Table, tree *nft.Ruleset, given Given) (*Script, error) {
	if given.Countries == nil {
		given.Countries = CountryFiles("")
	}
	family, nf := "ip", nft.FamilyIP
	if rs.Family == IPv6 {
		family, nf = "ip6", nft.FamilyIP6
	}
	s := &Script{family: nf, stamps: map[*recentList]uint32{}}
	recent := recentLists(tree)
	line := func(pos nft.Pos, format string, args ...any) {
		s.lines = append(s.lines, pos)
		s.text = append(s.text, fmt.Sprintf(format, args...))
	}
	tables = slices.Clone(tables)
	slices.SortStableFunc(tables, func(a, b *Table) int { return a.Pos.Line - b.Pos.Line }) // as the dump has them
	for _, t := range tables {
		old, stale := findTable(tree, nf, t.Name), map[string]bool{}
		name := family + " " + t.Name
		if old != nil {
			line(t.Pos, "flush table %s", name)
			for _, c := range old.Chains {
				line(t.Pos, "delete chain %s handle %d", name, c.Handle)
			}
			for _, set := range old.Sets {
				if strings.HasPrefix(set.Name, generated) {
					stale[set.Name] = true
				}
			}
			for _, o := range old.Objects {
				if strings.HasPrefix(o.Name, generated) {
					stale[o.Name] = true
				}
			}
		}
		l := &lower{family: rs.Family, ip: family, decls: map[string]string{}, exts: s.Exts, recent: recent, stamps: s.stamps, several: t.several(), places: map[string]nft.Pos{}, countries: given.Countries}
		l.timeouts = func(name string) *nft.Object { return timeoutOf(old, name) }
		l.sets = func(set string) *nft.Set {
			if old != nil {
				for _, have := range old.Sets {
					if have.Name == set {
						return have
					}
				}
			}
			for _, given := range given.Sets {
				if given.Name == set {
					l.declare(set, "add set @TABLE "+set+" "+given.decl)
					if len(given.elem) > 0 {
						l.declare(set+" elements", "add element @TABLE "+set+" { "+strings.Join(given.elem, ", ")+" }")
					}
					return given.set
				}
			}
			return nil
		}
		reach := t.reach()
		aliases := map[string]string{}
		for i, c := range t.Chains {
			if aliases[c.Name] = c.Name; c.Hook < 0 {
				aliases[c.Name] = fmt.Sprintf("c%d", i)
			}
		}
		alias := func(name string) string { return aliases[name] }
		var rules []string
		var places []nft.Pos
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				text, err := l.text(r, reach[c], alias)
				if err != nil {
					return nil, err
				}
				rules = append(rules, fmt.Sprintf("add rule %s %s %s", name, alias(c.Name), text))
				places = append(places, r.Pos)
				s.rules = append(s.rules, scriptRule{t.Name, alias(c.Name), r})
			}
		}
		s.Exts = l.exts
		line(t.Pos, "add table %s", name)
		for _, decl := range l.order {
			line(l.places[decl], "%s", strings.ReplaceAll(l.decls[decl], "@TABLE", name))
			delete(stale, decl)
		}
		for _, one := range slices.Sorted(maps.Keys(stale)) {
			what := "set"
			if strings.HasPrefix(one, generated+"ct_") {
				what = "ct helper"
			}
			line(t.Pos, "delete %s %s %s", what, name, one)
		}
		k := kindOf(t.Name)
		for _, c := range t.Chains {
			s.chains = append(s.chains, scriptChain{t.Name, alias(c.Name), c})
			if c.Hook < 0 {
				line(c.Pos, "add chain %s %s", name, alias(c.Name))
				continue
			}
			kind := "filter"
			if t.Name == "nat" {
				kind = "nat"
			}
			line(c.Pos, "add chain %s %s { type %s hook %s priority %d; policy %s; }", name, c.Name, kind, strings.ToLower(c.Name), k.prio[c.Hook], strings.ToLower(c.Policy))
		}
		for i, text := range rules {
			line(places[i], "%s", text)
		}
	}
	s.growRecent(false)
	return s, nil
}

// Run carries the script out on the tree it was made for, and leaves in the new
// one what tells the rules from those of nft: where they come from, the names
// of their chains, the counters of policies.
func (s *Script) Run(tree *nft.Ruleset) (*nft.Outcome, error) {
	opt := nft.ParseOptions{Extension: func(key string) *nft.Extension {
		if n, ok := number(key, max16); ok && int(n) < len(s.Exts) {
			return s.Exts[n]
		}
		return nil
	}}
	out, err := nft.Run(tree, ScriptName, []byte(strings.Join(s.text, "\n")+"\n"), opt, nft.PrintOptions{})
	if err != nil {
		return nil, s.Explain(err)
	}
	fresh := out.Rules
	names := map[string]string{}
	for _, c := range s.chains {
		have := findChain(fresh, s.family, c.table, c.alias)
		names[c.table+" "+c.alias] = c.chain.Name
		have.Name = c.chain.Name
		if have.Base != nil {
			have.Base.Count = &nft.Counter{Pos: c.chain.Pos, Packets: c.chain.Packets, Bytes: c.chain.Bytes}
		}
	}
	next := map[*nft.Chain]int{}
	for _, r := range s.rules {
		c := findChain(fresh, s.family, r.table, names[r.table+" "+r.chain])
		have := c.Rules[next[c]]
		next[c]++
		have.Origin, have.Pos = r.rule, r.rule.Pos
		intend(have, r.rule.Target)
		for _, st := range have.Stmts {
			if v, ok := st.(*nft.Verdict); ok && v.Chain != "" {
				v.Chain = names[r.table+" "+v.Chain]
			}
		}
	}
	return out, nil
}

// Explain turns an error about the script into one about the rule it comes from.
func (s *Script) Explain(err error) error {
	var list nft.ErrorList
	var one *nft.Error
	switch {
	case errors.As(err, &list) && len(list) > 0:
		one = list[0]
	case !errors.As(err, &one):
		return err
	}
	return s.At(one.Pos, "not supported: "+one.Msg)
}

// At is an error at a place of the script, or of a rule in force.
func (s *Script) At(pos nft.Pos, msg string) error {
	if pos.File == ScriptName && pos.Line >= 1 && pos.Line <= len(s.lines) {
		pos = s.lines[pos.Line-1]
	}
	return errorf(pos, "%s", msg)
}

func findTable(tree *nft.Ruleset, family nft.Family, name string) *nft.Table {
	for _, t := range tree.Tables {
		if t.Family == family && t.Name == name {
			return t
		}
	}
	return nil
}

func findChain(tree *nft.Ruleset, family nft.Family, table, chain string) *nft.Chain {
	for _, c := range findTable(tree, family, table).Chains {
		if c.Name == chain {
			return c
		}
	}
	return nil
}

// FromTree returns the tables of a tree that iptables made, with the values that
// counters have now (count; nil: those of the tree), and the names of its tables
// that hold rules of nft.
func FromTree(tree *nft.Ruleset, family Family, count func(*nft.Counter) (packets, bytes uint64)) (rs *Ruleset, foreign []string) {
	if count == nil {
		count = func(c *nft.Counter) (uint64, uint64) { return c.Packets, c.Bytes }
	}
	nf := nft.FamilyIP
	if family == IPv6 {
		nf = nft.FamilyIP6
	}
	rs = &Ruleset{Family: family}
	for i := range kinds {
		have := findTable(tree, nf, kinds[i].name)
		if have == nil {
			continue
		}
		if t := tableOf(have, &kinds[i], count); t != nil {
			rs.Tables = append(rs.Tables, t)
		} else {
			foreign = append(foreign, have.Name)
		}
	}
	return rs, foreign
}

// tableOf is nil for a table that is not iptables' own.
func tableOf(have *nft.Table, k *tableKind, count func(*nft.Counter) (packets, bytes uint64)) *Table {
	t := newTable(k)
	for _, c := range have.Chains {
		to := t.chain(c.Name)
		switch {
		case c.Base != nil && (to == nil || c.Base.Hook != nft.Hook(to.Hook) || c.Base.Count == nil):
			return nil
		case c.Base == nil && to != nil:
			return nil
		case c.Base == nil:
			to = &Chain{Pos: c.Pos, Name: c.Name, Hook: -1}
			t.add(to)
		default:
			to.Packets, to.Bytes = count(c.Base.Count)
			if c.Base.Policy == nft.VerdictDrop {
				to.Policy = "DROP"
			}
		}
		for _, r := range c.Rules {
			origin, ok := r.Origin.(*Rule)
			if !ok {
				return nil
			}
			now := *origin
			for _, st := range r.Stmts {
				if ctr, ok := st.(*nft.Counter); ok {
					now.Packets, now.Bytes = count(ctr)
					break
				}
			}
			to.Rules = append(to.Rules, &now)
		}
	}
	return t
}
