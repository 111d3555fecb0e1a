package dataplane

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// icmpKind is an ICMP error by meaning; type and code follow from the family.
type icmpKind uint8

const (
	icmpNetUnreachable icmpKind = iota
	icmpHostUnreachable
	icmpAdminProhibited
	icmpTimeExceeded
	icmpTooBig
	icmpBeyondScope // IPv6 only
)

// icmpWire holds type and code by kind: ICMP (RFC 792, RFC 1812 section 5.2.7)
// and ICMPv6 (RFC 4443).
var icmpWire = [...][2][2]uint8{
	icmpNetUnreachable:  {{3, 0}, {1, 0}},
	icmpHostUnreachable: {{3, 1}, {1, 3}},
	icmpAdminProhibited: {{3, 13}, {1, 1}},
	icmpTimeExceeded:    {{11, 0}, {3, 0}},
	icmpTooBig:          {{3, 4}, {2, 0}},
	icmpBeyondScope:     {{3, 13}, {1, 2}},
}

func (w *worker) unreachable(t *tables, p *packet.Packet, kind icmpKind, d packet.Drop) {
	w.complain(t, p, kind, 0)
	w.drop(p, d)
}

func (w *worker) timeExceeded(t *tables, p *packet.Packet) {
	w.complain(t, p, icmpTimeExceeded, 0)
	w.drop(p, packet.DropTTL)
}

// tooBig answers a packet that does not fit and must not be fragmented.
func (w *worker) tooBig(t *tables, p *packet.Packet, mtu int) {
	w.complain(t, p, icmpTooBig, uint32(mtu))
	w.drop(p, packet.DropMTU)
}

// complain sends an ICMP error about p to its sender, unless the rate is used
// up or p is something that is never answered.
func (w *worker) complain(t *tables, p *packet.Packet, kind icmpKind, info uint32) {
	wire := icmpWire[kind][familyIndex(p.Family)]
	w.icmpError(t, p, wire[0], wire[1], info)
}

func (w *worker) icmpError(t *tables, p *packet.Packet, typ, code uint8, info uint32) {
	if p.InPort == packet.NoPort || !p.ShouldAnswer() && !w.asksForError(p, typ, code, info) {
		return
	}
	limited := p.Family == flowtable.FamilyIPv4 || typ != 2 // Linux never limits packet too big
	if limited && !w.box.limiter.allow(addrHash(p), uint64(w.nanos/1000)) {
		w.stats.ICMPLimited++
		return
	}
	src, ok := w.answerSource(t, p)
	if !ok {
		w.stats.ICMPNoSource++
		return
	}
	options, ok := w.echoOptions(p, &src)
	if !ok {
		return
	}
	a, ok := w.answer()
	if !ok {
		return
	}
	n := packet.BuildICMPError(a.Data, p, typ, code, info, &src, options)
	w.sendAnswer(t, p, a, n)
}

// asksForError says whether an error about p is sent whomever p was sent to: an unknown
// option of IPv6 can demand that (icmp6_send, opt_unrec).
func (w *worker) asksForError(p *packet.Packet, typ, code uint8, info uint32) bool {
	const unknown, action, always = 2, 0xc0, 0x80
	return p.Family == flowtable.FamilyIPv6 && typ == icmpv6ParameterProblem && code == unknown &&
		p.Data[uint32(p.L3)+info]&action == always && p.ShouldAnswerTooBig()
}

// answerSource is the address that an ICMP error about p comes from: p's own
// destination if that is the box's, which IPv4 does not yet know at prerouting,
// else one of the port that p came by, with IPv4 of the port that leads to the
// sender (icmp_route_lookup).
func (w *worker) answerSource(t *tables, p *packet.Packet) (addr [16]byte, ok bool) {
	p.DstAddr(&addr)
	if (w.routed || p.Family == flowtable.FamilyIPv6) && t.routes.Lookup(p.Family, &addr, p.Hash).Kind == route.Local {
		return addr, true
	}
	var to [16]byte
	p.SrcAddr(&to)
	hop := t.routes.Lookup(p.Family, &to, p.Hash)
	// IPv6 prefers the device that it noted when it saw p.
	if hop.Kind != route.Forward || p.Family == flowtable.FamilyIPv6 && !w.unseen {
		return w.ports[p.InPort].source(p.Family, nil)
	}
	if hop.HasGateway {
		to = hop.Gateway
	}
	return w.ports[hop.Port].source(p.Family, &to)
}

// reject answers p as a rule asked and drops it.
func (w *worker) reject(t *tables, p *packet.Packet, spec rules.RejectSpec) {
	w.answerReject(t, p, spec)
	w.drop(p, packet.DropReject)
}

