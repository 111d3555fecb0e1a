package flowtable

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPrefetch: the routine in use meets the same entries as the Go twin and as
// a search of every bucket, for bursts of every length.
func TestPrefetch(t *testing.T) {
	for _, acct := range []bool{false, true} {
		tb := newTable(t, func(c *Config) { c.Max, c.Acct = 512, acct })
		s := tb.Shard(0)
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 3))
		var all []uint64
		for i := range uint32(500) {
			p := probe(tb, udp4(i))
			s.Track(&p, start)
			if i%3 == 0 {
				wire := natReply(udp4(0), i)
				if !s.ClaimReply(p.Entry, &wire) {
					t.Fatal("claim")
				}
				all = append(all, tb.Hash(&wire))
			}
			s.Confirm(&p, start)
			all = append(all, p.Hash, r.Uint64())
		}
		all = append(all, all[0]&0xffff0000ffffffff) // tag 0
		for n := range 70 {
			hashes, want := make([]uint64, n), make([]uint32, n)
			for i := range hashes {
				h := all[r.IntN(len(all))] | r.Uint64()&PrefetchAll
				hashes[i] = h
				b := &s.index.buckets[s.index.home(h)]
				for k := range slots {
					if b.tag(k) == tagOf(h) {
						want[i] = b.entry[k]
					}
				}
			}
			for name, routine := range map[string]func([]uint64, []uint32){"Prefetch": s.Prefetch, "the Go twin": s.prefetchGo} {
				hints := make([]uint32, n)
				if routine(hashes, hints); !slices.Equal(hints, want) {
					t.Fatalf("seed %d: %d hashes: %s met %d, want %d", seed, n, name, hints, want)
				}
			}
		}
	}
}
