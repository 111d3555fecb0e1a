package iptables

import (
	"fmt"
	"strings"
)

// markText is (what &^ mask) ^ v.
func markText(what string, v, mask uint64) string {
	switch {
	case mask == max32:
		return hex(v)
	case mask == 0:
		return what + " ^ " + hex(v)
	case v == 0:
		return what + " & " + hex(max32&^mask)
	}
	return what + " & " + hex(max32&^mask) + " ^ " + hex(v)
}

func lowerMARK(l *lower, x *Instance) error {
	v, mask := x.xmark()
	l.add("meta mark set %s", markText("meta mark", v, mask))
	return nil
}

func lowerCONNMARK(l *lower, x *Instance) error {
	nf, ct := x.ctMasks()
	left, right := x.opt("left-shift-mark"), x.opt("right-shift-mark")
	masked := func(what string, mask uint64) string {
		if mask == max32 {
			return what
		}
		return what + " & " + hex(mask)
	}
	switch shifted := left.n[0] != 0 || right.n[0] != 0; {
	case shifted && x.count("save-mark", "restore-mark") == 0:
		v, mask := x.connxmark()
		l.extend(x, true, shiftMark{uint32(v), uint32(mask), uint8(left.n[0]), uint8(right.n[0])})
	case shifted:
		l.extend(x, true, moveMark{uint32(nf), uint32(ct), x.has("restore-mark"), uint8(left.n[0]), uint8(right.n[0])})
	case x.has("save-mark") && ct == max32:
		l.add("ct mark set %s", masked("meta mark", nf))
	case x.has("restore-mark") && nf == max32:
		l.add("meta mark set %s", masked("ct mark", ct))
	case x.has("save-mark"), x.has("restore-mark"):
		l.extend(x, true, moveMark{nf: uint32(nf), ct: uint32(ct), restore: x.has("restore-mark")})
	default:
		v, mask := x.connxmark()
		l.add("ct mark set %s", markText("ct mark", v, mask))
	}
	return nil
}

func lowerLOG(l *lower, x *Instance) error {
	text := "log"
	if v := x.opt("log-prefix"); v.s != "" {
		if strings.ContainsAny(v.s, "\"\\") {
			return l.refuse(x, "a prefix with quotes or backslashes")
		}
		text += fmt.Sprintf(" prefix \"%s\"", v.s)
	}
	if v := x.opt("log-level"); v.set && v.n[0] != 4 {
		text += " level " + [...]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"}[v.n[0]]
	}
	var tcp []string
	for _, f := range [2]string{"sequence", "options"} {
		if x.has("log-tcp-" + f) {
			tcp = append(tcp, f)
		}
	}
	if tcp != nil {
		text += " flags tcp " + strings.Join(tcp, ",")
	}
	for _, f := range [3][2]string{{"log-ip-options", "ip options"}, {"log-uid", "skuid"}, {"log-macdecode", "ether"}} {
		if x.has(f[0]) {
			text += " flags " + f[1]
		}
	}
	l.add("%s", text)
	return nil
}

func lowerNFLOG(l *lower, x *Instance) error {
	text := "log"
	if v := x.opt("nflog-prefix"); v.s != "" {
		if strings.ContainsAny(v.s, "\"\\") {
			return l.refuse(x, "a prefix with quotes or backslashes")
		}
		text += fmt.Sprintf(" prefix \"%s\"", v.s)
	}
	text += fmt.Sprintf(" group %d", x.opt("nflog-group").n[0])
	if v := x.opt("nflog-size"); v.n[0] != 0 {
		text += fmt.Sprintf(" snaplen %d", v.n[0])
	}
	if v := x.opt("nflog-threshold"); v.n[0] != 0 {
		text += fmt.Sprintf(" queue-threshold %d", v.n[0])
	}
	l.add("%s", text)
	return nil
}

func natFlags(x *Instance) string {
	var flags []string
	for i := range x.ext.opts {
		if o := &x.ext.opts[i]; o.kind == kFlag && x.vals[i].set {
			flags = append(flags, strings.Replace(o.name, "random-fully", "fully-random", 1))
		}
	}
	if flags == nil {
		return ""
	}
	return " " + strings.Join(flags, ",")
}

func lowerNAT(l *lower, x *Instance) error {
	name := "to-destination"
	if x.ext.name == "SNAT" {
		name = "to-source"
	}
	r := x.opt(name).v()
	if r.based {
		return l.refuse(x, "shifted ranges of ports are not supported")
	}
	if r.min.IsValid() && r.max.Less(r.min) {
		return l.refuse(x, "the range of addresses ends before it begins")
	}
	if r.ports && l.rule.NotProto {
		return l.refuse(x, onePort)
	}
	text := ""
	addr := func(a fmt.Stringer) string {
		if x.family == IPv6 && r.ports {
			return "[" + a.String() + "]"
		}
		return a.String()
	}
	if r.min.IsValid() {
		if text = addr(r.min); r.max != r.min {
			text += "-" + addr(r.max)
		}
	}
	if r.ports {
		text += ":" + r.portText()
	}
	l.add("%s to %s%s", strings.ToLower(x.ext.name), text, natFlags(x))
	return nil
}

// onePort is why ports are not translated behind ! -p.
const onePort = "a port needs one transport protocol, not all but one"

// v returns the range of a NAT target.
func (v *value) v() natRange { return v.x.(natRange) }

