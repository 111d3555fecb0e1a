package pair

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
	"github.com/vishvananda/netlink"
)

// The kernel as a wire: a bridge of the two interfaces that has no address, learns
// nothing, so that every frame goes to the other one, and shows IP's chains what
// it forwards, tagged or not. A third cable carries the barrier.

const (
	bridgeName = "br0"
	asideName  = "aside"
)

// The ends of the third cable.
var (
	asideBox = netip.MustParsePrefix("192.0.2.1/30")
	asideFar = netip.MustParseAddr("192.0.2.2")
)

// RunWire is Run with a bridge in place of the router; cases must have Wire set.
func RunWire(f func(*Kernel) error) error { return run(true, f) }

// bridge makes the bridge of cables that are there.
func (k *Kernel) bridge() error {
	if err := k.lab.Connect(boxNode, asideName, wireNode, "w"+asideName, lab.Cable{MTU: MTU}); err != nil {
		return err
	}
	if err := k.lab.AddAddr(boxNode, asideName, asideBox.String()); err != nil {
		return err
	}
	var err error
	if k.aside, err = lab.OpenTap(k.lab.NS(wireNode), "w"+asideName, lab.TapConfig{Incoming: true, Direct: true}); err != nil {
		return err
	}
	k.ask = arpAsk(HostMAC(Lan), asideFar, asideBox.Addr())
	err = k.lab.Do(boxNode, func() error {
		no := false
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName, MTU: MTU}, MulticastSnooping: &no}
		if err := netlink.LinkAdd(br); err != nil {
			return fmt.Errorf("bridge %s: %w", bridgeName, err)
		}
		for _, s := range []Side{Lan, Wan} {
			port, err := netlink.LinkByName(s.String())
			if err != nil {
				return err
			}
			if err := netlink.LinkSetMaster(port, br); err != nil {
				return fmt.Errorf("port %s: %w", s, err)
			}
			if err := netlink.LinkSetLearning(port, false); err != nil {
				return fmt.Errorf("port %s: learning: %w", s, err)
			}
		}
		return netlink.LinkSetUp(br)
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"call-iptables", "call-ip6tables", "filter-vlan-tagged"} {
		if err := lab.Sysctl(k.lab.NS(boxNode), "net/bridge/bridge-nf-"+name, "1"); err != nil {
			return err
		}
	}
	return nil
}

// crossed waits for the barrier and returns what came out until then.
func (k *Kernel) crossed() (out []Frame, err error) {
	if err := k.aside.Send(k.ask); err != nil {
		return nil, err
	}
	if _, err := k.aside.Recv(barrierTime); err != nil {
		return nil, fmt.Errorf("barrier: %w", err)
	}
	for _, s := range []Side{Lan, Wan} {
		for {
			f, err := k.taps[s].Recv(0)
			if errors.Is(err, lab.ErrTimeout) {
				break
			}
			if err != nil {
				return nil, err
			}
			out = append(out, Frame{s, f.Data})
		}
	}
	return out, nil
}

// settle is how long an interface that came up has to say what it says.
const settle = 300 * time.Millisecond
