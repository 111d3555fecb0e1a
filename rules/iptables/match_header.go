package iptables

import (
	"fmt"
	"strconv"
	"strings"
)

// Matches that look at fields of headers.

// withPorts puts options behind those of ports, which are like one of them.
func withPorts(like option, more ...option) []option {
	like.kind, like.max, like.inv = kPorts, max16, true
	source, destination := like, like
	source.name, source.alias = "sport", "source-port"
	destination.name, destination.alias = "dport", "destination-port"
	return append([]option{source, destination}, more...)
}

func init() {
	register(matches, extension{
		name: "tcp", family: both, proto: []uint8{6},
		opts: withPorts(option{full: true},
			option{name: "tcp-option", kind: kDec, min: 1, max: max8, inv: true},
			option{name: "tcp-flags", kind: kCustom, args: 2, inv: true, not: "syn", parse: parseTCPFlags, print: printTCPFlags},
			option{name: "syn", kind: kFlag, inv: true, hidden: true, not: "tcp-flags"},
		),
		save: saveTCP,
	}, extension{
		name: "udp", family: both, proto: []uint8{17}, opts: withPorts(option{full: true, loose: true, port: plainPort}),
	}, extension{
		name: "dccp", family: both, proto: []uint8{33},
		opts: withPorts(option{loose: true, port: plainPort},
			option{name: "dccp-types", kind: kCustom, inv: true, parse: parseDCCPTypes, print: printDCCPTypes},
			option{name: "dccp-option", kind: kDec, min: 1, max: max8, inv: true},
		),
	}, extension{
		name: "sctp", family: both, proto: []uint8{132},
		opts: withPorts(option{port: numberedPort}, option{name: "chunk-types", kind: kCustom, args: 2, inv: true, parse: parseChunks, print: printChunks}),
	}, extension{
		name: "multiport", family: both,
		opts: []option{
			{name: "sports", alias: "source-ports", kind: kCustom, inv: true, not: "dports ports", parse: parseMultiport, print: printMultiport},
			{name: "dports", alias: "destination-ports", kind: kCustom, inv: true, not: "sports ports", parse: parseMultiport, print: printMultiport},
			{name: "ports", kind: kCustom, inv: true, not: "sports dports", parse: parseMultiport, print: printMultiport},
		},
		proto: []uint8{6, 17, 33, 132, 136}, one: "sports dports ports",
	}, extension{
		name: "icmp", family: IPv4, proto: []uint8{1},
		opts: []option{{name: "icmp-type", kind: kCustom, inv: true, must: true, parse: parseICMP, print: printICMP}},
	}, extension{
		name: "icmp6", alias: "icmpv6", family: IPv6, proto: []uint8{58},
		opts: []option{{name: "icmpv6-type", kind: kCustom, inv: true, must: true, parse: parseICMP, print: printICMP}},
	}, extension{
		name: "esp", family: both, proto: []uint8{50},
		opts: []option{{name: "espspi", kind: kRange, max: max32, inv: true, full: true}},
	}, extension{
		name: "ah", family: IPv4, proto: []uint8{51},
		opts: []option{{name: "ahspi", kind: kRange, max: max32, inv: true, full: true}},
	}, extension{
		name: "ah", family: IPv6,
		opts: []option{
			{name: "ahspi", kind: kRange, max: max32, inv: true, full: true},
			{name: "ahlen", kind: kDec, max: max32, inv: true, zero: true},
			{name: "ahres", kind: kFlag},
		},
	}, extension{
		name: "ipcomp", family: both, proto: []uint8{108},
		opts: []option{{name: "ipcompspi", kind: kRange, max: max32, inv: true, full: true}, {name: "compres", kind: kFlag}},
		final: func(x *Instance, _ *Rule) error {
			x.opt("ipcompspi").set = true // 0 unless it is given
			return nil
		},
	}, extension{
		name: "mh", family: IPv6, proto: []uint8{135},
		opts: []option{{name: "mh-type", kind: kCustom, inv: true, full: true, max: max8, parse: parseMH, print: func(_ *Instance, v *value) string {
			return (&option{kind: kRange}).text(v)
		}}},
	}, extension{
		name: "ttl", family: IPv4, one: "ttl-eq ttl-lt ttl-gt",
		opts: []option{
			{name: "ttl-eq", alias: "ttl", kind: kDec, max: max8, inv: true, not: "ttl-lt ttl-gt"},
			{name: "ttl-lt", kind: kDec, max: max8, not: "ttl-eq ttl-gt"},
			{name: "ttl-gt", kind: kDec, max: max8, not: "ttl-eq ttl-lt"},
		},
	}, extension{
		name: "hl", family: IPv6, one: "hl-eq hl-lt hl-gt",
		opts: []option{
			{name: "hl-eq", alias: "hl", kind: kDec, max: max8, inv: true, not: "hl-lt hl-gt"},
			{name: "hl-lt", kind: kDec, max: max8, not: "hl-eq hl-gt"},
			{name: "hl-gt", kind: kDec, max: max8, not: "hl-eq hl-lt"},
		},
	}, extension{
		name: "dscp", family: both, one: "dscp dscp-class",
		opts: []option{
			{name: "dscp", kind: kHex2, max: 63, inv: true, not: "dscp-class"},
			{name: "dscp-class", kind: kCustom, inv: true, not: "dscp", parse: classOf("dscp"), hidden: true},
		},
	}, extension{
		name: "tos", family: both,
		opts: []option{{name: "tos", kind: kCustom, inv: true, must: true, parse: parseTOS, print: printTOS}},
	}, extension{
		name: "ecn", family: both, one: "ecn-tcp-ece ecn-tcp-cwr ecn-ip-ect",
		opts: []option{
			{name: "ecn-tcp-ece", kind: kFlag, inv: true}, {name: "ecn-tcp-cwr", kind: kFlag, inv: true},
			{name: "ecn-ip-ect", kind: kDec, max: 3, inv: true},
		},
		place: func(x *Instance, r *Rule, _ uint8) error {
			if x.count("ecn-tcp-ece", "ecn-tcp-cwr") > 0 && !r.proto(6) {
				return errorf(x.Pos, "ecn: --ecn-tcp-ece and --ecn-tcp-cwr need -p tcp")
			}
			return nil
		},
	}, extension{
		name: "length", family: both,
		opts: []option{{name: "length", kind: kRange, max: max16, inv: true, must: true}},
	}, extension{
		name: "tcpmss", family: both, proto: []uint8{6},
		opts: []option{{name: "mss", kind: kRange, max: max16, inv: true, must: true}},
		final: func(x *Instance, _ *Rule) error {
			if v := x.opt("mss"); v.n[0] > v.n[1] {
				return errorf(x.Pos, "tcpmss: range %d:%d ends before it begins", v.n[0], v.n[1])
			}
			return nil
		},
	}, extension{
		name: "mac", family: both, hooks: hPre | hIn | hFwd,
		opts: []option{{name: "mac-source", kind: kMAC, inv: true, must: true}},
	}, extension{
		name: "iprange", family: both, one: "src-range dst-range",
		opts: []option{
			{name: "src-range", kind: kCustom, inv: true, parse: parseIPRange, print: printIPRange},
			{name: "dst-range", kind: kCustom, inv: true, parse: parseIPRange, print: printIPRange},
		},
	})
}

