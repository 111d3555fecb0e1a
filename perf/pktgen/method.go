package pktgen

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/report"
)

// Trial sends frames of a size (with FCS) at a rate over all streams, 0 for top
// speed, for a time or until so many frames are sent, and returns the run.
type Trial func(ctx context.Context, size int, pps float64, d time.Duration, frames uint64) (*report.Run, error)

// Bench runs methods. Its fields may be changed between two methods.
type Bench struct {
	Subject    string // what is measured
	Trial      Trial
	Time       time.Duration // of a trial
	Resolution float64       // of a search, as a share of the highest rate; 0: 0.01
	Tolerance  float64       // share of frames that may be lost; RFC 2544 wants 0
	MaxPPS     float64       // highest rate tried; 0: what the generator reaches
	Say        func(format string, args ...any)
}

func (b *Bench) say(format string, args ...any) {
	if b.Say != nil {
		b.Say(format, args...)
	}
}

func (b *Bench) resolution() float64 {
	if b.Resolution > 0 {
		return b.Resolution
	}
	return 0.01
}

// ceiling finds the rate to begin with: what the generator reaches at top speed
// for this size, MaxPPS at most. A shorter trial does for that.
func (b *Bench) ceiling(ctx context.Context, size int) (float64, error) {
	run, err := b.Trial(ctx, size, b.MaxPPS, max(b.Time/4, 50*time.Millisecond), 0)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return 0, err
	}
	reached := 0.0
	for i := range run.Streams {
		reached += run.Streams[i].SentPPS
	}
	if reached == 0 {
		return 0, fmt.Errorf("%s: the generator sent nothing: is the port up?", b.Subject)
	}
	b.say("%s, %d bytes: the generator reaches %s", b.Subject, size, report.Rate(reached))
	if b.MaxPPS > 0 && reached > (1-nearMax)*b.MaxPPS {
		reached = b.MaxPPS // a short trial may be held up; a long one says whether this can be sent
	}
	return reached, nil
}

const (
	nearMax = 0.05  // share below the highest rate from which on this itself is tried
	short   = 0.001 // share below it that is not that rate any more
)

// trial runs once and judges.
func (b *Bench) trial(ctx context.Context, size int, pps float64) (t report.Trial, run *report.Run, err error) {
	run, err = b.Trial(ctx, size, pps, b.Time, 0)
	if err != nil {
		return t, nil, err
	}
	if err := ctx.Err(); err != nil {
		return t, nil, err
	}
	sent, _, lost := run.Total()
	t = report.Trial{PPS: pps, Sent: sent, Lost: lost, Own: run.Own(lost), CPU: run.CPUShare}
	for i := range run.Streams {
		t.SentPPS += run.Streams[i].SentPPS
	}
	t.Passed = sent > 0 && float64(lost) <= b.Tolerance*float64(sent)
	verdict := "lost " + fmt.Sprint(lost)
	if t.Passed {
		verdict = "passed"
	}
	b.say("%s, %d bytes: %s offered: %s of %d", b.Subject, size, report.Rate(t.SentPPS), verdict, sent)
	return t, run, nil
}

// Throughput is RFC 2544 section 26.1: the highest rate at which no frame is
// lost, by binary search, in which one trial decides. Where even the generator's
// top speed loses nothing, the result says that the generator was the limit. With
// an error it is what was found before, which is marked as cut.
func (b *Bench) Throughput(ctx context.Context, size int) (report.Throughput, error) {
	result := report.Throughput{Subject: b.Subject, Size: size, LimitedBy: "subject", Tolerance: b.Tolerance}
	top, err := b.ceiling(ctx, size)
	if err != nil {
		return result, err
	}
	step := top * b.resolution()
	result.Resolution = step
	low, high := 0.0, top // low passed, high failed, once high has been tried
	try := func(pps float64) (bool, error) {
		t, run, err := b.trial(ctx, size, pps)
		if err != nil {
			result.Cut = true
			result.Bits = result.PPS * float64(size) * 8
			return false, err
		}
		result.Trials = append(result.Trials, t)
		if t.Passed {
			result.Found, result.PPS = true, t.SentPPS
			result.Latency = run.Latency()
		}
		return t.Passed, nil
	}
	ok, err := try(top)
	if err != nil {
		return result, err
	}
	if ok {
		result.LimitedBy = "generator"
		if b.MaxPPS > 0 && result.PPS >= (1-short)*b.MaxPPS {
			result.LimitedBy = "max rate"
		}
	}
	for !ok && high-low > step {
		middle := (low + high) / 2
		passed, err := try(middle)
		if err != nil {
			return result, err
		}
		if passed {
			low = middle
		} else {
			high = middle
		}
	}
	if !ok {
		result.Limit()
	}
	result.Bits = result.PPS * float64(size) * 8
	return result, nil
}

