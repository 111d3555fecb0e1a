package nft

import "strconv"

// command is one command of the file before it is checked.
type command struct {
	verb, object string
	pos, end     Pos
	family       Family
	table        token
	name         token // chain or set; empty for a table
	block        *tableBlock
	chain        *chainBlock
	set          *setBlock
	rule         *ruleNode
	elements     *raw
	kind         ObjectKind
	obj          *objectBlock

	where    token // handle, position or index: which rule, or what to delete
	number   uint64
	numberAt span  // of the number
	newName  token // rename
	query    *queryNode
}

// tableBlock is what stands between a table's braces.
type tableBlock struct {
	comment *string // nil: none
	chains  []*chainBlock
	sets    []*setBlock
	objects []*objectBlock
	dormant bool
}

type chainBlock struct {
	name      token
	comment   *string
	base      bool
	basePos   Pos
	baseEnd   Pos
	typ       token
	hook      token
	devices   []*raw
	offload   bool
	priority  *priorityNode
	policy    *raw
	policyPos Pos
	rules     []*ruleNode
}

// priorityNode is a name, a number, or a name and a number.
type priorityNode struct {
	name  token
	num   int64
	pos   Pos
	end   Pos
	named bool
}

type setBlock struct {
	name     token
	isMap    bool
	comment  *string
	key      []token // of type
	keyExpr  *raw    // of typeof
	keyPos   Pos
	keyEnd   Pos
	data     []token
	dataExpr *raw
	flags    uint32
	size     uint64
	timeout  uint64
	gc       uint64
	stmts    []stmtNode
	objects  bool // a map of objects of kind
	kind     ObjectKind
	ranges   bool // data are intervals
	policy   string
	elements *raw
	hasType  bool
	whole    token // where errors about all of it are: its name in a table's block, else its own block
}

// families are the families of tables.
var families = map[string]Family{
	"arp": FamilyARP, "ip": FamilyIP, "ip6": FamilyIP6, "inet": FamilyInet, "bridge": FamilyBridge, "netdev": FamilyNetdev,
}

func (p *parser) family() (Family, bool) {
	t := p.peek()
	if t.kind != tokWord {
		return FamilyIP, false
	}
	if f, ok := families[t.text]; ok {
		p.take()
		return f, true
	}
	return FamilyIP, false
}

// parseCommand reads one command of the top level.
func (p *parser) parseCommand() {
	if p.parseDefinition() {
		return
	}
	first := *p.peek()
	if first.kind != tokWord {
		p.unexpected("")
	}
	c := &command{verb: "add", pos: first.pos}
	want := ""
	switch first.text {
	case "add", "create", "insert", "delete", "flush", "rename", "replace":
		c.verb = first.text
		p.take()
		want = objectAfter[c.verb]
	case "list", "reset", "get", "monitor", "export", "import", "describe":
		p.parseQuery(c)
		return
	}
	obj := *p.peek()
	if obj.kind != tokWord {
		p.unexpected(want)
	}
	c.object = obj.text
	switch obj.text {
	case "table", "chain", "rule", "set", "map", "element", "ruleset", "flowtable":
		p.take()
	case "meter", "hook":
		p.unsupported(&obj)
	default:
		k, ok := p.objectKind()
		switch {
		case ok:
			c.kind, c.object = k, "object"
		case obj.is("ct"):
			p.take()
			p.unexpected("timeout or expectation or helper")
		case c.verb == "add" && (want != "" || families[obj.text] != 0 || !reserved[obj.text]): // `rule` may be left out
			c.object = "rule"
		default:
			p.unexpected(want)
		}
	}
	if c.object == "ruleset" {
		if c.verb != "flush" {
			p.fail(&obj, "syntax error, unexpected ruleset")
		}
		if f, ok := families[p.peek().text]; ok {
			p.take()
			c.family = f
		}
		p.finish(c)
		return
	}
	if !allowed(c.verb, c.object) {
		p.fail(&obj, "syntax error, unexpected %s", obj.what())
	}
	c.family, _ = p.family()
	byHandle := c.verb == "delete" && c.object != "rule"
	if byHandle && c.object == "table" && p.peek().is("handle") {
		p.parsePlace(c)
		p.finish(c)
		return
	}
	c.table = p.nameFor(byHandle && c.object == "table")
	if byHandle && c.object != "element" && p.peek().is("handle") {
		p.parsePlace(c)
		p.finish(c)
		return
	}
	if c.object != "table" && !(c.verb == "flush" && c.object == "rule") {
		c.name = p.nameFor(byHandle && c.object != "element")
	}
	switch c.verb {
	case "add", "create", "insert", "replace":
		p.parseAdd(c)
	case "rename":
		c.newName = p.name()
	case "delete":
		if c.object == "rule" {
			p.parsePlace(c)
		}
		if c.object == "element" {
			c.elements = p.parseSetLiteral()
		}
	case "flush":
		if c.object == "rule" && c.table.kind == tokEOF || c.object == "element" || c.object == "object" || c.object == "flowtable" {
			p.fail(&obj, "syntax error, unexpected %s", obj.text)
		}
	}
	p.finish(c)
}

