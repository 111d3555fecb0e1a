package rules

import (
	"sort"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// Told is a step of a traced packet's way through a base chain. When Linux tells
// what is nft_do_chain's doing: behind each rule that held, at the end of each
// chain, and of the policy.
type Told struct {
	Rule    uint32 // id of the rule, or with Policy of the policy; 0: a chain ends, that of head To
	Policy  bool   // the policy decides
	Verdict Says   // what the rule, or the policy, says
	To      uint32 // jump, goto: a head of the chain that comes next
}

// Says is a verdict as the kernel has it.
type Says uint8

const (
	SaysContinue Says = iota
	SaysAccept
	SaysDrop
	SaysReturn
	SaysJump
	SaysGoto
	SaysStolen
	SaysQueue
)

// String returns nft's word.
func (s Says) String() string {
	words := [...]string{"continue", "accept", "drop", "return", "jump", "goto", "stolen", "queue"}
	if int(s) < len(words) {
		return words[s]
	}
	return "unknown"
}

// voice tells the instances of eval apart: the length of a value is known when
// the program is compiled.
type (
	silent  [0]struct{}
	telling [1]struct{}
	voice   interface{ silent | telling }
)

// tale is where a walk stands when a rule wants to have the packet traced.
type tale struct {
	at, pc         uint // the rule's head, and the instruction to go on with
	depth, repeats int
}

// tell tells a step unless some rule has ended the trace.
func (env *Env) tell(c *BaseChain, p *packet.Packet, t Told) {
	if p.Flags&packet.FlagTraced != 0 {
		env.Trace(c, p, t)
	}
}

// tellVerdict tells what a verdict's op means. head is that of the rule or of the
// chain's end, depth how many calls are open.
func (env *Env) tellVerdict(c *BaseChain, p *packet.Packet, rule uint32, op uint8, arg uint32, head uint, depth int) {
	t := Told{Rule: rule}
	switch op {
	case opNext:
		t.Verdict = SaysContinue
	case opDrop:
		t.Verdict = SaysDrop
	case opAccept:
		t.Verdict = SaysAccept
	case opSynproxy:
		t.Verdict = SaysStolen
	case opJump:
		t.Verdict, t.To = SaysJump, arg
	case opGoto:
		t.Verdict, t.To = SaysGoto, arg
	case opReturn:
		t.Verdict = SaysReturn
	case opEnd:
		t = Told{To: uint32(head)}
	default:
		return
	}
	env.tell(c, p, t)
	if (op == opReturn || op == opEnd) && depth == 0 {
		t = Told{Rule: c.PolicyID, Policy: true, Verdict: SaysDrop}
		if c.Policy == Accept {
			t.Verdict = SaysAccept
		}
		env.tell(c, p, t)
	}
}

// ChainAt returns the chain that a head of Told.To is of: its family, table and
// name; nil if there is none. It allocates.
func (r *Ruleset) ChainAt(head uint32) *RuleInfo {
	chains := r.ix.chains
	at := sort.Search(len(chains), func(i int) bool { return chains[i].entry > head })
	if at == 0 || uint64(head) >= uint64(r.ix.heads) {
		return nil
	}
	ref := chains[at-1]
	return &RuleInfo{Pos: ref.chain.Pos, Family: ref.table.Family, Table: ref.table.Name, Chain: ref.chain.Name}
}

// Headers returns the beginnings of p's headers as far as Linux shows them in
// traces: views into p.Data. Those that p does not have, or that are not there yet
// where the box itself sends it, are empty.
func Headers(p *packet.Packet) (link, network, transport []byte) {
	var w walk
	w.begin(p)
	end := uint(len(w.data))
	head := uint(p.L3)
	if p.VLANs > 1 { // one tag is no part of a frame in Linux, and what is behind it is the next header
		head = packet.EtherLen + tagLen
	}
	if w.base[srcLink] == 0 {
		link = w.data[:min(end, head, shownLink)]
	}
	if head == 0 || head > end || p.VLANs > 1 {
		return link, w.data[min(end, head):min(end, head+shownNetwork)], nil
	}
	th := w.base[srcTransport]
	if p.Family == flowtable.FamilyIPv4 && len(w.data) > int(p.L3) {
		th = head + uint(w.data[p.L3]&15)*4 // in later fragments and in front of an authentication header too
	}
	if th > end {
		return link, w.data[head:min(end, head+shownNetwork)], nil
	}
	return link, w.data[head:min(th, head+shownNetwork)], w.data[th:min(end, th+shownTransport)]
}

// Bytes of each header that Linux shows (NFT_TRACETYPE_*_HSIZE); tagLen are those
// of a VLAN tag.
const (
	shownLink      = 20
	shownNetwork   = 40
	shownTransport = 20
	tagLen         = 4
)
