package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

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

// TestWireTrouble: what befalls an interface while it is in use is an error, and what
// was found by then is there.
func TestWireTrouble(t *testing.T) {
	if err := lab.Privileged(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: needs root and network namespaces: %v", err)
	}
	const about = "what was lost or not sent then is not the doing of what was measured"
	for _, row := range []struct {
		name  string
		kind  string // what the profile does
		after []string
		want  string
	}{
		{"deleted", "streams", []string{"link del trouble0"}, "trouble0 was deleted, renamed or moved away while it was in use"},
		{"deleted in a method", "method", []string{"link del trouble0"}, "trouble0 was deleted, renamed or moved away while it was in use"},
		{"deleted in sessions", "sessions", []string{"link del trouble0"}, "trouble0 was deleted, renamed or moved away while it was in use"},
		{"made anew", "streams", []string{"link del trouble0", "link add trouble0 type veth"}, "trouble0 was replaced by another interface of that name"},
		{"flaps", "streams", []string{"link set trouble1 down", "link set trouble1 up"}, "the carrier of trouble0 came or went 2 times meanwhile"},
		{"down", "streams", []string{"link set trouble0 down"}, "trouble0 went down meanwhile"},
		{"no carrier", "streams", []string{"link set trouble1 down"}, "trouble0 lost its carrier meanwhile"},
	} {
		t.Run(row.name, func(t *testing.T) {
			ns := lab.Unique("trouble")
			ip := func(words string) {
				t.Helper()
				if out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
					t.Fatalf("ip %s: %v: %s", words, err, out)
				}
			}
			ip("netns add " + ns)
			t.Cleanup(func() { ip("netns del " + ns) })
			ip("-n " + ns + " link add trouble0 type veth peer name trouble1")
			ip("-n " + ns + " link set trouble0 up")
			ip("-n " + ns + " link set trouble1 up")
			profile := "title: x\nports:\n  - {name: a, interface: trouble0, netns: " + ns + "}\n  - {name: b, interface: trouble1, netns: " + ns + "}\n"
			const stream = "streams:\n  - {name: s, from: a, to: b, rate: 1 kpps, ip: {src: 10.0.0.1, dst: 10.0.0.2}, udp: {src: 1, dst: 2}}\n"
			switch row.kind {
			case "streams":
				profile += "duration: 3s\n" + stream
			case "method":
				profile += stream + "method: {kind: throughput, max_rate: 1 kpps, sizes: 64, trial: 3s}\n"
			case "sessions":
				profile += "duration: 3s\nsessions: {from: a, to: b, rate: 10, open: 10, clients: {first: 10.0.0.2, count: 2}, servers: {first: 10.0.1.2, count: 2}, requests: 1}\n"
			}
			time.AfterFunc(time.Second, func() {
				for _, words := range row.after {
					ip("-n " + ns + " " + words)
				}
			})
			result := write(t, "r.json", "")
			status, out, errs := command(t, "run", "-q", write(t, "p.yaml", profile), "--json", result)
			if status != exitFailed || !strings.Contains(errs, row.want) || !strings.Contains(errs, about) {
				t.Fatalf("status %d\n%s%s", status, out, errs)
			}
			if row.kind == "method" {
				return
			}
			d, err := report.ReadFile(result)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(d.Notes, "\n"), row.want) || !d.Found() {
				t.Errorf("%+v", d)
			}
		})
	}
}
