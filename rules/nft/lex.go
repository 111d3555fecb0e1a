package nft

import (
	"net/netip"
	"strings"
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokNewline
	tokWord   // names, keywords, addresses, times
	tokNumber // decimal or 0x hexadecimal
	tokQuoted // text between double quotes
	tokPunct
)

type token struct {
	kind tokenKind
	text string
	pos  Pos
	end  Pos
	glob bool // of a word: ends in '*'
	addr bool // of a word: an address
}

// what names a token in a syntax error, in nft's words.
func (t *token) what() string {
	switch t.kind {
	case tokEOF:
		return "end of file"
	case tokNewline:
		return "newline"
	case tokNumber:
		return "number"
	case tokQuoted:
		return "quoted string"
	case tokPunct:
		switch t.text {
		case ";":
			return "semicolon"
		case ":":
			return "colon"
		case ",":
			return "comma"
		case "{", "}", "(", ")", "[", "]", "$", "=", "|", "^":
			return "'" + t.text + "'"
		}
		return t.text
	}
	if sign := operatorWords[t.text]; sign != "" && !t.glob {
		return (&token{kind: tokPunct, text: sign}).what()
	}
	switch {
	case t.glob:
		return "string with a trailing asterisk"
	case reserved[t.text] || namedWords[t.text]:
		return t.text
	}
	return "string"
}

// operatorWords are operators in letters.
var operatorWords = map[string]string{
	"and": "&", "or": "|", "xor": "^", "not": "!", "lshift": "<<", "rshift": ">>",
	"eq": "==", "ne": "!=", "lt": "<", "gt": ">", "le": "<=", "ge": ">=",
}

// source is one file being read.
type source struct {
	name  string
	text  string
	lines []string
	off   int
	line  int
	start int // offset of the line's first byte

	comment Pos // of the first comment; Line 0: none so far
}

func newSource(name string, text []byte) *source {
	s := string(text)
	return &source{name: name, text: s, lines: strings.Split(s, "\n"), line: 1}
}

func (s *source) here() Pos { return Pos{File: s.name, Line: s.line, Col: s.off - s.start + 1} }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isHex(c byte) bool    { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func isWordByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '/' || c == '-' || c == '_' || c == '.'
}

// skip passes blanks, comments and continued lines.
func (s *source) skip() {
	for s.off < len(s.text) {
		switch c := s.text[s.off]; {
		case c == ' ' || c == '\t':
			s.off++
		case c == '#':
			if s.comment.Line == 0 {
				s.comment = s.here()
			}
			for s.off < len(s.text) && s.text[s.off] != '\n' {
				s.off++
			}
		case c == '\\' && s.off+1 < len(s.text) && s.text[s.off+1] == '\n':
			s.off += 2
			s.line++
			s.start = s.off
		default:
			return
		}
	}
}

// next reads one token. bad is a message when the bytes are no token.
func (s *source) next() (t token, bad string) {
	s.skip()
	t.pos = s.here()
	if s.off >= len(s.text) {
		t.kind = tokEOF
		t.end = t.pos
		t.end.Col++
		return t, ""
	}
	c := s.text[s.off]
	from := s.off
	switch {
	case c == '\n':
		t.kind = tokNewline
		s.off++
		t.end = s.here()
		s.line++
		s.start = s.off
		return t, ""
	case c == '"':
		i := strings.IndexByte(s.text[s.off+1:], '"')
		if i < 0 || strings.IndexByte(s.text[s.off+1:s.off+1+i], '\n') >= 0 {
			s.off++
			t.kind, t.text, t.end = tokPunct, `"`, s.here()
			return t, "unterminated string"
		}
		t.kind, t.text = tokQuoted, s.text[s.off+1:s.off+1+i]
		s.off += i + 2
		t.end = s.here()
		return t, ""
	}
	n, kind, addr := s.word()
	if n > 0 {
		s.off += n
		t.kind, t.addr = kind, addr
		if kind == tokWord && !addr && s.off < len(s.text) {
			if s.text[s.off] == '*' {
				s.off++
				t.glob = true
			} else if strings.HasPrefix(s.text[s.off:], `\*`) {
				s.off += 2
				t.text = s.text[from:s.off-2] + "*"
				t.end = s.here()
				return t, ""
			}
		}
		t.text = s.text[from:s.off]
		t.end = s.here()
		return t, ""
	}
	s.off++
	if s.off < len(s.text) {
		switch s.text[from : s.off+1] {
		case "==", "!=", "<=", ">=", "<<", ">>":
			s.off++
		}
	}
	t.kind, t.text, t.end = tokPunct, s.text[from:s.off], s.here()
	if !strings.Contains("{}()[],;:=!<>.-/&|^@$*~+", t.text[:1]) {
		return t, "syntax error, unexpected junk"
	}
	return t, ""
}

