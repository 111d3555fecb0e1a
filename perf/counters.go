package perf

import "sync/atomic"

// Counter counts for one writer and any number of readers. Because only its
// owner writes, adding is a load and a store and no locked read-modify-write.
// The store still costs some nanoseconds: a worker sums in plain variables and
// adds once per burst.
type Counter struct{ v atomic.Uint64 }

// Add adds n. Owner only.
func (c *Counter) Add(n uint64) { c.v.Store(c.v.Load() + n) }

// Load returns the value. Any goroutine.
func (c *Counter) Load() uint64 { return c.v.Load() }

// Pad keeps what two CPUs write on different cache lines. It is two lines
// long because CPUs fetch lines in pairs.
type Pad [128]byte
