package mirror

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// defaultReceiveBytes is asked for as buffer of the event socket. The kernel
// charges some 800 bytes for a route message: room for ten thousand changes in
// the time of one dump.
const defaultReceiveBytes = 8 << 20

// groups are the multicast groups the mirror listens to.
var groups = [...]uint{
	unix.RTNLGRP_LINK, unix.RTNLGRP_NEIGH, unix.RTNLGRP_NEXTHOP,
	unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_RULE,
	unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV6_RULE,
}

// listener is a netlink socket that receives events. One goroutine uses it;
// wake may be called from others.
type listener struct {
	file *os.File
	raw  syscall.RawConn
	buf  []byte
}

// listen subscribes in the namespace of the calling thread.
func listen(receiveBytes int) (*listener, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// Beyond net.core.rmem_max only with CAP_NET_ADMIN; with less memory there
	// are more resyncs, nothing else.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBytes) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBytes)
	}
	err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	for _, g := range groups {
		if err == nil {
			err = os.NewSyscallError("setsockopt NETLINK_ADD_MEMBERSHIP",
				unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(g)))
		}
	}
	if err != nil {
		_ = unix.Close(fd) // the first error is the one to tell
		return nil, err
	}
	l := &listener{file: os.NewFile(uintptr(fd), "netlink"), buf: make([]byte, 64<<10)}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		_ = l.file.Close()
		return nil, err
	}
	return l, nil
}

func (l *listener) close() error { return l.file.Close() }

// wake makes the current or next receive return at once.
func (l *listener) wake() { _ = l.file.SetReadDeadline(time.Unix(1, 0)) }

// receive waits until a datagram or the deadline (zero: none) and returns its
// messages, valid until the next call. Errors: os.ErrDeadlineExceeded;
// unix.ENOBUFS when events were lost; others when the socket is of no more use.
func (l *listener) receive() ([]syscall.NetlinkMessage, error) {
	var n int
	var from unix.Sockaddr
	var err error
	rawErr := l.raw.Read(func(fd uintptr) bool {
		n, from, err = unix.Recvfrom(int(fd), l.buf, 0)
		return err != unix.EAGAIN && err != unix.EINTR
	})
	if rawErr != nil {
		return nil, rawErr
	}
	if err != nil {
		return nil, err
	}
	if sa, ok := from.(*unix.SockaddrNetlink); !ok || sa.Pid != 0 {
		return nil, nil // not from the kernel
	}
	msgs, err := syscall.ParseNetlinkMessage(l.buf[:n])
	if err != nil {
		return nil, fmt.Errorf("netlink message: %w", err)
	}
	return msgs, nil
}

// requester sends requests and waits for their answers. One goroutine at a time.
type requester struct {
	sockets map[int]*nl.SocketHandle
}

// newRequester makes one in the namespace of the calling thread.
func newRequester() (*requester, error) {
	s, err := nl.GetNetlinkSocketAt(-1, -1, unix.NETLINK_ROUTE) // in the namespace we are in
	if err != nil {
		return nil, err
	}
	// No answer takes long, but a lost one must not stop the mirror for ever.
	wait := unix.NsecToTimeval((5 * time.Second).Nanoseconds())
	if err := errors.Join(s.SetSendTimeout(&wait), s.SetReceiveTimeout(&wait)); err != nil {
		s.Close()
		return nil, err
	}
	return &requester{map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: s}}}, nil
}

func (r *requester) close() { r.sockets[unix.NETLINK_ROUTE].Close() }

func (r *requester) request(kind, flags int, parts ...nl.NetlinkRequestData) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(kind, flags)
	req.Sockets = r.sockets
	for _, p := range parts {
		req.AddData(p)
	}
	return req
}

// dumpTries bounds how often a dump is started anew that a change disturbed.
// The change is an event as well, so that a last dump follows in any case.
const dumpTries = 4

// each dumps one kind of object and calls f with each message's payload. It
// calls start before the first and again whenever the dump starts anew.
func (r *requester) each(get, answer int, header nl.NetlinkRequestData, start func(), f func([]byte)) error {
	var err error
	for range dumpTries {
		start()
		err = r.request(get, unix.NLM_F_DUMP, header).ExecuteIter(unix.NETLINK_ROUTE, uint16(answer),
			func(b []byte) bool { f(b); return true })
		if !errors.Is(err, nl.ErrDumpInterrupted) {
			return err
		}
	}
	return nil
}
