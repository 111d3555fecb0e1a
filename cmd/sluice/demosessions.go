package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/tools/traffic"
)

// Hosts by port. The last one of each port is the player of captures.
const (
	lanHome   = 0 // does what the policy permits
	lanRogue  = 1 // does what it forbids
	lanServer = 2

	wanServer   = 0 // behind the provider's router
	wanVisitor  = 1 // uses the forwarded port
	wanIntruder = 2 // tries what nobody permitted
)

// demoPool is a run of addresses on the link of a port, of one host.
type demoPool struct {
	port, host int
	traffic.Pool
}

func (p *demoPool) addresses() []netip.Addr {
	var list []netip.Addr
	for a := p.First; len(list) < max(p.Count, 1); a = a.Next() {
		list = append(list, a)
	}
	return list
}

func pool(first string, count int) traffic.Pool {
	return traffic.Pool{First: netip.MustParseAddr(first), Count: count}
}

// Addresses of the hosts.
var (
	homes4, homes6         = pool("192.168.1.100", 50), pool("2001:db8:1::100", 50)
	rogues4                = pool("192.168.1.200", 8)
	inside4, inside6       = pool("192.168.1.80", 1), pool("2001:db8:1::80", 1)
	visitors4              = pool("203.0.113.100", 16)
	intruders4, intruders6 = pool("203.0.113.200", 8), pool("2001:db8:2::200", 8)
	servers4, servers6     = pool("198.51.100.1", 50), pool("2001:db8:ff::1", 50)
	blocked4               = pool("198.51.100.64", 64) // @blocked of demo.nft
	router4                = pool("203.0.113.1", 1)

	demoPools = []demoPool{
		{portLAN, lanHome, homes4}, {portLAN, lanHome, homes6},
		{portLAN, lanRogue, rogues4},
		{portLAN, lanServer, inside4}, {portLAN, lanServer, inside6},
		{portWAN, wanVisitor, visitors4},
		{portWAN, wanIntruder, intruders4}, {portWAN, wanIntruder, intruders6},
	}
)

// actor is a client of the demonstration: what it does in turns, and what came
// of it. A client ends after a number of sessions and another takes its place,
// so that the demonstration can end without breaking off any.
type actor struct {
	name    string
	port    int
	host    int
	permit  bool                   // the policy permits all of it, else nothing of it
	turns   []traffic.ClientConfig // in rotation
	reports []traffic.Report       // by turn
	client  *traffic.Client
	turn    int
}

// closedPort is where no server listens.
const closedPort = 9

// newActors says who does what.
func newActors(clock *perf.Clock) []*actor {
	patient, impatient := 10*time.Second, time.Second // what gets through by mistake needs time to complete
	mix := func(kinds ...traffic.Mix) []traffic.Mix { return kinds }
	home := traffic.ClientConfig{
		Clients4: homes4, Clients6: homes6, Servers4: servers4, Servers6: servers6,
		Ports: []uint16{80, 443, 53, 8443}, ClosedPort: closedPort, Open: 128, Total: 3000, Timeout: patient,
		Mix: mix(
			traffic.Mix{Kind: traffic.TCP, Weight: 6, Requests: 3, Ask: 200, Answer: 6000},
			traffic.Mix{Kind: traffic.TCP, IPv6: true, Weight: 4, Requests: 3, Ask: 200, Answer: 6000},
			traffic.Mix{Kind: traffic.TCPReset, Weight: 1, Ask: 100, Answer: 500},
			traffic.Mix{Kind: traffic.TCPRefused, Weight: 1},
			traffic.Mix{Kind: traffic.UDP, Weight: 6, Ask: 60, Answer: 300},
			traffic.Mix{Kind: traffic.UDP, IPv6: true, Weight: 4, Ask: 60, Answer: 300},
			traffic.Mix{Kind: traffic.UDPStream, Weight: 1, Requests: 100, Window: 4, Ask: 1000, Answer: 1000},
			traffic.Mix{Kind: traffic.Echo, Weight: 2, Requests: 4, Ask: 56},
			traffic.Mix{Kind: traffic.Echo, IPv6: true, Weight: 2, Requests: 4, Ask: 56},
		),
	}
	visitor := traffic.ClientConfig{
		Clients4: visitors4, Servers4: router4, Ports: []uint16{8080}, Open: 16, Total: 300, Timeout: patient,
		Mix: mix(traffic.Mix{Kind: traffic.TCP, Requests: 2, Ask: 100, Answer: 3000}),
	}
	services := traffic.ClientConfig{
		Clients4: rogues4, Servers4: servers4, Ports: []uint16{23, 25}, Open: 16, Total: 16, Timeout: impatient,
		Mix: mix(traffic.Mix{Kind: traffic.TCP}),
	}
	blocked := services
	blocked.Servers4, blocked.Ports = blocked4, []uint16{80}
	blocked.Mix = mix(traffic.Mix{Kind: traffic.TCP}, traffic.Mix{Kind: traffic.UDP}, traffic.Mix{Kind: traffic.Echo})
	intruder := traffic.ClientConfig{
		Clients4: intruders4, Clients6: intruders6, Servers4: inside4, Servers6: inside6,
		Ports: []uint16{22, 80, 443}, Open: 16, Total: 16, Timeout: impatient,
		Mix: mix(
			traffic.Mix{Kind: traffic.TCP}, traffic.Mix{Kind: traffic.UDP}, traffic.Mix{Kind: traffic.Echo},
			traffic.Mix{Kind: traffic.TCP, IPv6: true}, traffic.Mix{Kind: traffic.UDP, IPv6: true}, traffic.Mix{Kind: traffic.Echo, IPv6: true},
		),
	}
	actors := []*actor{
		{name: "hosts at home", port: portLAN, host: lanHome, permit: true, turns: []traffic.ClientConfig{home}},
		{name: "visitors of the forwarded port", port: portWAN, host: wanVisitor, permit: true, turns: []traffic.ClientConfig{visitor}},
		{name: "rogues at home", port: portLAN, host: lanRogue, turns: []traffic.ClientConfig{services, blocked}},
		{name: "intruders from outside", port: portWAN, host: wanIntruder, turns: []traffic.ClientConfig{intruder}},
	}
	for _, a := range actors {
		a.reports = make([]traffic.Report, len(a.turns))
		for i := range a.turns {
			t := &a.turns[i]
			t.Clock, t.MAC, t.Gateway = clock, [6]byte(hostMAC(a.port, a.host)), [6]byte(routerMAC[a.port])
		}
	}
	return actors
}

