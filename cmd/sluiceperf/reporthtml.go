package main

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/sluice-net/sluice/perf"
)

// page is the report as HTML; it loads nothing.
var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"pct":  func(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) },
	"ns":   func(v float64) string { return fmt.Sprintf("%.1f", v) },
	"rate": func(v float64) string { return fmt.Sprintf("%.0f", v) },
	"name": ruleName,
}).Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em; color: #222; }
h1 { font-size: 1.3em; } h2 { font-size: 1.1em; margin-top: 2em; }
table { border-collapse: collapse; } td, th { padding: .2em .8em; text-align: right; border-bottom: 1px solid #ddd; }
td.l, th.l { text-align: left; font-family: monospace; } .bar { display: inline-block; height: .8em; background: #d9742b; }
svg.flame { max-width: 100%; } p.note { color: #666; }
</style></head><body>
<h1>{{.Title}}</h1>
<p>{{.Packets}} packets, <b>{{ns .PerPacket}} ns/packet</b>, workers {{pct .Idle}} idle, {{ns .Fill}} packets a burst.</p>
<h2>Stages</h2>
<table><tr><th class="l">stage</th><th>ns/packet</th><th>account</th><th>samples</th><th class="l"></th></tr>
{{range .StageRows}}<tr><td class="l">{{.Name}}</td><td>{{ns .PerPacket}}</td><td>{{pct .Account}}</td><td>{{if ge .Samples 0.0}}{{pct .Samples}}{{else}}-{{end}}</td>
<td class="l"><span class="bar" style="width:{{.Bar}}px"></span></td></tr>
{{end}}</table>
<p class="note">The account counts cycles of bursts with packets; samples are those of the CPU profile in the same stages. {{.Outside}}.</p>
<h2>Workers</h2>
<table><tr><th>worker</th><th>rx pps</th><th>tx pps</th><th>idle</th><th>waiting</th><th>ns/packet</th><th>planned</th><th>handed over</th><th>taken over</th></tr>
{{range $i, $w := .Workers}}<tr><td>{{$i}}</td><td>{{rate .RxRate}}</td><td>{{rate .TxRate}}</td><td>{{pct .Idle}}</td><td>{{pct .Waiting}}</td><td>{{ns .PerPacket}}</td><td>{{pct .Planned}}</td><td>{{rate .HandOut}}</td><td>{{rate .HandIn}}</td></tr>
{{end}}</table>
<h2>Burst times</h2>
{{.Bursts}}
<h2>Rules</h2>
{{if .Rules}}<table><tr><th>about pps</th><th>packets</th><th>time</th><th>ns/packet</th><th class="l">rule that decided</th></tr>
{{range .Rules}}<tr><td>{{rate .Rate}}</td><td>{{pct .Decided}}</td><td>{{pct .Share}}</td><td>{{ns .PerPacket}}</td><td class="l">{{name .RuleProfile}}</td></tr>
{{end}}</table>{{else}}<p>No packets were sampled.</p>{{end}}
<h2>Queues</h2>
{{if .Queues}}<p class="note">Mean of what a ring held, and of the fill ring the least, of the others the most.</p><pre>{{.Queues}}</pre>{{else}}<p>The recording has none.</p>{{end}}
<h2>Flame graph</h2>
{{if .Flame}}{{.Flame}}<p class="note">A box is a function, its width the samples in it and in what it calls; click to zoom, click the lowest row to go back.</p>
{{else}}<p>The recording has no CPU profile.</p>{{end}}
</body></html>
`))

// barRow is a stage with the length of its bar.
type barRow struct {
	stageRow
	Bar int
}

func (r *reportOf) writeHTML(w io.Writer) error {
	var svg bytes.Buffer
	if r.stacks != nil {
		if err := r.stacks.graph.WriteSVG(&svg, "samples"); err != nil {
			return err
		}
	}
	var rows []barRow
	for _, row := range r.stageRows() {
		rows = append(rows, barRow{row, int(300 * row.Account)})
	}
	rules := make([]map[string]any, 0, len(r.Rules))
	for i := range r.Rules {
		x := &r.Rules[i]
		rules = append(rules, map[string]any{"Rate": x.Rate, "Decided": x.Decided, "Share": x.Share, "PerPacket": x.PerPacket, "RuleProfile": &x.RuleProfile})
	}
	var queues bytes.Buffer
	writeQueues(&queues, r.Queues)
	return page.Execute(w, map[string]any{
		"Queues": strings.Trim(queues.String(), "\n"),
		"Title":  r.title(), "Packets": r.all.Packets, "PerPacket": r.all.PerPacket, "Idle": r.all.Idle, "Fill": r.all.Fill,
		"Outside": r.all.outside(), "StageRows": rows, "Workers": r.interval.Workers, "Rules": rules,
		"Bursts": template.HTML(burstPlot(r.all.Bursts, r.End.Rate)), // our own SVG
		"Flame":  template.HTML(svg.String()),                        // our own SVG
	})
}

// plotQuantiles are the points of the plot of burst times.
var plotQuantiles = []float64{0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999}

// burstPlot draws burst times by quantile.
func burstPlot(d *perf.Distribution, rate perf.Rate) string {
	if d.Count() == 0 {
		return "<p>No bursts with packets.</p>"
	}
	const barWidth, height = 90, 160
	highest := max(float64(rate.Duration(d.Quantile(plotQuantiles[len(plotQuantiles)-1]))), 1)
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg width="%d" height="%d" font-family="monospace" font-size="11">`, barWidth*len(plotQuantiles), height+40)
	for i, q := range plotQuantiles {
		took := rate.Duration(d.Quantile(q))
		h := float64(took) / highest * height
		x := i * barWidth
		fmt.Fprintf(&b, `<rect x="%d" y="%.1f" width="%d" height="%.1f" fill="#4b86b4"/><text x="%d" y="%.1f">%v</text><text x="%d" y="%d">p%g</text>`,
			x, height-h+14, barWidth-20, h, x, height-h+10, short(took), x, height+30, 100*q)
	}
	fmt.Fprintf(&b, `</svg><p class="note">%d bursts, mean %v, longest %v.</p>`, d.Count(), short(rate.Duration(uint64(d.Mean()))), time.Duration(rate.Duration(d.Max())))
	return b.String()
}
