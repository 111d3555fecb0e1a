package helper

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// ftpHelper follows RFC 959 and RFC 2428: PORT and EPRT of the client, answers 227
// and 229 of the server.
var ftpHelper = Helper{
	Helper: flowtable.Helper{Name: "ftp", Proto: flowtable.ProtoTCP,
		Classes: []flowtable.ExpectClass{{Name: "ftp", Max: 1, TimeoutSec: 300}}},
	Help: ftpHelp,
}

// ftpForm is how a command writes an endpoint.
type ftpForm uint8

const (
	ftpPort ftpForm = iota // a1,a2,a3,a4,p1,p2
	ftpEPRT                // |family|address|port|
	ftpEPSV                // |||port|
)

// ftpFound says what a scan found.
type ftpFound uint8

const (
	ftpNothing ftpFound = iota
	ftpPartial          // a command that ends with the packet, or makes no sense
	ftpCommand
)

// ftpEnd is an endpoint that a command names.
type ftpEnd struct {
	form     ftpForm
	addr     [16]byte
	hasAddr  bool
	port     uint16
	off, len int // of the text that names it
}

// ftpScan looks for a command that names an endpoint at the beginning of b,
// in the direction of the client (flowtable.Original) or of the server.
func ftpScan(b []byte, dir, family uint8, end *ftpEnd) ftpFound {
	if dir == flowtable.Original {
		if f := ftpField(b, "PORT", ' ', '\r', ftpPort, family, end); f != ftpNothing {
			return f
		}
		return ftpField(b, "EPRT", ' ', '\r', ftpEPRT, family, end)
	}
	if f := ftpField(b, "227 ", 0, 0, ftpPort, family, end); f != ftpNothing {
		return f
	}
	return ftpField(b, "229 ", '(', ')', ftpEPSV, family, end)
}

// ftpField reads a command that begins with word; the endpoint follows behind
// the first byte skip (0: behind word) and ends in front of a byte stop (0: any).
func ftpField(b []byte, word string, skip, stop byte, form ftpForm, family uint8, end *ftpEnd) ftpFound {
	if len(b) < len(word) {
		if foldEqual(b, word[:len(b)]) {
			return ftpPartial
		}
		return ftpNothing
	}
	if !foldPrefix(b, word) {
		return ftpNothing
	}
	at := len(word)
	if skip != 0 {
		for at < len(b) && b[at] != skip {
			at++
		}
		if at++; at > len(b) {
			return ftpPartial
		}
	}
	*end = ftpEnd{form: form}
	ok := false
	switch form {
	case ftpPort:
		if stop == 0 {
			for at < len(b) && !isDigit(b[at]) {
				at++ // servers differ in what stands around the numbers
			}
		}
		ok = end.numbers(b[at:], stop)
	case ftpEPRT:
		ok = end.extended(b[at:], family)
	default:
		ok = end.portOnly(b[at:])
	}
	if !ok {
		return ftpPartial
	}
	end.off = at
	return ftpCommand
}

// numbers reads a1,a2,a3,a4,p1,p2 in front of a byte stop.
func (e *ftpEnd) numbers(b []byte, stop byte) bool {
	var v [6]uint32
	n := 0
	for i := range v {
		if i > 0 {
			if n >= len(b) || b[n] != ',' {
				return false
			}
			n++
		}
		var k int
		v[i], k = number(b[n:])
		n += k
	}
	if n >= len(b) || stop != 0 && b[n] != stop {
		return false
	}
	binary.BigEndian.PutUint32(e.addr[:], v[0]<<24|v[1]<<16|v[2]<<8|v[3])
	e.hasAddr, e.port, e.len = true, uint16(v[4]<<8|v[5]), n
	return true
}

// delimiter returns the byte between the fields of RFC 2428; 0: it cannot be one.
func delimiter(b []byte) byte {
	if len(b) <= 3 || isDigit(b[0]) || b[0] < 33 || b[0] > 126 {
		return 0
	}
	return b[0]
}

// extended reads |1|132.235.1.2|6275| or |2|1080::8:800:200C:417A|5282|.
func (e *ftpEnd) extended(b []byte, family uint8) bool {
	d := delimiter(b)
	want := byte('1')
	if family == flowtable.FamilyIPv6 {
		want = '2'
	}
	if d == 0 || b[1] != want || b[2] != d {
		return false
	}
	n := addrOf(b[3:], family, &e.addr)
	if n == 0 || 3+n >= len(b) || b[3+n] != d {
		return false
	}
	e.hasAddr = true
	return e.portAt(b, 3+n+1, d)
}

