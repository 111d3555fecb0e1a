package rules

import (
	"strings"
	"testing"

	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules/nft"
)

// TestImagesFromTheShelf: an image gets the memory of one that was freed, whatever
// that one was, with counters at nothing; another size does not; and the store gives
// everything back.
func TestImagesFromTheShelf(t *testing.T) {
	used := offheap.InUse()
	store, err := NewStore(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	compile := func(rule string, n int) *Ruleset {
		rs, err := Compile(parse(t, inChain(strings.Repeat(rule+"\n", n))), Options{Interfaces: testInterfaces, Store: store})
		if err != nil {
			t.Fatal(err)
		}
		return rs
	}
	image := func(rs *Ruleset) *Image {
		im, err := rs.Copy()
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range im.Counters() {
			if c != (Counter{}) {
				t.Fatalf("counter %d begins at %+v", i, c)
			}
		}
		p := pk{}.packet(t)
		if v := im.Eval(&im.Base(p.Family, nft.HookForward)[0], p, &Env{}); v.Code != Accept || im.Generation() != rs.Generation {
			t.Fatalf("verdict %+v of generation %d", v, im.Generation())
		}
		for i := range im.Counters() {
			im.Counters()[i] = Counter{1, 2}
		}
		return im
	}
	memory := func(im *Image) *uint64 { return &im.whole[0] }
	free := func(im *Image) {
		t.Helper()
		if err := im.Free(); err != nil {
			t.Fatal(err)
		}
	}
	one, other, long := compile("tcp dport 80 counter accept", 30), compile("tcp dport 80 counter counter accept", 20), compile("tcp dport 80 counter accept", 3000)
	one.Generation, other.Generation = 7, 8
	a := image(one)
	was := memory(a)
	beside := image(one)
	if memory(beside) == was {
		t.Error("two images have the same memory")
	}
	a.Poison()
	free(a)
	b := image(other)
	if memory(b) != was {
		t.Error("the memory of an image that was freed is not used again")
	}
	free(b)
	c := image(long)
	if memory(c) == was || len(c.whole) < long.master.words+2*len(c.Counters()) {
		t.Errorf("%d words for an image of %d", len(c.whole), long.master.words)
	}
	free(c)
	d := image(one)
	if len(d.whole) > long.master.words/2 {
		t.Errorf("%d words for an image of %d", len(d.whole), one.master.words)
	}
	free(d)
	free(beside)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if left := offheap.InUse() - used; left != 0 {
		t.Errorf("%d bytes are left", left)
	}
}
