package host

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"

	"github.com/sluice-net/sluice/tools/lab"
)

// TestMain lets the test program stand for one that has a path and is killed.
func TestMain(m *testing.M) {
	ifname := os.Getenv("SLUICE_HOST_TEST")
	if ifname == "" {
		os.Exit(m.Run())
	}
	p, err := openPair(ifname, 1)
	if err == nil {
		err = p.takeOver()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	select {}
}

func TestKilledProcess(t *testing.T) {
	l := newLab(t)
	before := routerState(t, l)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := l.Command(lab.Router, self)
	c.Env = append(os.Environ(), "SLUICE_HOST_TEST="+lab.RouterIfC)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() }) // in vain when all goes well
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	if st := routerState(t, l); st.out != before.out+1 {
		t.Fatalf("%d programs on the real interface's egress", st.out)
	}

	// Meanwhile the interface is taken.
	inRouter(t, l, func() error {
		if _, err := openPair(lab.RouterIfC, 1); !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), lab.RouterIfC) {
			t.Errorf("a second path: %v", err)
		}
		if _, err := CleanLeftovers(lab.RouterIfC); !errors.Is(err, ErrTaken) {
			t.Errorf("left-overs of a running process: %v", err)
		}
		return nil
	})

	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // says that it was killed
	for deadline := time.Now().Add(soon); ; time.Sleep(time.Millisecond) {
		st := routerState(t, l)
		if st.out == before.out {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d programs on the real interface's egress after the process was killed", st.out)
		}
	}
	if r, err := lab.Ping(l.NS(lab.Client), lab.RouterC4, lab.PingConfig{Count: 1}); err != nil || r.Received != 1 {
		t.Errorf("the kernel does not speak by itself again: %v, %v", r, err)
	}
	box, _ := names(linkIndex(t, l, lab.RouterIfC))
	if st := routerState(t, l); !strings.Contains(st.links, box) {
		t.Fatalf("no pair is left, so nothing shows that it is removed: %s", st.links)
	}
	inRouter(t, l, func() error {
		removed, err := CleanLeftovers(lab.RouterIfC)
		if err != nil || len(removed) != 1 || removed[0] != box {
			t.Errorf("removed %v, %v", removed, err)
		}
		if removed, err = CleanLeftovers(lab.RouterIfC); err != nil || len(removed) != 0 {
			t.Errorf("again: removed %v, %v", removed, err)
		}
		return nil
	})
	before.same(t, routerState(t, l))
}

// TestOpenRemovesLeftovers: of its own interface and of interfaces that are
// gone, but nothing of others.
func TestOpenRemovesLeftovers(t *testing.T) {
	l := newLab(t)
	mine, other := linkIndex(t, l, lab.RouterIfC), linkIndex(t, l, lab.RouterIfS)
	gone := 4000
	for _, index := range []int{mine, other, gone} {
		box, kernel := names(index)
		if err := l.Connect(lab.Router, box, lab.Router, kernel, lab.Cable{}); err != nil {
			t.Fatal(err)
		}
	}
	inRouter(t, l, func() error {
		p, err := openPair(lab.RouterIfC, 1)
		if err != nil {
			return err
		}
		return p.Close()
	})
	links := routerState(t, l).links
	for _, row := range []struct {
		name  string
		index int
		stays bool
	}{{"its own", mine, false}, {"another's", other, true}, {"of nobody", gone, false}} {
		box, kernel := names(row.index)
		for _, end := range []string{box, kernel} {
			if strings.Contains(links, end+" ") != row.stays {
				t.Errorf("%s: %s in %q", row.name, end, links)
			}
		}
	}
}

func TestNamesInTheWay(t *testing.T) {
	l := newLab(t)
	box, kernel := names(linkIndex(t, l, lab.RouterIfC))
	for _, name := range []string{box, kernel} {
		if err := l.Connect(lab.Router, name, lab.Client, "peer", lab.Cable{}); err != nil {
			t.Fatal(err)
		}
		inRouter(t, l, func() error {
			_, err := openPair(lab.RouterIfC, 1)
			if err == nil || !strings.Contains(err.Error(), "ip link set "+name) || !strings.Contains(err.Error(), lab.RouterIfC) {
				t.Errorf("%v", err)
			}
			link, err := netlink.LinkByName(name)
			if err != nil {
				return err // it must not have been removed
			}
			return netlink.LinkDel(link)
		})
	}
}

func TestRefusals(t *testing.T) {
	l := newLab(t)
	for _, row := range []struct {
		name, ifname string
		queues       int
		says         string
	}{
		{"no such interface", "nothere", 1, "ip link"},
		{"not Ethernet", "lo", 1, "only Ethernet"},
		{"no queues", lab.RouterIfC, 0, "must be 1 to"},
		{"too many queues", lab.RouterIfC, MaxQueues + 1, "must be 1 to"},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := routerState(t, l)
			inRouter(t, l, func() error {
				_, err := openPair(row.ifname, row.queues)
				if err == nil || !strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), row.ifname) {
					t.Errorf("%v; want %q", err, row.says)
				}
				return nil
			})
			before.same(t, routerState(t, l))
		})
	}
	inRouter(t, l, func() error {
		p, err := openPair(lab.RouterIfC, 1)
		if err != nil {
			return err
		}
		if err := p.takeOver(); err != nil {
			return err
		}
		if err := p.takeOver(); err == nil {
			t.Error("active twice")
		}
		return p.Close()
	})
}

