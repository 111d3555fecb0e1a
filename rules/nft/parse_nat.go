package nft

func (p *parser) parseNAT() stmtNode {
	t := p.take()
	n := &natNode{word: t}
	switch t.text {
	case "snat":
		n.kind = NATSrc
	case "dnat":
		n.kind = NATDst
	case "masquerade":
		n.kind = NATMasquerade
	case "redirect":
		n.kind = NATRedirect
	}
	if n.kind <= NATDst {
		n.fam = p.addressFamily()
		switch {
		case p.accept("prefix"):
			n.prefix = true
		case p.accept("interval"):
		case p.accept("addr"):
			p.expect(".")
			p.expect("port")
		}
	}
	if p.accept("to") || n.kind <= NATDst && !p.peek().isSeparator() && p.peek().kind != tokEOF {
		p.natTarget(n)
	} else if n.kind <= NATDst {
		p.unexpected("")
	}
	for lists := 0; natFlags[p.peek().text] != 0 && p.peek().kind == tokWord; lists++ {
		if lists > 0 && n.kind > NATDst {
			p.unexpected("newline or semicolon")
		}
		p.parseNATFlags(n)
	}
	n.place = place{t.pos, p.last}
	return n
}

var natFlags = map[string]uint32{"random": NATRandom, "fully-random": NATFullyRandom, "persistent": NATPersistent}

// parseNATFlags reads a list of flags, which takes the place of an earlier one.
func (p *parser) parseNATFlags(n *natNode) {
	n.flags = 0
	for {
		f := natFlags[p.peek().text]
		if f == 0 {
			p.unexpected("random or fully-random or persistent")
		}
		n.flags |= f
		p.take()
		if !p.accept(",") {
			return
		}
	}
}

// addressFamily reads `ip` or `ip6` before what is an address's.
func (p *parser) addressFamily() Family {
	n := *p.peekAt(1)
	if t := p.peek(); n.is("to") || n.is("prefix") || n.is("interval") || n.is("addr") {
		if t.is("ip") || t.is("ip6") {
			return families[p.take().text]
		}
	}
	return 0
}

func (p *parser) natTarget(n *natNode) {
	if !p.peek().is(":") {
		if n.kind == NATMasquerade {
			p.unexpected("colon")
		}
		if n.kind == NATRedirect {
			// `redirect to 80` means the port.
			n.port = p.natPart()
			return
		}
		n.addr = p.natPart()
		if !p.accept(":") {
			return
		}
	} else {
		p.take()
	}
	n.port = p.natPart()
}

// natPart reads an address or a port, or the map it comes from.
func (p *parser) natPart() *raw {
	r := p.parseConcatValue()
	p.noValue(r)
	if !p.peek().is("map") {
		return r
	}
	p.take()
	return p.mapOf(r)
}

// tproxyNode is tproxy before it is checked.
type tproxyNode struct {
	place
	word       token
	fam        Family
	addr, port *raw
}

func (p *parser) parseTProxy() stmtNode {
	t := p.take()
	n := &tproxyNode{word: t, fam: p.addressFamily()}
	p.expectTo(n.fam)
	if !p.accept(":") {
		n.addr = p.natPart()
		if !p.accept(":") {
			n.place = place{t.pos, p.last}
			return n
		}
	}
	n.port = p.natPart()
	n.place = place{t.pos, p.last}
	return n
}

// expectTo takes `to`, before which a family might have stood.
func (p *parser) expectTo(f Family) {
	if f == 0 && !p.peek().is("to") {
		p.unexpected("to or ip or ip6")
	}
	p.expect("to")
}

// sendNode is dup or fwd before it is checked.
type sendNode struct {
	place
	word         token
	fam          Family
	addr, device *raw
}

func (p *parser) parseSend() stmtNode {
	t := p.take()
	n := &sendNode{word: t}
	if t.text == "fwd" {
		n.fam = p.addressFamily()
		p.expectTo(n.fam)
	} else {
		p.expect("to")
	}
	n.addr = p.natPart()
	if p.accept("device") {
		n.device = p.natPart()
	} else if n.fam != 0 {
		p.unexpected("device")
	}
	n.place = place{t.pos, p.last}
	return n
}

// queueNode is queue before it is checked.
type queueNode struct {
	place
	num            *raw
	bypass, fanout bool
}

func (p *parser) parseQueue() stmtNode {
	t := p.take()
	n := &queueNode{}
	flags := func() {
		for {
			switch f := p.word(); f.text {
			case "bypass":
				n.bypass = true
			case "fanout":
				n.fanout = true
			default:
				p.fail(&f, "syntax error, unexpected %s, expecting bypass or fanout", f.what())
			}
			if !p.accept(",") {
				return
			}
		}
	}
	if p.accept("flags") {
		flags()
		if k := p.peek(); !k.is("num") && !k.is("to") {
			p.unexpected("comma or to or num")
		}
	}
	switch k := p.peek(); {
	case k.is("num"):
		p.take()
		if n.num = p.parseMultiton(); hasSelector(n.num) {
			p.errorf(n.num.pos, n.num.end, "syntax error, a number is needed")
			panic(bail{})
		}
	case k.is("to"):
		p.take()
		n.num = p.natPart()
		n.place = place{t.pos, p.last}
		return n
	}
	if k := p.peek(); k.is("bypass") || k.is("fanout") {
		flags()
	}
	n.place = place{t.pos, p.last}
	return n
}

// resetNode is `reset tcp option`.
type resetNode struct {
	place
	option *raw
}

func (p *parser) parseReset() stmtNode {
	t := p.take()
	n := &resetNode{option: p.parseSelector()}
	n.place = place{t.pos, p.last}
	return n
}

func (p *parser) parseReject() stmtNode {
	t := p.take()
	n := &rejectNode{word: t}
	if p.accept("with") {
		w := *p.peek()
		n.withPos = w.pos
		switch {
		case w.is("tcp"):
			p.take()
			n.withPos = p.peek().pos
			p.expect("reset")
			n.with = "tcp reset"
		case w.is("icmp"), w.is("icmpv6"), w.is("icmpx"):
			p.take()
			n.with = w.text
			if t := p.peek(); !p.accept("type") && t.kind != tokWord && t.kind != tokNumber && !t.is("$") {
				p.unexpected("number or string or type")
			}
			n.code = p.parsePrimary()
		default:
			p.unexpected("icmp or icmpv6 or tcp or icmpx")
		}
		n.withEnd = p.last
	}
	n.place = place{t.pos, p.last}
	return n
}
