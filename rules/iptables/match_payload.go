package iptables

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Matches with a language of their own: string, u32, time, policy.

func init() {
	register(matches, extension{
		name: "string", family: both, one: "string hex-string",
		opts: []option{
			{name: "string", kind: kCustom, inv: true, not: "hex-string", parse: parseString},
			{name: "hex-string", kind: kCustom, inv: true, not: "string", parse: parseHexString},
			{name: "algo", kind: kRaw, max: 15, must: true, parse: parseAlgo},
			{name: "from", kind: kDec, max: max16},
			{name: "to", kind: kDec, max: max16},
			{name: "icase", kind: kFlag},
		},
		final: func(x *Instance, _ *Rule) error {
			if to := x.opt("to"); to.set && to.n[0] < x.opt("from").n[0] {
				return errorf(x.Pos, "string: --to is before --from")
			}
			return nil
		},
		save: saveString,
	}, extension{
		name: "u32", family: both,
		opts: []option{{name: "u32", kind: kCustom, inv: true, must: true, parse: parseU32, print: printU32}},
	}, extension{
		name: "time", family: both,
		opts: []option{
			{name: "timestart", kind: kCustom, parse: parseDayTime}, {name: "timestop", kind: kCustom, parse: parseDayTime},
			{name: "monthdays", kind: kCustom, inv: true, parse: parseMonthDays}, {name: "weekdays", kind: kCustom, inv: true, parse: parseWeekDays},
			{name: "datestart", kind: kCustom, parse: parseDate}, {name: "datestop", kind: kCustom, parse: parseDate},
			{name: "kerneltz", alias: "localtz", kind: kFlag, not: "utc"}, {name: "utc", kind: kFlag, not: "kerneltz"}, {name: "contiguous", kind: kFlag},
		},
		final: finalTime, save: saveTime,
	}, extension{
		name: "policy", family: both,
		opts: []option{
			{name: "dir", kind: kRaw, must: true, parse: exactly("in", "out")},
			{name: "pol", kind: kRaw, parse: exactly("none", "ipsec")},
			{name: "strict", kind: kFlag},
			{name: "reqid", kind: kDec, max: max32, inv: true, multi: true, parse: policyPart},
			{name: "spi", kind: kHex, max: max32, inv: true, multi: true, parse: policyPart},
			{name: "proto", kind: kRaw, inv: true, multi: true, parse: policyPart},
			{name: "mode", kind: kRaw, inv: true, multi: true, parse: policyPart},
			{name: "tunnel-dst", kind: kPrefix, inv: true, multi: true, parse: policyPart},
			{name: "tunnel-src", kind: kPrefix, inv: true, multi: true, parse: policyPart},
			{name: "next", kind: kFlag, multi: true, parse: policyNext},
		},
		final: finalPolicy, save: savePolicy,
		place: func(x *Instance, _ *Rule, hooks uint8) error {
			in := x.opt("dir").s == "in"
			if in && hooks&(hOut|hPost) != 0 || !in && hooks&(hPre|hIn) != 0 {
				return errorf(x.Pos, "policy: --dir %s is not valid in chains that %s leads to", x.opt("dir").s, hookNames(hooks))
			}
			return nil
		},
	})
}

func parseString(x *Instance, _ *Rule, v *value, s []word) error {
	if v.s = s[0].text; v.s == "" || len(v.s) > 128 {
		return errorf(s[0].pos, "string: a pattern has 1 to 128 bytes")
	}
	return nil
}

// parseHexString reads text with bytes in hexadecimal between bars.
func parseHexString(x *Instance, _ *Rule, v *value, s []word) error {
	var out []byte
	text, hex := s[0].text, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '|':
			hex = !hex
		case hex && c == ' ' && i > 0 && text[i-1] != ' ':
		case hex:
			if i+1 >= len(text) {
				return errorf(s[0].pos, "string: bad hexadecimal block in %q", text)
			}
			b, err := strconv.ParseUint(text[i:i+2], 16, 8)
			if err != nil {
				return errorf(s[0].pos, "string: bad hexadecimal block in %q", text)
			}
			out = append(out, byte(b))
			i++
		case c == '\\' && i+1 < len(text):
			i++
			out = append(out, text[i])
		default:
			out = append(out, c)
		}
	}
	if hex || len(out) == 0 || len(out) > 127 {
		return errorf(s[0].pos, "string: bad hexadecimal string %q", text)
	}
	v.s = string(out)
	return nil
}

