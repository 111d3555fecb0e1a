package nft

import "slices"

// Selectors returns one of each thing that a rule can read, from the tables that
// the parser goes by.
func Selectors() []Expr {
	var out []Expr
	for _, f := range fields {
		out = append(out, &Payload{Field: f})
	}
	for _, k := range metaKeys {
		out = append(out, &Meta{Key: k.key})
	}
	for _, k := range ctKeys {
		e := &CT{Key: k.key, Dir: -1}
		if k.dir == 2 {
			e.Dir = 0
		}
		if k.key == CTSaddr || k.key == CTDaddr {
			e.Family = FamilyIP
		}
		out = append(out, e)
	}
	named := map[string]bool{} // of a kind and code the first name is listed
	for _, h := range optionHeaders {
		for _, f := range h.fields {
			if h.kind == OptionTCP && f.Name == "kind" {
				continue // it is listed, but cannot be asked for
			}
			out = append(out, &Option{Kind: h.kind, Code: h.code, Field: f})
		}
		if h.exists {
			out = append(out, &Option{Kind: h.kind, Code: h.code, Exists: true})
		}
	}
	out = slices.DeleteFunc(out, func(e Expr) bool {
		name := ExprText(e)
		again := named[name]
		named[name] = true
		return again
	})
	for _, b := range []HeaderBase{BaseLink, BaseNetwork, BaseTransport, BaseInner} {
		out = append(out, &Raw{Base: b, Offset: 8, Length: 8})
	}
	for k := RTClassid; k <= RTIPsec; k++ {
		out = append(out, &RT{Key: k, Family: FamilyIP})
	}
	for r := FibOifIndex; r <= FibAddrType; r++ {
		out = append(out, &Fib{Flags: FibDaddr, Result: r})
	}
	for k := SocketTransparent; k <= SocketCgroup; k++ {
		out = append(out, &Socket{Key: k, Level: 1})
	}
	return append(out, &OSF{}, &OSF{Version: true}, &Numgen{Mod: 4}, &Numgen{Random: true, Mod: 4},
		&Hash{E: &Meta{Key: MetaMark}, Mod: 4}, &Hash{Mod: 4}, &Xfrm{Key: "reqid"}, &Xfrm{Key: "spi"},
		&Xfrm{Key: "saddr", Family: FamilyIP}, &Xfrm{Key: "daddr", Family: FamilyIP})
}

// Families returns the families of tables, in the order of their names.
func Families() []Family {
	names := make([]string, 0, len(families))
	for n := range families {
		names = append(names, n)
	}
	slices.Sort(names)
	out := make([]Family, len(names))
	for i, n := range names {
		out[i] = families[n]
	}
	return out
}

// Verbs and objects of commands, and what else the parser takes.
var (
	commandVerbs   = []string{"add", "create", "insert", "replace", "delete", "flush", "rename"}
	commandObjects = []string{"table", "chain", "rule", "set", "map", "element", "flowtable"}
)

// Commands returns the commands there are as words: "add table", "list ruleset".
func Commands() []string {
	var out []string
	for _, v := range commandVerbs {
		for _, o := range commandObjects {
			if allowed(v, o) && !(v == "flush" && o == "rule") {
				out = append(out, v+" "+o)
			}
		}
		for k := ObjCounter; k <= ObjSecmark; k++ {
			if allowed(v, "object") {
				out = append(out, v+" "+k.String())
			}
		}
	}
	out = append(out, "flush ruleset")
	var list []string
	for w := range listWords {
		list = append(list, "list "+w)
	}
	for k := ObjCounter; k <= ObjSecmark; k++ {
		list = append(list, "list "+k.String())
	}
	slices.Sort(list)
	return append(append(out, list...), "list ct helpers", "reset counters", "reset counter", "reset quotas", "reset quota",
		"get element", "monitor", "monitor trace", "describe")
}

// ObjectKinds returns the kinds of named objects.
func ObjectKinds() []ObjectKind {
	var out []ObjectKind
	for k := ObjCounter; k <= ObjSecmark; k++ {
		out = append(out, k)
	}
	return out
}

// ConstText is a value as listings show it.
func ConstText(c *Const) string {
	return partText(c.T, &KeyPart{Lo: c.Data, Hi: c.Data, PrefixLen: c.PrefixLen, Name: c.Name}, asUsual)
}
