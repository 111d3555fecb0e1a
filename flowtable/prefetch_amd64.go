//go:build !purego

package flowtable

// The four fetch cache lines ahead of use: one line of the index, the first or
// both lines of an entry, one line of NAT. They never fault.

//go:noescape
func prefetchBucket(b *bucket)

//go:noescape
func prefetchLine(e *Entry)

//go:noescape
func prefetchEntry(e *Entry)

//go:noescape
func prefetchNAT(n *NAT)

// prefetchFlows is prefetchFlowsGo for n hashes, 1 and more; second is the
// distance of the other line of an entry to fetch, 0 for none.
//
//go:noescape
func prefetchFlows(hashes *uint64, n int, buckets *bucket, mask uint32, entries *Entry, nat *NAT, second int) (sum uint64)

func (s *Shard) prefetch(hashes []uint64) uint64 {
	if len(hashes) == 0 {
		return 0
	}
	second := 0
	if s.acct {
		second = 64
	}
	return prefetchFlows(&hashes[0], len(hashes), &s.index.buckets[0], s.index.mask, &s.entries[0], &s.nat[0], second)
}
