package main

import (
	_ "embed"
	"fmt"
	"net"
	"net/netip"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/dataplane"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
)

// The demonstration's two ports.
const (
	portLAN = 0
	portWAN = 1
)

var portNames = [2]string{"lan", "wan"}

//go:embed demo.nft
var demoRules []byte

// demoNetwork is the world around the router of the demonstration.
var demoNetwork = struct {
	lan4, lan6, wan4, wan6 netip.Prefix // the router's own addresses
	inner4, inner6         netip.Addr   // a router inside, behind which the captures' clients are
	gateway4, gateway6     netip.Addr   // the provider's router
}{
	lan4: netip.MustParsePrefix("192.168.1.1/24"), lan6: netip.MustParsePrefix("2001:db8:1::1/64"),
	wan4: netip.MustParsePrefix("203.0.113.1/24"), wan6: netip.MustParsePrefix("2001:db8:2::1/64"),
	inner4: netip.MustParseAddr("192.168.1.2"), inner6: netip.MustParseAddr("2001:db8:1::2"),
	gateway4: netip.MustParseAddr("203.0.113.254"), gateway6: netip.MustParseAddr("2001:db8:2::fe"),
}

// routerMAC are the addresses of the router's ports.
var routerMAC = [2]net.HardwareAddr{{2, 0, 0, 0, 1, portLAN}, {2, 0, 0, 0, 1, portWAN}}

// demoBox is a running router on two pipes and what holds their far ends.
type demoBox struct {
	box   *dataplane.Box
	ports [2][2]afxdp.Port // by port: near end, far end
	far   [2]*farPort
}

// hostsPerPort is how many hosts are at the far end of each port. A host has a
// MAC address and a queue of its own.
const hostsPerPort = 4

// playerHost is the host that sends captures.
const playerHost = hostsPerPort - 1

func hostMAC(port, host int) net.HardwareAddr {
	return net.HardwareAddr{2, 0, 0, 0, byte(0x10 + port), byte(host)}
}

// steer picks queues as a network card would: what goes to a host by its MAC
// address, what goes to the router by flow, over the queues of its workers.
func steer(port, workers int) func(frame []byte) int {
	hosts := hostMAC(port, 0)[:5]
	return func(frame []byte) int {
		if len(frame) >= etherHeader && string(frame[:5]) == string(hosts) {
			return int(frame[5])
		}
		return int(flowKey(frame) % uint64(workers))
	}
}

// farPort is the far end of a pipe.
type farPort struct {
	ends     [hostsPerPort]*afxdp.End
	sent     uint64 // by put
	received uint64 // by take
}

// put queues a frame of the player; false: there is no room for now.
func (f *farPort) put(frame []byte) bool {
	if !f.ends[playerHost].Write(frame, 0) {
		return false
	}
	f.sent++
	return true
}

func (f *farPort) flush() { f.ends[playerHost].Flush() }

// take throws away what has arrived for any host.
func (f *farPort) take() {
	for _, e := range f.ends {
		for {
			if _, _, ok := e.Read(); !ok {
				break
			}
			f.received++
		}
	}
}

// newDemoBox builds the router and loads its rules.
func newDemoBox(workers int) (*demoBox, error) {
	d := &demoBox{}
	if err := d.open(workers); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// open does newDemoBox's work; close undoes as much as it did.
func (d *demoBox) open(workers int) error {
	n := &demoNetwork
	cfg := dataplane.Default()
	cfg.Workers, cfg.Stages, cfg.Check = workers, true, true
	cfg.Conntrack.Acct = true
	// Hosts open thousands of connections a second: shorter timeouts keep a long
	// demonstration from filling the table.
	cfg.Conntrack.Max = 1 << 20
	cfg.Conntrack.Timeouts.TCP[flowtable.TCPTimeWait] = 20
	cfg.Conntrack.Timeouts.UDPStream = 30
	cfg.HandoverSlots = 4096 // more than the hosts ever have under way: nothing may be lost
	addrs := [2][]netip.Prefix{{n.lan4, n.lan6}, {n.wan4, n.wan6}}
	for port, name := range portNames {
		near, far, err := afxdp.NewPipe(afxdp.PipeConfig{
			Name:   [2]string{name, "far-" + name},
			MAC:    [2]net.HardwareAddr{routerMAC[port], hostMAC(port, 0)},
			Queues: max(workers, hostsPerPort), Ring: 2048, Steer: steer(port, workers),
		})
		if err != nil {
			return err
		}
		d.ports[port] = [2]afxdp.Port{near, far}
		d.far[port] = &farPort{}
		for host := range hostsPerPort {
			if d.far[port].ends[host], err = afxdp.NewEnd(far, host, 1024); err != nil {
				return err
			}
		}
		cfg.Ports = append(cfg.Ports, dataplane.PortConfig{Port: near, Addrs: addrs[port], Peer: -1, AnyMAC: true})
	}
	at := func(port, host int, addrs ...netip.Addr) {
		for _, a := range addrs {
			cfg.Neighbours = append(cfg.Neighbours, route.Neighbour{Port: uint16(port), Addr: a, MAC: [6]byte(hostMAC(port, host))})
		}
	}
	at(portLAN, playerHost, n.inner4, n.inner6)
	at(portWAN, wanServer, n.gateway4, n.gateway6)
	for i := range demoPools {
		at(demoPools[i].port, demoPools[i].host, demoPools[i].addresses()...)
	}
	cfg.Routes = append(cfg.Routes,
		route.Route{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: n.gateway4, Port: portWAN},
		route.Route{Prefix: netip.MustParsePrefix("::/0"), Gateway: n.gateway6, Port: portWAN})
	for i := range demoCaptures {
		if c := &demoCaptures[i]; c.client != "" {
			client, inner := netip.MustParseAddr(c.client), n.inner4
			if client.Is6() {
				inner = n.inner6
			}
			cfg.Routes = append(cfg.Routes, route.Route{Prefix: netip.PrefixFrom(client, client.BitLen()), Gateway: inner, Port: portLAN})
		}
	}
	var err error
	if d.box, err = dataplane.New(cfg); err != nil {
		return err
	}
	if _, err = d.box.Load("demo.nft", demoRules); err != nil {
		return fmt.Errorf("load the demonstration's ruleset: %w", err)
	}
	return nil
}

func (d *demoBox) close() {
	if d.box != nil {
		_ = d.box.Close()
	}
	for _, f := range d.far {
		if f == nil {
			continue
		}
		for _, e := range f.ends {
			if e != nil {
				_ = e.Close()
			}
		}
	}
	for _, ports := range d.ports {
		for _, p := range ports {
			if p != nil {
				_ = p.Close()
			}
		}
	}
}
