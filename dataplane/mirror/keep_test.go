package mirror

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

func peerMAC(last byte) [6]byte { return [6]byte{2, 0, 0, 0, 1, last} }

// shortAges makes the kernel doubt a neighbour on p0 after a fraction of a second.
func (w *world) shortAges() {
	w.t.Helper()
	for _, family := range []string{"ipv4", "ipv6"} {
		dir := "net/" + family + "/neigh/p0/"
		w.sysctl(dir+"base_reachable_time_ms", "200")
		w.sysctl(dir+"delay_first_probe_time", "0")
		w.sysctl(dir+"retrans_time_ms", "50")
		w.sysctl(dir+"interval_probe_time_ms", "100")
	}
}

func TestNeighbours(t *testing.T) {
	w := newWorld(t)
	v := w.mirror(t, defaultReceiveBytes)

	w.ip("neigh add 10.0.0.50 lladdr 02:00:00:00:00:aa dev p0")
	v.until("a permanent neighbour", func(s State) bool { m, ok := macOf(s, 0, "10.0.0.50"); return ok && m[5] == 0xaa })
	w.ip("neigh replace 10.0.0.50 lladdr 02:00:00:00:00:bb dev p0 nud stale")
	v.until("its other MAC", func(s State) bool { m, ok := macOf(s, 0, "10.0.0.50"); return ok && m[5] == 0xbb })
	w.ip("neigh replace 10.0.0.50 dev p0 nud failed")
	v.until("it failed", func(s State) bool { _, ok := macOf(s, 0, "10.0.0.50"); return !ok })
	w.ip("neigh add 2001:db8::50 lladdr 02:00:00:00:00:cc dev p0")
	v.until("an IPv6 neighbour", func(s State) bool { m, ok := macOf(s, 0, "2001:db8::50"); return ok && m[5] == 0xcc })
	w.ip("neigh del 2001:db8::50 dev p0")
	v.until("it is gone", func(s State) bool { _, ok := macOf(s, 0, "2001:db8::50"); return !ok })

	// Not on a port, not a neighbour.
	w.ip("link add d0 type veth peer name e0")
	w.ip("link set d0 up")
	w.ip("neigh add 10.0.0.51 lladdr 02:00:00:00:00:dd dev d0")
	w.ip("neigh add proxy 10.0.0.52 dev p0")
	w.ip("neigh add 10.0.0.53 lladdr 02:00:00:00:00:ee dev p1")
	s := v.until("the one on p1", func(s State) bool { _, ok := macOf(s, 1, "10.0.0.53"); return ok })
	for _, n := range s.Neighbours {
		if n.Addr == netip.MustParseAddr("10.0.0.51") || n.Addr == netip.MustParseAddr("10.0.0.52") {
			t.Errorf("neighbour %v", n)
		}
	}
}

func TestResolve(t *testing.T) {
	w := newWorld(t)
	v := w.mirror(t, defaultReceiveBytes)
	for _, addr := range []string{"10.0.0.2", "2001:db8::2"} {
		v.m.Resolve(0, netip.MustParseAddr(addr))
		v.until(addr, func(s State) bool { m, ok := macOf(s, 0, addr); return ok && m == peerMAC(1) })
	}
	// Nobody has it: it must be forgotten, not asked for again and again.
	v.m.Resolve(0, netip.MustParseAddr("10.0.0.200"))
	eventually(t, "an entry for it", func() bool { _, ok := v.neighbour(0, "10.0.0.200"); return ok })
	v.m.keeper.mu.Lock()
	h := hop{v.m.keeper.index[0], netip.MustParseAddr("10.0.0.200")}
	v.m.keeper.mu.Unlock()
	eventually(t, "it is forgotten", func() bool {
		v.m.keeper.mu.Lock()
		defer v.m.keeper.mu.Unlock()
		_, pending := v.m.keeper.pending[h]
		_, kept := v.m.keeper.kept[h]
		return !pending && !kept
	})
	if n, _ := v.neighbour(0, "10.0.0.200"); n.managed {
		t.Error("it is kept alive")
	}

	dropped := v.m.Stats().AskedDropped
	v.m.Resolve(7, netip.MustParseAddr("10.0.0.2"))
	v.m.Resolve(0, netip.Addr{})
	v.m.Resolve(0, netip.MustParseAddr("224.0.0.1"))
	if n := v.m.Stats().AskedDropped - dropped; n != 3 {
		t.Errorf("%d of 3 calls without sense counted", n)
	}
}

