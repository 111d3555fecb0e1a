package traffic

// state is where a session stands. Names with Send say what the client owes,
// the others what it waits for.
type state uint8

const (
	closed state = iota
	synSend
	synWait
	ackSend // of the handshake
	askSend
	answerWait
	finSend
	finWait
	lastSend // acknowledgement of the server's FIN
	rstSend
	thinkWait // between an answer and the next request
	streaming // datagrams and echoes
)

// session is one exchange.
type session struct {
	flow     flow
	head     head // of the request under way, or of the next answer of a stream
	mix      *Mix
	deadline int64
	since    int64  // when the SYN or the request under way was sent
	resume   int64  // when thinking is over
	seq, ack uint32 // TCP: next to send, next expected
	got      uint32 // TCP: bytes of the answer under way
	sent     uint32 // datagrams sent
	turn     uint32 // of the slot's ports
	kind     Kind
	state    state
	unacked  uint8 // TCP: segments since the last acknowledgement; 2: send one
	queued   bool  // in the ready queue
	thinks   bool  // in the thinking queue
}

func (s *session) proto() uint8 {
	switch {
	case s.kind.tcp():
		return protoTCP
	case s.kind != Echo:
		return protoUDP
	case s.flow.v6:
		return protoICMPv6
	default:
		return protoICMP
	}
}

// takeTCP takes in a segment of the server.
func (c *Client) takeTCP(s *session, p *packet) {
	if p.flags&rst != 0 {
		if s.kind == TCPRefused && s.state == synWait && p.ack == s.seq {
			c.complete(s)
		} else {
			c.fail(s, ReasonReset)
		}
		return
	}
	switch s.state {
	case synWait:
		switch {
		case p.flags != syn|ack || len(p.payload) > 0 || s.kind == TCPRefused:
			c.fail(s, ReasonFlags)
		case p.ack != s.seq:
			c.fail(s, ReasonSequence)
		case s.kind == TCPHalfOpen:
			c.complete(s)
		default:
			s.ack = p.seq + 1
			c.times.Connect.Record(uint64(max(c.now-s.since, 0)))
			c.next(s, ackSend)
		}
	case answerWait:
		c.takeAnswer(s, p)
	case finWait:
		switch {
		case p.flags != fin|ack || len(p.payload) > 0:
			c.fail(s, ReasonFlags)
		case p.seq != s.ack || p.ack != s.seq:
			c.fail(s, ReasonSequence)
		default:
			s.ack++
			c.next(s, lastSend)
		}
	default:
		c.fail(s, ReasonFlags) // nothing is due in any other state
	}
}

// takeAnswer takes in a segment of an answer.
func (c *Client) takeAnswer(s *session, p *packet) {
	n := uint32(len(p.payload))
	switch {
	case p.flags&^psh != ack:
		c.fail(s, ReasonFlags)
		return
	case p.seq != s.ack || p.ack != s.seq:
		c.fail(s, ReasonSequence)
		return
	case s.got+n > s.head.want || (n == 0 && s.head.want > 0):
		c.fail(s, ReasonLength)
		return
	case !matches(p.payload, s.head.key(answered), int(s.got)):
		c.fail(s, ReasonPayload)
		return
	}
	if s.got == 0 {
		c.times.First.Record(uint64(max(c.now-s.since, 0)))
	}
	s.got += n
	s.ack += n
	if s.got < s.head.want {
		c.progress(s)
		if s.unacked < 2 {
			s.unacked++
		}
		if s.unacked == 2 {
			c.wake(s, c.slot(s))
		}
		return
	}
	s.head.request++
	s.got, s.unacked = 0, 0
	c.times.Answer.Record(uint64(max(c.now-s.since, 0)))
	c.report.Answers++
	c.report.Carried += uint64(s.mix.Ask) + uint64(s.head.want)
	switch {
	case s.head.request < uint32(s.mix.Requests) && c.cfg.Think > 0:
		s.state = thinkWait
		s.resume = c.now + int64(c.cfg.Think)
		s.deadline = s.resume + int64(c.cfg.Timeout)
		if !s.thinks {
			s.thinks = true
			c.thinking.push(c.slot(s))
		}
	case s.head.request < uint32(s.mix.Requests):
		c.next(s, askSend)
	case s.kind == TCPReset:
		c.next(s, rstSend)
	default:
		c.next(s, finSend)
	}
}

