package xtables

import (
	"fmt"
	"slices"

	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// Builtin is a built-in chain of a table.
type Builtin struct {
	Name     string
	Hook     nft.Hook
	Priority int32
}

// TableSpec is what a table is registered as.
type TableSpec struct {
	Name   string // 1 to 32 bytes, as nft takes them
	Family nft.Family
	Chains []Builtin
}

// Rule is one rule: Where and every match must hold, then it is counted, then its
// target, verdict or jump comes.
type Rule struct {
	Where   string // in nft's language: `ip saddr 10.0.0.0/8 tcp dport 22`; "": any packet
	Proto   uint8  // transport protocol, tested too; 0: any
	Matches []Use
	Target  *Use
	Verdict rules.Action // with neither Target nor Jump: ActContinue, ActAccept, ActDrop or ActReturn
	Jump    string       // a chain of the user
	Goto    bool

	Packets, Bytes uint64 // to begin with
}

// Chain is a built-in chain or one of the user, with its rules.
type Chain struct {
	Name  string
	Drop  bool // of a built-in chain: the policy
	Rules []Rule
}

// Counters are those of a rule.
type Counters struct{ Packets, Bytes uint64 }

// Info says what is in force.
type Info struct {
	Rules      int
	Generation uint64
}

// Table is a registered table.
type Table struct {
	TableSpec
	registry *Registry
	info     Info
	chains   []Chain
	codes    []code
}

// code is an extension that a rule in force uses.
type code struct {
	record *Record
	run    rules.Extension
}

// RegisterTable makes a table with its built-in chains, which accept.
func (g *Registry) RegisterTable(spec TableSpec) (*Table, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fail := func(err error) error { return fmt.Errorf("table %s: %w", spec.Name, err) }
	if spec.Name == "" || len(spec.Name) > 32 || len(spec.Chains) == 0 {
		return nil, fail(ErrInvalid)
	}
	for _, t := range g.tables {
		if t.Name == spec.Name && overlap(t.Family, spec.Family) {
			return nil, fail(ErrExists)
		}
	}
	for _, t := range g.engine.Tree().Tables {
		if t.Name == spec.Name && t.Family == spec.Family {
			return nil, fail(ErrExists)
		}
	}
	t := &Table{TableSpec: spec, registry: g}
	var chains []Chain
	for _, b := range spec.Chains {
		chains = append(chains, Chain{Name: b.Name})
	}
	if _, err := t.put(chains); err != nil {
		return nil, fail(err)
	}
	g.tables = append(g.tables, t)
	return t, nil
}

// Unregister takes the table away and returns what its rules had counted, as
// Replace does.
func (t *Table) Unregister() ([][]Counters, error) {
	g := t.registry
	g.mu.Lock()
	defer g.mu.Unlock()
	if !slices.Contains(g.tables, t) {
		return nil, fmt.Errorf("table %s: %w", t.Name, ErrNoEntry)
	}
	old, err := t.put(nil)
	if err == nil {
		g.tables = slices.DeleteFunc(g.tables, func(have *Table) bool { return have == t })
	}
	return old, err
}

// Info says what is in force.
func (t *Table) Info() Info {
	t.registry.mu.Lock()
	defer t.registry.mu.Unlock()
	return t.info
}

// Chains returns what is in force, as it was given.
func (t *Table) Chains() []Chain {
	t.registry.mu.Lock()
	defer t.registry.mu.Unlock()
	return slices.Clone(t.chains)
}

// Counters returns what the rules have counted, by chain and rule in the order of
// Chains.
func (t *Table) Counters() [][]Counters {
	t.registry.mu.Lock()
	defer t.registry.mu.Unlock()
	return t.counters(t.registry.engine.Tree(), t.registry.engine.Counters())
}

// values gives what counters have, of what was counted since they began.
func values(totals []rules.CounterTotal) func(*nft.Counter) (packets, bytes uint64) {
	live := make(map[*nft.Counter]*rules.CounterTotal, len(totals))
	for i := range totals {
		live[totals[i].Counter] = &totals[i]
	}
	return func(c *nft.Counter) (packets, bytes uint64) {
		packets, bytes = c.Packets, c.Bytes
		if now := live[c]; now != nil {
			packets, bytes = packets+now.Packets, bytes+now.Bytes
		}
		return packets, bytes
	}
}

// counters are those of the table's rules in a tree, by chain.
func (t *Table) counters(tree *nft.Ruleset, totals []rules.CounterTotal) [][]Counters {
	have := findTable(tree, t.Family, t.Name)
	if have == nil {
		return nil
	}
	value := values(totals)
	out := make([][]Counters, len(have.Chains))
	for i, c := range have.Chains {
		out[i] = make([]Counters, len(c.Rules))
		for j, r := range c.Rules {
			out[i][j].Packets, out[i][j].Bytes = value(counterOf(r))
		}
	}
	return out
}

// Replace puts other chains in the place of those in force: the built-in ones that
// are not named are empty and accept. was is what the caller knows of the table; if
// that is no longer so it is ErrAgain and nothing changes. It returns what the
// rules that were in force have counted.
func (t *Table) Replace(was Info, chains []Chain) (old [][]Counters, err error) {
	t.registry.mu.Lock()
	defer t.registry.mu.Unlock()
	if !slices.Contains(t.registry.tables, t) {
		return nil, fmt.Errorf("table %s: %w", t.Name, ErrNoEntry)
	}
	if was != t.info {
		return nil, fmt.Errorf("table %s has %d rules and generation %d, not %d and %d: %w", t.Name, t.info.Rules, t.info.Generation, was.Rules, was.Generation, ErrAgain)
	}
	if chains == nil {
		chains = []Chain{} // put would take the table away
	}
	if old, err = t.put(chains); err != nil {
		return nil, fmt.Errorf("table %s: %w", t.Name, err)
	}
	return old, nil
}
