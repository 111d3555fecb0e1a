//go:build !amd64 || purego

package perf

import "time"

var cyclesStart = time.Now()

// Cycles returns nanoseconds since the program began: where there is no
// assembly the monotonic clock stands in for the time stamp counter.
func Cycles() uint64 { return uint64(time.Since(cyclesStart)) }
