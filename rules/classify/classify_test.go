package classify

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/perf/offheap"
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
	ix.FirstBurst(keys, from, out, &s)
	wrong := 0
	for i := range keys {
		w := want(i)
		if one, slow := ix.First(&keys[i], from), ix.firstGo(&keys[i], from); out[i] != w || one != w || slow != w {
			t.Errorf("key %d %+v from %d: rule %d in a burst, %d alone, %d without assembly, want %d", i, keys[i], from, int32(out[i]), int32(one), int32(slow), int32(w))
			if wrong++; wrong > 5 {
				t.FailNow()
			}
		}
	}
}

var sets = filepath.Join("..", "..", "..", "shared", "corpora", "classbench")

func readLines(tb testing.TB, file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// readSet reads a filter set: `@src/len dst/len lo : hi lo : hi proto/mask
// flags/mask` a line; the flags are ignored, as everybody does.
func readSet(tb testing.TB, file string) []Box {
	var out []Box
	for n, line := range readLines(tb, file) {
		var a, b [5]uint32
		x := Any()
		if _, err := fmt.Sscanf(strings.TrimPrefix(line, "@"), "%d.%d.%d.%d/%d %d.%d.%d.%d/%d %d : %d %d : %d 0x%x/0x%x",
			&a[0], &a[1], &a[2], &a[3], &a[4], &b[0], &b[1], &b[2], &b[3], &b[4],
			&x.Lo[Sport], &x.Hi[Sport], &x.Lo[Dport], &x.Hi[Dport], &x.Need, &x.Mask); err != nil {
			tb.Fatalf("%s:%d: %v", file, n+1, err)
		}
		x.Need &= x.Mask
		for d, v := range [][5]uint32{a, b} {
			host := uint32(uint64(1)<<(32-v[4]) - 1)
			x.Lo[d] = (v[0]<<24 | v[1]<<16 | v[2]<<8 | v[3]) &^ host
			x.Hi[d] = x.Lo[d] | host
		}
		out = append(out, x)
	}
	return out
}

// readTrace reads source, destination, ports and protocol in decimal.
func readTrace(tb testing.TB, file string) []Key {
	var out []Key
	for n, line := range readLines(tb, file) {
		var v [5]uint64
		for i, f := range strings.Fields(line)[:5] {
			var err error
			if v[i], err = strconv.ParseUint(f, 10, 32); err != nil {
				tb.Fatalf("%s:%d: %v", file, n+1, err)
			}
		}
		out = append(out, Key{Src: uint32(v[0]), Dst: uint32(v[1]), Sport: uint16(v[2]), Dport: uint16(v[3]), Facts: uint16(v[4])})
	}
	return out
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
		ix := mustBuild(t, readSet(t, base+".rules"))
		keys, truth := readTrace(t, base+".trace"), readLines(t, base+".truth")
		if len(keys) != len(truth) {
			t.Fatalf("%d keys, %d answers", len(keys), len(truth))
		}
		agree(t, ix, keys, 0, func(i int) uint32 {
			n, err := strconv.Atoi(truth[i])
			if err != nil {
				t.Fatal(err)
			}
			return uint32(n)
		})
	})
}

// drawKey returns a random key in a box.
func drawKey(r *rand.Rand, b *Box) Key {
	v := func(d int) uint32 { return b.Lo[d] + uint32(r.Uint64N(uint64(b.Hi[d]-b.Lo[d])+1)) }
	k := Key{Src: v(Src), Dst: v(Dst), Sport: uint16(v(Sport)), Dport: uint16(v(Dport)), Facts: b.Need}
	if b.Mask == 0 {
		k.Facts = []uint16{6, 17}[r.IntN(2)]
	}
	return k
}

func drawKeys(boxes []Box, n int) []Key {
	r := rand.New(rand.NewPCG(1, 1))
	out := make([]Key, n)
	for i := range out {
		out[i] = drawKey(r, &boxes[r.IntN(len(boxes))])
	}
	return out
}

func BenchmarkFirst(b *testing.B) {
	files, _ := filepath.Glob(filepath.Join(sets, "*.rules"))
	for _, file := range files {
		boxes := readSet(b, file)
		ix := mustBuild(b, boxes)
		keys := drawKeys(boxes, 65536)
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
		b.Run(name+"/build", func(b *testing.B) {
			for b.Loop() {
				if _, err := Build(boxes); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
