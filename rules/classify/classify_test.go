package classify

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/tools/classbench"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 takes the time")

func testRand(t testing.TB) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d (repeat with -seed)", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// linear is the slow twin.
func linear(boxes []Box, k *Key, from uint32) uint32 {
	for i := int(from); i < len(boxes); i++ {
		if boxes[i].Has(k) {
			return uint32(i)
		}
	}
	return None
}

// mustBuild returns the index of boxes in memory as a worker has it.
func mustBuild(t testing.TB, boxes []Box) *Index {
	t.Helper()
	words, err := Build(boxes)
	if err != nil {
		t.Fatal(err)
	}
	return place(t, words)
}

// place copies an index to where a worker's image has it.
func place(t testing.TB, words []uint64) *Index {
	t.Helper()
	region, err := offheap.Make[uint64](len(words))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := offheap.Free(region); err != nil {
			t.Error(err)
		}
	})
	copy(region, words)
	ix := Open(region)
	return &ix
}

// agree demands that all ways to look keys up come to what want says.
func agree(t *testing.T, ix *Index, keys []Key, from uint32, want func(i int) uint32) {
	t.Helper()
	out := make([]uint32, len(keys))
	var s Scratch
	wrong := 0
	for v := noVectors; v <= best; v++ {
		ix.burst(v, keys, from, out, &s)
		for i := range keys {
			w := want(i)
			if one := ix.first(v, &keys[i], from); out[i] != w || one != w {
				t.Errorf("vectors %d: key %d %+v from %d: rule %d in a burst, %d alone, want %d", v, i, keys[i], from, int32(out[i]), int32(one), int32(w))
				if wrong++; wrong > 5 {
					t.FailNow()
				}
			}
		}
	}
}

var sets = filepath.Join("..", "..", "..", "shared", "corpora", "classbench")

// boxesOf turns a filter set into boxes.
func boxesOf(rules []classbench.Rule) []Box {
	out := make([]Box, len(rules))
	for i := range rules {
		r := &rules[i]
		out[i] = Box{
			Lo:   [ranges]uint32{r.Src, r.Dst, uint32(r.Sport[0]), uint32(r.Dport[0])},
			Hi:   [ranges]uint32{r.Src | ^classbench.PrefixMask(r.SrcLen), r.Dst | ^classbench.PrefixMask(r.DstLen), uint32(r.Sport[1]), uint32(r.Dport[1])},
			Need: uint16(r.Proto), Mask: uint16(r.Mask),
		}
	}
	return out
}

func keysOf(headers []classbench.Header) []Key {
	out := make([]Key, len(headers))
	for i, h := range headers {
		out[i] = Key{Src: h.Src, Dst: h.Dst, Sport: h.Sport, Dport: h.Dport, Facts: uint16(h.Proto)}
	}
	return out
}

// must returns what a reader of corpora read.
func must[T any](t testing.TB) func([]T, error) []T {
	return func(v []T, err error) []T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// eachSet runs f for every published filter set.
func eachSet(t *testing.T, f func(t *testing.T, base string)) {
	files, err := filepath.Glob(filepath.Join(sets, "*.rules"))
	if err != nil || len(files) == 0 {
		t.Skipf("SKIPPED: no filter sets in %s", sets)
	}
	for _, file := range files {
		base := strings.TrimSuffix(file, ".rules")
		t.Run(filepath.Base(base), func(t *testing.T) { f(t, base) })
	}
}

// TestPublishedSets classifies published traces and compares with the first
// match that stands beside them.
func TestPublishedSets(t *testing.T) {
	eachSet(t, func(t *testing.T, base string) {
		ix := mustBuild(t, boxesOf(must[classbench.Rule](t)(classbench.Rules(base+".rules"))))
		keys := keysOf(must[classbench.Header](t)(classbench.Trace(base + ".trace")))
		truth := must[int](t)(classbench.Truth(base + ".truth"))
		if len(keys) != len(truth) {
			t.Fatalf("%d keys, %d answers", len(keys), len(truth))
		}
		agree(t, ix, keys, 0, func(i int) uint32 { return uint32(truth[i]) }) // -1 is None
	})
}

// eachBench runs f for every published filter set.
func eachBench(b *testing.B, f func(b *testing.B, boxes []Box)) {
	files, _ := filepath.Glob(filepath.Join(sets, "*.rules"))
	for _, file := range files {
		boxes := boxesOf(must[classbench.Rule](b)(classbench.Rules(file)))
		b.Run(strings.TrimSuffix(filepath.Base(file), ".rules"), func(b *testing.B) { f(b, boxes) })
	}
}

func BenchmarkFirst(b *testing.B) {
	files, _ := filepath.Glob(filepath.Join(sets, "*.rules"))
	for _, file := range files {
		rules := must[classbench.Rule](b)(classbench.Rules(file))
		boxes, keys := boxesOf(rules), keysOf(classbench.Draw(rules, 65536, 1))
		ix := mustBuild(b, boxes)
		out := make([]uint32, 256)
		var s Scratch
		name := strings.TrimSuffix(filepath.Base(file), ".rules")
		b.Run(name+"/single", func(b *testing.B) {
			i := 0
			for b.Loop() {
				ix.First(&keys[i&65535], 0)
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
		})
		b.Run(name+"/burst", func(b *testing.B) {
			i := 0
			for b.Loop() {
				ix.FirstBurst(keys[i:i+256], 0, out, &s)
				i = (i + 256) & 65535
			}
			b.ReportMetric(float64(b.N)*256/b.Elapsed().Seconds()/1e6, "M/s")
			b.ReportMetric(float64(ix.Bytes())/1e3, "KB")
		})
		for v := noVectors; v < best; v++ {
			b.Run(fmt.Sprintf("%s/burst/vectors%d", name, v), func(b *testing.B) {
				i := 0
				for b.Loop() {
					ix.burst(v, keys[i:i+256], 0, out, &s)
					i = (i + 256) & 65535
				}
				b.ReportMetric(float64(b.N)*256/b.Elapsed().Seconds()/1e6, "M/s")
			})
		}
		b.Run(name+"/build", func(b *testing.B) {
			for b.Loop() {
				if _, err := Build(boxes); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
