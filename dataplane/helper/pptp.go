package helper

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// pptpHelper reads the control connection of PPTP (RFC 2637) and expects the
// GRE tunnel of a call, in either direction. Original is the client's (PNS).
var pptpHelper = Helper{
	Helper: flowtable.Helper{Name: "pptp", Proto: flowtable.ProtoTCP, Family: flowtable.FamilyIPv4,
		Classes: []flowtable.ExpectClass{{Name: "pptp", Max: 2, TimeoutSec: 300}}, Ended: pptpEnded},
	Help: pptpHelp,
}

// Control messages.
const (
	pptpStartRequest = 1
	pptpStartReply   = 2
	pptpStopRequest  = 3
	pptpStopReply    = 4
	pptpOutRequest   = 7
	pptpOutReply     = 8
	pptpInRequest    = 9
	pptpInReply      = 10
	pptpInConnected  = 11
	pptpClearRequest = 12
	pptpDisconnect   = 13
	pptpWANError     = 14
	pptpSetLinkInfo  = 15
)

// pptpSizes are the lengths of the messages.
var pptpSizes = [16]int{0, 156, 156, 16, 16, 16, 20, 168, 32, 220, 24, 28, 16, 148, 40, 24}

// pptpMessage is what the helper reads of one control message.
type pptpMessage struct {
	kind   uint16
	first  uint16 // call id, or the peer's in messages that carry only that
	second uint16 // the peer's call id, where both are there
	result uint8
}

// pptpOK is the result of whatever succeeded.
const pptpOK = 1

// Offsets in a control message.
const (
	pptpFirst       = 12
	pptpStopResult  = 12
	pptpSecond      = 14
	pptpStartResult = 14
	pptpCallResult  = 16
)

// pptpScan reads the control message at the beginning of b; false: there is none.
func pptpScan(b []byte, m *pptpMessage) bool {
	const control, magic = 1, 0x1a2b3c4d
	if len(b) < 12 || binary.BigEndian.Uint16(b[2:]) != control || binary.BigEndian.Uint32(b[4:]) != magic {
		return false
	}
	*m = pptpMessage{kind: binary.BigEndian.Uint16(b[8:])}
	if m.kind == 0 || int(m.kind) >= len(pptpSizes) || len(b) < pptpSizes[m.kind] {
		return false
	}
	m.first, m.second = binary.BigEndian.Uint16(b[pptpFirst:]), binary.BigEndian.Uint16(b[pptpSecond:])
	switch m.kind {
	case pptpStartReply:
		m.result = b[pptpStartResult]
	case pptpStopReply:
		m.result = b[pptpStopResult]
	case pptpOutReply, pptpInReply:
		m.result = b[pptpCallResult]
	}
	return true
}

// States of the session and of its call.
const (
	pptpNone uint8 = iota
	pptpRequested
	pptpConfirmed
	pptpStopping
	pptpFailed
	pptpOutAsked
	pptpOutConfirmed
	pptpInAsked
	pptpInReplied
	pptpInConfirmed
	pptpClearing
)

// pptpIDs are the call ids of one call: pns is the client's as the server knows
// it, real as the client knows it (they differ when the flow is translated), pac
// the server's.
type pptpIDs struct{ pns, pac, real uint16 }

// pptpCall is the flow's private words: the state of the session and of its
// call, the call's ids, and those of the tunnel whose keys conntrack knows.
//
//	| session | call | known | - | pns pac | real | pns pac | real |
type pptpCall struct {
	session, call uint8
	known         bool // conntrack has keys
	pptpIDs
	keys pptpIDs
}

func (c *pptpCall) load(w *[8]uint32) {
	c.session, c.call, c.known = uint8(w[0]), uint8(w[0]>>8), w[0]>>16&1 != 0
	c.pptpIDs = pptpIDs{uint16(w[1]), uint16(w[1] >> 16), uint16(w[2])}
	c.keys = pptpIDs{uint16(w[3]), uint16(w[3] >> 16), uint16(w[4])}
}

