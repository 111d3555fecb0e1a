package report

import (
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sluice-net/sluice/perf"
)

const style = `body{font:15px/1.45 sans-serif;margin:2em auto;max-width:1080px;padding:0 1em;color:#222}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #ccc}
table{border-collapse:collapse;font-size:13px;margin:.6em 0}th,td{padding:.25em .7em;border:1px solid #ddd;text-align:right}
th{background:#f3f3f3}td{white-space:nowrap}td:first-child,th:first-child{text-align:left}.warn{color:#a33}.wide{overflow-x:auto}`

// page is a document on its way to HTML.
type page struct{ strings.Builder }

func (p *page) heading(text string) { fmt.Fprintf(p, "<h2>%s</h2>\n", html.EscapeString(text)) }

func (p *page) para(format string, args ...any) {
	fmt.Fprintf(p, "<p>%s</p>\n", html.EscapeString(fmt.Sprintf(format, args...)))
}

func (p *page) table(head []string, rows [][]string) {
	p.WriteString(`<div class="wide"><table><tr>`)
	for _, h := range head {
		fmt.Fprintf(p, "<th>%s</th>", html.EscapeString(h))
	}
	p.WriteString("</tr>\n")
	for _, r := range rows {
		p.WriteString("<tr>")
		for _, c := range r {
			fmt.Fprintf(p, "<td>%s</td>", html.EscapeString(c))
		}
		p.WriteString("</tr>\n")
	}
	p.WriteString("</table></div>\n")
}

// WriteHTML writes the document as one page that needs nothing else: plots are
// SVG, and nothing is fetched.
func (d *Document) WriteHTML(w io.Writer) error {
	p := &page{}
	title := d.Title
	if title == "" {
		title = "pktgen"
	}
	fmt.Fprintf(p, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title>\n<style>%s</style></head><body>\n<h1>%s</h1>\n",
		html.EscapeString(title), style, html.EscapeString(title))
	p.para("%s, %s. Sizes and bits count frames with FCS.", d.When.Format(time.DateTime), d.Host)
	for _, n := range d.Notes {
		p.para("Note: %s", n)
	}
	d.throughputHTML(p)
	d.latencyHTML(p)
	d.lossHTML(p)
	d.searchesHTML(p)
	for i := range d.Sessions {
		d.Sessions[i].html(p)
	}
	for i := range d.Runs {
		d.Runs[i].html(p)
	}
	p.WriteString("</body></html>\n")
	_, err := io.WriteString(w, p.String())
	return err
}

// group collects points under the names of their curves, in order of arrival.
func group[T any](all []T, name func(*T) string, at func(*T) point) (curves []curve) {
	for i := range all {
		n := name(&all[i])
		k := slices.IndexFunc(curves, func(c curve) bool { return c.name == n })
		if k < 0 {
			k = len(curves)
			curves = append(curves, curve{name: n})
		}
		curves[k].points = append(curves[k].points, at(&all[i]))
	}
	for i := range curves {
		slices.SortFunc(curves[i].points, func(a, b point) int {
			if a.x < b.x {
				return -1
			}
			return 1
		})
	}
	return curves
}

func plain(v float64) string { return fmt.Sprintf("%.6g", v) }

func (d *Document) throughputHTML(p *page) {
	if len(d.Throughput) == 0 {
		return
	}
	p.heading("Throughput against frame size (RFC 2544)")
	p.para("The highest rate %s.", d.lossAllowed())
	var sizes []float64
	for _, t := range d.Throughput {
		if !slices.Contains(sizes, float64(t.Size)) {
			sizes = append(sizes, float64(t.Size))
		}
	}
	slices.Sort(sizes)
	subject := func(t *Throughput) string { return t.Subject }
	size := axis{title: "frame size, bytes", log: true, label: plain, ticks: sizes}
	p.WriteString(plot("throughput", size, axis{title: "rate", label: Rate}, group(d.Throughput, subject, func(t *Throughput) point { return point{float64(t.Size), t.PPS} })))
	p.WriteString(plot("bits", size, axis{title: "rate", label: Bits}, group(d.Throughput, subject, func(t *Throughput) point { return point{float64(t.Size), t.Bits} })))
	var rows [][]string
	for _, t := range d.Throughput {
		rate, bits, p50, p99 := "none found", "", "", ""
		if t.Found {
			rate, bits = Rate(t.PPS), Bits(t.Bits)
			if t.Latency != nil {
				p50, p99 = Nanos(t.Latency.Quantile(0.5)), Nanos(t.Latency.Quantile(0.99))
			}
		}
		rows = append(rows, []string{t.Subject, fmt.Sprint(t.Size), rate, bits, t.LimitedBy, Rate(t.Resolution), mayLose(t.Tolerance), p50, p99, fmt.Sprint(len(t.Trials)) + cut(t.Cut)})
	}
	p.table([]string{"subject", "size", "rate", "bits", "limited by", "resolution", "may lose", "latency p50", "p99", "trials"}, rows)
}

