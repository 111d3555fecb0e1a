package afxdp

import "fmt"

// privateBurst is how many frames a private queue copies at a time.
const privateBurst = 64

// privateQueue is a Queue over a socket that cannot share the worker's UMEM,
// because of the mode class. It has a UMEM of its own and copies every frame.
type privateQueue struct {
	*socketQueue
	worker *UMEM // that of the worker
	own    *UMEM // that of the socket
	burst  [privateBurst]Desc
}

// newPrivateUMEM makes memory for one socket: full fill and TX rings and two
// bursts, twice that for fillTarget to give the fill ring a whole ring.
func newPrivateUMEM(worker *UMEM, ring int) (*UMEM, error) {
	u, err := NewUMEM(2*(2*ring+2*privateBurst), int(worker.chunk))
	if err != nil {
		return nil, fmt.Errorf("private %w", err)
	}
	return u, nil
}

// Recv never takes more off the ring than the worker's UMEM has room for, so
// nothing is lost in here.
func (q *privateQueue) Recv(descs []Desc) int {
	n := 0
	for n < len(descs) {
		want := min(len(descs)-n, privateBurst, q.worker.FreeFrames())
		got := q.socketQueue.Recv(q.burst[:want])
		for _, d := range q.burst[:got] {
			addr, _ := q.worker.Alloc()
			copy(q.worker.Frame(addr, d.Len), q.own.Frame(d.Addr, d.Len))
			q.own.Free(d.Addr)
			descs[n] = Desc{Addr: addr, Len: d.Len}
			n++
		}
		if got < privateBurst {
			break
		}
	}
	return n
}

// Send takes only as many frames as the own UMEM has room for.
func (q *privateQueue) Send(descs []Desc) int {
	if q.closed {
		return 0
	}
	n := 0
	for n < len(descs) {
		k := min(len(descs)-n, privateBurst, q.own.FreeFrames())
		if k == 0 {
			q.count.txFull.Add(uint64(len(descs) - n))
			return n
		}
		for i, d := range descs[n : n+k] {
			addr, _ := q.own.Alloc()
			// One that has no room is refused by the socket for its length.
			if int(d.Len) <= q.own.Room() {
				copy(q.own.Frame(addr, d.Len), q.worker.Frame(d.Addr, d.Len))
			}
			q.burst[i] = Desc{Addr: addr, Len: d.Len}
		}
		sent := q.socketQueue.Send(q.burst[:k])
		for _, d := range q.burst[sent:k] {
			q.own.Free(d.Addr)
		}
		for _, d := range descs[n : n+sent] {
			q.worker.Free(d.Addr)
		}
		n += sent
		if sent < k {
			q.count.txFull.Add(uint64(len(descs) - n - (k - sent)))
			return n
		}
	}
	return n
}

func (q *privateQueue) release() error {
	q.socket.release()
	return q.own.Close()
}

func (q *privateQueue) info() QueueInfo {
	i := q.socketQueue.info()
	i.Private = true
	return i
}