// step goes on with the actor's client, or with a new one while more is wanted.
// It says whether there was something to do and whether the actor is at rest.
func (a *actor) step(d *demoBox, more bool) (work, rest bool, err error) {
	if a.client == nil {
		if !more {
			return false, true, nil
		}
		cfg := a.turns[a.turn%len(a.turns)]
		cfg.Seed = uint64(a.turn + 1)
		if a.client, err = traffic.NewClient(cfg, d.far[a.port].ends[a.host]); err != nil {
			return false, true, err
		}
	}
	work = a.client.Step()
	if a.client.Done() {
		a.collect()
	}
	return work, false, nil
}

// collect ends the actor's client.
func (a *actor) collect() {
	addReport(&a.reports[a.turn%len(a.turns)], a.client.Report())
	a.client = nil
	a.turn++
}

// total is what came of all turns.
func (a *actor) total() traffic.Report {
	var all traffic.Report
	for _, r := range a.reports {
		addReport(&all, r)
	}
	return all
}

func addReport(to *traffic.Report, r traffic.Report) {
	addFrames(&to.Frames, r.Frames)
	to.Lost += r.Lost
	for k := range r.By {
		for f := range r.By[k] {
			s, t := &r.By[k][f], &to.By[k][f]
			t.Opened += s.Opened
			t.Completed += s.Completed
			t.TimedOut += s.TimedOut
			for i := range s.Failed {
				t.Failed[i] += s.Failed[i]
			}
		}
	}
}

func addFrames(to *traffic.Frames, f traffic.Frames) {
	to.Sent += f.Sent
	to.SentBytes += f.SentBytes
	to.Received += f.Received
	to.ReceivedBytes += f.ReceivedBytes
	to.Bad += f.Bad
	to.Stray += f.Stray
	to.Foreign += f.Foreign
	to.Payload += f.Payload
}

// world is everybody beyond the router's ports.
type world struct {
	d       *demoBox
	actors  []*actor
	servers [2]*traffic.Server // by port
}

func newWorld(d *demoBox, clock *perf.Clock) (*world, error) {
	w := &world{d: d, actors: newActors(clock)}
	n := &demoNetwork
	router := netip.PrefixFrom(n.wan4.Addr(), 32)
	for port, cfg := range [2]traffic.ServerConfig{
		portLAN: {Sources: []netip.Prefix{n.wan4.Masked()}, Destinations: []netip.Prefix{n.lan4.Masked()}},
		// Nothing may come from home but under the router's address, or by IPv6.
		portWAN: {Sources: []netip.Prefix{router, n.lan6.Masked()}},
	} {
		host := [2]int{lanServer, wanServer}[port]
		cfg.MAC = [6]byte(hostMAC(port, host))
		cfg.Closed = func(port uint16) bool { return port == closedPort }
		s, err := traffic.NewServer(cfg, d.far[port].ends[host])
		if err != nil {
			return nil, err
		}
		w.servers[port] = s
	}
	return w, nil
}

// step takes everybody a step further.
func (w *world) step(more bool) (work, rest bool, err error) {
	rest = true
	for _, a := range w.actors {
		did, resting, err := a.step(w.d, more)
		if err != nil {
			return false, true, fmt.Errorf("%s: %w", a.name, err)
		}
		work, rest = work || did, rest && resting
	}
	for _, s := range w.servers {
		work = s.Step() || work
	}
	return work, rest, nil
}

// frames are what the hosts sent and received in all.
func (w *world) frames() (all traffic.Frames) {
	for _, a := range w.actors {
		addFrames(&all, a.total().Frames)
	}
	for _, s := range w.servers {
		addFrames(&all, s.Report())
	}
	return all
}
