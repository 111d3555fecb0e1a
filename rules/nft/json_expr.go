package nft

import (
	"bytes"
	"math/big"
	"strconv"
	"strings"
)

// exprJSON is a left side, or what a statement computes.
func exprJSON(e Expr, opt *PrintOptions) any {
	switch e := e.(type) {
	case *Payload:
		return one("payload", object{{"protocol", e.Field.Proto}, {"field", e.Field.Name}})
	case *Meta:
		return one("meta", one("key", metaKeys[e.Key].name))
	case *CT:
		return ctJSON(e)
	case *Masked:
		return one("&", []any{exprJSON(e.E, opt), bitsJSON(e.E.Type(), e.Mask, opt)})
	case *Option:
		return optionJSON(e)
	case *Raw:
		return rawJSON(e)
	case *RT, *Fib, *Socket, *OSF, *Numgen, *Hash, *Xfrm:
		return otherJSON(e, opt)
	case *Binop:
		return one(e.Op, []any{exprJSON(e.L, opt), exprJSON(e.R, opt)})
	case *Const:
		return partJSON(e.T, &KeyPart{Lo: e.Data, Hi: e.Data, PrefixLen: e.PrefixLen, Name: e.Name}, opt)
	case *MapLookup:
		return one("map", object{{"key", exprJSON(e.Key, opt)}, {"data", setRefJSON(e.Set, opt)}})
	case *Concat:
		parts := make([]any, len(e.Es))
		for i, x := range e.Es {
			parts[i] = exprJSON(x, opt)
		}
		return one("concat", parts)
	}
	return nil
}

func ctJSON(e *CT) object {
	key := ctKeys[e.Key].name
	if (e.Key == CTSaddr || e.Key == CTDaddr) && !e.bare {
		key = familyName(e.Family) + " " + key
	}
	o := one("key", key)
	if e.Dir >= 0 && e.Key != CTL3proto && e.Key != CTProtocol {
		o.add(true, "dir", [...]string{"original", "reply"}[e.Dir])
	}
	return one("ct", o)
}

// optionJSON names an option as the listing does.
func optionJSON(e *Option) object {
	word := [...]string{OptionIPv6: "exthdr", OptionTCP: "tcp option", OptionIPv4: "ip option", OptionSCTP: "sctp chunk"}[e.Kind]
	text := optionText(e, asUsual)
	text = strings.TrimPrefix(strings.TrimPrefix(text, word+" "), "exthdr ")
	name, field, _ := strings.Cut(text, " ")
	switch {
	case e.Kind == OptionTCP && e.Exists && name == itoa(int(e.Code)):
		return one(word, object{{"base", int(e.Code)}, {"offset", 0}, {"len", 8}})
	case e.Kind == OptionTCP && !e.Exists && (field == "unknown" || strings.HasPrefix(name, "@") || name == itoa(int(e.Code))):
		return one(word, object{{"base", int(e.Code)}, {"offset", int(e.Field.Offset)}, {"len", int(e.Field.Length)}})
	}
	o := one("name", name)
	o.add(!e.Exists, "field", field)
	return one(word, o)
}

func rawJSON(e *Raw) object {
	if e.Type() == TypeService {
		return one("payload", object{{"protocol", "th"}, {"field", [...]string{"sport", "dport"}[e.Offset/16]}})
	}
	base := ""
	for name, b := range rawBases {
		if b == e.Base {
			base = name
		}
	}
	return one("payload", object{{"base", base}, {"offset", int(e.Offset)}, {"len", int(e.Length)}})
}

// otherJSON is a selector that begins with a word of its own.
func otherJSON(e Expr, opt *PrintOptions) object {
	var o object
	switch e := e.(type) {
	case *RT:
		o = one("key", [...]string{"classid", "nexthop", "mtu", "ipsec"}[e.Key])
		o.add(e.Key == RTNexthop, "family", familyName(e.Family))
		return one("rt", o)
	case *Fib:
		var flags []any
		for _, f := range fibFlags {
			if e.Flags&f.flag != 0 {
				flags = append(flags, f.name)
			}
		}
		return one("fib", object{{"result", [...]string{"oif", "oifname", "type"}[e.Result]}, {"flags", flags}})
	case *Socket:
		return one("socket", one("key", [...]string{"transparent", "mark", "wildcard", "cgroupv2"}[e.Key]))
	case *OSF:
		o.add(e.TTL > 0, "ttl", osfTTL[e.TTL])
		o.add(true, "key", map[bool]string{false: "name", true: "version"}[e.Version])
		return one("osf", o)
	case *Numgen:
		return one("numgen", object{{"mode", map[bool]string{false: "inc", true: "random"}[e.Random]}, {"mod", e.Mod}, {"offset", e.Offset}})
	case *Hash:
		o.add(true, "mod", e.Mod)
		o.add(e.Offset != 0, "offset", e.Offset)
		if e.E == nil {
			return one("symhash", o)
		}
		o.add(e.Seeded, "seed", e.Seed)
		o.add(true, "expr", exprJSON(e.E, opt))
		return one("jhash", o)
	case *Xfrm:
		o.add(true, "key", e.Key)
		o.add(e.Family != 0, "family", familyName(e.Family))
		o.add(true, "dir", map[bool]string{false: "in", true: "out"}[e.Out])
		o.add(true, "spnum", int(e.Index))
		return one("ipsec", o)
	}
	return nil
}

