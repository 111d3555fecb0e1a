package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/sluice-net/sluice/tools/lab"
)

// frameLen is the length of the generator's frames: the shortest of Ethernet
// without its checksum.
const frameLen = 60

// Addresses of flows. Flow i goes from client i%1024 and port 2000+i/1024 to
// server i/8%256, port 53.
const (
	clientBase = 0x0a800001 // 10.128.0.1
	serverBase = 0x0a400001 // 10.64.0.1
	portBase   = 2000
	serverPort = 53
)

// flowTuple returns the addresses and the source port of a flow.
func flowTuple(i uint32) (src, dst uint32, sport uint16) {
	return clientBase + i&1023, serverBase + i>>3&255, uint16(portBase + i>>10)
}

// XDP verdicts.
const (
	xdpAborted = 0
	xdpDrop    = 1
	xdpPass    = 2
	xdpTX      = 3
)

// pattern is what a generator sends.
type pattern struct {
	flows  uint32 // a power of two
	random bool   // order of flows
	pace   uint32 // every 2^pace-th run of the program sends; the others pass time
	// MAC addresses of the frames.
	from, to net.HardwareAddr
}

// generator sends frames by running an XDP program on frames that the kernel
// recycles, which sends them into a veth.
type generator struct {
	pattern
	prog *ebpf.Program
	runs *ebpf.Map // one 64-bit count of the program's runs
}

func newGenerator(p pattern) (*generator, error) {
	g := &generator{pattern: p}
	var err error
	if g.runs, err = ebpf.NewMap(&ebpf.MapSpec{Name: "bench_runs", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}); err != nil {
		return nil, fmt.Errorf("generator: %w", err)
	}
	g.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{Name: "bench_gen", Type: ebpf.XDP, License: "Dual MIT/GPL", Instructions: g.instructions()})
	if err != nil {
		g.runs.Close()
		return nil, fmt.Errorf("generator: %w", err)
	}
	return g, nil
}

func (g *generator) close() {
	g.prog.Close()
	g.runs.Close()
}

