package nft

import (
	"bufio"
	"fmt"
	"strings"
)

func printObject(w *bufio.Writer, o *Object, opt *PrintOptions) {
	fmt.Fprintf(w, "\t%s %s {%s\n", o.Kind, o.Name, opt.handle(o.Handle))
	if o.Comment != "" || o.empty {
		fmt.Fprintf(w, "\t\tcomment \"%s\"\n", o.Comment)
	}
	for _, line := range objectLines(o, opt) {
		w.WriteString("\t\t" + line + "\n")
	}
	w.WriteString("\t}\n")
}

func objectLines(o *Object, opt *PrintOptions) []string {
	proto := func(n uint8) string { return TypeProto.Symbol(uint64(n)) }
	switch o.Kind {
	case ObjCounter:
		if opt.Stateless {
			return nil
		}
		return []string{counterText(o.Counter, opt)}
	case ObjQuota:
		return []string{quotaText(o.Quota, opt)}
	case ObjLimit:
		return []string{limitText(o.Limit)}
	case ObjSecmark:
		return []string{`"` + o.Secmark + `"`}
	case ObjSynproxy:
		s := o.Synproxy
		if !s.hasMSS {
			return nil // an object may say nothing
		}
		out := []string{fmt.Sprintf("mss %d", s.MSS), fmt.Sprintf("wscale %d", s.Wscale)}
		if s.Timestamp || s.SackPerm { // with the blank between them in any case, as nft
			out = append(out, word(s.Timestamp, "timestamp")+" "+word(s.SackPerm, "sack-perm"))
		}
		return out
	case ObjHelper:
		return []string{
			fmt.Sprintf("type \"%s\" protocol %s", o.Helper.Type, proto(o.Helper.Proto)),
			"l3proto " + familyName(o.Helper.L3),
		}
	case ObjTimeout:
		var states []string
		for _, s := range o.Timeout.Policy {
			states = append(states, fmt.Sprintf("%s : %d", s.State, s.Seconds))
		}
		return []string{
			"protocol " + proto(o.Timeout.Proto), "l3proto " + familyName(o.Timeout.L3),
			"policy = { " + strings.Join(states, ", ") + " }",
		}
	case ObjExpectation:
		e := o.Expectation
		return []string{
			"protocol " + proto(e.Proto), fmt.Sprintf("dport %d", e.Port), "timeout " + timeText(e.TimeoutMs, opt),
			fmt.Sprintf("size %d", e.Size), "l3proto " + familyName(e.L3),
		}
	}
	return nil
}

func printFlowtable(w *bufio.Writer, f *Flowtable, opt *PrintOptions) {
	fmt.Fprintf(w, "\tflowtable %s {%s\n", f.Name, opt.handle(f.Handle))
	for _, line := range flowtableLines(f, opt) {
		w.WriteString("\t\t" + line + "\n")
	}
	w.WriteString("\t}\n")
}

func flowtableLines(f *Flowtable, opt *PrintOptions) []string {
	lines := []string{"hook ingress priority " + priorityText(FamilyNetdev, HookIngress, f.Priority, opt)}
	if len(f.Devices) > 0 {
		lines = append(lines, "devices = { "+strings.Join(f.Devices, ", ")+" }")
	}
	if f.Offload {
		lines = append(lines, "flags offload")
	}
	if f.Counter {
		lines = append(lines, "counter")
	}
	return lines
}

func counterText(c *Counter, opt *PrintOptions) string {
	packets, bytes := counterValues(c, opt)
	return fmt.Sprintf("packets %d bytes %d", packets, bytes)
}

func counterValues(c *Counter, opt *PrintOptions) (packets, bytes uint64) {
	if opt.Counters != nil {
		return opt.Counters(c)
	}
	return c.Packets, c.Bytes
}

func quotaUsed(q *Quota, opt *PrintOptions) uint64 {
	if opt.Quotas != nil {
		return opt.Quotas(q)
	}
	return q.Used
}

// byteText shows a number of bytes in the largest unit that divides it.
func byteText(n uint64) string {
	n, unit := byteUnit(n)
	return fmt.Sprintf("%d %s", n, unit)
}

func byteUnit(n uint64) (uint64, string) {
	unit := 0
	for n > 0 && n%1024 == 0 && unit < 2 {
		n /= 1024
		unit++
	}
	return n, [...]string{"bytes", "kbytes", "mbytes"}[unit]
}

func limitText(l *Limit) string {
	s := "rate "
	if l.Over {
		s += "over "
	}
	unit := unitName(l.Unit)
	if l.Bytes {
		s += byteText(l.Rate) + "/" + unit
		if l.Burst > 0 {
			s += " burst " + byteText(uint64(l.Burst))
		}
		return s
	}
	s += fmt.Sprintf("%d/%s", l.Rate, unit)
	if l.Burst != 5 {
		s += fmt.Sprintf(" burst %d packets", l.Burst)
	}
	return s
}

func quotaText(q *Quota, opt *PrintOptions) string {
	s := ""
	if q.Over {
		s = "over "
	}
	s += byteText(q.Bytes)
	if used := quotaUsed(q, opt); used > 0 && !opt.Stateless {
		s += " used " + byteText(used)
	}
	return s
}

func word(shown bool, text string) string {
	if shown {
		return text
	}
	return ""
}

func synproxyFlags(s *Synproxy) string {
	var out []string
	if s.Timestamp {
		out = append(out, "timestamp")
	}
	if s.SackPerm {
		out = append(out, "sack-perm")
	}
	return strings.Join(out, " ")
}
