package nft

// Apply is Run for those who want no more than the rules.
func Apply(old *Ruleset, file string, text []byte, opt ParseOptions, state PrintOptions) (*Ruleset, error) {
	out, err := Run(old, file, text, opt, state)
	if err != nil {
		return nil, err
	}
	return out.Rules, nil
}

// ruleAt finds the rule of a handle, or of an index.
func (c *checker) ruleAt(ch *Chain, cmd *command) int {
	at := int(cmd.number)
	if cmd.where.text == "index" {
		if cmd.number < uint64(len(ch.Rules)) {
			return at
		}
	} else {
		for i, r := range ch.Rules {
			if r.Handle == cmd.number {
				return i
			}
		}
	}
	c.failAt(cmd.numberAt, "Could not process rule: %s", noEntry)
	return 0
}

// applyRule adds, inserts, replaces or deletes a rule.
func (c *checker) applyRule(cmd *command, t *Table) {
	if cmd.verb == "flush" {
		c.flushRules(t)
		return
	}
	ch := c.ownChain(t, c.findChain(t, cmd.name.text, span{cmd.name.pos, cmd.name.end}))
	at := -1
	if cmd.where.text != "" {
		at = c.ruleAt(ch, cmd)
	}
	switch cmd.verb {
	case "delete":
		c.did(Change{Verb: "delete", Table: t, Chain: ch, Rule: ch.Rules[at]})
		t.dropInner(ch.Rules[at])
		ch.Rules = without(ch.Rules, ch.Rules[at])
		return
	case "replace":
		old := ch.Rules[at]
		c.did(Change{Verb: "delete", Table: t, Chain: ch, Rule: old})
		c.addRule(t, ch, cmd.rule, len(ch.Rules))
		fresh := ch.Rules[len(ch.Rules)-1]
		ch.Rules = ch.Rules[:len(ch.Rules)-1]
		t.dropInner(old)
		for i, r := range ch.Rules {
			if r == old {
				fresh.Handle = old.Handle // as in the kernel, which takes no new one
				t.last--
				ch.Rules[i] = fresh
			}
		}
		return
	case "insert":
		at = max(at, 0)
		c.inserting = true
		defer func() { c.inserting = false }()
	default:
		if at++; at == 0 {
			at = len(ch.Rules)
		}
	}
	c.addRule(t, ch, cmd.rule, at)
}

// nameByHandle turns `delete chain t handle 5` into a command with a name.
func (c *checker) nameByHandle(cmd *command, t *Table) {
	if cmd.where.text == "" || cmd.object == "rule" {
		return
	}
	found := func(name string, h uint64) {
		if h == cmd.number {
			cmd.name = token{kind: tokWord, text: name, pos: cmd.numberAt.pos, end: cmd.numberAt.end}
		}
	}
	switch cmd.object {
	case "chain":
		for ch := range t.named() {
			found(ch.Name, ch.Handle)
		}
	case "set", "map":
		for _, s := range t.Sets {
			found(s.Name, s.Handle)
		}
	case "flowtable":
		for _, f := range t.Flowtables {
			found(f.Name, f.Handle)
		}
	default:
		for _, o := range t.Objects {
			if o.Kind == cmd.kind {
				found(o.Name, o.Handle)
			}
		}
	}
	if cmd.name.text == "" {
		c.failAt(cmd.numberAt, "Could not process rule: %s", noEntry)
	}
}

// renameChain is `rename chain t old new`.
func (c *checker) renameChain(cmd *command, t *Table) {
	c.checkName(&cmd.newName)
	c.settleAll() // for new elements that go there
	ch := t.chain(cmd.name.text)
	if ch == nil {
		c.failToken(&cmd.name, noEntry)
	}
	if t.chain(cmd.newName.text) != nil {
		c.failAt(span{cmd.pos, cmd.end}, "Could not process rule: File exists")
	}
	c.did(Change{Verb: "add", Table: t, Chain: c.rename(t, ch, cmd.newName.text)})
}