// instructions make one frame. Every field is written each time: frames come
// back as those who had them last left them.
func (g *generator) instructions() asm.Instructions {
	const data, flow, scratch, src, dst, sum = asm.R7, asm.R9, asm.R1, asm.R2, asm.R3, asm.R4
	header := make([]byte, frameLen)
	copy(header, g.to)
	copy(header[6:], g.from)
	copy(header[12:], []byte{0x08, 0x00, 0x45, 0x00, 0x00, frameLen - 14, 0, 0, 0, 0, 64, unix.IPPROTO_UDP})
	binary.BigEndian.PutUint16(header[36:], serverPort)
	binary.BigEndian.PutUint16(header[38:], frameLen-34)
	fixed := func(at int16) asm.Instructions { // eight bytes that are the same in each frame
		return asm.Instructions{
			asm.LoadImm(scratch, int64(binary.LittleEndian.Uint64(header[at:])), asm.DWord),
			asm.StoreMem(data, at, scratch, asm.DWord),
		}
	}
	ins := asm.Instructions{
		asm.LoadMem(data, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R8, asm.R1, 4, asm.Word),
		asm.Mov.Reg(scratch, data),
		asm.Add.Imm(scratch, frameLen),
		asm.JGT.Reg(scratch, asm.R8, "abort"),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, g.runs.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "abort"),
		asm.LoadMem(flow, asm.R0, 0, asm.DWord),
		asm.Mov.Reg(scratch, flow),
		asm.Add.Imm(scratch, 1),
		asm.StoreMem(asm.R0, 0, scratch, asm.DWord),
	}
	if g.pace > 0 {
		ins = append(ins,
			asm.Mov.Reg(scratch, flow),
			asm.And.Imm(scratch, 1<<g.pace-1),
			asm.JNE.Imm(scratch, 0, "drop"),
			asm.RSh.Imm(flow, int32(g.pace)),
		)
	}
	if g.random {
		for _, step := range []struct {
			odd   int32
			shift int32
		}{{0x2c1b3c6d, 12}, {0x297a2d39, 15}} { // a 32-bit mixer
			ins = append(ins,
				asm.Mul.Imm32(flow, step.odd),
				asm.Mov.Reg32(scratch, flow),
				asm.RSh.Imm32(scratch, step.shift),
				asm.Xor.Reg32(flow, scratch),
			)
		}
	}
	ins = append(ins, asm.And.Imm(flow, int32(g.flows-1)))
	for _, at := range []int16{0, 8, 16, 36, 44, 52} {
		ins = append(ins, fixed(at)...)
	}
	ins = append(ins,
		asm.Mov.Reg(src, flow),
		asm.And.Imm(src, 1023),
		asm.Add.Imm(src, clientBase),
		asm.Mov.Reg(dst, flow),
		asm.RSh.Imm(dst, 3),
		asm.And.Imm(dst, 255),
		asm.Add.Imm(dst, serverBase),
		// The header's checksum: what is fixed, and both addresses in halves.
		asm.Mov.Imm(sum, 0x4500+frameLen-14+64<<8+unix.IPPROTO_UDP),
	)
	for _, address := range []asm.Register{src, dst} {
		ins = append(ins,
			asm.Mov.Reg(scratch, address),
			asm.RSh.Imm(scratch, 16),
			asm.Add.Reg(sum, scratch),
			asm.Mov.Reg(scratch, address),
			asm.And.Imm(scratch, 0xffff),
			asm.Add.Reg(sum, scratch),
		)
	}
	for range 2 {
		ins = append(ins,
			asm.Mov.Reg(scratch, sum),
			asm.RSh.Imm(scratch, 16),
			asm.And.Imm(sum, 0xffff),
			asm.Add.Reg(sum, scratch),
		)
	}
	ins = append(ins,
		asm.Xor.Imm(sum, 0xffff),
		asm.HostTo(asm.BE, sum, asm.Half),
		asm.StoreMem(data, 24, sum, asm.Half),
		asm.HostTo(asm.BE, src, asm.Word),
		asm.StoreMem(data, 26, src, asm.Word),
		asm.HostTo(asm.BE, dst, asm.Word),
		asm.StoreMem(data, 30, dst, asm.Word),
		asm.Mov.Reg(scratch, flow),
		asm.RSh.Imm(scratch, 10),
		asm.Add.Imm(scratch, portBase),
		asm.HostTo(asm.BE, scratch, asm.Half),
		asm.StoreMem(data, 34, scratch, asm.Half),
		asm.HostTo(asm.BE, flow, asm.Word),
		asm.StoreMem(data, 42, flow, asm.Word), // the payload names the flow
		asm.Mov.Imm(asm.R0, xdpTX),
		asm.Return(),
		asm.Mov.Imm(asm.R0, xdpAborted).WithSymbol("abort"),
		asm.Return(),
	)
	if g.pace > 0 { // the verifier refuses what nothing leads to
		ins = append(ins, asm.Mov.Imm(asm.R0, xdpDrop).WithSymbol("drop"), asm.Return())
	}
	return ins
}

// rewind makes the next frame the first flow's again.
func (g *generator) rewind() error { return g.runs.Put(uint32(0), uint64(0)) }

// sent returns how many frames were made since rewind.
func (g *generator) sent() (uint64, error) {
	var n uint64
	err := g.runs.Lookup(uint32(0), &n)
	return n >> g.pace, err
}

// send makes the frames on one CPU, in a network namespace's interface. It is
// one system call, because each costs the kernel some 25 ms of waiting at its
// end. The thread ends with it.
func (g *generator) send(ns, ifname string, cpu int, frames uint64) error {
	runs := frames << g.pace
	if runs == 0 || runs > 1<<32-1 {
		return fmt.Errorf("generator: %d frames in one call", frames)
	}
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: it stays in another namespace
		result <- func() error {
			h, err := netns.GetFromName(ns)
			if err != nil {
				return err
			}
			defer h.Close()
			if err := netns.Set(h); err != nil {
				return err
			}
			dev, err := net.InterfaceByName(ifname)
			if err != nil {
				return err
			}
			if err := lab.Pin(0, cpu); err != nil {
				return err
			}
			_, err = g.prog.Run(&ebpf.RunOptions{
				Data: make([]byte, frameLen), Repeat: uint32(runs), Flags: unix.BPF_F_TEST_XDP_LIVE_FRAMES, BatchSize: 64,
				Context: xdpContext{DataEnd: frameLen, Ingress: uint32(dev.Index)},
			})
			return err
		}()
	}()
	if err := <-result; err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	return nil
}

// xdpContext is the kernel's struct xdp_md.
type xdpContext struct {
	Data, DataEnd, DataMeta, Ingress, RxQueue, Egress uint32
}
