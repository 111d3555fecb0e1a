package classify

// extent is the box around some rules, and the first of them. Its bounds are ranks
// among those that occur in the rules, of all fields side by side, to be joined at once.
type extent struct {
	lo    uint64 // of each field the first rank,
	hi    uint64 // and how many ranks lie behind the last one: joined, both get smaller
	facts uint32 // bits of the facts that all rules want to be 1, and those they want to be 0
	first uint32 // id
}

// rankGuards are the bits above ranks, which have 15, for a rule has two bounds.
const (
	rankGuards = 0x8000_8000_8000_8000
	_          = uint(1<<15 - 2*MaxRules)
)

// join returns the smallest extent around both.
func (e extent) join(o *extent) extent {
	return extent{least(e.lo, o.lo), least(e.hi, o.hi), e.facts & o.facts, min(e.first, o.first)}
}

// least returns the lesser one of each two ranks.
func least(a, b uint64) uint64 {
	greater := ((a | rankGuards) - b) & rankGuards // or equal
	return a ^ (a^b)&(greater-greater>>15)
}

// extentsOf returns the extents of the boxes ids, by id, and the last ranks.
func extentsOf(boxes []Box, ids []uint32, ends *bounds) (extents []extent, last uint64) {
	extents = make([]extent, len(boxes))
	for _, id := range ids {
		b := &boxes[id]
		extents[id] = extent{facts: uint32(b.Need)<<16 | uint32(b.Mask&^b.Need), first: id}
	}
	for d, ends := range ends {
		shift := 16 * d
		rank := uint64(0)
		for i, x := range ends {
			if i > 0 && x>>32 != ends[i-1]>>32 {
				rank++
			}
			if x&1 == 0 {
				extents[idOf(x)].lo |= rank << shift
			}
		}
		last |= rank << shift
		behind := uint64(0)
		for i := len(ends) - 1; i >= 0; i-- {
			x := ends[i]
			if i == len(ends)-1 || x>>32 != ends[i+1]>>32 {
				behind++
			}
			if x&1 != 0 {
				extents[idOf(x)].hi |= behind << shift
			}
		}
	}
	return extents, last
}
