package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/dataplane/route"
)

// topology is the network around a box with two ports, as flags describe it.
type topology struct {
	names  [2]string
	addr   []string // NAME=ADDRESS/BITS
	routes []string // as `ip route add` takes them
	neigh  []string // as `ip neigh add` takes them
}

func (t *topology) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&t.names[0], "name", "lan", "`NAME` of the first port, for iifname and oifname")
	f.StringVar(&t.names[1], "name2", "wan", "`NAME` of the second port")
	f.StringArrayVar(&t.addr, "addr", nil, "the box's address on a port, `NAME=ADDRESS/BITS` (may be repeated; the first of a family is what masquerade uses)")
	f.StringArrayVar(&t.routes, "route", nil, "a route, \"`PREFIX via GATEWAY dev NAME`\", PREFIX dev NAME, or blackhole, unreachable, prohibit PREFIX (may be repeated)")
	f.StringArrayVar(&t.neigh, "neigh", nil, "a neighbour, \"`ADDRESS lladdr MAC dev NAME`\" (may be repeated; others get an invented MAC)")
}

// network is a topology that has been understood.
type network struct {
	names      [2]string
	addrs      [2][]netip.Prefix
	routes     []route.Route
	neighbours []route.Neighbour
	given      map[netip.Addr]bool // neighbours from flags
	peers      bool                // what no route matches crosses to the other port
}

// parse reads the flags; an error is one of usage.
func (t *topology) parse() (*network, error) {
	if t.names[0] == "" || t.names[1] == "" || t.names[0] == t.names[1] {
		return nil, fmt.Errorf("--name %q and --name2 %q: want two different names", t.names[0], t.names[1])
	}
	n := &network{names: t.names, peers: len(t.routes) == 0, given: map[netip.Addr]bool{}}
	for _, text := range t.addr {
		name, rest, _ := strings.Cut(text, "=")
		port, err := n.port(name)
		if err != nil {
			return nil, fmt.Errorf("--addr %q: %w", text, err)
		}
		prefix, err := netip.ParsePrefix(rest)
		if err != nil {
			return nil, fmt.Errorf("--addr %q: want NAME=ADDRESS/BITS", text)
		}
		n.addrs[port] = append(n.addrs[port], prefix)
	}
	for _, text := range t.routes {
		r, err := n.route(strings.Fields(text))
		if err != nil {
			return nil, fmt.Errorf("--route %q: %w", text, err)
		}
		n.routes = append(n.routes, r)
	}
	for i := range n.routes {
		if err := n.checkGateway(&n.routes[i]); err != nil {
			return nil, fmt.Errorf("--route %q: %w", t.routes[i], err)
		}
	}
	for _, text := range t.neigh {
		nb, err := n.neighbour(strings.Fields(text))
		if err != nil {
			return nil, fmt.Errorf("--neigh %q: %w", text, err)
		}
		n.neighbours = append(n.neighbours, nb)
		n.given[nb.Addr] = true
	}
	return n, nil
}

// port gives the number of a port's name.
func (n *network) port(name string) (uint16, error) {
	at := slices.Index(n.names[:], name)
	if at < 0 {
		return 0, fmt.Errorf("no port is named %q: there are %q and %q", name, n.names[0], n.names[1])
	}
	return uint16(at), nil
}

func (n *network) route(words []string) (route.Route, error) {
	r := route.Route{Port: route.NoPort}
	kinds := map[string]route.Kind{"blackhole": route.Blackhole, "unreachable": route.Unreachable, "prohibit": route.Prohibit}
	if len(words) > 0 {
		if kind, ok := kinds[words[0]]; ok {
			r.Kind, words = kind, words[1:]
		}
	}
	if len(words) == 0 || len(words)%2 == 0 {
		return r, errors.New("want PREFIX [via GATEWAY] dev NAME")
	}
	destination := words[0]
	for i := 1; i < len(words); i += 2 {
		var err error
		switch words[i] {
		case "via":
			r.Gateway, err = parseAddr(words[i+1])
		case "dev":
			r.Port, err = n.port(words[i+1])
		default:
			err = fmt.Errorf("%q is not understood", words[i])
		}
		if err != nil {
			return r, err
		}
	}
	if r.Kind == route.Forward && r.Port == route.NoPort {
		return r, errors.New("want dev NAME")
	}
	switch {
	case destination == "default" && r.Gateway.Is6():
		r.Prefix = netip.MustParsePrefix("::/0")
	case destination == "default":
		r.Prefix = netip.MustParsePrefix("0.0.0.0/0")
	case strings.Contains(destination, "/"):
		var err error
		if r.Prefix, err = netip.ParsePrefix(destination); err != nil {
			return r, fmt.Errorf("%q is no prefix, such as 192.0.2.0/24", destination)
		}
	default:
		addr, err := parseAddr(destination)
		if err != nil {
			return r, err
		}
		r.Prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	return r, nil
}

// parseAddr reads an address; the error says what was found in its place.
func parseAddr(text string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return addr, fmt.Errorf("%q is no address", text)
	}
	return addr, nil
}