// TestSilence: neither end ever sends a frame of its own, and the settings that
// see to it are as they should be. The outward half is not there, since what the
// router sends by its interface would be counted.
func TestSilence(t *testing.T) {
	s := newStand(t, false, lab.MTU(1400))
	time.Sleep(1500 * time.Millisecond) // a fresh interface sends within a second
	for _, end := range []string{s.path.BoxEnd(), s.path.KernelEnd()} {
		a, err := s.Link(lab.Router, end)
		if err != nil {
			t.Fatal(err)
		}
		if n := a.Statistics.TxPackets + a.Statistics.RxPackets; n != 0 {
			t.Errorf("%s: %d frames", end, n)
		}
		if a.MTU != 1400 || a.NumTxQueues != 2 || a.NumRxQueues != 2 {
			t.Errorf("%s: MTU %d, queues %d and %d", end, a.MTU, a.NumRxQueues, a.NumTxQueues)
		}
		const noARP, up = 1 << 7, 1
		if a.RawFlags&noARP == 0 || a.RawFlags&up == 0 {
			t.Errorf("%s: flags %#x", end, a.RawFlags)
		}
		inRouter(t, s.Lab, func() error {
			addrs, err := netlink.AddrList(&netlink.Veth{LinkAttrs: *a}, netlink.FAMILY_ALL)
			if len(addrs) > 0 {
				t.Errorf("%s: addresses %v", end, addrs)
			}
			if err != nil {
				return err
			}
			f, err := readFeatures(a.Index)
			for name := range f.on {
				if unwanted(name) && f.changeable[name] {
					t.Errorf("%s: %s is on", end, name)
				}
			}
			if end == s.path.KernelEnd() && !f.on["rx-gro"] {
				t.Errorf("%s: no GRO", end)
			}
			return err
		})
	}
	if err := s.path.SetMTU(1300); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{s.path.BoxEnd(), s.path.KernelEnd()} {
		if a, err := s.Link(lab.Router, end); err != nil || a.MTU != 1300 {
			t.Errorf("%s: MTU %d, %v", end, a.MTU, err)
		}
	}
}

// TestInterfaceVanishes: the path can be closed when its interface is gone.
func TestInterfaceVanishes(t *testing.T) {
	l := newLab(t)
	var p *Path
	inRouter(t, l, func() (err error) {
		if p, err = openPair(lab.RouterIfC, 1); err != nil {
			return err
		}
		if err := p.takeOver(); err != nil {
			return err
		}
		link, err := netlink.LinkByName(lab.RouterIfC)
		if err != nil {
			return err
		}
		return netlink.LinkDel(link)
	})
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if st := routerState(t, l); strings.Contains(st.links, boxPrefix) || strings.Contains(st.links, kernelPrefix) {
		t.Errorf("left: %s", st.links)
	}
}

// TestForeignPrograms: others' programs on the real interface stay.
func TestForeignPrograms(t *testing.T) {
	l := newLab(t)
	before := routerState(t, l)
	inRouter(t, l, func() error {
		index := linkOf(t, lab.RouterIfC)
		foreign, err := attach("foreign", passing(), index, ebpf.AttachTCXEgress)
		if err != nil {
			return err
		}
		p, err := openPair(lab.RouterIfC, 1)
		if err != nil {
			return err
		}
		if err := p.takeOver(); err != nil {
			return err
		}
		if n, err := attached(index, ebpf.AttachTCXEgress); n != 2 || err != nil {
			t.Errorf("%d programs, %v", n, err)
		}
		if err := p.Close(); err != nil {
			return err
		}
		if n, err := attached(index, ebpf.AttachTCXEgress); n != 1 || err != nil {
			t.Errorf("%d programs after Close, %v", n, err)
		}
		return foreign.Close()
	})
	before.same(t, routerState(t, l))
}

// passing is a program that lets everything go on.
func passing() asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R0, tcxNext), asm.Return()}
}

func inRouter(t *testing.T, l *lab.Lab, f func() error) {
	t.Helper()
	if err := l.Do(lab.Router, f); err != nil {
		t.Fatal(err)
	}
}

func linkIndex(t *testing.T, l *lab.Lab, ifname string) (index int) {
	t.Helper()
	inRouter(t, l, func() error { index = linkOf(t, ifname); return nil })
	return index
}

func linkOf(t *testing.T, ifname string) int {
	link, err := netlink.LinkByName(ifname)
	if err != nil {
		t.Error(err)
		return -1
	}
	return link.Attrs().Index
}
