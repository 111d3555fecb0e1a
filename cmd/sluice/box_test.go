package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/tools/lab"
)

const masquerading = `table ip nat {
	chain post {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "r1" counter packets 0 bytes 0 masquerade
	}
}
table inet filter {
	chain forward {
		type filter hook forward priority filter; policy accept;
		ct state invalid drop
		udp dport 7 counter packets 0 bytes 0 accept
	}
}
`

func (l *testLab) ping(node string, to netip.Addr) {
	l.t.Helper()
	// The first may wait for a neighbour.
	r, err := lab.Ping(l.NS(node), to, lab.PingConfig{Count: 4, Interval: 50 * time.Millisecond, Timeout: 2 * time.Second})
	if err != nil || r.Received < 3 {
		l.t.Errorf("ping %v from %s: %v, %v", to, node, r, err)
	}
}

// echo has the client say something to a server in the server's namespace that
// answers with the address it was asked from.
func (l *testLab) echo(network string) (seen netip.AddrPort) {
	l.t.Helper()
	at := netip.AddrPortFrom(lab.Server4, 7).String()
	if network == "tcp" {
		listener, err := lab.ListenIn(l.NS(lab.Server), "tcp", at)
		if err != nil {
			l.t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			if c, err := listener.Accept(); err == nil {
				fmt.Fprint(c, c.RemoteAddr())
				_ = c.Close()
			}
		}()
	} else {
		socket, err := lab.ListenPacketIn(l.NS(lab.Server), "udp", at)
		if err != nil {
			l.t.Fatal(err)
		}
		defer socket.Close()
		go func() {
			b := make([]byte, 100)
			for {
				_, from, err := socket.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = socket.WriteTo([]byte(from.String()), from)
			}
		}()
	}
	conn, err := lab.DialIn(l.NS(lab.Client), network, at, 5*time.Second)
	if err != nil {
		l.t.Errorf("%s: %v", network, err)
		return seen
	}
	defer conn.Close()
	answer := make([]byte, 100)
	for try := 0; ; try++ {
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
		if network == "udp" {
			if _, err := conn.Write([]byte("who am I")); err != nil {
				l.t.Fatal(err)
			}
		}
		n, err := conn.Read(answer)
		var slow net.Error
		if err != nil && err != io.EOF {
			if network == "udp" && try < 3 {
				continue
			}
			l.t.Errorf("%s: no answer: %v %v", network, err, slow)
			return seen
		}
		if seen, err = netip.ParseAddrPort(string(answer[:n])); err != nil {
			l.t.Errorf("%s: %v", network, err)
		}
		return seen
	}
}

// state is what the kernel says of the router's interfaces, to compare: less
// counters.
func (l *testLab) state() string {
	l.t.Helper()
	links := l.tool(lab.Router, "ip", "-d", "link", "show")
	links += strings.ReplaceAll(l.tool(lab.Router, "ip", "addr", "show"), " tentative", "") // a matter of time
	for _, port := range []string{lab.RouterIfC, lab.RouterIfS} {
		links += l.tool(lab.Router, "ethtool", "-k", port)
	}
	return regexp.MustCompile(`(valid_lft|preferred_lft) \S+`).ReplaceAllString(links, "")
}

