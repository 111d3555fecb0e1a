package traffic

import (
	"testing"
	"time"
)

// TestLateSessionsSpread: what a stall made late leaves apart and all the same;
// steps that are long as a rule are no stall.
func TestLateSessionsSpread(t *testing.T) {
	const rate, stall = 10000, 6 * time.Millisecond // 60 sessions late
	for _, c := range []struct {
		name  string
		step  time.Duration
		stall time.Duration
		most  uint64 // in one step
	}{
		{"short steps", 10 * time.Microsecond, stall, 5},
		{"no stall", 10 * time.Microsecond, 0, 1},
		{"steps of a few sessions", 300 * time.Microsecond, stall, 50},
		{"long steps", 5 * time.Millisecond, 0, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWire(t, pools(ClientConfig{Open: 2000, Rate: rate, Mix: []Mix{{Kind: TCP}}}), ServerConfig{})
			clock := w.clock
			var most uint64
			step := func(d time.Duration) {
				clock.Advance(d)
				before := w.client.opened()
				w.client.Step()
				most = max(most, w.client.opened()-before)
				w.relay()
				w.server.Step()
				w.relay()
			}
			start := clock.Nanos() + int64(c.step)
			for range 200 * time.Millisecond / c.step {
				step(c.step)
			}
			most = 0
			step(max(c.stall, c.step))
			late := w.client.Behind()
			for range 5 * time.Millisecond / c.step {
				step(c.step)
			}
			due := uint64((clock.Nanos()-start)*rate/1e9) + 1
			if got := w.client.opened(); late > 0 || got+1 < due || got > due || most > c.most {
				t.Errorf("%d opened of %d due, %d given up; %d in one step, want %d at most", got, due, late, most, c.most)
			}
		})
	}
}

// TestLateSessionsOpenAfterStop: what was due before the end is still opened.
func TestLateSessionsOpenAfterStop(t *testing.T) {
	w := newWire(t, pools(ClientConfig{Open: 100, Rate: 10000, Mix: []Mix{{Kind: TCP}}}), ServerConfig{})
	w.client.Step()
	w.clock.Advance(5 * time.Millisecond)
	w.client.Step()
	w.client.Stop()
	for steps := 0; !w.client.Done(); steps++ {
		if steps > 1000 {
			t.Fatalf("%d opened, %d open", w.client.opened(), w.client.Open())
		}
		w.clock.Advance(10 * time.Microsecond)
		w.relay()
		w.server.Step()
		w.relay()
		w.client.Step()
	}
	if r := w.client.Report(); w.client.opened() != 51 || r.By[TCP][0].Completed != 51 {
		t.Errorf("%d opened, %+v", w.client.opened(), r.By[TCP][0])
	}
}
