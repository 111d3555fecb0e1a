package guard

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// patienceLimit ends a test whose packet never comes; no test measures time.
const patienceLimit = 15 * time.Second

// world is a router between two hosts, each a namespace of the test's own. The
// test's thread is in the router, whose p0 and p1 lead to host 0 and host 1.
type world struct {
	t      testing.TB
	router netns.NsHandle
	hosts  [2]netns.NsHandle
}

func newWorld(t testing.TB) *world {
	t.Helper()
	// Never unlocked: the thread ends with the test's goroutine, and with the
	// thread and the handles end the namespaces.
	runtime.LockOSThread()
	w := &world{t: t}
	for _, ns := range []*netns.NsHandle{&w.hosts[0], &w.hosts[1], &w.router} {
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
	for i := range w.hosts {
		w.ip("link add p%d type veth peer name q%d", i, i)
		w.ip("link set q%d netns /proc/%d/fd/%d", i, os.Getpid(), int(w.hosts[i]))
		w.ip("addr add 10.0.%d.1/24 dev p%d", i, i)
		w.ip("addr add 2001:db8:%d::1/64 dev p%d nodad", i, i)
		w.ip("link set p%d up", i)
		w.in(w.hosts[i], func() {
			w.ip("link set lo up")
			w.ip("addr add 10.0.%d.2/24 dev q%d", i, i)
			w.ip("addr add 10.0.%d.3/24 dev q%d", i, i)
			w.ip("addr add 2001:db8:%d::2/64 dev q%d nodad", i, i)
			w.ip("link set q%d up", i)
			w.ip("route add default via 10.0.%d.1", i)
			w.ip("-6 route add default via 2001:db8:%d::1", i)
		})
	}
	w.sysctl("net/ipv4/ip_forward", "1")
	w.sysctl("net/ipv6/conf/all/forwarding", "1")
	return w
}

func (w *world) run(stdin, name string, args ...string) {
	w.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%s %v %s: %v\n%s", name, args, stdin, err, out)
	}
}

// ip runs iproute2 in the thread's namespace.
func (w *world) ip(format string, args ...any) {
	w.t.Helper()
	w.run("", "ip", strings.Fields(fmt.Sprintf(format, args...))...)
}

// nft loads a ruleset of somebody else's.
func (w *world) nft(text string) {
	w.t.Helper()
	w.run(text, "nft", "-f", "-")
}

func (w *world) sysctl(path, value string) {
	w.t.Helper()
	if err := os.WriteFile("/proc/sys/"+path, []byte(value), 0); err != nil {
		w.t.Fatal(err)
	}
}

// in runs f in a host's namespace.
func (w *world) in(ns netns.NsHandle, f func()) {
	w.t.Helper()
	w.enter(ns)
	defer w.enter(w.router)
	f()
}

func (w *world) enter(ns netns.NsHandle) {
	if err := netns.Set(ns); err != nil {
		w.t.Fatalf("enter namespace: %v", err)
	}
}

// dropped is the guard's count of packets in a chain, 0 without the table.
func (w *world) dropped(chain string) uint64 {
	w.t.Helper()
	c, err := nftables.New()
	if err != nil {
		w.t.Fatal(err)
	}
	table := &nftables.Table{Name: Table, Family: nftables.TableFamilyINet}
	rules, err := c.GetRules(table, &nftables.Chain{Name: chain, Table: table})
	if errors.Is(err, unix.ENOENT) {
		return 0
	}
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rules {
		for _, e := range r.Exprs {
			if n, ok := e.(*expr.Counter); ok {
				return n.Packets
			}
		}
	}
	if len(rules) > 0 {
		w.t.Fatalf("no counter in chain %s", chain)
	}
	return 0
}

func (w *world) listenUDP(at string) *net.UDPConn {
	w.t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// send sends one datagram in a namespace.
func (w *world) send(ns netns.NsHandle, from, to string) {
	w.t.Helper()
	w.in(ns, func() {
		c := w.listenUDP(from)
		defer func() { _ = c.Close() }()
		if _, err := c.WriteToUDPAddrPort([]byte("hello"), netip.MustParseAddrPort(to)); err != nil {
			w.t.Fatal(err)
		}
	})
}

// arrives says whether a datagram came; it waits until one did, or until the
// counter of the guard's chain says that one was dropped.
func (w *world) arrives(c *net.UDPConn, chain string, before uint64) bool {
	w.t.Helper()
	buf := make([]byte, 100)
	for end := time.Now().Add(patienceLimit); time.Now().Before(end); {
		drop := w.dropped(chain) > before
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			w.t.Fatal(err)
		}
		if _, _, err := c.ReadFromUDPAddrPort(buf); err == nil {
			return true
		}
		if drop {
			return false
		}
	}
	w.t.Fatalf("a datagram neither came to %v nor was it dropped", c.LocalAddr())
	return false
}
