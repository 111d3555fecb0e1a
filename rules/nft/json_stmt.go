package nft

import (
	"fmt"
	"strings"
)

// stmtJSON is one statement of a rule.
func stmtJSON(it *item, opt *PrintOptions) any {
	switch s := it.stmt.(type) {
	case *Match:
		return matchJSON(s, opt)
	case *VMap:
		return one("vmap", object{{"key", exprJSON(s.Left, opt)}, {"data", setRefJSON(s.Set, opt)}})
	case *Verdict:
		if s.Block != nil && !opt.written {
			return innerText(s, opt)
		}
		return verdictJSON(s)
	case *Counter, *Limit, *Quota, *ConnLimit, *Last:
		return stateJSON(s, opt)
	case *ObjectRef:
		var v any
		if s.Object != nil {
			v = s.Object.Name
		} else {
			v = one("map", object{{"key", exprJSON(s.Key, opt)}, {"data", setRefJSON(s.Set, opt)}})
		}
		return one(s.Kind.String(), v)
	case *Assign:
		value := valueJSON(s.Value, opt)
		if c, ok := s.Value.(*Const); ok && c.T == TypeTCPFlag {
			value = bitsJSON(c.T, c.Data, opt)
		}
		return one("mangle", object{{"key", exprJSON(s.Left, opt)}, {"value", value}})
	case *Mangle:
		return one("mangle", object{{"key", exprJSON(s.Left, opt)}, {"value", mangleJSON(&s.Value, opt)}})
	case *SetUpdate:
		return setUpdateJSON(s, opt)
	case *TProxy:
		var o object
		o.add(s.table == FamilyInet && s.Family != 0, "family", familyName(s.Family))
		if s.Addr != nil {
			o.add(true, "addr", valueJSON(s.Addr, opt))
		}
		if s.Port != nil {
			o.add(true, "port", valueJSON(s.Port, opt))
		}
		return one("tproxy", o)
	case *Dup, *Forward, *Queue, *ResetOption:
		return sendJSON(s, opt)
	case *FlowOffload:
		return one("flow", object{{"op", "add"}, {"flowtable", "@" + s.Table.Name}})
	case *Synproxy:
		if o := synproxyJSON(s); len(o) > 0 {
			return one("synproxy", o)
		}
		return one("synproxy", nil)
	case *Log:
		return one("log", logJSON(s))
	case *NAT:
		return natJSON(s, opt)
	case *Reject:
		return rejectJSON(s, opt)
	case *Notrack:
		return one("notrack", nil)
	}
	return nil
}

var opJSON = [...]string{OpEq: "==", OpNe: "!=", OpLt: "<", OpGt: ">", OpLe: "<=", OpGe: ">=", OpAny: "in"}

func matchJSON(m *Match, opt *PrintOptions) object {
	op := opJSON[m.Op]
	left := exprJSON(m.Left, opt)
	t := m.Left.Type()
	var right any
	switch v := m.Right.(type) {
	case *Const:
		if e, ok := m.Left.(*Raw); ok && e.partial(m.Op) {
			whole, mask, value := e.whole(v.Data)
			left = one("&", []any{rawJSON(&whole), constJSON(TypeRaw, mask.Bytes(), opt)})
			right = constJSON(TypeRaw, value.Bytes(), opt)
			break
		}
		if t != nil && t.Bitmask {
			return flagMatchJSON(m, v, opt)
		}
		right = partJSON(t, &KeyPart{Lo: v.Data, Hi: v.Data, PrefixLen: v.PrefixLen, Name: v.Name}, opt)
	case *Range:
		right = rangeJSON(t, v.Lo, v.Hi, opt)
	case *SetRef:
		right = setRefJSON(v.Set, opt)
	}
	return one("match", object{{"op", op}, {"left", left}, {"right", right}})
}

// flagMatchJSON is a match on flags, as flagMatchText.
func flagMatchJSON(m *Match, v *Const, opt *PrintOptions) object {
	t := m.Left.Type()
	match := func(op string, left, right any) object {
		return one("match", object{{"op", op}, {"left", left}, {"right", right}})
	}
	mask := masked(m.Left)
	left := exprJSON(m.Left, opt)
	switch {
	case mask == nil && m.Op == OpAny:
		return match("in", left, flagsJSON(t, v.Data, opt))
	case mask == nil && t == TypeTCPFlag && len(flagNamesOf(t, v.Data, opt)) > 1:
		return match(opJSON[m.Op], left, getUint(v.Data))
	case mask == nil:
		return match(opJSON[m.Op], left, bitsJSON(t, v.Data, opt))
	case m.Op == OpEq && isZero(v.Data):
		return match("!", exprJSON(mask.E, opt), flagsJSON(t, mask.Mask, opt))
	case len(flagNamesOf(t, mask.Mask, opt)) > 1:
		left = one("&", []any{exprJSON(mask.E, opt), flagsJSON(t, mask.Mask, opt)})
		return match(opJSON[m.Op], left, flagsJSON(t, v.Data, opt))
	}
	return match(opJSON[m.Op], left, bitsJSON(t, v.Data, opt))
}

