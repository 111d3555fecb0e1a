package iptables

import (
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// word is an argument as iptables-restore splits a line into them.
type word struct {
	text   string
	pos    nft.Pos
	quoted bool
}

// split makes words of a line: blanks part them unless they stand in double
// quotes, in which a backslash takes the next byte as it is.
func split(line string, pos nft.Pos) ([]word, error) {
	var (
		words  []word
		text   strings.Builder
		quoted bool // the word has had quotes
		open   bool
		start  = -1
	)
	at := func(i int) nft.Pos {
		p := pos
		p.Col += i
		return p
	}
	end := func() {
		if start >= 0 {
			words = append(words, word{text.String(), at(start), quoted})
		}
		text.Reset()
		start, quoted = -1, false
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case open && c == '\\' && i+1 < len(line):
			i++
			text.WriteByte(line[i])
		case c == '"':
			if start < 0 {
				start = i
			}
			open, quoted = !open, true
		case !open && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			end()
		default:
			if start < 0 {
				start = i
			}
			text.WriteByte(c)
		}
	}
	if open {
		return nil, errorf(at(start), "the quotes opened here are not closed")
	}
	end()
	return words, nil
}

// plain are the bytes that need no quotes.
const plain = "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// quote prints a string as an argument.
func quote(s string) string {
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	var out strings.Builder
	out.WriteByte('"')
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(`"\'`, s[i]) >= 0 {
			out.WriteByte('\\')
		}
		out.WriteByte(s[i])
	}
	out.WriteByte('"')
	return out.String()
}
