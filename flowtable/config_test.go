package flowtable

import (
	"errors"
	"testing"

	"github.com/sluice-net/sluice/perf/offheap"
)

// TestConfig names what Validate refuses.
func TestConfig(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Config)
		ok     bool
	}{
		{"default", func(c *Config) { c.Max = 10 }, true},
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
		if row.ok {
			continue
		}
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: New says %v", row.name, err)
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

// TestClose: a table gives back all it took, and a second Close is harmless.
func TestClose(t *testing.T) {
	before := offheap.InUse()
	c := Default()
	c.Workers, c.Max = 3, 1000
	tb, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if offheap.InUse() <= before {
		t.Error("nothing reserved")
	}
	for range 2 {
		if err := tb.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := offheap.InUse(); got != before {
		t.Errorf("%d bytes in use, %d before", got, before)
	}
}

func TestReasonNames(t *testing.T) {
	seen := map[string]Reason{}
	for r := range reasons {
		name := r.String()
		if o, twice := seen[name]; name == "" || name == "unknown" || twice {
			t.Errorf("reason %d is called %q, as is %d", r, name, o)
		}
		seen[name] = r
	}
	if reasons.String() != "unknown" {
		t.Error("a number beyond the list has a name")
	}
}