func parseAlgo(x *Instance, _ *Rule, v *value, s []word) error {
	v.s = s[0].text
	if v.s != "bm" && v.s != "kmp" {
		return errorf(s[0].pos, "string: unknown algorithm %q", v.s)
	}
	return nil
}

// pattern returns what a string match looks for.
func (x *Instance) pattern() *value {
	if v := x.opt("string"); v.set {
		return v
	}
	return x.opt("hex-string")
}

func saveString(x *Instance, out *printer) {
	v := x.pattern()
	raw := v.s[len(v.s)-1] == '\\' // or the quote behind it would be taken for text
	for i := 0; i < len(v.s); i++ {
		raw = raw || v.s[i] < ' ' || v.s[i] > '~'
	}
	if raw {
		out.opt(v.neg, "hex-string", fmt.Sprintf("\"|%x|\"", v.s))
	} else {
		out.opt(v.neg, "string", "\""+strings.NewReplacer("\"", "\\\"", "\\", "\\\\").Replace(v.s)+"\"")
	}
	out.opt(false, "algo", x.opt("algo").s)
	if f := x.opt("from"); f.n[0] != 0 {
		out.opt(false, "from", decimal(f.n[0]))
	}
	if t := x.opt("to"); t.set && t.n[0] != max16 {
		out.opt(false, "to", decimal(t.n[0]))
	}
	if x.has("icase") {
		out.opt(false, "icase", "")
	}
}

// u32Step is an operator and its number; the first step of a test has none.
type u32Step struct {
	op string // "", "&", "<<", ">>", "@"
	n  uint32
}

// u32Test is one location and the values it may have.
type u32Test struct {
	where  []u32Step
	values [][2]uint32
}

func parseU32(x *Instance, _ *Rule, v *value, s []word) error {
	text := s[0].text
	bad := func(i int, why string) error {
		return errorf(s[0].pos, "u32: %s at byte %d of %q", why, i, text)
	}
	i := 0
	blanks := func() {
		for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n') {
			i++
		}
	}
	num := func() (uint32, bool) {
		blanks()
		from := i
		for i < len(text) && strings.IndexByte("0123456789abcdefxABCDEFX", text[i]) >= 0 {
			i++
		}
		n, ok := number(text[from:i], max32)
		return uint32(n), ok
	}
	var tests []u32Test
	for {
		var t u32Test
		op := ""
		for { // location
			n, ok := num()
			if !ok {
				return bad(i, "a number is missing")
			}
			if (op == "<<" || op == ">>") && n > 31 {
				return bad(i, "a shift by more than 31")
			}
			t.where = append(t.where, u32Step{op, n})
			blanks()
			rest := text[i:]
			switch {
			case strings.HasPrefix(rest, "&&"), rest == "":
				return bad(i, "a location ends without =")
			case rest[0] == '=':
				op = "="
			case rest[0] == '&', rest[0] == '@':
				op = rest[:1]
			case strings.HasPrefix(rest, "<<"), strings.HasPrefix(rest, ">>"):
				op = rest[:2]
			default:
				return bad(i, "an operator is missing")
			}
			i += len(op)
			if op == "=" {
				break
			}
		}
		for { // values
			lo, ok := num()
			hi := lo
			if ok {
				if blanks(); i < len(text) && text[i] == ':' {
					i++
					hi, ok = num()
				}
			}
			if !ok {
				return bad(i, "a number is missing")
			}
			t.values = append(t.values, [2]uint32{lo, hi})
			if blanks(); i >= len(text) || text[i] != ',' {
				break
			}
			i++
		}
		if tests = append(tests, t); len(tests) > 10 || len(t.where) > 10 || len(t.values) > 10 {
			return bad(i, "more than 10 parts")
		}
		if i >= len(text) {
			break
		}
		if !strings.HasPrefix(text[i:], "&&") {
			return bad(i, "&& is missing")
		}
		i += 2
	}
	v.x = tests
	return nil
}

