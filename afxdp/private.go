package afxdp

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// privateBurst is how many pieces a private queue takes at a time.
const privateBurst = 64

// privateQueue is a Queue over a socket that cannot share the worker's UMEM: the
// mode class differs, or frames may be longer than a page, which is the largest
// chunk that the kernel takes. It has a UMEM of its own and copies every frame.
// A long one lies there in several pieces (multi-buffer XDP): each but the last
// says that it is continued.
type privateQueue struct {
	*socketQueue
	worker *UMEM // that of the worker
	own    *UMEM // that of the socket
	burst  [privateBurst]Desc
	part   Desc // in worker: the frame whose pieces are still coming
	open   bool // there is one
	spoilt bool // it has outgrown its chunk
}

// newPrivateUMEM makes memory for one socket: full fill and TX rings and two
// bursts, twice that for fillTarget to give the fill ring a whole ring.
func newPrivateUMEM(worker *UMEM, ring int) (*UMEM, error) {
	u, err := NewUMEM(2*(2*ring+2*privateBurst), min(int(worker.chunk), unix.Getpagesize()))
	if err != nil {
		return nil, fmt.Errorf("private %w", err)
	}
	return u, nil
}

// Recv never takes more off the ring than the worker's UMEM has room for, so
// that only what is longer than a frame of it is lost in here.
func (q *privateQueue) Recv(descs []Desc) int {
	n, bytes := 0, uint64(0)
	for n < len(descs) {
		want := min(len(descs)-n, privateBurst, q.worker.FreeFrames())
		if q.open {
			want = max(want, 1) // the kernel shows all pieces of a frame at once: the others are there
		}
		got, _ := q.take(q.burst[:want])
		for _, piece := range q.burst[:got] {
			if q.join(piece) {
				descs[n] = q.part
				n++
				bytes += uint64(q.part.Len)
			}
		}
		if got < want || want == 0 {
			break
		}
	}
	q.count.received(n, bytes)
	return n
}

// join appends a piece to the frame in part and says whether that is whole.
func (q *privateQueue) join(piece Desc) bool {
	if !q.open {
		addr, _ := q.worker.Alloc()
		q.part, q.open, q.spoilt = Desc{Addr: addr}, true, false
	}
	if have := int(q.part.Len); have+int(piece.Len) <= q.worker.Room() {
		q.part.Len += piece.Len
		copy(q.worker.Frame(q.part.Addr, q.part.Len)[have:], q.own.Frame(piece.Addr, piece.Len))
	} else {
		q.spoilt = true
	}
	q.own.Free(piece.Addr)
	if piece.Options&unix.XDP_PKT_CONTD != 0 {
		return false
	}
	q.open = false
	if q.spoilt {
		q.worker.Free(q.part.Addr)
		q.count.rxTooLong.Add(1)
	}
	return !q.spoilt
}

// Send copies frames and frees them at once. A frame goes as a whole or stays.
func (q *privateQueue) Send(descs []Desc) int {
	if q.closed {
		return 0
	}
	n, used, bytes, longest := 0, 0, uint64(0), q.longest.Load()
	for _, d := range descs {
		if d.Len <= longest && d.Len >= shortestFrame {
			if !q.cut(d) {
				break
			}
			used++
			bytes += uint64(d.Len)
		}
		q.worker.Free(d.Addr)
		n++
	}
	q.count.sent(used, bytes, n-used, len(descs)-n)
	return n
}

// cut puts a frame into the TX ring, in pieces of about one size: drivers do not
// expect one of a few bytes. False when ring or memory lacks room for it.
func (q *privateQueue) cut(d Desc) bool {
	pieces := (int(d.Len) + q.own.Room() - 1) / q.own.Room()
	r := &q.tx
	if r.reserve(pieces) < pieces || q.own.FreeFrames() < pieces {
		q.reap()
		if r.reserve(pieces) < pieces || q.own.FreeFrames() < pieces {
			return false
		}
	}
	frame := q.worker.Frame(d.Addr, d.Len)
	holder, shift := q.own.kernel.holder, q.own.kernel.shift
	for left := pieces; left > 0; left-- {
		size := (len(frame) + left - 1) / left
		addr, _ := q.own.Alloc()
		piece := Desc{Addr: addr, Len: uint32(size)}
		copy(q.own.Frame(addr, piece.Len), frame)
		frame = frame[size:]
		if left > 1 {
			piece.Options = unix.XDP_PKT_CONTD
		}
		holder[addr>>shift] = q.slot
		r.slots[(r.own+uint32(pieces-left))&r.mask] = piece
	}
	r.publish(pieces)
	return true
}

// release also gives back the frame whose last pieces never came.
func (q *privateQueue) release() error {
	if q.open {
		q.worker.Free(q.part.Addr)
		q.open = false
	}
	q.socket.release()
	return q.own.Close()
}

func (q *privateQueue) info() QueueInfo {
	i := q.socketQueue.info()
	i.Private, i.Pieces = true, q.pieces
	return i
}