// setRefJSON is a set or map that is looked up.
func setRefJSON(s *Set, opt *PrintOptions) any {
	if s.Name != "" {
		return "@" + s.Name
	}
	els := make([]any, s.Elements.Len())
	for i, e := range opt.inRule(s) {
		els[i] = elementJSON(s, e, opt)
	}
	return one("set", els)
}

// partJSON is a value, prefix or range.
func partJSON(t *Type, k *KeyPart, opt *PrintOptions) any {
	switch {
	case k.Name != "":
		return k.Name
	case t == TypeIfname && k.PrefixLen >= 0:
		return string(k.Lo[:k.PrefixLen/8]) + "*"
	case k.PrefixLen >= 0:
		return one("prefix", object{{"addr", constJSON(t, k.Lo, opt)}, {"len", k.PrefixLen}})
	case bytes.Equal(k.Lo, k.Hi) && t != nil && t.Bitmask:
		return flagsJSON(t, k.Lo, opt)
	case bytes.Equal(k.Lo, k.Hi):
		return constJSON(t, k.Lo, opt)
	}
	return rangeJSON(t, k.Lo, k.Hi, opt)
}

// rangeJSON has protocols and ports by number.
func rangeJSON(t *Type, lo, hi []byte, opt *PrintOptions) object {
	numbers := *opt
	numbers.Protocols, numbers.Services = true, false
	return one("range", []any{constJSON(t, lo, &numbers), constJSON(t, hi, &numbers)})
}

// flagsJSON is the bits of a value by name, a list if there are more than one.
func flagsJSON(t *Type, b []byte, opt *PrintOptions) any {
	names := flagNamesOf(t, b, opt)
	if names == nil {
		return constJSON(t, b, opt)
	}
	return listOrOne(names)
}

// bitsJSON is flagsJSON with several bits joined by an or.
func bitsJSON(t *Type, b []byte, opt *PrintOptions) any {
	names := flagNamesOf(t, b, opt)
	if len(names) < 2 {
		return flagsJSON(t, b, opt)
	}
	out := names[0]
	for _, n := range names[1:] {
		out = one("|", []any{out, n})
	}
	return out
}

// flagNamesOf are the names of the bits of a value, lowest first; nil when one
// has none.
func flagNamesOf(t *Type, b []byte, opt *PrintOptions) (names []any) {
	if t == nil || !t.Bitmask || t == TypeCTLabel || opt.Symbols {
		return nil
	}
	v := getUint(b)
	for bit := uint64(1); bit != 0 && v != 0; bit <<= 1 {
		if v&bit != 0 {
			n := t.Symbol(bit)
			if n == "" {
				return nil
			}
			names = append(names, n)
			v &^= bit
		}
	}
	return names
}

// constJSON is one value of a type.
func constJSON(t *Type, b []byte, opt *PrintOptions) any {
	switch t {
	case TypeIPv4, TypeIPv6, TypeEther:
		return constText(t, b, opt)
	case TypeIfname, TypeString, TypeDay, TypeHour, TypeDate:
		return strings.Trim(constText(t, b, opt), `"`)
	case TypeRealm, TypeClassid, TypeIfindex:
		return strings.Trim(constText(t, b, opt), `"`)
	case TypeTime:
		return getUint(b) / 1000
	case TypeBoolean:
		return getUint(b) != 0
	case TypeCTLabel:
		n, _ := strconv.Atoi(constText(t, b, opt))
		return n
	}
	if len(b) > 8 {
		if v := new(big.Int).SetBytes(b); !v.IsUint64() {
			return bigHex(b)
		}
		b = b[len(b)-8:]
	}
	v := getUint(b)
	if t != nil && !opt.Symbols && !(t == TypeProto && opt.Protocols) && (!t.Hidden || opt.Services) {
		if n := t.Symbol(v); n != "" {
			return n
		}
	}
	return v
}
