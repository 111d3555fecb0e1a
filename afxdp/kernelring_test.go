package afxdp

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

// TestKernelRing plays the kernel's side of a produced and a consumed ring and
// lets the indices run over the end of 32 bits.
func TestKernelRing(t *testing.T) {
	const size = 8
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, start := range []uint32{0, 5, 1<<32 - 3} {
		var prod, cons, flags atomic.Uint32
		prod.Store(start)
		cons.Store(start)
		slots := make([]uint64, size)
		in := kernelRing[uint64]{prod: &prod, cons: &cons, flags: &flags, slots: slots, mask: size - 1, own: start, seen: start}
		out := in // the other side, which here is ours as well
		sent, got := uint64(0), uint64(0)
		for range 1000 {
			n := in.reserve(rnd.IntN(size + 4))
			if n > size-int(sent-got) {
				t.Fatalf("start %d: %d slots with %d in use", start, n, sent-got)
			}
			for i := range uint32(n) {
				slots[(in.own+i)&in.mask] = sent
				sent++
			}
			in.publish(n)
			if in.filled() < int(sent-got) || in.unread() != int(sent-got) {
				t.Fatalf("start %d: %d filled, %d unread of %d", start, in.filled(), in.unread(), sent-got)
			}
			if in.held() != int(sent-got) || out.held() != int(sent-got) {
				t.Fatalf("start %d: %d and %d held of %d", start, in.held(), out.held(), sent-got)
			}
			n = out.peek(rnd.IntN(size + 4))
			if n > int(sent-got) {
				t.Fatalf("start %d: %d elements of %d", start, n, sent-got)
			}
			for i := range uint32(n) {
				if v := slots[(out.own+i)&out.mask]; v != got {
					t.Fatalf("start %d: element %d, want %d", start, v, got)
				}
				got++
			}
			out.release(n)
		}
		if n := in.reserve(size + 1); n != size-int(sent-got) || got == 0 {
			t.Errorf("start %d: %d slots free of %d, %d passed", start, n, size, got)
		}
	}
}

// TestFillTarget shares half of a UMEM among the fill rings of its sockets.
func TestFillTarget(t *testing.T) {
	u := newTestUMEM(t, 4096)
	for _, tc := range []struct{ living, ring, want int }{
		{0, 256, 256}, {1, 4096, 2048}, {2, 2048, 1024}, {2, 512, 512}, {100, 64, 20},
	} {
		u.kernel.living = tc.living
		if got := u.fillTarget(tc.ring); got != tc.want {
			t.Errorf("%d sockets with rings of %d: %d frames, want %d", tc.living, tc.ring, got, tc.want)
		}
	}
	u.kernel.living = 0
}
