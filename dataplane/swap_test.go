package dataplane

import (
	"fmt"
	"net"
	"sync/atomic"
	"testing"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/tools/frame"
)

// loopPort is a port whose queues produce the same frames for ever and count
// what is sent. For tests with running workers.
type loopPort struct {
	name   string
	mac    net.HardwareAddr
	queues []*loopQueue
}

type loopQueue struct {
	frames [][]byte
	next   int
	limit  uint64 // frames to produce; 0: no limit
	umem   *afxdp.UMEM
	rx, tx atomic.Uint64
	pause  *atomic.Bool
}

func newLoopPort(name string, mac byte, frames [][][]byte, pause *atomic.Bool) *loopPort {
	p := &loopPort{name: name, mac: benchMAC(mac)}
	for _, f := range frames {
		p.queues = append(p.queues, &loopQueue{frames: f, pause: pause})
	}
	return p
}

func (p *loopPort) Name() string          { return p.name }
func (p *loopPort) MAC() net.HardwareAddr { return p.mac }
func (p *loopPort) MTU() int              { return 1500 }
func (p *loopPort) Queues() int           { return len(p.queues) }
func (p *loopPort) Close() error          { return nil }
func (p *loopPort) Open(i int, u *afxdp.UMEM) (afxdp.Queue, error) {
	p.queues[i].umem = u
	return p.queues[i], nil
}

func (q *loopQueue) Recv(descs []afxdp.Desc) int {
	if len(q.frames) == 0 || q.pause.Load() {
		return 0
	}
	n := 0
	for ; n < len(descs); n++ {
		if q.limit > 0 && q.rx.Load()+uint64(n) == q.limit {
			break
		}
		a, ok := q.umem.Alloc()
		if !ok {
			break
		}
		f := q.frames[q.next]
		q.next = (q.next + 1) % len(q.frames)
		copy(q.umem.Frame(a, uint32(len(f))), f)
		descs[n] = afxdp.Desc{Addr: a, Len: uint32(len(f))}
	}
	q.rx.Store(q.rx.Load() + uint64(n))
	return n
}

func (q *loopQueue) Send(descs []afxdp.Desc) int {
	for _, d := range descs {
		q.umem.Free(d.Addr)
	}
	q.tx.Store(q.tx.Load() + uint64(len(descs)))
	return len(descs)
}

func (q *loopQueue) Flush()                      {}
func (q *loopQueue) Stats() (s afxdp.QueueStats) { return s }

// loopFrames are UDP packets of some flows, those of queue i first seen there.
func loopFrames(queues, flows int) [][][]byte {
	out := make([][][]byte, queues)
	for q := range out {
		for i := range flows {
			out[q] = append(out[q], frame.Build(clientToBox,
				frame.IPv4{Src: fmt.Sprintf("10.0.0.%d", 2+i%20), Dst: "198.51.100.7"},
				frame.UDP{Src: uint16(1000 + q*flows + i), Dst: 53}, frame.Zeros(20)))
		}
	}
	return out
}

// TestSwapUnderLoad replaces the rules a thousand times while two workers run.
// Every packet is judged by exactly one generation: retired images are
// poisoned, so a packet that met two would be counted. The counters that the
// publishes give back, and those of the last generation, add up to exactly the
// packets that went through.
func TestSwapUnderLoad(t *testing.T) {
	const swaps, workers = 1000, 2
	var pause atomic.Bool
	lan := newLoopPort("lan", 1, loopFrames(workers, 50), &pause)
	wan := newLoopPort("wan", 2, make([][][]byte, workers), &pause)
	n := newNet(t, "", workers, func(c *Config) {
		c.Trace, c.Clock = false, nil
		c.Ports[0].Port, c.Ports[1].Port = lan, wan
	})
	text := func(i int) []byte {
		return fmt.Appendf(nil, `table inet t {
	chain pre { type filter hook prerouting priority -10; counter; }
	chain f { type filter hook forward priority 0; policy drop; ip daddr 192.0.2.%d drop; ct state new,established counter accept; }
	chain post { type filter hook postrouting priority 0; counter; }
}
`, i%250)
	}
	pause.Store(true) // count from the first counted generation on
	if _, err := n.box.Load("swap.nft", text(0)); err != nil {
		t.Fatal(err)
	}
	if err := n.box.Start(); err != nil {
		t.Fatal(err)
	}
	pause.Store(false)
	var counted [3]uint64
	var judged uint64
	for i := 1; i <= swaps; i++ {
		r, err := n.box.Load("swap.nft", text(i))
		if err != nil {
			t.Fatal(err)
		}
		judged += r.Judged
		for k, c := range r.OldCounters {
			counted[k] += c.Packets
		}
	}
	pause.Store(true)
	n.box.Stop()
	n.box.Drain()
	for k, c := range n.box.Counters() {
		counted[k] += c.Packets
	}
	for _, w := range n.box.workers {
		judged += w.next.Load().judged
	}
	var rx, tx uint64
	for i := range workers {
		rx += lan.queues[i].rx.Load()
		tx += wan.queues[i].tx.Load()
	}
	s := n.box.Stats().Total()
	t.Logf("%d swaps, %d packets in, %d out, %d handed over, drops %v", swaps, rx, tx, s.HandoversIn, dropNames(&s))
	if rx < swaps {
		t.Fatalf("only %d packets: no load", rx)
	}
	lost := uint64(0)
	for d, c := range s.Drops {
		if d != 0 {
			lost += c
		}
	}
	if tx+lost != rx {
		t.Errorf("%d in, %d out and %d dropped", rx, tx, lost)
	}
	for k, c := range counted {
		if c != tx {
			t.Errorf("counter %d of all generations: %d, want %d", k, c, tx)
		}
	}
	if judged != tx {
		t.Errorf("%d packets judged, want %d", judged, tx)
	}
	n.checkLedger()
}

// TestGraceWaitsForTheBurst holds a worker inside a round: a publish must not
// return, and must not poison, before the round ends.
func TestGraceWaitsForTheBurst(t *testing.T) {
	n := newNet(t, acceptAll, 1)
	w := n.box.workers[0]
	w.epoch.Add(1) // as round does
	old := w.next.Load()
	done := make(chan error)
	go func() {
		_, err := n.box.Load("b.nft", []byte(natRules))
		done <- err
	}()
	for w.next.Load() == old { // until the exchange
		select {
		case err := <-done:
			t.Fatalf("the publish returned (%v) while the worker was in a round", err)
		default:
		}
	}
	if !old.image.Alive() {
		t.Error("the old image was poisoned while in use")
	}
	select {
	case <-done:
		t.Fatal("the publish returned while the worker was in a round")
	default:
	}
	w.epoch.Add(1)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if old.image.Alive() {
		t.Error("checking mode left the old image alive")
	}
}
