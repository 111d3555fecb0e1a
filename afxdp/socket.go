package afxdp

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

const ringNeedWakeup = unix.XDP_RING_NEED_WAKEUP

// bindPatience is how long a bind that answers EBUSY is tried again: the kernel
// frees a closed socket's queue in deferred work, some 25 ms later.
const bindPatience = time.Second

// zeroCopyLinger is how long frames of a closed zero-copy socket are kept from
// the free list, for the same deferred work stops the device's DMA.
const zeroCopyLinger = 50 * time.Millisecond

// errModeClass: the queue's driver cannot do the mode that the UMEM is in.
var errModeClass = errors.New("mode differs from that of the UMEM's other sockets")

// socket is an AF_XDP socket with its four rings, bound to one queue of one
// interface. The worker that owns the UMEM works the rings; opening and closing
// is the control side's.
type socket struct {
	fd       int
	umem     *UMEM
	slot     uint8 // in the UMEM's registry
	joined   bool
	pieces   bool // frames longer than a chunk come and go in several
	wakeups  bool // the kernel sets the wakeup flags
	zeroCopy bool
	reason   string // why not zeroCopy, where that was tried
	fill     kernelRing[uint64]
	rx       kernelRing[Desc]
	tx       kernelRing[Desc]
	done     kernelRing[uint64]
}

// openSocket makes a socket on a queue, with frames in its fill ring before it
// is bound: some drivers never receive when they find the ring empty then. With
// pieces, which no socket that shares its memory may have, frames may be longer
// than a chunk.
func openSocket(u *UMEM, ifindex, queue int, opt Options, pieces bool) (s *socket, err error) {
	if err = u.prepare(); err != nil {
		return nil, err
	}
	if u.kernel.living > 0 && (opt.Mode == ModeCopy && u.kernel.zeroCopy || opt.Mode == ModeZeroCopy && !u.kernel.zeroCopy) {
		return nil, errModeClass
	}
	s = &socket{umem: u, pieces: pieces}
	if s.fd, err = unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
		return nil, explainSocket(err)
	}
	defer func() {
		if err != nil {
			_ = s.close() // the first error is the one to tell
			if s.zeroCopy {
				time.Sleep(zeroCopyLinger)
			}
			s.release()
			s = nil
		}
	}()
	if err = u.enter(s); err != nil {
		return s, err
	}
	if err = s.setUp(opt); err != nil {
		return s, err
	}
	s.refill(min(256, u.FreeFrames()/4))
	if err = s.bind(ifindex, queue, opt); err != nil {
		return s, err
	}
	if s.zeroCopy, err = socketOptions(s.fd); err != nil {
		return s, fmt.Errorf("read socket options: %w", err)
	}
	u.join(s)
	return s, nil
}

func explainSocket(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return errPrivilege("open an AF_XDP socket", err)
	case errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("this kernel has no AF_XDP sockets (CONFIG_XDP_SOCKETS): %w", err)
	}
	return fmt.Errorf("open an AF_XDP socket: %w", err)
}

// setUp registers the memory if no other socket has, and makes the rings.
func (s *socket) setUp(opt Options) error {
	if s.umem.chunk > uint64(unix.Getpagesize()) {
		return fmt.Errorf("frames of %d bytes: AF_XDP takes no more than a page, %d", s.umem.chunk, unix.Getpagesize())
	}
	if s.umem.kernel.living == 0 {
		err := registerMemory(s.fd, s.umem.mem, int(s.umem.chunk))
		if errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("register %d bytes of frame memory: over the limit of locked memory; raise it with `ulimit -l unlimited`: %w", len(s.umem.mem), err)
		}
		if err != nil {
			return fmt.Errorf("register frame memory: %w", err)
		}
	}
	for _, name := range []int{unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_COMPLETION_RING, unix.XDP_RX_RING, unix.XDP_TX_RING} {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_XDP, name, opt.Ring); err != nil {
			return fmt.Errorf("make a ring of %d: %w", opt.Ring, err)
		}
	}
	off, err := mmapOffsets(s.fd)
	if err != nil {
		return fmt.Errorf("read ring offsets: %w", err)
	}
	if s.fill, err = mapRing[uint64](s.fd, unix.XDP_UMEM_PGOFF_FILL_RING, off.Fr, opt.Ring); err != nil {
		return fmt.Errorf("map fill ring: %w", err)
	}
	if s.done, err = mapRing[uint64](s.fd, unix.XDP_UMEM_PGOFF_COMPLETION_RING, off.Cr, opt.Ring); err != nil {
		return fmt.Errorf("map completion ring: %w", err)
	}
	if s.rx, err = mapRing[Desc](s.fd, unix.XDP_PGOFF_RX_RING, off.Rx, opt.Ring); err != nil {
		return fmt.Errorf("map RX ring: %w", err)
	}
	if s.tx, err = mapRing[Desc](s.fd, unix.XDP_PGOFF_TX_RING, off.Tx, opt.Ring); err != nil {
		return fmt.Errorf("map TX ring: %w", err)
	}
	// Older kernels do not know the option and send 32 frames a call.
	_ = unix.SetsockoptInt(s.fd, unix.SOL_XDP, unix.XDP_MAX_TX_SKB_BUDGET, opt.TxBudget)
	if opt.BusyPoll > 0 {
		return s.busyPoll(opt)
	}
	return nil
}

