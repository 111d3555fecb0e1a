//go:build amd64 && !purego

package perf

// Cycles returns the CPU's time-stamp counter. Readings of one goroutine do not
// go back while it stays on one CPU, and on machines with an invariant counter,
// which is all that matter, not at all. The CPU may run the reading a few
// instructions early or late: fences would cost more than what is measured.
//
//go:noescape
func Cycles() uint64
