package dataplane

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// manip is the half of a tuple that NAT changes at a hook (enum nf_nat_manip_type).
type manip uint8

const (
	manipSrc manip = iota // postrouting, input
	manipDst              // prerouting, output
)

func (m manip) status() uint32 {
	if m == manipSrc {
		return flowtable.StatusSrcNAT
	}
	return flowtable.StatusDstNAT
}

func (m manip) done() uint32 {
	if m == manipSrc {
		return flowtable.StatusSrcNATDone
	}
	return flowtable.StatusDstNATDone
}

// settled says that manip m has nothing to do with p: there is no flow, or the
// flow is past its first packets and not translated on this side.
func settled(p *packet.Packet, m manip) bool {
	return p.Ct == nil || (p.Info == flowtable.InfoEstablished || p.Info == flowtable.InfoEstablishedReply) &&
		!applies(p, m)
}

// nat is the NAT step of a hook (nf_nat_inet_fn): the first packet of a flow
// asks the nat chains, every packet is rewritten as the flow's tuples say.
// Invalid and untracked packets pass as they are.
func (w *worker) nat(t *tables, hs *hookSteps, p *packet.Packet, m manip) bool {
	if p.Flags&packet.FlagRelatedError != 0 {
		return w.natError(p, m)
	}
	// Only packets that are new or related find this half undecided.
	if p.Info != flowtable.InfoEstablished && p.Info != flowtable.InfoEstablishedReply &&
		p.Ct.Status&m.done() == 0 && !w.bind(t, hs, p, m) {
		return false
	}
	if !applies(p, m) {
		return true
	}
	if d := w.rewrite(p, m); d != packet.DropNone {
		w.drop(p, d)
		return false
	}
	return true
}

// applies says whether manip m rewrites packets of this direction: in replies
// the roles of source and destination are exchanged.
func applies(p *packet.Packet, m manip) bool {
	return p.Ct.Status&(m.status()^uint32(p.Dir)*flowtable.StatusNATMask) != 0
}

// target is the tuple that the packet shall have when it leaves the box.
func (w *worker) target(p *packet.Packet) flowtable.Tuple {
	other := p.Ct.Tuple
	if p.Dir == flowtable.Original {
		other = w.shard.ReplyTuple(p.Entry)
	}
	target, _ := flowtable.Invert(&other)
	return target
}

// rewrite gives half m of the packet the values of target. It reads them where
// they lie: copying tuples costs more than all the rest.
func (w *worker) rewrite(p *packet.Packet, m manip) packet.Drop {
	other := &p.Ct.Tuple // as the other direction has it, so source and destination change places
	if p.Dir == flowtable.Original {
		other = &w.shard.NAT(p.Entry).Reply
	}
	if m == manipDst {
		return p.SetDst(&other.Src, other.SrcPort)
	}
	port := other.DstPort
	if p.Proto == flowtable.ProtoICMP || p.Proto == flowtable.ProtoICMPv6 {
		port = other.SrcPort // the identifier; DstPort is type and code
	}
	return p.SetSrc(&other.Dst, port)
}

// natError translates an ICMP error and the packet inside it
// (nf_nat_icmp_reply_translation): the inner one back to what its sender
// sent, the outer one on as an answer to it.
func (w *worker) natError(p *packet.Packet, m manip) bool {
	if !w.verify && p.Flags&packet.FlagLocal == 0 && !p.ChecksumOK() {
		w.drop(p, packet.DropNAT) // NAT looks at it even where conntrack does not
		return false
	}
	if p.Ct.Status&flowtable.StatusNATMask != 0 && p.Redirect() {
		w.drop(p, packet.DropNAT) // it would teach the sender a way for an address that it does not know
		return false
	}
	if !applies(p, m) {
		return true
	}
	// The inner packet is of the other direction; its sender knows it by this tuple.
	inner := p.Ct.Tuple
	if p.Dir == flowtable.Original {
		inner = w.shard.ReplyTuple(p.Entry)
	}
	var d packet.Drop
	if m == manipDst {
		if d = p.RewriteInner(&inner.Src, inner.SrcPort, false); d == packet.DropNone {
			d = p.SetDst(&inner.Src, 0)
		}
	} else {
		port := inner.DstPort
		if inner.Proto == flowtable.ProtoICMP || inner.Proto == flowtable.ProtoICMPv6 {
			port = inner.SrcPort // the identifier; DstPort is type and code
		}
		if d = p.RewriteInner(&inner.Dst, port, true); d == packet.DropNone {
			d = p.SetSrc(&inner.Dst, 0)
		}
	}
	if d != packet.DropNone {
		w.drop(p, d)
		return false
	}
	return true
}

