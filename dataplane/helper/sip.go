package helper

import "github.com/sluice-net/sluice/flowtable"

// Classes of what SIP announces.
const (
	sipSignalling = iota
	sipAudio
	sipVideo
	sipImage
)

// SIPTimeoutSec is how long the signalling may be silent, and how long a
// registration is remembered until it is answered.
const SIPTimeoutSec = 3600

// sipHelper reads SIP (RFC 3261) with session descriptions (RFC 4566): the
// media of calls, the address at which a registered phone is called back, and
// every address of the box's two sides that a message names.
func sipHelper(proto uint8) Helper {
	return Helper{
		Helper: flowtable.Helper{Name: "sip", Proto: proto, Classes: []flowtable.ExpectClass{
			{Name: "signalling", Max: 1, TimeoutSec: 180}, {Name: "audio", Max: 4, TimeoutSec: 180},
			{Name: "video", Max: 4, TimeoutSec: 180}, {Name: "image", Max: 2, TimeoutSec: 180},
		}},
		Help: sipHelp,
	}
}

// sipMessages is how many messages of one segment are read.
const sipMessages = 8

// Private words of a sip flow: the sequence numbers of the last call and of
// the last registration.
const (
	sipInviteWord   = 0
	sipRegisterWord = 1
)

func sipHelp(s *Session) Verdict {
	const shortest = len("SIP/2.0 200")
	stream := s.Me().Proto == flowtable.ProtoTCP
	if stream && !s.Replied {
		return Accept
	}
	s.Shard.Extend(s.Entry, SIPTimeoutSec, s.Now)
	var m sipMessage
	for at, n := 0, 0; n < sipMessages && len(s.Payload)-at >= shortest; n++ {
		if !sipScan(s.Payload, at, stream, &m) {
			return Accept
		}
		if v := s.sipMessage(&m); v != Accept {
			return v
		}
		at = m.end
	}
	return Accept
}

// sipMessage acts on one message, then translates it.
func (s *Session) sipMessage(m *sipMessage) Verdict {
	if m.method != sipUnknown && !m.hasCSeq || m.response && m.code == 0 {
		return Drop
	}
	v := Accept
	if !m.response {
		v = s.sipRequest(m)
	} else {
		v = s.sipResponse(m)
	}
	if v != Accept || !s.NAT {
		return v
	}
	if !s.sipHeaders(m) {
		return Drop
	}
	return Accept
}

func (s *Session) sipRequest(m *sipMessage) Verdict {
	switch m.method {
	case sipInvite:
		s.sipForget(true)
		v := s.sdp(m)
		if v == Accept {
			s.Private[sipInviteWord] = m.cseq
		}
		return v
	case sipUpdate, sipAck, sipPrack:
		return s.sdp(m)
	case sipBye:
		s.sipForget(true)
	case sipRegister:
		return s.sipRegister(m)
	}
	return Accept
}

func (s *Session) sipResponse(m *sipMessage) Verdict {
	switch m.method {
	case sipInvite, sipUpdate, sipPrack:
		if m.code >= 100 && m.code < 300 {
			return s.sdp(m)
		}
		if s.Private[sipInviteWord] == m.cseq {
			s.sipForget(true)
		}
	case sipRegister:
		s.sipRegistered(m)
	}
	return Accept
}

// sipForget takes back what is expected of media, or of registrations.
func (s *Session) sipForget(media bool) {
	x := &s.Wants[3]
	for h := s.Shard.FirstExpect(s.Entry); h != 0; {
		next := s.Shard.NextExpect(h)
		if s.Shard.Expectation(h, x) && (x.Class != sipSignalling) == media {
			s.Shard.Unexpect(h)
		}
		h = next
	}
}

// sipContact finds the next address in the Contact headers from line l on.
func (s *Session) sipContact(l *sipLines, e *sipEnd) bool {
	for l.next() {
		if l.kind == sipContact && sipURI(s.Payload, l.val.off, l.val.end, s.Me().Family, e) {
			return true
		}
	}
	return false
}

