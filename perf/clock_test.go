package perf

import (
	"sync"
	"testing"
	"time"
)

var day = time.Date(2024, 2, 29, 23, 59, 59, 999_000_000, time.UTC)

func TestVirtualClock(t *testing.T) {
	for _, tc := range []struct {
		name  string
		move  func(c *Clock)
		nanos int64
		tick  uint32
	}{
		{"untouched", func(*Clock) {}, 0, 0},
		{"advance", func(c *Clock) { c.Advance(1999 * time.Microsecond) }, 1_999_000, 1},
		{"advance twice", func(c *Clock) { c.Advance(time.Second); c.Advance(1) }, 1_000_000_001, 1000},
		{"set", func(c *Clock) { c.Set(day.Add(3 * time.Millisecond)) }, 3_000_000, 3},
		{"set in another zone", func(c *Clock) { c.Set(day.Add(time.Hour).In(time.FixedZone("x", 7200))) }, 3600e9, 3600e3},
		{"set back", func(c *Clock) { c.Advance(time.Second); c.Set(day) }, 1e9, 1000},
		{"set before the start", func(c *Clock) { c.Set(day.Add(-time.Hour)) }, 0, 0},
		{"tick wraps", func(c *Clock) { c.Advance((1<<32 + 5) * time.Millisecond) }, (1<<32 + 5) * 1e6, 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := NewVirtual(day)
			tc.move(c)
			if c.Nanos() != tc.nanos || c.Millis() != tc.tick {
				t.Errorf("%d ns, tick %d, want %d and %d", c.Nanos(), c.Millis(), tc.nanos, tc.tick)
			}
			if want := day.Add(time.Duration(tc.nanos)); !c.Wall().Equal(want) {
				t.Errorf("wall time %v, want %v", c.Wall(), want)
			}
		})
	}
}

func TestSetSaysWhetherItMoved(t *testing.T) {
	c := NewVirtual(day)
	if c.Set(day) {
		t.Error("moved to where it was")
	}
	if !c.Set(day.Add(1)) {
		t.Error("did not move a nanosecond on")
	}
}

// TestVirtualClockConcurrent moves one clock from several goroutines: it never
// goes back, and no Advance is lost.
func TestVirtualClockConcurrent(t *testing.T) {
	const each = 1000
	c := NewVirtual(day)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var seen int64
			for i := range each {
				c.Advance(time.Microsecond)
				c.Set(day.Add(time.Duration(i)))
				now := c.Nanos()
				if now < seen {
					t.Errorf("%d after %d", now, seen)
				}
				seen = now
			}
		})
	}
	wg.Wait()
	if want := int64(4 * each * time.Microsecond); c.Nanos() < want {
		t.Errorf("%d ns, want %d or more", c.Nanos(), want)
	}
}

func TestRealClock(t *testing.T) {
	c := NewClock()
	if c.Virtual() {
		t.Error("a real clock says it is virtual")
	}
	last := c.Nanos()
	for range 1000 {
		now := c.Nanos()
		if now < last {
			t.Fatalf("%d after %d", now, last)
		}
		last = now
	}
	if d := time.Since(c.Wall()); d < -time.Minute || d > time.Minute {
		t.Errorf("wall time is off by %v", d)
	}
	for name, f := range map[string]func(){
		"Set":     func() { c.Set(day) },
		"Advance": func() { c.Advance(1) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic on a real clock")
				}
			}()
			f()
		})
	}
}

func TestClockDoesNotAllocate(t *testing.T) {
	for name, c := range map[string]*Clock{"real": NewClock(), "virtual": NewVirtual(day)} {
		if n := testing.AllocsPerRun(100, func() { c.Millis() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
