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
	for ch := range t.named() {
		w.WriteString(sep)
		sep = "\n"
		printChain(w, t.Family, ch, opt)
	}
	w.WriteString("}\n")
}

// elements are those of a named set that are shown.
func (o *PrintOptions) elements(s *Set) []*Element {
	if o.Terse {
		return nil
	}
	if o.Elements != nil {
		if now := o.Elements(s); now != nil {
			return now
		}
	}
	return s.Elements.List()
}

func (o *PrintOptions) handle(h uint64) string {
	if !o.Handles {
		return ""
	}
	return " # handle " + strconv.FormatUint(h, 10)
}

func printChain(w *bufio.Writer, family Family, ch *Chain, opt *PrintOptions) {
	printChainHead(w, family, ch, opt)
	for _, r := range ch.Rules {
		fmt.Fprintf(w, "\t\t%s%s\n", ruleText(family, r, opt), opt.handle(r.Handle))
	}
	w.WriteString("\t}\n")
}

// printChainHead is a chain without its rules and closing brace.
func printChainHead(w *bufio.Writer, family Family, ch *Chain, opt *PrintOptions) {
	fmt.Fprintf(w, "\tchain %s {%s\n", ch.Name, opt.handle(ch.Handle))
	if ch.Comment != "" || ch.empty {
		fmt.Fprintf(w, "\t\tcomment \"%s\"\n", ch.Comment)
	}
	if b := ch.Base; b != nil {
		w.WriteString("\t\t" + baseText(family, b, opt) + "\n")
		if b.Offload {
			w.WriteString("\t\tflags offload\n")
		}
	}
}

// baseText is what makes a chain a base chain.
func baseText(family Family, b *Base, opt *PrintOptions) string {
	policy := "accept"
	if b.Policy == VerdictDrop {
		policy = "drop"
	}
	return fmt.Sprintf("type %s hook %s%s priority %s; policy %s;", chainTypes[b.Type], hookName(b.Hook), devicesText(b.Devices),
		priorityText(family, b.Hook, b.Priority, opt), policy)
}

// chainTypes are the names of a ChainType.
var chainTypes = [...]string{"filter", "nat", "route"}

// priorityText names a priority near a standard one.
func priorityText(f Family, h Hook, prio int32, opt *PrintOptions) string {
	if opt.Priority {
		return strconv.Itoa(int(prio))
	}
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
	fmt.Fprintf(w, "\t%s %s {%s\n", setKind(s), s.Name, opt.handle(s.Handle))
	for _, line := range setLines(s, opt) {
		w.WriteString("\t\t" + line + "\n")
	}
	if els := opt.elements(s); len(els) > 0 {
		w.WriteString("\t\telements = { ")
		row := elementsPerRow(s)
		for i, e := range els {
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

// setLines are the lines of a set's block before its elements.
func setLines(s *Set, opt *PrintOptions) []string {
	typ := "type " + typesText(s.Key)
	if s.KeyExprs != nil && !s.meter && !s.Ranges {
		typ = "typeof " + exprsText(s.KeyExprs, opt)
	}
	if s.Map {
		typ += " : "
	}
	if s.Ranges {
		typ += "interval "
	}
	switch {
	case s.Verdicts:
		typ += "verdict"
	case s.HoldsObjects:
		typ += s.ObjectKind.String()
	case s.DataExprs != nil && !s.Ranges:
		typ += exprsText(s.DataExprs, opt)
	case s.Map:
		typ += typesText(s.Data)
	}
	lines := []string{typ}
	add := func(shown bool, format string, args ...any) {
		if shown {
			lines = append(lines, fmt.Sprintf(format, args...))
		}
	}
	if s.Flags&SetConstant == 0 {
		add(s.Policy == "memory", "policy memory")
		add(s.SizeGiven > 0, "size %d", s.SizeGiven)
	}
	// A default timeout says that elements time out.
	shown := s.Flags &^ (SetAutoMerge | SetWritten)
	if s.Timeout > 0 {
		shown &^= SetTimeout
	}
	add(shown != 0, "flags %s", strings.Join(flagNames(s.Flags), ","))
	if len(s.Stmts) > 0 {
		var parts []string
		for _, st := range s.Stmts {
			parts = append(parts, stateText(st, &PrintOptions{Stateless: true}))
		}
		add(true, "%s", strings.Join(parts, " "))
	}
	add(s.Flags&SetAutoMerge != 0, "auto-merge")
	add(s.Timeout > 0, "timeout %s", timeText(s.Timeout, opt))
	add(s.GC > 0, "gc-interval %s", timeText(s.GC, opt))
	add(s.Comment != "" || s.empty, "comment \"%s\"", s.Comment)
	return lines
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

// asUsual is how nft lists without options.
var asUsual = &PrintOptions{}

func typesText(ts []*Type) string {
	names := make([]string, len(ts))
	for i, t := range ts {
		names[i] = t.Name
	}
	return strings.Join(names, " . ")
}

func exprsText(es []Expr, opt *PrintOptions) string {
	names := make([]string, len(es))
	for i, e := range es {
		names[i] = exprText(e, opt)
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
func RuleText(family Family, r *Rule) string { return ruleText(family, r, asUsual) }

// RuleIdentity is the rule as Fprint shows it without what it has counted.
func RuleIdentity(f Family, r *Rule) string { return ruleText(f, r, &PrintOptions{Stateless: true}) }

// ExprText is an expression as Fprint shows it: "meta mark".
func ExprText(e Expr) string { return exprText(e, asUsual) }

// FamilyName is a family's name in the language.
func FamilyName(f Family) string { return familyName(f) }
