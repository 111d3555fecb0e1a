// Lookups with AVX-512 (F, BW, VL, DQ).
//
//	Z2  source      Z3  destination  Y4, Y5 ports   Y6 facts   of the key
//	Z0, Z1 the row  K1  its words 0 to 7, K2 words 8 to 15
//	Z31 top, so that no value reaches the padding; Z29 the bits of a port

#define ONE         ·first512(SB)
#define MANY        ·burst512(SB)
#define ONENARROW   ·narrowFirst512(SB)
#define MANYNARROW  ·narrowBurst512(SB)
#define V Z16

#define SPLAT \
	VPBROADCASTD AX, Z30

#define CONSTANTS \
	MOVL $-2, AX \
	VPBROADCASTD AX, Z31 \
	MOVL $0xffff, AX \
	VPBROADCASTD AX, Z29

#define WIDTH \
	MOVL $1, R8 \
	SHLXL AX, R8, R8 \
	SUBL $1, R8 \
	KMOVW R8, K1 \
	KSHIFTRW $8, K1, K2

#define COUNT(v) \
	VPCMPUD $5, (BX)(R8*4), v, K3 \
	KMOVW K3, R10 \
	POPCNTL R10, R10 \
	ADDL R10, R8

#define KEY \
	VPBROADCASTD (SI), Z2 \
	VPBROADCASTD 4(SI), Z3 \
	VPBROADCASTW 8(SI), Y4 \
	VPBROADCASTW 10(SI), Y5 \
	VPBROADCASTW 12(SI), Y6

#define VALUE0 \
	VPBROADCASTD (SI), V \
	VPMINUD Z31, V, V
#define VALUE1 \
	VPBROADCASTD 4(SI), V \
	VPMINUD Z31, V, V
#define VALUE2 \
	VPBROADCASTD 8(SI), V \
	VPANDD Z29, V, V
#define VALUE3 \
	VPBROADCASTD 8(SI), V \
	VPSRLD $16, V, V

#define ALL \
	VPTERNLOGD $0xff, Z0, Z0, Z0 \
	VMOVDQA64 Z0, Z1

#define AND(short) \
	VPANDQ.Z (BX)(R8*1), Z0, K1, Z0 \
	CMPL DX, $64 \
	JLS  short \
	VPANDQ.Z 64(BX)(R8*1), Z1, K2, Z1 \
short:

#define TAKE \
	VMOVDQU64.Z (BX)(R8*1), K1, Z0 \
	VMOVDQU64.Z 64(BX)(R8*1), K2, Z1

#define LOAD \
	VMOVDQU64.Z (DI), K1, Z0 \
	VMOVDQU64.Z 64(DI), K2, Z1

#define STORE \
	VMOVDQU64 Z0, (DI) \
	VMOVDQU64 Z1, 64(DI)

#define WORDS(n) \
	VPTESTMQ Z0, Z0, K1, K3 \
	VPTESTMQ Z1, Z1, K2, K4 \
	KMOVW K3, R12 \
	KMOVW K4, R13 \
	SHLL $8, R13 \
	ORL  R13, R12 \
	BTSL n, R12

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
