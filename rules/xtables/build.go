package xtables

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// put builds the table of chains, puts it in force and returns the counters of
// what it replaces. No chains at all: the table goes. Held: the registry's mu.
func (t *Table) put(chains []Chain) ([][]Counters, error) {
	var script strings.Builder
	name := nft.FamilyName(t.Family) + " " + t.Name
	tree := t.registry.engine.Tree()
	if have := findTable(tree, t.Family, t.Name); have != nil && chains == nil {
		fmt.Fprintf(&script, "delete table %s\n", name)
	} else if have != nil { // its place among the tables, and so at its hooks, stays
		fmt.Fprintf(&script, "flush table %s\n", name)
		for _, c := range have.Chains {
			fmt.Fprintf(&script, "delete chain %s %s\n", name, c.Name)
		}
	}
	b := builder{t: t, chains: chains}
	if chains != nil {
		if err := b.write(&script, name); err != nil {
			b.destroy()
			return nil, err
		}
	}
	opt := nft.ParseOptions{Extension: b.extension}
	fresh, err := nft.Apply(tree, "table "+t.Name, []byte(script.String()), opt, nft.PrintOptions{})
	var totals []rules.CounterTotal
	if err == nil {
		totals, err = t.registry.engine.Load(fresh)
	}
	if err != nil {
		b.destroy()
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	old, gone := t.counters(tree, totals), t.codes
	t.chains, t.codes = b.chains, b.codes
	t.info.Generation++
	t.info.Rules = 0
	for _, c := range b.chains {
		t.info.Rules += len(c.Rules)
	}
	destroy(gone)
	return old, nil
}

func findTable(tree *nft.Ruleset, f nft.Family, name string) *nft.Table {
	for _, t := range tree.Tables {
		if t.Family == f && t.Name == name {
			return t
		}
	}
	return nil
}

// counterOf finds the rule's own counter, which stands behind what Where says.
func counterOf(r *nft.Rule) *nft.Counter {
	for _, st := range slices.Backward(r.Stmts) {
		if c, ok := st.(*nft.Counter); ok {
			return c
		}
	}
	return nil
}

// builder makes the text of a table.
type builder struct {
	t      *Table
	chains []Chain // those of the table first, in its order
	codes  []code
	exts   []*nft.Extension
}

func (b *builder) extension(key string) *nft.Extension {
	if n, err := strconv.Atoi(key); err == nil && n >= 0 && n < len(b.exts) {
		return b.exts[n]
	}
	return nil
}

func (b *builder) destroy() { destroy(b.codes) }

func destroy(list []code) {
	for _, c := range list {
		if c.record.Destroy != nil {
			c.record.Destroy(c.run)
		}
	}
}

func (b *builder) write(out *strings.Builder, name string) error {
	if err := b.arrange(); err != nil {
		return err
	}
	reach, err := b.reach()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "add table %s\n", name)
	for i, c := range b.chains {
		if i >= len(b.t.TableSpec.Chains) {
			fmt.Fprintf(out, "add chain %s %s\n", name, c.Name)
			continue
		}
		policy, at := "accept", b.t.TableSpec.Chains[i]
		if c.Drop {
			policy = "drop"
		}
		fmt.Fprintf(out, "add chain %s %s { type filter hook %s priority %d; policy %s; }\n", name, c.Name, hookNames[at.Hook], at.Priority, policy)
	}
	for i, c := range b.chains {
		for j := range c.Rules {
			text, err := b.rule(&c.Rules[j], reach[i])
			if err != nil {
				return fmt.Errorf("chain %s rule %d: %w", c.Name, j+1, err)
			}
			fmt.Fprintf(out, "add rule %s %s %s\n", name, c.Name, text)
		}
	}
	return nil
}

var hookNames = [...]string{"prerouting", "input", "forward", "output", "postrouting"}

