package helper

import "github.com/sluice-net/sluice/flowtable"

// sdpMost is how many media of one description are read.
const sdpMost = 3

// sdpMedia is one media description of RFC 4566.
type sdpMedia struct {
	class uint8
	port  uint16
	digit span   // of the port
	addr  sipEnd // of its own c= line, else of the session's
	own   bool
}

// sdpBody is a session description.
type sdpBody struct {
	owner, session       sipEnd // o= and c= of the session
	hasOwner, hasSession bool
	media                [sdpMost]sdpMedia
	n                    int
	start                int  // where "v=" stands
	bad                  bool // a port that may not be, or media without an address
}

var sdpKinds = [...]struct {
	name  string
	class uint8
}{{"audio ", sipAudio}, {"video ", sipVideo}, {"image ", sipImage}}

// sdpScan reads the session description in b[off:end], which begins with "v=";
// false: there is none.
func sdpScan(b []byte, off, end int, family uint8, d *sdpBody) bool {
	*d = sdpBody{}
	const session, unread = -1, -2
	started, part := false, session // or the index of a media description
	for next := off; off < end; off = next {
		to := off
		for to < end && b[to] != '\n' {
			to++
		}
		next = to + 1
		if to-off < 2 || b[off+1] != '=' {
			continue
		}
		at := off + 2
		switch key := b[off]; {
		case key == 'v' && !started:
			started, d.start = true, off
		case !started:
		case key == 'm':
			part = unread
			if d.n < sdpMost && d.medium(b, at, to) {
				part = d.n
				d.n++
			}
		case key == 'o' && part == session && !d.hasOwner:
			d.hasOwner = sdpAddress(b, at, to, family, &d.owner)
		case key == 'c' && part == session && !d.hasSession:
			d.hasSession = sdpAddress(b, at, to, family, &d.session)
		case key == 'c' && part >= 0 && !d.media[part].own:
			d.media[part].own = sdpAddress(b, at, to, family, &d.media[part].addr)
		}
	}
	for i := range d.media[:d.n] {
		if m := &d.media[i]; !m.own {
			m.addr = d.session
			d.bad = d.bad || !d.hasSession
		}
	}
	return started
}

// medium reads "audio 49170 RTP/AVP 0" into the next place for media. False:
// another kind, or port 0, which says that there is no such stream.
func (d *sdpBody) medium(b []byte, at, end int) bool {
	for _, k := range sdpKinds {
		if !foldPrefix(b[at:end], k.name) {
			continue
		}
		at += len(k.name)
		port, n := number(b[at:end])
		if port == 0 {
			return false
		}
		d.bad = d.bad || port < 1024 || port > 65535
		d.media[d.n] = sdpMedia{class: k.class, port: uint16(port), digit: span{at, at + n}}
		return true
	}
	return false
}

// sdpAddress finds "IN IP4 address" in b[at:end], of an o= or c= line.
func sdpAddress(b []byte, at, end int, family uint8, e *sipEnd) bool {
	mark := "IN IP4 "
	if family == flowtable.FamilyIPv6 {
		mark = "IN IP6 "
	}
	for ; at < end; at++ {
		if b[at] == 'I' && foldPrefix(b[at:end], mark) {
			at += len(mark)
			n := addrOf(b[at:end], family, &e.addr)
			e.span = span{at, at + n}
			return n > 0
		}
	}
	return false
}

// sdp expects the media that a message announces for its sender, and
// translates the description. Somebody else's media stay as they are. The
// session gets the address that the last medium has.
func (s *Session) sdp(m *sipMessage) Verdict {
	me, other := s.Me(), s.Other()
	d := &s.body
	if !sdpScan(s.Payload, m.body, m.end, me.Family, d) || d.n == 0 {
		return Accept
	}
	if d.bad {
		return Drop
	}
	addr := &me.Src
	for i := range d.media[:d.n] {
		a := &d.media[i]
		if addr = &a.addr.addr; a.addr.addr != me.Src {
			continue
		}
		addr = &other.Dst
		if v := s.sdpExpect(a); v != Accept {
			return v
		}
		if s.NAT && a.own && !s.sdpReplace(&a.addr, addr) {
			return Drop
		}
	}
	if s.NAT && (!d.hasOwner || !s.sdpReplace(&d.owner, addr) || d.hasSession && !s.sdpReplace(&d.session, addr) || !s.sdpLength(m)) {
		return Drop
	}
	return Accept
}

// sdpLength writes how long the description really is, which the message must say.
func (s *Session) sdpLength(m *sipMessage) bool {
	start := s.body.start
	size := uint32(m.end - start + s.Grown(start, m.end))
	return m.hasLength && (size == m.bodySize || s.Replace(m.length.off, m.length.end-m.length.off, appendUint(s.Text(), size)))
}

// sdpReplace writes another address into an o= or c= line.
func (s *Session) sdpReplace(e *sipEnd, addr *[16]byte) bool {
	return e.addr == *addr || s.Replace(e.off, e.end-e.off, appendAddr(s.Text(), addr, s.Me().Family))
}

// sdpExpect expects RTP at an even port and RTCP at the one above it.
func (s *Session) sdpExpect(a *sdpMedia) Verdict {
	base := a.port &^ 1
	port := base
	for range portTries {
		switch s.sdpPair(a, base, port) {
		case flowtable.ExpectOK:
			if port == base || s.Replace(a.digit.off, a.digit.end-a.digit.off, appendUint(s.Text(), uint32(port))) {
				return Accept
			}
			return Drop
		case flowtable.ExpectBusy:
			if !s.NAT {
				return Drop
			}
		default:
			return Drop
		}
		if port += 2; port == 0 {
			break
		}
	}
	return Drop
}

// sdpPair asks for both ports of a medium, or none. An equal expectation of
// another call to the same sender will do (ExpectAlready).
func (s *Session) sdpPair(a *sdpMedia, base, port uint16) flowtable.ExpectResult {
	other := s.Other()
	for i := range uint16(2) {
		x := s.Want(int(i), flowtable.ProtoUDP, &other.Src, &other.Dst, port+i)
		x.Class, x.Flags = a.class, flowtable.ExpectSkipMaster
		if s.NAT {
			x.Follow, x.Dir, x.SavedAddr, x.SavedPort = FollowMedia, s.Dir, a.addr.addr, base+i
		}
		if r := s.Expect(int(i)); r != flowtable.ExpectOK && r != flowtable.ExpectAlready {
			if i == 1 {
				s.unexpect(0)
			}
			return r
		}
	}
	return flowtable.ExpectOK
}

// unexpect takes back expectation i, if it is one of this flow.
func (s *Session) unexpect(i int) {
	x := &s.Wants[3]
	for h := s.Shard.FirstExpect(s.Entry); h != 0; h = s.Shard.NextExpect(h) {
		if s.Shard.Expectation(h, x) && x.Tuple == s.Wants[i].Tuple {
			s.Shard.Unexpect(h)
			return
		}
	}
}
