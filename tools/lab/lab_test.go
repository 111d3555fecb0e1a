package lab

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const second = time.Second

// newLab makes a lab for a test and checks at its end that nothing stays.
func newLab(t *testing.T, options ...Option) *Lab {
	t.Helper()
	if err := Privileged(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: %v", err)
	}
	l, err := New(Unique("t"+strings.ToLower(strings.NewReplacer("/", "", " ", "").Replace(t.Name()))), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		for _, ns := range namespaces(t) {
			if strings.HasPrefix(ns, scheme+l.Name()+"-") {
				t.Errorf("namespace %s stays", ns)
			}
		}
	})
	return l
}

func namespaces(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(namespaceDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestPing(t *testing.T) {
	l := newLab(t, Queues(2))
	for _, row := range []struct {
		name string
		from string
		to   netip.Addr
		cfg  PingConfig
		want int
		says string
	}{
		{"next hop", Client, RouterC4, PingConfig{Count: 1, Timeout: 20 * second}, 1, ""},
		{"next hop, IPv6", Client, RouterC6, PingConfig{Count: 1, Timeout: 20 * second}, 1, ""},
		{"through the router", Client, Server4, PingConfig{Count: 2, Interval: time.Millisecond, Timeout: 20 * second}, 2, ""},
		{"through the router, IPv6", Client, Server6, PingConfig{Count: 2, Interval: time.Millisecond, Timeout: 20 * second}, 2, ""},
		{"back", Server, Client4, PingConfig{Count: 1, Size: 1400, Timeout: 20 * second}, 1, ""},
		{"in fragments", Server, Client6, PingConfig{Count: 1, Size: 4000, Timeout: 20 * second}, 1, ""},
		{"nobody there", Client, netip.MustParseAddr("10.78.0.1"), PingConfig{Count: 1, Timeout: 20 * second}, 0, "ICMP type 3 code 0"},
		{"nobody there, IPv6", Client, netip.MustParseAddr("fd78::1"), PingConfig{Count: 1, Timeout: 20 * second}, 0, "ICMP type 1 code 0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := Ping(l.NS(row.from), row.to, row.cfg)
			if err != nil {
				t.Fatal(err)
			}
			if r.Sent != row.cfg.Count || r.Received != row.want || !strings.Contains(r.String(), row.says) {
				t.Errorf("%v; want %d of %d, %q", r, row.want, row.cfg.Count, row.says)
			}
		})
	}
}

func TestTCPThroughTheRouter(t *testing.T) {
	l := newLab(t)
	for _, row := range []struct{ name, listen, dial string }{
		{"IPv4", "0.0.0.0:80", netip.AddrPortFrom(Server4, 80).String()},
		{"IPv6", "[::]:81", netip.AddrPortFrom(Server6, 81).String()},
	} {
		t.Run(row.name, func(t *testing.T) {
			listener, err := ListenIn(l.NS(Server), "tcp", row.listen)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			sent := bytes.Repeat([]byte("sluice lab "), 1<<14)
			go func() {
				c, err := listener.Accept()
				if err == nil {
					_, _ = c.Write(sent) // a failure shows as a short read
					_ = c.Close()
				}
			}()
			c, err := DialIn(l.NS(Client), "tcp", row.dial, second)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, sent) {
				t.Errorf("%d bytes of %d arrive, %v", len(got), len(sent), err)
			}
		})
	}
	if _, err := DialIn(l.NS(Client), "tcp", "localhost:80", second); err == nil {
		t.Error("a name is taken for an address")
	}
}

