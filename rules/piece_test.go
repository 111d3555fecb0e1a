package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestPieces edits a chain of several pieces again and again, here and there or all
// in one place, and demands what compiling from nothing gives; that most pieces are
// those of before; and that they neither grow nor become many small ones.
func TestPieces(t *testing.T) {
	const steps = 80
	shared, fresh := 0, 0
	eachRound(t, 4, func(g *gen, round int) {
		rules := plainRules(g, 3000)
		for i := range rules[:3] { // ends of runs in the middle
			rules[700*(i+1)], rules[700*(i+1)+1] = "counter", "counter"
		}
		tree := parse(t, inChain(strings.Join(rules, "\n")))
		e := newEditor(g.r, tree)
		opt := Options{Interfaces: testInterfaces}
		was := map[*piece]bool{}
		for step := range steps {
			if step > 0 {
				tree = e.edit(tree, 1+g.r.IntN(3), 1)
			}
			if step > steps/2 { // takes away one rule after the other
				for _, c := range tree.Tables[0].Chains { // copies, which are this step's
					if n := len(c.Rules); n > 600 {
						at := g.r.IntN(500)
						c.Rules = slices.Delete(c.Rules, at, at+20)
					}
				}
			}
			rs, err := Compile(tree, opt)
			if err != nil {
				t.Fatal(err)
			}
			if step%10 == 0 {
				whole, err := Compile(tree, Options{Interfaces: testInterfaces})
				if err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("round %d step %d", round, step)
				if what := differ(rs.master, whole.master); what != "" {
					t.Fatalf("%s: other %s than without the ruleset before", name, what)
				}
				var hits [4]int
				compareRuleset(t, g, rs, name, 20, &hits)
			}
			now := map[*piece]bool{}
			for _, ref := range rs.ix.chains {
				for i, p := range ref.block.pieces {
					if p.run < 0 {
						continue
					}
					if now[p.piece] = true; was[p.piece] {
						shared++
					} else {
						fresh++
					}
					if n := p.rules(); n > pieceMost || n == 0 {
						t.Fatalf("step %d: a piece of %d rules", step, n)
					}
					if i > 0 && p.run == ref.block.pieces[i-1].run && ref.block.pieces[i-1].rules()+p.rules() <= pieceFull {
						t.Errorf("step %d: two small pieces", step)
					}
				}
			}
			opt.Before, was = rs, now
		}
	})
	t.Logf("%d pieces made, %d taken over", fresh, shared)
	if fresh == 0 || shared < fresh {
		t.Error("few pieces are shared")
	}
}
