package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
)

// Nodes of every lab.
const (
	Client = "client"
	Router = "router"
	Server = "server"
)

// Interfaces of the nodes.
const (
	ClientIf   = "c0"
	RouterIfC  = "r0" // the router's towards the client
	RouterIfS  = "r1" // the router's towards the server
	ServerIf   = "s0"
	loopbackIf = "lo"
)

// Addresses of the nodes.
var (
	Client4  = netip.MustParseAddr("10.77.1.2")
	Client6  = netip.MustParseAddr("fd77:1::2")
	Server4  = netip.MustParseAddr("10.77.2.2")
	Server6  = netip.MustParseAddr("fd77:2::2")
	RouterC4 = netip.MustParseAddr("10.77.1.1") // on r0
	RouterC6 = netip.MustParseAddr("fd77:1::1")
	RouterS4 = netip.MustParseAddr("10.77.2.1") // on r1
	RouterS6 = netip.MustParseAddr("fd77:2::1")
)

// Config says what can be chosen about a lab.
type Config struct {
	ClientCable, ServerCable Cable
}

// Option changes a Config.
type Option func(*Config)

// Queues gives all interfaces n receive and transmit queues.
func Queues(n int) Option {
	return func(c *Config) { c.ClientCable.Queues, c.ServerCable.Queues = n, n }
}

// MTU gives all interfaces an MTU in bytes.
func MTU(n int) Option {
	return func(c *Config) { c.ClientCable.MTU, c.ServerCable.MTU = n, n }
}

// ServerMTU gives the way between router and server an MTU in bytes.
func ServerMTU(n int) Option { return func(c *Config) { c.ServerCable.MTU = n } }

// Lab is a small network.
type Lab struct {
	name string

	mu    sync.Mutex
	nodes []string // guarded by mu
}

// New makes a lab, ready for use: what is sent after it returns arrives. The
// name must be free; CleanLeftovers frees it from a lab that was not closed.
func New(name string, options ...Option) (*Lab, error) {
	var c Config
	for _, o := range options {
		o(&c)
	}
	l, err := Empty(name)
	if err != nil {
		return nil, err
	}
	if err := l.build(c); err != nil {
		_ = l.Close() // the first error is the one to tell
		return nil, err
	}
	return l, nil
}

// build makes the nodes and what joins them.
func (l *Lab) build(c Config) error {
	for _, node := range []string{Client, Router, Server} {
		if err := l.AddNode(node, node == Router); err != nil {
			return err
		}
	}
	if err := l.Connect(Client, ClientIf, Router, RouterIfC, c.ClientCable); err != nil {
		return err
	}
	if err := l.Connect(Router, RouterIfS, Server, ServerIf, c.ServerCable); err != nil {
		return err
	}
	for _, a := range []struct {
		node, ifname string
		addr         netip.Addr
	}{
		{Client, ClientIf, Client4}, {Client, ClientIf, Client6},
		{Router, RouterIfC, RouterC4}, {Router, RouterIfC, RouterC6},
		{Router, RouterIfS, RouterS4}, {Router, RouterIfS, RouterS6},
		{Server, ServerIf, Server4}, {Server, ServerIf, Server6},
	} {
		bits := 24
		if a.addr.Is6() {
			bits = 64
		}
		if err := l.AddAddr(a.node, a.ifname, netip.PrefixFrom(a.addr, bits).String()); err != nil {
			return err
		}
	}
	for _, r := range []struct {
		node string
		via  netip.Addr
	}{{Client, RouterC4}, {Client, RouterC6}, {Server, RouterS4}, {Server, RouterS6}} {
		if err := l.AddRoute(r.node, "", r.via.String()); err != nil {
			return err
		}
	}
	return nil
}

// Empty makes a lab without nodes, for other shapes of network.
func Empty(name string) (*Lab, error) {
	if name == "" {
		return nil, errors.New("a lab needs a name")
	}
	return &Lab{name: name}, nil
}

// AddNode adds a namespace with its loopback interface up. A router forwards
// both families; nodes that are none take no router advertisements either.
func (l *Lab) AddNode(node string, router bool) error {
	ns := l.NS(node)
	if err := newNamespace(ns); err != nil {
		return err
	}
	l.mu.Lock()
	l.nodes = append(l.nodes, node)
	l.mu.Unlock()
	forward := "0"
	if router {
		forward = "1"
	}
	settings := [][2]string{
		{"net/ipv4/ip_forward", forward},
		{"net/ipv4/conf/all/rp_filter", "0"}, // both inherited from the first namespace
		{"net/ipv4/conf/default/rp_filter", "0"},
	}
	if hasIPv6(ns) {
		settings = append(settings,
			[2]string{"net/ipv6/conf/all/forwarding", forward},
			[2]string{"net/ipv6/conf/default/forwarding", forward},
			[2]string{"net/ipv6/conf/default/accept_dad", "0"}, // link-local addresses work at once
			[2]string{"net/ipv6/conf/default/accept_ra", "0"},
		)
	}
	for _, s := range settings {
		if err := Sysctl(ns, s[0], s[1]); err != nil {
			return err
		}
	}
	return l.SetLink(node, loopbackIf, true)
}

// Name returns the lab's name.
func (l *Lab) Name() string { return l.name }

// NS returns the name of a node's namespace, for Do, Command and the like.
func (l *Lab) NS(node string) string { return scheme + l.name + "-" + node }

// Nodes returns the nodes, in the order they were added.
func (l *Lab) Nodes() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.nodes)
}

// Do runs f in a node's namespace; see the function Do.
func (l *Lab) Do(node string, f func() error) error { return Do(l.NS(node), f) }

// Close removes the lab. A second call does nothing.
func (l *Lab) Close() error {
	l.mu.Lock()
	nodes := l.nodes
	l.nodes = nil
	l.mu.Unlock()
	var errs []error
	for _, node := range nodes {
		errs = append(errs, deleteNamespace(l.NS(node)))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close lab %s: %w", l.name, err)
	}
	return nil
}
