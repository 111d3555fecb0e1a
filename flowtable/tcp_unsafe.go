package flowtable

import "unsafe"

const (
	_ = -(unsafe.Sizeof([2]tcpSide{}) ^ unsafe.Sizeof(Entry{}.Proto))
	_ = -(unsafe.Sizeof(tcpLast{}) ^ 16)
)

// sides views what a TCP flow keeps in Proto: its two sides, original first.
func (e *Entry) sides() *[2]tcpSide { return (*[2]tcpSide)(unsafe.Pointer(&e.Proto)) }
