package nft

import "slices"

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
	left  *raw
	op    Op
	none  bool  // `!`: no bit in common
	opAt  *span // nil: none was written
	right *raw
	mask  *raw // of `flags syn / syn,ack`
}

type vmapNode struct {
	place
	left, set *raw
}

type verdictNode struct {
	place
	verdict            *Verdict
	chainPos, chainEnd Pos
	block              []*ruleNode // of a chain written here: verdict.Block is set
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

	prefix bool
}

type rejectNode struct {
	place
	word    token
	with    string // "", "tcp reset", "icmp", "icmpv6", "icmpx"
	withPos Pos
	withEnd Pos
	code    *raw
}

// parseRule reads statements up to the end of the line.
func (p *parser) parseRule(inBlock bool) *ruleNode {
	r := &ruleNode{pos: p.peek().pos, stmts: make([]stmtNode, 0, 4)}
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
		if len(r.stmts) > 0 && !t.startsStatement() {
			p.unexpected(behindCommand(inBlock))
		}
		r.stmts = append(r.stmts, p.parseStatement())
	}
	if len(r.stmts) == 0 {
		p.unexpected("")
	}
	r.end = p.last
	return r
}

// startsStatement tells whether a statement may begin with the token: anything that
// could be compared does.
func (t *token) startsStatement() bool {
	switch t.kind {
	case tokNumber, tokQuoted:
		return true
	case tokWord:
		return t.glob || !notStart[t.text] && operatorWords[t.text] == ""
	}
	return t.is("{") || t.is("(") || t.is("@") || t.is("$")
}

// behindCommand is what may follow a rule.
func behindCommand(inBlock bool) string {
	if inBlock {
		return "newline or semicolon"
	}
	return "end of file or newline or semicolon"
}

func (p *parser) atVerdict() bool {
	t := p.peek()
	if t.kind != tokWord {
		return false
	}
	switch t.text {
	case "accept", "drop", "continue", "return", "jump", "goto":
		return true
	}
	return false
}

// parseVerdict reads a verdict. A statement's may lead to a chain that is written in
// it, an element's may not.
func (p *parser) parseVerdict(stmt bool) *verdictNode {
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
		if stmt && p.peek().is("{") {
			p.parseInner(n, &t)
		} else if p.peek().is("$") {
			v := p.variable()
			if v.kind != rawWord && v.kind != rawString {
				p.errorf(v.pos, v.end, "invalid verdict chain expression")
				panic(bail{})
			}
			n.verdict.Chain, n.chainPos, n.chainEnd = v.text, v.pos, v.end
		} else {
			if t := p.peek(); stmt && (t.kind != tokWord || t.glob || t.addr || reserved[t.text]) {
				p.unexpected("'{'")
			} else if t.is("{") {
				p.unexpected("string or '$'")
			}
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
		return p.parseVerdict(true)
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
		if n := p.parseOtherStatement(t); n != nil {
			return n
		}
	}
	return p.parseMatch()
}

// parseOtherStatement reads statements that keep state or use what does; nil
// when none of them comes next.
func (p *parser) parseOtherStatement(t token) stmtNode {
	named := func(k ObjectKind) stmtNode {
		p.take()
		if p.peek().is("name") {
			return p.parseObjectUse(t, k)
		}
		return nil
	}
	switch t.text {
	case "limit":
		if n := named(ObjLimit); n != nil {
			return n
		}
		l := p.parseLimit()
		return &plainNode{place{t.pos, p.last}, l}
	case "quota":
		if n := named(ObjQuota); n != nil {
			return n
		}
		q := p.parseQuota()
		return &plainNode{place{t.pos, p.last}, q}
	case "last":
		p.take()
		l := p.parseLast(t)
		return &plainNode{place{t.pos, p.last}, l}
	case "synproxy":
		if n := named(ObjSynproxy); n != nil {
			return n
		}
		s := &Synproxy{Pos: t.pos}
		for n := p.peek(); n.is("mss") || n.is("wscale") || n.is("timestamp") || n.is("sack-perm"); n = p.peek() {
			p.synproxyPart(s)
		}
		return &plainNode{place{t.pos, p.last}, s}
	case "ct":
		if p.peekAt(1).is("count") {
			p.take()
			c := p.parseConnLimit()
			return &plainNode{place{t.pos, p.last}, c}
		}
		if p.peekAt(2).is("set") {
			if k, ok := p.objectKind(); ok {
				return p.parseObjectUse(t, k)
			}
		}
	case "add", "update", "delete", "set":
		return p.parseSetUpdate()
	case "tproxy":
		return p.parseTProxy()
	case "dup", "fwd":
		return p.parseSend()
	case "queue":
		return p.parseQueue()
	case "reset":
		return p.parseReset()
	case "meter":
		return p.parseMeter()
	case "flow":
		return p.parseFlow()
	case "xt":
		if p.opt.Extension != nil {
			return p.parseExtension(t)
		}
	}
	return nil
}

