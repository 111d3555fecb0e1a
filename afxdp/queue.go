package afxdp

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/perf"
)

// socketQueue is a Queue over a socket on the worker's own UMEM: frames pass by
// reference. A closed one receives and takes nothing.
type socketQueue struct {
	*socket
	longest  *atomic.Uint32 // frame that the interface sends, bytes
	busyPoll bool
	closed   bool
	count    socketCounters
	kernel   kernelCounters
}

// socketCounters are written by the queue's worker only.
type socketCounters struct {
	trafficCounters
	kicks    perf.Counter // system calls that transmit
	again    perf.Counter // of them, answered with "try again"
	downs    perf.Counter // of them, answered with "port down"
	failures perf.Counter // of them, answered otherwise
	strays   perf.Counter // frames from the kernel that it did not have from this socket
	down     atomic.Bool  // the last system call said that the port is down
}

// shortestFrame is an Ethernet header. The kernel's transmit path refuses less.
const shortestFrame = 14

// Recv takes frames off the RX ring.
func (q *socketQueue) Recv(descs []Desc) int {
	n, bytes := q.take(descs)
	q.count.received(n, bytes)
	return n
}

// take takes descriptors off the RX ring: frames, or pieces of frames where the
// socket was bound for them. It returns how many and their bytes.
func (q *socketQueue) take(descs []Desc) (n int, bytes uint64) {
	if q.closed {
		return 0, 0
	}
	r := &q.rx
	have := r.peek(len(descs))
	if have == 0 {
		return 0, 0
	}
	holder, shift := q.umem.kernel.holder, q.umem.kernel.shift
	for i := range uint32(have) {
		d := r.slots[(r.own+i)&r.mask]
		chunk := d.Addr >> shift
		if chunk >= uint64(len(holder)) || holder[chunk] != q.slot {
			q.count.strays.Add(1)
			continue
		}
		holder[chunk] = 0
		d.Options &= unix.XDP_PKT_CONTD
		descs[n] = d
		n++
		bytes += uint64(d.Len)
	}
	r.release(have)
	return n, bytes
}

// Send puts frames into the TX ring; Flush tells the kernel, which takes a frame
// only when the completion ring has room for it.
func (q *socketQueue) Send(descs []Desc) int {
	if q.closed || len(descs) == 0 {
		return 0
	}
	r := &q.tx
	room := r.reserve(len(descs))
	if room < len(descs) {
		q.reap()
		room = r.reserve(len(descs))
	}
	holder, shift := q.umem.kernel.holder, q.umem.kernel.shift
	n, used, bytes, longest := 0, 0, uint64(0), q.longest.Load()
	for _, d := range descs {
		if d.Len > longest || d.Len < shortestFrame {
			q.umem.Free(d.Addr)
			n++
			continue
		}
		if used == room {
			break
		}
		holder[d.Addr>>shift] = q.slot
		r.slots[(r.own+uint32(used))&r.mask] = Desc{Addr: d.Addr, Len: d.Len}
		used++
		n++
		bytes += uint64(d.Len)
	}
	if used > 0 {
		r.publish(used)
	}
	q.count.sent(used, bytes, n-used, len(descs)-n)
	return n
}

// Flush transmits, reclaims what was sent and refills.
func (q *socketQueue) Flush() {
	if q.closed {
		return
	}
	if q.tx.filled() > 0 {
		q.kick()
	}
	q.reap()
	if q.fill.filled() > 0 {
		q.fill.unread()
	}
	if missing := q.umem.fillTarget(len(q.fill.slots)) - q.fill.filled(); missing > 0 {
		q.refill(missing)
	}
	if q.busyPoll || q.zeroCopy && (!q.wakeups || q.fill.wantsWakeup()) {
		q.noteError(receiveWakeup(q.fd))
	}
}

