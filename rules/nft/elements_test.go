package nft

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestElementsOneByOne: a list that grows or shrinks by one element at a time has no
// more pieces than it needs.
func TestElementsOneByOne(t *testing.T) {
	for name, at := range map[string]func(n int) int{
		"at the end": func(n int) int { return n }, "at the beginning": func(int) int { return 0 },
		"at the first border": func(n int) int { return min(n, pieceSize) },
	} {
		var l Elements
		for range 20 * pieceSize {
			i := at(l.n)
			l = l.replace(i, i, []*Element{{}})
		}
		if len(l.pieces) > 40 {
			t.Errorf("%s: %d elements in %d pieces", name, l.n, len(l.pieces))
		}
		for l.n > 10 {
			i := at(l.n - 1)
			l = l.replace(i, i+1, nil)
		}
		if len(l.pieces) > 4 {
			t.Errorf("%s: %d elements are left in %d pieces", name, l.n, len(l.pieces))
		}
	}
}

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
		for step := range 50 {
			var all []exchange
			var changed []*Element
			oldList, old, at := want, have, 0
			for at < len(want) {
				i := at + r.IntN(len(want)/(1+step)+2)
				if i > len(want) {
					break
				}
				x := exchange{i, min(i+r.IntN(3), len(want)), fresh(r.IntN(3))}
				all = append(all, x)
				changed = slices.Concat(changed, want[at:x.i], x.others)
				at = max(x.j, x.i+1)
				if at > len(want) {
					at = len(want)
				} else {
					changed = append(changed, want[x.j:at]...)
				}
			}
			changed = append(changed, want[at:]...)
			have = have.replaceAll(all)
			if want = changed; !slices.Equal(have.List(), want) || have.Len() != len(want) || !slices.Equal(old.List(), oldList) {
				t.Fatalf("seed %d, size %d, step %d: %d exchanges", seed, size, step, len(all))
			}
		}
		if _, _, ok := have.Diff(ElementsOf(fresh(3)...), 2); ok {
			t.Error("no limit")
		}
	}
}
