package flowtable

import "slices"

// Outcome is what a protocol tracker made of a packet.
type Outcome uint8

const (
	OutcomeInvalid Outcome = iota // no entry for this packet; Probe.Reason says why
	OutcomeAccept                 // belongs to the flow
	OutcomeRepeat                 // the tracker killed the flow: look up again
)

// Tracker is the table of operations of one protocol, as nf_conntrack_l4proto.
// It is read-only once New has it.
type Tracker struct {
	Name   string // as the conntrack tool prints it
	Family uint8  // FamilyIPv4, FamilyIPv6, or FamilyNone for both
	Proto  uint8
	// AllowClash lets two first packets of one flow that raced to Confirm share
	// the winner's entry.
	AllowClash bool
	// MayDrop says whether an assured flow may go when the table is nearly full
	// (can_early_drop); nil: none may.
	MayDrop func(e *Entry) bool
	// Packet takes one packet of the flow of entry n, an unconfirmed one
	// included. It sets timeout and accounting with Shard.Refresh, or leaves
	// both alone. It runs on the owner's burst path and must not allocate.
	Packet func(s *Shard, p *Probe, n uint32, now uint32) Outcome
	// StateName is what listings show for Entry.State; nil: nothing.
	StateName func(state TCPState) string
	// Timeouts are the settings of a tracker from outside, which reads them by
	// Shard.Timeout. Those of the built-in ones are Config.Timeouts.
	Timeouts []TimeoutSetting
}

var builtin = [...]Tracker{
	{Name: "tcp", Proto: ProtoTCP, Packet: trackTCP, MayDrop: func(e *Entry) bool { return tcpClosing(e.State) }, StateName: TCPState.String},
	{Name: "udp", Proto: ProtoUDP, AllowClash: true, Packet: trackUDP},
	{Name: "udplite", Proto: ProtoUDPLite, AllowClash: true, Packet: trackUDPLite},
	{Name: "sctp", Proto: ProtoSCTP, Packet: trackSCTP, MayDrop: func(e *Entry) bool { return sctpClosing(e.State) }, StateName: sctpStateName},
	{Name: "gre", Proto: ProtoGRE, Packet: trackGRE},
	{Name: "icmp", Family: FamilyIPv4, Proto: ProtoICMP, Packet: trackICMP},
	{Name: "icmpv6", Family: FamilyIPv6, Proto: ProtoICMPv6, Packet: trackICMP},
}

var generic = Tracker{Name: "unknown", AllowClash: true, Packet: trackGeneric}

// register fills the table of trackers: generic, then the built-in ones, then
// those of the config, the later ones replacing the earlier.
func (t *Table) register() error {
	for f := range t.trackers {
		for p := range t.trackers[f] {
			t.trackers[f][p] = &generic
		}
	}
	t.direct = !slices.ContainsFunc(t.cfg.Trackers, func(tr Tracker) bool {
		return tr.Proto == ProtoTCP || tr.Proto == ProtoUDP
	})
	for _, list := range [][]Tracker{builtin[:], t.cfg.Trackers} {
		for i := range list {
			tr := &list[i]
			if tr.Family != FamilyIPv6 {
				t.trackers[0][tr.Proto] = tr
			}
			if tr.Family != FamilyIPv4 {
				t.trackers[1][tr.Proto] = tr
			}
		}
	}
	return nil
}

// Tracker returns the operations for a protocol over a family: "unknown"'s
// when nobody registered any. Any goroutine.
func (t *Table) Tracker(family, proto uint8) *Tracker {
	return t.tracker(&Tuple{Family: family, Proto: proto})
}

func (t *Table) tracker(tu *Tuple) *Tracker {
	f := 0
	if tu.Family == FamilyIPv6 {
		f = 1
	}
	return t.trackers[f][tu.Proto]
}

// Refresh lets the flow of entry n live for ttl milliseconds from now and
// counts the packet, if flows are counted. For trackers; owner only.
func (s *Shard) Refresh(p *Probe, n uint32, ttl, now uint32) {
	e := &s.entries[n]
	if e.Status&StatusFixedTimeout == 0 {
		if e.Status&StatusConfirmed != 0 {
			ttl += now
		}
		e.Expires = ttl
	}
	if s.acct {
		s.account(e, p)
	}
}

func (s *Shard) account(e *Entry, p *Probe) {
	d := p.Dir & 1
	e.Packets[d]++
	e.Bytes[d] += uint64(p.Bytes)
}

// trackUDP: a flow that still talks in both directions after two seconds is a
// stream (facts: nf_conntrack_proto_udp.c).
func trackUDP(s *Shard, p *Probe, n uint32, now uint32) Outcome {
	e := &s.entries[n]
	ms := s.times(n)
	ttl := ms.udp
	switch st := e.Status; {
	case st&(StatusAssured|StatusSeenReply) == StatusAssured|StatusSeenReply:
		ttl = ms.udpStream // and the second cache line stays untouched
	case st&StatusConfirmed == 0:
		e.Proto[0] = now + 2000
	case st&StatusNATClash != 0: // never assured, so that it can go at any time
	case st&StatusSeenReply != 0 && int32(now-e.Proto[0]) > 0:
		ttl = ms.udpStream
		e.setStatus(StatusAssured)
	}
	s.Refresh(p, n, ttl, now)
	return OutcomeAccept
}

func trackUDPLite(s *Shard, p *Probe, n uint32, now uint32) Outcome {
	return trackStream(s, p, n, s.times(n).udp, s.times(n).udpStream, now)
}

// trackStream: assured with the first packet after an answer was seen.
func trackStream(s *Shard, p *Probe, n uint32, ttl, streamTTL, now uint32) Outcome {
	if e := &s.entries[n]; e.Status&StatusSeenReply != 0 {
		ttl = streamTTL
		e.setStatus(StatusAssured)
	}
	s.Refresh(p, n, ttl, now)
	return OutcomeAccept
}

// trackICMP: only queries begin a flow; the entry stays after the answer.
func trackICMP(s *Shard, p *Probe, n uint32, now uint32) Outcome {
	ttl := s.times(n).icmp
	if p.Tuple.Proto == ProtoICMPv6 {
		ttl = s.times(n).icmpv6
	}
	if s.entries[n].Status&StatusConfirmed == 0 && !query(&p.Tuple) {
		p.Reason = ReasonNotQuery
		return OutcomeInvalid
	}
	s.Refresh(p, n, ttl, now)
	return OutcomeAccept
}

func query(tu *Tuple) bool {
	typ := tu.DstPort >> 8
	if tu.Proto == ProtoICMPv6 {
		return typ == 128 || typ == 139
	}
	return typ == 8 || typ == 13 || typ == 15 || typ == 17
}

func trackGeneric(s *Shard, p *Probe, n uint32, now uint32) Outcome {
	s.Refresh(p, n, s.times(n).generic, now)
	return OutcomeAccept
}