// portOnly reads |||6446|.
func (e *ftpEnd) portOnly(b []byte) bool {
	d := delimiter(b)
	return d != 0 && b[1] == d && b[2] == d && e.portAt(b, 3, d)
}

// portAt reads a port other than 0 in front of a delimiter, the last field.
func (e *ftpEnd) portAt(b []byte, at int, delim byte) bool {
	v, n := number(b[at:])
	e.port, e.len = uint16(v), at+n+1
	return e.port != 0 && at+n < len(b) && b[at+n] == delim
}

// appendTo writes an endpoint in the form in which this one came.
func (e *ftpEnd) appendTo(b []byte, addr *[16]byte, family uint8, port uint16) []byte {
	switch e.form {
	case ftpPort:
		for _, x := range addr[:4] {
			b = append(appendUint(b, uint32(x)), ',')
		}
		b = append(appendUint(b, uint32(port>>8)), ',')
		return appendUint(b, uint32(port&0xff))
	case ftpEPRT:
		if family == flowtable.FamilyIPv6 {
			b = appendLong6(append(b, "|2|"...), addr)
		} else {
			b = appendAddr(append(b, "|1|"...), addr, family)
		}
		b = append(b, '|')
	default:
		b = append(b, "|||"...)
	}
	return append(appendUint(b, uint32(port)), '|')
}

// ftpLines are the private words of an ftp flow, by direction: two sequence
// numbers in front of which a line ended; the last word counts how many are
// known, 8 bits each.
//
//	| orig | orig | reply | reply | counts |
//
// Only packets that begin behind a line end are read, so that nobody smuggles
// a command into another's argument.
type ftpLines struct{ w *[8]uint32 }

func (l ftpLines) seqs(dir uint8) []uint32 {
	n := l.w[4] >> (8 * dir) & 0xff
	return l.w[2*dir:][:min(n, 2)]
}

// known says whether a line ended in front of seq.
func (l ftpLines) known(dir uint8, seq uint32) bool {
	for _, q := range l.seqs(dir) {
		if q == seq {
			return true
		}
	}
	return false
}

// note remembers that a line ends in front of seq, in the place of the older one.
func (l ftpLines) note(dir uint8, seq uint32) {
	if l.known(dir, seq) {
		return
	}
	q := l.seqs(dir)
	if n := len(q); n < 2 {
		l.w[2*int(dir)+n] = seq
		l.w[4] += 1 << (8 * dir)
		return
	}
	older := 0
	if int32(q[1]-q[0]) < 0 {
		older = 1
	}
	if int32(seq-q[older]) > 0 {
		q[older] = seq
	}
}

func ftpHelp(s *Session) Verdict {
	if !s.Replied || len(s.Payload) == 0 {
		return Accept
	}
	lines := ftpLines{s.Private}
	v, whole := Accept, true
	if lines.known(s.Dir, s.Seq) {
		v, whole = ftpLine(s)
	}
	if whole && s.Payload[len(s.Payload)-1] == '\n' {
		lines.note(s.Dir, s.Seq+uint32(len(s.Payload)))
	}
	return v
}

// ftpLine reads a packet that begins with a command. whole is false if it is
// dropped because the command is cut off: nothing is learned of it then.
func ftpLine(s *Session) (v Verdict, whole bool) {
	me, other := s.Me(), s.Other()
	var end ftpEnd
	switch ftpScan(s.Payload, s.Dir, me.Family, &end) {
	case ftpNothing:
		return Accept, true
	case ftpPartial:
		return Drop, false
	}
	// An endpoint that is not the sender's own would open a hole to somebody
	// else; Linux can be told to allow that (loose), sluice cannot.
	if end.hasAddr && (end.form == ftpPort && me.Family != flowtable.FamilyIPv4 || end.addr != me.Src) {
		return Accept, true
	}
	s.Want(0, flowtable.ProtoTCP, &other.Src, &other.Dst, end.port)
	if !s.NAT {
		return s.expectOnly(), true
	}
	s.Follow(0)
	port := s.ExpectPort(0)
	if port == 0 || !s.Replace(end.off, end.len, end.appendTo(s.Text(), &other.Dst, me.Family, port)) {
		return Drop, true
	}
	return Accept, true
}

// expectOnly enters expectation 0 as it is; the packet must not leave without it.
func (s *Session) expectOnly() Verdict {
	if s.Expect(0) != flowtable.ExpectOK {
		return Drop
	}
	return Accept
}
