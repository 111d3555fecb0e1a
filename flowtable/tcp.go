package flowtable

// tcpSide is what is known of one side of a TCP flow, all in sequence numbers
// of the wire but maxWin (facts of struct ip_ct_tcp_state). It stands in
// Entry.Proto.
type tcpSide struct {
	end    uint32 // behind the last byte it sent
	maxEnd uint32 // behind the last byte it may send: the peer's greatest ACK + window
	maxWin uint32 // the greatest window it offered, scaled; 0: nothing seen of it
	maxAck uint32 // the greatest acknowledgement it sent, valid with tcpMaxAck
}

// Entry.TCP holds these flags for each side (IP_CT_TCP_FLAG_*).
const (
	tcpScaled    uint8 = 1 << iota // sent a window scale option
	tcpSACK                        // permits selective acknowledgements
	tcpCloseInit                   // began an orderly close
	tcpLiberal                     // its segments are not held to the window
	tcpUnacked                     // has data on the way that the peer did not acknowledge
	tcpMaxAck                      // maxAck holds
)

// tcpLast is what a flow remembers of its last segment, beside the entries.
// The kernel keeps seq where this has size; end - size is the same.
type tcpLast struct {
	end     uint32 // of the last pure ACK taken, or of the last segment ignored
	ack     uint32
	size    uint16 // part of the sequence space it took
	window  uint16 // as on the wire
	retrans uint8  // pure ACKs like that one since
	scale   uint8  // window scales: of the original side in the low half
	memo    uint8  // of an ignored SYN: its scale in the low half, and the flags below
	event   uint8  // the last event, with tcpFromReply
}

const (
	tcpMemoScaled       uint8 = 0x10 // the SYN had a window scale option
	tcpMemoSACK         uint8 = 0x20 // and permitted SACK
	tcpMemoChallenge    uint8 = 0x40 // it came in LAST_ACK, so a challenge ACK may answer it
	tcpMemoSimultaneous uint8 = 0x80 // SYN_SENT2 was seen

	tcpFromReply uint8 = 8 // in tcpLast.event: from the reply side
)

// was reports whether the last segment was this event from this side.
func (l *tcpLast) was(event, dir uint8) bool { return l.event == event|dir*tcpFromReply }

func (l *tcpLast) note(event, dir uint8) { l.event = event | dir*tcpFromReply }

// last returns the last event and the side it came from.
func (l *tcpLast) last() (event, dir uint8) { return l.event &^ tcpFromReply, l.event / tcpFromReply }

func (l *tcpLast) scaleOf(dir uint8) uint8 { return l.scale >> (4 * dir & 7) & 15 }

func (l *tcpLast) setScale(dir, scale uint8) {
	l.scale = l.scale&^(15<<(4*dir&7)) | scale<<(4*dir&7)
}

// trackTCP takes a segment through the state table and the windows, as
// tcp_packet of nf_conntrack.
func trackTCP(s *Shard, p *Probe, n uint32, now uint32) Outcome {
	e, last := &s.entries[n], &s.tcp[n]
	event := tcpEvent[p.Flags&0x3f]
	if event&tcpIllegal != 0 {
		p.Reason = ReasonTCPFlags
		return OutcomeInvalid
	}
	if e.Status&StatusConfirmed == 0 && !s.tcpBegin(e, last, p, event) {
		p.Reason = ReasonTCPNotNew
		return OutcomeInvalid
	}
	dir := p.Dir & 1
	old := e.State
	next := tcpNext[dir][event][old]
	switch next {
	case tcpInvalid:
		if e.Status&StatusSynproxy != 0 && old == TCPSynSent && event == eventACK && dir == Original && p.Seq == e.sides()[dir].end-1 {
			if _, from := last.last(); from == Original {
				return OutcomeAccept // a client that has heard the proxy and waits for the server asks whether it is there
			}
		}
		p.Reason = ReasonTCPState
		return OutcomeInvalid
	case tcpIgnore:
		if !tcpResync(e, last, p, event) {
			return s.tcpIgnored(e, last, p, event)
		}
		old, next = TCPSynSent, TCPSynRecv
	case TCPSynSent:
		if old >= TCPTimeWait {
			if (e.TCP[0]|e.TCP[1])&tcpCloseInit != 0 || last.was(eventRST, dir) {
				s.kill(n)
				return OutcomeRepeat
			}
			return s.tcpIgnored(e, last, p, event)
		}
	case TCPSynSent2:
		last.memo |= tcpMemoSimultaneous
	case TCPSynRecv:
		if dir == Reply && event == eventACK && last.memo&tcpMemoSimultaneous != 0 {
			next = TCPEstablished
		}
	case TCPTimeWait:
		if old == TCPLastAck && event == eventACK && last.memo&tcpMemoChallenge != 0 && last.was(eventSYN, dir^1) {
			// It answers the SYN we let through, not the FIN.
			last.memo &^= tcpMemoChallenge
			return s.letBy(p, ReasonTCPChallenge)
		}
	case TCPClose:
		if event != eventRST {
			break
		}
		switch s.tcpReset(e, last, p) {
		case resetInvalid:
			p.Reason = ReasonTCPReset
			return OutcomeInvalid
		case resetStay:
			next = old
		case resetSure:
			return s.tcpAdvance(e, last, p, n, event, old, next, now)
		}
	}
	switch s.tcpWindow(e, last, p, n, event, old) {
	case windowIgnore:
		s.stats.Reasons[p.Reason]++
		return OutcomeAccept
	case windowInvalid:
		s.tcpShrink(e, last, p, n, event, now)
		return OutcomeInvalid
	}
	return s.tcpAdvance(e, last, p, n, event, old, next, now)
}

