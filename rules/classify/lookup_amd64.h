#include "textflag.h"

// What lookups have in common, whatever the vectors. Each file of vectors defines the
// rest, and bodies_amd64.h makes the six lookups of that:
//
//	ONE, ONENARROW, ONESINGLE, MANY, MANYNARROW, MANYSINGLE  their names
//	SPLAT      spreads AX, the id from which on rules count
//	SPLATBIT   spreads AX, the bit of a row from which on singles do; KEY ends that
//	WIDTH      from AX, the words of a row, what it needs to handle rows
//	COUNT(v)   takes from R8 how many of the 16 entries at place R8 are not below v
//	V          what to search for, in all lanes; VALUE0 to VALUE3 fill it
//	KEY        spreads the key at SI for LEAF
//	LEAF       compares the key with leaf R13 and puts the first id from the one
//	           spread on in R11, or none; it uses R10 and R13
//	ALL        sets all bits of the row in registers; AND ands the one at R8,
//	           ANDHALVES the one whose halves are at R8; STORE stores it at DI
//	WORDS(n)   n the words of a row, leaves in R12 which of them are not
//	           zero, with bit n set besides; it uses R13
//	SINCE      leaves in the row the bits from the one spread on
//	FIRSTBIT   leaves in R9 the first bit of the row, or one of those behind; it may
//	           use DI, CX, R10, R11 and R13, and keeps R12
//
// Registers:
//
//	BX  the index   SI  the key    DI  its row
//	R14 mins        R15 leaves     DX  bytes of a row

// The first bit of each word of a row.
DATA firstbits<>+0(SB)/8, $0
DATA firstbits<>+8(SB)/8, $64
DATA firstbits<>+16(SB)/8, $128
DATA firstbits<>+24(SB)/8, $192
DATA firstbits<>+32(SB)/8, $256
DATA firstbits<>+40(SB)/8, $320
DATA firstbits<>+48(SB)/8, $384
DATA firstbits<>+56(SB)/8, $448
DATA firstbits<>+64(SB)/8, $512
DATA firstbits<>+72(SB)/8, $576
DATA firstbits<>+80(SB)/8, $640
DATA firstbits<>+88(SB)/8, $704
DATA firstbits<>+96(SB)/8, $768
DATA firstbits<>+104(SB)/8, $832
DATA firstbits<>+112(SB)/8, $896
DATA firstbits<>+120(SB)/8, $960
GLOBL firstbits<>(SB), RODATA|NOPTR, $128

// Offsets in header and field.
#define LEAFBITS 4
#define STRIDE   8
#define MINS     16
#define FIRST    20
#define PROTOS   24
#define EDITS    28
#define OTHERS   32
#define IDS      36
#define RANKS2   40
#define RANKS3   44
#define FIELD0   64
#define FIELD1   96
#define FIELD2   128
#define FIELD3   160
#define DEPTH  0
#define START  4
#define STEP0  8
#define STEP1  12
#define STEP2  16
#define LAST   20

#define SETUP \
	MOVL MINS(BX), R14 \
	ADDQ BX, R14 \
	MOVL FIRST(BX), R15 \
	ADDQ BX, R15 \
	MOVL STRIDE(BX), AX \
	MOVL AX, DX \
	SHLQ $3, DX \
	WIDTH

// SEARCH leaves the table's entry for a value in R8, or goes to done if all values
// have the same.
#define SEARCH(f, value, last, done) \
	value \
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

// SEARCHPORT is SEARCH for the port at byte at of the key.
#define SEARCHPORT(f, ranks, at, value, last, ranked, found, done) \
	MOVL ranks(BX), R9 \
	TESTL R9, R9 \
	JNE  ranked \
	SEARCH(f, value, last, done) \
	JMP  found \
ranked: \
	MOVWLZX at(SI), R10 \
	MOVL R10, R8 \
	SHRL $6, R8 \
	LEAL (R8)(R8*2), R8 \
	ADDL R9, R8 \
	SHRXQ R10, (BX)(R8*4), R10 \
	POPCNTQ R10, R10 \
	MOVL 8(BX)(R8*4), R8 \
	SUBL R10, R8 \
	MOVL (BX)(R8*4), R8 \
found:

// PROTO leaves the place of the protocol's row in R8.
#define PROTO \
	MOVBLZX 12(SI), R8 \
	ADDL PROTOS(BX), R8 \
	MOVL (BX)(R8*4), R8

// OTHER leaves the place of the row of the facts' high byte in R8, or goes to done
// if all values have the same.
#define OTHER(done) \
	MOVL OTHERS(BX), R8 \
	TESTL R8, R8 \
	JEQ  done \
	MOVBLZX 13(SI), R9 \
	ADDL R9, R8 \
	MOVL (BX)(R8*4), R8

#define SOURCE(done)      SEARCH(FIELD0, VALUE0, last0, done)
#define DESTINATION(done) SEARCH(FIELD1, VALUE1, last1, done)