// LossCurve is RFC 2544 section 26.3: from the highest rate down in steps, until
// two rates in a row lose nothing.
func (b *Bench) LossCurve(ctx context.Context, size int, steps int) ([]report.LossPoint, error) {
	top, err := b.ceiling(ctx, size)
	if err != nil {
		return nil, err
	}
	var points []report.LossPoint
	clean := 0
	for i := steps; i > 0 && clean < 2; i-- {
		t, _, err := b.trial(ctx, size, top*float64(i)/float64(steps))
		if err != nil {
			return points, err
		}
		p := report.LossPoint{Subject: b.Subject, Size: size, PPS: t.SentPPS, Sent: t.Sent, Lost: t.Lost, Own: t.Own, CPU: t.CPU}
		if t.Sent > 0 {
			p.Ratio = float64(t.Lost) / float64(t.Sent)
		}
		points = append(points, p)
		if t.Lost > 0 {
			clean = 0
		} else {
			clean++
		}
	}
	return points, nil
}

// Latency is RFC 2544 section 26.2 at a rate, which should be the throughput's:
// the distribution over some trials.
func (b *Bench) Latency(ctx context.Context, size int, pps float64, repeats int) (report.Latency, error) {
	result := report.Latency{Subject: b.Subject, Size: size, PPS: pps, Tolerance: b.Tolerance, Distribution: &perf.Distribution{}}
	for range max(repeats, 1) {
		t, run, err := b.trial(ctx, size, pps)
		if err != nil {
			return result, err
		}
		result.Sent += t.Sent
		result.Lost += t.Lost
		result.CPU = report.LowerCPU(result.CPU, t.CPU)
		if d := run.Latency(); d != nil {
			result.Distribution.Add(d)
		}
	}
	return result, nil
}

// BackToBack is RFC 2544 section 26.4: the longest burst at top speed without
// loss, most frames at most, as the mean of some repetitions.
func (b *Bench) BackToBack(ctx context.Context, size int, most uint64, repeats int) (report.BackToBack, error) {
	result := report.BackToBack{Subject: b.Subject, Size: size, Repeats: max(repeats, 1), AtMost: true}
	for range result.Repeats {
		s, err := Search(ctx, 1, float64(most), 0.01, func(ctx context.Context, v float64) (bool, string, error) {
			run, err := b.Trial(ctx, size, 0, 0, max(uint64(v), 1)) // 0 would be without end
			if err != nil {
				return false, "", err
			}
			sent, _, lost := run.Total()
			result.Lost, result.Own = result.Lost+lost, result.Own+run.Own(lost)
			b.say("%s, %d bytes: burst of %d: lost %d", b.Subject, size, sent, lost)
			return lost == 0 && sent > 0, fmt.Sprintf("lost %d", lost), nil
		})
		if err != nil {
			return result, err
		}
		result.Frames += s.Value / float64(result.Repeats)
		result.AtMost = result.AtMost && s.AtMost
	}
	return result, nil
}

// Search finds the highest value that passes, from least to most, to a share of
// it. It first doubles from least on, or from a share of most, so that a subject
// is not flooded with a multiple of what it can do.
func Search(ctx context.Context, least, most, resolution float64, try func(context.Context, float64) (passed bool, note string, err error)) (report.Search, error) {
	var s report.Search
	test := func(v float64) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		passed, note, err := try(ctx, v)
		if err != nil {
			return false, err
		}
		s.Tried = append(s.Tried, report.Tried{Value: v, Passed: passed, Note: note})
		if passed {
			s.Value, s.Found = v, true
		}
		return passed, nil
	}
	low, high := 0.0, most
	for v := max(least, most/64); ; v = min(2*v, most) {
		passed, err := test(v)
		if err != nil {
			return s, err
		}
		if !passed {
			high = v
			break
		}
		low = v
		if v >= most {
			s.AtMost = true
			return s, nil
		}
	}
	for high-low > max(resolution*high, math.Min(least, 1)) {
		v := (low + high) / 2
		passed, err := test(v)
		if err != nil {
			return s, err
		}
		if passed {
			low = v
		} else {
			high = v
		}
	}
	return s, nil
}

// Trial returns a Trial that sends the load's streams, each with its share of
// the rate and of the frames, and with frames of one size. A size of 0 leaves
// the streams' own.
func (r *Rig) Trial(load Load, limits Limits) Trial {
	return func(ctx context.Context, size int, pps float64, d time.Duration, frames uint64) (*report.Run, error) {
		l := limits
		l.Duration = d
		return r.Run(ctx, load.ForTrial(size, pps, frames), l)
	}
}

// ForTrial returns the load with frames of one size, 0: as they are, so many
// packets a second over all streams, 0: at top speed, and so many frames, 0: until
// the end.
func (l *Load) ForTrial(size int, pps float64, frames uint64) Load {
	one := *l
	one.Streams = append([]Stream(nil), l.Streams...)
	n := len(one.Streams)
	for i := range one.Streams {
		s := &one.Streams[i]
		if size > 0 {
			s.Sizes = FixedSize(size)
		}
		s.Rate, s.Count = Rate{}, 0
		if pps > 0 {
			s.Rate = Rate{pps / float64(n), PacketsPerSec}
		}
		if frames > 0 {
			s.Count = max(frames/uint64(n), 1)
		}
	}
	return one
}
