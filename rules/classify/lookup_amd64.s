//go:build !purego

#include "textflag.h"

// Offsets in header and field.
#define STRIDE 8
#define MINS   16
#define FIRST  20
#define PROTOS 24
#define FIELD0 32
#define FIELD1 64
#define FIELD2 96
#define FIELD3 128
#define DEPTH  0
#define START  4
#define STEP0  8
#define STEP1  12
#define STEP2  16
#define LAST   20

// Lookups with AVX-512 (F, BW, VL, DQ). There are two of each: the narrow ones
// are for rows of one word, which then need no vector and no memory.
//
//	BX  the index       SI  the key          DI  its row
//	R14 mins            R15 leaves           Z31 top, so that no value reaches the padding
//	                                         Z29 the bits of a port
//	DX  bytes of a row  K1  words 0 to 7 of a row, K2 words 8 to 15

// SETUP fills the registers that both kinds use.
#define SETUP \
	MOVL MINS(BX), R14 \
	ADDQ BX, R14 \
	MOVL FIRST(BX), R15 \
	ADDQ BX, R15 \
	MOVL $-2, AX \
	VPBROADCASTD AX, Z31 \
	MOVL $0xffff, AX \
	VPBROADCASTD AX, Z29

// SETUPWIDE fills the others.
#define SETUPWIDE \
	MOVL STRIDE(BX), DX \
	MOVL $1, AX \
	SHLXL DX, AX, AX \
	SUBL $1, AX \
	KMOVW AX, K1 \
	KSHIFTRW $8, K1, K2 \
	SHLQ $3, DX

// COUNT adds to R8 how many of the 16 entries at place R8 are not above v.
#define COUNT(v) \
	VPCMPUD $5, (BX)(R8*4), v, K3 \
	KMOVW K3, R10 \
	POPCNTL R10, R10 \
	ADDL R10, R8

// SEARCH leaves the place of the row of the value in all lanes of v in R8, or
// goes to done if all values have the same.
#define SEARCH(f, v, last, done) \
	MOVL (f+DEPTH)(BX), CX \
	TESTL CX, CX \
	JEQ  done \
	MOVL (f+START)(BX), R8 \
	COUNT(v) \
	CMPL CX, $1 \
	JEQ  last \
	SHLL $4, R8 \
	ADDL (f+STEP0)(BX), R8 \
	COUNT(v) \
	CMPL CX, $2 \
	JEQ  last \
	SHLL $4, R8 \
	ADDL (f+STEP1)(BX), R8 \
	COUNT(v) \
	CMPL CX, $3 \
	JEQ  last \
	SHLL $4, R8 \
	ADDL (f+STEP2)(BX), R8 \
	COUNT(v) \
last: \
	ADDL (f+LAST)(BX), R8 \
	MOVL (BX)(R8*4), R8

// KEY spreads the key at SI over Z2 (source), Z3 (destination), Y4, Y5 (ports) and Y6 (facts).
#define KEY \
	VPBROADCASTD (SI), Z2 \
	VPBROADCASTD 4(SI), Z3 \
	VPBROADCASTW 8(SI), Y4 \
	VPBROADCASTW 10(SI), Y5 \
	VPBROADCASTW 12(SI), Y6

// VALUE0 to VALUE3 leave what to search for of the key at SI in Z16.
#define VALUE0 \
	VPBROADCASTD (SI), Z16 \
	VPMINUD Z31, Z16, Z16
#define VALUE1 \
	VPBROADCASTD 4(SI), Z16 \
	VPMINUD Z31, Z16, Z16
#define VALUE2 \
	VPBROADCASTD 8(SI), Z16 \
	VPANDD Z29, Z16, Z16
#define VALUE3 \
	VPBROADCASTD 8(SI), Z16 \
	VPSRLD $16, Z16, Z16

// PROTO leaves the place of the protocol's row in R8.
#define PROTO \
	MOVBLZX 12(SI), R8 \
	ADDL PROTOS(BX), R8 \
	MOVL (BX)(R8*4), R8

// NARROW leaves the leaves of the key in R12.
#define NARROW \
	MOVQ $-1, R12 \
	VALUE0 \
	SEARCH(FIELD0, Z16, last0, done0) \
	ANDQ (BX)(R8*1), R12 \
done0: \
	VALUE1 \
	SEARCH(FIELD1, Z16, last1, done1) \
	ANDQ (BX)(R8*1), R12 \
done1: \
	VALUE2 \
	SEARCH(FIELD2, Z16, last2, done2) \
	ANDQ (BX)(R8*1), R12 \
done2: \
	VALUE3 \
	SEARCH(FIELD3, Z16, last3, done3) \
	ANDQ (BX)(R8*1), R12 \
