package flowtable

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const benchBurst = 64

// BenchmarkTrack is the lookup, tracker, refresh and (acct) counting of
// established UDP flows in random order, both directions, in bursts of 64 with
// both prefetch stages. Hashing is the parser's and outside; the probes are
// copied in from a prepared trace inside.
func BenchmarkTrack(b *testing.B) {
	for _, n := range []int{1 << 10, 64 << 10, 1 << 20} {
		for _, acct := range []bool{false, true} {
			name := fmt.Sprintf("%dk", n>>10)
			if n == 1<<20 {
				name = "1M"
			}
			if acct {
				name += "-acct"
			}
			b.Run(name, func(b *testing.B) { benchTrack(b, n, acct, (*Shard).prefetch) })
			b.Run(name+"-tcp", func(b *testing.B) { benchTrackTCP(b, n, acct) })
		}
	}
	b.Run("1M-prefetch-calls", func(b *testing.B) { benchTrack(b, 1<<20, false, (*Shard).prefetchGo) })
	b.Run("1M-no-prefetch", func(b *testing.B) {
		benchTrack(b, 1<<20, false, func(*Shard, []uint64, []uint32) {})
	})
}

func benchTrack(b *testing.B, flows int, acct bool, prefetch func(*Shard, []uint64, []uint32)) {
	t := newTable(b, func(c *Config) { c.Max, c.Acct = flows+1024, acct })
	s := t.Shard(0)
	now := start
	for i := range flows {
		p := probe(t, udp4(uint32(i)*7919))
		s.Track(&p, now)
		s.Confirm(&p, now)
		q := probe(t, mustInvert(b, p.Tuple))
		s.Track(&q, now)
	}
	now += 3000
	for i := range flows { // the packet that makes it a stream
		p := probe(t, udp4(uint32(i)*7919))
		s.Track(&p, now)
	}
	r := rand.New(rand.NewPCG(1, 2))
	trace := make([]Probe, 1<<18)
	for i := range trace {
		tu := udp4(uint32(r.IntN(flows)) * 7919)
		if i&1 != 0 {
			tu = mustInvert(b, tu)
		}
		trace[i] = probe(t, tu)
	}
	benchBursts(b, s, trace, now, prefetch)
}

// benchTrackTCP is benchTrack for pure ACKs that change the window.
func benchTrackTCP(b *testing.B, flows int, acct bool) {
	t := newTable(b, func(c *Config) { c.Max, c.Acct = flows+1024, acct })
	s := t.Shard(0)
	tu := func(i int) Tuple {
		tu := udp4(uint32(i) * 7919)
		tu.Proto, tu.DstPort = ProtoTCP, 80
		if tu.SrcPort == 80 {
			tu.SrcPort++
		}
		return tu
	}
	for i := range flows {
		tcpOpen(b, s, tu(i), start)
	}
	r := rand.New(rand.NewPCG(1, 2))
	trace := make([]Probe, 1<<18)
	for i := range trace {
		tu := tu(r.IntN(flows))
		if i&1 != 0 {
			tu = mustInvert(b, tu)
		}
		trace[i] = segment(t, tu, tcpACK)
		trace[i].Window = uint16(1 + r.IntN(5000))
	}
	benchBursts(b, s, trace, start+1000, (*Shard).prefetch)
}

func benchBursts(b *testing.B, s *Shard, trace []Probe, now uint32, prefetch func(*Shard, []uint64, []uint32)) {
	burst := new([benchBurst]Probe)
	hashes, hints := new([benchBurst]uint64), new([benchBurst]uint32)
	at, hits := 0, 0
	took := make([]time.Duration, 0, 1<<16) // of the first bursts; others share the machine, so the median says more than the mean
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		begin := time.Now()
		copy(burst[:], trace[at:at+benchBurst])
		at = (at + benchBurst) & (len(trace) - 1)
		for i := range burst {
			hashes[i] = burst[i].Hash
			if burst[i].Tuple.Proto == ProtoTCP {
				hashes[i] |= PrefetchAll
			}
		}
		prefetch(s, hashes[:], hints[:])
		for i := range burst {
			burst[i].Hint = hints[i]
			s.Track(&burst[i], now)
			if burst[i].Info != InfoNew {
				hits++
			}
		}
		if len(took) < cap(took) {
			took = append(took, time.Since(begin))
		}
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2])/benchBurst, "p50-ns/packet")
	if hits != b.N*benchBurst {
		b.Fatalf("%d of %d packets hit", hits, b.N*benchBurst)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchBurst), "ns/packet")
}

// BenchmarkNew is the life of a plain flow: Track that misses, Confirm, Delete.
func BenchmarkNew(b *testing.B) {
	const flows = 256 << 10
	t := newTable(b, func(c *Config) { c.Max, c.Acct = flows, false })
	s := t.Shard(0)
	ps := make([]Probe, flows)
	for i := range ps {
		ps[i] = probe(t, udp4(uint32(i)*7919))
	}
	ring := make([]uint32, flows/2)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		p := &ps[i&(flows-1)]
		slot := &ring[i&(flows/2-1)]
		if *slot != 0 {
			s.Delete(*slot)
		}
		s.Track(p, start)
		if !s.Confirm(p, start) {
			b.Fatal(p.Reason)
		}
		*slot = p.Entry
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/flow")
}

var sink uint64

func BenchmarkHash(b *testing.B) {
	t := newTable(b, nil)
	for _, row := range []struct {
		name string
		tu   Tuple
	}{
		{"ipv4", udp4(77)},
		{"ipv6", tuple(b, ProtoTCP, "2001:db8::1", 1000, "2001:db8::2", 80)},
	} {
		b.Run(row.name, func(b *testing.B) {
			tu := row.tu
			for b.Loop() {
				tu.SrcPort++
				sink += t.Hash(&tu)
			}
		})
	}
}

func BenchmarkClaim(b *testing.B) {
	t := newTable(b, nil)
	for b.Loop() {
		sink++
		t.dir.claim(sink*0x9e3779b97f4a7c15, sink, 0)
		t.dir.release(sink*0x9e3779b97f4a7c15, sink, 0)
	}
}
