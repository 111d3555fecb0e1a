package nft

import (
	"fmt"
	"strings"
)

func ruleText(family Family, r *Rule, opt *PrintOptions) string {
	var parts []string
	for _, it := range shownItems(family, r) {
		if t := stmtText(it, opt); t != "" {
			parts = append(parts, t)
		}
	}
	if r.Comment != "" || r.empty {
		parts = append(parts, `comment "`+r.Comment+`"`)
	}
	return strings.Join(parts, " ")
}

// shownItems are the statements that a listing shows, each as it stands there.
func shownItems(family Family, r *Rule) []*item {
	var out []*item
	for _, it := range arrange(family, r) {
		shown := it.split
		if shown == nil {
			shown = []*item{it}
		}
		for _, it := range shown {
			if it.implied != nil && !it.implied.hidden {
				out = append(out, it.implied)
			}
			if it.before != nil {
				out = append(out, &item{stmt: it.before})
			}
			if !it.hidden {
				out = append(out, it)
			}
		}
	}
	return out
}

func stmtText(it *item, opt *PrintOptions) string {
	switch s := it.stmt.(type) {
	case *Match:
		return matchText(s, opt)
	case *VMap:
		return exprText(s.Left, opt) + " vmap " + setText(plainKeys(s.Set), opt)
	case *Verdict:
		if s.Block != nil && !opt.written {
			return innerText(s, opt)
		}
		return verdictText(s)
	case *Counter, *Limit, *Quota, *ConnLimit, *Last:
		return stateText(s, opt)
	case *ObjectRef:
		return objectRefText(s, opt)
	case *Assign:
		return assignText(s, it, opt)
	case *SetUpdate:
		return setUpdateText(s, opt)
	case *TProxy:
		return tproxyText(s, opt)
	case *Dup, *Forward, *Queue, *ResetOption:
		return sendText(s, opt)
	case *FlowOffload:
		return "flow add @" + s.Table.Name
	case *Synproxy:
		return synproxyText(s)
	case *Log:
		return logText(s)
	case *NAT:
		return natText(s, opt)
	case *Reject:
		return rejectText(s, opt)
	case *Mangle:
		return exprText(s.Left, opt) + " set " + mangleText(&s.Value, opt)
	case *Notrack:
		return "notrack"
	case *Extension:
		if s.Target {
			return `xt target "` + s.Name + `"`
		}
		return `xt match "` + s.Name + `"`
	}
	return ""
}

func verdictText(v *Verdict) string {
	switch v.Kind {
	case VerdictAccept:
		return "accept"
	case VerdictContinue:
		return "continue"
	case VerdictReturn:
		return "return"
	case VerdictJump:
		return "jump " + v.Chain
	case VerdictGoto:
		return "goto " + v.Chain
	}
	return "drop"
}

func logText(l *Log) string {
	s := "log"
	if l.Prefix != "" || l.prefixed {
		s += ` prefix "` + l.Prefix + `"`
	}
	if l.Group >= 0 {
		s += fmt.Sprintf(" group %d", l.Group)
		if l.Snaplen > 0 || l.snaps {
			s += fmt.Sprintf(" snaplen %d", l.Snaplen)
		}
		if l.QThresh > 0 {
			s += fmt.Sprintf(" queue-threshold %d", l.QThresh)
		}
	}
	if l.Level != "" && l.Level != "warn" {
		s += " level " + l.Level
	}
	has := map[string]bool{}
	for _, f := range l.LogFlags {
		has[f] = true
	}
	if len(has) == len(logFlagNames) {
		return s + " flags all"
	}
	switch {
	case has["tcp sequence"] && has["tcp options"]:
		s += " flags tcp sequence,options"
	case has["tcp sequence"]:
		s += " flags tcp sequence"
	case has["tcp options"]:
		s += " flags tcp options"
	}
	for _, f := range logFlagNames[2:] {
		if has[f] {
			s += " flags " + f
		}
	}
	return s
}

