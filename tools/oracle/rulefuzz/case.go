package rulefuzz

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// Case is a ruleset and the packets that it judges.
type Case struct {
	Tables  []*Table
	Packets []pair.Frame
}

// Table is a table; a case can lose parts of it.
type Table struct {
	Family, Name string
	Decls        []*Decl
	Chains       []*Chain
}

// Decl is a set, a map or an object.
type Decl struct {
	Head     string   // "set s0"
	Lines    []string // what stands in the block in front of the elements
	Elements []string
}

// Chain is a chain with its rules, each a list of matches and statements.
type Chain struct {
	Name  string
	Base  string // "type filter hook forward priority 0; policy accept;"
	Rules [][]string
}

// Text returns the ruleset, one rule a line.
func (c *Case) Text() string {
	var b strings.Builder
	for _, t := range c.Tables {
		if dumped(t.Family) {
			t.dump(&b)
			continue
		}
		fmt.Fprintf(&b, "table %s %s {\n", t.Family, t.Name)
		for _, d := range t.Decls {
			fmt.Fprintf(&b, "\t%s {\n", d.Head)
			for _, l := range d.Lines {
				fmt.Fprintf(&b, "\t\t%s\n", l)
			}
			if len(d.Elements) > 0 {
				fmt.Fprintf(&b, "\t\telements = { %s }\n", strings.Join(d.Elements, ", "))
			}
			b.WriteString("\t}\n")
		}
		for _, c := range t.Chains {
			fmt.Fprintf(&b, "\tchain %s {\n", c.Name)
			if c.Base != "" {
				fmt.Fprintf(&b, "\t\t%s\n", c.Base)
			}
			for _, r := range c.Rules {
				fmt.Fprintf(&b, "\t\t%s\n", strings.Join(r, " "))
			}
			b.WriteString("\t}\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// dump writes a table as iptables-save does.
func (t *Table) dump(b *strings.Builder) {
	fmt.Fprintf(b, "*%s\n", t.Name)
	for _, c := range t.Chains {
		fmt.Fprintf(b, ":%s %s\n", c.Name, c.Base)
	}
	for _, c := range t.Chains {
		for _, r := range c.Rules {
			fmt.Fprintf(b, "-A %s %s\n", c.Name, strings.Join(r, " "))
		}
	}
	b.WriteString("COMMIT\n")
}

// clone copies all that shrinking or dropping changes.
func (c *Case) clone() *Case {
	n := &Case{Packets: slices.Clone(c.Packets)}
	for _, t := range c.Tables {
		nt := &Table{Family: t.Family, Name: t.Name}
		for _, d := range t.Decls {
			nd := *d
			nd.Elements, nd.Lines = slices.Clone(d.Elements), slices.Clone(d.Lines)
			nt.Decls = append(nt.Decls, &nd)
		}
		for _, ch := range t.Chains {
			nc := *ch
			nc.Rules = nil
			for _, r := range ch.Rules {
				nc.Rules = append(nc.Rules, slices.Clone(r))
			}
			nt.Chains = append(nt.Chains, &nc)
		}
		n.Tables = append(n.Tables, nt)
	}
	return n
}

// dropLine takes what stands in line n of Text, from 1, out of the case: a rule,
// a declaration. It says what that was, "" if the line belongs to neither.
func (c *Case) dropLine(n int) string {
	at := 0
	for _, t := range c.Tables {
		at++
		for i, d := range t.Decls {
			from := at + 1
			at += 2 + len(d.Lines) + choose(len(d.Elements) > 0)
			if n >= from && n <= at {
				t.Decls = slices.Delete(t.Decls, i, i+1)
				return d.what()
			}
		}
		if dumped(t.Family) {
			at += len(t.Chains)
		}
		for _, ch := range t.Chains {
			if !dumped(t.Family) {
				at += 1 + choose(ch.Base != "")
			}
			if i := n - at - 1; i >= 0 && i < len(ch.Rules) {
				r := ch.Rules[i]
				ch.Rules = slices.Delete(ch.Rules, i, i+1)
				return strings.Join(r, " ")
			}
			at += len(ch.Rules) + choose(!dumped(t.Family))
		}
		at++
	}
	return ""
}

// only returns the case with no other rule than the one in line n of Text, and if
// that is none, with no rules and no other declaration than the one there.
func (c *Case) only(n int) *Case {
	what := c.clone().dropLine(n)
	o := c.clone()
	for _, t := range o.Tables {
		rules := 0
		for _, ch := range t.Chains {
			ch.Rules = slices.DeleteFunc(ch.Rules, func(r []string) bool { return strings.Join(r, " ") != what })
			rules += len(ch.Rules)
		}
		if rules == 0 {
			t.Decls = slices.DeleteFunc(t.Decls, func(d *Decl) bool { return d.what() != what })
		}
	}
	return o
}

// what is a declaration in a line.
func (d *Decl) what() string {
	return d.Head + " " + strings.Join(d.Lines, " ") + " " + strings.Join(d.Elements, ", ")
}

func choose(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// packetMark begins a line of a replay file that holds a packet.
const packetMark = "#> "

// Replay writes the case as a file for ParseReplay, which nft reads as well.
func (c *Case) Replay() string {
	var b strings.Builder
	b.WriteString(c.Text())
	for _, p := range c.Packets {
		fmt.Fprintf(&b, "%s%v %s # %s\n", packetMark, p.Side, hex.EncodeToString(p.Data), pair.Describe(p))
	}
	return b.String()
}

// ParseReplay reads what Replay wrote: the ruleset's text and the packets.
func ParseReplay(text string) (rules string, packets []pair.Frame, err error) {
	sc := bufio.NewScanner(strings.NewReader(text))
	sc.Buffer(nil, 1<<20)
	for n := 1; sc.Scan(); n++ {
		line, ok := strings.CutPrefix(sc.Text(), packetMark)
		if !ok {
			rules += sc.Text() + "\n"
			continue
		}
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "lan" && words[0] != "wan" {
			return "", nil, fmt.Errorf("line %d: a packet is %slan HEX or %swan HEX", n, packetMark, packetMark)
		}
		data, err := hex.DecodeString(words[1])
		if err != nil {
			return "", nil, fmt.Errorf("line %d: %w", n, err)
		}
		packets = append(packets, pair.Frame{Side: pair.Side(choose(words[0] == "wan")), Data: data})
	}
	return rules, packets, sc.Err()
}
