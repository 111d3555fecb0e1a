package route

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/sluice-net/sluice/perf/offheap"
)

const (
	maxHops  = 1 << 24
	maxPaths = 1<<16 - 1
)

// Hop is where a packet goes next. Address bytes are in network byte order, an
// IPv4 address in the first four.
type Hop struct {
	Gateway       [16]byte // zero without HasGateway: the destination is the next hop
	MTU           uint32   // L3 bytes, 0: that of the port
	Port          uint16   // NoPort for kinds that lead nowhere
	paths         uint16   // of the first hop of a multipath route: how many, else 0
	Kind          Kind
	HasGateway    bool
	GatewayFamily uint8 // 2 or 10 with HasGateway, else 0
	_             [1]byte
	mac           uint32 // slot of the gateway's neighbour plus one; 0: not known
}

// Table is one copy of the routes and neighbours.
type Table struct {
	root4, root6 []uint32 // by the first 16 bits: an answer, or deeper|node
	nodes        []node
	answers      []uint32 // index of a hop
	hops         []Hop    // 0: no route
	neigh        neighbours
	shelf        *Shelf // where its memory goes; nil: it is on the Go heap
}

// Shelf keeps the memory of copies that were freed for the next ones. The zero value is
// empty; Clear gives everything back.
type Shelf struct {
	root4, root6, answers offheap.Shelf[uint32]
	nodes                 offheap.Shelf[node]
	hops                  offheap.Shelf[Hop]
	slots                 offheap.Shelf[slot]
}

// Clear gives the memory back that lies on the shelf.
func (s *Shelf) Clear() error {
	return errors.Join(s.root4.Clear(), s.root6.Clear(), s.answers.Clear(), s.nodes.Clear(), s.hops.Clear(), s.slots.Clear())
}

// Build makes a table, for copies to be made of: it lies on the Go heap. Errors name the
// route or neighbour.
func Build(routes []Route, neigh []Neighbour) (*Table, error) {
	all, err := collect(routes)
	if err != nil {
		return nil, err
	}
	b := builder{hops: []Hop{{Kind: NoRoute, Port: NoPort}}, groups: map[string]uint32{}}
	root4, err := b.family(all.AllSorted4())
	if err != nil {
		return nil, err
	}
	root6, err := b.family(all.AllSorted6())
	if err != nil {
		return nil, err
	}
	slots, seed, err := buildNeighbours(neigh)
	if err != nil {
		return nil, err
	}
	n := neighbours{slots: slots, seed: seed}
	for i := range b.hops { // so that packets to gateways need no search
		if h := &b.hops[i]; h.HasGateway {
			if at := n.find(h.GatewayFamily, h.Port, &h.Gateway); n.slots[at].family != 0 {
				h.mac = at + 1
			}
		}
	}
	return &Table{root4: root4, root6: root6, nodes: b.nodes, answers: b.answers, hops: b.hops, neigh: n}, nil
}

// Copy returns a table with the same answers, off the Go heap, in memory from a shelf
// that Free gives it back to.
func (t *Table) Copy(shelf *Shelf) (*Table, error) {
	from := t
	t = &Table{neigh: neighbours{seed: from.neigh.seed}, shelf: shelf}
	err := errors.Join(
		clone(&shelf.root4, &t.root4, from.root4),
		clone(&shelf.root6, &t.root6, from.root6),
		clone(&shelf.nodes, &t.nodes, from.nodes),
		clone(&shelf.answers, &t.answers, from.answers),
		clone(&shelf.hops, &t.hops, from.hops),
		clone(&shelf.slots, &t.neigh.slots, from.neigh.slots),
	)
	if err != nil {
		t.Free()
		return nil, fmt.Errorf("route table: %w", err)
	}
	return t, nil
}

func clone[T any](shelf *offheap.Shelf[T], to *[]T, from []T) error {
	region, err := shelf.Take(len(from))
	if err != nil {
		return err
	}
	*to = region[:copy(region, from)]
	return nil
}

// Free puts the memory back on the shelf. Further lookups panic.
func (t *Table) Free() {
	if s := t.shelf; s != nil {
		giveBack(&s.root4, t.root4)
		giveBack(&s.root6, t.root6)
		giveBack(&s.nodes, t.nodes)
		giveBack(&s.answers, t.answers)
		giveBack(&s.hops, t.hops)
		giveBack(&s.slots, t.neigh.slots)
	}
	*t = Table{}
}

func giveBack[T any](shelf *offheap.Shelf[T], of []T) {
	if cap(of) > 0 {
		shelf.Put(of[:cap(of)])
	}
}

// Bytes returns the size of the table in memory.
func (t *Table) Bytes() int {
	return 4*(len(t.root4)+len(t.root6)+len(t.answers)) + nodeBytes*len(t.nodes) +
		hopBytes*len(t.hops) + neighbourBytes*len(t.neigh.slots)
}

// Lookup returns the hop for a destination address of family 2 or 10, never
// nil; its kind is NoRoute when nothing matches or the family is another. Equal
// hashes take equal paths of a multipath route; all bits of hash count.
func (t *Table) Lookup(family uint8, dst *[16]byte, hash uint64) *Hop {
	i := t.answer(family, dst)
	h := &t.hops[i]
	if h.paths == 0 {
		return h
	}
	// The hash also chooses workers and buckets by some of its bits, hence the
	// mixing before its use.
	hash ^= hash >> 32
	hash *= 0x9e3779b97f4a7c15
	n, _ := bits.Mul64(hash, uint64(h.paths))
	return &t.hops[uint64(i)+n]
}
