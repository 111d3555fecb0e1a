package rules

import (
	"slices"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules/nft"
)

// rule is one rule between tree and image, as it is wherever it stands.
// Rulesets share it, and once it is ready
// nobody writes to it.
type rule struct {
	has   has // first, with what newIndex asks of every rule
	src   *nft.Rule
	steps []step
	lead  int      // how many pure steps they begin with
	plain plain    // what a classifier can know of it
	hash  [32]byte // of what it says, for the cache

	known     bool   // has is all that it brings into an index
	ready     bool   // steps and plain are there
	again     bool   // its steps hold in one ruleset only
	remembers bool   // it has a state
	identity  string // of its states
}

// step is an instruction whose data is not yet placed. Of what is numbered in the
// order of rules, arg is the number within the rule: its counters, logs, NAT
// statements and extensions. A pure step has no
// effect but to end the rule, so pure steps side by side may change places.
type step struct {
	ins
	words []uint64
	of    any // what arg shall be the number of, see index.numberOf; nil: arg is right as it is
	pure  bool
}

// lowering turns the rules of one chain into steps.
type lowering struct {
	ix    *index
	ports *ports
	ref   *chainRef
	out   *rule
	n     ordinals // of what the rule has so far
	space []step   // in which its steps are made

	// What nft knows of the packet's layers by then, see under.
	link, network bool
}

// rule makes a rule ready.
func (lw *lowering) rule(r *rule) error {
	lw.out, lw.n = r, ordinals{}
	r.steps = lw.space[:0]
	lw.link, lw.network = false, lw.ref.table.Family != nft.FamilyInet && !below(lw.ref.table.Family)
	for _, st := range r.src.Stmts {
		if err := lw.stmt(st); err != nil {
			return err
		}
	}
	lw.space, r.steps = r.steps, slices.Clone(r.steps)
	for i := range r.steps {
		if s := &r.steps[i]; !s.covered() {
			s.neg |= testOpen
		}
	}
	for r.lead < len(r.steps) && r.steps[r.lead].pure {
		r.lead++
	}
	r.plain, r.ready = r.plainOf(!lw.ix.setsProto), true
	return nil
}

func (lw *lowering) add(op uint8, arg uint32, flag uint8) {
	lw.out.steps = append(lw.out.steps, step{ins: ins{op: op, arg: arg, flag: flag}})
}

// named adds a step that is about something with a number.
func (lw *lowering) named(op uint8, of any) {
	lw.out.steps = append(lw.out.steps, step{ins: ins{op: op}, of: of})
}

// own adds a step about the next one of what the rule has of a kind.
func (lw *lowering) own(op uint8, n *uint32) {
	lw.add(op, *n, 0)
	*n++
}

// load adds a pure step that reads an operand.
func (lw *lowering) load(op uint8, o operand, s step) {
	lw.typed(o.types, o.guard)
	if o.src == srcIiftype && o.mask[1] != 0 && lw.ref.table.Family == nft.FamilyBridge {
		o.src = srcEther // Linux asks the device that has the frame, and there is one at every hook
	}
	if o.frame != 0 {
		lw.frame(o.frame)
	}
	lw.under(o)
	if o.src == srcTransport && lw.out.src.Origin != nil { // matches of x_tables look at fragoff first
		o.guard = o.guard.and(guard{0, factAstray})
	}
	s.op, s.src, s.end = op, o.src, o.end
	s.need, s.needMask = o.guard.need, o.guard.mask
	if op != opTest {
		s.mask = o.mask[1]
	}
	s.pure = true
	lw.out.steps = append(lw.out.steps, s)
}

// typed adds the pure step that a field of some types of ICMP wants; no types: none.
func (lw *lowering) typed(types []byte, g guard) {
	if len(types) == 0 {
		return
	}
	set := make([]uint64, 4)
	for _, t := range types {
		set[t/64] |= 1 << (t % 64)
	}
	lw.load(opByteIn, operand{src: srcTransport, end: 1, mask: [2]uint64{0, 0xff}, guard: g}, step{words: set})
}

// frame adds a pure step that asks for an EtherType: behind VLAN tags if the rule
// has asked what stands there, and else where nft asks for it, see under.
func (lw *lowering) frame(etherType uint16) {
	if !lw.network && (lw.link || lw.ref.table.Family == nft.FamilyBridge) {
		lw.network = true
		lw.untagged(etherType)
		return
	}
	lw.network = true
	lw.load(opTest, operand{src: srcProtocol}, step{ins: ins{test: test{mask: 0xffff, lo: uint64(etherType)}}})
}

