package afxdp

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestProgram runs the program on single frames, with a socket on the receive
// queue and without.
func TestProgram(t *testing.T) {
	const redirect = 4
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	pad := strings.Repeat("\x00", 46)
	macs := "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02"
	vlan, qinq := "\x81\x00\x00\x05", "\x88\xa8\x20\x07"
	rows := []struct {
		name         string
		frame        string
		with, empty  uint32 // verdict with a socket, and without
		noSock, malf uint64 // counted without a socket
	}{
		{"IPv4", macs + "\x08\x00" + pad, redirect, xdpDrop, 1, 0},
		{"IPv6", macs + "\x86\xdd" + pad, redirect, xdpDrop, 1, 0},
		{"IPv4 behind a tag", macs + vlan + "\x08\x00" + pad, redirect, xdpDrop, 1, 0},
		{"IPv6 behind a service tag", macs + qinq + "\x86\xdd" + pad, redirect, xdpDrop, 1, 0},
		{"IPv4 behind two tags", macs + qinq + vlan + "\x08\x00" + pad, redirect, xdpDrop, 1, 0},
		{"IPv6 behind two tags", macs + vlan + vlan + "\x86\xdd" + pad, redirect, xdpDrop, 1, 0},
		{"IPv4 header alone", macs + "\x08\x00", redirect, xdpDrop, 1, 0},
		{"ARP", macs + "\x08\x06" + pad, xdpPass, xdpPass, 0, 0},
		{"ARP behind a tag", macs + vlan + "\x08\x06" + pad, xdpPass, xdpPass, 0, 0},
		{"ARP behind two tags", macs + qinq + vlan + "\x08\x06" + pad, xdpPass, xdpPass, 0, 0},
		{"LLDP", macs + "\x88\xcc" + pad, xdpPass, xdpPass, 0, 0},
		{"802.3 length", macs + "\x00\x26" + pad, xdpPass, xdpPass, 0, 0},
		{"type near IPv4", macs + "\x08\x01" + pad, xdpPass, xdpPass, 0, 0},
		{"bytes of IPv4 swapped", macs + "\x00\x08" + pad, xdpPass, xdpPass, 0, 0},
		{"bytes of IPv6 swapped", macs + "\xdd\x86" + pad, xdpPass, xdpPass, 0, 0},
		{"three tags", macs + vlan + vlan + vlan + "\x08\x00" + pad, xdpDrop, xdpDrop, 0, 1},
		{"three tags, the third of service", macs + vlan + vlan + qinq + "\x08\x06" + pad, xdpDrop, xdpDrop, 0, 1},
		{"ends in the first tag", macs + "\x81\x00\x00\x05\x08", xdpDrop, xdpDrop, 0, 1},
		{"ends before the first tag", macs + "\x88\xa8", xdpDrop, xdpDrop, 0, 1},
		{"ends in the second tag", macs + qinq + "\x81\x00\x00\x05\x08", xdpDrop, xdpDrop, 0, 1},
	}
	for _, socket := range []bool{false, true} {
		p, err := loadProgram(1, Options{}, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		if socket {
			q, err := openSocket(newTestUMEM(t, 1024), n.index("a1"), 0, testOptions(1), false)
			if err != nil {
				t.Fatal(err)
			}
			defer q.release()
			defer q.close()
			if err := p.put(0, q.fd); err != nil {
				t.Fatal(err)
			}
			if err := p.put(1, q.fd); err == nil {
				t.Error("a socket could be entered for a queue that the device has not")
			}
		}
		for _, row := range rows {
			before := p.counts()
			got, out, err := p.prog.Test([]byte(row.frame))
			if err != nil {
				t.Errorf("%s: %v", row.name, err)
				continue
			}
			want, counts := row.empty, ProgramCounts{before.NoSocket + row.noSock, before.Malformed + row.malf}
			if socket {
				want, counts.NoSocket = row.with, before.NoSocket
			}
			if got != want || p.counts() != counts {
				t.Errorf("%s, socket %v: verdict %d, counts %+v; want %d, %+v", row.name, socket, got, p.counts(), want, counts)
			}
			if string(out) != row.frame {
				t.Errorf("%s: the frame was changed", row.name)
			}
		}
	}
}

// TestProgramPasses checks on a real interface that the kernel still gets what
// is not IP, and the box what is.
func TestProgramPasses(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	_, a := n.open("a0", testOptions(1), n.umems(1, 256))
	ib, b := n.open("a1", testOptions(1), n.umems(1, 256))
	stack, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(stack)
	every := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // in the byte order of the wire
	if err := unix.Bind(stack, &unix.SockaddrLinklayer{Protocol: every, Ifindex: n.index("a1")}); err != nil {
		t.Fatal(err)
	}
	other := func() {
		addr, _ := a[0].u.Alloc()
		f := a[0].u.Frame(addr, 60)
		writeFrame(f, 0, 0)
		f[12], f[13] = 0x88, 0xcc
		if a[0].q.Send([]Desc{{Addr: addr, Len: 60}}) != 1 {
			t.Fatal("not sent")
		}
	}
	other()
	if a[0].send(0, 0, 1) != 1 {
		t.Fatal("not sent")
	}
	other()
	next, others := uint64(0), 0
	buf := make([]byte, 2048)
	eventually(t, "all three have arrived", func() bool {
		a[0].q.Flush()
		next = b[0].take(t, 0, next)
		if k, err := unix.Read(stack, buf); err == nil {
			if k < 60 || buf[12] != 0x88 || buf[13] != 0xcc {
				t.Fatalf("the kernel's stack got % x", buf[:k])
			}
			others++
		}
		return others == 2 && next == 1
	})
	if c := ib.Info().Program; c != (ProgramCounts{}) {
		t.Errorf("%+v", c)
	}
}

// TestProgramDiscovery: with Discovery the kernel gets what finds neighbours, and
// nothing else of IPv6.
func TestProgramDiscovery(t *testing.T) {
	newTestNet(t)
	p, err := loadProgram(1, Options{Discovery: true}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	frame := func(tags string, next, kind byte) []byte {
		b := []byte(strings.Repeat("\x02", 12) + tags + "\x86\xdd" + strings.Repeat("\x00", 64))
		ip := b[12+len(tags)+2:]
		ip[6], ip[40] = next, kind
		return b
	}
	for _, c := range []struct {
		name  string
		frame []byte
		want  uint32 // without a socket; what is for the socket is dropped
	}{
		{"router solicitation", frame("", 58, 133), xdpPass},
		{"neighbour solicitation", frame("", 58, 135), xdpPass},
		{"redirect", frame("", 58, 137), xdpPass},
		{"behind two tags", frame("\x88\xa8\x00\x05\x81\x00\x00\x06", 58, 136), xdpPass},
		{"echo", frame("", 58, 128), xdpDrop},
		{"multicast listener report", frame("", 58, 132), xdpDrop},
		{"renumbering", frame("", 58, 138), xdpDrop},
		{"UDP", frame("", 17, 135), xdpDrop},
		{"ends before the type", frame("", 58, 135)[:54], xdpDrop},
		{"IPv4", append([]byte(strings.Repeat("\x02", 12)+"\x08\x00"), make([]byte, 46)...), xdpDrop},
		{"ARP", append([]byte(strings.Repeat("\x02", 12)+"\x08\x06"), make([]byte, 46)...), xdpPass},
	} {
		if got, _, err := p.prog.Test(c.frame); err != nil || got != c.want {
			t.Errorf("%s: verdict %d, %v; want %d", c.name, got, err, c.want)
		}
	}
}

// TestProgramOfAWire: with AllFrames nothing is the kernel's.
func TestProgramOfAWire(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	p, err := loadProgram(1, Options{AllFrames: true}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	arp := []byte(strings.Repeat("\x02", 12) + "\x08\x06" + strings.Repeat("\x00", 46))
	if got, _, err := p.prog.Test(arp); err != nil || got != xdpDrop {
		t.Errorf("without a socket: verdict %d, %v", got, err)
	}
	if c := p.counts(); c.NoSocket != 1 {
		t.Errorf("counts %+v", c)
	}
	q, err := openSocket(newTestUMEM(t, 1024), n.index("a1"), 0, testOptions(1), false)
	if err != nil {
		t.Fatal(err)
	}
	defer q.release()
	defer q.close()
	if err := p.put(0, q.fd); err != nil {
		t.Fatal(err)
	}
	const redirect = 4
	for _, frame := range [][]byte{arp, append([]byte(strings.Repeat("\x02", 12)), make([]byte, 48)...)} {
		if got, _, err := p.prog.Test(frame); err != nil || got != redirect {
			t.Errorf("with a socket: verdict %d, %v", got, err)
		}
	}
}