func (c *pptpCall) store(w *[8]uint32) {
	w[0] = uint32(c.session) | uint32(c.call)<<8
	if c.known {
		w[0] |= 1 << 16
	}
	w[1], w[2] = uint32(c.pns)|uint32(c.pac)<<16, uint32(c.real)
	w[3], w[4] = uint32(c.keys.pns)|uint32(c.keys.pac)<<16, uint32(c.keys.real)
}

// tunnel is the tuple of the tunnel's packets that go as those of t, the
// control connection's in direction dir.
func (i *pptpIDs) tunnel(t *flowtable.Tuple, dir uint8) flowtable.Tuple {
	g := flowtable.Tuple{Src: t.Src, Dst: t.Dst, SrcPort: i.real, DstPort: i.pac, Proto: flowtable.ProtoGRE, Family: t.Family, Zone: t.Zone}
	if dir == flowtable.Reply {
		g.SrcPort, g.DstPort = i.pac, i.pns
	}
	return g
}

// tunnels are the tuples of the tunnel of the flow of entry n, as its two sides
// send.
func (i *pptpIDs) tunnels(s *flowtable.Shard, n uint32) (there, back flowtable.Tuple) {
	orig, reply := s.Entry(n).Tuple, s.ReplyTuple(n)
	return i.tunnel(&orig, flowtable.Original), i.tunnel(&reply, flowtable.Reply)
}

// forgetKeys takes back the keys of the tunnel that the flow of entry n had.
func (c *pptpCall) forgetKeys(s *flowtable.Shard, n uint32) {
	if !c.known {
		return
	}
	c.known = false
	there, back := c.keys.tunnels(s, n)
	s.Table().RemoveGREKey(&there)
	s.Table().RemoveGREKey(&back)
}

// hangUp ends the tunnel of the flow of entry n (pptp_destroy_siblings).
func (c *pptpCall) hangUp(s *flowtable.Shard, n uint32) {
	c.forgetKeys(s, n)
	there, back := c.tunnels(s, n)
	s.End(&there)
	s.End(&back)
}

// pptpEnded ends the tunnel of a control connection that is over.
func pptpEnded(s *flowtable.Shard, n uint32) {
	var c pptpCall
	c.load(&s.Help(n).Private)
	c.hangUp(s, n)
}

func pptpHelp(s *Session) Verdict {
	var m pptpMessage
	if !s.Replied || !pptpScan(s.Payload, &m) {
		return Accept
	}
	var c pptpCall
	c.load(s.Private)
	v := Accept
	if s.Dir == flowtable.Original {
		v = s.pptpFromClient(&c, &m)
	} else {
		v = s.pptpFromServer(&c, &m)
	}
	c.store(s.Private)
	return v
}

// pptpFromClient follows what the client says. Messages that do not fit the
// state go on as they are.
func (s *Session) pptpFromClient(c *pptpCall, m *pptpMessage) Verdict {
	at := -1 // of the call id that NAT changes
	switch m.kind {
	case pptpStartRequest:
		if c.session != pptpNone {
			return Accept
		}
		c.session = pptpRequested
	case pptpStopRequest:
		c.session = pptpStopping
	case pptpOutRequest:
		if c.session != pptpConfirmed {
			return Accept
		}
		c.call, c.pns, c.real = pptpOutAsked, m.first, m.first
		if s.NAT {
			// The client's call ids are its own; that of another client of the same
			// server may be equal. Its port after translation is unique to it.
			c.pns = s.Other().DstPort
		}
		at = pptpFirst
	case pptpInReply:
		if c.call != pptpInAsked && c.call != pptpInReplied || m.second != c.pac {
			return Accept
		}
		c.call = pptpNone
		if m.result == pptpOK {
			// As in Linux this id is not translated: two clients of one server may
			// both answer a call with the same.
			c.call, c.pns, c.real = pptpInReplied, m.first, m.first
		}
	case pptpClearRequest:
		if c.session != pptpConfirmed {
			return Accept
		}
		c.call = pptpClearing
		at = pptpFirst
	}
	return s.pptpRewrite(at, c.pns)
}

