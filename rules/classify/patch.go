package classify

import "slices"

// Patch returns an index of boxes, given one of an earlier list of them: was[i] is
// the place of box i in that list, or -1 for a new one, and the places ascend. box
// is asked for few of them. It takes a twentieth of the time of Build. False: there
// is no room for the new ones, or so much has changed since Build that it is time
// for another.
//
// New rules go to spare leaves, which are visited first and then stop no
// search. The leaves and bits of the others stay what they are; only ids move.
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
	if h.ids != 0 {
		moveSingles(words, &h, to)
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

// moveSingles gives singles their new ids. The bits of those that are gone go from
// the rows of protocols, which all keys have.
func moveSingles(words []uint64, h *header, to []uint32) {
	ids := part[uint32](words, h.ids*4, int(64*h.stride))
	protos := part[uint32](words, h.protos*4, 256)
	for i, id := range ids {
		if id == none {
			continue
		}
		ids[i] = to[id] &^ gone // still ascending
		if to[id]&gone == 0 {
			continue
		}
		for _, entry := range protos {
			row, second := h.rowOf(words, entry)
			word := i / 64
			if second != nil && word >= halfRow {
				row, word = second, word-halfRow
			}
			row[word] &^= 1 << (i % 64)
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
	for d := range h.field {
		f := &h.field[d]
		if f.depth == 0 {
			continue // there are no rows: every value leads to all leaves
		}
		bounds := part[uint32](words, f.bottom*4, int(f.bounds))
		table := part[uint32](words, f.table(), len(bounds))
		for i, _ := slices.BinarySearch(bounds, b.Lo[d]); i == 0 || i < len(bounds) && bounds[i-1] < b.Hi[d]; i++ {
			h.set(words, table[i], at)
		}
	}
	visitFacts(words, h, h.protos, at, b.Need&0xff, b.Mask&0xff)
	if h.others != 0 {
		visitFacts(words, h, h.others, at, b.Need>>8, b.Mask>>8)
	}
}

// set makes a table's entry lead to a leaf. It is in the row's first half if there
// are two.
func (h *header) set(words []uint64, entry, leaf uint32) {
	row, _ := h.rowOf(words, entry)
	row[leaf/64] |= 1 << (leaf % 64)
}

// visitFacts is visit for a byte of the facts, whose table of rows is given.
func visitFacts(words []uint64, h *header, rows, at uint32, need, mask uint16) {
	for v, row := range part[uint32](words, rows*4, 256) {
		if uint16(v)&mask == need {
			h.set(words, row, at)
		}
	}
}