// latencyCurve has the latency over 1/(1-q), so that each nine takes the same room.
func latencyCurve(name string, d *perf.Distribution) curve {
	c := curve{name: name}
	for x := 1.0; x <= 1e5; x *= 1.15 {
		if x > float64(d.Count()) {
			break // no frame is that rare
		}
		c.points = append(c.points, point{x, float64(max(d.Quantile(1-1/x), 1))})
	}
	return c
}

func (d *Document) latencyHTML(p *page) {
	var curves []curve
	var rows [][]string
	add := func(name string, l *perf.Distribution) {
		if l == nil || l.Count() == 0 {
			return
		}
		if len(curves) < 2*len(colors) {
			curves = append(curves, latencyCurve(name, l))
		}
		row := []string{name, fmt.Sprint(l.Count()), Nanos(uint64(l.Mean()))}
		for _, q := range quantiles {
			row = append(row, Nanos(l.Quantile(q.q)))
		}
		rows = append(rows, append(row, Nanos(l.Max())))
	}
	for _, l := range d.Latency {
		add(fmt.Sprintf("%s, %d B, %s", l.Subject, l.Size, Rate(l.PPS)), l.Distribution)
	}
	if len(d.Latency) == 0 {
		for _, t := range d.Throughput {
			add(fmt.Sprintf("%s, %d B", t.Subject, t.Size), t.Latency)
		}
	}
	for i := range d.Runs {
		for j := range d.Runs[i].Streams {
			s := &d.Runs[i].Streams[j]
			add(d.Runs[i].Name+" / "+s.Name, s.Latency)
		}
	}
	for i := range d.Sessions {
		add(d.Sessions[i].Subject+", SYN behind its time", d.Sessions[i].Late)
		add(d.Sessions[i].Subject+", connect", d.Sessions[i].Handshake)
		add(d.Sessions[i].Subject+", first byte of answer", d.Sessions[i].FirstByte)
		add(d.Sessions[i].Subject+", last byte of answer", d.Sessions[i].LastByte)
	}
	if len(curves) == 0 {
		return
	}
	p.heading("Latency distribution")
	p.para("How long the given share of frames took at most; each step to the right is a share ten times as rare.")
	share := func(v float64) string { return fmt.Sprintf("%.6g %%", 100*(1-1/v)) }
	p.WriteString(plot("latency", axis{title: "share of frames", log: true, label: share, ticks: []float64{1, 2, 10, 100, 1000, 10000, 100000}},
		axis{title: "latency", log: true, label: func(v float64) string { return Nanos(uint64(v)) }}, curves))
	head := []string{"of", "frames", "mean"}
	for _, q := range quantiles {
		head = append(head, q.name)
	}
	p.table(append(head, "max"), rows)
}

func (d *Document) lossHTML(p *page) {
	if len(d.Loss) == 0 {
		return
	}
	p.heading("Frame loss against offered rate (RFC 2544)")
	name := func(l *LossPoint) string { return fmt.Sprintf("%s, %d B", l.Subject, l.Size) }
	p.WriteString(plot("loss", axis{title: "offered rate", label: Rate}, axis{title: "frames lost, %", label: plain},
		group(d.Loss, name, func(l *LossPoint) point { return point{l.PPS, 100 * l.Ratio} })))
	var rows [][]string
	for _, l := range d.Loss {
		rows = append(rows, []string{l.Subject, fmt.Sprint(l.Size), Rate(l.PPS), fmt.Sprint(l.Sent), fmt.Sprint(l.Lost), fmt.Sprintf("%.4f %%", 100*l.Ratio)})
	}
	p.table([]string{"subject", "size", "offered", "sent", "lost", "ratio"}, rows)
}