// next brings a session into a state in which it has something to send.
func (c *Client) next(s *session, to state) {
	s.state = to
	c.progress(s)
	c.wake(s, c.slot(s))
}

// takeDatagram takes in an answer of a stream, query or echo. Answers come in
// the order of their requests; where some are missing they count as lost.
func (c *Client) takeDatagram(s *session, p *packet) {
	size, side := headBytes+s.mix.Answer, uint64(answered)
	if s.kind == Echo {
		if p.typ != echoReply {
			c.frames.Stray++
			return
		}
		size, side = s.mix.Ask, asked
	}
	if len(p.payload) != size {
		c.fail(s, ReasonLength)
		return
	}
	h := getHead(p.payload)
	want := s.head
	want.request = h.request
	switch {
	case h != want:
		c.fail(s, ReasonPayload)
		return
	case h.request < s.head.request || h.request >= s.sent || (s.kind == Echo && p.seq != uint32(uint16(h.request))):
		c.fail(s, ReasonSequence)
		return
	case !matches(p.payload[headBytes:], h.key(side), 0):
		c.fail(s, ReasonPayload)
		return
	}
	c.report.Lost += uint64(h.request - s.head.request)
	s.head.request = h.request + 1
	if s.head.request == uint32(s.mix.Requests) {
		c.complete(s)
		return
	}
	c.next(s, streaming)
}

// emit sends what a session owes; false: the port takes no more for now.
func (c *Client) emit(s *session) bool {
	for {
		switch s.state {
		case synSend:
			if !c.segment(s, syn, 0) {
				return false
			}
			if c.cfg.Rate > 0 {
				c.times.Late.Record(uint64(max(c.now-s.since, 0)))
			}
			s.seq++
			s.since = c.now
			s.state = synWait
		case ackSend:
			if !c.segment(s, ack, 0) {
				return false
			}
			s.state = askSend
		case askSend:
			if !c.segment(s, psh|ack, s.mix.Ask) {
				return false
			}
			s.seq += uint32(s.mix.Ask)
			s.since = c.now
			s.state = answerWait
		case answerWait:
			if s.unacked == 2 {
				if !c.segment(s, ack, 0) {
					return false
				}
				s.unacked = 0
			}
			return true
		case finSend:
			if !c.segment(s, fin|ack, 0) {
				return false
			}
			s.seq++
			s.state = finWait
		case lastSend:
			if !c.segment(s, ack, 0) {
				return false
			}
			c.complete(s)
		case rstSend:
			if !c.segment(s, rst|ack, 0) {
				return false
			}
			c.complete(s)
		case streaming:
			for s.sent < uint32(s.mix.Requests) && s.sent-s.head.request < uint32(s.mix.Window) {
				if !c.datagram(s) {
					return false
				}
				s.sent++
			}
			return true
		default: // waits, or has ended since it was queued
			return true
		}
	}
}

// segment sends a TCP segment, with a request of ask bytes if that is not 0.
func (c *Client) segment(s *session, flags uint8, n int) bool {
	b := c.room()
	if b == nil {
		return false
	}
	if n > 0 {
		c.request(s.head, b[s.flow.payload(tcpBytes):][:n])
	}
	c.send(s.flow.putTCP(b, c.mac, segment{s.seq, s.ack, flags}, n))
	return true
}

// datagram sends the next datagram or echo request.
func (c *Client) datagram(s *session) bool {
	b := c.room()
	if b == nil {
		return false
	}
	h, n := s.head, s.mix.Ask
	h.request = s.sent
	c.request(h, b[s.flow.payload(udpBytes):][:n]) // an echo header is as long as UDP's
	if s.kind == Echo {
		c.send(s.flow.putEcho(b, c.mac, false, uint16(s.sent), n))
	} else {
		c.send(s.flow.putUDP(b, c.mac, n))
	}
	return true
}

func (c *Client) request(h head, b []byte) {
	h.put(b)
	fill(b[headBytes:], h.key(asked), 0)
}
