package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/sluice-net/sluice/dataplane/guard"
	"golang.org/x/sys/unix"
)

// Mark is the mark of every frame that the box has handed to the kernel. The
// guard table tells by it what came through the box. No frame brings a mark
// along from the wire, so nobody outside can set it.
const Mark = guard.Mark

// Offsets in struct __sk_buff, what a tc program sees of a frame.
const (
	skbMark     = 8
	skbProtocol = 16 // EtherType in network byte order, in a 32-bit word
)

// Return values of TCX programs and flags of the redirect helper.
const (
	tcxNext       = -1 // go on with the next program, and then out as usual
	redirectIn    = 1  // BPF_F_INGRESS
	redirectOut   = 0
	etherTypeAt   = 12 // in a frame without tags
	vlanTagBytes  = 4
	vlanTagsKnown = 2 // what the XDP program looks behind as well
)

const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherVLAN  = 0x8100
	etherVLANs = 0x88a8
)

// onWire is an EtherType as a program finds it when it loads two bytes of the
// frame, or the protocol field.
func onWire(etherType uint16) int32 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], etherType)
	return int32(binary.NativeEndian.Uint16(b[:]))
}

// inward is the program at the kernel end's ingress: everything that the box
// sends becomes a frame received by the real interface. The kernel resets the
// frame's packet type on the way and works it out anew from the real interface's
// MAC, and it keeps the mark because both ends are in one network namespace.
func inward(real int) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Imm32(asm.R2, int32(Mark)),
		asm.StoreMem(asm.R1, skbMark, asm.R2, asm.Word),
		asm.Mov.Imm(asm.R1, int32(real)),
		asm.Mov.Imm(asm.R2, redirectIn),
		asm.FnRedirect.Call(),
		asm.Return(),
	}
}

// outward is the program at the real interface's egress: IPv4 and IPv6, behind
// up to two VLAN tags, go to the kernel end and so come out of the box end; all
// else leaves by the interface. A tag kept beside the frame does not hide the
// EtherType, so only tags in the frame need loading bytes.
func outward(kernelEnd int) asm.Instructions {
	ins := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R7, asm.R6, skbProtocol, asm.Word),
	}
	for tag := range vlanTagsKnown + 1 {
		ins = append(ins,
			asm.JEq.Imm(asm.R7, onWire(etherIPv4), "take"),
			asm.JEq.Imm(asm.R7, onWire(etherIPv6), "take"),
		)
		if tag == vlanTagsKnown {
			break
		}
		look := fmt.Sprintf("tag%d", tag)
		ins = append(ins,
			asm.JEq.Imm(asm.R7, onWire(etherVLAN), look),
			asm.JNE.Imm(asm.R7, onWire(etherVLANs), "leave"),
			asm.Mov.Reg(asm.R1, asm.R6).WithSymbol(look),
			asm.Mov.Imm(asm.R2, int32(etherTypeAt+(tag+1)*vlanTagBytes)),
			asm.Mov.Reg(asm.R3, asm.RFP),
			asm.Add.Imm(asm.R3, -8),
			asm.Mov.Imm(asm.R4, 2),
			asm.FnSkbLoadBytes.Call(),
			asm.JNE.Imm(asm.R0, 0, "leave"),
			asm.LoadMem(asm.R7, asm.RFP, -8, asm.Half),
		)
	}
	return append(ins,
		asm.Mov.Imm(asm.R0, tcxNext).WithSymbol("leave"),
		asm.Return(),
		asm.Mov.Imm(asm.R1, int32(kernelEnd)).WithSymbol("take"),
		asm.Mov.Imm(asm.R2, redirectOut),
		asm.FnRedirect.Call(),
		asm.Return(),
	)
}

// attach loads a program and puts it behind those that are already there. The
// link is the only thing that holds it: when the process ends, however it ends,
// the program is gone.
func attach(name string, ins asm.Instructions, ifindex int, where ebpf.AttachType) (link.Link, error) {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.SchedCLS, AttachType: where, Instructions: ins, License: "Dual MIT/GPL",
	})
	if err != nil {
		return nil, fmt.Errorf("load program %s: %w", name, mend(err))
	}
	defer prog.Close() // the link keeps it
	l, err := link.AttachTCX(link.TCXOptions{Interface: ifindex, Program: prog, Attach: where})
	if err != nil {
		return nil, fmt.Errorf("attach program %s: %w", name, mend(err))
	}
	return l, nil
}

// attached counts the TCX programs at a place.
func attached(ifindex int, where ebpf.AttachType) (int, error) {
	r, err := link.QueryPrograms(link.QueryOptions{Target: ifindex, Attach: where})
	switch {
	case errors.Is(err, unix.ENOENT):
		return 0, nil // nothing was ever attached there
	case err != nil:
		return 0, mend(err)
	}
	return len(r.Programs), nil
}

// mend adds to an error of the kernel what would make it go away.
func mend(err error) error {
	switch {
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("%w: the host path needs Linux 6.6 or newer with CONFIG_NET_XGRESS and CONFIG_BPF_SYSCALL", err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: run as root, or give the program CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON", err)
	}
	return err
}
