package perf

import (
	"bytes"
	"math"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
)

// The Go heap may hold heapGrowth times as much garbage as there is in use, or a
// spareShare of the memory, whichever is more.
const (
	heapGrowth = 4
	spareShare = 8
)

// heapLimit is the limit in force.
var heapLimit atomic.Int64

// TuneHeap lets Go's garbage collector, each of whose cycles stops the workers
// several times, run seldom: an eighth of the memory may fill with garbage first, and
// nothing is collected only because time has passed. A heap that is large may grow
// to five times what is in use, but for garbage never beyond half of the memory. The
// environment's GOGC and GOMEMLIMIT stay in force: with either this does nothing.
func TuneHeap() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	memory := min(MachineMemory(), groupMemory())
	if memory == 0 {
		debug.SetGCPercent(100 * heapGrowth)
		return
	}
	limitHeap(memory)
	debug.SetGCPercent(-1)
	afterCycle(func() { limitHeap(memory) })
}

// afterCycle calls f after each of the collector's cycles.
func afterCycle(f func()) {
	type sentinel struct{ _ *byte } // with a pointer: not one of several in a block
	runtime.AddCleanup(new(sentinel), func(struct{}) { f(); afterCycle(f) }, struct{}{})
}

// limitHeap sets the limit by what is in use. It is left alone when it is near enough,
// as setting it stops the workers, too.
func limitHeap(memory uint64) {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(s)
	v := func(i int) uint64 { return s[i].Value.Uint64() }
	want := int64(heapSize(v(0), memory) + v(1) - v(2) - v(3) - v(4) - v(5))
	if now := heapLimit.Load(); now == 0 || want < now-now/8 || want > now+now/8 {
		heapLimit.Store(want)
		debug.SetMemoryLimit(want)
	}
}

// heapSize is at what size a heap is collected of which that much is in use.
func heapSize(live, memory uint64) uint64 {
	size := live + max(heapGrowth*live, memory/spareShare)
	return min(size, max(memory/2, live+live/2))
}

// MachineMemory returns MemTotal of /proc/meminfo in bytes; 0 when unknown.
func MachineMemory() uint64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) >= 2 && string(f[0]) == "MemTotal:" {
			kb, _ := strconv.ParseUint(string(f[1]), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// groupMemory returns the least limit (memory.max) of the process's control groups,
// of version 2, in bytes; a huge number when there is none.
func groupMemory() uint64 {
	least := uint64(math.MaxUint64)
	text, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		for ; ok; group = path.Dir(group) {
			most, _ := os.ReadFile(path.Join("/sys/fs/cgroup", group, "memory.max"))
			if n, err := strconv.ParseUint(strings.TrimSpace(string(most)), 10, 64); err == nil {
				least = min(least, n)
			}
			if group == "/" || group == "." {
				break
			}
		}
	}
	return least
}
