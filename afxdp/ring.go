package afxdp

import (
	"fmt"
	"sync/atomic"

	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/offheap"
)

const maxRing = 1 << 24

// Ring carries elements in order from one producer to one consumer, without
// locks. One goroutine at a time is the producer and calls the methods of that
// half, one is the consumer; they may be the same.
//
// Each half keeps its own index and a copy of the other's. The copy is read
// anew, by one atomic load, only when it does not show enough room or elements;
// work done is made visible by one atomic store. Halves lie on different cache
// lines so that neither side's stores take the other's line away.
//
// A burst may be worked on in place: the producer reserves, writes through
// Slot, and publishes; the consumer peeks, reads through Slot, and releases.
type Ring[T any] struct {
	slots []T
	mask  uint32
	_     perf.Pad
	prod  half // seen: how far the consumer had got
	_     perf.Pad
	cons  half // seen: how far the producer had got
	_     perf.Pad
}

// half is one side of a ring. Indices run freely over 32 bits.
type half struct {
	shared atomic.Uint32 // own index, for the other side to read
	own    uint32        // the same, for itself
	seen   uint32        // other side's index as last read
}

// NewRing makes a ring of size elements, a power of two up to 2^24, in off-heap
// memory: T must hold no pointers.
func NewRing[T any](size int) (*Ring[T], error) {
	if size < 1 || size > maxRing || size&(size-1) != 0 {
		return nil, fmt.Errorf("ring of %d: want a power of two up to %d", size, maxRing)
	}
	slots, err := offheap.Make[T](size)
	if err != nil {
		return nil, fmt.Errorf("ring: %w", err)
	}
	return &Ring[T]{slots: slots, mask: uint32(size - 1)}, nil
}

// Close gives the memory back. Neither side may use the ring any more.
func (r *Ring[T]) Close() error {
	slots := r.slots
	r.slots = nil
	return offheap.Free(slots)
}

// Size returns how many elements the ring can hold.
func (r *Ring[T]) Size() int { return int(r.mask) + 1 }

// Len returns how many elements were published and not yet released. Any
// goroutine may call it; only the consumer and the producer get an answer
// that the other side alone can change: more elements, or fewer.
func (r *Ring[T]) Len() int {
	released := r.cons.shared.Load()
	return int(min(r.prod.shared.Load()-released, r.mask+1))
}

// Slot returns the element of an index that Reserve or Peek gave.
func (r *Ring[T]) Slot(index uint32) *T { return &r.slots[index&r.mask] }

// Index returns the place of an index in memory, 0 to Size-1, for callers who
// keep more memory beside the elements.
func (r *Ring[T]) Index(index uint32) uint32 { return index & r.mask }

// Reserve returns the index of the first unpublished slot and how many there
// are to write, n at most. Producer only. It takes nothing: calling again
// without Publish gives the same slots.
func (r *Ring[T]) Reserve(n int) (first uint32, got int) {
	p := &r.prod
	room := r.mask + 1 - (p.own - p.seen)
	if int(room) < n {
		p.seen = r.cons.shared.Load()
		room = r.mask + 1 - (p.own - p.seen)
	}
	return p.own, min(int(room), n)
}

// Publish hands the first n reserved slots to the consumer. Producer only.
func (r *Ring[T]) Publish(n int) {
	r.prod.own += uint32(n)
	r.prod.shared.Store(r.prod.own)
}

// Peek returns the index of the oldest element and how many there are to read,
// n at most. Consumer only. It takes nothing.
func (r *Ring[T]) Peek(n int) (first uint32, got int) {
	c := &r.cons
	if int(c.seen-c.own) < n {
		c.seen = r.prod.shared.Load()
	}
	return c.own, min(int(c.seen-c.own), n)
}

// Release gives the slots of the n oldest elements back to the producer.
// Consumer only.
func (r *Ring[T]) Release(n int) {
	r.cons.own += uint32(n)
	r.cons.shared.Store(r.cons.own)
}

// Push copies elements into the ring and returns how many went in. Producer
// only.
func (r *Ring[T]) Push(from []T) int {
	first, n := r.Reserve(len(from))
	if n == 0 {
		return 0
	}
	at := first & r.mask
	done := copy(r.slots[at:], from[:n])
	copy(r.slots, from[done:n])
	r.Publish(n)
	return n
}

// Pop copies the oldest elements out of the ring and returns how many. Consumer
// only.
func (r *Ring[T]) Pop(to []T) int {
	first, n := r.Peek(len(to))
	if n == 0 {
		return 0
	}
	at := first & r.mask
	done := copy(to[:n], r.slots[at:])
	copy(to[done:n], r.slots)
	r.Release(n)
	return n
}
