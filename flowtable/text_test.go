package flowtable

import "testing"

// TestFlows lists in slices of every size and gets each flow once.
func TestFlows(t *testing.T) {
	tb := newTable(t, nil)
	s := tb.Shard(0)
	for i := range uint32(50) {
		p := pass(t, s, probe(tb, udp4(i)), start)
		if i%5 == 0 {
			s.Delete(p.Entry)
		}
	}
	p := probe(tb, udp4(99))
	s.Track(&p, start) // unconfirmed: not listed
	for _, size := range []struct{ max, out int }{{1, 1}, {7, 3}, {3, 7}, {1000, 1000}} {
		seen := map[Tuple]bool{}
		out := make([]Flow, size.out)
		next, n := uint32(0), 0
		for first := true; first || next != 0; first = false {
			next, n = s.Flows(next, size.max, start+10500, out)
			for _, f := range out[:n] {
				if seen[f.Orig] || f.TimeoutSec != 19 || f.Reply != mustInvert(t, f.Orig) {
					t.Fatalf("%+v", f)
				}
				seen[f.Orig] = true
			}
		}
		if len(seen) != int(s.live)-1 {
			t.Errorf("slices of %+v: %d flows, want %d", size, len(seen), s.live-1)
		}
	}
}
