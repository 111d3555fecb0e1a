package classify

import "slices"

// field appends levels, classes and rows of range d.
func (b *builder) field(d int) {
	type event struct {
		at   uint32
		leaf uint16
		off  bool
	}
	last := lastOf(d)
	var events []event
	for i, ids := range b.groups {
		for _, id := range ids {
			lo, hi := b.boxes[id].Lo[d], b.boxes[id].Hi[d]
			events = append(events, event{at: lo, leaf: uint16(i)})
			if hi < last {
				events = append(events, event{at: hi + 1, leaf: uint16(i), off: true})
			}
		}
	}
	slices.SortFunc(events, func(x, y event) int {
		if x.at < y.at {
			return -1
		}
		if x.at > y.at {
			return 1
		}
		return 0
	})
	r := b.newRows()
	holds := make([]int32, len(b.groups)) // rules of a leaf that take the value
	var bounds, classes []uint32
	for i := 0; i < len(events) || len(classes) == 0; {
		at := uint32(0)
		if len(classes) > 0 {
			at = events[i].at
		}
		for ; i < len(events) && events[i].at == at; i++ {
			e := &events[i]
			if e.off {
				holds[e.leaf]--
			} else {
				holds[e.leaf]++
			}
			if holds[e.leaf] == 0 {
				r.row[e.leaf/64] &^= 1 << (e.leaf % 64)
			} else {
				r.row[e.leaf/64] |= 1 << (e.leaf % 64)
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
	type wish struct{ need, mask uint8 }
	wishes := map[wish][]uint64{} // groups with a rule that wants that
	for i, ids := range b.groups {
		for _, id := range ids {
			w := wish{uint8(b.boxes[id].Need >> shift), uint8(b.boxes[id].Mask >> shift)}
			if wishes[w] == nil {
				wishes[w] = make([]uint64, b.stride)
			}
			wishes[w][i/64] |= 1 << (i % 64)
		}
	}
	r := b.newRows()
	table := make([]uint32, 256)
	for v := range table {
		clear(r.row)
		for w, groups := range wishes {
			if uint8(v)&w.mask != w.need {
				continue
			}
			for i, g := range groups {
				r.row[i] |= g
			}
		}
		table[v] = r.class()
	}
	if shift > 0 && slices.Max(table) == 0 {
		return 0
	}
	return b.place(r, table)
}
