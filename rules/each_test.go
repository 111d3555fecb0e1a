package rules

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/panjf2000/ants/v2"

	"github.com/sluice-net/sluice/perf"
)

// TestFaultOfParts: a panic in one part of the work is the caller's, who waits for the
// others and for no one that has panicked.
func TestFaultOfParts(t *testing.T) {
	pool, err := ants.NewPool(3, ants.WithNonblocking(true))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Release()
	for name, pool := range map[string]Pool{"alone": nil, "pool": pool} {
		for n := 1; n < 50; n++ {
			var done atomic.Int32
			fault := perf.Catch(func() {
				each(n, pool, func(i int) {
					if i == n/2 {
						panic("planted")
					}
					done.Add(1)
				})
			})
			if fault == nil || fault.Value != "planted" || !strings.Contains(string(fault.Stack), "TestFaultOfParts") || int(done.Load()) != n-1 {
				t.Fatalf("%s: %d parts: %d done, %v", name, n, done.Load(), fault)
			}
		}
	}
}
