package afxdp

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// xdpProgram classifies frames in the driver: IPv4 and IPv6 go to the socket on
// the receive queue, anything else to the kernel. What cannot be classified and
// what finds no socket is dropped and counted: a firewall fails closed.
type xdpProgram struct {
	prog    *ebpf.Program
	sockets *ebpf.Map // XSKMAP: receive queue to socket
	counter *ebpf.Map // per CPU: by kind
}

// What the program counts: drops, and frames for the kernel's stack.
const (
	countNoSocket = iota
	countMalformed
	countPassed
	countKinds
)

// XDP verdicts.
const (
	xdpDrop = 1
	xdpPass = 2
)

// Offsets in struct xdp_md.
const (
	xdpData    = 0
	xdpDataEnd = 4
	xdpRxQueue = 16
)

// EtherTypes as the program reads them: two bytes in the byte order of the wire.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
)

// The types of ICMPv6 that are neighbour discovery, from the first to the last.
const (
	routerSolicitation = 133
	neighbourRedirect  = 137
)

// loadProgram loads the program for an interface with that many receive queues;
// with AllFrames it classifies nothing and every frame goes to the socket, with
// pieces it takes frames in several, of which it only ever looks into the first.
// With live it also sends.
func loadProgram(queues int, opt Options, pieces bool, live *live) (*xdpProgram, error) {
	p := &xdpProgram{}
	var err error
	fail := func(what string) (*xdpProgram, error) {
		_ = p.close() // the first error is the one to tell
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) && unix.Geteuid() != 0 {
			return nil, errPrivilege(what, err)
		}
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	p.sockets, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "sluice_sockets", Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: uint32(queues),
	})
	if err != nil {
		return fail("make the map of sockets")
	}
	p.counter, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "sluice_counts", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: countKinds,
	})
	if err != nil {
		return fail("make the map of counts")
	}
	var flags uint32
	if pieces {
		flags = unix.BPF_F_XDP_HAS_FRAGS
	}
	insns := xdpInstructions(p.sockets.FD(), p.counter.FD(), opt)
	if live != nil {
		insns = live.withLive(insns)
	}
	p.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: programName, Type: ebpf.XDP, License: "Dual MIT/GPL", Flags: flags,
		Instructions: insns,
	})
	if err != nil {
		return fail("load the XDP program")
	}
	return p, nil
}

// xdpInstructions is the program: walk over up to two VLAN tags, then decide by
// the EtherType; with AllFrames there is nothing to decide.
func xdpInstructions(sockets, counter int, opt Options) asm.Instructions {
	const (
		ctx   = asm.R6
		at    = asm.R2 // behind the EtherType in R5
		end   = asm.R3
		check = asm.R4
		ether = asm.R5
	)
	type16 := func(v uint16) int32 { return int32(v) } // after HostTo(BE) on load
	loadType := func(behind int16) asm.Instructions {
		return asm.Instructions{
			asm.LoadMem(ether, at, behind-2, asm.Half),
			asm.HostTo(asm.BE, ether, asm.Half),
			asm.Add.Imm(at, int32(behind)),
		}
	}
	if opt.AllFrames {
		return append(asm.Instructions{asm.Mov.Reg(ctx, asm.R1)}, xdpRedirect(sockets, counter)...)
	}
	insns := asm.Instructions{
		asm.Mov.Reg(ctx, asm.R1),
		asm.LoadMem(at, ctx, xdpData, asm.Word),
		asm.LoadMem(end, ctx, xdpDataEnd, asm.Word),
		asm.Mov.Reg(check, at),
		asm.Add.Imm(check, 14),
		asm.JGT.Reg(check, end, "malformed"),
	}
	insns = append(insns, loadType(14)...)
	for range 2 {
		tag, none := "tag", "classify"
		tag = fmt.Sprintf("%s%d", tag, len(insns))
		insns = append(insns,
			asm.JEq.Imm(ether, type16(etherVLAN), tag),
			asm.JNE.Imm(ether, type16(etherQinQ), none),
			asm.Mov.Reg(check, at).WithSymbol(tag),
			asm.Add.Imm(check, 4),
			asm.JGT.Reg(check, end, "malformed"),
		)
		insns = append(insns, loadType(4)...)
	}
	// A third tag hides what is behind it.
	insns = append(insns,
		asm.JEq.Imm(ether, type16(etherVLAN), "malformed"),
		asm.JEq.Imm(ether, type16(etherQinQ), "malformed"),
		asm.JEq.Imm(ether, type16(etherIPv4), "redirect").WithSymbol("classify"),
	)
	if opt.Discovery {
		insns = append(insns,
			asm.JNE.Imm(ether, type16(etherIPv6), "pass"),
			asm.Mov.Reg(check, at),
			asm.Add.Imm(check, 41),
			asm.JGT.Reg(check, end, "redirect"),
			asm.LoadMem(check, at, 6, asm.Byte),
			asm.JNE.Imm(check, unix.IPPROTO_ICMPV6, "redirect"),
			asm.LoadMem(check, at, 40, asm.Byte),
			asm.JLT.Imm(check, routerSolicitation, "redirect"),
			asm.JGT.Imm(check, neighbourRedirect, "redirect"),
		)
	} else {
		insns = append(insns, asm.JEq.Imm(ether, type16(etherIPv6), "redirect"))
	}
	insns = append(insns,
		asm.Mov.Imm(asm.R1, countPassed).WithSymbol("pass"),
		asm.Mov.Imm(asm.R7, xdpPass),
		asm.Ja.Label("count"),

		asm.Mov.Imm(asm.R1, countMalformed).WithSymbol("malformed"),
		asm.Mov.Imm(asm.R7, xdpDrop),
		asm.Ja.Label("count"),
	)
	return append(insns, xdpRedirect(sockets, counter)...)
}