func parseTCPFlags(x *Instance, _ *Rule, v *value, args []word) error {
	for i, w := range args {
		for part := range strings.SplitSeq(w.text, ",") {
			bits, ok := named(tcpFlagNames, part)
			switch {
			case ok:
			case strings.EqualFold(part, "ALL"):
				bits = 0x3f
			case strings.EqualFold(part, "NONE"):
			default:
				return errorf(w.pos, "tcp: unknown flag %q", part)
			}
			v.n[i] |= bits
		}
	}
	return nil
}

func tcpFlagText(bits uint64) string {
	if bits == 0 {
		return "NONE"
	}
	return bitNames(tcpFlagNames, bits)
}

func printTCPFlags(_ *Instance, v *value) string {
	return tcpFlagText(v.n[0]) + " " + tcpFlagText(v.n[1])
}

// synFlags is what --syn asks for.
var synFlags = value{set: true, n: [4]uint64{0x17, 0x02}}

// tcpFlags returns what a tcp match asks of the flags, nil for nothing.
func (x *Instance) tcpFlags() *value {
	v := *x.opt("tcp-flags")
	if syn := x.opt("syn"); syn.set {
		v = synFlags
		v.neg = syn.neg
	}
	if !v.set {
		return nil
	}
	return &v
}

func saveTCP(x *Instance, out *printer) {
	f := *x.opt("tcp-flags")
	shown := x.tcpFlags()
	x.opt("tcp-flags").set = false
	x.printOpts(out)
	*x.opt("tcp-flags") = f
	if shown != nil && (shown.n[0]|shown.n[1] != 0 || shown.neg) {
		out.opt(shown.neg, "tcp-flags", printTCPFlags(x, shown))
	}
}

