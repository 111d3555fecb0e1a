package flowtable

import "encoding/binary"

// before and after compare sequence numbers, which wrap.
func before(a, b uint32) bool { return int32(a-b) < 0 }
func after(a, b uint32) bool  { return int32(b-a) < 0 }

// tcpLength is the part of the sequence space that a segment takes.
func tcpLength(p *Probe) uint32 {
	return p.Payload + uint32(p.Flags>>1&1) + uint32(p.Flags&1)
}

// tcpMinAckWindow is how far behind an ACK may always be (MAXACKWINCONST).
const tcpMinAckWindow = 66000

// What tcpWindow makes of a segment.
const (
	windowAccept  = iota
	windowIgnore  // old: let through, nothing changes; Probe.Reason says why
	windowInvalid // Probe.Reason says why
)

// tcpWindow compares a segment with the windows of both sides and moves them
// (facts of tcp_in_window). state is the one before the segment.
func (s *Shard) tcpWindow(e *Entry, last *tcpLast, p *Probe, n uint32, event uint8, state TCPState) int {
	dir := p.Dir & 1
	sides := e.sides()
	send, recv := &sides[dir], &sides[dir^1]
	seq, ack := p.Seq, p.Ack
	end := seq + tcpLength(p)
	win := uint32(p.Window)
	sack := ack
	if len(p.Rest) != 0 && e.TCP[dir^1]&tcpSACK != 0 {
		sack = tcpRightEdge(p.Rest, ack)
	}
	if e.Status&StatusSeqAdjust != 0 {
		// The wire shows what the receiver's data were changed to; the record
		// is in the numbers the receiver itself uses.
		off := uint32(s.cold.seqadj[n][dir^1].Sent(ack - 1))
		ack -= off
		sack -= off
	}
	switch {
	case send.maxWin == 0:
		if p.Flags&tcpSYN != 0 {
			tcpInitSide(e, last, p, end)
			if p.Flags&tcpACK == 0 {
				return windowAccept // simultaneous open
			}
			break
		}
		// In the middle of a connection: what the segment says must do.
		send.end = end
		send.maxWin = max(win<<last.scaleOf(dir), 1)
		send.maxEnd = end + send.maxWin
		if recv.maxWin == 0 {
			recv.end, recv.maxEnd = sack, sack
		} else if sack == recv.end+1 {
			recv.end++ // likely the answer to a keepalive
		}
	case p.Flags&tcpSYN != 0 && after(end, send.end) && (state == TCPSynSent || state == TCPSynRecv):
		tcpInitSide(e, last, p, end) // it starts over
		if dir == Reply && p.Flags&tcpACK == 0 {
			return windowAccept
		}
	}
	if p.Flags&tcpACK == 0 || p.Flags&tcpRST != 0 && ack == 0 {
		ack, sack = recv.end, recv.end // some stacks set ACK in a reset without meaning it
	}
	if p.Flags&tcpRST != 0 && seq == 0 && state == TCPSynSent {
		seq, end = send.end, send.end // it answers the SYN
	}

	lowAck := recv.end - max(send.maxWin, tcpMinAckWindow) - 1
	lowEnd := send.end - recv.maxWin - 1
	switch {
	case after(seq, send.maxEnd):
		over := end - send.maxEnd + 1
		if recv.maxWin != 0 && after(end, lowEnd) && after(sack, lowAck) && over <= recv.maxWin && !after(sack, recv.end) {
			// It sent more than it was allowed to. If rules let that pass, the
			// ACK for it must not be the next to look wrong.
			send.end = end
			e.TCP[dir] |= tcpUnacked
			return s.outOfWindow(e, p, windowIgnore, ReasonTCPOvershoot)
		}
		return s.outOfWindow(e, p, windowInvalid, ReasonTCPSeqOver)
	case after(sack, recv.end):
		return s.outOfWindow(e, p, windowInvalid, ReasonTCPAckOver)
	case recv.maxWin != 0 && !after(end, lowEnd):
		return s.outOfWindow(e, p, windowIgnore, ReasonTCPSeqUnder)
	case !after(sack, lowAck):
		return s.outOfWindow(e, p, windowIgnore, ReasonTCPAckUnder)
	}

	if p.Flags&tcpSYN == 0 {
		win <<= last.scaleOf(dir)
	}
	send.maxWin = max(send.maxWin, win+(sack-ack))
	if after(end, send.end) {
		send.end = end
		e.TCP[dir] |= tcpUnacked
	}
	if p.Flags&tcpACK != 0 && (e.TCP[dir]&tcpMaxAck == 0 || after(ack, send.maxAck)) {
		send.maxAck = ack
		e.TCP[dir] |= tcpMaxAck
	}
	if recv.maxWin != 0 && after(end, send.maxEnd) {
		recv.maxWin += end - send.maxEnd
	}
	if edge := sack + win; after(edge, recv.maxEnd-1) {
		recv.maxEnd = edge
		if win == 0 {
			recv.maxEnd++
		}
	}
	if ack == recv.end {
		e.TCP[dir^1] &^= tcpUnacked
	}
	if event == eventACK {
		last.repeat(dir, seq, ack, end, p.Window)
	}
	return windowAccept
}

