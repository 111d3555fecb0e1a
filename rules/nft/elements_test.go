package nft

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestElements changes lists as slices are changed, and wants the same of both; older
// lists stay as they are.
func TestElements(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for _, size := range []int{0, 1, 2, pieceSize, pieceSize + 1, 2 * pieceSize, 5000} {
		fresh := func(n int) (out []*Element) {
			for range n {
				out = append(out, &Element{})
			}
			return out
		}
		want := fresh(size)
		have := ElementsOf(want...)
		for step := range 300 {
			i := r.IntN(len(want) + 1)
			j := min(i+r.IntN(4), len(want))
			if step%50 == 49 {
				j = min(i+r.IntN(len(want)+1), len(want))
			}
			others := fresh(r.IntN(3))
			if step%40 == 39 {
				others = fresh(r.IntN(3000))
			}
			oldList, old := want, have
			want = slices.Concat(want[:i], others, want[j:])
			have = have.replace(i, j, others)
			if !slices.Equal(have.List(), want) || have.Len() != len(want) || !slices.Equal(old.List(), oldList) {
				t.Fatalf("seed %d, size %d, step %d: replacing %d to %d by %d", seed, size, step, i, j, len(others))
			}
			if len(want) > 0 {
				k := r.IntN(len(want))
				if have.At(k) != want[k] {
					t.Fatalf("seed %d: element %d", seed, k)
				}
				n := 0
				if got := have.search(func(e *Element) bool { n++; return slices.Index(want, e) >= k }); got != k || n > 30 {
					t.Fatalf("seed %d: search for %d of %d gives %d after %d", seed, k, len(want), got, n)
				}
			}
			gone, added, ok := have.Diff(old, 1<<20)
			if !ok || !slices.Equal(gone, oldList[i:j]) || !slices.Equal(added, others) {
				t.Fatalf("seed %d, size %d, step %d: %d gone and %d new, want %d and %d", seed, size, step, len(gone), len(added), j-i, len(others))
			}
			for _, p := range have.pieces {
				if len(p) == 0 || len(p) >= 2*pieceSize {
					t.Fatalf("seed %d: a piece of %d", seed, len(p))
				}
			}
		}
		if _, _, ok := have.Diff(ElementsOf(fresh(3)...), 2); ok {
			t.Error("no limit")
		}
	}
}
