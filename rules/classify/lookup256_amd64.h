// Lookups with AVX2. A value is not below another one if it is the greater of both.
// Rows are read in pieces of 32 bytes: behind the last one there is always more of
// the index, and WORDS does without what is too much.
//
//	Y2  source      Y3  destination  Y4, Y5 ports   Y6 facts   of the key
//	Y0, Y1, Y13, Y14 the row         Y15 the id from which on rules count
//	Y2 to Y5 before KEY: the bits of a row from which on they do

#define ONE         ·first256(SB)
#define MANY        ·burst256(SB)
#define ONENARROW   ·narrowFirst256(SB)
#define MANYNARROW  ·narrowBurst256(SB)
#define ONESINGLE   ·singleFirst256(SB)
#define MANYSINGLE  ·singleBurst256(SB)
#define V Y7

#define SPLAT \
	VMOVD AX, X15 \
	VPBROADCASTD X15, Y15

#define SPLATBIT \
	VMOVQ AX, X5 \
	VPBROADCASTQ X5, Y5 \
	VPSUBQ firstbits<>+0(SB), Y5, Y2 \
	VPSUBQ firstbits<>+32(SB), Y5, Y3 \
	VPSUBQ firstbits<>+64(SB), Y5, Y4 \
	VPSUBQ firstbits<>+96(SB), Y5, Y5 \
	VPXOR Y8, Y8, Y8 \
	VPMAXSD Y8, Y2, Y2 \
	VPMAXSD Y8, Y3, Y3 \
	VPMAXSD Y8, Y4, Y4 \
	VPMAXSD Y8, Y5, Y5 \
	VPCMPEQD Y8, Y8, Y8 \
	VPSLLVQ Y2, Y8, Y2 \
	VPSLLVQ Y3, Y8, Y3 \
	VPSLLVQ Y4, Y8, Y4 \
	VPSLLVQ Y5, Y8, Y5

#define SINCE \
	VPAND Y2, Y0, Y0 \
	VPAND Y3, Y1, Y1 \
	VPAND Y4, Y13, Y13 \
	VPAND Y5, Y14, Y14

#define WIDTH

#define COUNT(v) \
	VMOVDQU (BX)(R8*4), Y8 \
	VPMAXUD Y8, v, Y9 \
	VPCMPEQD Y8, Y9, Y8 \
	VMOVDQU 32(BX)(R8*4), Y9 \
	VPMAXUD Y9, v, Y10 \
	VPCMPEQD Y9, Y10, Y9 \
	VPACKSSDW Y9, Y8, Y8 \
	VPMOVMSKB Y8, R10 \
	POPCNTL R10, R10 \
	SHRL $1, R10 \
	SUBL R10, R8

#define KEY \
	VPBROADCASTD (SI), Y2 \
	VPBROADCASTD 4(SI), Y3 \
	VPBROADCASTW 8(SI), Y4 \
	VPBROADCASTW 10(SI), Y5 \
	VPBROADCASTW 12(SI), Y6

#define VALUE0 \
	VPBROADCASTD (SI), V
#define VALUE1 \
	VPBROADCASTD 4(SI), V
#define VALUE2 \
	MOVWLZX 8(SI), R9 \
	VMOVD R9, X7 \
	VPBROADCASTD X7, V
#define VALUE3 \
	MOVWLZX 10(SI), R9 \
	VMOVD R9, X7 \
	VPBROADCASTD X7, V

#define ALL \
	VPCMPEQD Y0, Y0, Y0 \
	VMOVDQA Y0, Y1 \
	VMOVDQA Y0, Y13 \
	VMOVDQA Y0, Y14

#define AND(short) \
	VPAND (BX)(R8*8), Y0, Y0 \
	VPAND 32(BX)(R8*8), Y1, Y1 \
	CMPL DX, $64 \
	JLS  short \
	VPAND 64(BX)(R8*8), Y13, Y13 \
	VPAND 96(BX)(R8*8), Y14, Y14 \
short:

#define ANDHALVES(short) \
	MOVWLZX R8, R9 \
	VPAND (BX)(R9*8), Y0, Y0 \
	VPAND 32(BX)(R9*8), Y1, Y1 \
	CMPL DX, $64 \
	JLS  short \
	SHRL $16, R8 \
	VPAND (BX)(R8*8), Y13, Y13 \
	VPAND 32(BX)(R8*8), Y14, Y14 \
short:

#define STORE \
	VMOVDQU Y0, (DI) \
	VMOVDQU Y1, 32(DI) \
	VMOVDQU Y13, 64(DI) \
	VMOVDQU Y14, 96(DI)

#define WORDS(n) \
	VPXOR Y8, Y8, Y8 \
	VPCMPEQQ Y8, Y0, Y9 \
	VMOVMSKPD Y9, R12 \
	VPCMPEQQ Y8, Y1, Y9 \
	VMOVMSKPD Y9, R13 \
	SHLL $4, R13 \
	ORL  R13, R12 \
	VPCMPEQQ Y8, Y13, Y9 \
	VMOVMSKPD Y9, R13 \
	SHLL $8, R13 \
	ORL  R13, R12 \
	VPCMPEQQ Y8, Y14, Y9 \
	VMOVMSKPD Y9, R13 \
	SHLL $12, R13 \
	ORL  R13, R12 \
	NOTL R12 \
	BZHIL n, R12, R12 \
	BTSL n, R12

// HALF compares addresses and ids of the eight lanes from byte at on.
#define HALF(at, out) \
	VPSUBD (at)(R13), Y2, out \
	VPMINUD (at+64)(R13), out, Y9 \
	VPCMPEQD out, Y9, out \
	VPSUBD (at+128)(R13), Y3, Y9 \
	VPMINUD (at+192)(R13), Y9, Y10 \
	VPCMPEQD Y9, Y10, Y9 \
	VPAND Y9, out, out \
	VMOVDQU (at+448)(R13), Y9 \
	VPMAXUD Y15, Y9, Y10 \
	VPCMPEQD Y9, Y10, Y9 \
	VPAND Y9, out, out

// PORT compares ports, field key, of all lanes.
#define PORT(key, lo, span) \
	VPSUBW lo(R13), key, Y9 \
	VPMINUW span(R13), Y9, Y10 \
	VPCMPEQW Y9, Y10, Y9 \
	VPAND Y9, Y8, Y8

#define FIRSTBIT \
	STORE \
	MOVQ $1, (DI)(DX*1) \
	MOVL STRIDE(BX), R9 \
	MOVQ R12, R11 \
	WORDS(R9) \
	TZCNTL R12, R9 \
	TZCNTQ (DI)(R9*8), R10 \
	SHLL $6, R9 \
	ADDL R10, R9 \
	MOVQ R11, R12

#define LEAF \
	SHLQ $9, R13 \
	ADDQ R15, R13 \
	HALF(0, Y8) \
	HALF(32, Y11) \
	VPACKSSDW Y11, Y8, Y8 \
	VPERMQ $0xd8, Y8, Y8 \
	PORT(Y4, 256, 288) \
	PORT(Y5, 320, 352) \
	VPAND 416(R13), Y6, Y9 \
	VPCMPEQW 384(R13), Y9, Y9 \
	VPAND Y9, Y8, Y8 \
	VPMOVMSKB Y8, R10 \
	MOVL R10, R11 \
	BTSL $30, R11 \
	TZCNTL R11, R11 \
	MOVL 448(R13)(R11*2), R11 \
	MOVL $-1, R13 \
	TESTL R10, R10 \
	CMOVLEQ R13, R11