done3: \
	PROTO \
	ANDQ (BX)(R8*1), R12

// POPNARROW takes the first leaf out of R12 and puts its number in R13; 64 is
// the leaf that is none.
#define POPNARROW \
	TZCNTQ R12, R13 \
	BLSRQ R12, R12

// ROW ands the row at place R8.
#define ROW(done) \
	VPANDQ.Z (BX)(R8*1), Z0, K1, Z0 \
	CMPL DX, $64 \
	JLS  done \
	VPANDQ.Z 64(BX)(R8*1), Z1, K2, Z1 \
done:

// WIDE leaves the row of the key's leaves at DI, and in R12 which words are not
// zero. Behind the row stands a word with a bit: the leaf that is none.
#define WIDE \
	VPTERNLOGD $0xff, Z0, Z0, Z0 \
	VMOVDQA64 Z0, Z1 \
	VALUE0 \
	SEARCH(FIELD0, Z16, last0, done0) \
	ROW(done0) \
	VALUE1 \
	SEARCH(FIELD1, Z16, last1, done1) \
	ROW(done1) \
	VALUE2 \
	SEARCH(FIELD2, Z16, last2, done2) \
	ROW(done2) \
	VALUE3 \
	SEARCH(FIELD3, Z16, last3, done3) \
	ROW(done3) \
	PROTO \
	ROW(done4) \
	VMOVDQU64 Z0, (DI) \
	VMOVDQU64 Z1, 64(DI) \
	MOVQ $1, (DI)(DX*1) \
	VPTESTMQ Z0, Z0, K1, K3 \
	VPTESTMQ Z1, Z1, K2, K4 \
	KMOVW K3, R12 \
	KMOVW K4, R13 \
	SHLL $8, R13 \
	ORL  R13, R12 \
	MOVL STRIDE(BX), AX \
	BTSL AX, R12

// POPWIDE takes the first leaf out of the row at DI and puts its number in R13.
#define POPWIDE \
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

// LEAF compares the key with leaf R13 and puts the first id from the one in all
// lanes of Z30 on in R11, or none. It uses R10 and R13.
#define LEAF \
	SHLQ $9, R13 \
	ADDQ R15, R13 \
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
	MOVL $-1, R13 \
	TESTL R10, R10 \
	CMOVLEQ R13, R11

// NEXTKEY ends a loop over keys, counted in AX, that keeps SI and DI.
#define NEXTKEY(loop) \
	ADDQ $16, SI \
	ADDQ $192, DI \
	INCQ AX \
	CMPQ AX, n+16(FP) \
	JLT  loop

// ANDWIDE ands the row at place R8 to the row at DI.
#define ANDWIDE(short) \
	VMOVDQU64.Z (DI), K1, Z0 \
	VPANDQ (BX)(R8*1), Z0, K1, Z0 \
	VMOVDQU64 Z0, K1, (DI) \
	CMPL DX, $64 \
	JLS  short \
	VMOVDQU64.Z 64(DI), K2, Z1 \
	VPANDQ 64(BX)(R8*1), Z1, K2, Z1 \
	VMOVDQU64 Z1, K2, 64(DI) \
short:

#define WIDELOOP(f, value, loop, last, short, done) \
	MOVQ keys+8(FP), SI \
	MOVQ s+40(FP), DI \
	XORL AX, AX \
loop: \
	value \
	SEARCH(f, Z16, last, done) \
	ANDWIDE(short) \
	NEXTKEY(loop) \
done:

// func first512(index *uint64, key *Key, from uint32) uint32
TEXT ·first512(SB), NOSPLIT, $192-28
	MOVQ index+0(FP), BX
	MOVQ key+8(FP), SI
	MOVL from+16(FP), AX
	VPBROADCASTD AX, Z30
	LEAQ row-192(SP), DI
	SETUP
	SETUPWIDE
	KEY
	WIDE
	MOVL $-1, AX
leaf:
	POPWIDE
	CMPL AX, (R14)(R13*4)
	JLS  done // no leaf left with something before what is found
	LEAF
	CMPL R11, AX
	CMOVLCS R11, AX
	JMP  leaf
done:
	MOVL AX, ret+24(FP)
	VZEROUPPER
	RET

// func narrowFirst512(index *uint64, key *Key, from uint32) uint32
TEXT ·narrowFirst512(SB), NOSPLIT, $0-28
	MOVQ index+0(FP), BX
	MOVQ key+8(FP), SI
	MOVL from+16(FP), AX
	VPBROADCASTD AX, Z30
	SETUP
	KEY
	NARROW
	MOVL $-1, AX
leaf:
	POPNARROW
	CMPL AX, (R14)(R13*4)
	JLS  done
	LEAF
	CMPL R11, AX
	CMOVLCS R11, AX
	JMP  leaf
