package rules

import (
	"math/bits"
	"runtime"
	"sync/atomic"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules/nft"
)

// dynTable is the memory of a set that changes while packets pass: a hash table
// with chains, shared by all workers and by the generations that have the set.
// Its words are
//
//	| header | buckets | nodes |
//
// A bucket's word is the number of its first node, and the claim of a worker
// that is at it: whoever reads or writes a chain holds its bucket, for a few
// dozen instructions. A node is
//
//	| next | end | timeout | statements | two words for each statement | key | data |
//
// with times in nanoseconds; end 0 never comes, and pending in end stands for a
// node that no packet has met yet, whose time begins with the first: where there is
// no clock.
type dynTable struct {
	words   []uint64
	buckets uint32 // a power of two
	size    uint32 // nodes
	stmts   uint32
	key     uint32 // words
	data    uint32
	tallies bool             // some statement counts flows
	vanish  bool             // elements whose tallies are empty go
	flows   *flowtable.Table // that has the tallies
	clock   *perf.Clock      // nil: there is none
	images  int              // that use it; this and spec under the store's lock
	spec    *dynSpec         // whose elements were put in last
}

const (
	dynFree    = iota * 8 // number of the first free node, and a tag; each word has a line of its own
	dynFresh              // nodes never used
	dynSweep              // bucket to sweep next
	dynSeed               // two words
	dynBuckets = 4 * 8

	nodeNext     = 0
	nodeEnd      = 1
	nodeTimeout  = 2
	nodeRuns     = 3 // number of its statements among those of the set, 0: it has none
	nodeStmts    = 4
	held         = uint64(1) << 32
	pending      = uint64(1) << 63
	sweepBuckets = 256        // looked at when a set is full
	tallyMark    = ^uint64(0) // second word of a statement whose first one is the number of a tally
	holdTries    = 1 << 20    // after which a worker gives up, as when the set is full
)

func newDynTable(size, stmts, key, data uint32, chance *Chance) (*dynTable, error) {
	t := &dynTable{size: size, stmts: stmts, key: key, data: data}
	t.buckets = 1 << bits.Len32(max(size, 2)-1)
	var err error
	t.words, err = offheap.MakeSparse[uint64](dynBuckets + int(t.buckets) + int(size)*int(t.node()))
	if err == nil {
		t.words[dynSeed], t.words[dynSeed+1] = chance.Uint64(), chance.Uint64()|1
	}
	return t, err
}

// counts notes the flows that statements count.
func (t *dynTable) counts(d *dynSpec, flows *flowtable.Table) error {
	t.flows, t.vanish = flows, d.set.Flags&(nft.SetDynamic|nft.SetTimeout|nft.SetWritten) != 0
	for i := range d.runs {
		for _, st := range d.runs[i].stmts {
			if _, counts := st.(*nft.ConnLimit); !counts {
				continue
			}
			if flows == nil {
				return errorf(st.Position(), "there are no flows to count")
			}
			t.tallies = true
		}
	}
	return nil
}

// node is the words of a node.
func (t *dynTable) node() uint32 { return nodeStmts + 2*t.stmts + t.key + t.data }

// at returns node n, counted from 1.
func (t *dynTable) at(n uint32) []uint64 {
	size := uint64(t.node())
	from := dynBuckets + uint64(t.buckets) + uint64(n-1)*size
	return t.words[from : from+size : from+size]
}

func (t *dynTable) keyOf(node []uint64) []uint64 {
	return node[nodeStmts+2*t.stmts:][:t.key]
}

func (t *dynTable) dataOf(node []uint64) []uint64 {
	return node[nodeStmts+2*t.stmts+t.key:]
}

// hold takes the bucket of a key; nil: others would not let go of it.
func (t *dynTable) hold(key []uint64) *uint64 {
	h := t.words[dynSeed]
	for _, k := range key {
		hi, lo := bits.Mul64(h^k, t.words[dynSeed+1])
		h = hi ^ lo
	}
	return t.holdBucket(uint32(h^h>>32) & (t.buckets - 1))
}

func (t *dynTable) holdBucket(n uint32) *uint64 {
	b := &t.words[dynBuckets+n]
	for try := range holdTries {
		old := atomic.LoadUint64(b)
		if old&held == 0 && atomic.CompareAndSwapUint64(b, old, old|held) {
			return b
		}
		if try%1024 == 1023 {
			runtime.Gosched() // its holder may wait for this very CPU
		}
	}
	return nil
}

