package afxdp

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

var testBackends = []Backend{BackendOwn, BackendAsavie}

// TestEcho sends frames from one end of a veth to the other and back, on every
// queue, and compares every byte.
func TestEcho(t *testing.T) {
	const frames = 3000
	for _, backend := range testBackends {
		for _, queues := range []int{1, 2, 4} {
			t.Run(fmt.Sprintf("%v %d queues", backend, queues), func(t *testing.T) {
				n := newTestNet(t)
				n.veth("a0", "a1", queues)
				opt := testOptions(queues)
				opt.Backend = backend
				_, near := n.open("a0", opt, n.umems(queues, 1024))
				ifc, far := n.open("a1", opt, n.umems(queues, 1024))
				sent, back := make([]uint64, queues), make([]uint64, queues)
				eventually(t, "all frames are back", func() bool {
					all := true
					for i := range queues {
						stream := uint64(i)
						if sent[i] < frames && sent[i]-back[i] < 128 {
							sent[i] += uint64(near[i].send(stream, sent[i], min(32, int(frames-sent[i]))))
						}
						far[i].move(far[i])
						back[i] = near[i].take(t, stream, back[i])
						all = all && back[i] == frames
					}
					return all
				})
				info := ifc.Info()
				for i, q := range info.Queues {
					if q.Stats.RxFrames != frames || q.Stats.TxFrames != frames || q.Strays != 0 || q.Kernel.TxInvalid != 0 {
						t.Errorf("queue %d: %+v", i, q)
					}
					if q.ZeroCopy || !q.Open || q.Private != (backend == BackendAsavie) {
						t.Errorf("queue %d: %+v: a veth copies", i, q)
					}
				}
				if info.Driver != "veth" || !info.Attached || info.Program != (ProgramCounts{}) {
					t.Errorf("%+v", info)
				}
			})
		}
	}
}

// forward carries frames through a box between two veths, both ways at once.
func forward(t *testing.T, n *testNet, queues int, in, out []post, frames uint64) {
	_, left := n.open("a0", testOptions(queues), n.umems(queues, 1024))
	_, right := n.open("b0", testOptions(queues), n.umems(queues, 1024))
	var sent, got [2][8]uint64
	eventually(t, "all frames are through", func() bool {
		all := true
		for i := range queues {
			for way, from := range []post{left[i], right[i]} {
				if sent[way][i] < frames && sent[way][i]-got[way][i] < 128 {
					sent[way][i] += uint64(from.send(uint64(way), sent[way][i], min(32, int(frames-sent[way][i]))))
				}
			}
			in[i].move(out[i])
			out[i].move(in[i])
			got[0][i] = right[i].take(t, 0, got[0][i])
			got[1][i] = left[i].take(t, 1, got[1][i])
			all = all && got[0][i] == frames && got[1][i] == frames
		}
		return all
	})
}

// TestForwardShared forwards without a copy: worker i has queue i of both
// interfaces on one UMEM.
func TestForwardShared(t *testing.T) {
	for _, queues := range []int{1, 2, 4} {
		t.Run(fmt.Sprintf("%d queues", queues), func(t *testing.T) {
			n := newTestNet(t)
			n.veth("a0", "a1", queues)
			n.veth("b0", "b1", queues)
			box := n.umems(queues, 2048)
			ia, in := n.open("a1", testOptions(queues), box)
			ib, out := n.open("b1", testOptions(queues), box)
			for _, info := range []Info{ia.Info(), ib.Info()} {
				for i, q := range info.Queues {
					if q.Private {
						t.Errorf("%s queue %d is private", info.Name, i)
					}
				}
			}
			if err := box[0].Close(); err == nil {
				t.Error("a UMEM in use could be closed")
			}
			forward(t, n, queues, in, out, 3000)
		})
	}
}

