package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sluice-net/sluice/perf"
)

// Rate writes a rate in packets per second with a unit that fits.
func Rate(pps float64) string {
	switch {
	case pps >= 1e6:
		return fmt.Sprintf("%.3f Mpps", pps/1e6)
	case pps >= 1e3:
		return fmt.Sprintf("%.1f kpps", pps/1e3)
	}
	return fmt.Sprintf("%.1f pps", pps)
}

// Bits writes a rate in bits per second with a unit that fits.
func Bits(b float64) string {
	switch {
	case b >= 1e9:
		return fmt.Sprintf("%.3f Gbit/s", b/1e9)
	case b >= 1e6:
		return fmt.Sprintf("%.1f Mbit/s", b/1e6)
	}
	return fmt.Sprintf("%.1f kbit/s", b/1e3)
}

// Nanos writes a time with a unit that fits.
func Nanos(n uint64) string {
	switch d := time.Duration(min(n, math.MaxInt64)); {
	case d < 10*time.Microsecond:
		return fmt.Sprintf("%.2f µs", float64(d)/1e3)
	case d < time.Millisecond:
		return fmt.Sprintf("%.1f µs", float64(d)/1e3)
	case d < time.Second:
		return fmt.Sprintf("%.2f ms", float64(d)/1e6)
	default:
		return fmt.Sprintf("%.3f s", d.Seconds())
	}
}

// quantile is a column of latencies.
type quantile struct {
	name string
	q    float64
}

var quantiles = []quantile{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}}

// latencies writes a distribution in one line.
func latencies(d *perf.Distribution) string {
	if d == nil || d.Count() == 0 {
		return "no frame arrived"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "mean %s", Nanos(uint64(d.Mean())))
	for _, q := range quantiles {
		fmt.Fprintf(&b, ", %s %s", q.name, Nanos(d.Quantile(q.q)))
	}
	fmt.Fprintf(&b, ", max %s", Nanos(d.Max()))
	return b.String()
}

// lossAllowed says how much loss a trial of throughput might have.
func (d *Document) lossAllowed() string {
	for i := range d.Throughput {
		if d.Throughput[i].Tolerance != d.Throughput[0].Tolerance {
			return "with no more lost than allowed"
		}
	}
	if d.Throughput[0].Tolerance == 0 {
		return "without loss"
	}
	return fmt.Sprintf("with at most %s lost", mayLose(d.Throughput[0].Tolerance))
}

// mayLose writes a tolerance.
func mayLose(share float64) string {
	if share == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%.6g %%", 100*share)
}

func passed(yes bool) string {
	if yes {
		return "passed"
	}
	return "failed"
}

// cut is what stands behind a search that was interrupted.
func cut(yes bool) string {
	if yes {
		return ", ended before its time"
	}
	return ""
}

// ofCPU is what stands behind a run's time: a run is compared with another that
// was made later, when the machine may have had more to do.
func ofCPU(share float64) string {
	if share == 0 {
		return ""
	}
	return fmt.Sprintf(", %.1f %% of a CPU for the generator's threads", 100*share)
}

// WriteText writes the document for a terminal.
func (d *Document) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	if d.Title != "" {
		fmt.Fprintf(t, "%s\n", d.Title)
	}
	if d.Host != "" {
		fmt.Fprintf(t, "%s, %s\n", d.When.Format(time.DateTime), d.Host)
	}
	for i := range d.Runs {
		d.Runs[i].text(t)
	}
	if len(d.Throughput) > 0 {
		fmt.Fprintf(t, "\nthroughput (RFC 2544): highest rate %s\nsubject\tsize\trate\tbit/s\tlimited by\tresolution\tmay lose\tp50\tp99\ttrials\n", d.lossAllowed())
		for i := range d.Throughput {
			r := &d.Throughput[i]
			if !r.Found {
				fmt.Fprintf(t, "%s\t%d\tnone found\t\t%s\t%s\t%s\t\t\t%d%s\n", r.Subject, r.Size, r.LimitedBy, Rate(r.Resolution), mayLose(r.Tolerance), len(r.Trials), cut(r.Cut))
				continue
			}
			p50, p99 := "", ""
			if r.Latency != nil {
				p50, p99 = Nanos(r.Latency.Quantile(0.5)), Nanos(r.Latency.Quantile(0.99))
			}
			fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d%s\n", r.Subject, r.Size, Rate(r.PPS), Bits(r.Bits), r.LimitedBy, Rate(r.Resolution),
				mayLose(r.Tolerance), p50, p99, len(r.Trials), cut(r.Cut))
		}
	}
	if len(d.Latency) > 0 {
		fmt.Fprint(t, "\nlatency\n")
		for i := range d.Latency {
			l := &d.Latency[i]
			fmt.Fprintf(t, "%s, %d bytes at %s, %d of %d lost: %s\n", l.Subject, l.Size, Rate(l.PPS), l.Lost, l.Sent, latencies(l.Distribution))
		}
	}
	if len(d.Loss) > 0 {
		fmt.Fprint(t, "\nframe loss (RFC 2544)\nsubject\tsize\toffered\tsent\tlost\tratio\n")
		for i := range d.Loss {
			p := &d.Loss[i]
			fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%d\t%.4f %%\n", p.Subject, p.Size, Rate(p.PPS), p.Sent, p.Lost, 100*p.Ratio)
		}
	}
	if len(d.BackToBack) > 0 {
		fmt.Fprint(t, "\nback-to-back (RFC 2544): longest burst without loss\nsubject\tsize\tframes\trepeats\n")
		for _, r := range d.BackToBack {
			more := ""
			if r.AtMost {
				more = " or more"
			}
			fmt.Fprintf(t, "%s\t%d\t%.0f%s\t%d\n", r.Subject, r.Size, r.Frames, more, r.Repeats)
		}
	}
	for i := range d.Searches {
		s := &d.Searches[i]
		value := fmt.Sprintf("%.6g %s", s.Value, s.Unit)
		if !s.Found {
			value = "no value passed"
		} else if s.AtMost {
			value += " or more"
		}
		if s.Limit != "" {
			value += ", limited by the " + s.Limit
		}
		values := "values"
		if len(s.Tried) == 1 {
			values = "value"
		}
		fmt.Fprintf(t, "\n%s: %s: %s (%d %s tried)%s\n", s.Subject, s.What, value, len(s.Tried), values, cut(s.Cut))
		for _, one := range s.Tried {
			fmt.Fprintf(t, "%.6g\t%s\t%s\n", one.Value, passed(one.Passed), one.Note)
		}
	}
	for i := range d.Sessions {
		d.Sessions[i].text(t)
	}
	for _, n := range d.Notes {
		fmt.Fprintf(t, "note: %s\n", n)
	}
	return t.Flush()
}

