package afxdp

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

func TestSilenceLook(t *testing.T) {
	type look struct{ received, seen, want uint64 }
	for _, row := range []struct {
		name  string
		looks []look
	}{
		{"the first look knows no before", []look{{1000, 0, 0}}},
		{"all is seen", []look{{0, 0, 0}, {100, 100, 0}, {300, 299, 0}}},
		{"some is enough", []look{{0, 0, 0}, {1000, 1, 0}}},
		{"nothing comes", []look{{5, 5, 0}, {5, 5, 0}, {5, 5, 0}}},
		{"too few to tell", []look{{0, 0, 0}, {63, 0, 0}}},
		{"a few at a time", []look{{0, 0, 0}, {40, 0, 0}, {80, 0, 80}, {90, 0, 90}}},
		{"silent, then not", []look{{0, 0, 0}, {70, 0, 70}, {140, 70, 0}, {210, 140, 0}}},
		{"a device that counts from 0 again", []look{{1000, 900, 0}, {5, 900, 0}, {10, 905, 0}}},
	} {
		var s silence
		for n, l := range row.looks {
			if got := s.look(l.received, l.seen); got != l.want {
				t.Errorf("%s: look %d: %d, want %d", row.name, n, got, l.want)
			}
		}
	}
}

// TestSilence puts another program in the place of the interface's own: nothing
// comes any more, which only Check tells.
func TestSilence(t *testing.T) {
	const frames = 4 * silentFrames
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	_, near := n.open("a0", testOptions(1), n.umems(1, 1024))
	ifc, far := n.open("a1", testOptions(1), n.umems(1, 1024))
	pass := func(want uint64) {
		t.Helper()
		sent := uint64(0)
		before, err := linkReceived(ifc.silence.fd, ifc.dev.index)
		if err != nil {
			t.Fatal(err)
		}
		got := uint64(0)
		eventually(t, "all frames have arrived", func() bool {
			if sent < frames {
				sent += uint64(near[0].send(0, sent, min(32, int(frames-sent))))
			}
			near[0].q.Flush()
			got = far[0].take(t, 0, got)
			now, err := linkReceived(ifc.silence.fd, ifc.dev.index)
			return err == nil && now-before >= frames && got == want
		})
	}
	if err := ifc.Check(); err != nil {
		t.Fatal(err)
	}
	pass(frames)
	if err := ifc.Check(); err != nil {
		t.Errorf("all frames were seen: %v", err)
	}
	drop, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Dual MIT/GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpDrop), asm.Return()}})
	if err != nil {
		t.Fatal(err)
	}
	defer drop.Close()
	if err := ifc.link.Update(drop); err != nil {
		t.Fatal(err)
	}
	pass(0)
	if err := ifc.Check(); err == nil || !strings.Contains(err.Error(), "a1 has received") {
		t.Errorf("none was seen: %v", err)
	}
	if err := ifc.link.Update(ifc.program.prog); err != nil {
		t.Fatal(err)
	}
	pass(frames)
	if err := ifc.Check(); err != nil {
		t.Errorf("all frames were seen again: %v", err)
	}
}