// untagged adds a pure step that asks for an EtherType in front of VLAN tags.
func (lw *lowering) untagged(etherType uint16) {
	lw.load(opTest, operand{src: srcLink, end: 14}, step{ins: ins{test: test{mask: 0xffff, lo: uint64(etherType)}}})
}

// under adds the pure step that nft adds where a rule asks for IP and has asked
// for Ethernet only: then the EtherType must be that of IP and no VLAN tag's,
// whereas a rule that knows nothing of Ethernet asks for IP behind tags too. In
// bridge tables only fields of IP's own header are behind tags.
func (lw *lowering) under(o operand) {
	switch {
	case o.link == linkHeader:
		lw.link = true
	case o.link == linkType:
		lw.network = true
	case o.guard.mask&needFamily != 0 && !lw.network:
		lw.network = true
		if bridge := lw.ref.table.Family == nft.FamilyBridge; bridge && o.src == srcNetwork || !bridge && !lw.link {
			return
		}
		etherType := packet.EtherIPv4
		if o.guard.need&needFamily == uint16(nft.FamilyIP6)<<factFamily {
			etherType = packet.EtherIPv6
		}
		lw.untagged(uint16(etherType))
	}
}

func (lw *lowering) stmt(st nft.Stmt) error {
	switch st := st.(type) {
	case *nft.Match:
		return lw.match(st)
	case *nft.VMap:
		if !st.Set.Verdicts {
			return errorf(st.Pos, "vmap needs a verdict map")
		}
		if err := lw.keys(st.Pos, st.Left, st.Set); err != nil {
			return err
		}
		lw.named(opVMap, st.Set)
	case *nft.Verdict:
		op, to, err := verdictOp(st, lw.ref.names)
		if err != nil {
			return err
		}
		switch op {
		case opNext:
		case opJump, opGoto:
			lw.named(op, st)
		default:
			lw.add(op, to, 0)
		}
	case *nft.Counter:
		lw.own(opCounter, &lw.n.counters)
	case *nft.Log:
		lw.own(opLog, &lw.n.logs)
	case *nft.NAT:
		return lw.nat(st)
	case *nft.Assign:
		return lw.assign(st)
	case *nft.SetUpdate:
		return lw.setUpdate(st)
	case *nft.ResetOption:
		o, ok := st.Option.(*nft.Option)
		if !ok || o.Kind != nft.OptionTCP {
			return errorf(st.Pos, "reset is not supported: only TCP options can be reset")
		}
		s := tlvStep(opResetOption, o)
		s.flag = 0
		lw.out.steps = append(lw.out.steps, s)
	case *nft.Reject:
		return lw.reject(st)
	case *nft.Mangle:
		return lw.mangle(st)
	case *nft.Dup:
		return lw.send(opCopy, st.Pos, lw.ref.table.Family, st.Addr, st.Device)
	case *nft.Forward:
		return lw.send(opRelay, st.Pos, st.Family, st.Addr, st.Device)
	case *nft.Extension:
		lw.own(opExtension, &lw.n.exts)
		if _, ok := st.Impl.(PerFlow); ok {
			lw.out.steps[len(lw.out.steps)-1].flag = 1
		}
	case *nft.Notrack:
		lw.add(opNotrack, 0, 0)
	case *nft.ObjectRef:
		return lw.object(st)
	case *nft.Limit, *nft.Quota, *nft.ConnLimit, *nft.Last:
		s, err := stateStep(st)
		if err != nil {
			return err
		}
		lw.out.steps = append(lw.out.steps, s)
	case *nft.Synproxy:
		lw.out.steps = append(lw.out.steps, step{ins: synproxyIns(st)})
	case *nft.FlowOffload:
		// Every established flow has a plan; there is nothing to ask for.
	default:
		return refusal(st)
	}
	return nil
}

// refusal says why a statement is refused.
func refusal(st nft.Stmt) error {
	why := ""
	switch st.(type) {
	case *nft.Queue:
		why = ": no program in user space reads packets of forwarded flows here"
	case *nft.TProxy:
		why = ": there is no local socket to give the packet to"
	case *nft.Extension:
		why = ": nothing here carries it out"
	}
	return errorf(st.Position(), "%s is not supported%s", nft.StmtName(st), why)
}

