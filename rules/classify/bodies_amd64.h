// The lookups. There are three of each: the narrow ones are for rows of one word,
// which then need no vector, the single ones for indexes with singles.

// One key: func(index *uint64, key *Key, from uint32) uint32
TEXT ONE, NOSPLIT, $192-28
	MOVQ index+0(FP), BX
	MOVQ key+8(FP), SI
	MOVL from+16(FP), AX
	SPLAT
	LEAQ row-192(SP), DI
	SETUP
	KEY
	WIDE(SOURCE(done0), DESTINATION(done1))
	MOVL $-1, AX
	LEAVES(POPWIDE)

// func(index *uint64, key *Key, from uint32) uint32
TEXT ONENARROW, NOSPLIT, $0-28
	MOVQ index+0(FP), BX
	MOVQ key+8(FP), SI
	MOVL from+16(FP), AX
	SPLAT
	SETUP
	KEY
	NARROW(SOURCE(done0), DESTINATION(done1))
	MOVL $-1, AX
	LEAVES(POPBIT)

// func(index *uint64, key *Key, from, bit uint32) uint32
TEXT ONESINGLE, NOSPLIT, $192-28
	MOVQ index+0(FP), BX
	MOVQ key+8(FP), SI
	MOVL from+16(FP), AX
	SPLAT
	MOVL bit+20(FP), AX
	SPLATBIT
	LEAQ row-192(SP), DI
	SETUP
	SINGLES(SOURCE(done0), DESTINATION(done1))
	MOVL R11, AX
	LEAVESONLY(done)
	KEY
	LEAVES(POPBIT)

// Bursts: every key gets its row and its first leaf, on a list of key<<16 |
// leaf; then every entry of the list is compared and followed by the key's next
// leaf, round by round, until no key has one that could do better. No branch
// depends on the keys but the ends of rounds. Searches are loops of their own, so that
// more of the keys' steps overlap.

// func(index *uint64, keys *Key, n int, from uint32, out *uint32, s *Scratch)
TEXT MANY, NOSPLIT, $0-48
	MOVQ index+0(FP), BX
	MOVL from+24(FP), AX
	SPLAT
	SETUP

	ADDRESSES

	MOVQ keys+8(FP), SI
	MOVQ s+40(FP), DI
	XORL AX, AX
	XORL R15, R15
first:
	WIDE(SOURCEFOUND, DESTINATIONFOUND)
	POPWIDE
	MOVL R12, 160(DI)
	MOVQ out+32(FP), R9
	MOVL $-1, (R9)(AX*4)
	MOVQ s+40(FP), R9
	FIRSTENTRY(AX, 6144(R9)(R15*4), R15, $-1)
	NEXTKEY(first)

	ENTRIES
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
TEXT MANYNARROW, NOSPLIT, $0-48
	MOVQ index+0(FP), BX
	MOVL from+24(FP), AX
	SPLAT
	SETUP
	ADDRESSES

	MOVQ keys+8(FP), SI
	MOVQ s+40(FP), DI
	XORL AX, AX
	XORL R15, R15
first:
	NARROW(SOURCEFOUND, DESTINATIONFOUND)
	MOVQ out+32(FP), R9
	MOVL $-1, (R9)(AX*4)
	POPBIT
	MOVQ R12, 160(DI)
	MOVQ s+40(FP), R9
	FIRSTENTRY(AX, 6144(R9)(R15*4), R15, $-1)
	NEXTKEY(first)

	ENTRIES
	BITROUNDS

// func(index *uint64, keys *Key, n int, from, bit uint32, out *uint32, s *Scratch)
TEXT MANYSINGLE, NOSPLIT, $0-48
	MOVQ index+0(FP), BX
	MOVL from+24(FP), AX
	SPLAT
	MOVL bit+28(FP), AX
	SPLATBIT
	SETUP
	ADDRESSES

	MOVQ keys+8(FP), SI
	MOVQ s+40(FP), DI
	XORL AX, AX
	XORL R15, R15
first:
	SINGLES(SOURCEFOUND, DESTINATIONFOUND)
	MOVQ out+32(FP), R9
	MOVL R11, (R9)(AX*4)
	LEAVESONLY(next)
	POPBIT
	MOVQ R12, 160(DI)
	MOVQ s+40(FP), R9
	FIRSTENTRY(AX, 6144(R9)(R15*4), R15, R11)
next:
	NEXTKEY(first)

	ENTRIES
	BITROUNDS

// Room for the next vectors.
#undef ONE
#undef MANY
#undef ONENARROW
#undef MANYNARROW
#undef ONESINGLE
#undef MANYSINGLE
#undef V
#undef SPLAT
#undef SPLATBIT
#undef SINCE
#undef WIDTH
#undef COUNT
#undef KEY
#undef VALUE0
#undef VALUE1
#undef VALUE2
#undef VALUE3
#undef ALL
#undef AND
#undef ANDHALVES
#undef STORE
#undef WORDS
#undef LEAF
#undef FIRSTBIT
