package nft

import "strconv"

func itoa(n int) string { return strconv.Itoa(n) }

// otherSelector is what reads a selector that begins with a word of its own; nil
// when the word begins none.
func otherSelector(word string) func(*parser, *raw) {
	switch word {
	case "fib":
		return (*parser).fibExpr
	case "rt":
		return (*parser).rtExpr
	case "socket":
		return (*parser).socketExpr
	case "osf":
		return (*parser).osfExpr
	case "numgen":
		return (*parser).numgenExpr
	case "jhash", "symhash":
		return (*parser).hashExpr
	case "ipsec":
		return (*parser).xfrmExpr
	case "exthdr":
		return (*parser).exthdrExpr
	}
	return nil
}

// number32 takes a number of 32 bits.
func (p *parser) number32() uint32 {
	t := *p.peek()
	v := p.takeNumber()
	if v > 1<<32-1 {
		p.fail(&t, "Value %d is too large", v)
	}
	return uint32(v)
}

// headerFields are the fields of headers that a syntax error lists: of those with
// few.
var headerFields = map[string]string{
	"hbh": "hdrlength or nexthdr", "dst": "hdrlength or nexthdr", "rt0": "addr", "rt2": "addr", "srh": "flags or last-entry or tag or sid",
	"comp": "nexthdr or flags or cpi", "dccp": "type or sport or dport", "esp": "seq or spi", "ether": "saddr or daddr or type",
	"igmp": "type or checksum or mrt or group", "th": "sport or dport", "udp": "length or checksum or sport or dport",
	"udplite": "checksum or sport or dport or csumcov",
}

// fieldOf reads a field of an option or extension header.
func (p *parser) fieldOf(r *raw, h *optionHeader) {
	t := *p.peek()
	f := h.field(t.text)
	if t.kind != tokWord || f == nil {
		p.unexpected(headerFields[h.name])
	}
	p.take()
	e := &Option{Kind: h.kind, Code: h.code, Field: f}
	if f.Length == 128 {
		p.expect("[")
		n := p.number32()
		if n > 2 {
			p.fail(&t, "No symbol type information")
		}
		p.expect("]")
		e.Field, e.nth = h.address(f, int(n)), int(n)
	}
	r.expr = e
}

// optionExpr reads what follows `tcp option`, `ip option` or `sctp chunk`.
func (p *parser) optionExpr(r *raw, kind OptionKind) {
	if kind == OptionTCP && p.accept("@") {
		code := p.number32()
		p.expect(",")
		off := p.number32()
		p.expect(",")
		n := *p.peek()
		bits := p.number32()
		if code > 255 || off > 1<<11 || bits == 0 || bits > 128 {
			p.fail(&n, "Value %d is too large", bits)
		}
		f := option("unknown", uint16(off), uint16(bits), TypeInteger)
		if off == 0 && bits == 8 {
			f.Name = "kind"
		}
		for _, h := range optionHeaders {
			for _, x := range h.fields {
				if h.kind == kind && h.code == uint8(code) && x.Offset == f.Offset && x.Length == f.Length {
					f = x
				}
			}
		}
		r.expr = &Option{Kind: kind, Code: uint8(code), Field: f}
		return
	}
	t := *p.peek()
	if kind == OptionTCP && t.kind == tokNumber {
		code := p.number32()
		if code > 255 {
			p.fail(&t, "value too large")
		}
		r.expr = &Option{Kind: kind, Code: uint8(code), Exists: true}
		if p.accept("length") {
			r.expr = &Option{Kind: kind, Code: uint8(code), Field: tcpStart[1]}
		}
		return
	}
	h := findOption(kind, t.text)
	if t.kind != tokWord || h == nil {
		p.unexpected("")
	}
	p.take()
	if n := p.peek(); n.kind == tokWord && h.field(n.text) != nil && !(kind == OptionTCP && n.text == "kind") {
		p.fieldOf(r, h)
		return
	}
	r.expr = &Option{Kind: kind, Code: h.code, Exists: true}
}

