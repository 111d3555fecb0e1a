package iptables

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Targets of the filter and mangle tables.

func init() {
	register(targets, extension{
		name: "REJECT", family: both, tables: "filter", hooks: hIn | hFwd | hOut,
		opts:  []option{{name: "reject-with", kind: kRaw, parse: parseReject}},
		place: placeReject, save: func(x *Instance, out *printer) { out.opt(false, "reject-with", x.rejectType().name) },
	}, extension{
		name: "LOG", family: both,
		opts: []option{
			{name: "log-prefix", kind: kCustom, parse: func(x *Instance, _ *Rule, v *value, s []word) error {
				v.s = s[0].text[:min(len(s[0].text), 29)]
				if v.s == "" || strings.Contains(v.s, "\n") {
					return errorf(s[0].pos, "LOG: a prefix has at least a byte and no line breaks")
				}
				return nil
			}, print: func(_ *Instance, v *value) string { return quote(v.s) }},
			{name: "log-level", kind: kCustom, parse: parseLevel},
			{name: "log-tcp-sequence", kind: kFlag}, {name: "log-tcp-options", kind: kFlag}, {name: "log-ip-options", kind: kFlag},
			{name: "log-uid", kind: kFlag}, {name: "log-macdecode", kind: kFlag},
		},
		save: saveLOG,
	}, extension{
		name: "NFLOG", family: both,
		opts: []option{
			{name: "nflog-prefix", kind: kString, min: 1, max: 63, cut: true}, {name: "nflog-group", kind: kDec, max: max16},
			{name: "nflog-range", kind: kDec, max: max32}, {name: "nflog-size", kind: kDec, max: max32, not: "nflog-range"},
			{name: "nflog-threshold", kind: kDec, max: max16},
		},
		save: saveNFLOG,
	}, extension{
		name: "NFQUEUE", family: both,
		opts: []option{
			{name: "queue-num", kind: kDec, max: max16, not: "queue-balance"},
			{name: "queue-balance", kind: kRange, max: max16, not: "queue-num", parse: parseBalance},
			{name: "queue-bypass", kind: kFlag}, {name: "queue-cpu-fanout", kind: kFlag, with: "queue-balance"},
		},
		save: func(x *Instance, out *printer) {
			if !x.has("queue-balance") && !x.has("queue-num") {
				out.opt(false, "queue-num", "0")
			}
			x.printOpts(out)
		},
	}, extension{
		name: "AUDIT", family: both, opts: []option{{name: "type", kind: kRaw, must: true, parse: oneOf("accept", "drop", "reject")}},
	}, extension{
		name: "CHECKSUM", family: both, tables: "mangle", one: "checksum-fill", opts: []option{{name: "checksum-fill", kind: kFlag}},
	}, extension{
		name: "DSCP", family: both, tables: "mangle", one: "set-dscp set-dscp-class",
		opts: []option{
			{name: "set-dscp", kind: kHex2, max: 63, not: "set-dscp-class"},
			{name: "set-dscp-class", kind: kCustom, not: "set-dscp", parse: classOf("set-dscp"), hidden: true},
		},
	}, extension{
		name: "TOS", family: both, tables: "mangle", one: "set-tos and-tos or-tos xor-tos",
		opts: []option{
			{name: "set-tos", kind: kCustom, not: "and-tos or-tos xor-tos", parse: parseTOS},
			{name: "and-tos", kind: kDec, max: max8, not: "set-tos or-tos xor-tos"}, {name: "or-tos", kind: kDec, max: max8, not: "set-tos and-tos xor-tos"},
			{name: "xor-tos", kind: kDec, max: max8, not: "set-tos and-tos or-tos"},
		},
		save: func(x *Instance, out *printer) {
			v, mask := x.xtos()
			out.opt(false, "set-tos", fmt.Sprintf("0x%02x/0x%02x", v, mask))
		},
	}, extension{
		name: "ECN", family: IPv4, tables: "mangle", one: "ecn-tcp-remove ecn-tcp-cwr ecn-tcp-ece ecn-ip-ect",
		opts: []option{
			{name: "ecn-tcp-remove", kind: kFlag, not: "ecn-tcp-cwr ecn-tcp-ece"}, {name: "ecn-tcp-ece", kind: kDec, max: 1},
			{name: "ecn-tcp-cwr", kind: kDec, max: 1}, {name: "ecn-ip-ect", kind: kDec, max: 3},
		},
		place: func(x *Instance, r *Rule, _ uint8) error {
			if x.count("ecn-tcp-remove", "ecn-tcp-cwr", "ecn-tcp-ece") > 0 && !r.proto(6) {
				return errorf(x.Pos, "ECN: changes of TCP need -p tcp")
			}
			return nil
		},
	}, hops("TTL", "ttl", IPv4), hops("HL", "hl", IPv6), extension{
		name: "TCPMSS", family: both, proto: []uint8{6}, one: "set-mss clamp-mss-to-pmtu",
		opts: []option{
			{name: "set-mss", kind: kDec, max: 65515, parse: parseMSS}, {name: "clamp-mss-to-pmtu", kind: kFlag, not: "set-mss"},
		},
		place: placeTCPMSS,
	}, extension{
		name: "TCPOPTSTRIP", family: both, tables: "mangle", proto: []uint8{6},
		opts: []option{{name: "strip-options", kind: kCustom, parse: parseStrip, print: printStrip}},
	}, extension{
		name: "SYNPROXY", family: both, proto: []uint8{6}, hooks: hIn | hFwd,
		opts: []option{
			{name: "sack-perm", kind: kFlag}, {name: "timestamp", kind: kFlag}, {name: "wscale", kind: kDec, max: max8},
			{name: "mss", kind: kDec, max: max16}, {name: "ecn", kind: kFlag},
		},
	}, extension{
		name: "TRACE", family: both, tables: "raw",
	}, extension{
		name: "IDLETIMER", family: both,
		opts: []option{{name: "timeout", kind: kDec, min: 1, max: max32, must: true}, {name: "label", kind: kRaw, min: 1, max: 27, must: true}, {name: "alarm", kind: kFlag}},
	}, extension{
		name: "LED", family: both,
		opts: []option{{name: "led-trigger-id", kind: kString, min: 1, max: 16, must: true}, {name: "led-delay", kind: kRaw, parse: parseDelay}, {name: "led-always-blink", kind: kFlag}},
	}, extension{
		name: "RATEEST", family: both,
		opts: []option{
			{name: "rateest-name", kind: kRaw, min: 1, max: 15, must: true},
			{name: "rateest-interval", kind: kCustom, must: true, parse: parseSeconds, print: printSeconds},
			{name: "rateest-ewmalog", kind: kCustom, must: true, parse: parseSeconds, print: printSeconds},
		},
		final: finalRATEEST,
	})
}

