package main

import (
	"errors"
	"strings"
	"testing"
)

// TestTimings: a wrong time fails at once on a quiet machine, is measured again on
// a busy one, and never passes.
func TestTimings(t *testing.T) {
	good, bad := timing{"x", 500_000, 505_000}, timing{"x", 512_000, 505_900}
	for _, c := range []struct {
		name     string
		times    []timing // one measurement after the other; the last one stays
		busy     string
		measured int
		verdict  string
	}{
		{"right", []timing{good}, "", 1, ""},
		{"right on a busy machine", []timing{good}, "busy", 1, ""},
		{"right when measured again", []timing{bad, bad, good}, "busy", 3, ""},
		{"wrong", []timing{bad, good}, "", 1, "the measurement is wrong"},
		{"wrong on a busy machine", []timing{bad}, "busy", timingTries, "too noisy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			s, measured := &selftest{to: &out}, 0
			err := s.timings(func() ([]timing, string, error) {
				one := c.times[min(measured, len(c.times)-1)]
				measured++
				return []timing{one}, c.busy, nil
			})
			if err != nil || measured != c.measured || s.passed+s.failed+s.noisy != 1 {
				t.Errorf("%v, measured %d times, %+v", err, measured, s)
			}
			switch err := s.verdict(); {
			case c.verdict == "" && err != nil, c.verdict != "" && (err == nil || !strings.Contains(err.Error(), c.verdict)):
				t.Errorf("verdict %v, want %q", err, c.verdict)
			case strings.Contains(out.String(), "too noisy") != (c.verdict == "too noisy"):
				t.Error(out.String())
			}
		})
	}
	broken := errors.New("broken")
	if err := new(selftest).timings(func() ([]timing, string, error) { return nil, "busy", broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}