// release lets go of a bucket.
func release(b *uint64) { atomic.StoreUint64(b, uint64(uint32(atomic.LoadUint64(b)))) }

// find returns the node of a key, dead or alive, and its number. The caller
// holds the bucket.
func (t *dynTable) find(b *uint64, key []uint64) ([]uint64, uint32) {
next:
	for n := uint32(atomic.LoadUint64(b)); n != 0; {
		node := t.at(n)
		for i, k := range t.keyOf(node) {
			if key[i] != k {
				n = uint32(node[nodeNext])
				continue next
			}
		}
		return node, n
	}
	return nil, 0
}

// alive says whether a node's time has not come, and begins the time of a
// pending one.
func alive(node []uint64, now int64) bool {
	if node[nodeEnd]&pending != 0 {
		node[nodeEnd] = uint64(now) + node[nodeEnd]&^pending
	}
	return node[nodeEnd] == 0 || uint64(now) < node[nodeEnd]
}

// listed says whether a node's element is shown: it lives, or has not begun to.
func (t *dynTable) listed(node []uint64, now int64) bool {
	end := node[nodeEnd]
	return (end&pending != 0 || end == 0 || uint64(now) < end) && !t.empty(node, now)
}

// expire sets when a node's time comes; 0 nanoseconds: never.
func expire(node []uint64, now int64, timeout uint64) {
	node[nodeTimeout], node[nodeEnd] = timeout, 0
	if timeout > 0 {
		node[nodeEnd] = uint64(now) + timeout
	}
}

// begins is the end of a node of the text, of which so much time is left.
func (t *dynTable) begins(left uint64) uint64 {
	if t.clock == nil {
		return left | pending
	}
	return uint64(max(t.clock.Nanos(), 1)) + left
}

// renew clears what the statements of a node remember.
func (t *dynTable) renew(node []uint64) {
	t.endTallies(node)
	clear(node[nodeStmts : nodeStmts+2*t.stmts])
}

func (t *dynTable) endTallies(node []uint64) {
	for i := range t.stmts {
		if cell := node[nodeStmts+2*i:][:2]; cell[1] == tallyMark {
			if cell[0] != 0 {
				t.flows.EndTally(uint32(cell[0]))
			}
			cell[0], cell[1] = 0, 0
		}
	}
}

// empty says whether an element that came from a packet counts connections and
// in one of its counts nobody lives: then it has gone (nft_connlimit_gc).
func (t *dynTable) empty(node []uint64, now int64) bool {
	if !t.vanish {
		return false
	}
	for i := range t.stmts {
		if cell := node[nodeStmts+2*i:][:2]; cell[1] == tallyMark && cell[0] != 0 {
			if _, alive := t.flows.Tally(uint32(cell[0]), perf.Tick(now)); !alive {
				return true
			}
		}
	}
	return false
}

// free gives the memory back.
func (t *dynTable) free() error {
	for i := range t.buckets {
		if !t.tallies {
			break
		}
		for n := uint32(t.words[dynBuckets+i]); n != 0; {
			node := t.at(n)
			t.endTallies(node)
			n = uint32(node[nodeNext])
		}
	}
	return offheap.Free(t.words)
}

// insert adds a node for a key that find did not find and returns it; nil: the
// table is full. The caller holds bucket b.
func (t *dynTable) insert(b *uint64, key []uint64, now int64) []uint64 {
	n := t.take()
	if n == 0 && now > 0 && t.sweep(b, now) {
		n = t.take()
	}
	if n == 0 {
		return nil
	}
	node := t.at(n)
	clear(node[nodeEnd:])
	copy(t.keyOf(node), key)
	// take may still look at the number while others have the node already.
	atomic.StoreUint64(&node[nodeNext], uint64(uint32(atomic.LoadUint64(b))))
	atomic.StoreUint64(b, uint64(n)|held)
	return node
}

