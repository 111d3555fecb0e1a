package rules

import "github.com/sluice-net/sluice/rules/nft"

// What a plan's guard covers: the facts that are the same for every packet of a
// flow and direction that comes in by the same port. The list says what is;
// whatever is not on it makes the walk of a packet open.

// Bytes of the headers that stay: bit i is byte i.
const (
	fixedIPv4  uint64 = 1<<9 | 0xff<<12                  // protocol, addresses
	fixedIPv6  uint64 = 1<<6 | (1<<32-1)<<8              // next header, addresses
	fixedPorts uint64 = 0xf                              // of TCP and UDP, the only ones that have plans
	tcpFlags          = 13                               // byte of the TCP header
	tcpFixed   uint8  = 0x01 | 0x02 | 0x04 | 0x10 | 0x20 // FIN, SYN, RST, ACK, URG: the guard asks for ACK, with or without PSH
)

// covered says whether a plan's guard covers what a step reads and does.
func (s *step) covered() bool {
	if set, ok := s.of.(*nft.Set); ok && noded(set) {
		return false // its elements' times end, and each packet counts
	}
	switch s.op {
	case opTest, opKey, opByteIn, opSetMark, opSetCtMark:
		return s.coveredBytes(0, s.mask)
	case opWide:
		return s.coveredBytes(s.words[0], s.words[1])
	case opWideKey:
		return s.coveredBytes(s.words[0], s.words[1])
	case opPorts, opLookup, opVMap, opCounter, opNotrack, opHelper, opReject, opNAT, opDrop, opAccept, opReturn, opJump, opGoto, opNext,
		opConst, opAlter, opBinop, opMap, opKeyTest,
		opTimeout, opExpect: // they are about flows that begin
		return true
	case opAssign:
		return s.flag <= assignPriority
	case opExtension:
		return s.flag != 0
	}
	return false
}

// coveredBytes asks for the bytes that a mask of 16 bytes lets through.
func (s *step) coveredBytes(hi, lo uint64) bool {
	switch s.src {
	case srcFacts, srcMark, srcProtocol, srcIif, srcOif, srcIiftype, srcOiftype, srcIifname, srcOifname,
		srcCtStatus, srcCtMark, srcCtDirection, srcCtL3, srcCtProtocol,
		srcCtSaddr4, srcCtDaddr4, srcCtSaddr6, srcCtDaddr6, srcCtSport, srcCtDport, srcCtHelper:
		return true
	case srcNetwork:
		family := s.need & s.needMask & needFamily
		fixed := fixedIPv4 & fixedIPv6
		switch {
		case s.needMask&needFamily != needFamily:
		case family == 2<<factFamily:
			fixed = fixedIPv4
		case family == 10<<factFamily:
			fixed = fixedIPv6
		}
		return s.within(hi, lo, fixed)
	case srcTransport:
		fixed := fixedPorts
		if s.need&s.needMask&needProto == 6 && s.flagsOnly(hi, lo) {
			fixed |= 1 << tcpFlags
		}
		return s.within(hi, lo, fixed)
	}
	return hi|lo == 0
}

// within says whether every byte that the mask lets through is one of fixed.
func (s *step) within(hi, lo, fixed uint64) bool {
	for i := range 16 {
		half := lo
		if i >= 8 {
			half = hi
		}
		at := int(s.end) - 1 - i
		if byte(half>>(8*(i%8))) != 0 && (at < 0 || at > 63 || fixed>>at&1 == 0) {
			return false
		}
	}
	return true
}

// flagsOnly says whether the mask lets no more through of the byte of TCP's
// flags than the guard fixes.
func (s *step) flagsOnly(hi, lo uint64) bool {
	i := int(s.end) - 1 - tcpFlags
	if i < 0 || i > 7 {
		return false
	}
	return uint8(lo>>(8*i))&^tcpFixed == 0
}
