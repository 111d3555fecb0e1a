package perf

import (
	"runtime"
	"testing"
	"time"
)

func TestHeapSize(t *testing.T) {
	const gib = 1 << 30
	for _, c := range []struct {
		name               string
		live, memory, want uint64
	}{
		{"small heap", 0, 8 * gib, gib},
		{"some in use", gib / 8, 8 * gib, gib + gib/8},
		{"grows with what is in use", gib / 2, 8 * gib, 5 * gib / 2},
		{"half of the memory", 2 * gib, 8 * gib, 4 * gib},
		{"more in use than that", 6 * gib, 8 * gib, 9 * gib},
	} {
		if got := heapSize(c.live, c.memory); got != c.want {
			t.Errorf("%s: heapSize(%d, %d) = %d, want %d", c.name, c.live, c.memory, got, c.want)
		}
	}
}

// TestAfterCycle collects garbage until f has been called for several cycles.
func TestAfterCycle(t *testing.T) {
	called := make(chan struct{}, 1000)
	afterCycle(func() { called <- struct{}{} })
	for i := range 3 {
		runtime.GC()
		select {
		case <-called:
		case <-time.After(10 * time.Second):
			t.Fatalf("not called after cycle %d", i)
		}
	}
}

func TestMemory(t *testing.T) {
	if MachineMemory() == 0 || groupMemory() == 0 {
		t.Errorf("MachineMemory = %d, groupMemory = %d", MachineMemory(), groupMemory())
	}
}
