package pktgen

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluice-net/sluice/afxdp"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/perf/offheap"
)

// Impairments are what a link does to frames on their way to one end. Shares are
// 0 to 1 and exclude each other: a frame suffers one of them at most.
type Impairments struct {
	Delay     time.Duration // of every frame
	Drop      float64
	Duplicate float64
	Corrupt   float64 // one bit behind the first half of the IP header flips
	Reorder   float64 // a frame is held back until Behind others have passed
	Behind    int     // 0: 3
	Seed      uint64
	Capacity  int // frames under way, a power of two, 0: 4096; more are lost
}

// Suffered counts what a link has done.
type Suffered struct {
	Passed, Dropped, Duplicated, Corrupted, Reordered, Overflowed uint64

	// Delays is how long frames were in the link: Delay, and what passed until
	// the receiver looked. In nanoseconds.
	Delays *perf.Histogram
}

const (
	maxBehind = 1 << 16
	maxHeld   = 64
	holdLimit = 10e6 // nanoseconds after which a held frame goes on anyway
)

// NewLink joins two ports in memory, as afxdp.NewPipe does, with impairments on
// the way to each end; index 0 is what the first end suffers as a receiver. The
// counts may be read when nobody uses the link.
func NewLink(cfg afxdp.PipeConfig, to [2]Impairments, clock *perf.Clock) (ports [2]afxdp.Port, counts [2]*Suffered, err error) {
	for i := range to {
		if err := to[i].complete(); err != nil {
			return ports, counts, fmt.Errorf("link: %w", err)
		}
	}
	a, b, err := afxdp.NewPipe(cfg)
	if err != nil {
		return ports, counts, err
	}
	for i, p := range [2]afxdp.Port{a, b} {
		counts[i] = &Suffered{Delays: &perf.Histogram{}}
		ports[i] = &linkPort{Port: p, suffer: to[i], counts: counts[i], clock: clock}
	}
	return ports, counts, nil
}

func (m *Impairments) complete() error {
	if m.Behind == 0 {
		m.Behind = 3
	}
	if m.Capacity == 0 {
		m.Capacity = 4096
	}
	total := 0.0
	for _, share := range []float64{m.Drop, m.Duplicate, m.Corrupt, m.Reorder} {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("share %g: want 0 to 1", share)
		}
		total += share
	}
	switch {
	case total > 1:
		return fmt.Errorf("shares add up to %g: want 1 at most", total)
	case m.Delay < 0:
		return errors.New("the delay is negative")
	case m.Behind < 1 || m.Behind > maxBehind:
		return fmt.Errorf("reordering by %d frames: want 1 to %d", m.Behind, maxBehind)
	case m.Capacity < 64 || m.Capacity > 1<<24 || m.Capacity&(m.Capacity-1) != 0:
		return fmt.Errorf("capacity of %d frames: want a power of two, 64 to 2^24", m.Capacity)
	}
	return nil
}

// none says whether frames pass untouched.
func (m *Impairments) none() bool {
	return m.Delay == 0 && m.Drop+m.Duplicate+m.Corrupt+m.Reorder == 0
}

// linkPort is one end of a link.
type linkPort struct {
	afxdp.Port
	suffer Impairments
	counts *Suffered
	clock  *perf.Clock
	lines  [][]waiting
}

// waiting is a frame under way.
type waiting struct {
	desc afxdp.Desc
	due  int64
}

// held is a frame that others have to pass.
type held struct {
	desc   afxdp.Desc
	passes int
	needed int
	until  int64
}

// Open opens a queue, which belongs to one goroutine.
func (p *linkPort) Open(i int, u *afxdp.UMEM) (afxdp.Queue, error) {
	q, err := p.Port.Open(i, u)
	if err != nil || p.suffer.none() {
		return q, err
	}
	line, err := offheap.Make[waiting](p.suffer.Capacity)
	if err != nil {
		return nil, err
	}
	p.lines = append(p.lines, line)
	l := &linkQueue{Queue: q, umem: u, suffer: p.suffer, counts: p.counts, clock: p.clock, line: line}
	l.random = random{p.suffer.Seed ^ uint64(i)}
	return l, nil
}

