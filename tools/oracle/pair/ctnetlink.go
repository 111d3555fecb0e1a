package pair

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Messages and attributes of the kernel's conntrack subsystem
// (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
const (
	ctGet      = 1
	ctDelete   = 2
	ctStatsCPU = 4
	ctStats    = 5

	ctaTupleOrig     = 1
	ctaTupleReply    = 2
	ctaStatus        = 3
	ctaProtoInfo     = 4
	ctaHelp          = 5
	ctaTimeout       = 7
	ctaMark          = 8
	ctaUse           = 11
	ctaCountersOrig  = 9
	ctaCountersReply = 10
	ctaZone          = 18
)

// ErrNoEntry says that the kernel has no such entry.
var ErrNoEntry = errors.New("no such entry")

// netfilter speaks to the kernel's netfilter in the namespace of the thread
// that opened it. The socket blocks: a request is answered before it returns,
// and going through Go's poller would cost more than all the rest of a step.
type netfilter struct {
	fd  int
	seq uint32
	buf []byte
}

func dialNetfilter() (*netfilter, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	n := &netfilter{fd: fd, buf: make([]byte, 1<<17)}
	wait := unix.Timeval{Sec: int64(barrierTime / time.Second)}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return nil, errors.Join(os.NewSyscallError("setsockopt", err), n.close())
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(os.NewSyscallError("bind", err), n.close())
	}
	return n, nil
}

func (n *netfilter) close() error { return unix.Close(n.fd) }

// ask sends a request and returns the bodies of the answers, behind nfgenmsg.
// Every request asks for a dump or an acknowledgement, which ends the answers.
func (n *netfilter) ask(subsystem, message int, family uint8, flags netlink.HeaderFlags, attrs []byte) ([][]byte, error) {
	n.seq++
	request := netlink.Message{
		Header: netlink.Header{
			Length: uint32(unix.NLMSG_HDRLEN + 4 + len(attrs)), Type: netlink.HeaderType(subsystem<<8 | message),
			Flags: netlink.Request | flags, Sequence: n.seq,
		},
		Data: append([]byte{family, 0, 0, 0}, attrs...),
	}
	b, err := request.MarshalBinary()
	if err != nil {
		return nil, err
	}
	if err := unix.Sendto(n.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, os.NewSyscallError("sendto", err)
	}
	var bodies [][]byte
	for {
		size, _, err := unix.Recvfrom(n.fd, n.buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, os.NewSyscallError("recvfrom", err)
		}
		messages, err := syscall.ParseNetlinkMessage(n.buf[:size])
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			switch {
			case m.Header.Seq != n.seq: // left by a request that failed
			case m.Header.Type == unix.NLMSG_DONE:
				return bodies, nil
			case m.Header.Type == unix.NLMSG_ERROR:
				code := -int32(binary.NativeEndian.Uint32(m.Data))
				switch unix.Errno(code) {
				case 0:
					return bodies, nil
				case unix.ENOENT:
					return nil, ErrNoEntry
				}
				return nil, fmt.Errorf("netfilter request %d of subsystem %d: %w", message, subsystem, unix.Errno(code))
			case len(m.Data) >= 4:
				bodies = append(bodies, append([]byte(nil), m.Data[4:]...))
			}
		}
	}
}

func (n *netfilter) askConntrack(message int, family uint8, flags netlink.HeaderFlags, attrs []byte) ([][]byte, error) {
	return n.ask(unix.NFNL_SUBSYS_CTNETLINK, message, family, flags, attrs)
}

// entry returns the entry with an original tuple, or ErrNoEntry.
func (n *netfilter) entry(t *Tuple, zone uint16) (Entry, error) {
	key, family, err := encodeKey(t, zone)
	if err != nil {
		return Entry{}, err
	}
	bodies, err := n.askConntrack(ctGet, family, netlink.Acknowledge, key)
	if err != nil {
		return Entry{}, err
	}
	if len(bodies) != 1 {
		return Entry{}, fmt.Errorf("%d answers to one question", len(bodies))
	}
	return decodeEntry(bodies[0])
}

// remove deletes the entry with an original tuple, if there is one.
func (n *netfilter) remove(t *Tuple, zone uint16) error {
	key, family, err := encodeKey(t, zone)
	if err != nil {
		return err
	}
	_, err = n.askConntrack(ctDelete, family, netlink.Acknowledge, key)
	if errors.Is(err, ErrNoEntry) {
		return nil
	}
	return err
}

// flush deletes everything of the namespace. It walks the table of all of them.
func (n *netfilter) flush() error {
	_, err := n.askConntrack(ctDelete, unix.AF_UNSPEC, netlink.Acknowledge, nil)
	return err
}

