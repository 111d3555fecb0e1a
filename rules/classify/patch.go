package classify

import "slices"

// Patch returns an index of boxes, given one of an earlier list of them: was[i] is
// the place of box i in that list, or -1 for a new one, and the places ascend. box
// is asked for few of them. It takes a fiftieth of the time of Build. False: there
// is no room for the new ones, or so much has changed since Build that it is time
// for another.
//
// New rules go to spare leaves, which are visited first and then stop no
// search. The leaves of the others stay what they are; only ids move.
func Patch(index []uint64, was []int32, box func(i int) Box) ([]uint64, bool) {
	h := *head(index)
	var fresh []uint32
	to := make([]uint32, h.rules+1) // new id of a rule, or with gone of the first one behind it that stays
	for i := range to {
		to[i] = gone
	}
	kept := uint32(0)
	for i, from := range was {
		if from >= 0 {
			to[from] = uint32(i)
			kept++
		} else if b := box(i); !b.Empty() {
			fresh = append(fresh, uint32(i))
		}
	}
	h.edits += uint32(len(fresh)) + h.rules - kept
	if h.edits > editLimit+h.rules/editShare || len(was) > MaxRules {
		return nil, false
	}
	behind := uint32(len(was))
	for i := len(to) - 1; i >= 0; i-- {
		if to[i] == gone {
			to[i] |= behind
		} else {
			behind = to[i]
		}
	}

	h.rules = uint32(len(was))
	words := slices.Clone(index)
	*head(words) = h
	leaves := part[leaf](words, h.first, int(h.leaves))
	mins := part[uint32](words, h.mins, int(h.leaves))
	for i := range leaves {
		if i >= int(h.spares) && mins[i] != none {
			mins[i] = to[mins[i]] &^ gone // still ascending, and not above what is left
		}
		leaves[i].move(to)
	}
	for _, id := range fresh {
		at := slices.IndexFunc(leaves[:h.spares], func(l leaf) bool { return slices.Contains(l.id[:], none) })
		if at < 0 {
			return nil, false
		}
		leaves[at].insert(id, box)
		mins[at] = 0
		b := box(int(id))
		visit(words, &h, uint32(at), &b)
	}
	return words, true
}

// MostRoom is the largest Room of any index.
const MostRoom = mostSpares * lanes

// Room returns how many rules Patch can still put into an index.
func Room(index []uint64) (n int) {
	h := head(index)
	leaves := part[leaf](index, h.first, int(h.leaves))
	for i := range leaves[:h.spares] {
		for _, id := range leaves[i].id {
			if id == none {
				n++
			}
		}
	}
	return n
}

// gone marks rules that are no more.
const gone = 1 << 31

// Build is due after so many edits and a share of the rules.
const (
	editLimit = 64
	editShare = 8
)

// move gives the rules of a leaf their new ids.
func (l *leaf) move(to []uint32) {
	for i, id := range l.id {
		if id == none {
			continue
		}
		if l.id[i] = to[id]; to[id]&gone != 0 {
			l.need[i], l.mask[i], l.id[i] = NoFact, NoFact, none
		}
	}
}

// insert puts a rule into a leaf that has room.
func (l *leaf) insert(id uint32, box func(i int) Box) {
	ids := []uint32{id}
	for _, other := range l.id {
		if other != none {
			ids = append(ids, other)
		}
	}
	slices.Sort(ids)
	l.clear()
	for lane, id := range ids {
		b := box(int(id))
		l.set(lane, id, &b)
	}
}

// visit makes the rows of all values in a box lead to a leaf. Rows are of classes
// of values, so they may lead there for others too.
func visit(words []uint64, h *header, at uint32, b *Box) {
	word, bit := at/64, uint64(1)<<(at%64)
	for d := range h.field {
		f := &h.field[d]
		if f.depth == 0 {
			continue // there are no rows: every value leads to all leaves
		}
		bounds := part[uint32](words, f.bottom*4, int(f.bounds))
		table := part[uint32](words, (f.bottom+1+f.last)*4, len(bounds))
		lo, hi := min(b.Lo[d], top), min(b.Hi[d], top)
		first, found := slices.BinarySearch(bounds, lo)
		if !found {
			first--
		}
		for i := first; i < len(bounds) && bounds[i] <= hi; i++ {
			part[uint64](words, table[i], int(h.stride))[word] |= bit
		}
	}
	table := part[uint32](words, h.protos*4, 256)
	for p, row := range table {
		if uint16(p)&b.Mask&0xff == b.Need&0xff {
			part[uint64](words, row, int(h.stride))[word] |= bit
		}
	}
}
