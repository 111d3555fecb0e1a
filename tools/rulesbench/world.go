package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/loop"
)

// world is a router between two ports in memory, with flows that are asked for on
// lan and answered on wan.
type world struct {
	box      *dataplane.Box
	lan, wan *loop.Port
}

// server is where all flows lead.
const (
	fewFlows = 256 // of each worker
	server   = "198.51.100.7"
)

// clients are the neighbours on lan.
const clients = 20

func mac(last byte) []byte { return []byte{2, 0, 0, 0, 0, last} }

// newWorld starts a box with rules, paused. rate is frames a second for each
// worker, 0 as many as it takes.
func newWorld(rules string, workers int, rate float64, check bool) (*world, error) {
	return newWorldOf(fewFlows, rules, workers, rate, check)
}

// newWorldOf is newWorld with so many flows for each worker, which the answers take
// in another order.
func newWorldOf(flows int, rules string, workers int, rate float64, check bool) (*world, error) {
	ask, answer := make([][][]byte, workers), make([][][]byte, workers)
	r := rand.New(rand.NewPCG(1, 2))
	for q := range workers {
		for i := range flows {
			n := q*flows + i
			client, port := fmt.Sprintf("10.0.0.%d", 2+n%clients), uint16(1000+n/clients)
			ask[q] = append(ask[q], frame.Build(
				frame.Ether{Src: frame.MAC(mac(0x10)), Dst: frame.MAC(mac(1))},
				frame.IPv4{Src: client, Dst: server}, frame.UDP{Src: port, Dst: 53}, frame.Zeros(20)))
			answer[q] = append(answer[q], frame.Build(
				frame.Ether{Src: frame.MAC(mac(0x20)), Dst: frame.MAC(mac(2))},
				frame.IPv4{Src: server, Dst: client}, frame.UDP{Src: 53, Dst: port}, frame.Zeros(20)))
		}
		r.Shuffle(flows, func(i, k int) { answer[q][i], answer[q][k] = answer[q][k], answer[q][i] })
	}
	w := &world{
		lan: loop.New(loop.Config{Name: "lan", MAC: mac(1), Frames: ask, Rate: rate / 2, Ring: 4096}),
		wan: loop.New(loop.Config{Name: "wan", MAC: mac(2), Frames: answer, Rate: rate / 2, Ring: 4096}),
	}
	cfg := dataplane.Default()
	cfg.Workers, cfg.Stages, cfg.Check, cfg.Pin = workers, true, check, true
	cfg.Conntrack.Max, cfg.CompileCache = max(1<<16, workers*flows*5/4), 64<<20
	cfg.Ports = []dataplane.PortConfig{
		{Port: w.lan, Peer: -1, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}},
		{Port: w.wan, Peer: -1, Addrs: []netip.Prefix{netip.MustParsePrefix("203.0.113.1/24")}},
	}
	gateway := netip.MustParseAddr("203.0.113.2")
	cfg.Routes = []route.Route{{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: gateway, Port: 1}}
	cfg.Neighbours = []route.Neighbour{{Port: 1, Addr: gateway, MAC: [6]byte(mac(0x20))}}
	for i := range byte(clients) {
		cfg.Neighbours = append(cfg.Neighbours, route.Neighbour{Port: 0, Addr: netip.AddrFrom4([4]byte{10, 0, 0, 2 + i}), MAC: [6]byte(mac(0x10))})
	}
	var err error
	if w.box, err = dataplane.New(cfg); err != nil {
		return nil, err
	}
	if _, err = w.box.Load("rules.nft", []byte(rules)); err == nil {
		err = w.box.Start()
	}
	if err != nil {
		_ = w.box.Close()
		return nil, err
	}
	return w, nil
}

// pause stops the traffic, or lets it come.
func (w *world) pause(on bool) {
	w.lan.Pause(on)
	w.wan.Pause(on)
}

// received and lost are what the frames on both sides come to.
func (w *world) received() uint64 { return w.lan.Received() + w.wan.Received() }
func (w *world) lost() uint64     { return w.lan.Lost() + w.wan.Lost() }

// serve calls f as the server of a control socket carries out a request.
func (w *world) serve(f func() error) (err error) {
	w.box.Aside(func() { err = f() })
	return err
}

func (w *world) close() error {
	w.pause(true)
	w.box.Stop()
	return w.box.Close()
}

// capacity is how many frames a second the workers take, each.
func capacity(rules string, workers int) (float64, error) {
	w, err := newWorld(rules, workers, 0, false)
	if err != nil {
		return 0, err
	}
	w.pause(false)
	time.Sleep(200 * time.Millisecond)
	began, start := w.received(), time.Now()
	time.Sleep(time.Second)
	rate := float64(w.received()-began) / time.Since(start).Seconds() / float64(workers)
	return rate, w.close()
}

// rule is rule i of a chain, which no packet of the traffic satisfies. Some have
// sets, if wanted.
func rule(i int, sets bool) string {
	net := fmt.Sprintf("10.%d.%d.0/24", 1+i>>8&127, i&255)
	switch i % 5 {
	case 0:
		return fmt.Sprintf("ip saddr %s tcp dport %d counter accept", net, 1+i*7%65000)
	case 1:
		if !sets {
			return fmt.Sprintf("ip saddr %s ip daddr 198.51.100.%d tcp dport %d accept", net, i%250, 1+i%60000)
		}
		return fmt.Sprintf("ip saddr %s ip daddr 198.51.100.%d tcp dport { %d, %d } accept", net, i%250, 1+i%60000, 5000+i%60000)
	case 2:
		return fmt.Sprintf("ip daddr 172.%d.%d.%d udp dport %d-%d drop", 16+i>>16&15, i>>8&255, i&255, 1+i%30000, 30001+i%30000)
	case 3:
		return fmt.Sprintf("ip saddr %s ip daddr 192.0.2.%d counter drop", net, i%250)
	}
	return fmt.Sprintf("tcp sport %d ip daddr %s ct state new counter accept", 1+i*3%65000, net)
}

// ruleset has a chain of n rules and behind them one for the traffic. Seeds make
// others of the same kind.
func ruleset(n, seed int, sets bool) string {
	var b strings.Builder
	b.WriteString("table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n")
	for i := range n {
		fmt.Fprintf(&b, "\t\t%s\n", rule(i+seed*n, sets))
	}
	b.WriteString("\t\tip daddr " + server + " udp dport 53 counter accept\n\t\tip saddr " + server + " udp sport 53 counter accept\n\t}\n}\n")
	return b.String()
}

// setOf has a set of n addresses or ranges, which no packet of the traffic is in, and
// rules that ask it.
func setOf(n int, ranges bool) string {
	var b strings.Builder
	b.WriteString("table inet filter {\n\tset s {\n\t\ttype ipv4_addr\n")
	if ranges {
		b.WriteString("\t\tflags interval\n")
	}
	b.WriteString("\t\telements = {\n")
	for i := range n {
		at := 20<<24 + i*16
		fmt.Fprintf(&b, "\t\t\t%d.%d.%d.%d", at>>24, at>>16&255, at>>8&255, at&255)
		if ranges {
			fmt.Fprintf(&b, "-%d.%d.%d.%d", at>>24, at>>16&255, at>>8&255, at&255+1)
		}
		b.WriteString(",\n")
	}
	b.WriteString("\t\t}\n\t}\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n")
	b.WriteString("\t\tip saddr @s counter drop\n\t\tudp dport 53 counter accept\n\t}\n}\n")
	return b.String()
}
