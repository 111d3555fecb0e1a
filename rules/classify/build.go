package classify

import "errors"

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
	ends := boundsOf(boxes, live)
	groups := cluster(boxes, live, ends)
	n, stride := spares(len(groups))
	if len(live) >= leastSingles && stride == 1 && manyVisits(boxes, live, groups) {
		if words := singles(boxes, live, ends); words != nil {
			return words, nil
		}
	}
	b := builder{boxes: boxes, ends: ends, spares: n, stride: stride, leaves: n + len(groups)}
	b.groups = append(make([][]uint32, n, b.leaves), groups...)
	return b.words(), nil
}

// singles makes an index with singles, or nil if it would be large.
func singles(boxes []Box, live []uint32, ends *bounds) []uint64 {
	b := builder{boxes: boxes, ends: ends, single: true}
	b.stride = max((len(boxes)+mostSpares+63)/64, 1)
	if b.stride > halfRow {
		b.stride = 2 * halfRow
	}
	b.spares = min(64*b.stride-len(boxes), mostSpares)
	if b.spares < 0 {
		return nil
	}
	b.leaves = b.spares
	b.groups = make([][]uint32, b.spares+len(boxes))
	for i, id := range live {
		b.groups[b.spares+int(id)] = live[i : i+1]
	}
	words := b.words()
	if len(words) > mostSingles {
		return nil
	}
	return words
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

// builder lays an index out. Group i are the ids that bit i of rows stands for,
// ascending: those of leaf i, or a rule.
type builder struct {
	boxes  []Box
	ends   *bounds
	groups [][]uint32
	bits   []uint16 // by id: its group
	leaves int      // the first groups
	single bool     // the others are of a rule each
	spares int
	stride int
	rows   rows
	out    []uint64
	h      header
}

func (b *builder) words() []uint64 {
	b.bits = make([]uint16, len(b.boxes))
	for i, ids := range b.groups {
		for _, id := range ids {
			b.bits[id] = uint16(i)
		}
	}
	b.out = make([]uint64, headerWords, headerWords+8*len(b.boxes))
	b.h = header{rules: uint32(len(b.boxes)), leaves: uint32(b.leaves), stride: uint32(b.stride), spares: uint32(b.spares)}
	for d := range b.h.field {
		b.field(d)
	}
	b.h.protos = b.facts(0)
	bits := 64 * b.stride
	mins := make([]uint32, bits+1)
	if b.single {
		mins = mins[:65]
		ids := make([]uint32, bits+65)
		for i := range ids {
			ids[i] = none
			if i >= b.leaves && i < len(b.groups) {
				ids[i] = uint32(i - b.leaves)
			}
		}
		b.h.ids = b.uint32s(ids) / 4
		b.h.others = b.facts(8)
	}
	for i := range mins {
		mins[i] = none
		if i < b.leaves && len(b.groups[i]) > 0 {
			mins[i] = b.groups[i][0]
		}
	}
	b.h.mins = b.uint32s(mins)
	b.align()
	b.h.first = uint32(len(b.out) * 8)
	b.out = append(b.out, make([]uint64, leafWords*b.leaves)...)
	*head(b.out) = b.h
	leaves := part[leaf](b.out, b.h.first, b.leaves)
	for i, ids := range b.groups[:b.leaves] {
		leaves[i].clear()
		for lane, id := range ids {
			leaves[i].set(lane, id, &b.boxes[id])
		}
	}
	return b.out
}

// align makes what follows begin at a cache line.
func (b *builder) align() {
	for len(b.out)%8 != 0 {
		b.out = append(b.out, 0)
	}
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
