package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrTimeout says that no frame came in time.
var ErrTimeout = errors.New("no frame in time")

// A Frame is what a Tap has seen.
type Frame struct {
	Data []byte // from the destination MAC on, VLAN tags as on a wire
	// Outgoing says that the interface sent it; otherwise it received it.
	Outgoing bool
	// Unfinished says that the kernel has left the TCP or UDP checksum to the
	// interface: the field has the pseudo header's sum only.
	Unfinished bool
}

// Tap is a raw socket on an interface: it sees what the interface receives and
// sends and can send frames. Frames that an XDP program takes away are not seen.
type Tap struct {
	fd   int
	buf  []byte
	ctrl []byte
}

// TapConfig says what a Tap does.
type TapConfig struct {
	// Incoming leaves out what the interface sends.
	Incoming bool
	// Direct sends past queueing and tc programs, as AF_XDP does.
	Direct bool
}

// OpenTap opens a raw socket on an interface in a namespace.
func OpenTap(ns, ifname string, c TapConfig) (*Tap, error) {
	t := &Tap{fd: -1, buf: make([]byte, 1<<17), ctrl: make([]byte, 256)}
	err := Do(ns, func() (err error) {
		link, err := net.InterfaceByName(ifname)
		if err != nil {
			return err
		}
		// Protocol 0 first, so that nothing arrives before the interface is chosen.
		t.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return hint(os.NewSyscallError("socket", err))
		}
		options := []struct{ level, name, value int }{
			{unix.SOL_PACKET, unix.PACKET_AUXDATA, 1},
			{unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, choose(c.Incoming)},
			{unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, choose(c.Direct)},
			{unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16 << 20},
		}
		for _, o := range options {
			if err := unix.SetsockoptInt(t.fd, o.level, o.name, o.value); err != nil {
				return os.NewSyscallError("setsockopt", err)
			}
		}
		return os.NewSyscallError("bind", unix.Bind(t.fd, &unix.SockaddrLinklayer{
			Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: link.Index,
		}))
	})
	if err != nil {
		t.Close()
		return nil, fmt.Errorf("tap on %s in %s: %w", ifname, ns, err)
	}
	return t, nil
}

func choose(v bool) int {
	if v {
		return 1
	}
	return 0
}

func bigEndian(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// Send sends a frame by the interface. It waits a second while the interface's
// queue is full, which is also what a frame longer than the far end takes looks like.
func (t *Tap) Send(frame []byte) error {
	for patience := 1000; ; patience-- {
		_, err := unix.Write(t.fd, frame)
		switch err {
		case nil:
			return nil
		case unix.EINTR:
		case unix.EAGAIN, unix.ENOBUFS:
			if patience == 0 {
				return fmt.Errorf("send frame of %d bytes: %w", len(frame), os.NewSyscallError("write", err))
			}
			time.Sleep(time.Millisecond)
		default:
			return fmt.Errorf("send frame of %d bytes: %w", len(frame), os.NewSyscallError("write", err))
		}
	}
}

// Recv returns the next frame, or ErrTimeout. The data are the caller's.
func (t *Tap) Recv(timeout time.Duration) (Frame, error) {
	for deadline := time.Now().Add(timeout); ; {
		n, ctrlLen, _, from, err := unix.Recvmsg(t.fd, t.buf, t.ctrl, 0)
		switch err {
		case nil:
			return t.frame(t.buf[:n], t.ctrl[:ctrlLen], from), nil
		case unix.EINTR:
			continue
		case unix.EAGAIN:
		default:
			return Frame{}, os.NewSyscallError("recvmsg", err)
		}
		left := time.Until(deadline)
		if left <= 0 {
			return Frame{}, ErrTimeout
		}
		p := []unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, int(left.Milliseconds())+1); err != nil && err != unix.EINTR {
			return Frame{}, os.NewSyscallError("poll", err)
		}
	}
}

// RecvIf returns the next frame that match accepts, or ErrTimeout.
func (t *Tap) RecvIf(timeout time.Duration, match func(Frame) bool) (Frame, error) {
	for deadline := time.Now().Add(timeout); ; {
		f, err := t.Recv(max(0, time.Until(deadline)))
		if err != nil || match(f) {
			return f, err
		}
		if time.Now().After(deadline) {
			return Frame{}, ErrTimeout
		}
	}
}

// frame copies a frame out of the buffer and puts a tag that was taken beside it
// back where it was.
func (t *Tap) frame(b, ctrl []byte, from unix.Sockaddr) Frame {
	f := Frame{}
	if link, ok := from.(*unix.SockaddrLinklayer); ok {
		f.Outgoing = link.Pkttype == unix.PACKET_OUTGOING
	}
	messages, err := unix.ParseSocketControlMessage(ctrl)
	if err != nil {
		messages = nil
	}
	for _, m := range messages {
		// struct tpacket_auxdata: status at 0, TCI at 16, TPID at 18.
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 {
			continue
		}
		status := binary.NativeEndian.Uint32(m.Data)
		f.Unfinished = status&unix.TP_STATUS_CSUMNOTREADY != 0
		if status&unix.TP_STATUS_VLAN_VALID != 0 && len(b) >= 12 {
			tpid := uint16(unix.ETH_P_8021Q)
			if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
				tpid = binary.NativeEndian.Uint16(m.Data[18:])
			}
			f.Data = append(f.Data, b[:12]...)
			f.Data = binary.BigEndian.AppendUint16(f.Data, tpid)
			f.Data = binary.BigEndian.AppendUint16(f.Data, binary.NativeEndian.Uint16(m.Data[16:]))
			f.Data = append(f.Data, b[12:]...)
		}
	}
	if f.Data == nil {
		f.Data = append(f.Data, b...)
	}
	return f
}

// Close closes the socket. Nobody may be in Send or Recv. A second call does nothing.
func (t *Tap) Close() error {
	if t.fd < 0 {
		return nil
	}
	fd := t.fd
	t.fd = -1
	return os.NewSyscallError("close", unix.Close(fd))
}
