package nft

func (p *parser) parseSet(s *setBlock) {
	p.block(func() {
		t := *p.peek()
		switch {
		case t.is("type"), t.is("typeof"):
			p.take()
			p.parseSetType(s, t.text == "typeof")
		case t.is("flags"):
			p.take()
			p.parseSetFlags(s)
		case t.is("auto-merge"):
			p.take()
			s.flags |= SetAutoMerge
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
		case t.is("timeout"), t.is("gc-interval"), t.is("counter"), t.is("quota"), t.is("limit"), t.is("ct"), t.is("last"):
			p.unsupported(&t)
		default:
			p.unexpected("")
		}
		p.endStatement()
	})
}

func (p *parser) parseSetType(s *setBlock, typeof bool) {
	s.hasType = true
	s.key, s.keyExpr, s.data, s.dataExpr = nil, nil, nil, nil // the last one counts
	s.keyPos = p.peek().pos
	if typeof {
		s.keyExpr = p.parseSelectorConcat()
	} else {
		s.key = p.typeNames()
	}
	s.keyEnd = p.last
	if !s.isMap {
		return
	}
	p.expect(":")
	if typeof && !p.peek().is("verdict") {
		if t := p.peek(); t.is("interval") {
			p.unsupported(t)
		}
		s.dataExpr = p.parseSelectorConcat()
	} else {
		if t := p.peek(); t.is("interval") || t.is("counter") || t.is("quota") || t.is("limit") || t.is("ct") {
			p.unsupported(t)
		}
		s.data = p.typeNames()
	}
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
	for {
		t := p.word()
		switch t.text {
		case "constant":
			s.flags |= SetConstant
		case "interval":
			s.flags |= SetInterval
		case "timeout", "dynamic":
			p.fail(&t, "not supported: flags %s", t.text)
		default:
			p.fail(&t, "syntax error, unexpected %s", t.what())
		}
		if !p.accept(",") {
			return
		}
	}
}