func TestRunRouter(t *testing.T) {
	l := newTestLab(t)
	before := l.state()
	b := l.startBox(masquerading)

	l.ping(lab.Client, lab.Server4)
	l.ping(lab.Client, lab.Server6)
	l.ping(lab.Client, lab.RouterC4)
	l.ping(lab.Client, lab.RouterC6)
	l.ping(lab.Router, lab.Server4)
	for _, network := range []string{"udp", "tcp"} {
		if seen := l.echo(network); seen.Addr() != lab.RouterS4 {
			t.Errorf("%s: the server sees %v, not the router", network, seen)
		}
	}

	t.Run("conntrack", func(t *testing.T) {
		status, out, footer := l.sluice("", "conntrack", "-L", "-p", "udp", "--dport", "7")
		line := regexp.MustCompile(`(?m)^udp      17 \d+ src=10\.77\.1\.2 dst=10\.77\.2\.2 sport=\d+ dport=7 src=10\.77\.2\.2 dst=10\.77\.2\.1 sport=7 dport=\d+ (\[ASSURED\] )?mark=0 use=1$`)
		if status != 0 || !line.MatchString(out) || strings.Count(out, "\n") != 1 {
			t.Errorf("status %d:\n%s", status, out)
		}
		if footer != "conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n" {
			t.Errorf("footer %q", footer)
		}
		if out := l.good("conntrack", "-C"); !regexp.MustCompile(`^[1-9]\d*\n$`).MatchString(out) {
			t.Errorf("count %q", out)
		}
		if out := l.good("conntrack", "-S"); !strings.HasPrefix(out, "cpu=0   \tfound=") {
			t.Errorf("statistics %q", out)
		}
		status, out, footer = l.sluice("", "conntrack", "-F")
		if status != 0 || out != "" || footer != "conntrack v1.4.7 (conntrack-tools): connection tracking table has been emptied.\n" {
			t.Errorf("flush: %d %q %q", status, out, footer)
		}
		if _, out, _ := l.sluice("", "conntrack", "-L", "-p", "udp", "--dport", "7"); out != "" {
			t.Errorf("after flush:\n%s", out)
		}
	})
	t.Run("nft", func(t *testing.T) { testNft(t, l) })
	t.Run("status", func(t *testing.T) {
		var s control.Status
		if err := json.Unmarshal([]byte(l.good("status", "--json")), &s); err != nil {
			t.Fatal(err)
		}
		if len(s.Ports) != 2 || s.Ports[0].Name != "r0" || s.Ports[0].Mode != "copy" || s.Ports[0].Driver != "veth" || !s.Ports[0].Up ||
			s.Ports[0].RxPackets == 0 || len(s.Workers) != 1 || s.Workers[0].RxPackets == 0 || !s.Guard.Installed ||
			s.PID != b.cmd.Process.Pid || len(s.Trouble) > 0 || s.Mirror.Applied == 0 || s.Rules.Rules == 0 {
			t.Errorf("%+v", s)
		}
		text := l.good("status")
		for _, want := range []string{"mode router", "r0    up    veth    copy", "10.77.1.1/24", "guard    in place", "rules    generation"} {
			if !strings.Contains(text, want) {
				t.Errorf("status lacks %q:\n%s", want, text)
			}
		}
	})
	t.Run("second box", func(t *testing.T) {
		status, _, errs := l.sluice("", "run", "--port", "r0", "--rules", "testdata/rules/home.nft")
		if status != 1 || !strings.Contains(errs, fmt.Sprintf("already running, pid %d", b.cmd.Process.Pid)) {
			t.Errorf("status %d: %s", status, errs)
		}
		// One with another socket meets the program of the first.
		other := filepath.Join(t.TempDir(), "other.sock")
		status, _, errs = l.sluice("", "run", "--port", "r0", "--rules", "testdata/rules/home.nft", "--control", other)
		if status != 1 || !strings.Contains(errs, fmt.Sprintf("open interface r0: is a port already, of process %d", b.cmd.Process.Pid)) {
			t.Errorf("status %d: %s", status, errs)
		}
		l.ping(lab.Client, lab.Server4)
	})
	t.Run("reload", func(t *testing.T) {
		for _, row := range []struct{ text, says string }{
			{"table ip t {\n\tchain c {\n\t\tdorp\n\t}\n}\n", "not reloaded"},
			{masquerading + "table ip more {\n}\n", "rules reloaded"},
		} {
			if err := os.WriteFile(b.rules, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := b.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			b.waitLog(row.says)
		}
		if !strings.Contains(l.good("nft", "list", "ruleset"), "table ip more") {
			t.Error("not the new rules")
		}
		l.ping(lab.Client, lab.Server4)
	})
	if took := b.stop(); took > endLimit {
		t.Errorf("the end took %v", took)
	}
	if after := l.state(); after != before {
		t.Errorf("interfaces are not as they were: %s", difference(before, after))
	}
	if !strings.Contains(l.tool(lab.Router, "nft", "list", "ruleset"), "table inet sluice_guard") {
		t.Error("the guard table is gone")
	}
	if left, _ := filepath.Glob("/run/sluice/*"); len(left) > 0 {
		for _, name := range left {
			if text, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(text)) == fmt.Sprint(b.cmd.Process.Pid) {
				t.Errorf("%s is left", name)
			}
		}
	}
	status, _, errs := l.sluice("", "status")
	if status != 1 || !strings.Contains(errs, "no box is running in this network namespace") {
		t.Errorf("status %d: %s", status, errs)
	}
}