// adopt takes over what another table has, of the same set as it was before; not what
// statements count of flows. What packets do to the other one meanwhile is lost.
func (t *dynTable) adopt(old *dynTable, d *dynSpec) {
	t.spec = old.spec
	number := map[uint64]uint64{} // of statements
	for i := range old.spec.runs {
		for j := range d.runs {
			if d.runs[j].text == old.spec.runs[i].text {
				number[uint64(i+1)] = uint64(j + 1)
			}
		}
	}
	for i := range old.buckets {
		from := old.holdBucket(i)
		if from == nil {
			continue
		}
		for n := uint32(atomic.LoadUint64(from)); n != 0; {
			was := old.at(n)
			n = uint32(was[nodeNext])
			b := t.hold(old.keyOf(was))
			if b == nil {
				continue
			}
			if node := t.insert(b, old.keyOf(was), 0); node != nil {
				node[nodeEnd], node[nodeTimeout], node[nodeRuns] = was[nodeEnd], was[nodeTimeout], number[was[nodeRuns]]
				copy(t.dataOf(node), old.dataOf(was))
				if node[nodeRuns] > 0 {
					for i, st := range old.spec.runs[was[nodeRuns]-1].stmts {
						if _, counts := st.(*nft.ConnLimit); !counts {
							copy(node[nodeStmts+2*i:nodeStmts+2*i+2], was[nodeStmts+2*i:])
						}
					}
				}
			}
			release(b)
		}
		release(from)
	}
}

// take returns a free node, 0: there is none.
func (t *dynTable) take() uint32 {
	for {
		old := atomic.LoadUint64(&t.words[dynFree])
		n := uint32(old)
		if n == 0 {
			break
		}
		next := atomic.LoadUint64(&t.at(n)[nodeNext])
		if atomic.CompareAndSwapUint64(&t.words[dynFree], old, (old>>32+1)<<32|uint64(uint32(next))) {
			return n
		}
	}
	for {
		used := atomic.LoadUint64(&t.words[dynFresh])
		if used >= uint64(t.size) {
			return 0
		}
		if atomic.CompareAndSwapUint64(&t.words[dynFresh], used, used+1) {
			return uint32(used + 1)
		}
	}
}

// remove takes node n out of bucket b, which the caller holds, and frees it.
func (t *dynTable) remove(b *uint64, n uint32) {
	node := t.at(n)
	t.endTallies(node)
	first := uint32(atomic.LoadUint64(b))
	if first == n {
		atomic.StoreUint64(b, uint64(uint32(node[nodeNext]))|held)
	} else {
		for at := first; at != 0; {
			before := t.at(at)
			if at = uint32(before[nodeNext]); at == n {
				atomic.StoreUint64(&before[nodeNext], node[nodeNext])
				break
			}
		}
	}
	for {
		old := atomic.LoadUint64(&t.words[dynFree])
		atomic.StoreUint64(&node[nodeNext], uint64(uint32(old)))
		if atomic.CompareAndSwapUint64(&t.words[dynFree], old, (old>>32+1)<<32|uint64(n)) {
			return
		}
	}
}

// flush frees all nodes.
func (t *dynTable) flush() {
	for i := range t.buckets {
		b := t.holdBucket(i)
		if b == nil {
			continue
		}
		for n := uint32(atomic.LoadUint64(b)); n != 0; n = uint32(atomic.LoadUint64(b)) {
			t.remove(b, n)
		}
		release(b)
	}
}

// sweep frees dead nodes of some buckets, own among them, which the caller
// holds, and says whether it found one. It passes by buckets that others hold.
func (t *dynTable) sweep(own *uint64, now int64) bool {
	found := t.sweepBucket(own, now)
	from := atomic.AddUint64(&t.words[dynSweep], sweepBuckets)
	for i := range uint64(min(sweepBuckets, t.buckets)) {
		b := &t.words[dynBuckets+(from+i)&uint64(t.buckets-1)]
		old := atomic.LoadUint64(b)
		if b == own || old == 0 || old&held != 0 || !atomic.CompareAndSwapUint64(b, old, old|held) {
			continue
		}
		found = t.sweepBucket(b, now) || found
		release(b)
	}
	return found
}

func (t *dynTable) sweepBucket(b *uint64, now int64) (found bool) {
	for n := uint32(atomic.LoadUint64(b)); n != 0; {
		node := t.at(n)
		next := uint32(node[nodeNext])
		if !alive(node, now) || t.empty(node, now) {
			t.remove(b, n)
			found = true
		}
		n = next
	}
	return found
}
