package pktgen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

// TestFrames builds frames of every shape with every field varying: another
// decoder must find the checksums right, and examine its signature.
func TestFrames(t *testing.T) {
	v6 := func(h *Headers) {
		h.Src, h.Dst = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:1::1")
	}
	shapes := map[string]func(*Headers){
		"plain": func(*Headers) {},
		"vlan":  func(h *Headers) { h.VLANs = []uint16{100} },
		"qinq":  func(h *Headers) { h.VLANs = []uint16{7, 100} },
		"six":   v6,
		"six in vlan": func(h *Headers) {
			v6(h)
			h.VLANs = []uint16{100}
		},
	}
	seed := rand.Uint64()
	for name, shape := range shapes {
		for proto := UDP; proto <= ICMP; proto++ {
			t.Run(fmt.Sprintf("%s/%v", name, proto), func(t *testing.T) {
				h := udp4()
				h.Proto = proto
				h.DSCP = 10
				shape(&h)
				s := Stream{Name: "s", Headers: h, Sizes: SizeRange(120, 1518)}
				for f := range fields {
					if f == FieldVLAN && len(h.VLANs) == 0 {
						continue
					}
					s.Vary = append(s.Vary, Variation{Field: f, Count: uint32(3 + f), Step: 2, Order: Order(f % 3)})
				}
				n, err := newSender(&s, 5, 3, seed, 1518, 0)
				if err != nil {
					t.Fatal(err)
				}
				seen := map[string]bool{}
				b := make([]byte, 1600)
				for i := range 3000 {
					f := b[:n.build(b, int64(i)*1000)]
					if err := frame.VerifyChecksums(f); err != nil {
						t.Fatalf("frame %d (seed %#x): %v", i, seed, err)
					}
					d, err := frame.Decode(f)
					if err != nil {
						t.Fatal(err)
					}
					seen[fmt.Sprint(d.Src, d.SrcPort, d.TTL)] = true
					what, stream, seq, at := examine(f, 3)
					if what != sound || stream != 5 || seq != uint64(i) || at != uint64(i)*1000 {
						t.Fatalf("frame %d examined: %d %d %d %d", i, what, stream, seq, at)
					}
					if what, _, _, _ := examine(f, 4); what != stray {
						t.Fatalf("in another run it is %d", what)
					}
					flipped := h.l3() + 12 + rand.IntN(len(f)-h.l3()-12)
					f[flipped] ^= 1 << rand.IntN(8)
					if what, _, _, _ := examine(f, 3); what != corrupt {
						t.Fatalf("frame %d with a bit of byte %d flipped is %d", i, flipped, what)
					}
				}
				if len(seen) < 60 { // an echo has no ports
					t.Errorf("%d flows", len(seen))
				}
			})
		}
	}
}

// TestOdometer: sequential fields make every combination once before any again.
func TestOdometer(t *testing.T) {
	s := Stream{Name: "s", Headers: udp4(), Sizes: FixedSize(64), Vary: []Variation{
		{Field: FieldSrc, Count: 5}, {Field: FieldDst, Count: 7, Step: 256}, {Field: FieldSrcPort, Count: 3},
	}}
	n, err := newSender(&s, 0, 0, 1, 1518, 0)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	b := make([]byte, 64)
	for range 2 * 5 * 7 * 3 {
		d, err := frame.Decode(b[:n.build(b, 0)])
		if err != nil {
			t.Fatal(err)
		}
		count[fmt.Sprint(d.Src, d.Dst, d.SrcPort)]++
	}
	if len(count) != 5*7*3 {
		t.Errorf("%d combinations, want %d", len(count), 5*7*3)
	}
	for c, n := range count {
		if n != 2 {
			t.Errorf("%s came %d times", c, n)
		}
	}
}

// TestZipf compares shares with the formula.
func TestZipf(t *testing.T) {
	const n, draws = 100, 400_000
	c := counter{count: n, step: 1, order: Zipf, zipf: zipfTable(n, 1.1), drawn: make([]uint32, drawAhead)}
	r := random{rand.Uint64()}
	t.Logf("seed %#x", r.state)
	var got [n]float64
	for range draws {
		v, _ := c.next(&r, true)
		got[v]++
	}
	total := 0.0
	for i := range n {
		total += math.Pow(float64(i+1), -1.1)
	}
	for i := range n {
		want := draws * math.Pow(float64(i+1), -1.1) / total
		if d := math.Abs(got[i] - want); d > 6*math.Sqrt(want) {
			t.Errorf("value %d came %.0f times, want about %.0f", i, got[i], want)
		}
	}
}

