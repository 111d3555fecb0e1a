package iptables

import (
	"fmt"
	"slices"
	"strings"
)

// Targets that change marks and connections.

func init() {
	others := func(list []option) []option {
		for i := range list {
			for j := range list {
				if i != j && strings.HasSuffix(list[j].name, "-mark") {
					list[i].not += " " + list[j].name
				}
			}
		}
		return list
	}
	register(targets, extension{
		name: "MARK", family: both, one: "set-xmark set-mark and-mark or-mark xor-mark",
		opts: others([]option{
			{name: "set-xmark", kind: kMark, max: max32}, {name: "set-mark", kind: kMark, max: max32},
			{name: "and-mark", kind: kDec, max: max32}, {name: "or-mark", kind: kDec, max: max32}, {name: "xor-mark", kind: kDec, max: max32},
		}),
		save: func(x *Instance, out *printer) {
			v, mask := x.xmark()
			out.opt(false, "set-xmark", hex(v)+"/"+hex(mask))
		},
	}, extension{
		name: "CONNMARK", family: both,
		one: "set-xmark set-mark and-mark or-mark xor-mark save-mark restore-mark",
		opts: append(others([]option{
			{name: "set-xmark", kind: kMark, max: max32}, {name: "set-mark", kind: kMark, max: max32},
			{name: "and-mark", kind: kDec, max: max32}, {name: "or-mark", kind: kDec, max: max32}, {name: "xor-mark", kind: kDec, max: max32},
			{name: "save-mark", kind: kFlag}, {name: "restore-mark", kind: kFlag},
		}), []option{
			{name: "left-shift-mark", kind: kDec, max: 31, not: "right-shift-mark"}, {name: "right-shift-mark", kind: kDec, max: 31, not: "left-shift-mark"},
			{name: "nfmask", kind: kDec, max: max32, not: "mask"}, {name: "ctmask", kind: kDec, not: "mask", parse: parseCtMask},
			{name: "mask", kind: kDec, not: "nfmask ctmask", parse: parseCtMask},
		}...),
		save: saveConnmark,
	}, extension{
		name: "CT", family: both, tables: "raw",
		opts: []option{
			{name: "notrack", kind: kFlag},
			{name: "helper", kind: kRaw, min: 1, max: 15},
			{name: "timeout", kind: kRaw, min: 1, max: 31},
			{name: "ctevents", kind: kCustom, parse: parseEvents, print: printEvents},
			{name: "expevents", kind: kCustom, parse: parseExpEvents, print: func(*Instance, *value) string { return "new" }},
			{name: "zone-orig", kind: kCustom, not: "zone", parse: parseZone},
			{name: "zone-reply", kind: kCustom, not: "zone", parse: parseZone},
			{name: "zone", kind: kCustom, parse: parseZone},
		},
		place: placeCT, save: saveCT,
	}, extension{
		name: "NOTRACK", family: both, tables: "raw",
	}, extension{
		name: "CONNSECMARK", family: both, tables: "mangle security", one: "save restore",
		opts: []option{{name: "save", kind: kFlag, not: "restore"}, {name: "restore", kind: kFlag, not: "save"}},
	}, extension{
		name: "SECMARK", family: both, tables: "mangle security", opts: []option{{name: "selctx", kind: kRaw, min: 1, max: 255, must: true}},
		final: func(x *Instance, _ *Rule) error {
			return errorf(x.Pos, "SECMARK: there is no policy of security contexts here")
		},
	}, extension{
		name: "CLASSIFY", family: both, hooks: hFwd | hOut | hPost,
		opts: []option{{name: "set-class", kind: kCustom, must: true, parse: func(x *Instance, _ *Rule, v *value, s []word) error {
			major, minor, two := strings.Cut(s[0].text, ":")
			var ok, ok2 bool
			v.n[0], ok = hexNumber(major)
			minor, _, _ = strings.Cut(minor, ":")
			v.n[1], ok2 = hexNumber(minor)
			v.n[0] &= max16
			v.n[1] &= max16
			if !two || !ok || !ok2 {
				return errorf(s[0].pos, "CLASSIFY: bad class %q", s[0].text)
			}
			return nil
		}, print: func(_ *Instance, v *value) string { return fmt.Sprintf("%04x:%04x", v.n[0], v.n[1]) }}},
	}, extension{
		name: "HMARK", family: both, opts: hmarkOpts(), save: saveHMARK, final: finalHMARK,
	}, extension{
		name: "SET", family: both, one: "add-set del-set map-set",
		opts: []option{
			{name: "add-set", kind: kCustom, args: 2, parse: parseSet, print: printSet},
			{name: "exist", kind: kFlag, with: "add-set", hidden: true}, {name: "timeout", kind: kDec, max: max32 - 1, with: "add-set", hidden: true},
			{name: "del-set", kind: kCustom, args: 2, parse: parseSet, print: printSet},
			{name: "map-set", kind: kCustom, args: 2, tables: "mangle", parse: parseSet, print: printSet},
			{name: "map-mark", kind: kFlag, with: "map-set"}, {name: "map-prio", kind: kFlag, with: "map-set"}, {name: "map-queue", kind: kFlag, with: "map-set"},
		},
		save: saveSET,
		place: func(x *Instance, _ *Rule, hooks uint8) error {
			if x.has("map-set") && x.count("map-mark", "map-prio", "map-queue") == 0 {
				return errorf(x.Pos, "SET: --map-set needs --map-mark, --map-prio or --map-queue")
			}
			if x.count("map-prio", "map-queue") > 0 && hooks&^(hFwd|hOut|hPost) != 0 {
				return errorf(x.Pos, "SET: --map-prio and --map-queue work in FORWARD, OUTPUT and POSTROUTING only")
			}
			return nil
		},
	})
}

