package nft

type rawKind uint8

const (
	rawWord   rawKind = iota // a name of a value, an address, a time
	rawNumber                // text is the number
	rawString                // between quotes
	rawSel                   // expr is what a packet has
	rawConcat                // kids joined by '.'
	rawRange                 // kids[0]-kids[1]
	rawPrefix                // kids[0]/kids[1]
	rawList                  // kids, comma separated
	rawSet                   // { kids }
	rawRef                   // @text
	rawBin                   // kids[0] text kids[1]
	rawElem                  // kids[0] key, kids[1] data or verdict below
	rawNeg                   // -text
	rawAny                   // '*'
	rawMap                   // kids[0] map kids[1]
)

// raw is an expression before its type is known.
type raw struct {
	kind     rawKind
	pos, end Pos
	text     string
	glob     bool
	kids     []*raw
	expr     Expr
	ctFamily bool     // of a ct address: the family was written
	verdict  *Verdict // of a map element
	comment  *string
	opt      *elementOptions // of an element
}

func join(kind rawKind, text string, kids ...*raw) *raw {
	return &raw{kind: kind, text: text, kids: kids, pos: kids[0].pos, end: kids[len(kids)-1].end}
}

// startsSelector tells whether the next tokens name something of the packet.
func (p *parser) startsSelector() bool {
	t := *p.peek()
	if t.kind != tokWord || t.glob {
		return t.is("@") && p.peekAt(1).kind == tokWord && p.peekAt(2).is(",")
	}
	if t.text == "meta" || t.text == "ct" {
		return true
	}
	for i := range metaKeys {
		if metaKeys[i].bare && metaKeys[i].name == t.text {
			return true
		}
	}
	ext := findOption(OptionIPv6, t.text)
	if otherSelector(t.text) == nil && ext == nil && !hasProto(t.text) {
		return false
	}
	n := p.peekAt(1)
	if n.kind != tokWord {
		return false
	}
	if otherSelector(t.text) != nil {
		return true
	}
	if ext != nil && ext.field(n.text) != nil {
		return true
	}
	return hasProto(t.text) && (p.field(t.text) != nil || n.text == "option" && (t.text == "tcp" || t.text == "ip") || n.text == "chunk" && t.text == "sctp")
}

// field finds the header field whose name comes behind the header's.
func (p *parser) field(proto string) *Field {
	n := p.peekAt(1)
	if n.kind != tokWord || n.glob {
		return nil
	}
	if proto == "arp" && (n.text == "saddr" || n.text == "daddr") {
		return LookupField(proto, n.text+" "+p.peekAt(2).text)
	}
	return LookupField(proto, n.text)
}

// parseSelector reads `tcp dport`, `meta mark`, `ct original ip saddr`, ...
func (p *parser) parseSelector() *raw {
	t := *p.peek()
	r := &raw{kind: rawSel, pos: t.pos, text: t.text}
	if t.is("@") && p.peekAt(1).kind == tokWord {
		p.rawPayload(r)
		r.end = p.last
		return r
	}
	switch {
	case t.is("{"):
		return p.parseSetLiteral()
	case t.kind == tokNumber || t.kind == tokQuoted || t.glob || t.is("$"), t.kind == tokWord && t.addr:
		return p.parsePrimary() // has no type: the checker's business
	case t.kind != tokWord:
		p.unexpected("")
	}
	options := -1
	switch {
	case t.text == "tcp" && p.peekAt(1).is("option"):
		options = int(OptionTCP)
	case t.text == "ip" && p.peekAt(1).is("option"):
		options = int(OptionIPv4)
	case t.text == "sctp" && p.peekAt(1).is("chunk"):
		options = int(OptionSCTP)
	}
	ext := findOption(OptionIPv6, t.text)
	switch {
	case t.text == "meta":
		p.take()
		r.expr = p.metaKey(p.peek(), false)
	case t.text == "ct":
		p.take()
		p.ctKey(r)
	case options >= 0:
		p.take()
		p.take()
		p.optionExpr(r, OptionKind(options))
	case otherSelector(t.text) != nil:
		p.take()
		otherSelector(t.text)(p, r)
	case ext != nil:
		p.take()
		p.fieldOf(r, ext)
	case hasProto(t.text):
		field := p.field(t.text)
		p.take()
		f := *p.peek()
		if f.kind != tokWord || field == nil {
			p.unexpected(headerFields[t.text])
		}
		p.take()
		if t.text == "arp" && len(field.Name) > len(f.text) {
			p.take()
		}
		r.expr = &Payload{Field: field}
	default:
		m := p.metaKey(&t, true)
		if m == nil { // a symbol, which has no type: the checker's business
			if notStart[t.text] || notValue[t.text] || operatorWords[t.text] != "" {
				p.unexpected("")
			}
			p.take()
			break
		}
		r.expr = m
	}
	r.end = p.last
	return r
}

// metaKey takes a key of meta; nil when a bare word is none.
func (p *parser) metaKey(t *token, bare bool) Expr {
	if t.kind == tokWord && !t.glob {
		if t.text == "secpath" && !bare {
			p.take()
			return &Meta{Key: MetaIPsec}
		}
		for i := range metaKeys {
			if metaKeys[i].name == t.text && (metaKeys[i].bare || !bare) {
				p.take()
				return &Meta{Key: metaKeys[i].key}
			}
		}
	}
	if !bare {
		p.unexpected("")
	}
	return nil
}

