package rules

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// protoAH is the authentication header's protocol number.
const protoAH = 51

// walk is what Eval knows of a packet while it walks a chain.
type walk struct {
	data  []byte  // the frame up to the end of the IP datagram
	base  [4]uint // start of the link, network and transport header; noHeader
	lim   uint    // last offset at which 8 bytes may be read
	facts uint64
	open  uint8 // testOpen: see Trail.Open
}

// begin fills a walk.
func (w *walk) begin(p *packet.Packet) {
	proto, kind := p.Proto, uint64(factUnread)
	w.data = p.Data[:min(int(p.End), len(p.Data))]
	w.base = [4]uint{0, noHeader, noHeader, noHeader}
	if len(w.data) >= 8 {
		w.lim = uint(len(w.data)) - 8
		if p.Family != flowtable.FamilyNone {
			w.base[srcNetwork] = uint(p.L3)
			switch {
			case p.AH != 0:
				// As in nft_set_pktinfo_ipv6: rules stop at the authentication header.
				proto, w.base[srcTransport], kind = protoAH, uint(p.AH), 0
			case p.L4 <= p.L3 || p.Flags&packet.FlagNoProto != 0:
			case p.Flags&packet.FlagLaterFrag == 0:
				w.base[srcTransport], kind = uint(p.L4), 0
			case p.Family == flowtable.FamilyIPv6:
				// Linux finds no transport header in it, and reads a word that lies as
				// words do from the IP header's start on, see factAstray
				// (nft_set_pktinfo_ipv6, nft_payload_fast_eval).
				w.base[srcTransport], kind = uint(p.L3), factAstray
			default:
				w.base[srcTransport], kind = uint(p.L4), factAstray // the same, of what is no header
			}
		} else if p.L3 != 0 {
			w.base[srcNetwork] = uint(p.L3) // ARP and such, which chains below IP see
		}
	}
	if len(w.data) < 8 || p.Flags&(packet.FlagLocal|packet.FlagCopy) != 0 { // what the box itself sends gets its link header behind all rules
		w.base[srcLink] = noHeader
	}
	w.open = 0
	w.facts = kind | uint64(proto)<<factProto | uint64(p.Family&0xf)<<factFamily | uint64(state(p))<<factState
}

// state is the bit of `ct state`. A packet without an entry is invalid unless it
// is untracked, before conntrack too, or has a zone, as in nft_ct_get_eval.
func state(p *packet.Packet) uint32 {
	if p.Ct != nil || p.Entry != 0 {
		return p.Info.State()
	}
	switch {
	case p.Flags&packet.FlagZoned != 0:
		return flowtable.StateNew
	case p.Info == flowtable.InfoUntracked:
		return flowtable.StateUntracked
	}
	return flowtable.StateInvalid
}

// know notes in the facts how conntrack sees the packet now.
func (w *walk) know(p *packet.Packet) {
	w.facts = w.facts&^(0xff<<factState) | uint64(state(p))<<factState
}

// Eval walks one base chain with a packet. It counts into the image's counters,
// sets marks in p and p.Ct, appends to env.Logs and fills env.Reject or env.NAT
// when the verdict says so. c must come from Base of the same image. It calls
// nothing outside but env's functions, does not allocate, and belongs to the image's
// worker. A dead image drops with PoisonedRule, even one that dies during the walk.
func (im *Image) Eval(c *BaseChain, p *packet.Packet, env *Env) Verdict {
	return eval[silent](im, c, p, env)
}

