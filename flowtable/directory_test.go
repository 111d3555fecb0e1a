package flowtable

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

func newDirectory(tb testing.TB, n int) *directory {
	tb.Helper()
	d := new(directory)
	k := newKeys([2]uint64{5, 6})
	b := new(builder)
	if err := d.reserve(b, n, &k); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = b.unwind() })
	return d
}

func TestDirectory(t *testing.T) {
	d := newDirectory(t, 100)
	const h = 0x1234567890abcdef
	if _, ok := d.lookup(h, 7); ok {
		t.Fatal("found in an empty directory")
	}
	if r := d.claim(h, 7, 255); r != claimHeld {
		t.Fatalf("claim: %d", r)
	}
	if o, ok := d.lookup(h, 7); !ok || o != 255 {
		t.Fatalf("owner %d, %v", o, ok)
	}
	for o := range uint16(3) {
		if r := d.claim(h, 7, o); r != claimLost {
			t.Fatalf("second claim: %d", r)
		}
	}
	for fp := uint64(8); fp < 8+window-1; fp++ {
		if r := d.claim(h, fp, 1); r != claimHeld {
			t.Fatalf("claim %d: %d", fp, r)
		}
	}
	if r := d.claim(h, 1000, 1); r != claimFull {
		t.Fatalf("claim into a full window: %d", r)
	}
	if d.release(h, 7, 3) {
		t.Fatal("released by one who does not hold it")
	}
	if !d.release(h, 7, 255) || d.release(h, 7, 255) {
		t.Fatal("release")
	}
	if r := d.claim(h, 1000, 1); r != claimHeld {
		t.Fatalf("claim into the freed word: %d", r)
	}
}

// TestDirectoryHasRoom: as many words as it was made for find a place, however
// they come and go, but for one in thousands.
func TestDirectoryHasRoom(t *testing.T) {
	const n = 4900 // 3/5 of the words, the most there can be
	d := newDirectory(t, n)
	r := rand.New(rand.NewPCG(7, 8))
	var held [n][2]uint64
	full := 0
	for i := range 20 * n {
		at := &held[i%n]
		if i >= n {
			at = &held[r.IntN(n)]
			d.release(at[0], at[1], 1)
		}
		*at = [2]uint64{r.Uint64(), r.Uint64()&printMask | 1}
		if d.claim(at[0], at[1], 1) == claimFull {
			full++
		}
	}
	if full > 20*n/5000 {
		t.Fatalf("no room for %d of %d, %d words of %d in use", full, 20*n, n, len(d.words))
	}
}

// world is a window and claimants on it, all comparable: a state of the
// exhaustive test.
type world struct {
	words   [window]uint64
	claims  [3]claimant
	deleter uint8 // 0 none, 1 about to empty a word, 2 done
}

// TestClaimInterleavings tries every order in which two or three claims for
// one fingerprint, and a release of it, can take their steps. At no moment may
// two settled words have the fingerprint; in the end exactly the claims that
// were told so hold it, and nothing unsettled is left.
func TestClaimInterleavings(t *testing.T) {
	const fp, busy = 77, settled | 9<<ownerShift | 5
	for _, row := range []struct {
		name   string
		claims int
		empty  []int // positions that are free; the rest is others'
		held   int   // position where owner 8 holds fp already, or -1
		freed  int   // position whose word, whatever it is, goes away meanwhile, or -1
		alone  bool  // one claimant must succeed in at least one order
	}{
		{"two, two empty words", 2, []int{3, 11}, -1, -1, true},
		{"two, one empty word", 2, []int{6}, -1, -1, true},
		{"three, three empty words", 3, []int{0, 7, 15}, -1, -1, true},
		{"three, two empty words", 3, []int{0, 9}, -1, -1, true},
		{"two, against a holder", 2, []int{2, 12}, 8, -1, false},
		{"two, holder below releases", 2, []int{2, 12}, 1, 1, true},
		{"two, holder above releases", 2, []int{2, 12}, 14, 14, true},
		{"three, holder between releases", 3, []int{2, 12}, 8, 8, true},
		{"two, room below appears", 2, []int{4, 12}, -1, 1, true},
		{"two, room between appears", 2, []int{4, 12}, -1, 9, true},
		{"three, room below appears", 3, []int{5, 12}, -1, 1, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			var w world
			for i := range w.words {
				w.words[i] = busy
			}
			for _, i := range row.empty {
				w.words[i] = 0
			}
			if row.held >= 0 {
				w.words[row.held] = settled | 8<<ownerShift | fp
			}
			for i := range row.claims {
				w.claims[i] = claimant{lines: [2]uint64{0, slots}, word: uint64(i+1)<<ownerShift | fp}
			}
			for i := row.claims; i < len(w.claims); i++ {
				w.claims[i].result = claimFull // takes no part
			}
			if row.freed >= 0 {
				w.deleter = 1
			}
			seen := map[world]bool{}
			winners := 0
			var walk func(w world)
			walk = func(w world) {
				if seen[w] {
					return
				}
				seen[w] = true
				holders := 0
				for _, x := range w.words {
					if x&settled != 0 && x&printMask == fp {
						holders++
					}
				}
				if holders > 1 {
					t.Fatalf("two hold it: %x", w.words)
				}
				moved := false
				for i := range row.claims {
					if w.claims[i].result != claimOpen {
						continue
					}
					moved = true
					next := w
					next.claims[i].step(next.words[:])
					walk(next)
				}
				if w.deleter == 1 {
					moved = true
					next := w
					next.words[row.freed], next.deleter = 0, 2
					walk(next)
				}
				if moved {
					return
				}
				for i := range row.claims {
					c := &w.claims[i]
					want := settled | c.word
					held := false
					for _, x := range w.words {
						if x == c.word {
							t.Fatalf("claim %d left an unsettled word: %x", i, w.words)
						}
						held = held || x == want
					}
					if held != (c.result == claimHeld) {
						t.Fatalf("claim %d was told %d, holds %v", i, c.result, held)
					}
					if held {
						winners++
					}
				}
			}
			walk(w)
			if (winners > 0) != row.alone {
				t.Errorf("%d ends with a winner", winners)
			}
			t.Logf("%d states", len(seen))
		})
	}
}

// TestDirectoryWorkers: several workers claim and release few fingerprints in
// few windows; a plain atomic word per fingerprint judges that never two hold
// one at a time.
func TestDirectoryWorkers(t *testing.T) {
	const workers, prints, rounds = 4, 24, 20000
	d := newDirectory(t, 8) // two buckets: one window for all
	var holder [prints]atomic.Int32
	var held atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	seed := rand.Uint64()
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			mine := map[uint64]bool{}
			for range rounds {
				fp := uint64(r.IntN(prints) + 1)
				hash := fp % 3
				if mine[fp] {
					if o, ok := d.lookup(hash, fp); !ok || int(o) != w {
						errs <- fmt.Errorf("seed %d: worker %d lost %d", seed, w, fp)
						return
					}
					if holder[fp-1].Add(-1) != 0 || !d.release(hash, fp, uint16(w)) {
						errs <- fmt.Errorf("seed %d: release of %d by %d", seed, fp, w)
						return
					}
					delete(mine, fp)
					continue
				}
				if d.claim(hash, fp, uint16(w)) == claimHeld {
					if holder[fp-1].Add(1) != 1 {
						errs <- fmt.Errorf("seed %d: two hold %d", seed, fp)
						return
					}
					mine[fp] = true
					held.Add(1)
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if held.Load() < rounds/10 {
		t.Errorf("only %d claims succeeded", held.Load())
	}
}