// objectAfter is what a syntax error behind a verb says that may come there.
var objectAfter = map[string]string{"add": "string", "insert": "rule", "replace": "rule", "rename": "chain"}

// allowed tells whether a verb goes with an object.
func allowed(verb, object string) bool {
	switch verb {
	case "insert", "replace":
		return object == "rule"
	case "rename":
		return object == "chain"
	case "create":
		return object != "rule"
	case "flush":
		return object != "element" && object != "object" && object != "flowtable"
	}
	return true
}

// parsePlace reads `handle n`, and of a rule to be added `position n` and
// `index n` too.
func (p *parser) parsePlace(c *command) {
	t := *p.peek()
	add := c.verb == "add" || c.verb == "insert"
	if !t.is("handle") && !(add && (t.is("position") || t.is("index"))) {
		p.unexpected("handle")
	}
	c.where = p.take()
	c.numberAt.pos = p.peek().pos
	c.number = uint64(p.takeNumber())
	c.numberAt.end = p.last
	if !t.is("handle") {
		c.numberAt.pos = t.pos
	}
}

func (p *parser) finish(c *command) {
	if t := p.peek(); !t.isSeparator() && t.kind != tokEOF {
		p.unexpected("end of file or newline or semicolon")
	}
	p.endStatement()
	c.end = p.last // behind the separator: nft takes it for a part of the command
	p.cmds = append(p.cmds, c)
}

// parseAdd reads what follows the names in an add command.
func (p *parser) parseAdd(c *command) {
	switch c.object {
	case "table":
		c.block = &tableBlock{}
		if p.accept("{") {
			// The command stands even when part of its block is wrong: later
			// ones that name its chains must not fail for that.
			p.parseTable(c.block)
		}
	case "chain":
		c.chain = &chainBlock{name: c.name}
		if p.accept("{") {
			p.parseChain(c.chain, true)
		}
	case "set", "map":
		c.set = &setBlock{name: c.name, isMap: c.object == "map"}
		c.set.whole = p.expect("{")
		p.parseSet(c.set, true)
		c.set.whole.end = p.inside
	case "element":
		c.elements = p.parseSetLiteral()
	case "rule":
		if t := p.peek(); c.verb == "replace" || t.is("handle") || t.is("position") || t.is("index") {
			p.parsePlace(c)
		}
		c.rule = p.parseRule(false)
	case "object":
		c.obj = p.parseObject(c.name, c.kind, true, c.verb == "create")
	case "flowtable":
		c.obj = p.parseFlowtable(c.name, true)
	}
}

// block runs one for each statement up to the closing brace. A separator has to come
// behind it; where none does, the rest of the line is skipped and the block goes on,
// since that is where nft's parser finds its feet again.
func (p *parser) block(top bool, one func()) {
	defer p.nest()()
	p.scopes = append(p.scopes, map[string]*raw{})
	n := len(p.scopes)
	defer func() { p.scopes = p.scopes[:n-1] }()
	for {
		done := false
		p.guard(func() {
			p.skipSeparators()
			t := p.peek()
			if t.is("}") {
				p.inside = p.last
				p.take()
				if end := p.peek(); !end.isSeparator() && !(top && end.kind == tokEOF) {
					p.unexpected(behindBlock(top))
				}
				done = true
				return
			}
			if t.kind == tokEOF {
				p.errorf(t.pos, t.end, "syntax error, unexpected end of file")
				panic(ended{})
			}
			if !p.parseDefinition() {
				one()
			}
		})
		if done {
			return
		}
	}
}

// behindBlock names what has to follow a closing brace.
func behindBlock(top bool) string {
	if top {
		return "end of file or newline or semicolon"
	}
	return "newline or semicolon"
}

// comment reads a comment of something that has before or, if nil, none yet.
func (p *parser) comment(before *string) *string {
	word := p.expect("comment")
	t := *p.peek()
	if t.kind != tokQuoted && t.kind != tokWord {
		p.unexpected(wantText)
	}
	p.take()
	if len(t.text) > 128 {
		p.fail(&t, "comment too long, 128 characters maximum allowed")
	}
	if before != nil {
		p.errorf(word.pos, t.end, "You can only specify this once. This statement is duplicated.")
		panic(bail{})
	}
	text := t.text
	return &text
}

// textOf is a comment's text, and whether it is one without letters.
func textOf(comment *string) (text string, empty bool) {
	if comment == nil {
		return "", false
	}
	return *comment, *comment == ""
}

