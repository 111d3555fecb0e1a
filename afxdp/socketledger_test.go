package afxdp

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

var ledgerSeed = flag.Uint64("afxdp.seed", 0, "seed of the ledger test over sockets; 0: by the clock")

// ledgerParty is a worker of the ledger test with its frames: one UMEM over
// several queues of several interfaces.
type ledgerParty struct {
	name   string
	u      *UMEM
	posts  []post
	held   []Desc
	staged [][]Desc // by post: written or received, to be sent there
	sent   []uint64 // by post: next sequence number of its stream
	next   []uint64 // by post: next sequence number expected, at least
	rnd    *rand.Rand
	burst  [64]Desc
	ops    int // calls of Recv, Send and Flush, and frames through them
}

func newLedgerParty(name string, u *UMEM, posts []post, rnd *rand.Rand) *ledgerParty {
	return &ledgerParty{
		name: name, u: u, posts: posts, rnd: rnd,
		staged: make([][]Desc, len(posts)), sent: make([]uint64, len(posts)), next: make([]uint64, len(posts)),
	}
}

// flush ends the burst of a post, or forgets to.
func (p *ledgerParty) flush(i int) {
	if p.rnd.IntN(8) > 0 {
		p.posts[i].q.Flush()
		p.ops++
	}
}

// offer sends some of what is staged at a post.
func (p *ledgerParty) offer(i int) {
	k := p.rnd.IntN(len(p.staged[i]) + 1)
	n := p.posts[i].q.Send(p.staged[i][:k])
	p.staged[i] = append(p.staged[i][:0], p.staged[i][n:]...)
	p.ops += 1 + n
}

// talk is a step of an end: it sends its own frames and checks what comes.
func (p *ledgerParty) talk(i int, stream, from uint64) error {
	for range p.rnd.IntN(48) {
		addr, ok := p.u.Alloc()
		if !ok || len(p.staged[i]) > 200 {
			if ok {
				p.u.Free(addr)
			}
			break
		}
		length := frameLength(stream, p.sent[i])
		writeFrame(p.u.Frame(addr, length), stream, p.sent[i])
		p.staged[i] = append(p.staged[i], Desc{Addr: addr, Len: length, Options: 7})
		p.sent[i]++
	}
	p.offer(i)
	p.flush(i)
	n := p.posts[i].q.Recv(p.burst[:p.rnd.IntN(64)+1])
	p.ops += 1 + n
	for _, d := range p.burst[:n] {
		s, seq, err := readFrame(p.u.Frame(d.Addr, d.Len))
		if err != nil {
			return err
		}
		if s != from || seq < p.next[i] {
			return fmt.Errorf("stream %d sequence %d, want %d and at least %d", s, seq, from, p.next[i])
		}
		p.next[i] = seq + 1
		p.held = append(p.held, d)
	}
	p.flush(i)
	for len(p.held) > 0 && p.rnd.IntN(16) > 0 {
		k := p.rnd.IntN(len(p.held))
		p.u.Free(p.held[k].Addr)
		p.held[k] = p.held[len(p.held)-1]
		p.held = p.held[:len(p.held)-1]
	}
	return nil
}

// carry is a step of a forwarder from one post to another on the same UMEM.
func (p *ledgerParty) carry(from, to int) {
	n := p.posts[from].q.Recv(p.burst[:p.rnd.IntN(64)+1])
	p.ops += 1 + n
	if len(p.staged[to])+n > 300 {
		for _, d := range p.burst[:n] {
			p.u.Free(d.Addr)
		}
	} else {
		p.staged[to] = append(p.staged[to], p.burst[:n]...)
	}
	p.offer(to)
	p.flush(to)
	p.flush(from)
}

