package flame

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func sample() *Graph {
	g := New("all")
	g.Add([]string{"main", "parse"}, 30)
	g.Add([]string{"main", "walk", "eval<T>"}, 50)
	g.Add([]string{"main", "walk"}, 10)
	g.Add([]string{"gc"}, 10)
	g.Add([]string{"main", "walk", "walk"}, 0)
	return g
}

func TestGraph(t *testing.T) {
	g := sample()
	if g.Value != 100 || g.Self != 0 {
		t.Errorf("whole: %d samples, %d of its own", g.Value, g.Self)
	}
	var names []string
	for _, c := range g.Children() {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "gc main" {
		t.Errorf("children %q", got)
	}
	want := []Function{{"eval<T>", 50, 50}, {"parse", 30, 30}, {"walk", 10, 60}, {"gc", 10, 10}, {"main", 0, 90}}
	got := g.Functions()
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("functions %+v, want %+v", got, want)
		}
	}
}

func TestRecursionCountsOnce(t *testing.T) {
	g := New("all")
	g.Add([]string{"f", "f", "f"}, 7)
	g.Add([]string{"f"}, 1)
	if got := g.Functions(); len(got) != 1 || got[0] != (Function{"f", 8, 8}) {
		t.Errorf("%+v", got)
	}
}

// TestSVG: the drawing is well-formed, has every frame once with its share, and
// boxes of children lie within their parent's.
func TestSVG(t *testing.T) {
	var b bytes.Buffer
	if err := sample().WriteSVG(&b, "samples"); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range []string{"eval&lt;T&gt;: 50 samples, 50.00 % (itself 50)", "walk: 60 samples, 60.00 % (itself 10)", "gc: 10 samples"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is there %d times", want, strings.Count(text, want))
		}
	}
	d := xml.NewDecoder(&b)
	boxes := 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "rect" {
			boxes++
		}
	}
	if boxes != 6 {
		t.Errorf("%d boxes, want 6", boxes)
	}
	b.Reset()
	if err := New("nothing").WriteSVG(&b, "samples"); err != nil || !strings.Contains(b.String(), "<svg") {
		t.Errorf("empty graph: %v", err)
	}
}

func TestNarrowBoxesAreLeftOut(t *testing.T) {
	g := New("all")
	g.Add([]string{"wide"}, 1_000_000)
	g.Add([]string{"narrow"}, 1)
	var b bytes.Buffer
	if err := g.WriteSVG(&b, "samples"); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "narrow") {
		t.Error("a box nobody can see was drawn")
	}
}
