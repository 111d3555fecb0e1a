//go:build !purego

package flowtable

// The five fetch cache lines ahead of use: one line of the index, the first or
// the second line of an entry, the line of a last segment, one line of NAT.
// They never fault.

//go:noescape
func prefetchBucket(b *bucket)

//go:noescape
func prefetchLast(l *tcpLast)

//go:noescape
func prefetchEntry(e *Entry)

//go:noescape
func prefetchProtocol(e *Entry)

//go:noescape
func prefetchNAT(n *NAT)

// prefetchFlows is prefetchGo for n hashes, 1 and more.
//
//go:noescape
func prefetchFlows(hashes *uint64, hints *uint32, n int, buckets *bucket, mask uint32, moved uint8, more uint64, entries *Entry, nat *NAT, tcp *tcpLast)

func (s *Shard) prefetch(hashes []uint64, hints []uint32) {
	if len(hashes) == 0 {
		return
	}
	_ = hints[len(hashes)-1]
	moved, more := s.fetches()
	prefetchFlows(&hashes[0], &hints[0], len(hashes), &s.index.buckets[0], s.index.mask, moved, more, &s.entries[0], &s.nat[0], &s.tcp[0])
}
