package nft

import "io"

// inFamily begins an object of a table: with name and table, or the other way
// round.
func inFamily(t *Table, rest ...member) object {
	return append(object{{"family", familyName(t.Family)}}, rest...)
}

func tableJSON(t *Table) object {
	o := inFamily(t, member{"name", t.Name}, member{"handle", t.Handle})
	o.add(t.Dormant, "flags", "dormant")
	return o
}

func chainJSON(t *Table, ch *Chain) object {
	o := inFamily(t, member{"table", t.Name}, member{"name", ch.Name}, member{"handle", ch.Handle})
	if b := ch.Base; b != nil {
		policy := "accept"
		if b.Policy == VerdictDrop {
			policy = "drop"
		}
		o.add(len(b.Devices) > 0, "dev", listOrOne(anys(b.Devices)))
		o = append(o, member{"type", chainTypes[b.Type]}, member{"hook", hookName(b.Hook)}, member{"prio", b.Priority}, member{"policy", policy})
	}
	return o
}

func flowtableJSON(t *Table, f *Flowtable) object {
	o := inFamily(t, member{"name", f.Name}, member{"table", t.Name}, member{"handle", f.Handle}, member{"hook", "ingress"}, member{"prio", f.Priority})
	o.add(len(f.Devices) > 0, "dev", listOrOne(anys(f.Devices)))
	return o
}

func ruleJSON(t *Table, ch *Chain, r *Rule, opt *PrintOptions) object {
	o := inFamily(t, member{"table", t.Name}, member{"chain", ch.Name}, member{"handle", r.Handle})
	o.add(r.Comment != "" || r.empty, "comment", r.Comment)
	stmts := []any{}
	for _, it := range shownItems(t.Family, r) {
		stmts = append(stmts, stmtJSON(it, opt))
	}
	return append(o, member{"expr", stmts})
}

func typesJSON(ts []*Type) any {
	if len(ts) == 1 {
		return ts[0].Name
	}
	out := make([]any, len(ts))
	for i, t := range ts {
		out[i] = t.Name
	}
	return out
}

// setJSON is a set without its elements: what stands before and behind them.
func setJSON(t *Table, s *Set, opt *PrintOptions) (head, tail object) {
	o := inFamily(t, member{"name", s.Name}, member{"table", t.Name}, member{"type", typesJSON(s.Key)}, member{"handle", s.Handle})
	o.add(s.Comment != "" || s.empty, "comment", s.Comment)
	switch {
	case s.Verdicts:
		o.add(true, "map", "verdict")
	case s.HoldsObjects:
		o.add(true, "map", s.ObjectKind.String())
	case s.Map:
		o.add(true, "map", typesText(s.Data))
	}
	if s.Flags&SetConstant == 0 {
		o.add(s.Policy == "memory", "policy", "memory")
		o.add(s.SizeGiven > 0, "size", s.SizeGiven)
	}
	var flags []any
	for _, name := range flagNames(s.Flags &^ SetDynamic) {
		flags = append(flags, name)
	}
	o.add(flags != nil, "flags", flags)
	o.add(s.Timeout > 0, "timeout", s.Timeout/1000)
	o.add(s.GC > 0, "gc-interval", s.GC/1000)
	if len(s.Stmts) > 0 {
		var stmts []any
		for _, st := range s.Stmts {
			stmts = append(stmts, stateJSON(st, &PrintOptions{Stateless: true}))
		}
		tail.add(true, "stmt", stmts)
	}
	return o, tail
}

func elementJSON(s *Set, e *Element, opt *PrintOptions) any {
	key := keyJSON(s, e, opt)
	if e.Timeout > 0 || e.Expires > 0 || len(e.Stmts) > 0 || e.Comment != "" || e.empty {
		o := one("val", key)
		o.add(e.Timeout > 0, "timeout", e.Timeout/1000)
		o.add(e.Expires > 0, "expires", e.Expires/1000)
		o.add(e.Comment != "" || e.empty, "comment", e.Comment)
		for _, st := range e.Stmts {
			o = append(o, stateJSON(st, opt)...)
		}
		key = one("elem", o)
	}
	switch {
	case e.Verdict != nil:
		return []any{key, verdictJSON(e.Verdict)}
	case s.HoldsObjects:
		return []any{key, e.Object}
	case len(e.Data) > 0:
		return []any{key, dataJSON(s, e, opt)}
	}
	return key
}