func (r *Run) text(t io.Writer) {
	fmt.Fprintf(t, "\nrun %s: %.3f s%s\n", r.Name, r.Seconds, ofCPU(r.CPUShare))
	fmt.Fprint(t, "stream\tasked\tsent\trate\tbit/s\toff by\tlate p50\tlate p99\treceived\tlost\tduplicate\treordered\n")
	for i := range r.Streams {
		s := &r.Streams[i]
		off, late50, late99 := "", "", ""
		if s.AskedPPS > 0 {
			off, late50, late99 = fmt.Sprintf("%+.4f %%", 100*s.RateError()), Nanos(s.LateP50), Nanos(s.LateP99)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s", s.Name, s.Asked, s.Sent, Rate(s.SentPPS), Bits(s.SentBits), off, late50, late99)
		if s.Measured {
			fmt.Fprintf(t, "\t%d\t%d (%.4f %%)\t%d\t%d", s.Received, s.Lost, 100*s.LossRatio(), s.Duplicates, s.Reordered)
		}
		fmt.Fprint(t, "\n")
	}
	for i := range r.Streams {
		if s := &r.Streams[i]; s.Measured {
			fmt.Fprintf(t, "latency of %s: %s\n", s.Name, latencies(s.Latency))
		}
	}
	for i := range r.Ports {
		p := &r.Ports[i]
		fmt.Fprintf(t, "port %s", p.Name)
		if p.Driver != "" {
			fmt.Fprintf(t, " (%s, %s mode)", p.Driver, p.Mode)
		}
		fmt.Fprintf(t, ": %d in, %d out; of those in, %d corrupt, %d misdirected, %d of streams without receiver, %d of other runs, %d of others",
			p.RxFrames, p.TxFrames, p.Corrupt, p.Misdirected, p.Unexpected, p.Stray, p.Foreign)
		if lost := p.RxLost(); lost > 0 {
			fmt.Fprintf(t, "; %d lost on its own receive rings", lost)
		}
		fmt.Fprint(t, "\n")
	}
	for _, n := range r.Notes {
		fmt.Fprintf(t, "note: %s\n", n)
	}
}

func (s *Sessions) text(t io.Writer) {
	fmt.Fprintf(t, "\nsessions, %s: %.3f s%s\n", s.Subject, s.Seconds, ofCPU(s.CPUShare))
	fmt.Fprintf(t, "connections: %d opened, %d completed, %d failed, %d timed out; %.1f per second, %d at once at most\n",
		s.Opened, s.Completed, s.Failed, s.TimedOut, s.PerSecond, s.Concurrent)
	fmt.Fprintf(t, "transactions: %d; %.1f per second; inspected throughput %s\n", s.Transactions, s.TransPerSec, Bits(s.Inspected))
	if s.NotOpened > 0 {
		fmt.Fprintf(t, "never opened: %d\n", s.NotOpened)
	}
	if s.Late != nil {
		fmt.Fprintf(t, "SYNs left late by: %s\n", latencies(s.Late))
	}
	if s.Handshake != nil {
		fmt.Fprintf(t, "time to connect: %s\n", latencies(s.Handshake))
	}
	if s.FirstByte != nil {
		fmt.Fprintf(t, "request to first byte of the answer: %s\n", latencies(s.FirstByte))
	}
	if s.LastByte != nil {
		fmt.Fprintf(t, "request to last byte of the answer: %s\n", latencies(s.LastByte))
	}
	if s.Bad+s.Stray > 0 {
		fmt.Fprintf(t, "frames: %d bad, %d stray\n", s.Bad, s.Stray)
	}
	for _, n := range s.Notes {
		fmt.Fprintf(t, "note: %s\n", n)
	}
}