// kick makes the kernel transmit. In copy mode one call handles a budget of
// frames and says EAGAIN while more remain, so it is called for as long as it
// gets on. In zero-copy mode the driver says when it needs to be woken.
func (q *socketQueue) kick() {
	if q.zeroCopy {
		if q.tx.unread() > 0 && (!q.wakeups || q.tx.wantsWakeup()) {
			q.count.kicks.Add(1)
			q.noteError(transmitWakeup(q.fd))
		}
		return
	}
	for left := q.tx.unread(); left > 0; {
		q.count.kicks.Add(1)
		e := transmitWakeup(q.fd)
		q.noteError(e)
		now := q.tx.unread()
		if now == left {
			return // no progress: the far side is full, or the port is down
		}
		if left = now; left > 0 {
			q.reap() // the call stops when the completion ring is full
		}
	}
}

// noteError counts the answer of a wakeup. None of them is fatal: what is in
// the rings stays there for the next Flush.
func (q *socketQueue) noteError(e unix.Errno) {
	switch e {
	case 0:
		if q.count.down.Load() {
			q.count.down.Store(false)
		}
	case unix.EAGAIN, unix.EBUSY, unix.ENOBUFS, unix.EINTR:
		q.count.again.Add(1)
	case unix.ENETDOWN, unix.ENXIO:
		q.count.downs.Add(1)
		q.count.down.Store(true)
	default:
		q.count.failures.Add(1)
	}
}

// transmitWakeup and receiveWakeup never wait, which is why they may hold the
// scheduler's P and save what unix.Syscall costs to give it up.
func transmitWakeup(fd int) unix.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	return e
}

func receiveWakeup(fd int) unix.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	return e
}

// reap takes everything off the completion ring back to the free list.
func (q *socketQueue) reap() {
	r := &q.done
	n := r.peek(len(r.slots))
	if n == 0 {
		return
	}
	holder, shift := q.umem.kernel.holder, q.umem.kernel.shift
	for i := range uint32(n) {
		addr := r.slots[(r.own+i)&r.mask]
		chunk := addr >> shift
		if chunk >= uint64(len(holder)) || holder[chunk] != q.slot {
			q.count.strays.Add(1)
			continue
		}
		holder[chunk] = 0
		q.umem.Free(addr)
	}
	r.release(n)
}

// refill puts up to n free frames into the fill ring.
func (s *socket) refill(n int) {
	u := s.umem
	n = s.fill.reserve(min(n, u.FreeFrames()-u.reserve()))
	if n <= 0 {
		return
	}
	holder, shift := u.kernel.holder, u.kernel.shift
	for i := range uint32(n) {
		u.nfree--
		addr := u.free[u.nfree]
		holder[addr>>shift] = s.slot
		s.fill.slots[(s.fill.own+i)&s.fill.mask] = addr
	}
	s.fill.publish(n)
}

// Stats adds what the kernel counts. Any goroutine, but never per burst: it is
// a system call.
func (q *socketQueue) Stats() QueueStats { return q.count.stats(q.kernel.read(q.fd)) }

// ringFill looks at the rings. Any goroutine.
func (q *socketQueue) ringFill() RingFill {
	q.kernel.lock.Lock() // the rings stay mapped
	defer q.kernel.lock.Unlock()
	if q.kernel.over {
		return RingFill{}
	}
	return RingFill{Size: len(q.rx.slots), Fill: q.fill.held(), RX: q.rx.held(), TX: q.tx.held(), Completion: q.done.held()}
}

// shut closes the socket; its last statistics stay readable.
func (q *socketQueue) shut() error {
	return q.kernel.end(q.fd, func() error {
		q.closed = true
		return q.close()
	})
}

func (q *socketQueue) release() error {
	q.socket.release()
	return nil
}

func (q *socketQueue) zeroCopyMode() bool { return q.zeroCopy }

func (q *socketQueue) pollFDs() int { return 1 }

func (q *socketQueue) pollFD(int) (fd int, ok bool) { return q.fd, !q.closed }

func (q *socketQueue) info() QueueInfo {
	return QueueInfo{
		ZeroCopy: q.zeroCopy, Reason: q.reason, Down: q.count.down.Load(), Stats: q.Stats(), Kernel: kernelCounts(q.kernel.read(q.fd)),
		Kicks: q.count.kicks.Load(), Again: q.count.again.Load(), Downs: q.count.downs.Load(),
		Failures: q.count.failures.Load(), Strays: q.count.strays.Load(), Rings: q.ringFill(),
	}
}
