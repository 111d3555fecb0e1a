package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/perf/pktgen"
	"github.com/sluice-net/sluice/perf/report"
	"github.com/sluice-net/sluice/tools/lab"
)

// wire is what the kernel knows of a port's interface and of what is behind it.
type wire struct {
	port      *pktgen.Port
	name      string // of the interface
	netns     string
	noCarrier bool      // at the start
	before    linkState // when all was open
	routers   map[netip.Addr]net.HardwareAddr
}

// newWire looks at a port's interface, which has to be up.
func newWire(port *pktgen.Port, c *portProfile) (*wire, error) {
	w := &wire{port: port, name: c.Interface, netns: c.Netns, routers: map[netip.Addr]net.HardwareAddr{}}
	now, err := w.state()
	if err == nil && !now.up {
		mend := "ip link set " + w.name + " up"
		if w.netns != "" {
			mend = "ip -n " + w.netns + " link set " + w.name + " up"
		}
		err = fmt.Errorf("%s is down: %s", w.name, mend)
	}
	w.noCarrier, w.before = !now.carrier, now
	return w, err
}

func (w *wire) notes() []string {
	if w.noCarrier {
		return []string{fmt.Sprintf("%s has no carrier: its other end is down or not plugged in, and what is sent is lost", w.name)}
	}
	return nil
}

// after returns what may be the reason where nothing arrived.
func (w *world) after(d *report.Document) (notes []string) {
	if !d.Found() {
		return notes
	}
	for i := range d.Sessions {
		if s := &d.Sessions[i]; len(w.wires) > 0 && s.Completed > 0 && s.TimedOut > s.Opened/10 {
			notes = append(notes, "many connections timed out: if the box cannot learn the MACs of all clients and servers, "+arpHint)
		}
	}
	if d.Passed() {
		return notes
	}
	for i := range w.load.Streams {
		s := &w.load.Streams[i]
		if s.To != "" && s.Replay == nil && w.wire(w.port(s.From)) != nil {
			notes = append(notes, nothing("stream "+s.Name, s.Headers.DstMAC, s.Headers.Dst))
		}
	}
	if c := &w.client; c.Open > 0 && len(w.wires) > 0 {
		dst := c.Servers4.First
		if c.Mix[0].IPv6 {
			dst = c.Servers6.First
		}
		notes = append(notes, nothing("the sessions", c.Gateway[:], dst))
	}
	return notes
}

// arpHint says who answers for addresses.
const arpHint = "the kernel answers for the ports' own addresses, and for whole IPv4 nets after `ip route add local NET dev INTERFACE`; " +
	"for any net the box may have a route by the port's address"

// nothing says what may be the reason when nothing arrives.
func nothing(of string, mac net.HardwareAddr, dst netip.Addr) string {
	return fmt.Sprintf("of %s nothing arrived. The frames went to the MAC %s: a router takes only those for its own, which the profile can give, "+
		"or the route to %s in the port's network namespace. It passes them on if its rules do and if it learns the MAC behind: "+arpHint, of, mac, dst)
}

// wire returns that of a port; nil: it is no interface.
func (w *world) wire(p *pktgen.Port) *wire {
	if i := slices.IndexFunc(w.wires, func(one *wire) bool { return one.port == p }); i >= 0 {
		return w.wires[i]
	}
	return nil
}

// far returns the MAC that frames for an address go to when none is given: that of
// the router which the kernel would send them to by the port's interface; where
// there is none, the far port's.
func (w *world) far(from, to *pktgen.Port, dst netip.Addr, tagged bool) net.HardwareAddr {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 0xff}
	if to != nil {
		mac = to.Port.MAC()
	}
	wire := w.wire(from)
	if wire == nil || tagged || !w.probe { // behind tags is another network
		return mac
	}
	via, found, err := wire.router(dst)
	switch {
	case err != nil:
		w.notes = append(w.notes, fmt.Sprintf("port %s: %v; frames for %s go to %s", from.Name, err, dst, mac))
	case found != nil:
		mac = found
		note := fmt.Sprintf("port %s: frames for %s go to %s, the MAC of %s", from.Name, dst, mac, via)
		if !slices.Contains(w.notes, note) {
			w.notes = append(w.notes, note)
		}
	}
	return mac
}

// routerPatience is how long a router may take to say its MAC.
const routerPatience = time.Second

// router returns the next hop for an address by this interface, and its MAC; nil:
// the kernel has no route there by it.
func (w *wire) router(dst netip.Addr) (via netip.Addr, mac net.HardwareAddr, err error) {
	err = lab.Do(w.netns, func() error {
		l, err := netlink.LinkByName(w.name)
		if err != nil {
			return err
		}
		routes, err := netlink.RouteGet(dst.AsSlice())
		if err != nil || len(routes) == 0 || routes[0].LinkIndex != l.Attrs().Index || routes[0].Type != unix.RTN_UNICAST {
			return nil // no route, or another way: nobody is there to be asked
		}
		via = dst
		if gw, ok := netip.AddrFromSlice(routes[0].Gw); ok {
			via = gw.Unmap()
		}
		if mac = w.routers[via]; mac != nil {
			return nil
		}
		mac, err = resolve(l.Attrs().Index, via)
		w.routers[via] = mac
		return err
	})
	return via, mac, err
}

// resolve returns the MAC of a neighbour, for which the kernel asks when it does
// not know it: an empty datagram makes it do so.
func resolve(link int, addr netip.Addr) (net.HardwareAddr, error) {
	const known = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT
	family, to := netlink.FAMILY_V4, unix.Sockaddr(&unix.SockaddrInet4{Port: 9, Addr: addrAs4(addr)})
	if addr.Is6() {
		family, to = netlink.FAMILY_V6, &unix.SockaddrInet6{Port: 9, ZoneId: uint32(link), Addr: addr.As16()}
	}
	for end := time.Now().Add(routerPatience); ; time.Sleep(20 * time.Millisecond) {
		list, err := netlink.NeighList(link, family)
		if err != nil {
			return nil, err
		}
		for _, n := range list {
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == addr && n.State&known != 0 && len(n.HardwareAddr) == 6 {
				return n.HardwareAddr, nil
			}
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%s does not answer to ARP or neighbour discovery", addr)
		}
		if to == nil {
			continue
		}
		fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(unix.Sendto(fd, nil, 0, to), unix.Close(fd)); err != nil {
			return nil, fmt.Errorf("ask for the MAC of %s: %w", addr, err)
		}
		to = nil
	}
}

func addrAs4(a netip.Addr) (b [4]byte) {
	if a.Is4() {
		b = a.As4()
	}
	return b
}
