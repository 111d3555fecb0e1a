package mirror

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-net/sluice/dataplane/route"
)

// TestRoutes makes one change after the other; each row's lines must come, and
// must go when its change is taken back.
func TestRoutes(t *testing.T) {
	w := newWorld(t)
	w.ip("link add d0 type veth peer name e0")
	w.ip("link set e0 up")
	w.ip("link set d0 up")
	w.ip("addr add 10.9.0.1/24 dev d0")
	v := w.mirror(t, defaultReceiveBytes)
	for _, row := range []struct {
		name string
		do   []string // ip commands
		undo []string
		want []string // lines, as often as they must be there
		not  []string // lines that must not be there meanwhile
	}{
		{"static", []string{"route add 10.1.0.0/16 via 10.0.0.2"}, []string{"route del 10.1.0.0/16"},
			[]string{"10.1.0.0/16 forward port 0 via 10.0.0.2"}, nil},
		{"default", []string{"route add default via 10.0.1.2"}, []string{"route del default"},
			[]string{"0.0.0.0/0 forward port 1 via 10.0.1.2"}, nil},
		{"two metrics", []string{"route add 10.2.0.0/16 via 10.0.0.2 metric 10", "route add 10.2.0.0/16 via 10.0.1.2 metric 20"},
			[]string{"route del 10.2.0.0/16 metric 10", "route del 10.2.0.0/16 metric 20"},
			[]string{"10.2.0.0/16 forward port 0 via 10.0.0.2 metric 10", "10.2.0.0/16 forward port 1 via 10.0.1.2 metric 20"}, nil},
		{"appended: the first stands", []string{"route add 10.2.0.0/16 via 10.0.0.2", "route append 10.2.0.0/16 via 10.0.1.2"},
			[]string{"route del 10.2.0.0/16", "route del 10.2.0.0/16"},
			[]string{"10.2.0.0/16 forward port 0 via 10.0.0.2"}, []string{"10.2.0.0/16 forward port 1 via 10.0.1.2"}},
		{"mtu", []string{"route add 10.3.0.0/16 via 10.0.0.2 mtu 1400"}, []string{"route del 10.3.0.0/16"},
			[]string{"10.3.0.0/16 forward port 0 via 10.0.0.2 mtu 1400"}, nil},
		{"multipath", []string{"route add 10.4.0.0/16 nexthop via 10.0.0.2 weight 1 nexthop via 10.0.1.2 weight 3"},
			[]string{"route del 10.4.0.0/16"},
			[]string{"10.4.0.0/16 forward port 0 via 10.0.0.2", "10.4.0.0/16 forward port 1 via 10.0.1.2",
				"10.4.0.0/16 forward port 1 via 10.0.1.2", "10.4.0.0/16 forward port 1 via 10.0.1.2"}, nil},
		{"multipath, weights with a common divisor", []string{"route add 10.4.0.0/16 nexthop via 10.0.0.2 weight 100 nexthop via 10.0.1.2 weight 100"},
			[]string{"route del 10.4.0.0/16"},
			[]string{"10.4.0.0/16 forward port 0 via 10.0.0.2", "10.4.0.0/16 forward port 1 via 10.0.1.2"}, nil},
		{"nexthop objects", []string{"nexthop add id 1 via 10.0.0.2 dev p0", "nexthop add id 2 via 10.0.1.2 dev p1",
			"nexthop add id 3 group 1/2", "route add 10.4.0.0/16 nhid 3"},
			[]string{"route del 10.4.0.0/16", "nexthop del id 3", "nexthop del id 2", "nexthop del id 1"},
			[]string{"10.4.0.0/16 forward port 0 via 10.0.0.2", "10.4.0.0/16 forward port 1 via 10.0.1.2"}, nil},
		{"blackhole", []string{"route add blackhole 10.5.0.0/16"}, []string{"route del blackhole 10.5.0.0/16"},
			[]string{"10.5.0.0/16 blackhole"}, nil},
		{"unreachable", []string{"route add unreachable 10.5.0.0/16"}, []string{"route del unreachable 10.5.0.0/16"},
			[]string{"10.5.0.0/16 unreachable"}, nil},
		{"prohibit", []string{"route add prohibit 10.5.0.0/16 metric 5"}, []string{"route del prohibit 10.5.0.0/16 metric 5"},
			[]string{"10.5.0.0/16 prohibit metric 5"}, nil},
		{"device is no port", []string{"route add 10.6.0.0/16 via 10.9.0.2"}, []string{"route del 10.6.0.0/16"},
			[]string{"10.6.0.0/16 forward"}, nil},
		{"IPv4 via IPv6", []string{"route add 10.7.0.0/16 via inet6 2001:db8::2 dev p0"}, []string{"route del 10.7.0.0/16"},
			[]string{"10.7.0.0/16 forward port 0 via 2001:db8::2"}, nil},
		{"table default", []string{"route add 10.8.0.0/16 via 10.0.0.2 table default"}, []string{"route del 10.8.0.0/16 table default"},
			[]string{"10.8.0.0/16 forward port 0 via 10.0.0.2"}, nil},
		{"table default behind a default route", []string{"route add default via 10.0.1.2", "route add 10.8.0.0/16 via 10.0.0.2 table default"},
			[]string{"route del 10.8.0.0/16 table default", "route del default"},
			[]string{"0.0.0.0/0 forward port 1 via 10.0.1.2"}, []string{"10.8.0.0/16 forward port 0 via 10.0.0.2"}},
		{"local network hides main", []string{"route add local 10.10.0.0/16 dev lo table local", "route add 10.10.1.0/24 via 10.0.0.2"},
			[]string{"route del 10.10.1.0/24", "route del local 10.10.0.0/16 dev lo table local"},
			[]string{"10.10.0.0/16 local"}, []string{"10.10.1.0/24 forward port 0 via 10.0.0.2"}},
		{"another table counts for nothing", []string{"route add 10.11.0.0/16 via 10.0.0.2 table 100", "route add 10.12.0.0/16 via 10.0.0.2"},
			[]string{"route del 10.12.0.0/16", "route del 10.11.0.0/16 table 100"},
			[]string{"10.12.0.0/16 forward port 0 via 10.0.0.2"}, []string{"10.11.0.0/16 forward port 0 via 10.0.0.2"}},
		{"type of service", []string{"route add 10.13.0.0/16 tos 8 via 10.0.0.2", "route add 10.14.0.0/16 via 10.0.0.2"},
			[]string{"route del 10.14.0.0/16", "route del 10.13.0.0/16 tos 8"},
			[]string{"10.14.0.0/16 forward port 0 via 10.0.0.2"}, []string{"10.13.0.0/16 forward port 0 via 10.0.0.2"}},
		{"encapsulated", []string{"route add 10.15.0.0/16 encap ip id 1 dst 10.0.0.2 dev p0"}, []string{"route del 10.15.0.0/16"},
			[]string{"10.15.0.0/16 forward"}, nil},
		{"IPv6", []string{"-6 route add 2001:db8:1::/48 via 2001:db8::2"}, []string{"-6 route del 2001:db8:1::/48"},
			[]string{"2001:db8:1::/48 forward port 0 via 2001:db8::2 metric 1024"}, nil},
		{"IPv6 default", []string{"-6 route add default via 2001:db8::2 mtu 1300"}, []string{"-6 route del default"},
			[]string{"::/0 forward port 0 via 2001:db8::2 metric 1024 mtu 1300"}, nil},
		{"IPv6 link-local gateways, two paths",
			[]string{"-6 route add 2001:db8:2::/48 nexthop via fe80::8 dev p0 nexthop via fe80::9 dev p1 weight 2"}, []string{"-6 route del 2001:db8:2::/48"},
			[]string{"2001:db8:2::/48 forward port 0 via fe80::8 metric 1024", "2001:db8:2::/48 forward port 1 via fe80::9 metric 1024",
				"2001:db8:2::/48 forward port 1 via fe80::9 metric 1024"}, nil},
		{"IPv6 blackhole", []string{"-6 route add blackhole 2001:db8:3::/48"}, []string{"-6 route del blackhole 2001:db8:3::/48"},
			[]string{"2001:db8:3::/48 blackhole metric 1024"}, nil},
		{"IPv4-mapped", []string{"-6 route add unreachable ::ffff:0:0/96", "-6 route add blackhole 2001:db8:3::/48"},
			[]string{"-6 route del 2001:db8:3::/48", "-6 route del ::ffff:0:0/96"},
			[]string{"2001:db8:3::/48 blackhole metric 1024"}, []string{"::ffff:0.0.0.0/96 unreachable metric 1024"}},
		{"address", []string{"addr add 10.20.0.1/24 dev p1"}, []string{"addr del 10.20.0.1/24 dev p1"},
			[]string{"10.20.0.0/24 forward port 1", "10.20.0.1/32 local port 1", "10.20.0.255/32 broadcast port 1"}, nil},
		{"address of no port", []string{"addr add 192.0.2.1/32 dev lo"}, []string{"addr del 192.0.2.1/32 dev lo"},
			[]string{"192.0.2.1/32 local"}, nil},
		{"IPv6 address", []string{"-6 addr add 2001:db8:4::1/64 dev p1"}, []string{"-6 addr del 2001:db8:4::1/64 dev p1"},
			[]string{"2001:db8:4::/64 forward port 1 metric 256", "2001:db8:4::1/128 local port 1"}, nil},
	} {
		for _, c := range row.do {
			w.ip("%s", c)
		}
		count := map[string]int{}
		for _, l := range row.want {
			count[l]++
		}
		s := v.until(row.name, func(s State) bool {
			for l, n := range count {
				if has(s, l) != n {
					return false
				}
			}
			return true
		})
		builds(t, row.name, s)
		for _, l := range row.not {
			if has(s, l) != 0 {
				t.Errorf("%s: there is %s", row.name, l)
			}
		}
		for _, c := range row.undo {
			w.ip("%s", c)
		}
		v.until(row.name+" gone", func(s State) bool {
			return !slices.ContainsFunc(row.want, func(l string) bool { return has(s, l) != 0 })
		})
	}

	s := v.state()
	for _, l := range []string{"255.255.255.255/32 broadcast", "127.0.0.0/8 local", "10.9.0.1/32 local", "::1/128 local", "10.9.0.0/24 forward"} {
		if has(s, l) != 1 {
			t.Errorf("%d times %s", has(s, l), l)
		}
	}
	for _, r := range s.Routes {
		if r.Kind == route.Forward && (r.Prefix.Addr().IsLinkLocalUnicast() || r.Prefix.Addr().IsMulticast()) {
			t.Errorf("forwards %v", r)
		}
	}
}

