package report

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/perf"
)

// sample is a document with something in every part.
func sample(factor float64) *Document {
	var h perf.Histogram
	for i := range 20_000 {
		h.Record(uint64(5000 + i*i/1000))
	}
	l := h.Snapshot()
	d := &Document{Title: "a <b> & c", When: time.Unix(1e9, 0).UTC(), Host: "here"}
	for _, size := range []int{64, 512, 1518} {
		for _, who := range []string{"box", "kernel"} {
			pps := factor * 1e6 / float64(len(who)) / math.Sqrt(float64(size))
			d.Throughput = append(d.Throughput, Throughput{Subject: who, Size: size, PPS: pps, Bits: pps * float64(size) * 8, Found: true, LimitedBy: "subject", Latency: l, Trials: []Trial{{PPS: pps, Passed: true}}})
			for i := range 5 {
				d.Loss = append(d.Loss, LossPoint{Subject: who, Size: size, PPS: pps * float64(i+1), Sent: 100, Lost: uint64(i * 10), Ratio: float64(i) / 10})
			}
		}
	}
	d.Latency = []Latency{{Subject: "box", Size: 64, PPS: 1000, Distribution: l}}
	d.BackToBack = []BackToBack{{Subject: "box", Size: 64, Frames: 512, Repeats: 3}}
	d.Searches = []Search{{Subject: "box", What: "new connections", Unit: "1/s", Value: 1000 * factor, Found: true, Tried: []Tried{{Value: 1000, Passed: true}}}}
	d.Sessions = []Sessions{{Subject: "box", Seconds: 2, Opened: 10, Completed: 9, Failed: 1, PerSecond: 4.5, Handshake: l}}
	d.Runs = []Run{{Name: "r", Seconds: 1, Streams: []Stream{{Name: "s", Asked: "1 pps", AskedPPS: 1, Sent: 100, SentPPS: 1.1, Measured: true, Received: 90, Lost: 10, Latency: l}}, Ports: []Port{{Name: "p", Corrupt: 3}}}}
	return d
}

func TestJSONThereAndBack(t *testing.T) {
	var first, second bytes.Buffer
	if err := sample(1).Write(&first); err != nil {
		t.Fatal(err)
	}
	text := first.String()
	d, err := Read(&first, "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(&second); err != nil {
		t.Fatal(err)
	}
	if second.String() != text {
		t.Error("the second writing differs from the first")
	}
	if _, err := Read(strings.NewReader("{}"), "x.json"); err == nil || !strings.Contains(err.Error(), "x.json") {
		t.Errorf("a document without version: %v", err)
	}
}

func TestCompare(t *testing.T) {
	both, only := Compare(sample(1), sample(1.25))
	if len(only) != 0 || len(both) == 0 {
		t.Fatalf("%d pairs, unpaired: %v", len(both), only)
	}
	found := 0
	for _, d := range both {
		if d.Part == "throughput" && d.Name == "rate" {
			found++
			if math.Abs(d.Percent-25) > 1e-6 {
				t.Errorf("%s: %g %%", d.label(), d.Percent)
			}
		}
		if d.Part == "run" && d.Percent != 0 {
			t.Errorf("%s: %g %%, but nothing changed", d.label(), d.Percent)
		}
	}
	if found != 6 {
		t.Errorf("%d throughputs", found)
	}
	less := sample(1)
	less.BackToBack = nil
	if _, only := Compare(sample(1), less); len(only) != 1 || !strings.Contains(only[0], "only in the first") {
		t.Errorf("unpaired: %v", only)
	}
}

// TestHTML: the page is well formed, holds its plots and fetches nothing.
func TestHTML(t *testing.T) {
	var b bytes.Buffer
	if err := sample(1).WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, id := range []string{`id="throughput"`, `id="bits"`, `id="latency"`, `id="loss"`, "lost on its own receive rings"} {
		if !strings.Contains(text, id) {
			t.Errorf("no plot with %s", id)
		}
	}
	if n := strings.Count(text, "<polyline"); n != 2+2+3+6 {
		t.Errorf("%d curves", n)
	}
	for _, bad := range []string{"http://", "https://", "src=", "href=", "a <b>", "NaN", "Inf"} {
		if strings.Contains(strings.ReplaceAll(text, `xmlns="http://www.w3.org/2000/svg"`, ""), bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	_, body, _ := strings.Cut(text, "<body>")
	dec := xml.NewDecoder(strings.NewReader("<body>" + strings.TrimSuffix(strings.TrimSpace(body), "</html>")))
	for {
		if _, err := dec.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTextAndCSV(t *testing.T) {
	var text, table bytes.Buffer
	d := sample(1)
	if err := d.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"throughput (RFC 2544)", "frame loss", "back-to-back", "new connections", "latency of s", "3 corrupt"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in:\n%s", want, text.String())
		}
	}
	if err := d.WriteCSV(&table); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(table.String(), "\n"); n != len(d.Rows())+1 {
		t.Errorf("%d lines for %d figures", n, len(d.Rows()))
	}
}