// neighbour looks at the model.
func (v *view) neighbour(port int, addr string) (neighbour, bool) {
	k := &v.m.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	n, ok := k.neigh[hop{k.index[port], netip.MustParseAddr(addr)}]
	return n, ok
}

// TestKeepAlive lets entries age in a fraction of a second. The other end then
// changes its link address without a word, which only somebody finds who goes
// on asking.
func TestKeepAlive(t *testing.T) {
	for _, row := range []struct {
		name    string
		managed int8
	}{{"kernel", 0}, {"requests", -1}} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.shortAges()
			w.ip("route add 10.1.0.0/16 via 10.0.0.2")
			w.ip("-6 route add 2001:db8:1::/48 via 2001:db8::2")
			v := w.mirrorWith(t, defaultReceiveBytes, func(m *Mirror) { m.keeper.managed = row.managed })
			v.m.Resolve(0, netip.MustParseAddr("10.0.0.3"))
			used := []string{"10.0.0.2", "2001:db8::2", "10.0.0.3"}
			all := func(mac [6]byte) func(State) bool {
				return func(s State) bool {
					for _, a := range used {
						m, ok := macOf(s, 0, a)
						if !ok { // a packet waits
							v.m.Resolve(0, netip.MustParseAddr(a))
						}
						if !ok || m != mac {
							return false
						}
					}
					return true
				}
			}
			v.until("all next hops", all(peerMAC(1)))
			// Kept means confirmed again and again.
			for range 2 {
				for _, reachable := range []bool{false, true} {
					for _, a := range used {
						eventually(t, fmt.Sprintf("%s reachable %v", a, reachable), func() bool {
							n, ok := v.neighbour(0, a)
							return ok && (n.state&unix.NUD_REACHABLE != 0) == reachable
						})
					}
				}
				if !all(peerMAC(1))(v.state()) {
					t.Errorf("a next hop is gone from the state: %v", v.state().Neighbours)
				}
			}
			w.inPeer(func() { w.ip("link set q0 address 02:00:00:00:01:77") })
			v.until("the new link address", all(peerMAC(0x77)))

			w.ip("neigh flush dev p0")
			v.until("all again after a flush", all(peerMAC(0x77)))
			w.ip("link set p0 down")
			v.until("none", func(s State) bool { return len(s.Neighbours) == 0 })
			w.ip("link set p0 up")
			w.ip("-6 addr add 2001:db8::1/64 dev p0") // went with the interface
			w.ip("-6 route add 2001:db8:1::/48 via 2001:db8::2")
			w.ip("route add 10.1.0.0/16 via 10.0.0.2")
			v.until("all again on a new link", all(peerMAC(0x77)))

			if got := v.m.Stats().Managed; got != (row.managed == 0) {
				t.Errorf("managed by the kernel: %v", got)
			}
			v.stop()
			for h, n := range readAll(t, v.m) {
				if n.managed {
					t.Errorf("%v is still managed after the end", h.addr)
				}
			}
		})
	}
}

func readAll(t *testing.T, m *Mirror) map[hop]neighbour {
	t.Helper()
	if _, err := m.Read(); err != nil {
		t.Fatal(err)
	}
	return m.keeper.neigh
}

// TestGatewayLeaves wants a gateway that no route names any more to be let go.
func TestGatewayLeaves(t *testing.T) {
	w := newWorld(t)
	w.ip("route add 10.1.0.0/16 via 10.0.0.2")
	v := w.mirror(t, defaultReceiveBytes)
	eventually(t, "the gateway is managed", func() bool { n, _ := v.neighbour(0, "10.0.0.2"); return n.managed })
	w.ip("route replace 10.1.0.0/16 via 10.0.0.3")
	eventually(t, "the new one is, the old one is not", func() bool {
		o, _ := v.neighbour(0, "10.0.0.2")
		n, _ := v.neighbour(0, "10.0.0.3")
		return n.managed && !o.managed
	})
}

// TestPermanentStays: a request of ours would make a permanent entry an empty one.
func TestPermanentStays(t *testing.T) {
	w := newWorld(t)
	w.ip("route add 10.1.0.0/16 via 10.0.0.60")
	w.ip("neigh add 10.0.0.60 lladdr 02:00:00:00:00:60 dev p0")
	w.ip("route add 10.2.0.0/16 via 10.0.0.2")
	v := w.mirror(t, defaultReceiveBytes)
	v.m.Resolve(0, netip.MustParseAddr("10.0.0.60"))
	eventually(t, "the other gateway is managed", func() bool { n, _ := v.neighbour(0, "10.0.0.2"); return n.managed })
	v.stop()
	if n := readAll(t, v.m)[hop{v.state().Links["p0"].Index, netip.MustParseAddr("10.0.0.60")}]; n.state != unix.NUD_PERMANENT || !n.hasMAC {
		t.Errorf("the entry became %+v", n)
	}
}