func verdictJSON(v *Verdict) object {
	if v.Chain != "" {
		return one(strings.Fields(verdictText(v))[0], one("target", v.Chain))
	}
	return one(verdictText(v), nil)
}

// stateJSON is a statement that keeps state.
func stateJSON(st Stmt, opt *PrintOptions) object {
	switch st := st.(type) {
	case *Counter:
		if opt.Stateless {
			return one("counter", nil)
		}
		packets, bytes := counterValues(st, opt)
		return one("counter", object{{"packets", packets}, {"bytes", bytes}})
	case *Limit:
		return one("limit", limitJSON(st))
	case *Quota:
		n, unit := byteUnit(st.Bytes)
		o := object{{"val", n}, {"val_unit", unit}}
		if used := quotaUsed(st, opt); used > 0 && !opt.Stateless {
			n, unit := byteUnit(used)
			o = append(o, member{"used", n}, member{"used_unit", unit})
		}
		o.add(st.Over, "inv", true)
		return one("quota", o)
	case *ConnLimit:
		o := one("val", st.Count)
		o.add(st.Over, "inv", true)
		return one("ct count", o)
	case *Last:
		if opt.Stateless || !st.Used {
			return one("last", nil)
		}
		return one("last", one("used", st.UsedMs))
	}
	return nil
}

// limitJSON is a limit in a rule.
func limitJSON(l *Limit) object {
	rate, burst, units := limitUnits(l)
	o := object{{"rate", rate}, {"burst", burst}, {"per", unitName(l.Unit)}}
	o.add(l.Over, "inv", true)
	return append(o, units...)
}

// limitObjectJSON is a limit of its own.
func limitObjectJSON(l *Limit) object {
	rate, burst, units := limitUnits(l)
	o := object{{"rate", rate}, {"per", unitName(l.Unit)}}
	o.add(burst > 0, "burst", burst)
	o.add(l.Over, "inv", true)
	if burst == 0 && len(units) > 1 {
		units = units[:1]
	}
	return append(o, units...)
}

// limitUnits are a limit's numbers, and of bytes their units.
func limitUnits(l *Limit) (rate, burst uint64, units object) {
	if !l.Bytes {
		return l.Rate, uint64(l.Burst), nil
	}
	rate, rateUnit := byteUnit(l.Rate)
	burst, burstUnit := byteUnit(uint64(l.Burst))
	return rate, burst, object{{"rate_unit", rateUnit}, {"burst_unit", burstUnit}}
}

func unitName(seconds uint64) string {
	for name, n := range timeUnits {
		if n == seconds {
			return name
		}
	}
	return ""
}

func synproxyJSON(s *Synproxy) object {
	var o object
	o.add(s.hasMSS, "mss", s.MSS)
	o.add(s.hasWscale, "wscale", s.Wscale)
	if f := strings.Fields(synproxyFlags(s)); len(f) > 0 {
		o.add(true, "flags", anys(f))
	}
	return o
}

func logJSON(l *Log) any {
	var o object
	o.add(l.Prefix != "" || l.prefixed, "prefix", l.Prefix)
	if l.Group >= 0 {
		o.add(true, "group", l.Group)
		o.add(l.Snaplen > 0 || l.snaps, "snaplen", l.Snaplen)
		o.add(l.QThresh > 0, "queue-threshold", l.QThresh)
	}
	o.add(l.Level != "" && l.Level != "warn", "level", l.Level)
	if len(l.LogFlags) > 0 {
		has := map[string]bool{}
		for _, f := range l.LogFlags {
			has[f] = true
		}
		var flags []any
		for _, f := range logFlagNames {
			if has[f] {
				flags = append(flags, f)
			}
		}
		if len(has) == len(logFlagNames) {
			flags = []any{"all"}
		}
		o.add(true, "flags", listOrOne(flags))
	}
	if len(o) == 0 {
		return nil
	}
	return o
}

