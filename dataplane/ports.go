package dataplane

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/rules"
)

func configPorts(ports []PortConfig) ([]portInfo, error) {
	infos := make([]portInfo, len(ports))
	for i := range ports {
		c := &ports[i]
		mac := c.Port.MAC()
		if len(mac) != 6 {
			return nil, fmt.Errorf("port %s: MAC address %v is not six bytes", c.Port.Name(), net.HardwareAddr(mac))
		}
		info, err := newPortInfo(c, PortState{Addrs: c.Addrs, MAC: [6]byte(mac), MTU: c.Port.MTU()})
		if err != nil {
			return nil, fmt.Errorf("port %s: %w", c.Port.Name(), err)
		}
		infos[i] = info
	}
	return infos, nil
}

// newPortInfo joins what is configured of a port and what is known of it now.
func newPortInfo(c *PortConfig, s PortState) (portInfo, error) {
	info := portInfo{mac: s.MAC, anyMAC: c.AnyMAC, unfinished: c.Unfinished, peer: packet.NoPort, mtu: s.MTU}
	if c.Peer >= 0 {
		info.peer = uint16(c.Peer)
	}
	for _, a := range s.Addrs {
		switch {
		case !a.IsValid():
			return info, errors.New("invalid address")
		case a.Addr().Is4():
			info.addrs4 = append(info.addrs4, a.Addr().As4())
			info.net4 = append(info.net4, uint8(a.Bits()))
		default:
			info.addrs6 = append(info.addrs6, a.Addr().As16())
			info.net6 = append(info.net6, uint8(a.Bits()))
		}
	}
	return info, nil
}

// configRoutes adds to the configured routes what the ports' addresses imply:
// the address itself is local, its net is connected.
func (b *Box) configRoutes() (*route.Table, error) {
	all := append([]route.Route(nil), b.cfg.Routes...)
	for i, p := range b.cfg.Ports {
		for _, a := range p.Addrs {
			own := netip.PrefixFrom(a.Addr(), a.Addr().BitLen())
			all = append(all, route.Route{Prefix: own, Port: uint16(i), Kind: route.Local})
			if a.Bits() < a.Addr().BitLen() {
				all = append(all, route.Route{Prefix: a.Masked(), Port: uint16(i), Kind: route.Forward})
			}
			if last, ok := broadcast(a); ok {
				all = append(all, route.Route{Prefix: last, Port: uint16(i), Kind: route.Broadcast})
			}
		}
	}
	t, err := route.Build(all, b.cfg.Neighbours)
	if err != nil {
		return nil, fmt.Errorf("routes: %w", err)
	}
	return t, nil
}

// broadcast returns the broadcast address of an IPv4 net that has one.
func broadcast(a netip.Prefix) (netip.Prefix, bool) {
	if !a.Addr().Is4() || a.Bits() > 30 {
		return netip.Prefix{}, false
	}
	last := a.Masked().Addr().As4()
	for i := a.Bits(); i < 32; i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	return netip.PrefixFrom(netip.AddrFrom4(last), 32), true
}

// HasPort says whether a port has that name. Any goroutine.
func (b *Box) HasPort(name string) bool {
	return slices.ContainsFunc(b.cfg.Ports, func(p PortConfig) bool { return p.Port.Name() == name })
}

func (b *Box) ruleOptions() rules.Options {
	opt := rules.Options{Cache: b.cache, Store: b.store, Pool: b.pool, Helpers: b.cfg.Helpers}
	for i, p := range b.cfg.Ports {
		index := p.Index
		if index == 0 {
			index = uint32(i + 1)
		}
		opt.Interfaces = append(opt.Interfaces, rules.Interface{Name: p.Port.Name(), Port: uint16(i), Index: index})
	}
	return opt
}
