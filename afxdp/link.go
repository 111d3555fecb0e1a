package afxdp

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// device is what the kernel says about an interface when it is opened.
type device struct {
	index    int
	mac      net.HardwareAddr
	mtu      int
	driver   string
	flags    uint32
	rxQueues int    // as IFLA_NUM_RX_QUEUES says: allocated, not all need be in use
	progID   uint32 // XDP program that is attached; 0: none
	master   master
}

// master is what an interface is a member of, which gets its frames.
type master struct {
	index int    // 0: none
	name  string // of a device of the same network namespace
	kind  string // as the kernel calls it: bridge, bond, team, openvswitch, vrf; empty: not told
}

// check refuses interfaces whose frames are a master's: the program would take
// them all away from it. A VRF only chooses the routing table.
func (m master) check(name string) error {
	if m.index == 0 || m.kind == "vrf" {
		return nil
	}
	return fmt.Errorf("is a member of %s %s, which would get no more frames: take it out with `ip link set dev %s nomaster`, or name interfaces that are no members",
		cmp.Or(m.kind, "device"), cmp.Or(m.name, strconv.Itoa(m.index)), name)
}

func errPrivilege(what string, err error) error {
	return fmt.Errorf("%s: not permitted: run as root or with CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF: %w", what, err)
}

// lookUp finds an interface of the calling thread's network namespace.
func lookUp(name string, ctl int) (device, error) {
	var d device
	rib, err := syscall.NetlinkRIB(unix.RTM_GETLINK, unix.AF_UNSPEC)
	if err != nil {
		return d, fmt.Errorf("list interfaces: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(rib)
	if err != nil {
		return d, fmt.Errorf("list interfaces: %w", err)
	}
	links := map[int]master{} // what each would be to its members
	for i := range messages {
		m := &messages[i]
		if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		attrs, err := syscall.ParseNetlinkRouteAttr(m)
		if err != nil {
			return d, fmt.Errorf("list interfaces: %w", err)
		}
		index := int(int32(binary.NativeEndian.Uint32(m.Data[4:])))
		links[index] = master{index, linkName(attrs), linkKind(attrs)}
		if links[index].name == name {
			d.index = index
			d.flags = binary.NativeEndian.Uint32(m.Data[8:])
			d.fill(attrs)
		}
	}
	if d.index == 0 {
		return d, noInterface{}
	}
	if m, ok := links[d.master.index]; ok {
		d.master = m
	}
	if info, err := unix.IoctlGetEthtoolDrvinfo(ctl, name); err == nil {
		d.driver = unix.ByteSliceToString(info.Driver[:])
	}
	return d, nil
}

// noInterface is unix.ENODEV in words that say what to do.
type noInterface struct{}

func (noInterface) Error() string {
	return "no such interface in this network namespace: `ip link show` lists them"
}

func (noInterface) Unwrap() error { return unix.ENODEV }

func linkName(attrs []syscall.NetlinkRouteAttr) string {
	for _, a := range attrs {
		if a.Attr.Type == unix.IFLA_IFNAME {
			return unix.ByteSliceToString(a.Value)
		}
	}
	return ""
}

// linkKind returns which kind of virtual device it is; empty: none.
func linkKind(attrs []syscall.NetlinkRouteAttr) string {
	for _, a := range attrs {
		if a.Attr.Type&^unix.NLA_F_NESTED == unix.IFLA_LINKINFO {
			kind, _ := attribute(a.Value, unix.IFLA_INFO_KIND)
			return unix.ByteSliceToString(kind)
		}
	}
	return ""
}

func (d *device) fill(attrs []syscall.NetlinkRouteAttr) {
	for _, a := range attrs {
		switch a.Attr.Type &^ unix.NLA_F_NESTED {
		case unix.IFLA_ADDRESS:
			d.mac = append(net.HardwareAddr(nil), a.Value...)
		case unix.IFLA_MTU:
			d.mtu = int(binary.NativeEndian.Uint32(a.Value))
		case unix.IFLA_NUM_RX_QUEUES:
			d.rxQueues = int(binary.NativeEndian.Uint32(a.Value))
		case unix.IFLA_MASTER:
			d.master.index = int(binary.NativeEndian.Uint32(a.Value))
		case unix.IFLA_XDP:
			if id, ok := attribute(a.Value, unix.IFLA_XDP_PROG_ID); ok && len(id) >= 4 {
				d.progID = binary.NativeEndian.Uint32(id)
			}
		}
	}
}

// keepPromiscuous makes an interface take frames for any address, as long as the
// socket that it returns lives: the kernel takes it back when the process ends.
func keepPromiscuous(index int) (fd int, err error) {
	if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, fmt.Errorf("open a packet socket: %w", err)
	}
	err = unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
		&unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC})
	if err != nil {
		_ = unix.Close(fd) // the first error is the one to tell
		return -1, fmt.Errorf("make it promiscuous: %w", err)
	}
	return fd, nil
}

