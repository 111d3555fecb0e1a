//go:build !purego

#include "textflag.h"

// Offsets in header, field, Key and leaf.
#define STRIDE 8
#define MINS   16
#define FIRST  20
#define PROTOS 24
#define ROWS   28
#define FIELD0 32
#define FIELD1 64
#define FIELD2 96
#define FIELD3 128

// Lookups with AVX-512 (F, BW, VL, DQ).
//
//	BX  the index       SI  the key          DI  its row: stride words and one more
//	DX  bytes of a row  K1  words 0 to 7 of a row, K2 words 8 to 15
//	R14 mins            R15 leaves           Z31 top, so that no value reaches the padding

// SETUP fills the registers above from BX.
#define SETUP512 \
	MOVL STRIDE(BX), DX \
	MOVL $1, AX \
	SHLXL DX, AX, AX \
	SUBL $1, AX \
	KMOVW AX, K1 \
	KSHIFTRW $8, K1, K2 \
	SHLQ $3, DX \
	MOVL MINS(BX), R14 \
	ADDQ BX, R14 \
	MOVL FIRST(BX), R15 \
	ADDQ BX, R15 \
	MOVL $-2, AX \
	VPBROADCASTD AX, Z31

// ROW512 ands the row at R8.
#define ROW512(done) \
	VPANDQ.Z (R8), Z0, K1, Z0 \
	CMPL DX, $64 \
	JLS done \
	VPANDQ.Z 64(R8), Z1, K2, Z1 \
done:

// FIELD512 finds the row of the value in all lanes of v, and ands it.
#define FIELD512(f, v, next, done) \
	VPMINUD Z31, v, Z16 \
	MOVL f(BX), CX \
	LEAQ (f+4)(BX), R11 \
	XORL R8, R8 \
next: \
	SHLQ $4, R8 \
	MOVL (R11), R9 \
	ADDQ BX, R9 \
	VPCMPUD $5, (R9)(R8*4), Z16, K3 \
	KMOVW K3, R10 \
	POPCNTL R10, R10 \
	LEAQ -1(R8)(R10*1), R8 \
	ADDQ $4, R11 \
	DECL CX \
	JNZ next \
	MOVL (f+20)(BX), R9 \
	ADDQ BX, R9 \
	MOVWLZX (R9)(R8*2), R8 \
	IMULQ DX, R8 \
	MOVL (f+24)(BX), R9 \
	ADDQ BX, R9 \
	ADDQ R9, R8 \
	ROW512(done)

// KEY512 spreads the key at SI over Z2 (source), Z3 (destination), Y4, Y5 (ports) and Y6 (facts).
#define KEY512 \
	VPBROADCASTD (SI), Z2 \
	VPBROADCASTD 4(SI), Z3 \
	VPBROADCASTW 8(SI), Y4 \
	VPBROADCASTW 10(SI), Y5 \
	VPBROADCASTW 12(SI), Y6

// WANTED512 leaves the row of the key's leaves at DI, and in R12 which words
// are not zero. Behind the row stands a word with a bit: the leaf that is none.
#define WANTED512 \
	VPTERNLOGD $0xff, Z0, Z0, Z0 \
	VMOVDQA64 Z0, Z1 \
	FIELD512(FIELD0, Z2, level0, row0) \
	FIELD512(FIELD1, Z3, level1, row1) \
	MOVWLZX 8(SI), AX \
	VPBROADCASTD AX, Z7 \
	FIELD512(FIELD2, Z7, level2, row2) \
	MOVWLZX 10(SI), AX \
	VPBROADCASTD AX, Z7 \
	FIELD512(FIELD3, Z7, level3, row3) \
	MOVBLZX 12(SI), AX \
	MOVL PROTOS(BX), R9 \
	ADDQ BX, R9 \
	MOVBLZX (R9)(AX*1), R8 \
	IMULQ DX, R8 \
	MOVL ROWS(BX), R9 \
	ADDQ BX, R9 \
	ADDQ R9, R8 \
	ROW512(row4) \
	VMOVDQU64 Z0, (DI) \
	VMOVDQU64 Z1, 64(DI) \
	MOVQ $1, (DI)(DX*1) \
	VPTESTMQ Z0, Z0, K1, K3 \
	VPTESTMQ Z1, Z1, K2, K4 \
	KMOVW K3, R12 \
	KMOVW K4, R13 \
	SHLL $8, R13 \
	ORL R13, R12 \
	MOVL STRIDE(BX), AX \
	BTSL AX, R12

// POP takes the first leaf out of the row at DI and puts its number in R13.
#define POP \
	TZCNTL R12, R9 \
	MOVQ (DI)(R9*8), R10 \
	TZCNTQ R10, R11 \
	MOVL R9, R13 \
	SHLL $6, R13 \
	ADDL R11, R13 \
	BLSRQ R10, R10 \
	MOVQ R10, (DI)(R9*8) \
	BLSRL R12, R11 \
	TESTQ R10, R10 \
	CMOVLEQ R11, R12

