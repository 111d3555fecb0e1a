package rules

import (
	"math/rand/v2"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
)

// TestFindOption: the option of IPv4 that rules find is the twin's, in headers of
// chance that are mostly made of types, lengths and pointers.
func TestFindOption(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	likely := []byte{7, 68, 131, 137, 134, 148, 0, 1, 3, 4, 5, 7, 8, 9, 11, 12, 13, 0xf0, 0xf3}
	found := 0
	for range 200_000 {
		words := 1 + r.IntN(4)
		h := make([]byte, 20+4*words)
		h[0] = byte(0x45 + words)
		for k := 20; k < len(h); k++ {
			if h[k] = likely[r.IntN(len(likely))]; r.IntN(3) == 0 {
				h[k] = byte(r.Uint32())
			}
		}
		for _, code := range []uint8{7, 131, 137, 148} {
			want, ok := routerOption(h, code)
			if !ok {
				want = 0
			}
			if got := packet.FindOption(h, code); got != want {
				t.Fatalf("seed %d: option %d of %x: at %d, the twin says %d", seed, code, h[20:], got, want)
			}
			if want != 0 {
				found++
			}
		}
	}
	if found == 0 {
		t.Error("no header had a well-formed option")
	}
}
