package doctor

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/tools/lab"
)

// healthy facts: nothing to mend.
func healthyMachine() Machine {
	return Machine{
		Kernel: "6.18.15+deb13-cloud-amd64", Capabilities: []string{"CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_BPF"}, CapsKnown: true,
		MemLock: noLimit, JIT: "1", HugePages: 64, HugePageKiB: 2048, CPUs: 4, IPForward: "1",
	}
}

func healthyInterface() Interface {
	return Interface{Inspection: afxdp.Inspection{
		Name: "eth0", Driver: "ice", MTU: 1500, Up: true, Carrier: true, Ethernet: true, FeaturesKnow: true,
		Features: afxdp.FeatureBasic | afxdp.FeatureRedirect | afxdp.FeatureZeroCopy,
		Channels: 4, MaxChannels: 16, Ring: [2]int{2048, 2048}, RingMax: [2]int{8160, 8160}, HashKnown: true, Symmetric: true, GRO: true,
	}, IRQs: []IRQ{{"40", "0"}, {"41", "1"}, {"42", "2"}, {"43", "3"}}}
}

// expect demands one finding of a level with some words in text or mend, and
// nothing worse; an empty want demands that nothing is to be said.
func expect(t *testing.T, name string, list []Finding, level Level, want string) {
	t.Helper()
	found := false
	for _, f := range list {
		if f.Level > level {
			t.Errorf("%s: %v: %s", name, f.Level, f.Text)
		}
		if f.Level == level && want != "" && (strings.Contains(f.Text, want) || strings.Contains(f.Mend, want)) {
			found = true
		}
	}
	if want != "" && !found {
		t.Errorf("%s: no %v with %q in %+v", name, level, want, list)
	}
}

func TestMachine(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(m *Machine)
		level  Level
		want   string
	}{
		{"healthy", func(*Machine) {}, OK, "kernel 6.18"},
		{"ancient", func(m *Machine) { m.Kernel = "5.4.0" }, Error, "5.11 is needed"},
		{"no host path", func(m *Machine) { m.Kernel = "6.1.0-9-amd64" }, Warning, "--no-host-path"},
		{"small transmit budget", func(m *Machine) { m.Kernel = "6.12.3" }, Note, "32 frames"},
		{"unknown release", func(m *Machine) { m.Kernel = "mine" }, Note, "not understood"},
		{"no sockets", func(m *Machine) { m.AFXDP = errors.New("address family not supported") }, Error, "CONFIG_XDP_SOCKETS"},
		{"nobody", func(m *Machine) { m.Capabilities = nil }, Error, "CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF missing"},
		{"partly", func(m *Machine) { m.Capabilities = m.Capabilities[:2] }, Error, "CAP_BPF missing"},
		{"little memory to lock", func(m *Machine) { m.MemLock, m.CapsKnown = 8<<20, false }, Warning, "ulimit -l unlimited"},
		{"interpreted", func(m *Machine) { m.JIT = "0" }, Warning, "bpf_jit_enable=1"},
		{"small pages", func(m *Machine) { m.HugePages, m.HugeWanted = 0, 66 }, Note, "vm.nr_hugepages=66"},
		{"too few huge pages", func(m *Machine) { m.HugeWanted = 516 }, Note, "vm.nr_hugepages=516"},
		{"bridges that are filtered", func(m *Machine) { m.FilteredBridges = []string{"br0"} }, Warning, "bridge-nf-call-iptables=0"},
		{"one CPU", func(m *Machine) { m.CPUs = 1 }, Warning, "one CPU"},
		{"other rules", func(m *Machine) { m.ForeignRules = []string{"table ip filter"} }, Error, "table ip filter"},
		{"rules not to be read", func(m *Machine) { m.ForeignErr = errors.New("not permitted") }, Note, "not permitted"},
		{"no router", func(m *Machine) { m.IPForward = "0" }, Note, "ip_forward=1"},
	} {
		m := healthyMachine()
		row.change(&m)
		expect(t, row.name, m.Check(), row.level, row.want)
	}
}

