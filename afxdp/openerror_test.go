package afxdp

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Options)
		want   string // in the error; empty: none
	}{
		{"default", func(*Options) {}, ""},
		{"smallest ring", func(o *Options) { o.Ring = 64 }, ""},
		{"no queue", func(o *Options) { o.Queues = 0 }, "0 queues"},
		{"many queues", func(o *Options) { o.Queues = 5000 }, "5000 queues"},
		{"ring no power of two", func(o *Options) { o.Ring = 1000 }, "power of two"},
		{"ring too small", func(o *Options) { o.Ring = 32 }, "from 64"},
		{"ring too large", func(o *Options) { o.Ring = 1 << 17 }, "65536"},
		{"mode", func(o *Options) { o.Mode = 9 }, "unknown mode 9"},
		{"backend", func(o *Options) { o.Backend = 9 }, "unknown backend 9"},
		{"generic and zero-copy", func(o *Options) { o.Generic, o.Mode = true, ModeZeroCopy }, "generic"},
		{"budget too small", func(o *Options) { o.TxBudget = 16 }, "budget of 16"},
		{"budget over ring", func(o *Options) { o.TxBudget = 4096 }, "budget of 4096"},
		{"busy poll", func(o *Options) { o.BusyPoll = time.Hour }, "busy polling"},
		{"transmit", func(o *Options) { o.Transmit = 9 }, "unknown transmit 9"},
		{"transmit xdp from two queues", func(o *Options) { o.Transmit, o.Queues = TransmitXDP, 2 }, "sends from one"},
		{"transmit xdp and generic", func(o *Options) { o.Transmit, o.Generic = TransmitXDP, true }, "needs native XDP"},
		{"transmit xdp with asavie", func(o *Options) { o.Transmit, o.Backend = TransmitXDP, BackendAsavie }, "own backend"},
		{"busy poll with asavie", func(o *Options) { o.BusyPoll, o.Backend = time.Microsecond, BackendAsavie }, "asavie"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := DefaultOptions()
			tc.change(&o)
			err := o.Validate()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if _, open := OpenInterface("lo", o); err != nil && (open == nil || !strings.Contains(open.Error(), tc.want)) {
				t.Errorf("open says %v", open)
			}
		})
	}
}