done:
	MOVL AX, ret+24(FP)
	VZEROUPPER
	RET

// Bursts: every key gets its row and its first leaf, on a list of key<<16 |
// leaf; then every entry of the list is compared and followed by the key's next
// leaf, round by round, until no key has one that could do better. No branch
// depends on the keys but the ends of rounds. The wide one searches one field of
// all keys after the other, so that more of their steps overlap; the narrow one,
// which waits less, is not faster that way.

// func burst512(index *uint64, keys *Key, n int, from uint32, out *uint32, s *Scratch)
TEXT ·burst512(SB), NOSPLIT, $0-48
	MOVQ index+0(FP), BX
	MOVL from+24(FP), AX
	VPBROADCASTD AX, Z30
	SETUP
	SETUPWIDE

	MOVQ keys+8(FP), SI
	MOVQ s+40(FP), DI
	XORL AX, AX
proto:
	PROTO
	VMOVDQU64.Z (BX)(R8*1), K1, Z0
	VMOVDQU64 Z0, (DI)
	VMOVDQU64.Z 64(BX)(R8*1), K2, Z1
	VMOVDQU64 Z1, 64(DI)
	MOVQ $1, (DI)(DX*1) // behind the row, the leaf that is none
	NEXTKEY(proto)

	WIDELOOP(FIELD0, VALUE0, loop0, last0, short0, done0)
	WIDELOOP(FIELD1, VALUE1, loop1, last1, short1, done1)
	WIDELOOP(FIELD2, VALUE2, loop2, last2, short2, done2)
	WIDELOOP(FIELD3, VALUE3, loop3, last3, short3, done3)

	MOVQ s+40(FP), DI
	LEAQ 6144(DI), SI
	MOVL STRIDE(BX), R8
	XORL AX, AX
	XORL CX, CX
first:
	VMOVDQU64.Z (DI), K1, Z0
	VPTESTMQ Z0, Z0, K1, K3
	VMOVDQU64.Z 64(DI), K2, Z1
	VPTESTMQ Z1, Z1, K2, K4
	KMOVW K3, R12
	KMOVW K4, R13
	SHLL $8, R13
	ORL  R13, R12
	BTSL R8, R12
	POPWIDE
	MOVL R12, 160(DI)
	MOVQ out+32(FP), R9
	MOVL $-1, (R9)(AX*4)
	MOVL AX, R11
	SHLL $16, R11
	ORL  R13, R11
	MOVL R11, (SI)(CX*4)
	CMPL (R14)(R13*4), $-1
	ADCQ $0, CX // the entry counts if there is a leaf
	ADDQ $192, DI
	INCQ AX
	CMPQ AX, n+16(FP)
	JLT  first

	MOVQ SI, BX
	MOVQ out+32(FP), DX
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
	KEY
	LEAF
	MOVL (DX)(R9*4), SI
	CMPL R11, SI
	CMOVLCS R11, SI
	MOVL SI, (DX)(R9*4)
	MOVL 160(DI), R12
	POPWIDE
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

// func narrowBurst512(index *uint64, keys *Key, n int, from uint32, out *uint32, s *Scratch)
TEXT ·narrowBurst512(SB), NOSPLIT, $16-48
	MOVQ index+0(FP), BX
	MOVQ keys+8(FP), SI
	MOVQ s+40(FP), DI
	MOVQ out+32(FP), DX
	MOVL from+24(FP), AX
	VPBROADCASTD AX, Z30
	MOVQ $0, entries-8(SP)
	MOVQ $0, key-16(SP)
	SETUP
first:
	KEY
	NARROW
	POPNARROW
	MOVQ key-16(SP), R8
	MOVQ entries-8(SP), R10
	MOVQ R12, (DI)(R8*8)
	MOVL $-1, (DX)(R8*4)
	MOVL R8, R11
	SHLL $16, R11
	ORL  R13, R11
	MOVL R11, 6144(DI)(R10*4)
	CMPL (R14)(R13*4), $-1
	ADCQ $0, R10 // the entry counts if there is a leaf
	MOVQ R10, entries-8(SP)
	ADDQ $16, SI
	INCQ R8
	MOVQ R8, key-16(SP)
	CMPQ R8, n+16(FP)
	JLT  first

	MOVQ R10, CX
	LEAQ 6144(DI), BX
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
	MOVL R9, SI
	SHLL $4, SI
	ADDQ keys+8(FP), SI
	KEY
	LEAF
	MOVL (DX)(R9*4), SI
	CMPL R11, SI
	CMOVLCS R11, SI
	MOVL SI, (DX)(R9*4)
	MOVQ (DI)(R9*8), R12
	POPNARROW
	MOVQ R12, (DI)(R9*8)
	SHLL $16, R9
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
