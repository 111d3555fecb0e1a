package flowtable

import "testing"

// TestEnd: a worker ends flows of its own at once, others' with their next
// Expire, whichever of its tuples it names them by; what is no flow stays so.
func TestEnd(t *testing.T) {
	orig := tuple(t, ProtoUDP, "10.9.1.2", 4000, "10.9.2.2", 53)
	reply := tuple(t, ProtoUDP, "10.9.2.2", 53, "10.9.2.1", 5000)
	for _, row := range []struct {
		name  string
		moved bool
		by    Tuple
		ends  bool
	}{
		{"plain", false, orig, true},
		{"plain, by the answer", false, mustInvert(t, orig), true},
		{"translated", true, orig, true},
		{"translated, by the answer", true, reply, true},
		{"translated, by what it is not", true, mustInvert(t, orig), false},
		{"another flow", false, tuple(t, ProtoUDP, "10.9.1.2", 4001, "10.9.2.2", 53), false},
	} {
		for _, workers := range []int{1, 2, 4} {
			for caller := range workers {
				tb := newTable(t, func(c *Config) { c.Workers = workers })
				tb.SetNAT(row.moved)
				owner := tb.Owner(tb.Hash(&orig))
				s := tb.Shard(owner)
				if row.moved {
					moved(t, s, orig, reply, true)
				} else {
					pass(t, s, probe(tb, orig), start)
				}
				tb.Shard(caller).End(&row.by)
				if caller != owner && s.Len() != 1 {
					t.Errorf("%s: worker %d ended a flow of worker %d", row.name, caller, owner)
				}
				for i := range workers {
					tb.Shard(i).Expire(start, 1)
				}
				if s.Len() == 0 != row.ends || tb.doomed.waiting.Load() != 0 {
					t.Errorf("%s: %d flows after worker %d of %d ended it, %d wait", row.name, s.Len(), caller, workers, tb.doomed.waiting.Load())
				}
			}
		}
	}
}

// TestEndFull: when too many flows wait for their worker, the others live on, and
// those that waited make room.
func TestEndFull(t *testing.T) {
	tb := newTable(t, func(c *Config) { c.Workers = 2 })
	var mine []Tuple
	for port := uint16(1); len(mine) < doomSlots+2; port++ {
		if tu := tuple(t, ProtoUDP, "10.9.1.2", port, "10.9.2.2", 53); tb.Owner(tb.Hash(&tu)) == 1 {
			pass(t, tb.Shard(1), probe(tb, tu), start)
			mine = append(mine, tu)
		}
	}
	for _, want := range []int{2, 0} {
		for i := range mine {
			tb.Shard(0).End(&mine[i])
		}
		tb.Shard(1).Expire(start, 1)
		if got := tb.Shard(1).Len(); got != want {
			t.Errorf("%d flows live on, want %d", got, want)
		}
		mine = mine[len(mine)-2:]
	}
}
