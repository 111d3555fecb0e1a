package nft

import (
	"fmt"
	"slices"
)

// checker applies commands to a rule set that begins empty, resolving names
// and values.
type checker struct {
	reporter
	rs    *Ruleset
	out   Outcome
	ends  map[Stmt]span // of the new statements that validation may report
	count int           // elements so far
	steps int           // values evaluated so far
	opt   ParseOptions

	own       ownership
	unsettled map[*Set][]*Element      // new elements of named sets, in order of the text
	lives     map[*Set]*liveSet        // nil of those that packets do not change
	given     []*Set                   // that only texts change, and the commands have changed
	merged    []*Element               // made while a set is settled
	known     map[*Set]map[string]bool // keys of the sets that something was created in
	adding    bool                     // the command adds something
	inserting bool                     // the rule being added was to be inserted
	whole     span                     // of a command that adds one chain or object alone
}

type span struct{ pos, end Pos }

func newChecker(r reporter) *checker {
	return &checker{reporter: r, rs: &Ruleset{}, ends: map[Stmt]span{}, own: newOwnership(), lives: map[*Set]*liveSet{}, unsettled: map[*Set][]*Element{}, known: map[*Set]map[string]bool{}}
}

// report records an error about r.
func (c *checker) report(r *raw, format string, args ...any) {
	c.errorf(r.pos, r.end, format, args...)
}

// fail records an error about r and ends the statement.
func (c *checker) fail(r *raw, format string, args ...any) {
	c.report(r, format, args...)
	panic(bail{})
}

func (c *checker) failToken(t *token, format string, args ...any) {
	c.errorf(t.pos, t.end, format, args...)
	panic(bail{})
}

func (c *checker) failAt(s span, format string, args ...any) {
	c.errorf(s.pos, s.end, format, args...)
	panic(bail{})
}

// failWhole records what the kernel says of a chain or object as such: nft marks the
// command that adds it, and its name if it stands in a table's block.
func (c *checker) failWhole(name *token, format string, args ...any) {
	if c.whole.pos.Line != 0 {
		c.failAt(c.whole, format, args...)
	}
	c.failToken(name, format, args...)
}

// try runs f and tells whether it came through.
func (c *checker) try(f func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, is := r.(bail); !is {
				panic(r)
			}
		}
	}()
	f()
	return true
}

// Parse reads a rule set: lexer, parser, then checker, which applies the
// commands to an empty state. The error is an ErrorList; no rule set is
// returned with it.
func Parse(file string, text []byte, opt ParseOptions) (*Ruleset, error) {
	out, err := run(file, text, opt, func(*checker, []*command) {})
	if err != nil {
		return nil, err
	}
	return out.Rules, nil
}

// run parses a text and applies its commands to what begin has put there.
func run(file string, text []byte, opt ParseOptions, begin func(*checker, []*command)) (out *Outcome, err error) {
	p := newParser(opt)
	defer func() {
		if r := recover(); r != nil {
			if _, is := r.(stop); !is {
				panic(r)
			}
			out, err = nil, p.errs
		}
	}()
	p.push(newSource(file, text))
	for name, value := range opt.Defines {
		p.define(name, value)
	}
	p.parseFile()
	c := newChecker(p.reporter) // what could be read is checked even if other commands could not
	c.opt = opt
	begin(c, p.cmds)
	c.stopped(func() {
		for _, cmd := range p.cmds {
			if cmd.query != nil && len(c.errs) > 0 {
				continue // nft asks when the commands before have been carried out
			}
			c.try(func() { c.apply(cmd) })
		}
		c.settleAll()
		c.noteGiven()
		c.redirect()
		c.validate()
	})
	if len(c.errs) > 0 {
		return nil, c.errs.before()
	}
	c.out.Rules = c.rs
	return &c.out, nil
}

// stopped runs f until it ends or enough errors have been found.
func (c *checker) stopped(f func()) {
	defer func() {
		if r := recover(); r != nil {
			if _, is := r.(stop); !is {
				panic(r)
			}
		}
	}()
	f()
}

// define reads a definition given beside the file.
func (p *parser) define(name, value string) {
	q := newParser(ParseOptions{NoInclude: true})
	q.push(newSource("<define "+name+">", []byte(value)))
	p.sources["<define "+name+">"] = q.stack[0]
	func() {
		defer func() {
			if r := recover(); r != nil {
				if _, is := r.(bail); !is {
					panic(r)
				}
			}
		}()
		p.scopes[0][name] = q.parseInitializer()
	}()
	p.errs = append(p.errs, q.errs...)
}

