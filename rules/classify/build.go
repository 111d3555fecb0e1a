package classify

import (
	"errors"
	"math/rand/v2"
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
	b.leaves = len(b.groups)
	words := b.words()
	if len(live) >= leastSingles && b.stride == 1 && visits(words, boxes, live) > mostVisits {
		if better := singles(boxes, live); better != nil {
			return better, nil
		}
	}
	return words, nil
}

// mostVisits is how many leaves lookups visit on the average before singles are worth
// their room. One leaf is quicker than they are.
const mostVisits = 1.1

// visits guesses how many leaves lookups visit. Its keys are in boxes, at bounds of
// others where these reach into them: packets go where rules are.
func visits(words []uint64, boxes []Box, live []uint32) float64 {
	const most = 256
	if len(live) == 0 {
		return 0
	}
	ix := Open(words)
	r := rand.New(rand.NewPCG(1, 1))
	sum := 0
	for range most {
		b := &boxes[live[r.IntN(len(live))]]
		var v [ranges]uint32
		for d := range v {
			o := &boxes[live[r.IntN(len(live))]]
			if v[d] = b.Lo[d]; b.Lo[d] <= o.Lo[d] && o.Lo[d] <= b.Hi[d] {
				v[d] = o.Lo[d]
			}
		}
		facts := b.Need | boxes[live[r.IntN(len(live))]].Need&^b.Mask
		_, n := ix.visit(&Key{Src: v[Src], Dst: v[Dst], Sport: uint16(v[Sport]), Dport: uint16(v[Dport]), Facts: facts}, 0)
		sum += n
	}
	return float64(sum) / most
}

// singles makes an index with singles, or nil if it would be large.
func singles(boxes []Box, live []uint32) []uint64 {
	b := builder{boxes: boxes, single: true}
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
	for _, id := range live {
		b.groups[b.spares+int(id)] = []uint32{id}
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
	groups [][]uint32
	leaves int  // the first groups
	single bool // the others are of a rule each
	spares int
	stride int
	out    []uint64
	h      header
}

func (b *builder) words() []uint64 {
	b.out = make([]uint64, headerWords)
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
