package iptables

import (
	"fmt"
	"strings"

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
	verb := "add"
	if cmd.verb == 'I' {
		verb = "insert"
	}
	var out []string
	for _, r := range cmd.rules {
		l := &lower{family: family, ip: strings.Fields(name)[0], decls: map[string]string{}, alone: true}
		l.sets = func(string) *nft.Set { return nil }
		text, err := l.text(r, l.hooksOf(k, cmd.chain.text), func(s string) string { return s })
		if err == nil && len(l.exts) > 0 {
			err = errorf(r.Pos, "%s has no counterpart in nft", l.exts[0].Name)
		}
		if err != nil {
			return "nft # " + line.String(), err
		}
		for _, decl := range l.order {
			out = append(out, fmt.Sprintf("nft '%s'", strings.ReplaceAll(l.decls[decl], "@TABLE", name)))
		}
		out = append(out, strings.TrimRight(fmt.Sprintf("nft '%s rule %s %s %s", verb, name, cmd.chain.text, text), " ")+"'")
	}
	if cmd.verb == 'I' && cmd.arg.text != "" && cmd.arg.text != "1" {
		err = errorf(cmd.arg.pos, "place %s is left out: nft inserts in front, or by the handle of a rule in force", cmd.arg.text)
	}
	return strings.Join(out, "\n"), err
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
	l.addresses(r)
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