func hexNumber(s string) (uint64, bool) {
	s = strings.TrimPrefix(s, "0x")
	if s == "" {
		return 0, false
	}
	return number("0x"+s, max32)
}

// xmark returns what a mark becomes: (mark &^ mask) ^ v.
func (x *Instance) xmark() (v, mask uint64) {
	for _, name := range []string{"set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"} {
		o := x.opt(name)
		if !o.set {
			continue
		}
		switch name {
		case "set-xmark":
			return o.n[0], o.n[1]
		case "set-mark":
			return o.n[0], o.n[0] | o.n[1]
		case "and-mark":
			return 0, max32 &^ o.n[0]
		case "or-mark":
			return o.n[0], o.n[0]
		case "xor-mark":
			return o.n[0], 0
		}
	}
	return
}

// parseCtMask reads a mask; n[1] says whether it stands behind what it is for.
func parseCtMask(x *Instance, _ *Rule, v *value, s []word) error {
	var ok bool
	if v.n[0], ok = number(s[0].text, max32); !ok {
		return errorf(s[0].pos, "CONNMARK: bad mask %q", s[0].text)
	}
	if x.count("set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark") > 0 {
		v.n[1] = 1
	}
	return nil
}

// connxmark is xmark of CONNMARK: --mask and --ctmask behind it take the place of
// the mask.
func (x *Instance) connxmark() (v, mask uint64) {
	v, mask = x.xmark()
	if x.opt("mask").n[1]+x.opt("ctmask").n[1] > 0 {
		_, mask = x.ctMasks()
	}
	return v, mask
}

// ctMasks are the masks of --save-mark and --restore-mark.
func (x *Instance) ctMasks() (nf, ct uint64) {
	nf, ct = max32, max32
	if v := x.opt("mask"); v.set {
		return v.n[0], v.n[0]
	}
	if v := x.opt("nfmask"); v.set {
		nf = v.n[0]
	}
	if v := x.opt("ctmask"); v.set {
		ct = v.n[0]
	}
	return
}

func saveConnmark(x *Instance, out *printer) {
	switch {
	case x.has("save-mark"), x.has("restore-mark"):
		name := "save-mark"
		if x.has("restore-mark") {
			name = "restore-mark"
		}
		nf, ct := x.ctMasks()
		out.opt(false, name, "")
		out.opt(false, "nfmask", hex(nf))
		out.opt(false, "ctmask", hex(ct))
	default:
		v, mask := x.connxmark()
		out.opt(false, "set-xmark", hex(v)+"/"+hex(mask))
	}
	for _, name := range []string{"left-shift-mark", "right-shift-mark"} {
		if v := x.opt(name); v.n[0] != 0 {
			out.opt(false, name, decimal(v.n[0]))
		}
	}
}

