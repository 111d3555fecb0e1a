package classify

import "slices"

// Patch says how an index is another one's, made by Build, for a list of boxes that
// differs little. Who needs words has them written; until then a Patch is small beside
// them. It is immutable.
//
// New rules go to spare leaves, which are visited first and then stop no
// search. The leaves and bits of the others stay what they are; only ids move.
type Patch struct {
	index []uint64
	head  header
	to    []uint32 // new id of a rule, or with gone of the first one behind it that stays
	fresh []newBox
}

// newBox is a rule that was put in.
type newBox struct {
	id  uint32
	box Box
}

// NewPatch returns a patch of an index: was[i] is the place of box i in the list that
// Build had, or -1 for a new one, and the places ascend. box is asked for the new ones.
// False: there is no room for them, or so much has changed since Build that it is time
// for another.
func NewPatch(index []uint64, was []int32, box func(i int) Box) (*Patch, bool) {
	if len(was) > MaxRules {
		return nil, false
	}
	p := &Patch{index: index, head: *head(index)}
	h := &p.head
	p.to = make([]uint32, h.rules+1)
	for i := range p.to {
		p.to[i] = gone
	}
	kept := uint32(0)
	for i, from := range was {
		if from >= 0 {
			p.to[from] = uint32(i)
			kept++
		} else if b := box(i); !b.Empty() {
			if len(p.fresh) == int(h.spares)*lanes {
				return nil, false
			}
			p.fresh = append(p.fresh, newBox{uint32(i), b})
		}
	}
	if h.edits = uint32(len(p.fresh)) + h.rules - kept; h.edits > editLimit+h.rules/editShare {
		return nil, false
	}
	behind := uint32(len(was))
	for i := len(p.to) - 1; i >= 0; i-- {
		if p.to[i] == gone {
			p.to[i] |= behind
		} else {
			behind = p.to[i]
		}
	}
	h.rules = uint32(len(was))
	return p, true
}

// Write writes the index to as many words as the other one has. It does not allocate,
// and takes a twentieth of the time of Build.
func (p *Patch) Write(words []uint64) {
	h := &p.head
	copy(words, p.index)
	*head(words) = *h
	leaves := part[leaf](words, h.first, int(h.leaves))
	mins := part[uint32](words, h.mins, int(h.leaves))
	for i := range leaves {
		if i >= int(h.spares) && mins[i] != none {
			mins[i] = p.to[mins[i]] &^ gone // still ascending, and not above what is left
		}
		leaves[i].move(p.to)
	}
	if h.ids != 0 {
		moveSingles(words, h, p.to)
	}
	for i := range p.fresh {
		f, at := &p.fresh[i], i/lanes
		leaves[at].set(i%lanes, f.id, &f.box)
		mins[at] = 0
		visit(words, h, uint32(at), &f.box)
	}
}

// Room returns how many more rules can be new.
func (p *Patch) Room() int { return int(p.head.spares)*lanes - len(p.fresh) }

// MostRoom is the largest Room of any patch.
const MostRoom = mostSpares * lanes

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
