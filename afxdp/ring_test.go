package afxdp

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

func TestNewRingSizes(t *testing.T) {
	for _, tc := range []struct {
		name string
		size int
		ok   bool
	}{
		{"one", 1, true},
		{"power of two", 64, true},
		{"zero", 0, false},
		{"negative", -8, false},
		{"no power of two", 48, false},
		{"too large", 2 * maxRing, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := NewRing[Desc](tc.size)
			if (err == nil) != tc.ok {
				t.Fatalf("NewRing(%d): error %v", tc.size, err)
			}
			if err == nil {
				if r.Size() != tc.size {
					t.Errorf("Size is %d", r.Size())
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if _, err := NewRing[*int](8); err == nil {
		t.Error("a ring of pointers was made in off-heap memory")
	}
}

// TestRingModel compares random calls with a slice, over the wrap of the
// indices at 32 bits.
func TestRingModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for _, size := range []int{1, 2, 8, 64} {
		r := newTestRing(t, size)
		start := uint32(0xffffff00)
		for _, h := range []*half{&r.prod, &r.cons} {
			h.own, h.seen = start, start
			h.shared.Store(start)
		}
		var model []uint64
		next := uint64(1)
		buf := make([]Desc, 2*size)
		for range 20000 {
			n := rnd.IntN(len(buf) + 1)
			switch rnd.IntN(4) {
			case 0: // Push
				for i := range n {
					buf[i].Addr = next + uint64(i)
				}
				want := min(n, size-len(model))
				if got := r.Push(buf[:n]); got != want {
					t.Fatalf("size %d: Push of %d with %d inside took %d", size, n, len(model), got)
				}
				for range want {
					model = append(model, next)
					next++
				}
			case 1: // Reserve, write, Publish fewer
				first, got := r.Reserve(n)
				if want := min(n, size-len(model)); got != want {
					t.Fatalf("size %d: Reserve(%d) with %d inside gave %d", size, n, len(model), got)
				}
				got = rnd.IntN(got + 1)
				for i := range got {
					r.Slot(first + uint32(i)).Addr = next
					model = append(model, next)
					next++
				}
				r.Publish(got)
			case 2: // Pop
				want := min(n, len(model))
				if got := r.Pop(buf[:n]); got != want {
					t.Fatalf("size %d: Pop of %d with %d inside gave %d", size, n, len(model), got)
				}
				for i := range want {
					if buf[i].Addr != model[i] {
						t.Fatalf("size %d: Pop gave %d, want %d", size, buf[i].Addr, model[i])
					}
				}
				model = model[want:]
			case 3: // Peek, read, Release fewer
				first, got := r.Peek(n)
				if want := min(n, len(model)); got != want {
					t.Fatalf("size %d: Peek(%d) with %d inside gave %d", size, n, len(model), got)
				}
				got = rnd.IntN(got + 1)
				for i := range got {
					if a := r.Slot(first + uint32(i)).Addr; a != model[i] {
						t.Fatalf("size %d: Slot holds %d, want %d", size, a, model[i])
					}
				}
				r.Release(got)
				model = model[got:]
			}
			if r.Len() != len(model) {
				t.Fatalf("size %d: Len is %d, want %d", size, r.Len(), len(model))
			}
		}
	}
}

// TestRingTwoGoroutines sends a counted sequence through a small ring.
func TestRingTwoGoroutines(t *testing.T) {
	const total = 300_000
	r := newTestRing(t, 32)
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]Desc, 16)
		for sent := 0; sent < total; {
			n := min(len(buf), total-sent)
			for i := range n {
				buf[i] = Desc{Addr: uint64(sent + i), Len: ^uint32(sent + i)}
			}
			n = r.Push(buf[:n])
			sent += n
			if n == 0 {
				runtime.Gosched()
			}
		}
	})
	buf := make([]Desc, 24)
	for got := 0; got < total; {
		n := r.Pop(buf)
		for i, d := range buf[:n] {
			if d.Addr != uint64(got+i) || d.Len != ^uint32(got+i) {
				t.Fatalf("element %d is %+v", got+i, d)
			}
		}
		got += n
		if n == 0 {
			runtime.Gosched()
		}
	}
	wg.Wait()
}

func TestRingDoesNotAllocate(t *testing.T) {
	r := newTestRing(t, 64)
	buf := make([]Desc, 32)
	if n := testing.AllocsPerRun(100, func() {
		r.Push(buf)
		r.Pop(buf)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func newTestRing(t testing.TB, size int) *Ring[Desc] {
	t.Helper()
	r, err := NewRing[Desc](size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func BenchmarkRing(b *testing.B) {
	r := newTestRing(b, 1024)
	buf := make([]Desc, 64)
	b.ReportAllocs()
	for range b.N {
		r.Push(buf)
		r.Pop(buf)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(buf)), "ns/desc")
}
