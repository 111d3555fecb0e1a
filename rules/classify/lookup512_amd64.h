// Lookups with AVX-512 (F, BW, VL, DQ).
//
//	Z2  source      Z3  destination  Y4, Y5 ports   Y6 facts   of the key
//	Z0, Z1 the row  K1  its words 0 to 7, K2 words 8 to 15
//	Z20, Z21 the bits of a row from which on rules count, Z30 their id

#define ONE         ·first512(SB)
#define MANY        ·burst512(SB)
#define ONENARROW   ·narrowFirst512(SB)
#define MANYNARROW  ·narrowBurst512(SB)
#define ONESINGLE   ·singleFirst512(SB)
#define MANYSINGLE  ·singleBurst512(SB)
#define V Z16

#define SPLAT \
	VPBROADCASTD AX, Z30

#define SPLATBIT \
	VPBROADCASTQ AX, Z21 \
	VPSUBQ firstbits<>+0(SB), Z21, Z20 \
	VPSUBQ firstbits<>+64(SB), Z21, Z21 \
	VPXORQ Z22, Z22, Z22 \
	VPMAXSQ Z22, Z20, Z20 \
	VPMAXSQ Z22, Z21, Z21 \
	VPTERNLOGD $0xff, Z22, Z22, Z22 \
	VPSLLVQ Z20, Z22, Z20 \
	VPSLLVQ Z21, Z22, Z21

#define SINCE \
	VPANDQ Z20, Z0, Z0 \
	VPANDQ Z21, Z1, Z1

#define WIDTH \
	MOVL $1, R8 \
	SHLXL AX, R8, R8 \
	SUBL $1, R8 \
	KMOVW R8, K1 \
	KSHIFTRW $8, K1, K2

#define COUNT(v) \
	VPCMPUD $2, (BX)(R8*4), v, K3 \
	KMOVW K3, R10 \
	POPCNTL R10, R10 \
	SUBL R10, R8

#define KEY \
	VPBROADCASTD (SI), Z2 \
	VPBROADCASTD 4(SI), Z3 \
	VPBROADCASTW 8(SI), Y4 \
	VPBROADCASTW 10(SI), Y5 \
	VPBROADCASTW 12(SI), Y6

#define VALUE0 \
	VPBROADCASTD (SI), V
#define VALUE1 \
	VPBROADCASTD 4(SI), V
#define VALUE2 \
	MOVWLZX 8(SI), R9 \
	VPBROADCASTD R9, V
#define VALUE3 \
	MOVWLZX 10(SI), R9 \
	VPBROADCASTD R9, V

#define ALL \
	VPTERNLOGD $0xff, Z0, Z0, Z0 \
	VMOVDQA64 Z0, Z1

#define AND(short) \
	VPANDQ.Z (BX)(R8*8), Z0, K1, Z0 \
	CMPL DX, $64 \
	JLS  short \
	VPANDQ.Z 64(BX)(R8*8), Z1, K2, Z1 \
short:

#define ANDHALVES(short) \
	MOVWLZX R8, R9 \
	VPANDQ.Z (BX)(R9*8), Z0, K1, Z0 \
	CMPL DX, $64 \
	JLS  short \
	SHRL $16, R8 \
	VPANDQ.Z (BX)(R8*8), Z1, K2, Z1 \
short:

#define STORE \
	VMOVDQU64 Z0, (DI) \
	VMOVDQU64 Z1, 64(DI)

#define WORDS(n) \
	VPTESTMQ Z0, Z0, K1, K3 \
	VPTESTMQ Z1, Z1, K2, K4 \
	KUNPCKBW K3, K4, K3 \
	KMOVW K3, R12 \
	BTSL n, R12

#define FIRSTBIT \
	VPTESTMQ Z0, Z0, K3 \
	VPTESTMQ Z1, Z1, K4 \
	VPCOMPRESSQ.Z Z0, K3, Z0 \
	VPCOMPRESSQ.Z Z1, K4, Z1 \
	KUNPCKBW K3, K4, K5 \
	KMOVW K5, R9 \
	MOVL STRIDE(BX), CX \
	BTSL CX, R9 \
	TZCNTL R9, R9 \
	SHLL $6, R9 \
	VMOVQ X0, R10 \
	VMOVQ X1, R11 \
	TESTQ R10, R10 \
	CMOVQEQ R11, R10 \
	TZCNTQ R10, R10 \
	ADDL R10, R9

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
