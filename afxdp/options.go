package afxdp

import (
	"fmt"
	"time"
)

// Mode says how frames pass between driver and UMEM.
type Mode uint8

// The modes. In ModeAuto the kernel decides, except that a queue that joins a
// UMEM which other sockets use takes over their mode where the driver can.
const (
	ModeAuto Mode = iota
	ModeZeroCopy
	ModeCopy
)

func (m Mode) String() string {
	switch m {
	case ModeAuto:
		return "auto"
	case ModeZeroCopy:
		return "zero-copy"
	case ModeCopy:
		return "copy"
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// Backend names the code that works the rings of an interface.
type Backend uint8

// BackendOwn is this package. BackendAsavie is github.com/asavie/xdp, for
// comparison: every frame is copied between its memory and the worker's, and a
// queue can be opened only once in the life of a process.
const (
	BackendOwn Backend = iota
	BackendAsavie
)

func (b Backend) String() string {
	switch b {
	case BackendOwn:
		return "own"
	case BackendAsavie:
		return "asavie"
	}
	return fmt.Sprintf("backend %d", uint8(b))
}

// Transmit says how frames are given to the kernel for sending.
type Transmit uint8

// TransmitAFXDP is by the TX ring, which in copy mode costs the kernel a packet
// buffer for each frame. TransmitXDP is as XDP frames that are redirected into the
// interface, without one, by test runs of the interface's program: some
// 20 microseconds of CPU time for each Send, and a quarter of one for each frame.
const (
	TransmitAFXDP Transmit = iota
	TransmitXDP
)

func (t Transmit) String() string {
	switch t {
	case TransmitAFXDP:
		return "afxdp"
	case TransmitXDP:
		return "xdp"
	}
	return fmt.Sprintf("transmit %d", uint8(t))
}

// Options say how OpenInterface opens an interface.
type Options struct {
	Queues int  // receive queues to use; must be all the interface has
	Ring   int  // descriptors in each of a queue's four rings: a power of two, 64 to 65536
	Mode   Mode // what the sockets ask for
	// AllFrames leaves nothing to the kernel, not even what is not IP: for a
	// wire, where ARP has to cross as well. It also makes the interface
	// promiscuous: network cards drop what is for others.
	AllFrames bool
	// Discovery leaves IPv6 neighbour discovery to the kernel, which ARP always
	// is: for who has no IP stack. The kernel then answers for its own addresses.
	Discovery bool
	Generic   bool // attach in generic mode, for drivers without XDP; frames are then copied twice
	Backend   Backend
	// BusyPoll makes the kernel poll the device inside the worker's calls, for
	// that long at most; 0: interrupts do. It helps on some NICs, never on veth.
	BusyPoll time.Duration
	// TxBudget is how many frames one transmit call handles in copy mode, 32 to
	// Ring. Kernels before 6.17 do 32 whatever is asked.
	TxBudget int
	// Transmit with TransmitXDP is for one queue of the own backend. Send then
	// sends at once, TxBudget frames by one system call, and takes only what the
	// device has taken. Every frame leaves by the transmit queue that the kernel
	// chooses for the CPU, and CheckTransmit says whether it can.
	Transmit Transmit
}

// DefaultOptions is one queue with rings of 2048 and a TxBudget of one burst.
func DefaultOptions() Options {
	return Options{Queues: 1, Ring: 2048, TxBudget: 64}
}

// Validate returns what is wrong with the options, in words for an operator.
func (o Options) Validate() error {
	switch {
	case o.Queues < 1 || o.Queues > maxChannels:
		return fmt.Errorf("%d queues: want 1 to %d", o.Queues, maxChannels)
	case o.Ring < minKernelRing || o.Ring > maxKernelRing || o.Ring&(o.Ring-1) != 0:
		return fmt.Errorf("ring of %d descriptors: want a power of two from %d to %d, for example %d",
			o.Ring, minKernelRing, maxKernelRing, DefaultOptions().Ring)
	case o.Mode > ModeCopy:
		return fmt.Errorf("unknown %v", o.Mode)
	case o.Backend > BackendAsavie:
		return fmt.Errorf("unknown %v", o.Backend)
	case o.Generic && o.Mode == ModeZeroCopy:
		return fmt.Errorf("generic XDP has no zero-copy mode: leave one of the two out")
	case o.BusyPoll < 0 || o.BusyPoll > time.Second:
		return fmt.Errorf("busy polling for %v: want 0 to 1s", o.BusyPoll)
	case o.TxBudget < minTxBudget || o.TxBudget > o.Ring:
		return fmt.Errorf("transmit budget of %d frames: want %d to the ring size, %d", o.TxBudget, minTxBudget, o.Ring)
	case o.Transmit > TransmitXDP:
		return fmt.Errorf("unknown %v", o.Transmit)
	case o.Transmit == TransmitXDP && o.Queues != 1:
		return fmt.Errorf("transmit xdp with %d queues: it sends from one", o.Queues)
	case o.Transmit == TransmitXDP && o.Generic:
		return fmt.Errorf("transmit xdp needs native XDP: leave out generic mode, or use transmit afxdp")
	case o.Transmit == TransmitXDP && o.Backend != BackendOwn:
		return fmt.Errorf("transmit xdp is of the own backend")
	case o.Backend == BackendAsavie && o.BusyPoll > 0:
		return fmt.Errorf("the asavie backend cannot poll busily: leave it out or use the own backend")
	}
	return nil
}

const (
	maxChannels   = 1024
	minKernelRing = 64
	maxKernelRing = 1 << 16
	minTxBudget   = 32 // the kernel refuses less
)
