package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/perf/pktgen"
	"github.com/sluice-net/sluice/perf/report"
)

func newRun() *cobra.Command {
	out := &outputs{}
	var quiet bool
	var duration time.Duration
	var transmit string
	cmd := &cobra.Command{
		Use:   "run PROFILE.yaml",
		Short: "do what a profile says, and report",
		Long: `run does what a profile says, and reports.

Ports on interfaces receive through AF_XDP, and send so as well (transmit: afxdp)
or as XDP frames (transmit: xdp). The latter is for drivers without zero-copy, which
spend a microsecond on each frame that AF_XDP sends. It wants Linux 5.18, a driver
that takes redirected frames (on veth: XDP or GRO at the other end), frames within a
page and one queue; what the device has no room for waits, and what it never takes
does not count as sent. Each burst costs some 20 microseconds more, so that
streams at a low rate gain nothing.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := readProfile(args[0])
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("duration") {
				if duration <= 0 {
					return fmt.Errorf("--duration %v: want more than 0", duration)
				}
				p.Duration = duration
			}
			if cmd.Flags().Changed("transmit") {
				if _, err := parseTransmit(transmit); err != nil {
					return fmt.Errorf("--transmit %w", err)
				}
				for i := range p.Ports {
					if p.Ports[i].Interface != "" {
						p.Ports[i].Transmit = transmit
					}
				}
			}
			if err := out.check(p.writes()...); err != nil {
				return err
			}
			if p.Title == "" {
				p.Title = args[0]
			}
			show := newDisplay(cmd.ErrOrStderr(), quiet)
			d, err := p.execute(cmd.Context(), show)
			show.end()
			if d != nil && (err == nil || d.Found()) {
				return errors.Join(err, out.write(d, cmd.OutOrStdout()))
			}
			return err
		},
	}
	out.flags(cmd)
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "show nothing while it runs")
	cmd.Flags().DurationVar(&duration, "duration", 0, "send for that long, whatever the profile says")
	cmd.Flags().StringVar(&transmit, "transmit", "", "how interfaces send, whatever the profile says: afxdp or xdp")
	return cmd
}

// execute runs the profile. The document may be there with an error: it then has
// what was found before.
func (p *profile) execute(ctx context.Context, show *display) (d *report.Document, err error) {
	w, err := p.build(true)
	if err != nil {
		return nil, err
	}
	for _, n := range w.notes {
		show.say("note: %s", n)
	}
	d = newDocument(p.Title)
	d.Notes = append(d.Notes, w.notes...)
	found := d // returns below may give none
	defer func() {
		if w.befell != nil {
			found.Notes = append(found.Notes, strings.Split(w.befell.Error(), "\n")...)
		}
		found.Notes = append(found.Notes, w.after(found)...)
		err = errors.Join(err, w.befell)
	}()
	if p.Sessions != nil {
		defer func() { err = errors.Join(err, w.close()) }()
		return d, interrupted(ctx, d, p.sessions(ctx, w, d, show))
	}
	rig, err := pktgen.NewRig(w.clock, w.ports...)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	defer func() { err = errors.Join(err, w.close(), rig.Close()) }()
	if ctx, err = w.begin(ctx); err != nil {
		return nil, err
	}
	limits := p.limits()
	limits.Watch = show.live
	if w.method != nil {
		err := runMethod(ctx, rig, w, limits, d, show)
		d.Notes = append(d.Notes, d.Doubts()...)
		return d, interrupted(ctx, d, err)
	}
	one, err := rig.Run(ctx, w.load, limits)
	if err != nil {
		return d, err
	}
	d.Runs = append(d.Runs, *one)
	return d, nil
}

// interrupted says in the result of a method that it was ended before its time,
// which is no error: what it found before stands.
func interrupted(ctx context.Context, d *report.Document, err error) error {
	if ctx.Err() == nil || err != nil && !errors.Is(err, ctx.Err()) {
		return err
	}
	d.Notes = append(d.Notes, "interrupted: ended before its time; what was not finished is left out or marked")
	return nil
}

// writes are the files that the profile has written.
func (p *profile) writes() (files []string) {
	for i := range p.Ports {
		files = append(files, p.Ports[i].Pcap)
	}
	return files
}

// sound checks what a run of the world asks for beyond its parts. What it does not
// find, Run does not refuse.
func (p *profile) sound(w *world) (err error) {
	if w.method, err = p.method(); err != nil {
		return err
	}
	if err := w.load.CheckWindow(); err != nil {
		return p.wrong("window", "%w", err)
	}
	limits := p.limits()
	switch m := w.method; {
	case limits.Duration < 0:
		return p.wrong("duration", "%v: want more than 0", limits.Duration)
	case limits.Settle < 0:
		return p.wrong("settle", "%v: want no negative time", limits.Settle)
	case limits.Threads < 0:
		return p.wrong("threads", "%d: want no negative number", limits.Threads)
	case p.Sessions != nil:
		return p.soundSessions(w)
	case m == nil:
		if limits.Duration == 0 && !w.load.Ends() {
			return p.wrong("duration", "a profile whose streams have no count needs a duration")
		}
		if err := w.load.Check(limits, w.ports...); err != nil {
			return p.wrong("streams", "%w", err)
		}
		return p.bursts(w, limits.Duration)
	case m.Kind == kindSoak && limits.Duration == 0:
		return p.wrong("duration", "a soak needs one")
	case m.Kind == kindSoak:
		if err := w.load.Check(pktgen.Limits{Duration: m.Trial}, w.ports...); err != nil {
			return p.wrong("streams", "%w", err)
		}
		return p.bursts(w, m.Trial)
	default:
		for _, size := range m.sizes {
			load := w.load.ForTrial(size, 0, 0)
			if err := load.Check(pktgen.Limits{Duration: m.Trial}, w.ports...); err != nil {
				return p.wrong("method", "%w", err)
			}
		}
	}
	return nil
}

// bursts refuses those that are more than a stream's rate comes to in a run of so
// long, 0: without end.
func (p *profile) bursts(w *world, d time.Duration) error {
	for i := range w.load.Streams {
		s := &w.load.Streams[i]
		if most := s.DueIn(d, w.port(s.From)); d > 0 && float64(s.Burst) > most {
			return p.wrong(fmt.Sprintf("streams[%d].burst", i), "%d frames: in %v its rate comes to %.0f", s.Burst, d, most)
		}
	}
	return nil
}

// Kinds of methods.
const (
	kindThroughput  = "throughput"
	kindLatency     = "latency"
	kindLoss        = "loss"
	kindBackToBack  = "back-to-back"
	kindRFC2544     = "rfc2544" // the four above
	kindSoak        = "soak"
	kindConnections = "connections" // rate of new ones
	kindCapacity    = "capacity"    // how many at once
)

// method is a profile's with defaults filled in.
type method struct {
	methodProfile
	sizes   []int // of frames; a soak has those of its streams, 0
	maxRate float64
}

// method checks the profile's method; nil: it has none.
func (p *profile) method() (*method, error) {
	if p.Method == nil {
		return nil, nil
	}
	m := &method{methodProfile: *p.Method}
	switch m.Kind {
	case kindThroughput, kindLatency, kindLoss, kindBackToBack, kindRFC2544, kindSoak:
		if p.Sessions != nil {
			return nil, p.wrong("method.kind", "%s is of streams, the profile has sessions", m.Kind)
		}
	case kindConnections, kindCapacity:
		if p.Sessions == nil {
			return nil, p.wrong("method.kind", "%s is of sessions, the profile has none", m.Kind)
		}
	default:
		return nil, p.wrong("method.kind", "%q: want throughput, latency, loss, back-to-back, rfc2544, soak, connections or capacity", m.Kind)
	}
	for _, c := range []struct {
		setting string
		value   any
		ok      bool // of a value that is there
		want    string
	}{
		{"trial", m.Trial, m.Trial > 0, "more than 0"},
		{"resolution", m.Resolution, m.Resolution > 0 && m.Resolution < 1, "a share above 0 and below 1"},
		{"tolerance", m.Tolerance, m.Tolerance >= 0 && m.Tolerance < 1, "a share from 0 on, below 1"},
		{"steps", m.Steps, m.Steps > 0, "1 or more"},
		{"repeats", m.Repeats, m.Repeats > 0, "1 or more"},
		{"least", m.Least, m.Least > 0, "more than 0"},
		{"most", m.Most, m.Most > 0, "more than 0"},
	} {
		if path := "method." + c.setting; !c.ok && p.file.Has(path) {
			return nil, p.wrong(path, "%v: want %s", c.value, c.want)
		}
	}
	if m.Trial == 0 {
		m.Trial = defaultTrial
	}
	if m.Subject == "" {
		m.Subject = p.Title
	}
	if m.Steps == 0 {
		m.Steps = 10
	}
	if m.Repeats == 0 {
		m.Repeats = 1
	}
	if m.Least == 0 {
		m.Least = 1
	}
	if m.Most == 0 {
		m.Most = 1e6
	}
	if m.Least > m.Most {
		return nil, p.wrong("method.least", "%g: want no more than the most, %g", m.Least, m.Most)
	}
	m.sizes = pktgen.RFC2544Sizes()
	switch s, err := parseSizes(m.Sizes); {
	case m.Sizes != nil && (err != nil || s.Random):
		return nil, p.wrong("method.sizes", "%v: want one size, a list, or rfc2544", m.Sizes)
	case m.Kind == kindSoak:
		m.sizes = []int{0}
	case m.Sizes != nil:
		m.sizes = s.List
	}
	for i, size := range m.sizes {
		if slices.Contains(m.sizes[:i], size) {
			return nil, p.wrong("method.sizes", "%d stands there twice", size)
		}
	}
	max, err := parseRate(m.MaxRate)
	if err != nil || max.Unit > pktgen.PacketsPerSec {
		return nil, p.wrong("method.max_rate", "%q: want packets, such as 1 Mpps", m.MaxRate)
	}
	m.maxRate = max.Value
	return m, nil
}

func runMethod(ctx context.Context, rig *pktgen.Rig, w *world, limits pktgen.Limits, d *report.Document, show *display) error {
	m := w.method
	if m.Kind == kindSoak {
		return soak(ctx, rig, w, limits, d)
	}
	bench := pktgen.Bench{
		Subject: m.Subject, Trial: rig.Trial(w.load, limits), Time: m.Trial, Resolution: m.Resolution,
		Tolerance: m.Tolerance, MaxPPS: m.maxRate, Say: show.say,
	}
	return runBench(ctx, &bench, m, d)
}

// runBench runs the methods of RFC 2544 that the profile asks for, size by size.
func runBench(ctx context.Context, bench *pktgen.Bench, m *method, d *report.Document) error {
	wants := func(kind string) bool { return m.Kind == kind || m.Kind == kindRFC2544 }
	for _, size := range m.sizes {
		var found report.Throughput
		var err error
		if wants(kindThroughput) || wants(kindLatency) {
			found, err = bench.Throughput(ctx, size)
			if wants(kindThroughput) && len(found.Trials) > 0 {
				d.Throughput = append(d.Throughput, found)
			}
			if err != nil {
				return err
			}
		}
		if wants(kindLatency) && found.Found {
			l, err := bench.Latency(ctx, size, found.PPS, m.Repeats)
			if l.Sent > 0 {
				d.Latency = append(d.Latency, l)
			}
			if err != nil {
				return err
			}
		}
		if wants(kindLoss) {
			points, err := bench.LossCurve(ctx, size, m.Steps)
			d.Loss = append(d.Loss, points...)
			if err != nil {
				return err
			}
		}
		if wants(kindBackToBack) {
			b, err := bench.BackToBack(ctx, size, uint64(m.Most), m.Repeats)
			if err != nil {
				return err
			}
			d.BackToBack = append(d.BackToBack, b)
		}
	}
	return nil
}

// soak runs the streams as they are, in rounds of the trial time, until the
// duration is over, and accounts for every frame lost.
func soak(ctx context.Context, rig *pktgen.Rig, w *world, limits pktgen.Limits, d *report.Document) error {
	m, total := w.method, limits.Duration
	limits.Duration = m.Trial
	var lost, sent uint64
	var bad []string
	for start := time.Now(); time.Since(start) < total && ctx.Err() == nil; {
		w.load.Name = fmt.Sprintf("%s after %v", m.Subject, time.Since(start).Round(time.Second))
		one, err := rig.Run(ctx, w.load, limits)
		if err != nil {
			return err
		}
		s, _, l := one.Total()
		sent, lost = sent+s, lost+l
		if l > 0 || len(d.Runs) == 0 {
			bad = append(bad, fmt.Sprintf("%s: %d of %d lost", one.Name, l, s))
			if len(d.Runs) < 100 {
				d.Runs = append(d.Runs, *one)
			}
		}
	}
	d.Notes = append(d.Notes, fmt.Sprintf("soak: %d of %d frames lost; the runs that follow are the first and those with loss", lost, sent))
	d.Notes = append(d.Notes, bad...)
	return ctx.Err()
}
