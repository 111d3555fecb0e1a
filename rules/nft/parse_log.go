package nft

import "strings"

var logLevels = []string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"}

var logFlagNames = []string{"tcp sequence", "tcp options", "ip options", "skuid", "ether"}

func (p *parser) parseLog() stmtNode {
	t := p.take()
	l := &Log{Pos: t.pos, Group: -1}
	for {
		k := *p.peek()
		switch {
		case k.is("prefix"):
			p.take()
			var s *raw
			if p.peek().is("$") {
				s = p.variable()
			} else {
				v := p.peek()
				if v.kind != tokQuoted && v.kind != tokWord {
					p.unexpected(wantText)
				}
				s = p.parsePrimary()
			}
			text := p.interpolate(s)
			if len(text) > 127 {
				p.errorf(s.pos, s.end, "log prefix is too long")
				panic(bail{})
			}
			l.Prefix, l.prefixed = text, true
			continue
		case k.is("level"):
			p.take()
			v := *p.peek()
			if v.kind != tokWord && v.kind != tokQuoted {
				p.unexpected(wantText)
			}
			lv := v.text
			found := false
			for _, x := range logLevels {
				found = found || x == lv
			}
			if !found {
				p.fail(&v, "invalid log level")
			}
			p.take()
			l.Level = lv
			continue
		case k.is("group"):
			p.take()
			l.Group = int(uint16(p.takeNumber())) // nft cuts them to their size
			continue
		case k.is("snaplen"), k.is("queue-threshold"):
			p.take()
			v := p.takeNumber()
			if k.text == "snaplen" {
				l.Snaplen, l.snaps = uint32(v), true
			} else {
				l.QThresh = uint32(uint16(v))
			}
			continue
		case k.is("flags"):
			p.take()
			tcp := p.peek().is("tcp")
			p.parseLogFlags(l)
			if t := p.peek(); tcp && (t.is("prefix") || t.is("level") || t.is("snaplen") || t.is("group") || t.is("queue-threshold")) {
				p.fail(t, "No symbol type information") // nft's lexer has forgotten the log by then
			}
			continue
		}
		break
	}
	if l.Level == "audit" && (l.prefixed || l.Group >= 0 || l.snaps || l.QThresh > 0 || len(l.LogFlags) > 0) {
		p.errorf(t.pos, t.end, "log level audit doesn't support any further options")
		panic(bail{})
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
				p.unexpected("seq or options")
			}
			p.take()
			if f.is("seq") {
				f.text = "sequence"
			}
			add("tcp " + f.text)
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

// interpolate puts what variables stand for into a text that names them.
func (p *parser) interpolate(r *raw) string {
	text, out := r.text, ""
	for {
		i := strings.IndexByte(text, '$')
		if i < 0 || r.kind != rawString {
			return out + text
		}
		n := i + 1
		for n < len(text) && (isLetter(text[n]) || n > i+1 && (isDigit(text[n]) || strings.IndexByte("/-_.", text[n]) >= 0)) {
			n++
		}
		if n == i+1 {
			return out + text
		}
		var v *raw
		for _, scope := range p.scopes {
			if x := scope[text[i+1:n]]; x != nil {
				v = x
			}
		}
		if v == nil {
			p.errorf(r.pos, r.end, "unknown identifier '%s'", text[i+1:n])
			panic(bail{})
		}
		out += text[:i] + v.text
		text = text[n:]
	}
}
