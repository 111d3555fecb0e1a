package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/panjf2000/ants/v2"

	"github.com/sluice-net/sluice/rules/nft"
)

// editor changes trees as nft.Run does: what is not touched is the same in both.
type editor struct {
	r    *rand.Rand
	pool map[string][]*nft.Rule // rules that may stand in a chain
}

func newEditor(r *rand.Rand, tree *nft.Ruleset) *editor {
	e := &editor{r, map[string][]*nft.Rule{}}
	for _, t := range tree.Tables {
		for _, c := range t.Chains {
			e.pool[t.Name+" "+c.Name] = c.Rules
		}
	}
	return e
}

// edit changes chains of a copy of a tree, one in share of them.
func (e *editor) edit(tree *nft.Ruleset, changes, share int) *nft.Ruleset {
	out := *tree
	out.Tables = slices.Clone(tree.Tables)
	for i := range out.Tables {
		t := *out.Tables[i]
		t.Chains = slices.Clone(t.Chains)
		for k := range t.Chains {
			if pool := e.pool[t.Name+" "+t.Chains[k].Name]; len(pool) > 0 && e.r.IntN(share) == 0 {
				c := *t.Chains[k]
				c.Rules = slices.Clone(c.Rules)
				for range changes {
					e.change(&c, pool)
				}
				t.Chains[k] = &c
			}
		}
		out.Tables[i] = &t
	}
	return &out
}

// change puts a rule in, moves, replaces or deletes one.
func (e *editor) change(c *nft.Chain, pool []*nft.Rule) {
	r := pool[e.r.IntN(len(pool))]
	if at := slices.Index(c.Rules, r); at >= 0 {
		c.Rules = slices.Delete(c.Rules, at, at+1)
		if e.r.IntN(3) > 0 {
			return
		}
	}
	at := e.r.IntN(len(c.Rules) + 1)
	if at < len(c.Rules) && e.r.IntN(3) == 0 {
		c.Rules[at] = r
		return
	}
	c.Rules = slices.Insert(c.Rules, at, r)
}

// TestEditsAgainstWhole compiles long sequences of edits, each with the help of
// the ruleset before, and demands what compiling from nothing gives; and that
// packets find what the twin finds.
func TestEditsAgainstWhole(t *testing.T) {
	const steps = 30
	pool, err := ants.NewPool(2, ants.WithNonblocking(true))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Release()
	cache, err := NewCache(1 << 22)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	var hits [4]int
	runs, patched, same := 0, 0, 0
	rounds := eachRound(t, 30, func(g *gen, round int) {
		tree := g.tree()
		if round%2 > 0 {
			tree = parse(t, inChain(strings.Join(plainRules(g, 60+g.r.IntN(200)), "\n")))
		}
		e := newEditor(g.r, tree)
		opt := Options{Interfaces: testInterfaces, Store: testStore(t), shortestRun: g.r.IntN(3)}
		if round%3 == 0 {
			opt.Pool, opt.Cache = pool, cache
		}
		var before *Ruleset
		for step := range steps {
			changes := 1 + g.r.IntN(2)*g.r.IntN(8)
			if step == 0 {
				changes = 100
			}
			tree = e.edit(tree, changes, 1+g.r.IntN(3))
			name := fmt.Sprintf("round %d step %d", round, step)
			opt.Before = before
			rs, err := Compile(tree, opt)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			whole, err := Compile(tree, Options{Interfaces: testInterfaces, shortestRun: opt.shortestRun})
			if err != nil {
				t.Fatal(err)
			}
			if what := differ(rs.master, whole.master); what != "" {
				t.Fatalf("%s: other %s than without the ruleset before", name, what)
			}
			compareRuleset(t, g, rs, name, 10, &hits)
			if t.Failed() {
				return
			}
			for i, ref := range rs.ix.chains {
				old := before.chain(i)
				for _, r := range ref.runs() {
					runs++
					if r.finder.patch != nil {
						patched++
					}
				}
				if ref.block != nil && ref.block == old.block {
					same++
				}
			}
			before = rs
		}
	})
	t.Logf("decisions of rules: drop %d, accept %d; %d runs, %d of them patched; %d chains taken over whole", hits[0], hits[1], runs, patched, same)
	if hits[0] < rounds || hits[1] < rounds || patched < rounds || runs-patched < rounds/4 || same < rounds {
		t.Error("the generator misses")
	}
}

// chain returns chain i, one without a block if there is no ruleset.
func (r *Ruleset) chain(i int) *chainRef {
	if r == nil {
		return &chainRef{}
	}
	return r.ix.chains[i]
}

// runs returns the runs of a chain; of one from the cache nobody knows them.
func (ref *chainRef) runs() []ruleRun {
	if ref.block == nil {
		return nil
	}
	return ref.block.runs
}

// laidDown returns an image of a master.
func laidDown(m *master) []uint64 {
	words := make([]uint64, m.words)
	m.lay(words)
	return words
}

// differ says in which section two masters differ, but for what random seeds
// decide.
func differ(x, y *master) string {
	a, b := newImage(laidDown(x), nil), newImage(laidDown(y), nil)
	hashed := false
	for i := range min(len(a.sets), len(b.sets)) {
		hashed = hashed || a.sets[i].kind == setHash
		a.sets[i].seed = b.sets[i].seed
	}
	for i := range min(len(a.runs), len(b.runs)) {
		a.runs[i] = runDesc{first: a.runs[i].first, n: a.runs[i].n}
		b.runs[i] = runDesc{first: b.runs[i].first, n: b.runs[i].n}
	}
	switch {
	case !slices.Equal(a.region[:hdrSections], b.region[:hdrSections]):
		return "header"
	case !slices.Equal(a.heads, b.heads):
		return "heads"
	case !slices.Equal(a.ins, b.ins):
		return "instructions"
	case len(a.data) != len(b.data), !hashed && !slices.Equal(a.data, b.data):
		return "data"
	case !slices.Equal(a.sets, b.sets):
		return "sets"
	case !slices.Equal(a.nats, b.nats):
		return "NAT statements"
	case !slices.Equal(a.base, b.base):
		return "base chains"
	case !slices.Equal(a.runs, b.runs):
		return "runs"
	}
	return ""
}