// eventHelper has a name that cannot stand in a list of events of nft.
const eventHelper = 64

var ctEvents = []name{
	{"new", 1}, {"related", 2}, {"destroy", 4}, {"reply", 8}, {"assured", 16}, {"protoinfo", 32}, {"helper", eventHelper}, {"mark", 128},
	{"natseqinfo", 256}, {"secmark", 512},
}

func parseEvents(x *Instance, _ *Rule, v *value, s []word) error {
	var ok bool
	if v.n[0], ok = bitset(ctEvents, s[0].text, named); !ok || s[0].text != strings.ToLower(s[0].text) {
		return errorf(s[0].pos, "CT: unknown event in %q", s[0].text)
	}
	return nil
}

func printEvents(_ *Instance, v *value) string { return bitNames(ctEvents, v.n[0]) }

func parseExpEvents(x *Instance, _ *Rule, v *value, s []word) error {
	if s[0].text != "new" {
		return errorf(s[0].pos, "CT: unknown event %q", s[0].text)
	}
	return nil
}

// parseZone reads a zone, or n[1] for the mark's; n[2] says which was given last.
func parseZone(x *Instance, _ *Rule, v *value, s []word) error {
	v.n[2] = uint64(s[0].pos.Col)
	if s[0].text == "mark" {
		v.n[1] = 1
		return nil
	}
	var ok bool
	if v.n[0], ok = number(s[0].text, max16); !ok {
		return errorf(s[0].pos, "CT: bad zone %q", s[0].text)
	}
	return nil
}

// helperProtos are the transport protocols of the kernel's conntrack helpers.
var helperProtos = map[string][]uint8{
	"ftp": {6}, "tftp": {17}, "sip": {6, 17}, "irc": {6}, "pptp": {6}, "amanda": {17}, "sane": {6}, "snmp": {17},
	"netbios-ns": {17}, "H.245": {6}, "RAS": {17}, "Q.931": {6},
}

// helpers4 know nothing of IPv6.
var helpers4 = []string{"irc", "pptp", "snmp", "netbios-ns"}

func placeCT(x *Instance, r *Rule, _ uint8) error {
	if h := x.opt("helper"); h.set && !x.has("notrack") {
		if protos := helperProtos[h.s]; protos == nil {
			return errorf(x.Pos, "CT: no such helper %q", h.s)
		} else if x.family == IPv6 && slices.Contains(helpers4, h.s) {
			return errorf(x.Pos, "CT: helper %q is one of IPv4", h.s)
		} else if !r.proto(protos...) {
			return errorf(x.Pos, "CT: helper %q needs -p of its transport protocol", h.s)
		}
	}
	if t := x.opt("timeout"); t.set && (r.Proto == 0 || r.NotProto) && !x.has("notrack") {
		return errorf(x.Pos, "CT: timeout policy %q needs -p of its transport protocol", t.s)
	}
	return nil
}

func saveCT(x *Instance, out *printer) {
	orig, reply := x.opt("zone-orig"), x.opt("zone-reply")
	if !orig.set || !reply.set {
		x.printZones(out)
		return
	}
	// Both directions make a zone for both, the last one's.
	o, r := *orig, *reply
	*x.opt("zone") = *x.lastZone()
	orig.set, reply.set = false, false
	x.printZones(out)
	*orig, *reply, *x.opt("zone") = o, r, value{}
}

// lastZone is the zone that was given last: the only one that counts.
func (x *Instance) lastZone() *value {
	last := x.opt("zone")
	for _, name := range []string{"zone-orig", "zone-reply"} {
		if v := x.opt(name); v.set && (!last.set || v.n[2] > last.n[2]) {
			last = v
		}
	}
	return last
}

// printZones prints the options; zones are numbers or the word mark.
func (x *Instance) printZones(out *printer) {
	for i := range x.ext.opts {
		o, v := &x.ext.opts[i], &x.vals[i]
		switch {
		case !v.set:
		case strings.HasPrefix(o.name, "zone") && v.n[1] != 0:
			out.opt(false, o.name, "mark")
		case strings.HasPrefix(o.name, "zone"):
			if v.n[0] != 0 {
				out.opt(false, o.name, decimal(v.n[0]))
			}
		case o.print != nil:
			out.opt(false, o.name, o.print(x, v))
		case o.needs() > 0:
			out.opt(false, o.name, o.text(v))
		default:
			out.opt(false, o.name, "")
		}
	}
}

