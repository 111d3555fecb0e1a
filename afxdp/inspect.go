package afxdp

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Inspection is what can be seen of an interface without taking it.
type Inspection struct {
	Name         string
	Index        int
	Driver       string
	MTU          int
	Up           bool // set up by the administrator
	Carrier      bool
	Ethernet     bool
	Features     Features
	FeaturesKnow bool   // the kernel tells Features
	Defect       error  // why ModeAuto makes it copy although it knows zero-copy; nil: it does not
	Channels     int    // receive queues in use
	MaxChannels  int    // 0: the driver does not say
	Ring         [2]int // descriptors of the device's receive and transmit rings; 0: the driver does not say
	RingMax      [2]int
	RxVLAN       bool // offloads
	TxVLAN       bool
	LRO          bool
	GRO          bool
	Member       error  // why it is no port: a bridge, bond or the like gets its frames; nil: none does
	VLANDevices  bool   // VLAN devices sit on it
	Symmetric    bool   // its receive hash is the same for both directions of a flow
	HashKnown    bool   // the driver tells how it hashes
	XDP          uint32 // program attached; 0: none
	Taken        error  // who attached it, and the command that ends that; nil: nobody
	TCX          [2]int // programs at its ingress and egress, without those of host paths
}

// Inspect looks at an interface of the calling thread's network namespace. What
// a driver does not tell stays zero.
func Inspect(name string) (Inspection, error) {
	v, err := inspect(name)
	if err != nil {
		return v, fmt.Errorf("inspect %s: %w", name, err)
	}
	return v, nil
}

func inspect(name string) (v Inspection, err error) {
	ctl, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return v, err
	}
	defer unix.Close(ctl)
	d, err := lookUp(name, ctl)
	if err != nil {
		return v, err
	}
	v = Inspection{
		Name: name, Index: d.index, Driver: d.driver, MTU: d.mtu, Ethernet: len(d.mac) == 6, XDP: d.progID,
		Up: d.flags&unix.IFF_UP != 0, Carrier: d.flags&unix.IFF_LOWER_UP != 0, VLANDevices: vlanDevices(name),
		Member: d.master.check(name),
	}
	if v.XDP != 0 {
		v.Taken = errForeign(name, v.XDP)
	}
	if v.Features, err = ReadFeatures(d.index); err == nil {
		v.FeaturesKnow = true
	}
	v.Defect = zeroCopyDefect(d.driver)
	if v.Channels, _, err = rxChannels(ctl, name, d.rxQueues); err != nil {
		return v, err
	}
	if c, err := getChannels(ctl, name); err == nil {
		v.MaxChannels = c.most()
	}
	o, err := readOffloads(ctl, name)
	if err != nil {
		return v, err
	}
	v.RxVLAN, v.TxVLAN = o.flags&flagRxVLAN != 0, o.flags&flagTxVLAN != 0
	v.LRO, v.GRO = o.flags&flagLRO != 0, o.gro
	v.Ring, v.RingMax = getRings(ctl, name)
	v.Symmetric, v.HashKnown = symmetricHash(ctl, name)
	for i, where := range []ebpf.AttachType{ebpf.AttachTCXIngress, ebpf.AttachTCXEgress} {
		r, err := link.QueryPrograms(link.QueryOptions{Target: d.index, Attach: where})
		switch {
		case err == nil:
			for _, p := range r.Programs {
				if !strings.HasPrefix(nameOf(uint32(p.ID)), ourPrograms) {
					v.TCX[i]++
				}
			}
		case errors.Is(err, unix.EPERM):
			return v, errPrivilege("ask for programs", err)
		}
	}
	return v, nil
}

// Clean says why the offloads would hide something from XDP, as OpenInterface
// does; nil: they do not.
func (v *Inspection) Clean(generic bool) error {
	o := offloads{gro: v.GRO}
	for flag, on := range map[uint32]bool{flagRxVLAN: v.RxVLAN, flagTxVLAN: v.TxVLAN, flagLRO: v.LRO} {
		if on {
			o.flags |= flag
		}
	}
	return o.check(v.Name, v.Driver, generic, v.VLANDevices)
}
