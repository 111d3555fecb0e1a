package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/pktgen"
	"github.com/sluice-net/sluice/perf/report"
	"github.com/sluice-net/sluice/tools/lab"
)

func newSelftest() *cobra.Command {
	return &cobra.Command{
		Use:   "selftest",
		Short: "measure links whose faults are known, and compare",
		Long: `selftest sends over links in memory that lose, delay, reorder, duplicate and
corrupt frames in a known way, and checks that the measurement gives back these
figures: counts exactly, times within 1 % or 2 microseconds. Times that are off while other
programs take the CPU are measured again, and are too noisy, which is no success
either, when that does not help. As root it also sends over veth and compares with
the kernel's counters and tcpdump.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := &selftest{to: cmd.OutOrStdout()}
			t.memory()
			t.realTime(cmd.Context())
			t.sessions(cmd.Context())
			if err := lab.Privileged(); err != nil {
				fmt.Fprintf(t.to, "skipped veth: SKIP-PRIVILEGE: %v\n", err)
			} else {
				t.veth(cmd.Context())
			}
			fmt.Fprintf(t.to, "%d passed, %d failed, %d too noisy to judge\n", t.passed, t.failed, t.noisy)
			return t.verdict()
		},
	}
}

// selftest counts checks.
type selftest struct {
	to                    io.Writer
	passed, failed, noisy int
}

func (t *selftest) verdict() error {
	switch {
	case t.failed > 0:
		return errors.New("the measurement is wrong")
	case t.noisy > 0:
		return errors.New("too noisy: other programs took the CPU, and times could not be judged: run it again when the machine is quieter")
	}
	return nil
}

// check notes one comparison.
func (t *selftest) check(name string, ok bool, format string, args ...any) {
	verdict := "ok    "
	if ok {
		t.passed++
	} else {
		t.failed++
		verdict = "FAILED"
	}
	fmt.Fprintf(t.to, "%s %s: %s\n", verdict, name, fmt.Sprintf(format, args...))
}

func (t *selftest) equal(name string, got, want uint64) {
	t.check(name, got == want, "%d, known %d", got, want)
}

// near compares times: 1 % or 2 microseconds.
func (t *selftest) near(name string, got, want float64) {
	c := timing{name, got, want}
	t.check(name, c.ok(), "%s", c)
}

// timing compares a time with the one that is known, in nanoseconds.
type timing struct {
	name      string
	got, want float64
}

func (c timing) ok() bool {
	off := c.got - c.want
	return max(off, -off) <= max(c.want/100, 2000)
}

func (c timing) String() string {
	return report.Nanos(uint64(c.got)) + ", known " + report.Nanos(uint64(c.want))
}

// timingTries is how often times are measured that are off on a busy machine.
const timingTries = 6

// timings compares the times that measure returns. busy says why the machine had
// no time for the measurement; empty: it had, and what is off is wrong.
func (t *selftest) timings(measure func() (list []timing, busy string, err error)) error {
	for try := 1; ; try++ {
		list, busy, err := measure()
		if err != nil {
			return err
		}
		off := slices.ContainsFunc(list, func(c timing) bool { return !c.ok() })
		if off && busy != "" && try < timingTries {
			continue
		}
		for _, c := range list {
			if c.ok() || busy == "" {
				t.check(c.name, c.ok(), "%s", c)
				continue
			}
			t.noisy++
			fmt.Fprintf(t.to, "NOISY  %s: %s: too noisy after %d attempts: %s\n", c.name, c, try, busy)
		}
		return nil
	}
}

// testStream is a stream of many flows from port a to b.
func testStream(count uint64, rate float64, sizes pktgen.Sizes) pktgen.Stream {
	return pktgen.Stream{
		Name: "s", From: "a", To: "b", Sizes: sizes, Count: count, Rate: pktgen.Rate{Value: rate, Unit: pktgen.PacketsPerSec},
		Headers: pktgen.Headers{
			SrcMAC: []byte{2, 0, 0, 0, 0, 0}, DstMAC: []byte{2, 0, 0, 0, 0, 1},
			Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.1.0.1"), SrcPort: 1024, DstPort: 53,
		},
		Vary: []pktgen.Variation{{Field: pktgen.FieldSrc, Count: 1000}, {Field: pktgen.FieldSrcPort, Count: 1000, Order: pktgen.Zipf}},
	}
}

// link makes a rig over a link with known faults.
func link(clock *perf.Clock, to pktgen.Impairments) (rig *pktgen.Rig, did *pktgen.Suffered, end func() error, err error) {
	ports, counts, err := pktgen.NewLink(afxdp.PipeConfig{}, [2]pktgen.Impairments{1: to}, clock)
	if err != nil {
		return nil, nil, nil, err
	}
	shut := func() error { return errors.Join(ports[0].Close(), ports[1].Close()) }
	rig, err = pktgen.NewRig(clock, &pktgen.Port{Name: "a", Port: ports[0], Speed: 10e9}, &pktgen.Port{Name: "b", Port: ports[1]})
	if err != nil {
		return nil, nil, nil, errors.Join(err, shut())
	}
	return rig, counts[1], func() error { return errors.Join(shut(), rig.Close()) }, nil
}

// memory runs on a virtual clock, which gives the same figures every time.
func (t *selftest) memory() {
	const count = 100_000
	for _, c := range []struct {
		name string
		to   pktgen.Impairments
	}{
		{"clean link", pktgen.Impairments{}},
		{"loss of 1 %", pktgen.Impairments{Drop: 0.01, Seed: 1}},
		{"duplicates", pktgen.Impairments{Duplicate: 0.003, Seed: 2}},
		{"reordering by 5", pktgen.Impairments{Reorder: 0.02, Behind: 5, Seed: 3}},
		{"corruption", pktgen.Impairments{Corrupt: 0.01, Seed: 4}},
		{"delay of 250 µs", pktgen.Impairments{Delay: 250 * time.Microsecond}},
		{"delay of 3 ms", pktgen.Impairments{Delay: 3 * time.Millisecond}},
		{"everything", pktgen.Impairments{Drop: 0.01, Duplicate: 0.01, Reorder: 0.01, Corrupt: 0.01, Delay: 100 * time.Microsecond, Seed: 5}},
	} {
		clock := perf.NewVirtual(time.Unix(1e9, 0))
		rig, did, end, err := link(clock, c.to)
		if err != nil {
			t.check(c.name, false, "%v", err)
			continue
		}
		run, err := rig.Stepped(pktgen.Load{Name: c.name, Streams: []pktgen.Stream{testStream(count, 1e6, pktgen.IMIX())}}, 20_000, func() { clock.Advance(time.Microsecond) })
		if err != nil {
			t.check(c.name, false, "%v", errors.Join(err, end()))
			continue
		}
		s := &run.Streams[0]
		t.equal(c.name+", sent", s.Sent, count)
		t.equal(c.name+", lost", s.Lost, did.Dropped+did.Corrupted)
		t.equal(c.name+", duplicates", s.Duplicates, did.Duplicated)
		t.equal(c.name+", reordered", s.Reordered, did.Reordered)
		t.equal(c.name+", corrupt", run.Corrupt(), did.Corrupted)
		if c.to.Reorder == 0 {
			for _, q := range []float64{0.5, 0.99, 0.9999} {
				t.near(fmt.Sprintf("%s, latency p%g", c.name, 100*q), float64(s.Latency.Quantile(q)), float64(c.to.Delay))
			}
			t.near(c.name+", latency mean", s.Latency.Mean(), float64(c.to.Delay))
		}
		off := 100 * s.RateError()
		t.check(c.name+", rate", max(off, -off) < 0.1, "%+.4f %% off 1 Mpps", off)
		if err := end(); err != nil {
			t.check(c.name, false, "%v", err)
		}
	}
}

// realTime runs on the system's clock. Both ends are stepped in turn by one
// thread. What other programs take of the CPU delays frames beyond what the link
// was told, so the least latency is compared with that, and the median with what
// the link saw. Where that is off what the link was told too, the machine was busy.
func (t *selftest) realTime(ctx context.Context) {
	for _, delay := range []time.Duration{500 * time.Microsecond, 5 * time.Millisecond} {
		name := fmt.Sprintf("real time, delay of %v", delay)
		err := t.timings(func() ([]timing, string, error) {
			rig, did, end, err := link(perf.NewClock(), pktgen.Impairments{Delay: delay, Drop: 0.01, Seed: 6})
			if err != nil {
				return nil, "", err
			}
			run, err := rig.Run(ctx, pktgen.Load{Name: name, Streams: []pktgen.Stream{testStream(20_000, 20_000, pktgen.FixedSize(64))}}, pktgen.Limits{Threads: 1})
			if err = errors.Join(err, end()); err != nil {
				return nil, "", err
			}
			s := &run.Streams[0]
			t.equal(name+", sent", s.Sent, 20_000)
			t.equal(name+", lost", s.Lost, did.Dropped)
			seen := timing{"", float64(did.Delays.Snapshot().Quantile(0.5)), float64(delay)}
			busy := ""
			switch {
			case run.CPUShare < report.LeastCPU:
				busy = fmt.Sprintf("the generator's thread got %.0f %% of a CPU", 100*run.CPUShare)
			case !seen.ok():
				busy = fmt.Sprintf("the link itself delayed by %s", report.Nanos(uint64(seen.got)))
			}
			return []timing{
				{name + ", least latency", float64(s.Latency.Quantile(0)), float64(delay)},
				{name + ", latency p50", float64(s.Latency.Quantile(0.5)), seen.got},
			}, busy, nil
		})
		if err != nil {
			t.check(name, false, "%v", err)
		}
	}
}

// sessions opens connections over a link that delays.
func (t *selftest) sessions(ctx context.Context) {
	const delay = 2 * time.Millisecond
	p, err := parseProfile("selftest.yaml", []byte(`
duration: 1s
links: [{name: wire, delay: 2ms}]
ports: [{name: a, link: wire}, {name: b, link: wire}]
sessions:
  from: a
  to: b
  clients: {first: 10.1.0.1, count: 5000}
  servers: {first: 10.2.0.1, count: 50}
  open: 4000
  rate: 1000
  requests: 2
  answer: 1000
`))
	if err != nil {
		t.check("sessions", false, "%v", err)
		return
	}
	err = t.timings(func() ([]timing, string, error) {
		d, err := p.execute(ctx, newDisplay(io.Discard, true))
		if err != nil {
			return nil, "", err
		}
		s := &d.Sessions[0]
		t.equal("sessions, completed", s.Completed, s.Opened)
		t.equal("sessions, transactions", s.Transactions, 2*s.Completed)
		// Fewer where others take the CPU: those that are due too late are given up.
		t.check("sessions, rate", s.Opened > 0 && s.Opened <= 1010, "%d opened in a second, asked for 1000", s.Opened)
		busy := ""
		if s.CPUShare < report.LeastCPU {
			busy = fmt.Sprintf("the generator's thread got %.0f %% of a CPU", 100*s.CPUShare)
		}
		return []timing{{"sessions, least time to connect", float64(s.Handshake.Quantile(0)), float64(2 * delay)}}, busy, nil
	})
	if err != nil {
		t.check("sessions", false, "%v", err)
	}
}
