package iptables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// RestoreOptions says how a dump is read.
type RestoreOptions struct {
	NoFlush  bool   // -n: what is there stays
	Counters bool   // -c: counters get the values of the dump
	Table    string // -T: only this table
	// Timeout says whether a table has a ct timeout object of a name; nil: none has.
	Timeout func(table, name string) bool
}

// Restore reads a dump as iptables-restore does and applies it to old, which is
// not changed; nil is nothing at all. Tables that the dump does not name stay as
// they are. The error is an *Error with its place, whose message begins with the
// tool's own "line N failed".
func Restore(old *Ruleset, family Family, file string, text []byte, opt RestoreOptions) (*Ruleset, error) {
	rs := &Ruleset{Family: family}
	if old != nil {
		rs.Tables = slices.Clone(old.Tables)
	}
	r := restore{rs: rs, file: file, opt: opt}
	for line := range strings.Lines(string(text)) {
		r.line++
		if err := r.read(strings.TrimRight(line, "\n")); err != nil {
			if e, ok := err.(*Error); ok {
				return nil, &Error{Pos: e.Pos, Msg: fmt.Sprintf("line %d failed: %s", r.line, e.Msg), Tool: e.Tool, Status: e.Status}
			}
			return nil, err
		}
	}
	if r.table != nil {
		return nil, lineError(nft.Pos{File: file, Line: r.line + 1, Col: 1}, "COMMIT expected at line %d", r.line+1)
	}
	return rs, nil
}

// Changed returns the tables that are not those of old.
func (rs *Ruleset) Changed(old *Ruleset) (tables []*Table) {
	for _, t := range rs.Tables {
		if old == nil || old.table(t.Name) != t {
			tables = append(tables, t)
		}
	}
	return tables
}

// lineError is an error of the lines themselves, which the tool ends with status 1.
func lineError(pos nft.Pos, format string, args ...any) error {
	return &Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Status: 1}
}

// restore is one dump being read.
type restore struct {
	rs    *Ruleset
	file  string
	line  int
	opt   RestoreOptions
	table *Table // between its line and COMMIT
	skip  bool   // of a table that is not wanted
}

func (r *restore) pos(col int) nft.Pos { return nft.Pos{File: r.file, Line: r.line, Col: col + 1} }

func (r *restore) read(line string) error {
	switch {
	case line == "" || line[0] == '#' || strings.TrimSpace(line) == "":
		return nil
	case strings.TrimRight(line, " \t\r") == "COMMIT":
		if r.table == nil {
			return lineError(r.pos(0), "COMMIT without a table")
		}
		if !r.skip {
			if err := r.table.check(); err != nil {
				return err
			}
			if err := r.table.policies(r.opt.Timeout); err != nil {
				return err
			}
			r.rs.put(r.table)
		}
		r.table, r.skip = nil, false
		return nil
	case line[0] == '*':
		return r.begin(strings.TrimSpace(line[1:]))
	case r.table == nil:
		return lineError(r.pos(0), "a line outside of a table: *TABLE is missing")
	case r.skip:
		return nil
	case line[0] == ':':
		return r.declare(line)
	}
	return r.command(line)
}

func (r *restore) begin(name string) error {
	k := kindOf(name)
	switch {
	case r.table != nil:
		return errorf(r.pos(0), "a table begins before COMMIT of `%s'", r.table.Name)
	case k == nil:
		return errorf(r.pos(1), "unable to initialize table '%s'", name)
	}
	r.table = newTable(k)
	if old := r.rs.table(name); old != nil && r.opt.NoFlush {
		r.table = old.clone()
	}
	r.table.Pos = r.pos(0)
	r.skip = r.opt.Table != "" && name != r.opt.Table
	return nil
}

