package iptables

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// from is a packet without payload of a source.
func from(src string, ttl uint8) *packet.Packet {
	a := netip.MustParseAddr(src)
	p := &packet.Packet{Family: flowtable.FamilyIPv4, OutPort: packet.NoPort, Data: make([]byte, 60), End: 60}
	if p.Data[8] = ttl; a.Is6() {
		p.Family, p.Data[7] = flowtable.FamilyIPv6, ttl
		copy(p.Data[8:], a.AsSlice())
	} else {
		copy(p.Data[12:], a.AsSlice())
	}
	return p
}

// recentRules are the matches of a tree, in order.
func recentRules(tree *nft.Ruleset) (all []*recentMatch) {
	for _, t := range tree.Tables {
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				for _, st := range r.Stmts {
					if x, ok := st.(*nft.Extension); ok {
						all = append(all, x.Impl.(*recentMatch))
					}
				}
			}
		}
	}
	return all
}

func printed(t *testing.T, tree *nft.Ruleset, name string) string {
	t.Helper()
	var out strings.Builder
	if err := PrintRecent(&out, tree, name); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestRecentListsOutliveRules: a list goes on while rules in force name it, in
// both families, and begins anew when a rule wants more of it than it has room for.
func TestRecentListsOutliveRules(t *testing.T) {
	put := func(tree *nft.Ruleset, family Family, lines string) (*nft.Ruleset, *Script) {
		t.Helper()
		old, _ := FromTree(tree, family, nil)
		rs, err := Restore(old, family, "dump", []byte("*filter\n"+lines+"COMMIT\n"), RestoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Lower(rs, rs.Changed(old), tree, Given{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.Run(tree)
		if err != nil {
			t.Fatal(err)
		}
		return out.Rules, s
	}
	hit := func(tree *nft.Ruleset, rule int, p *packet.Packet, nanos int64) bool {
		return recentRules(tree)[rule].Run(p, &rules.Env{Nanos: nanos}) == rules.ActContinue
	}
	tree, _ := put(&nft.Ruleset{}, IPv4, "-A INPUT -m recent --set --name l\n-A INPUT -m recent --rcheck --name other --mask 255.0.0.0\n")
	hit(tree, 0, from("10.0.0.1", 64), 5e6)
	hit(tree, 0, from("10.0.0.2", 64), 6e6)
	hit(tree, 0, from("10.0.0.1", 63), 7e6)
	want := "src=10.0.0.2 ttl: 64 last_seen: 6 oldest_pkt: 1 6\nsrc=10.0.0.1 ttl: 63 last_seen: 7 oldest_pkt: 2 5, 7\n"
	if got := printed(t, tree, "l"); got != want {
		t.Errorf("list\n%s want\n%s", got, want)
	}
	if names := fmt.Sprint(RecentNames(tree)); names != "[l other]" {
		t.Errorf("lists %s", names)
	}
	tree, _ = put(tree, IPv4, "-A FORWARD -m recent --rcheck --hitcount 2 --name l\n")
	if !hit(tree, 0, from("10.0.0.1", 64), 8e6) || hit(tree, 0, from("10.0.0.2", 64), 8e6) {
		t.Error("a list was not kept over a change of rules")
	}
	if names := fmt.Sprint(RecentNames(tree)); names != "[l]" {
		t.Errorf("lists %s: one that no rule names is there", names)
	}
	tree, _ = put(tree, IPv6, "-A FORWARD -m recent --set --name l\n-A FORWARD -m recent --rcheck --name l\n")
	hit(tree, 1, from("2001:db8::1", 9), 9e6)
	want += "src=2001:0db8:0000:0000:0000:0000:0000:0001 ttl: 9 last_seen: 9 oldest_pkt: 1 9\n"
	if got := printed(t, tree, "l"); got != want {
		t.Errorf("list of both families\n%s want\n%s", got, want)
	}
	next, s := put(tree, IPv6, "-A FORWARD -m recent --rcheck --hitcount 40 --name l\n")
	if got := printed(t, tree, "l"); got != want {
		t.Errorf("rules that are not in force have changed the list to\n%s", got)
	}
	s.InForce()
	if got := printed(t, next, "l"); got != "" {
		t.Errorf("a list with room for more begins with\n%s", got)
	}
	for i := range 40 {
		if hit(next, 1, from("2001:db8::2", 9), 1e9) {
			t.Fatalf("hit after %d stamps", i)
		}
		if err := EditRecent(next, "l", "+2001:db8::2", 1e9); err != nil {
			t.Fatal(err)
		}
	}
	if !hit(next, 1, from("2001:db8::2", 9), 1e9) {
		t.Error("40 stamps are no 40 hits")
	}
}

func TestRecentListsAreEdited(t *testing.T) {
	tree, _, err := load(&nft.Ruleset{}, IPv4, "*filter\n-A INPUT -m recent --rcheck --name l\nCOMMIT\n", RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ text, want string }{
		{"+10.0.0.1", "src=10.0.0.1 ttl: 0 last_seen: 1 oldest_pkt: 1 1\n"},
		{"+10.0.0.1", "src=10.0.0.1 ttl: 0 last_seen: 1 oldest_pkt: 2 1, 1\n"},
		{"-10.0.0.2", "src=10.0.0.1 ttl: 0 last_seen: 1 oldest_pkt: 2 1, 1\n"},
		{"-10.0.0.1", ""},
		{"+::1", "src=0000:0000:0000:0000:0000:0000:0000:0001 ttl: 0 last_seen: 1 oldest_pkt: 1 1\n"},
		{"/", ""},
	} {
		if err := EditRecent(tree, "l", row.text, 1e6); err != nil {
			t.Errorf("%s: %v", row.text, err)
		}
		if got := printed(t, tree, "l"); got != row.want {
			t.Errorf("%s: %q, want %q", row.text, got, row.want)
		}
	}
	for _, text := range []string{"", "+", "10.0.0.1", "+10.0.0.0/8", "*10.0.0.1", "+fe80::1%eth0"} {
		if EditRecent(tree, "l", text, 1) == nil {
			t.Errorf("%q was taken", text)
		}
	}
	if EditRecent(tree, "none", "/", 1) == nil {
		t.Error("a list that is not there was emptied")
	}
}

// TestRecentIsOneListForAllWorkers: workers that use a list together leave it in one
// piece, and each packet has left a stamp.
func TestRecentIsOneListForAllWorkers(t *testing.T) {
	tree, _, err := load(&nft.Ruleset{}, IPv4, "*filter\n-A INPUT -m recent --set --name l\n-A INPUT -m recent --update --hitcount 1024 --name l\n-A INPUT -m recent --remove --name l\nCOMMIT\n", RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	all := recentRules(tree)
	var workers sync.WaitGroup
	var seen atomic.Int32
	for w := range 4 {
		workers.Go(func() {
			for i := range 250 {
				if all[0].Run(from("10.0.0.1", 64), &rules.Env{Nanos: int64(1 + i)}) != rules.ActDrop { // no holder stood still for too long
					seen.Add(1)
				}
				other := from(fmt.Sprintf("10.1.%d.%d", w, i%100), 64)
				all[0].Run(other, &rules.Env{Nanos: int64(1 + i)})
				if i%3 == 0 {
					all[2].Run(other, &rules.Env{Nanos: int64(1 + i)})
				}
			}
		})
	}
	workers.Wait()
	m := all[0].list.memory.Load()
	k := all[0].list.key(&[16]byte{10, 0, 0, 1}, flowtable.FamilyIPv4)
	if n := m.find(&k, 0); n == 0 || int32(m.entry[n].used) != seen.Load() || seen.Load() < 500 {
		t.Errorf("an address seen %d times has number %d and %d stamps", seen.Load(), n, m.entry[n].used)
	}
	ring := 0
	for n := m.entry[0].newer; n != 0; n = m.entry[n].newer {
		ring++
	}
	chained := 0
	for _, n := range m.bucket {
		for ; n != 0; n = m.entry[n].next {
			chained++
		}
	}
	if ring != int(m.count) || chained != ring || m.count > recentAddrs {
		t.Errorf("%d entries, %d in the ring, %d in buckets", m.count, ring, chained)
	}
	p, env := from("10.0.0.1", 64), &rules.Env{Nanos: 5000}
	if n := testing.AllocsPerRun(100, func() { all[0].Run(p, env); all[1].Run(p, env) }); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
