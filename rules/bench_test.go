package rules

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// Short hands for building trees in Go.

func field(proto, name string) nft.Expr { return &nft.Payload{Field: nft.LookupField(proto, name)} }

func is(e nft.Expr, data ...byte) nft.Stmt {
	return &nft.Match{Left: e, Op: nft.OpEq, Right: &nft.Const{Data: data, PrefixLen: -1}}
}

func ctState(bits byte) nft.Stmt {
	return &nft.Match{Left: &nft.CT{Key: nft.CTState, Dir: -1}, Op: nft.OpAny, Right: &nft.Const{Data: []byte{0, 0, 0, bits}, PrefixLen: -1}}
}

func iifname(name string) nft.Stmt {
	data := make([]byte, 16)
	copy(data, name)
	return is(&nft.Meta{Key: nft.MetaIifname}, data...)
}

func member(e nft.Expr, s *nft.Set) nft.Stmt {
	return &nft.Match{Left: e, Op: nft.OpEq, Right: &nft.SetRef{Set: s}}
}

var (
	acceptStmt = &nft.Verdict{Kind: nft.VerdictAccept}
	dropStmt   = &nft.Verdict{Kind: nft.VerdictDrop}
)

func ruleOf(stmts ...nft.Stmt) *nft.Rule { return &nft.Rule{Stmts: stmts} }

// forward makes a tree of one inet table with one chain at forward.
func forward(policy nft.VerdictKind, rules ...*nft.Rule) *nft.Ruleset {
	return &nft.Ruleset{Tables: []*nft.Table{{Family: nft.FamilyInet, Name: "filter", Chains: []*nft.Chain{{
		Name: "forward", Base: &nft.Base{Hook: nft.HookForward, Policy: policy}, Rules: rules,
	}}}}}
}

func mustImage(tb testing.TB, tree *nft.Ruleset, ifs ...Interface) (*Ruleset, *Image) {
	tb.Helper()
	rs, err := Compile(tree, Options{Interfaces: ifs})
	if err != nil {
		tb.Fatal(err)
	}
	im, err := rs.Copy()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := im.Free(); err != nil {
			tb.Error(err)
		}
	})
	return rs, im
}

// statefulPolicy is the policy of a small office: ten rules, of which the first
// takes what is established.
func statefulPolicy() *nft.Ruleset {
	return forward(nft.VerdictDrop,
		ruleOf(ctState(2|4), &nft.Counter{}, acceptStmt),
		ruleOf(ctState(1), dropStmt),
		ruleOf(iifname("lan0"), &nft.Counter{}, acceptStmt),
		ruleOf(is(field("icmp", "type"), 8), acceptStmt),
		ruleOf(is(field("icmpv6", "type"), 128), acceptStmt),
		ruleOf(iifname("eth0"), is(field("tcp", "dport"), 0, 22), is(field("ip", "saddr"), 10, 0, 0, 9), acceptStmt),
		ruleOf(is(field("tcp", "dport"), 1, 187), &nft.Counter{}, acceptStmt),
		ruleOf(is(field("udp", "dport"), 0, 53), acceptStmt),
		ruleOf(is(field("udp", "dport"), 0, 123), acceptStmt),
		ruleOf(is(field("tcp", "dport"), 0, 80), &nft.Counter{}, acceptStmt),
	)
}

// manyRules has n rules of three matches each, none of which fits the packets.
func manyRules(n int, same bool) *nft.Ruleset {
	var rules []*nft.Rule
	for i := range n {
		addr := []byte{172, 16, byte(i >> 8), byte(i)}
		if same { // only the last match turns the packet away
			addr = []byte{10, 0, 0, 1}
		}
		rules = append(rules, ruleOf(is(field("ip", "saddr"), addr...), is(field("tcp", "sport"), 4, 0), is(field("tcp", "dport"), byte(i>>8)+4, byte(i)), &nft.Counter{}, acceptStmt))
	}
	return forward(nft.VerdictDrop, rules...)
}

func addrSet(n int, ranged bool) *nft.Set {
	s := &nft.Set{Name: "s", Key: []*nft.Type{nft.TypeIPv4}}
	var els []*nft.Element
	for i := range n {
		lo := binary.BigEndian.AppendUint32(nil, 0x0a000000+uint32(i)*16)
		hi := lo
		if ranged {
			hi = binary.BigEndian.AppendUint32(nil, 0x0a000000+uint32(i)*16+7)
		}
		els = append(els, &nft.Element{Key: []nft.KeyPart{{Lo: lo, Hi: hi, PrefixLen: -1}}})
	}
	s.Elements = nft.ElementsOf(els...)
	return s
}

// ringOf makes packets whose source addresses are spread over 10.0.0.0 + span.
func ringOf(tb testing.TB, n int, span uint32) []*packet.Packet {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]*packet.Packet, n)
	for i := range out {
		out[i] = pk{info: flowtable.InfoNew, ct: &flowtable.Entry{}}.packet(tb)
		if span > 0 {
			binary.BigEndian.PutUint32(out[i].Data[26:], 0x0a000000+r.Uint32N(span))
		}
	}
	return out
}

func BenchmarkEval(b *testing.B) {
	established := pk{info: flowtable.InfoEstablished, ct: &flowtable.Entry{}}
	fresh := pk{info: flowtable.InfoNew, ct: &flowtable.Entry{}}
	set := func(s *nft.Set) *nft.Ruleset {
		return forward(nft.VerdictDrop, ruleOf(member(field("ip", "saddr"), s), acceptStmt))
	}
	for _, row := range []struct {
		name    string
		tree    *nft.Ruleset
		packets []*packet.Packet
		rules   int
	}{
		{"stateful10/established", statefulPolicy(), []*packet.Packet{established.packet(b)}, 0},
		{"stateful10/last", statefulPolicy(), []*packet.Packet{fresh.packet(b)}, 0},
		{"linear1000/first", manyRules(1000, false), []*packet.Packet{fresh.packet(b)}, 1000},
		{"linear1000/third", manyRules(1000, true), []*packet.Packet{fresh.packet(b)}, 1000},
		{"hash10k", set(addrSet(10000, false)), ringOf(b, 4096, 160000), 0},
		{"interval10k", set(addrSet(10000, true)), ringOf(b, 4096, 160000), 0},
	} {
		b.Run(row.name, func(b *testing.B) {
			_, im := mustImage(b, row.tree, testInterfaces...)
			chain := &im.Base(flowtable.FamilyIPv4, nft.HookForward)[0]
			env := &Env{}
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				im.Eval(chain, row.packets[i&(len(row.packets)-1)], env)
				i++
			}
			ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			b.ReportMetric(ns, "ns/packet")
			if row.rules > 0 {
				b.ReportMetric(ns/float64(row.rules), "ns/rule")
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	tree := manyRules(1000, false)
	cache, err := NewCache(1 << 24)
	if err != nil {
		b.Fatal(err)
	}
	defer cache.Close()
	for _, row := range []struct {
		name string
		opt  Options
	}{{"1000rules", Options{}}, {"1000rules/cached", Options{Cache: cache}}} {
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(tree, row.opt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("1000rules/copy", func(b *testing.B) {
		rs, err := Compile(tree, Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(rs.Bytes()))
		for b.Loop() {
			im, err := rs.Copy()
			if err != nil {
				b.Fatal(err)
			}
			if err := im.Free(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