// eval is the walk, in two instances: of the one that is not traced nothing is left
// of what the other one tells.
func eval[V voice](im *Image, c *BaseChain, p *packet.Packet, env *Env) Verdict {
	var tells V
	if len(tells) == 0 && p.Flags&packet.FlagTraced != 0 && env.Trace != nil {
		return eval[telling](im, c, p, env)
	}
	poisoned := Verdict{Code: Drop, Rule: PoisonedRule}
	if !im.Alive() {
		return poisoned
	}
	var w walk
	w.begin(p)
	heads, code := im.heads, im.ins
	at, depth, repeats := uint(c.Entry), 0, 0
	resume := uint(0)
	if len(tells) > 0 && env.tale.pc != 0 {
		at, depth, repeats, resume = env.tale.at, env.tale.depth, env.tale.repeats, env.tale.pc
		env.tale.pc = 0
	}

nextRule:
	for {
		from := at
		if len(tells) == 0 || resume == 0 {
			at = scan(heads, at, &w)
		}
		if w.open&testOpen != 0 && !env.Trail.Open {
			env.Trail.blame(heads[from:], w.facts)
		}
		if at >= uint(len(heads)) {
			return poisoned
		}
		h := &heads[at]
		at++
		if len(tells) > 0 && resume != 0 {
			// its head held before the walk began to tell
		} else if h.src == srcGate {
			if next, ok := im.gate(h, &w); ok && next < uint(len(heads)) {
				h, at = &heads[next], next+1
			} else {
				at = next
				continue
			}
		} else if h.src > srcFacts {
			v, ok := im.scalar(h.src, p, env)
			if !ok || (v&h.mask-h.lo <= h.span) == (h.neg&testNeg != 0) {
				continue
			}
		}

		// The body.
		pc := uint(h.body)
		if len(tells) > 0 && resume != 0 {
			pc, resume = resume, 0
		}
		for ; ; pc++ {
			if pc >= uint(len(code)) {
				return poisoned
			}
			in := &code[pc]
			if (uint16(w.facts)^in.need)&in.needMask != 0 {
				continue nextRule
			}
			if in.neg&testOpen != 0 {
				env.Trail.opened(h.rule)
			}
			op, arg := in.op, in.arg
			if op == opTest && in.src <= srcTransport { // most of them, by far
				s := w.base[in.src] + uint(in.end) - 8
				if s > w.lim {
					continue nextRule
				}
				v := binary.BigEndian.Uint64(w.data[s:])
				if (v&in.mask-in.lo <= in.span) == (in.neg&testNeg != 0) {
					continue nextRule
				}
				continue
			}
			switch op {
			case opTest, opKey, opByteIn, opSetMark, opSetCtMark:
				var v uint64
				if in.src <= srcTransport {
					s := w.base[in.src] + uint(in.end) - 8
					if s > w.lim {
						continue nextRule
					}
					v = binary.BigEndian.Uint64(w.data[s:])
				} else if in.src == srcFacts {
					v = w.facts
				} else {
					var ok bool
					if v, ok = im.scalar(in.src, p, env); !ok {
						continue nextRule
					}
				}
				v &= in.mask
				switch op {
				case opTest:
					if (v-in.lo <= in.span) == (in.neg&testNeg != 0) {
						continue nextRule
					}
				case opKey:
					env.key[in.key%keyWords] = v >> (in.shift & 63)
				case opByteIn:
					if !im.bit(arg, uint32(v&0xff)) {
						continue nextRule
					}
				case opSetMark:
					p.Mark = uint32(v ^ in.lo)
				case opSetCtMark:
					if p.Ct != nil && SetCtMark(p, env, uint32(v^in.lo)) {
						env.Trail.opened(h.rule) // the next packet of the flow finds it set
					}
				}
				continue
			case opWide:
				if !im.testWide(in, &w, p, env) {
					continue nextRule
				}
				continue
			case opWideKey:
				if !im.wideKey(in, &w, p, env) {
					continue nextRule
				}
				continue
			case opPorts:
				port := p.InPort
				if in.flag != 0 {
					port = p.OutPort
				}
				if !im.bit(arg, min(uint32(port), im.ports)) {
					continue nextRule
				}
				continue
			case opLookup:
				who := p
				if in.flag != 0 {
					who = nil // what it must not find does not count it
				}
				if (im.lookup(arg, &env.key, who, env) != 0) == (in.flag != 0) {
					continue nextRule
				}
				continue
			case opCounter:
				if uint(arg) < uint(len(im.counters)) {
					ctr := &im.counters[arg]
					ctr.Packets++
					ctr.Bytes += uint64(p.Bytes)
					env.Trail.count(arg, h.rule)
				}
				continue
			case opLog:
				if env.NLogs < MaxLogs {
					env.Logs[env.NLogs] = arg
					env.NLogs++
				} else {
					env.LogsLost++
				}
				continue
			case opNotrack:
				if Untrack(p) {
					w.know(p)
				}
				continue
			case opLimit:
				if !im.limit(in, p, env.Nanos) {
					continue nextRule
				}
				continue
			case opQuota:
				if !im.quota(in, p) {
					continue nextRule
				}
				continue
			case opHelper:
				setHelper(in, p, env)
				continue
			case opExtension:
				if uint(arg) >= uint(len(im.exts)) {
					return poisoned
				}
				switch act := im.exts[arg].Run(p, env); act {
				case ActContinue:
					open := w.open
					w.begin(p) // it may have changed the packet
					w.open = open
					continue
				case ActNext:
					w.begin(p)
					continue nextRule
				case ActAccept:
					op = opAccept
				case ActReturn:
					op = opReturn
				case ActStolen:
					if len(tells) > 0 {
						env.tell(c, p, Told{Rule: h.rule, Verdict: SaysStolen})
					}
					return Verdict{Code: Stolen, Rule: h.rule}
				case ActQueue:
					if len(tells) > 0 {
						env.tell(c, p, Told{Rule: h.rule, Verdict: SaysQueue})
					}
					return Verdict{Code: Queue, Rule: h.rule}
				case ActRepeat:
					if repeats++; repeats > maxRepeats {
						return Verdict{Code: Drop, Rule: h.rule}
					}
					w.begin(p)
					at, depth = uint(c.Entry), 0
					continue nextRule
				default:
					op = opDrop
				}
			case opCopy:
				im.copy(in, c, p, env)
				continue
			case opRelay:
				if !im.relay(in, p, env) {
					continue nextRule
				}
				if len(tells) > 0 {
					env.tell(c, p, Told{Rule: h.rule, Verdict: SaysStolen})
				}
				return Verdict{Code: Relay, Rule: h.rule}
			case opReject:
				if len(tells) > 0 {
					env.tell(c, p, Told{Rule: h.rule, Verdict: SaysDrop})
				}
				env.Reject = rejectSpec(in, p)
				return Verdict{Code: Reject, Rule: h.rule}
			case opNAT:
				if uint(arg) >= uint(len(im.nats)) {
					return poisoned
				}
				if need := im.nats[arg].needFamily; need != 0 && need != p.Family {
					continue nextRule // as nft_nat_inet_eval: nothing happens
				}
				im.spec(arg, &env.NAT)
				if in.flag != 0 {
					natValues(in, p, env)
				}
				if len(tells) > 0 {
					env.tell(c, p, Told{Rule: h.rule, Verdict: SaysAccept})
				}
				return Verdict{Code: NAT, Rule: h.rule, Arg: arg}
			case opVMap:
				value := im.lookup(arg, &env.key, p, env)
				if value == 0 {
					continue nextRule
				}
				op, arg = uint8(value>>setOpShift), uint32(value)
				if op == opNext { // continue
					continue
				}
			default:
				if op >= opConst && op < opCount {
					if im.rare(in, &w, p, env, h.rule) {
						continue
					}
					if op, env.end = env.end, opInvalid; op == opInvalid {
						continue nextRule
					}
				}
			}

			// Verdicts, of an instruction or from a map.
			if len(tells) > 0 {
				env.tellVerdict(c, p, h.rule, op, arg, at-1, depth)
			}
			switch op {
			case opTell:
				if len(tells) > 0 {
					continue // it does already
				}
				env.tale = tale{at: at - 1, depth: depth, repeats: repeats, pc: pc + 1}
				return eval[telling](im, c, p, env)
			case opNext:
				continue nextRule
			case opDrop:
				return Verdict{Code: Drop, Rule: h.rule}
			case opSynproxy:
				return Verdict{Code: Synproxy, Rule: h.rule}
			case opAccept:
				return Verdict{Code: Accept, Rule: h.rule}
			case opJump:
				if depth == stackDepth { // Compile refuses such rulesets
					return Verdict{Code: Drop, Rule: h.rule}
				}
				env.stack[depth] = uint32(at)
				depth++
				at = uint(arg)
			case opGoto:
				at = uint(arg)
			case opReturn, opEnd:
				if depth == 0 {
					if c.Count != 0 && uint(c.Count) <= uint(len(im.counters)) {
						ctr := &im.counters[c.Count-1]
						ctr.Packets++
						ctr.Bytes += uint64(p.Bytes)
						env.Trail.count(c.Count-1, c.PolicyID)
					}
					return Verdict{Code: c.Policy, Rule: c.PolicyID}
				}
				depth--
				at = uint(env.stack[depth])
			default:
				return poisoned
			}
			continue nextRule
		}
	}
}