func saveSET(x *Instance, out *printer) {
	for _, name := range []string{"add-set", "del-set", "map-set"} {
		if v := x.opt(name); v.set {
			out.opt(false, name, printSet(x, v))
			if name == "add-set" {
				if x.has("exist") {
					out.opt(false, "exist", "")
				}
				if t := x.opt("timeout"); t.set {
					out.opt(false, "timeout", decimal(t.n[0]))
				}
			}
		}
	}
	for _, name := range []string{"map-mark", "map-prio", "map-queue"} {
		if x.has(name) {
			out.opt(false, name, "")
		}
	}
}

func hmarkOpts() []option {
	return []option{
		{name: "hmark-src-prefix", kind: kDec, max: 128}, {name: "hmark-dst-prefix", kind: kDec, max: 128},
		{name: "hmark-sport-mask", kind: kHex4, max: max16}, {name: "hmark-dport-mask", kind: kHex4, max: max16},
		{name: "hmark-spi-mask", kind: kHex8, max: max32},
		{name: "hmark-sport", kind: kHex4, max: max16}, {name: "hmark-dport", kind: kHex4, max: max16},
		{name: "hmark-spi", kind: kHex8, max: max32},
		{name: "hmark-proto-mask", kind: kHex2, max: max16},
		{name: "hmark-rnd", kind: kHex8, max: max32, must: true},
		{name: "hmark-mod", kind: kDec, min: 1, max: max32, must: true},
		{name: "hmark-offset", kind: kDec, max: max32},
		{name: "hmark-tuple", kind: kCustom, hidden: true, parse: parseHMARKTuple},
	}
}

// parseHMARKTuple sets the whole masks of the parts that are named.
func parseHMARKTuple(x *Instance, _ *Rule, v *value, s []word) error {
	all := map[string]struct {
		opt string
		n   uint64
	}{
		"src": {"hmark-src-prefix", uint64(x.family.bits())}, "dst": {"hmark-dst-prefix", uint64(x.family.bits())},
		"sport": {"hmark-sport-mask", max16}, "dport": {"hmark-dport-mask", max16}, "spi": {"hmark-spi-mask", max32}, "proto": {"hmark-proto-mask", max16},
	}
	for part := range strings.SplitSeq(s[0].text, ",") {
		part = strings.ToLower(part)
		if part == "ct" {
			v.n[0] = 1
			continue
		}
		to, ok := all[part]
		if !ok {
			return errorf(s[0].pos, "HMARK: unknown part %q", part)
		}
		if x.has(to.opt) {
			return errorf(s[0].pos, "HMARK: --%s is given twice", to.opt)
		}
		*x.opt(to.opt) = value{set: true, n: [4]uint64{to.n}}
	}
	return nil
}

func finalHMARK(x *Instance, r *Rule) error {
	switch spi, ports := x.has("hmark-spi-mask"), x.count("hmark-sport-mask", "hmark-dport-mask") > 0; {
	case spi && ports:
		return errorf(x.Pos, "HMARK: --hmark-spi-mask and masks of ports exclude each other")
	case x.has("hmark-spi") && x.count("hmark-sport", "hmark-dport") > 0:
		return errorf(x.Pos, "HMARK: --hmark-spi and ports exclude each other")
	case !spi && !ports && x.count("hmark-tuple", "hmark-src-prefix", "hmark-dst-prefix", "hmark-proto-mask") == 0:
		return errorf(x.Pos, "HMARK: it is not said what the hash is made of")
	}
	if x.opt("hmark-src-prefix").n[0] > uint64(x.family.bits()) || x.opt("hmark-dst-prefix").n[0] > uint64(x.family.bits()) {
		return errorf(x.Pos, "HMARK: a prefix is longer than an address")
	}
	return nil
}

func saveHMARK(x *Instance, out *printer) {
	x.printOpts(out)
	if x.opt("hmark-tuple").n[0] != 0 {
		out.opt(false, "hmark-tuple", "ct")
	}
}