// TestForwardPrivate gives the second interface a UMEM of the other class, so
// that its queue gets one of its own and copies.
func TestForwardPrivate(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	n.veth("b0", "b1", 1)
	box := n.umems(1, 2048)
	_, in := n.open("a1", testOptions(1), box)
	box[0].kernel.zeroCopy = true // as if a1 were a NIC
	opt := testOptions(1)
	opt.Mode = ModeCopy
	ib, out := n.open("b1", opt, box)
	if q := ib.Info().Queues[0]; !q.Private || q.ZeroCopy {
		t.Fatalf("%+v", q)
	}
	forward(t, n, 1, in, out, 3000)
}

func TestForwardAsavie(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	n.veth("b0", "b1", 1)
	box := n.umems(1, 2048)
	opt := testOptions(1)
	opt.Backend = BackendAsavie
	_, in := n.open("a1", opt, box)
	_, out := n.open("b1", opt, box)
	forward(t, n, 1, in, out, 3000)
	i, err := OpenInterface("a0", opt)
	if err == nil {
		defer i.Close()
		t.Error("an interface with a program could be opened")
	}
}

// TestGeneric forwards through interfaces in generic mode.
func TestGeneric(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	n.veth("b0", "b1", 1)
	box := n.umems(1, 2048)
	opt := testOptions(1)
	opt.Generic = true
	ia, in := n.open("a1", opt, box)
	_, out := n.open("b1", opt, box)
	if info := ia.Info(); !info.Generic || len(info.Warnings) < 2 {
		t.Errorf("%+v", info)
	}
	forward(t, n, 1, in, out, 2000)
}

// TestBusyPoll forwards with the kernel polling inside the worker's calls.
func TestBusyPoll(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	n.veth("b0", "b1", 1)
	box := n.umems(1, 2048)
	opt := testOptions(1)
	opt.BusyPoll = 20 * time.Microsecond
	_, in := n.open("a1", opt, box)
	_, out := n.open("b1", opt, box)
	forward(t, n, 1, in, out, 2000)
}

