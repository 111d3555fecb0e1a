package host

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// boundTo makes sockets that take only what a device has received.
func boundTo(device string) *net.ListenConfig {
	return &net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), device) }); e != nil {
			return e
		}
		return err
	}}
}

// joinGroup makes a socket a member of an IPv4 group on a device.
func joinGroup(conn net.PacketConn, device string, group netip.Addr) error {
	link, err := net.InterfaceByName(device)
	if err != nil {
		return err
	}
	raw, err := conn.(*net.UDPConn).SyscallConn()
	if err != nil {
		return err
	}
	if e := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
			&unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(link.Index)})
	}); e != nil {
		return e
	}
	return err
}
