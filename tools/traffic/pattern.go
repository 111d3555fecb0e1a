package traffic

import "encoding/binary"

// A request starts with a head of 16 bytes: the session's id, the number of the
// request in it, and how many bytes to answer. The pattern follows.
const headBytes = 16

type head struct {
	id      uint64 // unlike that of any other session of the client
	request uint32 // from 0
	want    uint32 // pattern bytes in the answer
}

func (h *head) put(b []byte) {
	binary.BigEndian.PutUint64(b, h.id)
	binary.BigEndian.PutUint32(b[8:], h.request)
	binary.BigEndian.PutUint32(b[12:], h.want)
}

func getHead(b []byte) head {
	return head{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])}
}

// Sides of a session, for their patterns to differ.
const (
	asked    = 0x0123456789abcdef
	answered = 0xfedcba9876543210
)

// key returns what the pattern of one request or answer begins from.
func (h *head) key(side uint64) uint64 {
	return (h.id ^ side) + uint64(h.request)*0xd1342543de82ef95
}

// word is the pattern's word number i.
func word(key uint64, i int) uint64 {
	x := (key + uint64(i)) * 0x9e3779b97f4a7c15
	return x ^ x>>29
}

// fill writes the pattern from byte offset at, a multiple of eight, on.
func fill(b []byte, key uint64, at int) {
	i := at / 8
	for ; len(b) >= 8; b, i = b[8:], i+1 {
		binary.LittleEndian.PutUint64(b, word(key, i))
	}
	if len(b) > 0 {
		var tail [8]byte
		binary.LittleEndian.PutUint64(tail[:], word(key, i))
		copy(b, tail[:])
	}
}

// matches says whether b is the pattern from byte offset at on. An offset that
// is no multiple of eight never matches: hosts cut answers only there.
func matches(b []byte, key uint64, at int) bool {
	if at%8 != 0 {
		return false
	}
	i := at / 8
	for ; len(b) >= 8; b, i = b[8:], i+1 {
		if binary.LittleEndian.Uint64(b) != word(key, i) {
			return false
		}
	}
	if len(b) == 0 {
		return true
	}
	var tail [8]byte
	binary.LittleEndian.PutUint64(tail[:], word(key, i))
	return string(b) == string(tail[:len(b)])
}
