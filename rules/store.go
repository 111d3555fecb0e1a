package rules

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules/nft"
)

// Store holds what limits, quotas and the like remember: one cell each, shared
// by all workers, and by the generations of a ruleset in which the statement is
// the same, so that replacing rules neither resets them nor loses a count. It also
// keeps the memory of one generation's images for the next one's. Cells
// are taken by Ruleset.Copy and given back by Image.Free; the last one to give
// one back forgets it. A Store is for the control side; workers only touch the
// cells of their images, with atomic operations.
type Store struct {
	lock  sync.Mutex
	words []uint64 // off the Go heap; cellWords for each cell
	cells map[string]*cell
	free  []uint32
	next  uint32
	sets  map[string]*dynTable
	flows *flowtable.Table
	shelf offheap.Shelf[uint64]

	chance *Chance     // seeds the hashes of sets
	clock  *perf.Clock // that workers go by; nil: there is none
}

// cell is who uses one.
type cell struct {
	number uint32
	tally  uint32 // that its word names; 0: none
	images int
}

const (
	cellWords = 8       // a cache line, so that neighbours do not disturb each other
	maxCells  = 1 << 16 // of one Store
)

// NewStore makes an empty store for rules about the flows of a table; nil: no
// rule counts flows or gives them timeouts. Its memory is given back by Close.
// chance seeds the hashes of sets that change; nil is the runtime's. clock is the one
// that workers go by; without one the time of a text's element begins with the first
// packet that meets it.
func NewStore(flows *flowtable.Table, chance *Chance, clock *perf.Clock) (*Store, error) {
	words, err := offheap.Make[uint64](maxCells * cellWords)
	if err != nil {
		return nil, err
	}
	return &Store{words: words, cells: map[string]*cell{}, sets: map[string]*dynTable{}, flows: flows, chance: chance, clock: clock}, nil
}

// Close gives the memory back. No image may be in use any more.
func (s *Store) Close() error {
	s.lock.Lock()
	defer s.lock.Unlock()
	err := errors.Join(offheap.Free(s.words), s.shelf.Clear())
	s.words = nil
	for id, t := range s.sets {
		err = errors.Join(err, t.free())
		delete(s.sets, id)
	}
	return err
}

// acquire takes the cells of stateful statements, new ones where nobody has one
// of the same identity; those begin with initial. It takes all or none.
func (s *Store) acquire(states []stateRef) ([]uint32, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	fresh := 0
	for i := range states {
		if _, counts := states[i].stmt.(*nft.ConnLimit); counts && s.flows == nil {
			return nil, errorf(states[i].stmt.Position(), "there are no flows to count")
		}
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
			if _, counts := states[i].stmt.(*nft.ConnLimit); counts {
				c.tally = s.flows.NewTally()
				s.words[at] = uint64(c.tally)
			}
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
				if c.tally != 0 {
					s.flows.EndTally(c.tally)
				}
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

// write sets the first word of a cell by identity.
func (s *Store) write(identity string, value uint64) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if c := s.cells[identity]; c != nil && s.words != nil {
		atomic.StoreUint64(&s.words[int(c.number)*cellWords], value)
	}
}

// tables takes the tables of sets that change, new ones where nobody has one,
// and puts the text's elements into them. It takes all or none.
func (s *Store) tables(specs []dynSpec) ([]*dynTable, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	out := make([]*dynTable, 0, len(specs))
	for i := range specs {
		d := &specs[i]
		id := d.table()
		t := s.sets[id]
		if t == nil {
			var err error
			if t, err = newDynTable(d.size, d.cells(), d.key, d.data, s.chance); err != nil {
				return nil, errors.Join(err, s.giveBack(specs[:i]))
			}
			t.clock = s.clock
			if err := t.counts(d, s.flows); err != nil {
				return nil, errors.Join(err, t.free(), s.giveBack(specs[:i]))
			}
			if old := s.tableOf(d); old != nil {
				t.adopt(old, d)
			}
			s.sets[id] = t
		}
		if t.images++; t.spec != d { // the first image of a ruleset
			before := t.spec
			t.spec = d
			d.begin(t, before)
		}
		out = append(out, t)
	}
	return out, nil
}

// tableOf returns the table of the same set, as it was before it grew or its elements
// got other statements; nil: there is none. Held: s.lock.
func (s *Store) tableOf(d *dynSpec) *dynTable {
	for _, t := range s.sets {
		if t.spec != nil && t.spec.name == d.name && t.key == d.key && t.data == d.data && noded(t.spec.set) == noded(d.set) {
			return t
		}
	}
	return nil
}

func (s *Store) releaseTables(specs []dynSpec) {
	s.lock.Lock()
	defer s.lock.Unlock()
	_ = s.giveBack(specs)
}

// giveBack frees the tables that nobody uses any more.
func (s *Store) giveBack(specs []dynSpec) (err error) {
	for i := range specs {
		id := specs[i].table()
		if t := s.sets[id]; t != nil {
			if t.images--; t.images == 0 {
				delete(s.sets, id)
				err = errors.Join(err, t.free())
			}
		}
	}
	return err
}

// table returns the table of an identity, nil: nobody uses it.
func (s *Store) table(id string) *dynTable {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.sets[id]
}
