package afxdp

import (
	"math/rand/v2"
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

func TestSteerFlow(t *testing.T) {
	build := frame.Build
	v4 := func(a, b string) frame.IPv4 { return frame.IPv4{Src: a, Dst: b} }
	v6 := func(a, b string) frame.IPv6 { return frame.IPv6{Src: a, Dst: b} }
	for _, tc := range []struct {
		name string
		a, b []byte
		same bool
	}{
		{"TCP both ways", build(frame.Ether{}, v4("10.0.0.1", "192.0.2.9"), frame.TCP{Src: 4000, Dst: 80}),
			build(frame.Ether{}, v4("192.0.2.9", "10.0.0.1"), frame.TCP{Src: 80, Dst: 4000}), true},
		{"UDP over IPv6 both ways", build(frame.Ether{}, v6("2001:db8::1", "2001:db8:5::9"), frame.UDP{Src: 4000, Dst: 53}),
			build(frame.Ether{}, v6("2001:db8:5::9", "2001:db8::1"), frame.UDP{Src: 53, Dst: 4000}), true},
		{"other port", build(frame.Ether{}, v4("10.0.0.1", "192.0.2.9"), frame.TCP{Src: 4000, Dst: 80}),
			build(frame.Ether{}, v4("10.0.0.1", "192.0.2.9"), frame.TCP{Src: 4001, Dst: 80}), false},
		{"other address", build(frame.Ether{}, v6("2001:db8::1", "2001:db8:5::9"), frame.UDP{Src: 4000, Dst: 53}),
			build(frame.Ether{}, v6("2001:db8::2", "2001:db8:5::9"), frame.UDP{Src: 4000, Dst: 53}), false},
		{"fragments of a datagram", build(frame.Ether{}, frame.IPv4{Src: "10.0.0.1", Dst: "10.0.0.2", MF: true}, frame.UDP{Src: 1, Dst: 2}),
			build(frame.Ether{}, frame.IPv4{Src: "10.0.0.1", Dst: "10.0.0.2", Offset: 10, Proto: 17}, frame.Data("rest of it")), true},
		{"ICMP by addresses", build(frame.Ether{}, v4("10.0.0.1", "10.0.0.2"), frame.ICMP{Type: 8, ID: 1}),
			build(frame.Ether{}, v4("10.0.0.2", "10.0.0.1"), frame.ICMP{Type: 0, ID: 2}), true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if a, b := SteerFlow(tc.a), SteerFlow(tc.b); (a == b) != tc.same {
				t.Errorf("%d and %d", a, b)
			}
		})
	}
}

// TestSteerFlowSpreads counts random flows over a few queues.
func TestSteerFlowSpreads(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	f := frame.Build(frame.Ether{}, frame.IPv4{Src: "10.0.0.1", Dst: "192.0.2.9"}, frame.TCP{Src: 4000, Dst: 80})
	const queues, flows = 4, 40_000
	var count [queues]int
	for range flows {
		f[29], f[34], f[35] = byte(rnd.Uint32()), byte(rnd.Uint32()), byte(rnd.Uint32())
		count[SteerFlow(f)%queues]++
	}
	for q, n := range count {
		if n < flows/queues*9/10 || n > flows/queues*11/10 {
			t.Errorf("queue %d gets %d of %d", q, n, flows)
		}
	}
}

// FuzzSteerFlow gives it any bytes: it must not fail, nor go below zero.
func FuzzSteerFlow(f *testing.F) {
	f.Add(frame.Build(frame.Ether{}, frame.IPv4{Src: "10.0.0.1", Dst: "10.0.0.2"}, frame.TCP{Src: 4000, Dst: 80}))
	f.Add(frame.Build(frame.Ether{}, frame.IPv6{Src: "2001:db8::1", Dst: "2001:db8::2"}, frame.UDP{Src: 4000, Dst: 80}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if q := SteerFlow(b); q < 0 {
			t.Errorf("queue %d", q)
		}
	})
}
