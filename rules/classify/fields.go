package classify

import "slices"

// field appends levels, classes and rows of range d.
func (b *builder) field(d int) {
	ends := b.ends[d]
	r := b.newRows(len(ends) + 1)
	holds := make([]uint16, len(b.groups)) // rules of a group that take the value
	var bounds, classes []uint32
	for i := 0; i < len(ends) || len(classes) == 0; {
		at := uint32(0)
		if len(classes) > 0 {
			at = uint32(ends[i] >> 32)
		}
		for ; i < len(ends) && uint32(ends[i]>>32) == at; i++ {
			bit := b.bits[idOf(ends[i])]
			if ends[i]&1 == 0 {
				holds[bit]++
			} else {
				holds[bit]--
			}
			if holds[bit] == 0 {
				r.row[bit/64] &^= 1 << (bit % 64)
			} else {
				r.row[bit/64] |= 1 << (bit % 64)
			}
		}
		class := r.class()
		switch {
		case len(classes) == 0:
			classes = append(classes, class)
		case classes[len(classes)-1] != class:
			bounds, classes = append(bounds, at-1), append(classes, class)
		}
	}
	bounds = append(bounds, 1<<32-1)
	f := &b.h.field[d]
	if f.bounds = uint32(len(bounds)); f.bounds == 1 {
		return
	}
	var levels [][]uint32
	for level := bounds; ; {
		for len(level)%lanes != 0 {
			level = append(level, 1<<32-1)
		}
		levels = append(levels, level)
		if len(level) == lanes {
			break
		}
		var above []uint32
		for i := 0; i < len(level); i += lanes {
			above = append(above, level[i+lanes-1])
		}
		level = above
	}
	f.depth = uint32(len(levels))
	b.align()
	slices.Reverse(levels)
	for i, level := range levels {
		at := b.uint32s(level) / 4
		if i == 0 {
			f.start = at
		} else {
			f.step[i-1] = at - 16*(f.bottom-lanes)
		}
		f.bottom = at
	}
	table := b.place(r, classes)
	f.last = table - (f.bottom - lanes)
	if d >= Sport && f.depth > 1 && len(b.boxes) >= ranksWorth {
		b.h.ranks[d-Sport] = b.ranks(bounds, table)
	}
}

// ranks appends what finds a port's row without a tree, and returns its place.
func (b *builder) ranks(bounds []uint32, table uint32) uint32 {
	out, next := make([]uint32, 0, ranksLen), 0
	for first := uint32(0); first < 1<<16; first += 64 {
		var ends uint64
		for ; next < len(bounds) && bounds[next] < first+64; next++ {
			ends |= 1 << (bounds[next] - first)
		}
		out = append(out, uint32(ends), uint32(ends>>32), table+uint32(next))
	}
	return b.uint32s(out) / 4
}

// facts appends the classes and rows of the 256 values of the byte of the facts
// from bit shift on, and returns the table's place; 0 if all have the same row.
func (b *builder) facts(shift int) uint32 {
	wishes := make([]uint64, 0, 2*len(b.boxes)) // mask << 24 | need << 16 | group, of each rule
	for i, ids := range b.groups {
		for _, id := range ids {
			mask, need := b.boxes[id].Mask>>shift&0xff, b.boxes[id].Need>>shift&0xff
			wishes = append(wishes, uint64(mask)<<24|uint64(need)<<16|uint64(i))
		}
	}
	n := len(wishes)
	sortBy(wishes, wishes[n:2*n], 16)
	if shift > 0 && (n == 0 || wishes[n-1]>>24 == 0) {
		return 0
	}
	type kind struct{ mask, need uint8 }
	var kinds []kind
	var groups []uint64 // a row for each kind: those with a rule that wants that
	for i, w := range wishes {
		if i == 0 || w>>16 != wishes[i-1]>>16 {
			kinds = append(kinds, kind{uint8(w >> 24), uint8(w >> 16)})
			groups = append(groups, make([]uint64, b.stride)...)
		}
		groups[len(groups)-b.stride+int(w&0xffff)/64] |= 1 << (w % 64)
	}
	r := b.newRows(256)
	table := make([]uint32, 256)
	for v := range table {
		clear(r.row)
		for i, k := range kinds {
			if uint8(v)&k.mask != k.need {
				continue
			}
			for j, g := range groups[i*b.stride:][:b.stride] {
				r.row[j] |= g
			}
		}
		table[v] = r.class()
	}
	if shift > 0 && slices.Max(table) == 0 {
		return 0
	}
	return b.place(r, table)
}
