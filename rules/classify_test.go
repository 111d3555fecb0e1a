package rules

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules/nft"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 takes the time")

func testSeed(t testing.TB) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (repeat with -seed)", seed)
	return seed
}

// TestAgainstTwin demands that random rulesets do the same to random packets
// whether compiled or read by the twin: verdict, deciding rule, reject, NAT,
// logs, marks and in the end every counter.
func TestAgainstTwin(t *testing.T) {
	var hits [4]int
	rounds := eachRound(t, 400, func(g *gen, round int) { compareWithTwin(t, g, round, 60, &hits) })
	t.Logf("decisions of rules: drop %d, accept %d, reject %d, nat %d", hits[0], hits[1], hits[2], hits[3])
	for code, n := range hits {
		if n < rounds/20 {
			t.Errorf("only %d decisions of rules were %v: the generator misses", n, Code(code))
		}
	}
}

// eachRound runs f with so many generators, or fewer where it is slow, until the
// test has failed, and returns how many.
func eachRound(t *testing.T, rounds int, f func(g *gen, round int)) int {
	seed := testSeed(t)
	if testing.Short() || offheap.RaceTwin {
		rounds /= 4
	}
	for round := range rounds {
		f(&gen{r: rand.New(rand.NewPCG(seed, uint64(round))), tb: t}, round)
		if t.Failed() {
			t.FailNow()
		}
	}
	return rounds
}

func FuzzClassify(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) {
		var hits [4]int
		compareWithTwin(t, &gen{r: rand.New(rand.NewPCG(a, b)), tb: t}, 0, 10, &hits)
	})
}

func compareWithTwin(t *testing.T, g *gen, round, packets int, hits *[4]int) {
	t.Helper()
	compareTree(t, g, g.tree(), fmt.Sprintf("round %d", round), packets, hits)
}

// compareTree gives packets to all chains of a tree and to the twin.
func compareTree(t *testing.T, g *gen, tree *nft.Ruleset, round string, packets int, hits *[4]int) {
	t.Helper()
	// Most random chains are shorter than a run has to be.
	rs, err := Compile(tree, Options{Interfaces: testInterfaces, Store: testStore(t), shortestRun: g.r.IntN(3)})
	if err != nil {
		t.Fatalf("%s: %v", round, err)
	}
	compareRuleset(t, g, rs, round, packets, hits)
}

// compareRuleset is compareTree for a tree that is compiled.
func compareRuleset(t *testing.T, g *gen, rs *Ruleset, round string, packets int, hits *[4]int) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(unjudged); !ok {
				panic(r)
			}
		}
	}()
	tree := rs.Tree
	im, err := rs.Copy()
	if err != nil {
		t.Fatal(err)
	}
	defer im.Free()
	tw := newTwin(tree, testInterfaces)
	env := &Env{Now: 500}
	tw.now = env.Now
	for n := range packets {
		env.Nanos += g.r.Int64N(1e9)
		tw.nanos = env.Nanos
		p := g.packet()
		var told []Told
		if env.Trace = nil; g.one(2) { // a walk that tells decides as any other
			env.Trace = func(_ *BaseChain, _ *packet.Packet, t Told) { told = append(told, t) }
			if g.one(2) {
				p.Flags |= packet.FlagTraced
			}
		}
		q := clone(p)
		for _, hook := range []nft.Hook{nft.HookPrerouting, nft.HookInput, nft.HookForward, nft.HookOutput, nft.HookPostrouting} {
			chains := im.Base(p.Family, hook)
			for i := range chains {
				env.NLogs, env.LogsLost = 0, 0
				tw.logs = nil
				told = told[:0]
				v := im.Eval(&chains[i], p, env)
				policy := rs.ix.info(chains[i].PolicyID)
				table, chain := chainOf(tree, policy.Table, policy.Chain)
				want := tw.base(table, chain, q)
				if !sameDecision(rs, tw, v, want, policy, env) || !bytes.Equal(marks(p), marks(q)) || !bytes.Equal(p.Data, q.Data) {
					t.Fatalf("%s packet %d chain %s/%s: compiled %v by %+v, twin %v by %+v\nenv %+v marks %v/%v packet %+v\n%s",
						round, n, policy.Table, policy.Chain, v, v.Rule, want, tw.decision, env, marks(p), marks(q), p, dump(table))
				}
				if p.Flags&packet.FlagTraced != 0 && env.Trace != nil && !ending(told, v, policy.ID) {
					t.Fatalf("%s packet %d chain %s/%s: told %+v, decided %+v", round, n, policy.Table, policy.Chain, told, v)
				}
				if p.Flags&packet.FlagTraced != q.Flags&packet.FlagTraced {
					t.Fatalf("%s packet %d: traced with flags %x, twin %x", round, n, p.Flags, q.Flags)
				}
				if v.Rule != policy.ID {
					hits[v.Code]++
				}
			}
		}
	}
	for _, c := range rs.Collect([]*Image{im}) {
		if c.Packets != tw.packets[c.Counter] || c.Bytes != tw.bytes[c.Counter] {
			t.Errorf("%s: counter %+v, twin %d packets %d bytes", round, c, tw.packets[c.Counter], tw.bytes[c.Counter])
		}
	}
}

