package dataplane

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"golang.org/x/sys/unix"
)

// How far the Go heap may grow before the garbage collector works, which holds
// workers up for some milliseconds: up to a part of the machine's memory in any
// case, and beyond what is in use by so many percent. Frames, flows and rules in
// force are not on this heap.
const (
	heapShare  = 32 // of memory: 1 in so many
	heapMost   = 1 << 30
	heapGrowth = 400
)

// TuneHeap lets the garbage collector of this process run seldom, but without
// letting the heap grow for as long as it runs, unless the environment (GOGC) says
// how. For main functions.
func TuneHeap() {
	if os.Getenv("GOGC") != "" {
		return
	}
	var machine unix.Sysinfo_t
	calm := uint64(0)
	if unix.Sysinfo(&machine) == nil {
		calm = min(uint64(machine.Totalram)*uint64(machine.Unit)/heapShare, heapMost)
	}
	tuneHeap(calm, 0)
}

// tuneHeap sets what holds until the collector has run, and comes again then.
func tuneHeap(calm uint64, last int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := heapPercent(live[0].Value.Uint64(), calm)
	if percent != last {
		debug.SetGCPercent(percent)
	}
	runtime.AddCleanup(new([64]byte), func(last int) { tuneHeap(calm, last) }, percent)
}

// heapPercent is how much the heap may grow when so many bytes are in use, in steps
// wide enough that most cycles change nothing: a change stops all goroutines.
func heapPercent(live, calm uint64) int {
	const step = 100
	grown := 100 * calm / max(live, 1<<20)
	if grown < heapGrowth+100 {
		return heapGrowth
	}
	return int(grown-100) / step * step
}
