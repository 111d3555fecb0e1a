package nft

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// maxScopes bounds blocks in blocks, the file being one, as in nft.
const maxScopes = 4

// parseInner reads the rules of a chain that is written behind jump or goto.
func (p *parser) parseInner(n *verdictNode, word *token) {
	n.verdict.Block = &Chain{Pos: p.expect("{").pos, Inner: true}
	if len(p.scopes) >= maxScopes {
		at := word.end
		at.Col--
		p.errorf(at, word.end, "too many levels of nesting")
	}
	defer p.nest()()
	p.scopes = append(p.scopes, map[string]*raw{})
	depth := len(p.scopes)
	defer func() { p.scopes = p.scopes[:depth-1] }()
	for {
		p.skipSeparators()
		t := p.peek()
		switch {
		case t.is("}"):
			p.take()
			return
		case t.kind == tokEOF:
			p.unexpected("")
		case t.is("comment"), t.is("define"), t.is("redefine"), t.is("undefine"), t.is("include"):
			p.unexpected("")
		}
		n.block = append(n.block, p.parseRule(true))
		if !p.peek().isSeparator() {
			p.unexpected("newline or semicolon")
		}
	}
}

// inner begins a verdict that leads to a chain written in it. The kernel takes none in
// such a chain.
func (k *ruleCheck) inner(n *verdictNode) Stmt {
	if k.inside {
		k.failAt(span{n.pos, n.end}, "Could not process rule: Operation not supported")
	}
	v := *n.verdict
	v.Block = &Chain{Pos: n.verdict.Block.Pos, Inner: true}
	v.fam = k.table.Family
	return &v
}

// addInner adds the chains that are written in a rule, after the rule's sets and before
// the rule itself, as nft does.
func (c *checker) addInner(t *Table, r *Rule, n *ruleNode) {
	blocks := make([][]*ruleNode, 0, 1)
	for _, sn := range n.stmts {
		if v, ok := sn.(*verdictNode); ok && v.verdict.Block != nil {
			blocks = append(blocks, v.block)
		}
	}
	if len(blocks) == 0 {
		return
	}
	inserting := c.inserting
	c.inserting = false
	defer func() { c.inserting = inserting }()
	for _, st := range r.Stmts {
		v, ok := st.(*Verdict)
		if !ok || v.Block == nil {
			continue
		}
		ch := v.Block
		ch.Handle = c.nextHandle(t)
		n := ch.Handle
		for v.Chain = innerName(n); t.chain(v.Chain) != nil || t.inner(v.Chain) != nil; n++ {
			v.Chain = innerName(n + 1)
		}
		ch.Name = v.Chain
		c.own.fresh(ch)
		t.Chains = append(t.Chains, ch)
		c.did(Change{Verb: "add", Table: t, Chain: ch})
		for _, rule := range blocks[0] {
			c.addRule(t, ch, rule, len(ch.Rules))
			for _, st := range ch.Rules[len(ch.Rules)-1].Stmts {
				if _, ok := c.ends[st]; ok {
					c.ends[st] = c.ends[v] // which is what nft marks
				}
			}
		}
		blocks = blocks[1:]
	}
}

// innerName is the name of a chain written in a rule: that of the kernel, which counts
// them all.
func innerName(n uint64) string { return fmt.Sprintf("__chain%d", n) }

// named are the chains that are not written in rules.
func (t *Table) named() iter.Seq[*Chain] {
	return func(yield func(*Chain) bool) {
		for _, ch := range t.Chains {
			if !ch.Inner && !yield(ch) {
				return
			}
		}
	}
}

// inner finds a chain that is written in a rule; nil: there is none of that name.
func (t *Table) inner(name string) *Chain {
	for _, ch := range t.Chains {
		if ch.Inner && ch.Name == name {
			return ch
		}
	}
	return nil
}

// dropInner takes away the chains that are written in a rule which goes.
func (t *Table) dropInner(r *Rule) {
	for _, st := range r.Stmts {
		if v, ok := st.(*Verdict); ok && v.Block != nil {
			t.Chains = slices.DeleteFunc(t.Chains, func(ch *Chain) bool { return ch.Inner && ch.Name == v.Chain })
		}
	}
}

// innerText is a verdict with its chain's rules, as it stands in a chain of a table.
func innerText(v *Verdict, opt *PrintOptions) string {
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(verdictText(v), v.Chain) + "{\n")
	for _, r := range v.Block.Rules {
		b.WriteString("\t\t\t" + ruleText(v.fam, r, opt) + "\n")
	}
	return b.String() + "\t\t}"
}
