package afxdp

import (
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
