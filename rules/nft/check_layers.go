package nft

import "slices"

// layers is what the matches of a rule so far say of the packet, as nft keeps it:
// for each layer the protocol named last. Only a field of a layer that has none
// makes nft add a match on the protocol, and only a field of another protocol of
// the same layer is a conflict, whatever the layers below have come to say.
type layers struct {
	family Family
	at     [BaseTransport + 1]layer // by HeaderBase
	below  []string                 // link layers under the one in at: ether under a tag
	icmp   int                      // the type that icmp or icmpv6 fields stand on, 0: none
}

// layer is one layer's protocol: "" when nothing is known, unknownProto when it is
// none with fields, inet and netdev in place of a link layer that is not known.
type layer struct {
	proto string
	where span
	all   []string // of the transport layer: every protocol named, in order
}

const unknownProto = "unknown"

// Protocols by number: what is above Ethernet, above the network layer, and what
// tables of all families stand on.
var (
	aboveLink = map[uint64]string{0x0800: "ip", 0x0806: "arp", 0x86dd: "ip6", 0x8100: "vlan", 0x88a8: "vlan"}
	aboveInet = map[uint64]string{uint64(FamilyIP): "ip", uint64(FamilyIP6): "ip6"}
	aboveNet  = transports()
	above     = map[string]map[uint64]string{
		"ether": aboveLink, "vlan": aboveLink, "netdev": aboveLink, "inet": aboveInet, "ip": aboveNet, "ip6": aboveNet,
	}
)

func transports() map[uint64]string {
	out := map[uint64]string{}
	for _, f := range fields {
		if f.HasL4 {
			out[uint64(f.L4)] = f.Proto
		}
	}
	return out
}

// carries tells whether proto can be right above another protocol.
func carries(lower, proto string) bool {
	for _, p := range above[lower] {
		if p == proto {
			return true
		}
	}
	return false
}

func newLayers(f Family) layers {
	l := layers{family: f}
	switch f {
	case FamilyIP, FamilyIP6, FamilyARP:
		l.at[BaseNetwork].proto = familyName(f)
	case FamilyBridge:
		l.at[BaseLink].proto = "ether"
	default:
		l.at[BaseLink].proto = familyName(f)
	}
	return l
}

func (l *layers) link() string      { return l.at[BaseLink].proto }
func (l *layers) transport() string { return l.at[BaseTransport].proto }

// network is the family of the network layer's protocol; 0: not known, or none that
// has addresses or is ARP.
func (l *layers) network() Family {
	switch l.at[BaseNetwork].proto {
	case "ip":
		return FamilyIP
	case "ip6":
		return FamilyIP6
	case "arp":
		return FamilyARP
	}
	return 0
}

// addresses is network where that has addresses.
func (l *layers) addresses() Family {
	if f := l.network(); f != FamilyARP {
		return f
	}
	return 0
}

// set notes the protocol of a layer.
func (l *layers) set(b HeaderBase, proto string, where span) {
	x := &l.at[b]
	x.proto, x.where = proto, where
	if b == BaseTransport && !slices.Contains(x.all, proto) {
		x.all = append(x.all, proto)
	}
}

// setNumber notes the protocol of a number; one without fields is unknown.
func (l *layers) setNumber(b HeaderBase, names map[uint64]string, n uint64, where span) {
	name, ok := names[n]
	if !ok {
		name = unknownProto
	}
	l.set(b, name, where)
}

// conflict reports two protocols a packet cannot have at once.
func (k *ruleCheck) conflict(r *raw, have, want string) {
	k.fail(r, "conflicting protocols specified: %s vs. %s", have, want)
}

// payload checks the protocols of a header field and notes what it says.
func (k *ruleCheck) payload(r *raw, f *Field) {
	if f.Base == BaseTransport && !f.HasL4 {
		return // th: of any protocol
	}
	l, where := &k.layers, span{r.pos, r.end}
	if k.typeof { // a set may be for packets of any protocol
		l.set(f.Base, f.Proto, where)
		return
	}
	have := l.at[f.Base].proto
	if have == "" {
		k.depend(r, f)
		if f.Proto == "vlan" {
			k.tagged(r)
		}
		k.icmpKind(r, f)
		return
	}
	if all := l.at[f.Base].all; len(all) > 1 && have != unknownProto {
		i := slices.IndexFunc(all, func(p string) bool { return p != f.Proto })
		k.conflict(r, all[i], f.Proto)
	}
	switch {
	case have == f.Proto:
		k.icmpKind(r, f)
	case f.Base == BaseLink && have != unknownProto:
		k.linkField(r, f)
	default:
		k.conflict(r, have, f.Proto)
	}
	if f.Base == BaseNetwork && l.at[BaseNetwork].where.pos.Line == 0 {
		l.at[BaseNetwork].where = where // of a table of one family
	}
}

// depend notes the protocol of a field whose layer has none yet; nft adds a match
// on it.
func (k *ruleCheck) depend(r *raw, f *Field) {
	l, where := &k.layers, span{r.pos, r.end}
	switch f.Base {
	case BaseLink:
		l.set(BaseLink, "ether", where)
	case BaseNetwork:
		k.dependNetwork(r, f.Proto)
	case BaseTransport:
		if l.at[BaseNetwork].proto == "" && f.L3 != 0 {
			k.dependNetwork(r, familyName(f.L3))
		}
		if lower := l.at[BaseNetwork].proto; lower != "" && !carries(lower, f.Proto) {
			k.conflict(r, lower, f.Proto)
		}
		l.set(BaseTransport, f.Proto, where)
	}
}

