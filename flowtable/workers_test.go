package flowtable

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSameForAnyWorkers plays one random life of masters, expectations and
// children on 1, 2 and 4 workers, every packet at the worker that owns it: each
// must find the same, and the same flows and expectations must be left.
func TestSameForAnyWorkers(t *testing.T) {
	for range 20 {
		seed := rand.Uint64()
		want := playWorkers(t, seed, 1)
		if len(want) < 100 {
			t.Fatalf("seed %d: too little happened: %d lines", seed, len(want))
		}
		for _, workers := range []int{2, 4} {
			got := playWorkers(t, seed, workers)
			for i := range max(len(want), len(got)) {
				if i >= len(want) || i >= len(got) || want[i] != got[i] {
					t.Fatalf("seed %d, %d workers, line %d:\n%s\none worker:\n%s", seed, workers, i, got[min(i, len(got)-1)], want[min(i, len(want)-1)])
				}
			}
		}
	}
}

func playWorkers(t *testing.T, seed uint64, workers int) (lines []string) {
	r := rand.New(rand.NewPCG(seed, 3))
	tb := withHelpers(t, func(c *Config) { c.Workers, c.ExpectMax = workers, 12 })
	tb.SetNAT(r.IntN(2) == 0)
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	now := start
	p := new(Probe)
	for range 2000 {
		i := uint32(r.IntN(8))
		session := tuple(t, ProtoUDP, "10.0.0.1", uint16(5000+i), "10.0.0.9", 5060)
		media := tuple(t, ProtoUDP, "10.0.0.9", uint16(r.IntN(3)), "10.0.0.1", uint16(7000+r.IntN(10)))
		owner := tb.Shard(tb.Owner(tb.Hash(&session)))
		n := owner.Find(&session, now)
		switch op := r.IntN(12); {
		case op < 4: // a packet of a child, or not
			s := tb.Shard(tb.Owner(tb.Hash(&media)))
			*p = probe(tb, media)
			a := s.Track(p, now)
			say("media %v: %d %d", media, a, p.Info)
			if p.Info == InfoRelated {
				c := s.Child(p.Entry)
				say("child of %v, mark %d helper %d", c.Master, s.Entry(p.Entry).Mark, s.HelperOf(p.Entry))
			}
			say("confirmed %v", s.Confirm(p, now))
		case op < 7 || n == 0: // a packet of a master
			*p = probe(tb, session)
			p.Template.Helper = sipHelper
			say("session %d: %d %d %v", i, owner.Track(p, now), p.Info, owner.Confirm(p, now))
		case op < 10:
			x := announce(t, ProtoUDP, "10.0.0.9", "10.0.0.1", uint16(7000+r.IntN(10)))
			x.Class, x.Assign = uint8(r.IntN(2)), uint8(r.IntN(2))*sipHelper
			if r.IntN(4) == 0 {
				x.Flags = ExpectPermanent
			}
			say("expect %d: %v", i, owner.Expect(n, x, now))
		case op == 10:
			owner.SetMark(n, uint32(r.IntN(100)))
		default:
			if r.IntN(4) == 0 {
				owner.Delete(n)
			}
			now += uint32(r.IntN(8000))
		}
		if r.IntN(8) == 0 {
			for w := range workers {
				for range 8 { // the whole table of expectations, or the count would be another
					tb.Shard(w).Expire(now, tb.Max())
				}
			}
		}
	}
	var flows []string
	out := make([]Flow, tb.Max())
	for w := range workers {
		_, n := tb.Shard(w).Flows(0, tb.Max(), now, out)
		for _, f := range out[:n] {
			flows = append(flows, fmt.Sprint(f.Orig, f.Reply, f.TimeoutSec, f.State, f.Packets, f.Bytes, f.Mark, f.Helper, f.Status, f.Children))
		}
		checkIndex(t, tb.Shard(w))
	}
	xs := make([]Expectation, tb.ExpectMax())
	_, n := tb.Expectations(0, now, xs)
	for _, x := range xs[:n] {
		flows = append(flows, fmt.Sprint(x.Tuple, x.Class, x.Flags, x.Master, x.Mark))
	}
	checkExpectations(t, tb)
	slices.Sort(flows)
	return append(lines, flows...)
}
