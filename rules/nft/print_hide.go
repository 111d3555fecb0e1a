package nft

import "slices"

// listing follows a rule as nft does when it makes text of the kernel's code:
// it knows which protocols the matches so far say, and keeps for each layer the
// last match that only says what a field of that layer needs. Such a match is
// left out when the field comes.
type listing struct {
	family Family
	items  []*item
	at     int // the item being looked at

	net    Family // network protocol, 0: not known
	trans  int    // transport protocol, -1: not known
	tagged bool   // a VLAN tag was looked at
	ether  bool   // the link layer is known to be Ethernet
	typed  bool   // an icmp type was matched already
	typ    *item  // the match on it

	link, network, transport *item // matches that a field of the layer makes redundant
}

func newListing(family Family, items []*item) *listing {
	l := &listing{family: family, items: items, trans: -1, ether: family == FamilyBridge}
	if family == FamilyIP || family == FamilyIP6 || family == FamilyARP {
		l.net = family
	}
	return l
}

func (l *listing) run() {
	for i, it := range l.items {
		l.at = i
		before := l.trans
		l.statement(it)
		if before >= 0 {
			it.stmt = l.namePorts(it.stmt)
		}
	}
}

// statement takes note of one.
func (l *listing) statement(it *item) {
	l.loadBits(it)
	it.stmt = allFlags(it.stmt)
	l.nameMasked(it)
	l.nameKeys(it)
	switch s := it.stmt.(type) {
	case *Match:
		l.match(it, s)
	case *VMap:
		l.use(s.Left, it)
	case *Reject:
		l.reject(s)
	case *NAT: // what gives the address says the protocols as a match does
		if s.Addr != nil {
			l.use(s.Addr, it)
		}
	case *SetUpdate:
		l.use(s.Key, it)
		l.forget()
	case *ObjectRef:
		l.use(s.Key, it)
		l.forget()
	case *Assign:
		s = l.rawAssign(s)
		it.stmt = s
		if _, ok := s.Left.(*Option); !ok {
			l.use(s.Left, it)
		}
		l.use(s.Value, it)
		it.stmt = wordAssign(s)
		l.forget()
	default:
		l.forget()
	}
}

// forget is what follows a statement that does something: what is before it
// stays.
func (l *listing) forget() { l.link, l.network, l.transport, l.typ = nil, nil, nil, nil }

// isValue tells whether m wants one value and it is v.
func isValue(m *Match, v uint64) bool {
	c, ok := m.Right.(*Const)
	return ok && m.Op == OpEq && c.PrefixLen < 0 && getUint(c.Data) == v
}

// equals is the value a match wants; ok is false when it wants another thing.
func equals(m *Match) (v uint64, ok bool) {
	c, is := m.Right.(*Const)
	if !is || m.Op != OpEq || c.PrefixLen >= 0 || len(c.Data) > 8 {
		return 0, false
	}
	return getUint(c.Data), true
}

// isConst tells whether a match is with one value, by == or !=.
func isConst(m *Match) bool {
	c, ok := m.Right.(*Const)
	return ok && m.Op <= OpNe && c.PrefixLen < 0
}

// etherFamily is the network protocol of an Ethernet type; 0: none known.
func etherFamily(v uint64) Family {
	switch v {
	case 0x0800:
		return FamilyIP
	case 0x86dd:
		return FamilyIP6
	case 0x0806:
		return FamilyARP
	}
	return 0
}

func isVLAN(v uint64) bool { return v == 0x8100 || v == 0x88a8 }

func (l *listing) match(it *item, m *Match) {
	v, eq := equals(m)
	switch e := m.Left.(type) {
	case *Meta:
		if e.Key == MetaProtocol && l.at < len(l.items)-1 &&
			(l.family == FamilyIP || l.family == FamilyIP6) && isValue(m, etherType(l.family)) {
			it.hidden = true // it only says what the family does
			return
		}
		if !eq {
			return
		}
		l.meta(it, e, v)
		return
	case *Payload:
		if !l.payload(it, e.Field, isConst(m)) {
			return
		}
		if eq {
			l.says(it, e.Field, v)
		}
		return
	case *Raw:
		if l.raw(it, e, m) {
			return
		}
	}
	l.use(m.Left, it)
}

func etherType(f Family) uint64 {
	switch f {
	case FamilyIP:
		return 0x0800
	case FamilyIP6:
		return 0x86dd
	}
	return 0x0806
}

