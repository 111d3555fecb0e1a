package afxdp

import (
	"github.com/cilium/ebpf/asm"
)

// xdpIngress is the offset in struct xdp_md of the receiving interface's index.
const xdpIngress = 12

// loopbackIndex is the index of the loopback device, in any network namespace:
// the kernel makes live frames as if received there.
const loopbackIndex = 1

// withLive puts the sending part in front of an interface's program: it takes the
// frames that a test run makes, and leaves those that are received to the rest.
// One program does both since a program that is attached is run much sooner: for
// another the kernel first has all CPUs pass a quiescent state, 10 to 30 ms.
//
// A frame's page comes back to the run with whatever was in it, so all of the
// frame is written, and its length set.
func (l *live) withLive(receive asm.Instructions) asm.Instructions {
	const (
		ctx  = asm.R6
		ctl  = asm.R7
		slot = asm.R8
		size = asm.R9
		key  = -4 // on the stack
	)
	insns := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, xdpIngress, asm.Word),
		asm.JNE.Imm(asm.R2, loopbackIndex, "receive"),
		asm.Mov.Reg(ctx, asm.R1),
		asm.LoadMapValue(ctl, l.control.FD(), 0),

		// Is there a frame to be sent, and does the device take any?
		asm.LoadMem(asm.R1, ctl, liveNext, asm.Word),
		asm.LoadMem(asm.R2, ctl, liveEnd, asm.Word),
		asm.JGE.Reg(asm.R1, asm.R2, "nothing"),
		asm.LoadMem(asm.R2, ctl, liveRefused, asm.Word),
		asm.JNE.Imm(asm.R2, 0, "nothing"),
		asm.LoadMem(asm.R2, ctl, liveArmed, asm.Word),
		asm.JGE.Imm(asm.R2, liveBulk, "nothing"), // the bulk before went nowhere

		asm.StoreMem(asm.RFP, key, asm.R1, asm.Word),
		asm.LoadMapPtr(asm.R1, l.frames.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, key),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "nothing"),
		asm.Mov.Reg(slot, asm.R0),
		asm.LoadMem(size, slot, 0, asm.Word),
		asm.JLT.Imm(size, shortestFrame, "nothing"),
		asm.JGT.Imm(size, int32(l.slot-liveHead), "nothing"),

		asm.LoadMem(asm.R1, ctx, xdpData, asm.Word),
		asm.LoadMem(asm.R2, ctx, xdpDataEnd, asm.Word),
		asm.Sub.Reg(asm.R2, asm.R1),
		asm.Mov.Reg(asm.R1, size),
		asm.Sub.Reg(asm.R1, asm.R2),
		asm.JEq.Imm(asm.R1, 0, "write"),
		asm.Mov.Reg(asm.R2, asm.R1),
		asm.Mov.Reg(asm.R1, ctx),
		asm.FnXdpAdjustTail.Call(),
		asm.JNE.Imm(asm.R0, 0, "nothing"),

		asm.Mov.Reg(asm.R1, ctx).WithSymbol("write"),
		asm.Mov.Imm(asm.R2, 0),
		asm.Mov.Reg(asm.R3, slot),
		asm.Add.Imm(asm.R3, liveHead),
		asm.Mov.Reg(asm.R4, size),
		asm.FnXdpStoreBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, "nothing"),

		// From here to the report of the bulk nothing else runs on this CPU.
		asm.FnGetSmpProcessorId.Call(),
		asm.StoreMem(ctl, liveCPU, asm.R0, asm.Word),
	}
	for _, field := range [2]int16{liveNext, liveArmed} {
		insns = append(insns,
			asm.LoadMem(asm.R1, ctl, field, asm.Word),
			asm.Add.Imm(asm.R1, 1),
			asm.StoreMem(ctl, field, asm.R1, asm.Word),
		)
	}
	insns = append(insns,
		asm.LoadMapPtr(asm.R1, l.device.FD()),
		asm.Mov.Imm(asm.R2, 0),
		asm.Mov.Imm(asm.R3, xdpDrop),
		asm.FnRedirectMap.Call(),
		asm.Return(),

		asm.Mov.Imm(asm.R0, xdpDrop).WithSymbol("nothing"),
		asm.Return(),
	)
	receive[0] = receive[0].WithSymbol("receive")
	return append(insns, receive...)
}

// reportInstructions is the program at the tracepoint xdp_devmap_xmit, which has
// the arguments from, to, sent, drops and error. Those who redirect on other CPUs
// pass it as well.
func (l *live) reportInstructions() asm.Instructions {
	const (
		args    = asm.R6
		ctl     = asm.R7
		armed   = asm.R8
		sentAt  = 16
		dropsAt = 24
		errorAt = 32
	)
	return asm.Instructions{
		asm.Mov.Reg(args, asm.R1),
		asm.LoadMapValue(ctl, l.control.FD(), 0),
		asm.LoadMem(armed, ctl, liveArmed, asm.Word),
		asm.JEq.Imm(armed, 0, "end"),
		asm.FnGetSmpProcessorId.Call(),
		asm.LoadMem(asm.R1, ctl, liveCPU, asm.Word),
		asm.JNE.Reg(asm.R0, asm.R1, "end"),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(ctl, liveArmed, asm.R1, asm.Word),

		asm.LoadMem(asm.R1, args, sentAt, asm.Word),
		asm.LoadMem(asm.R2, ctl, liveSent, asm.DWord),
		asm.Add.Reg(asm.R2, asm.R1),
		asm.StoreMem(ctl, liveSent, asm.R2, asm.DWord),
		asm.LoadMem(asm.R3, args, dropsAt, asm.Word),
		asm.Sub.Reg(armed, asm.R1),
		asm.Sub.Reg(armed, asm.R3),
		asm.LoadMem(asm.R2, ctl, liveLost, asm.DWord),
		asm.Add.Reg(asm.R2, armed),
		asm.StoreMem(ctl, liveLost, asm.R2, asm.DWord),
		asm.JEq.Imm(asm.R3, 0, "end"),
		asm.StoreMem(ctl, liveRefused, asm.R3, asm.Word),
		asm.LoadMem(asm.R1, args, errorAt, asm.Word),
		asm.StoreMem(ctl, liveFault, asm.R1, asm.Word),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
		asm.Return(),
	}
}
