package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/perf/pktgen"
	"github.com/sluice-net/sluice/perf/report"
)

func TestParseRate(t *testing.T) {
	for _, c := range []struct {
		text  string
		value float64
		unit  pktgen.RateUnit
		bad   bool
	}{
		{"", 0, pktgen.Top, false},
		{"max", 0, pktgen.Top, false},
		{"1000", 1000, pktgen.PacketsPerSec, false},
		{"1.5 Mpps", 1.5e6, pktgen.PacketsPerSec, false},
		{"20kpps", 20e3, pktgen.PacketsPerSec, false},
		{"10 Gbit/s", 10e9, pktgen.BitsPerSec, false},
		{"40 %", 40, pktgen.Percent, false},
		{"0 pps", 0, 0, true},
		{"-1 pps", 0, 0, true},
		{"1 furlong", 0, 0, true},
		{"pps", 0, 0, true},
		{"nan", 0, 0, true},
		{"1e400", 0, 0, true},
	} {
		r, err := parseRate(c.text)
		if (err != nil) != c.bad || err == nil && (r.Value != c.value || r.Unit != c.unit) {
			t.Errorf("%q: %+v %v", c.text, r, err)
		}
	}
}

func TestParseSizes(t *testing.T) {
	for _, c := range []struct {
		in   any
		want []int
	}{
		{nil, []int{64}},
		{uint64(128), []int{128}},
		{[]any{uint64(64), uint64(1518)}, []int{64, 1518}},
		{"64-66", []int{64, 65, 66}},
		{"rfc2544", pktgen.RFC2544Sizes()},
		{"66-64", nil},
		{"-64", nil},
		{[]any{"big"}, nil},
		{true, nil},
	} {
		s, err := parseSizes(c.in)
		if (err != nil) != (c.want == nil) || err == nil && !slices.Equal(s.List, c.want) {
			t.Errorf("%v: %v %v", c.in, s.List, err)
		}
	}
}

// TestPercent: a tenth of 10 Gbit/s is 1.488 million frames of 64 bytes, since a
// frame takes 20 bytes more on a wire.
func TestPercent(t *testing.T) {
	text := strings.NewReplacer("1 Mpps", "10 %", "{name: a, link: wire}", "{name: a, link: wire, speed: 10 Gbit/s}", "size: 128", "size: 64").Replace(small)
	d := executed(t, text)
	if got := d.Runs[0].Streams[0].AskedPPS; got < 1488095 || got > 1488096 {
		t.Errorf("%f pps", got)
	}
}

// TestSoak runs in rounds and accounts for what was lost in all.
func TestSoak(t *testing.T) {
	var d *report.Document
	for length := 300; length < 10_000; length *= 2 { // on a busy machine one round may take long
		soak := fmt.Sprintf("title: small\nduration: %dms\nsettle: 10ms\nmethod: {kind: soak, trial: 50ms}", length)
		d = executed(t, strings.NewReplacer("title: small", soak, "1 Mpps", "20 kpps", "    count: 2000\n", "").Replace(small))
		if len(d.Runs) > 1 {
			break
		}
	}
	var sent, lost uint64
	for i := range d.Runs {
		s, _, l := d.Runs[i].Total()
		sent, lost = sent+s, lost+l
	}
	if len(d.Runs) < 2 || sent == 0 || lost == 0 || !strings.HasPrefix(d.Notes[0], "soak: ") {
		t.Errorf("%d runs, %d sent, %d lost, notes %q", len(d.Runs), sent, lost, d.Notes)
	}
}
