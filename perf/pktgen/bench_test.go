package pktgen

import (
	"net"
	"runtime"
	"testing"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
)

// sink takes every frame and keeps none: what is measured is making frames.
type sink struct{ umem *afxdp.UMEM }

func (s *sink) Recv([]afxdp.Desc) int { return 0 }
func (s *sink) Send(d []afxdp.Desc) int {
	for i := range d {
		s.umem.Free(d[i].Addr)
	}
	return len(d)
}
func (s *sink) Flush()                  {}
func (s *sink) Stats() afxdp.QueueStats { return afxdp.QueueStats{} }

type sinkPort struct{}

func (sinkPort) Name() string          { return "sink" }
func (sinkPort) MAC() net.HardwareAddr { return macA }
func (sinkPort) MTU() int              { return 1500 }
func (sinkPort) Queues() int           { return 1 }
func (sinkPort) Close() error          { return nil }
func (sinkPort) Open(_ int, u *afxdp.UMEM) (afxdp.Queue, error) {
	return &sink{u}, nil
}

func flows() []Variation {
	return []Variation{{Field: FieldSrc, Count: 1000}, {Field: FieldSrcPort, Count: 1000}}
}

// BenchmarkGenerate is the time one core takes for a frame, by what it is sent
// into: nothing, a pipe in memory whose other end throws away, and a pipe whose
// other end measures, on the same core.
func BenchmarkGenerate(b *testing.B) {
	for _, c := range []struct {
		name  string
		size  Sizes
		vary  []Variation
		where string
	}{
		{"none/64", FixedSize(64), flows(), "none"},
		{"none/64random", FixedSize(64), []Variation{{Field: FieldSrc, Count: 1 << 20, Order: Random}, {Field: FieldSrcPort, Count: 60000, Order: Random}}, "none"},
		{"none/64zipf", FixedSize(64), []Variation{{Field: FieldSrc, Count: 1 << 20, Order: Zipf}}, "none"},
		{"none/1518", FixedSize(1518), flows(), "none"},
		{"pipe/64", FixedSize(64), flows(), "pipe"},
		{"measured/64", FixedSize(64), flows(), "measured"},
		{"measured/imix", IMIX(), flows(), "measured"},
	} {
		b.Run(c.name, func(b *testing.B) {
			clock := perf.NewClock()
			ports := []*Port{{Name: "a", Port: sinkPort{}}}
			stream := Stream{Name: "s", From: "a", Headers: udp4(), Sizes: c.size, Vary: c.vary}
			if c.where != "none" {
				x, y, err := afxdp.NewPipe(afxdp.PipeConfig{Ring: 512})
				if err != nil {
					b.Fatal(err)
				}
				defer x.Close()
				defer y.Close()
				ports = []*Port{{Name: "a", Port: x}, {Name: "b", Port: y}}
				stream.To = "b"
			}
			rig, err := NewRig(clock, ports...)
			if err != nil {
				b.Fatal(err)
			}
			defer rig.Close()
			if err := rig.prepare(&Load{Streams: []Stream{stream}}); err != nil {
				b.Fatal(err)
			}
			rig.begin(clock.Nanos(), 0)
			s := rig.sender(&stream, 0)
			b.ReportAllocs()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			start, before := perf.ThreadCPU(), uint64(0)
			for b.Loop() {
				rig.workers[0].step(true)
				switch c.where {
				case "pipe":
					w := rig.workers[1]
					n := w.lanes[0].queue.Recv(w.rx[:])
					for _, d := range w.rx[:n] {
						w.umem.Free(d.Addr)
					}
				case "measured":
					rig.workers[1].step(true)
				}
				if before == 0 {
					start, before = perf.ThreadCPU(), s.sent // the first burst warms up
				}
			}
			ns := float64(perf.ThreadCPU()-start) / float64(max(s.sent-before, 1))
			b.ReportMetric(ns, "ns/packet")
			b.ReportMetric(1000/ns, "Mpps/core")
		})
	}
}
