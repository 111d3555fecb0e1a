//go:build !amd64 || purego

package flowtable

// Without an instruction for it, a prefetch is nothing: it is only a hint.

func prefetchBucket(*bucket) {}
func prefetchLine(*Entry)    {}
func prefetchEntry(*Entry)   {}
func prefetchNAT(*NAT)       {}
