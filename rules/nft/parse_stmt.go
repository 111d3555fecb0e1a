package nft

// ruleNode is a rule before it is checked.
type ruleNode struct {
	pos, end Pos
	stmts    []stmtNode
	comment  *string
}

// stmtNode is one statement of it.
type stmtNode interface{ span() (Pos, Pos) }

type place struct{ pos, end Pos }

func (p place) span() (Pos, Pos) { return p.pos, p.end }

type matchNode struct {
	place
	left         *raw
	op           Op
	given        bool // the operator was written
	none         bool // `!`: no bit in common
	opPos, opEnd Pos
	right        *raw
	mask         *raw // of `flags syn / syn,ack`
}

type vmapNode struct {
	place
	left, set *raw
}

type verdictNode struct {
	place
	verdict            *Verdict
	chainPos, chainEnd Pos
}

// plainNode needs no check: counter, log, notrack.
type plainNode struct {
	place
	stmt Stmt
}

type natNode struct {
	place
	word  token
	kind  NATKind
	fam   Family
	addr  *raw
	port  *raw
	flags uint32
}

type rejectNode struct {
	place
	word    token
	with    string // "", "tcp reset", "icmp", "icmpv6", "icmpx"
	withPos Pos
	withEnd Pos
	code    *raw
}

type mangleNode struct {
	place
	left, value *raw
}

// otherStatements are statements of nft this package does not have.
var otherStatements = map[string]bool{
	"limit": true, "quota": true, "queue": true, "synproxy": true, "tproxy": true, "dup": true, "fwd": true,
	"set": true, "add": true, "update": true, "delete": true, "flow": true, "last": true, "reset": true, "xt": true,
	"meter": true, "secmark": true, "helper": true,
}

// parseRule reads statements up to the end of the line.
func (p *parser) parseRule() *ruleNode {
	r := &ruleNode{pos: p.peek().pos}
	for {
		t := p.peek()
		if t.isSeparator() || t.kind == tokEOF || t.is("}") {
			break
		}
		if t.is("comment") {
			r.comment = p.comment(nil)
			break
		}
		if len(r.stmts) >= 128 {
			p.fail(t, "too many statements in a rule, max 128")
		}
		r.stmts = append(r.stmts, p.parseStatement())
	}
	if len(r.stmts) == 0 {
		p.unexpected("")
	}
	r.end = p.last
	return r
}

func (p *parser) atVerdict() bool {
	t := p.peek()
	if t.kind != tokWord {
		return false
	}
	switch t.text {
	case "accept", "drop", "continue", "return", "jump", "goto":
		return true
	case "queue":
		p.unsupported(t)
	}
	return false
}

func (p *parser) parseVerdict() *verdictNode {
	t := p.take()
	n := &verdictNode{verdict: &Verdict{Pos: t.pos}}
	switch t.text {
	case "accept":
		n.verdict.Kind = VerdictAccept
	case "drop":
		n.verdict.Kind = VerdictDrop
	case "continue":
		n.verdict.Kind = VerdictContinue
	case "return":
		n.verdict.Kind = VerdictReturn
	case "jump", "goto":
		n.verdict.Kind = VerdictJump
		if t.text == "goto" {
			n.verdict.Kind = VerdictGoto
		}
		if p.peek().is("$") {
			v := p.variable()
			if v.kind != rawWord && v.kind != rawString {
				p.errorf(v.pos, v.end, "invalid verdict chain expression")
				panic(bail{})
			}
			n.verdict.Chain, n.chainPos, n.chainEnd = v.text, v.pos, v.end
		} else {
			c := p.name()
			n.verdict.Chain, n.chainPos, n.chainEnd = c.text, c.pos, c.end
		}
	}
	n.pos, n.end = t.pos, p.last
	return n
}

func (p *parser) parseStatement() stmtNode {
	t := *p.peek()
	if p.atVerdict() {
		return p.parseVerdict()
	}
	if t.kind == tokWord && !t.glob {
		switch t.text {
		case "counter":
			return p.parseCounter()
		case "log":
			return p.parseLog()
		case "snat", "dnat", "masquerade", "redirect":
			return p.parseNAT()
		case "reject":
			return p.parseReject()
		case "notrack":
			p.take()
			return &plainNode{place{t.pos, t.end}, &Notrack{Pos: t.pos}}
		}
		if otherStatements[t.text] {
			p.unsupported(&t)
		}
		if t.text == "ct" && p.peekAt(2).is("set") && p.peekAt(1).kind == tokWord && otherCT[p.peekAt(1).text] {
			n := p.peekAt(1)
			p.fail(n, "not supported: ct %s set", n.text)
		}
	}
	return p.parseMatch()
}

func (p *parser) parseMatch() stmtNode {
	left := p.parseSelectorConcat()
	t := *p.peek()
	if t.is("set") {
		p.take()
		if left.kind != rawSel {
			p.fail(&t, "syntax error, unexpected set")
		}
		switch e := left.expr.(type) {
		case *Meta:
			if e.Key != MetaMark {
				p.errorf(left.pos, t.end, "not supported: setting meta %s", metaKeys[e.Key].name)
				panic(bail{})
			}
		case *CT:
			if e.Key != CTMark {
				p.errorf(left.pos, t.end, "not supported: setting ct %s", ctKeys[e.Key].name)
				panic(bail{})
			}
		default:
			p.errorf(left.pos, t.end, "not supported: setting a header field")
			panic(bail{})
		}
		v := p.parseMangleValue()
		if m := p.peek(); m.is("map") || m.is(".") {
			p.unsupported(m)
		}
		return &mangleNode{place{left.pos, p.last}, left, v}
	}
	if t.is("map") {
		p.unsupported(&t)
	}
	if t.is("vmap") {
		p.take()
		var set *raw
		if p.peek().is("{") || p.peek().is("$") {
			set = p.parseSetLiteral()
		} else if p.peek().is("@") {
			set = p.parsePrimary()
		} else {
			p.unexpected("")
		}
		return &vmapNode{place{left.pos, p.last}, left, set}
	}
	n := &matchNode{left: left}
	n.op, n.given = p.parseOp(n)
	n.right = p.parseRight()
	if p.peek().is("/") {
		p.take()
		n.mask = p.parseRight()
	}
	n.place = place{left.pos, p.last}
	return n
}

func (p *parser) parseOp(n *matchNode) (Op, bool) {
	t := p.peek()
	n.opPos, n.opEnd = t.pos, t.end
	var op Op
	switch {
	case t.is("=="), t.is("eq"):
		op = OpEq
	case t.is("!="), t.is("ne"):
		op = OpNe
	case t.is("<"), t.is("lt"):
		op = OpLt
	case t.is(">"), t.is("gt"):
		op = OpGt
	case t.is("<="), t.is("le"):
		op = OpLe
	case t.is(">="), t.is("ge"):
		op = OpGe
	case t.is("!"), t.is("not"):
		n.none = true
	default:
		return OpEq, false
	}
	p.take()
	return op, true
}

// parseMangleValue reads what a mark is set to.
func (p *parser) parseMangleValue() *raw { return p.parseBinary(1) }
