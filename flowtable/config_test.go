package flowtable

import (
	"errors"
	"slices"
	"strings"
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
}

// TestSizes: the kernel's sizes for a machine and for what an admin gave.
func TestSizes(t *testing.T) {
	for _, row := range []struct {
		name                       string
		memory                     uint64
		buckets, max, expect       int
		wantBuckets, wantMax, want int
	}{
		{"24 GiB", 24 << 30, 0, 0, 0, 262144, 262144, 4096},
		{"2 GiB", 2 << 30, 0, 0, 0, 65536, 65536, 1024},
		{"512 MiB", 512 << 20, 0, 0, 0, 4096, 4096, 64},
		{"tiny", 1 << 20, 0, 0, 0, 1024, 1024, 16},
		{"buckets given", 24 << 30, 16384, 0, 0, 16384, 131072, 256},
		{"buckets rounded to pages", 24 << 30, 1000, 0, 0, 1024, 8192, 16},
		{"one bucket", 24 << 30, 1, 0, 0, 512, 4096, 8},
		{"max given", 24 << 30, 0, 1000, 0, 262144, 1000, 4096},
		{"all given", 24 << 30, 512, 100, 7, 512, 100, 7},
	} {
		c := Config{Buckets: row.buckets, Max: row.max, ExpectMax: row.expect}
		c.size(row.memory)
		if c.Buckets != row.wantBuckets || c.Max != row.wantMax || c.ExpectMax != row.want {
			t.Errorf("%s: buckets %d max %d expect_max %d, want %d %d %d", row.name, c.Buckets, c.Max, c.ExpectMax,
				row.wantBuckets, row.wantMax, row.want)
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

// TestInitFails lets each step of New fail in turn: the steps before are undone
// and nothing stays behind.
func TestInitFails(t *testing.T) {
	planted := errors.New("planted")
	before := offheap.InUse()
	c := Default()
	c.Workers, c.Max, c.Timestamp = 2, 1000, true
	c.Extensions = []Extension{{Name: "mine", Size: 12, Align: 8}}
	var all []string
	c.fail = func(step string) error { all = append(all, step); return nil }
	tb, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := tb.Close(); err != nil || len(tb.build.done) != 0 || offheap.InUse() != before {
		t.Fatalf("after Close: %v, %v stand", err, tb.build.done)
	}
	if len(all) < 20 {
		t.Fatalf("only %d steps: %v", len(all), all)
	}
	for at := range all {
		n := 0
		c.fail = func(string) error {
			if n++; n > at {
				return planted
			}
			return nil
		}
		tb, err := New(c)
		if !errors.Is(err, planted) || tb != nil || !strings.Contains(err.Error(), all[at]) {
			t.Errorf("step %d (%s): %v", at, all[at], err)
		}
		if got := offheap.InUse(); got != before {
			t.Errorf("step %d (%s): %d bytes left behind", at, all[at], got-before)
		}
	}
}

// TestMemoryRunsOut lets each reservation of New fail in turn, in the middle of
// its step: what was reserved before goes back, and every step that reserves
// has been met.
func TestMemoryRunsOut(t *testing.T) {
	before := offheap.InUse()
	c := Default()
	c.Workers, c.Max, c.Acct, c.Timestamp, c.Events = 2, 1000, true, true, EventsOn
	c.Extensions = []Extension{{Name: "mine", Size: 12, Align: 8}, {Name: "other", Size: 1, Align: 1}}
	var all []string
	c.fail = func(step string) error { all = append(all, step); return nil }
	defer offheap.FailAfter(-1)
	met := map[string]int{}
	for n := 0; ; n++ {
		all = nil
		offheap.FailAfter(n)
		tb, err := New(c)
		if err == nil {
			if err := tb.Close(); err != nil {
				t.Fatal(err)
			}
			break
		}
		last := all[len(all)-1]
		met[last]++
		if !errors.Is(err, offheap.ErrPlanted) || tb != nil || !strings.Contains(err.Error(), last) {
			t.Errorf("reservation %d (%s): %v", n, last, err)
		}
		if got := offheap.InUse(); got != before {
			t.Fatalf("reservation %d (%s): %d bytes left behind", n, last, got-before)
		}
	}
	// These reserve nothing.
	for _, step := range all {
		if met[step] == 0 && !slices.Contains([]string{"extensions", "trackers", "helpers"}, step) {
			t.Errorf("no reservation of step %q has failed", step)
		}
	}
}

// TestUnwind: steps are undone in reverse order, all of them even if one fails.
func TestUnwind(t *testing.T) {
	var b builder
	var undone []string
	bad := errors.New("bad")
	for _, name := range []string{"a", "b", "c"} {
		err := b.step(name, func() error { return nil }, func() error {
			undone = append(undone, name)
			if name == "b" {
				return bad
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.unwind(); !errors.Is(err, bad) || !slices.Equal(undone, []string{"c", "b", "a"}) {
		t.Errorf("undone %v: %v", undone, err)
	}
	if err := b.unwind(); err != nil || len(undone) != 3 {
		t.Errorf("undone twice: %v %v", undone, err)
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
