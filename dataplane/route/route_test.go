package route

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/perf/offheap"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func ip(s string) netip.Addr    { return netip.MustParseAddr(s) }

func build(t testing.TB, routes []Route, neigh []Neighbour) *Table {
	t.Helper()
	table, err := Build(routes, neigh)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestLookup(t *testing.T) {
	table := build(t, []Route{
		{Prefix: pfx("0.0.0.0/0"), Gateway: ip("192.0.2.1"), Port: 1},
		{Prefix: pfx("192.0.2.0/24"), Port: 1},
		{Prefix: pfx("192.0.2.7/32"), Kind: Local, Port: 1},
		{Prefix: pfx("192.0.2.255/32"), Kind: Broadcast, Port: 1},
		{Prefix: pfx("255.255.255.255/32"), Kind: Broadcast},
		{Prefix: pfx("10.0.0.0/8"), Kind: Unreachable},
		{Prefix: pfx("10.1.0.0/16"), Kind: Blackhole},
		{Prefix: pfx("10.1.2.3/17"), Kind: Prohibit}, // host bits count for nothing
		{Prefix: pfx("10.1.2.0/24"), Gateway: ip("fe80::1"), Port: 2, MTU: 1400},
		{Prefix: pfx("10.1.2.128/31"), Port: 3},
		{Prefix: pfx("172.16.0.0/12"), Port: 4, Metric: 20},
		{Prefix: pfx("172.16.0.0/12"), Port: 5, Metric: 10},
		{Prefix: pfx("172.16.0.0/12"), Port: 6, Metric: 30},
		{Prefix: pfx("198.51.100.1/32"), Port: 4},
		{Prefix: pfx("198.51.100.1/32"), Kind: Local, Port: 5, Metric: 99},
		{Prefix: pfx("2001:db8::/32"), Gateway: ip("fe80::2"), Port: 2},
		{Prefix: pfx("2001:db8:0:1::/64"), Port: 3},
		{Prefix: pfx("2001:db8:0:1::5/128"), Kind: Local, Port: 3},
		{Prefix: pfx("2001:db8:0:1:8000::/65"), Port: 4},
		{Prefix: pfx("2001:db8:0:1::fffe/127"), Port: 5},
	}, nil)
	for _, tc := range []struct {
		name    string
		dst     string
		kind    Kind
		port    uint16
		gateway string
		mtu     uint32
	}{
		{"default", "8.8.8.8", Forward, 1, "192.0.2.1", 0},
		{"lowest address", "0.0.0.0", Forward, 1, "192.0.2.1", 0},
		{"link", "192.0.2.8", Forward, 1, "", 0},
		{"own address", "192.0.2.7", Local, 1, "", 0},
		{"directed broadcast", "192.0.2.255", Broadcast, 1, "", 0},
		{"limited broadcast", "255.255.255.255", Broadcast, 0, "", 0},
		{"below it", "255.255.255.254", Forward, 1, "192.0.2.1", 0},
		{"unreachable", "10.0.0.1", Unreachable, NoPort, "", 0},
		{"blackhole", "10.1.128.1", Blackhole, NoPort, "", 0},
		{"prohibit", "10.1.127.255", Prohibit, NoPort, "", 0},
		{"IPv6 gateway", "10.1.2.3", Forward, 2, "fe80::1", 1400},
		{"31 bits, first", "10.1.2.128", Forward, 3, "", 0},
		{"31 bits, second", "10.1.2.129", Forward, 3, "", 0},
		{"31 bits, behind", "10.1.2.130", Forward, 2, "fe80::1", 1400},
		{"lowest metric", "172.31.255.255", Forward, 5, "", 0},
		{"local before metric", "198.51.100.1", Local, 5, "", 0},
		{"v6 gateway", "2001:db8:ffff::1", Forward, 2, "fe80::2", 0},
		{"v6 link", "2001:db8:0:1::6", Forward, 3, "", 0},
		{"v6 own address", "2001:db8:0:1::5", Local, 3, "", 0},
		{"v6 65 bits", "2001:db8:0:1:8000::5", Forward, 4, "", 0},
		{"v6 127 bits", "2001:db8:0:1::ffff", Forward, 5, "", 0},
		{"v6 no route", "2001:db9::1", NoRoute, NoPort, "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dst, family := Addr(ip(tc.dst))
			h := table.Lookup(family, &dst, 12345)
			if h.Kind != tc.kind || h.Port != tc.port || h.MTU != tc.mtu {
				t.Errorf("%v port %d mtu %d, want %v port %d mtu %d", h.Kind, h.Port, h.MTU, tc.kind, tc.port, tc.mtu)
			}
			if h.HasGateway != (tc.gateway != "") {
				t.Fatalf("has a gateway: %v", h.HasGateway)
			}
			if h.HasGateway {
				want, family := Addr(ip(tc.gateway))
				if h.Gateway != want || h.GatewayFamily != family {
					t.Errorf("gateway % x of family %d", h.Gateway, h.GatewayFamily)
				}
			}
		})
	}
	var zero [16]byte
	if h := table.Lookup(7, &zero, 0); h.Kind != NoRoute {
		t.Errorf("family 7: %v", h.Kind)
	}
}

