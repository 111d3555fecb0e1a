package rules

import "github.com/sluice-net/sluice/rules/nft"

// The image is an array of 64-bit words. The first words are the header; each
// section has an offset and a length there, counted in words from the start:
//
//	| magic | generation | flags | section table | heads | instructions | data | sets | NAT | base chains | runs | classifiers |
//
// Nothing in it is a Go pointer.
const (
	hdrMagic = iota
	hdrGeneration
	hdrFlags
	hdrPorts                                 // number of rows of the interface table without the one for "none"
	hdrNames                                 // offset in data of the table of names, two words a row
	hdrIndex                                 // offset in data of the table of interface indices
	hdrSpans                                 // of base chains, see Image.span
	hdrIngress  = hdrSpans + spans*(hooks+1) // how many base chains are at the ingress of ports: the first
	hdrEgress   = hdrIngress + 1             // and where those at the egress end, which come next
	hdrSections = hdrEgress + 1
	hdrWords    = hdrSections + 2*sectionCount
)

// The sections.
const (
	secHeads = iota
	secIns
	secData
	secSets
	secNAT
	secBase
	secRuns
	secClassifiers // at a cache line
	sectionCount
)

const (
	imageMagic uint64 = 0x736c756963650004 // "sluice", layout 4
	poisonWord uint64 = 0xdbdbdbdbdbdbdbdb
	flagTrack4 uint64 = 1 // conntrack sees IPv4
	flagTrack6 uint64 = 2
	flagClass  uint64 = 4 // somebody asks for meta priority
)

// test compares a value of the packet with an interval. Values stay where they
// are in the loaded word, masked, so no shift is needed:
//
//	holds = ((value & mask) - lo <= span) != (neg & testNeg == 1)
//
// which covers ==, !=, <, >, ranges, prefixes and "some bit in common". need and
// needMask first ask the packet's facts word for family and transport protocol;
// a packet without them fails the test whatever neg says, and so does one that
// has no such field.
type test struct {
	need, needMask uint16
	end            uint16 // header windows: offset of the byte behind the value
	src            uint8  // src*
	neg            uint8  // testNeg, testOpen
	mask, lo, span uint64
}

// Bits of test.neg.
const (
	testNeg  uint8 = 1 << 0 // holds outside the interval
	testOpen uint8 = 1 << 1 // the value may differ between packets of one flow, see covered
)

// head is the first test of a rule. The heads of a chain lie side by side in
// rule order, so that a run of rules that do not match is one linear scan; the
// rest of the rule is at body. Behind the last rule's stands the chain's end.
type head struct {
	test
	body uint32 // instruction to go on with
	rule uint32 // id
}

// ins is one instruction of a rule's body. The walk goes to the next one when it
// holds and to the next head when it does not.
type ins struct {
	op    uint8
	shift uint8 // opKey: value >> shift
	key   uint8 // first key word that is written
	flag  uint8
	arg   uint32 // by op: data offset, set, counter, rule id, head, ...
	test
}

// Facts word of a packet, the low 16 bits of which test.need compares.
const (
	factProto       = 0       // 8 bits: transport protocol
	factFamily      = 8       // 4 bits: NFPROTO_IPV4 or NFPROTO_IPV6
	factAstray      = 1 << 12 // Linux reads words of a later fragment that are no header, of IPv6 from the IP header on
	factUnread      = 1 << 13 // rules find no transport protocol: no meta l4proto. In a classifier's key the bit is factSport
	factNever       = 1 << 15 // never set: a need that nobody has
	factState       = 16      // 7 bits: ct state
	needProto       = 0x00ff
	needFamily      = 0x0f00
	noHeader   uint = 1 << 40 // base of a header that is not there
)

// Sources of a value. The first three are windows of 8 (or 16) bytes that end
// at test.end behind the start of a header.
const (
	srcLink uint8 = iota
	srcNetwork
	srcTransport
	srcFacts
	srcMark
	srcLength
	srcProtocol
	srcPkttype
	srcPriority
	srcEther // the type of all interfaces
	srcIif
	srcOif
	srcIiftype
	srcOiftype
	srcCtReason
	srcCtStatus
	srcCtMark
	srcCtDirection
	srcCtExpiration
	srcCtL3
	srcCtProtocol
	srcCtSaddr4
	srcCtDaddr4
	srcCtSport
	srcCtDport
	srcCtPackets // of the original direction, of the reply, of both
	srcCtPacketsReply
	srcCtPacketsBoth
	srcCtBytes
	srcCtBytesReply
	srcCtBytesBoth
	srcCtAvgpkt
	srcCtAvgpktReply
	srcCtAvgpktBoth
	srcCtZone
	srcCtZoneReply
	srcCtZoneOwn
	srcCtID
	srcCtReplySaddr4
	srcCtReplyDaddr4
	srcCtReplySport
	srcCtReplyDport
	srcTime // in nanoseconds since 1970, UTC
	srcDay
	srcHour
	srcRandom
	srcCPU
	srcZero
	// 16 bytes
	srcIifname
	srcOifname
	srcCtSaddr6
	srcCtDaddr6
	srcCtHelper
	srcCtLabel
	srcCtReplySaddr6
	srcCtReplyDaddr6
	srcGate // of heads only: rule lo of run mask
)

