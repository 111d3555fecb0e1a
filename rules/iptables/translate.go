package iptables

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/rules/nft"
)

// Translate turns one command line of iptables, without the program's name, into
// one of nft, as iptables-translate does. A rule that nft's language has nothing
// for is a comment, and the error says why; an error beside a command is what it
// leaves out.
func Translate(family Family, args []string) (string, error) {
	table, list := "filter", false
	var words []word
	line := strings.Builder{}
	for i := 0; i < len(args); i++ {
		if (args[i] == "-t" || args[i] == "--table") && i+1 < len(args) {
			i++
			table = args[i]
			continue
		}
		switch args[i] {
		case "-L", "--list":
			list = true
		case "-S", "--list-rules":
			return "", errorf(nft.Pos{File: "<cmdline>", Line: 1, Col: line.Len() + 1}, "cannot be translated: -S prints what iptables-save does; nft lists with `nft list table`")
		}
		words = append(words, word{text: args[i], pos: nft.Pos{File: "<cmdline>", Line: 1, Col: line.Len() + 1}})
		if strings.ContainsAny(args[i], " \t") {
			fmt.Fprintf(&line, "\"%s\" ", escape(args[i]))
		} else {
			line.WriteString(args[i] + " ")
		}
	}
	k := kindOf(table)
	if k == nil {
		return "", errorf(nft.Pos{File: "<cmdline>", Line: 1, Col: 1}, "unable to initialize table '%s'", table)
	}
	name := "ip"
	if family == IPv6 {
		name = "ip6"
	}
	name += " " + table
	if list { // of one chain too
		return "nft list table " + name, nil
	}
	cmd, err := parseCommand(family, words, nft.Pos{})
	if err != nil {
		return "", err
	}
	switch cmd.verb {
	case 'N':
		return fmt.Sprintf("nft add chain %s %s", name, cmd.chain.text), nil
	case 'X':
		return strings.TrimSpace(fmt.Sprintf("nft delete chain %s %s", name, cmd.chain.text)), nil
	case 'F':
		if cmd.chain.text == "" {
			return "nft flush table " + name, nil
		}
		return fmt.Sprintf("nft flush chain %s %s", name, cmd.chain.text), nil
	case 'A', 'I':
	default:
		return "", errorf(cmd.pos, "cannot be translated: -%c %s", cmd.verb, untranslated[cmd.verb])
	}
	out, err := cmd.translate(family, k, new(int))
	if err != nil {
		return "nft # " + line.String(), err
	}
	for i := range out {
		out[i] = "nft '" + out[i] + "'"
	}
	if cmd.verb == 'I' && cmd.arg.text != "" && cmd.arg.text != "1" {
		err = errorf(cmd.arg.pos, "place %s is left out: nft inserts in front, or by the handle of a rule in force", cmd.arg.text)
	}
	return strings.Join(out, "\n"), err
}

// translate returns commands of nft for the rules of -A or -I. sets counts those that
// rules have of their own, over several commands.
func (cmd *command) translate(family Family, k *tableKind, sets *int) (out []string, err error) {
	verb, ip := "add", "ip"
	if cmd.verb == 'I' {
		verb = "insert"
	}
	if family == IPv6 {
		ip = "ip6"
	}
	name := ip + " " + k.name
	for _, r := range cmd.rules {
		l := &lower{family: family, ip: ip, decls: map[string]string{}, alone: true, before: *sets}
		l.sets = func(string) *nft.Set { return nil }
		text, err := l.text(r, l.hooksOf(k, cmd.chain.text), func(s string) string { return s })
		if err == nil && len(l.exts) > 0 {
			err = errorf(r.Pos, "%s has no counterpart in nft", l.exts[0].Name)
		}
		if err != nil {
			return nil, err
		}
		*sets += len(l.order)
		for _, decl := range l.order {
			out = append(out, strings.ReplaceAll(l.decls[decl], "@TABLE", name))
		}
		out = append(out, strings.TrimRight(fmt.Sprintf("%s rule %s %s %s", verb, name, cmd.chain.text, text), " "))
	}
	return out, nil
}

