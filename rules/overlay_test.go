package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
)

// TestPaint paints ranges over each other, and wants of every key what was painted last.
func TestPaint(t *testing.T) {
	const keys = 60
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		var list []element
		var want [keys]uint64
		for step := range 40 {
			lo := r.Uint64N(keys)
			hi := min(lo+r.Uint64N(9), keys-1)
			value := setHit | uint64(step)
			if r.IntN(2) == 0 {
				value = setGone
			}
			list = paint(list, element{lo: []uint64{0, lo}, hi: []uint64{0, hi}, value: value})
			for k := lo; k <= hi; k++ {
				want[k] = value
			}
			var got [keys]uint64
			for i, el := range list {
				if i > 0 && slices.Compare(list[i-1].hi, el.lo) >= 0 || slices.Compare(el.lo, el.hi) > 0 {
					t.Fatalf("seed %d: %v", seed, list)
				}
				for k := el.lo[1]; k <= el.hi[1]; k++ {
					got[k] = el.value
				}
			}
			if got != want {
				t.Fatalf("seed %d: %v, want %v", seed, got, want)
			}
		}
	}
}

// TestBulkOfObjects edits large maps of objects, the objects, and rules around them so
// that the objects have other numbers: packets count where a compilation of the whole
// counts them, and the entries stay where they are.
func TestBulkOfObjects(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 5))
	for _, row := range []struct {
		name, key, flags string
		element          func(n int) string
	}{
		{"addresses", "ipv4_addr", "", func(n int) string { return fmt.Sprintf("10.0.%d.%d", n/256, n%256) }},
		{"ranges", "ipv4_addr", "flags interval", func(n int) string { return fmt.Sprintf("10.0.%d.%d/32", n/256, n%256) }},
		{"boxes", "ipv4_addr . inet_service", "flags interval", func(n int) string { return fmt.Sprintf("10.0.%d.%d . 1-%d", n/256, n%256, 50+n%50) }},
		{"ranges with nodes", "ipv4_addr", "flags interval,timeout", func(n int) string { return fmt.Sprintf("10.0.%d.%d/32", n/256, n%256) }},
		{"boxes with nodes", "ipv4_addr . inet_service", "flags interval,timeout", func(n int) string { return fmt.Sprintf("10.0.%d.%d . 1-%d", n/256, n%256, 50+n%50) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			element := func(n int) string {
				return row.element(n) + fmt.Sprintf(" : \"o%d\"", n%7)
			}
			var els []string
			for n := 0; n < 4*bulkMin; n += 2 {
				els = append(els, element(n))
			}
			left := "ip saddr"
			if strings.Contains(row.key, ".") {
				left = "ip saddr . tcp dport"
			}
			text := "table inet t {\n"
			for i := range 9 {
				text += fmt.Sprintf("counter o%d {\n}\n", i)
			}
			text += "map s {\ntype " + row.key + " : counter\n" + row.flags + "\nelements = { " + strings.Join(els, ", ") +
				" }\n}\nchain first {\n}\nchain c {\ntype filter hook forward priority 0; policy drop;\ncounter name " + left + " map @s accept\n}\n}\n"
			store := testStore(t)
			w := newWorkers(t, 1, text, store)
			first := w.rs.ix.setBlocks[0].bulk
			there := map[int]bool{}
			for n := 0; n < 4*bulkMin; n += 2 {
				there[n] = true
			}
			for step := range 12 {
				var b strings.Builder
				for range 1 + r.IntN(4) {
					n := r.IntN(4 * bulkMin)
					if step < 4 {
						n = r.IntN(20)
					}
					if there[n] {
						fmt.Fprintf(&b, "delete element inet t s { %s }\n", row.element(n))
					} else {
						fmt.Fprintf(&b, "add element inet t s { %s }\n", element(n))
					}
					there[n] = !there[n]
				}
				switch step {
				case 5:
					b.WriteString("add rule inet t first counter\n")
				case 7:
					b.WriteString("delete counter inet t o8\nadd counter inet t a\n")
				}
				w.edit(t, b.String(), second, store)
				if bulk := w.rs.ix.setBlocks[0].bulk; bulk == nil || bulk != first {
					t.Fatalf("seed %d, step %d: the entries are others", seed, step)
				}
				im, chain := w.whole(t, store)
				for i := range 200 {
					n := i
					if i > 30 {
						n = r.IntN(4 * bulkMin)
					}
					p := func() *packet.Packet {
						return pk{src: fmt.Sprintf("10.0.%d.%d", n/256, n%256), dst: "10.9.9.9", proto: 6, dport: uint16(40 + i%70)}.packet(t)
					}
					code, want := w.eval(0, p(), &Env{Nanos: second}), im.Eval(&chain, p(), &Env{Nanos: second}).Code
					if code != want || !slices.Equal(w.images[0].Counters(), im.Counters()) {
						t.Fatalf("seed %d, step %d, key %d: %v with counters %v, want %v with %v", seed, step, n, code, w.images[0].Counters(), want, im.Counters())
					}
				}
				if err := im.Free(); err != nil {
					t.Error(err)
				}
			}
			w.free(t)
		})
	}
}