func TestCheckOffloads(t *testing.T) {
	for _, tc := range []struct {
		name, driver string
		flags        uint32
		vlanDevices  bool
		gro, generic bool
		want         string
	}{
		{"nothing on", "ixgbe", 0, true, false, false, ""},
		{"joined segments, native", "ixgbe", 0, false, true, false, ""},
		{"joined segments, generic", "ixgbe", 0, false, true, true, "`ethtool -K x gro off`"},
		{"receive tags stripped", "ixgbe", flagRxVLAN, false, false, false, "`ethtool -K x rxvlan off txvlan off`"},
		{"transmit tags inserted", "ixgbe", flagTxVLAN, false, false, false, "`ethtool -K x rxvlan off txvlan off`"},
		{"large receive", "ixgbe", flagLRO, false, false, false, "`ethtool -K x lro off`"},
		{"veth", "veth", flagRxVLAN | flagTxVLAN, false, false, false, ""},
		{"veth with VLAN device", "veth", flagRxVLAN | flagTxVLAN, true, false, false, "`ethtool -K x rxvlan off txvlan off`"},
		{"veth with VLAN device, off", "veth", 0, true, false, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := offloads{tc.flags, tc.gro}.check("x", tc.driver, tc.generic, tc.vlanDevices)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestHasVLANDevice(t *testing.T) {
	const config = "VLAN Dev name\t | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n" +
		"eth1.5         | 5  | eth1\nv7             | 7  | a1\n"
	for name, want := range map[string]bool{"eth1": true, "a1": true, "eth": false, "eth1.5": false, "v7": false, "a0": false} {
		if hasVLANDevice(strings.NewReader(config), name) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}

// TestOpenErrors opens and attaches where something is in the way: the error
// names the mend.
func TestOpenErrors(t *testing.T) {
	passAll := func(t *testing.T) *ebpf.Program {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "MIT", Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R0, xdpPass), asm.Return(),
		}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	}
	for _, tc := range []struct {
		name   string
		port   string
		queues int
		change func(t *testing.T, n *testNet, o *Options)
		want   []string
	}{
		{"missing", "nosuch", 1, func(*testing.T, *testNet, *Options) {}, []string{"open interface nosuch", "no such interface", "`ip link show`"}},
		{"name too long", "averyverylonginterfacename", 1, func(*testing.T, *testNet, *Options) {}, []string{"no such interface"}},
		{"more queues than channels", "a1", 2, func(_ *testing.T, _ *testNet, o *Options) { o.Queues = 4 }, []string{"2 queues", "no more than 2", "configure 2"}},
		{"more queues than channels in use", "a1", 2, func(t *testing.T, _ *testNet, o *Options) { setChannels(t, "a1", "1") }, []string{"1 queues", "`ethtool -L a1 rx 2 tx 2`"}},
		{"MTU", "a1", 1, func(_ *testing.T, n *testNet, _ *Options) {
			n.set("a1", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 1800) })
		}, []string{"open a1 queue 0", "MTU of 1800", "`ip link set dev a1 mtu 1770`", "frames of 4096 bytes"}},
		{"large MTU", "a1", 1, func(_ *testing.T, n *testNet, _ *Options) {
			n.set("a1", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 9000) })
		}, []string{"MTU of 9000", "`ip link set dev a1 mtu 1770`", "or use frames of 16384 bytes"}},
		{"foreign program by netlink", "a1", 1, func(t *testing.T, n *testNet, _ *Options) {
			n.set("a1", func(l netlink.Link) error { return netlink.LinkSetXdpFd(l, passAll(t).FD()) })
		}, []string{"is attached already", "`ip link set dev a1 xdp off`"}},
		{"foreign program by link", "a1", 1, func(t *testing.T, n *testNet, _ *Options) {
			l, err := link.AttachXDP(link.XDPOptions{Program: passAll(t), Interface: n.index("a1")})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = l.Close() })
		}, []string{"is attached already", "`bpftool link`", fmt.Sprintf("`kill %d`", os.Getpid())}},
		{"peer with more queues", "a1", 2, func(t *testing.T, _ *testNet, o *Options) {
			setChannels(t, "a1", "1")
			o.Queues = 1
		}, []string{"attach to a1", "peer transmits on more queues", "`ethtool -L PEER tx 1`"}},
		{"no Ethernet", "tun0", 1, func(_ *testing.T, n *testNet, _ *Options) {
			attrs := netlink.NewLinkAttrs()
			attrs.Name = "tun0"
			if err := netlink.LinkAdd(&netlink.Tuntap{LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TUN}); err != nil {
				n.t.Fatal(err)
			}
		}, []string{"not an Ethernet interface"}},
		{"member of a bridge", "a1", 1, func(_ *testing.T, n *testNet, _ *Options) {
			n.bridge("br0")
			n.set("a1", func(l netlink.Link) error { return netlink.LinkSetMasterByIndex(l, n.index("br0")) })
		}, []string{"open interface a1", "member of bridge br0", "`ip link set dev a1 nomaster`"}},
		{"no zero-copy", "a1", 1, func(_ *testing.T, _ *testNet, o *Options) { o.Mode = ModeZeroCopy }, []string{"no zero-copy mode", "auto or copy"}},
		{"VLAN offload", "br0", 1, func(t *testing.T, n *testNet, _ *Options) {
			n.bridge("br0")
		}, []string{"open interface br0", "VLAN offload is on", "`ethtool -K br0 rxvlan off txvlan off`"}},
		{"no native XDP", "br0", 1, func(t *testing.T, n *testNet, _ *Options) {
			n.bridge("br0")
			runEthtool(t, "-K", "br0", "rxvlan", "off", "txvlan", "off")
		}, []string{"attach to br0", `driver "bridge"`, "generic mode"}},
		{"taken", "a1", 1, func(t *testing.T, n *testNet, _ *Options) {
			s, err := openSocket(newTestUMEM(t, 1024), n.index("a1"), 0, testOptions(1), false)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.close(); s.release() })
		}, []string{"queue is taken", "`ss --xdp -p`"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newTestNet(t)
			n.veth("a0", "a1", tc.queues)
			u := n.umems(tc.queues, 1024)
			opt := testOptions(tc.queues)
			tc.change(t, n, &opt)
			err := openAll(tc.port, opt, u)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if strings.HasPrefix(tc.port, "a1") && !strings.HasPrefix(tc.name, "foreign") && n.program("a1") != 0 {
				t.Error("a program was left attached")
			}
		})
	}
}

func openAll(name string, opt Options, umems []*UMEM) error {
	i, err := OpenInterface(name, opt)
	if err != nil {
		return err
	}
	defer i.Close()
	for k := range opt.Queues {
		if _, err = i.Open(k, umems[k]); err != nil {
			return err
		}
	}
	return i.Attach()
}

