package nft

import "strings"

// ruleNode is a rule before it is checked.
type ruleNode struct {
	pos, end Pos
	stmts    []stmtNode
	comment  string
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
	chainVar           *raw
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
			r.comment = p.comment()
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
			c := p.name("chain")
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
		if m := p.peek(); m.is("map") {
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

func (p *parser) parseCounter() stmtNode {
	t := p.take()
	c := &Counter{Pos: t.pos}
	if n := p.peek(); n.is("name") || n.kind == tokQuoted {
		p.fail(n, "not supported: named counters")
	}
	for {
		switch {
		case p.accept("packets"):
			c.Packets = uint64(p.takeNumber())
			continue
		case p.accept("bytes"):
			c.Bytes = uint64(p.takeNumber())
			continue
		}
		break
	}
	return &plainNode{place{t.pos, p.last}, c}
}

var logLevels = []string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"}

var logFlagNames = []string{"tcp sequence", "tcp options", "ip options", "skuid", "ether"}

func (p *parser) parseLog() stmtNode {
	t := p.take()
	l := &Log{Pos: t.pos, Group: -1}
	set := map[string]bool{}
	once := func(k *token) {
		if set[k.text] {
			p.fail(k, "Multiple log statements of type %s", k.text)
		}
		set[k.text] = true
	}
	for {
		k := *p.peek()
		switch {
		case k.is("prefix"):
			once(&k)
			p.take()
			var s *raw
			if p.peek().is("$") {
				s = p.variable()
			} else {
				v := p.peek()
				if v.kind != tokQuoted && v.kind != tokWord {
					p.unexpected("string")
				}
				s = p.parsePrimary()
			}
			if len(s.text) > 127 {
				p.errorf(s.pos, s.end, "log prefix is too long")
				panic(bail{})
			}
			l.Prefix = s.text
			continue
		case k.is("level"):
			once(&k)
			p.take()
			v := *p.peek()
			if v.kind != tokWord && v.kind != tokQuoted {
				p.unexpected("string")
			}
			lv := v.text
			switch lv {
			case "error":
				lv = "err"
			case "warning":
				lv = "warn"
			}
			found := false
			for _, x := range logLevels {
				found = found || x == lv
			}
			if !found {
				p.fail(&v, "invalid log level")
			}
			if lv == "audit" {
				p.fail(&v, "not supported: log level audit")
			}
			p.take()
			l.Level = lv
			continue
		case k.is("group"):
			once(&k)
			p.take()
			n := *p.peek()
			v := p.takeNumber()
			if v > 65535 {
				p.fail(&n, "Value %d exceeds valid range 0-65535", v)
			}
			l.Group = int(v)
			continue
		case k.is("snaplen"), k.is("queue-threshold"):
			once(&k)
			p.take()
			n := *p.peek()
			v := p.takeNumber()
			if v > 1<<32-1 || k.text != "snaplen" && v > 65535 {
				p.fail(&n, "Value %d is too large", v)
			}
			if k.text == "snaplen" {
				l.Snaplen = uint32(v)
			} else {
				l.QThresh = uint32(v)
			}
			continue
		case k.is("flags"):
			p.take()
			p.parseLogFlags(l)
			continue
		}
		break
	}
	if l.Group >= 0 && (l.Level != "" || len(l.LogFlags) > 0) {
		p.errorf(t.pos, t.end, "%s and group are mutually exclusive", map[bool]string{true: "level", false: "flags"}[l.Level != ""])
		panic(bail{})
	}
	return &plainNode{place{t.pos, p.last}, l}
}

func (p *parser) parseLogFlags(l *Log) {
	add := func(f string) {
		for _, x := range l.LogFlags {
			if x == f {
				return
			}
		}
		l.LogFlags = append(l.LogFlags, f)
	}
	k := *p.peek()
	switch {
	case k.is("tcp"):
		p.take()
		for {
			f := *p.peek()
			if !f.is("sequence") && !f.is("options") && !f.is("seq") {
				p.unexpected("")
			}
			p.take()
			add("tcp " + strings.Replace(f.text+"$", "seq$", "sequence$", 1)[:len(strings.Replace(f.text+"$", "seq$", "sequence$", 1))-1])
			if !p.accept(",") {
				return
			}
		}
	case k.is("ip"):
		p.take()
		p.expect("options")
		add("ip options")
	case k.is("skuid"), k.is("ether"):
		p.take()
		add(k.text)
	case k.is("all"):
		p.take()
		for _, f := range logFlagNames {
			add(f)
		}
	default:
		p.unexpected("")
	}
}

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
	for {
		k := p.peek()
		switch {
		case k.is("random"):
			n.flags |= NATRandom
		case k.is("fully-random"):
			n.flags |= NATFullyRandom
		case k.is("persistent"):
			n.flags |= NATPersistent
		default:
			n.place = place{t.pos, p.last}
			return n
		}
		p.take()
		p.accept(",")
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
