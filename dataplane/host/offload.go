package host

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// typeMask takes the flags off an attribute's type.
const typeMask = ^uint16(unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)

// features says which offloads of an interface are on (by the kernel's names,
// such as tx-checksum-ip-generic) and which can be changed.
type features struct {
	on         map[string]bool
	changeable map[string]bool
}

// unwanted tells offloads that would let a frame of the pair be something else
// than what it is on a wire: longer than the MTU, with an unfinished checksum,
// with its VLAN tag beside it. With these off, the kernel cuts large segments
// and finishes checksums itself when it sends into the pair.
func unwanted(name string) bool {
	if name == "rx-vlan-hw-parse" || name == "rx-vlan-stag-hw-parse" || name == "rx-gro-list" ||
		name == "rx-udp-gro-forwarding" || name == "tx-gso-list" {
		return true
	}
	for _, part := range []string{"segmentation", "checksum", "scatter-gather", "vlan"} {
		if strings.HasPrefix(name, "tx-") && strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// plainFrames turns the unwanted offloads of an interface off, and GRO on where
// asked for: with it the interface takes frames in by NAPI, without which frames
// that an XDP program on the other end transmits or redirects would be lost.
func plainFrames(ifindex int, gro bool) error {
	have, err := readFeatures(ifindex)
	if err != nil {
		return err
	}
	want := map[string]bool{}
	for name := range have.changeable {
		if unwanted(name) && have.on[name] {
			want[name] = false
		}
	}
	if gro && !have.on["rx-gro"] {
		want["rx-gro"] = true
	}
	if err := setFeatures(ifindex, want); err != nil {
		return err
	}
	if have, err = readFeatures(ifindex); err != nil {
		return err
	}
	for name, value := range want {
		if have.on[name] != value {
			return fmt.Errorf("offload %s stays %s", name, onOff(!value))
		}
	}
	return nil
}

func onOff(v bool) string {
	if v {
		return "on"
	}
	return "off"
}

// readFeatures asks the kernel for an interface's offloads.
func readFeatures(ifindex int) (features, error) {
	f := features{}
	replies, err := ethtool(unix.ETHTOOL_MSG_FEATURES_GET, 0, header(unix.ETHTOOL_A_FEATURES_HEADER, ifindex))
	if err != nil {
		return f, fmt.Errorf("read offloads: %w", err)
	}
	for _, reply := range replies {
		attrs, err := nl.ParseRouteAttr(reply[nl.SizeofGenlmsg:])
		if err != nil {
			return f, fmt.Errorf("read offloads: %w", err)
		}
		for _, a := range attrs {
			switch a.Attr.Type & typeMask {
			case unix.ETHTOOL_A_FEATURES_HW:
				f.changeable, err = bits(a.Value)
			case unix.ETHTOOL_A_FEATURES_ACTIVE:
				f.on, err = bits(a.Value)
			}
			if err != nil {
				return f, fmt.Errorf("read offloads: %w", err)
			}
		}
	}
	if f.on == nil || f.changeable == nil {
		return f, fmt.Errorf("read offloads: incomplete answer")
	}
	return f, nil
}

// setFeatures changes the offloads named.
func setFeatures(ifindex int, want map[string]bool) error {
	if len(want) == 0 {
		return nil
	}
	list := nl.NewRtAttr(unix.ETHTOOL_A_BITSET_BITS|unix.NLA_F_NESTED, nil)
	var names []string
	for name := range want {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		bit := list.AddRtAttr(unix.ETHTOOL_A_BITSET_BITS_BIT|unix.NLA_F_NESTED, nil)
		bit.AddRtAttr(unix.ETHTOOL_A_BITSET_BIT_NAME, nl.ZeroTerminated(name))
		if want[name] {
			bit.AddRtAttr(unix.ETHTOOL_A_BITSET_BIT_VALUE, nil)
		}
	}
	wanted := nl.NewRtAttr(unix.ETHTOOL_A_FEATURES_WANTED|unix.NLA_F_NESTED, nil)
	wanted.AddChild(list)
	_, err := ethtool(unix.ETHTOOL_MSG_FEATURES_SET, unix.NLM_F_ACK, header(unix.ETHTOOL_A_FEATURES_HEADER, ifindex), wanted)
	if err != nil {
		return fmt.Errorf("set offloads %s: %w", strings.Join(names, " "), err)
	}
	return nil
}

// header names the interface a request is about.
func header(kind, ifindex int) *nl.RtAttr {
	h := nl.NewRtAttr(kind|unix.NLA_F_NESTED, nil)
	h.AddRtAttr(unix.ETHTOOL_A_HEADER_DEV_INDEX, nl.Uint32Attr(uint32(ifindex)))
	return h
}

// ethtool sends a request of ethtool's netlink family and returns the answers,
// each from its generic netlink header on.
func ethtool(command uint8, flags int, attrs ...*nl.RtAttr) ([][]byte, error) {
	family, err := netlink.GenlFamilyGet("ethtool")
	if err != nil {
		return nil, fmt.Errorf("ethtool over netlink (needs CONFIG_ETHTOOL_NETLINK): %w", err)
	}
	req := nl.NewNetlinkRequest(int(family.ID), flags)
	req.AddData(&nl.Genlmsg{Command: command, Version: 1})
	for _, a := range attrs {
		req.AddData(a)
	}
	return req.Execute(unix.NETLINK_GENERIC, 0)
}

// bits reads a bitset in its long form: the names of the bits that are set. In
// a set without mask all bits listed are set, in one with a mask those with a
// value.
func bits(b []byte) (map[string]bool, error) {
	attrs, err := nl.ParseRouteAttr(b)
	if err != nil {
		return nil, err
	}
	set, masked := map[string]bool{}, true
	for _, a := range attrs {
		if a.Attr.Type&typeMask == unix.ETHTOOL_A_BITSET_NOMASK {
			masked = false
		}
	}
	for _, a := range attrs {
		if a.Attr.Type&typeMask != unix.ETHTOOL_A_BITSET_BITS {
			continue
		}
		list, err := nl.ParseRouteAttr(a.Value)
		if err != nil {
			return nil, err
		}
		for _, bit := range list {
			parts, err := nl.ParseRouteAttr(bit.Value)
			if err != nil {
				return nil, err
			}
			name, value := "", !masked
			for _, p := range parts {
				switch p.Attr.Type & typeMask {
				case unix.ETHTOOL_A_BITSET_BIT_NAME:
					name = nl.BytesToString(p.Value)
				case unix.ETHTOOL_A_BITSET_BIT_VALUE:
					value = true
				}
			}
			if value {
				set[name] = true
			}
		}
	}
	return set, nil
}
