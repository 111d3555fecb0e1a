package nft

import (
	"math/bits"
	"strings"
)

// units of limits, quotas and bursts.
var (
	timeUnits = map[string]uint64{"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
	byteUnits = map[string]uint64{"bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20}
)

// parseLimit reads `limit ...` or the contents of a limit object.
func (p *parser) parseLimit() *Limit {
	if !p.peek().is("rate") {
		p.unexpected("name or rate")
	}
	l := &Limit{Pos: p.take().pos}
	l.Over = p.accept("over")
	n := p.takeNumber()
	l.Rate = uint64(n)
	given := false
	if t := *p.peek(); t.kind == tokWord && !t.glob {
		// The lexer takes `kbytes/second` for one word.
		p.take()
		amount, per, joined := strings.Cut(t.text, "/")
		unit := byteUnits[amount]
		if unit == 0 {
			p.fail(&t, "Wrong rate format")
		}
		l.Bytes = true
		if l.Rate > 1<<63/unit {
			p.fail(&t, "Value is too large")
		}
		l.Rate *= unit
		if joined && per != "" {
			if l.Unit = timeUnits[per]; l.Unit == 0 {
				p.fail(&t, "Wrong time format, expecting second, minute, hour, day or week")
			}
			given = true
		} else if joined {
			l.Unit, given = p.timeUnit(), true
		}
	}
	if !given {
		p.expect("/")
		l.Unit = p.timeUnit()
	}
	if l.Rate == 0 {
		p.errorf(l.Pos, p.last, "limit rate must be > 0")
		panic(bail{})
	}
	if !l.Bytes {
		l.Burst = 5
	}
	if p.accept("burst") {
		b := p.takeNumber()
		t := p.word()
		unit := byteUnits[t.text]
		if t.text == "packets" && !l.Bytes {
			unit = 1
		} else if !l.Bytes || unit == 0 {
			p.fail(&t, "syntax error, unexpected %s%s", t.what(), map[bool]string{false: ", expecting packets"}[l.Bytes])
		}
		v := uint64(b) * unit
		if b > 1<<32-1 || v > 1<<32-1 {
			p.fail(&t, "Value is too large")
		}
		l.Burst = uint32(v)
		if v == 0 && !l.Bytes {
			p.errorf(l.Pos, p.last, "packet limit burst must be > 0")
			panic(bail{})
		}
	}
	if l.overflows() {
		p.errorf(l.Pos, p.last, "Could not process rule: Value too large for defined data type")
		panic(bail{})
	}
	return l
}

func (p *parser) timeUnit() uint64 {
	t := p.word()
	u := timeUnits[t.text]
	if u == 0 {
		p.fail(&t, "syntax error, unexpected %s", t.what())
	}
	return u
}

// byteCount reads `25 mbytes`.
func (p *parser) byteCount() uint64 {
	n := uint64(p.takeNumber())
	t := p.word()
	u := byteUnits[t.text]
	if u == 0 {
		p.fail(&t, "Wrong rate format")
	}
	if n > 1<<63/u {
		p.fail(&t, "Value is too large")
	}
	return n * u
}

// parseQuota reads what follows `quota`.
func (p *parser) parseQuota() *Quota {
	q := &Quota{Pos: p.peek().pos}
	if q.Over = p.accept("over"); !q.Over {
		p.accept("until")
	}
	q.Bytes = p.byteCount()
	if p.accept("used") {
		q.Used = p.byteCount()
	}
	return q
}

// parseConnLimit reads what follows `ct`: count [over] n.
func (p *parser) parseConnLimit() *ConnLimit {
	c := &ConnLimit{Pos: p.expect("count").pos}
	c.Over = p.accept("over")
	t := *p.peek()
	if t.kind != tokNumber && !c.Over {
		p.unexpected("number or over")
	}
	c.Count = uint32(p.takeNumber()) // what is too large loses its upper bits, as in nft
	return c
}

// parseCounterValues reads `packets n bytes n`, either or both.
func (p *parser) parseCounterValues(c *Counter) {
	for {
		switch {
		case p.accept("packets"):
			c.Packets = uint64(p.takeNumber())
			continue
		case p.accept("bytes"):
			c.Bytes = uint64(p.takeNumber())
			continue
		}
		return
	}
}

// milliseconds reads a time: 30s, 1h, or a number of seconds.
func (p *parser) milliseconds() uint64 {
	t := *p.peek()
	switch t.kind {
	case tokWord, tokQuoted:
		if ms, ok := parseTime(t.text); ok {
			p.take()
			return ms
		}
	case tokNumber:
		n := p.takeNumber()
		if n > 1<<40 {
			p.fail(&t, "value too large")
		}
		return uint64(n) * 1000
	}
	p.unexpected("string")
	return 0
}

// parseLast reads what follows `last`.
func (p *parser) parseLast(t token) *Last {
	l := &Last{Pos: t.pos}
	if p.accept("used") {
		if !p.accept("never") {
			l.Used, l.UsedMs = true, p.milliseconds()
		}
	}
	return l
}

// overflows tells whether the kernel's bucket, in nanoseconds, is too small.
func (l *Limit) overflows() bool {
	nanos := l.Unit * 1e9
	if !l.Bytes {
		hi, _ := bits.Mul64(nanos/l.Rate, uint64(l.Burst))
		return hi != 0
	}
	sum, carry := bits.Add64(l.Rate, uint64(l.Burst), 0)
	hi, _ := bits.Mul64(nanos, sum)
	return carry != 0 || hi != 0
}
