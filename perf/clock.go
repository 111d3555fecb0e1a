package perf

import (
	"sync/atomic"
	"time"
)

// Clock is the one source of time of a box. A real clock runs by itself from
// NewClock on; a virtual one stands still until Set or Advance move it, so that
// replays and tests give the same result every time. Neither ever goes back.
//
// All methods may be called from any goroutine. Reading allocates nothing;
// workers read once per burst and pass the value on.
type Clock struct {
	virtual bool
	start   time.Time    // real: with Go's monotonic reading
	now     atomic.Int64 // virtual: nanoseconds since start
}

// NewClock returns a clock that runs with the system's monotonic clock.
func NewClock() *Clock { return &Clock{start: time.Now()} }

// NewVirtual returns a clock that stands at start.
func NewVirtual(start time.Time) *Clock {
	return &Clock{virtual: true, start: start.Round(0)} // Round strips the monotonic reading
}

// Virtual says whether the clock moves only by Set and Advance.
func (c *Clock) Virtual() bool { return c.virtual }

// Nanos returns the nanoseconds since the clock's start.
func (c *Clock) Nanos() int64 {
	if c.virtual {
		return c.now.Load()
	}
	return int64(time.Since(c.start))
}

// Millis returns the tick: the low 32 bits of the milliseconds since the
// clock's start. It wraps after 49.7 days, so ticks are compared by the sign of
// their difference.
func (c *Clock) Millis() uint32 { return Tick(c.Nanos()) }

// Tick turns a value of Nanos into the tick of the same moment, for callers
// that need both from one reading.
func Tick(nanos int64) uint32 { return uint32(nanos / int64(time.Millisecond)) }

// Start returns the wall time at which the clock started.
func (c *Clock) Start() time.Time { return c.start.Round(0) }

// Wall returns the wall time that belongs to Nanos. Steps of the system's wall
// clock after NewClock do not show.
func (c *Clock) Wall() time.Time { return c.At(c.Nanos()) }

// At returns the wall time of a value that Nanos returned earlier.
func (c *Clock) At(nanos int64) time.Time { return c.Start().Add(time.Duration(nanos)) }

// Set moves a virtual clock forward to wall time t and says whether it moved:
// an earlier t leaves it where it is. It panics on a real clock.
func (c *Clock) Set(t time.Time) bool {
	c.mustBeVirtual("Set")
	to := int64(t.Sub(c.start))
	for {
		now := c.now.Load()
		if to <= now {
			return false
		}
		if c.now.CompareAndSwap(now, to) {
			return true
		}
	}
}

// Advance moves a virtual clock forward by d. It panics on a real clock and
// for a negative d.
func (c *Clock) Advance(d time.Duration) {
	c.mustBeVirtual("Advance")
	if d < 0 {
		panic("perf: Clock.Advance by " + d.String())
	}
	c.now.Add(int64(d))
}

func (c *Clock) mustBeVirtual(method string) {
	if !c.virtual {
		panic("perf: Clock." + method + " on a real clock")
	}
}
