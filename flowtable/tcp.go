package flowtable

// TCP flags as they stand in byte 13 of the header.
const (
	tcpFIN uint8 = 1 << iota
	tcpSYN
	tcpRST
	tcpPSH
	tcpACK
	tcpURG
)

// Events of a segment: the columns of the transition tables.
const (
	eventSYN uint8 = iota
	eventSYNACK
	eventFIN
	eventACK
	eventRST
	eventNone
	events
)

// The transition tables, by direction, event and state now (facts of
// nf_conntrack_proto_tcp.c). Read a row from left to right through the states
//
//	NONE SYN_SENT SYN_RECV ESTABLISHED FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE SYN_SENT2
var tcpNext = func() [2][events][TCPStates]TCPState {
	const (
		no = TCPNone
		ss = TCPSynSent
		sr = TCPSynRecv
		es = TCPEstablished
		fw = TCPFinWait
		cw = TCPCloseWait
		la = TCPLastAck
		tw = TCPTimeWait
		cl = TCPClose
		s2 = TCPSynSent2
		iv = tcpInvalid
		ig = tcpIgnore
	)
	never := [TCPStates]TCPState{iv, iv, iv, iv, iv, iv, iv, iv, iv, iv}
	return [2][events][TCPStates]TCPState{
		Original: {
			eventSYN:    {ss, ss, ig, ig, ig, ig, ig, ss, ss, s2},
			eventSYNACK: {iv, iv, sr, iv, iv, iv, iv, iv, iv, sr},
			eventFIN:    {iv, iv, fw, fw, la, la, la, tw, cl, iv},
			eventACK:    {es, iv, es, es, cw, cw, tw, tw, cl, iv},
			eventRST:    {iv, cl, cl, cl, cl, cl, cl, cl, cl, cl},
			eventNone:   never,
		},
		Reply: {
			eventSYN:    {iv, s2, iv, iv, iv, iv, iv, ss, iv, s2},
			eventSYNACK: {iv, sr, ig, ig, ig, ig, ig, ig, ig, sr},
			eventFIN:    {iv, iv, fw, fw, la, la, la, tw, cl, iv},
			eventACK:    {iv, ig, sr, es, cw, cw, tw, tw, cl, ig},
			eventRST:    {iv, cl, cl, cl, cl, cl, cl, cl, cl, cl},
			eventNone:   never,
		},
	}
}()

// tcpEvent maps the six flag bits to an event; illegal sets have bit 7.
var tcpEvent = func() (table [64]uint8) {
	legal := map[uint8]bool{
		tcpSYN: true, tcpSYN | tcpURG: true, tcpSYN | tcpACK: true, tcpRST: true, tcpRST | tcpACK: true,
		tcpFIN | tcpACK: true, tcpFIN | tcpACK | tcpURG: true, tcpACK: true, tcpACK | tcpURG: true,
	}
	for f := range uint8(64) {
		e := eventNone
		switch {
		case f&tcpRST != 0:
			e = eventRST
		case f&tcpSYN != 0 && f&tcpACK != 0:
			e = eventSYNACK
		case f&tcpSYN != 0:
			e = eventSYN
		case f&tcpFIN != 0:
			e = eventFIN
		case f&tcpACK != 0:
			e = eventACK
		}
		if !legal[f&^tcpPSH] {
			e |= tcpIllegal
		}
		table[f] = e
	}
	return table
}()

const tcpIllegal uint8 = 0x80

// Entry.TCP[0] holds these flags, Entry.TCP[1] the last event + 1, whether it
// was ignored, and its direction.
const (
	tcpCloseOrig    uint8 = 1 << iota // the original side closed first, in order
	tcpCloseReply                     // the reply side did
	tcpChallenge                      // an ignored SYN in LAST_ACK may be answered by a challenge ACK
	tcpSimultaneous                   // SYN_SENT2 was seen
)

const (
	tcpLastReply   uint8 = 0x80
	tcpLastIgnored uint8 = 0x40 // Shard.ignored holds its end
)

// tcpLast reports whether the last segment was this event from this side.
func (e *Entry) tcpLast(event, dir uint8) bool {
	return e.TCP[1]&^tcpLastIgnored == event+1|dir*tcpLastReply
}

func (e *Entry) tcpNote(event, dir uint8) { e.TCP[1] = event + 1 | dir*tcpLastReply }

