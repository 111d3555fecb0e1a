package traffic_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/tools/traffic"
)

const (
	clientLAN = 0x01
	boxLAN    = 0x11
	boxWAN    = 0x12
	serverWAN = 0x02
)

func mac(last byte) [6]byte { return [6]byte{2, 0, 0, 0, 0, last} }

func prefixes(list ...string) (p []netip.Prefix) {
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

// site is a box between a client and a server.
type site struct {
	clock  *perf.Clock
	box    *dataplane.Box
	client *traffic.Client
	server *traffic.Server
}

func newSite(t *testing.T, rules string, workers int, clock *perf.Clock, mix []traffic.Mix, total uint64, srv traffic.ServerConfig) *site {
	t.Helper()
	cfg := dataplane.Default()
	cfg.Workers, cfg.Clock = workers, clock
	var ends []*afxdp.End
	for _, p := range []struct {
		name      string
		near, far byte
		addrs     []netip.Prefix
	}{
		{"lan", boxLAN, clientLAN, prefixes("10.0.0.1/24", "fd00:a::1/64")},
		{"wan", boxWAN, serverWAN, prefixes("203.0.113.1/24", "fd00:b::1/64")},
	} {
		near, far := mac(p.near), mac(p.far)
		a, b, err := afxdp.NewPipe(afxdp.PipeConfig{
			Name: [2]string{p.name, p.name + " host"}, MAC: [2]net.HardwareAddr{near[:], far[:]},
			Queues: workers, Peer: 1, Steer: afxdp.SteerFlow,
		})
		if err != nil {
			t.Fatal(err)
		}
		e, err := afxdp.NewEnd(b, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			for _, closer := range []func() error{e.Close, a.Close, b.Close} {
				if err := closer(); err != nil {
					t.Error(err)
				}
			}
		})
		ends = append(ends, e)
		cfg.Ports = append(cfg.Ports, dataplane.PortConfig{Port: a, Peer: -1, Addrs: p.addrs})
	}
	for _, s := range [][2]string{{"0.0.0.0/0", "203.0.113.2"}, {"::/0", "fd00:b::2"}} {
		gateway := netip.MustParseAddr(s[1])
		cfg.Routes = append(cfg.Routes, route.Route{Prefix: netip.MustParsePrefix(s[0]), Gateway: gateway, Port: 1})
		cfg.Neighbours = append(cfg.Neighbours, route.Neighbour{Port: 1, Addr: gateway, MAC: mac(serverWAN)})
	}
	for i := range 8 {
		for _, s := range []string{fmt.Sprintf("10.0.0.%d", 16+i), fmt.Sprintf("fd00:a::1%x", i)} {
			cfg.Neighbours = append(cfg.Neighbours, route.Neighbour{Port: 0, Addr: netip.MustParseAddr(s), MAC: mac(clientLAN)})
		}
	}
	s := &site{clock: clock}
	var err error
	if s.box, err = dataplane.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.box.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := s.box.Load("test.nft", []byte(rules)); err != nil {
		t.Fatal(err)
	}
	if s.client, err = traffic.NewClient(traffic.ClientConfig{
		Seed: 1, MAC: mac(clientLAN), Gateway: mac(boxLAN), Clock: clock, Open: 50, Total: total, Mix: mix, Ports: []uint16{443},
		Clients4: traffic.Pool{First: netip.MustParseAddr("10.0.0.16"), Count: 8}, Servers4: traffic.Pool{First: netip.MustParseAddr("198.51.100.1"), Count: 20},
		Clients6: traffic.Pool{First: netip.MustParseAddr("fd00:a::10"), Count: 8}, Servers6: traffic.Pool{First: netip.MustParseAddr("2001:db8::1"), Count: 20},
	}, ends[0]); err != nil {
		t.Fatal(err)
	}
	srv.MAC = mac(serverWAN)
	if s.server, err = traffic.NewServer(srv, ends[1]); err != nil {
		t.Fatal(err)
	}
	return s
}

// step runs everything on this goroutine until the client is done.
func (s *site) step(t *testing.T) {
	t.Helper()
	for range 100_000 {
		work := s.client.Step()
		s.box.Drain()
		work = s.server.Step() || work
		s.box.Drain()
		if s.client.Done() {
			return
		}
		if !work {
			s.clock.Advance(time.Second)
		}
	}
	t.Fatal("no end")
}

var mixed = []traffic.Mix{
	{Kind: traffic.TCP, Requests: 2, Answer: 5000}, {Kind: traffic.TCP, IPv6: true, Answer: 3000},
	{Kind: traffic.TCPReset}, {Kind: traffic.TCPHalfOpen}, {Kind: traffic.TCPRefused},
	{Kind: traffic.UDP, Answer: 50}, {Kind: traffic.UDPStream, IPv6: true, Requests: 30, Window: 4},
	{Kind: traffic.Echo, Requests: 3}, {Kind: traffic.Echo, IPv6: true, Requests: 3},
}

