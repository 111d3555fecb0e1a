package rules

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules/nft"
)

// The entries of a large set lie in memory of their own, which no image has a copy
// of: all workers read it, and all generations until a few per cent of the set have
// changed. What has changed since is a small set in the image, asked first: keys
// that were added, with their values, and keys that have gone, with setGone. So an
// element more in a million costs a new small set. When that has grown the entries are
// laid down anew, in the pool and not in the edit that finds it so: edits go on with
// what there is until the new entries are ready. See overlay.go for the small set.

const (
	bulkMin    = 1024 // elements of a set that gets memory of its own
	bulkChange = 1024 // elements that may change before it is made anew; of smaller sets a quarter
	bulkWait   = 8    // times as many may while the pool makes it
)

// bulk is the entries of a set and the data of its map, as they were once.
type bulk struct {
	words []uint64 // immutable
	els   nft.Elements

	lock     sync.Mutex
	region   []uint64         // what workers read: the words off the Go heap
	images   int              // that read it
	spare    *runtime.Cleanup // of a region that no image has read yet; nil: there is none
	renewing bool

	next atomic.Pointer[block] // that begins with what the set was later; nil: there is none yet
}

// take returns the words for an image to read. Each take needs a giveBack.
func (m *bulk) take() ([]uint64, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.images == 0 && m.spare == nil {
		if err := m.fill(); err != nil {
			return nil, err
		}
	}
	if m.spare != nil {
		m.spare.Stop()
		m.spare = nil
	}
	m.images++
	return m.region, nil
}

// fill makes the region. Held: m.lock.
func (m *bulk) fill() error {
	region, err := offheap.Make[uint64](len(m.words))
	if err == nil {
		copy(region, m.words)
		m.region = region
	}
	return err
}

// prepare makes the region before an image asks for it; the collector frees it if none
// ever does.
func (m *bulk) prepare() error {
	m.lock.Lock()
	defer m.lock.Unlock()
	if err := m.fill(); err != nil {
		return err
	}
	end := runtime.AddCleanup(m, func(region []uint64) { _ = offheap.Free(region) }, m.region)
	m.spare = &end
	return nil
}

// renew lets a pool lay down what the set has become, and says whether it does.
func (m *bulk) renew(s *nft.Set, ix *index, pool Pool) bool {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.renewing = m.renewing || later(pool, func() {
		b, err := newSetBlock(s, ix)
		if err == nil && b.bulk != nil && b.bulk.prepare() == nil {
			m.next.Store(b)
		}
	})
	return m.renewing
}

func (m *bulk) giveBack() {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.images--; m.images == 0 {
		_ = offheap.Free(m.region)
		m.region = nil
	}
}

// inBulk says whether a set's entries get memory of their own. Those of verdict maps
// hold as long as all chains begin where they do.
func inBulk(s *nft.Set) bool { return s.Elements.Len() >= bulkMin }

// large says whether some set is too large to look through all of it for the cache.
func (ix *index) large() bool {
	return slices.ContainsFunc(ix.sets, func(s *nft.Set) bool { return s.Elements.Len() >= bulkMin }) ||
		slices.ContainsFunc(ix.dyns, func(d dynSpec) bool { return d.set.Elements.Len() >= bulkMin })
}

// setBlock returns the block of a set that has changed: one that only says what has
// changed, or one that is made from all of its elements.
func (ix *index) setBlock(s *nft.Set, old *remains, pool Pool) (*block, error) {
	if before := old.setNamed(ix.setOf[s].table, s); before != nil && inBulk(s) && (!s.Verdicts || old.inPlace) {
		if b, err := before.follow(s, ix, pool, 64*bulkChange); b != nil || err != nil {
			return b, err
		}
	}
	return newSetBlock(s, ix)
}

// newSetBlock makes a block from all elements of a set.
func newSetBlock(s *nft.Set, ix *index) (*block, error) {
	b := &block{}
	if err := buildSet(b, s, ix, ix.ports); err != nil {
		return nil, err
	}
	if kind := b.set.kind; inBulk(s) && (kind == setHash || kind == setInterval1 || kind == setInterval2 || kind == setIndexed) {
		b.bulk, b.data = &bulk{words: b.data, els: s.Elements}, nil
		b.now = changed{els: s.Elements}
	}
	return b, nil
}

// setNamed returns the block that a set of this name and declaration had.
func (old *remains) setNamed(t *nft.Table, s *nft.Set) *block {
	if old == nil || s.Name == "" || old.ix.setBlocks == nil {
		return nil
	}
	for i, o := range old.ix.sets {
		in := old.ix.setOf[o].table
		if o.Name != s.Name || in.Name != t.Name || in.Family != t.Family {
			continue
		}
		if o.Flags != s.Flags || noded(o) != noded(s) || o.HoldsObjects != s.HoldsObjects || o.ObjectKind != s.ObjectKind || o.Verdicts != s.Verdicts || o.Map != s.Map || o.Ranges != s.Ranges || !slices.Equal(o.Key, s.Key) || !slices.Equal(o.Data, s.Data) ||
			!slices.Equal(o.KeyExprs, s.KeyExprs) || !slices.Equal(o.DataExprs, s.DataExprs) {
			return nil
		}
		return old.ix.setBlocks[i]
	}
	return nil
}
