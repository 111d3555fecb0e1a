package nft

// objectNode uses a named object, or the one a map gives.
type objectNode struct {
	place
	kind  ObjectKind
	value *raw
}

// setNode adds, updates or deletes an element made of the packet.
type setNode struct {
	place
	verb  SetVerb
	name  *raw
	key   *raw // rawElem
	data  *raw
	stmts []*plainNode
	meter bool
	size  uint64
}

type flowNode struct {
	place
	name token
}

// assignNode sets a selector to a value.
type assignNode struct {
	place
	left, value *raw
}

// parseCounter reads `counter`, with values or a name.
func (p *parser) parseCounter() stmtNode {
	t := p.take()
	if p.peek().is("name") {
		return p.parseObjectUse(t, ObjCounter)
	}
	c := &Counter{Pos: t.pos}
	p.parseCounterValues(c)
	return &plainNode{place{t.pos, p.last}, c}
}

// parseObjectUse reads `name X` behind the kind of an object, or `set X` behind
// a kind of ct.
func (p *parser) parseObjectUse(t token, kind ObjectKind) stmtNode {
	p.take()
	n := &objectNode{kind: kind}
	n.value = p.parseStmtExpr()
	n.place = place{t.pos, p.last}
	return n
}

// parseStmtExpr reads the value of a statement: constants, selectors, their
// concatenations, and maps.
func (p *parser) parseStmtExpr() *raw {
	defer p.nest()()
	r := p.parseConcatValue()
	p.noValue(r)
	if p.peek().is(",") {
		return p.parseList(r)
	}
	if !p.peek().is("map") {
		return r
	}
	p.take()
	return p.mapOf(r)
}

// noValue refuses selectors that nft takes in a match only.
func (p *parser) noValue(r *raw) {
	if r.kind == rawSel {
		switch e := r.expr.(type) {
		case *Fib, *Xfrm:
		case *Option:
			if e.Kind != OptionIPv6 {
				return
			}
		default:
			return
		}
		p.errorf(r.pos, r.end, "syntax error, unexpected %s", r.text)
		panic(bail{})
	}
	for _, k := range r.kids {
		p.noValue(k)
	}
}

// mapOf reads the map that gives what stands for key.
func (p *parser) mapOf(key *raw) *raw {
	var set *raw
	switch t := p.peek(); {
	case t.is("{"), t.is("$"):
		set = p.parseSetLiteral()
	case t.is("@"):
		set = p.parsePrimary()
	default:
		p.unexpected("@ or '{' or '$'")
	}
	return join(rawMap, "", key, set)
}

// parseSetUpdate reads `add @set { key ... }` and `set add key @set`.
func (p *parser) parseSetUpdate() stmtNode {
	t := p.take()
	n := &setNode{}
	old := t.text == "set"
	if old {
		t.text = p.oneOf("add", "update", "delete").text
	}
	switch t.text {
	case "add":
	case "update":
		n.verb = SetRefresh
	case "delete":
		n.verb = SetDelete
	}
	if old {
		p.setKey(n)
		n.name = p.setName()
	} else {
		n.name = p.setName()
		p.expect("{")
		p.setKey(n)
		p.expect("}")
	}
	n.place = place{t.pos, p.last}
	return n
}

func (p *parser) setName() *raw {
	if !p.peek().is("@") {
		p.unexpected("@ or '$'")
	}
	return p.parsePrimary()
}

// setKey reads the element: key, options, data and statements.
func (p *parser) setKey(n *setNode) {
	key := p.parseSelectorConcat()
	n.key = &raw{kind: rawElem, kids: []*raw{key}, pos: key.pos, end: key.end, opt: &elementOptions{}}
	for {
		switch {
		case p.peek().is("timeout"):
			p.take()
			n.key.opt.timeout = p.milliseconds()
			continue
		case p.peek().is("expires"):
			p.take()
			n.key.opt.expires = p.milliseconds()
			continue
		case p.peek().is("comment"):
			n.key.comment = p.comment(n.key.comment)
			continue
		case p.atSetStatement():
			n.stmts = append(n.stmts, p.parseSetStatement())
			continue
		}
		break
	}
	if p.accept(":") {
		n.data = p.parseStmtExpr()
	}
}

// parseMeter reads `meter name [size n] { key statement }`.
func (p *parser) parseMeter() stmtNode {
	t := p.take()
	n := &setNode{meter: true, verb: SetRefresh}
	name := p.name()
	n.name = &raw{kind: rawRef, pos: name.pos, end: name.end, text: name.text}
	if p.accept("size") {
		n.size = uint64(p.takeNumber())
	} else if !p.peek().is("{") {
		p.unexpected("size or '{'")
	}
	p.expect("{")
	p.setKey(n)
	if len(n.stmts) == 0 || n.data != nil {
		p.unexpected("")
	}
	p.expect("}")
	n.place = place{t.pos, p.last}
	return n
}

// parseFlow reads `flow add @name`.
func (p *parser) parseFlow() stmtNode {
	if p.peekAt(1).is("table") { // the old name of meters
		p.take()
		return p.parseMeter()
	}
	t := p.take()
	if !p.accept("add") {
		p.expect("offload")
	}
	p.expect("@")
	n := &flowNode{name: p.name()}
	n.place = place{t.pos, p.last}
	return n
}
