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

// TestConfig names what Validate refuses.
func TestConfig(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Config)
		ok     bool
	}{
		{"default", func(*Config) {}, true},
		{"no worker", func(c *Config) { c.Workers = 0 }, false},
		{"too many workers", func(c *Config) { c.Workers = MaxWorkers + 1 }, false},
		{"negative max", func(c *Config) { c.Max = -1 }, false},
		{"huge max", func(c *Config) { c.Max = MaxEntries + 1 }, false},
		{"zero timeout", func(c *Config) { c.Timeouts.UDP = 0 }, false},
		{"zero TCP timeout", func(c *Config) { c.Timeouts.TCP[TCPClose] = 0 }, false},
		{"timeout beyond the tick", func(c *Config) { c.Timeouts.TCP[TCPEstablished] = maxTimeout + 1 }, false},
		{"tracker without function", func(c *Config) { c.Trackers = []Tracker{{Name: "x"}} }, false},
	} {
		c := Default()
		row.change(&c)
		if err := c.Validate(); (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	for _, row := range []struct {
		memory uint64
		want   int
	}{{24 << 30, 262144}, {2 << 30, 65536}, {512 << 20, 4096}, {0, 1024}} {
		if got := defaultMax(row.memory); got != row.want {
			t.Errorf("%d bytes of memory: %d entries, want %d", row.memory, got, row.want)
		}
	}
}
