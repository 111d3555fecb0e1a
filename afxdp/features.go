package afxdp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Features is what a driver says it can do with XDP, as bits of linux/netdev.h.
type Features uint64

// The features that matter here.
const (
	FeatureBasic     Features = 1 << 0 // native XDP
	FeatureRedirect  Features = 1 << 1 // to sockets
	FeatureXmit      Features = 1 << 2 // takes redirected frames
	FeatureZeroCopy  Features = 1 << 3 // AF_XDP without copies
	FeatureRxPieces  Features = 1 << 5 // frames in several pieces
	featureAttribute          = 3      // NETDEV_A_DEV_XDP_FEATURES
	indexAttribute            = 1      // NETDEV_A_DEV_IFINDEX
	deviceGet                 = 1      // NETDEV_CMD_DEV_GET
	genericHeader             = 4
)

// ReadFeatures asks the kernel for an interface of the calling thread's network
// namespace; errors.ErrUnsupported before Linux 6.3, which does not tell.
func ReadFeatures(index int) (Features, error) {
	f, err := readFeatures(index)
	if err != nil {
		return 0, fmt.Errorf("XDP features of interface %d: %w", index, err)
	}
	return f, nil
}

func readFeatures(index int) (Features, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_GENERIC)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	// The kernel answers at once or never; the limit is for never.
	wait := unix.NsecToTimeval(int64(2 * time.Second))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return 0, err
	}
	answer, err := genericRequest(fd, unix.GENL_ID_CTRL, unix.CTRL_CMD_GETFAMILY, unix.CTRL_ATTR_FAMILY_NAME, []byte("netdev\x00"))
	if errors.Is(err, unix.ENOENT) {
		return 0, errors.ErrUnsupported
	}
	if err != nil {
		return 0, err
	}
	family, ok := attribute(answer, unix.CTRL_ATTR_FAMILY_ID)
	if !ok || len(family) < 2 {
		return 0, errors.New("the family's number is missing")
	}
	number := binary.NativeEndian.AppendUint32(nil, uint32(index))
	answer, err = genericRequest(fd, binary.NativeEndian.Uint16(family), deviceGet, indexAttribute, number)
	if err != nil {
		return 0, err
	}
	value, ok := attribute(answer, featureAttribute)
	if !ok || len(value) < 8 {
		return 0, errors.ErrUnsupported
	}
	return Features(binary.NativeEndian.Uint64(value)), nil
}

// genericRequest sends a generic netlink request with one attribute and returns
// the attributes of the answer.
func genericRequest(fd int, family uint16, command uint8, kind uint16, value []byte) ([]byte, error) {
	order := binary.NativeEndian
	padded := (len(value) + 3) &^ 3
	b := make([]byte, unix.NLMSG_HDRLEN+genericHeader+4+padded)
	order.PutUint16(b[4:], family)
	b[unix.NLMSG_HDRLEN], b[unix.NLMSG_HDRLEN+1] = command, 1
	at := b[unix.NLMSG_HDRLEN+genericHeader:]
	order.PutUint16(at, uint16(4+len(value)))
	order.PutUint16(at[2:], kind)
	copy(at[4:], value)
	answer, err := netlinkRequest(fd, b)
	if err != nil {
		return nil, err
	}
	if len(answer) < genericHeader {
		return nil, errors.New("answer cut short")
	}
	return answer[genericHeader:], nil
}

// netlinkRequest sends a message, which lacks length and flags, and returns what
// is behind the header of the answer.
func netlinkRequest(fd int, b []byte) ([]byte, error) {
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, err
	}
	buf := make([]byte, 1<<16)
	n, _, err := unix.Recvfrom(fd, buf, 0)
	if err != nil {
		return nil, err
	}
	return netlinkAnswer(buf[:n])
}

// netlinkAnswer returns what is in a message, or the error that it is.
func netlinkAnswer(b []byte) ([]byte, error) {
	if len(b) < unix.NLMSG_HDRLEN+4 {
		return nil, errors.New("answer cut short")
	}
	if kind := binary.NativeEndian.Uint16(b[4:]); kind == unix.NLMSG_ERROR {
		return nil, unix.Errno(-int32(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN:])))
	}
	length := min(len(b), int(binary.NativeEndian.Uint32(b)))
	if length < unix.NLMSG_HDRLEN {
		return nil, errors.New("answer cut short")
	}
	return b[unix.NLMSG_HDRLEN:length], nil
}

// attribute returns the value of the first attribute of a kind.
func attribute(b []byte, kind uint16) ([]byte, bool) {
	for len(b) >= 4 {
		length := int(binary.NativeEndian.Uint16(b))
		if length < 4 || length > len(b) {
			return nil, false
		}
		if binary.NativeEndian.Uint16(b[2:])&^uint16(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) == kind {
			return b[4:length], true
		}
		b = b[min(len(b), (length+3)&^3):]
	}
	return nil, false
}