func (p *parser) exthdrExpr(r *raw) {
	t := p.word()
	h := findOption(OptionIPv6, t.text)
	if h == nil || !h.exists {
		p.fail(&t, "syntax error, unexpected %s", t.what())
	}
	r.expr = &Option{Kind: OptionIPv6, Code: h.code, Exists: true}
}

// rtExpr reads the route, or the routing header: both are called rt.
func (p *parser) rtExpr(r *raw) {
	t := *p.peek()
	e := &RT{}
	switch {
	case t.is("classid"):
		e.Key = RTClassid
	case t.is("mtu"):
		e.Key = RTMTU
	case t.is("ipsec"):
		e.Key = RTIPsec
	case t.is("nexthop"):
		e.Key = RTNexthop
	case t.is("ip"), t.is("ip6"):
		e.Key, e.Family = RTNexthop, families[t.text]
		p.take()
		p.expect("nexthop")
		r.expr = e
		return
	default:
		p.fieldOf(r, findOption(OptionIPv6, "rt"))
		return
	}
	p.take()
	r.expr = e
}

var fibFlags = []struct {
	name string
	flag uint32
}{{"saddr", FibSaddr}, {"daddr", FibDaddr}, {"mark", FibMark}, {"iif", FibIif}, {"oif", FibOif}}

func (p *parser) fibExpr(r *raw) {
	e := &Fib{}
	for {
		t := p.word()
		known := false
		for _, f := range fibFlags {
			if f.name == t.text {
				e.Flags |= f.flag
				known = true
			}
		}
		if !known {
			p.fail(&t, "syntax error, unexpected %s", t.what())
		}
		if !p.accept(".") {
			break
		}
	}
	t := p.wordFor("type or oif or oifname")
	switch t.text {
	case "oif":
		e.Result = FibOifIndex
	case "oifname":
		e.Result = FibOifName
	case "type":
		e.Result = FibAddrType
	default:
		p.fail(&t, "syntax error, unexpected %s, expecting type or oif or oifname", t.what())
	}
	r.end = p.last
	switch {
	case e.Flags&(FibSaddr|FibDaddr) == 0:
		p.errorf(r.pos, r.end, "fib: neither saddr nor daddr given")
		panic(bail{})
	case e.Flags&FibSaddr != 0 && e.Flags&FibDaddr != 0:
		p.errorf(r.pos, r.end, "fib: saddr and daddr are mutually exclusive")
		panic(bail{})
	case e.Flags&FibIif != 0 && e.Flags&FibOif != 0:
		p.errorf(r.pos, r.end, "fib: iif and oif are mutually exclusive")
		panic(bail{})
	}
	r.expr = e
}

func (p *parser) socketExpr(r *raw) {
	e := &Socket{}
	const want = "transparent or wildcard or cgroupv2 or mark"
	switch t := p.wordFor(want); t.text {
	case "transparent":
		e.Key = SocketTransparent
	case "mark":
		e.Key = SocketMark
	case "wildcard":
		e.Key = SocketWildcard
	case "cgroupv2":
		e.Key = SocketCgroup
		p.expect("level")
		e.Level = p.number32()
	default:
		p.fail(&t, "syntax error, unexpected %s, expecting %s", t.what(), want)
	}
	r.expr = e
}

var osfTTL = [...]string{"", "loose", "skip"}

func (p *parser) osfExpr(r *raw) {
	e := &OSF{}
	if p.accept("ttl") {
		t := p.word()
		for i, n := range osfTTL {
			if n == t.text {
				e.TTL = uint8(i)
			}
		}
		if e.TTL == 0 {
			p.fail(&t, "invalid ttl option")
		}
	}
	switch t := p.wordFor("version or name"); t.text {
	case "name":
	case "version":
		e.Version = true
	default:
		p.fail(&t, "syntax error, unexpected %s, expecting version or name", t.what())
	}
	r.expr = e
}

