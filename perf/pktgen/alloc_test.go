package pktgen

import (
	"testing"

	"github.com/sluice-net/sluice/perf"
)

// TestStepsAllocateNothing: sending and receiving with every way to vary.
func TestStepsAllocateNothing(t *testing.T) {
	clock := perf.NewClock()
	rig, _ := pair(t, clock, Impairments{Drop: 0.1, Duplicate: 0.1, Reorder: 0.1, Corrupt: 0.1}, 1024)
	stream := Stream{Name: "s", From: "a", To: "b", Headers: udp4(), Sizes: IMIX(), Vary: []Variation{
		{Field: FieldSrc, Count: 1000}, {Field: FieldSrcPort, Count: 1000, Order: Random}, {Field: FieldDst, Count: 1000, Order: Zipf},
	}}
	if err := rig.prepare(&Load{Streams: []Stream{stream}}); err != nil {
		t.Fatal(err)
	}
	rig.begin(clock.Nanos(), 0)
	if n := testing.AllocsPerRun(500, func() {
		for _, w := range rig.workers {
			w.step(true)
		}
	}); n != 0 {
		t.Errorf("%g allocations in a step", n)
	}
	if s := rig.sender(&stream, 0); s.sent < 10_000 {
		t.Errorf("only %d frames were sent", s.sent)
	}
}
