package dataplane

import (
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/tools/frame"
)

// TestLastWords: a worker that panics says which frame it had, and the panic goes on.
func TestLastWords(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	n := newNet(t, acceptAll, 1, func(c *Config) { c.Log = zap.New(core) })
	w := n.box.workers[0]
	w.lastWords() // between bursts
	if m := logs.TakeAll()[0].ContextMap(); m["frame"] != nil || m["worker"] != int64(0) {
		t.Errorf("logged %v without a frame", m)
	}
	udp := frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2}, frame.Data(strings.Repeat("x", 200)))...)
	n.lan.put(udp)
	table := w.table
	w.table = nil
	fault := perf.Catch(func() { w.run(-1) })
	w.table = table
	if fault == nil || !strings.Contains(string(fault.Stack), "worker).burst") {
		t.Fatalf("the panic ended: %v", fault)
	}
	lines := logs.FilterLevelExact(zap.ErrorLevel).All()
	if len(lines) != 1 {
		t.Fatalf("logged %v", lines)
	}
	m := lines[0].ContextMap()
	if m["worker"] != int64(0) || m["generation"] != n.box.generation || m["in"] != "lan" || m["bytes"] != int64(len(udp)) {
		t.Errorf("logged %v", m)
	}
	if hex := m["frame"].(string); len(hex) != 2*128 || !strings.HasPrefix(hex, "020000000001") || !strings.Contains(hex, "0a000002c6336401") {
		t.Errorf("logged frame %s", hex)
	}
}

// TestFaultOfJobs: a panic of jobs in the pool is that of who waits for them, and of
// others the log's.
func TestFaultOfJobs(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	n := newNet(t, acceptAll, 1, func(c *Config) { c.Log = zap.New(core) })
	for jobs := 1; jobs < 20; jobs++ {
		done := make([]bool, jobs)
		fault := perf.Catch(func() {
			n.box.parallel(jobs, func(i int) {
				if i == jobs/2 {
					planted()
				}
				done[i] = true
			})
		})
		if fault == nil || fault.Value != "planted" || !strings.Contains(string(fault.Stack), "dataplane.planted(") {
			t.Fatalf("%d jobs: %v", jobs, fault)
		}
		for i := range done {
			if done[i] == (i == jobs/2) {
				t.Fatalf("%d jobs: done %v", jobs, done)
			}
		}
	}
	if logs.Len() > 0 {
		t.Fatalf("logged %v", logs.All())
	}
	for n.box.pool.Submit(planted) != nil {
		// the goroutines of the pool are only now given back
	}
	for logs.Len() == 0 {
		nap(1000)
	}
	if line := logs.All()[0]; line.ContextMap()["panic"] != "planted" || !strings.Contains(line.Stack, "dataplane.planted(") {
		t.Errorf("logged %v\n%s", line, line.Stack)
	}
}

func planted() { panic("planted") }
