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
		now := *st
		if opt.Lasts != nil {
			now = opt.Lasts(st)
		}
		switch {
		case opt.Stateless:
			return "last"
		case !now.Used:
			return "last used never"
		}
		return "last used " + timeText(now.UsedMs, opt)
	}
	return ""
}

func objectRefText(s *ObjectRef, opt *PrintOptions) string {
	word := StmtName(s)
	if s.Object != nil {
		return word + ` "` + s.Object.Name + `"`
	}
	return word + " " + exprText(s.Key, opt) + " map " + setText(s.Set, opt)
}

// valueText shows what a statement takes.
func valueText(e Expr, opt *PrintOptions) string {
	switch e := e.(type) {
	case *Const:
		if e.T != nil && e.T.Bitmask {
			return flagsText(e.T, e.Data, ",", opt)
		}
		return partText(e.T, &KeyPart{Lo: e.Data, Hi: e.Data, PrefixLen: e.PrefixLen, Name: e.Name}, opt)
	case *MapLookup:
		return exprText(e.Key, opt) + " map " + setText(plainKeys(e.Set), opt)
	}
	return exprText(e, opt)
}

func setUpdateText(s *SetUpdate, opt *PrintOptions) string {
	var b strings.Builder
	if s.Meter {
		fmt.Fprintf(&b, "meter %s size %d { ", s.Set.Name, s.Set.SizeGiven)
	} else {
		b.WriteString(StmtName(s) + " { ")
	}
	b.WriteString(exprText(s.Key, opt))
	if s.TimeoutMs > 0 {
		b.WriteString(" timeout " + timeText(s.TimeoutMs, opt))
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
	if s.hasMSS || s.hasWscale {
		out += fmt.Sprintf(" mss %d wscale %d", s.MSS, s.Wscale)
	}
	if f := synproxyFlags(s); f != "" {
		out += " " + f
	}
	return out
}

// rawText shows bits by their place; the ports of any transport protocol have
// names.
func rawText(e *Raw, opt *PrintOptions) string {
	if e.Type() == TypeService {
		return "th" + [...]string{" sport", " dport"}[e.Offset/16]
	}
	for name, b := range rawBases {
		if b == e.Base {
			return fmt.Sprintf("@%s,%d,%d", name, e.Offset, e.Length)
		}
	}
	return ""
}

// otherText shows selectors that begin with a word of their own.
func otherText(e Expr, opt *PrintOptions) string {
	offset := func(n uint32) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprintf(" offset %d", n)
	}
	switch e := e.(type) {
	case *RT:
		if e.Key == RTNexthop {
			return "rt " + familyName(e.Family) + " nexthop"
		}
		return "rt " + [...]string{"classid", "", "mtu", "ipsec"}[e.Key]
	case *Fib:
		var flags []string
		for _, f := range fibFlags {
			if e.Flags&f.flag != 0 {
				flags = append(flags, f.name)
			}
		}
		return "fib " + strings.Join(flags, " . ") + [...]string{" oif", " oifname", " type"}[e.Result]
	case *Socket:
		if e.Key == SocketCgroup {
			return fmt.Sprintf("socket cgroupv2 level %d", e.Level)
		}
		return "socket " + [...]string{"transparent", "mark", "wildcard"}[e.Key]
	case *OSF:
		s := "osf "
		if e.TTL > 0 {
			s += "ttl " + osfTTL[e.TTL] + " "
		}
		return s + map[bool]string{false: "name", true: "version"}[e.Version]
	case *Numgen:
		return fmt.Sprintf("numgen %s mod %d%s", map[bool]string{false: "inc", true: "random"}[e.Random], e.Mod, offset(e.Offset))
	case *Hash:
		s := "symhash"
		if e.E != nil {
			s = "jhash " + exprText(e.E, opt)
		}
		s += fmt.Sprintf(" mod %d", e.Mod)
		if e.Seeded {
			s += fmt.Sprintf(" seed 0x%x", e.Seed)
		}
		return s + offset(e.Offset)
	case *Xfrm:
		s := "ipsec " + map[bool]string{false: "in", true: "out"}[e.Out]
		if e.Index > 0 {
			s += fmt.Sprintf(" spnum %d", e.Index)
		}
		if e.Family != 0 {
			s += " " + familyName(e.Family)
		}
		return s + " " + e.Key
	}
	return ""
}

func assignText(s *Assign, it *item, opt *PrintOptions) string {
	value := ""
	if c, ok := s.Value.(*Const); ok && c.T == TypeTCPFlag {
		value = flagsText(c.T, c.Data, " | ", opt)
	} else {
		value = valueText(s.Value, opt)
	}
	return exprText(s.Left, opt) + " set " + value
}

func tproxyText(s *TProxy, opt *PrintOptions) string {
	out := "tproxy"
	if s.table == FamilyInet && s.Family != 0 {
		out += " " + familyName(s.Family)
	}
	out += " to"
	if s.Addr != nil {
		text := valueText(s.Addr, opt)
		if c, ok := s.Addr.(*Const); ok && len(c.Data) == 16 {
			text = "[" + text + "]"
		}
		out += " " + text
	}
	if s.Port != nil {
		if s.Addr == nil {
			out += " "
		}
		out += ":" + valueText(s.Port, opt)
	}
	return out
}

// sendText shows statements that send the packet somewhere, and `reset`.
func sendText(st Stmt, opt *PrintOptions) string {
	switch st := st.(type) {
	case *Dup:
		if st.Addr == nil {
			return "dup to " + valueText(st.Device, opt)
		}
		s := "dup to " + valueText(st.Addr, opt)
		if st.Device != nil {
			s += " device " + valueText(st.Device, opt)
		}
		return s
	case *Forward:
		if st.Addr == nil {
			return "fwd to " + valueText(st.Device, opt)
		}
		return "fwd " + familyName(st.Family) + " to " + valueText(st.Addr, opt) + " device " + valueText(st.Device, opt)
	case *Queue:
		s := "queue"
		if st.Bypass || st.Fanout {
			s += " flags " + strings.Join(append([]string{"bypass"}[:btoi(st.Bypass)], []string{"fanout"}[:btoi(st.Fanout)]...), ",")
		}
		switch {
		case st.Queue != nil:
			return s + " to " + valueText(st.Queue, opt)
		case st.From != st.To:
			return s + fmt.Sprintf(" to %d-%d", st.From, st.To)
		}
		return s + fmt.Sprintf(" to %d", st.From)
	case *ResetOption:
		return "reset " + exprText(st.Option, opt)
	}
	return ""
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
