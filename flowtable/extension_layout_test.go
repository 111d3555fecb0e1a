package flowtable

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/sluice-net/sluice/perf/offheap"
)

// TestExtensionLayout: what each extension costs an entry, whether it is there,
// and where its elements lie: the registry says it once, at start, for the arrays
// as they are.
func TestExtensionLayout(t *testing.T) {
	mine := []Extension{{"odd", 5, 4}, {"line", 64, 64}, {"byte", 1, 1}, {"page", 4096, 64}, {"nearly", 63, 64}}
	for _, set := range []struct {
		name   string
		change func(*Config)
		off    map[string]bool
	}{
		{"all", func(c *Config) { c.Acct, c.Timestamp, c.Events = true, true, EventsAuto }, nil},
		{"none of the settings", func(c *Config) { c.Acct, c.Timestamp, c.Events = false, false, EventsOff }, map[string]bool{"acct": true, "timestamp": true, "ecache": true}},
	} {
		t.Run(set.name, func(t *testing.T) {
			tb := newTable(t, func(c *Config) { set.change(c); c.Extensions, c.Workers = mine, 2 })
			s := tb.Shard(1)
			n := tb.cfg.Max + 1
			for i, row := range []struct {
				name               string
				size, align, count int // of an element; elements that are there
			}{
				{"helper", int(unsafe.Sizeof(Help{})), 8, len(s.cold.help)},
				{"nat", int(unsafe.Sizeof(NAT{})), 64, len(s.nat)},
				{"seqadj", int(unsafe.Sizeof([2]SeqAdjust{})), 4, len(s.cold.seqadj)},
				{"acct", 0, 1, 0},
				{"ecache", int(unsafe.Sizeof(EventMask(0))), 4, len(s.cold.events)},
				{"timestamp", int(unsafe.Sizeof(Timestamps{})), 8, len(s.cold.stamps)},
				{"timeout", int(unsafe.Sizeof(uint16(0))), 2, len(s.cold.policy)},
				{"labels", int(unsafe.Sizeof(Labels{})), 8, len(s.cold.labels)},
				{"synproxy", int(unsafe.Sizeof(Synproxy{})), 4, len(s.cold.synproxy)},
			} {
				x := &tb.ext[i]
				_, on := tb.ExtensionByName(row.name)
				if x.Name != row.name || x.Size != row.size || x.Align != row.align || x.stride != row.size || on == set.off[row.name] {
					t.Errorf("%s: %+v, on %v", row.name, x, on)
				}
				want := n
				if !on || row.size == 0 {
					want = 0
				}
				if row.count != want {
					t.Errorf("%s: %d elements, want %d", row.name, row.count, want)
				}
			}
			for i, x := range mine {
				id, ok := tb.ExtensionByName(x.Name)
				if !ok || id != builtinExtensions+ExtensionID(i) {
					t.Fatalf("%s: number %d", x.Name, id)
				}
				for e := uint32(1); e < uint32(n); e++ {
					at := s.Extension(id, e)
					end := uintptr(unsafe.Pointer(&at[0]))
					if len(at) != x.Size || cap(at) != x.Size || end%uintptr(x.Align) != 0 && !offheap.RaceTwin {
						t.Fatalf("%s of entry %d: %d bytes, room for %d, at %#x", x.Name, e, len(at), cap(at), end)
					}
					before := s.Extension(id, e-1)
					if gap := end - uintptr(unsafe.Pointer(&before[0])); gap < uintptr(x.Size) || gap >= uintptr(x.Size+x.Align) {
						t.Fatalf("%s of entry %d lies %d bytes behind the one before", x.Name, e, gap)
					}
				}
			}
		})
	}
}

// TestExtensionsRefused names what the registry does not take.
func TestExtensionsRefused(t *testing.T) {
	many := func(n int) (all []Extension) {
		for i := range n {
			all = append(all, Extension{fmt.Sprint("x", i), 8, 8})
		}
		return all
	}
	for _, row := range []struct {
		name string
		x    []Extension
		ok   bool
	}{
		{"as many as fit", many(MaxExtensions - int(builtinExtensions)), true},
		{"one too many", many(MaxExtensions - int(builtinExtensions) + 1), false},
		{"largest", []Extension{{"x", 4096, 64}}, true},
		{"too large", []Extension{{"x", 4097, 64}}, false},
		{"alignment of 0", []Extension{{"x", 8, 0}}, false},
		{"alignment of 128", []Extension{{"x", 8, 128}}, false},
		{"a name twice", []Extension{{"x", 8, 8}, {"x", 4, 4}}, false},
		{"a built-in name", []Extension{{"nat", 8, 8}}, false},
	} {
		c := Default()
		c.Max, c.Extensions = 16, row.x
		if err := c.Validate(); (err == nil) != row.ok {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}
