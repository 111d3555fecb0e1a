package classify

import (
	"cmp"
	"slices"
	"testing"
)

// TestSortBy sorts words by 32 of their bits, of which few or many differ.
func TestSortBy(t *testing.T) {
	r := testRand(t)
	for range 200 {
		n, shift, mask := r.IntN(300), r.IntN(33), r.Uint64()&r.Uint64()&r.Uint64()
		v := make([]uint64, n)
		for i := range v {
			v[i] = 1<<45 | r.Uint64()&mask
		}
		of := func(x uint64) uint32 { return uint32(x >> shift) }
		want := slices.Clone(v)
		slices.SortStableFunc(want, func(a, b uint64) int { return cmp.Compare(of(a), of(b)) })
		differ := n > 0 && of(want[0]) != of(want[n-1])
		if sortBy(v, make([]uint64, n+3), shift) != differ || !slices.Equal(v, want) {
			t.Fatalf("%d words by the bits from %d on, of which %#x differ: %#x, want %#x", n, shift, mask, v, want)
		}
	}
}

// TestExtents joins boxes and demands the ranks of the bounds around them, counted
// one by one.
func TestExtents(t *testing.T) {
	r := testRand(t)
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			var boxes []Box
			var ids []uint32
			for i := range uint32(60) {
				if boxes = append(boxes, s.box(r)); !boxes[i].Empty() {
					ids = append(ids, i)
				}
			}
			c := clustering{}
			c.extents, c.last = extentsOf(boxes, ids, boundsOf(boxes, ids))
			for d := range ranges {
				var starts []uint32 // of ranks
				for _, id := range ids {
					starts = append(starts, boxes[id].Lo[d])
					if boxes[id].Hi[d] < lastOf(d) {
						starts = append(starts, boxes[id].Hi[d]+1)
					}
				}
				slices.Sort(starts)
				starts = slices.Compact(starts)
				rank := func(v uint32) int {
					at, found := slices.BinarySearch(starts, v)
					if !found {
						at--
					}
					return at
				}
				for range 100 {
					a := ids[r.IntN(len(ids))]
					e, lo, hi := c.extents[a], boxes[a].Lo[d], boxes[a].Hi[d]
					for range r.IntN(4) {
						b := ids[r.IntN(len(ids))]
						e, lo, hi = e.join(&c.extents[b]), min(lo, boxes[b].Lo[d]), max(hi, boxes[b].Hi[d])
					}
					first, width := int(uint16(e.lo>>(16*d))), int(uint16(c.widths(e)>>(16*d)))
					if first != rank(lo) || first+width != rank(hi) {
						t.Fatalf("field %d: ranks %d to %d of %#x to %#x, want %d to %d", d, first, first+width, lo, hi, rank(lo), rank(hi))
					}
				}
			}
		})
	}
}

// TestManyVisits demands singles where boxes overlap, and leaves where they do not.
func TestManyVisits(t *testing.T) {
	r := testRand(t)
	apart, across := make([]Box, 500), make([]Box, 500)
	for i := range apart {
		apart[i] = Any()
		apart[i].Lo[Dst], apart[i].Hi[Dst] = uint32(i), uint32(i)
		across[i] = Any()
		d := r.IntN(2)
		across[i].Lo[d], across[i].Hi[d] = uint32(i), uint32(i)
	}
	for name, boxes := range map[string][]Box{"apart": apart, "across": across} {
		words, err := Build(boxes)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := head(words).ids != 0, name == "across"; got != want {
			t.Errorf("boxes that lie %s: singles %v, want %v", name, got, want)
		}
	}
}
