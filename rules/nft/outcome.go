package nft

import "slices"

// ToolVersion and ToolRelease are those of the nft whose text and JSON this is.
const (
	ToolVersion = "1.0.6"
	ToolRelease = "Lester Gooch #5"
)

// Outcome is what became of a text.
type Outcome struct {
	Rules   *Ruleset // after its commands
	Changed bool     // some command changes something
	Changes []Change // what was added and taken away, in order
	Queries []*Query // what it asks, in order
	Quotas  []*Quota // of Rules, that were reset
}

// Change is one thing that was added or taken away: the first of Rule, Elements,
// Set, Object, Flowtable, Chain and Table that is set. What belongs to it is set
// too. A chain or set that was there already and has become another is "add".
type Change struct {
	Verb      string // "add", "insert" or "delete"
	Echo      bool   // nft -e shows it: a command that adds something did it
	Table     *Table
	Chain     *Chain
	Rule      *Rule
	Set       *Set
	Elements  []*Element // as the command gave them; of a flush: all there were
	Object    *Object
	Flowtable *Flowtable
}

// What is the kind of thing that changed: "rule", "element", "set" (also of maps),
// "flowtable", "object", "chain" or "table".
func (x *Change) What() string {
	switch {
	case x.Rule != nil:
		return "rule"
	case x.Elements != nil:
		return "element"
	case x.Set != nil:
		return "set"
	case x.Flowtable != nil:
		return "flowtable"
	case x.Object != nil:
		return "object"
	case x.Chain != nil:
		return "chain"
	}
	return "table"
}

// Run carries out the commands of a text on a rule set, all of them or none.
// The result is a rule set of its own, or old if nothing is changed; old itself stays
// as it is and may be in use. What the commands leave alone is the very same in
// both: tables, chains, sets and rules by pointer, and in rules that had to be made
// anew, because a set they name has changed, the statements that keep state. So
// who has counted for a Counter of old goes on. Objects that are reset had the
// values that state has for them (nil: the starting ones). The error is an ErrorList with places in the text; a place
// in what was there before has the file InForce.
func Run(old *Ruleset, file string, text []byte, opt ParseOptions, state PrintOptions) (*Outcome, error) {
	return run(file, text, opt, func(c *checker, cmds []*command) {
		c.rs = old
		for _, cmd := range cmds {
			if cmd.query == nil || cmd.verb == "reset" {
				c.rs = &Ruleset{Tables: slices.Clone(old.Tables), last: old.last}
				c.own.state = state
				return
			}
		}
	})
}

// Replace is Run on no rules at all: what was in old is gone, as a change too.
func Replace(old *Ruleset, file string, text []byte, opt ParseOptions) (*Outcome, error) {
	return run(file, text, opt, func(c *checker, _ []*command) {
		c.rs.last = old.last
		for _, t := range old.Tables {
			c.dropTable(t)
		}
		c.out.Changed = true
	})
}

// did notes a change.
func (c *checker) did(x Change) {
	x.Echo = c.adding
	c.out.Changes = append(c.out.Changes, x)
}

// flushRules takes the rules of a table away.
func (c *checker) flushRules(t *Table) {
	for _, ch := range slices.Collect(t.named()) {
		c.flushChain(t, ch)
	}
}

func (c *checker) flushChain(t *Table, ch *Chain) {
	ch = c.ownChain(t, ch)
	c.noteRules(t, ch)
	for _, r := range ch.Rules {
		t.dropInner(r)
	}
	ch.Rules = nil
}

func (c *checker) noteRules(t *Table, ch *Chain) {
	for _, r := range ch.Rules {
		c.did(Change{Verb: "delete", Table: t, Chain: ch, Rule: r})
	}
}

// dropTable notes that a table is gone, in the kernel's order. It changes nothing
// in it.
func (c *checker) dropTable(t *Table) {
	for ch := range t.named() {
		c.noteRules(t, ch)
	}
	for _, s := range t.Sets {
		c.did(Change{Verb: "delete", Table: t, Set: s})
	}
	for _, f := range t.Flowtables {
		c.did(Change{Verb: "delete", Table: t, Flowtable: f})
	}
	for _, o := range t.Objects {
		c.did(Change{Verb: "delete", Table: t, Object: o})
	}
	for ch := range t.named() {
		c.did(Change{Verb: "delete", Table: t, Chain: ch})
	}
	c.did(Change{Verb: "delete", Table: t})
}
