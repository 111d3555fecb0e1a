package classify

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sluice-net/sluice/perf/offheap"
)

// edit changes a list at random places and says where the others were.
func edit(r *rand.Rand, boxes []Box, changes int, fresh func() Box) (after []Box, was []int32) {
	after = slices.Clone(boxes)
	for i := range boxes {
		was = append(was, int32(i))
	}
	for range changes {
		at := r.IntN(len(after) + 1)
		switch kind := r.IntN(5); {
		case kind < 2 || at == len(after):
			after, was = slices.Insert(after, at, fresh()), slices.Insert(was, at, -1)
		case kind < 4:
			after, was = slices.Delete(after, at, at+1), slices.Delete(was, at, at+1)
		default:
			after[at], was[at] = fresh(), -1
		}
	}
	return after, was
}

// patched returns the index of boxes by a patch.
func patched(index []uint64, was []int32, boxes []Box) ([]uint64, bool) {
	p, ok := NewPatch(index, was, of(boxes))
	if !ok {
		return nil, false
	}
	words := make([]uint64, len(index))
	p.Write(words)
	return words, true
}

// of is a list as NewPatch asks for it.
func of(boxes []Box) func(i int) Box { return func(i int) Box { return boxes[i] } }

// TestPatch edits lists again and again, each for a patch of what Build had, and demands of every index the first
// match that a linear scan finds.
func TestPatch(t *testing.T) {
	r := testRand(t)
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			some, full := 0, 0
			for _, n := range s.rules {
				if n > 3000 {
					n = 4000
				}
				boxes := make([]Box, n)
				for i := range boxes {
					boxes[i] = s.box(r)
				}
				built, err := Build(boxes)
				if err != nil {
					t.Fatal(err)
				}
				var was []int32 // where each box stood in what Build had
				steps, keys := 60, 100
				if n > 1000 || offheap.RaceTwin {
					steps, keys = 12, 50
				}
				for step := range steps {
					changes := 1 + r.IntN(3)*r.IntN(6)
					var places []int32
					if boxes, places = edit(r, boxes, changes, func() Box { return s.box(r) }); step > 0 {
						for i, at := range places {
							if at >= 0 {
								places[i] = was[at]
							}
						}
					}
					if was = places; step == steps/2 { // more than a patch takes
						for range 2 * MostRoom {
							b := s.box(r)
							if b.Empty() { // takes no room
								b = Any()
							}
							boxes, was = append(boxes, b), append(was, -1)
						}
					}
					before := slices.Clone(built)
					words, ok := patched(built, was, boxes)
					if !slices.Equal(built, before) {
						t.Fatal("the index that was patched has changed")
					}
					if some++; !ok {
						some--
						full++
						if built, err = Build(boxes); err != nil {
							t.Fatal(err)
						}
						words = built
						for i := range was {
							was[i] = int32(i)
						}
					}
					ix := place(t, words)
					if ix.Rules() != len(boxes) {
						t.Fatalf("%d rules, want %d", ix.Rules(), len(boxes))
					}
					list := aimedKeys(r, boxes, keys)
					from := uint32(r.IntN(len(boxes)+1) * r.IntN(2))
					agree(t, ix, list, from, func(i int) uint32 { return linear(boxes, &list[i], from) })
				}
			}
			t.Logf("%d patched, %d built anew", some, full)
			if some == 0 || full == 0 {
				t.Error("the test misses one of both")
			}
		})
	}
}

// TestPatchRoom: an index takes as many new rules as it says, and no more.
func TestPatchRoom(t *testing.T) {
	boxes := make([]Box, 500)
	for i := range boxes {
		boxes[i] = Any()
	}
	words, err := Build(boxes)
	if err != nil {
		t.Fatal(err)
	}
	was := make([]int32, len(boxes))
	for i := range was {
		was[i] = int32(i)
	}
	for room := MostRoom - 1; room >= 0; room-- {
		boxes, was = append(boxes, Any()), append(was, -1)
		if p, ok := NewPatch(words, was, of(boxes)); !ok || p.Room() != room {
			t.Fatalf("%v, then no room for %d", ok, room)
		}
	}
	if _, ok := NewPatch(words, append(was, -1), of(append(boxes, Any()))); ok {
		t.Error("took more than it has room for")
	}
	if _, ok := NewPatch(words, was[:300], of(boxes[:300])); ok {
		t.Error("patched a list of which much is gone")
	}
}

// BenchmarkPatch is one rule more in lists of published rules, and one less.
func BenchmarkPatch(b *testing.B) {
	eachBench(b, func(b *testing.B, boxes []Box) {
		words, err := Build(boxes)
		if err != nil {
			b.Fatal(err)
		}
		at := len(boxes) / 2
		was := make([]int32, len(boxes))
		for i := range was {
			was[i] = int32(i)
		}
		more, then := slices.Insert(slices.Clone(boxes), at, boxes[3]), slices.Insert(was, at, -1)
		out := make([]uint64, len(words))
		for b.Loop() {
			p, ok := NewPatch(words, then, of(more))
			if !ok {
				b.Skip("no room") // for 64 leaves in a word
			}
			p.Write(out)
		}
	})
}