// SEARCHED is SEARCH that has left the entry at DI.
#define SEARCHED(f, at, done) \
	CMPL (f+DEPTH)(BX), $0 \
	JEQ  done \
	MOVL at(DI), R8
#define SOURCEFOUND      SEARCHED(FIELD0, 168, done0)
#define DESTINATIONFOUND SEARCHED(FIELD1, 172, done1)

// ROW leaves the key's row in registers. What finds the entries for its addresses
// goes to done0 and done1 if there are none.
#define ROW(and, source, destination) \
	ALL \
	source \
	and(done0) \
	destination \
	and(done1) \
	SEARCHPORT(FIELD2, RANKS2, 8, VALUE2, last2, ranked2, found2, done2) \
	and(done2) \
	SEARCHPORT(FIELD3, RANKS3, 10, VALUE3, last3, ranked3, found3, done3) \
	and(done3) \
	PROTO \
	and(done4)

// NARROW leaves the bits of the key's leaves in R12, for rows of one word.
#define NARROW(source, destination) \
	MOVQ $-1, R12 \
	source \
	ANDQ (BX)(R8*8), R12 \
done0: \
	destination \
	ANDQ (BX)(R8*8), R12 \
done1: \
	SEARCHPORT(FIELD2, RANKS2, 8, VALUE2, last2, ranked2, found2, done2) \
	ANDQ (BX)(R8*8), R12 \
done2: \
	SEARCHPORT(FIELD3, RANKS3, 10, VALUE3, last3, ranked3, found3, done3) \
	ANDQ (BX)(R8*8), R12 \
done3: \
	PROTO \
	ANDQ (BX)(R8*8), R12

// SINGLES leaves in R11 the first rule with a bit in the key's row, in R12 the row's
// first word. It uses DI.
#define SINGLES(source, destination) \
	ROW(ANDHALVES, source, destination) \
	OTHER(done5) \
	ANDHALVES(done5) \
	VMOVQ X0, R12 \
	SINCE \
	FIRSTBIT \
	ADDL IDS(BX), R9 \
	MOVL (BX)(R9*4), R11

// LEAVESONLY takes bits of rules out of R12, or goes to none if no leaf has a rule.
#define LEAVESONLY(none) \
	CMPL EDITS(BX), $0 \
	JEQ  none \
	MOVL LEAFBITS(BX), R10 \
	BZHIQ R10, R12, R12

// POPBIT takes the first leaf out of R12 and puts its number in R13; 64 is the
// leaf that is none.
#define POPBIT \
	TZCNTQ R12, R13 \
	BLSRQ R12, R12

// WIDE leaves the row of the key's leaves at DI, and in R12 which words are not
// zero. Behind the row stands a word with a bit: the leaf that is none.
#define WIDE(source, destination) \
	ROW(AND, source, destination) \
	STORE \
	MOVQ $1, (DI)(DX*1) \
	MOVL STRIDE(BX), R10 \
	WORDS(R10)

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

// ADDRESSES leaves the entries of all keys' addresses for SEARCHED.
#define ADDRESSES \
	MOVQ keys+8(FP), SI \
	MOVQ s+40(FP), DI \
	XORL AX, AX \
addresses: \
	SOURCE(nosource) \
	MOVL R8, 168(DI) \
nosource: \
	DESTINATION(nodestination) \
	MOVL R8, 172(DI) \
nodestination: \
	NEXTKEY(addresses)

// NEXTKEY ends a loop over keys, counted in AX, that keeps SI and DI.
#define NEXTKEY(loop) \
	ADDQ $16, SI \
	ADDQ $192, DI \
	INCQ AX \
	CMPQ AX, n+16(FP) \
	JLT  loop

// LEAVES ends a lookup of one key: it visits leaves, which pop finds, until none is
// left with something before what is found, AX.
#define LEAVES(pop) \
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
// the leaf may have an earlier rule than found.
#define FIRSTENTRY(i, list, n, found) \
	MOVL i, R10 \
	SHLL $16, R10 \
	ORL  R13, R10 \
	MOVL R10, list \
	CMPL (R14)(R13*4), found \
	ADCQ $0, n

// ENTRIES ends the loop that noted first leaves, R15 of them: it fills the
// registers for the rounds.
#define ENTRIES \
	MOVQ R15, CX \
	MOVL FIRST(BX), R15 \
	ADDQ BX, R15 \
	MOVQ s+40(FP), R9 \
	LEAQ 6144(R9), BX \
	MOVQ out+32(FP), DX

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

// BITROUNDS are the rounds of keys whose leaves are bits of a word, 192 bytes a key.
#define BITROUNDS \
	ROUND \
	IMUL3Q $192, R9, R10 \
	MOVQ s+40(FP), DI \
	ADDQ R10, DI \
	BETTER \
	MOVQ 160(DI), R12 \
	POPBIT \
	MOVQ R12, 160(DI) \
	ENDROUND
