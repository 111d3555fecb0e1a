package afxdp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// jumboPair makes a veth pair with an MTU.
func (n *testNet) jumboPair(mtu int) {
	n.t.Helper()
	n.veth("a0", "a1", 1)
	for _, name := range []string{"a0", "a1"} {
		n.set(name, func(l netlink.Link) error { return netlink.LinkSetMTU(l, mtu) })
	}
}

// TestPieces sends frames of all lengths over a veth whose MTU is larger than a
// page, so that long ones cross it in several pieces, and compares every byte.
func TestPieces(t *testing.T) {
	for _, mtu := range []int{MaxSingleMTU() + 1, 3818, 9000, 16106} {
		for _, generic := range []bool{false, true} {
			t.Run(fmt.Sprintf("mtu %d generic %v", mtu, generic), func(t *testing.T) {
				n := newTestNet(t)
				n.jumboPair(mtu)
				opt := testOptions(1)
				opt.Generic = generic
				var ends []*End
				var ifcs []*Interface
				for _, name := range []string{"a0", "a1"} {
					ifc, err := OpenInterface(name, opt)
					if err != nil {
						t.Fatal(err)
					}
					e, err := NewEnd(ifc, 0, 1024)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() {
						if err := ifc.Close(); err != nil {
							t.Error(err)
						}
						if free := e.umem.FreeFrames(); free < e.umem.Frames()-1 { // End holds one to build in
							t.Errorf("%d of %d frames are free at the end", free, e.umem.Frames())
						}
						if err := e.Close(); err != nil {
							t.Error(err)
						}
					})
					if err := ifc.Attach(); err != nil {
						t.Fatal(err)
					}
					ends, ifcs = append(ends, e), append(ifcs, ifc)
				}
				seed := rand.Uint64()
				t.Logf("seed %#x", seed)
				exchange(t, rand.New(rand.NewPCG(seed, 0)), ends, mtu+14)
				for k, ifc := range ifcs {
					q := ifc.Info().Queues[0]
					if !q.Private || !q.Pieces || q.Stats.RxFrames != jumboFrames || q.Stats.TxFrames != jumboFrames || q.Strays != 0 || q.Kernel.TxInvalid != 0 {
						t.Errorf("end %d: %+v", k, q)
					}
				}
			})
		}
	}
}

const jumboFrames = 600

// exchange sends jumboFrames each way, of lengths up to longest, the edges of
// pieces among them, some way ahead of what has arrived.
func exchange(t *testing.T, rnd *rand.Rand, ends []*End, longest int) {
	page := unix.Getpagesize() - Headroom
	edges := []int{60, page - 1, page, page + 1, 2*page - 1, 2 * page, 2*page + 1, longest}
	var under [2][][]byte // by sender: what has not arrived yet
	var sent, got [2]int
	eventually(t, "all frames have crossed", func() bool {
		for k, from := range ends {
			for sent[k] < jumboFrames && len(under[k]) < 16 {
				length := 60 + rnd.IntN(longest-59)
				if rnd.IntN(3) == 0 {
					length = min(edges[rnd.IntN(len(edges))], longest)
				}
				f := make([]byte, length)
				for i := range f {
					f[i] = byte(rnd.Uint32())
				}
				writeFrame(f[:testHead], uint64(k), uint64(sent[k]))
				if !from.Write(f, 0) {
					break
				}
				under[k] = append(under[k], f)
				sent[k]++
			}
			from.Flush()
			for {
				f, _, ok := ends[1-k].Read()
				if !ok {
					break
				}
				if !bytes.Equal(f, under[k][0]) {
					t.Fatalf("end %d, frame %d: %d bytes arrived, not the %d sent", k, got[k], len(f), len(under[k][0]))
				}
				under[k] = under[k][1:]
				got[k]++
			}
		}
		return got == [2]int{jumboFrames, jumboFrames}
	})
}

// TestPiecesRefused: who cannot have frames in pieces is told so by name.
func TestPiecesRefused(t *testing.T) {
	n := newTestNet(t)
	n.jumboPair(9000)
	opt := testOptions(1)
	opt.Backend = BackendAsavie
	if _, err := OpenInterface("a1", opt); err == nil || !strings.Contains(err.Error(), "own backend") {
		t.Errorf("asavie: %v", err)
	}
	n.bridge("br0")
	n.set("br0", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 9000) })
	_, err := OpenInterface("br0", testOptions(1))
	if err == nil || !strings.Contains(err.Error(), "several pieces") || !strings.Contains(err.Error(), fmt.Sprintf("mtu %d", MaxSingleMTU())) {
		t.Errorf("bridge: %v", err)
	}
	n.set("a1", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 60000) })
	u, err := NewUMEM(64, MaxChunk)
	if err != nil {
		t.Fatal(err)
	}
	err = openAll("a1", testOptions(1), []*UMEM{u})
	if err == nil || !strings.Contains(err.Error(), "too large for frames of 16384 bytes") || strings.Contains(err.Error(), "or use") {
		t.Errorf("MTU 60000: %v", err)
	}
	if err := u.Close(); err != nil {
		t.Error(err)
	}
}
