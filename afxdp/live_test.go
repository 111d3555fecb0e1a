package afxdp

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// liveOptions are those of an interface that sends XDP frames.
func liveOptions() Options {
	o := testOptions(1)
	o.Transmit = TransmitXDP
	return o
}

// packets returns the frames that an interface has sent and received.
func (n *testNet) packets(name string) (tx, rx uint64) {
	n.set(name, func(l netlink.Link) error {
		tx, rx = l.Attrs().Statistics.TxPackets, l.Attrs().Statistics.RxPackets
		return nil
	})
	return tx, rx
}

// TestLive sends frames of all sizes as XDP frames and compares every byte where
// they arrive, once each, and all counts with the interfaces'.
func TestLive(t *testing.T) {
	const frames = 10_000
	for _, queues := range []int{1, 2} { // of the devices
		t.Run(fmt.Sprintf("%d queues", queues), func(t *testing.T) {
			n := newTestNet(t)
			n.veth("a0", "a1", queues)
			if queues > 1 { // the first end has one, the other receives on several
				runEthtool(t, "-L", "a0", "rx", "1")
				runEthtool(t, "-L", "a1", "tx", "1")
			}
			i, near := n.open("a0", liveOptions(), n.umems(1, 1024))
			_, far := n.open("a1", testOptions(queues), n.umems(queues, 1024))
			if err := i.CheckTransmit(); err != nil {
				t.Fatal(err)
			}
			tx, _ := n.packets("a0")
			_, rx := n.packets("a1")
			var sent, got uint64
			seen := make([]bool, frames) // they are on the queue of the sender's CPU, which may change
			eventually(t, "all frames have arrived", func() bool {
				if sent < frames && sent-got < 128 {
					sent += uint64(near[0].send(0, sent, min(1+int(sent%100), int(frames-sent))))
				}
				for _, f := range far {
					got += f.tick(t, seen)
				}
				return got == frames
			})
			stats := near[0].q.Stats()
			tx2, _ := n.packets("a0")
			_, rx2 := n.packets("a1")
			if stats.TxFrames != frames || tx2-tx != frames || rx2-rx != frames {
				t.Errorf("counted %d sent; the interfaces %d sent and %d received, want %d of all", stats.TxFrames, tx2-tx, rx2-rx, frames)
			}
			if q := i.Info().Queues[0]; q.Kicks == 0 || q.Failures != 0 || q.Down || i.Info().Transmit != TransmitXDP {
				t.Errorf("%+v", q)
			}
		})
	}
}

// tick receives what is there, notes it and returns how many frames.
func (l post) tick(t *testing.T, seen []bool) uint64 {
	t.Helper()
	got := l.buf[:l.q.Recv(l.buf)]
	for _, d := range got {
		_, seq, err := readFrame(l.u.Frame(d.Addr, d.Len))
		if err != nil || seen[seq] {
			t.Fatalf("%s: sequence %d, seen before: %v, %v", l.name, seq, seen[seq], err)
		}
		seen[seq] = true
		l.u.Free(d.Addr)
	}
	l.q.Flush()
	return uint64(len(got))
}

// TestLiveBothWays: an interface that sends so receives as any other.
func TestLiveBothWays(t *testing.T) {
	const frames = 3000
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	_, a := n.open("a0", liveOptions(), n.umems(1, 1024))
	_, b := n.open("a1", liveOptions(), n.umems(1, 1024))
	var sent, got uint64
	eventually(t, "all frames are back", func() bool {
		if sent < frames && sent-got < 128 {
			sent += uint64(a[0].send(0, sent, min(32, int(frames-sent))))
		}
		b[0].move(b[0])
		got = a[0].take(t, 0, got)
		return got == frames
	})
}

// TestLiveUntaken: what the device does not take stays the caller's and counts
// nowhere as sent, and goes on when the way is open.
func TestLiveUntaken(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	i, near := n.open("a0", liveOptions(), n.umems(1, 1024))
	closed := func(what string) {
		t.Helper()
		tx, _ := n.packets("a0")
		before := near[0].q.Stats().TxFrames
		if got := near[0].send(0, 0, 40); got != 0 {
			t.Errorf("%s: Send took %d frames", what, got)
		}
		if now, _ := n.packets("a0"); now != tx || near[0].q.Stats().TxFrames != before || !i.Info().Queues[0].Down {
			t.Errorf("%s: counted %d as sent, the interface %d; %+v", what, near[0].q.Stats().TxFrames-before, now-tx, i.Info().Queues[0])
		}
	}
	closed("no NAPI at the other end")
	if err := i.CheckTransmit(); err == nil || !strings.Contains(err.Error(), "`ethtool -K PEER gro on`") {
		t.Errorf("the check says %v", err)
	}
	far, posts := n.open("a1", testOptions(1), n.umems(1, 1024))
	var next uint64
	through := func(what string, from uint64) {
		t.Helper()
		sent := from
		eventually(t, what, func() bool {
			if sent < from+40 {
				sent += uint64(near[0].send(0, sent, int(from+40-sent)))
			}
			next = posts[0].take(t, 0, next)
			return next == from+40
		})
		if err := i.CheckTransmit(); err != nil || i.Info().Queues[0].Down {
			t.Errorf("%s: the check says %v, %+v", what, err, i.Info().Queues[0])
		}
	}
	through("the other end has a program", 0)
	n.set("a0", netlink.LinkSetDown)
	closed("down")
	n.set("a0", netlink.LinkSetUp)
	through("up again", 40)
	n.set("a0", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 1000) })
	before := near[0].q.Stats()
	if got := near[0].send(0, 80, 200); got != 200 { // of up to 1459 bytes, among shorter ones
		t.Errorf("Send took %d of 200 frames", got)
	}
	s := near[0].q.Stats()
	if s.TxFrames+s.TxTooLong != before.TxFrames+200 || s.TxTooLong == 0 {
		t.Errorf("%+v", s)
	}
	eventually(t, "the interface counts as many", func() bool { // it does when the other end has them
		tx, _ := n.packets("a0")
		return tx == s.TxFrames
	})
	if err := far.Close(); err != nil {
		t.Error(err)
	}
	if err := i.CheckTransmit(); err == nil {
		t.Error("the check does not see that the other end has closed")
	}
}

