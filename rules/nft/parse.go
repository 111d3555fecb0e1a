package nft

import (
	"fmt"
	"strings"
)

// maxNesting bounds braces and parentheses inside each other.
const maxNesting = 64

// bail ends the statement being parsed; the error is recorded already.
type bail struct{}

// stop ends the run.
type stop struct{}

// ended ends the parse at the end of the file, which came before the end of what
// was wrong.
type ended struct{}

// reporter collects errors and knows the lines they are on.
type reporter struct {
	sources map[string]*source
	errs    ErrorList
}

func (r *reporter) errorf(pos, end Pos, format string, args ...any) {
	e := &Error{Pos: pos, End: end, Msg: shorten(fmt.Sprintf(format, args...))}
	if s := r.sources[pos.File]; s != nil && pos.Line >= 1 && pos.Line <= len(s.lines) {
		line := s.lines[pos.Line-1]
		if line == "" && pos.Line == len(s.lines) && pos.Line > 1 {
			line = s.lines[pos.Line-2] // the end of the file, as nft shows it
		}
		e.Line = strings.TrimSuffix(line, "\r")
	}
	r.errs = append(r.errs, e)
	if len(r.errs) >= maxErrors {
		panic(stop{})
	}
}

// also marks a second place on the line of the last error.
func (r *reporter) also(pos, end Pos) {
	e := r.errs[len(r.errs)-1]
	e.Also, e.AlsoEnd = pos, end
}

// parser turns tokens into commands.
type parser struct {
	reporter
	opt      ParseOptions
	stack    []*source
	ahead    []token
	last     Pos // end of the last token taken
	inside   Pos // end of what stands before the brace that closed a block last
	cmds     []*command
	scopes   []map[string]*raw
	includes int
	depth    int
}

func newParser(opt ParseOptions) *parser {
	p := &parser{opt: opt}
	p.sources = map[string]*source{}
	p.scopes = []map[string]*raw{{}}
	return p
}

func (p *parser) push(s *source) {
	p.sources[s.name] = s
	p.stack = append(p.stack, s)
}

// fetch reads a token, leaving finished included files. What is no token is
// reported and left out.
func (p *parser) fetch() token {
	s := p.stack[len(p.stack)-1]
	t, bad := s.next()
	for bad != "" {
		p.errorf(t.pos, t.end, "%s", bad)
		t, bad = s.next()
	}
	if t.kind == tokEOF && len(p.stack) > 1 {
		p.stack = p.stack[:len(p.stack)-1]
		t.kind = tokNewline
	}
	return t
}

func (p *parser) peek() *token { return p.peekAt(0) }

func (p *parser) peekAt(n int) *token {
	for len(p.ahead) <= n {
		p.ahead = append(p.ahead, p.fetch())
	}
	return &p.ahead[n]
}

func (p *parser) take() token {
	t := *p.peek()
	if t.kind != tokEOF {
		copy(p.ahead, p.ahead[1:])
		p.ahead = p.ahead[:len(p.ahead)-1]
	}
	p.last = t.end
	return t
}

func (t *token) is(text string) bool {
	return (t.kind == tokPunct || t.kind == tokWord && !t.glob) && t.text == text
}

func (p *parser) accept(text string) bool {
	if p.peek().is(text) {
		p.take()
		return true
	}
	return false
}

func (p *parser) expect(text string) token {
	if !p.peek().is(text) {
		p.unexpected(text)
	}
	return p.take()
}

func (p *parser) fail(t *token, format string, args ...any) {
	p.errorf(t.pos, t.end, format, args...)
	panic(bail{})
}

// unexpected reports a syntax error at the next token.
func (p *parser) unexpected(want string) {
	t := p.peek()
	if want != "" {
		if len(want) == 1 {
			want = (&token{kind: tokPunct, text: want}).what()
		}
		p.fail(t, "syntax error, unexpected %s, expecting %s", t.what(), want)
	}
	p.fail(t, "syntax error, unexpected %s", t.what())
}

func (p *parser) unsupported(t *token) { p.fail(t, "not supported: %s", t.text) }

func (p *parser) nest() func() {
	p.depth++
	if p.depth > maxNesting {
		p.depth = 0
		t := p.peek()
		p.errorf(t.pos, t.end, "nested too deeply, max %d levels", maxNesting)
		panic(stop{})
	}
	return func() {
		if p.depth > 0 {
			p.depth--
		}
	}
}

func (t *token) isSeparator() bool { return t.kind == tokNewline || t.is(";") }

func (p *parser) skipSeparators() {
	for p.peek().isSeparator() {
		p.take()
	}
}

// endStatement wants a separator, or the end of the block or file.
func (p *parser) endStatement() {
	t := p.peek()
	if t.isSeparator() {
		p.take()
		return
	}
	if t.kind == tokEOF {
		return
	}
	p.unexpected("newline or semicolon")
}

// guard runs f; after an error it skips to the end of the statement.
func (p *parser) guard(f func()) {
	depth := p.depth
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case bail:
			p.depth = depth
			p.recoverStatement()
		default:
			panic(r)
		}
	}()
	f()
}

// recoverStatement skips to the next separator, whatever braces are on the way, as
// nft does: the innermost block goes on behind it.
func (p *parser) recoverStatement() {
	for {
		t := p.take()
		if t.kind == tokEOF {
			panic(ended{})
		}
		if t.isSeparator() {
			return
		}
	}
}

// parseFile reads the whole input into commands.
func (p *parser) parseFile() {
	defer func() {
		switch r := recover(); r.(type) {
		case nil, ended:
		default:
			panic(r)
		}
	}()
	for {
		p.guard(func() { p.skipSeparators() })
		if p.peek().kind == tokEOF {
			return
		}
		p.guard(func() {
			if p.peek().is("}") {
				t := p.take()
				p.fail(&t, "syntax error, unexpected '}'")
			}
			p.parseCommand()
		})
	}
}

// name takes a name: of a table, chain, set or definition.
func (p *parser) name() token { return p.nameFor(false) }

// nameFor takes a name in whose place a handle might stand too.
func (p *parser) nameFor(handle bool) token {
	t := p.peek()
	if t.kind != tokWord || t.glob || t.addr || reserved[t.text] {
		if handle {
			p.unexpected("handle or string")
		}
		p.unexpected("string")
	}
	return p.take()
}

// word takes a word of the language.
func (p *parser) word() token { return p.wordFor("") }

// wordFor takes a word; want says in a syntax error what may come here.
func (p *parser) wordFor(want string) token {
	t := p.peek()
	if t.kind != tokWord || t.glob || t.addr {
		p.unexpected(want)
	}
	return p.take()
}

// oneOf takes one of some words.
func (p *parser) oneOf(words ...string) token {
	for _, w := range words {
		if p.peek().is(w) {
			return p.take()
		}
	}
	p.unexpected(strings.Join(words, " or "))
	return token{}
}

// wantText is where text may come, quoted or not.
const wantText = "string or quoted string or string with a trailing asterisk"
