package iptables

import (
	"fmt"
	"strings"
	"time"
)

// The tool's own words in a rule that is translated alone, for people.

// shorter are keys that the tool writes without meta.
var shorter = []string{"mark", "cpu", "pkttype", "iifgroup", "oifgroup", "nftrace"}

// toolWords puts a statement as iptables-translate does.
func toolWords(stmt string) string {
	for _, key := range shorter {
		if rest, ok := strings.CutPrefix(stmt, "meta "+key+" "); ok && (key != "mark" || !strings.HasPrefix(rest, "set ")) {
			stmt = key + " " + rest
			break
		}
	}
	if strings.HasPrefix(stmt, "meta mark set ") || strings.HasPrefix(stmt, "mark ") || strings.HasPrefix(stmt, "ct mark ") || strings.HasPrefix(stmt, "iifgroup ") || strings.HasPrefix(stmt, "oifgroup ") || strings.HasPrefix(stmt, "add @connlimit") {
		left, right, set := strings.Cut(stmt, " set ")
		if set {
			stmt = left + " set " + strings.Replace(right, "meta mark", "mark", 1)
		}
		stmt = strings.NewReplacer(" & ", " and ", " ^ ", " xor ").Replace(stmt)
	}
	return stmt
}

// eitherList is multiport --ports of single ports as a set of pairs.
func (l *lower) eitherList(v *value) bool {
	if !l.alone || v.neg || !l.rule.proto(6, 17, 33, 132, 136) {
		return false
	}
	var pairs []string
	for _, p := range v.x.([]portRange) {
		if p.ranged {
			return false
		}
		pairs = append(pairs, fmt.Sprintf("0-65535 . %d, %d . 0-65535", p.lo, p.lo))
	}
	proto := protocolText(l.rule.Proto)
	l.add("%s sport . %s dport { %s }", proto, proto, strings.Join(pairs, ", "))
	return true
}

// clock translates the time match. The tool leaves a blank where a date could be.
func (l *lower) clock(x *Instance) bool {
	m := x.timeMatch()
	if m.monthDays != allMonthDays || m.across {
		return false
	}
	date := func(s uint64) string { return time.Unix(int64(s), 0).UTC().Format("2006-01-02 15:04:05") }
	hour := func(s uint64) string { return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60) }
	gap := " "
	if m.from != 0 || m.to != 1<<31-1 {
		l.add("meta time \"%s\"-\"%s\"", date(m.from), date(m.to))
		gap = ""
	}
	if m.day != 0 || m.end != lastSecond {
		l.add("%smeta hour \"%s\"-\"%s\"", gap, hour(m.day), hour(m.end))
		gap = ""
	}
	var days []string
	for i := range weekDays {
		if m.weekDays>>(i+1)&1 != 0 {
			days = append(days, fmt.Sprint((i+1)%7))
		}
	}
	switch {
	case m.weekDays == allWeekDays:
	case len(days) == 1:
		l.add("%smeta day %s", gap, days[0])
	default:
		l.add("%smeta day { %s }", gap, strings.Join(days, ", "))
	}
	return true
}

// connection says what a connection shall be before where it goes, as the tool does.
func (l *lower) connection(x *Instance) {
	if v := x.opt("ctstate"); v.set {
		l.states(x, v)
	}
	if v := x.opt("ctstatus"); v.set && v.n[0] != 0 {
		l.add("ct status %s%s", sign(v.neg, "! "), strings.ReplaceAll(strings.ToLower(bitNames(ctStatuses, v.n[0])), "_", "-"))
	} else if v.set && !v.neg { // NONE: no bit of none is set
		l.never()
	}
	if v := x.opt("ctexpire"); v.set {
		seconds := *v
		seconds.n[1] = min(v.n[1], max32/1000) // nft counts milliseconds
		l.between("ct expiration", &seconds, max32/1000)
	}
}
