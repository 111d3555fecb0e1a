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
		if p.peek().is("ip") && p.peekAt(1).kind == tokWord {
			n.fam = FamilyIP
			p.take()
		} else if p.peek().is("ip6") && p.peekAt(1).kind == tokWord {
			n.fam = FamilyIP6
			p.take()
		}
		for _, w := range []string{"prefix", "interval", "addr"} {
			if p.peek().is(w) {
				p.fail(p.peek(), "not supported: %s %s", t.text, w)
			}
		}
	}
	if p.accept("to") || n.kind <= NATDst && (p.peek().addr || p.peek().is("[")) {
		p.natTarget(n)
	} else if n.kind <= NATDst {
		p.unexpected("to")
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

func (p *parser) natTarget(n *natNode) {
	if !p.peek().is(":") {
		k := p.peek()
		if k.is("@") {
			p.unsupported(k)
		}
		if n.kind == NATMasquerade {
			p.unexpected(":")
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

func (p *parser) natPart() *raw {
	if p.startsSelector() {
		t := p.peek()
		p.fail(t, "not supported: maps in nat (%s)", t.text)
	}
	r := p.parseMultiton()
	if k := p.peek(); k.is("map") || k.is(".") {
		p.fail(k, "not supported: maps in nat (%s)", k.text)
	}
	return r
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
			p.accept("type")
			n.code = p.parsePrimary()
		default:
			p.unexpected("")
		}
		n.withEnd = p.last
	}
	n.place = place{t.pos, p.last}
	return n
}
