package iptables

import (
	"slices"
	"strings"
)

// tableKind is what the kernel knows of a table.
type tableKind struct {
	name  string
	hooks uint8
	prio  [5]int32 // by hook
}

// kinds are in the order in which tables print.
var kinds = []tableKind{
	{"security", hIn | hFwd | hOut, [5]int32{0, 50, 50, 50, 0}},
	{"raw", hPre | hOut, [5]int32{-300, 0, 0, -300, 0}},
	{"mangle", hPre | hIn | hFwd | hOut | hPost, [5]int32{-150, -150, -150, -150, -150}},
	{"nat", hPre | hIn | hOut | hPost, [5]int32{-100, 100, 0, -100, 100}},
	{"filter", hIn | hFwd | hOut, [5]int32{}},
}

func kindOf(name string) *tableKind {
	for i := range kinds {
		if kinds[i].name == name {
			return &kinds[i]
		}
	}
	return nil
}

// newTable returns an empty table with its built-in chains.
func newTable(k *tableKind) *Table {
	t := &Table{Name: k.name}
	for hook, name := range chainNames {
		if k.hooks>>hook&1 != 0 {
			t.Chains = append(t.Chains, &Chain{Name: name, Hook: hook, Policy: "ACCEPT"})
		}
	}
	return t
}

// chain finds a chain by name; nil if there is none.
func (t *Table) chain(name string) *Chain {
	for _, c := range t.Chains {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// add puts a user's chain in its place.
func (t *Table) add(c *Chain) {
	at, _ := slices.BinarySearchFunc(t.Chains, c, func(a, b *Chain) int {
		if a.Hook >= 0 {
			return -1
		}
		return strings.Compare(a.Name, b.Name)
	})
	t.Chains = slices.Insert(t.Chains, at, c)
}

// clone copies a table; rules never change, so they are shared.
func (t *Table) clone() *Table {
	fresh := *t
	fresh.Chains = make([]*Chain, len(t.Chains))
	for i, c := range t.Chains {
		copied := *c
		copied.Rules = slices.Clone(c.Rules)
		fresh.Chains[i] = &copied
	}
	return &fresh
}

// table finds a table by name; nil if there is none.
func (rs *Ruleset) table(name string) *Table {
	for _, t := range rs.Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// put adds a table or takes it for the one of its name.
func (rs *Ruleset) put(t *Table) {
	order := func(t *Table) int { return slices.IndexFunc(kinds, func(k tableKind) bool { return k.name == t.Name }) }
	for i, old := range rs.Tables {
		if old.Name == t.Name {
			rs.Tables[i] = t
			return
		}
	}
	rs.Tables = append(rs.Tables, t)
	slices.SortStableFunc(rs.Tables, func(a, b *Table) int { return order(a) - order(b) })
}

// check judges a whole table as the kernel does when it is loaded: jumps and
// loops, and every extension by the hooks that lead to its chain.
func (t *Table) check() error {
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			if r.Jump == "" {
				continue
			}
			to := t.chain(r.Jump)
			switch {
			case to == nil && r.Goto:
				return errorf(r.targetPos, "goto `%s': No chain/target/match by that name", r.Jump)
			case to == nil:
				return errorf(r.targetPos, "Couldn't load target `%s':No such file or directory", r.Jump)
			case to.Hook >= 0:
				return errorf(r.targetPos, "`%s' is a built-in chain: Invalid argument", r.Jump)
			}
		}
	}
	state := map[*Chain]int{}
	var loops func(c *Chain) error
	loops = func(c *Chain) error {
		state[c] = 1
		for _, r := range c.Rules {
			if r.Jump == "" {
				continue
			}
			to := t.chain(r.Jump)
			if state[to] == 1 {
				return toolError(r.targetPos, inCircle, "the jump to `%s' makes a loop: Too many levels of symbolic links", r.Jump)
			}
			if state[to] == 0 {
				if err := loops(to); err != nil {
					return err
				}
			}
		}
		state[c] = 2
		return nil
	}
	for _, c := range t.Chains {
		if state[c] == 0 {
			if err := loops(c); err != nil {
				return err
			}
		}
	}
	reach := t.reach()
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			for _, x := range r.Matches {
				if err := x.allowed(r, t.Name, reach[c]); err != nil {
					return err
				}
			}
			if r.Target != nil {
				if err := r.Target.allowed(r, t.Name, reach[c]); err != nil {
					return err
				}
			}
			if t.Name == "nat" && r.Verdict == "DROP" {
				return errorf(r.targetPos, "The \"nat\" table is not intended for filtering, the use of DROP is therefore inhibited")
			}
		}
	}
	return nil
}

// reach returns the hooks that lead to each chain. Jumps go to chains there are.
func (t *Table) reach() map[*Chain]uint8 {
	reach := map[*Chain]uint8{}
	byName := map[string]*Chain{}
	for _, c := range t.Chains {
		byName[c.Name] = c
	}
	for _, base := range t.Chains {
		if base.Hook < 0 {
			continue
		}
		todo := []*Chain{base}
		for len(todo) > 0 {
			c := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if reach[c]>>base.Hook&1 != 0 {
				continue
			}
			reach[c] |= 1 << base.Hook
			for _, r := range c.Rules {
				if r.Jump != "" {
					todo = append(todo, byName[r.Jump])
				}
			}
		}
	}
	return reach
}
