package helper

// sipHeader is a header of a SIP message that the helper reads.
type sipHeader uint8

const (
	sipOther sipHeader = iota
	sipCSeq
	sipFrom
	sipTo
	sipContact
	sipVia
	sipExpires
	sipLength
)

// sipNames are the headers by their long and compact names (RFC 3261
// section 7.3.3).
var sipNames = [...]struct {
	long, short string
	kind        sipHeader
}{
	{"CSeq", "", sipCSeq}, {"From", "f", sipFrom}, {"To", "t", sipTo}, {"Contact", "m", sipContact},
	{"Via", "v", sipVia}, {"Expires", "", sipExpires}, {"Content-Length", "l", sipLength},
}

// span is a part of a payload.
type span struct{ off, end int }

// sipLines goes through the lines of a header, then stands behind the empty
// line that ends it. A line that begins with a blank goes on with the header
// before it.
type sipLines struct {
	b    []byte
	at   int // of the next line
	kind sipHeader
	val  span // of the line's value
	done bool // the header is complete
}

func (l *sipLines) next() bool {
	if l.at >= len(l.b) {
		return false
	}
	from := l.at
	end := from
	for end < len(l.b) && l.b[end] != '\n' {
		end++
	}
	l.at = min(end+1, len(l.b))
	if end > from && l.b[end-1] == '\r' {
		end--
	}
	if end == from {
		l.done = true
		return false
	}
	l.val = span{from, end}
	if l.b[from] == ' ' || l.b[from] == '\t' {
		return true
	}
	l.kind = sipOther
	colon := from
	for colon < end && l.b[colon] != ':' {
		colon++
	}
	if colon == end {
		return true
	}
	name := l.b[from:colon]
	for len(name) > 0 && (name[len(name)-1] == ' ' || name[len(name)-1] == '\t') {
		name = name[:len(name)-1]
	}
	for i := range sipNames {
		if n := &sipNames[i]; foldEqual(name, n.long) || n.short != "" && foldEqual(name, n.short) {
			l.kind = n.kind
			break
		}
	}
	for colon++; colon < end && (l.b[colon] == ' ' || l.b[colon] == '\t'); colon++ {
	}
	l.val.off = colon
	return true
}

// sipEnd is an address, and a port if there is one, in a message.
type sipEnd struct {
	span
	addr [16]byte
	port uint16
}

const sipPort = 5060

// sipHost reads address[:port] at off, an IPv6 address in brackets or bare.
// False: it is a name, or nothing.
func sipHost(b []byte, off, end int, family uint8, e *sipEnd) bool {
	at := off
	bracket := at < end && b[at] == '['
	if bracket {
		at++
	}
	n := addrOf(b[at:end], family, &e.addr)
	if n == 0 {
		return false
	}
	at += n
	if bracket {
		if at >= end || b[at] != ']' {
			return false
		}
		at++
	}
	e.port = sipPort
	if at < end && (isAlpha(b[at]) || isDigit(b[at]) || b[at] == '-' || b[at] == '.') {
		return false // a name that begins like an address
	}
	if at+1 < end && b[at] == ':' && isDigit(b[at+1]) {
		v, n := number(b[at+1 : end])
		if v < 1024 || v > 65535 || n > 5 {
			return false
		}
		e.port = uint16(v)
		at += 1 + n
	}
	e.span = span{off, at}
	return true
}

// sipURI looks in b[off:end] for the next "sip:" with an address behind it,
// where a user and @ may stand between them.
func sipURI(b []byte, off, end int, family uint8, e *sipEnd) bool {
	for ; off+4 <= end; off++ {
		if b[off+3] != ':' || !foldPrefix(b[off:end], "sip:") {
			continue
		}
		at := off + 4
		for k := at; k < end && b[k] != '>' && b[k] != ',' && b[k] != ' '; k++ {
			if b[k] == '@' {
				at = k + 1
				break
			}
		}
		if sipHost(b, at, end, family, e) {
			return true
		}
	}
	return false
}

// sipParam finds the value of a parameter ";name=" in b[off:end], before a comma.
func sipParam(b []byte, off, end int, name string, val *span) bool {
	for ; off < end && b[off] != ','; off++ {
		if b[off] == ';' && foldPrefix(b[off+1:end], name) && off+1+len(name) < end && b[off+1+len(name)] == '=' {
			from := off + 2 + len(name)
			to := from
			for to < end && b[to] != ';' && b[to] != ',' && b[to] != ' ' && b[to] != '>' {
				to++
			}
			*val = span{from, to}
			return true
		}
	}
	return false
}

// sipMethod is a method whose messages announce something.
type sipMethod uint8

const (
	sipUnknown sipMethod = iota
	sipInvite
	sipUpdate
	sipAck
	sipPrack
	sipBye
	sipRegister
)

var sipMethods = [...]string{sipInvite: "INVITE", sipUpdate: "UPDATE", sipAck: "ACK", sipPrack: "PRACK", sipBye: "BYE", sipRegister: "REGISTER"}

func sipMethodOf(b []byte) sipMethod {
	for m := sipInvite; m <= sipRegister; m++ {
		if name := sipMethods[m]; foldPrefix(b, name) && (len(b) == len(name) || !isAlpha(b[len(name)])) {
			return m
		}
	}
	return sipUnknown
}

// sipMessage is what the helper knows of one message.
type sipMessage struct {
	span           // of the whole message in the payload
	start     span // start line
	head      int  // offset of the first header
	body      int  // offset behind the empty line
	response  bool
	code      uint32 // of a response
	method    sipMethod
	cseq      uint32
	hasCSeq   bool
	expires   uint32
	length    span // digits of Content-Length
	bodySize  uint32
	hasLength bool
}

// sipScan reads start line and headers of the message at b[off:]. False: there
// is no whole message.
func sipScan(b []byte, off int, stream bool, m *sipMessage) bool {
	*m = sipMessage{}
	m.off, m.end = off, len(b)
	end := off
	for end < len(b) && b[end] != '\n' {
		end++
	}
	if end == len(b) {
		return false
	}
	m.head = end + 1
	if end > off && b[end-1] == '\r' {
		end--
	}
	m.start = span{off, end}
	const version = "SIP/2.0 "
	line := b[off:end]
	if m.response = foldPrefix(line, version); m.response {
		m.code, _ = number(line[len(version):])
	} else {
		m.method = sipMethodOf(line)
	}
	l := sipLines{b: b, at: m.head}
	for l.next() {
		v := b[l.val.off:l.val.end]
		switch l.kind {
		case sipCSeq:
			n := 0
			m.cseq, n = number(v)
			m.hasCSeq = n > 0
			for n < len(v) && (v[n] == ' ' || v[n] == '\t') {
				n++
			}
			if m.response {
				m.method = sipMethodOf(v[n:])
			}
		case sipExpires:
			m.expires, _ = number(v)
		case sipLength:
			n := 0
			m.bodySize, n = number(v)
			m.length, m.hasLength = span{l.val.off, l.val.off + n}, n > 0
		}
	}
	m.body = l.at
	if stream {
		if !l.done || !m.hasLength || uint64(m.bodySize) > uint64(len(b)-m.body) {
			return false
		}
		m.end = m.body + int(m.bodySize)
	}
	return true
}