func TestOpenTwice(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 2)
	u := n.umems(2, 1024)
	i, err := OpenInterface("a1", testOptions(2))
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if err := i.Attach(); err == nil || !strings.Contains(err.Error(), "queue 0 is not open") {
		t.Errorf("attached without queues: %v", err)
	}
	for _, tc := range []struct {
		queue int
		want  string
	}{
		{0, ""}, {0, "open already"}, {2, "there are 2 queues"}, {-1, "there are 2 queues"}, {1, ""},
	} {
		_, err := i.Open(tc.queue, u[tc.queue&1])
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("queue %d: error %v, want %q", tc.queue, err, tc.want)
		}
	}
	n.set("a1", func(l netlink.Link) error { return netlink.LinkSetXdpFd(l, i.program.prog.FD()) })
	if err := i.Attach(); err == nil || !strings.Contains(err.Error(), "`ip link set dev a1 xdp off`") {
		t.Errorf("attached over another program: %v", err)
	}
	n.set("a1", func(l netlink.Link) error { return netlink.LinkSetXdpFd(l, -1) })
	if err := i.Attach(); err != nil {
		t.Fatal(err)
	}
	if err := i.Attach(); err == nil {
		t.Error("attached twice")
	}
	if i.Name() != "a1" || i.MTU() != 1500 || len(i.MAC()) != 6 || i.Queues() != 2 {
		t.Errorf("%s, MTU %d, MAC %v, %d queues", i.Name(), i.MTU(), i.MAC(), i.Queues())
	}
}

// TestLargeMTU opens with MTUs around the largest of frames in one piece, on
// frames that have room for them.
func TestLargeMTU(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	u, err := NewUMEM(1024, 4096)
	if err != nil {
		t.Fatal(err)
	}
	for _, mtu := range []int{MaxSingleMTU() - 1, MaxSingleMTU(), MaxSingleMTU() + 1, 3818} {
		for _, name := range []string{"a0", "a1"} {
			n.set(name, func(l netlink.Link) error { return netlink.LinkSetMTU(l, mtu) })
		}
		if err := openAll("a1", testOptions(1), []*UMEM{u}); err != nil {
			t.Errorf("MTU %d: %v", mtu, err)
		}
	}
	if u.FreeFrames() != 1024 {
		t.Errorf("%d frames free", u.FreeFrames())
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
}

// TestLargeChunk opens on frames larger than a page, which the kernel does not
// take: the queue copies.
func TestLargeChunk(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	u, err := NewUMEM(64, 8192)
	if err != nil {
		t.Fatal(err)
	}
	i, err := OpenInterface("a1", testOptions(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.Open(0, u); err != nil {
		t.Error(err)
	}
	if q := i.Info().Queues[0]; !q.Private || q.Pieces {
		t.Errorf("%+v", q)
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
	if u.FreeFrames() != 64 {
		t.Errorf("%d frames free", u.FreeFrames())
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
}

// TestUnprivileged opens without capabilities.
func TestUnprivileged(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	for transmit, wants := range map[Transmit][]string{
		TransmitAFXDP: {"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_BPF"},
		TransmitXDP:   {"CAP_NET_ADMIN", "CAP_BPF", "CAP_PERFMON"},
	} {
		opt := testOptions(1)
		opt.Transmit = transmit
		var err error
		n.inNamespace(func() {
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var none [2]unix.CapUserData
			if err := unix.Capset(&header, &none[0]); err != nil {
				t.Errorf("give up capabilities: %v", err)
				return
			}
			err = openAll("a1", opt, []*UMEM{newTestUMEM(t, 256)})
		})
		if err == nil {
			t.Fatalf("transmit %v: no error", transmit)
		}
		for _, want := range append(wants, "a1", "not permitted", "root") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("transmit %v: error %q lacks %q", transmit, err, want)
			}
		}
	}
}

func setChannels(t *testing.T, name, count string) {
	t.Helper()
	runEthtool(t, "-L", name, "rx", count, "tx", count)
}

func runEthtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ethtool", args...).CombinedOutput(); err != nil {
		t.Fatalf("ethtool: %v\n%s", err, out)
	}
}

// TestCheck changes an interface that is in use.
func TestCheck(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 2)
	channels := func(count string) {
		t.Helper()
		setChannels(t, "a1", count)
	}
	setChannels(t, "a0", "1")
	channels("1")
	i, _ := n.open("a1", testOptions(1), n.umems(1, 1024))
	if err := i.Check(); err != nil {
		t.Fatal(err)
	}
	channels("2")
	err := i.Check()
	if err == nil || !strings.Contains(err.Error(), "channels of a1 have changed") || !strings.Contains(err.Error(), "`ethtool -L a1 rx 1 tx 1`") {
		t.Errorf("channels: %v", err)
	}
	channels("1")
	if err := i.Check(); err != nil {
		t.Errorf("mended: %v", err)
	}
	n.set("a1", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 2000) })
	if err := i.Check(); err == nil || !strings.Contains(err.Error(), "`ip link set dev a1 mtu 1770`") {
		t.Errorf("MTU: %v", err)
	}
	n.set("a1", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 1500) })
	n.inNamespace(func() { err = i.Check() })
	if err != nil {
		t.Errorf("from another thread: %v", err)
	}
	done := make(chan error)
	go func() { done <- i.Check() }() // on a thread of another namespace
	if err := <-done; err != nil {
		t.Errorf("from another namespace: %v", err)
	}
}