// trackTCP takes a segment through the state table, as tcp_packet of
// nf_conntrack. Sequence numbers are not checked against windows.
func trackTCP(s *Shard, p *Probe, n uint32, now uint32) Outcome {
	e := &s.entries[n]
	event := tcpEvent[p.Flags&0x3f]
	if event&tcpIllegal != 0 {
		p.Reason = ReasonTCPFlags
		return OutcomeInvalid
	}
	if e.Status&StatusConfirmed == 0 && !s.tcpBegin(event) {
		p.Reason = ReasonTCPNotNew
		return OutcomeInvalid
	}
	dir := p.Dir & 1
	old := e.State
	next := tcpNext[dir][event][old]
	switch next {
	case tcpInvalid:
		p.Reason = ReasonTCPState
		return OutcomeInvalid
	case tcpIgnore:
		if !s.tcpResync(e, p, n, event) {
			s.tcpRemember(e, p, n, event)
			return OutcomeAccept
		}
		old, next = TCPSynSent, TCPSynRecv
	case TCPSynSent:
		if old >= TCPTimeWait && old <= TCPClose {
			if e.TCP[0]&(tcpCloseOrig|tcpCloseReply) != 0 || e.tcpLast(eventRST, dir) {
				s.kill(n)
				return OutcomeRepeat
			}
			s.tcpRemember(e, p, n, event)
			return OutcomeAccept
		}
	case TCPSynSent2:
		e.TCP[0] |= tcpSimultaneous
	case TCPSynRecv:
		if dir == Reply && event == eventACK && e.TCP[0]&tcpSimultaneous != 0 {
			next = TCPEstablished
		}
	case TCPTimeWait:
		if old == TCPLastAck && event == eventACK && e.TCP[0]&tcpChallenge != 0 && e.tcpLast(eventSYN, dir^1) {
			// It answers the SYN we let through, not the FIN.
			e.TCP[0] &^= tcpChallenge
			return OutcomeAccept
		}
	}
	return s.tcpAdvance(e, p, n, event, old, next, now)
}

// tcpBegin sets up the first segment of a flow; false: it cannot be one.
func (s *Shard) tcpBegin(event uint8) bool {
	switch tcpNext[Original][event][TCPNone] {
	case tcpInvalid:
		return false
	case TCPSynSent:
		return true
	default:
		return s.table.cfg.Loose
	}
}

// tcpRemember keeps what a later answer to an ignored segment is compared with.
func (s *Shard) tcpRemember(e *Entry, p *Probe, n uint32, event uint8) {
	e.tcpNote(event, p.Dir)
	e.TCP[1] |= tcpLastIgnored
	s.ignored[n] = p.Seq + tcpLength(p)
	if event == eventSYN && p.Dir == Original {
		e.TCP[0] &^= tcpChallenge
		if e.State == TCPLastAck {
			e.TCP[0] |= tcpChallenge
		}
	}
}

// tcpResync reports whether p is a SYN+ACK that acknowledges the ignored SYN
// of the other side: both ends are in step, and the entry was not.
func (s *Shard) tcpResync(e *Entry, p *Probe, n uint32, event uint8) bool {
	if event != eventSYNACK || !e.tcpLast(eventSYN, p.Dir^1) || e.TCP[1]&tcpLastIgnored == 0 || p.Ack != s.ignored[n] {
		return false
	}
	e.TCP[0] &^= tcpChallenge
	return true
}

// tcpLength is the part of the sequence space that a segment takes.
func tcpLength(p *Probe) uint32 {
	return p.Payload + uint32(p.Flags>>1&1) + uint32(p.Flags&1)
}

// tcpAdvance makes next the state and picks the timeout.
func (s *Shard) tcpAdvance(e *Entry, p *Probe, n uint32, event uint8, old, next TCPState, now uint32) Outcome {
	e.tcpNote(event, p.Dir)
	e.State = next
	if next == TCPFinWait && old != next {
		e.TCP[0] |= tcpCloseOrig << p.Dir
	}
	ttl := s.ms.tcp[next]
	if event == eventRST {
		ttl = s.ms.tcp[TCPClose]
	}
	switch {
	case e.Status&StatusSeenReply == 0:
		switch {
		case event == eventRST:
			if s.acct {
				s.account(e, p)
			}
			s.kill(n) // nobody ever answered, or only with this
			return OutcomeAccept
		case event == eventSYN && old == TCPSynSent:
			return OutcomeAccept // a port used over and over must not keep the entry alive
		case next == TCPEstablished:
			ttl = min(ttl, s.ms.tcpUnacked)
		}
	case next == TCPEstablished && (old == TCPSynRecv || old == TCPEstablished):
		e.setStatus(StatusAssured)
	}
	s.Refresh(p, n, ttl, now)
	return OutcomeAccept
}
