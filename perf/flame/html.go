package flame

import (
	"bufio"
	"fmt"
	"hash/fnv"
	"html"
	"io"
)

// Size of the drawing in pixels.
const (
	width    = 1180.0
	rowPx    = 18
	smallest = width / 5000
)

// WriteSVG draws the graph as one SVG that needs nothing else: boxes grow
// upwards from the whole, a click on one makes it fill the width, and a click on
// the lowest row goes back. unit names what values count.
func (g *Graph) WriteSVG(w io.Writer, unit string) error {
	out := bufio.NewWriter(w)
	rows := g.depth(width)
	height := (rows + 1) * rowPx
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" class="flame" width="%d" height="%d" viewBox="0 0 %d %d" font-family="monospace" font-size="11">`+"\n",
		int(width), height, int(width), height)
	g.draw(out, 0, width, rows, g.Value, unit)
	fmt.Fprintf(out, "<script><![CDATA[%s]]></script>\n</svg>\n", zoomScript)
	return out.Flush()
}

// depth returns how many rows of boxes are wide enough to be drawn.
func (g *Graph) depth(w float64) int {
	deepest := 0
	if g.Value > 0 {
		for _, c := range g.Children() {
			if cw := w * float64(c.Value) / float64(g.Value); cw >= smallest {
				deepest = max(deepest, c.depth(cw))
			}
		}
	}
	return deepest + 1
}

func (g *Graph) draw(out io.Writer, x, w float64, row int, all int64, unit string) {
	if g.Value == 0 || all == 0 {
		return
	}
	name := html.EscapeString(g.Name)
	y := (row - 1) * rowPx
	fmt.Fprintf(out, `<g class="f" data-x="%.3f" data-w="%.3f" data-y="%d"><title>%s: %d %s, %.2f %% (itself %d)</title>`+
		`<rect x="%.3f" y="%d" width="%.3f" height="%d" fill="%s" stroke="#fff" stroke-width="0.5"/>`+
		`<text x="%.3f" y="%d" data-n="%s">%s</text></g>`+"\n",
		x, w, y, name, g.Value, unit, 100*float64(g.Value)/float64(all), g.Self,
		x, y, w, rowPx, color(g.Name), x+3, y+rowPx-5, name, html.EscapeString(fit(g.Name, w)))
	at := x
	for _, c := range g.Children() {
		cw := w * float64(c.Value) / float64(g.Value)
		if cw >= smallest {
			c.draw(out, at, cw, row-1, all, unit)
		}
		at += cw
	}
}

// letterPx is the width of a letter.
const letterPx = 6.7

// fit returns as much of a name as w pixels hold.
func fit(name string, w float64) string {
	n := int((w - 6) / letterPx)
	switch r := []rune(name); {
	case n < 3:
		return ""
	case len(r) > n:
		return string(r[:n-1]) + "…"
	}
	return name
}

// color is a warm one that depends on the name alone.
func color(name string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	v := h.Sum32()
	return fmt.Sprintf("rgb(%d,%d,%d)", 205+v%50, 110+v>>8%110, 40+v>>16%50)
}

// zoomScript lets a click fill the width with a box.
const zoomScript = `
(function () {
  var svg = document.currentScript.closest ? document.currentScript.closest("svg") : document.documentElement;
  var full = svg.viewBox.baseVal.width, boxes = Array.from(svg.querySelectorAll("g.f"));
  function zoom(to) {
    var x0 = +to.dataset.x, w0 = +to.dataset.w, y0 = +to.dataset.y;
    boxes.forEach(function (b) {
      var x = +b.dataset.x, w = +b.dataset.w, left = (x - x0) * full / w0, wide = w * full / w0;
      if (x <= x0 && x + w >= x0 + w0 - 1e-6 && +b.dataset.y >= y0) { left = 0; wide = full; }
      var off = left + wide <= 0.5 || left >= full - 0.5;
      b.style.display = off ? "none" : "";
      if (off) return;
      var r = b.querySelector("rect"), t = b.querySelector("text"), n = Math.floor((wide - 6) / 6.7), s = t.dataset.n;
      r.setAttribute("x", left); r.setAttribute("width", wide); t.setAttribute("x", Math.max(left, 0) + 3);
      t.textContent = n < 3 ? "" : s.length > n ? s.slice(0, n - 1) + "…" : s;
    });
  }
  boxes.forEach(function (b) { b.style.cursor = "pointer"; b.addEventListener("click", function () { zoom(b); }); });
})();
`