func TestQueuesAndMTU(t *testing.T) {
	l := newLab(t, Queues(3), MTU(1400), ServerMTU(1300))
	for _, row := range []struct {
		node, ifname string
		mtu          int
	}{{Client, ClientIf, 1400}, {Router, RouterIfC, 1400}, {Router, RouterIfS, 1300}, {Server, ServerIf, 1300}} {
		a, err := l.Link(row.node, row.ifname)
		if err != nil {
			t.Fatal(err)
		}
		if a.MTU != row.mtu || a.NumTxQueues != 3 || a.NumRxQueues != 3 {
			t.Errorf("%s: MTU %d, queues %d and %d", row.ifname, a.MTU, a.NumRxQueues, a.NumTxQueues)
		}
	}
	c, err := DialIn(l.NS(Client), "udp", netip.AddrPortFrom(Server4, 9).String(), second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	tap, err := OpenTap(l.NS(Client), ClientIf, TapConfig{Incoming: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	if _, err := c.Write(make([]byte, 1350)); err != nil {
		t.Fatal(err)
	}
	// Path MTU discovery is on for UDP sockets: the router answers "too big".
	if _, err := tap.RecvIf(second, func(f Frame) bool {
		return len(f.Data) > 40 && f.Data[23] == 1 && f.Data[34] == 3 && f.Data[35] == 4
	}); err != nil {
		t.Errorf("no ICMP error about the smaller MTU: %v", err)
	}
}

func TestMultipathRoute(t *testing.T) {
	l := newLab(t)
	if err := l.AddAddr(Server, ServerIf, "10.77.2.3/24"); err != nil {
		t.Fatal(err)
	}
	if err := l.AddRoute(Router, "10.99.0.0/16", Server4.String(), "10.77.2.3"); err != nil {
		t.Fatal(err)
	}
	if err := l.AddRoute(Router, "10.98.0.0/16"); err == nil {
		t.Error("a route without next hop is taken")
	}
	if err := l.AddAddr(Server, "lo", "10.99.0.1/32"); err != nil {
		t.Fatal(err)
	}
	if r, err := Ping(l.NS(Client), netip.MustParseAddr("10.99.0.1"), PingConfig{Count: 1}); err != nil || r.Received != 1 {
		t.Errorf("over the route: %v, %v", r, err)
	}
}

func TestTapSendsAndSees(t *testing.T) {
	l := newLab(t)
	for _, row := range []struct {
		name string
		cfg  TapConfig
	}{{"by the queue", TapConfig{}}, {"directly", TapConfig{Direct: true}}} {
		t.Run(row.name, func(t *testing.T) {
			here, err := OpenTap(l.NS(Client), ClientIf, row.cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer here.Close()
			there, err := OpenTap(l.NS(Router), RouterIfC, TapConfig{Incoming: true})
			if err != nil {
				t.Fatal(err)
			}
			defer there.Close()
			// An EtherType for experiments, with a VLAN tag that the kernel takes off.
			sent := append(bytes.Repeat([]byte{0x02}, 12), 0x81, 0, 0, 7, 0x88, 0xb5, byte(len(row.name)))
			sent = append(sent, make([]byte, 50)...)
			if err := here.Send(sent); err != nil {
				t.Fatal(err)
			}
			got, err := there.RecvIf(second, func(f Frame) bool { return bytes.Equal(f.Data, sent) })
			if err != nil || got.Outgoing {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	tap, err := OpenTap(l.NS(Client), ClientIf, TapConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	go func() { _, _ = DialIn(l.NS(Client), "tcp", netip.AddrPortFrom(Server4, 80).String(), second) }()
	f, err := tap.RecvIf(second, func(f Frame) bool { return len(f.Data) > 34 && f.Data[23] == unix.IPPROTO_TCP })
	if err != nil || !f.Outgoing || !f.Unfinished {
		t.Errorf("a SYN of the client: %+v, %v", f, err)
	}
	for {
		if _, err = tap.Recv(0); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
}

func TestDoLeavesNoTrace(t *testing.T) {
	l := newLab(t)
	inside := func() (n int) {
		links, err := net.Interfaces()
		if err != nil {
			t.Error(err)
		}
		for _, link := range links {
			if link.Name == RouterIfC || link.Name == RouterIfS {
				n++
			}
		}
		return n
	}
	for range 20 {
		seen := 0
		if err := l.Do(Router, func() error { seen = inside(); return nil }); err != nil || seen != 2 {
			t.Fatalf("in the router: %d of its interfaces, %v", seen, err)
		}
		if inside() != 0 {
			t.Fatal("outside: an interface of the router")
		}
	}
	want := errors.New("mine")
	if err := l.Do(Client, func() error { return want }); err != want {
		t.Errorf("%v instead of the function's error", err)
	}
	func() {
		defer func() {
			if recover() != "mine" {
				t.Error("a panic does not come through")
			}
		}()
		_ = l.Do(Client, func() error { panic("mine") })
	}()
	if err := Do(scheme+"nowhere", func() error { return nil }); err == nil {
		t.Error("a namespace that is not there")
	}
}

// TestMain lets the test program stand for other programs.
func TestMain(m *testing.M) {
	switch os.Getenv("SLUICE_LAB_TEST") {
	case "":
		os.Exit(m.Run())
	case "interfaces":
		links, err := net.Interfaces()
		if err != nil {
			os.Exit(1)
		}
		for _, link := range links {
			_, _ = os.Stdout.WriteString(link.Name + "\n")
		}
	case "leave":
		if _, err := New(Unique("tleft")); err != nil {
			_, _ = os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
	case "wait":
		_, _ = os.Stdout.WriteString("here")
		select {}
	case "fail":
		_, _ = os.Stderr.WriteString("reason")
		os.Exit(3)
	}
}

func TestCommand(t *testing.T) {
	l := newLab(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := l.Command(Server, self)
	c.Env = append(os.Environ(), "SLUICE_LAB_TEST=interfaces")
	out, err := c.Output()
	if err != nil || !strings.Contains(string(out), ServerIf+"\n") || strings.Contains(string(out), "eth0") {
		t.Errorf("%q, %v", out, err)
	}
	for _, row := range []struct {
		name string
		run  func(*Cmd) (string, error)
	}{
		{"output", func(c *Cmd) (string, error) {
			_, err := c.Output()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return string(exit.Stderr), err
			}
			return "", err
		}},
		{"combined", func(c *Cmd) (string, error) { b, err := c.CombinedOutput(); return string(b), err }},
	} {
		c := l.Command(Server, self)
		c.Env = append(os.Environ(), "SLUICE_LAB_TEST=fail")
		text, err := row.run(c)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 3 || text != "reason" {
			t.Errorf("%s: %q, %v", row.name, text, err)
		}
	}
}

func TestCommandContext(t *testing.T) {
	l := newLab(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := CommandContext(ctx, l.NS(Server), self)
	c.Env = append(os.Environ(), "SLUICE_LAB_TEST=wait")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Error(err) // it never ran
	}
	cancel()
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Errorf("not killed: %v", err)
	}
}

func TestCleanLeftovers(t *testing.T) {
	if err := Privileged(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), "SLUICE_LAB_TEST=leave")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s, %v", out, err)
	}
	mine, err := New(Unique("tleft"))
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	if _, err := New(mine.Name()); err == nil || !strings.Contains(err.Error(), "ip netns del") {
		t.Errorf("a second lab of the same name: %v", err)
	}
	removed, err := CleanLeftovers("tleft")
	if err != nil || len(removed) != 3 {
		t.Errorf("removed %v, %v", removed, err)
	}
	for _, ns := range removed {
		if strings.Contains(ns, strconv.Itoa(os.Getpid())) {
			t.Errorf("%s is in use", ns)
		}
	}
	if r, err := Ping(mine.NS(Client), Server4, PingConfig{Count: 1}); err != nil || r.Received != 1 {
		t.Errorf("the lab in use: %v, %v", r, err)
	}
	if removed, err = CleanLeftovers(mine.Name()); err != nil || len(removed) != 3 {
		t.Errorf("by its full name: %v, %v", removed, err)
	}
	mine.mu.Lock()
	mine.nodes = nil // removed behind its back
	mine.mu.Unlock()
}
