package afxdp

import "github.com/sluice-net/sluice/perf"

// pipeQueue is one queue of one end of a pipe.
type pipeQueue struct {
	umem    *UMEM
	limit   int     // longest frame in bytes
	out, in []*lane // out: one, or with steering one per queue of the far end, in their order
	steer   func(frame []byte) int
	pending []pending // one per lane of out; all zero between calls
	turn    int       // lane of in that Recv looks at first

	rxFrames, rxBytes perf.Counter
	txFrames, txBytes perf.Counter
	rxNoFrame, txFull perf.Counter
	txTooLong         perf.Counter
}

// pending is what one Send has put into a lane and not published yet.
type pending struct{ used, room int }

// Recv copies what has arrived into frames of the own UMEM. The lanes take
// turns in being first, so that no sender can starve another.
func (q *pipeQueue) Recv(descs []Desc) int {
	n, lost := 0, 0
	var bytes uint64
	for i := range q.in {
		if n == len(descs) {
			break
		}
		at := q.turn + i
		if at >= len(q.in) {
			at -= len(q.in)
		}
		l := q.in[at]
		first, have := l.ring.Peek(len(descs) - n)
		if have == 0 {
			continue
		}
		for j := range have {
			index := first + uint32(j)
			d := *l.ring.Slot(index)
			addr, ok := q.umem.Alloc()
			if !ok {
				lost++
				continue
			}
			d.Addr = addr
			copy(q.umem.Frame(addr, d.Len), l.bytes(index))
			descs[n] = d
			n++
			bytes += uint64(d.Len)
		}
		l.ring.Release(have)
	}
	if q.turn++; q.turn >= len(q.in) {
		q.turn = 0
	}
	if n > 0 {
		q.rxFrames.Add(uint64(n))
		q.rxBytes.Add(bytes)
	}
	if lost > 0 {
		q.rxNoFrame.Add(uint64(lost))
	}
	return n
}

// Send copies frames out and frees them at once. It stops at the first frame
// whose lane is full, so that order holds.
func (q *pipeQueue) Send(descs []Desc) int {
	n, tooLong := 0, 0
	var bytes uint64
	for _, d := range descs {
		if int(d.Len) > q.limit {
			tooLong++
			q.umem.Free(d.Addr)
			n++
			continue
		}
		frame := q.umem.Frame(d.Addr, d.Len)
		to := 0
		if q.steer != nil {
			to = int(uint(q.steer(frame)) % uint(len(q.out)))
		}
		l, p := q.out[to], &q.pending[to]
		if p.used == p.room {
			// Either the first frame for this lane or no room was left when
			// it was asked last: asking again sees what was released since.
			if _, p.room = l.ring.Reserve(p.used + len(descs) - n); p.used == p.room {
				break
			}
		}
		index, _ := l.ring.Reserve(0)
		index += uint32(p.used)
		*l.ring.Slot(index) = Desc{Len: d.Len, Options: d.Options}
		copy(l.bytes(index), frame)
		p.used++
		q.umem.Free(d.Addr)
		n++
		bytes += uint64(d.Len)
	}
	for i := range q.pending {
		if p := &q.pending[i]; p.used > 0 {
			q.out[i].ring.Publish(p.used)
			*p = pending{}
		} else {
			p.room = 0
		}
	}
	if n > tooLong {
		q.txFrames.Add(uint64(n - tooLong))
		q.txBytes.Add(bytes)
	}
	if tooLong > 0 {
		q.txTooLong.Add(uint64(tooLong))
	}
	if n < len(descs) {
		q.txFull.Add(uint64(len(descs) - n))
	}
	return n
}

// Flush does nothing: Send has published, and frames are free already.
func (q *pipeQueue) Flush() {}

func (q *pipeQueue) Stats() QueueStats {
	return QueueStats{
		RxFrames: q.rxFrames.Load(), RxBytes: q.rxBytes.Load(),
		TxFrames: q.txFrames.Load(), TxBytes: q.txBytes.Load(),
		RxNoFrame: q.rxNoFrame.Load(), TxFull: q.txFull.Load(), TxTooLong: q.txTooLong.Load(),
	}
}
