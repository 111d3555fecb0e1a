package packet

import (
	"testing"

	. "github.com/sluice-net/sluice/tools/frame"
)

func TestNoAllocations(t *testing.T) {
	tab := newTable(t)
	buf := make([]byte, 2048)
	to := addr("2001:db8::77")
	for _, b := range seeds() {
		p := &Packet{Data: b}
		n := testing.AllocsPerRun(20, func() {
			if Parse(p, tab) != DropNone {
				return
			}
			p.ChecksumOK()
			CompleteChecksum(p)
			p.SetSrc(&to, 5)
			p.SetDst(&to, 6)
			p.RewriteInner(&to, 2, true)
			p.DecTTL()
			p.ShouldReject()
			BuildICMPError(buf, p, 3, 3, 0, &to, nil)
			BuildTCPReset(buf, p)
		})
		if n != 0 {
			t.Errorf("%v allocations on %x", n, b)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	tab := newTable(b)
	rows := []struct {
		name  string
		frame []byte
	}{
		{"tcp", Build(Ether{}, h4, TCP{Src: 1024, Dst: 80, Flags: "A"}, Zeros(10))},
		{"tcp vlan", Build(Ether{}, VLAN{TCI: 5}, h4, TCP{Src: 1024, Dst: 80, Flags: "A"})},
		{"udp", Build(Ether{}, h4, UDP{Src: 1024, Dst: 80}, Zeros(18))},
		{"tcp6", Build(Ether{}, h6, TCP{Src: 1024, Dst: 80, Flags: "A"})},
		{"echo", Build(Ether{}, h4, ICMP{Type: 8, ID: 4})},
		{"icmp error", Build(Ether{}, r4, ICMP{Type: 3}, h4, UDP{Src: 1024, Dst: 80})},
		{"hop-by-hop", Build(Ether{}, h6, Ext{Kind: HopByHop}, UDP{Src: 1024, Dst: 80})},
	}
	for _, r := range rows {
		b.Run(r.name, func(b *testing.B) {
			const burst = 64
			packets := make([]Packet, burst)
			frames := make([][2048]byte, burst)
			for i := range packets {
				packets[i].Data = frames[i][:copy(frames[i][:], r.frame)]
			}
			b.ReportAllocs()
			for b.Loop() {
				for i := range packets {
					if Parse(&packets[i], tab) != DropNone {
						b.Fatal("dropped")
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/burst, "ns/packet")
		})
	}
}

func BenchmarkRewrite(b *testing.B) {
	tab := newTable(b)
	for name, f := range map[string][]byte{
		"tcp":  Build(Ether{}, h4, TCP{Src: 1024, Dst: 80, Flags: "A"}),
		"tcp6": Build(Ether{}, h6, TCP{Src: 1024, Dst: 80, Flags: "A"}),
	} {
		b.Run(name, func(b *testing.B) {
			p := &Packet{Data: f}
			if Parse(p, tab) != DropNone {
				b.Fatal("dropped")
			}
			x, y := addr("2001:db8::77"), addr("2001:db8::78")
			for b.Loop() {
				p.SetSrc(&x, 5)
				p.SetSrc(&y, 6)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/2, "ns/rewrite")
		})
	}
}
