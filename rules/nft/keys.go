package nft

// metaKey is a key of `meta`. bare: it is allowed without `meta`. set: it can be
// set; only: it can be nothing else.
type metaKey struct {
	name      string
	key       MetaKey
	t         *Type
	bits      int
	bare, set bool
}

// metaKeys are the keys of `meta`, by MetaKey.
var metaKeys = []metaKey{
	MetaIif:       {"iif", MetaIif, TypeIfindex, 32, true, false},
	MetaOif:       {"oif", MetaOif, TypeIfindex, 32, true, false},
	MetaIifname:   {"iifname", MetaIifname, TypeIfname, 128, true, false},
	MetaOifname:   {"oifname", MetaOifname, TypeIfname, 128, true, false},
	MetaMark:      {"mark", MetaMark, TypeMark, 32, true, true},
	MetaL4proto:   {"l4proto", MetaL4proto, TypeProto, 8, false, false},
	MetaNfproto:   {"nfproto", MetaNfproto, TypeNfproto, 8, false, false},
	MetaProtocol:  {"protocol", MetaProtocol, TypeEtherType, 16, false, false},
	MetaLength:    {"length", MetaLength, TypeHostInteger, 32, false, false},
	MetaPkttype:   {"pkttype", MetaPkttype, TypePkttype, 8, true, true},
	MetaIiftype:   {"iiftype", MetaIiftype, TypeIftype, 16, true, false},
	MetaOiftype:   {"oiftype", MetaOiftype, TypeIftype, 16, true, false},
	MetaPriority:  {"priority", MetaPriority, TypeClassid, 32, false, true},
	MetaSkuid:     {"skuid", MetaSkuid, TypeUID, 32, true, false},
	MetaSkgid:     {"skgid", MetaSkgid, TypeGID, 32, true, false},
	MetaNftrace:   {"nftrace", MetaNftrace, TypeInteger, 1, true, true},
	MetaRtclassid: {"rtclassid", MetaRtclassid, TypeRealm, 32, true, false},
	MetaSecmark:   {"secmark", MetaSecmark, TypeInteger, 32, false, true},
	MetaIbrname:   {"ibrname", MetaIbrname, TypeIfname, 128, true, false},
	MetaObrname:   {"obrname", MetaObrname, TypeIfname, 128, true, false},
	MetaCPU:       {"cpu", MetaCPU, TypeHostInteger, 32, true, false},
	MetaIifgroup:  {"iifgroup", MetaIifgroup, TypeDevgroup, 32, true, false},
	MetaOifgroup:  {"oifgroup", MetaOifgroup, TypeDevgroup, 32, true, false},
	MetaCgroup:    {"cgroup", MetaCgroup, TypeHostInteger, 32, true, false},
	MetaRandom:    {"random", MetaRandom, TypeInteger, 32, false, false},
	MetaIPsec:     {"ipsec", MetaIPsec, TypeBoolean, 8, false, false},
	MetaIifkind:   {"iifkind", MetaIifkind, TypeIfname, 128, false, false},
	MetaOifkind:   {"oifkind", MetaOifkind, TypeIfname, 128, false, false},
	MetaIbrpvid:   {"ibrpvid", MetaIbrpvid, TypeInteger, 16, false, false},
	MetaIbrvproto: {"ibrvproto", MetaIbrvproto, TypeEtherType, 16, false, false},
	MetaTime:      {"time", MetaTime, TypeDate, 64, true, false},
	MetaDay:       {"day", MetaDay, TypeDay, 8, true, false},
	MetaHour:      {"hour", MetaHour, TypeHour, 32, true, false},
	MetaSdif:      {"sdif", MetaSdif, TypeIfindex, 32, false, false},
	MetaSdifname:  {"sdifname", MetaSdifname, TypeIfname, 128, false, false},
}

// ctKey is a key of `ct`. dir says whether a direction is allowed (1) or needed
// (2).
type ctKey struct {
	name string
	key  CTKey
	t    *Type
	bits int
	dir  int
	set  bool
}

// ctKeys are the keys of `ct`, by CTKey.
var ctKeys = []ctKey{
	CTState:      {"state", CTState, TypeCTState, 32, 0, false},
	CTStatus:     {"status", CTStatus, TypeCTStatus, 32, 0, false},
	CTMark:       {"mark", CTMark, TypeMark, 32, 0, true},
	CTDirection:  {"direction", CTDirection, TypeCTDir, 8, 0, false},
	CTExpiration: {"expiration", CTExpiration, TypeTime, 32, 0, false},
	CTL3proto:    {"l3proto", CTL3proto, TypeNfproto, 8, 1, false},
	CTProtocol:   {"protocol", CTProtocol, TypeProto, 8, 1, false},
	CTSaddr:      {"saddr", CTSaddr, nil, 0, 2, false},
	CTDaddr:      {"daddr", CTDaddr, nil, 0, 2, false},
	CTProtoSrc:   {"proto-src", CTProtoSrc, TypeService, 16, 2, false},
	CTProtoDst:   {"proto-dst", CTProtoDst, TypeService, 16, 2, false},
	CTHelper:     {"helper", CTHelper, TypeString, 128, 0, false},
	CTBytes:      {"bytes", CTBytes, TypeHostInteger, 64, 1, false},
	CTPackets:    {"packets", CTPackets, TypeHostInteger, 64, 1, false},
	CTAvgpkt:     {"avgpkt", CTAvgpkt, TypeHostInteger, 64, 1, false},
	CTZone:       {"zone", CTZone, TypeHostInteger, 16, 1, true},
	CTLabel:      {"label", CTLabel, TypeCTLabel, 128, 0, true},
	CTEvent:      {"event", CTEvent, TypeCTEvent, 32, 0, true},
	CTSecmark:    {"secmark", CTSecmark, TypeInteger, 32, 0, true},
	CTID:         {"id", CTID, TypeInteger, 32, 0, false},
	CTReason:     {"reason", CTReason, TypeCTReason, 8, 0, false},
}

// Type and Bits make *Payload an Expr.
func (e *Payload) Type() *Type { return e.Field.T }

// Bits is the field's length.
func (e *Payload) Bits() int { return int(e.Field.Length) }

// Type is the key's type.
func (e *Meta) Type() *Type { return metaKeys[e.Key].t }

// Bits is the key's length.
func (e *Meta) Bits() int { return metaKeys[e.Key].bits }

// Type is the key's type; of an address the one of its family.
func (e *CT) Type() *Type {
	if e.Key == CTSaddr || e.Key == CTDaddr {
		if e.Family == FamilyIP6 {
			return TypeIPv6
		}
		return TypeIPv4
	}
	return ctKeys[e.Key].t
}

// Bits is the key's length.
func (e *CT) Bits() int {
	if e.Key == CTSaddr || e.Key == CTDaddr {
		return e.Type().Bits
	}
	return ctKeys[e.Key].bits
}

// Type is the type of what is masked.
func (e *Masked) Type() *Type { return e.E.Type() }

// Bits is the length of what is masked.
func (e *Masked) Bits() int { return e.E.Bits() }

// Type is nil: a concatenation has several.
func (e *Concat) Type() *Type { return nil }

// Bits is the sum of the parts.
func (e *Concat) Bits() int {
	n := 0
	for _, p := range e.Es {
		n += p.Bits()
	}
	return n
}
