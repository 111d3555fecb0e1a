// Package perf holds what measures a running box and costs next to nothing
// while it does: the clock, cycle readings, counters, stage accounts and
// histograms. Faults, panics that keep their stack, and what a
// process that runs workers asks of the garbage collector are here as all packages know it.
//
// Terms: a tick is a millisecond in 32 bits; a cycle is one step of the CPU's
// time-stamp counter (a nanosecond where there is none); a stage is a named
// part of a worker's burst.
//
// Ownership: counters, accounts and histograms belong to one worker, which
// alone writes them, without locks or allocation. Any goroutine may read them:
// the owner publishes with atomic stores, at most once per burst. What the
// owner writes lies on cache lines of its own.
//
// Limits: 16 stages in an account; quantiles of a histogram are at most a 128th
// too high.
//
// Files in reading order: clock.go, cycles.go, cycles_amd64.go, cycles_amd64.s,
// cycles_generic.go, counters.go, switches.go, stages.go, thread.go, histogram.go,
// fault.go, heap.go.
package perf
