package offheap

import (
	"errors"
	"math/bits"
	"slices"
	"sync"
)

// Shelf keeps memory that was given back for the next ones of about the same size.
// Fresh memory from the kernel costs several times what it takes to copy something
// there, and giving memory back interrupts the workers. As much lies here as was in
// use at once. The zero value is empty. Safe for concurrent use; a worker has no
// business here.
type Shelf[T any] struct {
	lock    sync.Mutex
	regions [][]T
}

// Take returns at least so many elements, whatever is in them. They go back by Put, or
// by Free.
func (s *Shelf[T]) Take(n int) ([]T, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	fits := func(r []T) bool { return len(r) >= n && len(r)/2 <= max(n, shelfStep) }
	if i := slices.IndexFunc(s.regions, fits); i >= 0 {
		r := s.regions[i]
		s.regions = slices.Delete(s.regions, i, i+1)
		return r, nil
	}
	if err := s.clear(); err != nil { // what is there is too small, or much too large
		return nil, err
	}
	step := max(shelfStep, 1<<bits.Len(uint(n))/16) // what is kept grows
	return Make[T]((n + step - 1) / step * step)
}

// shelfStep is the least that regions differ by, in elements.
const shelfStep = 512

// Put takes back what Take returned, all of it.
func (s *Shelf[T]) Put(region []T) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.regions = append(s.regions, region)
}

// Clear gives everything that lies here back to the kernel.
func (s *Shelf[T]) Clear() error {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.clear()
}

func (s *Shelf[T]) clear() (err error) {
	for _, r := range s.regions {
		err = errors.Join(err, Free(r))
	}
	s.regions = nil
	return err
}
