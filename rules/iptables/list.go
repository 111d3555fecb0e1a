package iptables

import (
	"bufio"
	"fmt"
	"io"
)

// ListOptions chooses what List and Commands print.
type ListOptions struct {
	Chain   string // only this one; "": all
	Number  int    // only this rule of it, from 1; 0: all, and the chain's own line
	Verbose bool   // counters and interfaces
	Numeric bool   // numbers instead of names
	Exact   bool   // counters in full
	Lines   bool   // numbers of rules
}

// chains are those that an option is about; nil: there is none of that name.
func (t *Table) chains(name string) []*Chain {
	if name == "" {
		return t.Chains
	}
	if c := t.chain(name); c != nil {
		return []*Chain{c}
	}
	return nil
}

// lister prints a listing.
type lister struct {
	*bufio.Writer
	opt ListOptions
	six bool
}

// List prints a table of a family as `iptables -L` does.
func (t *Table) List(w io.Writer, family Family, opt ListOptions) error {
	l := lister{bufio.NewWriter(w), opt, family == IPv6}
	for i, c := range t.chains(opt.Chain) {
		if opt.Number == 0 {
			if i > 0 {
				l.WriteByte('\n')
			}
			l.heading(t, c)
		}
		for n, r := range c.Rules {
			if opt.Number == 0 || opt.Number == n+1 {
				l.rule(r, n+1)
			}
		}
	}
	return l.Flush()
}

func (l *lister) heading(t *Table, c *Chain) {
	fmt.Fprintf(l, "Chain %s", c.Name)
	switch {
	case c.Hook < 0:
		refs := 0
		for _, one := range t.Chains {
			for _, r := range one.Rules {
				if r.Jump == c.Name {
					refs++
				}
			}
		}
		fmt.Fprintf(l, " (%d references)\n", refs)
	case l.opt.Verbose:
		fmt.Fprintf(l, " (policy %s %s packets, %s bytes)\n", c.Policy, l.short(c.Packets, 0), l.short(c.Bytes, 0))
	default:
		fmt.Fprintf(l, " (policy %s)\n", c.Policy)
	}
	if l.opt.Lines {
		l.WriteString("num  ")
	}
	switch {
	case l.opt.Verbose && l.opt.Exact:
		l.WriteString("    pkts      bytes ")
	case l.opt.Verbose:
		l.WriteString(" pkts bytes ")
	}
	l.WriteString("target     prot opt")
	if l.opt.Verbose {
		l.WriteString(" in     out    ")
	}
	fmt.Fprintf(l, " %-19s  %-19s \n", "source", "destination")
}

// short prints a counter with at least so many characters.
func (l *lister) short(n uint64, width int) string {
	if l.opt.Exact {
		return fmt.Sprintf("%*d", width, n)
	}
	if n <= 99999 {
		return fmt.Sprintf("%*d", width, n)
	}
	unit := 0
	for n = (n + 500) / 1000; n > 9999 && unit < 3; unit++ {
		n = (n + 500) / 1000
	}
	return fmt.Sprintf("%*d%c", max(width-1, 0), n, "KMGT"[unit])
}

func (l *lister) rule(r *Rule, number int) {
	if l.opt.Lines {
		fmt.Fprintf(l, "%-4d ", number)
	}
	if l.opt.Verbose {
		width := 5
		if l.opt.Exact {
			width = 8
		}
		fmt.Fprintf(l, "%s %s ", l.short(r.Packets, width), l.short(r.Bytes, width))
	}
	target := r.Verdict + r.Jump
	if r.Target != nil {
		if target = r.Target.ext.name; target == "NOTRACK" {
			target = "CT" // which it is
		}
	}
	proto := decimal(uint64(r.Proto))
	if !l.opt.Numeric {
		if proto = protocolText(r.Proto); r.Proto == 0 {
			proto = "all"
		}
	}
	fmt.Fprintf(l, "%-9s %s%-4s %s%s ", target, blank(r.NotProto), proto, map[bool]string{true: "!", false: "-"}[r.NotFrag], map[bool]string{true: "f", false: "-"}[r.Frag || r.NotFrag])
	if l.opt.Verbose {
		fmt.Fprintf(l, " %-6s %-6s ", l.iface(r.In), l.iface(r.Out))
	}
	fmt.Fprintf(l, "%s%-19s %s%-19s ", blank(r.Src.Neg), l.prefix(&r.Src), blank(r.Dst.Neg), l.prefix(&r.Dst))
	if r.Goto {
		l.WriteString("[goto] ")
	}
	s := &shower{numeric: l.opt.Numeric}
	for _, m := range r.Matches {
		s.show(m)
	}
	if r.Target != nil {
		s.show(r.Target)
	}
	l.WriteString(s.String())
	l.WriteByte('\n')
}

func blank(neg bool) string {
	if neg {
		return "!"
	}
	return " "
}

func (l *lister) iface(i Interface) string {
	switch {
	case i.Name != "":
		return sign(i.Neg, "!") + i.Name
	case l.opt.Numeric:
		return "*"
	}
	return "any"
}

func (l *lister) prefix(p *Prefix) string {
	switch {
	case !l.opt.Numeric && (p.any() || prefixLen(p.Mask) == 0):
		return "anywhere"
	case p.any() && l.six:
		return "::/0"
	case p.any():
		return "0.0.0.0/0"
	}
	return addrMask(p.Addr, p.Mask, false)
}

// Commands prints a table as `iptables -S` does; with Verbose counters too.
func (t *Table) Commands(w io.Writer, opt ListOptions) error {
	out := bufio.NewWriter(w)
	chains := t.chains(opt.Chain)
	counters := func(packets, bytes uint64) string {
		if opt.Verbose {
			return fmt.Sprintf(" -c %d %d", packets, bytes)
		}
		return ""
	}
	for _, c := range chains {
		switch {
		case opt.Number > 0:
		case c.Hook < 0:
			fmt.Fprintf(out, "-N %s\n", c.Name)
		default:
			fmt.Fprintf(out, "-P %s %s%s\n", c.Name, c.Policy, counters(c.Packets, c.Bytes))
		}
	}
	for _, c := range chains {
		for i, r := range c.Rules {
			if opt.Number == 0 || opt.Number == i+1 {
				fmt.Fprintf(out, "-A %s%s%s%s\n", c.Name, r.matchText(), counters(r.Packets, r.Bytes), r.targetText())
			}
		}
	}
	return out.Flush()
}