// ending says whether what was told ends with a verdict.
func ending(told []Told, v Verdict, policy uint32) bool {
	if len(told) == 0 {
		return false
	}
	says := map[Code]Says{Drop: SaysDrop, Reject: SaysDrop, Accept: SaysAccept, NAT: SaysAccept, Stolen: SaysStolen, Queue: SaysQueue, Synproxy: SaysStolen}
	last := told[len(told)-1]
	return last.Rule == v.Rule && last.Policy == (v.Rule == policy) && last.Verdict == says[v.Code]
}

// testStore is a store that the test's end closes.
func testStore(t testing.TB) *Store {
	t.Helper()
	s, err := NewStore(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func sameDecision(rs *Ruleset, tw *twin, v Verdict, want Code, policy *RuleInfo, env *Env) bool {
	info := rs.ix.info(v.Rule) // without its text, which random trees need not have
	if v.Code != want || info == nil || tw.decision != info.Rule || info.Policy && info.ID != policy.ID {
		return false
	}
	switch v.Code {
	case Reject:
		if env.Reject != tw.reject {
			return false
		}
	case NAT:
		n := env.NAT
		if n.Kind != tw.nat.Kind || n.Flags != tw.nat.Flags || n.PortMin != tw.spec.PortMin || n.PortMax != tw.spec.PortMax ||
			n.HasAddr != (tw.nat.AddrMin != nil || tw.nat.Addr != nil) || n.AddrMin != tw.spec.AddrMin || n.AddrMax != tw.spec.AddrMax ||
			n.HasAddr && n.Family != uint8(tw.nat.Family) {
			return false
		}
	}
	if env.NLogs+int(env.LogsLost) != len(tw.logs) {
		return false
	}
	for i, id := range env.Logs[:env.NLogs] {
		rule := rs.ix.info(rs.LogSpec(id).Rule).Rule
		found := false
		for _, st := range rule.Stmts {
			found = found || st == nft.Stmt(tw.logs[i])
		}
		if !found {
			return false
		}
	}
	return true
}

func clone(p *packet.Packet) *packet.Packet {
	q := *p
	q.Data = bytes.Clone(p.Data)
	if p.Ct != nil {
		ct := *p.Ct
		q.Ct = &ct
	}
	return &q
}

func marks(p *packet.Packet) []byte {
	b := []byte{byte(p.Mark), byte(p.Mark >> 8), byte(p.Mark >> 16), byte(p.Mark >> 24), byte(p.Info), byte(p.Kind)}
	if p.Ct != nil {
		m := p.Ct.Mark
		b = append(b, byte(m), byte(m>>8), byte(m>>16), byte(m>>24))
	}
	return b
}

func chainOf(tree *nft.Ruleset, table, chain string) (*nft.Table, *nft.Chain) {
	for _, t := range tree.Tables {
		if t.Name != table {
			continue
		}
		for _, c := range t.Chains {
			if c.Name == chain {
				return t, c
			}
		}
	}
	return nil, nil
}

// dump prints the rules of a chain's table, for failures.
func dump(t *nft.Table) string {
	var b bytes.Buffer
	for _, c := range t.Chains {
		fmt.Fprintf(&b, "chain %s base %+v\n", c.Name, c.Base)
		for _, r := range c.Rules {
			fmt.Fprintf(&b, "  rule %p:", r)
			for _, st := range r.Stmts {
				fmt.Fprintf(&b, " %T%+v", st, st)
				switch st := st.(type) {
				case *nft.Match:
					fmt.Fprintf(&b, " [%T %+v | %+v", st.Left, st.Left, st.Right)
					if p, ok := st.Left.(*nft.Payload); ok {
						fmt.Fprintf(&b, " %s %s", p.Field.Proto, p.Field.Name)
					}
					b.WriteString("]")
				case *nft.VMap:
					fmt.Fprintf(&b, " [%T %+v]", st.Left, st.Left)
				}
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
