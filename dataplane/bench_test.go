package dataplane

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/perf"
)

// feed is a port for benchmarks: it has its own frames, as many as distinct
// packets or 64k, 2 KiB apart, and hands them out in turn, so that every
// header is as cold as one that a NIC wrote. The headers are copied in inside
// the timed loop; what is sent is checksummed, so that no work can be skipped.
type feed struct {
	name    string
	mac     net.HardwareAddr
	umem    *afxdp.UMEM
	ring    []uint64 // frames that are ours, first in first out
	at      int
	headers []byte // 64 bytes a packet, in the order of sending
	next    int
	sent    uint64
	sum     uint64
}

const feedFrames = 1 << 16

func (f *feed) Name() string                { return f.name }
func (f *feed) MAC() net.HardwareAddr       { return f.mac }
func (f *feed) MTU() int                    { return 1500 }
func (f *feed) Queues() int                 { return 1 }
func (f *feed) Close() error                { return nil }
func (f *feed) Flush()                      {}
func (f *feed) Stats() (s afxdp.QueueStats) { return s }
func (f *feed) Open(_ int, u *afxdp.UMEM) (afxdp.Queue, error) {
	f.umem = u
	for range feedFrames {
		a, ok := u.Alloc()
		if !ok {
			return nil, fmt.Errorf("umem too small")
		}
		f.ring = append(f.ring, a)
		u.Frame(a, 60)[0] = 1 // the page is there before the clock runs
	}
	return f, nil
}

func (f *feed) Recv(descs []afxdp.Desc) int {
	if len(f.headers) == 0 {
		return 0
	}
	for i := range descs {
		a := f.ring[f.at]
		if f.at++; f.at == len(f.ring) {
			f.at = 0
		}
		copy(f.umem.Frame(a, 60), f.headers[f.next*64:f.next*64+60])
		if f.next++; f.next*64 == len(f.headers) {
			f.next = 0
		}
		descs[i] = afxdp.Desc{Addr: a, Len: 60}
	}
	return len(descs)
}

// Send sums the headers and forgets the frames: they are still in the ring of
// the port they came from and come round again.
func (f *feed) Send(descs []afxdp.Desc) int {
	for _, d := range descs {
		b := f.umem.Frame(d.Addr, 60)
		f.sum += binary.LittleEndian.Uint64(b[26:]) + binary.LittleEndian.Uint64(b[34:])
	}
	f.sent += uint64(len(descs))
	return len(descs)
}

// benchFlow writes the UDP frame of flow i, original or answer, as it arrives.
func benchFlow(h []byte, i int, answer, nat bool) {
	client := netip.AddrFrom4([4]byte{10, byte(i >> 18), byte(i >> 10), byte(i>>2) | 1}).As4()
	cport := uint16(1024 + i%60000)
	server := [4]byte{198, 51, byte(i / 60000), byte(1 + i%250)} // distinct for flows of one client port
	src, dst, sport, dport := client, server, cport, uint16(53)
	smac, dmac := benchMAC(0x10), benchMAC(1)
	if answer {
		src, dst, sport, dport = server, client, 53, cport
		smac, dmac = benchMAC(0x20), benchMAC(2)
		if nat {
			dst = [4]byte{203, 0, 113, 1}
		}
	}
	copy(h[0:], dmac)
	copy(h[6:], smac)
	h[12], h[13] = 8, 0
	ip := h[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(ip[2:], 46)
	copy(ip[12:], src[:])
	copy(ip[16:], dst[:])
	binary.BigEndian.PutUint16(ip[10:], packet.Checksum(ip[:20], 0))
	binary.BigEndian.PutUint16(ip[20:], sport)
	binary.BigEndian.PutUint16(ip[22:], dport)
	binary.BigEndian.PutUint16(ip[24:], 26)
	// UDP checksum 0: none. NAT leaves it alone.
}

func benchMAC(last byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, last} }

const benchPolicy = `table inet fw {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state invalid counter drop
		ct state established,related counter accept
		iifname "lan" ip saddr 10.0.0.0/8 udp dport 53 accept
		iifname "lan" tcp dport { 22, 80, 443 } accept
		iifname "lan" icmp type echo-request accept
		iifname "wan" tcp dport 25 drop
		iifname "wan" ip saddr 192.0.2.0/24 accept
		iifname "wan" udp dport 5000-6000 drop
		meta l4proto icmp accept
		counter drop
	}
}
`

