//go:build !amd64 || purego

package flowtable

// Without an instruction for it, a prefetch is nothing: it is only a hint.

func prefetchBucket(*bucket)  {}
func prefetchLast(*tcpLast)   {}
func prefetchEntry(*Entry)    {}
func prefetchProtocol(*Entry) {}
func prefetchNAT(*NAT)        {}

func (s *Shard) prefetch(hashes []uint64, hints []uint32) { s.prefetchGo(hashes, hints) }