// declare reads `:chain policy [packets:bytes]`.
func (r *restore) declare(line string) error {
	words, err := split(line[1:], r.pos(1))
	if err != nil {
		return err
	}
	if len(words) < 2 {
		return errorf(r.pos(0), "a chain and its policy are needed")
	}
	name, policy := words[0], words[1]
	if err := checkChainName(name); err != nil {
		return err
	}
	c := r.table.chain(name.text)
	if policy.text == "-" {
		if c != nil && c.Hook >= 0 {
			return errorf(name.pos, "a built-in chain has a policy")
		}
		if c == nil && taken(name.text) {
			return errorf(name.pos, "chain name `%s' may not clash with target name", name.text)
		}
		if c == nil {
			r.table.add(&Chain{Pos: name.pos, Name: name.text, Hook: -1})
		} else {
			c.Rules = nil // as the tool: an existing chain is flushed
		}
		return nil
	}
	if c == nil || c.Hook < 0 {
		return errorf(name.pos, "Can't set policy `%s' on `%s': Bad built-in chain name", policy.text, name.text)
	}
	if policy.text != "ACCEPT" && policy.text != "DROP" {
		return lineError(policy.pos, "Bad policy name %q", policy.text)
	}
	c.Pos, c.Policy = name.pos, policy.text
	if len(words) > 2 {
		packets, bytes, ok := counters(words[2].text)
		if !ok {
			return errorf(words[2].pos, "invalid policy counters for chain '%s'", name.text)
		}
		if r.opt.Counters {
			c.Packets, c.Bytes = packets, bytes
		}
	}
	return nil
}

// taken says whether a target or verdict bears a name.
func taken(name string) bool {
	switch name {
	case "ACCEPT", "DROP", "RETURN", "QUEUE":
		return true
	}
	return targets[name] != nil
}

// counters reads [packets:bytes].
func counters(s string) (packets, bytes uint64, ok bool) {
	s, ok = strings.CutPrefix(s, "[")
	s, ok2 := strings.CutSuffix(s, "]")
	first, second, ok3 := strings.Cut(s, ":")
	packets, ok4 := number(first, max64)
	bytes, ok5 := number(second, max64)
	return packets, bytes, ok && ok2 && ok3 && ok4 && ok5
}

// command reads `[packets:bytes] -A ...` and carries it out.
func (r *restore) command(line string) error {
	rest, col := line, 0
	var packets, bytes uint64
	if line[0] == '[' {
		text, after, ok := strings.Cut(line, "]")
		if ok {
			packets, bytes, ok = counters(text + "]")
		}
		if !ok {
			return errorf(r.pos(0), "bad counters: [packets:bytes] is allowed")
		}
		rest, col = after, len(text)+1
	}
	words, err := split(rest, r.pos(col))
	if err != nil {
		return err
	}
	if len(words) == 0 {
		return errorf(r.pos(0), "no command specified")
	}
	cmd, err := parseCommand(r.rs.Family, words, r.pos(len(line)))
	if err != nil {
		return err
	}
	if cmd.skip {
		return nil
	}
	for _, rule := range cmd.rules {
		switch {
		case !r.opt.Counters && !cmd.counted:
			rule.Packets, rule.Bytes = 0, 0
		case !cmd.counted:
			rule.Packets, rule.Bytes = packets, bytes
		}
	}
	return cmd.run(r.table)
}

