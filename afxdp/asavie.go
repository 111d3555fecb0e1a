package afxdp

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/asavie/xdp"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/perf"
)

// asavieLock is held over making a socket: the other package takes its bind
// flags from a variable.
var asavieLock sync.Mutex

// asavieQueue is a Queue over a socket of github.com/asavie/xdp, with our own
// program in front of it. That socket has its own memory, one half for each
// direction, so frames are copied to and from the worker's UMEM.
//
// What the other package gives away as free may still be in use, so on the
// receiving side we never ask it for frames after the first fill: a received
// frame is copied and goes straight back into the fill ring. On the sending
// side frames are asked for and handed over in one go. It panics when the
// kernel answers a transmit with anything but "again", a link that is down for
// one: the panic is caught at the call, the queue counts as down and tries
// again every downPause flushes.
type asavieQueue struct {
	xsk     *xdp.Socket
	fd      int
	worker  *UMEM
	longest *atomic.Uint32 // frame that the interface sends, bytes
	ring    int
	zero    bool
	closed  bool
	pause   int // flushes until a queue that is down transmits again

	count         trafficCounters
	kicks, panics perf.Counter
	down          atomic.Bool
	kernel        kernelCounters
}

const downPause = 1024

func openAsavie(u *UMEM, ifindex, queue int, opt Options) (*asavieQueue, error) {
	asavieLock.Lock()
	defer asavieLock.Unlock()
	flags := xdp.DefaultSocketFlags
	defer func() { xdp.DefaultSocketFlags = flags }()
	switch {
	case opt.Mode == ModeZeroCopy:
		xdp.DefaultSocketFlags = unix.XDP_ZEROCOPY
	case opt.Mode == ModeCopy:
		xdp.DefaultSocketFlags = unix.XDP_COPY
	default:
		xdp.DefaultSocketFlags = 0
	}
	xsk, err := xdp.NewSocket(ifindex, queue, &xdp.SocketOptions{
		NumFrames: 2 * opt.Ring, FrameSize: int(u.chunk),
		FillRingNumDescs: opt.Ring, CompletionRingNumDescs: opt.Ring,
		RxRingNumDescs: opt.Ring, TxRingNumDescs: opt.Ring,
	})
	if err != nil {
		// It wraps no error number, and it never lets go of a queue.
		return nil, fmt.Errorf("asavie backend: %w (a queue that is taken, or was opened before in this process, cannot be opened: use the own backend)", err)
	}
	q := &asavieQueue{xsk: xsk, fd: xsk.FD(), worker: u, ring: opt.Ring}
	if q.zero, err = socketOptions(q.fd); err != nil {
		return nil, errors.Join(fmt.Errorf("read socket options: %w", err), xsk.Close())
	}
	xsk.Fill(xsk.GetDescs(opt.Ring, true))
	return q, nil
}

// Recv never takes more than the worker's UMEM has room for.
func (q *asavieQueue) Recv(descs []Desc) int {
	if q.closed {
		return 0
	}
	have := min(q.xsk.NumReceived(), len(descs), q.worker.FreeFrames())
	if have == 0 {
		return 0
	}
	got := q.xsk.Receive(have)
	var bytes uint64
	for i, d := range got {
		addr, _ := q.worker.Alloc()
		copy(q.worker.Frame(addr, d.Len), q.xsk.GetFrame(d))
		descs[i] = Desc{Addr: addr, Len: d.Len}
		bytes += uint64(d.Len)
	}
	q.xsk.Fill(got)
	q.count.received(len(got), bytes)
	return len(got)
}

// Send copies frames and frees them at once.
func (q *asavieQueue) Send(descs []Desc) int {
	if q.closed || len(descs) == 0 {
		return 0
	}
	q.reap()
	free := q.xsk.GetDescs(min(len(descs), q.xsk.NumFreeTxSlots()), false)
	n, used, bytes, longest := 0, 0, uint64(0), q.longest.Load()
	for _, d := range descs {
		if d.Len > longest || d.Len < shortestFrame {
			q.worker.Free(d.Addr)
			n++
			continue
		}
		if used == len(free) {
			break
		}
		free[used].Len = d.Len
		copy(q.xsk.GetFrame(free[used]), q.worker.Frame(d.Addr, d.Len))
		q.worker.Free(d.Addr)
		used++
		n++
		bytes += uint64(d.Len)
	}
	if used > 0 {
		q.transmit(free[:used])
	}
	q.count.sent(used, bytes, n-used, len(descs)-n)
	return n
}

// transmit puts frames into the TX ring and makes the kernel look at it. The
// frames are in the ring also when it panics.
func (q *asavieQueue) transmit(frames []xdp.Desc) {
	defer func() {
		if recover() != nil {
			q.panics.Add(1)
			q.pause = downPause
			q.down.Store(true)
		}
	}()
	q.kicks.Add(1)
	q.xsk.Transmit(frames)
	if q.down.Load() {
		q.down.Store(false)
	}
}

// Flush transmits what an earlier call left in the TX ring, for as long as the
// kernel gets on, and reclaims.
func (q *asavieQueue) Flush() {
	if q.closed {
		return
	}
	if q.pause > 0 {
		q.pause--
	} else {
		for left := q.ring - q.xsk.NumFreeTxSlots(); left > 0; {
			q.transmit(nil)
			now := q.ring - q.xsk.NumFreeTxSlots()
			if now >= left {
				break
			}
			left = now
			q.reap()
		}
	}
	q.reap()
}

func (q *asavieQueue) reap() {
	if n := q.xsk.NumCompleted(); n > 0 {
		q.xsk.Complete(n)
	}
}

func (q *asavieQueue) Stats() QueueStats { return q.count.stats(q.kernel.read(q.fd)) }

func (q *asavieQueue) shut() error {
	return q.kernel.end(q.fd, func() error {
		q.closed = true
		return q.xsk.Close()
	})
}

func (q *asavieQueue) release() error { return nil }

func (q *asavieQueue) zeroCopyMode() bool { return q.zero }

func (q *asavieQueue) pollFDs() int { return 1 }

func (q *asavieQueue) pollFD(int) (fd int, ok bool) { return q.fd, !q.closed }

func (q *asavieQueue) info() QueueInfo {
	return QueueInfo{
		ZeroCopy: q.zero, Private: true, Down: q.down.Load(), Stats: q.Stats(), Kernel: kernelCounts(q.kernel.read(q.fd)),
		Kicks: q.kicks.Load(), Downs: q.panics.Load(),
	}
}
