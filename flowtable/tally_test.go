package flowtable

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// TestTally: a flow counts from Join until it has ended or closed and a walk for
// another flow has met it, whoever owns it.
func TestTally(t *testing.T) {
	tb := newTable(t, func(c *Config) { c.Workers = 2 })
	a, b := tb.Shard(0), tb.Shard(1)
	tally := tb.NewTally()
	join := func(s *Shard, n, now, want uint32, what string) {
		t.Helper()
		if got, ok := s.Join(n, tally, now); !ok || got != want {
			t.Errorf("%s: %d flows, want %d", what, got, want)
		}
	}
	begin := func(s *Shard, i uint32, now uint32) Probe {
		p := probe(tb, udp4(i))
		n := s.alloc(&p.Tuple, s.key(&p.Tuple), now)
		s.entries[n].Expires = 30000
		p.Entry = n
		return p
	}
	p, q := begin(a, 1, start), begin(b, 2, start)
	join(a, p.Entry, start, 1, "the first")
	join(a, p.Entry, start, 1, "the first again")
	join(b, q.Entry, start, 2, "another worker's")
	a.Confirm(&p, start)
	b.Confirm(&q, start)
	join(a, 0, start, 3, "a packet without flow")
	join(a, p.Entry, start, 3, "a member, before which nobody is dead")
	other := begin(a, 3, start)
	a.Confirm(&other, start)
	join(a, other.Entry, start, 3, "one that was not counted when it began, in the place of the packet")
	third := begin(b, 4, start)
	join(b, third.Entry, start, 4, "a third")
	b.Abandon(third.Entry)
	join(a, p.Entry, start, 4, "the third was dropped, behind a member that asks")
	fourth := begin(b, 5, start)
	join(b, fourth.Entry, start, 4, "in the place of the third")
	b.Confirm(&fourth, start)
	a.Extend(p.Entry, 100, start)
	b.Extend(fourth.Entry, 100, start)
	later := start + 30000
	join(a, p.Entry, later, 4, "a member at the head takes nobody out")
	join(b, fourth.Entry, later, 2, "two are over that nobody has met yet")
	b.Expire(later, 100)
	a.Delete(p.Entry)
	b.Delete(fourth.Entry)
	if n, alive := tb.Tally(tally, later); n != 2 || alive {
		t.Errorf("%d flows when all have ended", n)
	}
	tb.EndTally(tally)
	if again := tb.NewTally(); again != tally {
		t.Errorf("tally %d, want %d again", again, tally)
	}
	if n, _ := tb.Tally(tally, later); n != 0 {
		t.Errorf("%d flows in a new one", n)
	}
	a.Delete(other.Entry)
	if a.members+b.members != 0 {
		t.Errorf("%d and %d memberships are left", a.members, b.members)
	}
}

// TestTallyEvictions: a walk ends when it has met one dead member too many.
func TestTallyEvictions(t *testing.T) {
	tb := newTable(t, nil)
	s := tb.Shard(0)
	tally := tb.NewTally()
	p := probe(tb, udp4(1))
	p.Entry = s.alloc(&p.Tuple, s.key(&p.Tuple), start)
	s.entries[p.Entry].Expires = 30000
	for i := range uint32(20) {
		q := probe(tb, udp4(2+i))
		n := s.alloc(&q.Tuple, s.key(&q.Tuple), start)
		s.Join(n, tally, start)
		defer s.Abandon(n)
	}
	for n := range s.high + 1 {
		if s.cold.tally[n] != 0 {
			s.quit(n)
		}
	}
	for _, want := range []uint32{12, 3, 1, 1} {
		if got, _ := s.Join(p.Entry, tally, start); got != want {
			t.Errorf("%d members, want %d", got, want)
		}
	}
	s.Abandon(p.Entry)
}

// TestTallyTCP: a flow of TCP counts until TIME_WAIT or CLOSE.
func TestTallyTCP(t *testing.T) {
	tb := newTable(t, nil)
	s := tb.Shard(0)
	tally := tb.NewTally()
	tu := tuple(t, ProtoTCP, "10.0.0.1", 1, "10.0.0.2", 2)
	p := segment(tb, tu, tcpSYN)
	s.Track(&p, start)
	s.Join(p.Entry, tally, start)
	s.Confirm(&p, start)
	for _, row := range []struct {
		state TCPState
		want  bool
	}{{TCPEstablished, true}, {TCPFinWait, true}, {TCPLastAck, true}, {TCPTimeWait, false}, {TCPClose, false}} {
		state := row.state
		if r := s.Change(p.Entry, &Changes{State: &state}, start); r != ToolOK {
			t.Fatal(r)
		}
		if _, alive := tb.Tally(tally, start); alive != row.want {
			t.Errorf("%v: alive %v", row.state, alive)
		}
	}
	s.Delete(p.Entry)
	if s.members != 0 {
		t.Errorf("%d memberships are left", s.members)
	}
}

// TestTallyWorkers: workers join, end, and give tallies back all at once; in the
// end every count is that of the flows that live.
func TestTallyWorkers(t *testing.T) {
	const workers, flows, tallies = 4, 200, 8
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	tb := newTable(t, func(c *Config) { c.Workers = workers })
	numbers := make([]uint32, tallies)
	for i := range numbers {
		numbers[i] = tb.NewTally()
	}
	var lock sync.Mutex
	want := make(map[uint32]uint32)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			s, r := tb.Shard(w), rand.New(rand.NewPCG(seed, uint64(w)))
			in := make(map[uint32]map[uint32]bool)
			for i := range uint32(flows) {
				p := probe(tb, udp4(uint32(w)*flows+i))
				p.Entry = s.alloc(&p.Tuple, s.key(&p.Tuple), start)
				s.entries[p.Entry].Expires = 30000
				in[p.Entry] = map[uint32]bool{}
				for range r.IntN(3) {
					n := numbers[r.IntN(tallies)]
					if got, ok := s.Join(p.Entry, n, start); !ok || got == 0 {
						t.Errorf("tally %d of a member: %d", n, got)
					}
					in[p.Entry][n] = true
				}
				own := tb.NewTally()
				s.Join(p.Entry, own, start)
				tb.EndTally(own)
				switch r.IntN(3) {
				case 0:
					s.Abandon(p.Entry)
					delete(in, p.Entry)
				case 1:
					s.Confirm(&p, start)
					s.Delete(p.Entry)
					delete(in, p.Entry)
				default:
					s.Confirm(&p, start)
				}
			}
			lock.Lock()
			defer lock.Unlock()
			for _, set := range in {
				for n := range set {
					want[n]++
				}
			}
		})
	}
	all.Wait()
	for _, n := range numbers {
		// Walks for one flow more take out who is dead, some at a time.
		s := tb.Shard(0)
		p := probe(tb, udp4(0xffffff))
		p.Entry = s.alloc(&p.Tuple, s.key(&p.Tuple), start)
		var got uint32
		for range flows {
			got, _ = s.Join(p.Entry, n, start)
		}
		if s.Abandon(p.Entry); got != want[n]+1 {
			t.Errorf("tally %d: %d flows, want %d", n, got-1, want[n])
		}
		tb.EndTally(n)
	}
	for i := range workers {
		for n := range tb.Shard(i).high {
			tb.Shard(i).Delete(n + 1)
		}
	}
	x := &tb.tallies
	freed := uint64(0)
	for h := uint32(x.memberFree.Load()); h != 0; freed++ {
		h = uint32(x.members[h].state)
	}
	if freed != x.memberFresh.Load() {
		t.Errorf("%d members free of %d", freed, x.memberFresh.Load())
	}
}