// parseDelay reads milliseconds or inf, the delay that never ends.
func parseDelay(x *Instance, _ *Rule, v *value, s []word) error {
	if strings.EqualFold(s[0].text, "inf") {
		v.s = "inf"
		return nil
	}
	n, ok := number(s[0].text, max32)
	if v.s = decimal(n); !ok {
		return errorf(s[0].pos, "LED: bad delay %q", s[0].text)
	}
	return nil
}

// hops is TTL or HL.
func hops(name, prefix string, f Family) extension {
	set, inc, dec := prefix+"-set", prefix+"-inc", prefix+"-dec"
	return extension{
		name: name, family: f, tables: "mangle", one: set + " " + inc + " " + dec,
		opts: []option{
			{name: set, kind: kDec, max: max8, not: inc + " " + dec}, {name: dec, kind: kDec, min: 1, max: max8, not: set + " " + inc},
			{name: inc, kind: kDec, min: 1, max: max8, not: set + " " + dec},
		},
	}
}

// rejectType is an answer of REJECT.
type rejectType struct{ name, alias, nft string }

var rejectTypes = []rejectType{
	{"icmp-net-unreachable", "net-unreach", "icmp type net-unreachable"}, {"icmp-host-unreachable", "host-unreach", "icmp type host-unreachable"},
	{"icmp-proto-unreachable", "proto-unreach", "icmp type prot-unreachable"}, {"icmp-port-unreachable", "port-unreach", "icmp type port-unreachable"},
	{"icmp-net-prohibited", "net-prohib", "icmp type net-prohibited"}, {"icmp-host-prohibited", "host-prohib", "icmp type host-prohibited"},
	{"tcp-reset", "tcp-rst", "tcp reset"}, {"icmp-admin-prohibited", "admin-prohib", "icmp type admin-prohibited"},
}

