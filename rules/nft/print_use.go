package nft

import (
	"fmt"
	"strings"
)

// stateText shows a statement that keeps state.
func stateText(st Stmt, opt *PrintOptions) string {
	switch st := st.(type) {
	case *Counter:
		if opt.Stateless {
			return "counter"
		}
		return "counter " + counterText(st, opt)
	case *Limit:
		return "limit " + limitText(st)
	case *Quota:
		return "quota " + quotaText(st, opt)
	case *ConnLimit:
		if st.Over {
			return fmt.Sprintf("ct count over %d", st.Count)
		}
		return fmt.Sprintf("ct count %d", st.Count)
	case *Last:
		switch {
		case opt.Stateless:
			return "last"
		case !st.Used:
			return "last used never"
		}
		return "last used " + timeText(st.UsedMs)
	}
	return ""
}

func objectRefText(s *ObjectRef, opt *PrintOptions) string {
	word := StmtName(s)
	if s.Object != nil {
		return word + ` "` + s.Object.Name + `"`
	}
	return word + " " + exprText(s.Key, "") + " map " + setText(s.Set, opt)
}

// valueText shows what a statement takes.
func valueText(e Expr, opt *PrintOptions) string {
	switch e := e.(type) {
	case *Const:
		if e.T != nil && e.T.Bitmask {
			return flagsText(e.T, e.Data, ",")
		}
		return partText(e.T, &KeyPart{Lo: e.Data, Hi: e.Data, PrefixLen: e.PrefixLen, Name: e.Name})
	case *MapLookup:
		return exprText(e.Key, "") + " map " + setText(e.Set, opt)
	}
	return exprText(e, "")
}

func setUpdateText(s *SetUpdate, opt *PrintOptions) string {
	var b strings.Builder
	if s.Meter {
		fmt.Fprintf(&b, "meter %s size %d { ", s.Set.Name, s.Set.SizeGiven)
	} else {
		b.WriteString(StmtName(s) + " { ")
	}
	b.WriteString(exprText(s.Key, ""))
	if s.TimeoutMs > 0 {
		b.WriteString(" timeout " + timeText(s.TimeoutMs))
	}
	// Values of the rule's own are not listed.
	for _, st := range s.Stmts {
		b.WriteString(" " + stateText(st, &PrintOptions{Stateless: true}))
	}
	if s.Data != nil {
		b.WriteString(" : " + valueText(s.Data, opt))
	}
	b.WriteString(" }")
	return b.String()
}

func synproxyText(s *Synproxy) string {
	out := "synproxy"
	if s.hasMSS {
		out += fmt.Sprintf(" mss %d", s.MSS)
	}
	if s.hasWscale {
		out += fmt.Sprintf(" wscale %d", s.Wscale)
	}
	if f := synproxyFlags(s); f != "" {
		out += " " + f
	}
	return out
}
