package pair

import (
	"bytes"
	"net"

	"github.com/sluice-net/sluice/afxdp"
)

// port is a port in memory whose frames are put in and taken out by hand.
type port struct {
	name   string
	mtu    int
	mac    net.HardwareAddr
	queues []*queue
	out    [][]byte
	lost   int // frames that found no room in the UMEM
}

type queue struct {
	port    *port
	umem    *afxdp.UMEM
	pending [][]byte
}

func newPort(side Side, mtu, queues int) *port {
	mac := BoxMAC(side)
	p := &port{name: side.String(), mtu: mtu, mac: mac[:]}
	for range queues {
		p.queues = append(p.queues, &queue{port: p})
	}
	return p
}

func (p *port) Name() string          { return p.name }
func (p *port) MAC() net.HardwareAddr { return p.mac }
func (p *port) MTU() int              { return p.mtu }
func (p *port) Queues() int           { return len(p.queues) }
func (p *port) Close() error          { return nil }
func (p *port) Open(i int, u *afxdp.UMEM) (afxdp.Queue, error) {
	p.queues[i].umem = u
	return p.queues[i], nil
}

// put lets a frame arrive on queue i.
func (p *port) put(i int, frame []byte) {
	p.queues[i].pending = append(p.queues[i].pending, frame)
}

// take returns what the box sent since the last call.
func (p *port) take() [][]byte {
	out := p.out
	p.out = nil
	return out
}

func (q *queue) Recv(descs []afxdp.Desc) int {
	n := 0
	for _, f := range q.pending[:min(len(descs), len(q.pending))] {
		a, ok := q.umem.Alloc()
		if !ok || len(f) > q.umem.Room() {
			q.port.lost++
			continue
		}
		copy(q.umem.Frame(a, uint32(len(f))), f)
		descs[n] = afxdp.Desc{Addr: a, Len: uint32(len(f))}
		n++
	}
	q.pending = q.pending[min(len(descs), len(q.pending)):]
	return n
}

func (q *queue) Send(descs []afxdp.Desc) int {
	for _, d := range descs {
		q.port.out = append(q.port.out, bytes.Clone(q.umem.Frame(d.Addr, d.Len)))
		q.umem.Free(d.Addr)
	}
	return len(descs)
}

func (q *queue) Flush()                      {}
func (q *queue) Stats() (s afxdp.QueueStats) { return s }