// testNft changes rules of the running box.
func testNft(t *testing.T, l *testLab) {
	list := func() string { return l.good("nft", "list", "ruleset") }
	counted := regexp.MustCompile(`udp dport 7 counter packets ([1-9]\d*) bytes \d+ accept`)
	before := list()
	if !counted.MatchString(before) {
		t.Errorf("no counts:\n%s", before)
	}
	if got := l.good("nft", "-s", "list", "ruleset"); !strings.Contains(got, "udp dport 7 counter accept") {
		t.Errorf("stateless:\n%s", got)
	}

	status, out, errs := l.sluice("table ip t {\n\tchain c {\n\t\ttcp dport nonsense accept\n\t}\n}\n", "nft", "-f", "-")
	want := "/dev/stdin:3:13-20: Error: Could not resolve service: Servname not supported for ai_socktype\n\t\ttcp dport nonsense accept\n\t\t          ^^^^^^^^\n"
	if status != 1 || out != "" || errs != want {
		t.Errorf("broken file: %d %q\n%s", status, out, errs)
	}
	if got := list(); got != before {
		t.Errorf("a broken file has changed the rules: %s", difference(before, got))
	}
	status, _, errs = l.sluice("", "nft", "add", "rule", "ip", "nat", "absent", "drop")
	if status != 1 || !strings.HasPrefix(errs, "Error: ") {
		t.Errorf("command: %d %s", status, errs)
	}

	// Rules are added to those in force, whose counters go on.
	if status, _, errs := l.sluice("table ip added {\n\tchain c {\n\t\tdrop\n\t}\n}\n", "nft", "-c", "-f", "-"); status != 0 {
		t.Errorf("check: %s", errs)
	}
	if got := list(); got != before {
		t.Error("a check has changed the rules")
	}
	l.good("nft", "add", "chain", "inet", "filter", "input", "{ type filter hook input priority -10; policy accept; }")
	l.good("nft", "add", "rule", "inet", "filter", "input", "icmp", "type", "echo-request", "drop")
	if got := list(); !counted.MatchString(got) || !strings.Contains(got, "icmp type echo-request drop") {
		t.Errorf("after adding:\n%s", got)
	}
	r, err := lab.Ping(l.NS(lab.Client), lab.RouterC4, lab.PingConfig{Count: 2, Timeout: 300 * time.Millisecond})
	if err != nil || r.Received != 0 {
		t.Errorf("the new rule does not drop: %v %v", r, err)
	}

	file := filepath.Join(t.TempDir(), "swap.nft")
	if err := os.WriteFile(file, []byte("#!/usr/sbin/nft -f\nflush ruleset\n"+masquerading), 0o600); err != nil {
		t.Fatal(err)
	}
	l.good("nft", "-f", file)
	if got := list(); got != masquerading {
		t.Errorf("after the swap: %s", difference(masquerading, got))
	}
	l.ping(lab.Client, lab.RouterC4)
}

// TestRunAfterKill: transit stops, the next run cleans up and goes on.
func TestRunAfterKill(t *testing.T) {
	l := newTestLab(t)
	before := l.state()
	b := l.startBox(masquerading, "--untrusted", "r1")
	if err := b.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-b.done
	b.done <- nil
	if status, _, errs := l.sluice("", "status"); status != 1 || !strings.Contains(errs, "no box is running") {
		t.Errorf("after the kill: %d %s", status, errs)
	}
	if r, err := lab.Ping(l.NS(lab.Client), lab.Server4, lab.PingConfig{Count: 2, Timeout: 300 * time.Millisecond}); err != nil || r.Received != 0 {
		t.Errorf("forwarded without a box: %v %v", r, err)
	}
	b = l.startBox(masquerading, "--open-on-exit")
	l.ping(lab.Client, lab.Server4)
	b.stop()
	if after := l.state(); after != before {
		t.Errorf("interfaces are not as they were: %s", difference(before, after))
	}
	if rules := l.tool(lab.Router, "nft", "list", "ruleset"); rules != "" {
		t.Errorf("left in the kernel:\n%s", rules)
	}
}