// TestReopen closes and opens interfaces again on the same UMEM, with frames in
// all rings.
func TestReopen(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	us, vs := n.umems(1, 512), n.umems(1, 512)
	for round := range 6 {
		a, err := OpenInterface("a0", testOptions(1))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		b, err := OpenInterface("a1", testOptions(1))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		posts := make([]post, 2)
		for i, ifc := range []*Interface{a, b} {
			u := []*UMEM{us[0], vs[0]}[i]
			q, err := ifc.Open(0, u)
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			posts[i] = post{ifc.Name(), u, q, make([]Desc, 64)}
			if err := ifc.Attach(); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		next := uint64(0)
		sent := uint64(posts[0].send(0, 0, 100))
		eventually(t, "half of the frames have come", func() bool {
			next = posts[1].take(t, 0, next)
			return next >= sent/2
		})
		n.set("a1", netlink.LinkSetDown) // so that some stay in the TX ring
		posts[0].send(0, sent, 64)
		n.set("a1", netlink.LinkSetUp)
		for _, ifc := range []*Interface{a, b} {
			if err := ifc.Close(); err != nil {
				t.Fatal(err)
			}
			if err := ifc.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
			if ifc.Attach() == nil || ifc.Check() == nil {
				t.Error("a closed interface attaches or checks")
			}
			if id := n.program(ifc.Name()); id != 0 {
				t.Errorf("program %d is still on %s", id, ifc.Name())
			}
		}
		for _, u := range []*UMEM{us[0], vs[0]} {
			if u.FreeFrames() != u.Frames() {
				t.Fatalf("round %d: %d of %d frames free", round, u.FreeFrames(), u.Frames())
			}
		}
		var descs [4]Desc
		if posts[0].q.Send(descs[:]) != 0 || posts[1].q.Recv(descs[:]) != 0 {
			t.Error("a closed queue takes or gives frames")
		}
		posts[0].q.Flush()
		if s := posts[1].q.Stats(); s.RxFrames < sent/2 {
			t.Errorf("statistics are gone after Close: %+v", s)
		}
	}
}

// TestLinkDown takes the link down and up under traffic: the queue says so,
// survives, and goes on.
func TestLinkDown(t *testing.T) {
	for _, backend := range testBackends {
		t.Run(backend.String(), func(t *testing.T) {
			n := newTestNet(t)
			n.veth("a0", "a1", 1)
			opt := testOptions(1)
			opt.Backend = backend
			ia, a := n.open("a0", opt, n.umems(1, 1024))
			_, b := n.open("a1", opt, n.umems(1, 1024))
			seq, next := uint64(0), uint64(0)
			pass := func() {
				t.Helper()
				start := next
				eventually(t, "frames pass", func() bool {
					if seq-next < 64 {
						seq += uint64(a[0].send(0, seq, 16))
					}
					a[0].q.Flush()
					next = b[0].take(t, 0, next)
					return next > start+1000
				})
			}
			pass()
			n.set("a0", netlink.LinkSetDown)
			for range 40 {
				seq += uint64(a[0].send(0, seq, 32))
			}
			q := ia.Info().Queues[0]
			if !q.Down || q.Downs == 0 || q.Stats.TxFull == 0 {
				t.Errorf("down: %+v", q)
			}
			n.set("a0", netlink.LinkSetUp)
			// What was in the TX ring goes out now, or was lost.
			var descs [64]Desc
			eventually(t, "the port is up again", func() bool {
				a[0].q.Flush()
				for _, d := range descs[:b[0].q.Recv(descs[:])] {
					_, s, err := readFrame(b[0].u.Frame(d.Addr, d.Len))
					if err != nil || s < next {
						t.Fatalf("sequence %d after %d: %v", s, next, err)
					}
					next = s + 1
					b[0].u.Free(d.Addr)
				}
				b[0].q.Flush()
				return !ia.Info().Queues[0].Down && next == seq
			})
			pass()
		})
	}
}

// TestOpenDown opens an interface that is down: once it is up, frames pass.
func TestOpenDown(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	n.set("a1", netlink.LinkSetDown)
	_, a := n.open("a0", testOptions(1), n.umems(1, 1024))
	_, b := n.open("a1", testOptions(1), n.umems(1, 1024))
	n.set("a1", netlink.LinkSetUp)
	next := uint64(0)
	sent := uint64(a[0].send(0, 0, 16))
	eventually(t, "frames pass", func() bool {
		a[0].q.Flush()
		next = b[0].take(t, 0, next)
		return next == sent
	})
}

// TestDeviceGone deletes the interface under the socket.
func TestDeviceGone(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	ia, a := n.open("a0", testOptions(1), n.umems(1, 1024))
	a[0].send(0, 0, 64)
	n.set("a0", netlink.LinkDel)
	for range 20 {
		a[0].send(0, 0, 64)
		a[0].move(a[0])
	}
	if q := ia.Info().Queues[0]; !q.Down {
		t.Errorf("%+v", q)
	}
	if err := ia.Check(); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("Check: %v", err)
	}
	if Poll([]Queue{a[0].q}, 1) {
		t.Error("something was received")
	}
}

// TestUMEMEmpty lets the receiver keep every frame: what comes then is lost and
// counted, and it goes on as soon as frames are free.
func TestUMEMEmpty(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	_, a := n.open("a0", testOptions(1), n.umems(1, 1024))
	_, b := n.open("a1", testOptions(1), n.umems(1, 128))
	var held []Desc
	sent := 0
	for range 20 {
		sent += a[0].send(0, uint64(sent), 32)
		var descs [32]Desc
		held = append(held, descs[:b[0].q.Recv(descs[:])]...)
		b[0].q.Flush()
	}
	eventually(t, "every frame is received or counted", func() bool {
		a[0].q.Flush()
		var descs [32]Desc
		held = append(held, descs[:b[0].q.Recv(descs[:])]...)
		s := b[0].q.Stats()
		return s.RxFrames+s.RxNoFrame+s.RxFull == uint64(sent)
	})
	if s := b[0].q.Stats(); s.RxNoFrame == 0 || len(held) == 0 || int(s.RxFrames) != len(held) {
		t.Errorf("%d held, %+v", len(held), s)
	}
	for _, d := range held {
		b[0].u.Free(d.Addr)
	}
	b[0].q.Flush()
	next := uint64(sent)
	sent += a[0].send(0, next, 16)
	eventually(t, "frames come again", func() bool {
		next = b[0].take(t, 0, next)
		return next == uint64(sent)
	})
}

