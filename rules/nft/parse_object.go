package nft

import (
	"slices"
	"strings"
)

// objectBlock is an object or flowtable before it is checked.
type objectBlock struct {
	name    token
	kind    ObjectKind
	object  *Object
	flow    *Flowtable // of a flowtable; object is nil
	devices []*raw
	prio    *priorityNode
	hook    token
	comment *string
	given   map[string]bool
}

// objectKind takes the words of a kind of object; ok is false, and nothing
// taken, when there is none.
func (p *parser) objectKind() (k ObjectKind, ok bool) {
	t := p.peek()
	if t.kind != tokWord || t.glob {
		return 0, false
	}
	switch t.text {
	case "counter":
		k = ObjCounter
	case "quota":
		k = ObjQuota
	case "limit":
		k = ObjLimit
	case "synproxy":
		k = ObjSynproxy
	case "secmark":
		k = ObjSecmark
	case "ct":
		switch n := p.peekAt(1); {
		case n.is("helper"):
			k = ObjHelper
		case n.is("timeout"):
			k = ObjTimeout
		case n.is("expectation"):
			k = ObjExpectation
		default:
			return 0, false
		}
		p.take()
	default:
		return 0, false
	}
	p.take()
	return k, true
}

// parseObject reads the contents of an object, with braces or without; nft takes no
// braces behind create for most.
func (p *parser) parseObject(name token, kind ObjectKind, top, create bool) *objectBlock {
	b := &objectBlock{name: name, kind: kind, given: map[string]bool{}}
	b.object = &Object{Pos: name.pos, Kind: kind, Name: name.text}
	switch o := b.object; kind {
	case ObjCounter:
		o.Counter = &Counter{Pos: name.pos}
	case ObjHelper:
		o.Helper = &Helper{}
	case ObjTimeout:
		o.Timeout = &Timeout{}
	case ObjExpectation:
		o.Expectation = &Expectation{}
	case ObjSynproxy:
		o.Synproxy = &Synproxy{Pos: name.pos}
	}
	if !p.peek().is("{") {
		if kind == ObjCounter && (p.peek().isSeparator() || p.peek().kind == tokEOF) {
			return b
		}
		switch kind {
		case ObjCounter, ObjQuota, ObjLimit, ObjSecmark, ObjSynproxy:
			p.objectPart(b)
			return b
		}
		p.expect("{")
	}
	if plain := kind == ObjCounter || kind == ObjQuota || kind == ObjLimit || kind == ObjSecmark || kind == ObjSynproxy; create && plain {
		p.unexpected(map[ObjectKind]string{
			ObjCounter: "end of file or newline or semicolon", ObjLimit: "rate", ObjQuota: "number", ObjSynproxy: "mss", ObjSecmark: wantText,
		}[kind])
	}
	p.take()
	p.block(top, func() {
		if p.peek().is("comment") {
			b.comment = p.comment(b.comment)
			return
		}
		p.objectPart(b)
		if kind == ObjHelper || kind == ObjTimeout || kind == ObjExpectation {
			p.endStatement()
		}
	})
	return b
}

// objectPart reads one statement of an object.
func (p *parser) objectPart(b *objectBlock) {
	o, t := b.object, *p.peek()
	if t.kind != tokWord && b.kind != ObjQuota && b.kind != ObjSecmark {
		p.unexpected("")
	}
	b.given[t.text] = true
	switch b.kind {
	case ObjCounter:
		if !t.is("packets") {
			p.unexpected("")
		}
		p.take()
		o.Counter.Packets = uint64(p.takeNumber())
		p.expect("bytes")
		o.Counter.Bytes = uint64(p.takeNumber())
	case ObjQuota:
		o.Quota = p.parseQuota()
	case ObjLimit:
		o.Limit = p.parseLimit()
	case ObjSecmark:
		if t.kind != tokQuoted && t.kind != tokWord {
			p.unexpected("string")
		}
		o.Secmark = p.take().text
	case ObjSynproxy:
		p.synproxyObject(o.Synproxy)
	case ObjHelper:
		switch {
		case p.accept("type"):
			n := p.peek()
			if n.kind != tokQuoted {
				p.unexpected("quoted string")
			}
			if len(n.text) > 15 || n.text == "" {
				p.fail(n, "invalid name '%s', max length is 15", n.text)
			}
			o.Helper.Type = p.take().text
			p.expect("protocol")
			o.Helper.Proto = p.objectProto()
		case p.accept("l3proto"):
			o.Helper.L3 = p.objectFamily()
		default:
			p.unexpected("")
		}
	case ObjTimeout:
		switch {
		case p.accept("protocol"):
			o.Timeout.Proto = p.objectProto()
		case p.accept("l3proto"):
			o.Timeout.L3 = p.objectFamily()
		case p.accept("policy"):
			p.expect("=")
			p.timeoutPolicy(b)
		default:
			p.unexpected("")
		}
	case ObjExpectation:
		e := o.Expectation
		switch {
		case p.accept("protocol"):
			e.Proto = p.objectProto()
		case p.accept("dport"):
			n := *p.peek()
			v := p.takeNumber()
			if v > 65535 {
				p.fail(&n, "Value %d exceeds valid range 0-65535", v)
			}
			e.Port = uint16(v)
		case p.accept("timeout"):
			e.TimeoutMs = p.milliseconds()
		case p.accept("size"):
			n := *p.peek()
			v := p.takeNumber()
			if v > 255 {
				p.fail(&n, "Value %d exceeds valid range 0-255", v)
			}
			e.Size = uint8(v)
		case p.accept("l3proto"):
			e.L3 = p.objectFamily()
		default:
			p.unexpected("")
		}
	}
}

