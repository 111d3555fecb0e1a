package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-net/sluice/tools/lab"
)

// TestRunFromFile runs two workers by a settings file.
func TestRunFromFile(t *testing.T) {
	l := newTestLab(t, lab.Queues(2))
	dir := t.TempDir()
	for name, text := range map[string]string{
		"rules.nft": "include \"more.nft\"\n",
		"more.nft":  masquerading,
		"box.yaml": `rules: rules.nft
ports:
  - name: r0
  - name: r1
    untrusted: true
workers: 2
ring: 512
control: ` + filepath.Join(dir, "box.sock") + `
conntrack:
  nf_conntrack_acct: true
  nf_conntrack_udp_timeout: 99
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := l.start("run", "-c", filepath.Join(dir, "box.yaml"))
	l.ping(lab.Client, lab.Server4)
	l.ping(lab.Client, lab.RouterC6)
	for range 8 {
		if seen := l.echo("tcp"); seen.Addr() != lab.RouterS4 {
			t.Errorf("the server sees %v", seen)
		}
	}
	l.echo("udp")
	socket := filepath.Join(dir, "box.sock")
	if status, _, errs := l.sluice("", "status"); status != 1 || !strings.Contains(errs, "no box is running") {
		t.Errorf("a box at another path is found: %d %s", status, errs)
	}
	if status, out, errs := l.sluice("", "conntrack", "-L", "-p", "udp", "--dport", "7", "--control", socket); status != 0 ||
		!regexp.MustCompile(`^udp      17 9\d src=\S+ dst=\S+ sport=\d+ dport=7 packets=\d+ bytes=\d+ `).MatchString(out) {
		t.Errorf("%d %s%s", status, out, errs)
	}
	if out := l.good("conntrack", "-S", "--control", socket); strings.Count(out, "\n") != 2 {
		t.Errorf("statistics of two workers:\n%s", out)
	}
	text := l.good("status", "--control", socket)
	if !regexp.MustCompile(`(?m)^r1 +up +veth +copy +2 `).MatchString(text) || !strings.Contains(text, "untrusted: r1") {
		t.Errorf("status:\n%s", text)
	}
	if took := b.stop(); took > endLimit {
		t.Errorf("the end took %v", took)
	}
}

// TestRunLinkChange: link down and up, a route and an MTU change while the box
// runs.
func TestRunLinkChange(t *testing.T) {
	l := newTestLab(t)
	if err := l.SetLink(lab.Router, "r0", false); err != nil {
		t.Fatal(err)
	}
	b := l.startBox(masquerading) // a port may be down at start
	if err := l.SetLink(lab.Router, "r0", true); err != nil {
		t.Fatal(err)
	}
	b.waitLog("link is up")
	l.tool(lab.Router, "ip", "addr", "replace", lab.RouterC6.String()+"/64", "dev", "r0", "nodad") // lost while it was down
	l.ping(lab.Client, lab.Server4)
	if err := l.SetLink(lab.Server, "s0", false); err != nil {
		t.Fatal(err)
	}
	b.waitLog("link is down")
	if err := l.SetLink(lab.Server, "s0", true); err != nil {
		t.Fatal(err)
	}
	b.waitLog("link is up")
	l.ping(lab.Client, lab.Server4)
	if err := l.SetMTU(lab.Router, "r1", 1400); err != nil {
		t.Fatal(err)
	}
	b.waitLog("MTU has changed")
	l.ping(lab.Router, lab.Server4)
	if err := l.AddAddr(lab.Router, "r0", "10.77.9.1/24"); err != nil {
		t.Fatal(err)
	}
	l.eventually("the new address is followed", func() bool { return strings.Contains(l.good("status"), "10.77.9.1/24") })
	b.stop()
}

// TestRunVariants: transit works in every one.
func TestRunVariants(t *testing.T) {
	for _, row := range []struct {
		name, args, status string
		host               bool // the box itself can be reached
	}{
		{"copy mode, small rings", "--xdp-mode copy --ring 128", `(?m)^r0 .* copy `, true},
		{"asavie", "--backend asavie", `(?m)^r0 .* copy asavie `, true},
		{"no host path", "--no-host-path", `(?m)^r0 .* copy `, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := newTestLab(t)
			before := l.state()
			b := l.startBox(masquerading, strings.Fields(row.args)...)
			l.ping(lab.Client, lab.Server4)
			if seen := l.echo("tcp"); seen.Addr() != lab.RouterS4 {
				t.Errorf("the server sees %v", seen)
			}
			if row.host {
				l.ping(lab.Client, lab.RouterC4)
			} else if r, err := lab.Ping(l.NS(lab.Client), lab.RouterC4, lab.PingConfig{Count: 2, Timeout: 300 * time.Millisecond}); err != nil || r.Received != 0 {
				t.Errorf("the box answers: %v %v", r, err)
			}
			if text := l.good("status"); !regexp.MustCompile(row.status).MatchString(text) {
				t.Errorf("status:\n%s", text)
			}
			b.stop()
			if after := l.state(); after != before {
				t.Errorf("interfaces are not as they were: %s", difference(before, after))
			}
		})
	}
}

// TestRunJumbo: frames longer than a page pass in several pieces, to the box
// itself too; where the way on gets narrower their sender is told.
func TestRunJumbo(t *testing.T) {
	l := newTestLab(t)
	const mtu, size = 9000, 8900
	for _, end := range []struct{ node, port string }{{lab.Client, "c0"}, {lab.Router, "r0"}, {lab.Router, "r1"}, {lab.Server, "s0"}} {
		if err := l.SetMTU(end.node, end.port, mtu); err != nil {
			t.Fatal(err)
		}
	}
	b := l.startBox(masquerading)
	l.ping(lab.Client, lab.Server4)
	large := func(to netip.Addr) {
		t.Helper()
		r, err := lab.Ping(l.NS(lab.Client), to, lab.PingConfig{Count: 5, Size: size, Interval: 10 * time.Millisecond})
		if err != nil || r.Received != r.Sent {
			t.Errorf("%d bytes to %v: %v %v", size, to, r, err)
		}
	}
	large(lab.Server4)
	large(lab.RouterC4)
	large(lab.RouterC6)
	if seen := l.echo("tcp"); seen.Addr() != lab.RouterS4 {
		t.Errorf("the server sees %v", seen)
	}
	for _, end := range []struct{ node, port string }{{lab.Router, "r1"}, {lab.Server, "s0"}} {
		if err := l.SetMTU(end.node, end.port, 1500); err != nil {
			t.Fatal(err)
		}
	}
	b.waitLog("MTU has changed")
	if r, err := lab.Ping(l.NS(lab.Client), lab.Server4, lab.PingConfig{Count: 1, Size: size, Timeout: time.Second}); err != nil || r.Received != 0 {
		t.Errorf("%d bytes that must not be cut into fragments passed a narrower way: %v %v", size, r, err)
	}
	large(lab.Server4) // the client knows by now
	b.stop()
}

// TestRunEndsWhileStarting: told to end at any moment of its start, the box
// leaves nothing behind.
func TestRunEndsWhileStarting(t *testing.T) {
	l := newTestLab(t)
	before := l.state()
	rules := filepath.Join(t.TempDir(), "rules.nft")
	if err := os.WriteFile(rules, []byte(masquerading), 0o600); err != nil {
		t.Fatal(err)
	}
	for delay := 10 * time.Millisecond; delay < 150*time.Millisecond; delay += 15 * time.Millisecond {
		c := l.program("run", "--port", "r0", "--port", "r1", "--rules", rules, "--open-on-exit")
		var log boxLog
		c.Stderr = &log
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay)
		began := time.Now()
		_ = c.Process.Signal(syscall.SIGTERM) // one that has ended is an error that is seen below
		_ = c.Wait()                          // before it listens for signals, one ends it as any other program
		if took := time.Since(began); took > endLimit {
			t.Errorf("after %v: the end took %v", delay, took)
		}
		if after := l.state(); after != before {
			t.Fatalf("after %v: interfaces are not as they were: %s\n%s", delay, difference(before, after), log.String())
		}
		if rules := l.tool(lab.Router, "nft", "list", "ruleset"); rules != "" {
			t.Fatalf("after %v: left in the kernel:\n%s", delay, rules)
		}
	}
}

// TestRunWire joins two ports: the ends share a net and the box is not seen. ARP
// crosses as IP does.
func TestRunWire(t *testing.T) {
	l := newTestLab(t)
	l.tool(lab.Router, "ip", "addr", "flush", "dev", "r0")
	l.tool(lab.Router, "ip", "addr", "flush", "dev", "r1")
	ends := []struct{ node, port string }{{lab.Client, "c0"}, {lab.Server, "s0"}}
	for i, end := range ends {
		for _, format := range []string{"10.77.3.%d/24", "fd77:3::%d/64"} {
			if err := l.AddAddr(end.node, end.port, fmt.Sprintf(format, i+1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	b := l.startBox("table inet f {\n\tchain c {\n\t\ttype filter hook forward priority 0; policy accept;\n\t\tct state invalid drop\n\t\tudp dport 9 counter drop\n\t}\n}\n", "--mode", "wire")
	l.ping(lab.Client, netip.MustParseAddr("10.77.3.2"))
	l.ping(lab.Server, netip.MustParseAddr("fd77:3::1"))
	if text := l.good("status"); !strings.Contains(text, "mode wire") {
		t.Errorf("status:\n%s", text)
	}
	if out := l.good("conntrack", "-L", "-p", "icmp"); !strings.Contains(out, "src=10.77.3.1 dst=10.77.3.2") {
		t.Errorf("connections:\n%s", out)
	}
	if took := b.stop(); took > endLimit {
		t.Errorf("the end took %v", took)
	}
}
