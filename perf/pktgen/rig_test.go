package pktgen

import (
	"math"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
)

var (
	macA = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	macB = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

func udp4() Headers {
	return Headers{SrcMAC: macA, DstMAC: macB, Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.1.0.1"), SrcPort: 1024, DstPort: 53}
}

// pair makes a rig over a link in memory.
func pair(t testing.TB, clock *perf.Clock, to Impairments, ring int) (*Rig, *Suffered) {
	t.Helper()
	ports, counts, err := NewLink(afxdp.PipeConfig{Ring: ring, MTU: 1500}, [2]Impairments{1: to}, clock)
	if err != nil {
		t.Fatal(err)
	}
	rig, err := NewRig(clock, &Port{Name: "a", Port: ports[0], Speed: 10e9}, &Port{Name: "b", Port: ports[1]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range ports {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := rig.Close(); err != nil {
			t.Error(err)
		}
	})
	return rig, counts[1]
}

// TestImpairments: what the measurement says must be what the link did, exactly.
func TestImpairments(t *testing.T) {
	const n = 30_000
	for _, c := range []struct {
		name string
		to   Impairments
	}{
		{"clean", Impairments{}},
		{"loss", Impairments{Drop: 0.013}},
		{"duplicates", Impairments{Duplicate: 0.02}},
		{"corruption", Impairments{Corrupt: 0.05}},
		{"reordering", Impairments{Reorder: 0.01, Behind: 7}},
		{"delay", Impairments{Delay: 137 * time.Microsecond}},
		{"all", Impairments{Drop: 0.01, Duplicate: 0.01, Corrupt: 0.01, Reorder: 0.01, Behind: 3, Delay: 50 * time.Microsecond}},
	} {
		protos := []Proto{UDP}
		if c.name == "all" {
			protos = []Proto{UDP, TCP, ICMP}
		}
		for _, proto := range protos {
			t.Run(c.name+"/"+proto.String(), func(t *testing.T) {
				clock := perf.NewVirtual(time.Unix(1e9, 0))
				rig, did := pair(t, clock, c.to, 1024)
				h := udp4()
				h.Proto = proto
				sizes := IMIX()
				if proto == TCP {
					sizes = SizeRange(76, 300)
				}
				run, err := rig.Stepped(Load{Name: "x", Streams: []Stream{{
					Name: "s", From: "a", To: "b", Headers: h, Sizes: sizes, Count: n,
					Rate: Rate{1e6, PacketsPerSec},
					Vary: []Variation{{Field: FieldSrc, Count: 1000}, {Field: FieldSrcPort, Count: 100, Order: Random}},
				}}}, 12_000, func() { clock.Advance(time.Microsecond) })
				if err != nil {
					t.Fatal(err)
				}
				s := run.Streams[0]
				if c.name == "clean" {
					did.Passed = n
				}
				if c.name == "delay" && did.Passed != n {
					t.Errorf("%d passed", did.Passed)
				}
				if s.Sent != n || s.Received != did.Passed || s.Lost != did.Dropped+did.Corrupted || s.Duplicates != did.Duplicated ||
					s.Reordered != did.Reordered || run.Ports[1].Corrupt != did.Corrupted || s.TooLate != 0 || did.Overflowed != 0 {
					t.Errorf("measured %+v, ports %+v, the link did %+v", s, run.Ports, *did)
				}
				if c.to.Drop > 0 && did.Dropped == 0 || c.to.Duplicate > 0 && did.Duplicated == 0 || c.to.Corrupt > 0 && did.Corrupted == 0 || c.to.Reorder > 0 && did.Reordered == 0 {
					t.Errorf("the link did not do what it was told: %+v", *did)
				}
				if c.to.Reorder == 0 {
					// A frame is seen at the step after the one that sent it, or at the same one.
					d, want := s.Latency, uint64(c.to.Delay)
					if q := d.Quantile(0.5); q < want || q > want+want/100+2000 || d.Max() > want+2000 {
						t.Errorf("latency %d to %d, want %d", q, d.Max(), want)
					}
				}
				if e := s.RateError(); e < -0.001 || e > 0.001 {
					t.Errorf("rate off by %g", e)
				}
			})
		}
	}
}

// TestRatesAreOverTheStreamsTime: a stream that ends by its count long before
// others has the rate at which it was sent.
func TestRatesAreOverTheStreamsTime(t *testing.T) {
	clock := perf.NewVirtual(time.Unix(1e9, 0))
	rig, _ := pair(t, clock, Impairments{}, 1024)
	stream := func(name string, pps float64, burst int) Stream {
		return Stream{Name: name, From: "a", To: "b", Headers: udp4(), Sizes: FixedSize(64), Count: 1000, Burst: burst, Rate: Rate{pps, PacketsPerSec}}
	}
	load := Load{Name: "x", Streams: []Stream{stream("short", 1e5, 0), stream("bursts", 2e5, 10), stream("long", 1e4, 0)}}
	run, err := rig.Stepped(load, 100, func() { clock.Advance(time.Microsecond) })
	if err != nil {
		t.Fatal(err)
	}
	for i := range run.Streams {
		s := &run.Streams[i]
		if e := s.RateError(); e < -0.001 || e > 0.001 || s.ReceivedPPS != s.SentPPS {
			t.Errorf("%s: off by %g, received at %g of %g", s.Name, e, s.ReceivedPPS, s.SentPPS)
		}
	}
	if s := run.Seconds; s < 0.0999 || s > 0.1001 {
		t.Errorf("%g seconds", s)
	}
}

// TestEveryFrameCounted: each received frame is in exactly one count, also those
// of captures, of which some were signed by a generator in a run of any number.
func TestEveryFrameCounted(t *testing.T) {
	const n = 300
	stream := func(name, to string) Stream {
		return Stream{Name: name, From: "a", To: to, Headers: udp4(), Sizes: FixedSize(64), Count: n, Rate: Rate{1e5, PacketsPerSec}}
	}
	replay := func(runs ...uint32) Stream {
		r := &Replay{File: "memory", Loops: 1, Speed: 1}
		for i := range n {
			s := stream("captured", "b")
			made, err := newSender(&s, 0, runs[i%len(runs)], 0, 1518, 0)
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 1518)
			b = b[:made.build(b, 0)]
			run, signed := signedBy(b)
			if !signed || run != runs[i%len(runs)] {
				t.Fatalf("run %d, %v", run, signed)
			}
			r.runs |= 1 << run
			r.frames = append(r.frames, captured{len(r.bytes), len(b), int64(i) * 1000})
			r.bytes = append(r.bytes, b...)
		}
		return Stream{Name: "replay", From: "a", To: "b", Replay: r}
	}
	unsigned := stream("unsigned", "b")
	unsigned.Unsigned = true
	for _, c := range []struct {
		name    string
		streams []Stream
		want    strangers
	}{
		{"measured", []Stream{stream("s", "b")}, strangers{}},
		{"to nobody", []Stream{stream("s", "")}, strangers{unexpected: n}},
		{"to another port", []Stream{stream("s", "a")}, strangers{misdirected: n}},
		{"unsigned", []Stream{unsigned}, strangers{foreign: n}},
		{"signed capture", []Stream{replay(1)}, strangers{stray: n}},
		{"signed capture beside a stream", []Stream{stream("s", "b"), replay(1, 2, 3)}, strangers{stray: n}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clock := perf.NewVirtual(time.Unix(1e9, 0))
			rig, _ := pair(t, clock, Impairments{}, 1024)
			for round := range 2 { // the second counts anew
				run, err := rig.Stepped(Load{Name: c.name, Streams: c.streams}, 2000, func() { clock.Advance(time.Microsecond) })
				if err != nil {
					t.Fatal(err)
				}
				var sent, known uint64
				for i := range run.Streams {
					s := &run.Streams[i]
					sent += s.Sent
					known += s.Received + s.Duplicates + s.TooLate
					if s.Duplicates > 0 || s.Measured && c.want.misdirected == 0 && s.Received != n {
						t.Errorf("round %d: %+v", round, s)
					}
				}
				p := run.Ports[1]
				got := strangers{foreign: p.Foreign, corrupt: p.Corrupt, stray: p.Stray, misdirected: p.Misdirected, unexpected: p.Unexpected}
				if got != c.want || p.RxFrames != sent || run.Ports[0].TxFrames != sent {
					t.Errorf("round %d: port %+v of %d sent, want %+v", round, p, sent, c.want)
				}
				if sum := known + p.Foreign + p.Corrupt + p.Stray + p.Misdirected + p.Unexpected; sum != p.RxFrames {
					t.Errorf("round %d: %d in the counts, %d came in", round, sum, p.RxFrames)
				}
			}
		})
	}
	every := make([]uint32, maxRuns)
	for i := range every {
		every[i] = uint32(i)
	}
	if _, err := (&Load{Streams: []Stream{stream("s", "b"), replay(every...)}}).nextRun(0); err == nil {
		t.Error("a stream was to be told from a capture of all runs")
	}
	if _, err := (&Load{Streams: []Stream{replay(every...)}}).nextRun(0); err != nil {
		t.Error(err)
	}
}

// stuckPort has frames for whoever asks, and takes none.
type stuckPort struct{ sinkPort }

func (stuckPort) Open(_ int, u *afxdp.UMEM) (afxdp.Queue, error) { return &stuckQueue{sink{u}}, nil }

type stuckQueue struct{ sink }

func (s *stuckQueue) Send([]afxdp.Desc) int { return 0 }
func (s *stuckQueue) Recv(d []afxdp.Desc) (n int) {
	for ; n < len(d); n++ {
		addr, ok := s.umem.Alloc()
		if !ok {
			break
		}
		d[n] = afxdp.Desc{Addr: addr, Len: 60}
	}
	return n
}

// TestReceivesAsMuchAsItSends: ports that are stepped in turn do not fall behind
// one another.
func TestReceivesAsMuchAsItSends(t *testing.T) {
	rig, err := NewRig(perf.NewClock(), &Port{Name: "a", Port: stuckPort{}, Bursts: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer rig.Close()
	if err := rig.prepare(&Load{}); err != nil {
		t.Fatal(err)
	}
	if rig.workers[0].step(true); rig.workers[0].taken != 8*burstFrames {
		t.Errorf("%d frames received in a step that may send %d", rig.workers[0].taken, 8*burstFrames)
	}
}

// countingPort counts the Sends of a sink, by how many frames they have.
type countingPort struct {
	sinkPort
	sends *[]int
}

func (p countingPort) Open(_ int, u *afxdp.UMEM) (afxdp.Queue, error) {
	return &countingQueue{sink{u}, p.sends}, nil
}

type countingQueue struct {
	sink
	sends *[]int
}

func (q *countingQueue) Send(d []afxdp.Desc) int {
	*q.sends = append(*q.sends, len(d))
	return q.sink.Send(d)
}

// TestOneSend: the bursts of a step go by one Send where that is asked for.
func TestOneSend(t *testing.T) {
	for _, c := range []struct {
		one  bool
		want []int
	}{{false, []int{64, 64, 64, 64}}, {true, []int{256}}} {
		var sends []int
		rig, err := NewRig(perf.NewClock(), &Port{Name: "a", Port: countingPort{sends: &sends}, Bursts: 4, OneSend: c.one})
		if err != nil {
			t.Fatal(err)
		}
		defer rig.Close()
		if err := rig.prepare(&Load{Streams: []Stream{{Name: "s", From: "a", Headers: udp4(), Sizes: FixedSize(64)}}}); err != nil {
			t.Fatal(err)
		}
		rig.begin(0, 0)
		if rig.workers[0].step(true); !slices.Equal(sends, c.want) {
			t.Errorf("one: %v: Sends of %v frames, want %v", c.one, sends, c.want)
		}
	}
}

// TestStuckPort: what a port stood still for counts as given up.
func TestStuckPort(t *testing.T) {
	rig, err := NewRig(perf.NewClock(), &Port{Name: "a", Port: stuckPort{}})
	if err != nil {
		t.Fatal(err)
	}
	defer rig.Close()
	run, err := rig.Run(t.Context(), Load{Streams: []Stream{{Name: "s", From: "a", Headers: udp4(), Sizes: FixedSize(64), Rate: Rate{100e3, PacketsPerSec}}}}, Limits{Duration: 100 * time.Millisecond, Settle: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if s := &run.Streams[0]; s.Sent != 0 || s.Missed < 8000 {
		t.Errorf("%d sent, %d given up of 10000 due in %g s", s.Sent, s.Missed, run.Seconds)
	}
}

// TestDueInDuration: what is due before the end is sent, no more and no less, in
// bursts too.
func TestDueInDuration(t *testing.T) {
	for _, c := range []struct {
		rate  float64
		burst int
		want  uint64
	}{{200, 0, 40}, {201, 0, 41}, {1000, 64, 200}} {
		rig, err := NewRig(perf.NewClock(), &Port{Name: "a", Port: sinkPort{}})
		if err != nil {
			t.Fatal(err)
		}
		defer rig.Close()
		run, err := rig.Run(t.Context(), Load{Streams: []Stream{{Name: "s", From: "a", Headers: udp4(), Sizes: FixedSize(64), Rate: Rate{c.rate, PacketsPerSec}, Burst: c.burst}}},
			Limits{Duration: 200 * time.Millisecond, Settle: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if s := &run.Streams[0]; s.Sent+s.Missed != c.want || s.Seconds != 0.2 || s.Missed == 0 && math.Abs(s.RateError()) > 0.03 {
			t.Errorf("%g pps in bursts of %d: %d sent, %d given up in %g s, want %d in 0.2 s; off by %g", c.rate, c.burst, s.Sent, s.Missed, s.Seconds, c.want, s.RateError())
		}
	}
}
