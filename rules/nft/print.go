package nft

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Fprint writes the rule set as `nft list ruleset` of nft 1.0.6 does.
func Fprint(w io.Writer, rs *Ruleset, opt PrintOptions) error {
	b := bufio.NewWriter(w)
	for _, t := range rs.Tables {
		printTable(b, t, &opt)
	}
	return b.Flush()
}

func printTable(w *bufio.Writer, t *Table, opt *PrintOptions) {
	fmt.Fprintf(w, "table %s %s {%s\n", familyName(t.Family), t.Name, opt.handle(t.Handle))
	if t.Comment != "" || t.empty {
		fmt.Fprintf(w, "\tcomment \"%s\"\n", t.Comment)
	}
	sep := ""
	for _, s := range t.Sets {
		w.WriteString(sep)
		sep = "\n"
		printSet(w, s, opt)
	}
	for _, ch := range t.Chains {
		w.WriteString(sep)
		sep = "\n"
		printChain(w, ch, opt)
	}
	w.WriteString("}\n")
}

func (o *PrintOptions) handle(h uint64) string {
	if !o.Handles {
		return ""
	}
	return " # handle " + strconv.FormatUint(h, 10)
}

func printChain(w *bufio.Writer, ch *Chain, opt *PrintOptions) {
	fmt.Fprintf(w, "\tchain %s {%s\n", ch.Name, opt.handle(ch.Handle))
	if ch.Comment != "" || ch.empty {
		fmt.Fprintf(w, "\t\tcomment \"%s\"\n", ch.Comment)
	}
	if b := ch.Base; b != nil {
		typ := [...]string{"filter", "nat", "route"}[b.Type]
		policy := "accept"
		if b.Policy == VerdictDrop {
			policy = "drop"
		}
		fmt.Fprintf(w, "\t\ttype %s hook %s priority %s; policy %s;\n", typ, hookName(b.Hook), priorityText(b), policy)
	}
	for _, r := range ch.Rules {
		fmt.Fprintf(w, "\t\t%s%s\n", ruleText(r, opt), opt.handle(r.Handle))
	}
	w.WriteString("\t}\n")
}

// priorityText names a priority near a standard one.
func priorityText(b *Base) string {
	for _, p := range priorityNames {
		if p.hook >= 0 && p.hook != int(b.Hook) {
			continue
		}
		switch d := int64(b.Priority) - int64(p.prio); {
		case d == 0:
			return p.name
		case d > 0 && d <= 10:
			return fmt.Sprintf("%s + %d", p.name, d)
		case d < 0 && d >= -10:
			return fmt.Sprintf("%s - %d", p.name, -d)
		}
	}
	return strconv.Itoa(int(b.Priority))
}

func printSet(w *bufio.Writer, s *Set, opt *PrintOptions) {
	kind := "set"
	if s.Map {
		kind = "map"
	}
	fmt.Fprintf(w, "\t%s %s {%s\n", kind, s.Name, opt.handle(s.Handle))
	if s.KeyExprs != nil {
		w.WriteString("\t\ttypeof " + exprsText(s.KeyExprs))
	} else {
		w.WriteString("\t\ttype " + typesText(s.Key))
	}
	if s.Verdicts {
		w.WriteString(" : verdict")
	} else if s.Map {
		w.WriteString(" : " + typesText(s.Data))
	}
	w.WriteByte('\n')
	if s.Flags&SetConstant == 0 {
		if s.Policy == "memory" {
			w.WriteString("\t\tpolicy memory\n")
		}
		if s.SizeGiven > 0 {
			fmt.Fprintf(w, "\t\tsize %d\n", s.SizeGiven)
		}
	}
	var flags []string
	if s.Flags&SetConstant != 0 {
		flags = append(flags, "constant")
	}
	if s.Flags&SetInterval != 0 {
		flags = append(flags, "interval")
	}
	if flags != nil {
		w.WriteString("\t\tflags " + strings.Join(flags, ",") + "\n")
	}
	if s.Flags&SetAutoMerge != 0 {
		w.WriteString("\t\tauto-merge\n")
	}
	if s.Comment != "" || s.empty {
		fmt.Fprintf(w, "\t\tcomment \"%s\"\n", s.Comment)
	}
	if len(s.Elements) > 0 {
		w.WriteString("\t\telements = { ")
		row := elementsPerRow(s)
		for i, e := range s.Elements {
			if i > 0 {
				if i%row == 0 {
					w.WriteString(",\n\t\t\t     ")
				} else {
					w.WriteString(", ")
				}
			}
			w.WriteString(elementText(s, e))
		}
		w.WriteString(" }\n")
	}
	w.WriteString("\t}\n")
}

// elementsPerRow is how many elements nft puts on a line.
func elementsPerRow(s *Set) int {
	if len(s.Key) > 1 {
		return 1
	}
	switch s.Key[0] {
	case TypeNfproto, TypeProto, TypeService, TypeInteger, TypeMark, TypeTCPFlag:
		return 5
	case TypeIPv4, TypeCTState, TypeCTStatus, TypePkttype, TypeCTDir:
		return 2
	}
	return 1
}

func typesText(ts []*Type) string {
	names := make([]string, len(ts))
	for i, t := range ts {
		names[i] = t.Name
	}
	return strings.Join(names, " . ")
}

func exprsText(es []Expr) string {
	names := make([]string, len(es))
	for i, e := range es {
		names[i] = exprText(e, "")
	}
	return strings.Join(names, " . ")
}

// Unlisted finds the first thing in a text that its listing does not have: a
// comment behind #, a definition, the use of a variable, an include, a command
// that flushes or deletes. "" is none. The text must be one that Parse takes.
func Unlisted(file string, text []byte) (what string, at Pos) {
	s := newSource(file, text)
	begins := true // of a statement
	for {
		t, _ := s.next()
		switch {
		case s.comment.Line > 0:
			return "a comment", s.comment
		case t.kind == tokEOF:
			return "", Pos{}
		case t.is("$"):
			return "a variable", t.pos
		case !begins || t.kind != tokWord:
		case t.text == "define", t.text == "redefine", t.text == "undefine":
			return "a definition", t.pos
		case t.text == "include":
			return "an include", t.pos
		case t.text == "flush", t.text == "delete":
			return "a command (" + t.text + ")", t.pos
		}
		begins = t.isSeparator() || t.is("{") || t.is("}")
	}
}

// RuleText is the rule as Fprint shows it, without indent and newline.
func RuleText(r *Rule) string { return ruleText(r, &PrintOptions{}) }