func printU32(_ *Instance, v *value) string {
	var out strings.Builder
	out.WriteByte('"')
	for i, t := range v.x.([]u32Test) {
		if i > 0 {
			out.WriteString("&&")
		}
		for _, w := range t.where {
			fmt.Fprintf(&out, "%s0x%x", w.op, w.n)
		}
		for j, r := range t.values {
			sep := "="
			if j > 0 {
				sep = ","
			}
			fmt.Fprintf(&out, "%s0x%x", sep, r[0])
			if r[0] != r[1] {
				fmt.Fprintf(&out, ":0x%x", r[1])
			}
		}
	}
	out.WriteByte('"')
	return out.String()
}

func parseDayTime(x *Instance, _ *Rule, v *value, s []word) error {
	parts := strings.Split(s[0].text, ":")
	ok := len(parts) == 2 || len(parts) == 3
	seconds := uint64(0)
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 8)
		ok = ok && err == nil && n <= [...]uint64{23, 59, 59, 0}[min(i, 3)]
		seconds = seconds*60 + n
	}
	if len(parts) == 2 {
		seconds *= 60
	}
	if v.n[0] = seconds; !ok {
		return errorf(s[0].pos, "time: bad time of day %q, hh:mm[:ss] is allowed", s[0].text)
	}
	return nil
}

func parseMonthDays(x *Instance, _ *Rule, v *value, s []word) error {
	for part := range strings.SplitSeq(s[0].text, ",") {
		n, ok := number(part, 31)
		if !ok || n == 0 {
			return errorf(s[0].pos, "time: bad day of a month %q", part)
		}
		v.n[0] |= 1 << n
	}
	return nil
}

var weekDays = []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

func parseWeekDays(x *Instance, _ *Rule, v *value, s []word) error {
next:
	for part := range strings.SplitSeq(s[0].text, ",") {
		for i, d := range weekDays {
			if part == decimal(uint64(i+1)) || strings.HasPrefix(part, d[:2]) {
				v.n[0] |= 1 << (i + 1)
				continue next
			}
		}
		return errorf(s[0].pos, "time: bad day of the week %q", part)
	}
	return nil
}

func parseDate(x *Instance, _ *Rule, v *value, s []word) error {
	for _, layout := range []string{"2006", "2006-1", "2006-1-2", "2006-1-2T15", "2006-1-2T15:4", "2006-1-2T15:4:5"} {
		if t, err := time.Parse(layout, s[0].text); err == nil && t.Year() >= 1970 && t.Year() <= 2038 {
			v.n[0] = uint64(min(t.Unix(), 1<<31-1))
			return nil
		}
	}
	return errorf(s[0].pos, "time: bad date %q, YYYY[-MM[-DD[Thh[:mm[:ss]]]]] is allowed", s[0].text)
}

// timeMatch is what a time match holds for: seconds since 1970 and of the day,
// days as bits from 1.
type timeMatch struct {
	stateless
	from, to  uint64
	day, end  uint64
	monthDays uint64
	weekDays  uint64
	local     bool
	across    bool // contiguous: a day's part belongs to the day it began
}

const (
	allMonthDays = 0xfffffffe
	allWeekDays  = 0xfe
	lastSecond   = 24*60*60 - 1
)

func (x *Instance) timeMatch() timeMatch {
	m := timeMatch{to: 1<<31 - 1, end: lastSecond, monthDays: allMonthDays, weekDays: allWeekDays, local: x.has("kerneltz"), across: x.has("contiguous")}
	set := func(to *uint64, name string, all uint64) {
		if v := x.opt(name); v.set {
			if *to = v.n[0]; v.neg {
				*to ^= all
			}
		}
	}
	set(&m.from, "datestart", 0)
	set(&m.to, "datestop", 0)
	set(&m.day, "timestart", 0)
	set(&m.end, "timestop", 0)
	set(&m.monthDays, "monthdays", allMonthDays)
	set(&m.weekDays, "weekdays", allWeekDays)
	return m
}

func finalTime(x *Instance, _ *Rule) error {
	if m := x.timeMatch(); m.across && m.day <= m.end {
		return errorf(x.Pos, "time: --contiguous makes sense only when --timestop is before --timestart")
	}
	return nil
}

