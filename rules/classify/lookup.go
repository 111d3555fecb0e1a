package classify

import (
	"math/bits"
	"slices"
)

// None is what lookups return when no rule matches.
const None = none

// burst is how many keys go through the stages of First side by side.
const burst = 32

// Scratch is what a caller of FirstBurst lends it. Its contents mean nothing
// between calls; one goroutine uses it at a time. The assembly knows its shape.
type Scratch struct {
	_ [burst][24]uint64 // rows of keys: leaves yet to visit, and behind them which words have some; or what is found first
	_ [burst]uint32     // key<<16 | leaf
}

// Index is a classifier: words that Build made, or a copy of them. Its methods
// do not allocate and may be called by any number of goroutines; Words must
// begin at a cache line for the best speed.
type Index struct{ words []uint64 }

// Open returns the index in words, which it keeps. Nothing in them is checked.
func Open(words []uint64) Index { return Index{words} }

// Rules returns the number of boxes that the index was built from.
func (ix *Index) Rules() int { return int(head(ix.words).rules) }

// Bytes returns the size of the index.
func (ix *Index) Bytes() int { return len(ix.words) * 8 }

// vectors is what lookups compare with.
type vectors uint8

const (
	noVectors  vectors = iota // Go
	vectors256                // AVX2
	vectors512                // AVX-512
)

// First returns the id of the first rule whose box has the key, of those with
// ids from from on; None if there is none.
func (ix *Index) First(k *Key, from uint32) uint32 { return ix.first(best, k, from) }

func (ix *Index) first(v vectors, k *Key, from uint32) uint32 {
	if v == noVectors {
		return ix.firstGo(k, from)
	}
	h := head(ix.words)
	wide := v == vectors512
	switch {
	case h.ids != 0 && wide:
		return singleFirst512(&ix.words[0], k, from, ix.bit(from))
	case h.ids != 0:
		return singleFirst256(&ix.words[0], k, from, ix.bit(from))
	case h.stride == 1 && wide:
		return narrowFirst512(&ix.words[0], k, from)
	case h.stride == 1:
		return narrowFirst256(&ix.words[0], k, from)
	case wide:
		return first512(&ix.words[0], k, from)
	}
	return first256(&ix.words[0], k, from)
}

// bit returns the first bit of a row that is of a single with an id from from on.
func (ix *Index) bit(from uint32) uint32 {
	h := head(ix.words)
	if from == 0 {
		return h.leaves
	}
	n := 64 * h.stride
	ids := part[uint32](ix.words, h.ids*4, int(n))
	at := h.leaves + min(from, n-h.leaves) // but for edits
	for at > h.leaves && ids[at-1] >= from {
		at--
	}
	for at < n && ids[at] < from {
		at++
	}
	return at
}

// FirstBurst is First for every key; out is as long as keys. It is faster than
// as many calls of First, because nothing waits for the keys before.
func (ix *Index) FirstBurst(keys []Key, from uint32, out []uint32, s *Scratch) {
	ix.burst(best, keys, from, out, s)
}

func (ix *Index) burst(v vectors, keys []Key, from uint32, out []uint32, s *Scratch) {
	out = out[:len(keys)]
	h := head(ix.words)
	bit := uint32(0)
	if h.ids != 0 {
		bit = ix.bit(from)
	}
	index, wide := &ix.words[0], v == vectors512
	for len(keys) > 0 {
		n := min(len(keys), burst)
		switch {
		case v == noVectors:
			for i := range n {
				out[i] = ix.firstGo(&keys[i], from)
			}
		case h.ids != 0 && wide:
			singleBurst512(index, &keys[0], n, from, bit, &out[0], s)
		case h.ids != 0:
			singleBurst256(index, &keys[0], n, from, bit, &out[0], s)
		case h.stride == 1 && wide:
			narrowBurst512(index, &keys[0], n, from, &out[0], s)
		case h.stride == 1:
			narrowBurst256(index, &keys[0], n, from, &out[0], s)
		case wide:
			burst512(index, &keys[0], n, from, &out[0], s)
		default:
			burst256(index, &keys[0], n, from, &out[0], s)
		}
		keys, out = keys[n:], out[n:]
	}
}

// firstGo is First without assembly.
func (ix *Index) firstGo(k *Key, from uint32) uint32 {
	h := head(ix.words)
	var all [maxStride]uint64
	row := all[:h.stride]
	for i := range row {
		row[i] = ^uint64(0)
	}
	for d, v := range [ranges]uint32{k.Src, k.Dst, uint32(k.Sport), uint32(k.Dport)} {
		f := &h.field[d]
		if f.depth == 0 {
			continue
		}
		bounds := part[uint32](ix.words, f.bottom*4, int(f.bounds))
		at, _ := slices.BinarySearch(bounds, v)
		ix.and(row, part[uint32](ix.words, f.table(), len(bounds))[at])
	}
	ix.and(row, part[uint32](ix.words, h.protos*4, 256)[k.Facts&0xff])
	if h.others != 0 {
		ix.and(row, part[uint32](ix.words, h.others*4, 256)[k.Facts>>8])
	}

	found := none
	if h.ids != 0 {
		found = ix.single(row, ix.bit(from))
		row = row[:1]
		row[0] &= 1<<h.leaves - 1
	}
	mins := part[uint32](ix.words, h.mins, len(row)*64)
	leaves := part[leaf](ix.words, h.first, int(h.leaves))
	for i, w := range row {
		for ; w != 0; w &= w - 1 {
			at := i*64 + bits.TrailingZeros64(w)
			if mins[at] >= found {
				return found
			}
			found = min(found, leaves[at].first(k, from))
		}
	}
	return found
}

// single returns the first single in the row, from a bit on.
func (ix *Index) single(row []uint64, bit uint32) uint32 {
	h := head(ix.words)
	ids := part[uint32](ix.words, h.ids*4, int(64*h.stride))
	for i := bit / 64; i < h.stride; i++ {
		w := row[i]
		if i == bit/64 {
			w &= ^uint64(0) << (bit % 64)
		}
		if w != 0 {
			return ids[int(i)*64+bits.TrailingZeros64(w)]
		}
	}
	return none
}

// and leaves in a row what the one of a table's entry has too.
func (ix *Index) and(row []uint64, entry uint32) {
	first, second := head(ix.words).rowOf(ix.words, entry)
	for i, w := range first {
		row[i] &= w
	}
	for i, w := range second {
		row[halfRow+i] &= w
	}
}

// first returns the first rule of a leaf from id from on that has the key.
func (l *leaf) first(k *Key, from uint32) uint32 {
	for i := range lanes {
		if k.Src-l.srcLo[i] <= l.srcSpan[i] && k.Dst-l.dstLo[i] <= l.dstSpan[i] &&
			k.Sport-l.sportLo[i] <= l.sportSpan[i] && k.Dport-l.dportLo[i] <= l.dportSpan[i] &&
			k.Facts&l.mask[i] == l.need[i] && l.id[i] >= from {
			return l.id[i]
		}
	}
	return none
}
