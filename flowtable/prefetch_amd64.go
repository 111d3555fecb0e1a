//go:build !purego

package flowtable

// The four fetch cache lines ahead of use: one line of the index, both lines of
// an entry, the line of a last segment, one line of NAT. They never fault.

//go:noescape
func prefetchBucket(b *bucket)

//go:noescape
func prefetchLast(l *tcpLast)

//go:noescape
func prefetchEntry(e *Entry)

//go:noescape
func prefetchNAT(n *NAT)

// prefetchFlows is prefetchGo for n hashes, 1 and more.
//
//go:noescape
func prefetchFlows(hashes *uint64, n int, buckets *bucket, mask uint32, entries *Entry, nat *NAT, tcp *tcpLast) (sum uint64)

func (s *Shard) prefetch(hashes []uint64) uint64 {
	if len(hashes) == 0 {
		return 0
	}
	return prefetchFlows(&hashes[0], len(hashes), &s.index.buckets[0], s.index.mask, &s.entries[0], &s.nat[0], &s.tcp[0])
}