func (p *parser) objectProto() uint8 {
	t := p.word()
	switch t.text {
	case "tcp":
		return protoTCP
	case "udp":
		return protoUDP
	}
	p.fail(&t, "syntax error, unexpected %s, expecting udp or tcp", t.what())
	return 0
}

func (p *parser) objectFamily() Family {
	t := p.word()
	if f, ok := families[t.text]; ok {
		return f
	}
	p.fail(&t, "syntax error, unexpected %s", t.what())
	return 0
}

// timeoutStates are the states of each protocol with nft's default in seconds,
// in its order.
var timeoutStates = map[uint8][]StateTimeout{
	protoTCP: {
		{"syn_sent", 120}, {"syn_recv", 60}, {"established", 432000}, {"fin_wait", 120}, {"close_wait", 60},
		{"last_ack", 30}, {"time_wait", 120}, {"close", 10}, {"syn_sent2", 120}, {"retrans", 300}, {"unack", 300},
	},
	protoUDP: {{"unreplied", 30}, {"replied", 180}},
}

// States returns every state of the object's protocol and its timeout.
func (t *Timeout) States() []StateTimeout {
	all := slices.Clone(timeoutStates[t.Proto])
	for i := range all {
		for _, s := range t.Policy {
			if s.State == all[i].State {
				all[i].Seconds = s.Seconds
			}
		}
	}
	return all
}

// timeoutPolicy reads { established : 100, ... }.
func (p *parser) timeoutPolicy(b *objectBlock) {
	o := b.object.Timeout
	states := timeoutStates[o.Proto]
	if states == nil {
		p.fail(p.peek(), "the protocol must be given before the policy")
	}
	set := map[string]uint32{}
	p.expect("{")
	for {
		p.skipLines()
		if p.peek().is("}") { // as an empty one is listed
			break
		}
		name := p.word()
		known := false
		for _, s := range states {
			known = known || s.State == name.text
		}
		if !known {
			p.fail(&name, "invalid state name")
		}
		p.expect(":")
		t := *p.peek()
		v := p.takeNumber()
		if v > 1<<32-1 {
			p.fail(&t, "Value %d is too large", v)
		}
		set[name.text] = uint32(v)
		p.skipLines()
		if !p.accept(",") {
			break
		}
	}
	p.skipLines()
	p.expect("}")
	o.Policy = nil
	for _, s := range states {
		if v, ok := set[s.State]; ok && v != s.Seconds {
			o.Policy = append(o.Policy, StateTimeout{s.State, v})
		}
	}
}

// synproxyObject reads the parameters of an object, whose order is fixed: a
// separator may stand behind mss, and then must behind wscale.
func (p *parser) synproxyObject(s *Synproxy) {
	if !p.peek().is("mss") {
		p.unexpected("")
	}
	p.synproxyPart(s)
	apart := p.peek().isSeparator()
	if apart {
		p.take()
	}
	if !p.peek().is("wscale") {
		p.unexpected(map[bool]string{true: "wscale", false: "newline or semicolon or wscale"}[apart])
	}
	p.synproxyPart(s)
	if apart {
		p.endStatement()
	}
	for _, flag := range []string{"timestamp", "sack-perm"} {
		if p.peek().is(flag) {
			p.synproxyPart(s)
		}
	}
}

// synproxyPart reads one parameter. nft takes the low bits of a number that is too large.
func (p *parser) synproxyPart(s *Synproxy) {
	switch {
	case p.accept("mss"):
		s.MSS, s.hasMSS = uint16(p.takeNumber()), true
	case p.accept("wscale"):
		s.Wscale, s.hasWscale = uint8(p.takeNumber()), true
	case p.accept("timestamp"):
		s.Timestamp = true
	case p.accept("sack-perm"):
		s.SackPerm = true
	default:
		p.unexpected("")
	}
}

// parseFlowtable reads the block of a flowtable.
func (p *parser) parseFlowtable(name token, top bool) *objectBlock {
	b := &objectBlock{name: name, flow: &Flowtable{Pos: name.pos, Name: name.text}}
	p.expect("{")
	p.block(top, func() {
		switch {
		case p.accept("hook"):
			b.hook = p.wordFor("string")
			b.prio = p.priority()
		case p.accept("devices"):
			p.expect("=")
			b.devices = p.deviceList()
		case p.accept("flags"):
			for {
				t := p.word()
				if t.text != "offload" {
					p.fail(&t, "syntax error, unexpected %s, expecting offload", t.what())
				}
				b.flow.Offload = true
				if !p.accept(",") {
					break
				}
			}
		case p.accept("counter"):
			b.flow.Counter = true
			return // nft wants no separator here
		default:
			p.unexpected("")
		}
		p.endStatement()
	})
	return b
}

// deviceList reads { "a", b } or a variable that holds one.
func (p *parser) deviceList() []*raw {
	set := p.parseSetLiteral()
	var out []*raw
	var add func(r *raw)
	add = func(r *raw) {
		r = keyOf(r)
		switch r.kind {
		case rawSet, rawList:
			for _, k := range r.kids {
				add(k)
			}
		case rawWord, rawString:
			out = append(out, r)
		default:
			p.errorf(r.pos, r.end, "a device name is needed")
			panic(bail{})
		}
	}
	add(set)
	return out
}

// deviceName checks a device's name.
func (c *checker) deviceName(r *raw) string {
	if len(r.text) >= 16 || r.text == "" || strings.ContainsAny(r.text, "/ ") {
		c.fail(r, "invalid device name")
	}
	return r.text
}
