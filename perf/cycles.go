package perf

import (
	"math"
	"sync"
	"time"
)

// Rate is how fast Cycles counts, in cycles per second.
type Rate float64

// CycleRate returns the rate of Cycles, measured at the first call, which takes
// some ten milliseconds. For the control side; safe for concurrent use.
var CycleRate = sync.OnceValue(func() Rate { return measureRate(10 * time.Millisecond) })

// measureRate compares Cycles with the monotonic clock over d.
func measureRate(d time.Duration) Rate {
	t0, c0 := both()
	time.Sleep(d)
	t1, c1 := both()
	return Rate(float64(c1-c0) / t1.Sub(t0).Seconds())
}

// both reads the two clocks at about the same moment: of several readings it
// takes the one that was interrupted least.
func both() (t time.Time, c uint64) {
	best := uint64(math.MaxUint64)
	for range 16 {
		before := Cycles()
		now := time.Now()
		after := Cycles()
		if after-before < best {
			best, t, c = after-before, now, before+(after-before)/2
		}
	}
	return t, c
}

// Cycles returns how many cycles a time has.
func (r Rate) Cycles(d time.Duration) uint64 { return uint64(d.Seconds() * float64(r)) }

// Duration returns how long a number of cycles takes.
func (r Rate) Duration(cycles uint64) time.Duration {
	return time.Duration(float64(cycles) / float64(r) * float64(time.Second))
}
