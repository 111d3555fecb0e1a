package dataplane

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestHeapPercent(t *testing.T) {
	for _, row := range []struct {
		name       string
		live, calm uint64
		want       int
	}{
		{"nothing known of the machine", 10 << 20, 0, 400},
		{"little in use", 10 << 20, 768 << 20, 7500},
		{"nothing in use", 0, 1 << 30, 102300},
		{"much in use", 200 << 20, 768 << 20, 400},
		{"just as much as growth allows", 100 << 20, 500 << 20, 400},
		{"a step more", 100 << 20, 600 << 20, 500},
		{"steps are wide", 100 << 20, 699 << 20, 500},
	} {
		if got := heapPercent(row.live, row.calm); got != row.want {
			t.Errorf("%s: %d %%, want %d", row.name, got, row.want)
		}
	}
}

// TestTuneHeap: what is set follows what is in use.
func TestTuneHeap(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before) // a cleanup that is still to come may change it once more: only speed depends on it
	const calm = 1 << 30
	tuneHeap(calm, 0)
	ballast := make([]byte, 500<<20)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		runtime.GC()
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		if percent == heapGrowth {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d %% when half of it is in use", percent)
		}
	}
	runtime.KeepAlive(ballast)
}
