package dataplane

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/perf"
)

// allowed returns the CPUs of every thread of the process.
func allowed(t *testing.T) map[int][]int {
	out := map[int][]int{}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		var set unix.CPUSet
		tid, _ := strconv.Atoi(task.Name())
		if unix.SchedGetaffinity(tid, &set) != nil {
			continue // it has ended
		}
		out[tid] = []int{}
		for i := range 1024 {
			if set.IsSet(i) {
				out[tid] = append(out[tid], i)
			}
		}
	}
	return out
}

// TestPin: a pinned worker has its CPU for itself, as far as the process goes, and
// afterwards everything is as it was.
func TestPin(t *testing.T) {
	all := usableCPUs()
	if len(all) < 2 {
		t.Skip("there is one CPU only")
	}
	h := newNet(t, "", 1, func(c *Config) { c.Pin = true })
	if err := h.box.Start(); err != nil {
		t.Fatal(err)
	}
	tid := 0
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		tid = int(h.box.workers[0].tid.Load())
		if slices.Equal(allowed(t)[tid], all[:1]) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("worker on CPUs %v", allowed(t)[tid])
		}
	}
	for range 100 { // threads that begin now
		go func() { time.Sleep(time.Millisecond); _, _ = os.ReadDir("/proc/self/task") }()
	}
	for other, cpus := range allowed(t) {
		if other != tid && !slices.Equal(cpus, all[1:]) {
			t.Errorf("thread %d on CPUs %v while the worker has %v", other, cpus, all[:1])
		}
	}
	h.box.Stop()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		left := allowed(t)
		for other, cpus := range left {
			if slices.Equal(cpus, all) {
				delete(left, other)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("threads stay where they are: %v", left)
		}
	}
}

// niceOf returns the nice value of the calling thread.
func niceOf(t *testing.T) int {
	p, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - p
}

// TestAside: what is done aside has a low priority, of a thread that ends with it, and
// so have the jobs of the pool; where there is no CPU to spare nobody has.
func TestAside(t *testing.T) {
	if niceOf(t) >= lowPriority {
		t.Skip("the tests are nice themselves")
	}
	base, cpus := niceOf(t), len(usableCPUs())
	want := func(tid int) int {
		if cpus < 2 || tid == unix.Getpid() {
			return base
		}
		return lowPriority
	}
	h := newNet(t, "", 1, func(c *Config) { c.Pin = true })
	in := func() (nice, tid int) {
		h.box.Aside(func() {
			h.box.makeWay()
			nice, tid = niceOf(t), unix.Gettid()
		})
		return nice, tid
	}
	if nice, _ := in(); nice >= lowPriority {
		t.Errorf("nice %d though no worker runs", nice)
	}
	if err := h.box.Start(); err != nil {
		t.Fatal(err)
	}
	nice, tid := in()
	if nice != want(tid) {
		t.Errorf("nice %d, want %d", nice, want(tid))
	}
	got := make(chan [2]int)
	if err := h.box.pool.Submit(func() { got <- [2]int{niceOf(t), unix.Gettid()} }); err != nil {
		t.Fatal(err)
	}
	if g := <-got; g[0] != want(g[1]) {
		t.Errorf("nice %d in the pool, want %d", g[0], want(g[1]))
	}
	for end := time.Now().Add(20 * time.Second); want(tid) == lowPriority; time.Sleep(time.Millisecond) {
		if _, there := allowed(t)[tid]; !there {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the thread did not end with its goroutine")
		}
	}
	fault := perf.Catch(func() { h.box.Aside(planted) })
	if fault == nil || fault.Value != "planted" || !strings.Contains(string(fault.Stack), "dataplane.planted(") {
		t.Errorf("the caller sees a panic as %v", fault)
	}
	h.box.Stop()
	if nice, _ := in(); nice >= lowPriority {
		t.Errorf("nice %d when the workers are gone", nice)
	}
}
