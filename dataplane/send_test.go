package dataplane

import (
	"bytes"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/tools/frame"
)

// atPort is a netdev table with a chain at a hook of a port.
func atPort(hook, port, rule string) string {
	return "table netdev n {\nchain c {\ntype filter hook " + hook + " device \"" + port + "\" priority 0; policy accept;\n" + rule + "\n}\n}\n"
}

// inChain is an ip table with a chain at a hook.
func inChain(hook, rule string) string {
	return "table ip t {\nchain c {\ntype filter hook " + hook + " priority -150; policy accept;\n" + rule + "\n}\n}\n"
}

// TestSend: how many frames leave by each port of one that comes from lan for the other
// side, with one worker as with three.
func TestSend(t *testing.T) {
	for _, row := range []struct {
		name     string
		rules    string
		lan, wan int
	}{
		{"copy of a frame", atPort("ingress", "lan", `dup to "wan"`), 0, 2},
		{"two copies", atPort("ingress", "lan", `dup to "wan" dup to "lan"`), 1, 2},
		{"copy of what is dropped", atPort("ingress", "lan", `dup to "lan" drop`), 1, 0},
		{"sent on", atPort("ingress", "lan", `fwd to "lan"`), 1, 0},
		{"sent on to a neighbour", atPort("ingress", "lan", `fwd ip to 10.0.0.2 device "lan"`), 1, 0},
		{"sent on as another family", atPort("ingress", "lan", `fwd ip6 to fe80::1 device "lan"`), 0, 1},
		{"sent on to nobody", atPort("ingress", "lan", `fwd ip to 10.0.0.77 device "lan"`), 0, 0},
		{"dropped when it leaves", atPort("egress", "wan", `drop`), 0, 0},
		{"egress of the other port", atPort("egress", "lan", `drop`), 0, 1},
		{"copy when it leaves", atPort("egress", "wan", `dup to "lan"`), 1, 1},
		{"sent on when it leaves", atPort("egress", "wan", `fwd to "lan"`), 1, 0},
		{"copies of copies end", atPort("egress", "wan", `dup to "wan"`), 0, 4},
		{"no way in at egress", atPort("egress", "wan", `iifname "lan" drop`), 0, 1},
		{"copy to a next hop", inChain("prerouting", `dup to 10.0.0.2`), 1, 1},
		{"copy of a copy", inChain("prerouting", `dup to 10.0.0.2`) + "table ip u {\nchain c {\ntype filter hook output priority 0;\ndup to 10.0.0.2\n}\n}\n", 1, 1},
		{"copy of what is dropped behind", inChain("forward", `dup to 10.0.0.2 drop`), 1, 0},
		{"copy to nowhere", inChain("forward", `dup to 10.0.0.1`), 0, 1},
		{"copy to a next hop of a named port", inChain("forward", `dup to 10.0.0.2 device "lan"`), 1, 1},
		{"copy dropped at output", inChain("prerouting", `dup to 10.0.0.2`) + "table ip u {\nchain c {\ntype filter hook output priority 0; policy drop;\nct state != untracked accept\n}\n}\n", 0, 1},
	} {
		for _, workers := range []int{1, 3} {
			t.Run(row.name, func(t *testing.T) {
				n := newNet(t, row.rules, workers)
				n.lan.put(plainFrame)
				n.box.Drain()
				if lan, wan := len(n.lan.take()), len(n.wan.take()); lan != row.lan || wan != row.wan {
					t.Errorf("%d frames left by lan and %d by wan, want %d and %d", lan, wan, row.lan, row.wan)
				}
				n.checkLedger()
			})
		}
	}
}

