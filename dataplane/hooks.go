package dataplane

import (
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// hook walks one hook in ascending priority. True: the packet goes on; false:
// it is gone (dropped, rejected or handed to another worker).
func (w *worker) hook(t *tables, h nft.Hook, p *packet.Packet) bool {
	hs := &t.hooks[familyIndex(p.Family)][h]
	return w.untilTracked(t, hs, p) && w.onceTracked(t, hs, p)
}

// untilTracked is a hook's walk up to conntrack.
func (w *worker) untilTracked(t *tables, hs *hookSteps, p *packet.Packet) bool {
	return (len(hs.before) == 0 || w.chains(t, hs.before, p)) &&
		(!hs.track || w.track(t, p))
}

// onceTracked is the rest of it.
func (w *worker) onceTracked(t *tables, hs *hookSteps, p *packet.Packet) bool {
	return (!hs.natSrc || settled(p, manipSrc) || w.nat(t, hs, p, manipSrc)) &&
		(len(hs.between) == 0 || w.chains(t, hs.between, p)) &&
		(!hs.natDst || settled(p, manipDst) || w.nat(t, hs, p, manipDst)) &&
		(!hs.confirm || p.Ct == nil || p.Ct.Quiet() || w.finish(t, p)) &&
		(len(hs.after) == 0 || w.chains(t, hs.after, p))
}

// chains evaluates filter base chains in turn.
func (w *worker) chains(t *tables, chains []rules.BaseChain, p *packet.Packet) bool {
	for i := range chains {
		if !w.chain(t, &chains[i], p) {
			return false
		}
	}
	return true
}

// eval evaluates a base chain and sees to what it leaves behind beside the verdict.
func (w *worker) eval(t *tables, c *rules.BaseChain, p *packet.Packet) rules.Verdict {
	w.env.NLogs = 0
	v := t.image.Eval(c, p, &w.env)
	if w.env.NLogs > 0 {
		w.log(t, p)
	}
	return v
}

// chain evaluates a filter base chain and does what it says.
func (w *worker) chain(t *tables, c *rules.BaseChain, p *packet.Packet) bool {
	v := w.eval(t, c, p)
	switch v.Code {
	case rules.Accept:
		if v.Rule != c.PolicyID || p.Rule == 0 {
			p.Rule = v.Rule // of several chains that accept, the last rule outranks a policy
		}
		return true
	case rules.Synproxy:
		p.Rule = v.Rule
		w.synproxy(t, p, &w.env.Synproxy)
	case rules.Reject:
		p.Rule = v.Rule
		w.reject(t, p, w.env.Reject)
	case rules.Stolen:
		p.Rule = v.Rule
		w.drop(p, packet.DropStolen)
	default:
		w.deny(p, v.Rule)
	}
	return false
}

// deny drops a packet that a rule or a policy refused.
func (w *worker) deny(p *packet.Packet, rule uint32) {
	p.Rule = rule
	if rule == rules.PoisonedRule {
		w.drop(p, packet.DropPoisoned)
	} else {
		w.drop(p, packet.DropPolicy)
	}
}

// track finds or makes the packet's flow (nf_conntrack_in).
func (w *worker) track(t *tables, p *packet.Packet) bool {
	if p.Entry != 0 {
		return true // an answer of the box, attached to the flow it is about
	}
	p.Flags &^= packet.FlagZoned
	// Only what came from outside can be broken.
	if w.verify && (p.Kind != flowtable.KindUntracked || p.Discovery()) && p.Flags&packet.FlagLocal == 0 &&
		p.Reason != flowtable.ReasonMalformed && p.Reason != flowtable.ReasonLength &&
		!p.ChecksumOK() {
		p.Kind, p.Reason = flowtable.KindInvalid, flowtable.ReasonChecksum
		if p.Proto == flowtable.ProtoICMP || p.Proto == flowtable.ProtoICMPv6 {
			p.Reason = flowtable.ReasonICMPSum
		}
		p.Flags &^= packet.FlagRelatedError
	}
	switch w.shard.Track(&p.Probe, w.now) {
	case flowtable.ActionAccept:
		if p.Entry == 0 {
			if p.Info == flowtable.InfoInvalid {
				w.noteInvalid(p)
			}
			return true
		}
		p.Ct = w.shard.Entry(p.Entry)
		if p.Info == flowtable.InfoRelated && p.Ct.Status&flowtable.StatusConfirmed == 0 {
			w.adopted(p)
		}
		return true
	case flowtable.ActionForeign:
		t.judged-- // the other worker counts it
		w.handOver(p, int(p.Owner), parcelDirected)
	default:
		if p.Reason == flowtable.ReasonTableFull {
			w.noteFull(p)
		}
		w.drop(p, packet.DropConntrack)
	}
	return false
}

// confirm inserts a new flow: the last thing that happens before it leaves.
func (w *worker) confirm(p *packet.Packet) bool {
	if w.shard.Confirm(&p.Probe, w.now) {
		return true
	}
	p.Entry, p.Ct = 0, nil
	why := packet.DropConfirm
	if p.Reason == flowtable.ReasonNoPort {
		why = packet.DropNAT
	}
	w.drop(p, why)
	return false
}

// abandon forgets the flow of a packet that will not leave, when it was new.
func (w *worker) abandon(p *packet.Packet) {
	if p.Entry != 0 && p.Ct != nil && p.Ct.Status&flowtable.StatusConfirmed == 0 {
		w.shard.Abandon(p.Entry)
		p.Entry, p.Ct = 0, nil
	}
}

// way answers what rules ask of the routes.
func (w *worker) way(family uint8, addr *[16]byte) rules.Way {
	hop := w.next.Load().routes.Lookup(family, addr, 0)
	way := rules.Way{Port: hop.Port, MTU: hop.MTU}
	if hop.GatewayFamily == family {
		way.Gateway = hop.Gateway
	}
	switch hop.Kind {
	case route.Forward:
		way.Kind = rules.WayUnicast
	case route.Local:
		way.Kind = rules.WayLocal
	case route.Broadcast:
		way.Kind = rules.WayBroadcast
	}
	if int(way.Port) < len(w.ports) {
		if mtu := uint32(w.ports[way.Port].mtu); way.MTU == 0 || mtu < way.MTU {
			way.MTU = mtu
		}
	}
	return way
}
