package report

import (
	"encoding/csv"
	"fmt"
	"io"

	"github.com/sluice-net/sluice/perf"
)

// Row is one figure of a document: what CSV and comparisons are made of.
type Row struct {
	Part    string // run, throughput, loss, latency, back-to-back, search, sessions
	Subject string
	Of      string // the stream or port of it; empty: none
	Size    int    // 0: none
	Name    string // of the figure
	Value   float64
	Unit    string
	Better  int // 1: more is better, -1: less is, 0: neither
}

// Rows returns all figures.
func (d *Document) Rows() (rows []Row) {
	of := ""
	add := func(part, subject string, size int, name string, value float64, unit string, better int) {
		rows = append(rows, Row{part, subject, of, size, name, value, unit, better})
	}
	times := func(part, subject string, size int, what string, d *perf.Distribution) {
		if d == nil || d.Count() == 0 {
			return
		}
		add(part, subject, size, what+" mean", d.Mean(), "ns", -1)
		for _, q := range quantiles {
			add(part, subject, size, what+" "+q.name, float64(d.Quantile(q.q)), "ns", -1)
		}
		add(part, subject, size, what+" max", float64(d.Max()), "ns", -1)
	}
	share := func(part, subject string, size int, cpu float64) {
		if cpu > 0 {
			add(part, subject, size, "generator's share of a CPU", 100*cpu, "%", 0)
		}
	}
	for i := range d.Runs {
		r := &d.Runs[i]
		of = ""
		share("run", r.Name, 0, r.CPUShare)
		for j := range r.Streams {
			s := &r.Streams[j]
			name := r.Name
			of = s.Name
			add("run", name, 0, "asked", s.AskedPPS, "pps", 0)
			add("run", name, 0, "sent", float64(s.Sent), "frames", 0)
			add("run", name, 0, "rate", s.SentPPS, "pps", 1)
			add("run", name, 0, "bits", s.SentBits, "bit/s", 1)
			add("run", name, 0, "late mean", s.LateMean, "ns", -1)
			add("run", name, 0, "late p99", float64(s.LateP99), "ns", -1)
			if s.Measured {
				add("run", name, 0, "received", float64(s.Received), "frames", 0)
				add("run", name, 0, "lost", float64(s.Lost), "frames", -1)
				add("run", name, 0, "duplicates", float64(s.Duplicates), "frames", -1)
				add("run", name, 0, "reordered", float64(s.Reordered), "frames", -1)
				times("run", name, 0, "latency", s.Latency)
			}
		}
	}
	for i := range d.Runs {
		for j := range d.Runs[i].Ports {
			p := &d.Runs[i].Ports[j]
			name := d.Runs[i].Name
			of = "port " + p.Name
			add("run", name, 0, "frames in", float64(p.RxFrames), "frames", 0)
			add("run", name, 0, "frames out", float64(p.TxFrames), "frames", 0)
			add("run", name, 0, "corrupt", float64(p.Corrupt), "frames", -1)
			add("run", name, 0, "misdirected", float64(p.Misdirected), "frames", -1)
			add("run", name, 0, "of streams without receiver", float64(p.Unexpected), "frames", 0)
			add("run", name, 0, "of other runs", float64(p.Stray), "frames", 0)
			add("run", name, 0, "of others", float64(p.Foreign), "frames", 0)
			add("run", name, 0, "lost on its own receive rings", float64(p.RxLost()), "frames", -1)
		}
	}
	of = ""
	for i := range d.Throughput {
		t := &d.Throughput[i]
		share("throughput", t.Subject, t.Size, t.leastCPU())
		add("throughput", t.Subject, t.Size, "may lose", t.Tolerance, "", 0)
		add("throughput", t.Subject, t.Size, "resolution", t.Resolution, "pps", 0)
		add("throughput", t.Subject, t.Size, "rate", t.PPS, "pps", 1)
		add("throughput", t.Subject, t.Size, "bits", t.Bits, "bit/s", 1)
		times("throughput", t.Subject, t.Size, "latency", t.Latency)
	}
	for i := range d.Latency {
		l := &d.Latency[i]
		share("latency", l.Subject, l.Size, l.CPU)
		add("latency", l.Subject, l.Size, "offered", l.PPS, "pps", 0)
		add("latency", l.Subject, l.Size, "lost", float64(l.Lost), "frames", -1)
		times("latency", l.Subject, l.Size, "latency", l.Distribution)
	}
	for i, p := range d.Loss {
		n := 0 // number of the point within its curve
		for j := range i {
			if d.Loss[j].Subject == p.Subject && d.Loss[j].Size == p.Size {
				n++
			}
		}
		add("loss", p.Subject, p.Size, fmt.Sprintf("offered %d", n+1), p.PPS, "pps", 0)
		add("loss", p.Subject, p.Size, fmt.Sprintf("loss ratio %d", n+1), p.Ratio, "", -1)
		if p.CPU > 0 {
			add("loss", p.Subject, p.Size, fmt.Sprintf("generator's share of a CPU %d", n+1), 100*p.CPU, "%", 0)
		}
	}
	for _, b := range d.BackToBack {
		add("back-to-back", b.Subject, b.Size, "burst", b.Frames, "frames", 1)
	}
	for i := range d.Searches {
		s := &d.Searches[i]
		add("search", s.Subject, 0, s.What, s.Value, s.Unit, 1)
	}
	for i := range d.Sessions {
		s := &d.Sessions[i]
		share("sessions", s.Subject, 0, s.CPUShare)
		add("sessions", s.Subject, 0, "connections", s.PerSecond, "1/s", 1)
		add("sessions", s.Subject, 0, "transactions", s.TransPerSec, "1/s", 1)
		add("sessions", s.Subject, 0, "concurrent", float64(s.Concurrent), "connections", 1)
		add("sessions", s.Subject, 0, "throughput", s.Inspected, "bit/s", 1)
		add("sessions", s.Subject, 0, "failed", float64(s.Failed+s.TimedOut), "connections", -1)
		add("sessions", s.Subject, 0, "never opened", float64(s.NotOpened), "connections", -1)
		times("sessions", s.Subject, 0, "late", s.Late)
		times("sessions", s.Subject, 0, "connect", s.Handshake)
		times("sessions", s.Subject, 0, "first byte", s.FirstByte)
		times("sessions", s.Subject, 0, "last byte", s.LastByte)
	}
	return rows
}

// whole is the subject with what is of it.
func (r *Row) whole() string {
	if r.Of == "" {
		return r.Subject
	}
	return r.Subject + "/" + r.Of
}

// WriteCSV writes all figures, one a line, under a heading.
func (d *Document) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	lines := [][]string{{"part", "subject", "size", "figure", "value", "unit"}}
	for _, r := range d.Rows() {
		size := ""
		if r.Size > 0 {
			size = fmt.Sprint(r.Size)
		}
		lines = append(lines, []string{r.Part, r.whole(), size, r.Name, fmt.Sprintf("%.10g", r.Value), r.Unit})
	}
	return out.WriteAll(lines)
}