var rejectTypes6 = []rejectType{
	{"icmp6-no-route", "no-route", "icmpv6 type no-route"}, {"icmp6-adm-prohibited", "adm-prohibited", "icmpv6 type admin-prohibited"},
	{"icmp6-addr-unreachable", "addr-unreach", "icmpv6 type addr-unreachable"}, {"icmp6-port-unreachable", "port-unreach", "icmpv6 type port-unreachable"},
	{"tcp-reset", "tcp-reset", "tcp reset"}, {"icmp6-policy-fail", "policy-fail", "icmpv6 type policy-fail"}, {"icmp6-reject-route", "reject-route", "icmpv6 type reject-route"},
}

func parseReject(x *Instance, _ *Rule, v *value, s []word) error {
	list := rejectTypes
	if x.family == IPv6 {
		list = rejectTypes6
	}
	begins := func(name string) bool {
		return len(name) >= len(s[0].text) && strings.EqualFold(name[:len(s[0].text)], s[0].text)
	}
	for i, t := range list {
		if begins(t.name) || begins(t.alias) {
			v.x = &list[i]
			return nil
		}
	}
	return errorf(s[0].pos, "REJECT: unknown type %q", s[0].text)
}

// rejectType is what a REJECT answers.
func (x *Instance) rejectType() *rejectType {
	if v := x.opt("reject-with"); v.set {
		return v.x.(*rejectType)
	}
	if x.family == IPv6 {
		return &rejectTypes6[3]
	}
	return &rejectTypes[3]
}

func placeReject(x *Instance, r *Rule, _ uint8) error {
	if x.rejectType().name == "tcp-reset" && !r.proto(6) {
		return errorf(x.Pos, "REJECT: tcp-reset needs -p tcp")
	}
	return nil
}

func parseLevel(x *Instance, _ *Rule, v *value, s []word) error {
	var ok bool
	if v.n[0], ok = number(s[0].text, 7); !ok {
		if v.n[0], ok = named(logLevels, s[0].text); !ok || strings.ToLower(s[0].text) != s[0].text {
			return errorf(s[0].pos, "LOG: unknown level %q", s[0].text)
		}
	}
	return nil
}

func saveLOG(x *Instance, out *printer) {
	if v := x.opt("log-prefix"); v.s != "" {
		out.opt(false, "log-prefix", quote(v.s))
	}
	if v := x.opt("log-level"); v.set && v.n[0] != 4 {
		out.opt(false, "log-level", decimal(v.n[0]))
	}
	for _, name := range []string{"log-tcp-sequence", "log-tcp-options", "log-ip-options", "log-uid", "log-macdecode"} {
		if x.has(name) {
			out.opt(false, name, "")
		}
	}
}

func saveNFLOG(x *Instance, out *printer) {
	if v := x.opt("nflog-prefix"); v.s != "" {
		out.opt(false, "nflog-prefix", quote(v.s))
	}
	for _, name := range []string{"nflog-group", "nflog-size", "nflog-range"} {
		if v := x.opt(name); v.set && (v.n[0] != 0 || name == "nflog-size") {
			out.opt(false, name, decimal(v.n[0]))
		}
	}
	if v := x.opt("nflog-threshold"); v.n[0] != 0 {
		out.opt(false, "nflog-threshold", decimal(v.n[0]))
	}
}

func parseBalance(x *Instance, r *Rule, v *value, s []word) error {
	var ok bool
	v.n[0], v.n[1], ok = pair(s[0].text, 0, max16, ":", func(s string) (uint64, bool) { return number(s, max16) })
	if !ok || v.n[0] >= v.n[1] || v.n[1]-v.n[0] == max16 { // the kernel counts them in 16 bits
		return errorf(s[0].pos, "NFQUEUE: bad range %q", s[0].text)
	}
	return nil
}

// xtos returns what the byte becomes: (tos &^ mask) ^ v.
func (x *Instance) xtos() (v, mask uint64) {
	switch {
	case x.has("set-tos"):
		o := x.opt("set-tos")
		return o.n[0], o.n[1]
	case x.has("and-tos"):
		return 0, max8 &^ x.opt("and-tos").n[0]
	case x.has("or-tos"):
		return x.opt("or-tos").n[0], x.opt("or-tos").n[0]
	}
	return x.opt("xor-tos").n[0], 0
}