// showsFamily says whether a listing names the addresses' family.
func (n *NAT) showsFamily() bool {
	m, mapped := n.Addr.(*MapLookup)
	return (n.AddrMin != nil || n.Addr != nil) && (n.inet || mapped && (len(m.Set.Data) > 1 || m.Set.Ranges || n.Prefix))
}

// natFlagNames are the flags of nat statements, in the listing's order.
var natFlagNames = []struct {
	flag uint32
	name string
}{{NATRandom, "random"}, {NATFullyRandom, "fully-random"}, {NATPersistent, "persistent"}}

func natText(n *NAT, opt *PrintOptions) string {
	s := [...]string{"snat", "dnat", "masquerade", "redirect"}[n.Kind]
	if n.showsFamily() {
		s += " " + familyName(n.Family)
	}
	if n.Prefix {
		s += " prefix"
	}
	if n.AddrMin != nil || n.PortMin != 0 || n.Addr != nil || n.Port != nil {
		s += " to "
	}
	if n.Addr != nil {
		s += valueText(n.Addr, opt)
	}
	if n.AddrMin != nil {
		lo, hi := addrText(n.AddrMin), addrText(n.AddrMax)
		if n.Family == FamilyIP6 && n.PortMin != 0 {
			lo, hi = "["+lo+"]", "["+hi+"]"
		}
		plen := -1
		if n.ranged {
			plen = prefixOf(n.AddrMin, n.AddrMax)
		}
		switch {
		case plen >= 0:
			s += fmt.Sprintf("%s/%d", lo, plen)
		case lo == hi:
			s += lo
		default:
			s += lo + "-" + hi
		}
	}
	if n.PortMin != 0 {
		s += fmt.Sprintf(":%d", n.PortMin)
		if n.PortMax != n.PortMin {
			s += fmt.Sprintf("-%d", n.PortMax)
		}
	}
	if n.Port != nil {
		s += ":" + valueText(n.Port, opt)
	}
	var flags []string
	for _, f := range natFlagNames {
		if n.Flags&f.flag != 0 {
			flags = append(flags, f.name)
		}
	}
	if flags != nil {
		s += " " + strings.Join(flags, ",")
	}
	return s
}

func rejectText(r *Reject, opt *PrintOptions) string {
	code := func(t *Type) string {
		if n := t.Symbol(uint64(r.Code)); n != "" && !opt.Symbols {
			return n
		}
		return fmt.Sprint(r.Code)
	}
	switch {
	case r.Reset:
		return "reject with tcp reset"
	case r.Proto == 255:
		if r.Code == 1 {
			return "reject"
		}
		return "reject with icmpx " + code(TypeICMPXCode)
	case r.Proto == protoICMPv6:
		if r.Code == 4 && !r.inet {
			return "reject"
		}
		return "reject with icmpv6 " + code(TypeICMPv6Code)
	}
	if r.Code == 3 && !r.inet {
		return "reject"
	}
	return "reject with icmp " + code(TypeICMPCode)
}

// parts is the operation as an and, a xor and an or.
func (v *MangleValue) parts() (and, xor, or uint32) {
	and, xor = v.And, v.Xor
	if and != 1<<32-1 || xor == 0 {
		or = and&xor ^ xor
		xor &= and
		and |= or
	}
	return and, xor, or
}

// mangleText shows (src & And) ^ Xor as nft reads it back from its bitwise
// operation: an and, a xor and an or.
func mangleText(v *MangleValue, opt *PrintOptions) string {
	if v.Src == nil {
		return fmt.Sprintf("0x%08x", v.Xor)
	}
	and, xor, or := v.parts()
	s := exprText(v.Src, opt)
	if and != 1<<32-1 {
		s += fmt.Sprintf(" & 0x%08x", and)
	}
	if xor != 0 {
		s += fmt.Sprintf(" ^ 0x%08x", xor)
	}
	if or != 0 {
		s += fmt.Sprintf(" | 0x%08x", or)
	}
	return s
}