// TestLiveTooLong: frames that only the other end finds too long hold the others up
// for a while and are then given up.
func TestLiveTooLong(t *testing.T) {
	const frames = 500
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	_, near := n.open("a0", liveOptions(), n.umems(1, 1024))
	_, far := n.open("a1", testOptions(1), n.umems(1, 1024))
	n.set("a1", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 1000) })
	const longest = 1000 + etherRoom - vlanBytes // of those that it takes
	fit := 0
	for seq := range uint64(frames) {
		if frameLength(0, seq) <= longest {
			fit++
		}
	}
	var sent uint64
	got, seen := uint64(0), make([]bool, frames)
	eventually(t, "all frames have gone", func() bool {
		if sent < frames {
			sent += uint64(near[0].send(0, sent, int(min(frames-sent, 32))))
		}
		got += far[0].tick(t, seen)
		return sent == frames && got == uint64(fit)
	})
	if s := near[0].q.Stats(); s.TxFrames != uint64(fit) || s.TxTooLong != uint64(frames-fit) || fit == 0 || fit == frames {
		t.Errorf("%d of %d frames fit: %+v", fit, frames, s)
	}
}

// TestLiveFull: the other end's NAPI has a thread, which here has to wait for the
// sender's CPU, so that its ring fills: every frame arrives once and in order.
func TestLiveFull(t *testing.T) {
	const frames = 100_000
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	opt := liveOptions()
	opt.Ring, opt.TxBudget = 4096, 4096
	i, near := n.open("a0", opt, n.umems(1, 16384))
	opt = testOptions(1)
	opt.Ring = 4096
	_, far := n.open("a1", opt, n.umems(1, 16384))
	far[0].q.Flush() // a socket is opened with few frames to receive into
	thread := exec.Command("unshare", "-m", "sh", "-c", "mount -t sysfs sysfs /sys && echo 1 >/sys/class/net/a1/threaded")
	if out, err := thread.CombinedOutput(); err != nil {
		t.Fatalf("give NAPI a thread: %v\n%s", err, out)
	}
	var sent, got uint64
	eventually(t, "all frames have arrived", func() bool {
		if sent < frames && sent-got < 3000 {
			sent += uint64(near[0].send(0, sent, min(1000, int(frames-sent))))
		}
		got = far[0].take(t, 0, got)
		return got == frames
	})
	tx, _ := n.packets("a0")
	if s := near[0].q.Stats(); s.TxFrames != frames || tx != frames {
		t.Errorf("counted %d sent, the interface %d", s.TxFrames, tx)
	}
	if i.Info().Queues[0].Again == 0 {
		t.Log("the ring was never full this time")
	}
}

// TestLiveAllocates: nothing.
func TestLiveAllocates(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	_, near := n.open("a0", liveOptions(), n.umems(1, 1024))
	n.open("a1", testOptions(1), n.umems(1, 1024))
	p := near[0]
	if got := testing.AllocsPerRun(100, func() {
		descs := p.buf[:32]
		for k := range descs {
			addr, _ := p.u.Alloc()
			writeFrame(p.u.Frame(addr, 60), 0, 0)
			descs[k] = Desc{Addr: addr, Len: 60}
		}
		if p.q.Send(descs) != 32 {
			t.Fatal("not taken")
		}
		p.q.Flush()
	}); got != 0 {
		t.Errorf("%v allocations a burst", got)
	}
}

// TestLiveErrors: what stands in the way is told at opening.
func TestLiveErrors(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	n.set("a0", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 3490) })
	if _, err := OpenInterface("a0", liveOptions()); err == nil || !strings.Contains(err.Error(), "frames of an MTU of 3490 do not fit into a page") {
		t.Errorf("long frames: %v", err)
	}
	n.set("a0", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 3300) })
	i, err := OpenInterface("a0", liveOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
	n.bridge("br")
	runEthtool(t, "-K", "br", "txvlan", "off")
	if i, err = OpenInterface("br", liveOptions()); err != nil {
		t.Fatal(err)
	}
	if err := i.CheckTransmit(); err == nil || !strings.Contains(err.Error(), "ndo_xdp_xmit") {
		t.Errorf("a driver without: %v", err)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
}
