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
	if t.Dormant {
		w.WriteString("\tflags dormant\n")
		sep = "\n"
	}
	for _, o := range t.Objects {
		w.WriteString(sep)
		sep = "\n"
		printObject(w, o, opt)
	}
	for _, s := range t.Sets {
		if s.meter {
			continue
		}
		w.WriteString(sep)
		sep = "\n"
		printSet(w, s, opt)
	}
	for _, f := range t.Flowtables {
		w.WriteString(sep)
		sep = "\n"
		printFlowtable(w, f, opt)
	}
	for _, ch := range t.Chains {
		w.WriteString(sep)
		sep = "\n"
		printChain(w, t.Family, ch, opt)
	}
	w.WriteString("}\n")
}

func (o *PrintOptions) handle(h uint64) string {
	if !o.Handles {
		return ""
	}
	return " # handle " + strconv.FormatUint(h, 10)
}

func printChain(w *bufio.Writer, family Family, ch *Chain, opt *PrintOptions) {
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
		fmt.Fprintf(w, "\t\ttype %s hook %s%s priority %s; policy %s;\n", typ, hookName(b.Hook), devicesText(b.Devices),
			priorityText(family, b.Hook, b.Priority), policy)
		if b.Offload {
			w.WriteString("\t\tflags offload\n")
		}
	}
	for _, r := range ch.Rules {
		fmt.Fprintf(w, "\t\t%s%s\n", ruleText(family, r, opt), opt.handle(r.Handle))
	}
	w.WriteString("\t}\n")
}

// priorityText names a priority near a standard one.
func priorityText(f Family, h Hook, prio int32) string {
	for _, p := range prioritiesOf(f) {
		if p.hook >= 0 && p.hook != int(h) {
			continue
		}
		switch d := int64(prio) - int64(p.prio); {
		case d == 0:
			return p.name
		case d > 0 && d <= 10:
			return fmt.Sprintf("%s + %d", p.name, d)
		case d < 0 && d >= -10:
			return fmt.Sprintf("%s - %d", p.name, -d)
		}
	}
	return strconv.Itoa(int(prio))
}

func devicesText(names []string) string {
	switch len(names) {
	case 0:
		return ""
	case 1:
		return ` device "` + names[0] + `"`
	}
	return " devices = { " + strings.Join(names, ", ") + " }"
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
	if s.Map {
		w.WriteString(" : ")
	}
	if s.Ranges {
		w.WriteString("interval ")
	}
	switch {
	case s.Verdicts:
		w.WriteString("verdict")
	case s.HoldsObjects:
		w.WriteString(s.ObjectKind.String())
	case s.DataExprs != nil:
		w.WriteString(exprsText(s.DataExprs))
	case s.Map:
		w.WriteString(typesText(s.Data))
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
	// A default timeout says that elements time out.
	shown := s.Flags &^ SetAutoMerge
	if s.Timeout > 0 {
		shown &^= SetTimeout
	}
	if shown != 0 {
		w.WriteString("\t\tflags " + strings.Join(flagNames(s.Flags), ",") + "\n")
	}
	if len(s.Stmts) > 0 {
		var parts []string
		for _, st := range s.Stmts {
			parts = append(parts, stateText(st, &PrintOptions{Stateless: true}))
		}
		w.WriteString("\t\t" + strings.Join(parts, " ") + "\n")
	}
	if s.Flags&SetAutoMerge != 0 {
		w.WriteString("\t\tauto-merge\n")
	}
	if s.Timeout > 0 {
		w.WriteString("\t\ttimeout " + timeText(s.Timeout) + "\n")
	}
	if s.GC > 0 {
		w.WriteString("\t\tgc-interval " + timeText(s.GC) + "\n")
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
			w.WriteString(elementText(s, e, opt))
		}
		w.WriteString(" }\n")
	}
	w.WriteString("\t}\n")
}

func flagNames(f uint32) []string {
	var out []string
	for _, x := range []struct {
		flag uint32
		name string
	}{{SetConstant, "constant"}, {SetDynamic, "dynamic"}, {SetInterval, "interval"}, {SetTimeout, "timeout"}} {
		if f&x.flag != 0 {
			out = append(out, x.name)
		}
	}
	return out
}

// elementsPerRow is how many elements nft puts on a line.
func elementsPerRow(s *Set) int {
	if len(s.Key) > 1 {
		return 1
	}
	switch s.Key[0] {
	case TypeNfproto, TypeProto, TypeService, TypeInteger, TypeHostInteger, TypeRaw, TypeMark, TypeTCPFlag, TypeUID,
		TypeGID, TypeARPOp, TypeDCCPType, TypeIfindex, TypeClassid, TypeCTDir:
		return 5
	case TypeIPv4, TypeCTState, TypeCTStatus, TypePkttype:
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
func RuleText(family Family, r *Rule) string { return ruleText(family, r, &PrintOptions{}) }

// RuleIdentity is the rule as Fprint shows it without what it has counted.
func RuleIdentity(f Family, r *Rule) string { return ruleText(f, r, &PrintOptions{Stateless: true}) }

// ExprText is an expression as Fprint shows it: "meta mark".
func ExprText(e Expr) string { return exprText(e, "") }

// FamilyName is a family's name in the language.
func FamilyName(f Family) string { return familyName(f) }