func TestBuildErrors(t *testing.T) {
	for _, tc := range []struct {
		name   string
		routes []Route
		neigh  []Neighbour
		err    string
	}{
		{"no prefix", []Route{{Port: 1}}, nil, "invalid prefix"},
		{"mapped prefix", []Route{{Prefix: netip.PrefixFrom(ip("::ffff:10.0.0.0"), 104)}}, nil, "IPv4-mapped"},
		{"v4 gateway for v6", []Route{{Prefix: pfx("2001:db8::/32"), Gateway: ip("10.0.0.1")}}, nil, "cannot have an IPv4 gateway"},
		{"gateway of blackhole", []Route{{Prefix: pfx("10.0.0.0/8"), Gateway: ip("10.0.0.1"), Kind: Blackhole}}, nil, "makes no sense"},
		{"kind", []Route{{Prefix: pfx("10.0.0.0/8"), Kind: NoRoute}}, nil, "no route is not a kind of route"},
		{"two kinds", []Route{{Prefix: pfx("10.0.0.0/8"), Port: 1}, {Prefix: pfx("10.0.0.0/8"), Kind: Blackhole}}, nil, "one forward and one blackhole"},
		{"neighbour", nil, []Neighbour{{Port: 3}}, "neighbour 000000000000 on port 3: no address"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := offheap.InUse()
			_, err := Build(tc.routes, tc.neigh)
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error is %v, want %q in it", err, tc.err)
			}
			if after := offheap.InUse(); after != before {
				t.Errorf("%d bytes left allocated", after-before)
			}
		})
	}
}

// TestMultipath checks that all paths are used about equally, one that is there
// twice twice as much, that a hash always takes the same one, that the order of
// routes does not matter, and that equal sets of paths are stored once.
func TestMultipath(t *testing.T) {
	routes := []Route{
		{Prefix: pfx("0.0.0.0/0"), Gateway: ip("192.0.2.1"), Port: 1},
		{Prefix: pfx("0.0.0.0/0"), Gateway: ip("192.0.2.2"), Port: 1},
		{Prefix: pfx("0.0.0.0/0"), Gateway: ip("192.0.2.3"), Port: 2},
		{Prefix: pfx("0.0.0.0/0"), Gateway: ip("192.0.2.3"), Port: 2},
		{Prefix: pfx("0.0.0.0/0"), Gateway: ip("192.0.2.4"), Port: 2, Metric: 1},
		{Prefix: pfx("10.0.0.0/8"), Gateway: ip("192.0.2.3"), Port: 2},
		{Prefix: pfx("10.0.0.0/8"), Gateway: ip("192.0.2.3"), Port: 2},
		{Prefix: pfx("10.0.0.0/8"), Gateway: ip("192.0.2.2"), Port: 1},
		{Prefix: pfx("10.0.0.0/8"), Gateway: ip("192.0.2.1"), Port: 1},
	}
	a := build(t, routes, nil)
	turned := make([]Route, len(routes))
	for i := range routes {
		turned[len(routes)-1-i] = routes[i]
	}
	b := build(t, turned, nil)
	if len(a.hops) != 5 {
		t.Errorf("%d hops are stored, want no route and four paths", len(a.hops))
	}
	count := map[[16]byte]int{}
	const flows = 30000
	for i := range uint64(flows) {
		hash := i * 0x9e3779b97f4a7c15
		for _, s := range []string{"8.8.8.8", "10.2.3.4"} {
			dst, family := Addr(ip(s))
			x, y := a.Lookup(family, &dst, hash), b.Lookup(family, &dst, hash)
			if x.Gateway != y.Gateway || x.Port != y.Port {
				t.Fatalf("hash %#x: % x and % x", hash, x.Gateway, y.Gateway)
			}
			count[x.Gateway]++
		}
	}
	if len(count) != 3 {
		t.Fatalf("%d paths in use, want 3", len(count))
	}
	for g, n := range count {
		want := 2 * flows / 4
		if g[3] == 3 {
			want *= 2
		}
		if n < want*9/10 || n > want*11/10 {
			t.Errorf("path % x takes %d of %d, want about %d", g[:4], n, 2*flows, want)
		}
	}
}

