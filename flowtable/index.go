package flowtable

import "math/bits"

const slots = 8 // of a bucket

// bucket is one cache line of the index. Every slot in use belongs to one of
// two buckets: the one its hash names or, when that was full, the alternative.
//
//	 0            16            48          52     53      54       64
//	| tags 8x16   | entry 8x32  | displaced | away | reply | unused |
type bucket struct {
	tags      [2]uint64     // slot i: bits 16*(i%4).. of word i/4
	entry     [slots]uint32 // entry number; 0 is an empty slot
	displaced uint32        // slots that belong here by hash but stand in their alternative
	away      uint8         // bit i: slot i stands here as its alternative
	reply     uint8         // bit i: slot i was filed under NAT.Reply
	_         [10]byte
}

const (
	lanes    = 0x0001000100010001
	laneTops = 0x8000800080008000
)

// matches returns a word with one bit set for each slot whose tag is tag; slot
// takes it apart. One word for both halves of the tags spares a branch that
// nothing could predict. A slot above a true match may be marked falsely:
// whoever uses it compares the tuple anyway.
func (b *bucket) matches(tag uint16) uint64 {
	all := uint64(tag) * lanes
	x, y := b.tags[0]^all, b.tags[1]^all
	return (x-lanes)&^x&laneTops>>15 | (y-lanes)&^y&laneTops>>14
}

// slot is the number of the lowest slot marked in m.
func slot(m uint64) int {
	i := bits.TrailingZeros64(m)
	return i>>4 + i&1<<2
}

// tagOf never returns 0, so that empty slots do not match.
func tagOf(key uint64) uint16 { return max(uint16(key>>32), 1) }

func (b *bucket) tag(i int) uint16 { return uint16(b.tags[i/4] >> (16 * (i % 4))) }

func (b *bucket) set(i int, tag uint16, n uint32, away, reply bool) {
	shift := 16 * (i % 4)
	b.tags[i/4] = b.tags[i/4]&^(0xffff<<shift) | uint64(tag)<<shift
	b.entry[i] = n
	bit := uint8(1) << i
	b.away &^= bit
	b.reply &^= bit
	if away {
		b.away |= bit
	}
	if reply {
		b.reply |= bit
	}
}

func (b *bucket) empty() int {
	for i, n := range b.entry {
		if n == 0 {
			return i
		}
	}
	return -1
}

// index finds entry numbers by key. Single writer; nothing in it allocates.
type index struct {
	buckets []bucket
	mask    uint32
}

// indexBuckets returns a power of two of buckets that holds two slots for each
// of n entries (all of them NATed) at no more than four fifths full.
func indexBuckets(n int) int {
	want := uint64(n)*2*5/(4*slots) + 2
	return 1 << bits.Len64(want-1)
}

func (x *index) home(key uint64) uint32 { return uint32(key) & x.mask }

// alternative is its own inverse, and never the same bucket.
func (x *index) alternative(b uint32, tag uint16) uint32 {
	return b ^ (uint32(tag)*0x9e3779b1>>7|1)&x.mask
}

// insert files entry n under key. It moves at most one other slot to make
// room; false: both buckets are full and nothing in them can move.
func (x *index) insert(key uint64, n uint32, reply bool) bool {
	tag, h := tagOf(key), x.home(key)
	home := &x.buckets[h]
	if i := home.empty(); i >= 0 {
		home.set(i, tag, n, false, reply)
		return true
	}
	a := x.alternative(h, tag)
	alt := &x.buckets[a]
	if i := alt.empty(); i >= 0 {
		alt.set(i, tag, n, true, reply)
		home.displaced++
		return true
	}
	if i := x.makeRoom(h); i >= 0 {
		home.set(i, tag, n, false, reply)
		return true
	}
	if i := x.makeRoom(a); i >= 0 {
		alt.set(i, tag, n, true, reply)
		home.displaced++
		return true
	}
	return false
}

// makeRoom moves one slot of a full bucket to its other bucket and returns its
// number, or -1.
func (x *index) makeRoom(at uint32) int {
	b := &x.buckets[at]
	for i := range slots {
		tag := b.tag(i)
		o := x.alternative(at, tag)
		other := &x.buckets[o]
		j := other.empty()
		if j < 0 {
			continue
		}
		bit := uint8(1) << i
		wasAway := b.away&bit != 0
		other.set(j, tag, b.entry[i], !wasAway, b.reply&bit != 0)
		if wasAway {
			other.displaced-- // it came home
		} else {
			b.displaced++
		}
		b.set(i, 0, 0, false, false)
		return i
	}
	return -1
}

// remove takes out the slot that insert filed. It reports whether it was there.
func (x *index) remove(key uint64, n uint32, reply bool) bool {
	tag, h := tagOf(key), x.home(key)
	for round, at := range [2]uint32{h, x.alternative(h, tag)} {
		b := &x.buckets[at]
		for i := range slots {
			bit := uint8(1) << i
			if b.entry[i] != n || b.tag(i) != tag || (b.reply&bit != 0) != reply || (b.away&bit != 0) != (round == 1) {
				continue
			}
			b.set(i, 0, 0, false, false)
			if round == 1 {
				x.buckets[h].displaced--
			}
			return true
		}
	}
	return false
}