// bind decides what half m of a new flow becomes: the nat chains in order,
// the first that translates wins; none: the address stays, and the port too
// unless another flow has it.
func (w *worker) bind(t *tables, hs *hookSteps, p *packet.Packet, m manip) bool {
	spec := rules.NATSpec{Family: p.Family}
	bound, rule := false, p.Rule
	for i := range hs.nat {
		v := w.eval(t, &hs.nat[i], p)
		if v.Code == rules.NAT {
			spec, bound, rule = w.env.NAT, true, v.Rule
			break
		}
		if v.Code != rules.Accept {
			p.Rule = v.Rule
			w.drop(p, packet.DropPolicy)
			return false
		}
	}
	if !bound || w.fill(t, p, m, &spec) {
		// What began before there was NAT, or was made by a tool, stays as it is.
		if p.Ct.Status&flowtable.StatusConfirmed == 0 {
			w.setup(p, m, &spec)
		}
		return true
	}
	p.Rule = rule
	w.drop(p, packet.DropNAT)
	return false
}

// fill gives masquerade and redirect the address that they mean.
func (w *worker) fill(t *tables, p *packet.Packet, m manip, spec *rules.NATSpec) bool {
	switch spec.Kind {
	case nft.NATMasquerade:
		if p.OutPort == packet.NoPort {
			return false
		}
		var dst [16]byte
		p.DstAddr(&dst)
		hop := t.routes.Lookup(p.Family, &dst, p.Hash)
		if hop.HasGateway {
			dst = hop.Gateway
		}
		addr, ok := w.ports[p.OutPort].source(p.Family, &dst)
		if !ok {
			return false
		}
		spec.HasAddr, spec.AddrMin, spec.AddrMax = true, addr, addr
		w.shard.NAT(p.Entry).OutPort = p.OutPort
	case nft.NATRedirect:
		var addr [16]byte
		ok := true
		switch {
		case p.InPort != packet.NoPort:
			addr, ok = w.ports[p.InPort].source(p.Family, nil)
		case p.Family == flowtable.FamilyIPv6:
			addr[15] = 1
		default:
			addr = [16]byte{127, 0, 0, 1}
		}
		if !ok {
			return false
		}
		spec.HasAddr, spec.AddrMin, spec.AddrMax = true, addr, addr
	}
	return true
}

// source returns the port's address for talking to next: the one whose net
// holds it, else the first; next nil takes the first.
func (i *portInfo) source(family uint8, next *[16]byte) (addr [16]byte, ok bool) {
	if family == flowtable.FamilyIPv6 {
		for k := range i.addrs6 {
			if !ok || next != nil && samePrefix(i.addrs6[k][:], next[:16], i.net6[k]) {
				addr, ok = i.addrs6[k], true
				if next == nil || samePrefix(addr[:], next[:16], i.net6[k]) {
					break
				}
			}
		}
		return addr, ok
	}
	for k := range i.addrs4 {
		if !ok || next != nil && samePrefix(i.addrs4[k][:], next[:4], i.net4[k]) {
			addr, ok = [16]byte{}, true
			copy(addr[:], i.addrs4[k][:])
			if next == nil || samePrefix(addr[:4], next[:4], i.net4[k]) {
				break
			}
		}
	}
	return addr, ok
}

func samePrefix(a, b []byte, bits uint8) bool {
	for i := range a {
		n := int(bits) - 8*i
		if n <= 0 {
			return true
		}
		mask := byte(0xff)
		if n < 8 {
			mask <<= 8 - n
		}
		if (a[i]^b[i])&mask != 0 {
			return false
		}
	}
	return true
}

// claimTries is how often a flow looks for another tuple after a worker next
// door took the one it had chosen at the same moment.
const claimTries = 8

// searchTries is how often it searches again when a search met no free port: one
// looks at 240 of them, in four places, as Linux does, and a client that took a
// thousand neighbouring ports can hold all four. A full pool costs each new flow
// all of these searches.
const searchTries = 2

// setup gives half m of the flow its new values (nf_nat_setup_info) and claims
// the reply tuple that follows from them. If none is free the packet goes on
// with one that is taken.
func (w *worker) setup(p *packet.Packet, m manip, spec *rules.NATSpec) {
	reply := w.shard.ReplyTuple(p.Entry)
	current, ok := flowtable.Invert(&reply)
	if !ok {
		return
	}
	for try := 0; ; try++ {
		chosen, exhausted := w.choose(p, &current, m, spec, try)
		if chosen == current {
			break
		}
		answer, _ := flowtable.Invert(&chosen)
		if w.shard.ClaimReply(p.Entry, &answer) {
			p.Ct.Status |= m.status()
			if m == manipSrc { // with one address to choose and the old port it would become the same again
				w.shard.KeepSource(p.Entry, chosen.SrcPort != current.SrcPort || spec.AddrMin != spec.AddrMax)
			}
			break
		}
		if exhausted && try >= searchTries || try == claimTries || answer == reply { // nothing else can be chosen: confirm finds out, as in Linux
			w.shard.ProposeReply(p.Entry, &answer)
			p.Ct.Status |= m.status()
			break
		}
		reply = answer
	}
	p.Ct.Status |= m.done()
}
