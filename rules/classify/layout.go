package classify

// lanes is how many rules a leaf compares at once.
const lanes = 16

// MaxRules is how many boxes one index takes.
const MaxRules = (maxLeaves - overlay) * lanes

const (
	maxLeaves = 64 * maxStride
	maxStride = 16 // words of a row: two vectors of 512 bits

	// overlay leaves stand in every row and take what edits add.
	overlay = 2

	none uint32 = 1<<32 - 1 // id of an empty lane, and no rule
	top  uint32 = 1<<32 - 2 // the last value that searches tell apart, so that padding is greater than any
)

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

// header is the first words of an index. Offsets are in bytes from its start.
// The assembly knows the offsets of its fields.
//
//	| header | fields: levels, classes, rows | protocols: classes, rows | mins | leaves |
type header struct {
	rules  uint32 // ids are below
	leaves uint32 // the overlay's included
	stride uint32 // words of a row
	added  uint32 // lanes of the overlay in use
	mins   uint32 // uint32 of each of 64*stride leaves and one more: its smallest id, or none
	first  uint32 // the leaves
	protos uint32 // 256 classes of one byte
	rows   uint32 // of the protocols' classes
	field  [ranges]field
	bytes  uint32 // all of it
	_      [7]uint32
}

// field finds a value's class and the class's row. The bounds at which the class
// changes are a tree: entry i of a level is entry 16*i of the next.
type field struct {
	depth   uint32 // levels, 1 to 4
	level   [maxDepth]uint32
	classes uint32 // uint16 of each entry of the last level
	rows    uint32
	bounds  uint32 // entries of the last level that are not padding
}

const maxDepth = 4

const headerWords = 24