const (
	filter = `table inet filter {
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		ct state invalid drop
		iifname "lan" accept
	}
}
`
	masquerade = `table ip nat {
	chain post {
		type nat hook postrouting priority srcnat;
		oifname "wan" masquerade
	}
}
`
	redirect = `table ip nat {
	chain pre {
		type nat hook prerouting priority dstnat;
		iifname "lan" dnat to 192.0.2.7
	}
}
`
)

// TestThroughBox sends sessions through a box and checks that its rules show in
// what the hosts report.
func TestThroughBox(t *testing.T) {
	forward := func(rule string) string {
		return "table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority filter;\n\t\t" + rule + "\n\t}\n}\n"
	}
	seen := prefixes("203.0.113.1/32", "fd00:a::/64")
	tcp, udp := []traffic.Mix{{Kind: traffic.TCP, Answer: 3000}}, []traffic.Mix{{Kind: traffic.UDP, Answer: 30}}
	all := func(r *traffic.Report, reason traffic.Reason) bool {
		t := r.Total()
		return t.Failed[reason] == t.Opened
	}
	for _, tc := range []struct {
		name   string
		rules  string
		mix    []traffic.Mix
		total  uint64
		server traffic.ServerConfig
		want   func(r *traffic.Report, s *traffic.Frames) bool
	}{
		{"masquerade", filter + masquerade, mixed, 400, traffic.ServerConfig{Sources: seen},
			func(r *traffic.Report, s *traffic.Frames) bool { return r.Clean() && s.Foreign == 0 }},
		{"plain", filter, mixed, 400, traffic.ServerConfig{Sources: prefixes("10.0.0.0/24", "fd00:a::/64")},
			func(r *traffic.Report, s *traffic.Frames) bool { return r.Clean() && s.Foreign == 0 }},
		{"plain where masquerade is expected", filter, tcp, 40, traffic.ServerConfig{Sources: seen},
			func(r *traffic.Report, s *traffic.Frames) bool { return r.Clean() && s.Foreign == s.Received }},
		{"destination", filter + redirect, tcp, 40, traffic.ServerConfig{Destinations: prefixes("192.0.2.7/32")},
			func(r *traffic.Report, s *traffic.Frames) bool { return r.Clean() && s.Foreign == 0 && s.Received > 0 }},
		{"drop", forward("tcp dport 443 drop"), tcp, 40, traffic.ServerConfig{},
			func(r *traffic.Report, s *traffic.Frames) bool { return r.Total().TimedOut == 40 && s.Received == 0 }},
		{"reset", forward("tcp dport 443 reject with tcp reset"), tcp, 40, traffic.ServerConfig{},
			func(r *traffic.Report, s *traffic.Frames) bool { return all(r, traffic.ReasonReset) && s.Received == 0 }},
		{"reject", forward("udp dport 443 reject"), udp, 40, traffic.ServerConfig{},
			func(r *traffic.Report, s *traffic.Frames) bool {
				return all(r, traffic.ReasonUnreachable) && s.Received == 0
			}},
		{"answers dropped", forward("ct direction reply drop"), udp, 40, traffic.ServerConfig{},
			func(r *traffic.Report, s *traffic.Frames) bool { return r.Total().TimedOut == 40 && s.Received == 40 }},
	} {
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d workers", tc.name, workers), func(t *testing.T) {
				clock := perf.NewVirtual(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
				s := newSite(t, tc.rules, workers, clock, tc.mix, tc.total, tc.server)
				s.step(t)
				r, srv := s.client.Report(), s.server.Report()
				if !tc.want(&r, &srv) || r.Total().Opened != tc.total || r.Bad+srv.Bad+srv.Payload+r.Stray+srv.Stray > 0 {
					t.Errorf("client: %vserver: %v", &r, &srv)
				}
			})
		}
	}
}

// TestThroughBoxLive has workers, client and server on goroutines of their own.
func TestThroughBoxLive(t *testing.T) {
	clock := perf.NewClock()
	s := newSite(t, filter+masquerade, 2, clock, mixed, 400, traffic.ServerConfig{Sources: prefixes("203.0.113.1/32", "fd00:a::/64")})
	if err := s.box.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { s.server.Run(ctx) })
	s.client.Run(ctx)
	cancel()
	wg.Wait()
	s.box.Stop()
	r, srv := s.client.Report(), s.server.Report()
	// A session may time out where the machine is slow, but nothing may fail.
	if total := r.Total(); !s.client.Done() || total.Completed == 0 || total.Failures()+r.Bad+srv.Bad+srv.Payload+srv.Foreign > 0 {
		t.Errorf("client: %vserver: %v", &r, &srv)
	}
}
