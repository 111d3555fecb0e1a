package host

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/lab"
)

// diversion is an XDP program in place of the box's: IP goes to another
// interface, so the kernel never sees what the wire brings; the rest passes.
func diversion(to int) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), // data
		asm.LoadMem(asm.R3, asm.R1, 4, asm.Word), // data_end
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Add.Imm(asm.R4, 14),
		asm.JGT.Reg(asm.R4, asm.R3, "pass"),
		asm.LoadMem(asm.R4, asm.R2, etherTypeAt, asm.Half),
		asm.JEq.Imm(asm.R4, onWire(etherIPv4), "away"),
		asm.JEq.Imm(asm.R4, onWire(etherIPv6), "away"),
		asm.Mov.Imm(asm.R0, 2).WithSymbol("pass"), // XDP_PASS
		asm.Return(),
		asm.Mov.Imm(asm.R1, int32(to)).WithSymbol("away"),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(),
		asm.Return(),
	}
}

// forwarder joins the wire and the box end as the box would, without rules.
type forwarder struct {
	in, out    atomic.Int64 // frames to and from the kernel
	longest    atomic.Int64 // bytes of those from the kernel
	unfinished atomic.Int64 // checksums of those from the kernel
	completed  atomic.Int64 // checksums of those from the wire
}