// run carries a command out on a table.
func (cmd *command) run(t *Table) error {
	c := t.chain(cmd.chain.text)
	if cmd.verb == 'E' && t.chain(cmd.arg.text) != nil {
		return toolError(cmd.arg.pos, "File exists", "File exists: `%s'", cmd.arg.text)
	}
	if c == nil && cmd.verb != 'N' && cmd.chain.text != "" {
		return toolError(cmd.chain.pos, noChain, "No chain/target/match by that name: `%s'", cmd.chain.text)
	}
	index := func(last int) (int, error) {
		n, ok := number(cmd.arg.text, max32)
		if !ok || n == 0 {
			return 0, errorf(cmd.arg.pos, "Invalid rule number `%s'", cmd.arg.text)
		}
		if n > uint64(last) {
			what := map[byte]string{'I': "insertion", 'R': "replacement", 'D': "deletion", 'Z': "counter"}[cmd.verb]
			return 0, toolError(cmd.arg.pos, "Index of "+what+" too big", "bad rule number %q: the chain has %d rules", cmd.arg.text, len(c.Rules))
		}
		return int(n) - 1, nil
	}
	switch cmd.verb {
	case 'A':
		c.Rules = append(c.Rules, cmd.rules...)
	case 'I':
		at := 0
		if cmd.arg.text != "" {
			var err error
			if at, err = index(len(c.Rules) + 1); err != nil {
				return err
			}
		}
		c.Rules = slices.Insert(c.Rules, at, cmd.rules...)
	case 'R':
		at, err := index(len(c.Rules))
		if err != nil {
			return err
		}
		c.Rules[at] = cmd.rules[0]
	case 'D', 'C':
		if cmd.arg.text != "" {
			at, err := index(len(c.Rules))
			if err != nil {
				return err
			}
			c.Rules = slices.Delete(c.Rules, at, at+1)
			return nil
		}
		for _, r := range cmd.rules {
			text := r.Text()
			at := slices.IndexFunc(c.Rules, func(have *Rule) bool { return have.Text() == text })
			if at < 0 {
				return toolError(cmd.pos, noRule, "Bad rule (does a matching rule exist in that chain?)")
			}
			if cmd.verb == 'D' {
				c.Rules = slices.Delete(c.Rules, at, at+1)
			}
		}
	case 'N':
		if c != nil {
			return toolError(cmd.chain.pos, isThere, "Chain already exists: `%s'", cmd.chain.text)
		}
		if taken(cmd.chain.text) {
			return errorf(cmd.chain.pos, "chain name `%s' may not clash with target name", cmd.chain.text)
		}
		t.add(&Chain{Pos: cmd.chain.pos, Name: cmd.chain.text, Hook: -1})
	case 'F', 'Z':
		only := -1
		if cmd.arg.text != "" {
			var err error
			if only, err = index(len(c.Rules)); err != nil {
				return err
			}
		}
		for _, one := range t.Chains {
			if c != nil && one != c {
				continue
			}
			if cmd.verb == 'F' {
				one.Rules = nil
				continue
			}
			if only < 0 {
				one.Packets, one.Bytes = 0, 0
			}
			for i, r := range one.Rules {
				if only >= 0 && i != only {
					continue
				}
				zero := *r
				zero.Packets, zero.Bytes = 0, 0
				one.Rules[i] = &zero
			}
		}
	case 'X':
		return t.remove(c, cmd)
	case 'P':
		if c.Hook < 0 {
			return toolError(cmd.chain.pos, noBase, "Bad built-in chain name: `%s'", c.Name)
		}
		if cmd.arg.text != "ACCEPT" && cmd.arg.text != "DROP" {
			return toolError(cmd.arg.pos, "Bad policy name. Run `dmesg' for more information", "Bad policy name %q", cmd.arg.text)
		}
		c.Policy = cmd.arg.text
	case 'E':
		return t.rename(c, cmd.arg)
	}
	return nil
}

// remove deletes a user's chain, or with nil all of them.
func (t *Table) remove(c *Chain, cmd *command) error {
	used := func(name string) bool {
		for _, one := range t.Chains {
			for _, r := range one.Rules {
				if r.Jump == name {
					return true
				}
			}
		}
		return false
	}
	for _, one := range slices.Clone(t.Chains) {
		if c != nil && one != c || c == nil && one.Hook >= 0 {
			continue
		}
		switch {
		case one.Hook >= 0:
			return toolError(cmd.chain.pos, builtIn, "`%s' is a built-in chain: Invalid argument", one.Name)
		case used(one.Name):
			return toolError(cmd.pos, inUse, "chain `%s': Too many links", one.Name)
		case len(one.Rules) > 0:
			return toolError(cmd.pos, notEmpty, "chain `%s': Directory not empty", one.Name)
		}
		t.Chains = slices.DeleteFunc(t.Chains, func(have *Chain) bool { return have == one })
	}
	return nil
}

// rename gives a user's chain another name, in the jumps to it too.
func (t *Table) rename(c *Chain, to word) error {
	if err := checkChainName(to); err != nil {
		return err
	}
	switch {
	case c.Hook >= 0:
		return toolError(to.pos, builtIn, "`%s' is a built-in chain: Invalid argument", c.Name)
	}
	for _, one := range t.Chains {
		for i, r := range one.Rules {
			if r.Jump == c.Name {
				moved := *r
				moved.Jump = to.text
				one.Rules[i] = &moved
			}
		}
	}
	t.Chains = slices.DeleteFunc(t.Chains, func(have *Chain) bool { return have == c })
	c.Name = to.text
	t.add(c)
	return nil
}
