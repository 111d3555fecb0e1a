package afxdp

import "sync/atomic"

// kernelRing is one of the four rings that a socket shares with the kernel. On
// the fill and TX rings we produce and the kernel consumes; on the RX and
// completion rings it is the other way round.
//
// As in Ring, each burst costs one atomic load of the kernel's index, and that
// only when the copy of it shows too little, and one atomic store of ours. On
// amd64 the store is a full barrier, which the check of the wakeup flag that
// follows it needs.
type kernelRing[T any] struct {
	prod, cons *atomic.Uint32 // one written by us only, one by the kernel only
	flags      *atomic.Uint32 // written by the kernel only
	slots      []T
	mask       uint32
	own        uint32 // our index
	seen       uint32 // the kernel's index as last read
	mem        []byte // the mapping
}

// reserve returns how many slots from own on may be written, n at most.
func (r *kernelRing[T]) reserve(n int) int {
	room := r.mask + 1 - (r.own - r.seen)
	if int(room) < n {
		r.seen = r.cons.Load()
		room = r.mask + 1 - (r.own - r.seen)
	}
	return min(int(room), n)
}

// publish hands the next n slots, which have been written, to the kernel.
func (r *kernelRing[T]) publish(n int) {
	r.own += uint32(n)
	r.prod.Store(r.own)
}

// peek returns how many elements from own on may be read, n at most.
func (r *kernelRing[T]) peek(n int) int {
	if int(r.seen-r.own) < n {
		r.seen = r.prod.Load()
	}
	return min(int(r.seen-r.own), n)
}

// release gives the next n slots, which have been read, back to the kernel.
func (r *kernelRing[T]) release(n int) {
	r.own += uint32(n)
	r.cons.Store(r.own)
}

// unread returns how many elements of ours the kernel has not taken yet.
func (r *kernelRing[T]) unread() int {
	r.seen = r.cons.Load()
	return int(r.own - r.seen)
}

// filled returns the same without reading the kernel's index: never too few.
func (r *kernelRing[T]) filled() int { return int(r.own - r.seen) }

// held returns how many elements the ring holds. Any goroutine may ask, as long
// as the ring stays mapped; with both sides at work it was so a moment ago.
func (r *kernelRing[T]) held() int {
	cons := r.cons.Load()
	return int(min(r.prod.Load()-cons, r.mask+1))
}

// wantsWakeup says whether the kernel waits for a system call before it looks
// at the ring again.
func (r *kernelRing[T]) wantsWakeup() bool { return r.flags.Load()&ringNeedWakeup != 0 }