// Close closes the end.
func (p *linkPort) Close() error {
	var errs []error
	for _, line := range p.lines {
		errs = append(errs, offheap.Free(line))
	}
	p.lines = nil
	return errors.Join(append(errs, p.Port.Close())...)
}

// linkQueue is a queue whose receiver sees what the link made of the frames.
type linkQueue struct {
	afxdp.Queue
	umem   *afxdp.UMEM
	suffer Impairments
	counts *Suffered
	clock  *perf.Clock
	random random

	in    [burstFrames]afxdp.Desc
	line  []waiting
	at, n int
	held  [maxHeld]held
	nheld int
}

// Recv takes frames off the pipe, does to them what they suffer, and returns
// those whose time has come.
func (q *linkQueue) Recv(descs []afxdp.Desc) int {
	now := q.clock.Nanos()
	n := q.Queue.Recv(q.in[:])
	for _, d := range q.in[:n] {
		q.pass(d, now)
	}
	for i := 0; i < q.nheld; {
		if now < q.held[i].until {
			i++
			continue
		}
		q.release(i, now)
	}
	out := 0
	for ; out < len(descs) && q.n > 0 && q.line[q.at].due <= now; out++ {
		w := &q.line[q.at]
		q.counts.Delays.Record(uint64(now - w.due + int64(q.suffer.Delay)))
		descs[out] = w.desc
		q.at = (q.at + 1) & (len(q.line) - 1)
		q.n--
	}
	return out
}

// pass draws what a frame suffers.
func (q *linkQueue) pass(d afxdp.Desc, now int64) {
	s, at := &q.suffer, float64(q.random.next()>>11)/(1<<53)
	if at -= s.Drop; at < 0 {
		q.counts.Dropped++
		q.umem.Free(d.Addr)
		return
	}
	if at -= s.Corrupt; at < 0 {
		b := q.umem.Frame(d.Addr, d.Len)
		const from = 14 + 12
		if bits := (len(b) - from) * 8; bits > 0 {
			bit := int(q.random.next() >> 32 * uint64(bits) >> 32)
			b[from+bit/8] ^= 1 << (bit % 8)
			q.counts.Corrupted++
		}
		q.push(d, now)
		return
	}
	if at -= s.Reorder; at < 0 && q.nheld < maxHeld {
		q.held[q.nheld] = held{desc: d, needed: s.Behind, until: now + holdLimit}
		q.nheld++
		return
	}
	q.push(d, now)
	q.counts.Passed++
	if at >= 0 && at-s.Duplicate < 0 {
		if addr, ok := q.umem.Alloc(); ok {
			copy(q.umem.Frame(addr, d.Len), q.umem.Frame(d.Addr, d.Len))
			d.Addr = addr
			q.counts.Duplicated++
			q.push(d, now)
		}
	}
	for i := 0; i < q.nheld; {
		h := &q.held[i]
		if h.passes++; h.passes < h.needed {
			i++
			continue
		}
		q.release(i, now)
	}
}

// release sends a held frame on.
func (q *linkQueue) release(i int, now int64) {
	h := q.held[i]
	copy(q.held[i:], q.held[i+1:q.nheld])
	q.nheld--
	if h.passes > 0 {
		q.counts.Reordered++
	}
	q.counts.Passed++
	q.push(h.desc, now)
	// A frame held since earlier has been passed by this one only if it is older.
	for j := range q.nheld {
		if j < i {
			q.held[j].passes++
		}
	}
}

func (q *linkQueue) push(d afxdp.Desc, now int64) {
	if q.n == len(q.line) {
		q.counts.Overflowed++
		q.umem.Free(d.Addr)
		return
	}
	q.line[(q.at+q.n)&(len(q.line)-1)] = waiting{d, now + int64(q.suffer.Delay)}
	q.n++
}
