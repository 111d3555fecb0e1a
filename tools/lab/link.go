package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Cable describes a veth pair.
type Cable struct {
	MTU    int // bytes of L3; 0 means 1500
	Queues int // receive and transmit queues of both ends; 0 means 1
}

// Connect joins two nodes by a veth pair, with the interface ifA in node a and
// ifB in node b. Both ends are up when it returns.
func (l *Lab) Connect(a, ifA, b, ifB string, c Cable) error {
	if c.MTU == 0 {
		c.MTU = 1500
	}
	c.Queues = max(c.Queues, 1)
	err := Do(l.NS(a), func() error {
		far, err := netns.GetFromPath(namespaceDir + "/" + l.NS(b))
		if err != nil {
			return fmt.Errorf("namespace %s: %w", l.NS(b), err)
		}
		defer far.Close()
		veth := netlink.NewVeth(netlink.LinkAttrs{Name: ifA, MTU: c.MTU, NumTxQueues: c.Queues, NumRxQueues: c.Queues})
		veth.PeerName, veth.PeerMTU, veth.PeerNamespace = ifB, uint32(c.MTU), netlink.NsFd(far)
		veth.PeerNumTxQueues, veth.PeerNumRxQueues = uint32(c.Queues), uint32(c.Queues)
		if err := netlink.LinkAdd(veth); err != nil {
			return err
		}
		return setUp(ifA)
	})
	if err == nil {
		err = Do(l.NS(b), func() error { return setUp(ifB) })
	}
	if err != nil {
		return fmt.Errorf("connect %s %s with %s %s: %w", a, ifA, b, ifB, err)
	}
	return nil
}

func setUp(ifname string) error {
	link, err := netlink.LinkByName(ifname)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// SetLink brings an interface of a node up or down.
func (l *Lab) SetLink(node, ifname string, up bool) error {
	return l.onLink(node, ifname, "set link state", func(link netlink.Link) error {
		if up {
			return netlink.LinkSetUp(link)
		}
		return netlink.LinkSetDown(link)
	})
}

// SetMTU changes an interface's MTU in bytes.
func (l *Lab) SetMTU(node, ifname string, mtu int) error {
	return l.onLink(node, ifname, "set MTU", func(link netlink.Link) error { return netlink.LinkSetMTU(link, mtu) })
}

// SetMAC gives an interface another MAC address.
func (l *Lab) SetMAC(node, ifname string, mac net.HardwareAddr) error {
	return l.onLink(node, ifname, "set MAC", func(link netlink.Link) error { return netlink.LinkSetHardwareAddr(link, mac) })
}

// Link returns what the kernel says about an interface now: MAC, index, MTU,
// counters.
func (l *Lab) Link(node, ifname string) (*netlink.LinkAttrs, error) {
	var attrs *netlink.LinkAttrs
	err := l.onLink(node, ifname, "read link", func(link netlink.Link) error {
		attrs = link.Attrs()
		return nil
	})
	return attrs, err
}

// AddAddr gives an interface an address, usable at once: IPv6 addresses are not
// checked for duplicates, and neighbours can find them.
func (l *Lab) AddAddr(node, ifname, prefix string) error {
	return l.onLink(node, ifname, "add address "+prefix, func(link netlink.Link) error {
		addr, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		if addr.IP.To4() != nil {
			return netlink.AddrAdd(link, addr)
		}
		addr.Flags |= unix.IFA_F_NODAD
		if err := netlink.AddrAdd(link, addr); err != nil || link.Attrs().Flags&net.FlagUp == 0 {
			return err
		}
		return awaitSolicited(ifname, addr.IP)
	})
}

// joinPatience is how long the kernel may take to join a group on a busy machine.
const joinPatience = 20 * time.Second

// awaitSolicited waits until the kernel has joined the multicast group in which an
// address is asked for. A work queue of its does that some time after it has added the
// address; who asks before is not heard and asks again a second later.
func awaitSolicited(ifname string, ip net.IP) error {
	group := fmt.Sprintf("ff0200000000000000000001ff%x", []byte(ip[13:]))
	for end := time.Now().Add(joinPatience); ; time.Sleep(time.Millisecond) {
		text, err := os.ReadFile("/proc/thread-self/net/igmp6")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 2 && f[1] == ifname && f[2] == group {
				return nil
			}
		}
		if time.Now().After(end) {
			return fmt.Errorf("the kernel has not joined %s for %v", group, joinPatience)
		}
	}
}

// AddVLAN makes the interface <ifname>.<id> on an interface, up. Kernels built
// without 802.1Q refuse it.
func (l *Lab) AddVLAN(node, ifname string, id int) error {
	return l.onLink(node, ifname, fmt.Sprintf("add VLAN %d", id), func(link netlink.Link) error {
		attrs := netlink.LinkAttrs{Name: fmt.Sprintf("%s.%d", ifname, id), ParentIndex: link.Attrs().Index}
		vlan := &netlink.Vlan{LinkAttrs: attrs, VlanId: id, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}
		if err := netlink.LinkAdd(vlan); err != nil {
			return err
		}
		return netlink.LinkSetUp(vlan)
	})
}

func (l *Lab) onLink(node, ifname, what string, f func(netlink.Link) error) error {
	err := Do(l.NS(node), func() error {
		link, err := netlink.LinkByName(ifname)
		if err != nil {
			return err
		}
		return f(link)
	})
	if err != nil {
		return fmt.Errorf("%s on %s %s: %w", what, node, ifname, err)
	}
	return nil
}

// AddRoute adds a route to prefix through the given next hops, more than one for
// equal-cost paths. An empty prefix means the default route of the next hop's
// family.
func (l *Lab) AddRoute(node, prefix string, via ...string) error {
	err := Do(l.NS(node), func() error {
		route := &netlink.Route{}
		var hops []*netlink.NexthopInfo
		v4 := true
		for _, hop := range via {
			a, err := netip.ParseAddr(hop)
			if err != nil {
				return err
			}
			v4 = a.Is4()
			hops = append(hops, &netlink.NexthopInfo{Gw: net.IP(a.AsSlice())})
		}
		if prefix == "" {
			prefix = "::/0"
			if v4 {
				prefix = "0.0.0.0/0"
			}
		}
		_, dst, err := net.ParseCIDR(prefix)
		if err != nil {
			return err
		}
		route.Dst = dst
		switch len(hops) {
		case 0:
			return fmt.Errorf("no next hop")
		case 1:
			route.Gw = hops[0].Gw
		default:
			for _, hop := range hops { // several hops need their interface named
				r, err := netlink.RouteGet(hop.Gw)
				if err != nil || len(r) == 0 {
					return fmt.Errorf("next hop %s: %w", hop.Gw, err)
				}
				hop.LinkIndex = r[0].LinkIndex
			}
			route.MultiPath = hops
		}
		return netlink.RouteAdd(route)
	})
	if err != nil {
		return fmt.Errorf("add route to %s in %s: %w", prefix, node, err)
	}
	return nil
}
