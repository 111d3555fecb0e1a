package nft

import (
	"bufio"
	"fmt"
	"io"
)

// Fprint writes the answer to a query about rs, the rules of its outcome, as nft
// does.
func (q *Query) Fprint(w io.Writer, rs *Ruleset, opt PrintOptions) error {
	if opt.JSON && q.Verb != "describe" && q.Verb != "monitor" && q.Object != "element" { // those two nft answers in words
		return q.fprintJSON(w, rs, &opt)
	}
	b := bufio.NewWriterSize(w, 1<<16)
	switch {
	case q.Verb == "describe":
		b.WriteString(q.Text)
	case q.Verb == "monitor":
	case q.Object == "table" && q.Many:
		for _, t := range rs.Tables {
			if q.asksTable(t) {
				fmt.Fprintf(b, "table %s %s\n", familyName(t.Family), t.Name)
			}
		}
	case q.Object == "ruleset", q.Object == "table":
		for _, t := range rs.Tables {
			if q.asksTable(t) {
				printTable(b, t, &opt)
			}
		}
	default:
		for _, t := range rs.Tables {
			if q.asksTable(t) && !(q.Object == "object" && len(t.Objects) == 0) {
				q.printPart(b, t, &opt)
			}
		}
	}
	return b.Flush()
}

// printPart writes what is asked for of a table.
func (q *Query) printPart(w *bufio.Writer, t *Table, opt *PrintOptions) {
	fmt.Fprintf(w, "table %s %s {\n", familyName(t.Family), t.Name)
	switch q.Object {
	case "chain":
		if q.Chain != nil {
			printChain(w, t.Family, q.Chain, opt)
			break
		}
		for ch := range t.named() {
			printChainHead(w, t.Family, ch, opt)
			w.WriteString("\t}\n")
		}
	case "flowtable":
		for _, f := range t.Flowtables {
			if q.Flowtable == nil || q.Flowtable == f {
				printFlowtable(w, f, opt)
			}
		}
	case "object":
		for _, o := range q.objects(t) {
			printObject(w, o, opt)
		}
	case "element":
		all := *opt
		all.Terse, all.Elements = false, nil
		printSet(w, q.Set, &all)
	default:
		for _, s := range t.Sets {
			if setKind(s) == q.Object && (q.Set == nil || q.Set == s) {
				printSet(w, s, opt)
			}
		}
	}
	w.WriteString("}\n")
}

// objects are those of a table that are asked for.
func (q *Query) objects(t *Table) []*Object {
	if q.before != nil {
		return q.before[t]
	}
	var out []*Object
	for _, o := range t.Objects {
		if q.asks(t, o) {
			out = append(out, o)
		}
	}
	return out
}