// most is how many receive queues can be set; 0: the driver does not say.
func (c *channels) most() int { return int(max(c.MaxRx, c.MaxCombined)) }

// rxChannels returns how many receive queues an interface uses, and the part of
// an ethtool command that sets them to want.
func rxChannels(ctl int, name string, fallback int) (n int, set func(want int) string, err error) {
	set = func(want int) string { return fmt.Sprintf("ethtool -L %s combined %d", name, want) }
	c, err := getChannels(ctl, name)
	if errors.Is(err, errNoChannels) {
		return max(1, fallback), set, nil
	}
	if err != nil {
		return 0, nil, err
	}
	if c.RxCount > 0 {
		set = func(want int) string { return fmt.Sprintf("ethtool -L %s rx %d tx %d", name, want, want) }
	}
	return int(c.RxCount + c.ComboCount), set, nil
}

// Bits of ETHTOOL_GFLAGS.
const (
	flagTxVLAN = 1 << 7
	flagRxVLAN = 1 << 8
	flagLRO    = 1 << 15
)

// offloads are those that matter here.
type offloads struct {
	flags uint32 // of the above
	gro   bool   // the kernel joins received segments, after native XDP and before generic
}

// readOffloads asks for an interface's offloads; one that tells none has none.
func readOffloads(ctl int, name string) (o offloads, err error) {
	if o.flags, err = ethtoolGet(ctl, name, unix.ETHTOOL_GFLAGS); err != nil {
		return o, fmt.Errorf("read offloads: %w", err)
	}
	gro, err := ethtoolGet(ctl, name, unix.ETHTOOL_GGRO)
	if err != nil {
		return o, fmt.Errorf("read offloads: %w", err)
	}
	o.gro = gro != 0
	return o, nil
}

// check refuses offloads that change frames before XDP sees them. A
// veth moves no tag on its own, whatever its flags say: there only a VLAN
// device on top of it, which hands tags over beside the frame, is in the way.
func (o offloads) check(name, driver string, generic, vlanDevices bool) error {
	flags, gro := o.flags, o.gro
	vlan := flags & (flagRxVLAN | flagTxVLAN)
	if driver == "veth" && !vlanDevices {
		vlan = 0
	}
	if vlan != 0 {
		return fmt.Errorf("VLAN offload is on, XDP would not see the tags; mend with `ethtool -K %s rxvlan off txvlan off`", name)
	}
	if generic && gro {
		return fmt.Errorf("generic receive offload is on, generic XDP would see several frames as one; mend with `ethtool -K %s gro off`", name)
	}
	if flags&flagLRO != 0 {
		return fmt.Errorf("large receive offload is on, XDP would not see single frames; mend with `ethtool -K %s lro off`", name)
	}
	return nil
}

// vlanDevices says whether a VLAN device sits on the interface.
func vlanDevices(name string) bool {
	// Of the thread, because namespaces are the thread's.
	f, err := os.Open("/proc/thread-self/net/vlan/config")
	if err != nil {
		return false // no VLAN support, no VLAN device
	}
	defer f.Close()
	return hasVLANDevice(f, name)
}

// hasVLANDevice reads lines of "device | id | interface" behind two of heading.
func hasVLANDevice(config io.Reader, name string) bool {
	for lines := bufio.NewScanner(config); lines.Scan(); {
		parts := strings.Split(lines.Text(), "|")
		if len(parts) == 3 && strings.TrimSpace(parts[2]) == name {
			return true
		}
	}
	return false
}
