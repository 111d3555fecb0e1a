//go:build !purego

package perf

// Cycles reads the time stamp counter. Its frequency is constant but unknown;
// use it for shares and ratios.
func Cycles() uint64
