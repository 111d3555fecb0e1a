package afxdp

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/sluice-net/sluice/perf/offheap"
)

// etherRoom is what a frame may have in front of its L3 bytes: the Ethernet
// header and two VLAN tags.
const etherRoom = 14 + 2*4

const (
	maxPipeQueues = 256
	maxFrame      = 1 << 17
)

// PipeConfig says what a pipe is like. Index 0 is the first end.
type PipeConfig struct {
	Name   [2]string           // empty: pipe0, pipe1
	MAC    [2]net.HardwareAddr // nil: 02:00:00:00:00:00 and :01
	MTU    int                 // L3 bytes, 0: 1500
	Frame  int                 // longest frame in bytes, 0: MTU, Ethernet header and two VLAN tags
	Queues int                 // of the first end, 0: 1
	Peer   int                 // queues of the second end, 0: as many as the first
	Ring   int                 // frames in flight per ring, a power of two, 0: 1024

	// Steer picks the receiving end's queue for a frame, as a network card
	// does; the result counts modulo that end's queues. It must be a pure
	// function: every sending queue calls it. SteerFlow is one. nil: the queue
	// with the number of the sending one, modulo as well.
	Steer func(frame []byte) int
}

// NewPipe makes two ports joined back to back in memory: what one sends the
// other receives. The memory is given back when both are closed.
func NewPipe(cfg PipeConfig) (a, b Port, err error) {
	if err := cfg.complete(); err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	p := &pipe{cfg: cfg, slot: (cfg.Frame + 63) &^ 63, open: 2}
	for dir := range p.lanes {
		for from := range p.queues(dir) {
			for to := range p.queues(1 - dir) {
				if cfg.Steer == nil && to != from%p.queues(1-dir) {
					p.lanes[dir] = append(p.lanes[dir], nil)
					continue
				}
				l, err := newLane(cfg.Ring, p.slot)
				if err != nil {
					return nil, nil, fmt.Errorf("pipe: %w", errors.Join(err, p.free()))
				}
				p.lanes[dir] = append(p.lanes[dir], l)
			}
		}
	}
	ends := [2]*pipePort{}
	for i := range ends {
		ends[i] = &pipePort{pipe: p, end: i, opened: make([]bool, p.queues(i))}
	}
	return ends[0], ends[1], nil
}

func (c *PipeConfig) complete() error {
	for i := range 2 {
		if c.Name[i] == "" {
			c.Name[i] = fmt.Sprintf("pipe%d", i)
		}
		if c.MAC[i] == nil {
			c.MAC[i] = net.HardwareAddr{2, 0, 0, 0, 0, byte(i)}
		}
		if len(c.MAC[i]) != 6 {
			return fmt.Errorf("MAC %v of %s: want six bytes", c.MAC[i], c.Name[i])
		}
	}
	if c.MTU == 0 {
		c.MTU = 1500
	}
	if c.Queues == 0 {
		c.Queues = 1
	}
	if c.Ring == 0 {
		c.Ring = 1024
	}
	if c.MTU < 68 || c.MTU > 65535 {
		return fmt.Errorf("MTU %d: want 68 to 65535", c.MTU)
	}
	if c.Frame == 0 {
		c.Frame = c.MTU + etherRoom
	}
	if c.Frame < c.MTU+14 || c.Frame > maxFrame {
		return fmt.Errorf("frames of %d bytes for MTU %d: want the MTU and 14 at least, %d at most", c.Frame, c.MTU, maxFrame)
	}
	if c.Peer == 0 {
		c.Peer = c.Queues
	}
	for _, n := range [2]int{c.Queues, c.Peer} {
		if n < 1 || n > maxPipeQueues {
			return fmt.Errorf("%d queues: want 1 to %d", n, maxPipeQueues)
		}
	}
	return nil
}

// pipe is what the two ends share.
type pipe struct {
	cfg   PipeConfig
	slot  int        // bytes per frame in flight
	lanes [2][]*lane // by sending end, then by sending and receiving queue; nil for pairs never used

	mu   sync.Mutex
	open int // ends not yet closed
}

// queues returns how many queues an end has.
func (p *pipe) queues(end int) int {
	if end == 0 {
		return p.cfg.Queues
	}
	return p.cfg.Peer
}

// lane returns the lane from a queue of an end to one of the other.
func (p *pipe) lane(end, from, to int) *lane {
	return p.lanes[end][from*p.queues(1-end)+to]
}

func (p *pipe) free() error {
	var errs []error
	for _, dir := range p.lanes {
		for _, l := range dir {
			if l != nil {
				errs = append(errs, l.ring.Close(), offheap.Free(l.mem))
			}
		}
	}
	return errors.Join(errs...)
}

// lane carries frames from one sending queue to one receiving queue. One lane
// per pair keeps every ring at one producer and every source's frames in order.
type lane struct {
	ring *Ring[Desc] // Len and Options; the bytes lie in mem at the slot's index
	mem  []byte
	slot int
}

func newLane(size, slot int) (*lane, error) {
	ring, err := NewRing[Desc](size)
	if err != nil {
		return nil, err
	}
	mem, err := offheap.Make[byte](size * slot)
	if err != nil {
		return nil, errors.Join(err, ring.Close())
	}
	return &lane{ring: ring, mem: mem, slot: slot}, nil
}

// bytes returns the memory of the slot of a ring index.
func (l *lane) bytes(index uint32) []byte {
	at := int(l.ring.Index(index)) * l.slot
	return l.mem[at : at+l.slot : at+l.slot]
}

// pipePort is one end.
type pipePort struct {
	pipe   *pipe
	end    int
	opened []bool
	closed bool
}

func (p *pipePort) Name() string          { return p.pipe.cfg.Name[p.end] }
func (p *pipePort) MAC() net.HardwareAddr { return p.pipe.cfg.MAC[p.end] }
func (p *pipePort) MTU() int              { return p.pipe.cfg.MTU }
func (p *pipePort) Queues() int           { return p.pipe.queues(p.end) }

// Open fails for a queue that does not exist or is open, a closed port, and a
// UMEM whose frames are too small for the longest frame.
func (p *pipePort) Open(i int, u *UMEM) (Queue, error) {
	cfg := &p.pipe.cfg
	p.pipe.mu.Lock()
	defer p.pipe.mu.Unlock()
	switch {
	case p.closed:
		return nil, fmt.Errorf("%s: port is closed", p.Name())
	case i < 0 || i >= p.Queues():
		return nil, fmt.Errorf("%s: queue %d: there are %d", p.Name(), i, p.Queues())
	case p.opened[i]:
		return nil, fmt.Errorf("%s: queue %d is open already", p.Name(), i)
	case u.Room() < cfg.Frame:
		return nil, fmt.Errorf("%s: UMEM frames hold %d bytes: want %d", p.Name(), u.Room(), cfg.Frame)
	}
	p.opened[i] = true
	q := &pipeQueue{umem: u, limit: cfg.Frame, steer: cfg.Steer}
	for other := range p.pipe.queues(1 - p.end) {
		if l := p.pipe.lane(p.end, i, other); l != nil {
			q.out = append(q.out, l)
		}
		if l := p.pipe.lane(1-p.end, other, i); l != nil {
			q.in = append(q.in, l)
		}
	}
	q.pending = make([]pending, len(q.out))
	return q, nil
}

// Close closes this end; closing again does nothing.
func (p *pipePort) Close() error {
	p.pipe.mu.Lock()
	defer p.pipe.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	if p.pipe.open--; p.pipe.open > 0 {
		return nil
	}
	return p.pipe.free()
}