var dccpTypes = []string{"REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC", "SYNCACK", "INVALID"}

func parseDCCPTypes(x *Instance, _ *Rule, v *value, args []word) error {
next:
	for part := range strings.SplitSeq(args[0].text, ",") {
		for i, n := range dccpTypes {
			if strings.EqualFold(n, part) {
				v.n[0] |= 1 << i
				continue next
			}
		}
		return errorf(args[0].pos, "dccp: unknown type %q", part)
	}
	return nil
}

func printDCCPTypes(_ *Instance, v *value) string {
	var out []string
	for i, n := range dccpTypes {
		if v.n[0]>>i&1 != 0 {
			out = append(out, n)
		}
	}
	return strings.Join(out, ",")
}

// multiport is one port or range of them.
type portRange struct {
	lo, hi uint64
	ranged bool
}

func parseMultiport(x *Instance, r *Rule, v *value, args []word) error {
	var list []portRange
	n := 0
	for part := range strings.SplitSeq(args[0].text, ",") {
		first, second, two := strings.Cut(part, ":")
		lo, ok := port(first)
		p := portRange{lo, lo, two}
		n++
		if ok && two {
			p.hi, ok = port(second)
			ok = ok && p.lo < p.hi
			n++
		}
		if !ok {
			return errorf(args[0].pos, "multiport: bad port or range %q", part)
		}
		list = append(list, p)
	}
	if n > 15 {
		return errorf(args[0].pos, "multiport: too many ports, 15 are the limit and a range counts twice")
	}
	v.x = list
	return nil
}

func printMultiport(_ *Instance, v *value) string {
	var out []string
	for _, p := range v.x.([]portRange) {
		s := strconv.FormatUint(p.lo, 10)
		if p.ranged {
			s += ":" + strconv.FormatUint(p.hi, 10)
		}
		out = append(out, s)
	}
	return strings.Join(out, ",")
}

func parseICMP(x *Instance, _ *Rule, v *value, args []word) error {
	list := icmpNames
	if x.family == IPv6 {
		list = icmp6Names
	}
	t, ok := icmpType(list, args[0].text)
	if !ok {
		return errorf(args[0].pos, "%s: unknown or ambiguous type %q", x.ext.name, args[0].text)
	}
	v.n = [4]uint64{uint64(t.typ), uint64(t.low), uint64(t.high)}
	return nil
}

func printICMP(x *Instance, v *value) string {
	if v.n[0] == 255 && x.family == IPv4 {
		return "any"
	}
	s := strconv.FormatUint(v.n[0], 10)
	if v.n[1] != 0 || v.n[2] != 255 {
		s += "/" + strconv.FormatUint(v.n[1], 10)
	}
	return s
}

var mhNames = []name{
	{"binding-refresh-request", 0}, {"brr", 0}, {"home-test-init", 1}, {"hoti", 1}, {"careof-test-init", 2}, {"coti", 2},
	{"home-test", 3}, {"hot", 3}, {"careof-test", 4}, {"cot", 4}, {"binding-update", 5}, {"bu", 5},
	{"binding-acknowledgement", 6}, {"ba", 6}, {"binding-error", 7}, {"be", 7},
}

func parseMH(x *Instance, _ *Rule, v *value, args []word) error {
	one := func(s string) (uint64, bool) {
		if v, ok := named(mhNames, s); ok {
			return v, true
		}
		if v, ok := begun(mhNames, s); ok {
			return v, true
		}
		return number(s, max8)
	}
	var ok bool
	if v.n[0], v.n[1], ok = pair(args[0].text, 0, max8, ":", one); !ok || v.n[0] > v.n[1] {
		return errorf(args[0].pos, "mh: bad type or range %q", args[0].text)
	}
	return nil
}

// classOf reads a class and gives the value to option to.
func classOf(to string) func(*Instance, *Rule, *value, []word) error {
	return func(x *Instance, _ *Rule, v *value, args []word) error {
		c, ok := named(dscpClasses, args[0].text)
		if !ok {
			return errorf(args[0].pos, "%s: unknown class %q", x.ext.name, args[0].text)
		}
		*x.opt(to) = value{set: true, neg: v.neg, n: [4]uint64{c}}
		return nil
	}
}

// tosMark reads value[/mask] or a name of TOS.
func tosMark(s string, namedMask uint64) (v, mask uint64, ok bool) {
	if v, mask, ok = mark(s, max8); ok {
		return
	}
	if v, ok = named(tosNames, s); ok {
		return v, namedMask, true
	}
	return
}

