package classify

// lanes is how many rules a leaf compares at once.
const lanes = 16

// MaxRules is how many boxes one index takes.
const MaxRules = maxLeaves * lanes

const (
	maxLeaves = 64 * maxStride
	maxStride = 16 // words of a row: two vectors of 512 bits

	none uint32 = 1<<32 - 1 // id of an empty lane, and no rule
	top  uint32 = 1<<32 - 2 // the last value that searches tell apart, so that padding is greater than any
)

// mostSpares is how many leaves an index keeps for rules that Patch puts in.
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
// fields. Places are counted in uint32 from the index's start, rows, mins and
// leaves in bytes.
//
//	| header | fields: levels, table, rows | protocols: table, rows | mins | leaves |
type header struct {
	rules  uint32 // ids are below
	leaves uint32
	stride uint32 // words of a row
	spares uint32 // the first leaves, which Build leaves empty
	mins   uint32 // uint32 of each of 64*stride leaves and one more: no id in it is smaller; ascending; none: it is empty
	first  uint32 // the leaves
	protos uint32 // rows of the 256 values of the facts' low byte
	edits  uint32 // rules that Patch put in and took out since Build
	field  [ranges]field
}

// field finds the row of a value. The bounds at which the row changes are a tree:
// entry i of a level is entry 16*i of the next. So if n of the 16 entries from
// place p on are not above the value, the search goes on at 16*(p+n) + step, and
// from the last level comes to the row's entry in the table, p+n + last.
type field struct {
	depth  uint32 // levels, up to 4; 0: all values have the same row, of all leaves
	start  uint32 // the first level
	step   [maxDepth - 1]uint32
	last   uint32
	bottom uint32 // the last level
	bounds uint32 // its entries but for the padding
}

const maxDepth = 4

const headerWords = 20