// object is the use of a named object.
func (lw *lowering) object(st *nft.ObjectRef) error {
	if st.Set != nil {
		if err := lw.keys(st.Pos, st.Key, st.Set); err != nil {
			return err
		}
		lw.out.steps = append(lw.out.steps, step{ins: ins{op: opObject}, of: st.Set})
		return nil
	}
	if st.Object == nil {
		return errorf(st.Pos, "%s is not supported", nft.StmtName(st))
	}
	s, err := lw.ix.objectStep(st.Object)
	if err != nil {
		return err
	}
	if st.Ahead {
		switch s.op {
		case opHelper:
			s.flag = 1
		case opTimeout:
			s.shift = 1
		}
	}
	lw.out.steps = append(lw.out.steps, s)
	return nil
}

// stateStep is that of a statement with a memory.
func stateStep(st nft.Stmt) (step, error) {
	in := ins{op: opQuota}
	switch st := st.(type) {
	case *nft.Limit:
		var err error
		if in, err = limitIns(st, 0); err != nil {
			return step{}, err
		}
	case *nft.Quota:
		if in.mask = st.Bytes; st.Over {
			in.flag = 1
		}
	case *nft.ConnLimit:
		in = connLimitIns(st, 0)
	case *nft.Last:
		in.op = opLast
	}
	return step{ins: in, of: st}, nil
}

// verdictOp returns the instruction of a verdict. Continue is opNext.
func verdictOp(v *nft.Verdict, names map[string]*chainRef) (op uint8, to uint32, err error) {
	switch v.Kind {
	case nft.VerdictDrop:
		return opDrop, 0, nil
	case nft.VerdictAccept:
		return opAccept, 0, nil
	case nft.VerdictContinue:
		return opNext, 0, nil
	case nft.VerdictReturn:
		return opReturn, 0, nil
	case nft.VerdictJump, nft.VerdictGoto:
		ref := names[v.Chain]
		if ref == nil {
			return 0, 0, errorf(v.Pos, "chain %s does not exist", v.Chain)
		}
		if v.Kind == nft.VerdictJump {
			return opJump, ref.entry, nil
		}
		return opGoto, ref.entry, nil
	}
	return 0, 0, errorf(v.Pos, "verdict %d is not supported", v.Kind)
}

// reject lowers the verdict alone: what it implies about family and protocol the
// checker has put in front of the rule as a match, unless the rule asks for it
// already. Who asks for several families gets one code for all.
func (lw *lowering) reject(st *nft.Reject) error {
	// By icmpx code: no-route, port-unreachable, host-unreachable, admin-prohibited.
	v4, v6 := [4]uint8{0, 3, 1, 13}, [4]uint8{0, 4, 3, 1}
	arg, flag := uint32(0), uint8(0)
	switch {
	case st.Reset:
		flag = 1
	case st.Proto == 1 || st.Proto == 58:
		arg = uint32(st.Code) | uint32(st.Code)<<8
	case st.Bare:
		arg = uint32(v4[1]) | uint32(v6[1])<<8
	case st.Proto == 255 && int(st.Code) < len(v4):
		arg = uint32(v4[st.Code]) | uint32(v6[st.Code])<<8
	default:
		return errorf(st.Pos, "reject with protocol %d code %d is not supported", st.Proto, st.Code)
	}
	lw.add(opReject, arg, flag)
	return nil
}

func (lw *lowering) mangle(st *nft.Mangle) error {
	s := step{}
	switch left := st.Left.(type) {
	case *nft.Meta:
		if left.Key == nft.MetaMark {
			s.op = opSetMark
		}
	case *nft.CT:
		if left.Key == nft.CTMark {
			s.op = opSetCtMark
		}
	}
	if s.op == opInvalid {
		return errorf(st.Pos, "only meta mark and ct mark can be set")
	}
	s.src, s.lo = srcFacts, uint64(st.Value.Xor)
	if st.Value.Src != nil {
		o, err := newOperand(st.Pos, st.Value.Src)
		if err != nil {
			return err
		}
		if o.src != srcMark && o.src != srcCtMark {
			return errorf(st.Pos, "a mark can be made of meta mark and ct mark only")
		}
		s.src, s.mask = o.src, uint64(st.Value.And)&o.mask[1]
	}
	lw.out.steps = append(lw.out.steps, s)
	return nil
}
