//go:build !purego

#include "textflag.h"

// func prefetchBucket(b *bucket)
TEXT ·prefetchBucket(SB), NOSPLIT, $0-8
	MOVQ b+0(FP), AX
	PREFETCHT0 (AX)
	RET

// func prefetchLast(l *tcpLast)
TEXT ·prefetchLast(SB), NOSPLIT, $0-8
	MOVQ l+0(FP), AX
	PREFETCHT0 (AX)
	RET

// func prefetchEntry(e *Entry)
TEXT ·prefetchEntry(SB), NOSPLIT, $0-8
	MOVQ e+0(FP), AX
	PREFETCHT0 (AX)
	RET

// func prefetchProtocol(e *Entry)
TEXT ·prefetchProtocol(SB), NOSPLIT, $0-8
	MOVQ e+0(FP), AX
	PREFETCHT0 64(AX)
	RET

// func prefetchNAT(n *NAT)
TEXT ·prefetchNAT(SB), NOSPLIT, $0-8
	MOVQ n+0(FP), AX
	PREFETCHT0 (AX)
	RET

// func prefetchFlows(hashes *uint64, hints *uint32, n int, buckets *bucket, mask uint32, moved uint8, more uint64, entries *Entry, nat *NAT, tcp *tcpLast)
//
// R14 is the bucket of hash R12, BX the slots in it whose tag matches.
TEXT ·prefetchFlows(SB), NOSPLIT, $0-72
	MOVQ hashes+0(FP), SI
	MOVQ n+16(FP), CX
	MOVQ buckets+24(FP), DI
	MOVL mask+32(FP), R8
	MOVQ entries+48(FP), R9
	MOVQ nat+56(FP), R10
	MOVQ tcp+64(FP), R11
	XORQ R12, R12
	TESTQ CX, CX
	JLE  done

	// Sixteen buckets to begin with.
first:
	MOVL (SI)(R12*8), R13
	ANDL R8, R13
	SHLQ $6, R13
	PREFETCHT0 (DI)(R13*1)
	INCQ R12
	CMPQ R12, CX
	JGE  begin
	CMPQ R12, $16
	JLT  first

begin:
	XORQ R12, R12

flow:
	LEAQ 16(R12), R13
	CMPQ R13, CX
	JGE  look
	MOVL (SI)(R13*8), R13
	ANDL R8, R13
	SHLQ $6, R13
	PREFETCHT0 (DI)(R13*1)

look:
	XORQ AX, AX             // the hint
	MOVQ (SI)(R12*8), R13
	MOVL R13, R14
	ANDL R8, R14
	MOVL R14, R15
	SHLQ $6, R14
	ADDQ DI, R14
	SHRQ $32, R13
	MOVWLZX R13, R13
	CMPL R13, $1
	ADCL $0, R13            // tag 0 is 1
	MOVQ R13, X0
	PSHUFLW $0, X0, X0
	PUNPCKLQDQ X0, X0
	MOVOU (R14), X1
	PCMPEQW X0, X1
	PACKSSWB X1, X1
	PMOVMSKB X1, BX
	ANDL $0xff, BX
	JNZ  match

	// Nothing here; is something of it in its alternative?
	CMPL 48(R14), $0
	JEQ  next
	IMULL $0x9e3779b1, R13
	SHRL $7, R13
	ORL  $1, R13
	ANDL R8, R13
	XORL R15, R13
	SHLQ $6, R13
	PREFETCHT0 (DI)(R13*1)
	JMP  next

match:
	BSFL BX, DX
	MOVL 16(R14)(DX*4), AX
	MOVQ AX, R13
	SHLQ $7, R13
	PREFETCHT0 (R9)(R13*1)
	MOVBLZX 53(R14), R15
	ORB  moved+36(FP), R15
	BTL  DX, R15
	JCC  plain
	MOVQ AX, R15
	SHLQ $6, R15
	PREFETCHT0 (R10)(R15*1)

plain:
	MOVQ (SI)(R12*8), R15
	ORQ  more+40(FP), R15
	JGE  again              // bit 63, PrefetchAll
	PREFETCHT0 64(R9)(R13*1)
	MOVQ AX, R15
	SHLQ $4, R15
	PREFETCHT0 (R11)(R15*1)

again:
	LEAL -1(BX), DX
	ANDL DX, BX
	JNZ  match

next:
	MOVQ hints+8(FP), DX
	MOVL AX, (DX)(R12*4)
	INCQ R12
	CMPQ R12, CX
	JLT  flow

done:
	RET