// modulo reads `mod n` and what is in common of generators behind it.
func (p *parser) modulo() (mod uint32, at span) {
	p.expect("mod")
	t := *p.peek()
	return p.number32(), span{t.pos, t.end}
}

func (p *parser) offset() uint32 {
	if p.accept("offset") {
		return p.number32()
	}
	return 0
}

func (p *parser) rangeOf(mod, offset uint32, at span) {
	if mod == 0 || uint64(mod)+uint64(offset)-1 > 1<<32-1 {
		p.errorf(at.pos, at.end, "modulus is out of range")
		panic(bail{})
	}
}

func (p *parser) numgenExpr(r *raw) {
	e := &Numgen{}
	switch t := p.wordFor("random or inc"); t.text {
	case "inc":
	case "random":
		e.Random = true
	default:
		p.fail(&t, "syntax error, unexpected %s, expecting random or inc", t.what())
	}
	mod, at := p.modulo()
	e.Mod, e.Offset = mod, p.offset()
	p.rangeOf(e.Mod, e.Offset, at)
	r.expr = e
}

func (p *parser) hashExpr(r *raw) {
	e := &Hash{}
	if r.text == "jhash" {
		r.kids = []*raw{p.parseSelectorConcat()}
	}
	mod, at := p.modulo()
	e.Mod = mod
	if r.text == "jhash" && p.accept("seed") {
		e.Seed, e.Seeded = uint32(p.takeNumber()), true // what is too large loses its upper bits, as in nft
	}
	e.Offset = p.offset()
	p.rangeOf(e.Mod, e.Offset, at)
	r.expr = e
}

// maxTransforms is how many transformations of IPsec the kernel keeps of a packet.
const maxTransforms = 6

func (p *parser) xfrmExpr(r *raw) {
	e := &Xfrm{}
	if t := p.peek(); t.kind != tokWord || !t.is("in") && !t.is("out") {
		r.expr = &Meta{Key: MetaIPsec} // without meta
		return
	}
	switch t := p.word(); t.text {
	case "in":
	case "out":
		e.Out = true
	default:
		p.fail(&t, "syntax error, unexpected %s, expecting in or out", t.what())
	}
	if p.accept("spnum") {
		t := *p.peek()
		n := p.number32()
		if n > 255 {
			p.fail(&t, "value too large")
		}
		if n >= maxTransforms {
			p.errorf(r.pos, t.end, "Could not process rule: Numerical result out of range")
			panic(bail{})
		}
		e.Index = uint8(n)
	}
	t := p.word()
	switch t.text {
	case "reqid", "spi":
		e.Key = t.text
	case "ip", "ip6":
		e.Family = families[t.text]
		a := p.word()
		if a.text != "saddr" && a.text != "daddr" {
			p.fail(&a, "syntax error, unexpected %s, expecting saddr or daddr", a.what())
		}
		e.Key = a.text
	default:
		p.fail(&t, "syntax error, unexpected %s", t.what())
	}
	r.expr = e
}

var rawBases = map[string]HeaderBase{"ll": BaseLink, "nh": BaseNetwork, "th": BaseTransport, "ih": BaseInner}

// rawPayload reads @th,offset,length; '@' comes next.
func (p *parser) rawPayload(r *raw) {
	p.take()
	t := p.word()
	base, ok := rawBases[t.text]
	if !ok {
		p.fail(&t, "unknown raw payload base")
	}
	p.expect(",")
	off := *p.peek()
	o := p.number32()
	p.expect(",")
	length := *p.peek()
	n := p.number32()
	if n == 0 || n > 128 {
		p.fail(&length, "raw payload length is out of range")
	}
	if o > 1<<16-1 {
		p.fail(&off, "raw payload offset is out of range")
	}
	r.expr = &Raw{Base: base, Offset: uint16(o), Length: uint16(n)}
}
