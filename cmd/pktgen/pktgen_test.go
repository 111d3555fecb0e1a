package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/perf/report"
)

// command runs a command line.
func command(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(context.Background(), args, &o, &e)
	return status, o.String(), e.String()
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExamples: every example is a sound profile.
func TestExamples(t *testing.T) {
	for _, name := range exampleNames() {
		t.Run(name, func(t *testing.T) {
			_, text, _ := command(t, "example", name)
			path := write(t, "p.yaml", text)
			if status, _, errs := command(t, "check", path); status != 0 {
				t.Error(errs)
			}
		})
	}
}

const small = `title: small
links: [{name: wire, drop: 0.5, seed: 3}]
ports:
  - {name: a, link: wire}
  - {name: b, link: wire}
streams:
  - name: s
    from: a
    to: b
    rate: 1 Mpps
    count: 2000
    size: 128
    ip: {src: 10.0.0.1, dst: 10.0.0.2}
    udp: {src: 1, dst: 2}
    vary:
      - {field: ip.src, count: 10}
`

// TestRun runs a profile and reads every form of its result.
func TestRun(t *testing.T) {
	profile, dir := write(t, "p.yaml", small), t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	status, out, errs := command(t, "run", "-q", profile, "--json", file("r.json"), "--csv", file("r.csv"), "--html", file("r.html"))
	if status != 0 {
		t.Fatal(errs)
	}
	if !strings.Contains(out, "1000000 pps") && !strings.Contains(out, "1.000 Mpps") {
		t.Errorf("the text does not say what was asked for:\n%s", out)
	}
	d, err := report.ReadFile(file("r.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := d.Runs[0].Streams[0]
	if s.Sent != 2000 || s.Received+s.Lost != 2000 || s.Lost < 800 || s.Lost > 1200 {
		t.Errorf("%+v", s)
	}
	for _, name := range []string{"r.csv", "r.html"} {
		if text, err := os.ReadFile(file(name)); err != nil || len(text) < 200 {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
	status, same, errs := command(t, "compare", file("r.json"), file("r.json"))
	lines := strings.Split(strings.TrimSpace(same), "\n")
	if status != 0 || len(lines) < 2 || slices.ContainsFunc(lines[1:], func(line string) bool { return !strings.HasSuffix(line, " =") }) {
		t.Errorf("comparing a result with itself: %d %s\n%s", status, errs, same)
	}
	if status, again, _ := command(t, "report", file("r.json")); status != 0 || again != out {
		t.Errorf("the report of the JSON differs:\n%s\n%s", again, out)
	}
}

// TestCheckWritesNothing: a capture that would be written stays as it was, also
// when the profile is wrong behind it.
func TestCheckWritesNothing(t *testing.T) {
	old := write(t, "old.pcap", "precious")
	profile := strings.NewReplacer("links: [{name: wire, drop: 0.5, seed: 3}]\n", "", "{name: a, link: wire}", "{name: a, pcap: "+old+"}",
		"  - {name: b, link: wire}\n", "", "    to: b\n", "").Replace(small)
	if status, _, errs := command(t, "check", write(t, "p.yaml", profile)); status != 0 {
		t.Error(errs)
	}
	if status, _, _ := command(t, "run", write(t, "p.yaml", profile+"    burst: -1\n")); status != exitFailed {
		t.Errorf("status %d", status)
	}
	if text, err := os.ReadFile(old); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestCaptureThereAndBack sends into a capture file, and that file again.
func TestCaptureThereAndBack(t *testing.T) {
	dir := t.TempDir()
	first := strings.NewReplacer("links: [{name: wire, drop: 0.5, seed: 3}]\n", "", "{name: a, link: wire}", "{name: a, pcap: out.pcap}",
		"  - {name: b, link: wire}\n", "", "    to: b\n", "", "1 Mpps", "50 kpps").Replace(small)
	path := filepath.Join(dir, "p.yaml")
	if err := os.WriteFile(path, []byte(first), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := command(t, "run", "-q", path); status != 0 {
		t.Fatal(errs)
	}
	second := filepath.Join(dir, "q.yaml")
	text := `links: [{name: wire}]
ports: [{name: a, link: wire}, {name: b, link: wire}]
streams: [{name: s, from: a, to: b, pcap: out.pcap, speed: 10, loops: 3}]
`
	if err := os.WriteFile(second, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	result := filepath.Join(dir, "r.json")
	if status, _, errs := command(t, "run", "-q", second, "--json", result); status != 0 {
		t.Fatal(errs)
	}
	d, err := report.ReadFile(result)
	if err != nil {
		t.Fatal(err)
	}
	r := &d.Runs[0]
	if r.Streams[0].Sent != 6000 || r.Ports[1].RxFrames != 6000 || r.Ports[1].Corrupt != 0 {
		t.Errorf("%+v %+v", r.Streams[0], r.Ports[1])
	}
}

// TestBadInput: what is wrong is told by its place, and nothing is sent.
func TestBadInput(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"syntax", "title: small", "title: [", "p.yaml:"},
		{"unknown setting", "    rate:", "    rates:", "p.yaml:10:5: unknown setting \"rates\""},
		{"rate", "1 Mpps", "1 parsec", "p.yaml:10:11: streams[0].rate"},
		{"rate without number", "1 Mpps", "fast", "p.yaml:10:11: streams[0].rate: \"fast\""},
		{"size", "size: 128", "size: big", "p.yaml:12:11: streams[0].size"},
		{"size too small", "size: 128", "size: 46", "46 bytes"},
		{"port", "from: a", "from: x", "p.yaml:8:11: streams[0].from: there is no port \"x\""},
		{"address", "10.0.0.1", "10.0.0.1000", "p.yaml:13:15: streams[0].ip.src"},
		{"family", "10.0.0.1", "\"::1\"", "not of one family"},
		{"no address", "src: 10.0.0.1, ", "", "p.yaml:13:9: streams[0].ip.src: an address is needed"},
		{"field", "ip.src", "ip.source", "p.yaml:16:17: streams[0].vary[0].field"},
		{"share", "drop: 0.5", "drop: 1.5", "p.yaml:2:"},
		{"lonely link", "  - {name: b, link: wire}\n", "  - {name: b, pcap: x.pcap}\n", "has an end that no port is at"},
		{"no duration", "    count: 2000\n", "", "needs a duration"},
		{"method", "title: small", "method: {kind: magic}", "p.yaml:1:16: method.kind: \"magic\""},
		{"method of sessions", "title: small", "method: {kind: capacity}", "p.yaml:1:16: method.kind: capacity is of sessions"},
		{"two protocols", "    vary:", "    tcp: {src: 1, dst: 2}\n    vary:", "want one of udp, tcp and icmp"},
		{"wrong type", "count: 2000", "count: many", "p.yaml:11:12: want a whole number, 0 or more, not a text"},
		{"fraction", "count: 2000", "count: 2.5", "p.yaml:11:12: want a whole number, 0 or more, not \"2.5\""},
		{"time without unit", "title: small", "duration: 5", "p.yaml:1:11: want a time with its unit, such as 2s or 500ms, not a number"},
		{"no time", "title: small", "duration: soon", "p.yaml:1:11: want a time with its unit, such as 2s or 500ms, not \"soon\""},
		{"negative duration", "title: small", "duration: -1s", "p.yaml:1:11: duration: -1s: want more than 0"},
		{"no rate", "1 Mpps", "0 pps", "p.yaml:10:11: streams[0].rate: \"0 pps\": want a rate above 0"},
		{"window", "title: small", "window: 77", "p.yaml:1:9: window: window of 77 frames: want a power of two"},
		{"huge window", "title: small", "window: 4294967296", "window of 4294967296 frames"},
		{"two of a name", "streams:\n", "streams:\n  - {name: s, from: a, count: 1, ip: {src: 10.0.0.1, dst: 10.0.0.2}, udp: {src: 1, dst: 2}}\n", "streams[1].name: \"s\": want a name of its own"},
		{"soak", "title: small", "method: {kind: soak}", "duration: a soak needs one"},
		{"size of a method", "title: small", "method: {kind: throughput, sizes: [60, 64]}", "method: stream s: "},
		{"highest rate", "title: small", "method: {kind: throughput, max_rate: 5 %}", "method.max_rate"},
		{"resolution", "title: small", "method: {kind: throughput, resolution: 2}", "p.yaml:1:40: method.resolution: 2: want a share"},
		{"resolution of nothing", "title: small", "method: {kind: throughput, resolution: 0}", "p.yaml:1:40: method.resolution: 0: want a share"},
		{"trial of nothing", "title: small", "method: {kind: throughput, trial: 0s}", "p.yaml:1:35: method.trial: 0s: want more than 0"},
		{"no steps", "title: small", "method: {kind: loss, steps: 0}", "p.yaml:1:29: method.steps: 0: want 1 or more"},
		{"no repeats", "title: small", "method: {kind: latency, repeats: 0}", "p.yaml:1:34: method.repeats: 0: want 1 or more"},
		{"least above most", "title: small", "method: {kind: back-to-back, least: 500, most: 50}", "p.yaml:1:37: method.least: 500: want no more than the most, 50"},
		{"a size twice", "title: small", "method: {kind: loss, sizes: [64, 128, 64]}", "p.yaml:1:29: method.sizes: 64 stands there twice"},
		{"to itself", "to: b", "to: a", "p.yaml:9:9: streams[0].to: \"a\""},
		{"above the port's speed", "1 Mpps", "200 %", "p.yaml:10:11: streams[0].rate: \"200 %\": a port sends 100 %"},
		{"skew without zipf", "count: 10}", "count: 10, skew: 2}", "p.yaml:16:42: streams[0].vary[0].skew: only order: zipf"},
		{"loops without pcap", "size: 128", "loops: 3", "p.yaml:12:12: streams[0].loops"},
		{"namespace of a link", "{name: a, link: wire}", "{name: a, link: wire, netns: x}", "ports[0].netns: this is for ports with an interface"},
		{"transmit of a link", "{name: a, link: wire}", "{name: a, link: wire, transmit: xdp}", "ports[0].transmit: this is for ports with an interface"},
		{"transmit", "{name: a, link: wire}", "{name: a, interface: x, transmit: fast}", "p.yaml:4:39: ports[0].transmit: \"fast\": want afxdp or xdp"},
		{"headers of a capture", "    count: 2000\n", "    pcap: none.pcap\n", "p.yaml:12:11: streams[0].size: the frames are those of the capture"},
		{"burst", "    vary:\n      - {field: ip.src, count: 10}\n", "    burst: 1001\nduration: 1ms\n", "p.yaml:15:12: streams[0].burst: 1001 frames: in 1ms its rate comes to 1000"},
		{"burst of a soak", "    vary:\n      - {field: ip.src, count: 10}\n", "    burst: 1001\nduration: 1s\nmethod: {kind: soak, trial: 1ms}\n", "p.yaml:15:12: streams[0].burst"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(small, c.from) {
				t.Fatalf("%q is not in the profile", c.from)
			}
			profile := write(t, "p.yaml", strings.Replace(small, c.from, c.to, 1))
			for _, args := range [][]string{{"run", "-q", profile}, {"check", profile}} {
				status, out, errs := command(t, args...)
				if status != exitFailed || !strings.Contains(errs, c.want) || out != "" {
					t.Errorf("%s: status %d, message %q, want one with %q; output %q", args[0], status, errs, c.want, out)
				}
				if strings.Contains(errs, "Go ") || strings.Contains(errs, "profile.") {
					t.Errorf("%s: a reader does not know the types of Go: %s", args[0], errs)
				}
			}
		})
	}
	for _, c := range [][]string{
		{"--duration 0s: want more than 0", "--duration", "0s"},
		{"--duration -5s: want more than 0", "--duration", "-5s"},
		{"a.json: no such file or directory", "--json", "/does/not/exist/a.json"},
		{"write -: want the name of a file", "--html", "-"},
		{"two results", "--html", "/tmp/pktgen.test", "--csv", "/tmp/pktgen.test"},
	} {
		if status, out, errs := command(t, append([]string{"run", write(t, "p.yaml", small)}, c[1:]...)...); status != exitFailed || !strings.Contains(errs, c[0]) || out != "" {
			t.Errorf("%v: status %d, %s%s", c[1:], status, errs, out)
		}
	}
	if status, _, errs := command(t, "run"); status != exitUsage || !strings.Contains(errs, "help") {
		t.Errorf("no profile: %d %s", status, errs)
	}
	if status, _, errs := command(t, "run", "/does/not/exist.yaml"); status != exitFailed || !strings.Contains(errs, "exist.yaml") {
		t.Errorf("no such profile: %d %s", status, errs)
	}
	wire := strings.Replace(strings.Replace(small, "  - {name: a, link: wire}\n", "  - {name: a, interface: nosuchif}\n", 1), "links: [{name: wire, drop: 0.5, seed: 3}]", "", 1)
	wire = strings.Replace(strings.Replace(wire, "  - {name: b, link: wire}\n", "", 1), "    to: b\n", "", 1)
	if status, _, errs := command(t, "run", "-q", write(t, "p.yaml", wire)); status != exitFailed || !strings.Contains(errs, "p.yaml:4:26: ports[0].interface") {
		t.Errorf("no such interface: %d %s", status, errs)
	}
}

// TestIdlePcapPort: a capture that nothing is sent into is not emptied.
func TestIdlePcapPort(t *testing.T) {
	old := write(t, "old.pcap", "precious")
	profile := strings.Replace(small, "streams:", "  - {name: c, pcap: "+old+"}\nstreams:", 1)
	status, _, errs := command(t, "run", "-q", write(t, "p.yaml", profile))
	if text, err := os.ReadFile(old); status != exitFailed || !strings.Contains(errs, "ports[2].pcap: nothing is sent from port c") || err != nil || string(text) != "precious" {
		t.Errorf("status %d, %s; %q, %v", status, errs, text, err)
	}
}

// TestInterrupted: a method that is ended says so, writes what it has, and is no
// failure, also before anything was found.
func TestInterrupted(t *testing.T) {
	for _, c := range []struct {
		name, text string
		after      time.Duration
		want       string
	}{
		{"throughput before it began", small + "method: {kind: throughput, sizes: [64]}\n", 0, ""},
		{"throughput", small + "method: {kind: throughput, sizes: [64], max_rate: 1 kpps, trial: 30ms, resolution: 0.000000001}\nsettle: 1ms\n", 500 * time.Millisecond, "ended before its time"},
		{"connections before they began", talk + "method: {kind: connections}\n", 0, ""},
		{"soak", small + "duration: 1h\nmethod: {kind: soak, trial: 50ms}\n", 300 * time.Millisecond, "soak: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if c.after == 0 {
				cancel()
			} else {
				time.AfterFunc(c.after, cancel)
			}
			var out, errs bytes.Buffer
			status := run(ctx, []string{"run", "-q", write(t, "p.yaml", c.text)}, &out, &errs)
			if status != exitOK || errs.Len() > 0 || !strings.Contains(out.String(), "interrupted: ended before its time") || !strings.Contains(out.String(), c.want) {
				t.Errorf("status %d, %s\n%s", status, errs.String(), out.String())
			}
		})
	}
}

// TestTolerance: what a trial may lose stands in the result.
func TestTolerance(t *testing.T) {
	text := strings.Replace(small, "drop: 0.5", "drop: 0.3", 1) + "settle: 1ms\nmethod: {kind: throughput, sizes: [64], max_rate: 1 kpps, trial: 100ms, tolerance: 0.9}\n"
	status, out, errs := command(t, "run", "-q", write(t, "p.yaml", text))
	if status != exitOK || !strings.Contains(out, "highest rate with at most 90 % lost") || strings.Contains(out, "without loss") {
		t.Errorf("status %d, %s\n%s", status, errs, out)
	}
}

// TestWithin: what is to be done is said for the namespace in which it was found.
func TestWithin(t *testing.T) {
	busy := fmt.Errorf("remove it with `ip link set dev e0 xdp off`: %w", unix.EBUSY)
	if err := within("f6a", busy); err.Error() != "remove it with `ip -n f6a link set dev e0 xdp off`: device or resource busy" || !errors.Is(err, unix.EBUSY) {
		t.Error(err)
	}
	if err := within("", busy); err != busy {
		t.Error(err)
	}
	if err := within("f6a", nil); err != nil {
		t.Error(err)
	}
}