func natJSON(n *NAT, opt *PrintOptions) object {
	word := [...]string{"snat", "dnat", "masquerade", "redirect"}[n.Kind]
	var o object
	o.add(n.showsFamily(), "family", familyName(n.Family))
	switch {
	case n.Addr != nil:
		o.add(true, "addr", valueJSON(n.Addr, opt))
	case n.AddrMin != nil:
		part := KeyPart{Lo: n.AddrMin, Hi: n.AddrMax, PrefixLen: -1}
		if n.ranged {
			part.PrefixLen = prefixOf(n.AddrMin, n.AddrMax)
		}
		t := TypeIPv4
		if len(n.AddrMin) == 16 {
			t = TypeIPv6
		}
		o.add(true, "addr", partJSON(t, &part, opt))
	}
	switch {
	case n.Port != nil:
		o.add(true, "port", valueJSON(n.Port, opt))
	case n.PortMin != 0 && n.PortMax != n.PortMin:
		o.add(true, "port", one("range", []any{n.PortMin, n.PortMax}))
	case n.PortMin != 0:
		o.add(true, "port", n.PortMin)
	}
	var flags []any
	for _, f := range natFlagNames {
		if n.Flags&f.flag != 0 {
			flags = append(flags, f.name)
		}
	}
	if n.Prefix {
		flags = append(flags, "netmap")
	}
	o.add(flags != nil, "flags", listOrOne(flags))
	o.add(n.Prefix, "type_flags", "prefix")
	if len(o) == 0 {
		return one(word, nil)
	}
	return one(word, o)
}

func rejectJSON(r *Reject, opt *PrintOptions) object {
	if r.Reset {
		return one("reject", one("type", "tcp reset"))
	}
	var t *Type
	word := ""
	switch r.Proto {
	case 255:
		word, t = "icmpx", TypeICMPXCode
	case protoICMPv6:
		word, t = "icmpv6", TypeICMPv6Code
	default:
		word, t = "icmp", TypeICMPCode
	}
	return one("reject", object{{"type", word}, {"expr", constJSON(t, []byte{r.Code}, opt)}})
}

// valueJSON is what a statement takes.
func valueJSON(e Expr, opt *PrintOptions) any { return exprJSON(e, opt) }

// mangleJSON is (src & And) ^ Xor as nft reads it back.
func mangleJSON(v *MangleValue, opt *PrintOptions) any {
	if v.Src == nil {
		return v.Xor
	}
	var out any = exprJSON(v.Src, opt)
	and, xor, or := v.parts()
	if and != 1<<32-1 {
		out = one("&", []any{out, and})
	}
	if xor != 0 {
		out = one("^", []any{out, xor})
	}
	if or != 0 {
		out = one("|", []any{out, or})
	}
	return out
}

func setUpdateJSON(s *SetUpdate, opt *PrintOptions) object {
	key := exprJSON(s.Key, opt)
	if s.TimeoutMs > 0 {
		key = one("elem", object{{"val", key}, {"timeout", s.TimeoutMs / 1000}})
	}
	stateless := &PrintOptions{Stateless: true}
	if s.Meter {
		o := one("key", key)
		if len(s.Stmts) > 0 {
			o.add(true, "stmt", stateJSON(s.Stmts[0], stateless))
		}
		return one("meter", append(o, member{"size", s.Set.SizeGiven}, member{"name", s.Set.Name}))
	}
	o := object{{"op", [...]string{"add", "update", "delete"}[s.Verb]}, {"elem", key}}
	if s.Data != nil {
		o.add(true, "data", valueJSON(s.Data, opt))
	}
	o.add(true, "set", "@"+s.Set.Name)
	if len(s.Stmts) > 0 {
		var stmts []any
		for _, st := range s.Stmts {
			stmts = append(stmts, stateJSON(st, stateless))
		}
		o.add(true, "stmt", stmts)
	}
	if s.Data != nil {
		return one("map", o)
	}
	return one("set", o)
}

// sendJSON is a statement that sends the packet somewhere, and `reset`.
func sendJSON(st Stmt, opt *PrintOptions) object {
	switch st := st.(type) {
	case *Dup:
		if st.Addr == nil {
			return one("dup", one("addr", valueJSON(st.Device, opt)))
		}
		o := one("addr", valueJSON(st.Addr, opt))
		if st.Device != nil {
			o.add(true, "dev", valueJSON(st.Device, opt))
		}
		return one("dup", o)
	case *Forward:
		o := one("dev", valueJSON(st.Device, opt))
		if st.Addr != nil {
			o.add(true, "family", familyName(st.Family))
			o.add(true, "addr", valueJSON(st.Addr, opt))
		}
		return one("fwd", o)
	case *Queue:
		var o object
		switch {
		case st.Queue != nil:
			o.add(true, "num", valueJSON(st.Queue, opt))
		case st.From != st.To:
			o.add(true, "num", one("range", []any{st.From, st.To}))
		default:
			o.add(true, "num", st.From)
		}
		flags := append([]string{"bypass"}[:btoi(st.Bypass)], []string{"fanout"}[:btoi(st.Fanout)]...)
		o.add(len(flags) > 0, "flags", listOrOne(anys(flags)))
		return one("queue", o)
	case *ResetOption:
		return one("reset", exprJSON(st.Option, opt))
	}
	panic(fmt.Sprintf("no JSON for %T", st))
}