// parseExtension reads `xt match "key"` or `xt target "key"`.
func (p *parser) parseExtension(t token) stmtNode {
	p.take()
	kind, key := p.take(), p.take()
	x := p.opt.Extension(key.text)
	if x == nil || x.Target != (kind.text == "target") {
		p.fail(&key, "no such extension")
	}
	fresh := *x
	fresh.Pos = t.pos
	return &plainNode{place{t.pos, p.last}, &fresh}
}

func (p *parser) parseMatch() stmtNode {
	left := p.parseSelectorConcat()
	t := *p.peek()
	if t.is("set") {
		p.take()
		if left.kind != rawSel {
			p.fail(&t, "syntax error, unexpected set")
		}
		v := p.parseStmtExpr()
		return &assignNode{place{left.pos, p.last}, left, v}
	}
	if t.is("map") { // what it gives has no type
		p.take()
		left = join(rawMap, "", left, p.mapSource())
	}
	if t.is("vmap") {
		p.take()
		set := p.mapSource()
		return &vmapNode{place{left.pos, p.last}, left, set}
	}
	n := &matchNode{left: left}
	p.parseOp(n)
	n.right = p.parseRight()
	if p.peek().is("/") && n.right.kind != rawSet {
		p.take()
		if n.mask = p.parseRight(); n.mask.kind != rawList {
			p.unexpected("comma")
		}
	} else {
		n.splitMask()
	}
	n.place = place{left.pos, p.last}
	return n
}

// mapSource reads the map behind map or vmap.
func (p *parser) mapSource() *raw {
	switch {
	case p.peek().is("{"), p.peek().is("$"):
		return p.parseSetLiteral()
	case p.peek().is("@"):
		return p.parsePrimary()
	}
	p.unexpected("@ or '{' or '$'")
	return nil
}

// splitMask finds the mask of flags that begins with a number, as in
// `flags syn / 0x2,ack`: what looks like a prefix in a list is none.
func (n *matchNode) splitMask() {
	if n.right == nil || n.right.kind != rawList {
		return
	}
	for i, k := range n.right.kids {
		if k.kind == rawPrefix {
			all := n.right.kids
			n.right = listOf(slices.Concat(all[:i], k.kids[:1]))
			n.mask = listOf(slices.Concat(k.kids[1:], all[i+1:]))
			return
		}
	}
}

// listOf is a list, or the only thing in it.
func listOf(kids []*raw) *raw {
	if len(kids) == 1 {
		return kids[0]
	}
	return join(rawList, "", kids...)
}

// parseOp reads the operator, if one is written.
func (p *parser) parseOp(n *matchNode) {
	t := p.peek()
	switch {
	case t.is("=="), t.is("eq"):
		n.op = OpEq
	case t.is("!="), t.is("ne"):
		n.op = OpNe
	case t.is("<"), t.is("lt"):
		n.op = OpLt
	case t.is(">"), t.is("gt"):
		n.op = OpGt
	case t.is("<="), t.is("le"):
		n.op = OpLe
	case t.is(">="), t.is("ge"):
		n.op = OpGe
	case t.is("!"), t.is("not"):
		n.none = true
	default:
		return
	}
	n.opAt = &span{t.pos, t.end}
	p.take()
}
