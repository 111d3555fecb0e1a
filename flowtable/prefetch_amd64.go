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
