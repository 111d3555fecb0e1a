// Package perf holds what measures a running box and costs next to nothing
// while it does: the clock, cycle readings, counters, stage accounts and
// histograms.
//
// Terms: a tick is a millisecond in 32 bits; a cycle is one step of the CPU's
// time-stamp counter (a nanosecond where there is none); a stage is a named
// part of a worker's burst.
//
// Ownership: counters, accounts and histograms belong to one worker, which
// alone writes them, without locks or allocation. Any goroutine may read them:
// the owner publishes with atomic stores, at most once per burst.
//
// Files in reading order: clock.go, counters.go.
package perf
