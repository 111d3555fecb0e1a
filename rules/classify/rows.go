package classify

import (
	"math/bits"
	"slices"
)

// rows collects rows that differ.
type rows struct {
	row    []uint64 // the next one
	halves []halves
}

// halves are rows, or their first or second halves, that differ.
type halves struct {
	words []uint64
	seen  []uint32 // by hash: class + 1, or 0; a class whose place is taken has the next free one
}

// newRows returns memory for so many rows, which is used again for every field.
func (b *builder) newRows(most int) *rows {
	r := &b.rows
	if r.halves == nil {
		r.row = make([]uint64, b.stride)
		r.halves = make([]halves, 1, 2)
		if b.single && b.stride > halfRow {
			r.halves = r.halves[:2]
		}
	}
	clear(r.row)
	places := 1 << bits.Len(uint(2*most))
	for i := range r.halves {
		h := &r.halves[i]
		h.words = h.words[:0]
		if cap(h.seen) < places {
			h.seen = make([]uint32, places)
		}
		h.seen = h.seen[:places]
		clear(h.seen)
	}
	return r
}

// class returns the class of the row, a new one if there is no such row yet; if it
// has two halves, both their classes.
func (r *rows) class() uint32 {
	if len(r.halves) == 2 {
		return r.halves[0].class(r.row[:halfRow]) | r.halves[1].class(r.row[halfRow:])<<16
	}
	return r.halves[0].class(r.row)
}

func (r *halves) class(row []uint64) uint32 {
	h, n := uint64(0), len(row)
	for _, w := range row {
		h = (h ^ w) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	for at := h >> 32; ; at++ {
		seen := &r.seen[at&uint64(len(r.seen)-1)]
		if *seen == 0 {
			r.words = append(r.words, row...)
			*seen = uint32(len(r.words) / n)
		} else if at := int(*seen-1) * n; !slices.Equal(r.words[at:at+n], row) {
			continue
		}
		return *seen - 1
	}
}

// place appends rows and a table of their classes, and returns the table's place.
func (b *builder) place(r *rows, table []uint32) uint32 {
	var base [2]uint32
	for i := range r.halves {
		b.align()
		base[i] = uint32(len(b.out))
		b.out = append(b.out, r.halves[i].words...)
	}
	for i, class := range table {
		if table[i] = base[0] + class*uint32(b.stride); b.single {
			width := uint32(min(b.stride, halfRow))
			table[i] = base[0] + class&0xffff*width | (base[1]+class>>16*width)<<16
		}
	}
	return b.uint32s(table) / 4
}
