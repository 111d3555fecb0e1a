package classify

import "unsafe"

// The header and the leaves lie in the words as they are here.
const (
	_ = uint(unsafe.Sizeof(header{}) - headerWords*8)
	_ = uint(headerWords*8 - unsafe.Sizeof(header{}))
	_ = uint(unsafe.Sizeof(leaf{}) - leafWords*8)
	_ = uint(leafWords*8 - unsafe.Sizeof(leaf{}))
)

// head returns the header of an index.
func head(words []uint64) *header {
	return (*header)(unsafe.Pointer(&words[:headerWords][0]))
}

// part returns n elements of an index from a byte offset on. Offsets and lengths
// come from Build and are trusted.
func part[T any](words []uint64, off uint32, n int) []T {
	if n == 0 {
		return nil // the pointer would be to what follows
	}
	return unsafe.Slice((*T)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(words)), off)), n)
}
