package helper

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// ircHelper expects the connections that a client offers to others by DCC: it names
// its address and a port in a message to the server.
var ircHelper = Helper{
	Helper: flowtable.Helper{Name: "irc", Proto: flowtable.ProtoTCP, Family: flowtable.FamilyIPv4,
		Classes: []flowtable.ExpectClass{{Name: "irc", Max: 8, TimeoutSec: 300}}},
	Help: ircHelp,
}

// ircOffer is the endpoint that a DCC offer names.
type ircOffer struct {
	addr     uint32
	port     uint16
	off, len int // of "address port"
}

var dccWords = [...]string{"SEND ", "CHAT ", "MOVE ", "TSEND ", "SCHAT "}

// What must at least be there behind " :" and behind a kind, as in Linux:
// "\x01DCC SEND t AAAAAAAA P\x01\n" and "AAAAAAAA P\x01\n".
const (
	dccMessage = 26
	dccNumbers = 12
)

// ircScan looks whether a packet begins with a message that offers a DCC
// connection: PRIVMSG target :\x01DCC KIND argument address port ...
func ircScan(b []byte, o *ircOffer) bool {
	const command, mark = "PRIVMSG ", "\x01DCC "
	at := 0
	for at < len(b) && (b[at] == ' ' || b[at] == '\r' || b[at] == '\n') {
		at++
	}
	if !foldPrefix(b[at:], command) {
		return false
	}
	for at += len(command); at < len(b)-dccMessage && (b[at] != ' ' || b[at+1] != ':'); at++ {
	}
	if at >= len(b)-dccMessage {
		return false
	}
	at += 2
	if string(b[at:at+len(mark)]) != mark {
		return false
	}
	at += len(mark)
	for _, word := range dccWords {
		if string(b[at:at+len(word)]) == word {
			return ircEndpoint(b, at+len(word), o)
		}
	}
	return false
}

// ircEndpoint reads an argument without blanks, then address and port, both in
// decimal, of a line that ends in the packet.
func ircEndpoint(b []byte, at int, o *ircOffer) bool {
	for at < len(b) && b[at] != ' ' {
		if at++; at > len(b)-dccNumbers {
			return false
		}
	}
	at++
	end := at
	for end < len(b) && b[end] != '\n' {
		end++
	}
	if end >= len(b) {
		return false
	}
	addr, n := number(b[at:])
	o.addr, o.off = addr, at
	for at += n; b[at] == ' '; at++ {
	}
	port, n := number(b[at:])
	o.port, o.len = uint16(port), at+n-o.off
	return true
}

func ircHelp(s *Session) Verdict {
	if s.Dir == flowtable.Reply || !s.Replied {
		return Accept
	}
	me, other := s.Me(), s.Other()
	inside, outside := binary.BigEndian.Uint32(me.Src[:]), binary.BigEndian.Uint32(other.Dst[:])
	var o ircOffer
	if !ircScan(s.Payload, &o) || o.addr != inside && o.addr != outside || o.port == 0 {
		return Accept // none, or one in somebody else's name
	}
	s.Want(0, flowtable.ProtoTCP, nil, &other.Dst, o.port)
	if !s.NAT {
		return s.expectOnly()
	}
	s.Follow(0)
	port := s.ExpectPort(0)
	if port == 0 {
		return Drop
	}
	text := append(appendUint(s.Text(), outside), ' ')
	if !s.Replace(o.off, o.len, appendUint(text, uint32(port))) {
		return Drop
	}
	return Accept
}
