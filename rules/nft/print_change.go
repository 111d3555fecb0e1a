package nft

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// FprintChanges writes changes as `nft monitor` shows them, a line each, also in
// JSON.
func FprintChanges(w io.Writer, changes []Change, opt PrintOptions) error {
	b := bufio.NewWriter(w)
	opt.written = true
	if opt.JSON {
		for i := range changes {
			for _, o := range changes[i].changeJSON(&opt) {
				writeJSON(b, o)
				b.WriteByte('\n')
			}
		}
		return b.Flush()
	}
	places := newRulePlaces()
	for i := range changes {
		changes[i].print(b, places, &opt)
	}
	return b.Flush()
}

// FprintEcho writes changes as `nft -e` shows them; the last line names the
// generation and who made it, and is left out when by is empty.
func FprintEcho(w io.Writer, changes []Change, generation uint64, by string, opt PrintOptions) error {
	var added []Change
	for _, c := range changes {
		if c.Echo {
			added = append(added, c)
		}
	}
	switch {
	case len(added) == 0:
		return nil
	case opt.JSON:
		opt.written = true
		return fprintEcho(w, added, &opt)
	}
	if err := FprintChanges(w, added, opt); err != nil || by == "" {
		return err
	}
	return FprintGeneration(w, generation, by)
}

// FprintGeneration writes the line that ends a transaction.
func FprintGeneration(w io.Writer, generation uint64, by string) error {
	_, err := fmt.Fprintf(w, "# new generation %d by process %s\n", generation, by)
	return err
}

// head is what an object's line begins with.
func (x *Change) head(kind string) string {
	return fmt.Sprintf("%s %s %s %s", x.Verb, kind, familyName(x.Table.Family), x.Table.Name)
}

func (x *Change) print(w *bufio.Writer, places *rulePlaces, opt *PrintOptions) {
	gone := x.Verb == "delete"
	switch {
	case x.Rule != nil:
		w.WriteString(x.head("rule") + " " + x.Chain.Name)
		if gone {
			fmt.Fprintf(w, " handle %d\n", x.Rule.Handle)
			return
		}
		if h := places.before(x.Chain, x.Rule); h != 0 {
			fmt.Fprintf(w, " handle %d", h)
		}
		w.WriteString(" " + ruleText(x.Table.Family, x.Rule, opt) + opt.handle(x.Rule.Handle) + "\n")
	case x.Elements != nil:
		for _, e := range x.Elements {
			fmt.Fprintf(w, "%s %s { %s }\n", x.head("element"), x.Set.Name, elementText(x.Set, e, opt))
		}
	case x.Set != nil:
		w.WriteString(x.head(setKind(x.Set)) + " " + x.Set.Name)
		x.block(w, opt.handle(x.Set.Handle), setLines(x.Set, opt), "; ", true)
	case x.Flowtable != nil:
		w.WriteString(x.head("flowtable") + " " + x.Flowtable.Name)
		x.block(w, opt.handle(x.Flowtable.Handle), flowtableLines(x.Flowtable, opt), "; ", true)
	case x.Object != nil:
		o := x.Object
		w.WriteString(x.head(o.Kind.String()) + " " + o.Name)
		sep := " "
		if o.Kind >= ObjHelper && o.Kind <= ObjExpectation {
			sep = "; "
		}
		lines := objectLines(o, opt)
		if o.Comment != "" || o.empty {
			lines = append([]string{`comment "` + o.Comment + `"`}, lines...)
		}
		x.block(w, opt.handle(o.Handle), lines, sep, sep == "; " || o.Kind == ObjSynproxy)
	case x.Chain != nil:
		w.WriteString(x.head("chain") + " " + x.Chain.Name)
		if x.Chain.Base != nil && !gone {
			fmt.Fprintf(w, " { %s }", baseText(x.Table.Family, x.Chain.Base, opt))
		}
		x.end(w, opt.handle(x.Chain.Handle))
	default:
		w.WriteString(x.head("table"))
		if x.Table.Dormant && !gone {
			w.WriteString(" { flags dormant; }")
		}
		x.end(w, opt.handle(x.Table.Handle))
	}
}

func (x *Change) end(w *bufio.Writer, handle string) {
	if x.Verb != "delete" {
		w.WriteString(handle)
	}
	w.WriteByte('\n')
}

// block writes what stands between the braces, on the same line.
func (x *Change) block(w *bufio.Writer, handle string, lines []string, sep string, closed bool) {
	if x.Verb == "delete" {
		w.WriteByte('\n')
		return
	}
	text := strings.Join(lines, sep)
	if closed && text != "" {
		text += ";"
	}
	fmt.Fprintf(w, " {%s %s } \n", handle, text)
}

// rulePlaces finds the rules before others, each chain counted once.
type rulePlaces struct{ chains map[*Chain]map[*Rule]int }

func newRulePlaces() *rulePlaces { return &rulePlaces{map[*Chain]map[*Rule]int{}} }

// before is the handle of the rule before one that is neither first nor last in
// its chain, else 0.
func (p *rulePlaces) before(ch *Chain, r *Rule) uint64 {
	at := p.chains[ch]
	if at == nil {
		at = make(map[*Rule]int, len(ch.Rules))
		for i, x := range ch.Rules {
			at[x] = i
		}
		p.chains[ch] = at
	}
	if i := at[r]; i > 0 && i < len(ch.Rules)-1 {
		return ch.Rules[i-1].Handle
	}
	return 0
}
