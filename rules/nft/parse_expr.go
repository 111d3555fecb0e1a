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
	chainPos Pos      // of the verdict's chain
	chainEnd Pos
	comment  *string
	opt      *elementOptions // of an element
}

func join(kind rawKind, text string, kids ...*raw) *raw {
	return &raw{kind: kind, text: text, kids: kids, pos: kids[0].pos, end: kids[len(kids)-1].end}
}

// otherHeaders are selectors of nft this package does not have.
var otherHeaders = map[string]bool{
	"vlan": true, "arp": true, "ah": true, "esp": true, "comp": true, "igmp": true, "gre": true, "vxlan": true,
	"geneve": true, "gretap": true, "rt": true, "rt0": true, "rt2": true, "srh": true, "hbh": true, "frag": true, "dst": true,
	"mh": true, "exthdr": true, "fib": true, "numgen": true, "jhash": true, "symhash": true, "socket": true,
	"osf": true, "ipsec": true, "tunnel": true, "xfrm": true,
}

// startsSelector tells whether the next tokens name something of the packet.
func (p *parser) startsSelector() bool {
	t := p.peek()
	if t.kind != tokWord || t.glob {
		return t.is("@") && p.peekAt(1).kind == tokWord && p.peekAt(2).is(",")
	}
	if t.text == "meta" || t.text == "ct" || otherHeaders[t.text] {
		return true
	}
	for i := range metaKeys {
		if metaKeys[i].bare && metaKeys[i].name == t.text {
			return true
		}
	}
	if !hasProto(t.text) {
		return false
	}
	n := p.peekAt(1)
	return n.kind == tokWord && (LookupField(t.text, n.text) != nil || n.text == "option")
}

// parseSelector reads `tcp dport`, `meta mark`, `ct original ip saddr`, ...
func (p *parser) parseSelector() *raw {
	t := *p.peek()
	r := &raw{kind: rawSel, pos: t.pos, text: t.text}
	if t.is("@") {
		n := p.peekAt(1)
		p.errorf(t.pos, n.end, "not supported: raw payload @%s", n.text)
		panic(bail{})
	}
	if t.kind != tokWord || t.glob {
		p.unexpected("")
	}
	if otherHeaders[t.text] && t.text != "frag" {
		p.unsupported(&t)
	}
	switch {
	case t.text == "meta":
		p.take()
		r.expr = p.metaKey(p.peek(), false)
	case t.text == "ct":
		p.take()
		p.ctKey(r)
	case hasProto(t.text):
		p.take()
		f := *p.peek()
		if f.kind != tokWord {
			p.unexpected("")
		}
		field := LookupField(t.text, f.text)
		if field == nil {
			if f.text == "option" || f.text == "chunk" || t.text == "dccp" || f.text == "taddr" {
				p.errorf(t.pos, f.end, "not supported: %s %s", t.text, f.text)
				panic(bail{})
			}
			var names []string
			for _, x := range fields {
				if x.Proto == t.text {
					names = append(names, x.Name)
				}
			}
			p.fail(&f, "syntax error, unexpected %s%s", f.what(), nearest(f.text, names))
		}
		p.take()
		r.expr = &Payload{Field: field}
	default:
		m := p.metaKey(&t, true)
		if m == nil {
			p.fail(&t, "No symbol type information")
		}
		r.expr = m
	}
	r.end = p.last
	return r
}

// metaKey takes a key of meta; nil when a bare word is none.
func (p *parser) metaKey(t *token, bare bool) Expr {
	if t.kind == tokWord && !t.glob {
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
	parts := []*raw{p.parseMasked()}
	for p.accept(".") {
		parts = append(parts, p.parseMasked())
		if len(parts) > 16 {
			p.unexpected("")
		}
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return join(rawConcat, "", parts...)
}

// parseMasked reads a selector and what is done to it.
func (p *parser) parseMasked() *raw {
	var l *raw
	if p.peek().is("(") {
		defer p.nest()()
		p.take()
		l = p.parseMasked()
		p.expect(")")
	} else {
		l = p.parseSelector()
	}
	for {
		op := binaryOp(p.peek())
		if op == "" {
			return l
		}
		p.take()
		l = join(rawBin, op, l, p.parsePrimary())
	}
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
func (p *parser) parseBinary(min int) *raw {
	l := p.parsePrimary()
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
		if p.peek().is(",") {
			r = p.parseList(r)
		}
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
		if p.startsSelector() && !p.wordAsValue(&t) {
			return p.parseSelector()
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

// wordAsValue tells that a word that may begin a selector is a value here:
// `esp` and `ah` are protocols as well.
func (p *parser) wordAsValue(t *token) bool {
	if !otherHeaders[t.text] {
		return false
	}
	n := p.peekAt(1)
	return n.kind != tokWord || keywordsAfterValue[n.text]
}

var keywordsAfterValue = map[string]bool{
	"accept": true, "drop": true, "counter": true, "log": true, "jump": true, "goto": true, "return": true,
	"continue": true, "reject": true, "comment": true, "meta": true, "ct": true, "ip": true, "ip6": true, "tcp": true,
	"udp": true, "snat": true, "dnat": true, "masquerade": true, "redirect": true, "iif": true, "oif": true,
	"iifname": true, "oifname": true, "th": true, "limit": true, "mark": true, "notrack": true,
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
	parts := []*raw{p.parseMultiton()}
	for p.peek().is(".") {
		p.take()
		parts = append(parts, p.parseMultiton())
		if len(parts) > 16 {
			p.unexpected("")
		}
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return join(rawConcat, "", parts...)
}
