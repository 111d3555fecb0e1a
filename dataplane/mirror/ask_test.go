package mirror

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAskedAgain has nobody answer on a link that comes up: the kernel must be
// made to begin anew, and the entry must still be the kernel's to keep.
func TestAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.ip("route add 10.1.0.0/16 via 10.0.0.2")
	v := w.mirror(t, defaultReceiveBytes)
	v.m.Resolve(0, netip.MustParseAddr("10.0.0.3"))
	used := []string{"10.0.0.2", "10.0.0.3"}
	all := func(s State) bool {
		for _, a := range used {
			if _, ok := macOf(s, 0, a); !ok {
				return false
			}
		}
		return true
	}
	v.until("all next hops", all)
	eventually(t, "both are managed", func() bool {
		for _, a := range used {
			if n, ok := v.neighbour(0, a); !ok || !n.managed {
				return false
			}
		}
		return true
	})
	w.ip("link set p0 down")
	v.until("none", func(s State) bool { return len(s.Neighbours) == 0 && !s.Links["p0"].Up })
	w.inPeer(func() { w.ip("link set q0 arp off") })
	before := v.m.Stats().AskedAgain
	w.ip("link set p0 up")
	w.ip("route add 10.1.0.0/16 via 10.0.0.2")
	eventually(t, "both are asked for again, and again", func() bool { return v.m.Stats().AskedAgain-before >= 4 })
	w.inPeer(func() { w.ip("link set q0 arp on") })
	v.until("all next hops again", all)
	for _, a := range used {
		eventually(t, a+" is managed again", func() bool { n, ok := v.neighbour(0, a); return ok && n.managed })
	}
	if n := v.m.Stats().KeepErrors; n != 0 {
		t.Errorf("%d requests refused", n)
	}
}

// TestWasLost is the schedule without a kernel.
func TestWasLost(t *testing.T) {
	up := time.Unix(1000, 0)
	at := func(ms int) time.Time { return up.Add(time.Duration(ms) * time.Millisecond) }
	h := hop{11, netip.MustParseAddr("10.0.0.1")}
	usable := neighbour{state: unix.NUD_STALE, hasMAC: true}
	for _, row := range []struct {
		name   string
		link   bool
		entry  neighbour
		before int // milliseconds after the link came up that it was asked for again, 0: never
		now    int
		want   bool
	}{
		{"too early", true, neighbour{}, 0, 99, false},
		{"first", true, neighbour{}, 0, 100, true},
		{"second too early", true, neighbour{}, 100, 199, false},
		{"second", true, neighbour{}, 100, 200, true},
		{"third too early", true, neighbour{}, 200, 399, false},
		{"third", true, neighbour{}, 200, 400, true},
		{"waits for an answer", true, neighbour{state: unix.NUD_INCOMPLETE}, 0, 100, true},
		{"answered", true, usable, 0, 100, false},
		{"failed", true, neighbour{state: unix.NUD_FAILED}, 0, 100, false},
		{"permanent without an address", true, neighbour{state: unix.NUD_PERMANENT}, 0, 100, false},
		{"link down", false, neighbour{}, 0, 100, false},
		{"link up for long", true, neighbour{}, 0, 2000, false},
		{"asked before an earlier end of the link", true, neighbour{}, -50, 100, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := &Mirror{}
			m.keeper.init(m, 1)
			k := &m.keeper
			k.index, k.up, k.upSince = []int{11}, []bool{row.link}, []time.Time{up}
			if row.entry != (neighbour{}) {
				k.neigh[h] = row.entry
			}
			if row.before != 0 {
				k.again[h] = at(row.before)
			}
			if got := k.wasLost(h, at(row.now)); got != row.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
