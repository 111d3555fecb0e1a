package dataplane

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// Chains below IP see frames: at the ingress of a port before anything else has
// looked at them, and those of bridge tables where a frame crosses the wire.

// bridgeSteps are the chains of bridge tables, around the steps at which a Linux
// bridge would show its packets to IP's chains (enum nf_br_hook_priorities).
type bridgeSteps struct {
	before, after [2][]rules.BaseChain // at prerouting and at forward
	leaving       []rules.BaseChain    // at postrouting: all before IP's
}

// The steps of bridgeSteps.
const (
	bridgeIn = iota
	bridgeAcross
)

// below is what of tables is about frames; nil when there are no such chains.
type below struct {
	ingress [][]rules.BaseChain // by port
	bridge  *bridgeSteps        // nil: none
}

// newEgress picks the chains at the egress of so many ports; nil: there are none.
func newEgress(im *rules.Image, ports int) [][]rules.BaseChain {
	list, used := make([][]rules.BaseChain, ports), false
	for i := range list {
		list[i] = im.Egress(uint16(i))
		used = used || len(list[i]) > 0
	}
	if !used {
		return nil
	}
	return list
}

// newBelow picks the chains for so many ports.
func newBelow(im *rules.Image, ports int, wire bool) *below {
	b := &below{ingress: make([][]rules.BaseChain, ports)}
	used := false
	for i := range b.ingress {
		b.ingress[i] = im.Ingress(uint16(i))
		used = used || len(b.ingress[i]) > 0
	}
	if wire {
		br := &bridgeSteps{leaving: im.Base(rules.FamilyBridge, nft.HookPostrouting)}
		for at, of := range []struct {
			hook nft.Hook
			last int32 // priority of what comes before IP's
		}{{nft.HookPrerouting, 0}, {nft.HookForward, -1}} {
			for _, c := range im.Base(rules.FamilyBridge, of.hook) {
				if c.Priority <= of.last {
					br.before[at] = append(br.before[at], c)
				} else {
					br.after[at] = append(br.after[at], c)
				}
			}
			used = used || len(br.before[at])+len(br.after[at]) > 0
		}
		used = used || len(br.leaving) > 0
		b.bridge = br
	}
	if !used {
		return nil
	}
	return b
}

// receive takes packet i of a burst through the chains that see it as it came.
// False: it is gone.
func (w *worker) receive(t *tables, p *packet.Packet, i int) bool {
	w.past = false
	switch kind := w.kinds[i]; {
	case kind&pastIngress != 0:
		w.past = true
		w.marks[i].give(p)
		w.kinds[i] &^= pastIngress
		return true
	case kind != parcelNone || len(p.Data) < packet.EtherLen || w.drops[i] == packet.DropOversize:
		return true
	}
	w.past, w.routed, w.unseen = true, false, true
	defer func() { w.unseen = false }()
	d := &w.drops[i]
	if *d != packet.DropNone {
		p.Sketch()
	}
	w.address(p)
	if chains := t.below.ingress[p.InPort]; len(chains) > 0 && !w.frames(t, chains, p, d, received) {
		return false
	}
	if br := t.below.bridge; br != nil && len(br.before[bridgeIn]) > 0 && !w.frames(t, br.before[bridgeIn], p, d, received) {
		return false
	}
	p.Flags &^= packet.FlagOtherHost
	return true
}

// address notes whether a frame that came was sent to another station.
func (w *worker) address(p *packet.Packet) {
	if port := &w.ports[p.InPort]; p.Data[0]&1 == 0 && [6]byte(p.Data) != port.mac && !port.anyMAC {
		p.Flags |= packet.FlagOtherHost
	}
}

// Where a frame is on its way when chains below IP see it.
const (
	received = iota // it has been nowhere yet: what they change is read anew
	entering        // it has no way yet
	crossing
	leaving   // Linux has forgotten where it came from (br_forward_finish)
	departing // by a port: its length counts the link header, as in Linux, but for a tag, which lies beside it there
)

// frames takes a frame, of which Parse said d, through chains below IP.
func (w *worker) frames(t *tables, chains []rules.BaseChain, p *packet.Packet, d *packet.Drop, at uint8) bool {
	was := p.Below()
	defer func() { p.Restore(was) }()
	length := func() {
		p.Bytes = uint32(len(p.Data) - int(p.L3))
		if at == departing {
			p.Bytes = uint32(len(p.Data) - 4*min(1, int(p.VLANs)))
		}
	}
	length()
	for i := range chains {
		c := &chains[i]
		if c.IPOnly && p.EtherType != packet.EtherIPv4 && p.EtherType != packet.EtherIPv6 {
			continue
		}
		if c.IPOnly && !sized(p, *d) {
			p.Restore(was)
			if *d == packet.DropNone {
				*d = packet.DropIPv6Extension
			}
			w.drop(p, *d)
			return false
		}
		in, out := p.InPort, p.OutPort
		switch at {
		case entering:
			p.OutPort = packet.NoPort
		case leaving, departing:
			p.InPort = packet.NoPort
		}
		v := w.eval(t, c, p)
		p.InPort, p.OutPort = in, out
		switch v.Code {
		case rules.Accept:
			if v.Rule != c.PolicyID || p.Rule == 0 {
				p.Rule = v.Rule
			}
		case rules.Reject:
			p.Rule = v.Rule
			spec := w.env.Reject
			switch {
			case !c.IPOnly:
				if !spec.Reset {
					p.Restore(was) // Linux cuts padding off for this answer only (nf_reject_skb_v4_unreach)
				}
				w.rejectFrame(t, p, *d, spec)
			case answered(p, *d, spec.Reset):
				w.answerReject(t, p, spec)
			}
			p.Restore(was)
			w.drop(p, packet.DropReject)
			return false
		case rules.Stolen:
			p.Rule = v.Rule
			w.drop(p, packet.DropStolen)
			return false
		case rules.Relay:
			p.Rule = v.Rule
			p.Restore(was)
			to := w.env.Send
			w.relay(t, p, &to)
			return false
		default:
			w.deny(p, v.Rule)
			return false
		}
		if c.Writes && at == received {
			w.reread(p, d)
			was = p.Below()
			length()
		}
	}
	return true
}

