package nft

// parseList reads the rest of a comma list.
func (p *parser) parseList(first *raw) *raw {
	parts := []*raw{first}
	for p.accept(",") {
		parts = append(parts, p.parseMultiton())
	}
	return join(rawList, "", parts...)
}

// parseRight reads the right side of a match.
func (p *parser) parseRight() *raw {
	if p.peek().is("{") {
		return p.parseSetLiteral()
	}
	r := p.parseConcatValue()
	if p.peek().is(",") {
		return p.parseList(r)
	}
	return r
}

// parseInitializer reads what a definition stands for.
func (p *parser) parseInitializer() *raw {
	if p.peek().is("{") && p.peekAt(1).is("}") {
		t := p.take()
		p.take()
		return &raw{kind: rawSet, pos: t.pos, end: p.last}
	}
	return p.parseRight()
}

// skipLines passes newlines inside braces.
func (p *parser) skipLines() {
	for p.peek().kind == tokNewline {
		p.take()
	}
}

// parseSetLiteral reads { elements }, newlines allowed between them.
func (p *parser) parseSetLiteral() *raw {
	defer p.nest()()
	if p.peek().is("$") {
		v := p.variable()
		if v.kind != rawSet {
			p.errorf(v.pos, v.end, "elements in braces are needed")
			panic(bail{})
		}
		return v
	}
	if !p.peek().is("{") {
		p.unexpected("'{' or '$'")
	}
	r := &raw{kind: rawSet, pos: p.take().pos}
	for {
		p.skipLines()
		if p.peek().is("}") {
			if len(r.kids) == 0 {
				p.unexpected("")
			}
			break
		}
		r.kids = append(r.kids, p.parseElement())
		p.skipLines()
		if !p.accept(",") {
			p.skipLines()
			break
		}
	}
	if !p.peek().is("}") {
		p.unexpected("comma or '}'")
	}
	p.take()
	r.end = p.last
	return r
}

// parseElement reads a key with its options and, in a map, its data.
func (p *parser) parseElement() *raw {
	if p.peek().is("{") {
		return p.parseSetLiteral()
	}
	key := p.parseConcatValue()
	if key.kind == rawSet || key.kind == rawList {
		if !p.peek().is(":") {
			return key
		}
	}
	if n := p.peek(); n.is(",") || n.is("}") {
		return key // most elements are a key alone
	}
	e := &raw{kind: rawElem, kids: []*raw{key}, pos: key.pos, end: key.end}
	for {
		t := *p.peek()
		switch {
		case t.is("comment"):
			e.comment = p.comment(e.comment)
			continue
		case t.is("timeout"):
			p.take()
			e.options().timeout = p.milliseconds()
			continue
		case t.is("expires"):
			p.take()
			e.options().expires = p.milliseconds()
			continue
		case p.atSetStatement():
			o := e.options()
			o.stmts = append(o.stmts, p.parseSetStatement())
			continue
		}
		break
	}
	if p.peek().is(":") {
		p.take()
		p.skipLines()
		if p.atVerdict() {
			from := p.peek().pos
			n := p.parseVerdict(false)
			e.verdict = n.verdict
			e.verdict.Pos = from
			e.end = p.last
			return e
		}
		data := p.parseConcatValue()
		e.kids = append(e.kids, data)
		e.end = p.last
	}
	return e
}

// elementOptions are what may follow an element's key.
type elementOptions struct {
	timeout, expires uint64 // milliseconds
	stmts            []*plainNode
}

// options are the element's, made when there are some.
func (r *raw) options() *elementOptions {
	if r.opt == nil {
		r.opt = &elementOptions{}
	}
	return r.opt
}
