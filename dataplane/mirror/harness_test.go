package mirror

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// patienceLimit ends a test whose state never comes; no test measures time.
const patienceLimit = 30 * time.Second

// world is two namespaces of the test's own with veth pairs p0-q0 and p1-q1
// between them. The test's thread is in the first one, which has the p ends.
type world struct {
	t         testing.TB
	own, peer netns.NsHandle
}

func newWorld(t testing.TB) *world {
	t.Helper()
	// Never unlocked: the thread ends with the test's goroutine, and with the
	// thread and the handles end the namespaces.
	runtime.LockOSThread()
	w := &world{t: t}
	for _, ns := range []*netns.NsHandle{&w.peer, &w.own} {
		h, err := netns.New()
		if errors.Is(err, unix.EPERM) {
			t.Skip("SKIP-PRIVILEGE: network namespaces need root")
		}
		if err != nil {
			t.Fatalf("new network namespace: %v", err)
		}
		*ns = h
		t.Cleanup(func() { _ = h.Close() })
	}
	w.ip("link set lo up")
	for i := range 2 {
		w.ip("link add p%d address 02:00:00:00:00:0%d type veth peer name q%d address 02:00:00:00:01:0%d", i, i+1, i, i+1)
		w.move(fmt.Sprintf("q%d", i))
		w.sysctl(fmt.Sprintf("net/ipv6/conf/p%d/accept_dad", i), "0")
		w.ip("link set p%d up", i)
		w.inPeer(func() {
			w.sysctl(fmt.Sprintf("net/ipv6/conf/q%d/accept_dad", i), "0")
			w.ip("link set q%d up", i)
		})
	}
	w.ip("addr add 10.0.0.1/24 dev p0")
	w.ip("addr add 10.0.1.1/24 dev p1")
	w.ip("addr add 2001:db8::1/64 dev p0")
	w.inPeer(func() {
		w.ip("addr add 10.0.0.2/24 dev q0")
		w.ip("addr add 10.0.0.3/24 dev q0")
		w.ip("addr add 10.0.1.2/24 dev q1")
		w.ip("addr add 2001:db8::2/64 dev q0")
	})
	return w
}

// ip runs iproute2 in the thread's namespace.
func (w *world) ip(format string, args ...any) {
	w.t.Helper()
	line := fmt.Sprintf(format, args...)
	if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
		w.t.Fatalf("ip %s: %v\n%s", line, err, out)
	}
}

// ipLines runs many ip commands in one process.
func (w *world) ipLines(lines string) {
	w.t.Helper()
	cmd := exec.Command("ip", "-b", "-")
	cmd.Stdin = strings.NewReader(lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("ip -b: %v\n%s", err, out)
	}
}

// move puts an interface into the peer namespace.
func (w *world) move(name string) {
	w.t.Helper()
	w.ip("link set %s netns /proc/%d/fd/%d", name, os.Getpid(), int(w.peer))
}

func (w *world) inPeer(f func()) {
	w.t.Helper()
	w.enter(w.peer)
	defer w.enter(w.own)
	f()
}

func (w *world) enter(ns netns.NsHandle) {
	if err := netns.Set(ns); err != nil {
		w.t.Fatalf("enter namespace: %v", err)
	}
}

func (w *world) sysctl(path, value string) {
	w.t.Helper()
	if err := os.WriteFile("/proc/sys/"+path, []byte(value), 0); err != nil {
		w.t.Fatal(err)
	}
}

// view is a running mirror and what it told last.
type view struct {
	t *testing.T
	m *Mirror

	mu      sync.Mutex
	last    State
	applied int
	changed chan struct{}
	stop    func()
}

var testPorts = []string{"p0", "p1"}

func (w *world) mirror(t *testing.T, receiveBytes int) *view {
	t.Helper()
	return w.mirrorWith(t, receiveBytes, func(*Mirror) {})
}

// mirrorWith lets prepare change the mirror before it runs.
func (w *world) mirrorWith(t *testing.T, receiveBytes int, prepare func(*Mirror)) *view {
	t.Helper()
	m, err := newMirror(testPorts, nil, receiveBytes)
	if err != nil {
		t.Fatal(err)
	}
	prepare(m)
	v := &view{t: t, m: m, changed: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := m.Run(ctx, v.apply); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	v.stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(func() {
		v.stop()
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	v.until("a first state", func(s State) bool { return len(s.Links) == len(testPorts) })
	return v
}

func (v *view) apply(s State) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.applied > 0 && v.last.equal(&s) {
		v.t.Error("the same state was applied twice")
	}
	v.last = s
	v.applied++
	select {
	case v.changed <- struct{}{}:
	default:
	}
	return nil
}

func (v *view) state() State {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.last
}

// until waits for a state.
func (v *view) until(what string, ok func(State) bool) State {
	v.t.Helper()
	end := time.After(patienceLimit)
	for {
		s := v.state()
		if ok(s) {
			return s
		}
		select {
		case <-v.changed:
		case <-end:
			v.t.Fatalf("no state with %s\nroutes:\n%s\nneighbours: %v\nlinks: %v\naddresses: %v\n%+v",
				what, strings.Join(routeLines(s), "\n"), s.Neighbours, s.Links, s.Addrs, v.m.Stats())
		}
	}
}

// eventually waits for something that is no state.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patienceLimit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// routeLines writes the routes one a line.
func routeLines(s State) []string {
	lines := make([]string, 0, len(s.Routes))
	for _, r := range s.Routes {
		l := fmt.Sprintf("%v %v", r.Prefix, r.Kind)
		if r.Port != route.NoPort {
			l += fmt.Sprintf(" port %d", r.Port)
		}
		if r.Gateway.IsValid() {
			l += fmt.Sprintf(" via %v", r.Gateway)
		}
		if r.Metric != 0 {
			l += fmt.Sprintf(" metric %d", r.Metric)
		}
		if r.MTU != 0 {
			l += fmt.Sprintf(" mtu %d", r.MTU)
		}
		lines = append(lines, l)
	}
	return lines
}

// has says how many times a state has a route.
func has(s State, line string) int {
	n := 0
	for _, l := range routeLines(s) {
		if l == line {
			n++
		}
	}
	return n
}

// macOf returns the link address of a neighbour, and whether there is one.
func macOf(s State, port uint16, addr string) (mac [6]byte, ok bool) {
	want := netip.MustParseAddr(addr)
	for _, n := range s.Neighbours {
		if n.Port == port && n.Addr == want {
			return n.MAC, true
		}
	}
	return mac, false
}
