package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/perf"
)

func TestTop(t *testing.T) {
	socket := loadedBox(t)
	wanted := []string{"ns/packet", "walk", "parse", "planned", "burst p50", "rule that decided", "ct state established accept", "dropped a second: policy"}
	var out string
	// On a busy machine the load may not get a turn in so short a time.
	for tries, complete := 0, false; !complete && tries < 20; tries++ {
		var errs string
		var status int
		out, errs, status = command(t, socket, "top", "-n", "2", "-i", "100ms")
		if status != exitOK || errs != "" {
			t.Fatalf("status %d, %s", status, errs)
		}
		if n := strings.Count(out, "rules of generation"); n != 2 {
			t.Fatalf("%d screens, want 2: %s", n, out)
		}
		complete = !slices.ContainsFunc(wanted, func(s string) bool { return !strings.Contains(out, s) })
	}
	for _, want := range wanted {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	box, err := control.Connect(socket)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := box.Profile(); err != nil || p.On {
		t.Errorf("profiling is left on: %v, %v", p.On, err)
	}
}

// TestRecordReportDiff: what was recorded is read back, stages add up, the page
// and the flame graph stand alone, and a recording does not differ from itself.
func TestRecordReportDiff(t *testing.T) {
	socket := loadedBox(t)
	dir := t.TempDir()
	file, page, svg := filepath.Join(dir, "a.perf"), filepath.Join(dir, "a.html"), filepath.Join(dir, "a.svg")
	// On a busy machine every round that is accounted may be interrupted and left out.
	for accounted, tries := false, 0; !accounted && tries < 20; tries++ {
		if out, errs, status := command(t, socket, "record", "--for", "600ms", "-o", file); status != exitOK {
			t.Fatalf("status %d, %s%s", status, out, errs)
		}
		rep, err := readReport(file)
		if err != nil {
			t.Fatal(err)
		}
		accounted = rep.all.PerPacket > 0
	}
	out, errs, status := command(t, "", "report", file, "--html", page, "--flame", svg)
	if status != exitOK {
		t.Fatalf("status %d, %s", status, errs)
	}
	for _, want := range []string{"stage", "account", "samples", "itself", "function"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	rep, err := readReport(file)
	if err != nil {
		t.Fatal(err)
	}
	sum, samples := 0.0, 0.0
	for _, row := range rep.stageRows() {
		sum += row.PerPacket
		samples += max(row.Samples, 0)
	}
	if rep.all.PerPacket <= 0 || math.Abs(sum/rep.all.PerPacket-1) > 1e-9 {
		t.Errorf("stages add up to %f ns, packets take %f", sum, rep.all.PerPacket)
	}
	if samples > 0 && math.Abs(samples-1) > 1e-9 {
		t.Errorf("samples' shares add up to %f", samples)
	}
	for _, name := range []string{page, svg} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "<svg") {
			t.Errorf("%s: no drawing", name)
		}
		rest := strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", "")
		for _, outside := range []string{"http://", "https://", "src=", "@import"} {
			if strings.Contains(rest, outside) {
				t.Errorf("%s needs something from outside: %s", name, outside)
			}
		}
	}
	out, errs, status = command(t, "", "diff", file, file)
	if status != exitOK || !strings.Contains(out, "+0.0%") {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 0 && strings.HasSuffix(f[len(f)-1], "%") && f[len(f)-1] != "+0.0%" {
			t.Errorf("a recording differs from itself: %s", line)
		}
	}
}

