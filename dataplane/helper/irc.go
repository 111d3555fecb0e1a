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

// dccSmallest is the length of the shortest offer: "\x01DCC CHAT a 0 1".
const dccSmallest = 5 + 5 + 2 + 3

// ircScan looks from offset from on for the next message that offers a DCC
// connection; next is where to go on. False: there is none.
func ircScan(b []byte, from int, o *ircOffer) (next int, ok bool) {
	for at := from; at < len(b); {
		end := at
		for end < len(b) && b[end] != '\n' {
			end++
		}
		if ircLine(b[at:end], o) {
			o.off += at
			return end + 1, true
		}
		at = end + 1
	}
	return len(b), false
}

// ircLine reads one line: PRIVMSG target :\x01DCC KIND argument address port ...
func ircLine(line []byte, o *ircOffer) bool {
	const command, mark = "PRIVMSG ", "\x01DCC "
	if !foldPrefix(line, command) {
		return false
	}
	at := len(command)
	for at < len(line) && line[at] != ' ' {
		at++
	}
	if at+2+dccSmallest > len(line) || line[at] != ' ' || line[at+1] != ':' || string(line[at+2:at+2+len(mark)]) != mark {
		return false
	}
	at += 2 + len(mark)
	for _, word := range dccWords {
		if len(line)-at >= len(word) && string(line[at:at+len(word)]) == word {
			return ircEndpoint(line, at+len(word), o)
		}
	}
	return false
}

// ircEndpoint reads an argument without blanks, then address and port, both in
// decimal.
func ircEndpoint(line []byte, at int, o *ircOffer) bool {
	for at < len(line) && line[at] != ' ' {
		at++
	}
	if at++; at >= len(line) {
		return false
	}
	addr, n := number(line[at:])
	if n == 0 {
		return false
	}
	o.addr, o.off = addr, at
	at += n
	for at < len(line) && line[at] == ' ' {
		at++
	}
	port, n := number(line[at:])
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
	for at, ok := ircScan(s.Payload, 0, &o); ok; at, ok = ircScan(s.Payload, at, &o) {
		if o.addr != inside && o.addr != outside || o.port == 0 {
			continue // an offer in somebody else's name
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
		return Accept // one offer for each packet, as Linux
	}
	return Accept
}
