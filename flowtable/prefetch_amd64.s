//go:build !purego

#include "textflag.h"

// func prefetchBucket(b *bucket)
TEXT ·prefetchBucket(SB), NOSPLIT, $0-8
	MOVQ b+0(FP), AX
	PREFETCHT0 (AX)
	RET

// func prefetchLine(e *Entry)
TEXT ·prefetchLine(SB), NOSPLIT, $0-8
	MOVQ e+0(FP), AX
	PREFETCHT0 (AX)
	RET

// func prefetchEntry(e *Entry)
TEXT ·prefetchEntry(SB), NOSPLIT, $0-8
	MOVQ e+0(FP), AX
	PREFETCHT0 (AX)
	PREFETCHT0 64(AX)
	RET

// func prefetchNAT(n *NAT)
TEXT ·prefetchNAT(SB), NOSPLIT, $0-8
	MOVQ n+0(FP), AX
	PREFETCHT0 (AX)
	RET