func (p *parser) ctKey(r *raw) {
	ct := &CT{Dir: -1}
	switch {
	case p.peek().is("original"):
		ct.Dir = 0
		p.take()
	case p.peek().is("reply"):
		ct.Dir = 1
		p.take()
	}
	if n := p.peekAt(1); n.is("saddr") || n.is("daddr") {
		if p.peek().is("ip") {
			ct.Family = FamilyIP
			p.take()
		} else if p.peek().is("ip6") {
			ct.Family = FamilyIP6
			p.take()
		}
	}
	r.ctFamily = ct.Family != 0
	t := *p.peek()
	if t.kind == tokWord {
		for i := range ctKeys {
			k := &ctKeys[i]
			if k.name != t.text {
				continue
			}
			if ct.Dir >= 0 && k.dir == 0 {
				p.fail(&t, "syntax error, unexpected %s", t.what())
			}
			if ct.Dir < 0 && k.dir == 2 {
				p.errorf(r.pos, t.end, "not supported: ct %s without a direction (ct original %s)", t.text, t.text)
				panic(bail{})
			}
			ct.Key = k.key
			p.take()
			r.expr = ct
			return
		}
	}
	p.unexpected("")
}

// parseSelectorConcat reads a left side: selectors, masks and '.'.
func (p *parser) parseSelectorConcat() *raw {
	first := p.parseMasked()
	if !p.peek().is(".") {
		return first
	}
	parts := []*raw{first}
	for p.accept(".") {
		parts = append(parts, p.parseMasked())
		if len(parts) > 16 {
			p.unexpected("")
		}
	}
	return join(rawConcat, "", parts...)
}

// parseMasked reads a selector and what is done to it.
func (p *parser) parseMasked() *raw { return p.parseLeft(1) }

// parseLeft reads operators of at least the given precedence behind a selector.
func (p *parser) parseLeft(min int) *raw {
	var l *raw
	if p.peek().is("(") {
		defer p.nest()()
		p.take()
		l = p.parseLeft(1)
		p.expect(")")
	} else {
		l = p.parseSelector()
	}
	return p.operators(l, min)
}

// binaryOp is the operator a token stands for; "" when it is none.
func binaryOp(t *token) string {
	switch {
	case t.is("&"), t.is("and"):
		return "&"
	case t.is("|"), t.is("or"):
		return "|"
	case t.is("^"), t.is("xor"):
		return "^"
	case t.is("<<"), t.is("lshift"):
		return "<<"
	case t.is(">>"), t.is("rshift"):
		return ">>"
	}
	return ""
}

var precedence = map[string]int{"|": 1, "^": 2, "&": 3, "<<": 4, ">>": 4}

// parseBinary reads operands and operators of at least the given precedence.
func (p *parser) parseBinary(min int) *raw { return p.operators(p.parsePrimary(), min) }

func (p *parser) operators(l *raw, min int) *raw {
	for n := 0; ; n++ {
		op := binaryOp(p.peek())
		if op == "" || precedence[op] < min {
			return l
		}
		if n > maxNesting {
			p.unsupported(p.peek())
		}
		p.take()
		l = join(rawBin, op, l, p.parseBinary(precedence[op]+1))
	}
}

// parsePrimary reads one value: a word, number, string, variable, or an
// expression in parentheses.
func (p *parser) parsePrimary() *raw {
	t := *p.peek()
	switch {
	case t.is("("):
		defer p.nest()()
		p.take()
		r := p.parseBinary(1)
		p.expect(")")
		return r
	case t.is("$"):
		return p.variable()
	case t.is("-"):
		p.take()
		n := p.peek()
		if n.kind != tokNumber {
			p.unexpected("number")
		}
		p.take()
		return &raw{kind: rawNeg, pos: t.pos, end: n.end, text: n.text}
	case t.is("*"):
		p.take()
		return &raw{kind: rawAny, pos: t.pos, end: t.end, text: "*"}
	case t.is("@"):
		if p.startsSelector() {
			return p.parseSelector()
		}
		p.take()
		n := p.name()
		return &raw{kind: rawRef, pos: t.pos, end: n.end, text: n.text}
	case t.is("["):
		p.take()
		r := p.parsePrimary()
		r2 := *r
		r2.pos = t.pos
		p.expect("]")
		r2.end = p.last
		return &r2
	}
	switch t.kind {
	case tokWord:
		if p.startsSelector() {
			return p.parseSelector()
		}
		if !t.glob && (notValue[t.text] || operatorWords[t.text] != "") {
			p.unexpected("")
		}
		p.take()
		return &raw{kind: rawWord, pos: t.pos, end: t.end, text: t.text, glob: t.glob}
	case tokNumber:
		p.take()
		return &raw{kind: rawNumber, pos: t.pos, end: t.end, text: t.text}
	case tokQuoted:
		p.take()
		return &raw{kind: rawString, pos: t.pos, end: t.end, text: t.text}
	}
	p.unexpected("")
	return nil
}

// parseMultiton reads a value, range or prefix.
func (p *parser) parseMultiton() *raw {
	l := p.parseBinary(1)
	switch {
	case p.peek().is("-"):
		p.take()
		return join(rawRange, "", l, p.parseBinary(1))
	case p.peek().is("/") && p.peekAt(1).kind == tokNumber:
		p.take()
		return join(rawPrefix, "", l, p.parsePrimary())
	}
	return l
}

// parseConcatValue reads a right side without commas.
func (p *parser) parseConcatValue() *raw {
	first := p.parseMultiton()
	if !p.peek().is(".") {
		return first
	}
	parts := []*raw{first}
	for p.peek().is(".") {
		p.take()
		parts = append(parts, p.parseMultiton())
		if len(parts) > 16 {
			p.unexpected("")
		}
	}
	return join(rawConcat, "", parts...)
}