const benchMasquerade = benchPolicy + `table ip nat {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		oifname "wan" masquerade
	}
}
`

// newBench makes a box between two feeds with the given rules, sends every
// flow's first packet and answer through it, and lines up flows packets of
// both directions in random order.
func newBench(b *testing.B, text string, flows int, nat bool) (*Box, *feed, *feed) {
	b.Helper()
	lan := &feed{name: "lan", mac: benchMAC(1)}
	wan := &feed{name: "wan", mac: benchMAC(2)}
	cfg := Default()
	cfg.Clock = perf.NewVirtual(benchStart)
	cfg.Frames = 2*feedFrames + 1024
	cfg.Conntrack.Max = 2 << 20
	cfg.Stages = true
	cfg.Ports = []PortConfig{
		{Port: lan, Addrs: []netip.Prefix{netip.MustParsePrefix("172.16.0.1/24")}, Peer: -1},
		{Port: wan, Addrs: []netip.Prefix{netip.MustParsePrefix("203.0.113.1/24")}, Peer: -1},
	}
	cfg.Routes = []route.Route{
		{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("203.0.113.2"), Port: 1},
		{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Gateway: netip.MustParseAddr("172.16.0.2"), Port: 0},
	}
	cfg.Neighbours = []route.Neighbour{
		{Port: 1, Addr: netip.MustParseAddr("203.0.113.2"), MAC: [6]byte(benchMAC(0x20))},
		{Port: 0, Addr: netip.MustParseAddr("172.16.0.2"), MAC: [6]byte(benchMAC(0x10))},
	}
	box, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := box.Close(); err != nil {
			b.Error(err)
		}
	})
	if _, err := box.Load("bench.nft", []byte(text)); err != nil {
		b.Fatal(err)
	}
	up, down := make([]byte, 64*flows), make([]byte, 64*flows)
	for i, j := range rand.New(rand.NewPCG(1, 2)).Perm(flows) {
		benchFlow(up[64*i:], j, false, nat)
		benchFlow(down[64*i:], j, true, nat)
	}
	w := box.workers[0]
	pass := func(f *feed, headers []byte) {
		f.headers, f.next = headers, 0
		for range (flows + len(w.descs) - 1) / len(w.descs) {
			w.round(true)
		}
		f.headers = nil
	}
	if flows > 0 {
		pass(lan, up)
		pass(wan, down)
		// UDP that goes on for more than two seconds is a stream and assured.
		cfg.Clock.Advance(3 * time.Second)
		pass(lan, up)
		pass(wan, down)
		lan.headers, wan.headers = up, down
	}
	return box, lan, wan
}

func BenchmarkBox(b *testing.B) {
	cases := []struct {
		name  string
		rules string
		flows int
		nat   bool
	}{
		{"forward/64k", "", 1 << 16, false},
		{"conntrack/1k", benchPolicy, 1 << 10, false},
		{"conntrack/64k", benchPolicy, 1 << 16, false},
		{"masquerade/1k", benchMasquerade, 1 << 10, true},
		{"masquerade/64k", benchMasquerade, 1 << 16, true},
		{"conntrack/1M", benchPolicy, 1 << 20, false},
		{"masquerade/1M", benchMasquerade, 1 << 20, true},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			box, lan, wan := newBench(b, c.rules, c.flows, c.nat)
			w := box.workers[0]
			before := lan.sent + wan.sent
			account := w.stages.Snapshot()
			n := 0
			rounds := make([]time.Duration, 0, b.N/(2*len(w.descs))+1)
			b.ResetTimer()
			for last := time.Now(); n < b.N; {
				w.round(true)
				n += 2 * len(w.descs)
				now := time.Now()
				rounds = append(rounds, now.Sub(last))
				last = now
			}
			b.StopTimer()
			// The machine is shared: the quickest tenth of the rounds says what the
			// code costs, the mean what it cost this time.
			slices.Sort(rounds)
			b.ReportMetric(float64(rounds[len(rounds)/10])/float64(2*len(w.descs)), "p10-ns/packet")
			passed := lan.sent + wan.sent - before
			if passed != uint64(n) {
				b.Fatalf("%d of %d packets passed; drops %v", passed, n, dropNames(&w.stats))
			}
			reportStages(b, w, account, n)
		})
	}
}

