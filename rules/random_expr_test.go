package rules

import "github.com/sluice-net/sluice/rules/nft"

// computed makes an expression that takes more than one load.
func (g *gen) computed() nft.Expr {
	switch g.r.IntN(7) {
	case 5, 6:
		e := &nft.Option{Kind: pick(g, nft.OptionTCP, nft.OptionTCP, nft.OptionIPv6), Exists: g.one(2)}
		e.Code = pick[uint8](g, 2, 3, 4, 8)
		if e.Kind == nft.OptionIPv6 {
			e.Code = pick[uint8](g, 0, 43, 44, 60, 135)
		}
		if !e.Exists {
			e.Field = &nft.Field{T: nft.TypeInteger, Offset: uint16(g.r.IntN(24)), Length: uint16(1 + g.r.IntN(32))}
		}
		return e
	case 0:
		return &nft.Raw{Base: pick(g, nft.BaseNetwork, nft.BaseTransport), Offset: uint16(g.r.IntN(100)), Length: uint16(1 + g.r.IntN(120))}
	case 1, 2:
		e := g.plain()
		op := pick(g, "&", "|", "^")
		if e.Bits() <= 32 {
			op = pick(g, "&", "|", "^", "<<", ">>")
		}
		if op == "<<" || op == ">>" {
			n := byte(g.r.IntN(8))
			return &nft.Binop{Op: op, L: e, R: &nft.Const{Data: []byte{0, 0, 0, n}, PrefixLen: -1}}
		}
		return &nft.Binop{Op: op, L: e, R: &nft.Const{Data: g.value(e), PrefixLen: -1}}
	case 3:
		a := g.plain()
		b := g.plain()
		for a.Bits() < b.Bits() {
			a, b = b, a
		}
		return &nft.Binop{Op: pick(g, "&", "|", "^"), L: a, R: b}
	}
	return g.lookup(g.plain())
}

// plain is an expression that one load reads.
func (g *gen) plain() nft.Expr {
	for {
		if e := g.expr(); simple(e) {
			return e
		}
	}
}

// lookup makes a map whose data are like e's values.
func (g *gen) lookup(like ...nft.Expr) *nft.MapLookup {
	key, s := g.set(true)
	s.Verdicts = false
	for _, e := range like {
		s.Data = append(s.Data, &nft.Type{Name: "integer", Bits: max(8*len(g.value(e)), e.Bits())})
	}
	data := func(el *nft.Element) {
		el.Verdict = nil
		for _, e := range like {
			v := g.value(e)
			el.Data = append(el.Data, nft.KeyPart{Lo: v, Hi: v, PrefixLen: -1})
		}
	}
	for el := range s.Elements.All() {
		data(el)
	}
	if g.one(4) {
		el := &nft.Element{Any: true}
		data(el)
		s.Elements = nft.ElementsOf(append(s.Elements.List(), el)...)
	}
	return &nft.MapLookup{Key: key, Set: s}
}

var (
	address4 = &nft.Payload{Field: nft.LookupField("ip", "saddr")}
	address6 = &nft.Payload{Field: nft.LookupField("ip6", "saddr")}
	aPort    = &nft.Payload{Field: nft.LookupField("tcp", "dport")}
)

// natValues gives a NAT statement what it takes from maps or the packet.
func (g *gen) natValues(n *nft.NAT) {
	n.PortMin, n.PortMax = 0, 0
	if n.Kind > nft.NATDst {
		n.Port = pick[nft.Expr](g, g.lookup(aPort), aPort)
		return
	}
	addr := address4
	if n.Family == nft.FamilyIP6 {
		addr = address6
	}
	if g.one(4) {
		n.Prefix = true
		return
	}
	n.AddrMin, n.AddrMax = nil, nil
	switch g.r.IntN(4) {
	case 0:
		n.Addr = g.lookup(addr, aPort)
	case 1:
		n.Addr, n.Port = g.lookup(addr), g.lookup(aPort)
	default:
		m := g.lookup(addr)
		if g.one(2) {
			m.Set.Ranges = true
			for el := range m.Set.Elements.All() {
				el.Data[0].Lo, el.Data[0].Hi = g.span(addr)
			}
		}
		n.Addr = m
	}
}

// assign makes a statement that sets something.
func (g *gen) assign() nft.Stmt {
	mark := &nft.Meta{Key: nft.MetaMark}
	if g.one(4) {
		return &nft.Assign{Left: &nft.Meta{Key: nft.MetaNftrace}, Value: &nft.Const{Data: []byte{pick(g, byte(0), 1, 1)}, PrefixLen: -1}}
	}
	switch g.r.IntN(4) {
	case 0:
		return &nft.Assign{Left: mark, Value: g.plainWord()}
	case 1:
		return &nft.Assign{Left: &nft.CT{Key: nft.CTMark, Dir: -1}, Value: g.lookup(mark)}
	case 2:
		return &nft.Assign{Left: mark, Value: g.lookup(mark)}
	}
	f := nft.LookupField("ip", "saddr")
	for _, name := range [][2]string{pick(g, [][2]string{{"ip", "ttl"}, {"ip", "dscp"}, {"ip", "daddr"}, {"ip6", "saddr"}, {"ip6", "dscp"},
		{"ip6", "hoplimit"}, {"tcp", "dport"}, {"tcp", "window"}, {"udp", "sport"}, {"th", "dport"}, {"icmp", "code"}, {"icmp", "id"}, {"igmp", "mrt"}, {"udplite", "dport"}, {"ip", "length"}, {"ether", "saddr"}}...)} {
		f = nft.LookupField(name[0], name[1])
	}
	left := &nft.Payload{Field: f}
	return &nft.Assign{Left: left, Value: &nft.Const{Data: g.value(left), PrefixLen: -1}}
}

// plainWord is a value of at most 64 bits.
func (g *gen) plainWord() nft.Expr {
	for {
		if e := g.expr(); e.Bits() <= 64 {
			return e
		}
	}
}
