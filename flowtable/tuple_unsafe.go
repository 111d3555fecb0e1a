package flowtable

import "unsafe"

// The layouts that the code and its drawings rely on.
const (
	_ = -(unsafe.Sizeof(Tuple{}) ^ 40)
	_ = -(unsafe.Sizeof(Entry{}) ^ 128)
	_ = -(unsafe.Offsetof(Entry{}.Packets) ^ 64)
	_ = -(unsafe.Sizeof(NAT{}) ^ 64)
	_ = -(unsafe.Sizeof(bucket{}) ^ 64)
	_ = -(unsafe.Sizeof(Expectation{}) ^ recordWords*8)
	_ = -(unsafe.Offsetof(Expectation{}.Flags) ^ wordFlags*8)
	_ = -(unsafe.Offsetof(Expectation{}.Mark) ^ wordMark*8)

	// prefetch_amd64.s has these as numbers.
	_ = -(unsafe.Offsetof(bucket{}.entry) ^ 16)
	_ = -(unsafe.Offsetof(bucket{}.displaced) ^ 48)
	_ = -(unsafe.Offsetof(bucket{}.reply) ^ 53)
)

// words views a tuple as five machine words, for comparing and hashing. The
// value of a word depends on the machine's byte order; equality does not.
func words(tu *Tuple) *[5]uint64 { return (*[5]uint64)(unsafe.Pointer(tu)) }

// recordOf views an expectation as the words in which the shared table holds it.
func recordOf(x *Expectation) *record { return (*record)(unsafe.Pointer(x)) }

// Sizes of cold data, for the registry of extensions.
const (
	sizeHelp       = int(unsafe.Sizeof(Help{}))
	sizeNAT        = int(unsafe.Sizeof(NAT{}))
	sizeSeqAdjust  = int(unsafe.Sizeof(SeqAdjust{}))
	sizeTimestamps = int(unsafe.Sizeof(Timestamps{}))
	sizeLabels     = int(unsafe.Sizeof(Labels{}))
	sizeSynproxy   = int(unsafe.Sizeof(Synproxy{}))
)
