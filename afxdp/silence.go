package afxdp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// silentFrames is how many frames an interface must have received, and its
// program none, for that to be worth a word.
const silentFrames = 64

// silence finds out whether what an interface receives reaches its program. No
// count of ours can tell: what does not come is not counted. It happens when
// another program runs in the place of ours, or when a driver fails.
type silence struct {
	fd             int    // netlink socket of the interface's namespace; -1: none
	received, seen uint64 // when the program had last seen a frame
	looked         bool
}

// openSilence opens the socket in the calling thread's namespace.
func openSilence() (silence, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return silence{fd: -1}, fmt.Errorf("open a netlink socket: %w", err)
	}
	// The kernel answers at once or never; the limit is for never.
	wait := unix.NsecToTimeval(int64(2 * time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return silence{fd: -1}, errors.Join(err, unix.Close(fd))
	}
	return silence{fd: fd}, nil
}

// look returns how many frames have come since the program saw one for the last
// time; 0 when all is well or too little has come to tell.
func (s *silence) look(received, seen uint64) uint64 {
	if !s.looked || seen != s.seen || received < s.received {
		s.received, s.seen, s.looked = received, seen, true
		return 0
	}
	if came := received - s.received; came >= silentFrames {
		return came
	}
	return 0
}

// linkReceived asks the kernel how many frames a device has received.
func linkReceived(fd, index int) (uint64, error) {
	order := binary.NativeEndian
	b := make([]byte, unix.NLMSG_HDRLEN+unix.SizeofIfInfomsg)
	order.PutUint16(b[4:], unix.RTM_GETLINK)
	order.PutUint32(b[unix.NLMSG_HDRLEN+4:], uint32(index))
	answer, err := netlinkRequest(fd, b)
	if err != nil {
		return 0, err
	}
	if len(answer) < unix.SizeofIfInfomsg {
		return 0, errors.New("answer cut short")
	}
	stats, ok := attribute(answer[unix.SizeofIfInfomsg:], unix.IFLA_STATS64)
	if !ok || len(stats) < 8 {
		return 0, errors.ErrUnsupported
	}
	return order.Uint64(stats), nil // rx_packets comes first
}

// checkSilence is the part of Check that is about it. What cannot be read is no
// reason to complain.
func (i *Interface) checkSilence() error {
	if i.link == nil || i.silence.fd < 0 {
		return nil
	}
	received, err := linkReceived(i.silence.fd, i.dev.index)
	if err != nil {
		return nil
	}
	seen := i.program.seen()
	for _, q := range i.queues {
		if q == nil {
			continue
		}
		info := q.info()
		seen += info.Stats.RxFrames + uint64(info.Rings.RX) + info.Kernel.RxDropped + info.Kernel.RxFull
	}
	if n := i.silence.look(received, seen); n > 0 {
		return fmt.Errorf("%s has received %d frames of which the XDP program saw none: restart (a guest of qemu older than 8.1 without KVM may need several)", i.name, n)
	}
	return nil
}