// meta takes note of what a match on a key says.
func (l *listing) meta(it *item, e *Meta, v uint64) {
	switch e.Key {
	case MetaIiftype:
		l.link = it
		l.ether = l.ether || v == 1
	case MetaProtocol:
		if l.family == FamilyInet {
			return // nft goes by meta nfproto there
		}
		l.network = it
		if f := etherFamily(v); f != 0 {
			l.net = f
		}
	case MetaNfproto:
		l.network = it
		l.net = Family(v)
	case MetaL4proto:
		l.knows(int(v))
		l.transport = it
	}
}

// knows hides a match on the network protocol that one on the transport protocol
// makes clear: icmp is of IPv4, and a table of one family has no other.
func (l *listing) knows(proto int) {
	switch {
	case l.family == FamilyIP || l.family == FamilyIP6:
		l.hideNetwork(l.family)
	case proto == protoICMP:
		l.hideNetwork(FamilyIP)
	case proto == protoICMPv6:
		l.hideNetwork(FamilyIP6)
	}
	l.trans = proto
}

// hideNetwork hides the pending match on the network protocol if it says f.
func (l *listing) hideNetwork(f Family) {
	if l.network == nil {
		return
	}
	m := l.network.stmt.(*Match)
	v, _ := equals(m)
	said := etherFamily(v)
	if e, ok := m.Left.(*Meta); ok && e.Key == MetaNfproto {
		said = Family(v)
	}
	if said == f {
		l.network.hidden = true
		l.network = nil
	}
}

// payload takes note of a field that is read; it is false for an icmp type that
// is implied and was written too.
func (l *listing) payload(it *item, f *Field, constant bool) bool {
	switch f.Base {
	case BaseLink:
		l.linkField(it, f, constant)
	case BaseNetwork:
		if l.network != nil {
			l.hideNetwork(f.L3)
		}
		l.net = f.L3
	case BaseTransport:
		l.transportField(it, f)
	}
	return true
}

func (l *listing) linkField(it *item, f *Field, constant bool) {
	tag := l.link != nil && isTagMatch(l.link)
	keep := constant && f.Length%8 == 0 && (l.family == FamilyInet || l.family == FamilyBridge || l.family == FamilyNetdev)
	if l.link != nil && !(tag && keep) {
		l.link.hidden, l.link = true, nil
	}
	l.tagged = l.tagged || tag || f.Proto == "vlan"
	l.ether = true
}

// isTagMatch tells whether an item is a match on a VLAN's Ethernet type.
func isTagMatch(it *item) bool {
	m := it.stmt.(*Match)
	p, ok := m.Left.(*Payload)
	v, eq := equals(m)
	return ok && eq && p.Field.Base == BaseLink && v == 0x8100
}

func (l *listing) transportField(it *item, f *Field) {
	if !f.HasL4 {
		if portOf(f, l.trans) != f {
			l.hideTransport(l.trans)
		}
		return
	}
	written := l.transport != nil && l.says4(l.transport) == int(f.L4)
	switch {
	case f.Proto == "igmp":
		// nft does not know igmp right above the families' own layer.
		if !written && l.net == 0 && l.trans != protoIGMP {
			it.implied = impliedNetwork(l.family, FamilyIP)
			l.network = it.implied
		}
		if l.net == 0 {
			l.net = FamilyIP
		}
	case !written && l.trans != int(f.L4):
		l.knows(int(f.L4))
	case f.L3 != 0:
		l.hideNetwork(f.L3)
	}
	l.trans = int(f.L4)
	l.hideTransport(l.trans)
	if f.T == TypeICMPType || f.T == TypeICMPv6Type {
		l.typed, l.typ = l.typed || saysType(it), it
	}
	if f.Types == nil {
		return
	}
	if m, ok := typeMatch(l.typ); ok && len(f.Types) == 1 && isValue(m, uint64(f.Types[0])) {
		l.typ.hidden, l.typ = true, nil
	}
	if len(f.Types) == 2 && !l.typed {
		l.typed = true
		it.before = impliedTypes(f)
	}
}

// saysType tells whether a match on icmp types has values, and not ranges alone. Type
// 0 of ICMPv6 is none to nft.
func saysType(it *item) bool {
	m, ok := typeMatch(it)
	if !ok || m.Op != OpEq {
		return false
	}
	switch right := m.Right.(type) {
	case *Const:
		return right.T != TypeICMPv6Type || !isZero(right.Data)
	case *SetRef:
		for e := range right.Set.Elements.All() {
			if right.Set.Name == "" && !e.Any && compareBytes(e.Key[0].Lo, e.Key[0].Hi) == 0 {
				return true
			}
		}
	}
	return false
}

