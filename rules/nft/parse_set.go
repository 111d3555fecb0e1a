package nft

func (p *parser) parseSet(s *setBlock, top bool) {
	p.block(top, func() {
		t := *p.peek()
		switch {
		case t.is("type"), t.is("typeof"):
			p.take()
			p.parseSetType(s, t.text == "typeof")
		case t.is("flags"):
			p.take()
			p.parseSetFlags(s)
		case t.is("auto-merge") && !s.isMap:
			p.take()
			s.flags |= SetAutoMerge
			return // nft wants no separator here
		case t.is("size"):
			p.take()
			s.size = uint64(p.takeNumber())
		case t.is("policy"):
			p.take()
			pol := p.word()
			if pol.text != "performance" && pol.text != "memory" {
				p.fail(&pol, "syntax error, unexpected %s", pol.what())
			}
			s.policy = pol.text
		case t.is("comment"):
			s.comment = p.comment(s.comment)
		case t.is("elements"):
			p.take()
			p.expect("=")
			if p.peek().is("$") {
				s.elements = p.variable()
				if s.elements.kind != rawSet {
					p.errorf(s.elements.pos, s.elements.end, "elements of a set are needed")
					panic(bail{})
				}
			} else {
				s.elements = p.parseSetLiteral()
			}
			return // nor here
		case t.is("timeout"):
			p.take()
			s.timeout = p.milliseconds()
		case t.is("gc-interval") && !s.isMap:
			p.take()
			s.gc = p.milliseconds()
		case p.atSetStatement():
			for p.atSetStatement() {
				s.stmts = append(s.stmts, p.parseSetStatement())
			}
		default:
			p.unexpected("")
		}
		p.endStatement()
	})
}

func (p *parser) parseSetType(s *setBlock, typeof bool) {
	s.hasType = false                                         // until all of it is read
	s.key, s.keyExpr, s.data, s.dataExpr = nil, nil, nil, nil // the last one counts
	s.keyPos = p.peek().pos
	if typeof {
		s.keyExpr = p.parseSelectorConcat()
	} else {
		s.key = p.typeNames()
	}
	s.keyEnd = p.last
	if !s.isMap {
		s.hasType = true
		return
	}
	p.expect(":")
	s.ranges = p.accept("interval")
	at := *p.peek()
	if !typeof && !s.ranges { // what is of the type of `ct helper` is a name, and no object
		if k, ok := p.objectKind(); ok {
			if k >= ObjHelper && k != ObjSynproxy && k != ObjSecmark {
				p.fail(&at, "syntax error, unexpected %s", at.what())
			}
			s.objects, s.kind, s.hasType = true, k, true
			return
		}
	}
	if typeof && !p.peek().is("verdict") {
		s.dataExpr = p.parseSelectorConcat()
	} else {
		s.data = p.typeNames()
	}
	s.hasType = true
}

// atSetStatement tells whether a statement of a set or element comes next.
func (p *parser) atSetStatement() bool {
	t := p.peek()
	return t.is("counter") || t.is("limit") || t.is("quota") || t.is("last") || t.is("ct") && p.peekAt(1).is("count")
}

// parseSetStatement reads a statement that elements have a copy of.
func (p *parser) parseSetStatement() *plainNode {
	t := p.take()
	var st Stmt
	switch t.text {
	case "counter":
		c := &Counter{Pos: t.pos}
		p.parseCounterValues(c)
		st = c
	case "limit":
		st = p.parseLimit()
	case "quota":
		st = p.parseQuota()
	case "last":
		st = p.parseLast(t)
	default:
		st = p.parseConnLimit()
	}
	return &plainNode{place{t.pos, p.last}, st}
}

func (p *parser) typeNames() []token {
	out := []token{p.word()}
	for p.accept(".") {
		out = append(out, p.word())
		if len(out) > 16 {
			p.unexpected("")
		}
	}
	return out
}

// parseSetFlags reads a list of flags, which takes the place of an earlier one.
func (p *parser) parseSetFlags(s *setBlock) {
	s.flags &= SetAutoMerge
	const want = "constant or interval or dynamic or timeout"
	for {
		t := p.wordFor(want)
		switch t.text {
		case "constant":
			s.flags |= SetConstant
		case "interval":
			s.flags |= SetInterval
		case "timeout":
			s.flags |= SetTimeout
		case "dynamic":
			s.flags |= SetDynamic
		default:
			p.fail(&t, "syntax error, unexpected %s, expecting %s", t.what(), want)
		}
		if !p.accept(",") {
			return
		}
	}
}
