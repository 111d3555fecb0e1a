package classify

import (
	"errors"
	"slices"
)

// ErrTooMany is what Build says to more than MaxRules boxes.
var ErrTooMany = errors.New("classify: too many rules for one index")

// Build makes the index of boxes, whose ids are their places. The result is
// position-free words: a copy of them is an index as good as the first. It may be called from any
// goroutine and is deterministic.
func Build(boxes []Box) ([]uint64, error) {
	if len(boxes) > MaxRules {
		return nil, ErrTooMany
	}
	var live []uint32
	for i := range boxes {
		if !boxes[i].Empty() {
			live = append(live, uint32(i))
		}
	}
	groups := cluster(boxes, live)
	b := builder{boxes: boxes}
	b.spares, b.stride = spares(len(groups))
	b.groups = append(make([][]uint32, b.spares), groups...)
	return b.words(), nil
}

// spares returns how many leaves to leave empty besides so many full ones, and
// the words of a row: what the last word has room for anyway. One more word is
// worth it where there are several.
func spares(groups int) (n, stride int) {
	stride = max((groups+63)/64, 1)
	if stride > 1 && stride < maxStride && 64*stride-groups < mostSpares/2 {
		stride++
	}
	return min(64*stride-groups, mostSpares), stride
}

// builder lays an index out. Group i are the ids of leaf i, ascending.
type builder struct {
	boxes  []Box
	groups [][]uint32
	spares int
	stride int
	out    []uint64
	h      header
}

func (b *builder) words() []uint64 {
	b.out = make([]uint64, headerWords)
	b.h = header{rules: uint32(len(b.boxes)), leaves: uint32(len(b.groups)), stride: uint32(b.stride), spares: uint32(b.spares)}
	for d := range b.h.field {
		b.field(d)
	}
	b.protocols()
	mins := make([]uint32, 64*b.stride+1)
	for i := range mins {
		mins[i] = none
		if i < len(b.groups) && len(b.groups[i]) > 0 {
			mins[i] = b.groups[i][0]
		}
	}
	b.h.mins = b.uint32s(mins)
	for len(b.out)%8 != 0 { // leaves begin at cache lines
		b.out = append(b.out, 0)
	}
	b.h.first = uint32(len(b.out) * 8)
	b.out = append(b.out, make([]uint64, leafWords*len(b.groups))...)
	*head(b.out) = b.h
	leaves := part[leaf](b.out, b.h.first, len(b.groups))
	for i, ids := range b.groups {
		leaves[i].clear()
		for lane, id := range ids {
			leaves[i].set(lane, id, &b.boxes[id])
		}
	}
	return b.out
}

// uint32s appends values and returns their offset.
func (b *builder) uint32s(v []uint32) uint32 {
	off := len(b.out) * 8
	for i := 0; i < len(v); i += 2 {
		w := uint64(v[i])
		if i+1 < len(v) {
			w |= uint64(v[i+1]) << 32
		}
		b.out = append(b.out, w)
	}
	return uint32(off)
}

// field appends levels, classes and rows of range d.
func (b *builder) field(d int) {
	type event struct {
		at   uint32
		leaf uint16
		off  bool
	}
	var events []event
	for i, ids := range b.groups {
		for _, id := range ids {
			lo, hi := min(b.boxes[id].Lo[d], top), min(b.boxes[id].Hi[d], top)
			events = append(events, event{at: lo, leaf: uint16(i)})
			if hi < top {
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
	r := newRows(b.stride)
	holds := make([]int32, len(b.groups)) // rules of a leaf that take the value
	var bounds, table []uint32            // the table has classes first
	for i := 0; i < len(events) || len(bounds) == 0; {
		at := uint32(0)
		if len(bounds) > 0 {
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
		if len(table) == 0 || table[len(table)-1] != class {
			bounds, table = append(bounds, at), append(table, class)
		}
	}
	f := &b.h.field[d]
	if f.bounds = uint32(len(bounds)); f.bounds == 1 {
		return
	}
	var levels [][]uint32
	for {
		for len(bounds)%lanes != 0 {
			bounds = append(bounds, none)
		}
		levels = append(levels, bounds)
		if len(bounds) == lanes {
			break
		}
		var above []uint32
		for i := 0; i < len(bounds); i += lanes {
			above = append(above, bounds[i])
		}
		bounds = above
	}
	f.depth = uint32(len(levels))
	slices.Reverse(levels)
	for i, level := range levels {
		at := b.uint32s(level) / 4
		if i == 0 {
			f.start = at
		} else {
			f.step[i-1] = at - 16*(f.bottom+1)
		}
		f.bottom = at
	}
	f.last = b.place(r, table) - f.bottom - 1
}

// protocols appends the classes and rows of the 256 values of the facts' low byte.
func (b *builder) protocols() {
	r := newRows(b.stride)
	table := make([]uint32, 256)
	for p := range uint16(256) {
		clear(r.row)
		for i, ids := range b.groups {
			for _, id := range ids {
				if x := &b.boxes[id]; p&x.Mask == x.Need&0xff {
					r.row[i/64] |= 1 << (i % 64)
					break
				}
			}
		}
		table[p] = r.class()
	}
	b.h.protos = b.place(r, table)
}

// place appends a table of classes and their rows, and returns the table's place.
func (b *builder) place(r *rows, table []uint32) uint32 {
	base := uint32(len(b.out)*8 + (len(table)+1)/2*8)
	for i, class := range table {
		table[i] = base + class*uint32(b.stride)*8
	}
	at := b.uint32s(table) / 4
	b.out = append(b.out, r.all...)
	return at
}

// rows collects rows that differ.
type rows struct {
	row  []uint64 // the next one
	all  []uint64
	seen map[uint64][]uint32 // classes by hash
}

func newRows(stride int) *rows {
	return &rows{row: make([]uint64, stride), seen: map[uint64][]uint32{}}
}

// class returns the class of the row, a new one if there is no such row yet.
func (r *rows) class() uint32 {
	h, n := uint64(0), len(r.row)
	for _, w := range r.row {
		h = (h ^ w) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	for _, c := range r.seen[h] {
		if slices.Equal(r.all[int(c)*n:int(c+1)*n], r.row) {
			return c
		}
	}
	c := uint32(len(r.all) / n)
	r.all = append(r.all, r.row...)
	r.seen[h] = append(r.seen[h], c)
	return c
}

// clear empties all lanes.
func (l *leaf) clear() {
	*l = leaf{}
	for i := range lanes {
		l.need[i], l.mask[i], l.id[i] = NoFact, NoFact, none
	}
}

// set fills a lane.
func (l *leaf) set(lane int, id uint32, b *Box) {
	l.srcLo[lane], l.srcSpan[lane] = b.Lo[Src], b.Hi[Src]-b.Lo[Src]
	l.dstLo[lane], l.dstSpan[lane] = b.Lo[Dst], b.Hi[Dst]-b.Lo[Dst]
	l.sportLo[lane], l.sportSpan[lane] = uint16(b.Lo[Sport]), uint16(b.Hi[Sport]-b.Lo[Sport])
	l.dportLo[lane], l.dportSpan[lane] = uint16(b.Lo[Dport]), uint16(b.Hi[Dport]-b.Lo[Dport])
	l.need[lane], l.mask[lane] = b.Need, b.Mask
	l.id[lane] = id
}