// pptpFromServer follows what the server says.
func (s *Session) pptpFromServer(c *pptpCall, m *pptpMessage) Verdict {
	at := -1
	switch m.kind {
	case pptpStartReply:
		if c.session != pptpRequested && c.session != pptpConfirmed {
			return Accept
		}
		c.session = pptpFailed
		if m.result == pptpOK {
			c.session = pptpConfirmed
		}
	case pptpStopReply:
		if c.session == pptpRequested || c.session == pptpConfirmed {
			return Accept
		}
		c.session = pptpFailed
		if m.result == pptpOK {
			c.session = pptpNone
		}
	case pptpOutReply:
		if c.session != pptpConfirmed || c.call != pptpOutAsked && c.call != pptpOutConfirmed || m.second != c.pns {
			return Accept
		}
		at = pptpSecond
		c.call = pptpNone
		if m.result == pptpOK {
			c.call, c.pac = pptpOutConfirmed, m.first
			s.pptpExpect(c)
		}
	case pptpInRequest:
		if c.session == pptpConfirmed {
			c.call, c.pac = pptpInAsked, m.first
		}
	case pptpInConnected:
		if c.session != pptpConfirmed || c.call != pptpInReplied && c.call != pptpInConfirmed || m.first != c.pns {
			return Accept
		}
		at = pptpFirst
		c.call = pptpInConfirmed
		s.pptpExpect(c)
	case pptpDisconnect:
		c.call = pptpNone
		s.pptpForget()
		c.hangUp(s.Shard, s.Entry)
		at = pptpFirst
	case pptpWANError, pptpSetLinkInfo:
		at = pptpFirst
	}
	return s.pptpRewrite(at, c.real)
}

// pptpRewrite writes another call id into a message of a translated flow.
func (s *Session) pptpRewrite(at int, id uint16) Verdict {
	if at < 0 || !s.NAT || binary.BigEndian.Uint16(s.Payload[at:]) == id {
		return Accept
	}
	if !s.Replace(at, 2, binary.BigEndian.AppendUint16(s.Text(), id)) {
		return Drop
	}
	return Accept
}

// pptpExpect expects the tunnel of call c from both sides: whoever sends first
// makes it. Nothing is expected when the connection has the keys of another call,
// which is over only when the server says so.
func (s *Session) pptpExpect(c *pptpCall) {
	for dir := range uint8(2) {
		t := &s.Tuples[dir]
		x := s.Want(int(dir), flowtable.ProtoGRE, &t.Src, &t.Dst, 0)
		x.Tuple, x.MaskPort = c.tunnel(t, dir), 0xffff
		x.SavedPort = c.pns
		if dir == flowtable.Reply {
			x.SavedPort = c.real
		}
		if s.NAT {
			x.Follow, x.Dir = FollowTunnel, dir
		}
		if s.Expect(int(dir)) != flowtable.ExpectOK {
			if dir == flowtable.Reply {
				s.unexpect(0)
			}
			return
		}
	}
	if c.known && c.keys != c.pptpIDs || !c.known && !s.pptpKeys(c) {
		s.unexpect(1)
		s.unexpect(0)
	}
}

// pptpKeys tells conntrack the keys of call c: packets name the receiver's call
// id only, and it wants the sender's too.
func (s *Session) pptpKeys(c *pptpCall) bool {
	c.keys, c.known = c.pptpIDs, true
	for dir := range 2 {
		if !s.Shard.Table().AddGREKey(&s.Wants[dir].Tuple) {
			c.forgetKeys(s.Shard, s.Entry)
			return false
		}
	}
	return true
}

// pptpForget takes back what was expected of a call that is over.
func (s *Session) pptpForget() {
	for h := s.Shard.FirstExpect(s.Entry); h != 0; h = s.Shard.FirstExpect(s.Entry) {
		s.Shard.Unexpect(h)
	}
}