// letBy notes why a packet of a flow changed nothing in it. It is counted
// under its reason, but it is not INVALID.
func (s *Shard) letBy(p *Probe, r Reason) Outcome {
	p.Reason = r
	s.stats.Reasons[r]++
	return OutcomeAccept
}

// tcpBegin sets up the first segment of a flow; false: it cannot be one.
func (s *Shard) tcpBegin(e *Entry, last *tcpLast, p *Probe, event uint8) bool {
	next := tcpNext[Original][event][TCPNone]
	if next == tcpInvalid || next != TCPSynSent && !s.loose {
		return false
	}
	*last = tcpLast{event: eventNone}
	side := &e.sides()[Original]
	side.end = p.Seq + tcpLength(p)
	side.maxEnd = side.end
	side.maxWin = max(uint32(p.Window), 1)
	if next == TCPSynSent {
		tcpOptions(p.Rest, e, last, Original)
		return true
	}
	// In the middle: what the windows are scaled by is not known.
	side.maxEnd += side.maxWin
	e.TCP[Original] = tcpSACK | tcpLiberal
	e.TCP[Reply] = tcpSACK | tcpLiberal
	return true
}

// tcpIgnored lets a segment by that may be of a connection which the two ends
// know and the entry does not, and remembers what its answer will tell.
func (s *Shard) tcpIgnored(e *Entry, last *tcpLast, p *Probe, event uint8) Outcome {
	dir := p.Dir & 1
	last.note(event, dir)
	last.size = uint16(tcpLength(p))
	last.end = p.Seq + tcpLength(p)
	last.window = p.Window
	if event == eventSYN && dir == Original {
		var seen Entry
		var wanted tcpLast
		tcpOptions(p.Rest, &seen, &wanted, Original)
		last.memo = wanted.scaleOf(Original)
		if seen.TCP[Original]&tcpScaled != 0 {
			last.memo |= tcpMemoScaled
		}
		if seen.TCP[Original]&tcpSACK != 0 {
			last.memo |= tcpMemoSACK
		}
		if e.State == TCPLastAck {
			last.memo |= tcpMemoChallenge
		}
	}
	if event == eventACK && dir == Reply && e.State == TCPSynSent {
		last.ack = p.Ack // a challenge ACK, which the client will answer with a reset
	}
	return s.letBy(p, ReasonTCPIgnored)
}

// tcpResync reports whether p is a SYN+ACK that acknowledges the ignored SYN
// of the other side: both ends are in step, and the entry was not. It then is.
func tcpResync(e *Entry, last *tcpLast, p *Probe, event uint8) bool {
	dir := p.Dir & 1
	other := dir ^ 1
	if event != eventSYNACK || !last.was(eventSYN, other) || p.Ack != last.end {
		return false
	}
	last.memo &^= tcpMemoChallenge
	sides := e.sides()
	sides[other].end, sides[other].maxEnd = last.end, last.end
	sides[other].maxWin = max(uint32(last.window), 1)
	last.setScale(other, last.memo&15)
	e.TCP[other] = 0
	if last.memo&tcpMemoScaled != 0 {
		e.TCP[other] |= tcpScaled
	}
	if last.memo&tcpMemoSACK != 0 {
		e.TCP[other] |= tcpSACK
	}
	sides[dir] = tcpSide{}
	last.setScale(dir, 0)
	e.TCP[dir] &= tcpLiberal
	return true
}