// audit demands that every frame has exactly one owner.
func (p *ledgerParty) audit() error {
	owner := make([]string, p.u.Frames())
	claim := func(addr uint64, who string) error {
		c := addr / p.u.chunk
		if owner[c] != "" {
			return fmt.Errorf("%s: frame %d belongs to %s and to %s", p.name, c, owner[c], who)
		}
		owner[c] = who
		return nil
	}
	for _, addr := range p.u.free[:p.u.nfree] {
		if err := claim(addr, "the free list"); err != nil {
			return err
		}
	}
	for _, d := range p.held {
		if err := claim(d.Addr, "the worker"); err != nil {
			return err
		}
	}
	for _, staged := range p.staged {
		for _, d := range staged {
			if err := claim(d.Addr, "the worker's send list"); err != nil {
				return err
			}
		}
	}
	for c, slot := range p.u.kernel.holder {
		if slot != 0 {
			if err := claim(uint64(c)*p.u.chunk, fmt.Sprintf("socket %d", slot)); err != nil {
				return err
			}
		}
	}
	for c, who := range owner {
		if who == "" {
			return fmt.Errorf("%s: frame %d belongs to nobody", p.name, c)
		}
	}
	return nil
}

// TestSocketLedger drives two ends and a forwarder between them with random
// bursts, sends cut short, flushes left out, full rings, and links that go down
// and up. At any time every frame of every UMEM has one owner, what arrives is
// unchanged and in order, and at the end all frames come home.
func TestSocketLedger(t *testing.T) {
	seed := *ledgerSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	want, queues := 3_000_000, 2
	if testing.Short() {
		want = 300_000
	}
	n := newTestNet(t)
	n.veth("a0", "a1", queues)
	n.veth("b0", "b1", queues)
	opt := testOptions(queues)
	opt.Ring, opt.TxBudget = 128, 32
	share := func(frames int) []*UMEM { u := n.umems(1, frames); return []*UMEM{u[0], u[0]} }
	ua, ub, um := share(700), share(2000), share(1600)
	_, a := n.open("a0", opt, ua)
	_, b := n.open("b0", opt, ub)
	ia, ma := n.open("a1", opt, um)
	ib, mb := n.open("b1", opt, um)
	rnd := rand.New(rand.NewPCG(seed, 1))
	left, right := newLedgerParty("left", ua[0], a, rnd), newLedgerParty("right", ub[0], b, rnd)
	mid := newLedgerParty("middle", um[0], append(ma, mb...), rnd)
	parties := []*ledgerParty{left, right, mid}
	down := map[string]int{}
	ops := func() int { return left.ops + right.ops + mid.ops }
	steps, downs := 0, 0
	for ; ops() < want; steps++ {
		i := rnd.IntN(queues)
		var err error
		switch rnd.IntN(4) {
		case 0:
			err = left.talk(i, uint64(i), uint64(10+i))
		case 1:
			err = right.talk(i, uint64(10+i), uint64(i))
		case 2:
			mid.carry(i, queues+i)
		case 3:
			mid.carry(queues+i, i)
		}
		if err != nil {
			t.Fatalf("step %d: %v", steps, err)
		}
		if rnd.IntN(3000) == 0 {
			name := []string{"a0", "a1", "b0", "b1"}[rnd.IntN(4)]
			n.set(name, netlink.LinkSetDown)
			down[name] = steps + rnd.IntN(300)
			downs++
		}
		for name, until := range down {
			if steps >= until {
				n.set(name, netlink.LinkSetUp)
				delete(down, name)
			}
		}
		if steps%64 == 0 {
			for _, p := range parties {
				if err := p.audit(); err != nil {
					t.Fatalf("step %d: %v", steps, err)
				}
			}
		}
	}
	short := uint64(0)
	for _, p := range parties {
		for _, l := range p.posts {
			s := l.q.Stats()
			short += s.TxFull
			t.Logf("%s: %+v", l.name, s)
			if s.RxFrames == 0 || s.TxFrames == 0 {
				t.Errorf("%s carried nothing", l.name)
			}
		}
	}
	for _, info := range []Info{ia.Info(), ib.Info()} {
		for i, q := range info.Queues {
			if q.Strays != 0 || q.Kernel.RxInvalid != 0 || q.Kernel.TxInvalid != 0 || q.Failures != 0 {
				t.Errorf("%s queue %d: %+v", info.Name, i, q)
			}
		}
	}
	t.Logf("%d operations in %d steps, links down %d times, %d frames refused by full rings", ops(), steps, downs, short)
	if downs == 0 || short == 0 {
		t.Error("no link went down, or no ring was ever full")
	}
	for _, p := range parties {
		for _, d := range p.held {
			p.u.Free(d.Addr)
		}
		for _, staged := range p.staged {
			for _, d := range staged {
				p.u.Free(d.Addr)
			}
		}
		p.held, p.staged = nil, nil
	}
}