func (s *socket) busyPoll(opt Options) error {
	for _, o := range [...]struct{ name, value int }{
		{unix.SO_PREFER_BUSY_POLL, 1},
		{unix.SO_BUSY_POLL, max(1, int(opt.BusyPoll/time.Microsecond))},
		{unix.SO_BUSY_POLL_BUDGET, 64},
	} {
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, o.name, o.value); err != nil {
			return fmt.Errorf("turn busy polling on: %w", err)
		}
	}
	return nil
}

// bind binds to the queue. A socket that shares the UMEM may give no flag but
// that: it inherits mode and wakeup flag. In ModeAuto zero-copy is tried first,
// and what the kernel says to it is kept.
func (s *socket) bind(ifindex, queue int, opt Options) error {
	sa := unix.SockaddrXDP{Ifindex: uint32(ifindex), QueueID: uint32(queue)}
	if first, shared := s.umem.anyLiving(); shared {
		sa.Flags, sa.SharedUmemFD = unix.XDP_SHARED_UMEM, uint32(first)
		s.wakeups = true
		err := bindPatiently(s.fd, &sa)
		switch {
		case err == nil:
			if !s.umem.kernel.zeroCopy && opt.Mode == ModeAuto {
				s.reason = "the worker's memory belongs to queues that copy"
			}
			return nil
		case s.umem.kernel.zeroCopy && refusesMode(err):
			return fmt.Errorf("%w: %w", errModeClass, err)
		}
		return explainBind(err)
	}
	if opt.Mode != ModeCopy {
		err := s.bindMode(&sa, unix.XDP_ZEROCOPY)
		switch {
		case err == nil || opt.Mode == ModeAuto && !refusesMode(err):
			return explainBind(err)
		case opt.Mode == ModeZeroCopy && errors.Is(err, unix.EOPNOTSUPP):
			return fmt.Errorf("the driver has no zero-copy mode; use mode auto or copy: %w", err)
		case opt.Mode == ModeZeroCopy:
			return explainBind(err)
		}
		s.reason = fmt.Sprintf("the driver refuses: %v", err)
	}
	return explainBind(s.bindMode(&sa, unix.XDP_COPY))
}

// bindMode binds in a mode, without the wakeup flag if the kernel or the driver
// does not know it.
func (s *socket) bindMode(sa *unix.SockaddrXDP, mode uint16) error {
	if s.pieces {
		mode |= unix.XDP_USE_SG
	}
	s.wakeups = true
	sa.Flags = mode | unix.XDP_USE_NEED_WAKEUP
	err := bindPatiently(s.fd, sa)
	if errors.Is(err, unix.EINVAL) {
		s.wakeups = false
		sa.Flags = mode
		err = bindPatiently(s.fd, sa)
	}
	return err
}

// refusesMode says whether a bind has failed for the mode's sake.
func refusesMode(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP)
}

func explainBind(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("queue is taken by another AF_XDP socket; find its program with `ss --xdp -p` and stop it: %w", err)
	}
	return fmt.Errorf("bind: %w", err)
}

func bindPatiently(fd int, sa *unix.SockaddrXDP) error {
	for end := time.Now().Add(bindPatience); ; time.Sleep(5 * time.Millisecond) {
		err := unix.Bind(fd, sa)
		if !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}

// close gives the queue back to the kernel. Frames that were not sent yet are
// lost. The mappings go first: each of them holds the socket.
func (s *socket) close() error {
	var errs []error
	for _, mem := range [][]byte{s.fill.mem, s.done.mem, s.rx.mem, s.tx.mem} {
		if mem != nil {
			errs = append(errs, unix.Munmap(mem))
		}
	}
	errs = append(errs, unix.Close(s.fd))
	return errors.Join(errs...)
}

// release returns all frames of a closed socket to the UMEM, for a zero-copy one
// only after zeroCopyLinger.
func (s *socket) release() { s.umem.leave(s) }
