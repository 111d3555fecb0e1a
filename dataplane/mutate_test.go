package dataplane

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/tools/frame"
)

var (
	mutateFrames = flag.Int("mutate.frames", 10_000_000, "frames of TestMutatedFrames")
	mutateSeed   = flag.Uint64("mutate.seed", 1, "seed of TestMutatedFrames")
)

// TestMutatedFrames sends random and mutated frames through the full ruleset:
// nothing panics, no frame is lost, and every one ends with exactly one fate
// and, unless it was sent or given to the host, one reason.
func TestMutatedFrames(t *testing.T) {
	total := *mutateFrames
	if offheap.RaceTwin || testing.Short() {
		total = min(total, 200_000)
	}
	t.Logf("%d frames, seed %d", total, *mutateSeed)
	rng := rand.New(rand.NewPCG(*mutateSeed, 9))
	var seeds [][]byte
	for _, a := range mixedScript(1, 40) {
		seeds = append(seeds, a.frame)
	}
	seeds = append(seeds,
		frame.Build(clientToBox, frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1"}, frame.Ext{Kind: frame.HopByHop}, frame.Ext{Kind: frame.DestOpts}, frame.UDP{Src: 1, Dst: 2}),
		frame.Build(clientToBox, frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", Options: "\x07\x07\x04\x00\x00\x00\x00"}, frame.UDP{Src: 1, Dst: 2}),
		frame.Build(clientToBox, frame.VLAN{TCI: 5}, frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.GRE{}, frame.Zeros(8)),
		frame.Build(clientToBox, frame.ARP{Sender: "10.0.0.2", Target: "10.0.0.1"}))

	n := newNet(t, natRules, 2, func(c *Config) { c.Trace = false; c.Conntrack.Max = 4096 })
	n.lan.steer = func(f []byte, q int) int { return len(f) % q }
	buf := make([]byte, 0, 2048)
	sent := 0
	for sent < total {
		for range 64 {
			if rng.IntN(20) == 0 {
				buf = buf[:14+rng.IntN(200)]
				for i := range buf {
					buf[i] = byte(rng.Uint32())
				}
				copy(buf, benchMAC(1))
				if rng.IntN(2) == 0 {
					copy(buf[12:], []byte{8, 0, 0x45})
				}
			} else {
				buf = append(buf[:0], seeds[rng.IntN(len(seeds))]...)
				mutate(rng, &buf)
			}
			f := append([]byte(nil), buf...)
			if rng.IntN(4) == 0 {
				n.wan.put(f)
			} else {
				n.lan.put(f)
			}
			sent++
		}
		n.box.Drain()
		n.lan.out, n.wan.out = n.lan.out[:0], n.wan.out[:0]
		if rng.IntN(50) == 0 {
			n.clock.Advance(time.Duration(rng.IntN(2000)) * time.Millisecond)
		}
	}
	n.clock.Advance(time.Hour) // fragments that wait give up
	n.box.Drain()
	s := n.box.Stats().Total()
	ends := uint64(0)
	for _, f := range s.Fates {
		ends += f
	}
	reasons := dropNames(&s)
	t.Logf("fates %v, reasons %v", s.Fates, reasons)
	if len(reasons) < 10 {
		t.Errorf("only %d reasons occurred: the frames are too tame", len(reasons))
	}
	if dropped := s.Fates[FateDropped] + s.Fates[FateRejected]; dropped != sumOf(reasons) {
		t.Errorf("%d packets dropped, %d reasons given", dropped, sumOf(reasons))
	}
	n.checkLedger()
}

func sumOf(m map[string]uint64) (sum uint64) {
	for _, n := range m {
		sum += n
	}
	return sum
}

// mutate damages a frame: flips bits, overwrites, cuts, lengthens, and in half
// of the cases repairs the IPv4 header checksum so that the damage gets deeper.
func mutate(rng *rand.Rand, buf *[]byte) {
	b := *buf
	for range rng.IntN(4) {
		i := 12 + rng.IntN(min(len(b)-12, 70))
		switch rng.IntN(4) {
		case 0:
			b[i] ^= 1 << rng.IntN(8)
		case 1:
			b[i] = byte(rng.Uint32())
		case 2:
			b[i] = []byte{0, 1, 0x7f, 0x80, 0xff}[rng.IntN(5)]
		case 3:
			if rng.IntN(8) == 0 {
				b = b[:14+rng.IntN(len(b)-14)]
				*buf = b
				if len(b) < 20 {
					return
				}
			}
		}
	}
	if rng.IntN(2) == 0 && len(b) >= 34 && b[12] == 8 && b[13] == 0 {
		hl := min(int(b[14]&15)*4, len(b)-14)
		if hl >= 20 {
			b[24], b[25] = 0, 0
			sum := uint32(0)
			for i := 0; i+1 < hl; i += 2 {
				sum += uint32(b[14+i])<<8 | uint32(b[15+i])
			}
			for sum>>16 != 0 {
				sum = sum>>16 + sum&0xffff
			}
			b[24], b[25] = byte(^sum>>8), byte(^sum)
		}
	}
}

// TestNoAllocations: in steady state a round allocates nothing, whatever it
// does: plain, tracked, masqueraded, handed over, rejected with an answer.
func TestNoAllocations(t *testing.T) {
	if offheap.RaceTwin {
		t.Skip("the race detector allocates")
	}
	n := newNet(t, natRules, 2, func(c *Config) { c.Trace = false })
	n.lan.steer, n.wan.steer = rss, rss
	script := mixedScript(3, 100)
	run := func() {
		for _, w := range n.box.workers {
			w.round(true)
		}
	}
	for _, a := range script {
		p := n.lan
		if a.port == 1 {
			p = n.wan
		}
		p.put(a.frame)
	}
	quiet := func(p *handPort) {
		for _, q := range p.queues {
			q.quiet = true
		}
	}
	quiet(n.lan)
	quiet(n.wan)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 40 {
		run()
	}
	runtime.ReadMemStats(&after)
	// A handful may come from goroutines of the runtime and the pool; one
	// allocation for each packet of any kind in the script would be dozens.
	if allocs := after.Mallocs - before.Mallocs; allocs > 5 {
		t.Errorf("%d allocations for %d packets", allocs, len(script))
	}
	if s := n.box.Stats().Total(); s.RxFrames < uint64(len(script)) {
		t.Errorf("only %d frames went through", s.RxFrames)
	}
}