// xdpRedirect is the program's end: to the socket of the receive queue, or
// count by R1 and return the verdict in R7. R6 is the context.
func xdpRedirect(sockets, counter int) asm.Instructions {
	return asm.Instructions{
		// The helper answers with its last argument when the queue has no socket.
		asm.LoadMapPtr(asm.R1, sockets).WithSymbol("redirect"),
		asm.LoadMem(asm.R2, asm.R6, xdpRxQueue, asm.Word),
		asm.Mov.Imm(asm.R3, xdpDrop),
		asm.FnRedirectMap.Call(),
		asm.JNE.Imm(asm.R0, xdpDrop, "out"),
		asm.Mov.Imm(asm.R1, countNoSocket),
		asm.Mov.Imm(asm.R7, xdpDrop),

		asm.StoreMem(asm.RFP, -4, asm.R1, asm.Word).WithSymbol("count"),
		asm.LoadMapPtr(asm.R1, counter),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"),
		// The counter is this CPU's own: no locked addition.
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R0, asm.R7).WithSymbol("end"),
		asm.Return().WithSymbol("out"),
	}
}

// put enters a socket for a receive queue.
func (p *xdpProgram) put(queue, fd int) error {
	if err := p.sockets.Put(uint32(queue), uint32(fd)); err != nil {
		return fmt.Errorf("enter the socket into the program's map: %w", err)
	}
	return nil
}

// counts returns the drops.
func (p *xdpProgram) counts() ProgramCounts {
	return ProgramCounts{NoSocket: p.count(countNoSocket), Malformed: p.count(countMalformed)}
}

// seen returns how many frames went elsewhere than to sockets.
func (p *xdpProgram) seen() (n uint64) {
	for kind := range uint32(countKinds) {
		n += p.count(kind)
	}
	return n
}

// count sums one kind over all CPUs.
func (p *xdpProgram) count(kind uint32) (n uint64) {
	var perCPU []uint64
	if err := p.counter.Lookup(kind, &perCPU); err != nil {
		return 0
	}
	for _, v := range perCPU {
		n += v
	}
	return n
}

func (p *xdpProgram) close() error {
	var errs []error
	if p.prog != nil {
		errs = append(errs, p.prog.Close())
	}
	if p.sockets != nil {
		errs = append(errs, p.sockets.Close())
	}
	if p.counter != nil {
		errs = append(errs, p.counter.Close())
	}
	return errors.Join(errs...)
}