func (k *ruleCheck) dependNetwork(r *raw, proto string) {
	if lower := k.layers.link(); !carries(lower, proto) {
		k.conflict(r, lower, proto)
	}
	k.layers.set(BaseNetwork, proto, span{r.pos, r.end})
}

// linkField checks a field of the link layer where that has another protocol.
func (k *ruleCheck) linkField(r *raw, f *Field) {
	l := &k.layers
	if slices.Contains(l.below, f.Proto) {
		return
	}
	if p := l.link(); p == "inet" || p == "netdev" {
		l.set(BaseLink, "ether", span{r.pos, r.end})
	}
	if l.at[BaseNetwork].proto == "" && f.Proto == "vlan" {
		k.tagged(r)
		return
	}
	if have := l.link(); have != f.Proto {
		k.conflict(r, have, f.Proto)
	}
}

// tagged adds the match on a tag's Ethernet type.
func (k *ruleCheck) tagged(r *raw) {
	k.tag(span{r.pos, r.end})
	k.here = append(k.here, &Match{
		Pos: r.pos, Left: &Payload{Field: LookupField("ether", "type")},
		Right:   &Const{T: TypeEtherType, Data: putUint(0x8100, 2), PrefixLen: -1},
		implied: true, fam: k.table.Family,
	})
}

// tag notes that the frame has a VLAN tag.
func (k *ruleCheck) tag(where span) {
	l := &k.layers
	l.below = append(l.below, l.link())
	l.set(BaseLink, "vlan", where)
}

// icmpKind checks that the field is one of the type that others stand on.
func (k *ruleCheck) icmpKind(r *raw, f *Field) {
	if f.Types == nil {
		return
	}
	need := int(f.Types[0])
	if have := k.layers.icmp; have != 0 && have != need {
		k.fail(r, "incompatible icmp match: rule has %d, need %d", have, need)
	}
	k.layers.icmp = need
}

// learn notes what `left == right` says about the packet's protocols.
func (k *ruleCheck) learn(n *matchNode, m *Match) {
	if m.Op != OpEq {
		return
	}
	where := span{n.pos, n.left.end}
	if n.right.end.Line == n.pos.Line {
		where.end = n.right.end
	}
	for _, v := range k.values(n, m) {
		switch e := m.Left.(type) {
		case *Payload:
			k.learnField(e.Field, v, where)
		case *Meta:
			k.learnMeta(e.Key, v, where)
		case *CT:
			k.learnCT(e.Key, v, where)
		}
	}
}

// values are the single values a match is with, in the order they are written.
func (k *ruleCheck) values(n *matchNode, m *Match) (out []uint64) {
	switch right := m.Right.(type) {
	case *Const:
		if right.PrefixLen < 0 && len(right.Data) <= 8 {
			out = append(out, getUint(right.Data))
		}
	case *SetRef:
		if n.right.kind != rawSet || len(right.Set.Key) != 1 || sizeOf(m.Left.Bits()) > 8 {
			return nil
		}
		for _, e := range k.elements(&Set{Key: right.Set.Key}, n.right, []int{m.Left.Bits()}, nil) {
			if !e.Any && e.Key[0].PrefixLen < 0 && compareBytes(e.Key[0].Lo, e.Key[0].Hi) == 0 {
				out = append(out, getUint(e.Key[0].Lo))
			}
		}
	}
	return out
}

// learnField notes what the value of a field says of the layer above.
func (k *ruleCheck) learnField(f *Field, v uint64, where span) {
	l := &k.layers
	switch {
	case f.T == TypeEtherType && f.Base == BaseLink:
		switch name := above[l.link()][v]; name {
		case "":
		case "vlan":
			k.tag(where)
		default:
			l.set(BaseNetwork, name, where)
		}
	case f.T == TypeProto && f.Base == BaseNetwork:
		if name := above[l.at[BaseNetwork].proto][v]; name != "" {
			l.set(BaseTransport, name, where)
		}
	case f.T == TypeICMPType:
		l.icmp = int(v)
		if v == 0 { // an answer to an echo stands for the echo
			l.icmp = 8
		}
	case f.T == TypeICMPv6Type:
		l.icmp = int(v)
		if v == 129 {
			l.icmp = 128
		}
	}
}

func (k *ruleCheck) learnMeta(key MetaKey, v uint64, where span) {
	const ether = 1
	l := &k.layers
	switch key {
	case MetaIiftype:
		switch {
		case l.family == FamilyBridge:
		case v == ether:
			l.set(BaseLink, "ether", where)
		default:
			l.set(BaseLink, unknownProto, where)
		}
	case MetaNfproto:
		l.setNumber(BaseNetwork, aboveInet, v, where)
	case MetaProtocol:
		if l.family == FamilyBridge || l.family == FamilyNetdev {
			l.setNumber(BaseNetwork, aboveLink, v, where)
		}
	case MetaL4proto:
		l.setNumber(BaseTransport, aboveNet, v, where)
	}
}

func (k *ruleCheck) learnCT(key CTKey, v uint64, where span) {
	l := &k.layers
	switch key {
	case CTL3proto:
		if name := above[l.link()][v]; name != "" {
			l.set(BaseNetwork, name, where)
		}
	case CTProtocol:
		if name := above[l.at[BaseNetwork].proto][v]; name != "" {
			l.set(BaseTransport, name, where)
		}
	}
}
