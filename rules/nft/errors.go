package nft

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Error is one thing wrong with the text: what, where, and the line it is on.
type Error struct {
	Pos, End Pos    // of the first byte and of the one behind the last
	Msg      string // without position
	Line     string // the source line Pos is on

	Also, AlsoEnd Pos // a second place on that line, marked with '~'; Line 0: none
}

// Error gives "file:line:col-col: Error: msg", the source line and a row of
// carets, three lines in all. Of a long line it shows a window.
func (e *Error) Error() string {
	var b strings.Builder
	last := e.End.Col - 1
	if e.End.Line != e.Pos.Line || last < e.Pos.Col {
		last = e.Pos.Col
		if e.End.Line > e.Pos.Line {
			last = max(len(e.Line), e.Pos.Col)
		}
	}
	fmt.Fprintf(&b, "%s:%d:%d-%d: Error: %s\n", e.Pos.File, e.Pos.Line, e.Pos.Col, last, e.Msg)
	if e.Pos.Line == 0 {
		return b.String()
	}
	from, to := e.Pos.Col, last
	also := e.Also.Line == e.Pos.Line && e.Also.Line > 0
	if also {
		from, to = min(from, e.Also.Col), max(to, e.AlsoEnd.Col-1)
	}
	left, right := window(e.Line, from, to)
	if also && (e.Pos.Col <= left || e.Pos.Col > right) { // too far apart: the second place is not shown
		also = false
		left, right = window(e.Line, e.Pos.Col, last)
	}
	indent := 0
	if left > 0 {
		b.WriteString(cut)
		indent = len(cut)
	}
	b.WriteString(e.Line[left:right])
	if right < len(e.Line) {
		b.WriteString(cut)
		to = min(to, right)
	}
	b.WriteByte('\n')
	b.WriteString(strings.Repeat(" ", indent))
	for i := left + 1; i <= to; i++ {
		switch {
		case i >= e.Pos.Col && i <= last:
			b.WriteByte('^')
		case also && i >= e.Also.Col && i < e.AlsoEnd.Col:
			b.WriteByte('~')
		case i <= len(e.Line) && e.Line[i-1] == '\t':
			b.WriteByte('\t') // the row is as wide as the line wherever tabs end
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// A source line is shown whole up to the width that nft has room for; of a longer
// one a window is shown, with cut at the ends that are missing; margin is what stands
// before the place of the error.
const (
	windowWidth  = 1023
	windowMargin = 60
	cut          = "..."
)

// window chooses the part of a line that is shown, as byte offsets, for an error
// at the columns from to to. Both ends are at the beginning of a character.
func window(line string, from, to int) (left, right int) {
	if len(line) <= windowWidth {
		return 0, len(line)
	}
	if to > windowWidth-len(cut) {
		left = max(0, min(from-1-windowMargin, len(line)-windowWidth+len(cut)))
	}
	right = left + windowWidth - len(cut)
	if left > 0 && right < len(line) {
		right -= len(cut)
	}
	right = min(right, len(line))
	return runeStart(line, left), runeStart(line, right)
}

// runeStart is the last beginning of a character up to at; at itself if what
// stands there is no UTF-8.
func runeStart(s string, at int) int {
	for i := at; i > 0 && i < len(s) && i > at-utf8.UTFMax; i-- {
		if utf8.RuneStart(s[i]) {
			return i
		}
	}
	return at
}

// maxMessage bounds an error's text: it may quote a word of any length.
const maxMessage = 600

func shorten(msg string) string {
	if len(msg) <= maxMessage {
		return msg
	}
	head, tail := runeStart(msg, maxMessage/2), runeStart(msg, len(msg)-maxMessage/2)
	return msg[:head] + cut + msg[tail:]
}

// String is Error.
func (e *Error) String() string { return e.Error() }

// ErrorList is every error found in one run, in order of discovery.
type ErrorList []*Error

// Error gives all of them, each on its own lines.
func (l ErrorList) Error() string {
	parts := make([]string, len(l))
	for i, e := range l {
		parts[i] = e.Error()
	}
	return strings.Join(parts, "\n")
}

// before leaves out what only the kernel would say, when there are errors that keep
// nft from asking it.
func (l ErrorList) before() ErrorList {
	own := slices.DeleteFunc(slices.Clone(l), func(e *Error) bool { return strings.HasPrefix(e.Msg, "Could not process rule: ") })
	if len(own) == 0 {
		return l
	}
	return own
}

// maxErrors ends a run that has nothing but errors, as nft does.
const maxErrors = 10