func parseTOS(x *Instance, _ *Rule, v *value, args []word) error {
	var ok bool
	if v.n[0], v.n[1], ok = tosMark(args[0].text, 0x3f); !ok {
		return errorf(args[0].pos, "%s: bad value or name %q", x.ext.name, args[0].text)
	}
	return nil
}

func printTOS(_ *Instance, v *value) string { return fmt.Sprintf("0x%02x/0x%02x", v.n[0], v.n[1]) }

func parseIPRange(x *Instance, _ *Rule, v *value, args []word) error {
	first, second, two := strings.Cut(args[0].text, "-")
	var ok bool
	if v.a[0], ok = parseAddr(first, x.family); ok {
		v.a[1] = v.a[0]
		if two {
			v.a[1], ok = parseAddr(second, x.family)
		}
	}
	if !ok {
		return errorf(args[0].pos, "%s: bad address range %q", x.ext.name, args[0].text)
	}
	return nil
}

func printIPRange(_ *Instance, v *value) string { return addrText(v.a[0]) + "-" + addrText(v.a[1]) }

// chunk is a type of SCTP chunk and what its flags must be.
type chunk struct {
	typ        uint8
	mask, bits uint8
	flags      string // as printed, "" without
}

var chunkNames = []name{
	{"DATA", 0}, {"INIT", 1}, {"INIT_ACK", 2}, {"SACK", 3}, {"HEARTBEAT", 4}, {"HEARTBEAT_ACK", 5}, {"ABORT", 6}, {"SHUTDOWN", 7},
	{"SHUTDOWN_ACK", 8}, {"ERROR", 9}, {"COOKIE_ECHO", 10}, {"COOKIE_ACK", 11}, {"ECN_ECNE", 12}, {"ECN_CWR", 13},
	{"SHUTDOWN_COMPLETE", 14}, {"I_DATA", 64}, {"RE_CONFIG", 130}, {"PAD", 132}, {"ASCONF", 193}, {"ASCONF_ACK", 128}, {"FORWARD_TSN", 192}, {"I_FORWARD_TSN", 194},
}

// chunkFlags are the letters of a type's flags, highest bit first.
var chunkFlags = map[uint8]string{0: "----IUBE", 6: "-------T", 14: "-------T", 64: "----IUBE"}

// chunkMatch is --chunk-types.
type chunkMatch struct {
	how    string // all, any, only
	all    bool   // every type
	chunks []chunk
}

func parseChunks(x *Instance, _ *Rule, v *value, args []word) error {
	m := chunkMatch{how: strings.ToLower(args[0].text)}
	if m.how != "all" && m.how != "any" && m.how != "only" {
		return errorf(args[0].pos, "sctp: chunks are matched by all, any or only, not %q", args[0].text)
	}
	var byType [256]*chunk
	switch s := args[1].text; {
	case strings.EqualFold(s, "ALL"):
		m.all = true
	case strings.EqualFold(s, "NONE"), s == "":
	default:
		for part := range strings.SplitSeq(s, ",") {
			text, flags, _ := strings.Cut(part, ":")
			t, ok := named(chunkNames, text)
			if !ok {
				return errorf(args[1].pos, "sctp: unknown chunk %q", text)
			}
			c := chunk{typ: uint8(t)}
			if have := byType[t]; have != nil {
				c = *have
			}
			for _, f := range flags {
				i := strings.IndexRune(strings.ToLower(chunkFlags[c.typ]), f|0x20)
				if i < 0 || f == '-' {
					return errorf(args[1].pos, "sctp: chunk %s has no flag %q", text, f)
				}
				c.mask |= 0x80 >> i
				if f < 'a' {
					c.bits |= 0x80 >> i
				}
			}
			byType[c.typ] = &c
		}
	}
	for _, c := range byType {
		if c == nil {
			continue
		}
		for i, f := range chunkFlags[c.typ] {
			if c.mask&(0x80>>i) != 0 {
				if c.bits&(0x80>>i) == 0 {
					f |= 0x20
				}
				c.flags += string(f)
			}
		}
		m.chunks = append(m.chunks, *c)
	}
	v.x = m
	return nil
}

func printChunks(_ *Instance, v *value) string {
	m := v.x.(chunkMatch)
	if m.all {
		return m.how + " ALL"
	}
	var out []string
	for _, c := range m.chunks {
		s := nameOf(chunkNames, uint64(c.typ))
		if c.flags != "" {
			s += ":" + c.flags
		}
		out = append(out, s)
	}
	if out == nil {
		return m.how + " NONE"
	}
	return m.how + " " + strings.Join(out, ",")
}
