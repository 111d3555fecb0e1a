//go:build race

package afxdp

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

const plantEnv = "SLUICE_PLANT_RACE"

// TestPlantedRace proves that the race detector sees ring memory and ring
// indices: it runs this test binary again, where two goroutines then use one
// side of a ring at once, and demands a report. Without the off-heap package's
// twin for the detector there would be none.
func TestPlantedRace(t *testing.T) {
	plants := map[string]func(r *Ring[Desc], u *UMEM, me uint64){
		"producer side": func(r *Ring[Desc], _ *UMEM, _ uint64) { r.Push(make([]Desc, 4)) },
		"consumer side": func(r *Ring[Desc], _ *UMEM, _ uint64) { r.Pop(make([]Desc, 1)) },
		"slot":          func(r *Ring[Desc], _ *UMEM, me uint64) { r.Slot(1).Addr = me },
		"frame":         func(_ *Ring[Desc], u *UMEM, me uint64) { u.Frame(Headroom, 1)[0] = byte(me) },
	}
	if plant := os.Getenv(plantEnv); plant != "" {
		r := newTestRing(t, 64)
		u := newTestUMEM(t, 4)
		r.Push(make([]Desc, 32))
		var wg sync.WaitGroup
		for me := range uint64(2) {
			wg.Go(func() { plants[plant](r, u, me) })
		}
		wg.Wait()
		return
	}
	for name := range plants {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestPlantedRace$")
			cmd.Env = append(os.Environ(), plantEnv+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "DATA RACE") {
				t.Errorf("the detector saw nothing (%v):\n%s", err, out)
			}
		})
	}
}
