package afxdp

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// liveFrames makes BPF_PROG_TEST_RUN send what the program redirects.
const liveFrames = 1 << 1

// flood offers 60-byte frames at an interface, some ten million a second, from
// a thread of its own on the first CPU, until the function it returns is called.
func (n *testNet) flood(name string) (stop func()) {
	n.t.Helper()
	out, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "MIT", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R1, int32(n.index(name))),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(),
		asm.Return(),
	}})
	if err != nil {
		n.t.Fatal(err)
	}
	frame := make([]byte, 60)
	writeFrame(frame, 0, 0)
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		n.inNamespace(func() {
			onCPU(0)
			for !done.Load() {
				// Long runs: each call stalls when it ends.
				if _, err := out.Run(&ebpf.RunOptions{Data: frame, Repeat: 1 << 20, Flags: liveFrames}); err != nil {
					n.t.Errorf("live frames: %v", err)
					return
				}
			}
		})
	})
	return func() {
		done.Store(true)
		wg.Wait()
		_ = out.Close()
	}
}

func onCPU(cpu int) {
	var set unix.CPUSet
	set.Set(cpu)
	_ = unix.SchedSetaffinity(0, &set) // a wish
}

// threadTime returns the CPU time of this thread in nanoseconds, which foreign
// load disturbs less than the wall clock.
func threadTime() (user, system float64) {
	var r unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_THREAD, &r)
	return float64(r.Utime.Nano()), float64(r.Stime.Nano())
}

// BenchmarkForwardVeth forwards frames from one veth to another on one CPU while
// another offers more than it can take. The backends take turns, because the
// machine's speed drifts: compare neighbours. It wants two CPUs.
//
//	go test ./afxdp -run - -bench ForwardVeth -benchtime 2000000x
func BenchmarkForwardVeth(b *testing.B) {
	for round := range 4 {
		for _, backend := range testBackends {
			b.Run(fmt.Sprintf("round %d/%v", round+1, backend), func(b *testing.B) { benchmarkForward(b, backend) })
		}
	}
}

func benchmarkForward(b *testing.B, backend Backend) {
	n := newTestNet(b)
	n.veth("a0", "a1", 1)
	n.veth("b0", "b1", 1)
	sink, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "MIT", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, xdpDrop), asm.Return(),
	}})
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	l, err := link.AttachXDP(link.XDPOptions{Program: sink, Interface: n.index("b0"), Flags: link.XDPDriverMode})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	opt := DefaultOptions()
	opt.Backend = backend
	box := n.umems(1, 8448)
	_, in := n.open("a1", opt, box)
	ob, out := n.open("b1", opt, box)
	stop := n.flood("a0")
	if runtime.NumCPU() > 1 {
		onCPU(1)
		defer func() {
			var all unix.CPUSet
			for cpu := range runtime.NumCPU() {
				all.Set(cpu)
			}
			_ = unix.SchedSetaffinity(0, &all)
		}()
	}
	move := func() int {
		n := in[0].q.Recv(in[0].buf)
		for _, d := range in[0].buf[:n] {
			box[0].Frame(d.Addr, d.Len)[5]++ // as any forwarder touches the header
		}
		for _, d := range in[0].buf[out[0].q.Send(in[0].buf[:n]):n] {
			box[0].Free(d.Addr)
		}
		out[0].q.Flush()
		in[0].q.Flush()
		return n
	}
	for moved := 0; moved < 100_000; {
		moved += move()
	}
	b.ReportAllocs()
	b.ResetTimer()
	start := out[0].q.Stats().TxFrames
	user, system := threadTime()
	for moved := 0; moved < b.N; {
		moved += move()
	}
	b.StopTimer()
	userEnd, systemEnd := threadTime()
	stop()
	frames := out[0].q.Stats().TxFrames - start
	b.ReportMetric(float64(frames)/b.Elapsed().Seconds()/1e6, "Mpps")
	b.ReportMetric((userEnd-user)/float64(frames), "user-ns/frame")
	b.ReportMetric((systemEnd-system)/float64(frames), "kernel-ns/frame")
	b.ReportMetric(float64(ob.Info().Queues[0].Kicks)/float64(ob.Info().Queues[0].Stats.TxFrames), "kicks/frame")
}