// word finds the longest address, number or word at the reading point.
func (s *source) word() (n int, kind tokenKind, addr bool) {
	rest := s.text[s.off:]
	if a := addressLen(rest); a > 0 {
		n, kind, addr = a, tokWord, true
	}
	if isDigit(rest[0]) {
		i := 0
		k := tokNumber
		if len(rest) > 2 && rest[0] == '0' && rest[1] == 'x' && isHex(rest[2]) {
			for i = 2; i < len(rest) && isHex(rest[i]); i++ {
			}
		} else {
			for i < len(rest) && isDigit(rest[i]) {
				i++
			}
			if n := classidLen(rest); n > i {
				i, k = n, tokWord
			} else if strings.HasPrefix(rest, "8021q") || strings.HasPrefix(rest, "8021ad") {
				for i < len(rest) && (isDigit(rest[i]) || isLetter(rest[i])) {
					i++
				}
				k = tokWord
			} else if t := timeLen(rest); t > i {
				i, k = t, tokWord
			}
		}
		if i > n {
			n, kind, addr = i, k, false
		}
		return n, kind, addr
	}
	if isLetter(rest[0]) || rest[0] == '_' || rest[0] == '.' && len(rest) > 1 && isLetter(rest[1]) {
		i := 1
		for i < len(rest) && isWordByte(rest[i]) {
			i++
		}
		i = max(i, classidLen(rest))
		if i > n {
			n, kind, addr = i, tokWord, false
		}
	}
	return n, kind, addr
}

// addressLen is the length of the longest IPv4, IPv6 or Ethernet address that
// begins s; 0 when there is none.
func addressLen(s string) int {
	run, colons, dots := 0, 0, 0
	for run < len(s) && run < 46 && (isHex(s[run]) || s[run] == ':' || s[run] == '.') {
		if s[run] == ':' {
			colons++
		} else if s[run] == '.' {
			dots++
		}
		run++
	}
	if colons < 2 {
		if dots < 3 {
			return 0
		}
		// Four numbers with dots are one token even when they are out of range.
		n, parts := 0, 0
		for parts < 4 {
			d := n
			for d < run && isDigit(s[d]) {
				d++
			}
			if d == n || d-n > 3 {
				return 0
			}
			parts++
			n = d
			if parts < 4 {
				if n >= run || s[n] != '.' {
					return 0
				}
				n++
			}
		}
		return n
	}
	for n := run; n >= 2; n-- {
		if parseMAC(s[:n]) != nil {
			return n
		}
		if a, err := netip.ParseAddr(s[:n]); err == nil && a.Is6() && (dots == 0 || !strings.Contains(s[:n], ".") || embedded(a)) {
			return n
		}
	}
	return 0
}

// embedded tells whether an address may be written with an IPv4 address at its end:
// nft takes ::1.2.3.4 and ::ffff:1.2.3.4.
func embedded(a netip.Addr) bool {
	b := a.As16()
	return isZero(b[:10]) && (b[10] == 0 && b[11] == 0 || b[10] == 0xff && b[11] == 0xff)
}

// parseMAC reads six hexadecimal bytes; nil when s is no Ethernet address.
func parseMAC(s string) []byte {
	parts := strings.Split(s, ":")
	if len(parts) != 6 {
		return nil
	}
	out := make([]byte, 6)
	for i, p := range parts {
		if len(p) < 1 || len(p) > 2 {
			return nil
		}
		for j := 0; j < len(p); j++ {
			if !isHex(p[j]) {
				return nil
			}
			out[i] = out[i]<<4 | hexDigit(p[j])
		}
	}
	return out
}

func hexDigit(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// timeLen is the length of a time such as 1d2h or 30s at the start of s.
func timeLen(s string) int {
	n := 0
	for {
		i := n
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		if i == n || i >= len(s) {
			break
		}
		switch s[i] {
		case 'd', 'h', 's':
			i++
		case 'm':
			i++
			if i < len(s) && s[i] == 's' {
				i++
			}
		default:
			return n
		}
		n = i
	}
	if n < len(s) && isWordByte(s[n]) && s[n] != '-' && s[n] != '/' {
		return 0
	}
	return n
}

// parseTime reads such a time, in milliseconds.
func parseTime(s string) (ms uint64, ok bool) {
	if s == "" || timeLen(s) != len(s) {
		return 0, false
	}
	var v uint64
	for i := 0; i < len(s); i++ {
		if isDigit(s[i]) {
			if v > 1<<40 {
				return 0, false
			}
			v = v*10 + uint64(s[i]-'0')
			continue
		}
		switch s[i] {
		case 'd':
			ms += v * 86400000
		case 'h':
			ms += v * 3600000
		case 's':
			ms += v * 1000
		case 'm':
			if i+1 < len(s) && s[i+1] == 's' {
				ms += v
				i++
			} else {
				ms += v * 60000
			}
		}
		v = 0
	}
	return ms, true
}

// classidLen is the length of two hexadecimal numbers with a colon between, as
// 1:2a, that begin s; 0 when there are none. What stands behind them decides, as in
// nft's scanner.
func classidLen(s string) int {
	n := 0
	for part := 0; ; part++ {
		from := n
		for n < len(s) && n-from < 4 && isHex(s[n]) {
			n++
		}
		if n == from {
			return 0
		}
		if part == 1 {
			if n < len(s) && !strings.Contains(" \t\n:-},", s[n:n+1]) {
				return 0
			}
			return n
		}
		if n >= len(s) || s[n] != ':' {
			return 0
		}
		n++
	}
}