func lowerMasquerade(l *lower, x *Instance) error {
	to := ""
	if v := x.opt("to-ports"); v.set {
		if l.rule.NotProto {
			return l.refuse(x, onePort)
		}
		r := v.v()
		to = " to :" + r.portText()
	}
	l.add("%s%s%s", strings.ToLower(x.ext.name), to, natFlags(x))
	return nil
}

func lowerNETMAP(l *lower, x *Instance) error {
	verb := "snat"
	switch {
	case l.hooks&^(hPre|hOut) == 0:
		verb = "dnat"
	case l.hooks&(hPre|hOut) != 0:
		return l.refuse(x, "the chain is reached from both sides of routing")
	}
	v := x.opt("to")
	if prefixLen(v.a[1]) == l.family.bits() {
		l.add("%s to %v", verb, v.a[0])
		return nil
	}
	l.add("%s %s prefix to %s", verb, l.ip, addrMask(v.a[0], v.a[1], true))
	return nil
}

func lowerHops(l *lower, x *Instance) error {
	p := strings.ToLower(x.ext.name) + "-"
	switch {
	case x.has(p + "set"):
		left := "ip ttl"
		if x.family == IPv6 {
			left = "ip6 hoplimit"
		}
		l.add("%s set %d", left, x.opt(p + "set").n[0])
	case x.has(p + "inc"):
		l.extend(x, true, addHops{by: int(x.opt(p + "inc").n[0])})
	default:
		l.extend(x, true, addHops{by: -int(x.opt(p + "dec").n[0])})
	}
	return nil
}

func lowerDSCPTarget(l *lower, x *Instance) error {
	l.add("%s dscp set 0x%02x", l.ip, x.opt("set-dscp").n[0])
	return nil
}

func lowerTOSTarget(l *lower, x *Instance) error {
	v, mask := x.xtos()
	l.extend(x, true, setTOS{v: uint8(v), mask: uint8(mask)})
	return nil
}

func lowerECNTarget(l *lower, x *Instance) error {
	if v := x.opt("ecn-ip-ect"); v.set {
		l.add("ip ecn set %d", v.n[0])
	}
	clear, set := uint8(0), uint8(0)
	for i, name := range [2]string{"ecn-tcp-ece", "ecn-tcp-cwr"} {
		bit := uint8(0x40) << i
		if v := x.opt(name); v.set || x.has("ecn-tcp-remove") {
			clear |= bit
			set |= bit * uint8(v.n[0])
		}
	}
	if clear != 0 {
		l.extend(x, true, setTCPFlags{clear: clear, set: set})
	}
	return nil
}

func lowerTCPMSS(l *lower, x *Instance) error {
	size := uint64(536) // what a segment has that says nothing: RFC 1122, RFC 8200
	if x.family == IPv6 {
		size = 1220
	}
	if v := x.opt("set-mss"); v.set {
		l.add("tcp option maxseg size set %d", v.n[0])
		size = min(size, v.n[0])
	} else {
		l.add("tcp option maxseg size set rt mtu")
	}
	if !l.alone {
		l.extend(x, true, segmentSize{mss: uint16(size), clamp: !x.has("set-mss")})
	}
	return nil
}

func lowerStrip(l *lower, x *Instance) error {
	if v := x.opt("strip-options"); v.set {
		for _, n := range v.x.([]int) {
			l.add("reset tcp option %d", n)
		}
	}
	return nil
}

func lowerTRACE(l *lower, _ *Instance) error {
	l.add("meta nftrace set 1")
	return nil
}

func lowerClassify(l *lower, x *Instance) error {
	v := x.opt("set-class")
	switch class := v.n[0]<<16 | v.n[1]; {
	case l.alone && class == 0:
		l.add("meta priority set none")
	case l.alone && class == max32:
		l.add("meta priority set root")
	default:
		l.add("meta priority set %x:%x", v.n[0], v.n[1])
	}
	return nil
}

func lowerTEE(l *lower, x *Instance) error {
	text := "dup to " + x.opt("gateway").a[0].String()
	if v := x.opt("oif"); v.set {
		text += fmt.Sprintf(" device %q", v.s)
	}
	l.add("%s", text)
	return nil
}

func lowerSYNPROXY(l *lower, x *Instance) error {
	text := "synproxy"
	switch {
	case !l.alone: // what else is set goes on with the next rule (synproxy_tg4), where nft's statement ends it
		l.add("tcp flags & 0x17 == { 0x02, 0x10 }")
	case x.has("ecn"):
		return l.refuse(x, "nft has no word for --ecn")
	}
	if x.opt("wscale").n[0] > 14 {
		return l.refuse(x, "a window is scaled by 14 at most")
	}
	for _, name := range [2]string{"mss", "wscale"} {
		if v := x.opt(name); v.set {
			text += fmt.Sprintf(" %s %d", name, v.n[0])
		}
	}
	for _, name := range [2]string{"timestamp", "sack-perm"} {
		if x.has(name) {
			text += " " + name
		}
	}
	l.add("%s", text)
	return nil
}

func lowerSET(l *lower, x *Instance) error {
	verb, name := "add", "add-set"
	switch {
	case x.has("map-set"):
		return l.refuse(x, "sets hold no marks, priorities and queues for packets")
	case x.has("del-set"):
		verb, name = "delete", "del-set"
	case x.has("exist"):
		verb = "update"
	}
	v := x.opt(name)
	key, err := l.setKey(x, v)
	if err != nil {
		return err
	}
	timeout := ""
	if t := x.opt("timeout"); t.set {
		timeout = fmt.Sprintf(" timeout %ds", t.n[0])
	}
	l.add("%s @%s { %s%s }", verb, v.s, key, timeout)
	return nil
}