// answered says whether Linux answers what inet's ingress rejects: with ICMP
// only what came to its own address.
func answered(p *packet.Packet, d packet.Drop, reset bool) bool {
	return sound(p, d) && (reset || p.Flags&packet.FlagOtherHost == 0)
}

// sound says whether a packet of which Parse said d may be answered. With a wrong
// IPv4 checksum it may if no other is verified: Linux sums the header up as well.
func sound(p *packet.Packet, d packet.Drop) bool {
	return d == packet.DropNone || d == packet.DropIPChecksum && !p.RejectSums()
}

// sized says whether a frame of IP's type is a packet that is all there, headers of
// IPv6 included, or nft_do_chain_inet_ingress drops it.
func sized(p *packet.Packet, d packet.Drop) bool {
	switch d {
	case packet.DropShort, packet.DropIPVersion, packet.DropIPHeader, packet.DropIPTruncated:
		return false
	}
	return p.Flags&packet.FlagNoProto == 0
}

// reread parses a frame that rules may have changed, and keeps what they said of
// it.
func (w *worker) reread(p *packet.Packet, d *packet.Drop) {
	was, rule, other := w.marksOf(p), p.Rule, p.Flags&packet.FlagOtherHost
	untracked := p.Info == flowtable.InfoUntracked
	if *d = packet.Parse(p, w.table); *d != packet.DropNone {
		p.Sketch()
	}
	was.give(p)
	p.Rule = rule
	p.Flags |= other
	if untracked {
		p.Exempted, p.Kind, p.Info = p.Kind, flowtable.KindUntracked, flowtable.InfoUntracked
	}
}

// rejectFrame answers a frame from where it came, in the name of whom it was for.
func (w *worker) rejectFrame(t *tables, p *packet.Packet, d packet.Drop, spec rules.RejectSpec) {
	if !sound(p, d) || p.Data[0]&1 != 0 || !p.ShouldRejectFrame() {
		return
	}
	a, ok := w.answer()
	if !ok {
		return
	}
	n := 0
	if spec.Reset {
		n = packet.BuildTCPReset(a.Data, p)
	} else {
		n = packet.BuildUnreachable(a.Data, p, spec.Type, spec.Code)
	}
	if n == 0 {
		w.umem.Free(a.Addr)
		return
	}
	a.Data = a.Data[:n]
	returnMACs(a.Data, p.Data)
	a.InPort, a.Serial, a.Mark, a.Priority, a.Rule, a.Flags = packet.NoPort, p.Serial, 0, 0, 0, packet.FlagLocal
	w.emit(t, p.InPort, a)
}

// bridged takes a packet through the chains of bridge tables at a step of its way
// across the wire. What they ask may differ between packets of a flow: the packet
// leaves no plan behind.
func (w *worker) bridged(t *tables, chains []rules.BaseChain, p *packet.Packet, at uint8) bool {
	if len(chains) == 0 || p.Flags&packet.FlagLocal != 0 || p.InPort == packet.NoPort {
		return true
	}
	w.plans.learning = false
	d := packet.DropNone
	w.address(p)
	ok := w.frames(t, chains, p, &d, at)
	p.Flags &^= packet.FlagOtherHost
	return ok
}

// crossBridge takes an IP packet over a wire that bridge tables watch.
func (w *worker) crossBridge(t *tables, p *packet.Packet) {
	br := t.below.bridge
	if w.bridged(t, br.after[bridgeIn], p, entering) && w.bridged(t, br.before[bridgeAcross], p, crossing) &&
		w.hook(t, nft.HookForward, p) && w.bridged(t, br.after[bridgeAcross], p, crossing) && w.bridged(t, br.leaving, p, leaving) {
		w.leave(t, p, nil)
	}
}

// otherCrosses takes a frame that is not IP through what bridge tables watch.
func (w *worker) otherCrosses(t *tables, p *packet.Packet) bool {
	if t.below == nil || t.below.bridge == nil {
		return true
	}
	br := t.below.bridge
	return w.bridged(t, br.after[bridgeIn], p, entering) && w.bridged(t, br.before[bridgeAcross], p, crossing) &&
		w.bridged(t, br.after[bridgeAcross], p, crossing) && w.bridged(t, br.leaving, p, leaving)
}
