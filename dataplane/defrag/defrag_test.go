package defrag

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf/offheap"
	. "github.com/sluice-net/sluice/tools/frame"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 takes the clock")

func random(tb testing.TB) *rand.Rand {
	tb.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	tb.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// bench is a Reassembler with the ledger of the frames it was given.
type bench struct {
	tb   testing.TB
	r    *Reassembler
	tab  *flowtable.Table
	in   map[uint64]bool // frames parked
	next uint64
}

func newBench(tb testing.TB, cfg Config) *bench {
	tb.Helper()
	before := offheap.InUse()
	tc := flowtable.Default()
	tc.Max = 1024
	tab, err := flowtable.New(tc)
	if err != nil {
		tb.Fatal(err)
	}
	cfg.Key = [2]uint64{11, 12}
	r, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	b := &bench{tb: tb, r: r, tab: tab, in: map[uint64]bool{}}
	tb.Cleanup(func() {
		for list := r.Drain(); list != nil; list = r.Drain() {
			b.back(list)
		}
		if len(b.in) != 0 || r.Stats().Held != 0 {
			tb.Errorf("%d frames never came back, held %d", len(b.in), r.Stats().Held)
		}
		if err := errors.Join(r.Close(), tab.Close()); err != nil {
			tb.Error(err)
		}
		if now := offheap.InUse(); now != before {
			tb.Errorf("%d bytes not freed", now-before)
		}
	})
	return b
}

func (b *bench) parse(f []byte) *packet.Packet {
	b.tb.Helper()
	b.next++
	p := &packet.Packet{Data: f, Addr: b.next * 2048, Serial: uint32(b.next), InPort: 1}
	if d := packet.Parse(p, b.tab); d != packet.DropNone || p.Flags&packet.FlagFragment == 0 {
		b.tb.Fatalf("not a fragment: %v", d)
	}
	return p
}

// add gives f to the Reassembler and keeps the ledger.
func (b *bench) add(f []byte, now uint32) (Result, []Frag) {
	b.tb.Helper()
	return b.addPacket(b.parse(f), now)
}

func (b *bench) addPacket(p *packet.Packet, now uint32) (Result, []Frag) {
	b.tb.Helper()
	res, list := b.r.Add(p, now)
	switch res {
	case Held:
		b.in[p.Addr] = true
		if list != nil {
			b.tb.Fatal("held, with a list")
		}
	case Complete:
		b.in[p.Addr] = true
		b.back(list)
	default:
		b.back(list)
	}
	if int(b.r.Stats().Held) != len(b.in) {
		b.tb.Fatalf("held %d, ledger %d", b.r.Stats().Held, len(b.in))
	}
	return res, list
}

func (b *bench) back(list []Frag) {
	b.tb.Helper()
	for _, f := range list {
		if !b.in[f.Addr] {
			b.tb.Fatalf("frame %d came back that was not parked", f.Addr)
		}
		delete(b.in, f.Addr)
	}
}

func datagram(v6 bool, id uint16, n int) []byte {
	if v6 {
		return Build(Ether{}, IPv6{Src: "2001:db8::1", Dst: "2001:db8::2"}, UDP{Src: 5, Dst: 6}, Zeros(n))
	}
	return Build(Ether{}, IPv4{Src: "10.0.0.1", Dst: "10.0.0.2", ID: id}, UDP{Src: 5, Dst: 6}, Zeros(n))
}

// gapless fails unless list is a whole datagram of n payload bytes.
func gapless(tb testing.TB, list []Frag, n int) {
	tb.Helper()
	at := uint32(0)
	for _, f := range list {
		if f.Offset != at || f.Payload == 0 || f.Len == 0 || f.InPort != 1 || uint64(f.Serial)*2048 != f.Addr {
			tb.Fatalf("list %+v", list)
		}
		at += f.Payload
	}
	if int(at) != n || Payload(list) != at {
		tb.Fatalf("%d bytes, Payload says %d, want %d", at, Payload(list), n)
	}
}

// TestPermutations gives the fragments of a datagram in every order, each order
// with a duplicate thrown in.
func TestPermutations(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		b := newBench(t, Default())
		frags := Split(datagram(v6, 1, 92), 24, 77)
		if len(frags) != 5 {
			t.Fatal(len(frags))
		}
		orders := 0
		permute(len(frags), func(order []int) {
			orders++
			for i, o := range order {
				res, list := b.add(frags[o], 0)
				if i < len(order)-1 {
					if res != Held {
						t.Fatalf("order %v: fragment %d: %d", order, o, res)
					}
					if res, list := b.add(frags[order[orders%(i+1)]], 0); res != Refused || list != nil {
						t.Fatalf("order %v: a duplicate: %d %v", order, res, list)
					}
					continue
				}
				if res != Complete || len(list) != len(frags) {
					t.Fatalf("order %v: the last: %d %v", order, res, list)
				}
				gapless(t, list, 100)
			}
		})
		s := b.r.Stats()
		if orders != 120 || s.Datagrams != 120 || s.Completed != 600 || s.Duplicates != 480 || s.Overlaps != 0 {
			t.Errorf("%d orders: %+v", orders, *s)
		}
	}
}