// scan looks for the first rule from at on whose head holds, or whose head
// reads what only Image.scalar can. It returns len(heads) in a damaged image
// only: the end of a chain always holds. It is a function of its own to keep
// everything the loop needs in registers.
func scan(heads []head, at uint, w *walk) uint {
	if at >= uint(len(heads)) {
		return uint(len(heads))
	}
	data, lim, facts := w.data, w.lim, w.facts
	open := w.open
	rest := heads[at:]
	for i := range rest {
		h := &rest[i]
		if uint16(facts)&h.needMask != h.need {
			continue
		}
		open |= h.neg
		v := facts
		if h.src <= srcTransport {
			s := w.base[h.src] + uint(h.end) - 8
			if s > lim {
				continue
			}
			v = binary.BigEndian.Uint64(data[s : s+8 : s+8])
		} else if h.src != srcFacts {
			w.open = open
			return at + uint(i)
		}
		if v&h.mask-h.lo <= h.span {
			if h.neg&testNeg == 0 {
				w.open = open
				return at + uint(i)
			}
		} else if h.neg&testNeg != 0 {
			w.open = open
			return at + uint(i)
		}
	}
	return uint(len(heads))
}

// SetCtMark sets the mark of p's flow, which it has, and says whether it was another.
// It is for workers, within Eval.
func SetCtMark(p *packet.Packet, env *Env, mark uint32) bool {
	if p.Ct.Mark == mark {
		return false
	}
	if env.Shard == nil {
		p.Ct.Mark = mark
		return true
	}
	env.Shard.SetMark(p.Entry, mark)
	return true
}

// Untrack exempts a packet from tracking unless it is tracked already or has a
// zone (nft_notrack_eval). It is for extensions too.
func Untrack(p *packet.Packet) bool {
	if p.Ct != nil || p.Entry != 0 || p.Flags&packet.FlagZoned != 0 || p.Info == flowtable.InfoUntracked {
		return false
	}
	p.Exempted, p.Kind = p.Kind, flowtable.KindUntracked
	p.Info = flowtable.InfoUntracked
	return true
}

func rejectSpec(in *ins, p *packet.Packet) RejectSpec {
	switch {
	case in.flag != 0:
		return RejectSpec{Reset: true}
	case p.Family == flowtable.FamilyIPv6:
		return RejectSpec{Type: 1, Code: uint8(in.arg >> 8)}
	default:
		return RejectSpec{Type: 3, Code: uint8(in.arg)}
	}
}