// TranslateDump writes the commands of nft for a dump, as iptables-restore-translate
// does. Rules that nft has nothing for are comments, and left says why.
func TranslateDump(w io.Writer, family Family, file string, text []byte, now time.Time) (left []error, err error) {
	rs, err := Restore(nil, family, file, text, RestoreOptions{})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(rs.Tables, func(a, b *Table) int { return a.Pos.Line - b.Pos.Line })
	ip := "ip"
	if family == IPv6 {
		ip = "ip6"
	}
	out, sets := bufio.NewWriter(w), 0
	stamp := now.Format("Mon Jan _2 15:04:05 2006")
	fmt.Fprintf(out, "# Translated by %s-restore-translate v%s on %s\n", family.Tool(), Version, stamp)
	for _, t := range rs.Tables {
		k := kindOf(t.Name)
		fmt.Fprintf(out, "add table %s %s\n", ip, t.Name)
		for _, c := range t.Chains {
			if c.Pos.Line == 0 {
				continue // the file has no line for it
			}
			if c.Hook < 0 {
				fmt.Fprintf(out, "add chain %s %s %s\n", ip, t.Name, c.Name)
				continue
			}
			kind := "filter"
			if t.Name == "nat" {
				kind = "nat"
			}
			fmt.Fprintf(out, "add chain %s %s %s { type %s hook %s priority %d; policy %s; }\n", ip, t.Name, c.Name, kind, strings.ToLower(c.Name), k.prio[c.Hook], strings.ToLower(c.Policy))
		}
		for _, one := range t.inOrder() {
			lines, err := one.translate(family, k, &sets)
			if err != nil {
				left = append(left, err)
				lines = []string{fmt.Sprintf("# -t %s -A %s%s", t.Name, one.chain.text, one.rules[0].Text())}
			}
			for _, line := range lines {
				fmt.Fprintln(out, line)
			}
		}
	}
	fmt.Fprintf(out, "# Completed on %s\n", stamp)
	return left, out.Flush()
}

// inOrder gives commands that append the rules: in the order of their lines if that
// builds the chains as they are, and else chain by chain.
func (t *Table) inOrder() (out []*command) {
	byLine := true
	for _, c := range t.Chains {
		line := 0
		for _, r := range c.Rules {
			byLine = byLine && r.Pos.Line > line
			line = r.Pos.Line
			out = append(out, &command{verb: 'A', chain: word{text: c.Name}, rules: []*Rule{r}})
		}
	}
	if byLine {
		slices.SortFunc(out, func(a, b *command) int { return a.rules[0].Pos.Line - b.rules[0].Pos.Line })
	}
	return out
}

// untranslated says why nft's language has nothing for a command.
var untranslated = map[byte]string{
	'D': "needs the handle of a rule in force, which `nft -a list chain` shows",
	'R': "needs the handle of a rule in force, which `nft -a list chain` shows",
	'C': "asks about the rules in force, and nft has no such question",
	'P': "belongs to the declaration of a base chain: `nft chain TABLE CHAIN { policy drop; }`",
	'E': "is `nft rename chain TABLE CHAIN NAME` for chains that no base chain is",
	'Z': "is `nft reset rules` in later versions of nft",
}

// hooksOf is where a rule stands that is alone: at a built-in chain's hook, or for
// a user's chain at all hooks of the table.
func (l *lower) hooksOf(k *tableKind, chain string) uint8 {
	for i, name := range chainNames {
		if name == chain {
			return 1 << i
		}
	}
	return k.hooks
}

// heading writes what a rule asks beside its matches in iptables-translate's order.
func (l *lower) heading(r *Rule) {
	l.interfaces(r)
	defer l.addresses(r)
	if r.Proto == 0 {
		return
	}
	for _, m := range r.Matches {
		if m.ext.name == ownMatch(r) && !r.NotProto && hasOption(m) {
			return // its fields say so
		}
	}
	left := "ip protocol"
	if l.family == IPv6 {
		left = "meta l4proto"
	}
	l.add("%s %s%s", left, op(r.NotProto), protocolText(r.Proto))
}

// hasOption says whether any option of an instance was given.
func hasOption(x *Instance) bool {
	for i := range x.vals {
		if x.vals[i].set {
			return true
		}
	}
	return false
}

// tail writes the comments.
func (l *lower) tail(r *Rule) {
	for _, m := range r.Matches {
		if m.ext.name == "comment" {
			l.add("comment \"%s\"", strings.NewReplacer("\"", "'", "\\", "/").Replace(m.opt("comment").s)) // nft has no escapes
			return
		}
	}
}