// repeat counts pure ACKs that are the same as the one before.
func (l *tcpLast) repeat(dir uint8, seq, ack, end uint32, window uint16) {
	size := uint16(end - seq)
	if l.end == end && l.ack == ack && l.size == size && l.window == window && l.event/tcpFromReply == dir {
		l.retrans++
		return
	}
	l.end, l.ack, l.size, l.window, l.retrans = end, ack, size, window, 0
}

// outOfWindow says what comes of a segment that failed a test of the window.
// Liberal, a flow takes it, but the windows do not move by it.
func (s *Shard) outOfWindow(e *Entry, p *Probe, found int, r Reason) int {
	if s.liberal || e.TCP[p.Dir&1]&tcpLiberal != 0 {
		return windowAccept
	}
	p.Reason = r
	return found
}

// tcpInitSide begins the record of the side that sent the SYN p.
func tcpInitSide(e *Entry, last *tcpLast, p *Probe, end uint32) {
	dir := p.Dir & 1
	side := &e.sides()[dir]
	side.end, side.maxEnd = end, end
	side.maxWin = max(uint32(p.Window), 1)
	tcpOptions(p.Rest, e, last, dir)
	if dir == Reply && e.TCP[0]&e.TCP[1]&tcpScaled == 0 {
		last.scale = 0 // both sides must offer it, or neither scales
	}
}

// tcpShrink: when both sides want to end a flow and neither of their segments
// is in its window, the entry is what is out of step. It shall not stay for days.
func (s *Shard) tcpShrink(e *Entry, last *tcpLast, p *Probe, n uint32, event uint8, now uint32) {
	if e.Status&(StatusAssured|StatusFixedTimeout) != StatusAssured || event != eventRST && event != eventFIN {
		return
	}
	before, from := last.last()
	if from == p.Dir&1 || before != eventRST && before != eventFIN {
		last.note(event, p.Dir&1)
		return
	}
	if left, short := e.Expires-now, s.times(n).tcpUnacked; left >= 120_000 && left > short {
		e.Expires = now + short
	}
}

// TCP options (RFC 9293, 7323, 2018).
const (
	optEnd        = 0
	optNop        = 1
	optScale      = 3
	optSACKPermit = 4
	optSACK       = 5

	maxScale = 14

	// Two no-operations, then a timestamp: what nearly every segment has.
	timestampOnly = 0x0101080a
)

// tcpOptions reads what a SYN offers into the record of side dir. A SYN
// without options leaves what an earlier one offered.
func tcpOptions(o []byte, e *Entry, last *tcpLast, dir uint8) {
	if len(o) == 0 {
		return
	}
	e.TCP[dir] &= tcpLiberal
	last.setScale(dir, 0)
	for len(o) > 0 {
		kind := o[0]
		if kind == optEnd {
			return
		}
		if kind == optNop {
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			return
		}
		switch {
		case kind == optSACKPermit && o[1] == 2:
			e.TCP[dir] |= tcpSACK
		case kind == optScale && o[1] == 3:
			e.TCP[dir] |= tcpScaled
			last.setScale(dir, min(o[2], maxScale))
		}
		o = o[o[1]:]
	}
}

// tcpRightEdge returns the highest right edge of SACK blocks in the options,
// and ack if none is above it.
func tcpRightEdge(o []byte, ack uint32) uint32 {
	if len(o) == 12 && binary.BigEndian.Uint32(o) == timestampOnly {
		return ack
	}
	for len(o) > 0 {
		kind := o[0]
		if kind == optEnd {
			return ack
		}
		if kind == optNop {
			o = o[1:]
			continue
		}
		if len(o) < 2 || o[1] < 2 || int(o[1]) > len(o) {
			return ack
		}
		if size := int(o[1]); kind == optSACK && size >= 10 && size%8 == 2 {
			for b := o[2:size]; len(b) >= 8; b = b[8:] {
				if edge := binary.BigEndian.Uint32(b[4:8]); after(edge, ack) {
					ack = edge
				}
			}
			return ack
		}
		o = o[o[1]:]
	}
	return ack
}
