package report

import (
	"fmt"
	"html"
	"math"
	"strings"
	"unicode/utf8"
)

// Size of a plot in pixels, and of its margins.
const (
	plotWidth, plotHeight  = 900, 340
	leftMargin, topMargin  = 104, 14
	rightMargin, botMargin = 270, 46
	charWidth              = 7 // of the legend, more or less
)

var colors = []string{"#0b62a4", "#d1495b", "#2a9d5c", "#e08e0b", "#7a4fa3", "#3aa6a6", "#8c6d46", "#555555"}

// point of a curve.
type point struct{ x, y float64 }

// curve is a named line.
type curve struct {
	name   string
	points []point
}

// axis is one side of a plot.
type axis struct {
	title string
	log   bool
	label func(float64) string
	ticks []float64 // nil: chosen
}

// plot draws curves as an SVG that needs nothing else.
func plot(id string, x, y axis, curves []curve) string {
	var xs, ys []float64
	for _, c := range curves {
		for _, p := range c.points {
			xs, ys = append(xs, p.x), append(ys, p.y)
		}
	}
	if len(xs) == 0 {
		return ""
	}
	if !y.log {
		ys = append(ys, 0)
	}
	px := x.scale(xs, leftMargin, plotWidth-rightMargin)
	py := y.scale(ys, plotHeight-botMargin, topMargin)
	width, height := plotWidth, max(plotHeight, topMargin+18*len(curves))
	for _, c := range curves { // room for the legend
		width = max(width, plotWidth-rightMargin+40+charWidth*utf8.RuneCountInString(c.name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" id="%s" class="plot" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n",
		id, width, height, width, height)
	fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="#fcfcfc" stroke="#999"/>`+"\n",
		leftMargin, topMargin, plotWidth-leftMargin-rightMargin, plotHeight-topMargin-botMargin)
	for _, v := range px.ticks {
		at := px.at(v)
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#e4e4e4"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n",
			at, at, topMargin, plotHeight-botMargin, at, plotHeight-botMargin+16, html.EscapeString(x.label(v)))
	}
	for _, v := range py.ticks {
		at := py.at(v)
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#e4e4e4"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			leftMargin, plotWidth-rightMargin, at, at, leftMargin-6, at+4, html.EscapeString(y.label(v)))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (leftMargin+plotWidth-rightMargin)/2, plotHeight-8, html.EscapeString(x.title))
	fmt.Fprintf(&b, `<text x="14" y="%d" text-anchor="middle" transform="rotate(-90 14 %d)">%s</text>`+"\n", plotHeight/2, plotHeight/2, html.EscapeString(y.title))
	for i, c := range curves {
		color := colors[i%len(colors)]
		var path strings.Builder
		for _, p := range c.points {
			fmt.Fprintf(&path, "%.1f,%.1f ", px.at(p.x), py.at(p.y))
		}
		fmt.Fprintf(&b, `<polyline class="curve" fill="none" stroke="%s" stroke-width="2" points="%s"/>`+"\n", color, strings.TrimSpace(path.String()))
		if len(c.points) <= 32 {
			for _, p := range c.points {
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3.2" fill="%s"><title>%s: %s, %s</title></circle>`+"\n", px.at(p.x), py.at(p.y), color,
					html.EscapeString(c.name), html.EscapeString(x.label(p.x)), html.EscapeString(y.label(p.y)))
			}
		}
		row := topMargin + 12 + 18*i
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="%s" stroke-width="3"/><text x="%d" y="%d">%s</text>`+"\n",
			plotWidth-rightMargin+10, plotWidth-rightMargin+30, row, row, color, plotWidth-rightMargin+36, row+4, html.EscapeString(c.name))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// scale maps values to pixels.
type scale struct {
	low, high float64 // transformed
	from, to  float64
	log       bool
	ticks     []float64
}

func (a *axis) scale(values []float64, from, to float64) scale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range append(values, a.ticks...) {
		if a.log && v <= 0 {
			continue
		}
		low, high = min(low, v), max(high, v)
	}
	if math.IsInf(low, 0) {
		low, high = 1, 2
	}
	s := scale{from: from, to: to, log: a.log, ticks: a.ticks}
	switch {
	case a.log && a.ticks == nil:
		low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
		if low == high {
			high *= 10
		}
		for v := low; v <= high*1.001; v *= 10 {
			s.ticks = append(s.ticks, v)
		}
	case a.ticks == nil:
		if low == high {
			high = low + 1
		}
		step := math.Pow(10, math.Floor(math.Log10((high-low)/4)))
		for _, m := range []float64{1, 2, 5, 10} {
			if (high-low)/(step*m) <= 7 {
				step *= m
				break
			}
		}
		low, high = math.Floor(low/step)*step, math.Ceil(high/step)*step
		for v := low; v <= high+step/2; v += step {
			s.ticks = append(s.ticks, v)
		}
	}
	s.low, s.high = s.transform(low), s.transform(high)
	if s.low == s.high {
		s.high++
	}
	return s
}

func (s *scale) transform(v float64) float64 {
	if s.log {
		return math.Log10(max(v, 1e-12))
	}
	return v
}

func (s *scale) at(v float64) float64 {
	share := (s.transform(v) - s.low) / (s.high - s.low)
	return s.from + min(max(share, 0), 1)*(s.to-s.from)
}
