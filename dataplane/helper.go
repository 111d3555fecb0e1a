package dataplane

import (
	"github.com/sluice-net/sluice/dataplane/helper"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
)

// help is what a worker needs for flows with a helper.
type help struct {
	list    []helper.Helper // by number-1
	session *helper.Session // one packet at a time
	payload []byte          // room for what a payload becomes
}

func newHelp(list []helper.Helper, shard *flowtable.Shard) help {
	return help{list: list, session: &helper.Session{Shard: shard}, payload: make([]byte, 1<<16)}
}

// finish is what happens before a packet leaves the box for good, to those of
// which conntrack wants more than their passing: its helper reads it, its
// sequence numbers are adjusted, its flow is confirmed.
func (w *worker) finish(t *tables, p *packet.Packet) bool {
	if p.Ct.Seen() && p.Flags&(packet.FlagRelatedError|packet.FlagL4) == packet.FlagL4 && p.Proto == p.Ct.Tuple.Proto {
		if number := w.shard.HelperOf(p.Entry); number != 0 && p.Whole() && int(number) <= len(w.help.list) && !w.consult(p, number) {
			w.drop(p, packet.DropHelper)
			return false
		}
		if p.Ct.Status&flowtable.StatusSynproxy != 0 && !w.proxied(t, p) {
			return false
		}
		if p.Ct.Status&flowtable.StatusSeqAdjust != 0 {
			seqs := w.shard.SeqAdjust(p.Entry)
			p.AdjustTCP(&seqs[p.Dir&1], &seqs[p.Dir&1^1])
		}
	}
	if p.Flags&packet.FlagRelatedError != 0 && p.Info == flowtable.InfoRelated {
		w.mistaken(p)
	}
	return p.Ct.Status&flowtable.StatusConfirmed != 0 || w.confirm(p)
}

// mistaken gives the flow of an ICMP error that travels as its first packets did the
// timeout of a SIP message: Linux shows such errors to helpers too (nf_confirm), and
// this one takes whatever there is behind 8 bytes for a message over UDP.
func (w *worker) mistaken(p *packet.Packet) {
	number := w.shard.HelperOf(p.Entry)
	if p.Ct.Tuple.Proto == flowtable.ProtoUDP && number != 0 && int(number) <= len(w.help.list) && w.help.list[number-1].Name == "sip" {
		w.shard.Extend(p.Entry, helper.SIPTimeoutSec, w.now)
	}
}

// consult has the flow's helper read the packet. False: it must not leave.
func (w *worker) consult(p *packet.Packet, number uint8) bool {
	payload := p.Data[p.L4Payload:p.End]
	if len(payload) == 0 {
		return true
	}
	s := w.help.session
	s.Reset()
	s.Payload, s.Dir, s.Number, s.Entry, s.Now = payload, p.Dir&1, number, p.Entry, w.now
	if p.Proto == flowtable.ProtoTCP {
		s.Seq = p.Seq
	}
	s.Tuples = [2]flowtable.Tuple{p.Ct.Tuple, w.shard.ReplyTuple(p.Entry)}
	s.NAT = p.Ct.Status&flowtable.StatusNATMask != 0
	s.Replied = p.Info == flowtable.InfoEstablished || p.Info == flowtable.InfoEstablishedReply
	s.Child = p.Ct.Status&flowtable.StatusExpected != 0
	s.Private = &w.shard.Help(p.Entry).Private
	if w.parts != nil && linear(w.help.list[number-1].Name, p.Proto, s) {
		w.joined.linear = true
	}
	if w.help.list[number-1].Help(s) != helper.Accept {
		return false
	}
	if !s.Edited() {
		return true
	}
	w.joined.linear = true // nf_nat_mangle_tcp_packet and its twin for UDP write in one piece
	n, ok := s.Apply(w.help.payload)
	grown := n - len(payload)
	if !ok || !p.SetPayload(w.help.payload[:n]) {
		return false
	}
	if p.Proto == flowtable.ProtoTCP {
		w.shard.AdjustSeq(p.Entry, p.Dir, s.Seq, int32(grown))
	}
	return true
}

// linear says whether Linux puts a packet in one piece before the helper reads it.
func linear(name string, proto uint8, s *helper.Session) bool {
	if name == "tftp" || name == "irc" || name == "pptp" { // they copy what they look at
		return false
	}
	return proto != flowtable.ProtoTCP || s.Replied
}

// adopted gives a flow that was expected by a translated master the addresses
// that the master's parties know, before any rule sees it.
func (w *worker) adopted(p *packet.Packet) {
	var src, dst helper.Half
	if helper.Translate(&w.shard.Child(p.Entry).Expectation, &p.Ct.Tuple, &src, &dst) {
		w.half(p, manipSrc, &src)
		w.half(p, manipDst, &dst)
	}
}

func (w *worker) half(p *packet.Packet, m manip, h *helper.Half) {
	if !h.Set {
		return
	}
	spec := rules.NATSpec{Family: p.Ct.Tuple.Family, HasAddr: true, AddrMin: h.Addr, AddrMax: h.Addr}
	if h.HasPort {
		spec.PortMin, spec.PortMax = h.Port, h.Port
	}
	w.setup(p, m, &spec)
}