func familyName(f Family) string {
	for name, x := range families {
		if x == f {
			return name
		}
	}
	return fmt.Sprintf("family %d", f)
}

func (c *checker) table(f Family, name string) *Table {
	for _, t := range c.rs.Tables {
		if t.Family == f && t.Name == name {
			return t
		}
	}
	return nil
}

// chain finds a chain that has a name of its own.
func (t *Table) chain(name string) *Chain {
	for _, ch := range t.Chains {
		if ch.Name == name && !ch.Inner {
			return ch
		}
	}
	return nil
}

func (t *Table) set(name string) *Set {
	for _, s := range t.Sets {
		if s.Name == name {
			return s
		}
	}
	return nil
}

func (c *checker) nextHandle(t *Table) uint64 {
	t.last++
	return t.last
}

const noEntry = "No such file or directory"

func (c *checker) checkName(t *token) {
	if len(t.text) > 255 {
		c.failToken(t, "name too long, 256 characters maximum allowed")
	}
}

// apply runs one command.
func (c *checker) apply(cmd *command) {
	if cmd.query != nil {
		c.query(cmd)
		return
	}
	c.out.Changed = true
	c.adding = cmd.verb != "delete" && cmd.verb != "flush" && cmd.verb != "rename"
	if cmd.object == "ruleset" {
		kept := c.rs.Tables[:0:0]
		for _, t := range c.rs.Tables {
			if cmd.family != 0 && t.Family != cmd.family {
				kept = append(kept, t)
			} else {
				c.dropTable(t)
			}
		}
		c.rs.Tables = kept
		return
	}
	c.checkName(&cmd.table)
	c.checkName(&cmd.name)
	c.whole = span{}
	if cmd.object == "chain" || cmd.object == "object" {
		c.whole = span{cmd.pos, cmd.end}
	}
	t := c.table(cmd.family, cmd.table.text)
	if cmd.object == "table" && cmd.where.text != "" {
		for _, o := range c.rs.Tables {
			if o.Handle == cmd.number && o.Family == cmd.family {
				t = o
			}
		}
		cmd.table.pos, cmd.table.end = cmd.numberAt.pos, cmd.numberAt.end
	}
	if cmd.object == "table" {
		c.applyTable(cmd, t)
		return
	}
	if t == nil {
		c.noTable(cmd)
	}
	t = c.ownTable(t)
	c.nameByHandle(cmd, t)
	switch cmd.object {
	case "object", "flowtable":
		if cmd.verb == "delete" {
			c.deleteObject(cmd, t)
		} else {
			c.addObject(t, cmd.obj, cmd.verb == "create")
		}
	case "chain":
		c.applyChain(cmd, t)
	case "set", "map":
		c.applySet(cmd, t)
	case "element":
		s := c.findSet(t, cmd.name.text, &raw{pos: cmd.name.pos, end: cmd.name.end})
		if cmd.verb == "delete" {
			c.deleteElements(t, c.ownSet(t, s), cmd.elements)
		} else {
			if s.Flags&SetConstant != 0 {
				first := cmd.elements
				if len(first.kids) > 0 {
					first = keyOf(first.kids[0])
				}
				c.fail(first, "Could not process rule: Too many open files in system: the set is constant")
			}
			c.addElements(t, c.ownSet(t, s), cmd.elements, cmd.verb == "create")
		}
	case "rule":
		c.applyRule(cmd, t)
	}
}

func (c *checker) findChain(t *Table, name string, at span) *Chain {
	if ch := t.chain(name); ch != nil {
		return ch
	}
	c.failAt(at, "%s", c.noChain(name))
	return nil
}

// noChain words the error for a chain that is not there.
func (c *checker) noChain(name string) string {
	return orElse(c.hint("chain", name, chainNames), "Could not process rule: "+noEntry)
}