func typeMatch(it *item) (*Match, bool) {
	if it == nil {
		return nil, false
	}
	m, ok := it.stmt.(*Match)
	return m, ok
}

// impliedNetwork is the match nft adds for a network protocol.
func impliedNetwork(family, f Family) *item {
	m := &Match{Left: &Meta{Key: MetaNfproto}, Right: &Const{T: TypeNfproto, Data: []byte{byte(f)}, PrefixLen: -1}, fam: family}
	switch family {
	case FamilyBridge:
		m.Left = &Payload{Field: LookupField("ether", "type")}
	case FamilyNetdev:
		m.Left = &Meta{Key: MetaProtocol}
	}
	if family != FamilyInet {
		m.Right = &Const{T: TypeEtherType, Data: putUint(etherType(f), 2), PrefixLen: -1}
	}
	return &item{stmt: m}
}

// impliedTypes is the match on an icmp type that an identifier needs.
func impliedTypes(f *Field) *Match {
	typ := LookupField(f.Proto, "type")
	var els []*Element
	for _, v := range []byte{min(f.Types[0], f.Types[1]), max(f.Types[0], f.Types[1])} {
		els = append(els, &Element{Pos: Pos{Col: slices.Index(f.Types, v)}, Key: []KeyPart{{Lo: []byte{v}, Hi: []byte{v}, PrefixLen: -1}}})
	}
	return &Match{Left: &Payload{Field: typ}, Right: &SetRef{Set: &Set{Key: []*Type{typ.T}, Elements: ElementsOf(els...)}}, icmpTypes: true}
}

// says4 is the transport protocol an item states.
func (l *listing) says4(it *item) int {
	v, _ := equals(it.stmt.(*Match))
	return int(v)
}

// hideTransport hides the pending match on the transport protocol if it says
// proto. `ip protocol` also says that the packet is IPv4 where it may be another.
func (l *listing) hideTransport(proto int) {
	if l.transport == nil || l.says4(l.transport) != proto {
		return
	}
	if _, ok := l.transport.stmt.(*Match).Left.(*Payload); ok && l.family != FamilyIP && l.family != FamilyIP6 {
		return
	}
	l.transport.hidden, l.transport = true, nil
}

// says takes note of a field that names the protocol of the next layer.
func (l *listing) says(it *item, f *Field, v uint64) {
	switch {
	case f.Base == BaseLink && f.T == TypeEtherType:
		if isVLAN(v) {
			if l.tagged = true; v == 0x8100 && f.Proto == "ether" || l.family == FamilyIP || l.family == FamilyIP6 {
				l.link = it
			}
			return
		}
		l.network = it
		if n := etherFamily(v); n != 0 {
			l.net = n
		}
	case f.Base == BaseNetwork && f.T == TypeProto:
		l.transport, l.trans = it, int(v)
	}
}

func (l *listing) reject(s *Reject) {
	if s.Reset && l.transport != nil && l.says4(l.transport) == protoTCP &&
		(l.family == FamilyIP || l.family == FamilyIP6) {
		l.transport.hidden, l.transport = true, nil
	}
	if l.family == FamilyIP || l.family == FamilyIP6 {
		return
	}
	switch s.Proto {
	case protoICMP:
		l.hideNetwork(FamilyIP)
	case protoICMPv6:
		l.hideNetwork(FamilyIP6)
	}
}

// use takes note of what an expression reads.
func (l *listing) use(e Expr, it *item) {
	switch e := e.(type) {
	case *Concat:
		for _, x := range e.Es {
			l.use(x, it)
		}
	case *Masked:
		if r, ok := e.E.(*Raw); ok {
			l.rawField(it, r)
		}
		l.use(e.E, it)
	case *Binop:
		l.use(e.L, it)
	case *MapLookup:
		l.use(e.Key, it)
	case *Hash:
		l.use(e.E, it)
	case *CT:
		if e.Key == CTSaddr || e.Key == CTDaddr {
			l.hideNetwork(e.Family)
		}
	case *Payload:
		l.payload(it, e.Field, false)
	case *Raw:
		l.rawField(it, e)
	case *Option:
		if e.Kind != OptionSCTP {
			l.option(e)
		}
	}
}

// option hides what says the protocol of an option's header.
func (l *listing) option(e *Option) {
	switch e.Kind {
	case OptionTCP:
		if l.transport != nil {
			l.transport.hidden, l.transport = true, nil
		}
	default:
		if l.network != nil {
			l.network.hidden, l.network = true, nil
		}
		l.net = map[OptionKind]Family{OptionIPv6: FamilyIP6, OptionIPv4: FamilyIP}[e.Kind]
	}
}
