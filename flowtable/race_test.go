package flowtable

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-net/sluice/perf/offheap"
)

const plantEnv = "FLOWTABLE_PLANT_RACE"

// TestPlantedRace proves that the race detector sees the memory of a shard: a
// second run of this test lets two goroutines touch one shard without a
// handover, and must be reported.
func TestPlantedRace(t *testing.T) {
	if !offheap.RaceTwin {
		t.Skip("needs go test -race")
	}
	if os.Getenv(plantEnv) != "" {
		plantRace(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPlantedRace$", "-test.v")
	cmd.Env = append(os.Environ(), plantEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "WARNING: DATA RACE") {
		t.Fatalf("a planted race was not reported (%v):\n%s", err, out)
	}
}

// plantRace touches nothing but off-heap memory from two goroutines, so that a
// report can only come from there.
func plantRace(t *testing.T) {
	tb := newTable(t, nil)
	s := tb.Shard(0)
	n := pass(t, s, probe(tb, udp4(1)), start).Entry
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 1000 {
				s.Entry(n).Mark++
			}
		})
	}
	wg.Wait()
}