func startForwarder(t *testing.T, s *stand) *forwarder {
	t.Helper()
	if err := s.Connect(lab.Router, "d0", lab.Router, "d1", lab.Cable{}); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"d0", "d1"} {
		if err := lab.Sysctl(s.NS(lab.Router), "net/ipv6/conf/"+end+"/disable_ipv6", "1"); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Do(lab.Router, func() error {
		near, err := netlink.LinkByName("d0")
		if err != nil {
			return err
		}
		far, err := netlink.LinkByName("d1")
		if err != nil {
			return err
		}
		// Without it d1 would lose what an XDP program redirects.
		if err := setFeatures(far.Attrs().Index, map[string]bool{"rx-gro": true}); err != nil {
			return err
		}
		prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, Instructions: diversion(near.Attrs().Index), License: "Dual MIT/GPL"})
		if err != nil {
			return err
		}
		defer prog.Close()
		l, err := link.AttachXDP(link.XDPOptions{Program: prog, Interface: s.path.ifindex, Flags: link.XDPDriverMode})
		if err != nil {
			return err
		}
		t.Cleanup(func() {
			_ = l.Close()
			if err := s.Do(lab.Router, func() error { return netlink.LinkDel(near) }); err != nil {
				t.Error(err)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	open := func(ifname string, c lab.TapConfig) *lab.Tap {
		tap, err := lab.OpenTap(s.NS(lab.Router), ifname, c)
		if err != nil {
			t.Fatal(err)
		}
		return tap
	}
	f := &forwarder{}
	wireIn, wireOut := open("d1", lab.TapConfig{Incoming: true}), open(lab.RouterIfC, lab.TapConfig{Direct: true})
	boxIn, boxOut := open(s.path.BoxEnd(), lab.TapConfig{Incoming: true}), open(s.path.BoxEnd(), lab.TapConfig{Direct: true})
	var stop atomic.Bool
	var done sync.WaitGroup
	run := func(from, to *lab.Tap, each func(b []byte)) {
		done.Go(func() {
			for !stop.Load() {
				got, err := from.Recv(20 * time.Millisecond)
				if err != nil {
					continue
				}
				each(got.Data)
				if err := to.Send(got.Data); err != nil {
					t.Errorf("forwarder: %v", err)
					return
				}
			}
		})
	}
	run(wireIn, boxOut, func(b []byte) {
		f.in.Add(1)
		if frame.VerifyChecksums(b) != nil {
			complete(b)
			f.completed.Add(1)
		}
	})
	run(boxIn, wireOut, func(b []byte) {
		f.out.Add(1)
		f.longest.Store(max(f.longest.Load(), int64(len(b))))
		if frame.VerifyChecksums(b) != nil {
			f.unfinished.Add(1)
		}
	})
	t.Cleanup(func() {
		stop.Store(true)
		done.Wait()
		for _, tap := range []*lab.Tap{wireIn, wireOut, boxIn, boxOut} {
			_ = tap.Close()
		}
	})
	return f
}

// complete finishes a TCP or UDP checksum whose field has the pseudo header's
// sum: summing up field and all then gives the checksum.
func complete(b []byte) {
	d, err := frame.Decode(b)
	if err != nil || d.Version == 0 || d.MF || d.Offset != 0 {
		return
	}
	at := map[uint8]int{frame.ProtoTCP: 16, frame.ProtoUDP: 6}[d.Proto]
	if at == 0 {
		return
	}
	header := 40
	if d.Version == 4 {
		header = int(b[14]&15) * 4
	}
	segment := b[14+header : 14+d.IPLen]
	var sum uint32
	for i, v := range segment {
		sum += uint32(v) << (8 * (1 - i&1))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(segment[at:], ^uint16(sum))
}

func TestPingThroughTheBox(t *testing.T) {
	s := newStand(t, true, lab.Queues(2))
	f := startForwarder(t, s)
	for _, row := range []struct {
		name string
		from string
		to   netip.Addr
		cfg  lab.PingConfig
	}{
		{"in", lab.Client, lab.RouterC4, lab.PingConfig{}},
		{"in, IPv6", lab.Client, lab.RouterC6, lab.PingConfig{}},
		{"in, fragments", lab.Client, lab.RouterC4, lab.PingConfig{Size: 4000}},
		{"in, IPv6, fragments", lab.Client, lab.RouterC6, lab.PingConfig{Size: 4000}},
		{"out", lab.Router, lab.Client4, lab.PingConfig{}},
		{"out, IPv6", lab.Router, lab.Client6, lab.PingConfig{}},
		{"the router's other address", lab.Client, lab.RouterS4, lab.PingConfig{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			in, out := f.in.Load(), f.out.Load()
			row.cfg.Interval = time.Millisecond
			r, err := lab.Ping(s.NS(row.from), row.to, row.cfg)
			if err != nil || r.Received != 3 {
				t.Errorf("%v, %v", r, err)
			}
			if f.in.Load()-in < 3 || f.out.Load()-out < 3 {
				t.Errorf("past the box: %d frames in, %d out", f.in.Load()-in, f.out.Load()-out)
			}
		})
	}
	if n := f.unfinished.Load(); n > 0 {
		t.Errorf("%d frames from the kernel with wrong checksums", n)
	}
}

// TestTCPThroughTheBox moves a megabyte each way between the client and the
// router's own stack. The stacks think that they may send large segments and
// leave checksums undone; from the kernel come whole frames of the MTU at most.
func TestTCPThroughTheBox(t *testing.T) {
	s := newStand(t, true)
	f := startForwarder(t, s)
	for _, row := range []struct{ name, listener, dialer, address string }{
		{"client connects", lab.Router, lab.Client, "10.77.1.1:80"},
		{"client connects, IPv6", lab.Router, lab.Client, "[fd77:1::1]:80"},
		{"router connects", lab.Client, lab.Router, "10.77.1.2:80"},
		{"router connects, IPv6", lab.Client, lab.Router, "[fd77:1::2]:80"},
	} {
		t.Run(row.name, func(t *testing.T) {
			moveBytes(t, s.NS(row.listener), s.NS(row.dialer), row.address)
		})
	}
	if n := f.longest.Load(); n > 1514 {
		t.Errorf("a frame of %d bytes from the kernel", n)
	}
	if n := f.unfinished.Load(); n > 0 {
		t.Errorf("%d frames from the kernel with wrong checksums", n)
	}
	if f.completed.Load() == 0 {
		t.Error("the client finishes its checksums by itself: the lab is not what was to be tried")
	}
	t.Logf("%d frames in, %d out", f.in.Load(), f.out.Load())
}

// moveBytes sends a megabyte to a listener that sends it back.
func moveBytes(t *testing.T, listening, dialing, address string) {
	t.Helper()
	data := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	listener, err := lab.ListenIn(listening, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() { // echoes; trouble shows as bytes that do not come back
		c, err := listener.Accept()
		if err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	c, err := lab.DialIn(dialing, "tcp", address, soon)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		failed <- err
	}()
	got := make([]byte, len(data))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the bytes come back the same: %v, %v", bytes.Equal(got, data), err)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}
