package afxdp

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// liveControlBytes is the size of the control map's one value.
const liveControlBytes = int(unsafe.Sizeof(liveControl{}))

// Offsets of the fields, for the programs.
const (
	liveNext    = int16(unsafe.Offsetof(liveControl{}.next))
	liveEnd     = int16(unsafe.Offsetof(liveControl{}.end))
	liveArmed   = int16(unsafe.Offsetof(liveControl{}.armed))
	liveCPU     = int16(unsafe.Offsetof(liveControl{}.cpu))
	liveRefused = int16(unsafe.Offsetof(liveControl{}.refused))
	liveFault   = int16(unsafe.Offsetof(liveControl{}.fault))
	liveSent    = int16(unsafe.Offsetof(liveControl{}.sent))
	liveLost    = int16(unsafe.Offsetof(liveControl{}.lost))
)

// liveControlIn is the control map as mapped.
func liveControlIn(mem []byte) *liveControl { return (*liveControl)(unsafe.Pointer(&mem[0])) }

// testRun is the kernel's union bpf_attr for BPF_PROG_TEST_RUN.
type testRun struct {
	prog, result          uint32
	dataSize, dataOutSize uint32
	data, dataOut         uint64
	repeat, duration      uint32
	ctxSize, ctxOutSize   uint32
	ctx, ctxOut           uint64
	flags, cpu            uint32
	bulk                  uint32 // frames at a time
	_                     uint32
}

// runLive runs a program over frames live ones that begin as data. It never
// waits and so may hold the scheduler's P, as transmitWakeup; a signal ends it,
// with EINTR.
func runLive(prog int, data []byte, frames int) unix.Errno {
	const testRunCommand, liveFrames = 10, 1 << 1 // BPF_PROG_TEST_RUN, BPF_F_TEST_XDP_LIVE_FRAMES
	run := testRun{
		prog: uint32(prog), dataSize: uint32(len(data)), data: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(data)))),
		repeat: uint32(frames), flags: liveFrames, bulk: liveBulk,
	}
	_, _, e := unix.RawSyscall(unix.SYS_BPF, testRunCommand, uintptr(unsafe.Pointer(&run)), unsafe.Sizeof(run))
	runtime.KeepAlive(data)
	return e
}
