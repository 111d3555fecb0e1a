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
}

// Build makes a table. Errors name the route or neighbour; on an error nothing
// is left allocated.
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
	return flat(&Table{root4: root4, root6: root6, nodes: b.nodes, answers: b.answers, hops: b.hops, neigh: n})
}

// Copy returns a table of its own memory with the same answers.
func (t *Table) Copy() (*Table, error) { return flat(t) }

// flat copies from into off-heap memory.
func flat(from *Table) (*Table, error) {
	t := &Table{neigh: neighbours{seed: from.neigh.seed}}
	err := errors.Join(
		clone(&t.root4, from.root4),
		clone(&t.root6, from.root6),
		clone(&t.nodes, from.nodes),
		clone(&t.answers, from.answers),
		clone(&t.hops, from.hops),
		clone(&t.neigh.slots, from.neigh.slots),
	)
	if err != nil {
		_ = t.Free() // the first error is the one to tell
		return nil, fmt.Errorf("route table: %w", err)
	}
	return t, nil
}

func clone[T any](to *[]T, from []T) (err error) {
	*to, err = offheap.Make[T](len(from))
	copy(*to, from)
	return err
}

// Free gives the memory back. Further lookups panic.
func (t *Table) Free() error {
	err := errors.Join(
		offheap.Free(t.root4), offheap.Free(t.root6), offheap.Free(t.nodes),
		offheap.Free(t.answers), offheap.Free(t.hops), offheap.Free(t.neigh.slots),
	)
	*t = Table{}
	return err
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