func permute(n int, f func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var rec func(k int)
	rec = func(k int) {
		if k == n {
			f(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			rec(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	rec(0)
}

// piece is a fragment by offset and length in bytes.
type piece struct {
	off, n int
	more   bool
}

func (x piece) frame(v6 bool) []byte {
	if v6 {
		return Build(Ether{}, IPv6{Src: "2001:db8::1", Dst: "2001:db8::2"}, Fragment{ID: 3, Offset: uint16(x.off / 8), More: x.more, Next: Say(17)}, Zeros(x.n))
	}
	return Build(Ether{}, IPv4{Src: "10.0.0.1", Dst: "10.0.0.2", ID: 3, Offset: uint16(x.off / 8), MF: x.more, Proto: 17}, Zeros(x.n))
}

// TestRefusals gives pieces in order; the last one has the result want and takes
// so many frames with it. What Linux makes of each family differs.
func TestRefusals(t *testing.T) {
	overlaps := func(s *Stats) uint64 { return s.Overlaps }
	malformed := func(s *Stats) uint64 { return s.Malformed }
	duplicates := func(s *Stats) uint64 { return s.Duplicates }
	const both = 0
	rows := []struct {
		name   string
		family int // both, 4 or 6
		pieces []piece
		want   Result
		taken  int
		count  func(*Stats) uint64
	}{
		{"overlaps the end", both, []piece{{0, 16, true}, {8, 16, true}}, Refused, 1, overlaps},
		{"overlaps the start", both, []piece{{8, 16, true}, {0, 16, true}}, Refused, 1, overlaps},
		{"covers", both, []piece{{8, 8, true}, {0, 24, true}}, Refused, 1, overlaps},
		{"covers two", both, []piece{{8, 8, true}, {24, 8, true}, {0, 40, true}}, Refused, 2, overlaps},
		{"across two runs", both, []piece{{16, 16, true}, {0, 16, true}, {8, 16, true}}, Refused, 2, overlaps},
		{"again", both, []piece{{0, 24, true}, {0, 24, true}}, Refused, 0, duplicates},
		{"within", both, []piece{{0, 24, true}, {8, 8, true}}, Refused, 0, duplicates},
		{"within a run of two", both, []piece{{0, 16, true}, {16, 16, true}, {8, 16, true}}, Refused, 0, duplicates},
		{"same start, shorter", both, []piece{{0, 24, true}, {0, 16, true}}, Refused, 0, duplicates},
		{"an end that is said to go on", both, []piece{{16, 8, false}, {16, 8, true}}, Refused, 0, duplicates},
		{"a middle that is said to be the end", both, []piece{{16, 8, true}, {16, 8, false}}, Refused, 0, duplicates},
		{"two ends", 4, []piece{{16, 8, false}, {32, 8, false}}, Refused, 1, overlaps},
		{"two ends", 6, []piece{{16, 8, false}, {32, 8, false}}, Refused, 0, overlaps},
		{"behind the end", 4, []piece{{16, 8, false}, {32, 8, true}}, Refused, 1, overlaps},
		{"behind the end", 6, []piece{{16, 8, false}, {32, 8, true}}, Refused, 0, overlaps},
		{"end before others", 4, []piece{{32, 8, true}, {16, 8, false}}, Refused, 1, overlaps},
		{"a middle said to be an end before the end", 4, []piece{{32, 8, false}, {16, 8, true}, {16, 8, false}}, Refused, 2, overlaps},
		{"not a multiple of 8", 6, []piece{{0, 8, true}, {8, 12, true}}, Alone, 1, malformed},
		{"not a multiple of 8, alone", 6, []piece{{8, 12, true}}, Alone, 0, malformed},
		{"empty", 4, []piece{{0, 8, true}, {8, 0, false}}, Refused, 1, malformed},
		{"empty", 6, []piece{{0, 8, true}, {8, 0, false}}, Refused, 0, malformed},
		{"beyond 64 KiB", 4, []piece{{0, 8, true}, {65528, 8, false}}, Refused, 1, malformed},
		{"beyond 64 KiB", 6, []piece{{0, 8, true}, {65528, 8, false}}, Refused, 0, malformed},
		{"too many", both, []piece{{0, 8, true}, {8, 8, true}, {16, 8, true}, {24, 8, true}, {32, 8, true}}, Refused, 4, func(s *Stats) uint64 { return s.Limits }},
	}
	for _, r := range rows {
		for _, v6 := range []bool{false, true} {
			if r.family == 4 && v6 || r.family == 6 && !v6 {
				continue
			}
			t.Run(fmt.Sprintf("%s/IPv6 %t", r.name, v6), func(t *testing.T) {
				cfg := Default()
				cfg.FragsPerContext = 4
				b := newBench(t, cfg)
				for i, x := range r.pieces {
					res, list := b.add(x.frame(v6), 0)
					if i < len(r.pieces)-1 {
						if res != Held {
							t.Fatalf("piece %d: %d", i, res)
						}
						continue
					}
					if res != r.want || len(list) != r.taken {
						t.Fatalf("result %d, %d frames thrown out, want %d and %d", res, len(list), r.want, r.taken)
					}
				}
				s := b.r.Stats()
				held := len(r.pieces) - 1 - r.taken
				if r.count(s) != uint64(r.taken+1) || s.Overlaps+s.Malformed+s.Limits+s.Duplicates != uint64(r.taken+1) || s.Held != uint64(held) {
					t.Errorf("stats %+v, want %d held", *s, held)
				}
				if held > 0 {
					return
				}
				// The place is free for the same datagram, sent again.
				whole := []piece{{8, 8, false}, {0, 8, true}}
				if res, _ := b.add(whole[0].frame(v6), 0); res != Held {
					t.Fatal(res)
				}
				if res, list := b.add(whole[1].frame(v6), 0); res != Complete {
					t.Fatal(res)
				} else {
					gapless(t, list, 16)
				}
			})
		}
	}
}

// TestOddLength: of an IPv4 fragment in the middle what is beyond a multiple of
// eight bytes is cut off.
func TestOddLength(t *testing.T) {
	b := newBench(t, Default())
	if res, _ := b.add(piece{0, 13, true}.frame(false), 0); res != Held {
		t.Fatal(res)
	}
	res, list := b.add(piece{8, 8, false}.frame(false), 0)
	if res != Complete || len(list) != 2 || list[0].Payload != 8 {
		t.Errorf("result %d, %+v", res, list)
	}
}

// TestRefusedEnd: a fragment of IPv6 that is refused alone, being empty or there
// already, is believed where the datagram ends.
func TestRefusedEnd(t *testing.T) {
	rows := []struct {
		name   string
		pieces []piece
		want   []Result
		parked int
	}{
		{"an empty end", []piece{{16, 0, false}, {0, 8, true}, {8, 8, true}}, []Result{Refused, Held, Complete}, 0},
		{"an empty end, then what lies behind", []piece{{0, 8, true}, {8, 0, false}, {8, 8, false}, {8, 8, true}}, []Result{Held, Refused, Refused, Refused}, 1},
		{"an empty middle, then an end before it", []piece{{24, 0, true}, {0, 8, true}, {8, 8, false}}, []Result{Refused, Held, Refused}, 1},
		{"the end, again", []piece{{8, 8, true}, {8, 8, false}, {16, 8, true}, {0, 8, true}}, []Result{Held, Refused, Refused, Complete}, 0},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			cfg := Default()
			b := newBench(t, cfg)
			for i, x := range r.pieces {
				if res, list := b.add(x.frame(true), 0); res != r.want[i] || res == Refused && len(list) > 0 {
					t.Fatalf("piece %d: result %d with %d frames, want %d", i, res, len(list), r.want[i])
				}
			}
			list := b.r.Expire(cfg.Timeout6Millis)
			b.back(list)
			if len(list) != r.parked || b.r.Expire(cfg.Timeout6Millis) != nil || b.r.age[1].oldest != 0 {
				t.Errorf("%d frames were parked, want %d", len(list), r.parked)
			}
		})
	}
	b := newBench(t, Default())
	b.add(piece{8, 0, false}.frame(true), 0)
	if list := b.r.Drain(); len(list) > 0 || b.r.age[1].oldest != 0 {
		t.Errorf("%d frames came out where only an empty one went in", len(list))
	}
}

// TestKeys mixes fragments that must not be joined.
func TestKeys(t *testing.T) {
	v4 := IPv4{Src: "10.0.0.1", Dst: "10.0.0.2", ID: 3, MF: true, Proto: 17}
	other := func(f func(*IPv4)) []byte {
		h := v4
		h.MF, h.Offset = false, 1
		f(&h)
		return Build(Ether{}, h, Zeros(8))
	}
	v6 := func(src, dst string, id uint32, off uint16) []byte {
		return Build(Ether{}, IPv6{Src: src, Dst: dst}, Fragment{ID: id, Offset: off, More: off == 0, Next: Say(17 + off)}, Zeros(8))
	}
	rows := []struct {
		name        string
		first, last []byte
		port        uint16 // of the last
		want        Result
	}{
		{"same", Build(Ether{}, v4, Zeros(8)), other(func(*IPv4) {}), 1, Complete},
		{"other port", Build(Ether{}, v4, Zeros(8)), other(func(*IPv4) {}), 2, Complete},
		{"other id", Build(Ether{}, v4, Zeros(8)), other(func(h *IPv4) { h.ID++ }), 1, Held},
		{"other protocol", Build(Ether{}, v4, Zeros(8)), other(func(h *IPv4) { h.Proto++ }), 1, Held},
		{"other source", Build(Ether{}, v4, Zeros(8)), other(func(h *IPv4) { h.Src = "10.0.0.9" }), 1, Held},
		{"other destination", Build(Ether{}, v4, Zeros(8)), other(func(h *IPv4) { h.Dst = "10.0.0.9" }), 1, Held},
		{"ipv6, protocol does not count", v6("2001:db8::1", "2001:db8::2", 5, 0), v6("2001:db8::1", "2001:db8::2", 5, 1), 1, Complete},
		{"ipv6 other port", v6("2001:db8::1", "2001:db8::2", 5, 0), v6("2001:db8::1", "2001:db8::2", 5, 1), 2, Complete},
		{"ipv6 other id", v6("2001:db8::1", "2001:db8::2", 5, 0), v6("2001:db8::1", "2001:db8::2", 6, 1), 1, Held},
		{"link-local", v6("fe80::1", "fe80::2", 5, 0), v6("fe80::1", "fe80::2", 5, 1), 1, Complete},
		{"link-local other port", v6("fe80::1", "fe80::2", 5, 0), v6("fe80::1", "fe80::2", 5, 1), 2, Held},
		{"multicast other port", v6("2001:db8::1", "ff02::2", 5, 0), v6("2001:db8::1", "ff02::2", 5, 1), 2, Held},
	}
	for _, r := range rows {
		b := newBench(t, Default())
		p, q := b.parse(r.first), b.parse(r.last)
		q.InPort = r.port
		if res, _ := b.addPacket(p, 0); res != Held {
			t.Fatal(r.name, res)
		}
		if same := b.r.Hash(p) == b.r.Hash(q); same != (r.want == Complete) {
			t.Errorf("%s: hash the same: %t", r.name, same)
		}
		if res, _ := b.addPacket(q, 0); res != r.want {
			t.Errorf("%s: %d", r.name, res)
		}
	}
}

func TestLimits(t *testing.T) {
	cfg := Default()
	cfg.Contexts, cfg.Frags = 3, 5
	b := newBench(t, cfg)
	frag := func(id uint16, i int) []byte { return Split(datagram(false, id, 56), 16, 0)[i] }
	for id := range uint16(3) {
		if res, _ := b.add(frag(id, 0), 0); res != Held {
			t.Fatal(res)
		}
	}
	if res, list := b.add(frag(9, 0), 0); res != Refused || list != nil {
		t.Fatalf("a fourth datagram: %d", res)
	}
	b.add(frag(0, 1), 0)
	b.add(frag(0, 2), 0)
	if res, list := b.add(frag(0, 3), 0); res != Refused || len(list) != 3 {
		t.Fatalf("a sixth fragment: %d, %d", res, len(list))
	}
	if res, _ := b.add(frag(9, 0), 0); res != Held {
		t.Fatalf("room was made and is not used: %d", res)
	}
	if b.r.Stats().Limits != 5 {
		t.Errorf("stats %+v", *b.r.Stats())
	}
}

// TestExpire has a tick that wraps and both families' timeouts.
func TestExpire(t *testing.T) {
	start := ^uint32(0) - 100
	cfg := Default()
	cfg.TimeoutMillis, cfg.Timeout6Millis = 1000, 3000
	b := newBench(t, cfg)
	f4, f6 := Split(datagram(false, 1, 56), 16, 0), Split(datagram(true, 1, 56), 16, 5)
	b.add(f4[1], start)
	b.add(f6[0], start)
	b.add(f4[0], start+900) // does not prolong
	b.add(Split(datagram(false, 2, 56), 16, 0)[0], start+500)
	step := func(now uint32, want int) {
		t.Helper()
		list := b.r.Expire(now)
		b.back(list)
		if len(list) != want {
			t.Errorf("at %d: %d frames, want %d", now-start, len(list), want)
		}
		if want == 2 && list[0].Offset != 0 {
			t.Error("the first fragment is not first")
		}
	}
	step(start+50, 0) // the deadline has wrapped, the tick has not
	step(start+999, 0)
	step(start+1000, 2)
	step(start+1000, 0)
	step(start+1500, 1)
	step(start+2999, 0)
	step(start+3000, 1)
	step(start+30000, 0)
	if s := b.r.Stats(); s.TimedOut != 4 || s.Timeouts != 3 {
		t.Errorf("stats %+v", *s)
	}
}

// TestRandom mixes many datagrams with losses, duplicates, overlaps, expiry and
// tight limits, against a model: a datagram comes out whole or not at all, and
// the ledger always balances.
func TestRandom(t *testing.T) {
	r := random(t)
	cfg := Config{Contexts: 12, Frags: 30, FragsPerContext: 8, TimeoutMillis: 50, Timeout6Millis: 80}
	b := newBench(t, cfg)
	complete, now := 0, uint32(0)
	for range 30_000 {
		now += uint32(r.IntN(3))
		id, v6 := uint16(r.IntN(8)), r.IntN(2) == 0
		frags := Split(datagram(v6, id, 70), []int{16, 24, 16, 16}[r.IntN(4)], uint32(id))
		res, list := b.add(frags[r.IntN(len(frags))], now)
		if res == Complete {
			complete++
			gapless(t, list, 78)
		}
		if r.IntN(4) == 0 {
			for list := b.r.Expire(now); list != nil; list = b.r.Expire(now) {
				b.back(list)
				if !slices.IsSortedFunc(list, func(x, y Frag) int { return int(x.Offset) - int(y.Offset) }) {
					t.Fatal("list is not sorted")
				}
			}
		}
	}
	s := b.r.Stats()
	if complete == 0 || s.Overlaps == 0 || s.Duplicates == 0 || s.Limits == 0 || s.Timeouts == 0 {
		t.Errorf("the traffic does not reach everything: %d complete, %+v", complete, *s)
	}
	if s.Fragments != s.Completed+s.Duplicates+s.Overlaps+s.Malformed+s.Limits+s.TimedOut+s.Held {
		t.Errorf("the counters do not add up: %+v", *s)
	}
	if uint64(complete) != s.Datagrams {
		t.Error(complete)
	}
}

func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"contexts": func(c *Config) { c.Contexts = 0 },
		"frags":    func(c *Config) { c.Frags = 1 },
		"per":      func(c *Config) { c.FragsPerContext = 1 },
		"most":     func(c *Config) { c.FragsPerContext = maxPerCtx + 1 },
		"timeout":  func(c *Config) { c.TimeoutMillis = 0 },
		"timeout6": func(c *Config) { c.Timeout6Millis = 1 << 31 },
	} {
		c := Default()
		change(&c)
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	b := newBench(t, Default())
	var ps []*packet.Packet
	for _, f := range Split(datagram(true, 1, 92), 24, 77) {
		ps = append(ps, b.parse(f))
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, p := range ps {
			b.r.Add(p, 0)
			b.r.Expire(0)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	x := newBench(b, Default())
	frags := Split(datagram(false, 1, 2000), 1400, 0)
	p, q := x.parse(frags[0]), x.parse(frags[1])
	b.ReportAllocs()
	for b.Loop() {
		x.r.Add(p, 0)
		if res, _ := x.r.Add(q, 0); res != Complete {
			b.Fatal(res)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2, "ns/packet")
}
