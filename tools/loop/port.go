package loop

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/sluice-net/sluice/afxdp"
)

// Config is what a port is made from.
type Config struct {
	Name   string
	MAC    net.HardwareAddr
	Frames [][][]byte // that each queue brings, over and over; an empty queue only sends
	Limit  uint64     // frames that a queue brings at all; 0: no limit
	// Rate is frames a second of each queue, which wait in a ring of Ring frames
	// and are lost if it is full. 0: there is always one more.
	Rate float64
	Ring int
}

// Port is an afxdp.Port.
type Port struct {
	cfg    Config
	Queue  []*Queue
	paused atomic.Bool
}

// Queue is one of a port's.
type Queue struct {
	port *Port
	umem *afxdp.UMEM
	rest [][]byte // of the frames, those to come before the first one again
	all  [][]byte
	from time.Time // when it began to bring frames; zero: not yet
	owed uint64    // frames that have come since

	rx, tx, lost atomic.Uint64 // written by the worker
}

// New makes a port that is paused.
func New(cfg Config) *Port {
	p := &Port{cfg: cfg}
	p.paused.Store(true)
	for _, frames := range cfg.Frames {
		p.Queue = append(p.Queue, &Queue{port: p, all: frames})
	}
	return p
}

// Pause stops the frames, or lets them come.
func (p *Port) Pause(on bool) { p.paused.Store(on) }

// Received returns how many frames the queues have brought.
func (p *Port) Received() uint64 {
	return p.sum(func(q *Queue) uint64 { return q.rx.Load() })
}

// Sent returns how many frames the queues have sent.
func (p *Port) Sent() uint64 {
	return p.sum(func(q *Queue) uint64 { return q.tx.Load() })
}

// Lost returns how many frames found the ring full.
func (p *Port) Lost() uint64 {
	return p.sum(func(q *Queue) uint64 { return q.lost.Load() })
}

func (p *Port) sum(of func(q *Queue) uint64) (n uint64) {
	for _, q := range p.Queue {
		n += of(q)
	}
	return n
}

// Name returns the port's name.
func (p *Port) Name() string { return p.cfg.Name }

// MAC returns its address.
func (p *Port) MAC() net.HardwareAddr { return p.cfg.MAC }

// MTU returns Ethernet's.
func (p *Port) MTU() int { return 1500 }

// Queues returns the number of queues.
func (p *Port) Queues() int { return len(p.Queue) }

// Close does nothing.
func (p *Port) Close() error { return nil }

// Open binds a queue to the memory of its worker.
func (p *Port) Open(i int, u *afxdp.UMEM) (afxdp.Queue, error) {
	p.Queue[i].umem = u
	return p.Queue[i], nil
}

// Recv brings frames.
func (q *Queue) Recv(descs []afxdp.Desc) int {
	if len(q.all) == 0 || q.port.paused.Load() {
		q.from = time.Time{}
		return 0
	}
	n := 0
	for want := q.there(len(descs)); n < want; n++ {
		a, ok := q.umem.Alloc()
		if !ok {
			break
		}
		if len(q.rest) == 0 {
			q.rest = q.all
		}
		f := q.rest[0]
		q.rest = q.rest[1:]
		copy(q.umem.Frame(a, uint32(len(f))), f)
		descs[n] = afxdp.Desc{Addr: a, Len: uint32(len(f))}
	}
	q.rx.Store(q.rx.Load() + uint64(n))
	q.owed -= min(q.owed, uint64(n))
	return n
}

// there returns how many frames are there, at most n.
func (q *Queue) there(n int) int {
	c := &q.port.cfg
	if c.Limit > 0 {
		n = int(min(uint64(n), c.Limit-q.rx.Load()))
	}
	if c.Rate == 0 {
		return n
	}
	now := time.Now()
	if q.from.IsZero() {
		q.from, q.owed = now, 0
	}
	if came := uint64(now.Sub(q.from).Seconds() * c.Rate); came > 0 {
		q.from = q.from.Add(time.Duration(float64(came) / c.Rate * 1e9))
		q.owed += came
	}
	if over := q.owed - min(q.owed, uint64(c.Ring)); over > 0 {
		q.lost.Store(q.lost.Load() + over)
		q.owed -= over
	}
	return int(min(uint64(n), q.owed))
}

// Send forgets frames.
func (q *Queue) Send(descs []afxdp.Desc) int {
	for _, d := range descs {
		q.umem.Free(d.Addr)
	}
	q.tx.Store(q.tx.Load() + uint64(len(descs)))
	return len(descs)
}

// Flush does nothing: what was sent is gone already.
func (q *Queue) Flush() {}

// Stats counts frames only.
func (q *Queue) Stats() afxdp.QueueStats {
	return afxdp.QueueStats{RxFrames: q.rx.Load(), TxFrames: q.tx.Load(), RxFull: q.lost.Load()}
}
