package nft

// queryNode is a command that asks.
type queryNode struct {
	verb   string // "list", "reset", "get", "monitor"
	object string // as Query.object
	many   bool   // all of a kind
	events []string
	text   string // of describe: the answer
}

// listWords are what `list` may show, by word: all of a kind, or one.
var listWords = map[string]queryNode{
	"ruleset": {object: "ruleset", many: true},
	"tables":  {object: "table", many: true}, "table": {object: "table"},
	"chains": {object: "chain", many: true}, "chain": {object: "chain"},
	"sets": {object: "set", many: true}, "set": {object: "set"},
	"maps": {object: "map", many: true}, "map": {object: "map"},
	"meters": {object: "meter", many: true}, "meter": {object: "meter"},
	"flowtables": {object: "flowtable", many: true}, "flowtable": {object: "flowtable"},
	"counters": {object: "object", many: true}, "quotas": {object: "object", many: true},
	"limits": {object: "object", many: true}, "secmarks": {object: "object", many: true},
	"synproxys": {object: "object", many: true},
}

// objectPlurals are the words for all objects of a kind.
var objectPlurals = map[string]ObjectKind{
	"counters": ObjCounter, "quotas": ObjQuota, "limits": ObjLimit, "secmarks": ObjSecmark, "synproxys": ObjSynproxy,
}

// parseQuery reads a command that asks; its verb comes next.
func (p *parser) parseQuery(c *command) {
	verb := p.take()
	c.verb = verb.text
	c.query = &queryNode{verb: verb.text}
	switch verb.text {
	case "list":
		p.parseListing(c)
	case "reset":
		t := p.peek()
		if !t.is("counter") && !t.is("counters") && !t.is("quota") && !t.is("quotas") {
			p.unexpected("counter or counters or quotas or quota")
		}
		p.parseListing(c)
	case "get":
		p.expect("element")
		c.query.object = "element"
		c.family, _ = p.family()
		c.table, c.name = p.name(), p.name()
		c.elements = p.parseSetLiteral()
	case "monitor":
		p.parseMonitor(c)
	case "describe":
		p.parseDescribe(c)
	case "export":
		p.accept("ruleset")
		p.accept("vm")
		t := p.peek()
		if !t.is("json") && !t.is("xml") {
			p.unexpected("xml or json or vm")
		}
		p.take()
		p.errorf(c.pos, p.peek().end, "JSON export is no longer supported, use 'nft -j list ruleset' instead")
		panic(bail{})
	case "import":
		p.accept("ruleset")
		p.accept("vm")
		p.word()
		p.errorf(c.pos, p.last, "Could not process rule: Operation not supported")
		panic(bail{})
	}
	p.finish(c)
}

// parseListing reads what to list.
func (p *parser) parseListing(c *command) {
	q := c.query
	t := *p.peek()
	if t.is("hooks") {
		p.fail(&t, "not supported: list hooks: the box has the hooks of its base chains only, see list chains")
	}
	if t.kind != tokWord {
		p.unexpected("")
	}
	if t.is("flow") { // the old name of meters
		p.take()
		if !p.peek().is("table") && !p.peek().is("tables") {
			p.unexpected("table or tables")
		}
		q.object, q.many = "meter", p.take().text == "tables"
		p.parseWhich(c)
		return
	}
	if w, ok := listWords[t.text]; ok {
		p.take()
		q.object, q.many = w.object, w.many
		c.kind = objectPlurals[t.text]
		p.parseWhich(c)
		return
	}
	if t.is("ct") && p.peekAt(1).is("helpers") {
		p.take()
		p.take()
		q.object, q.many, c.kind = "object", true, ObjHelper
		if !p.peek().is("table") {
			p.unexpected("table")
		}
		p.parseWhich(c)
		return
	}
	if t.is("ct") {
		if n := p.peekAt(1); !n.is("helper") && !n.is("timeout") && !n.is("expectation") {
			p.take()
			p.unexpected("timeout or expectation or helper or helpers")
		}
	}
	k, ok := p.objectKind()
	if !ok {
		p.unexpected("")
	}
	c.kind, q.object = k, "object"
	q.many = k >= ObjHelper && p.peek().is("table")
	p.parseWhich(c)
}

// parseWhich reads family, table and name as far as they belong to a listing.
func (p *parser) parseWhich(c *command) {
	q := c.query
	if !q.many {
		c.family, _ = p.family()
		c.table = p.name()
		if q.object != "table" {
			c.name = p.name()
		}
		return
	}
	switch q.object {
	case "ruleset", "table", "chain", "flowtable":
	default:
		if p.accept("table") {
			c.family, _ = p.family()
			c.table = p.name()
			return
		}
	}
	if f, ok := families[p.peek().text]; ok {
		p.take()
		c.family = f
	}
}

// monitorObjects are what events may be asked for.
var monitorObjects = []string{"tables", "chains", "sets", "rules", "elements", "ruleset", "trace"}

// parseMonitor reads which events are wanted.
func (p *parser) parseMonitor(c *command) {
	q := c.query
	q.object = "monitor"
	if t := *p.peek(); t.kind == tokWord {
		if p.accept("new") || p.accept("destroy") {
			q.events = append(q.events, t.text)
		} else if !t.isObjectOf(monitorObjects) && t.text != "json" && t.text != "xml" {
			p.fail(&t, "invalid event %s", t.text)
		}
	}
	if t := *p.peek(); t.isObjectOf(monitorObjects) {
		p.take()
		q.events = append(q.events, t.text)
	}
	_ = p.accept("json") || p.accept("xml")
}

func (t *token) isObjectOf(words []string) bool {
	for _, w := range words {
		if t.is(w) {
			return true
		}
	}
	return false
}