// LEAF512 compares the key with the leaf at R13 and puts the first id from the
// one in all lanes of Z30 on in R11, or none. It uses R10 and R9.
#define LEAF512 \
	VPSUBD (R13), Z2, Z8 \
	VPCMPUD $2, 64(R13), Z8, K3 \
	VPSUBD 128(R13), Z3, Z9 \
	VPCMPUD $2, 192(R13), Z9, K3, K4 \
	VPSUBW 256(R13), Y4, Y10 \
	VPCMPUW $2, 288(R13), Y10, K4, K5 \
	VPSUBW 320(R13), Y5, Y11 \
	VPCMPUW $2, 352(R13), Y11, K5, K6 \
	VPAND 416(R13), Y6, Y12 \
	VPCMPUW $0, 384(R13), Y12, K6, K3 \
	VMOVDQU32 448(R13), Z13 \
	VPCMPUD $5, Z30, Z13, K3, K4 \
	KMOVW K4, R10 \
	MOVL R10, R11 \
	BTSL $15, R11 \
	TZCNTL R11, R11 \
	MOVL 448(R13)(R11*4), R11 \
	MOVL $-1, R9 \
	TESTL R10, R10 \
	CMOVLEQ R9, R11

// func first512(index *uint64, key *Key, from uint32) uint32
TEXT ·first512(SB), NOSPLIT, $192-28
	MOVQ index+0(FP), BX
	MOVQ key+8(FP), SI
	MOVL from+16(FP), AX
	VPBROADCASTD AX, Z30
	LEAQ row-192(SP), DI
	SETUP512
	KEY512
	WANTED512
	MOVL $-1, AX
leaf:
	POP
	CMPL AX, (R14)(R13*4)
	JLS  done // nothing before what is found
	SHLQ $9, R13
	ADDQ R15, R13
	LEAF512
	CMPL R11, AX
	CMOVLCS R11, AX
	JMP  leaf
done:
	MOVL AX, ret+24(FP)
	VZEROUPPER
	RET

// func burst512(index *uint64, keys *Key, n int, from uint32, out *uint32, s *Scratch)
//
// First every key gets its row and its first leaf, on a list of key<<16 | leaf;
// then every entry of the list is compared and followed by the key's next leaf,
// round by round, until no key has one that could do better. No branch depends
// on the keys but the ends of rounds.
TEXT ·burst512(SB), NOSPLIT, $32-48
	MOVQ index+0(FP), BX
	MOVQ keys+8(FP), SI
	MOVQ s+40(FP), DI
	MOVL from+24(FP), AX
	VPBROADCASTD AX, Z30
	LEAQ 6144(DI), AX
	MOVQ AX, list-8(SP)
	MOVQ $0, entries-16(SP)
	MOVQ $0, key-24(SP)
	SETUP512
first:
	KEY512
	WANTED512
	POP
	MOVL R12, 160(DI)
	MOVQ key-24(SP), R8
	MOVQ out+32(FP), R9
	MOVL $-1, (R9)(R8*4)
	MOVQ list-8(SP), R9
	MOVQ entries-16(SP), R10
	MOVL R8, R11
	SHLL $16, R11
	ORL  R13, R11
	MOVL R11, (R9)(R10*4)
	CMPL (R14)(R13*4), $-1
	ADCQ $0, R10 // the entry counts if there is a leaf
	MOVQ R10, entries-16(SP)
	ADDQ $16, SI
	ADDQ $192, DI
	INCQ R8
	MOVQ R8, key-24(SP)
	CMPQ R8, n+16(FP)
	JLT  first

	MOVQ list-8(SP), BX
	MOVQ out+32(FP), DX
	MOVQ entries-16(SP), CX
round:
	TESTQ CX, CX
	JEQ  done
	XORL R8, R8
	XORL AX, AX
entry:
	MOVL (BX)(R8*4), R13
	MOVL R13, R9
	SHRL $16, R9
	ANDL $0xffff, R13
	MOVL R9, R10
	SHLL $4, R10
	MOVQ keys+8(FP), SI
	ADDQ R10, SI
	IMUL3Q $192, R9, R10
	MOVQ s+40(FP), DI
	ADDQ R10, DI
	KEY512
	SHLQ $9, R13
	ADDQ R15, R13
	LEAF512
	MOVL (BX)(R8*4), R9
	SHRL $16, R9
	MOVL (DX)(R9*4), SI
	CMPL R11, SI
	CMOVLCS R11, SI
	MOVL SI, (DX)(R9*4)
	MOVL 160(DI), R12
	POP
	MOVL R12, 160(DI)
	MOVL (BX)(R8*4), R9
	ANDL $-65536, R9
	ORL  R13, R9
	MOVL R9, (BX)(AX*4)
	CMPL (R14)(R13*4), SI
	ADCQ $0, AX // the entry stays if the next leaf may have an earlier rule
	INCQ R8
	CMPQ R8, CX
	JLT  entry
	MOVQ AX, CX
	JMP  round
done:
	VZEROUPPER
	RET
