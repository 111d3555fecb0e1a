package host

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/lab"
)

const (
	soon    = 2 * time.Second        // until what must come has come
	silence = 100 * time.Millisecond // in which what must not come would have come
)

// stand is a lab whose router has a path on the interface towards the client.
type stand struct {
	*lab.Lab
	path   *Path
	router frame.MAC // of r0
	client frame.MAC
}

// newLab makes a lab and checks at the end that it is gone.
func newLab(t *testing.T, options ...lab.Option) *lab.Lab {
	t.Helper()
	if err := lab.Privileged(); err != nil {
		t.Skipf("SKIP-PRIVILEGE: %v", err)
	}
	l, err := lab.New(lab.Unique("h"+strings.ToLower(strings.ReplaceAll(t.Name(), "/", ""))), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// newStand makes a lab with a path, active or with its inward half only, and
// checks at the end that closing it leaves nothing and has changed nothing.
func newStand(t *testing.T, active bool, options ...lab.Option) *stand {
	t.Helper()
	s := &stand{Lab: newLab(t, options...)}
	before := s.state(t)
	for _, x := range []struct {
		node, ifname string
		to           *frame.MAC
	}{{lab.Router, lab.RouterIfC, &s.router}, {lab.Client, lab.ClientIf, &s.client}} {
		a, err := s.Link(x.node, x.ifname)
		if err != nil {
			t.Fatal(err)
		}
		*x.to = frame.MAC(a.HardwareAddr)
	}
	err := s.Do(lab.Router, func() (err error) {
		if s.path, err = openPair(lab.RouterIfC, 2); err != nil || !active {
			return err
		}
		return s.path.takeOver()
	})
	if err != nil {
		t.Fatal(err)
	}
	if during := s.state(t); !maps.Equal(before.features, during.features) {
		t.Errorf("offloads of the real interface were %v and are %v", before.features, during.features)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := s.path.Close(); err != nil { // from a thread in another namespace
				t.Error(err)
			}
		}
		before.same(t, s.state(t))
	})
	return s
}

// state is what a path must leave as it was.
type state struct {
	links    string
	features map[string]bool
	in, out  int // TCX programs on the real interface
}

func (s *stand) state(t *testing.T) state {
	t.Helper()
	return routerState(t, s.Lab)
}

func routerState(t *testing.T, l *lab.Lab) (st state) {
	t.Helper()
	err := l.Do(lab.Router, func() error {
		links, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for _, link := range links {
			st.links += link.Attrs().Name + " "
			if link.Attrs().Name != lab.RouterIfC {
				continue
			}
			index := link.Attrs().Index
			f, err := readFeatures(index)
			if err != nil {
				return err
			}
			st.features = f.on
			if st.in, err = attached(index, ebpf.AttachTCXIngress); err != nil {
				return err
			}
			if st.out, err = attached(index, ebpf.AttachTCXEgress); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func (st state) same(t *testing.T, after state) {
	t.Helper()
	if st.links != after.links || st.in != after.in || st.out != after.out || !maps.Equal(st.features, after.features) {
		t.Errorf("the router was\n%+v\nand is\n%+v", st, after)
	}
}

func (s *stand) tap(t *testing.T, node, ifname string, c lab.TapConfig) *lab.Tap {
	t.Helper()
	tap, err := lab.OpenTap(s.NS(node), ifname, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tap.Close() })
	return tap
}

// TestIntoTheKernel: a frame sent into the box end is received by the real
// interface: sockets bound to it get it.
func TestIntoTheKernel(t *testing.T) {
	s := newStand(t, true)
	box := s.tap(t, lab.Router, s.path.BoxEnd(), lab.TapConfig{})
	group := frame.MAC{0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}
	for _, row := range []struct {
		name   string
		listen string
		device string
		join   string
		layers []frame.Layer
		want   bool
	}{
		{"IPv4", "10.77.1.1:7", lab.RouterIfC, "", []frame.Layer{
			frame.Ether{Src: s.client, Dst: s.router}, frame.IPv4{Src: "10.77.1.2", Dst: "10.77.1.1"}}, true},
		{"IPv6", "[fd77:1::1]:7", lab.RouterIfC, "", []frame.Layer{
			frame.Ether{Src: s.client, Dst: s.router}, frame.IPv6{Src: "fd77:1::2", Dst: "fd77:1::1"}}, true},
		{"broadcast", "0.0.0.0:7", lab.RouterIfC, "", []frame.Layer{
			frame.Ether{Src: s.client, Dst: frame.MAC{255, 255, 255, 255, 255, 255}},
			frame.IPv4{Src: "10.77.1.2", Dst: "10.77.1.255"}}, true},
		{"multicast", "0.0.0.0:7", lab.RouterIfC, "224.1.2.3", []frame.Layer{
			frame.Ether{Src: s.client, Dst: group}, frame.IPv4{Src: "10.77.1.2", Dst: "224.1.2.3"}}, true},
		{"another MAC", "10.77.1.1:7", lab.RouterIfC, "", []frame.Layer{
			frame.Ether{Src: s.client, Dst: frame.MAC{2, 9, 9, 9, 9, 9}}, frame.IPv4{Src: "10.77.1.2", Dst: "10.77.1.1"}}, false},
		{"another interface's socket", "10.77.1.1:7", lab.RouterIfS, "", []frame.Layer{
			frame.Ether{Src: s.client, Dst: s.router}, frame.IPv4{Src: "10.77.1.2", Dst: "10.77.1.1"}}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn := listenOn(t, s.NS(lab.Router), row.listen, row.device, row.join)
			sent := frame.Build(append(row.layers, frame.UDP{Src: 5, Dst: 7}, frame.Data(row.name))...)
			if err := box.Send(sent); err != nil {
				t.Fatal(err)
			}
			wait := soon
			if !row.want {
				wait = silence
			}
			if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 100)
			n, from, err := conn.ReadFrom(b)
			if row.want && (err != nil || string(b[:n]) != row.name) {
				t.Errorf("%q, %v", b[:n], err)
			}
			if !row.want && !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%q from %v, %v", b[:n], from, err)
			}
		})
	}
}

