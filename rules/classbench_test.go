package rules

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules/nft"
)

// classbench reads a filter set: `@src/len dst/len lo : hi lo : hi proto/mask
// flags/mask` a line; the flags are ignored, as everybody does.
func classbench(tb testing.TB, file string) *nft.Ruleset {
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	var rules []*nft.Rule
	for n, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var a, b [5]byte // address, length
		var sport, dport [2]uint16
		var proto, mask uint8
		if _, err := fmt.Sscanf(strings.TrimPrefix(line, "@"), "%d.%d.%d.%d/%d %d.%d.%d.%d/%d %d : %d %d : %d 0x%x/0x%x",
			&a[0], &a[1], &a[2], &a[3], &a[4], &b[0], &b[1], &b[2], &b[3], &b[4], &sport[0], &sport[1], &dport[0], &dport[1], &proto, &mask); err != nil {
			tb.Fatalf("%s:%d: %v", file, n+1, err)
		}
		r := &nft.Rule{Pos: nft.Pos{File: file, Line: n + 1}}
		addr := func(name string, v [5]byte) {
			if v[4] > 0 {
				r.Stmts = append(r.Stmts, &nft.Match{Left: field("ip", name), Right: &nft.Const{Data: v[:4], PrefixLen: int(v[4])}})
			}
		}
		port := func(name string, v [2]uint16) {
			if v[0] > 0 || v[1] < 65535 {
				r.Stmts = append(r.Stmts, &nft.Match{Left: field("th", name), Right: &nft.Range{
					Lo: binary.BigEndian.AppendUint16(nil, v[0]), Hi: binary.BigEndian.AppendUint16(nil, v[1])}})
			}
		}
		addr("saddr", a)
		addr("daddr", b)
		port("sport", sport)
		port("dport", dport)
		if mask != 0 {
			r.Stmts = append(r.Stmts, &nft.Match{Left: &nft.Masked{E: field("ip", "protocol"), Mask: []byte{mask}}, Right: &nft.Const{Data: []byte{proto & mask}, PrefixLen: -1}})
		}
		r.Stmts = append(r.Stmts, acceptStmt)
		rules = append(rules, r)
	}
	return forward(nft.VerdictDrop, rules...)
}

// traceLine makes the packet of a line of a trace: source, destination, ports
// and protocol in decimal.
func traceLine(tb testing.TB, p *packet.Packet, line string) {
	var v [5]uint64
	f := strings.Fields(line)
	for i := range v {
		var err error
		if v[i], err = strconv.ParseUint(f[i], 10, 32); err != nil {
			tb.Fatal(err)
		}
	}
	binary.BigEndian.PutUint32(p.Data[26:], uint32(v[0]))
	binary.BigEndian.PutUint32(p.Data[30:], uint32(v[1]))
	binary.BigEndian.PutUint16(p.Data[34:], uint16(v[2]))
	binary.BigEndian.PutUint16(p.Data[36:], uint16(v[3]))
	p.Data[23], p.Proto = byte(v[4]), byte(v[4])
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
			rs, im := mustImage(t, classbench(t, file))
			lines := func(ext string) []string {
				text, err := os.ReadFile(strings.TrimSuffix(file, ".rules") + ext)
				if err != nil {
					t.Fatal(err)
				}
				return strings.Split(strings.TrimSpace(string(text)), "\n")
			}
			trace, truth := lines(".trace"), lines(".truth")
			if len(trace) != len(truth) {
				t.Fatalf("%d headers, %d answers", len(trace), len(truth))
			}
			step := 1 + rs.Rules()/500 // less of what is slow
			if offheap.RaceTwin {
				step *= 20
			}
			p := pk{}.packet(t)
			var env Env
			chain := &im.Base(flowtable.FamilyIPv4, nft.HookForward)[0]
			wrong := 0
			for i := 0; i < len(trace); i += step {
				traceLine(t, p, trace[i])
				v := im.Eval(chain, p, &env)
				got := -1
				if info := rs.Rule(v.Rule); !info.Policy {
					got = info.Pos.Line - 1
				}
				if strconv.Itoa(got) != truth[i] {
					if wrong++; wrong < 5 {
						t.Errorf("header %d (%s): rule %d, want %s", i, trace[i], got, truth[i])
					}
				}
			}
			if wrong > 0 {
				t.Errorf("%d wrong", wrong)
			}
		})
	}
}
