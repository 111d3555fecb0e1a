package classify

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sluice-net/sluice/perf/offheap"
)

// shape is a kind of random rule set.
type shape struct {
	name  string
	rules []int
	box   func(r *rand.Rand) Box
}

// interval returns bounds within the low bits, of all kinds: one value, a
// prefix, any two values, everything.
func interval(r *rand.Rand, bits int) (lo, hi uint32) {
	all := uint32(uint64(1)<<bits - 1)
	lo = r.Uint32() & all
	switch r.IntN(6) {
	case 0:
		return 0, all
	case 1:
		return lo, lo
	case 2:
		m := uint32(uint64(1)<<r.IntN(bits+1) - 1)
		return lo &^ m, lo | m
	case 3:
		return lo, all
	case 4:
		return 0, lo
	}
	hi = r.Uint32() & all
	return min(lo, hi), max(lo, hi)
}

func boxOf(r *rand.Rand, interval func(d, bits int) (uint32, uint32)) Box {
	b := Any()
	for d := range b.Lo {
		b.Lo[d], b.Hi[d] = interval(d, []int{32, 32, 16, 16}[d])
	}
	switch r.IntN(5) {
	case 0:
	case 1:
		b.Need, b.Mask = uint16(r.IntN(3))*6, 0xff
	case 2:
		b.Need, b.Mask = uint16(r.IntN(3))*6|0x200, 0xfff
	case 3:
		b.Mask = uint16(r.Uint32()) &^ NoFact
		b.Need = uint16(r.Uint32()) & b.Mask
	case 4:
		b.Need, b.Mask = 0x200, 0xf00
	}
	return b
}

var shapes = []shape{
	{"anything", []int{0, 1, 2, 15, 16, 17, 33, 500, 992, 993, 3000}, func(r *rand.Rand) Box {
		return boxOf(r, func(_, bits int) (uint32, uint32) { return interval(r, bits) })
	}},
	{"few values", []int{7, 40, 1100}, func(r *rand.Rand) Box { // many rules share their bounds, many boxes are equal
		return boxOf(r, func(_, bits int) (uint32, uint32) {
			edges := []uint32{0, 1, 2, 0x7fff, 0xfffe, 0xffff, 0x10000, 1<<32 - 2, 1<<32 - 1}
			if bits == 16 {
				edges = edges[:6]
			}
			lo, hi := edges[r.IntN(len(edges))], edges[r.IntN(len(edges))]
			return min(lo, hi), max(lo, hi)
		})
	}},
	{"hosts", []int{200, MaxRules}, func(r *rand.Rand) Box { // most rules have small boxes
		return boxOf(r, func(d, bits int) (uint32, uint32) {
			if v := r.Uint32() & (1<<16 - 1); d == Dst || r.IntN(8) > 0 {
				return v, v
			}
			return 0, uint32(uint64(1)<<bits - 1)
		})
	}},
	{"impossible", []int{40}, func(r *rand.Rand) Box { // some boxes have no key
		b := boxOf(r, func(_, bits int) (uint32, uint32) { return interval(r, bits) })
		switch r.IntN(3) {
		case 0:
			b.Lo[r.IntN(2)], b.Hi[r.IntN(2)] = 9, 3
		case 1:
			b.Need, b.Mask = 6|NoFact, 0xff|NoFact
		}
		return b
	}},
}

// aimedKeys returns keys at the edges of boxes, just outside, inside, and anywhere.
func aimedKeys(r *rand.Rand, boxes []Box, n int) []Key {
	keys := make([]Key, n)
	for i := range keys {
		k := Key{Src: r.Uint32(), Dst: r.Uint32(), Sport: uint16(r.Uint32()), Dport: uint16(r.Uint32()), Facts: uint16(r.Uint32()) &^ NoFact}
		if len(boxes) > 0 {
			b := &boxes[r.IntN(len(boxes))]
			v := func(d int) uint32 {
				switch r.IntN(8) {
				case 0:
					return b.Lo[d] - 1
				case 1:
					return b.Hi[d] + 1
				case 2, 3:
					return b.Lo[d]
				case 4, 5:
					return b.Hi[d]
				}
				return b.Lo[d] + uint32(r.Uint64N(uint64(b.Hi[d]-b.Lo[d])+1))
			}
			if r.IntN(8) > 0 {
				k = Key{Src: v(Src), Dst: v(Dst), Sport: uint16(v(Sport)), Dport: uint16(v(Dport)), Facts: b.Need&^NoFact | uint16(r.Uint32())&^b.Mask&^NoFact}
			}
		}
		keys[i] = k
	}
	return keys
}

