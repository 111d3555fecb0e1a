package rules

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// Code is what becomes of a packet. The zero value drops.
type Code uint8

const (
	Drop     Code = iota
	Accept        // go on with the next chain of the hook
	Reject        // drop and answer as Env.Reject says
	NAT           // set up the translation Env.NAT, then go on
	Stolen        // an extension has taken the packet: it goes no further, and is no loss
	Queue         // an extension wants somebody else to decide; nobody there: drop
	Synproxy      // drop, and the SYN proxy goes on as Env.Synproxy says
	Relay         // send it as Env.Send says; nothing else sees it
)

var codeNames = [...]string{"drop", "accept", "reject", "nat", "stolen", "queue", "synproxy", "relay"}

func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "unknown"
}

// PoisonedRule is the rule id of verdicts from an image that was poisoned or
// freed. No rule ever has it.
const PoisonedRule uint32 = 0xffffffff

// Verdict is the answer of one base chain.
type Verdict struct {
	Code Code
	Rule uint32 // id of the rule that decided, or of the chain's policy
	Arg  uint32 // NAT: number of the NAT statement in the ruleset; else 0
}

// RejectSpec is the answer to a rejected packet, resolved for its family.
type RejectSpec struct {
	Reset bool  // TCP reset instead of ICMP
	Type  uint8 // ICMP 3 or ICMPv6 1 (destination unreachable)
	Code  uint8
}

// SynproxySpec is what a SYN proxy offers clients.
type SynproxySpec struct {
	MSS     uint16
	Scale   uint8
	Options uint8 // packet.TCPHas* bits: what of a client's own offer is taken up
}

// NATSpec is a NAT statement. Addresses are in network byte order, an IPv4
// address in the first four bytes; ports in host order, 0 is none.
type NATSpec struct {
	Kind             nft.NATKind
	Family           uint8 // flowtable.FamilyIPv4 or FamilyIPv6 of the addresses; 0 without
	HasAddr          bool
	AddrMin, AddrMax [16]byte
	PortMin, PortMax uint16
	Flags            uint32 // nft.NATRandom ...
}

// MaxLogs is how many log statements one packet may hit in an Env.
const MaxLogs = 8

// stackDepth is the kernel's limit of nested jumps (NFT_JUMP_STACK_SIZE).
const stackDepth = 16

// keyWords is room for 16 parts of a concatenation of two words each.
const keyWords = 32

// MaxTrail is how many counters a Trail holds.
const MaxTrail = 8

// Trail is what accepting walks consulted and counted. When Open is false, the
// walks of a packet with the same addresses, ports, ports of the box, marks,
// conntrack state, status, mark and direction, and for TCP with ACK and maybe
// PSH as its only flags, come to the same end by the same counters.
type Trail struct {
	Open     bool   // something else was consulted, or a log statement was passed, or Counters is full
	Rule     uint32 // with Open: the first rule to blame for it
	Classed  bool   // a rule has set meta priority
	N        uint8
	Counters [MaxTrail]uint32 // of the image, in the order of counting
}

func (t *Trail) count(counter, rule uint32) {
	if t.N == MaxTrail {
		t.opened(rule)
		return
	}
	t.Counters[t.N] = counter
	t.N++
}

func (t *Trail) opened(rule uint32) {
	if !t.Open {
		t.Open, t.Rule = true, rule
	}
}

// blame finds the rule whose head opened a scan from one head on.
func (t *Trail) blame(heads []head, facts uint64) {
	for i := range heads {
		if h := &heads[i]; h.neg&testOpen != 0 && uint16(facts)&h.needMask == h.need {
			t.opened(h.rule)
			return
		}
	}
}

// Env is one worker's scratch room and what Eval says beside the verdict. A
// worker reuses one Env for all packets and chains; it must set NLogs to 0
// before each packet and read Reject and NAT before the next Eval.
type Env struct {
	Reject   RejectSpec       // valid with code Reject
	NAT      NATSpec          // valid with code NAT
	Synproxy SynproxySpec     // valid with code Synproxy
	Send     Send             // valid with code Relay
	Now      uint32           // in: tick in ms, for `ct expiration`
	Nanos    int64            // in: the same clock in nanoseconds, for limits
	Wall     int64            // in: nanoseconds since 1970, for `meta time`
	CPU      uint32           // in: the worker's number, for `meta cpu`
	Chance   *Chance          // in: for `numgen random` and `meta random`; nil: the runtime's
	Shard    *flowtable.Shard // in: the worker's, for `ct helper set` and `ct mark set`; nil: no flow has a shard
	// Route asks the dataplane's routes about an address of a family, in network
	// byte order; nil: there are none. It must not allocate. Rules that need it
	// (`fib`, `rt mtu`) do not match without.
	Route func(family uint8, addr *[16]byte) Way
	// Copy sends a copy of the packet that is judged, which stays as it is; nil: there
	// are no copies. It must not allocate, and leaves the Env as it was.
	Copy func(p *packet.Packet, to *Send)
	// Trace hears what happens to packets that a rule wants traced (`meta nftrace
	// set 1`), behind each rule that held; nil: nobody wants to know. It may read the
	// packet, which is as the rule left it, and must not allocate.
	Trace    func(c *BaseChain, p *packet.Packet, t Told)
	Logs     [MaxLogs]uint32
	NLogs    int    // Logs[:NLogs] are ids for Ruleset.LogSpec, in order
	LogsLost uint64 // log statements that found Logs full; never reset by Eval
	Trail    Trail  // of all chains since the caller last set it to zero

	end    uint8                 // a verdict's op, when an instruction that did not hold ends more than the rule
	tale   tale                  // where a walk begins to tell; pc 0: at the chain's beginning
	expect flowtable.Expectation // what a rule announces

	stack [stackDepth]uint32
	key   [keyWords]uint64
	addr  [16]byte // what Route is asked about
}