// TestMarked: what came through carries the mark. The kernel's echo shows it
// when told to reflect marks: a routing rule for the mark then takes its way away.
func TestMarked(t *testing.T) {
	s := newStand(t, false)
	wire := s.tap(t, lab.Client, lab.ClientIf, lab.TapConfig{Incoming: true})
	box := s.tap(t, lab.Router, s.path.BoxEnd(), lab.TapConfig{})
	if err := lab.Sysctl(s.NS(lab.Router), "net/ipv4/fwmark_reflect", "1"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name    string
		mark    uint32 // of the rule
		answers bool
	}{{"a rule for another mark", Mark + 1, true}, {"a rule for the mark", Mark, false}} {
		t.Run(row.name, func(t *testing.T) {
			err := s.Do(lab.Router, func() error {
				rule := netlink.NewRule()
				rule.Mark, rule.Table, rule.Priority = row.mark, 77, 100
				if err := netlink.RuleAdd(rule); err != nil {
					return err
				}
				_, all, err := net.ParseCIDR("0.0.0.0/0")
				if err != nil {
					return err
				}
				return netlink.RouteReplace(&netlink.Route{Dst: all, Table: 77, Type: unix.RTN_UNREACHABLE})
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := box.Send(s.request4(row.name)); err != nil {
				t.Fatal(err)
			}
			wait := soon
			if !row.answers {
				wait = silence
			}
			if _, err := wire.RecvIf(wait, isReply); (err == nil) != row.answers {
				t.Errorf("answered: %v, want %v", err == nil, row.answers)
			}
		})
	}
}

func (s *stand) request4(text string) []byte {
	return frame.Build(frame.Ether{Src: s.client, Dst: s.router}, frame.IPv4{Src: "10.77.1.2", Dst: "10.77.1.1"},
		frame.ICMP{Type: 8, ID: 5, Seq: 6}, frame.Data(text))
}

func isReply(f lab.Frame) bool {
	d, err := frame.Decode(f.Data)
	return err == nil && (d.Proto == frame.ProtoICMP && d.Type == 0 || d.Proto == frame.ProtoICMPv6 && d.Type == 129)
}

func isIP(f lab.Frame) bool {
	d, err := frame.Decode(f.Data)
	return err == nil && d.Version != 0
}

// TestOutOfTheKernel: what the kernel answers comes out of the box end, whole
// and with its checksums right, and does not leave by the wire. What is not IP
// does leave by it.
func TestOutOfTheKernel(t *testing.T) {
	s := newStand(t, true)
	box := s.tap(t, lab.Router, s.path.BoxEnd(), lab.TapConfig{Incoming: true})
	s.knowClient(t)
	solicited := frame.MAC{0x33, 0x33, 0xff, 0, 0, 1}
	solicit := "\xfd\x77\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x01\x01" + string(s.client[:])
	for _, row := range []struct {
		name  string
		frame []byte
		want  func(d *frame.Decoded) bool
	}{
		{"echo", s.request4("hello"), func(d *frame.Decoded) bool {
			return d.Proto == frame.ProtoICMP && d.Type == 0 && string(d.Payload) == "hello"
		}},
		{"echo, IPv6", frame.Build(frame.Ether{Src: s.client, Dst: s.router}, frame.IPv6{Src: "fd77:1::2", Dst: "fd77:1::1"},
			frame.ICMPv6{Type: 128, ID: 5, Seq: 6}, frame.Data("hello")), func(d *frame.Decoded) bool {
			return d.Proto == frame.ProtoICMPv6 && d.Type == 129 && string(d.Payload) == "hello"
		}},
		{"neighbour solicitation", frame.Build(frame.Ether{Src: s.client, Dst: solicited},
			frame.IPv6{Src: "fd77:1::2", Dst: "ff02::1:ff00:1", Hops: 255}, frame.ICMPv6{Type: 135}, frame.Data(solicit)),
			func(d *frame.Decoded) bool {
				const router = 0x80000000
				return d.Proto == frame.ProtoICMPv6 && d.Type == 136 && d.Info&router != 0
			}},
		{"reset of a closed port", frame.Build(frame.Ether{Src: s.client, Dst: s.router},
			frame.IPv4{Src: "10.77.1.2", Dst: "10.77.1.1"}, frame.TCP{Src: 5, Dst: 9, Flags: "S"}),
			func(d *frame.Decoded) bool { return d.Proto == frame.ProtoTCP && strings.Contains(d.Flags, "R") }},
		{"port unreachable", frame.Build(frame.Ether{Src: s.client, Dst: s.router},
			frame.IPv4{Src: "10.77.1.2", Dst: "10.77.1.1"}, frame.UDP{Src: 5, Dst: 9}),
			func(d *frame.Decoded) bool { return d.Proto == frame.ProtoICMP && d.Type == 3 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			wire := s.tap(t, lab.Client, lab.ClientIf, lab.TapConfig{Incoming: true})
			var f lab.Frame
			var err error
			for range 4 { // a busy machine may not have the interfaces' carriers up for the first
				if err = box.Send(row.frame); err != nil {
					t.Fatal(err)
				}
				f, err = box.RecvIf(soon, func(f lab.Frame) bool {
					d, err := frame.Decode(f.Data)
					return err == nil && row.want(d)
				})
				if err == nil {
					break
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := frame.VerifyChecksums(f.Data); err != nil || f.Unfinished {
				t.Errorf("unfinished %v, %v", f.Unfinished, err)
			}
			if d, err := frame.Decode(f.Data); err != nil || d.DstMAC != s.client || d.SrcMAC != s.router {
				t.Errorf("from %x to %x, %v", d.SrcMAC, d.DstMAC, err)
			}
			if f, err := wire.RecvIf(silence, isIP); err == nil {
				t.Errorf("on the wire: %x", f.Data)
			}
		})
	}
}

// TestLeavesDirectly: frames that are not IP do not come out of the box end, IP
// behind tags does.
func TestLeavesDirectly(t *testing.T) {
	s := newStand(t, true)
	real := s.tap(t, lab.Router, lab.RouterIfC, lab.TapConfig{}) // sends as the kernel does, past no program
	for _, row := range []struct {
		name   string
		layers []frame.Layer
		box    bool
	}{
		{"ARP", []frame.Layer{frame.Ether{Src: s.router, Dst: s.client}, frame.ARP{Sender: "10.77.1.1", Target: "10.77.1.2"}}, false},
		{"ARP behind a tag", []frame.Layer{frame.Ether{Src: s.router, Dst: s.client}, frame.VLAN{TCI: 5},
			frame.ARP{Sender: "10.77.1.1", Target: "10.77.1.2"}}, false},
		{"another EtherType", []frame.Layer{frame.Ether{Src: s.router, Dst: s.client, Type: 0x88cc}, frame.Zeros(50)}, false},
		{"IPv4", []frame.Layer{frame.Ether{Src: s.router, Dst: s.client}, frame.IPv4{Src: "10.77.1.1", Dst: "10.77.1.2"}, frame.UDP{Dst: 9}}, true},
		{"IPv4 behind a tag", []frame.Layer{frame.Ether{Src: s.router, Dst: s.client}, frame.VLAN{TCI: 5},
			frame.IPv4{Src: "10.77.1.1", Dst: "10.77.1.2"}, frame.UDP{Dst: 9}}, true},
		{"IPv6 behind two tags", []frame.Layer{frame.Ether{Src: s.router, Dst: s.client, Type: 0x88a8}, frame.VLAN{TCI: 5}, frame.VLAN{TCI: 6},
			frame.IPv6{Src: "fd77:1::1", Dst: "fd77:1::2"}, frame.UDP{Dst: 9}}, true},
		{"IPv6 behind three tags", []frame.Layer{frame.Ether{Src: s.router, Dst: s.client}, frame.VLAN{TCI: 5}, frame.VLAN{TCI: 6}, frame.VLAN{TCI: 7},
			frame.IPv6{Src: "fd77:1::1", Dst: "fd77:1::2"}, frame.UDP{Dst: 9}}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			box := s.tap(t, lab.Router, s.path.BoxEnd(), lab.TapConfig{Incoming: true})
			wire := s.tap(t, lab.Client, lab.ClientIf, lab.TapConfig{Incoming: true})
			comes, not := wire, box
			if row.box {
				comes, not = box, wire
			}
			sent := frame.Build(row.layers...)
			if err := real.Send(sent); err != nil {
				t.Fatal(err)
			}
			same := func(f lab.Frame) bool { return string(f.Data) == string(sent) }
			if _, err := comes.RecvIf(soon, same); err != nil {
				t.Error(err)
			}
			if _, err := not.RecvIf(silence, same); err == nil {
				t.Error("comes out on the other side too")
			}
		})
	}
}

// TestTagIntoTheKernel: the real interface receives a tagged frame with its tag.
func TestTagIntoTheKernel(t *testing.T) {
	s := newStand(t, true)
	box := s.tap(t, lab.Router, s.path.BoxEnd(), lab.TapConfig{})
	real := s.tap(t, lab.Router, lab.RouterIfC, lab.TapConfig{Incoming: true})
	sent := frame.Build(frame.Ether{Src: s.client, Dst: s.router}, frame.VLAN{TCI: 7},
		frame.IPv4{Src: "10.77.1.2", Dst: "10.77.1.1"}, frame.UDP{Dst: 9}, frame.Data("tagged"))
	if err := box.Send(sent); err != nil {
		t.Fatal(err)
	}
	if _, err := real.RecvIf(soon, func(f lab.Frame) bool { return string(f.Data) == string(sent) }); err != nil {
		t.Error(err)
	}
}

// TestTagBesideTheFrame: a tag that the kernel keeps beside the frame, as its
// VLAN interfaces do, stands in the frame when it comes out of the box end.
func TestTagBesideTheFrame(t *testing.T) {
	s := newStand(t, true)
	tag := asm.Instructions{ // what a VLAN interface does, as a program in front of ours
		asm.Mov.Imm(asm.R2, onWire(etherVLAN)),
		asm.Mov.Imm(asm.R3, 7),
		asm.FnSkbVlanPush.Call(),
		asm.Mov.Imm(asm.R0, tcxNext),
		asm.Return(),
	}
	err := s.Do(lab.Router, func() error {
		prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, Instructions: tag, License: "Dual MIT/GPL"})
		if err != nil {
			return err
		}
		defer prog.Close()
		l, err := link.AttachTCX(link.TCXOptions{Interface: s.path.ifindex, Program: prog,
			Attach: ebpf.AttachTCXEgress, Anchor: link.Head()})
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.knowClient(t)
	box := s.tap(t, lab.Router, s.path.BoxEnd(), lab.TapConfig{Incoming: true})
	for _, to := range []string{"10.77.1.2:9", "[fd77:1::2]:9"} {
		c, err := lab.DialIn(s.NS(lab.Router), "udp", to, soon)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("tagged")); err != nil {
			t.Fatal(err)
		}
		f, err := box.RecvIf(soon, func(f lab.Frame) bool {
			d, err := frame.Decode(f.Data)
			return err == nil && string(d.Payload) == "tagged"
		})
		if err != nil {
			t.Fatal(to, err)
		}
		d, _ := frame.Decode(f.Data)
		if len(d.Tags) != 1 || d.Tags[0] != 7 || frame.VerifyChecksums(f.Data) != nil {
			t.Errorf("%v", d)
		}
	}
}

// knowClient tells the router the client's MAC, so that it need not ask.
func (s *stand) knowClient(t *testing.T) {
	t.Helper()
	err := s.Do(lab.Router, func() error {
		for _, ip := range []netip.Addr{lab.Client4, lab.Client6} {
			if err := netlink.NeighSet(&netlink.Neigh{LinkIndex: s.path.ifindex, IP: ip.AsSlice(),
				State: netlink.NUD_PERMANENT, HardwareAddr: s.client[:]}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func listenOn(t *testing.T, ns, address, device, group string) net.PacketConn {
	t.Helper()
	var conn net.PacketConn
	err := lab.Do(ns, func() (err error) {
		conn, err = boundTo(device).ListenPacket(t.Context(), "udp", address)
		if err != nil || group == "" {
			return err
		}
		return joinGroup(conn, device, netip.MustParseAddr(group))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
