package main

import (
	"fmt"
	"net"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/sluice-net/sluice/tools/lab"
)

// Programs for the ends of a world: IPv4 UDP is theirs, the rest (ARP) is the
// kernel's.

// ends are the programs and what they count, shared by all worlds.
type ends struct {
	drop    *ebpf.Program // counts and drops
	reflect *ebpf.Program // sends back with both sides swapped
	pass    *ebpf.Program // gives an interface the receive path that frames sent back need
	dropped *ebpf.Map     // per CPU
}

func newEnds() (*ends, error) {
	e := &ends{}
	var err error
	e.dropped, err = ebpf.NewMap(&ebpf.MapSpec{Name: "bench_dropped", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return nil, fmt.Errorf("programs of the ends: %w", err)
	}
	load := func(name string, ins asm.Instructions) *ebpf.Program {
		if err != nil {
			return nil
		}
		var p *ebpf.Program
		p, err = ebpf.NewProgram(&ebpf.ProgramSpec{Name: name, Type: ebpf.XDP, License: "Dual MIT/GPL", Instructions: ins})
		return p
	}
	e.drop = load("bench_drop", udpOnly(dropInstructions(e.dropped.FD())))
	e.reflect = load("bench_reflect", udpOnly(reflectInstructions()))
	e.pass = load("bench_pass", asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()})
	if err != nil {
		e.close()
		return nil, fmt.Errorf("programs of the ends: %w", err)
	}
	return e, nil
}

func (e *ends) close() {
	for _, p := range []*ebpf.Program{e.drop, e.reflect, e.pass} {
		if p != nil {
			p.Close()
		}
	}
	e.dropped.Close()
}

// count returns how many frames the drop program has had, wherever it was.
func (e *ends) count() (n uint64, err error) {
	var perCPU []uint64
	if err := e.dropped.Lookup(uint32(0), &perCPU); err != nil {
		return 0, fmt.Errorf("count of dropped frames: %w", err)
	}
	for _, v := range perCPU {
		n += v
	}
	return n, nil
}

// udpOnly lets all but IPv4 UDP pass; R7 points at the frame of 42 bytes or more.
func udpOnly(then asm.Instructions) asm.Instructions {
	return append(append(asm.Instructions{
		asm.LoadMem(asm.R7, asm.R1, 0, asm.Word),
		asm.LoadMem(asm.R8, asm.R1, 4, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, 42),
		asm.JGT.Reg(asm.R2, asm.R8, "pass"),
		asm.LoadMem(asm.R2, asm.R7, 12, asm.Half),
		asm.HostTo(asm.BE, asm.R2, asm.Half),
		asm.JNE.Imm(asm.R2, 0x0800, "pass"),
		asm.LoadMem(asm.R2, asm.R7, 23, asm.Byte),
		asm.JNE.Imm(asm.R2, 17, "pass"),
	}, then...),
		asm.Mov.Imm(asm.R0, xdpPass).WithSymbol("pass"),
		asm.Return(),
	)
}

func dropInstructions(count int) asm.Instructions {
	return asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, count),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "pass"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, xdpDrop),
		asm.Return(),
	}
}

func reflectInstructions() asm.Instructions {
	var ins asm.Instructions
	for _, swap := range []struct {
		a, b int16
		size asm.Size
	}{{0, 6, asm.Word}, {4, 10, asm.Half}, {26, 30, asm.Word}, {34, 36, asm.Half}} {
		ins = append(ins,
			asm.LoadMem(asm.R2, asm.R7, swap.a, swap.size),
			asm.LoadMem(asm.R3, asm.R7, swap.b, swap.size),
			asm.StoreMem(asm.R7, swap.a, asm.R3, swap.size),
			asm.StoreMem(asm.R7, swap.b, asm.R2, swap.size),
		)
	}
	return append(ins, asm.Mov.Imm(asm.R0, xdpTX), asm.Return())
}

// attach puts a program on an interface of a namespace until the link is closed.
func attach(ns, ifname string, p *ebpf.Program) (l link.Link, err error) {
	err = lab.Do(ns, func() error {
		dev, err := net.InterfaceByName(ifname)
		if err != nil {
			return err
		}
		l, err = link.AttachXDP(link.XDPOptions{Program: p, Interface: dev.Index})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attach to %s in %s: %w", ifname, ns, err)
	}
	return l, nil
}