// sipTransport is the protocol that a contact names, else the flow's own.
func (s *Session) sipTransport(off, end int) uint8 {
	var v span
	if sipParam(s.Payload, off, end, "transport", &v) {
		switch t := s.Payload[v.off:v.end]; {
		case foldEqual(t, "tcp"):
			return flowtable.ProtoTCP
		case foldEqual(t, "udp"):
			return flowtable.ProtoUDP
		}
	}
	return s.Me().Proto
}

// sipExpiry is for how many seconds a contact is to hold.
func (s *Session) sipExpiry(m *sipMessage, off, end int) uint32 {
	var v span
	if sipParam(s.Payload, off, end, "expires", &v) {
		if n, digits := number(s.Payload[v.off:v.end]); digits > 0 {
			return n
		}
	}
	return m.expires
}

// sipRegister expects calls to a phone that registers. The expectation sleeps
// until the registrar agrees.
func (s *Session) sipRegister(m *sipMessage) Verdict {
	s.Private[sipRegisterWord] = m.cseq
	l, e := sipLines{b: s.Payload[:m.end], at: m.head}, sipEnd{}
	me, other := s.Me(), s.Other()
	if s.Child || !s.sipContact(&l, &e) || e.addr != me.Src || s.sipExpiry(m, e.end, l.val.end) == 0 {
		return Accept // not about itself, or the end of a registration
	}
	x := s.Want(0, s.sipTransport(e.end, l.val.end), &other.Src, &e.addr, e.port)
	x.Class, x.Assign, x.Timeout = sipSignalling, s.Number, SIPTimeoutSec
	x.Flags = flowtable.ExpectPermanent | flowtable.ExpectInactive
	if !s.NAT {
		return s.expectOnly()
	}
	x.Follow, x.Dir, x.SavedAddr, x.SavedPort = FollowMedia, s.Dir, e.addr, e.port
	x.Tuple.Dst = other.Dst
	if e.port == me.SrcPort {
		x.Tuple.DstPort = other.DstPort
	}
	port := s.ExpectPort(0)
	if port == 0 {
		return Drop
	}
	if other.Dst == e.addr && port == e.port {
		return Accept
	}
	s.contact = e.off // the headers must not be translated once more there
	if !s.Replace(e.off, e.end-e.off, s.appendHost(&other.Dst, port)) {
		return Drop
	}
	return Accept
}

// sipRegistered wakes or forgets what a registration expects, by the answer.
func (s *Session) sipRegistered(m *sipMessage) {
	if m.cseq != s.Private[sipRegisterWord] || m.code < 200 {
		return
	}
	l, e := sipLines{b: s.Payload[:m.end], at: m.head}, sipEnd{}
	for m.code < 300 && s.sipContact(&l, &e) {
		if sec := s.sipExpiry(m, e.end, l.val.end); sec != 0 && s.sipWake(&e, s.sipTransport(e.end, l.val.end), sec) {
			return
		}
	}
	s.sipForget(false)
}

// sipWake arms the expectation of a contact.
func (s *Session) sipWake(e *sipEnd, proto uint8, sec uint32) bool {
	x := &s.Wants[3]
	for h := s.Shard.FirstExpect(s.Entry); h != 0; h = s.Shard.NextExpect(h) {
		if s.Shard.Expectation(h, x) && x.Class == sipSignalling && x.Tuple.Dst == e.addr &&
			x.Tuple.DstPort == e.port && x.Tuple.Proto == proto {
			return s.Shard.RefreshExpect(h, min(sec, maxRegisterSec), true, s.Now)
		}
	}
	return false
}

// maxRegisterSec bounds how long a registrar may hold a way in open.
const maxRegisterSec = 1 << 20