func TestInterface(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(i *Interface)
		level  Level
		want   string
	}{
		{"healthy", func(*Interface) {}, OK, "zero-copy"},
		{"copying driver", func(i *Interface) { i.Features &^= afxdp.FeatureZeroCopy }, OK, "sockets copy"},
		{"zero-copy that does not work", func(i *Interface) { i.Driver, i.Defect = "virtio_net", afxdp.ErrStrayHeader }, Warning, "sockets copy unless"},
		{"no XDP", func(i *Interface) { i.Features, i.GRO = 0, false }, Warning, "--no-host-path"},
		{"no XDP and joined segments", func(i *Interface) { i.Features = 0 }, Error, "ethtool -K eth0 gro off"},
		{"XDP without sockets", func(i *Interface) { i.Features = afxdp.FeatureBasic }, Error, "cannot give frames to sockets"},
		{"old kernel", func(i *Interface) { i.FeaturesKnow = false }, Note, "6.3"},
		{"no Ethernet", func(i *Interface) { i.Ethernet = false }, Error, "not an Ethernet"},
		{"member", func(i *Interface) { i.Member = errors.New("is a member: `ip link set dev eth0 nomaster`") }, Error, "ip link set dev eth0 nomaster"},
		{"veth with fewer queues than its peer", func(i *Interface) { i.Driver, i.Features, i.GRO = "veth", 0, false }, Warning, "ethtool -L PEER tx 4"},
		{"veth whose peer does not segment", func(i *Interface) { i.Driver, i.Features, i.GRO = "veth", 0, false }, Warning, "ethtool -K PEER tso off gso off"},
		{"down", func(i *Interface) { i.Up = false }, Warning, "ip link set dev eth0 up"},
		{"no cable", func(i *Interface) { i.Carrier = false }, Warning, "carrier"},
		{"VLAN offload", func(i *Interface) { i.RxVLAN = true }, Error, "ethtool -K eth0 rxvlan off txvlan off"},
		{"LRO", func(i *Interface) { i.LRO = true }, Error, "ethtool -K eth0 lro off"},
		{"veth", func(i *Interface) { i.Driver, i.RxVLAN, i.TxVLAN = "veth", true, true }, Note, "behind native XDP"},
		{"virtio that adds queues", func(i *Interface) { i.Driver, i.MaxChannels = "virtio_net", 8 }, Warning, "ethtool -L eth0 combined 8"},
		{"virtio with all in use", func(i *Interface) { i.Driver, i.MaxChannels = "virtio_net", 4 }, OK, "4 of 4 queues"},
		{"one-way hash", func(i *Interface) { i.Symmetric = false }, Note, "ethtool -X eth0 xfrm symmetric-xor"},
		{"unknown hash", func(i *Interface) { i.HashKnown = false }, Note, "handed over"},
		{"larger frames", func(i *Interface) { i.MTU = 3000 }, OK, "frames of 4096"},
		{"jumbo frames", func(i *Interface) { i.MTU, i.Features = 9000, i.Features|afxdp.FeatureRxPieces }, Note, "ip link set dev eth0 mtu 3498"},
		{"jumbo frames, driver without", func(i *Interface) { i.MTU = 9000 }, Error, "ip link set dev eth0 mtu 3498"},
		{"no frame is as large", func(i *Interface) { i.MTU, i.Features = 16107, i.Features|afxdp.FeatureRxPieces }, Error, "no larger than 16384"},
		{"small ring", func(i *Interface) { i.Ring[0] = 256 }, Note, "ethtool -G eth0 rx 2048"},
		{"taken", func(i *Interface) {
			i.XDP, i.Taken = 77, errors.New("program 77: see `bpftool link`, end it with `kill 5`: busy")
		}, Error, "kill 5"},
		{"tc egress", func(i *Interface) { i.TCX[1] = 1 }, Warning, "bpftool net show dev eth0"},
		{"tc ingress", func(i *Interface) { i.TCX[0] = 1 }, Note, "bpftool net show dev eth0"},
		{"interrupts on one CPU", func(i *Interface) {
			for n := range i.IRQs {
				i.IRQs[n].CPUs = "0"
			}
		}, Warning, "smp_affinity_list"},
		{"one queue, one CPU", func(i *Interface) { i.Channels, i.IRQs = 1, i.IRQs[:1] }, OK, "1 interrupts"},
		{"virtual", func(i *Interface) { i.IRQs = nil }, OK, ""},
	} {
		i := healthyInterface()
		row.change(&i)
		expect(t, row.name, i.Check(4), row.level, row.want)
	}
}

// TestVeth reads a real interface and this machine.
func TestVeth(t *testing.T) {
	if err := lab.Privileged(); err != nil {
		t.Skipf("SKIP-PRIVILEGE %v", err)
	}
	l, err := lab.New(lab.Unique("doctor"), lab.Queues(2))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	err = l.Do(lab.Router, func() error {
		i, err := ReadInterface(lab.RouterIfC)
		if err != nil {
			return err
		}
		if i.Driver != "veth" || i.Channels != 2 || !i.Up || !i.Carrier {
			t.Errorf("%+v", i)
		}
		expect(t, "veth", i.Check(2), Note, "how it spreads flows")
		if err := l.SetMTU(lab.Router, lab.RouterIfC, 9000); err != nil {
			return err
		}
		if i, err = ReadInterface(lab.RouterIfC); err != nil {
			return err
		}
		expect(t, "veth with a large MTU", i.Check(2), Note, "ip link set dev "+lab.RouterIfC+" mtu 3498")
		m := ReadMachine()
		if m.Kernel == "" || !m.CapsKnown || len(m.Capabilities) != len(needed) || m.AFXDP != nil || len(m.ForeignRules) > 0 {
			t.Errorf("%+v", m)
		}
		if _, err := ReadInterface("nosuch"); !errors.Is(err, os.ErrNotExist) && !strings.Contains(err.Error(), "no such interface") {
			t.Errorf("no such interface: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPrint(t *testing.T) {
	var b strings.Builder
	worst, err := Print(&b, []Finding{{OK, "machine", "fine", ""}, {Warning, "eth0", "lame", "mend it"}, {Note, "eth0", "so", ""}})
	const want = "ok       machine: fine\nWARNING  eth0: lame\n         # mend it\nnote     eth0: so\n1 fine, 1 notes, 1 warnings, 0 errors\n"
	if worst != Warning || err != nil || b.String() != want {
		t.Errorf("%v, %v:\n%s", worst, err, b.String())
	}
}
