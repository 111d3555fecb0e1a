package wire

// PortName is the name of the serial port.
const PortName = "sluice.agent"

// The operations of a Request.
const (
	OpRun      = "run"      // run Args to its end, with Text as standard input
	OpStart    = "start"    // start Args; the answer has its PID
	OpAwait    = "await"    // wait until what PID has written contains Text
	OpLog      = "log"      // what PID has written so far
	OpStop     = "stop"     // send signal Number to PID and wait for its end; Nanos says how long that took
	OpRead     = "read"     // the file Text
	OpWrite    = "write"    // write Text to the file Args[0]
	OpChannels = "channels" // give interface Text Number channels
	OpFeatures = "features" // turn the offloads Args of interface Text off
	OpState    = "state"    // what is attached to the machine's interfaces
	OpSockets  = "sockets"  // AF_XDP sockets
	OpOff      = "off"      // power off; no answer
)

// Request is a question to the agent. What an operation does not use is empty.
type Request struct {
	ID      uint64   `json:"id"`
	Op      string   `json:"op"`
	Args    []string `json:"args,omitempty"`
	Text    string   `json:"text,omitempty"`
	PID     int      `json:"pid,omitempty"`
	Number  int      `json:"number,omitempty"`
	Seconds float64  `json:"seconds,omitempty"` // the most that it may take; 0: 120
}

// Reply is the agent's answer.
type Reply struct {
	ID      uint64      `json:"id"`
	Error   string      `json:"error,omitempty"`
	Text    string      `json:"text,omitempty"`
	Code    int         `json:"code"` // exit status
	PID     int         `json:"pid,omitempty"`
	Nanos   int64       `json:"nanos,omitempty"`
	Sockets []Socket    `json:"sockets,omitempty"`
	Links   []Interface `json:"links,omitempty"`
}

// Socket is an AF_XDP socket, as the kernel's socket diagnosis describes it.
type Socket struct {
	Inode    uint32 `json:"inode"`
	Cookie   uint64 `json:"cookie"` // never given twice
	Ifindex  int    `json:"ifindex"`
	Queue    int    `json:"queue"`
	UMEM     uint32 `json:"umem"` // number of the memory it uses
	Chunk    int    `json:"chunk"`
	ZeroCopy bool   `json:"zero_copy"` // of the memory
	// Option is the answer to getsockopt XDP_OPTIONS on the very socket, which the
	// agent borrows from its process: zero-copy, copy, or why there is none.
	Option string `json:"option"`
}

// Interface is an interface and what hangs on it.
type Interface struct {
	Name    string `json:"name"`
	Index   int    `json:"index"`
	MTU     int    `json:"mtu"`
	Up      bool   `json:"up"`
	XDP     uint32 `json:"xdp"` // number of the program; 0: none
	Ingress int    `json:"ingress"`
	Egress  int    `json:"egress"` // TCX programs
}