// TestAgainstLinear demands of random rules and keys aimed at their edges the
// first match that a linear scan finds, from the first rule and from later ones.
func TestAgainstLinear(t *testing.T) {
	r := testRand(t)
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			for _, n := range s.rules {
				boxes := make([]Box, n)
				for i := range boxes {
					boxes[i] = s.box(r)
				}
				ix := mustBuild(t, boxes)
				count := 2000
				if n > 1000 || offheap.RaceTwin {
					count = 400
				}
				keys := aimedKeys(r, boxes, count)
				for _, from := range []uint32{0, 1, uint32(n / 2), uint32(n)} {
					agree(t, ix, keys, from, func(i int) uint32 { return linear(boxes, &keys[i], from) })
				}
			}
		})
	}
}

// TestKinds: which boxes get which index, so that the tests here meet all of them.
func TestKinds(t *testing.T) {
	r, same := testRand(t), rand.New(rand.NewPCG(1, 1))
	hosts := shapes[2].box
	overlap := func(r *rand.Rand) Box { // of two kinds of addresses, and few bounds
		b := Any()
		for _, d := range []int{Src, Dst} {
			b.Lo[d] = r.Uint32N(56) << 26
			b.Hi[d] = b.Lo[d] + 8<<26 - 1
		}
		return b
	}
	apart := func(r *rand.Rand) Box { // of all kinds, and no bound twice
		return boxOf(r, func(_, bits int) (uint32, uint32) {
			lo := r.Uint32N(1 << (bits - 1))
			return lo, lo + 1<<(bits-1) - 1
		})
	}
	for _, row := range []struct {
		name    string
		rules   int
		box     func(r *rand.Rand) Box
		singles bool
		stride  uint32
	}{
		{"few", leastSingles - 1, overlap, false, 1},
		{"visit many leaves", 60, overlap, true, 1},
		{"bits in several words", 300, overlap, true, 5},
		{"halves", 600, overlap, true, 16},
		{"visit one leaf", 600, hosts, false, 1},
		{"no bit left for spares", 64 * maxStride, overlap, true, 16},
		{"more rules than bits", 64*maxStride + 1, overlap, false, 2},
		{"rows too large", 64 * maxStride, apart, false, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			boxes := make([]Box, row.rules)
			for i := range boxes {
				boxes[i] = row.box(same)
			}
			ix := mustBuild(t, boxes)
			if h := head(ix.words); h.stride != row.stride || (h.ids != 0) != row.singles {
				t.Errorf("rows of %d words, singles %v, want %d, %v; %d KB", h.stride, h.ids != 0, row.stride, row.singles, ix.Bytes()/1024)
			}
			keys := aimedKeys(r, boxes, 300)
			for _, from := range []uint32{0, uint32(row.rules / 3), uint32(row.rules)} {
				agree(t, ix, keys, from, func(i int) uint32 { return linear(boxes, &keys[i], from) })
			}
		})
	}
}

// TestEveryMatch walks on behind each match until there is none.
func TestEveryMatch(t *testing.T) {
	r := testRand(t)
	boxes := make([]Box, 300)
	for i := range boxes {
		boxes[i] = shapes[0].box(r)
	}
	ix := mustBuild(t, boxes)
	for _, k := range aimedKeys(r, boxes, 500) {
		var got, want []uint32
		for id := ix.First(&k, 0); id != None; id = ix.First(&k, id+1) {
			got = append(got, id)
		}
		for i := range boxes {
			if boxes[i].Has(&k) {
				want = append(want, uint32(i))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v: rules %v, want %v", k, got, want)
		}
	}
}

func TestTooMany(t *testing.T) {
	boxes := make([]Box, MaxRules+1)
	for i := range boxes {
		boxes[i] = Any()
	}
	if _, err := Build(boxes[:MaxRules]); err != nil {
		t.Error(err)
	}
	if _, err := Build(boxes); err == nil {
		t.Errorf("%d rules taken", len(boxes))
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	r := testRand(t)
	boxes := make([]Box, 100)
	for i := range boxes {
		boxes[i] = shapes[0].box(r)
	}
	ix := mustBuild(t, boxes)
	keys := aimedKeys(r, boxes, 70)
	out := make([]uint32, len(keys))
	s := new(Scratch)
	if n := testing.AllocsPerRun(20, func() {
		ix.FirstBurst(keys, 0, out, s)
		ix.First(&keys[0], 3)
		ix.firstGo(&keys[1], 0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzFirst is TestAgainstLinear with seeds from the fuzzer.
func FuzzFirst(f *testing.F) {
	f.Add(uint64(1), uint64(2), uint16(40))
	f.Fuzz(func(t *testing.T, a, b uint64, n uint16) {
		r := rand.New(rand.NewPCG(a, b))
		s := shapes[int(b%uint64(len(shapes)))]
		boxes := make([]Box, n%2000)
		for i := range boxes {
			boxes[i] = s.box(r)
		}
		ix := mustBuild(t, boxes)
		keys := aimedKeys(r, boxes, 40)
		from := uint32(r.IntN(len(boxes) + 1))
		agree(t, ix, keys, from, func(i int) uint32 { return linear(boxes, &keys[i], from) })
	})
}