// What tcpReset finds.
const (
	resetJudge   = iota // the window decides
	resetStay           // the window decides, but the state stays: the peer may send a challenge ACK
	resetSure           // the flow closes, whatever the window says
	resetInvalid        // made up by somebody who does not know the sequence numbers
)

// tcpReset judges a reset that would close the flow (RFC 5961, section 3.2).
func (s *Shard) tcpReset(e *Entry, last *tcpLast, p *Probe) int {
	if tcpClosing(e.State) {
		return resetSure // the ports may be in use again, by a connection we know nothing of
	}
	dir := p.Dir & 1
	event, from := last.last()
	found := resetJudge
	if e.TCP[dir^1]&tcpMaxAck != 0 && event != eventSYN {
		expected := e.sides()[dir^1].maxAck
		established := e.State == TCPEstablished && e.Status&StatusAssured != 0
		switch {
		case p.Seq == 0 && !established:
			return resetJudge // answers a SYN that we let by
		case before(p.Seq, expected) && !s.ignoreInvalidReset:
			return resetInvalid
		case !established || p.Seq == expected:
			return resetJudge
		case event == eventACK && from == dir && p.Seq == last.end:
			return resetJudge // right behind what it sent last
		}
		found = resetStay
	}
	ignoredSYN := e.Status&StatusSeenReply != 0 && event == eventSYN && from != dir
	ignoredACK := e.Status&StatusAssured == 0 && event == eventACK
	if (ignoredSYN || ignoredACK) && p.Ack == last.end {
		return resetSure
	}
	if e.State == TCPSynSent && event == eventACK && from == Reply && p.Seq == last.ack {
		return resetSure
	}
	return found
}

// tcpClosing reports whether a flow in this state may be given up for a new
// one when the table is nearly full.
func tcpClosing(state TCPState) bool { return state >= TCPFinWait && state <= TCPClose }

// tcpAdvance makes next the state and picks the timeout.
func (s *Shard) tcpAdvance(e *Entry, last *tcpLast, p *Probe, n uint32, event uint8, old, next TCPState, now uint32) Outcome {
	dir := p.Dir & 1
	last.note(event, dir)
	e.State = next
	if next == TCPFinWait && old != next {
		e.TCP[dir] |= tcpCloseInit
	}
	ms := s.times(n)
	ttl := ms.tcp[next]
	switch {
	case last.retrans >= s.maxRetrans && ttl > ms.tcpRetrans:
		ttl = ms.tcpRetrans
	case event == eventRST:
		ttl = ms.tcp[TCPClose]
	case (e.TCP[0]|e.TCP[1])&tcpUnacked != 0 && ttl > ms.tcpUnacked:
		ttl = ms.tcpUnacked
	case last.window == 0 && ttl > ms.tcpRetrans:
		ttl = ms.tcpRetrans
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
			ttl = min(ttl, ms.tcpUnacked)
		}
	case next == TCPEstablished && (old == TCPSynRecv || old == TCPEstablished):
		e.setStatus(StatusAssured)
	}
	s.Refresh(p, n, ttl, now)
	return OutcomeAccept
}

// Refuse closes the TCP flow of entry n, of which a rule has just refused a
// segment with a reset (nf_conntrack_tcp_set_closing). Others stay.
func (s *Shard) Refuse(n uint32, now uint32) {
	e := &s.entries[n]
	if e.Tuple.Proto != ProtoTCP || e.Status&StatusConfirmed == 0 {
		return
	}
	was := e.State
	e.State = TCPClose
	if was == TCPClose || e.Status&StatusFixedTimeout != 0 {
		return
	}
	e.Expires = now + s.times(n).tcp[TCPClose]
	if s.members != 0 {
		s.tell(n)
	}
	s.event(n, EventProtoInfo, now)
}

// TCPWindow returns the greatest window that a side of the TCP flow of entry n
// has offered, in bytes.
func (s *Shard) TCPWindow(n uint32, dir uint8) uint32 { return s.entries[n].sides()[dir&1].maxWin }
