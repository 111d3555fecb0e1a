package classify

import (
	"math/bits"
	"sort"
)

// None is what lookups return when no rule matches.
const None = none

// burst is how many keys go through the stages of First side by side.
const burst = 32

// Scratch is what a caller of FirstBurst lends it. Its contents mean nothing
// between calls; one goroutine uses it at a time. The assembly knows its shape.
type Scratch struct {
	_ [burst][24]uint64 // rows of keys: leaves yet to visit, and behind them which words have some
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
	narrow := head(ix.words).stride == 1
	switch {
	case v == vectors512 && narrow:
		return narrowFirst512(&ix.words[0], k, from)
	case v == vectors512:
		return first512(&ix.words[0], k, from)
	case v == vectors256 && narrow:
		return narrowFirst256(&ix.words[0], k, from)
	case v == vectors256:
		return first256(&ix.words[0], k, from)
	}
	return ix.firstGo(k, from)
}

// FirstBurst is First for every key; out is as long as keys. It is faster than
// as many calls of First, because nothing waits for the keys before.
func (ix *Index) FirstBurst(keys []Key, from uint32, out []uint32, s *Scratch) {
	ix.burst(best, keys, from, out, s)
}

func (ix *Index) burst(v vectors, keys []Key, from uint32, out []uint32, s *Scratch) {
	out = out[:len(keys)]
	narrow := head(ix.words).stride == 1
	for len(keys) > 0 {
		n := min(len(keys), burst)
		switch {
		case v == vectors512 && narrow:
			narrowBurst512(&ix.words[0], &keys[0], n, from, &out[0], s)
		case v == vectors512:
			burst512(&ix.words[0], &keys[0], n, from, &out[0], s)
		case v == vectors256 && narrow:
			narrowBurst256(&ix.words[0], &keys[0], n, from, &out[0], s)
		case v == vectors256:
			burst256(&ix.words[0], &keys[0], n, from, &out[0], s)
		default:
			for i := range n {
				out[i] = ix.firstGo(&keys[i], from)
			}
		}
		keys, out = keys[n:], out[n:]
	}
}

// firstGo is First without assembly.
func (ix *Index) firstGo(k *Key, from uint32) uint32 {
	h := head(ix.words)
	var row [maxStride]uint64
	n := h.stride
	for i := range n {
		row[i] = ^uint64(0)
	}
	for d, v := range [ranges]uint32{k.Src, k.Dst, uint32(k.Sport), uint32(k.Dport)} {
		f := &h.field[d]
		if f.depth == 0 {
			continue
		}
		bounds := part[uint32](ix.words, f.bottom*4, int(f.bounds))
		v = min(v, top)
		at := sort.Search(len(bounds), func(i int) bool { return bounds[i] > v })
		table := part[uint32](ix.words, (f.bottom+1+f.last)*4, len(bounds))
		and(&row, part[uint64](ix.words, table[at-1], int(n)))
	}
	table := part[uint32](ix.words, h.protos*4, 256)
	and(&row, part[uint64](ix.words, table[k.Facts&0xff], int(n)))

	mins := part[uint32](ix.words, h.mins, int(n)*64)
	leaves := part[leaf](ix.words, h.first, int(h.leaves))
	found := none
	for i, w := range row[:n] {
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

func and(row *[maxStride]uint64, with []uint64) {
	for i, w := range with {
		row[i] &= w
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