func saveTime(x *Instance, out *printer) {
	m := x.timeMatch()
	clock := func(s uint64) string { return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60) }
	date := func(s uint64) string { return time.Unix(int64(s), 0).UTC().Format("2006-01-02T15:04:05") }
	if m.day != 0 || m.end != lastSecond {
		out.opt(false, "timestart", clock(m.day))
		out.opt(false, "timestop", clock(m.end))
	}
	if m.monthDays != allMonthDays {
		var days []string
		for i := uint64(1); i < 32; i++ {
			if m.monthDays>>i&1 != 0 {
				days = append(days, decimal(i))
			}
		}
		out.opt(false, "monthdays", strings.Join(days, ","))
		if days == nil {
			out.WriteByte(' ')
		}
	}
	if m.weekDays != allWeekDays {
		var days []string
		for i, d := range weekDays {
			if m.weekDays>>(i+1)&1 != 0 {
				days = append(days, d)
			}
		}
		out.opt(false, "weekdays", strings.Join(days, ","))
	}
	if m.from != 0 {
		out.opt(false, "datestart", date(m.from))
	}
	// All of the kernel's 32 bits would print nothing; the tool never sets them.
	out.opt(false, "datestop", date(m.to))
	if m.local {
		out.opt(false, "kerneltz", "")
	}
	if m.across {
		out.opt(false, "contiguous", "")
	}
}

// policyElement is one element of a policy, its options as they print.
type policyElement struct{ parts [6]*value }

// elements are kept by the option that begins the next one.
func (x *Instance) elements() *[]policyElement {
	v := x.opt("next")
	if v.x == nil {
		v.x = &[]policyElement{{}}
	}
	return v.x.(*[]policyElement)
}

const firstPart = 3 // index of reqid among the options

func policyPart(x *Instance, r *Rule, v *value, s []word) error {
	list := x.elements()
	e := &(*list)[len(*list)-1]
	i := 0
	for &x.vals[firstPart+i] != v {
		i++
	}
	o := &x.ext.opts[firstPart+i]
	if e.parts[i] != nil {
		return errorf(s[0].pos, "policy: option \"--%s\" is given twice for an element", o.name)
	}
	got := &value{set: true, neg: v.neg}
	var err error
	switch o.name {
	case "proto":
		p, ok := protocol(s[0].text)
		if got.s = protocolText(p); !ok || p != 50 && p != 51 && p != 108 {
			err = errorf(s[0].pos, "policy: protocol must be ah, esp or ipcomp, not %q", s[0].text)
		}
	case "mode":
		err = exactly("transport", "tunnel")(x, r, got, s)
	case "tunnel-src", "tunnel-dst":
		err = parseSID(x, r, got, s)
	default:
		err = o.value(x, r, got, s[0])
	}
	e.parts[i] = got
	return err
}

func policyNext(x *Instance, _ *Rule, v *value, _ []word) error {
	list := x.elements()
	if len(*list) == 4 {
		return errorf(x.last, "policy: at most 4 elements")
	}
	*list = append(*list, policyElement{})
	return nil
}

func finalPolicy(x *Instance, _ *Rule) error {
	list := *x.elements()
	for _, e := range list {
		filled := false
		for _, p := range e.parts {
			filled = filled || p != nil
		}
		tunnel := e.parts[3] != nil && e.parts[3].s == "tunnel" && !e.parts[3].neg
		if x.has("strict") && x.opt("pol").s != "none" && !filled {
			return errorf(x.Pos, "policy: empty element in a strict policy")
		}
		if (e.parts[4] != nil || e.parts[5] != nil) && !tunnel {
			return errorf(x.Pos, "policy: --tunnel-src and --tunnel-dst need --mode tunnel")
		}
	}
	switch {
	case x.opt("pol").s == "none" && x.has("strict"):
		return errorf(x.Pos, "policy: --pol none is not strict")
	case !x.has("strict") && len(list) > 1:
		return errorf(x.Pos, "policy: several elements need --strict")
	}
	return nil
}

func savePolicy(x *Instance, out *printer) {
	out.opt(false, "dir", x.opt("dir").s)
	if x.opt("pol").s == "none" {
		out.opt(false, "pol", "none")
		return
	}
	out.opt(false, "pol", "ipsec")
	if x.has("strict") {
		out.opt(false, "strict", "")
	}
	for i, e := range *x.elements() {
		if i > 0 {
			out.opt(false, "next", "")
		}
		for j, p := range e.parts {
			if p != nil {
				o := &x.ext.opts[firstPart+j]
				text := o.text(p)
				out.opt(p.neg, o.name, text)
			}
		}
	}
}
