// The lookups. There are two of each: the narrow ones are for rows of one word,
// which then need no vector and no memory.

// One key: func(index *uint64, key *Key, from uint32) uint32
TEXT ONE, NOSPLIT, $192-28
	MOVQ index+0(FP), BX
	MOVQ key+8(FP), SI
	MOVL from+16(FP), AX
	SPLAT
	LEAQ row-192(SP), DI
	SETUP
	SETUPWIDE
	KEY
	WIDE
	LEAVES(POPWIDE)

// func(index *uint64, key *Key, from uint32) uint32
TEXT ONENARROW, NOSPLIT, $0-28
	MOVQ index+0(FP), BX
	MOVQ key+8(FP), SI
	MOVL from+16(FP), AX
	SPLAT
	SETUP
	KEY
	NARROW
	LEAVES(POPNARROW)

// Bursts: every key gets its row and its first leaf, on a list of key<<16 |
// leaf; then every entry of the list is compared and followed by the key's next
// leaf, round by round, until no key has one that could do better. No branch
// depends on the keys but the ends of rounds. The wide one searches one field of
// all keys after the other, so that more of their steps overlap; the narrow one,
// which waits less, is not faster that way.

// func(index *uint64, keys *Key, n int, from uint32, out *uint32, s *Scratch)
TEXT MANY, NOSPLIT, $0-48
	MOVQ index+0(FP), BX
	MOVL from+24(FP), AX
	SPLAT
	SETUP
	SETUPWIDE

	MOVQ keys+8(FP), SI
	MOVQ s+40(FP), DI
	XORL AX, AX
proto:
	PROTO
	TAKE
	STORE
	NEXTKEY(proto)

	ANDLOOP(FIELD0, VALUE0, loop0, last0, short0, done0)
	ANDLOOP(FIELD1, VALUE1, loop1, last1, short1, done1)
	ANDLOOP(FIELD2, VALUE2, loop2, last2, short2, done2)
	ANDLOOP(FIELD3, VALUE3, loop3, last3, short3, done3)

	MOVQ s+40(FP), DI
	LEAQ 6144(DI), SI
	MOVL STRIDE(BX), R8
	XORL AX, AX
	XORL CX, CX
first:
	LOAD
	MOVQ $1, (DI)(DX*1) // behind the row, the leaf that is none
	WORDS(R8)
	POPWIDE
	MOVL R12, 160(DI)
	MOVQ out+32(FP), R9
	MOVL $-1, (R9)(AX*4)
	FIRSTENTRY(AX, (SI)(CX*4), CX)
	ADDQ $192, DI
	INCQ AX
	CMPQ AX, n+16(FP)
	JLT  first

	MOVQ SI, BX
	MOVQ out+32(FP), DX
	ROUND
	IMUL3Q $192, R9, R10
	MOVQ s+40(FP), DI
	ADDQ R10, DI
	BETTER
	MOVL 160(DI), R12
	POPWIDE
	MOVL R12, 160(DI)
	MOVL (BX)(R8*4), R9
	SHRL $16, R9
	ENDROUND

// func(index *uint64, keys *Key, n int, from uint32, out *uint32, s *Scratch)
TEXT MANYNARROW, NOSPLIT, $16-48
	MOVQ index+0(FP), BX
	MOVQ keys+8(FP), SI
	MOVQ s+40(FP), DI
	MOVQ out+32(FP), DX
	MOVL from+24(FP), AX
	SPLAT
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
	FIRSTENTRY(R8, 6144(DI)(R10*4), R10)
	MOVQ R10, entries-8(SP)
	ADDQ $16, SI
	INCQ R8
	MOVQ R8, key-16(SP)
	CMPQ R8, n+16(FP)
	JLT  first

	MOVQ R10, CX
	LEAQ 6144(DI), BX
	ROUND
	BETTER
	MOVQ (DI)(R9*8), R12
	POPNARROW
	MOVQ R12, (DI)(R9*8)
	ENDROUND

// Room for the next vectors.
#undef ONE
#undef MANY
#undef ONENARROW
#undef MANYNARROW
#undef V
#undef SPLAT
#undef CONSTANTS
#undef WIDTH
#undef COUNT
#undef KEY
#undef VALUE0
#undef VALUE1
#undef VALUE2
#undef VALUE3
#undef ALL
#undef AND
#undef TAKE
#undef LOAD
#undef STORE
#undef WORDS
#undef LEAF
