package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tools/vm/wire"
)

// state lists the interfaces and the programs on them.
func state() ([]wire.Interface, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	var all []wire.Interface
	for _, l := range links {
		a := l.Attrs()
		i := wire.Interface{Name: a.Name, Index: a.Index, MTU: a.MTU, Up: a.Flags&net.FlagUp != 0}
		if a.Xdp != nil && a.Xdp.Attached {
			i.XDP = a.Xdp.ProgId
		}
		if i.Ingress, err = programs(a.Index, ebpf.AttachTCXIngress); err != nil {
			return nil, err
		}
		if i.Egress, err = programs(a.Index, ebpf.AttachTCXEgress); err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

// programs counts the TCX programs at a place.
func programs(ifindex int, where ebpf.AttachType) (int, error) {
	r, err := link.QueryPrograms(link.QueryOptions{Target: ifindex, Attach: where})
	if errors.Is(err, unix.ENOENT) {
		return 0, nil // nothing was ever attached there
	}
	if err != nil {
		return 0, fmt.Errorf("query programs: %w", err)
	}
	return len(r.Programs), nil
}

// setChannels does what `ethtool -L IF combined N` does.
func setChannels(name string, n int) error {
	return ethtool(unix.ETHTOOL_MSG_CHANNELS_SET, unix.ETHTOOL_A_CHANNELS_HEADER, name,
		nl.NewRtAttr(unix.ETHTOOL_A_CHANNELS_COMBINED_COUNT, nl.Uint32Attr(uint32(n))))
}

// featuresOff does what `ethtool -K IF FEATURE off` does.
func featuresOff(name string, features []string) error {
	list := nl.NewRtAttr(unix.ETHTOOL_A_BITSET_BITS|unix.NLA_F_NESTED, nil)
	for _, f := range features {
		bit := list.AddRtAttr(unix.ETHTOOL_A_BITSET_BITS_BIT|unix.NLA_F_NESTED, nil)
		bit.AddRtAttr(unix.ETHTOOL_A_BITSET_BIT_NAME, nl.ZeroTerminated(f)) // without a value: off
	}
	wanted := nl.NewRtAttr(unix.ETHTOOL_A_FEATURES_WANTED|unix.NLA_F_NESTED, nil)
	wanted.AddChild(list)
	return ethtool(unix.ETHTOOL_MSG_FEATURES_SET, unix.ETHTOOL_A_FEATURES_HEADER, name, wanted)
}

// ethtool sends a request about an interface that only succeeds or fails.
func ethtool(command uint8, headerKind int, name string, attr nl.NetlinkRequestData) error {
	family, err := netlink.GenlFamilyGet("ethtool")
	if err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(int(family.ID), unix.NLM_F_ACK)
	req.AddData(&nl.Genlmsg{Command: command, Version: 1})
	header := nl.NewRtAttr(headerKind|unix.NLA_F_NESTED, nil)
	header.AddRtAttr(unix.ETHTOOL_A_HEADER_DEV_NAME, nl.ZeroTerminated(name))
	req.AddData(header)
	req.AddData(attr)
	_, err = req.Execute(unix.NETLINK_GENERIC, 0)
	return err
}