const (
	opInvalid   uint8 = iota
	opNext            // rule ends: next head
	opEnd             // chain ends
	opTest            // test
	opWide            // 128-bit test: data[arg:]: mask, lo, hi
	opByteIn          // value < 256 is in the bit set data[arg:arg+4]
	opPorts           // bit of the in (flag 0) or out (1) port in the bit set data[arg:]
	opKey             // key[key] = value >> shift
	opWideKey         // key[key:key+2] = value & data[arg:arg+2]
	opLookup          // the key is in set arg; flag 1: is not
	opVMap            // verdict of the key in set arg
	opCounter         // counter arg
	opLog             // log id arg
	opLimit           // within (flag 0) or beyond (1) the rate of state arg; see limitIns
	opQuota           // at most (flag 0) or more than (1) mask bytes in state arg
	opSetMark         // meta mark = (value & mask) ^ lo
	opSetCtMark       // ct mark = (value & mask) ^ lo
	opNotrack
	opHelper // arg: helper for IPv4, for IPv6 << 8; flag: ahead of conntrack
	opReject // arg: code for IPv4, code for IPv6 << 8; flag 1: reset
	opNAT    // spec arg; flag: nat*, what the key words give
	opCopy   // of the packet to port send* (flag) arg or key, by the address in the key words if shift is its family
	opRelay  // the packet itself
	opDrop
	opAccept
	opReturn
	opJump      // head arg
	opGoto      // head arg
	opExtension // extension arg of the image; flag: says the same for all of a flow

	// What rare runs; a value is the key word key.
	opConst   // = lo
	opAlter   // = (value & mask) ^ lo
	opBinop   // = value bin* (flag) key[arg], & mask
	opMap     // flag words from here on = the row of the key from here on in set arg
	opKeyTest // opWide of the first flag words
	opAssign  // assign* (flag) = value
	opStore   // span bits from bit lo of header src = arg words; flag: packet.Sums
	opBits    // the words from here on = span bits from bit lo of header src, or of what it carries
	opOption
	opSetOption
	opResetOption
	opFib       // flags arg, result shift
	opSegment   // the largest TCP segment for the packet's ways
	opNextHop   // the address that the packet is sent to next
	opNumgen    // mod span, offset lo; flag 1: random, else state arg
	opHash      // mod span, offset lo, seed mask; flag 1: symmetric, else of the parts at data[arg:], shift of them
	opDyn       // dyn* (flag) with the key from here on in changing set arg
	opObject    // what the object is that set arg gives for the key, see objectWords
	opTimeout   // policy arg, for protocol flag; lo seconds until a flow that begins is tracked again; shift: ahead of conntrack
	opExpect    // protocol flag to port arg of family shift; lo seconds, at most span
	opConnLimit // at most (flag 0) or more than (1) lo flows in state arg
	opLast      // state arg = now
	opSynproxy  // of TCP: segment size lo, window scale shift, options flag
	opTell      // of no instruction: what opAssign leaves behind for a packet to be traced from here on
	opCount
)

// srcInner is opBits's source for what the transport header carries.
const srcInner = uint8(nft.BaseInner)

// setDesc describes a set. Its entries are in data from off on.
type setDesc struct {
	kind  uint8
	words uint8 // of a key
	parts uint8 // of a concatenation
	_     uint8
	n     uint32 // entries
	off   uint32 // in data, or in bulk memory
	slots uint32 // of the hash table, a power of two; words of an index
	wide  uint32 // bit i: part i takes two words
	rows  uint32 // where the data of a map begin, behind off
	seed  [2]uint64
	any   uint64 // value of the catch-all element, 0: none

	bulk    uint32 // number of the memory that has the entries, from 1; 0: data has them
	changes uint32 // number of the set that says what has changed; 0: nothing has
	live    uint32 // number of the table that has its elements' nodes, from 1; 0: they have none
	objects uint32 // where the rows of a map's objects begin in data; 0: it has none
}

// natDesc is a NATSpec with sizes that the image can hold.
type natDesc struct {
	addrMin, addrMax [16]byte
	flags            uint32
	portMin, portMax uint16
	kind, family     uint8
	hasAddr          uint8
	needFamily       uint8 // the packet's family must be this one; 0 any
	_                uint32
}

// runDesc describes a run of rules, heads side by side, and its classifier.
type runDesc struct {
	first, n   uint32 // heads
	off, words uint32 // the classifier in its section
	word6      [2]uint8
	_          [6]uint8
}

// BaseChain is a chain that a hook calls.
type BaseChain struct {
	Entry    uint32 // where Eval starts
	Priority int32
	NAT      bool // of type nat: only first packets of a flow walk it
	Policy   Code
	Early    bool   // at prerouting or input
	IPOnly   bool   // at ingress: other frames pass by
	Writes   bool   // below IP: the frame may be another one behind it
	PolicyID uint32 // rule id of the policy
	Count    uint32 // counter of the policy, plus 1; 0: none
	ports    uint32 // below IP: bits of the ports, in data
	_        uint32
}

// Counter counts packets and their L3 bytes. One worker's image has its own
// array of them, written by that worker only.
type Counter struct{ Packets, Bytes uint64 }