// TestAsk is the bookkeeping without a kernel.
func TestAsk(t *testing.T) {
	m := &Mirror{}
	m.keeper.init(m, 2)
	k := &m.keeper
	k.index, k.up = []int{11, 12}, []bool{true, false}
	now := time.Unix(1000, 0)
	addr := func(i int) netip.Addr {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], 0x0a000000+uint32(i))
		return netip.AddrFrom4(b)
	}
	if !k.ask(0, addr(1), now) {
		t.Error("the first call is refused")
	}
	k.queue[0], k.pending[hop{11, addr(1)}].queued = hop{}, false
	if k.ask(0, addr(1), now.Add(askPause/2)) {
		t.Error("a call within the pause counts")
	}
	if !k.ask(0, addr(1), now.Add(askPause)) {
		t.Error("a call after the pause is refused")
	}
	if k.ask(1, addr(1), now) {
		t.Error("a port that is down is asked on")
	}
	for i := range 2 * maxPending {
		k.ask(0, addr(i), now)
	}
	if len(k.pending) != maxPending || len(k.queue) > maxPending+1 {
		t.Errorf("%d pending, %d queued", len(k.pending), len(k.queue))
	}
	for h, p := range k.pending {
		k.neigh[h] = neighbour{state: unix.NUD_FAILED}
		p.queued = false
	}
	k.plan(now.Add(3 * askPause))
	if len(k.pending) != 0 {
		t.Errorf("%d failed ones are still pending", len(k.pending))
	}

	// What is kept is bounded, and ends when nobody asks any more.
	for i := range maxKept + maxPending {
		k.ask(0, addr(i), now)
		k.neigh[hop{11, addr(i)}] = neighbour{state: unix.NUD_REACHABLE, hasMAC: true, managed: true}
		if i%maxPending == maxPending-1 {
			k.plan(now)
		}
	}
	if len(k.kept) != maxKept || len(k.pending) != 0 {
		t.Errorf("%d kept, %d pending", len(k.kept), len(k.pending))
	}
	k.ask(0, addr(3), now.Add(keepFor))
	k.plan(now.Add(keepFor + time.Second))
	if _, ok := k.kept[hop{11, addr(3)}]; !ok || len(k.kept) != 1 {
		t.Errorf("%d kept after a while without calls", len(k.kept))
	}
}

// TestDecodeTruncated cuts messages anywhere: no panic, no nonsense taken.
func TestDecodeTruncated(t *testing.T) {
	attr := func(kind int, v []byte) []byte { return nl.NewRtAttr(kind, v).Serialize() }
	route := make([]byte, unix.SizeofRtMsg)
	route[0], route[1], route[4], route[7] = unix.AF_INET, 16, unix.RT_TABLE_MAIN, unix.RTN_UNICAST
	path := append([]byte{16, 0, 0, 2, 5, 0, 0, 0}, attr(unix.RTA_GATEWAY, []byte{10, 0, 0, 2})...)
	route = append(route, attr(unix.RTA_DST, []byte{10, 1, 0, 0})...)
	route = append(route, attr(unix.RTA_MULTIPATH, append(path, path...))...)
	r, ok := decodeRoute(route)
	if !ok || len(r.hops) != 2 || r.hops[1] != (nextHop{index: 5, gateway: netip.MustParseAddr("10.0.0.2"), weight: 3}) {
		t.Fatalf("decoded %+v, %v", r, ok)
	}
	for n := range route {
		if r, ok := decodeRoute(route[:n]); ok && len(r.hops) == 0 {
			t.Errorf("%d bytes make a route without a path", n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(make([]byte, 40))
	f.Add(append(make([]byte, 12), 5, 0, 1, 0, 9, 9, 9, 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := decodeRoute(b); ok && (len(r.hops) == 0 || !r.prefix.IsValid()) {
			t.Errorf("route %+v", r)
		}
		if a, ok := decodeAddress(b); ok && !a.prefix.IsValid() {
			t.Errorf("address %+v", a)
		}
		if h, _, ok := decodeNeighbour(b); ok && !h.addr.IsValid() {
			t.Errorf("neighbour %+v", h)
		}
		if name, _, ok := decodeLink(b); ok && name == "" {
			t.Error("link without a name")
		}
		decodeRule(b)
	})
}
