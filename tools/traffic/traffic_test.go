package traffic

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/tools/frame"
)

var (
	clientMAC = [6]byte{2, 0, 0, 0, 0, 1}
	boxMAC    = [6]byte{2, 0, 0, 0, 0, 2}
	serverMAC = [6]byte{2, 0, 0, 0, 0, 3}
	start     = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
)

// wire is a client and a server with a relay between them in place of a box.
type wire struct {
	t      testing.TB
	clock  *perf.Clock
	client *Client
	server *Server
	ends   [2]*afxdp.End // the relay's, towards client and server
	pipes  []afxdp.Port
	all    []*afxdp.End
	hash   []byte // of everything the relay saw, a chain of sums
	// change sees each frame, up when it comes from the client, and returns
	// what to pass on in its place and what to send back.
	change func(up bool, b []byte) (on, back [][]byte)
}

func newWire(t testing.TB, cfg ClientConfig, srv ServerConfig) *wire {
	t.Helper()
	w := &wire{t: t, clock: perf.NewVirtual(start)}
	var hosts [2]*afxdp.End
	for i := range 2 {
		a, b, err := afxdp.NewPipe(afxdp.PipeConfig{})
		if err != nil {
			t.Fatal(err)
		}
		w.pipes = append(w.pipes, a, b)
		for j, port := range []afxdp.Port{a, b} {
			e, err := afxdp.NewEnd(port, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			w.all = append(w.all, e)
			if j == 0 {
				hosts[i] = e
			} else {
				w.ends[i] = e
			}
		}
	}
	t.Cleanup(func() {
		for _, e := range w.all {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, p := range w.pipes {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	cfg.Clock, cfg.MAC, cfg.Gateway, srv.MAC = w.clock, clientMAC, boxMAC, serverMAC
	var err error
	if w.client, err = NewClient(cfg, hosts[0]); err != nil {
		t.Fatal(err)
	}
	if w.server, err = NewServer(srv, hosts[1]); err != nil {
		t.Fatal(err)
	}
	return w
}

// relay passes frames on both ways and says whether there were any.
func (w *wire) relay() (any bool) {
	for from, in := range w.ends {
		// Only while there is room for two frames made of one.
		for w.ends[0].Room() > 1 && w.ends[1].Room() > 1 {
			b, _, ok := in.Read()
			if !ok {
				break
			}
			any = true
			w.hash = fmt.Appendf(nil, "%x", sum(b, sum(w.hash, uint64(from))))
			if from == 0 && ([6]byte(b[:6]) != boxMAC || [6]byte(b[6:]) != clientMAC) {
				w.t.Fatalf("client's MACs: % x", b[:12])
			}
			if err := frame.VerifyChecksums(b); err != nil {
				w.t.Fatalf("frame of %s: %v\n% x", [2]string{"client", "server"}[from], err, b)
			}
			on, back := [][]byte{b}, [][]byte(nil)
			if w.change != nil {
				on, back = w.change(from == 0, bytes.Clone(b))
			}
			for _, b := range on {
				w.put(1-from, b)
			}
			for _, b := range back {
				w.put(from, b)
			}
		}
	}
	for _, e := range w.ends {
		if e.Flush() != 0 {
			any = true
		}
	}
	return any
}

func (w *wire) put(to int, b []byte) {
	mac := [2][6]byte{clientMAC, serverMAC}[to]
	copy(b, mac[:])
	copy(b[6:], boxMAC[:])
	if !w.ends[to].Write(b, 0) {
		w.t.Fatal("relay's port is full")
	}
}

// run steps all until nothing happens any more, moving the clock over the
// timeout once if sessions are open then.
func (w *wire) run() Report {
	for rounds := 0; ; rounds++ {
		if rounds > 1_000_000 {
			w.t.Fatal("no end")
		}
		client, relay, server := w.client.Step(), w.relay(), w.server.Step()
		if w.client.Done() && !relay && !server {
			return w.client.Report()
		}
		if !client && !relay && !server {
			if w.client.Open() == 0 && w.client.cfg.Total == 0 {
				return w.client.Report()
			}
			w.clock.Advance(w.client.cfg.Timeout)
		}
	}
}

func pools(cfg ClientConfig) ClientConfig {
	cfg.Clients4, cfg.Servers4 = Pool{netip.MustParseAddr("10.1.255.250"), 10}, Pool{netip.MustParseAddr("192.0.2.1"), 3}
	cfg.Clients6, cfg.Servers6 = Pool{netip.MustParseAddr("2001:db8:1::fffa"), 10}, Pool{netip.MustParseAddr("2001:db8:2::1"), 3}
	return cfg
}

var everything = []Mix{
	{Kind: TCP, Requests: 3, Ask: 100, Answer: 5001},
	{Kind: TCP, IPv6: true, Weight: 2, Answer: 70001},
	{Kind: TCP},
	{Kind: TCPReset, Requests: 2, Answer: 10},
	{Kind: TCPReset, IPv6: true},
	{Kind: TCPHalfOpen},
	{Kind: TCPHalfOpen, IPv6: true},
	{Kind: TCPRefused},
	{Kind: TCPRefused, IPv6: true},
	{Kind: UDP, Ask: 33, Answer: 77},
	{Kind: UDP, IPv6: true, Answer: maxAnswer},
	{Kind: UDPStream, Requests: 200, Window: 16, Ask: maxAsk},
	{Kind: UDPStream, IPv6: true, Requests: 50, Window: 3},
	{Kind: Echo, Requests: 4, Window: 2, Ask: 57},
	{Kind: Echo, IPv6: true, Requests: 1},
}

// TestEveryKind runs every kind over both families, each alone and all at once:
// all sessions complete, every frame has right checksums by another judge, and
// the same seed gives the same frames.
func TestEveryKind(t *testing.T) {
	sessions := uint64(200)
	if offheap.RaceTwin {
		sessions = 40 // the race detector is slow
	}
	mixes := map[string][]Mix{"all at once": everything}
	for i, m := range everything {
		mixes[fmt.Sprintf("%d %v v6=%v", i, m.Kind, m.IPv6)] = []Mix{m}
	}
	for name, mix := range mixes {
		t.Run(name, func(t *testing.T) {
			var hashes []string
			for _, seed := range []uint64{1, 1, 2} {
				w := newWire(t, pools(ClientConfig{Seed: seed, Mix: mix, Open: 37, Total: sessions, Ports: []uint16{80, 443, 5353}}), ServerConfig{
					Sources:      []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/64")},
					Destinations: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/30"), netip.MustParsePrefix("2001:db8:2::/64")},
				})
				r := w.run()
				s := w.server.Report()
				if total := r.Total(); !r.Clean() || total.Completed != sessions {
					t.Fatalf("client: %v", &r)
				}
				if s.Bad+s.Foreign+s.Payload+s.Stray > 0 || s.Sent != r.Received || s.Received != r.Sent {
					t.Fatalf("server: %v\nclient: %v", &s, &r)
				}
				hashes = append(hashes, string(w.hash))
			}
			if hashes[0] != hashes[1] {
				t.Error("the same seed gave other frames")
			}
			if hashes[0] == hashes[2] {
				t.Error("another seed gave the same frames")
			}
		})
	}
}

// TestFullPort has a relay that takes little at a time: nothing is lost.
func TestFullPort(t *testing.T) {
	w := newWire(t, pools(ClientConfig{Seed: 9, Mix: []Mix{
		{Kind: UDPStream, Requests: 3000, Window: 3000}, {Kind: TCP, Answer: 900_000},
	}, Open: 2, Total: 4}), ServerConfig{})
	for !w.client.Done() {
		w.client.Step()
		w.server.Step()
		for from, in := range w.ends {
			for range 100 {
				if w.ends[1-from].Frame() == nil {
					break
				}
				b, _, ok := in.Read()
				if !ok {
					break
				}
				w.put(1-from, b)
			}
			w.ends[1-from].Flush()
		}
	}
	r, s := w.client.Report(), w.server.Report()
	if !r.Clean() || s.Payload+s.Bad > 0 {
		t.Errorf("client: %v\nserver: %v", &r, &s)
	}
	if full := w.all[0].Stats().TxFull + w.all[2].Stats().TxFull; full == 0 {
		t.Error("no port was ever full: the test tests nothing")
	}
}

// TestRun has client and server on goroutines of their own, without a relay.
func TestRun(t *testing.T) {
	a, b, err := afxdp.NewPipe(afxdp.PipeConfig{})
	if err != nil {
		t.Fatal(err)
	}
	ea, err := afxdp.NewEnd(a, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	eb, err := afxdp.NewEnd(b, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(pools(ClientConfig{
		Seed: 3, MAC: clientMAC, Gateway: serverMAC, Mix: everything, Open: 100, Total: 1000, Timeout: time.Minute, Clock: perf.NewClock(),
	}), ea)
	if err != nil {
		t.Fatal(err)
	}
	server, err := NewServer(ServerConfig{MAC: serverMAC}, eb)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	serve, stop := context.WithCancel(ctx)
	wg.Go(func() { server.Run(serve) })
	client.Run(ctx)
	stop()
	wg.Wait()
	r, s := client.Report(), server.Report()
	if !client.Done() || !r.Clean() || s.Bad+s.Payload > 0 {
		t.Errorf("client: %v\nserver: %v", &r, &s)
	}
	for _, e := range []*afxdp.End{ea, eb} {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, p := range []afxdp.Port{a, b} {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	clock := perf.NewVirtual(start)
	good := func() ClientConfig { return pools(ClientConfig{Clock: clock, Mix: []Mix{{}}}) }
	for _, tc := range []struct {
		name string
		bend func(c *ClientConfig)
		err  string
	}{
		{"good", func(*ClientConfig) {}, ""},
		{"no clock", func(c *ClientConfig) { c.Clock = nil }, "no clock"},
		{"no mix", func(c *ClientConfig) { c.Mix = nil }, "empty mix"},
		{"negative", func(c *ClientConfig) { c.Open = -1 }, "-1 sessions"},
		{"no addresses", func(c *ClientConfig) { c.Clients4 = Pool{} }, "client addresses for IPv4"},
		{"wrong family", func(c *ClientConfig) { c.Servers4 = c.Servers6 }, "server addresses for IPv4"},
		{"family not in the mix", func(c *ClientConfig) { c.Servers6 = Pool{} }, ""},
		{"pool over the end", func(c *ClientConfig) { c.Clients4 = Pool{netip.MustParseAddr("255.255.255.255"), 2} }, "over the end"},
		{"too few addresses", func(c *ClientConfig) { c.Open = 700_000 }, "more than 10 client addresses"},
		{"short request", func(c *ClientConfig) { c.Mix[0].Ask = 15 }, "15 bytes of request"},
		{"long answer", func(c *ClientConfig) { c.Mix[0] = Mix{Kind: UDP, Answer: maxAnswer + 1} }, "of answer"},
		{"kind", func(c *ClientConfig) { c.Mix[0].Kind = kinds }, "no such kind"},
		{"long query", func(c *ClientConfig) { c.Mix[0] = Mix{Kind: UDP, Requests: 2} }, "one request"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := good()
			tc.bend(&cfg)
			_, err := NewClient(cfg, nil)
			if (tc.err == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
		})
	}
	for _, n := range []int{-8, 7, 1448} {
		if _, err := NewServer(ServerConfig{Segment: n}, nil); err == nil {
			t.Errorf("segments of %d bytes were taken", n)
		}
	}
}

// TestSum compares the checksum with a sum of 16-bit words at all lengths.
func TestSum(t *testing.T) {
	b := make([]byte, 130)
	for i := range b {
		b[i] = byte(i*i*7 + 250)
	}
	for n := range b {
		for _, start := range []uint64{0, 0xffff, 1 << 40, ^uint64(0)} {
			want := start % 0xffff
			for i := 0; i < n; i += 2 {
				w := uint64(b[i]) << 8
				if i+1 < n {
					w |= uint64(b[i+1])
				}
				want += w
			}
			if got := uint64(fold(sum(b[:n], start))); got%0xffff != want%0xffff {
				t.Fatalf("%d bytes from %#x: %#x, want %#x", n, start, got, want%0xffff)
			}
		}
	}
}

// FuzzParse gives any bytes to both hosts.
func FuzzParse(f *testing.F) {
	f.Add(frame.Build(frame.Ether{}, frame.IPv4{Src: "10.0.0.1", Dst: "10.0.0.2"}, frame.TCP{Src: 1024, Dst: 80, Flags: "S"}))
	f.Add(frame.Build(frame.Ether{}, frame.IPv6{Src: "2001:db8::1", Dst: "2001:db8::2"}, frame.UDP{Src: 1024, Dst: 80}, frame.Data("0123456789abcdef")))
	f.Add(icmpError(frame.Build(frame.Ether{}, frame.IPv4{Src: "10.0.0.1", Dst: "10.0.0.2"}, frame.UDP{Src: 1024, Dst: 80}, frame.Data("xyz"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p packet
		if !p.parse(b) || p.error {
			return // what an error quotes may be cut anywhere
		}
		if p.proto == protoTCP || p.proto == protoUDP {
			if err := frame.VerifyChecksums(b); err != nil {
				t.Errorf("taken as sound: %v", err)
			}
		}
	})
}

// BenchmarkSteadyUDP is client and server on one goroutine, back to back: one
// operation is a datagram and its answer.
func BenchmarkSteadyUDP(b *testing.B) {
	x, y, err := afxdp.NewPipe(afxdp.PipeConfig{Ring: 4096})
	if err != nil {
		b.Fatal(err)
	}
	ex, err := afxdp.NewEnd(x, 0, 0)
	if err != nil {
		b.Fatal(err)
	}
	ey, err := afxdp.NewEnd(y, 0, 0)
	if err != nil {
		b.Fatal(err)
	}
	client, err := NewClient(pools(ClientConfig{
		MAC: clientMAC, Gateway: serverMAC, Open: 1000, Mix: []Mix{{Kind: UDPStream, Requests: 60000, Window: 2}}, Clock: perf.NewClock(),
	}), ex)
	if err != nil {
		b.Fatal(err)
	}
	server, err := NewServer(ServerConfig{MAC: serverMAC}, ey)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for client.frames.Received < uint64(b.N) {
		client.Step()
		server.Step()
	}
	b.ReportMetric(float64(client.frames.Sent+server.frames.Sent)/b.Elapsed().Seconds()/1e6, "Mframes/s")
}