// appendHost writes address:port as SIP does.
func (s *Session) appendHost(addr *[16]byte, port uint16) []byte {
	b := s.Text()
	if s.Me().Family == flowtable.FamilyIPv6 {
		b = append(appendAddr(append(b, '['), addr, flowtable.FamilyIPv6), ']')
	} else {
		b = appendAddr(b, addr, flowtable.FamilyIPv4)
	}
	return appendUint(append(b, ':'), uint32(port))
}

// sipHeaders translates the start line and the headers of a message.
func (s *Session) sipHeaders(m *sipMessage) bool {
	var e sipEnd
	b, family := s.Payload, s.Me().Family
	if !m.response && sipURI(b, m.start.off, m.start.end, family, &e) && !s.sipMap(&e) {
		return false
	}
	via, from, to := false, false, false
	l := sipLines{b: b[:m.end], at: m.head}
	for l.next() {
		switch l.kind {
		case sipVia:
			if !via && !s.sipTopVia(m, l.val.off, l.val.end) {
				return false
			}
			via = true
		case sipContact:
			for off := l.val.off; sipURI(b, off, l.val.end, family, &e); off = e.end {
				if e.off != s.contact && !s.sipMap(&e) {
					return false
				}
			}
		case sipFrom:
			if !from && sipURI(b, l.val.off, l.val.end, family, &e) && !s.sipMap(&e) {
				return false
			}
			from = true
		case sipTo:
			if !to && sipURI(b, l.val.off, l.val.end, family, &e) && !s.sipMap(&e) {
				return false
			}
			to = true
		}
	}
	return true
}

// sipMap translates an address and port that is one end of the flow to what
// the other side of the box calls it. Others stay.
func (s *Session) sipMap(e *sipEnd) bool {
	me, other := s.Me(), s.Other()
	addr, port := &e.addr, e.port
	switch {
	case e.addr == me.Src && e.port == me.SrcPort:
		addr, port = &other.Dst, other.DstPort
	case e.addr == me.Dst && e.port == me.DstPort:
		addr, port = &other.Src, other.SrcPort
	}
	if *addr == e.addr && port == e.port {
		return true
	}
	return s.Replace(e.off, e.end-e.off, s.appendHost(addr, port))
}

// sipTopVia translates the topmost Via, where it is about this flow, and the
// parameters that say where the answer goes.
func (s *Session) sipTopVia(m *sipMessage, off, end int) bool {
	me, other := s.Me(), s.Other()
	mark := "/UDP "
	if me.Proto == flowtable.ProtoTCP {
		mark = "/TCP "
	}
	b, at := s.Payload, off
	for at < end && !foldPrefix(b[at:end], mark) {
		at++
	}
	var e sipEnd
	if at == end || !sipHost(b, at+len(mark), end, me.Family, &e) {
		return true
	}
	if !m.response && (e.addr != me.Src || e.port != me.SrcPort) || m.response && (e.addr != me.Dst || e.port != me.DstPort) {
		return true
	}
	if !s.sipMap(&e) {
		return false
	}
	var v span
	var a [16]byte
	if sipParam(b, e.end, end, "maddr", &v) && addrOf(b[v.off:v.end], me.Family, &a) == v.end-v.off && a == me.Src && a != other.Dst &&
		!s.Replace(v.off, v.end-v.off, appendAddr(s.Text(), &other.Dst, me.Family)) {
		return false
	}
	if sipParam(b, e.end, end, "received", &v) && addrOf(b[v.off:v.end], me.Family, &a) == v.end-v.off && a == me.Dst && a != other.Src &&
		!s.Replace(v.off, v.end-v.off, appendAddr(s.Text(), &other.Src, me.Family)) {
		return false
	}
	if sipParam(b, e.end, end, "rport", &v) {
		if n, digits := number(b[v.off:v.end]); digits == v.end-v.off && digits > 0 && n == uint32(me.DstPort) && n != uint32(other.SrcPort) &&
			!s.Replace(v.off, digits, appendUint(s.Text(), uint32(other.SrcPort))) {
			return false
		}
	}
	return true
}
