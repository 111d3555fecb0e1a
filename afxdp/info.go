package afxdp

import "golang.org/x/sys/unix"

// Info describes an open interface.
type Info struct {
	Name     string
	Index    int // of the interface in its network namespace
	Driver   string
	Backend  Backend
	Generic  bool // else the driver runs the program
	Transmit Transmit
	Attached bool
	Ring     int         // descriptors per ring
	Channels int         // receive queues of the device; more than Queues when some share one
	Queues   []QueueInfo // by queue; zero for those that are not open
	Program  ProgramCounts
	Warnings []string // found at opening: what may go wrong, and the command that mends it
}

// QueueInfo describes one queue. All counts are since Open.
type QueueInfo struct {
	Open     bool
	ZeroCopy bool   // as XDP_OPTIONS reports
	Reason   string // why not in zero-copy mode, where that was asked for
	Private  bool   // frames are copied between a UMEM of the queue and the worker's
	Pieces   bool   // long frames come and go in several pieces
	Down     bool   // the last wakeup said that the interface is down or gone
	Kicks    uint64
	Again    uint64 // wakeups answered EAGAIN, EBUSY or ENOBUFS: tried again
	Downs    uint64 // wakeups answered ENETDOWN or ENXIO
	Failures uint64 // wakeups answered with any other error
	Strays   uint64 // frames from the kernel that it should not have had: always 0
	Stats    QueueStats
	Kernel   KernelCounts
	Rings    RingFill // at this moment; zero for backend asavie
}

// RingFill is how many elements a socket's rings hold.
type RingFill struct {
	Size       int // of each ring
	Fill       int // free frames that the kernel has for receiving
	RX         int // received, not yet taken by the worker
	TX         int // to be sent, not yet taken by the kernel
	Completion int // sent, not yet taken back by the worker
}

func (f *RingFill) add(o RingFill) {
	f.Size += o.Size
	f.Fill += o.Fill
	f.RX += o.RX
	f.TX += o.TX
	f.Completion += o.Completion
}

// KernelCounts is what XDP_STATISTICS counts for a socket.
type KernelCounts struct {
	RxDropped     uint64 // no frame in the fill ring, or longer than a frame
	RxInvalid     uint64 // bad descriptors in the fill ring
	TxInvalid     uint64 // bad descriptors in the TX ring
	RxFull        uint64 // RX ring full
	FillEmpty     uint64 // the fill ring was empty when the kernel wanted a frame
	TxRingEmptied uint64 // the TX ring was empty when the kernel looked
}

func (c *KernelCounts) add(o KernelCounts) {
	c.RxDropped += o.RxDropped
	c.RxInvalid += o.RxInvalid
	c.TxInvalid += o.TxInvalid
	c.RxFull += o.RxFull
	c.FillEmpty += o.FillEmpty
	c.TxRingEmptied += o.TxRingEmptied
}

func kernelCounts(s unix.XDPStatistics) KernelCounts {
	return KernelCounts{
		RxDropped: s.Rx_dropped, RxInvalid: s.Rx_invalid_descs, TxInvalid: s.Tx_invalid_descs,
		RxFull: s.Rx_ring_full, FillEmpty: s.Rx_fill_ring_empty_descs, TxRingEmptied: s.Tx_ring_empty_descs,
	}
}

// ProgramCounts is what the attached program has dropped since Attach, over all
// CPUs.
type ProgramCounts struct {
	NoSocket  uint64 // IP for a receive queue that no socket is on
	Malformed uint64 // ended inside its VLAN tags, or had more than two
}
