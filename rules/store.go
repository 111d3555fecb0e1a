package rules

import (
	"fmt"
	"sync"

	"github.com/sluice-net/sluice/perf/offheap"
)

// Store holds what limits, quotas and the like remember: one cell each, shared
// by all workers, and by the generations of a ruleset in which the statement is
// the same, so that replacing rules neither resets them nor loses a count. Cells
// are taken by Ruleset.Copy and given back by Image.Free; the last one to give
// one back forgets it. A Store is for the control side; workers only touch the
// cells of their images, with atomic operations.
type Store struct {
	lock  sync.Mutex
	words []uint64 // off the Go heap; cellWords for each cell
	cells map[string]*cell
	free  []uint32
	next  uint32
}

// cell is who uses one.
type cell struct {
	number uint32
	images int
}

const (
	cellWords = 8       // a cache line, so that neighbours do not disturb each other
	maxCells  = 1 << 16 // of one Store
)

// NewStore makes an empty store. Its memory is given back by Close.
func NewStore() (*Store, error) {
	words, err := offheap.Make[uint64](maxCells * cellWords)
	if err != nil {
		return nil, err
	}
	return &Store{words: words, cells: map[string]*cell{}}, nil
}

// Close gives the memory back. No image may be in use any more.
func (s *Store) Close() error {
	s.lock.Lock()
	defer s.lock.Unlock()
	err := offheap.Free(s.words)
	s.words = nil
	return err
}

// acquire takes the cells of stateful statements, new ones where nobody has one
// of the same identity; those begin with initial. It takes all or none.
func (s *Store) acquire(states []stateRef) ([]uint32, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	fresh := 0
	for i := range states {
		if s.cells[states[i].identity] == nil {
			fresh++
		}
	}
	if int(s.next)+fresh-len(s.free) > maxCells {
		return nil, fmt.Errorf("more than %d limits, quotas and other statements with a memory", maxCells)
	}
	numbers := make([]uint32, len(states))
	for i := range states {
		c := s.cells[states[i].identity]
		if c == nil {
			c = &cell{number: s.next}
			if n := len(s.free); n > 0 {
				c.number, s.free = s.free[n-1], s.free[:n-1]
			} else {
				s.next++
			}
			at := int(c.number) * cellWords
			clear(s.words[at : at+cellWords])
			s.words[at] = states[i].initial
			s.cells[states[i].identity] = c
		}
		c.images++
		numbers[i] = c.number
	}
	return numbers, nil
}

// release gives the cells of one image back.
func (s *Store) release(states []stateRef) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for i := range states {
		id := states[i].identity
		if c := s.cells[id]; c != nil {
			if c.images--; c.images == 0 {
				delete(s.cells, id)
				s.free = append(s.free, c.number)
			}
		}
	}
}

// read returns the first word of a cell by identity.
func (s *Store) read(identity string) (uint64, bool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	c := s.cells[identity]
	if c == nil || s.words == nil {
		return 0, false
	}
	return load(&s.words[int(c.number)*cellWords]), true
}