// TestRefused: what makes no sense is named.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*Stream)
	}{
		{"too small", "frames of 64 bytes", func(s *Stream) { s.Headers.Proto = TCP }},
		{"too large", "takes 1518 at most", func(s *Stream) { s.Sizes = FixedSize(1519) }},
		{"no size", "0 frame sizes", func(s *Stream) { s.Sizes = Sizes{} }},
		{"families", "not of one family", func(s *Stream) { s.Headers.Dst = netip.MustParseAddr("::1") }},
		{"no address", "are needed", func(s *Stream) { s.Headers.Src = netip.Addr{} }},
		{"twice", "varies twice", func(s *Stream) {
			s.Vary = []Variation{{Field: FieldSrc, Count: 2}, {Field: FieldSrc, Count: 3}}
		}},
		{"no vlan", "no VLAN tag", func(s *Stream) { s.Vary = []Variation{{Field: FieldVLAN, Count: 2}} }},
		{"port overflow", "go beyond 65535", func(s *Stream) { s.Vary = []Variation{{Field: FieldSrcPort, Count: 65000}} }},
		{"skew", "skew", func(s *Stream) { s.Vary = []Variation{{Field: FieldSrc, Count: 9, Order: Zipf, Skew: -1}} }},
		{"no rate", "more than nothing", func(s *Stream) { s.Rate = Rate{0, PacketsPerSec} }},
		{"percent of what", "speed of the port", func(s *Stream) { s.Rate = Rate{5, Percent} }},
		{"burst", "burst", func(s *Stream) { s.Burst = -1 }},
		{"vlan number", "VLAN 5000", func(s *Stream) { s.Headers.VLANs = []uint16{5000} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Stream{Name: "s", Headers: udp4(), Sizes: FixedSize(64)}
			c.change(&s)
			if _, err := newSender(&s, 0, 0, 0, 1518, 0); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// TestTracker compares with a plain set, over disorder of any reach.
func TestTracker(t *testing.T) {
	for _, reach := range []int{1, 3, 60, 500, 3000} {
		seed := rand.Uint64()
		t.Logf("reach %d, seed %#x", reach, seed)
		rnd := rand.New(rand.NewPCG(seed, 1))
		tr, err := newTracker(4096)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[uint64]bool{}
		var next, unique, dup, reordered uint64
		at := 0
		for range 50_000 {
			at += rnd.IntN(3)
			if rnd.IntN(2000) == 0 {
				at += rnd.IntN(10_000)
			}
			seq := uint64(max(0, at-rnd.IntN(reach)))
			switch {
			case seen[seq]:
				dup++
			case seq < next:
				unique++
				reordered++
			default:
				unique++
				next = seq + 1
			}
			seen[seq] = true
			tr.take(seq, 5, 64)
		}
		if tr.unique != unique || tr.duplicates != dup || tr.reordered != reordered || tr.late != 0 {
			t.Errorf("unique %d, duplicates %d, reordered %d, late %d; want %d, %d, %d, 0", tr.unique, tr.duplicates, tr.reordered, tr.late, unique, dup, reordered)
		}
		tr.settle()
		if n := tr.latency.Snapshot().Count(); n != unique {
			t.Errorf("%d latencies of %d frames", n, unique)
		}
		if err := tr.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestPace: over any pattern of calls, frames leave at their times.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		rate  float64
		burst uint64
	}{{1000, 1}, {1e6, 1}, {1e6, 32}, {14_880_952, 1}, {3, 1}} {
		p := pace{rate: c.rate, perNano: c.rate / 1e9, burst: c.burst}
		sent := uint64(0)
		for now := int64(0); now < 2e9; now += int64(rand.IntN(20_000)) {
			n := p.due(now, 1<<20)
			p.took(n, now)
			sent += uint64(n)
			want := float64(now)*c.rate/1e9 + 1
			if float64(sent) > want+float64(c.burst) || float64(sent) < want-1-float64(c.burst) {
				t.Fatalf("rate %g burst %d: %d sent at %d ns, want %.1f", c.rate, c.burst, sent, now, want)
			}
		}
		if p.missed != 0 {
			t.Errorf("rate %g: %d missed", c.rate, p.missed)
		}
		p.due(10e9, 64)
		if p.missed == 0 && c.rate > 100 {
			t.Errorf("rate %g: nothing missed in a stall of 8 s", c.rate)
		}
	}
}