func (p *parser) parseTable(b *tableBlock) {
	p.block(true, func() {
		t := *p.peek()
		switch {
		case t.is("chain"):
			p.take()
			c := &chainBlock{name: p.name()}
			p.expect("{")
			b.chains = append(b.chains, c)
			p.parseChain(c, false)
		case t.is("set"), t.is("map"):
			p.take()
			s := &setBlock{name: p.name(), isMap: t.text == "map"}
			s.whole = s.name
			p.expect("{")
			b.sets = append(b.sets, s)
			p.parseSet(s, false)
		case t.is("comment"):
			b.comment = p.comment(b.comment)
		case t.is("flags"):
			p.take()
			f := p.wordFor("string")
			if f.text != "dormant" {
				p.fail(&f, "unknown table option %s", f.text)
			}
			b.dormant = true
		case t.is("flowtable"):
			p.take()
			b.objects = append(b.objects, p.parseFlowtable(p.name(), false))
		default:
			k, ok := p.objectKind()
			if !ok {
				p.unexpected("")
			}
			b.objects = append(b.objects, p.parseObject(p.name(), k, false, false))
		}
		p.endStatement()
	})
}

func (p *parser) parseChain(c *chainBlock, top bool) {
	p.block(top, func() {
		t := *p.peek()
		switch {
		case t.is("type"):
			p.parseBase(c, t)
		case t.is("policy"):
			p.take()
			if !p.peek().is("accept") && !p.peek().is("drop") && !p.peek().is("$") {
				p.unexpected("accept or drop or '$'")
			}
			var policy *raw
			if p.peek().is("$") {
				policy = p.parsePrimary()
			} else {
				w := p.take()
				policy = &raw{kind: rawWord, pos: w.pos, end: w.end, text: w.text}
			}
			if c.policy != nil {
				p.errorf(t.pos, policy.end, "you cannot set chain policy twice")
				panic(bail{})
			}
			c.policyPos, c.policy = t.pos, policy
		case t.is("flags"):
			p.take()
			f := p.word()
			if f.text != "offload" {
				p.fail(&f, "syntax error, unexpected %s, expecting offload", f.what())
			}
			c.offload = true
		case t.is("comment"):
			c.comment = p.comment(c.comment)
		default:
			c.rules = append(c.rules, p.parseRule(true))
		}
		p.endStatement()
	})
}

// parseBase reads `type T hook H priority P`.
func (p *parser) parseBase(c *chainBlock, t token) {
	p.take()
	c.base = false // until all of it is read
	c.basePos = t.pos
	c.typ = p.wordFor("string")
	p.expect("hook")
	c.hook = p.wordFor("string")
	switch d := p.peek(); {
	case d.is("device"):
		p.take()
		c.devices = []*raw{p.parsePrimary()}
	case d.is("devices"):
		p.take()
		p.expect("=")
		c.devices = p.deviceList()
	}
	c.priority = p.priority()
	c.base, c.baseEnd = true, p.last
}

// priority reads `priority P`.
func (p *parser) priority() *priorityNode {
	n := &priorityNode{pos: p.expect("priority").pos}
	if p.peek().is("$") {
		v := p.variable()
		switch v.kind {
		case rawNumber:
			n.num = p.number(&token{kind: tokNumber, text: v.text, pos: v.pos, end: v.end})
		case rawNeg:
			n.num = -p.number(&token{kind: tokNumber, text: v.text, pos: v.pos, end: v.end})
		default:
			n.name, n.named = token{kind: tokWord, text: v.text, pos: v.pos, end: v.end}, true
		}
	} else if k := p.peek(); k.kind == tokWord || k.kind == tokQuoted {
		n.name, n.named = p.take(), true
	} else {
		sign := int64(1)
		if p.accept("-") {
			sign = -1
		} else if k.kind != tokNumber {
			p.unexpected("")
		}
		n.num = sign * p.takeNumber()
	}
	if n.named {
		if p.accept("+") {
			n.num = p.takeNumber()
		} else if p.accept("-") {
			n.num = -p.takeNumber()
		}
	}
	n.end = p.last
	return n
}

// takeNumber takes a number of at most 2^32-1 with a sign added later.
func (p *parser) takeNumber() int64 {
	t := p.peek()
	if t.kind != tokNumber {
		p.unexpected("number")
	}
	return p.number(t, true)
}

func (p *parser) number(t *token, take ...bool) int64 {
	v, err := strconv.ParseUint(t.text, 0, 63)
	if err != nil {
		v, err = strconv.ParseUint(t.text, 10, 63)
	}
	if err != nil {
		p.fail(t, "Value %s is too large", t.text)
	}
	if len(take) > 0 {
		p.take()
	}
	return int64(v)
}
