package pktgen

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/perf/report"
)

// subject forwards limit packets a second, and holds buffer frames beyond; the
// generator reaches top.
func subject(top, limit float64, buffer uint64) Trial {
	return func(_ context.Context, size int, pps float64, d time.Duration, frames uint64) (*report.Run, error) {
		if pps == 0 || pps > top {
			pps = top
		}
		sent := uint64(pps * d.Seconds())
		if frames > 0 {
			sent = frames
		}
		passed := uint64(float64(sent)*min(1, limit/pps)) + buffer
		s := report.Stream{Sent: sent, SentPPS: pps, Measured: true, Received: min(sent, passed)}
		s.Lost = s.Sent - s.Received
		return &report.Run{Streams: []report.Stream{s}, Seconds: d.Seconds()}, nil
	}
}

func TestThroughput(t *testing.T) {
	for _, c := range []struct {
		name             string
		top, limit, most float64
		want             float64
		by               string
	}{
		{"found", 10e6, 1.234e6, 0, 1.234e6, "subject"},
		{"generator", 1e6, 5e6, 0, 1e6, "generator"},
		{"max rate", 10e6, 5e6, 2e6, 2e6, "max rate"},
		{"max rate, a little late", 1.9999e6, 5e6, 2e6, 1.9999e6, "max rate"},
		{"just below max rate", 1.96e6, 5e6, 2e6, 1.96e6, "generator"},
		{"far below max rate", 1e6, 5e6, 2e6, 1e6, "generator"},
		{"nothing", 1e6, 0, 0, 0, "subject"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := Bench{Subject: "x", Trial: subject(c.top, c.limit, 0), Time: time.Second, Resolution: 0.002, MaxPPS: c.most}
			r, err := b.Throughput(context.Background(), 64)
			if err != nil {
				t.Fatal(err)
			}
			if r.LimitedBy != c.by || r.Found != (c.want > 0) || r.PPS > c.want*1.000001 || r.PPS < c.want-c.top*0.002-1 {
				t.Errorf("found %+v, want %g by %s", r, c.want, c.by)
			}
			if want := r.PPS * 64 * 8; math.Abs(r.Bits-want) > 1 {
				t.Errorf("%g bits, want %g", r.Bits, want)
			}
		})
	}
}

// TestCeilingHeldUp: the highest rate is tried although the short trial before did not
// quite reach it.
func TestCeilingHeldUp(t *testing.T) {
	inner, first := subject(10e6, 5e6, 0), true
	b := Bench{Subject: "x", Time: time.Second, MaxPPS: 2e6, Trial: func(ctx context.Context, size int, pps float64, d time.Duration, frames uint64) (*report.Run, error) {
		if first {
			first, pps = false, 0.98*pps
		}
		return inner(ctx, size, pps, d, frames)
	}}
	if r, err := b.Throughput(context.Background(), 64); err != nil || r.PPS != 2e6 || r.LimitedBy != "max rate" {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestOwnRings: what was lost on the generator's own rings is not the subject's.
func TestOwnRings(t *testing.T) {
	for _, c := range []struct {
		name  string
		share float64 // of what is lost
		by    string
	}{
		{"none", 0, "subject"},
		{"some", 0.5, "subject"},
		{"all", 1, report.OwnRings},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner := subject(1e6, 0.55e6, 0)
			b := Bench{Subject: "x", Time: time.Second, Trial: func(ctx context.Context, size int, pps float64, d time.Duration, frames uint64) (*report.Run, error) {
				run, err := inner(ctx, size, pps, d, frames)
				if err == nil {
					run.Ports = []report.Port{{RxFull: uint64(c.share * float64(run.Streams[0].Lost))}}
				}
				return run, err
			}}
			d := report.Document{}
			r, err := b.Throughput(context.Background(), 64)
			if err != nil || r.LimitedBy != c.by {
				t.Errorf("%v, limited by %s, want %s", err, r.LimitedBy, c.by)
			}
			points, err := b.LossCurve(context.Background(), 64, 4)
			if err != nil {
				t.Fatal(err)
			}
			burst, err := b.BackToBack(context.Background(), 64, 1000, 1)
			if err != nil {
				t.Fatal(err)
			}
			d.Throughput, d.Loss, d.BackToBack = []report.Throughput{r}, points, []report.BackToBack{burst}
			notes := strings.Join(d.Doubts(), "\n")
			for what, want := range map[string]bool{"the throughput, ": c.share > 0, "the loss curve, ": c.share > 0, "back-to-back, ": c.share > 0 && burst.Lost > 0} {
				if strings.Contains(notes, "all trials of "+what) != want {
					t.Errorf("%s: said %v in %q", what, !want, notes)
				}
			}
		})
	}
}

func TestLossCurve(t *testing.T) {
	b := Bench{Subject: "x", Trial: subject(1e6, 0.55e6, 0), Time: time.Second}
	points, err := b.LossCurve(context.Background(), 64, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(points) != 7 { // 100 % to 60 % lose, 50 % and 40 % do not
		t.Fatalf("%d points: %+v", len(points), points)
	}
	for i, p := range points {
		offered := 1e6 * float64(10-i) / 10
		if want := max(0, 1-0.55e6/offered); math.Abs(p.Ratio-want) > 1e-5 || math.Abs(p.PPS-offered) > 1 {
			t.Errorf("point %+v, want a ratio of %g at %g", p, want, offered)
		}
	}
}

func TestBackToBack(t *testing.T) {
	b := Bench{Subject: "x", Trial: subject(1e6, 0, 5000), Time: time.Second}
	r, err := b.BackToBack(context.Background(), 64, 1_000_000, 2)
	if err != nil {
		t.Fatal(err)
	}
	if r.Frames > 5000 || r.Frames < 4900 || r.AtMost {
		t.Errorf("%+v, want just under 5000", r)
	}
	if r, _ = b.BackToBack(context.Background(), 64, 100, 1); !r.AtMost || r.Frames != 100 {
		t.Errorf("%+v, want all of 100", r)
	}
}

// TestBackToBackOfNothing: the search does not end in a burst without end.
func TestBackToBackOfNothing(t *testing.T) {
	lose := subject(1e6, 0, 0)
	b := Bench{Subject: "x", Time: time.Second, Trial: func(ctx context.Context, size int, pps float64, d time.Duration, frames uint64) (*report.Run, error) {
		if d == 0 && frames == 0 {
			return nil, errors.New("neither a time nor a number of frames")
		}
		return lose(ctx, size, pps, d, frames)
	}}
	if r, err := b.BackToBack(context.Background(), 64, 2000, 1); err != nil || r.Frames != 0 || r.AtMost {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestSearch(t *testing.T) {
	for _, limit := range []float64{0, 1, 7, 1000, 99_999, 1e9} {
		s, err := Search(context.Background(), 1, 100_000, 0.01, func(_ context.Context, v float64) (bool, string, error) { return v <= limit, "", nil })
		if err != nil {
			t.Fatal(err)
		}
		want := min(limit, 100_000)
		if s.Found != (want >= 1) || s.Value > want || s.Value < want*0.97-2 || s.AtMost != (limit >= 100_000) {
			t.Errorf("limit %g: %+v", limit, s)
		}
	}
}