// keyJSON is an element's key.
func keyJSON(s *Set, e *Element, opt *PrintOptions) any {
	if e.Any {
		return "*"
	}
	parts := make([]any, len(e.Key))
	for i := range e.Key {
		k, t := e.Key[i], s.Key[i]
		if k.PrefixLen < 0 && prefixTypes[t] && string(k.Lo) != string(k.Hi) {
			k.PrefixLen = prefixOf(k.Lo, k.Hi)
		}
		if !prefixTypes[t] && t != TypeIfname {
			k.PrefixLen = -1
		}
		parts[i] = partJSON(t, &k, opt)
	}
	return concatJSON(parts)
}

func dataJSON(s *Set, e *Element, opt *PrintOptions) any {
	parts := make([]any, len(e.Data))
	for i := range e.Data {
		d := e.Data[i]
		if s.Ranges && prefixTypes[s.Data[i]] {
			d.PrefixLen = prefixOf(d.Lo, d.Hi)
		}
		parts[i] = partJSON(s.Data[i], &d, opt)
	}
	return concatJSON(parts)
}

func concatJSON(parts []any) any {
	if len(parts) == 1 {
		return parts[0]
	}
	return one("concat", parts)
}

func objectJSON(t *Table, x *Object, opt *PrintOptions) object {
	o := inFamily(t, member{"name", x.Name}, member{"table", t.Name}, member{"handle", x.Handle})
	o.add(x.Comment != "" || x.empty, "comment", x.Comment)
	switch x.Kind {
	case ObjCounter:
		packets, bytes := counterValues(x.Counter, opt)
		o.add(true, "packets", packets)
		o.add(true, "bytes", bytes)
	case ObjQuota:
		o.add(true, "bytes", x.Quota.Bytes)
		o.add(true, "used", quotaUsed(x.Quota, opt))
		o.add(true, "inv", x.Quota.Over)
	case ObjLimit:
		o = append(o, limitObjectJSON(x.Limit)...)
	case ObjSecmark:
		o.add(true, "context", x.Secmark)
	case ObjSynproxy:
		o = append(o, synproxyJSON(x.Synproxy)...)
	case ObjHelper:
		o.add(true, "type", x.Helper.Type)
		o.add(true, "protocol", TypeProto.Symbol(uint64(x.Helper.Proto)))
		o.add(true, "l3proto", familyName(x.Helper.L3))
	case ObjTimeout:
		var policy any
		if len(x.Timeout.Policy) > 0 {
			var states object
			for _, st := range x.Timeout.Policy {
				states.add(true, st.State, st.Seconds)
			}
			policy = states
		}
		o.add(true, "protocol", TypeProto.Symbol(uint64(x.Timeout.Proto)))
		o.add(true, "l3proto", familyName(x.Timeout.L3))
		o.add(true, "policy", policy)
	case ObjExpectation:
		e := x.Expectation
		o.add(true, "protocol", TypeProto.Symbol(uint64(e.Proto)))
		o.add(true, "dport", e.Port)
		o.add(true, "timeout", e.TimeoutMs)
		o.add(true, "size", e.Size)
		o.add(true, "l3proto", familyName(e.L3))
	}
	return o
}

// changeJSON is what nft monitor and echo show of a change: an object for each
// element.
func (x *Change) changeJSON(opt *PrintOptions) []object {
	verb := func(kind string, value object) []object { return []object{one(x.Verb, one(kind, value))} }
	t := x.Table
	switch {
	case x.Rule != nil:
		return verb("rule", ruleJSON(t, x.Chain, x.Rule, opt))
	case x.Elements != nil:
		var out []object
		for _, e := range x.Elements {
			out = append(out, verb("element", inFamily(t, member{"table", t.Name}, member{"name", x.Set.Name},
				member{"elem", one("set", []any{elementJSON(x.Set, e, opt)})}))...)
		}
		return out
	case x.Set != nil:
		head, tail := setJSON(t, x.Set, opt)
		return verb(setKind(x.Set), append(head, tail...))
	case x.Flowtable != nil:
		return verb("flowtable", flowtableJSON(t, x.Flowtable))
	case x.Object != nil:
		return verb(x.Object.Kind.String(), objectJSON(t, x.Object, opt))
	case x.Chain != nil:
		return verb("chain", chainJSON(t, x.Chain))
	}
	return verb("table", tableJSON(t))
}

// fprintEcho writes changes as one document.
func fprintEcho(w io.Writer, changes []Change, opt *PrintOptions) error {
	d := newDocument(w)
	for i := range changes {
		for _, o := range changes[i].changeJSON(opt) {
			d.entry(o)
		}
	}
	if err := d.end(); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