// checkGateway refuses the gateways that the kernel does (fib_check_nh): they must
// be beside the box, by an address of the port or a route without gateway. A
// link-local address always is.
func (n *network) checkGateway(r *route.Route) error {
	gw := r.Gateway
	if !gw.IsValid() || r.Port == route.NoPort {
		return nil
	}
	for _, addrs := range n.addrs {
		if slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return p.Addr() == gw }) {
			return fmt.Errorf("gateway %v is the box itself", gw)
		}
	}
	beside := gw.Is6() && gw.IsLinkLocalUnicast() ||
		slices.ContainsFunc(n.addrs[r.Port], func(p netip.Prefix) bool { return p.Contains(gw) }) ||
		slices.ContainsFunc(n.routes, func(to route.Route) bool {
			return to.Kind == route.Forward && to.Port == r.Port && !to.Gateway.IsValid() && to.Prefix.Contains(gw)
		})
	if !beside {
		return fmt.Errorf("no address of %s covers gateway %v: give it one by --addr, or a route to the gateway: \"%v dev %s\"",
			n.names[r.Port], gw, gw, n.names[r.Port])
	}
	return nil
}

func (n *network) neighbour(words []string) (route.Neighbour, error) {
	var nb route.Neighbour
	if len(words) != 5 || words[1] != "lladdr" || words[3] != "dev" {
		return nb, errors.New("want ADDRESS lladdr MAC dev NAME")
	}
	var err error
	if nb.Addr, err = parseAddr(words[0]); err != nil {
		return nb, err
	}
	mac, err := net.ParseMAC(words[2])
	if err != nil {
		return nb, err
	}
	if len(mac) != 6 {
		return nb, fmt.Errorf("%v is not six bytes long", mac)
	}
	nb.MAC = [6]byte(mac)
	nb.Port, err = n.port(words[4])
	return nb, err
}

// resolve invents the neighbours that a replay needs, for there is nobody to
// ask: gateways, every host of a small subnet, and the addresses that the
// captures show.
func (n *network) resolve(seen []netip.Addr) {
	add := func(port uint16, addr netip.Addr) {
		if !n.given[addr] {
			n.given[addr] = true
			n.neighbours = append(n.neighbours, route.Neighbour{Port: port, Addr: addr, MAC: inventedMAC(addr)})
		}
	}
	for _, r := range n.routes {
		if r.Gateway.IsValid() {
			add(r.Port, r.Gateway)
		}
	}
	for port := range n.addrs {
		for _, prefix := range n.addrs[port] {
			if net := prefix.Masked(); prefix.Addr().Is4() && prefix.Bits() >= 22 {
				for a := net.Addr(); net.Contains(a); a = a.Next() {
					add(uint16(port), a)
				}
			}
			for _, a := range seen {
				if prefix.Contains(a) {
					add(uint16(port), a)
				}
			}
		}
	}
	for _, r := range n.routes {
		for _, a := range seen {
			if r.Kind == route.Forward && !r.Gateway.IsValid() && r.Prefix.Contains(a) {
				add(r.Port, a)
			}
		}
	}
}

// inventedMAC is locally administered and the same in every run.
func inventedMAC(addr netip.Addr) [6]byte {
	b := addr.As16()
	mac := [6]byte{0x02, 0x00, b[12], b[13], b[14], b[15]}
	if addr.Is6() {
		mac[1] = 0x06
	}
	return mac
}
