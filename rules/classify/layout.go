package classify

// lanes is how many rules a leaf compares at once.
const lanes = 16

// MaxRules is how many boxes one index takes.
const MaxRules = maxLeaves * lanes

const (
	maxLeaves = 64 * maxStride
	maxStride = 16 // words of a row: two vectors of 512 bits
	halfRow   = maxStride / 2

	none uint32 = 1<<32 - 1 // id of an empty lane, and no rule
)

// Indexes with singles have from so many rules on, and up to so many words: table
// entries have 16 bits for the place of half a row.
const (
	leastSingles = 3 * lanes
	mostSingles  = 1 << 16
)

// mostSpares is how many leaves an index keeps for rules that a Patch puts in.
const mostSpares = 4

// leaf is up to 16 rules, ascending by id, field by field. A lane holds when
// every value minus its lo is at most its span, and facts & mask == need. An
// empty lane needs NoFact. The assembly knows the offsets.
type leaf struct {
	srcLo, srcSpan     [lanes]uint32
	dstLo, dstSpan     [lanes]uint32
	sportLo, sportSpan [lanes]uint16
	dportLo, dportSpan [lanes]uint16
	need, mask         [lanes]uint16
	id                 [lanes]uint32
}

const leafWords = 64

// header is the first words of an index. The assembly knows the offsets of its
// fields. Places are counted in uint32 from the index's start, those in mins and first in
// bytes, those of rows in words.
//
//	| header | fields: levels, rows, table, ranks | facts: rows, table | mins | ids | leaves |
//
// The first bits of a row are of leaves. With ids, the others are of singles.
type header struct {
	rules  uint32 // ids are below
	leaves uint32
	stride uint32    // words of a row
	spares uint32    // the first leaves, which Build leaves empty
	mins   uint32    // uint32 of each leaf and of the bit behind: no id in it is smaller; ascending; none: it is empty
	first  uint32    // the leaves
	protos uint32    // rows of the 256 values of the facts' low byte
	edits  uint32    // rules that a Patch put in and took out; 0: the assembly visits no spares
	others uint32    // rows of the 256 values of the facts' high byte; 0: all have the same
	ids    uint32    // of all bits, ascending, and of 65 behind: none if no single has it; 0: there are no singles
	ranks  [2]uint32 // of ports; 0: there is only the tree
	_      [4]uint32
	field  [ranges]field
}

// field finds the row of a value. The last values that have the same row are the
// bottom of a tree: entry i of a level is the last of the 16 from 16*i on of the
// next, and what is missing is the greatest value. So if n of the 16 entries from place
// p on are not below the value, the search goes on at 16*(p-n) + step, and from the
// bottom comes to the row's entry in the table, p-n + last.
type field struct {
	depth  uint32 // levels, up to 4; 0: all values have the same row
	start  uint32 // the first level
	step   [maxDepth - 1]uint32
	last   uint32
	bottom uint32 // the last level
	bounds uint32 // its entries but for what is missing
}

const maxDepth = 4

// ranksLen is the uint32 of ranks: for 64 ports at a time a bit for each that is the
// last one of a row (two), and the table's entry for those behind them.
const ranksLen = 3 * 1024

// ranksWorth is the number of rules from which on ranks, 12 KB, are worth their room.
const ranksWorth = 512

const headerWords = 24

// lastOf returns the greatest value of range d.
func lastOf(d int) uint32 {
	if d == Sport || d == Dport {
		return 1<<16 - 1
	}
	return 1<<32 - 1
}

// table returns where the table of rows is, in bytes.
func (f *field) table() uint32 { return (f.bottom - lanes + f.last) * 4 }

// rowOf returns the row of a table's entry: its place in words, or with singles the
// places of its halves, for many rows share one.
func (h *header) rowOf(words []uint64, entry uint32) (first, second []uint64) {
	n := h.stride
	if h.ids == 0 {
		return words[entry : entry+n], nil
	}
	a, b := entry&0xffff, entry>>16
	if n > halfRow {
		return words[a : a+halfRow], words[b : b+halfRow]
	}
	return words[a : a+n], nil
}