// TestRingFull lets the receiver refill and not receive.
func TestRingFull(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	opt := testOptions(1)
	_, a := n.open("a0", opt, n.umems(1, 1024))
	opt.Ring = 64
	opt.TxBudget = 64
	_, b := n.open("a1", opt, n.umems(1, 1024))
	sent := 0
	eventually(t, "the ring overflows", func() bool {
		sent += a[0].send(0, uint64(sent), 32)
		b[0].q.Flush()
		return b[0].q.Stats().RxFull > 100
	})
	got := uint64(0)
	eventually(t, "every frame is received or counted", func() bool {
		a[0].q.Flush()
		got = b[0].take(t, 0, got)
		s := b[0].q.Stats()
		return s.RxFrames+s.RxNoFrame+s.RxFull == uint64(sent)
	})
	if got != 64 {
		t.Errorf("%d frames, want the first 64", got)
	}
}

// TestOneFlush sends more frames than one system call handles: a single Flush
// must get them all out.
func TestOneFlush(t *testing.T) {
	for _, backend := range testBackends {
		t.Run(backend.String(), func(t *testing.T) {
			n := newTestNet(t)
			n.veth("a0", "a1", 1)
			opt := testOptions(1)
			opt.Backend, opt.TxBudget = backend, 32
			ia, a := n.open("a0", opt, n.umems(1, 1024))
			_, b := n.open("a1", opt, n.umems(1, 1024))
			if sent := a[0].send(0, 0, 200); sent != 200 {
				t.Fatalf("%d frames taken", sent)
			}
			next := uint64(0)
			eventually(t, "all frames have arrived", func() bool {
				next = b[0].take(t, 0, next)
				return next == 200
			})
			if q := ia.Info().Queues[0]; q.Kicks < 200/32 {
				t.Errorf("%d system calls for 200 frames", q.Kicks)
			}
		})
	}
}

// TestBadLengths sends frames that no interface takes.
func TestBadLengths(t *testing.T) {
	for _, backend := range testBackends {
		t.Run(backend.String(), func(t *testing.T) {
			n := newTestNet(t)
			n.veth("a0", "a1", 1)
			opt := testOptions(1)
			opt.Backend = backend
			ia, a := n.open("a0", opt, n.umems(1, 1024))
			l := a[0]
			var descs []Desc
			for _, length := range []uint32{0, 13, 1500 + etherRoom + 1, 1792} {
				addr, _ := l.u.Alloc()
				descs = append(descs, Desc{Addr: addr, Len: length})
			}
			if got := l.q.Send(descs); got != len(descs) {
				t.Errorf("%d of %d taken", got, len(descs))
			}
			l.q.Flush()
			if s := l.q.Stats(); s.TxTooLong != 4 || s.TxFrames != 0 {
				t.Errorf("%+v", s)
			}
			if k := ia.Info().Queues[0].Kernel; k.TxInvalid != 0 {
				t.Errorf("%+v", k)
			}
			ia.SetMTU(1700) // as another program did meanwhile
			addr, _ := l.u.Alloc()
			if got := l.q.Send([]Desc{{Addr: addr, Len: 1700 + 14}}); got != 1 || l.q.Stats().TxFrames != 1 {
				t.Errorf("a frame of the new MTU: %+v", l.q.Stats())
			}
			l.q.Flush()
		})
	}
}