func TestFunctionName(t *testing.T) {
	for name, want := range map[string]string{
		module + "afxdp.(*kernelRing[go.shape.struct { A []uint8; B [2]int }]).peek": "afxdp.(*kernelRing[...]).peek",
		module + "dataplane.(*worker).run":                                           "dataplane.(*worker).run",
		"runtime.mallocgc":                                                           "runtime.mallocgc",
	} {
		if got := functionName(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestLatency(t *testing.T) {
	out, errs, status := command(t, loadedBox(t), "latency", "--for", "200ms")
	if status != exitOK || !strings.Contains(out, "p99.99") || !strings.Contains(out, "longer") || strings.Contains(out, "no packet came") {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
}

func TestCounters(t *testing.T) {
	out, errs, status := command(t, loadedBox(t), "counters", "--for", "100ms")
	switch {
	case status == exitFailed && strings.Contains(errs, "perf_event_paranoid"):
		t.Skip("SKIP-PRIVILEGE: counting events needs root or perf_event_paranoid below 2")
	case status != exitOK:
		t.Fatalf("status %d, %s", status, errs)
	}
	for _, want := range []string{"instructions", "context switches", "packets"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestBadInput(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte("not a recording"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"unknown command", []string{"tip"}, exitUsage, `unknown command "tip"`},
		{"unknown flag", []string{"top", "--nope"}, exitUsage, "unknown flag"},
		{"no box", []string{"top", "-n", "1", "--control", filepath.Join(dir, "none")}, exitFailed, "no box is running"},
		{"interval", []string{"top", "-i", "1ns"}, exitUsage, "--interval 1ns"},
		{"time", []string{"record", "--for", "0s"}, exitUsage, "--for 0s"},
		{"missing file", []string{"report", filepath.Join(dir, "none")}, exitFailed, "no such file"},
		{"garbage", []string{"report", garbage}, exitFailed, "garbage: not a recording"},
		{"two files", []string{"diff", garbage}, exitUsage, "accepts 2 arg"},
		{"no file", []string{"report"}, exitUsage, "accepts 1 arg"},
		{"unwritable", []string{"record", "-o", filepath.Join(dir, "none", "a.perf")}, exitFailed, "a.perf: no such file or directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, errs, status := command(t, "", c.args...)
			if status != c.status || !strings.Contains(errs, c.want) || out != "" {
				t.Errorf("status %d, %q, %q; want %d, %q", status, errs, out, c.status, c.want)
			}
		})
	}
}

// TestRecordEndsEarly: what was recorded when it is told to end is kept, with the
// CPU profile.
func TestRecordEndsEarly(t *testing.T) {
	socket, file := loadedBox(t), filepath.Join(t.TempDir(), "early.perf")
	ctx, end := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer end()
	var out, errs bytes.Buffer
	if status := run(ctx, []string{"record", "--for", "10m", "-o", file, "--control", socket}, &out, &errs); status != exitOK {
		t.Fatalf("status %d, %s%s", status, out.String(), errs.String())
	}
	rep, err := readReport(file)
	if err != nil {
		t.Fatal(err)
	}
	if rep.all.Packets == 0 || rep.stacks == nil || len(rep.CPU) == 0 || rep.Took >= 10*time.Minute {
		t.Errorf("%d packets, %d bytes of profile, %v", rep.all.Packets, len(rep.CPU), rep.Took)
	}
}

// TestRecordOfABoxThatEnds: what was read before is kept and says that it was cut
// short; with nothing read there is no file.
func TestRecordOfABoxThatEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		length time.Duration
		after  time.Duration // the box ends
	}{
		{"with CPU profile", nil, 20 * time.Second, 3 * time.Second},
		{"without", []string{"--no-cpu"}, 20 * time.Second, 3 * time.Second},
		{"nothing read", nil, 10 * time.Minute, 200 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			socket, end := endingBox(t)
			file := filepath.Join(t.TempDir(), "cut.perf")
			time.AfterFunc(c.after, end)
			_, errs, status := command(t, socket, append([]string{"record", "--for", c.length.String(), "-o", file}, c.args...)...)
			rep, err := readReport(file)
			if c.length > time.Minute {
				if status != exitFailed || err == nil || strings.Contains(errs, file) {
					t.Errorf("a recording of nothing: status %d, %v, %s", status, err, errs)
				}
				return
			}
			if status != exitFailed || err != nil || !strings.Contains(errs, "the box has ended") || !strings.Contains(errs, file+" has what was read until then") {
				t.Fatalf("status %d, %v; %s", status, err, errs)
			}
			if !strings.Contains(rep.title(), "cut short") || rep.all.Packets == 0 || rep.Took >= c.length || rep.Took <= 0 || rep.stacks != nil {
				t.Errorf("%s: %d packets", rep.title(), rep.all.Packets)
			}
		})
	}
}

// TestMostlyIdle: of a box that had little to do it is said that account and
// kernel differ for that, of one at work not.
func TestMostlyIdle(t *testing.T) {
	for _, work := range []float64{100, 900} {
		w := workerInterval{Packets: 1, CPU: 1000, Work: work}
		if idle := strings.Contains(w.outside(), "mostly idle"); idle != (work < 500) {
			t.Errorf("%g of 1000: %s", work, w.outside())
		}
	}
}

// TestOneWorkerIsAll: what is said of all workers is what is said of the only one.
func TestOneWorkerIsAll(t *testing.T) {
	a := control.Profile{Rate: 1e9, Workers: []control.WorkerProfile{{Bursts: new(perf.Distribution)}}}
	b := control.Profile{Rate: 1e9, Time: a.Time.Add(time.Second), Workers: []control.WorkerProfile{{
		Bursts: new(perf.Distribution), RxPackets: 1000,
		Stages: perf.Account{Names: []string{"one"}, Cycles: []uint64{5000}, Bursts: 10, Packets: 100, Interrupted: 30, Idle: 1000},
	}}}
	var times perf.Histogram
	times.RecordMany(500, 40) // interrupted bursts have times too
	b.Workers[0].Bursts.Add(times.Snapshot())
	in := between(&a, &b)
	// Of 40 bursts of the sample 10 were accounted: it stands for two fifths of all packets.
	if w := &in.Workers[0]; w.Interrupted != 75 || w.Polling != 2500 {
		t.Errorf("%g interrupted, %g ns of polling", w.Interrupted, w.Polling)
	}
	if t1, w := in.total(), &in.Workers[0]; t1.Fill != 10 || w.Fill != 10 || t1.PerPacket != w.PerPacket || t1.Work != w.Work {
		t.Errorf("all %+v\nworker %+v", t1, w)
	}
}

// TestRuleName: a rule stands there as it was written, without counts that are
// those of the script and never change.
func TestRuleName(t *testing.T) {
	for _, c := range [][2]string{
		{"tcp dport 22 counter packets 0 bytes 0 accept", "f.nft:3  tcp dport 22 counter accept"},
		{"counter packets 7 bytes 512 drop", "f.nft:3  counter drop"},
		{"counter name \"x\" accept", "f.nft:3  counter name \"x\" accept"},
	} {
		if got := ruleName(&control.RuleProfile{ID: 1, Place: "f.nft:3", Rule: c[0]}); got != c[1] {
			t.Errorf("%q, want %q", got, c[1])
		}
	}
}
