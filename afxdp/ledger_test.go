package afxdp

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/sluice-net/sluice/perf/offheap"
)

// party is one queue in the ledger test, at once sender and receiver.
type party struct {
	name   string
	u      *UMEM
	q      Queue
	rnd    *rand.Rand
	held   []Desc   // received, not freed yet
	staged []Desc   // written, not yet taken by Send
	next   []uint64 // sequence number per stream
	expect map[uint64]uint64
	queues int
	index  int
	got    uint64
}

const ledgerFrame = 64 // bytes: 14 header, stream, sequence, then a pattern

// step does one random burst and checks the ledger. It keeps enough frames free
// for what Recv may bring.
func (p *party) step(draining bool) error {
	if !draining {
		for range p.rnd.IntN(32) {
			if p.u.FreeFrames() < 256 {
				break
			}
			addr, _ := p.u.Alloc()
			to := uint64(p.rnd.IntN(p.queues))
			n := uint32(ledgerFrame + p.rnd.IntN(200))
			f := p.u.Frame(addr, n)
			stream := uint64(p.index)<<32 | to
			binary.BigEndian.PutUint64(f[14:], stream)
			binary.BigEndian.PutUint64(f[22:], p.next[to])
			for i := 30; i < len(f); i++ {
				f[i] = byte(p.next[to] + uint64(i))
			}
			p.staged = append(p.staged, Desc{addr, n, uint32(p.next[to])})
			p.next[to]++
		}
	}
	if k := len(p.staged); k > 0 {
		if !draining {
			k = p.rnd.IntN(k + 1)
		}
		n := p.q.Send(p.staged[:k])
		p.staged = append(p.staged[:0], p.staged[n:]...)
	}
	p.q.Flush()
	burst := make([]Desc, p.rnd.IntN(48)+1)
	burst = burst[:p.q.Recv(burst)]
	for _, d := range burst {
		f := p.u.Frame(d.Addr, d.Len)
		stream, seq := binary.BigEndian.Uint64(f[14:]), binary.BigEndian.Uint64(f[22:])
		if int(stream&0xffffffff) != p.index {
			return fmt.Errorf("%s: frame of stream %#x", p.name, stream)
		}
		if seq != p.expect[stream] || d.Options != uint32(seq) {
			return fmt.Errorf("%s: stream %#x: sequence %d with serial %d, want %d", p.name, stream, seq, d.Options, p.expect[stream])
		}
		p.expect[stream]++
		p.got++
		for i := 30; i < len(f); i++ {
			if f[i] != byte(seq+uint64(i)) {
				return fmt.Errorf("%s: stream %#x sequence %d: byte %d differs", p.name, stream, seq, i)
			}
		}
	}
	p.held = append(p.held, burst...)
	for len(p.held) > 0 && (draining || p.rnd.IntN(3) > 0 || p.u.FreeFrames() < 64) {
		i := p.rnd.IntN(len(p.held))
		p.u.Free(p.held[i].Addr)
		p.held[i] = p.held[len(p.held)-1]
		p.held = p.held[:len(p.held)-1]
	}
	if all := p.u.FreeFrames() + len(p.held) + len(p.staged); all != p.u.Frames() {
		return fmt.Errorf("%s: %d free, %d held, %d staged: not the %d there are", p.name, p.u.FreeFrames(), len(p.held), len(p.staged), p.u.Frames())
	}
	return nil
}

// TestPipeLedger sends random bursts both ways over all queues, on one
// goroutine per queue, with rings that are often full: nothing is lost, doubled
// or out of order, and every UMEM's frames add up after every burst.
func TestPipeLedger(t *testing.T) {
	steps := 50_000
	if testing.Short() || offheap.RaceTwin {
		steps = 2_000
	}
	steer := func(f []byte) int { return int(binary.BigEndian.Uint32(f[18:])) }
	for _, tc := range []struct {
		name   string
		queues [2]int
		steer  func([]byte) int
	}{
		{"one queue", [2]int{1, 1}, nil},
		{"two queues steered", [2]int{2, 2}, steer},
		{"three queues steered", [2]int{3, 3}, steer},
		{"three to one", [2]int{3, 1}, steer},
		{"one to two", [2]int{1, 2}, steer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %#x", seed)
			a, b := newTestPipe(t, PipeConfig{Queues: tc.queues[0], Peer: tc.queues[1], Ring: 64, Steer: tc.steer})
			var parties []*party
			for end, port := range []Port{a, b} {
				far := tc.queues[1-end]
				for i := range port.Queues() {
					u := newTestUMEM(t, 1024)
					q, err := port.Open(i, u)
					if err != nil {
						t.Fatal(err)
					}
					parties = append(parties, &party{
						name: fmt.Sprintf("%s/%d", port.Name(), i), u: u, q: q, index: i, queues: far,
						rnd: rand.New(rand.NewPCG(seed, uint64(len(parties)))), next: make([]uint64, far), expect: map[uint64]uint64{},
					})
				}
			}
			var wg sync.WaitGroup
			for _, p := range parties {
				wg.Go(func() {
					for range steps {
						if err := p.step(false); err != nil {
							t.Error(err)
							return
						}
						if p.rnd.IntN(8) == 0 {
							runtime.Gosched()
						}
					}
				})
			}
			wg.Wait()
			if t.Failed() {
				return
			}
			for idle := 0; idle < 3; {
				before := uint64(0)
				for _, p := range parties {
					before += p.got
				}
				var after uint64
				for _, p := range parties {
					if err := p.step(true); err != nil {
						t.Fatal(err)
					}
					after += p.got
				}
				if after == before {
					idle++
				} else {
					idle = 0
				}
			}
			var sent, got uint64
			for _, p := range parties {
				for _, n := range p.next {
					sent += n
				}
				got += p.got
				if len(p.held)+len(p.staged) > 0 || p.u.FreeFrames() != p.u.Frames() {
					t.Errorf("%s: %d held, %d staged at the end", p.name, len(p.held), len(p.staged))
				}
				if s := p.q.Stats(); s.RxNoFrame != 0 || s.TxTooLong != 0 {
					t.Errorf("%s: stats %+v", p.name, s)
				}
			}
			if sent != got || got == 0 {
				t.Errorf("%d sent, %d received", sent, got)
			}
			t.Logf("%d frames", got)
		})
	}
}