// builds checks that a table can be made of a state. Routes to no port are left
// out: whoever builds the table says what to do with them.
func builds(t *testing.T, name string, s State) {
	t.Helper()
	routes := slices.DeleteFunc(slices.Clone(s.Routes), func(r route.Route) bool {
		return r.Kind == route.Forward && r.Port == route.NoPort
	})
	if _, err := route.Build(routes, s.Neighbours); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func TestRouteChanges(t *testing.T) {
	w := newWorld(t)
	v := w.mirror(t, defaultReceiveBytes)
	w.ip("route add 10.1.0.0/16 via 10.0.0.2")
	v.until("the route", func(s State) bool { return has(s, "10.1.0.0/16 forward port 0 via 10.0.0.2") == 1 })
	w.ip("route replace 10.1.0.0/16 via 10.0.1.2")
	v.until("the other gateway", func(s State) bool {
		return has(s, "10.1.0.0/16 forward port 1 via 10.0.1.2") == 1 && has(s, "10.1.0.0/16 forward port 0 via 10.0.0.2") == 0
	})
	// The kernel says nothing of the routes that go with an interface.
	w.ip("link set p1 down")
	v.until("p1 down", func(s State) bool {
		return has(s, "10.1.0.0/16 forward port 1 via 10.0.1.2") == 0 && !s.Links["p1"].Up && s.Links["p0"].Up
	})
	w.ip("link set p1 up")
	w.ip("route add 10.1.0.0/16 via 10.0.1.2")
	v.until("p1 up", func(s State) bool {
		return has(s, "10.1.0.0/16 forward port 1 via 10.0.1.2") == 1 && s.Links["p1"].Up
	})
}

func TestLinksAndAddresses(t *testing.T) {
	w := newWorld(t)
	v := w.mirror(t, defaultReceiveBytes)
	s := v.until("both up", func(s State) bool { return s.Links["p0"].Up && s.Links["p1"].Up })
	if mac := s.Links["p0"].MAC; mac != [6]byte{2, 0, 0, 0, 0, 1} {
		t.Errorf("MAC of p0 is %x", mac)
	}
	w.ip("link set p0 mtu 1400")
	v.until("MTU", func(s State) bool { return s.Links["p0"].MTU == 1400 })
	w.ip("link set p0 address 02:00:00:00:00:77")
	v.until("MAC", func(s State) bool { return s.Links["p0"].MAC == [6]byte{2, 0, 0, 0, 0, 0x77} })

	w.inPeer(func() { w.ip("link set q0 down") })
	v.until("no carrier", func(s State) bool { return !s.Links["p0"].Up })
	w.inPeer(func() { w.ip("link set q0 up") })
	v.until("carrier", func(s State) bool { return s.Links["p0"].Up })

	w.ip("addr add 10.0.0.9/24 dev p0")
	w.ip("addr add 172.16.0.1/24 dev p0")
	w.ip("-6 addr add 2001:db8:9::1/64 dev p0 preferred_lft 0")
	want := []string{"10.0.0.1/24", "172.16.0.1/24", "10.0.0.9/24", "2001:db8::1/64"}
	v.until("addresses in order", func(s State) bool {
		var got []string
		for _, p := range s.Addrs["p0"] {
			got = append(got, p.String())
		}
		// Then the link-local one and the deprecated one.
		return len(got) == 6 && slices.Equal(got[:4], want) && strings.HasPrefix(got[4], "fe80:") && got[5] == "2001:db8:9::1/64"
	})
	w.ip("addr flush dev p0")
	v.until("no addresses", func(s State) bool { return s.Addrs["p0"] == nil && len(s.Addrs["p1"]) == 2 })

	old := v.state().Links["p1"].Index
	w.ip("link del p1")
	v.until("p1 gone", func(s State) bool { _, there := s.Links["p1"]; return !there && s.Addrs["p1"] == nil })
	w.ip("link add p1 type veth peer name e1")
	w.ip("link set e1 up")
	w.ip("link set p1 up")
	w.ip("addr add 10.0.1.1/24 dev p1")
	v.until("another p1", func(s State) bool {
		l := s.Links["p1"]
		return l.Up && l.Index != 0 && l.Index != old && has(s, "10.0.1.0/24 forward port 1") == 1
	})
}

func TestRead(t *testing.T) {
	w := newWorld(t)
	w.ip("neigh add 10.0.0.7 lladdr 02:00:00:00:00:55 dev p0")
	m, err := New(testPorts, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Read()
	if err != nil {
		t.Fatal(err)
	}
	if has(s, "10.0.0.0/24 forward port 0") != 1 || !slices.Contains(s.Addrs["p1"], netip.MustParsePrefix("10.0.1.1/24")) {
		t.Errorf("routes:\n%s\naddresses %v", strings.Join(routeLines(s), "\n"), s.Addrs)
	}
	if mac, ok := macOf(s, 0, "10.0.0.7"); !ok || mac[5] != 0x55 {
		t.Errorf("neighbours %v", s.Neighbours)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestPolicyRulesAreCounted(t *testing.T) {
	w := newWorld(t)
	v := w.mirror(t, defaultReceiveBytes)
	if n := v.m.Stats().PolicyRules; n != 0 {
		t.Errorf("%d rules in a new namespace", n)
	}
	w.ip("rule add from 10.0.0.0/24 table 100")
	w.ip("rule add fwmark 1 table 100")
	w.ip("-6 rule add iif p0 table 100")
	eventually(t, "three rules", func() bool { return v.m.Stats().PolicyRules == 3 })
}

// TestOverflow loses events: the small buffer has no room for a burst that
// comes while nobody reads, and the last state must come all the same.
func TestOverflow(t *testing.T) {
	w := newWorld(t)
	v := w.mirror(t, 4<<10)
	for round := 0; v.m.Stats().Overflows == 0; round++ {
		if round == 20 {
			t.Fatal("no overflow by 20 bursts of 400 changes")
		}
		w.routeBurst(400, round)
	}
	w.ip("route add 10.99.0.0/16 via 10.0.0.2")
	v.until("what came after the burst", func(s State) bool {
		n := 0
		for _, r := range s.Routes {
			if r.Prefix.Bits() == 30 {
				n++
			}
		}
		return n == 400 && has(s, "10.99.0.0/16 forward port 0 via 10.0.0.2") == 1
	})
}

// TestLostSocket takes the event socket away.
func TestLostSocket(t *testing.T) {
	w := newWorld(t)
	m, err := New(testPorts, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.events.file.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	states := make(chan State, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.Run(ctx, func(s State) error { states <- s; return nil }) // always nil
	}()
	for s := range states { // from another thread, in the right namespace nevertheless
		if s.Links["p0"].Up && has(s, "10.0.0.0/24 forward port 0") == 1 {
			break
		}
	}
	w.ip("route add 10.1.0.0/16 via 10.0.0.2")
	for s := range states {
		if has(s, "10.1.0.0/16 forward port 0 via 10.0.0.2") == 1 {
			break
		}
	}
	cancel()
	<-done
	if n := m.Stats().SocketErrors; n == 0 {
		t.Error("no socket error counted")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// TestApplyFails wants a failed state to be tried again.
func TestApplyFails(t *testing.T) {
	newWorld(t)
	m, err := New(testPorts, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var calls atomic.Int32
	if err := m.Run(ctx, func(State) error {
		if calls.Add(1) < 3 {
			return errors.New("not now")
		}
		cancel()
		return nil
	}); err != nil {
		t.Error(err)
	}
	if s := m.Stats(); s.ApplyErrors != 2 || s.Applied != 1 {
		t.Errorf("%+v", s)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, ports := range [][]string{{"a", "a"}, {""}, make([]string, 1<<16)} {
		if m, err := New(ports, nil); err == nil {
			t.Errorf("%d ports taken", len(ports))
			_ = m.Close()
		}
	}
}

// routeBurst replaces n routes as fast as one process can; the same n for
// every round, so that the table does not grow.
func (w *world) routeBurst(n, round int) {
	w.t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "route replace 10.64.%d.%d/30 via 10.0.0.%d\n", i>>6, i<<2&0xff, 2+round%2)
	}
	w.ipLines(b.String())
}
