package flowtable

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// TestTally: a flow counts from Join until it ends or closes, whoever asks.
func TestTally(t *testing.T) {
	tb := newTable(t, func(c *Config) { c.Workers = 2 })
	a, b := tb.Shard(0), tb.Shard(1)
	tally := tb.NewTally()
	join := func(s *Shard, n, limit, now, want uint32, what string) {
		t.Helper()
		if got, ok := s.Join(n, tally, limit, now); !ok || got != want {
			t.Errorf("%s: %d flows, want %d", what, got, want)
		}
	}
	begin := func(s *Shard, i uint32, now uint32) Probe {
		p := probe(tb, udp4(i))
		p.Foreign = true // whatever its hash says
		n := s.alloc(&p.Tuple, s.key(&p.Tuple), now)
		s.entries[n].Expires = 30000
		p.Entry = n
		return p
	}
	p, q := begin(a, 1, start), begin(b, 2, start)
	join(a, p.Entry, 9, start, 1, "the first")
	join(a, p.Entry, 9, start, 1, "the first again")
	join(b, q.Entry, 9, start, 2, "another worker's")
	join(a, 0, 9, start, 3, "a packet without flow")
	a.Confirm(&p, start)
	b.Confirm(&q, start)
	other := begin(a, 3, start)
	a.Confirm(&other, start)
	join(a, other.Entry, 9, start, 2, "one that was not counted when it began")
	third := begin(b, 4, start)
	join(b, third.Entry, 9, start, 3, "a third")
	b.Abandon(third.Entry)
	join(a, p.Entry, 9, start, 2, "the third was dropped")
	a.Extend(p.Entry, 100, start)
	later := start + 30000
	join(a, p.Entry, 2, later, 2, "nobody looks below the limit")
	join(a, p.Entry, 1, later, 1, "the other worker's is over, and not yet met")
	b.Expire(later, 100)
	join(a, p.Entry, 1, later, 1, "met")
	a.Delete(p.Entry)
	if n := tb.Tally(tally, later); n != 0 {
		t.Errorf("%d flows when all have ended", n)
	}
	tb.EndTally(tally)
	if again := tb.NewTally(); again != tally {
		t.Errorf("tally %d, want %d again", again, tally)
	}
	if a.members+b.members != 0 {
		t.Errorf("%d and %d memberships are left", a.members, b.members)
	}
}

// TestTallyTCP: a flow of TCP counts until TIME_WAIT or CLOSE.
func TestTallyTCP(t *testing.T) {
	tb := newTable(t, nil)
	s := tb.Shard(0)
	tally := tb.NewTally()
	tu := tuple(t, ProtoTCP, "10.0.0.1", 1, "10.0.0.2", 2)
	p := segment(tb, tu, tcpSYN)
	s.Track(&p, start)
	s.Join(p.Entry, tally, 0, start)
	s.Confirm(&p, start)
	for _, row := range []struct {
		state TCPState
		want  uint32
	}{{TCPEstablished, 1}, {TCPFinWait, 1}, {TCPLastAck, 1}, {TCPTimeWait, 0}, {TCPEstablished, 0}} {
		state := row.state
		if r := s.Change(p.Entry, &Changes{State: &state}, start); r != ToolOK {
			t.Fatal(r)
		}
		if got := tb.Tally(tally, start); got != row.want {
			t.Errorf("%v: %d flows, want %d", row.state, got, row.want)
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
					if got, ok := s.Join(p.Entry, n, 0, start); !ok || got == 0 {
						t.Errorf("tally %d of a member: %d", n, got)
					}
					in[p.Entry][n] = true
				}
				own := tb.NewTally()
				s.Join(p.Entry, own, 0, start)
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
		if got := tb.Tally(n, start); got != want[n] {
			t.Errorf("tally %d: %d flows, want %d", n, got, want[n])
		}
		if got := tb.Tally(n, start+30000); got != 0 {
			t.Errorf("tally %d: %d flows when all are over", n, got)
		}
	}
}