// TestCopyIsOfThen: a copy is what the packet was when the rule copied it.
func TestCopyIsOfThen(t *testing.T) {
	n := newNet(t, inChain("prerouting", `ip dscp set cs1 dup to 10.0.0.2 ip dscp set cs2`), 1)
	n.lan.put(plainFrame)
	n.box.Drain()
	back, on := n.lan.take(), n.wan.take()
	if len(back) != 1 || len(on) != 1 {
		t.Fatalf("%d copies and %d packets, want one each", len(back), len(on))
	}
	const tos, ttl, flags = 15, 22, 20
	if c := back[0]; c[tos] != 0x20 || c[ttl] != 63 || c[flags] != 0x40 {
		t.Errorf("the copy has TOS %#x, TTL %d, flags %#x; want 0x20, 63, 0x40", c[tos], c[ttl], c[flags])
	}
	if p := on[0]; p[tos] != 0x40 || p[ttl] != 63 || p[flags] != 0 {
		t.Errorf("the packet has TOS %#x, TTL %d, flags %#x; want 0x40, 63, 0", p[tos], p[ttl], p[flags])
	}
}

// TestCopiesHaveNoPlan: each packet of a flow is copied; with chains at the egress,
// which see them all, flows have plans.
func TestCopiesHaveNoPlan(t *testing.T) {
	for _, row := range []struct {
		name, rules string
		planned     uint64
		copies      int
	}{
		{"copied", "table ip t {\nchain c {\ntype filter hook forward priority 0;\niifname \"lan\" dup to 10.0.0.2\n}\n}\n", 0, 3},
		{"copied when they leave", atPort("egress", "wan", `udp dport 53 dup to "lan"`), 3, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &planScript{n: newNet(t, natRules+row.rules, 1)}
			s.udp()
			s.n.lan.take()
			for range 3 {
				s.up(upIP, upUDP)
			}
			s.demandPlanned("established", row.planned)
			if got := len(s.n.lan.take()); got != row.copies {
				t.Errorf("%d copies, want %d", got, row.copies)
			}
		})
	}
}

// TestNoFrameForCopy: when no frame is free the copy is missing, counted, and the packet
// goes on.
func TestNoFrameForCopy(t *testing.T) {
	n := newNet(t, inChain("forward", `dup to 10.0.0.2`), 1)
	w := n.box.workers[0]
	var held []uint64
	for addr, ok := w.umem.Alloc(); ok; addr, ok = w.umem.Alloc() {
		held = append(held, addr)
	}
	w.umem.Free(held[0]) // for the packet
	n.lan.put(plainFrame)
	n.box.Drain()
	if lan, wan := len(n.lan.take()), len(n.wan.take()); lan != 0 || wan != 1 {
		t.Errorf("%d copies and %d packets left, want 0 and 1", lan, wan)
	}
	if got := n.box.Stats().Total().Drops[packet.DropNoFrame]; got != 1 {
		t.Errorf("%d drops for want of a frame, want 1", got)
	}
	for _, addr := range held[1:] {
		w.umem.Free(addr)
	}
}

// TestSendAllocatesNothing: neither copies nor chains at the egress make garbage.
func TestSendAllocatesNothing(t *testing.T) {
	n := newNet(t, inChain("prerouting", `dup to 10.0.0.2`)+atPort("egress", "wan", `dup to "lan"`), 1)
	f := bytes.Clone(frame.Build(clientToBox, frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2}))
	w := n.box.workers[0]
	var pkts [1]packet.Packet
	send := func() {
		addr, ok := w.umem.Alloc()
		if !ok {
			t.Fatal("no frame")
		}
		p := &pkts[0]
		p.Data, p.Addr, p.InPort = w.umem.Frame(addr, uint32(len(f))), addr, 0
		copy(p.Data, f)
		w.burst(w.next.Load(), pkts[:])
		for lane := range w.tx {
			for _, d := range w.tx[lane] {
				w.umem.Free(d.Addr)
			}
			w.tx[lane] = w.tx[lane][:0]
		}
	}
	n.lan.put(f)
	n.box.Drain() // so that the worker has its tables
	n.lan.take()
	if got := testing.AllocsPerRun(100, send); got != 0 {
		t.Errorf("%v allocations a packet", got)
	}
}
