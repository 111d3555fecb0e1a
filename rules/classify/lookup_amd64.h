#include "textflag.h"

// What lookups have in common, whatever the vectors. Each file of vectors defines the
// rest, and bodies_amd64.h makes the four lookups of that:
//
//	ONE, ONENARROW, MANY, MANYNARROW  their names
//	SPLAT      spreads AX, the id from which on rules count
//	CONSTANTS  constants of its own
//	WIDTH      from AX, the words of a row, what it needs to handle rows
//	COUNT(v)   adds to R8 how many of the 16 entries at place R8 are not above v
//	V          what to search for, in all lanes; VALUE0 to VALUE3 fill it
//	KEY        spreads the key at SI for LEAF
//	LEAF       compares the key with leaf R13 and puts the first id from the one
//	           spread on in R11, or none; it uses R10 and R13
//	ALL        sets all bits of the row in registers; AND ands the one at R8;
//	           TAKE loads that one, LOAD the one at DI; STORE stores it there;
//	           WORDS(n), n the words of a row, leaves in R12 which of them are not
//	           zero, with bit n set besides; it uses R13
//
// Registers:
//
//	BX  the index   SI  the key    DI  its row
//	R14 mins        R15 leaves     DX  bytes of a row

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

// SETUP fills the registers that both kinds use, SETUPWIDE the others.
#define SETUP \
	MOVL MINS(BX), R14 \
	ADDQ BX, R14 \
	MOVL FIRST(BX), R15 \
	ADDQ BX, R15 \
	CONSTANTS
#define SETUPWIDE \
	MOVL STRIDE(BX), AX \
	MOVL AX, DX \
	SHLQ $3, DX \
	WIDTH

// SEARCH leaves the place of the row of V in R8, or goes to done if all values
// have the same.
#define SEARCH(f, last, done) \
	MOVL (f+DEPTH)(BX), CX \
	TESTL CX, CX \
	JEQ  done \
	MOVL (f+START)(BX), R8 \
	COUNT(V) \
	CMPL CX, $1 \
	JEQ  last \
	SHLL $4, R8 \
	ADDL (f+STEP0)(BX), R8 \
	COUNT(V) \
	CMPL CX, $2 \
	JEQ  last \
	SHLL $4, R8 \
	ADDL (f+STEP1)(BX), R8 \
	COUNT(V) \
	CMPL CX, $3 \
	JEQ  last \
	SHLL $4, R8 \
	ADDL (f+STEP2)(BX), R8 \
	COUNT(V) \
last: \
	ADDL (f+LAST)(BX), R8 \
	MOVL (BX)(R8*4), R8

// PROTO leaves the place of the protocol's row in R8.
#define PROTO \
	MOVBLZX 12(SI), R8 \
	ADDL PROTOS(BX), R8 \
	MOVL (BX)(R8*4), R8

// NARROW leaves the leaves of the key in R12.
#define NARROW \
	MOVQ $-1, R12 \
	VALUE0 \
	SEARCH(FIELD0, last0, done0) \
	ANDQ (BX)(R8*1), R12 \
done0: \
	VALUE1 \
	SEARCH(FIELD1, last1, done1) \
	ANDQ (BX)(R8*1), R12 \
done1: \
	VALUE2 \
	SEARCH(FIELD2, last2, done2) \
	ANDQ (BX)(R8*1), R12 \
done2: \
	VALUE3 \
	SEARCH(FIELD3, last3, done3) \
	ANDQ (BX)(R8*1), R12 \
done3: \
	PROTO \
	ANDQ (BX)(R8*1), R12

// POPNARROW takes the first leaf out of R12 and puts its number in R13; 64 is
// the leaf that is none.
#define POPNARROW \
	TZCNTQ R12, R13 \
	BLSRQ R12, R12

// WIDE leaves the row of the key's leaves at DI, and in R12 which words are not
// zero. Behind the row stands a word with a bit: the leaf that is none.
#define WIDE \
	ALL \
	VALUE0 \
	SEARCH(FIELD0, last0, done0) \
	AND(done0) \
	VALUE1 \
	SEARCH(FIELD1, last1, done1) \
	AND(done1) \
	VALUE2 \
	SEARCH(FIELD2, last2, done2) \
	AND(done2) \
	VALUE3 \
	SEARCH(FIELD3, last3, done3) \
	AND(done3) \
	PROTO \
	AND(done4) \
	STORE \
	MOVQ $1, (DI)(DX*1) \
	MOVL STRIDE(BX), AX \
	WORDS(AX)

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

// NEXTKEY ends a loop over keys, counted in AX, that keeps SI and DI.
#define NEXTKEY(loop) \
	ADDQ $16, SI \
	ADDQ $192, DI \
	INCQ AX \
	CMPQ AX, n+16(FP) \
	JLT  loop

// ANDLOOP ands the rows of a field to those of all keys.
#define ANDLOOP(f, value, loop, last, short, done) \
	MOVQ keys+8(FP), SI \
	MOVQ s+40(FP), DI \
	XORL AX, AX \
loop: \
	value \
	SEARCH(f, last, done) \
	LOAD \
	AND(short) \
	STORE \
	NEXTKEY(loop) \
done:

// LEAVES ends a lookup of one key: it visits leaves, which pop finds, until none is
// left with something before what is found.
#define LEAVES(pop) \
	MOVL $-1, AX \
leaf: \
	pop \
	CMPL AX, (R14)(R13*4) \
	JLS  done \
	LEAF \
	CMPL R11, AX \
	CMOVLCS R11, AX \
	JMP  leaf \
done: \
	MOVL AX, ret+24(FP) \
	VZEROUPPER \
	RET

// FIRSTENTRY notes key i's first leaf, R13, as entry n of the list, which counts if
// there is one.
#define FIRSTENTRY(i, list, n) \
	MOVL i, R11 \
	SHLL $16, R11 \
	ORL  R13, R11 \
	MOVL R11, list \
	CMPL (R14)(R13*4), $-1 \
	ADCQ $0, n

// ROUND and BETTER begin the loops over the CX entries of the list at BX: R13 is
// the leaf of entry R8, R9 its key. BETTER leaves in SI what is found for the key
// so far. ENDROUND notes the key's next leaf, R13, and ends
// them; the entry stays if that may have an earlier rule.
#define ROUND \
round: \
	TESTQ CX, CX \
	JEQ  done \
	XORL R8, R8 \
	XORL AX, AX \
entry: \
	MOVL (BX)(R8*4), R13 \
	MOVL R13, R9 \
	SHRL $16, R9 \
	ANDL $0xffff, R13 \
	MOVL R9, SI \
	SHLL $4, SI \
	ADDQ keys+8(FP), SI
#define BETTER \
	KEY \
	LEAF \
	MOVL (DX)(R9*4), SI \
	CMPL R11, SI \
	CMOVLCS R11, SI \
	MOVL SI, (DX)(R9*4)
#define ENDROUND \
	SHLL $16, R9 \
	ORL  R13, R9 \
	MOVL R9, (BX)(AX*4) \
	CMPL (R14)(R13*4), SI \
	ADCQ $0, AX \
	INCQ R8 \
	CMPQ R8, CX \
	JLT  entry \
	MOVQ AX, CX \
	JMP  round \
done: \
	VZEROUPPER \
	RET