// parseMSS reads a segment size that fits in a datagram with both headers.
func parseMSS(x *Instance, r *Rule, v *value, s []word) error {
	headers := uint64(20)
	if x.family == IPv6 {
		headers = 40
	}
	return (&option{name: "set-mss", kind: kDec, max: max16 - headers}).value(x, r, v, s[0])
}

func placeTCPMSS(x *Instance, r *Rule, hooks uint8) error {
	if x.has("clamp-mss-to-pmtu") && hooks&^(hFwd|hOut|hPost) != 0 {
		return errorf(x.Pos, "TCPMSS: --clamp-mss-to-pmtu works in FORWARD, OUTPUT and POSTROUTING only")
	}
	for _, m := range r.Matches {
		if m.ext.name == "tcp" {
			if f := m.tcpFlags(); f != nil && f.n[1]&0x02 != 0 && !f.neg {
				return nil
			}
		}
	}
	return errorf(x.Pos, "TCPMSS: works on SYN packets only; the rule needs --syn or --tcp-flags")
}

var stripNames = []name{{"wscale", 3}, {"mss", 2}, {"sack-permitted", 4}, {"sack", 5}, {"timestamp", 8}, {"md5", 19}}

func parseStrip(x *Instance, _ *Rule, v *value, s []word) error {
	var list []int
	for part := range strings.SplitSeq(s[0].text, ",") {
		n, ok := named(stripNames, part)
		if ok = ok && part == strings.ToLower(part); !ok {
			n, ok = number(part, max8)
		}
		at, double := slices.BinarySearch(list, int(n))
		if !ok || n < 2 || double {
			return errorf(s[0].pos, "TCPOPTSTRIP: bad option %q, or one that is given twice", part)
		}
		list = slices.Insert(list, at, int(n))
	}
	v.x = list
	return nil
}

func printStrip(_ *Instance, v *value) string {
	var out []string
	for _, n := range v.x.([]int) {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ",")
}

// parseSeconds reads a time in microseconds.
func parseSeconds(x *Instance, _ *Rule, v *value, s []word) error {
	text, factor := s[0].text, 1.0
	for _, u := range []struct {
		suffix string
		factor float64
	}{{"msec", 1e3}, {"msecs", 1e3}, {"ms", 1e3}, {"usec", 1}, {"usecs", 1}, {"us", 1}, {"secs", 1e6}, {"sec", 1e6}, {"s", 1e6}} {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, factor = rest, u.factor
			break
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < 0 || f*factor > 1<<50 {
		return errorf(s[0].pos, "RATEEST: bad time %q", s[0].text)
	}
	v.n[0] = uint64(f * factor)
	return nil
}

func printSeconds(_ *Instance, v *value) string {
	switch us := float64(v.n[0]); {
	case v.n[0] >= 1000000:
		return fmt.Sprintf("%.1fs", us/1e6)
	case v.n[0] >= 1000:
		return fmt.Sprintf("%.1fms", us/1e3)
	}
	return fmt.Sprintf("%dus", v.n[0])
}

// finalRATEEST gives the times the form that the kernel keeps: a quarter of a
// second shifted, and the logarithm of how many of these the average takes.
func finalRATEEST(x *Instance, _ *Rule) error {
	interval, average := x.opt("rateest-interval"), x.opt("rateest-ewmalog")
	shift := uint64(0)
	for shift <= 5 && interval.n[0] > 250000<<shift {
		shift++
	}
	if shift > 5 {
		return errorf(x.Pos, "RATEEST: the interval is too large, 8 seconds are the limit")
	}
	// The weight of the past that makes the average's time at least what is asked
	// for, measured in intervals as they are given.
	log := 1
	for ; log < 32; log++ {
		if float64(interval.n[0])/-math.Log(1-1/float64(uint64(1)<<log)) > float64(average.n[0]) {
			break
		}
	}
	if log--; log == 0 || log >= 31 {
		return errorf(x.Pos, "RATEEST: the average's time is out of range for that interval")
	}
	interval.n[0] = 250000 << shift
	average.n[0] = interval.n[0] << log
	return nil
}
