package host

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/afxdp"
)

// Path is the way between the box and the kernel's own stack for one real
// interface. The control side owns it; its methods are called by one goroutine
// at a time, except for BoxEnd and Port, which any may call.
type Path struct {
	ifname  string
	ifindex int
	nlh     *netlink.Handle // bound to the interface's namespace
	pair    pair
	in, out link.Link
	port    *afxdp.Interface
}

// MaxQueues is how many queues the pair of a path may have.
const MaxQueues = 256

// openPair makes the pair and the path's inward half: what the box sends
// reaches the kernel's stack.
func openPair(ifname string, queues int) (*Path, error) {
	if queues < 1 || queues > MaxQueues {
		return nil, fmt.Errorf("host path of %s: %d queues: must be 1 to %d", ifname, queues, MaxQueues)
	}
	nlh, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("host path of %s: netlink: %w", ifname, err)
	}
	p := &Path{ifname: ifname, nlh: nlh}
	if err := p.build(queues); err != nil {
		_ = p.Close() // the first error is the one to tell
		return nil, fmt.Errorf("host path of %s: %w", ifname, err)
	}
	return p, nil
}

func (p *Path) build(queues int) error {
	real, err := p.nlh.LinkByName(p.ifname)
	if err != nil {
		return missing(p.ifname, err)
	}
	attrs := real.Attrs()
	if attrs.EncapType != "ether" || len(attrs.HardwareAddr) != 6 {
		return fmt.Errorf("link type %s: only Ethernet interfaces can be ports", attrs.EncapType)
	}
	p.ifindex = attrs.Index
	if _, err := cleanLeftovers(p.nlh, attrs.Index); err != nil {
		return err
	}
	if p.pair, err = createPair(p.nlh, attrs, queues); err != nil {
		return err
	}
	// Before the ends come up, so that nothing is ever received by the kernel end itself.
	p.in, err = attach("sluice_inward", inward(attrs.Index), p.pair.kernelIndex, ebpf.AttachTCXIngress)
	if err != nil {
		return fmt.Errorf("%s: %w", p.pair.kernel, err)
	}
	return p.pair.up(p.nlh)
}

// BoxEnd returns the name of the pair's end that belongs to the box.
func (p *Path) BoxEnd() string { return p.pair.box }

// KernelEnd returns the name of the pair's other end. Its receive counters say
// what the box has given to the kernel, its transmit counters what was taken
// over from the kernel.
func (p *Path) KernelEnd() string { return p.pair.kernel }

// Interface returns the name of the real interface.
func (p *Path) Interface() string { return p.ifname }

// takeOver starts the outward half: from now on IP that the kernel sends by the
// real interface comes out of the box end.
func (p *Path) takeOver() error {
	if p.out != nil {
		return fmt.Errorf("host path of %s: active already", p.ifname)
	}
	l, err := attach("sluice_outward", outward(p.pair.kernelIndex), p.ifindex, ebpf.AttachTCXEgress)
	if err != nil {
		return fmt.Errorf("host path of %s: %w", p.ifname, err)
	}
	p.out = l
	return nil
}

// SetMTU gives both ends another MTU in bytes; to be called when the real
// interface's has changed.
func (p *Path) SetMTU(mtu int) error {
	for _, index := range []int{p.pair.boxIndex, p.pair.kernelIndex} {
		l, err := p.nlh.LinkByIndex(index)
		if err == nil {
			err = p.nlh.LinkSetMTU(l, mtu)
		}
		if err != nil {
			return fmt.Errorf("host path of %s: set MTU %d on %s, %s: %w", p.ifname, mtu, p.pair.box, p.pair.kernel, err)
		}
	}
	if p.port != nil {
		p.port.SetMTU(mtu)
	}
	return nil
}

// Close gives the interface back to the kernel, first of all what it sends, and
// removes programs and pair. Any thread may call it, in whatever namespace. A
// second call does nothing.
func (p *Path) Close() error {
	if p == nil || p.nlh == nil {
		return nil
	}
	var errs []error
	for _, l := range []*link.Link{&p.out, &p.in} {
		if *l != nil {
			errs = append(errs, (*l).Close())
			*l = nil
		}
	}
	if p.port != nil {
		errs = append(errs, p.port.Close())
	}
	if p.pair.boxIndex != 0 {
		l, err := p.nlh.LinkByIndex(p.pair.boxIndex)
		if err == nil {
			err = p.nlh.LinkDel(l)
		}
		var gone netlink.LinkNotFoundError
		if err != nil && !errors.As(err, &gone) {
			errs = append(errs, fmt.Errorf("remove %s (ip link del %s): %w", p.pair.box, p.pair.box, err))
		}
	}
	p.nlh.Close()
	p.nlh = nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close host path of %s: %w", p.ifname, err)
	}
	return nil
}