// answerReject answers p as a rule asked.
func (w *worker) answerReject(t *tables, p *packet.Packet, spec rules.RejectSpec) {
	if !spec.Reset {
		if p.ShouldReject() {
			w.icmpError(t, p, spec.Type, spec.Code, 0)
		}
	} else if p.InPort != packet.NoPort && p.ShouldReject() && !w.unsummed(p) {
		if a, ok := w.answer(); ok {
			n := packet.BuildTCPReset(a.Data, p)
			if n > 0 && p.Entry != 0 {
				w.shard.Refuse(p.Entry, w.now)
			}
			w.sendAnswer(t, p, a, n)
		}
	}
}

// unsummed says that the box has changed options of p and not yet the header's checksum,
// which Linux counts in when it verifies a segment that is to be reset.
func (w *worker) unsummed(p *packet.Packet) bool {
	return p.Flags&packet.FlagIPOptions != 0 && w.routed && w.options.Changed()
}

// answer takes a frame for what the box itself sends.
func (w *worker) answer() (*packet.Packet, bool) {
	addr, ok := w.umem.Alloc()
	if !ok {
		w.stats.Drops[packet.DropNoFrame]++
		return nil, false
	}
	a := &w.made
	a.Addr, a.Data = addr, w.umem.Frame(addr, uint32(w.umem.Room()))
	return a, true
}

// sendAnswer sends the n bytes built in a back to where p came from, through
// output and postrouting. As in Linux (nf_ct_attach) the answer belongs to
// p's flow as related, so that NAT is undone and rules can know it.
func (w *worker) sendAnswer(t *tables, p *packet.Packet, a *packet.Packet, n int) {
	if n == 0 {
		w.umem.Free(a.Addr)
		return
	}
	a.Data = a.Data[:n]
	a.InPort, a.Serial = p.InPort, p.Serial // parse looks at neither
	if d := packet.Parse(a, w.table); d != packet.DropNone {
		w.umem.Free(a.Addr)
		w.stats.Drops[d]++
		return
	}
	a.InPort = packet.NoPort
	a.Flags |= packet.FlagLocal
	if p.Entry != 0 {
		w.shard.Attach(&a.Probe, p.Entry, p.Dir^1)
		a.Ct = w.shard.Entry(p.Entry)
	}
	var dst [16]byte
	a.DstAddr(&dst)
	hop := t.routes.Lookup(a.Family, &dst, a.Hash)
	if hop.Kind == route.Local {
		w.umem.Free(a.Addr) // who claimed to be the box gets nothing
		return
	}
	a.OutPort = p.InPort // across to a peer, the way back is the way it came
	if hop.Kind == route.Forward && !linkLocal(a, ip6Dst) {
		a.OutPort = hop.Port
	} else {
		hop = nil
	}
	if p.Entry == 0 && t.track[familyIndex(p.Family)] && w.answerElsewhere(t, p, a, hop, &dst) {
		return
	}
	parts := w.parts // p may be a datagram of several frames, a is not
	w.parts = nil
	if w.hook(t, nft.HookOutput, a) {
		if hop = w.rerouted(t, a, &dst, hop); hop == nil {
			returnMACs(a.Data, p.Data)
		}
		w.leave(t, a, hop)
	}
	w.parts = parts
}

// rerouted is the way of what the box itself sends, once output is over: another
// one than hop if that has changed the destination, which was before.
func (w *worker) rerouted(t *tables, p *packet.Packet, before *[16]byte, hop *route.Hop) *route.Hop {
	var now [16]byte
	if p.DstAddr(&now); now != *before {
		if other := t.routes.Lookup(p.Family, &now, p.Hash); other.Kind == route.Forward && int(other.Port) < len(w.ports) {
			p.OutPort = other.Port
			return other
		}
	}
	return hop
}

// answerElsewhere has the worker that owns the flow of the packet quoted in a send
// it: an invalid packet stays with the worker that received it, but its answer
// may belong to a flow of another one.
func (w *worker) answerElsewhere(t *tables, p, a *packet.Packet, hop *route.Hop, dst *[16]byte) bool {
	if len(w.out) == 1 || a.Kind != flowtable.KindError && a.Kind != flowtable.KindFlow || w.table.Owner(a.Hash) == w.id {
		return false
	}
	if hop == nil {
		returnMACs(a.Data, p.Data)
	} else {
		mac := t.routes.NextHop(hop, a.Family, dst)
		if mac == nil {
			return false
		}
		setMACs(a.Data, mac, &w.ports[hop.Port].mac)
	}
	parts := w.parts
	w.parts = nil
	w.handOver(a, w.table.Owner(a.Hash), parcelOwned)
	w.parts = parts
	return true
}

// returnMACs addresses a frame to the sender of another.
func returnMACs(frame, from []byte) {
	copy(frame[0:6], from[6:12])
	copy(frame[6:12], from[0:6])
}

// addrHash spreads the answers' destination over the rate limiter's buckets.
func addrHash(p *packet.Packet) uint64 {
	var a [16]byte
	p.SrcAddr(&a)
	h := uint64(0)
	for _, b := range a {
		h = (h ^ uint64(b)) * 0x100000001b3
	}
	return scramble(h)
}
