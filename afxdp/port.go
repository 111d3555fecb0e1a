package afxdp

import "net"

// Desc names a frame in a UMEM, laid out as the kernel's struct xdp_desc.
// Ports in memory put a serial number in Options.
type Desc struct {
	Addr    uint64 // offset of the first byte in the UMEM
	Len     uint32 // bytes
	Options uint32
}

// Port is one network interface, or what stands for one.
type Port interface {
	Name() string
	MAC() net.HardwareAddr // six bytes
	MTU() int              // L3 bytes
	Queues() int           // queue i belongs to worker i
	// Open binds queue i to the UMEM of the worker that will poll it. Once only.
	Open(i int, u *UMEM) (Queue, error)
	Close() error
}

// Queue is one receive and transmit queue. One goroutine uses it. Calls are per
// burst, never block, never fail: what cannot be done is counted in Stats.
//
// Frames: Recv gives frames to the caller. Send takes the first n frames of
// descs, n being its result; the rest stay with the caller. Sent frames return
// to the UMEM's free list no later than a following Flush.
type Queue interface {
	Recv(descs []Desc) int
	Send(descs []Desc) int
	// Flush ends a burst: wake the far side, reclaim what was sent, refill.
	Flush()
	Stats() QueueStats
}

// QueueStats counts frames since Open. Any goroutine may read them.
type QueueStats struct {
	RxFrames, RxBytes uint64
	TxFrames, TxBytes uint64
	RxNoFrame         uint64 // lost because the UMEM had no free frame, or a frame was too long for it: the kernel counts both as one
	RxFull            uint64 // lost because the worker came too late and the receive ring was full
	TxFull            uint64 // refused by Send: ring full; a frame offered again counts again
	TxTooLong         uint64 // taken by Send and lost: longer than the port takes
}
