//go:build !amd64 || purego

package perf

import "time"

var cyclesStart = time.Now()

// Cycles returns the nanoseconds of the monotonic clock, for want of a cycle
// counter.
func Cycles() uint64 { return uint64(time.Since(cyclesStart)) }