// entries lists everything of the namespace. It walks the table of all of them.
func (n *netfilter) entries() ([]Entry, error) {
	bodies, err := n.askConntrack(ctGet, unix.AF_UNSPEC, netlink.Dump, nil)
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, b := range bodies {
		e, err := decodeEntry(b)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// count returns how many entries the namespace has, expired ones included.
func (n *netfilter) count() (int, error) {
	bodies, err := n.askConntrack(ctStats, unix.AF_UNSPEC, netlink.Acknowledge, nil)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, b := range bodies {
		err := each(b, func(kind uint16, v *netlink.AttributeDecoder) {
			if kind == 1 {
				total = int(v.Uint32())
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return total, nil
}

// stats sums the counters of all processors, by number of CTA_STATS_*.
func (n *netfilter) stats() ([statNumbers]uint64, error) {
	return n.sum(unix.NFNL_SUBSYS_CTNETLINK, ctStatsCPU)
}

// expectStats does that with those of expectations, by number of CTA_STATS_EXP_*.
func (n *netfilter) expectStats() ([statNumbers]uint64, error) {
	return n.sum(unix.NFNL_SUBSYS_CTNETLINK_EXP, expectStatsCPU)
}

func (n *netfilter) sum(subsystem, message int) (sum [statNumbers]uint64, err error) {
	bodies, err := n.ask(subsystem, message, unix.AF_UNSPEC, netlink.Dump, nil)
	if err != nil {
		return sum, err
	}
	for _, b := range bodies {
		err := each(b, func(kind uint16, v *netlink.AttributeDecoder) {
			if int(kind) < len(sum) {
				sum[kind] += uint64(v.Uint32())
			}
		})
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// Numbers of CTA_STATS_* that are compared.
const (
	statInvalid      = 4
	statInsertFailed = 9
	statDrop         = 10
	statEarlyDrop    = 11
	statError        = 12
	statClashResolve = 14
	statNumbers      = 16

	statExpectNew    = 1
	statExpectCreate = 2
)

// expectStatsCPU asks for the counters of expectations.
const expectStatsCPU = 3

// each calls f for every attribute of b, whose numbers are big endian.
func each(b []byte, f func(kind uint16, v *netlink.AttributeDecoder)) error {
	d, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return err
	}
	d.ByteOrder = binary.BigEndian
	for d.Next() {
		f(d.Type(), d)
	}
	return d.Err()
}

// inside is each for an attribute that holds others.
func inside(v *netlink.AttributeDecoder, f func(kind uint16, v *netlink.AttributeDecoder)) {
	v.Do(func(b []byte) error { return each(b, f) })
}

func encodeKey(t *Tuple, zone uint16) ([]byte, uint8, error) {
	family := uint8(unix.AF_INET6)
	src, dst := uint16(3), uint16(4)
	if t.Src.Is4() {
		family, src, dst = unix.AF_INET, 1, 2
	}
	e := netlink.NewAttributeEncoder()
	e.ByteOrder = binary.BigEndian
	e.Nested(ctaTupleOrig, func(e *netlink.AttributeEncoder) error {
		e.Nested(1, func(e *netlink.AttributeEncoder) error {
			e.Bytes(src, t.Src.AsSlice())
			e.Bytes(dst, t.Dst.AsSlice())
			return nil
		})
		e.Nested(2, func(e *netlink.AttributeEncoder) error {
			e.Uint8(1, t.Proto)
			switch t.Proto {
			case unix.IPPROTO_ICMP:
				e.Uint16(4, t.SrcPort)
				e.Uint8(5, uint8(t.DstPort>>8))
				e.Uint8(6, uint8(t.DstPort))
			case unix.IPPROTO_ICMPV6:
				e.Uint16(7, t.SrcPort)
				e.Uint8(8, uint8(t.DstPort>>8))
				e.Uint8(9, uint8(t.DstPort))
			default:
				e.Uint16(2, t.SrcPort)
				e.Uint16(3, t.DstPort)
			}
			return nil
		})
		return nil
	})
	if zone != 0 {
		e.Uint16(ctaZone, zone)
	}
	b, err := e.Encode()
	return b, family, err
}

func decodeEntry(b []byte) (Entry, error) {
	var e Entry
	err := each(b, func(kind uint16, v *netlink.AttributeDecoder) {
		switch kind {
		case ctaTupleOrig:
			decodeTuple(v, &e.Orig)
		case ctaTupleReply:
			decodeTuple(v, &e.Reply)
		case ctaStatus:
			e.Status = v.Uint32()
		case ctaTimeout:
			e.Timeout = v.Uint32()
		case ctaMark:
			e.Mark = v.Uint32()
		case ctaUse:
			// Nearly always the request holds it too. Without children it then is 1 here.
			e.Use = max(v.Uint32(), 2) - 1
		case ctaZone:
			e.Zone = v.Uint16()
		case ctaCountersOrig, ctaCountersReply:
			dir := kind - ctaCountersOrig
			inside(v, func(kind uint16, v *netlink.AttributeDecoder) {
				switch kind {
				case 1:
					e.Packets[dir] = v.Uint64()
				case 2:
					e.Bytes[dir] = v.Uint64()
				}
			})
		case ctaHelp:
			inside(v, func(kind uint16, v *netlink.AttributeDecoder) {
				if kind == 1 {
					e.Helper = v.String()
				}
			})
		case ctaProtoInfo:
			inside(v, func(kind uint16, v *netlink.AttributeDecoder) {
				names := tcpStates
				if kind == 3 {
					names = sctpStates
				}
				inside(v, func(kind uint16, v *netlink.AttributeDecoder) {
					if kind == 1 {
						e.State = stateName(names, v.Uint8())
					}
				})
			})
		}
	})
	e.Text = WithoutTimeout(e.Line())
	return e, err
}

func decodeTuple(v *netlink.AttributeDecoder, t *Tuple) {
	inside(v, func(kind uint16, v *netlink.AttributeDecoder) {
		switch kind {
		case 1:
			inside(v, func(kind uint16, v *netlink.AttributeDecoder) {
				a, _ := netip.AddrFromSlice(v.Bytes())
				switch kind {
				case 1, 3:
					t.Src = a
				case 2, 4:
					t.Dst = a
				}
			})
		case 2:
			inside(v, func(kind uint16, v *netlink.AttributeDecoder) {
				switch kind {
				case 1:
					t.Proto = v.Uint8()
				case 2, 4, 7:
					t.SrcPort = v.Uint16()
				case 3:
					t.DstPort = v.Uint16()
				case 5, 8:
					t.DstPort |= uint16(v.Uint8()) << 8
				case 6, 9:
					t.DstPort |= uint16(v.Uint8())
				}
			})
		}
	})
}