func (c *checker) findSet(t *Table, name string, at *raw) *Set {
	if s := t.set(name); s != nil {
		return s
	}
	c.fail(at, "%s", orElse(c.hintSet(name), noEntry))
	return nil
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func (c *checker) applyTable(cmd *command, t *Table) {
	switch cmd.verb {
	case "delete", "flush":
		if t == nil {
			c.noTable(cmd)
		}
		if cmd.verb == "flush" {
			c.flushRules(c.ownTable(t))
			return
		}
		c.dropTable(t)
		for i, o := range c.rs.Tables {
			if o == t {
				c.rs.Tables = append(c.rs.Tables[:i], c.rs.Tables[i+1:]...)
				return
			}
		}
	case "create":
		if t != nil {
			c.failToken(&cmd.table, "Could not process rule: File exists")
		}
	}
	b := cmd.block
	fresh := t == nil
	if fresh {
		c.rs.last++
		t = &Table{Pos: cmd.pos, Family: cmd.family, Name: cmd.table.text, Handle: c.rs.last}
		c.rs.Tables = append(c.rs.Tables, t)
		c.own.fresh(t)
		t.Comment, t.empty = textOf(b.comment) // only a new table takes one
	}
	t = c.ownTable(t)
	if t.Dormant != b.dormant || fresh {
		c.did(Change{Verb: "add", Table: t})
	}
	// As nft does: all chains of the block, then its objects and sets, then its
	// rules.
	t.Dormant = b.dormant
	for _, ch := range b.chains {
		c.try(func() { c.addChain(t, ch, false) })
	}
	for _, o := range b.objects {
		c.try(func() { c.addObject(t, o, false) })
	}
	for _, s := range b.sets {
		c.try(func() { c.addSet(t, s, false) })
	}
	for _, ch := range b.chains {
		if real := t.chain(ch.name.text); real != nil && len(ch.rules) > 0 {
			real = c.ownChain(t, real)
			real.Rules = slices.Grow(real.Rules, len(ch.rules))
			c.out.Changes = slices.Grow(c.out.Changes, len(ch.rules))
			for _, r := range ch.rules {
				c.try(func() { c.addRule(t, real, r, len(real.Rules)) })
			}
		}
	}
}

func (c *checker) applyChain(cmd *command, t *Table) {
	switch cmd.verb {
	case "rename":
		c.renameChain(cmd, t)
	case "add", "create":
		c.addChain(t, cmd.chain, cmd.verb == "create")
		if ch := t.chain(cmd.name.text); ch != nil {
			ch = c.ownChain(t, ch)
			for _, r := range cmd.chain.rules {
				c.try(func() { c.addRule(t, ch, r, len(ch.Rules)) })
			}
		}
	case "flush":
		ch := t.chain(cmd.name.text)
		if ch == nil {
			c.failToken(&cmd.name, "Could not process rule: %s", noEntry)
		}
		c.flushChain(t, ch)
	case "delete":
		c.settleAll() // for new elements that go there
		ch := t.chain(cmd.name.text)
		if ch == nil {
			c.failToken(&cmd.name, "%s", c.noChain(cmd.name.text))
		}
		if t.uses(ch.Name) {
			c.failToken(&cmd.name, "Could not process rule: Device or resource busy")
		}
		c.flushChain(t, ch)
		ch = t.chain(cmd.name.text)
		for i, o := range t.Chains {
			if o == ch {
				t.Chains = append(t.Chains[:i], t.Chains[i+1:]...)
				c.did(Change{Verb: "delete", Table: t, Chain: ch})
				return
			}
		}
	}
}

// uses tells whether some verdict of the table names the chain.
func (t *Table) uses(chain string) bool {
	found := false
	t.verdicts(func(v *Verdict) { found = found || v.Chain == chain })
	return found
}

// verdicts calls f for each verdict of the table's rules and maps.
func (t *Table) verdicts(f func(*Verdict)) {
	for _, ch := range t.Chains {
		for _, r := range ch.Rules {
			ruleVerdicts(r, f)
		}
	}
	for _, s := range t.Sets {
		setVerdicts(s, f)
	}
}

func setVerdicts(s *Set, f func(*Verdict)) {
	for e := range s.Elements.All() {
		if e.Verdict != nil {
			f(e.Verdict)
		}
	}
}

func ruleVerdicts(r *Rule, f func(*Verdict)) {
	for _, st := range r.Stmts {
		switch st := st.(type) {
		case *Verdict:
			f(st)
		case *VMap:
			if st.Set.Name == "" { // a named one is the table's own
				setVerdicts(st.Set, f)
			}
		}
	}
}
