package rules

import (
	"errors"
	"math/bits"
	"slices"
	"sync"

	"github.com/sluice-net/sluice/perf/offheap"
)

// shelf keeps the memory of images that were freed for the next ones. Fresh memory
// from the kernel costs several times what it takes to copy an image there, and
// giving memory back interrupts the workers. As much lies here as one publish left.
type shelf struct {
	lock    sync.Mutex
	regions [][]uint64
}

// take returns at least so many words, whatever is in them.
func (s *shelf) take(words int) ([]uint64, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	fits := func(r []uint64) bool { return len(r) >= words && len(r)/2 <= max(words, shelfStep) }
	if i := slices.IndexFunc(s.regions, fits); i >= 0 {
		r := s.regions[i]
		s.regions = slices.Delete(s.regions, i, i+1)
		return r, nil
	}
	if err := s.clear(); err != nil { // what is there is too small, or much too large
		return nil, err
	}
	step := max(shelfStep, 1<<bits.Len(uint(words))/16) // rulesets grow
	return offheap.Make[uint64]((words + step - 1) / step * step)
}

// shelfStep is the least that regions differ by, in words.
const shelfStep = 512

// put takes memory back.
func (s *shelf) put(region []uint64) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.regions = append(s.regions, region)
}

// clear gives everything back to the kernel.
func (s *shelf) clear() (err error) {
	for _, r := range s.regions {
		err = errors.Join(err, offheap.Free(r))
	}
	s.regions = nil
	return err
}
