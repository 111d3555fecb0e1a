package flowtable

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// TestExpectWorkers lets workers announce, delete, refresh and fulfil
// expectations for a handful of destinations at the same time. None may be
// fulfilled twice, none of those that hold may overlap, and every one that was
// made is either there or was counted as gone.
func TestExpectWorkers(t *testing.T) {
	const workers, rounds, steps, ports = 4, 40, 300, 6
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	tb := withHelpers(t, func(c *Config) { c.Workers, c.ExpectMax, c.Max = workers, 64, 1<<15 })
	fulfilled := make([]atomic.Uint32, workers*rounds*steps+1)
	var serial atomic.Uint32
	var masters [workers][]uint32
	for w := range workers {
		for i := range 3 {
			tu := tuple(t, ProtoUDP, "10.0.0.1", uint16(1000+10*w+i), "10.0.0.9", 5060)
			masters[w] = append(masters[w], master(t, tb, tb.Shard(w), tu, sipHelper))
		}
	}
	matched := 0
	for round := range rounds {
		var wg sync.WaitGroup
		var hits atomic.Int64
		for w := range workers {
			wg.Go(func() {
				s := tb.Shard(w)
				r := rand.New(rand.NewPCG(seed, uint64(round*workers+w)))
				for i := range steps {
					m := masters[w][r.IntN(len(masters[w]))]
					s.entries[m].Expires = start + 1<<30
					port := uint16(r.IntN(ports))
					switch r.IntN(8) {
					case 0, 1, 2:
						x := &Expectation{Tuple: Tuple{DstPort: port, Proto: ProtoUDP, Family: FamilyIPv4}, Class: 1}
						x.Tuple.Src[0], x.MaskSrc[0] = byte(r.IntN(3)), []byte{0xff, 0xff, 0}[r.IntN(3)]
						x.Tuple.Src[0] &= x.MaskSrc[0]
						if r.IntN(8) == 0 {
							x.Flags = ExpectPermanent
						}
						n := serial.Add(1)
						x.Follow, x.Cookie = uint16(n>>16), uint16(n)
						s.Expect(m, x, start)
					case 3:
						if h := s.FirstExpect(m); h != 0 {
							s.Unexpect(h)
						}
					case 4:
						if h := s.FirstExpect(m); h != 0 {
							s.RefreshExpect(h, 100, true, start)
						}
						s.SetMark(m, r.Uint32())
					case 5:
						s.Expire(start, 4)
					default:
						p := probe(tb, Tuple{SrcPort: uint16(round*steps + i), DstPort: port, Proto: ProtoUDP, Family: FamilyIPv4})
						p.Tuple.Src[0] = byte(r.IntN(3))
						p.Tuple.Src[1] = byte(w)
						p.Hash = tb.Hash(&p.Tuple)
						s.Track(&p, start)
						if p.Info == InfoRelated {
							c := s.Child(p.Entry)
							if !c.matches(&p.Tuple) {
								t.Errorf("%v fulfilled %+v", p.Tuple, c)
							}
							if c.Flags&ExpectPermanent == 0 {
								hits.Add(1)
								if fulfilled[uint32(c.Follow)<<16|uint32(c.Cookie)].Add(1) != 1 {
									t.Errorf("fulfilled twice: %+v", c)
								}
							}
						}
						if r.IntN(4) == 0 {
							s.Confirm(&p, start)
							s.Delete(p.Entry)
						} else {
							s.Abandon(p.Entry)
						}
					}
				}
			})
		}
		wg.Wait()
		matched += int(hits.Load())
		checkExpectations(t, tb)
		checkApart(t, tb)
		var sum Stats
		for w := range workers {
			sum.Add(tb.Shard(w).Stats())
		}
		if int(sum.ExpectCreate-sum.ExpectDelete) != tb.ExpectCount() {
			t.Fatalf("created %d, gone %d, %d hold", sum.ExpectCreate, sum.ExpectDelete, tb.ExpectCount())
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	if matched == 0 {
		t.Error("nothing was ever fulfilled")
	}
	for w := range workers {
		for _, m := range masters[w] {
			tb.Shard(w).Delete(m)
		}
	}
	if tb.ExpectCount() != 0 {
		t.Errorf("%d outlive their masters", tb.ExpectCount())
	}
}

// checkApart verifies that no two expectations that hold overlap.
func checkApart(tb testing.TB, t *Table) {
	tb.Helper()
	all := make([]Expectation, t.ExpectMax()+1)
	_, n := t.Expectations(0, start, all)
	for i := range n {
		for j := range i {
			if all[i].overlaps(&all[j]) {
				tb.Fatalf("%+v overlaps %+v", all[i], all[j])
			}
		}
	}
}
