package main

import (
	"os"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/perf/report"
	"github.com/sluice-net/sluice/tools/lab"
)

// TestWire: through a router whose MAC nobody gives; with an interface that is
// down, and one without carrier.
func TestWire(t *testing.T) {
	if err := lab.Privileged(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: needs root and network namespaces: %v", err)
	}
	if _, err := lab.CleanLeftovers("wire"); err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(lab.Unique("wire"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	router, err := l.Link(lab.Router, lab.RouterIfC)
	if err != nil {
		t.Fatal(err)
	}
	profile := write(t, "p.yaml", "title: routed\nports:\n  - {name: lan, interface: "+lab.ClientIf+", netns: "+l.NS(lab.Client)+"}\n"+
		"  - {name: wan, interface: "+lab.ServerIf+", netns: "+l.NS(lab.Server)+"}\n"+
		"streams:\n  - {name: s, from: lan, to: wan, count: 500, rate: 10 kpps, ip: {src: "+lab.Client4.String()+", dst: "+lab.Server4.String()+"}, udp: {src: 1024, dst: 53}}\n")
	result := write(t, "r.json", "")
	run := func(want string) *report.Document {
		t.Helper()
		status, out, errs := command(t, "run", profile, "--json", result)
		if status != exitOK || !strings.Contains(out, want) || !strings.Contains(errs, "note: ") {
			t.Fatalf("status %d, want %q in\n%s%s", status, want, out, errs)
		}
		d, err := report.ReadFile(result)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if d := run("go to " + router.HardwareAddr.String() + ", the MAC of "); d.Runs[0].Streams[0].Received == 0 {
		t.Errorf("nothing came through the router: %+v", d)
	}
	text, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	zero := write(t, "z.yaml", strings.Replace(string(text), "interface: "+lab.ClientIf, "mode: zerocopy, interface: "+lab.ClientIf, 1))
	if status, out, errs := command(t, "run", "-q", zero); status != exitFailed || out != "" || !strings.Contains(errs, "zero-copy") {
		t.Errorf("zero-copy on veth: status %d, %s%s", status, out, errs)
	}
	none := write(t, "n.yaml", strings.Replace(string(text), "interface: "+lab.ClientIf, "interface: nope", 1))
	if status, _, errs := command(t, "check", none); status != exitFailed || !strings.Contains(errs, "no such interface in network namespace "+l.NS(lab.Client)+": `ip -n "+l.NS(lab.Client)+" link show`") {
		t.Errorf("no such interface: status %d, %s", status, errs)
	}
	if err := l.SetLink(lab.Router, lab.RouterIfC, false); err != nil {
		t.Fatal(err)
	}
	if d := run(lab.ClientIf + " has no carrier"); d.Runs[0].Streams[0].Received != 0 || !strings.Contains(strings.Join(d.Notes, " "), "nothing arrived") {
		t.Errorf("%+v", d)
	}
	if err := l.SetLink(lab.Client, lab.ClientIf, false); err != nil {
		t.Fatal(err)
	}
	if status, out, errs := command(t, "run", "-q", profile); status != exitFailed || out != "" || !strings.Contains(errs, "ports[0].interface: "+lab.ClientIf+" is down: ip -n ") {
		t.Errorf("status %d, %s%s", status, out, errs)
	}
}
