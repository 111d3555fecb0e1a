package afxdp

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// TestPromiscuous: for a wire the interface takes frames for any address, and
// only as long as the port is open.
func TestPromiscuous(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	promiscuity := func() (count int) {
		n.set("a1", func(l netlink.Link) error { count = l.Attrs().Promisc; return nil })
		return count
	}
	for _, all := range []bool{false, true} {
		opt := testOptions(1)
		opt.AllFrames = all
		p, err := OpenInterface("a1", opt)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := promiscuity() > 0, all; got != want {
			t.Errorf("all frames %v: promiscuous %v", all, got)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if promiscuity() != 0 {
			t.Errorf("all frames %v: still promiscuous after Close", all)
		}
	}
}

// TestMaster: who is a member of what may be a port.
func TestMaster(t *testing.T) {
	for _, row := range []struct {
		name string
		m    master
		want string // in the error; empty: none
	}{
		{"no member", master{}, ""},
		{"VRF", master{7, "vrf7", "vrf"}, ""},
		{"bond", master{7, "bond0", "bond"}, "member of bond bond0"},
		{"no virtual device", master{7, "eth9", ""}, "member of device eth9"},
		{"not told", master{index: 7}, "member of device 7"},
	} {
		err := row.m.check("eth0")
		if (err != nil) != (row.want != "") || err != nil && (!strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), "`ip link set dev eth0 nomaster`")) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}
