package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
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
	d.Sessions = []Sessions{{Subject: "box", Seconds: 2, Opened: 10, Completed: 9, Failed: 1, PerSecond: 4.5, Handshake: l, CPUShare: 0.5}}
	d.Runs = []Run{{Name: "r", Seconds: 1, CPUShare: 0.75, Streams: []Stream{{Name: "s", Asked: "1 pps", AskedPPS: 1, Sent: 100, SentPPS: 1.1, Measured: true, Received: 90, Lost: 10, Latency: l}}, Ports: []Port{{Name: "p", Corrupt: 3}}}}
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
	both, renamed, only := Compare(sample(1), sample(1.25))
	if len(only) != 0 || len(renamed) != 0 || len(both) == 0 {
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
	if _, _, only := Compare(sample(1), less); len(only) != 1 || !strings.Contains(only[0], "only in the first") {
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

// TestCompareOtherTitles: results of two subjects, one in each, are compared
// although they are called differently; where one has two, names decide.
func TestCompareOtherTitles(t *testing.T) {
	of := func(subject string, also ...string) *Document {
		d := &Document{Runs: []Run{{Name: subject, Streams: []Stream{{Name: "s", Sent: 1}}, Ports: []Port{{Name: "p"}}}}}
		for _, who := range append(also, subject) {
			d.Throughput = append(d.Throughput, Throughput{Subject: who, Size: 64, PPS: 1000, Found: true})
		}
		return d
	}
	both, renamed, only := Compare(of("kernel"), of("sluice"))
	if len(both) != len(of("kernel").Rows()) || len(only) != 0 || len(renamed) != 2 || !strings.Contains(renamed[0], `"kernel", the second of "sluice"`) {
		t.Errorf("%d pairs, renamed %q, unpaired %q", len(both), renamed, only)
	}
	both, renamed, only = Compare(of("kernel"), of("sluice", "kernel"))
	kernels := 0
	for _, d := range both {
		if d.Part == "throughput" && d.Subject == "kernel" {
			kernels++
		}
	}
	if len(renamed) != 1 || kernels == 0 || len(only) == 0 || strings.Contains(strings.Join(only, " "), "kernel") {
		t.Errorf("two subjects in the second: %d of the kernel's, renamed %q, unpaired %q", kernels, renamed, only)
	}
}

// TestTolerance: every form says what loss was allowed.
func TestTolerance(t *testing.T) {
	for _, c := range []struct {
		name       string
		tolerances []float64
		want       string
	}{
		{"none", []float64{0, 0}, "highest rate without loss"},
		{"half", []float64{0.5, 0.5}, "highest rate with at most 50 % lost"},
		{"different", []float64{0, 0.01}, "highest rate with no more lost than allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &Document{}
			for i, share := range c.tolerances {
				d.Throughput = append(d.Throughput, Throughput{Subject: "box", Size: 64 << i, PPS: 5, Resolution: 7, Found: true, Tolerance: share})
			}
			var text, page, table, back bytes.Buffer
			if err := errors.Join(d.WriteText(&text), d.WriteHTML(&page), d.WriteCSV(&table), d.Write(&back)); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(text.String(), c.want) || !strings.Contains(page.String(), c.want) || !strings.Contains(text.String(), "7.0 pps") {
				t.Errorf("no %q in\n%s\n%s", c.want, text.String(), page.String())
			}
			for _, share := range c.tolerances {
				if line := fmt.Sprintf("may lose,%g,", share); !strings.Contains(table.String(), line) {
					t.Errorf("no %q in\n%s", line, table.String())
				}
				if field := fmt.Sprintf(`"tolerance": %g`, share); !strings.Contains(back.String(), field) {
					t.Errorf("no %q in\n%s", field, back.String())
				}
			}
		})
	}
}

// TestDoubts: what speaks against results is said, and nothing where nothing does.
func TestDoubts(t *testing.T) {
	sound := func() *Document {
		return &Document{
			Throughput: []Throughput{{Subject: "box", Size: 64, PPS: 31_400, Resolution: 700, Found: true, Trials: []Trial{{CPU: 1}, {CPU: 0.98}}}},
			Latency:    []Latency{{Subject: "box", Size: 64, PPS: 31_400, Sent: 6275, CPU: 1}},
			Loss:       []LossPoint{{Subject: "box", Size: 64, PPS: 66_700, Sent: 100, Lost: 1, Ratio: 0.01, CPU: 1}, {Subject: "box", Size: 64, PPS: 32_000, Sent: 100, CPU: 1}},
		}
	}
	for _, c := range []struct {
		name   string
		change func(*Document)
		want   string
	}{
		{"sound", func(*Document) {}, ""},
		{"busy in a trial", func(d *Document) { d.Throughput[0].Trials[1].CPU = 0.5 }, "the throughput the generator's threads got 50 %"},
		{"busy in the curve", func(d *Document) { d.Loss[1].CPU = 0.25 }, "the loss curve the generator's threads got 25 %"},
		{"busy in latency", func(d *Document) { d.Latency[0].CPU = 0.75 }, "the latency the generator's threads got 75 %"},
		{"curve above", func(d *Document) { d.Loss[0].Lost, d.Loss[0].Ratio = 0, 0 }, "but the loss curve lost 0 of 100 at 66.7 kpps"},
		{"curve of another size", func(d *Document) { d.Loss[0] = LossPoint{Subject: "box", Size: 128, PPS: 66_700, Sent: 100} }, ""},
		{"curve above, with tolerance", func(d *Document) { d.Throughput[0].Tolerance = 0.01 }, "but the loss curve lost 1 of 100 at 66.7 kpps"},
		{"loss in latency", func(d *Document) { d.Latency[0].Lost = 1001 }, "the latency run lost 1001 of 6275 at 31.4 kpps"},
		{"allowed loss in latency", func(d *Document) { d.Latency[0].Lost, d.Latency[0].Tolerance = 62, 0.01 }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := sound()
			c.change(d)
			notes := d.Doubts()
			if c.want == "" && len(notes) > 0 || c.want != "" && (len(notes) != 1 || !strings.Contains(notes[0], c.want)) {
				t.Errorf("%q, want one with %q", notes, c.want)
			}
		})
	}
}