// BenchmarkProfiling measures what profiling costs in CPU time of the worker's
// thread. A pair is many short slices of the same traffic, off-on-on-off, so
// that what else the machine does falls on both alike, and compares their
// medians; reported is the mean of the pairs' ratios with the half-width of its 95 % confidence interval, and
// what it is a packet. One iteration is a pair: -benchtime 20x.
func BenchmarkProfiling(b *testing.B) {
	box, _, _ := newBench(b, benchMasquerade, 1<<16, true)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w := box.workers[0]
	costs := newCosts(box.rules)
	slice := func(on bool) float64 {
		w.stages.Enable(0)
		w.next.Load().costs = nil
		if on {
			w.stages.Enable(stageSample)
			w.next.Load().costs = costs
		}
		begin := perf.ThreadCPU()
		for range 50 {
			w.round(true)
		}
		return float64(perf.ThreadCPU() - begin)
	}
	var ratios []float64
	off, packets := 0.0, 0
	for b.Loop() {
		var spent [2][]float64
		for range 100 {
			for i, on := range []bool{false, true, true, false} {
				to := &spent[(i+1)/2%2]
				*to = append(*to, slice(on))
			}
		}
		var middle [2]float64
		for i, s := range spent {
			slices.Sort(s)
			middle[i] = s[len(s)/2]
		}
		ratios = append(ratios, middle[1]/middle[0])
		off += middle[0]
		packets += 50 * 2 * len(w.descs)
	}
	mean, dev := 0.0, 0.0
	for _, r := range ratios {
		mean += r / float64(len(ratios))
	}
	for _, r := range ratios {
		dev += (r - mean) * (r - mean)
	}
	b.ReportMetric(100*(mean-1), "cost%")
	b.ReportMetric((mean-1)*off/float64(packets), "cost-ns/packet")
	b.ReportMetric(off/float64(packets), "off-ns/packet")
	if n := float64(len(ratios)); n > 1 {
		b.ReportMetric(100*2.09*math.Sqrt(dev/(n-1)/n), "±%") // Student's t of 20 pairs
	}
	b.ReportMetric(float64(len(ratios)), "pairs")
}

// BenchmarkNew measures packets each of which begins a flow, with the table
// emptied, off the clock, every half million flows.
func BenchmarkNew(b *testing.B) {
	for _, c := range []struct {
		name, rules string
		nat         bool
	}{{"conntrack", benchPolicy, false}, {"masquerade", benchMasquerade, true}} {
		b.Run(c.name, func(b *testing.B) {
			const flows = 1 << 19
			box, lan, wan := newBench(b, c.rules, 0, c.nat)
			up := make([]byte, 64*flows)
			for i := range flows {
				benchFlow(up[64*i:], i, false, c.nat)
			}
			lan.headers = up
			w := box.workers[0]
			account := w.stages.Snapshot()
			n := 0
			b.ResetTimer()
			for n < b.N {
				if n%flows == 0 && n > 0 {
					b.StopTimer()
					box.Flush()
					b.StartTimer()
				}
				w.round(true)
				n += len(w.descs)
			}
			b.StopTimer()
			if wan.sent != uint64(n) {
				b.Fatalf("%d of %d packets passed; drops %v", wan.sent, n, dropNames(&w.stats))
			}
			reportStages(b, w, account, n)
		})
	}
}

// reportStages reports ns/packet and how it divides over the stages.
func reportStages(b *testing.B, w *worker, before perf.Account, packets int) {
	perPacket := float64(b.Elapsed().Nanoseconds()) / float64(packets)
	b.ReportMetric(perPacket, "ns/packet")
	account := w.stages.Snapshot()
	for s, c := range account.Cycles {
		if now := c - before.Cycles[s]; now > 0 {
			b.ReportMetric(100*float64(now)/float64(account.Total()-before.Total()), stageNames[s]+"%")
		}
	}
}

func dropNames(s *WorkerStats) map[string]uint64 {
	m := map[string]uint64{}
	for d, n := range s.Drops {
		if n > 0 && d > 0 {
			m[packet.Drop(d).String()] = n
		}
	}
	return m
}