func TestNeighbours(t *testing.T) {
	var list []Neighbour
	for i := range 500 {
		n := Neighbour{Port: uint16(i % 3), MAC: [6]byte{2, 0, 0, 0, byte(i >> 8), byte(i)}}
		n.Addr = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		if i%2 == 1 {
			n.Addr = netip.AddrFrom16([16]byte{0xfe, 0x80, 14: byte(i >> 8), 15: byte(i)})
		}
		list = append(list, n)
	}
	list = append(list, Neighbour{Port: 0, Addr: ip("::ffff:10.0.0.0"), MAC: [6]byte{9}}) // replaces number 0
	table := build(t, []Route{
		{Prefix: pfx("10.0.0.0/24"), Port: 2},
		{Prefix: pfx("0.0.0.0/0"), Gateway: ip("fe80::1"), Port: 1},
	}, list)
	list[0].MAC = [6]byte{9}
	for i, n := range list[:500] {
		addr, family := Addr(n.Addr)
		mac := table.Neighbour(family, n.Port, &addr)
		if mac == nil || *mac != n.MAC {
			t.Fatalf("neighbour %d: %v, want %v", i, mac, n.MAC)
		}
		if mac := table.Neighbour(family, n.Port+3, &addr); mac != nil {
			t.Fatalf("neighbour %d is on another port too", i)
		}
		if mac := table.Neighbour(12-family, n.Port, &addr); mac != nil {
			t.Fatalf("neighbour %d is of another family too", i)
		}
	}
	for _, tc := range []struct {
		name string
		dst  string
		want *[6]byte
	}{
		{"itself", "10.0.0.8", &list[8].MAC},
		{"unknown", "10.0.0.9", nil},
		{"by gateway", "8.8.8.8", &list[1].MAC},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dst, family := Addr(ip(tc.dst))
			mac := table.NextHop(table.Lookup(family, &dst, 0), family, &dst)
			if (mac == nil) != (tc.want == nil) || (mac != nil && *mac != *tc.want) {
				t.Errorf("%v, want %v", mac, tc.want)
			}
		})
	}
}

// TestCopy checks that a copy has its own memory and the same answers, that the next
// one gets the memory of one that was freed, and that the shelf gives everything back.
func TestCopy(t *testing.T) {
	before := offheap.InUse()
	var shelf Shelf
	routes := []Route{{Prefix: pfx("10.0.0.0/8"), Port: 1}, {Prefix: pfx("10.1.2.3/32"), Port: 2}}
	copied := func(more ...Route) *Table {
		b, err := build(t, append(routes, more...), []Neighbour{{Port: 2, Addr: ip("10.1.2.3"), MAC: [6]byte{1}}}).Copy(&shelf)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	ask := func(b *Table, want map[string]uint16) {
		t.Helper()
		for dst, port := range want {
			addr, family := Addr(ip(dst))
			if h := b.Lookup(family, &addr, 0); h.Port != port {
				t.Errorf("%s: port %d, want %d", dst, h.Port, port)
			}
		}
		addr, family := Addr(ip("10.1.2.3"))
		if mac := b.Neighbour(family, 2, &addr); mac == nil || mac[0] != 1 {
			t.Errorf("neighbour is %v", mac)
		}
	}
	a, b := copied(), copied(Route{Prefix: pfx("10.1.2.4/32"), Port: 3})
	used := offheap.InUse()
	if used-before < int64(a.Bytes()+b.Bytes()) {
		t.Errorf("%d bytes in use, Bytes says %d and %d", used-before, a.Bytes(), b.Bytes())
	}
	a.Free()
	ask(b, map[string]uint16{"10.1.2.3": 2, "10.1.2.4": 3, "10.1.2.5": 1})
	a = copied(Route{Prefix: pfx("10.1.2.5/32"), Port: 4})
	ask(a, map[string]uint16{"10.1.2.3": 2, "10.1.2.4": 1, "10.1.2.5": 4})
	ask(b, map[string]uint16{"10.1.2.3": 2, "10.1.2.4": 3, "10.1.2.5": 1})
	if now := offheap.InUse(); now != used {
		t.Errorf("%d bytes in use, before %d: the third copy has not the first one's memory", now, used)
	}
	a.Free()
	b.Free()
	if err := shelf.Clear(); err != nil || offheap.InUse() != before {
		t.Errorf("%v, %d bytes left allocated", err, offheap.InUse()-before)
	}
}