func TestPoll(t *testing.T) {
	n := newTestNet(t)
	n.veth("a0", "a1", 2)
	us, vs := n.umems(2, 1024), n.umems(2, 1024)
	_, a := n.open("a0", testOptions(2), us)
	_, b := n.open("a1", testOptions(2), vs)
	queues := []Queue{b[0].q, b[1].q}
	if !Pollable(queues) || Poll(queues, 1) {
		t.Error("there is nothing to receive")
	}
	var sender sync.WaitGroup
	sender.Go(func() {
		time.Sleep(20 * time.Millisecond)
		a[1].send(0, 0, 1)
	})
	// A signal, of which the runtime sends some, ends it early.
	eventually(t, "poll sees the frame", func() bool { return Poll(queues, 10_000) })
	sender.Wait()
	if n := b[1].take(t, 0, 0); n != 1 {
		t.Errorf("%d frames", n)
	}
	if avg := testing.AllocsPerRun(100, func() { Poll(queues, 0) }); avg != 0 {
		t.Errorf("Poll allocates %v times", avg)
	}
	pipe, _ := newTestPipe(t, PipeConfig{Queues: 1, Ring: 64})
	mem, err := pipe.Open(0, newTestUMEM(t, 64))
	if err != nil {
		t.Fatal(err)
	}
	mixed := []Queue{mem, b[0].q}
	if Pollable(mixed) || Pollable(nil) || Poll(mixed, -1) || Poll([]Queue{mem}, -1) {
		t.Error("a queue in memory cannot be waited for")
	}
}

func TestNoAllocation(t *testing.T) {
	for _, backend := range testBackends {
		t.Run(backend.String(), func(t *testing.T) {
			n := newTestNet(t)
			n.veth("a0", "a1", 1)
			opt := testOptions(1)
			opt.Backend = backend
			_, a := n.open("a0", opt, n.umems(1, 1024))
			_, b := n.open("a1", opt, n.umems(1, 1024))
			var descs [32]Desc
			moved := 0
			if avg := testing.AllocsPerRun(500, func() {
				for i := range descs {
					addr, _ := a[0].u.Alloc()
					descs[i] = Desc{Addr: addr, Len: 64}
					writeFrame(a[0].u.Frame(addr, 64), 0, 0)
				}
				sent := a[0].q.Send(descs[:])
				for _, d := range descs[sent:] {
					a[0].u.Free(d.Addr)
				}
				a[0].q.Flush()
				moved += b[0].move(b[0])
				for _, d := range descs[:a[0].q.Recv(descs[:])] {
					a[0].u.Free(d.Addr)
				}
			}); avg != 0 {
				t.Errorf("%v allocations in a round", avg)
			}
			if moved < 500 {
				t.Errorf("only %d frames moved", moved)
			}
		})
	}
}

const attachEnv = "SLUICE_TEST_ATTACH"

// TestKill ends a process with SIGKILL while it has a program attached: the
// kernel takes it away, and the interface can be used at once.
func TestKill(t *testing.T) {
	if name := os.Getenv(attachEnv); name != "" {
		i, err := OpenInterface(name, testOptions(1))
		if err != nil {
			t.Fatal(err)
		}
		u := newTestUMEM(t, 1024)
		if _, err := i.Open(0, u); err != nil {
			t.Fatal(err)
		}
		if err := i.Attach(); err != nil {
			t.Fatal(err)
		}
		fmt.Println("attached")
		time.Sleep(time.Minute)
		return
	}
	n := newTestNet(t)
	n.veth("a0", "a1", 1)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), attachEnv+"=a1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil { // in the namespace of this thread
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "attached\n" {
		_ = cmd.Process.Kill()
		t.Fatalf("the process says %q (%v)", line, cmd.Wait())
	}
	id := n.program("a1")
	if id == 0 {
		t.Error("no program is attached")
	}
	if _, err := OpenInterface("a1", testOptions(1)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("`kill %d`", cmd.Process.Pid)) {
		t.Errorf("an interface in use could be opened: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, it says
	eventually(t, "the program is gone", func() bool { return n.program("a1") == 0 })
	_, _ = n.open("a1", testOptions(1), n.umems(1, 1024))
}