func (d *Document) searchesHTML(p *page) {
	if len(d.BackToBack) > 0 {
		p.heading("Back-to-back frames (RFC 2544)")
		p.para("The longest burst at the generator's top speed that lost nothing.")
		var rows [][]string
		for _, b := range d.BackToBack {
			frames := fmt.Sprintf("%.0f", b.Frames)
			if b.AtMost {
				frames += " or more"
			}
			rows = append(rows, []string{b.Subject, fmt.Sprint(b.Size), frames, fmt.Sprint(b.Repeats)})
		}
		p.table([]string{"subject", "size", "frames", "repeats"}, rows)
	}
	for i := range d.Searches {
		s := &d.Searches[i]
		p.heading(s.Subject + ": " + s.What + cut(s.Cut))
		switch {
		case !s.Found:
			p.para("No value passed.")
		case s.AtMost:
			p.para("%.6g %s, the most that was tried.", s.Value, s.Unit)
		default:
			p.para("%.6g %s", s.Value, s.Unit)
		}
		if s.Limit != "" {
			p.para("Limited by the %s.", s.Limit)
		}
		var rows [][]string
		for _, t := range s.Tried {
			rows = append(rows, []string{fmt.Sprintf("%.6g", t.Value), passed(t.Passed), t.Note})
		}
		p.table([]string{s.Unit, "result", ""}, rows)
	}
}

func (s *Sessions) html(p *page) {
	p.heading(fmt.Sprintf("Sessions: %s, %.3f s%s", s.Subject, s.Seconds, ofCPU(s.CPUShare)))
	p.table([]string{"connections/s", "transactions/s", "at once", "throughput", "opened", "never opened", "completed", "failed", "timed out"}, [][]string{{
		fmt.Sprintf("%.1f", s.PerSecond), fmt.Sprintf("%.1f", s.TransPerSec), fmt.Sprint(s.Concurrent), Bits(s.Inspected),
		fmt.Sprint(s.Opened), fmt.Sprint(s.NotOpened), fmt.Sprint(s.Completed), fmt.Sprint(s.Failed), fmt.Sprint(s.TimedOut),
	}})
	for _, n := range s.Notes {
		p.para("Note: %s", n)
	}
}

func (r *Run) html(p *page) {
	p.heading(fmt.Sprintf("Run %s, %.3f s%s", r.Name, r.Seconds, ofCPU(r.CPUShare)))
	var rows [][]string
	for i := range r.Streams {
		s := &r.Streams[i]
		row := []string{s.Name, s.Asked, fmt.Sprint(s.Sent), Rate(s.SentPPS), Bits(s.SentBits), "", "", "", "", "", ""}
		if s.AskedPPS > 0 {
			row[5], row[6] = fmt.Sprintf("%+.4f %%", 100*s.RateError()), Nanos(s.LateP99)
		}
		if s.Measured {
			row[7], row[8], row[9], row[10] = fmt.Sprint(s.Received), fmt.Sprintf("%d (%.4f %%)", s.Lost, 100*s.LossRatio()), fmt.Sprint(s.Duplicates), fmt.Sprint(s.Reordered)
		}
		rows = append(rows, row)
	}
	p.table([]string{"stream", "asked", "sent", "rate", "bits", "off by", "late p99", "received", "lost", "duplicates", "reordered"}, rows)
	rows = nil
	for i := range r.Ports {
		o := &r.Ports[i]
		kind := o.Driver
		if o.Mode != "" {
			kind += ", " + o.Mode + " mode"
		}
		rows = append(rows, []string{o.Name, kind, fmt.Sprint(o.TxFrames), fmt.Sprint(o.RxFrames), fmt.Sprint(o.Corrupt), fmt.Sprint(o.Misdirected),
			fmt.Sprint(o.Unexpected), fmt.Sprint(o.Stray), fmt.Sprint(o.Foreign), fmt.Sprint(o.RxLost()), fmt.Sprint(o.TxFull)})
	}
	if len(rows) > 0 {
		p.table([]string{"port", "driver", "frames out", "frames in", "corrupt", "misdirected", "of streams without receiver", "of other runs", "of others", "lost on its own receive rings", "waits for room to send"}, rows)
	}
	for _, n := range r.Notes {
		p.para("Note: %s", n)
	}
}
