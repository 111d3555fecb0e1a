package rules

import (
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
	"github.com/sluice-net/sluice/tools/classbench"
)

// filterSet turns a filter set into rules of a chain.
func filterSet(tb testing.TB, file string) *nft.Ruleset {
	set, err := classbench.Rules(file)
	if err != nil {
		tb.Fatal(err)
	}
	var rules []*nft.Rule
	for n := range set {
		x := &set[n]
		r := &nft.Rule{Pos: nft.Pos{File: file, Line: n + 1}}
		addr := func(name string, v uint32, length int) {
			if length > 0 {
				r.Stmts = append(r.Stmts, &nft.Match{Left: field("ip", name), Right: &nft.Const{Data: binary.BigEndian.AppendUint32(nil, v), PrefixLen: length}})
			}
		}
		port := func(name string, v [2]uint16) {
			if v[0] > 0 || v[1] < 65535 {
				r.Stmts = append(r.Stmts, &nft.Match{Left: field("th", name), Right: &nft.Range{
					Lo: binary.BigEndian.AppendUint16(nil, v[0]), Hi: binary.BigEndian.AppendUint16(nil, v[1])}})
			}
		}
		addr("saddr", x.Src, x.SrcLen)
		addr("daddr", x.Dst, x.DstLen)
		port("sport", x.Sport)
		port("dport", x.Dport)
		if x.Mask != 0 {
			r.Stmts = append(r.Stmts, &nft.Match{Left: &nft.Masked{E: field("ip", "protocol"), Mask: []byte{x.Mask}}, Right: &nft.Const{Data: []byte{x.Proto}, PrefixLen: -1}})
		}
		r.Stmts = append(r.Stmts, acceptStmt)
		rules = append(rules, r)
	}
	return forward(nft.VerdictDrop, rules...)
}

// show puts a header into a packet.
func show(p *packet.Packet, h *classbench.Header) {
	binary.BigEndian.PutUint32(p.Data[26:], h.Src)
	binary.BigEndian.PutUint32(p.Data[30:], h.Dst)
	binary.BigEndian.PutUint16(p.Data[34:], h.Sport)
	binary.BigEndian.PutUint16(p.Data[36:], h.Dport)
	p.Data[23], p.Proto = h.Proto, h.Proto
}

// TestClassBench classifies the traces of the corpus and compares with the
// first match that stands beside them.
func TestClassBench(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpora, "classbench", "*.rules"))
	if err != nil || len(files) == 0 {
		t.Skipf("SKIPPED: no filter sets in %s", corpora)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".rules"), func(t *testing.T) {
			rs, im := mustImage(t, filterSet(t, file))
			base := strings.TrimSuffix(file, ".rules")
			trace, err := classbench.Trace(base + ".trace")
			if err != nil {
				t.Fatal(err)
			}
			truth, err := classbench.Truth(base + ".truth")
			if err != nil {
				t.Fatal(err)
			}
			if len(trace) != len(truth) {
				t.Fatalf("%d headers, %d answers", len(trace), len(truth))
			}
			p := pk{}.packet(t)
			var env Env
			chain := &im.Base(flowtable.FamilyIPv4, nft.HookForward)[0]
			wrong := 0
			for i := 0; i < len(trace); i++ {
				show(p, &trace[i])
				v := im.Eval(chain, p, &env)
				got := -1
				if info := rs.Rule(v.Rule); !info.Policy {
					got = info.Pos.Line - 1
				}
				if got != truth[i] {
					if wrong++; wrong < 5 {
						t.Errorf("header %d (%+v): rule %d, want %d", i, trace[i], got, truth[i])
					}
				}
			}
			if wrong > 0 {
				t.Errorf("%d wrong", wrong)
			}
		})
	}
}