// arrange puts the built-in chains first, and adds those that are not given.
func (b *builder) arrange() error {
	given := b.chains
	b.chains = nil
	for _, builtin := range b.t.TableSpec.Chains {
		if int(builtin.Hook) >= len(hookNames) {
			return fmt.Errorf("chain %s: hook %d: %w", builtin.Name, builtin.Hook, ErrInvalid)
		}
		b.chains = append(b.chains, Chain{Name: builtin.Name})
	}
	for _, c := range given {
		at := slices.IndexFunc(b.chains, func(have Chain) bool { return have.Name == c.Name })
		switch {
		case c.Name == "" || len(c.Name) > maxChainName:
			return fmt.Errorf("chain %s: a name of 1 to %d bytes is needed: %w", c.Name, maxChainName, ErrInvalid)
		case at >= len(b.t.TableSpec.Chains):
			return fmt.Errorf("chain %s: %w", c.Name, ErrExists)
		case at >= 0:
			b.chains[at] = c
		case c.Drop:
			return fmt.Errorf("chain %s: only built-in chains have a policy: %w", c.Name, ErrInvalid)
		default:
			b.chains = append(b.chains, c)
		}
	}
	return nil
}

// reach returns the hooks that lead to each chain.
func (b *builder) reach() ([]Hooks, error) {
	index := func(name string) int {
		return slices.IndexFunc(b.chains, func(c Chain) bool { return c.Name == name })
	}
	reach := make([]Hooks, len(b.chains))
	seen := make([]bool, len(b.chains))
	open := make([]bool, len(b.chains))
	var visit func(i int, from Hooks) error
	visit = func(i int, from Hooks) error {
		if open[i] {
			return fmt.Errorf("chain %s calls itself: %w", b.chains[i].Name, ErrLoop)
		}
		if seen[i] && reach[i]&from == from {
			return nil
		}
		seen[i] = true
		reach[i] |= from
		open[i] = true
		defer func() { open[i] = false }()
		for _, r := range b.chains[i].Rules {
			if r.Jump == "" {
				continue
			}
			to := index(r.Jump)
			if to < len(b.t.TableSpec.Chains) {
				return fmt.Errorf("jump to %s: %w", r.Jump, ErrNoEntry)
			}
			if err := visit(to, from); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range b.chains {
		from := Hooks(0)
		if i < len(b.t.TableSpec.Chains) {
			from = 1 << b.t.TableSpec.Chains[i].Hook
		}
		if err := visit(i, from); err != nil {
			return nil, err
		}
	}
	return reach, nil
}

func (b *builder) rule(r *Rule, hooks Hooks) (string, error) {
	var out []string
	if r.Proto != 0 {
		out = append(out, fmt.Sprintf("meta l4proto %d", r.Proto))
	}
	if strings.ContainsAny(r.Where, "\n;#") {
		return "", fmt.Errorf("what Where says is more than matches: %w", ErrInvalid)
	}
	if r.Where != "" {
		out = append(out, r.Where)
	}
	for i := range r.Matches {
		text, err := b.use("match", b.t.registry.matches, r.Matches[i], r, hooks)
		if err != nil {
			return "", err
		}
		out = append(out, text)
	}
	out = append(out, fmt.Sprintf("counter packets %d bytes %d", r.Packets, r.Bytes))
	switch {
	case r.Target != nil:
		text, err := b.use("target", b.t.registry.targets, *r.Target, r, hooks)
		if err != nil {
			return "", err
		}
		out = append(out, text)
	case r.Jump != "" && r.Goto:
		out = append(out, "goto "+r.Jump)
	case r.Jump != "":
		out = append(out, "jump "+r.Jump)
	default:
		word, ok := map[rules.Action]string{rules.ActDrop: "drop", rules.ActAccept: "accept", rules.ActReturn: "return", rules.ActContinue: "continue"}[r.Verdict]
		if !ok {
			return "", fmt.Errorf("verdict %d: %w", r.Verdict, ErrInvalid)
		}
		out = append(out, word)
	}
	return strings.Join(out, " "), nil
}

func (b *builder) use(kind string, list []*Record, u Use, r *Rule, hooks Hooks) (string, error) {
	u.Table, u.Family, u.Hooks, u.Proto = b.t.Name, b.t.Family, hooks, r.Proto
	record, err := find(list, kind, &u)
	if err != nil {
		return "", err
	}
	run, err := record.check(kind, &u)
	if err != nil {
		return "", err
	}
	b.codes = append(b.codes, code{record, run})
	b.exts = append(b.exts, &nft.Extension{Name: u.Name, Target: kind == "target", Impl: run})
	return fmt.Sprintf("xt %s \"%d\"", kind, len(b.exts)-1), nil
}
