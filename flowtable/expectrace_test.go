package flowtable

import (
	"math/rand/v2"
	"runtime"
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

// TestExpectOneWinner has two workers meet at one destination again and again:
// of two packets that fulfil one expectation one is RELATED, of two overlapping
// expectations one is made, if any.
func TestExpectOneWinner(t *testing.T) {
	const rounds = 20000
	tb := withHelpers(t, func(c *Config) { c.Workers = 2 })
	var masters [2]uint32
	for w := range masters {
		masters[w] = master(t, tb, tb.Shard(w), tuple(t, ProtoUDP, "10.0.0.1", uint16(1000+w), "10.0.0.9", 5060), sipHelper)
	}
	wish := *announce(t, ProtoUDP, "10.0.0.9", "10.0.0.1", 7000)
	child := tuple(t, ProtoUDP, "10.0.0.9", 9, "10.0.0.1", 7000)
	// Both do the round's step as soon as both have come to it.
	var came atomic.Int64
	meet := func(n int64) {
		came.Add(1)
		for came.Load() < 2*n {
			runtime.Gosched()
		}
	}
	var made, related [2][]bool
	var wg sync.WaitGroup
	for w := range masters {
		made[w], related[w] = make([]bool, rounds), make([]bool, rounds)
		wg.Go(func() {
			s, at := tb.Shard(w), int64(0)
			var got Expectation
			for i := range rounds {
				x := wish
				meet(at + 1)
				made[w][i] = s.Expect(masters[w], &x, start) == ExpectOK
				meet(at + 2)
				_, related[w][i] = s.expect.match(&child, start, &got)
				meet(at + 3)
				s.dropExpectations(masters[w])
				at += 3
			}
		})
	}
	wg.Wait()
	one := 0
	for i := range rounds {
		if made[0][i] && made[1][i] {
			t.Fatalf("round %d: both announced it", i)
		}
		if related[0][i] && related[1][i] {
			t.Fatalf("round %d: both fulfilled it", i)
		}
		if (made[0][i] || made[1][i]) != (related[0][i] || related[1][i]) {
			t.Fatalf("round %d: announced %v %v, fulfilled %v %v", i, made[0][i], made[1][i], related[0][i], related[1][i])
		}
		if made[0][i] || made[1][i] {
			one++
		}
	}
	if one == 0 {
		t.Error("nobody ever announced it")
	}
	checkExpectations(t, tb)
}

// TestExpectTried: what a claim does about an overlapping one of another worker
// that is under way, before and behind it in the window.
func TestExpectTried(t *testing.T) {
	for _, row := range []struct {
		name   string
		behind bool
		phase  uint64
		want   ExpectResult
		left   uint64 // phase of the other one afterwards
	}{
		{"tried before", false, expectTried, ExpectBusy, expectTried},
		{"tried behind", true, expectTried, ExpectOK, expectSpent},
		{"dormant behind", true, expectDormant, ExpectBusy, expectDormant},
		{"armed behind", true, expectArmed, ExpectBusy, expectArmed},
		{"armed before", false, expectArmed, ExpectBusy, expectArmed},
		{"being written", true, expectWriting, ExpectOK, expectWriting},
		{"spent", false, expectSpent, ExpectOK, expectSpent},
	} {
		t.Run(row.name, func(t *testing.T) {
			tb := withHelpers(t, func(c *Config) { c.Workers = 2 })
			a, b := tb.Shard(0), tb.Shard(1)
			m := master(t, tb, a, tuple(t, ProtoUDP, "10.0.0.1", 5060, "10.0.0.9", 5060), sipHelper)
			x := announce(t, ProtoUDP, "10.0.0.9", "10.0.0.1", 7000)
			lines, print := tb.expect.place(&x.Tuple)
			first, _, _ := a.takeSlot(lines, print)
			if !row.behind {
				a.freeSlot(first)
			}
			other, word, _ := b.takeSlot(lines, print)
			if row.behind {
				a.freeSlot(first)
			}
			tb.expect.store(other, x)
			atomic.StoreUint64(&tb.expect.words[other], word|row.phase)
			if r := a.claimExpect(m, x); r != row.want {
				t.Errorf("%v, want %v", r, row.want)
			}
			if got := tb.expect.words[other] & phaseMask; got != row.left {
				t.Errorf("the other one is in phase %d, want %d", got, row.left)
			}
			if tb.expect.step(other, word|expectTried, expectArmed) != (row.left == expectTried) {
				t.Error("one that was taken out can still be armed")
			}
			if row.want != ExpectOK && a.slots != 0 {
				t.Errorf("%d slots kept", a.slots)
			}
		})
	}
}
