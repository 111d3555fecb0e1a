package iptables

import (
	"fmt"
	"math"
	"net/netip"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

func init() {
	meanings = map[string]func(l *lower, x *Instance) error{
		"tcp": lowerTCP, "udp": lowerPorts, "dccp": lowerDCCP, "sctp": lowerSCTP, "multiport": lowerMultiport,
		"icmp": lowerICMP, "icmp6": lowerICMP, "esp": lowerSPI, "ah": lowerSPI, "ipcomp": lowerSPI,
		"mh":  func(l *lower, x *Instance) error { l.between("mh type", x.ranged("mh-type", max8), max8); return nil },
		"ttl": lowerTTL, "hl": lowerTTL, "dscp": lowerDSCP, "tos": lowerTOS, "ecn": lowerECN,
		"length": lowerLength, "tcpmss": lowerTCPMSSMatch, "mac": lowerMAC, "iprange": lowerIPRange,
		"frag": lowerFrag, "dst": lowerHeader, "hbh": lowerHeader, "rt": lowerRT,
		"comment": func(*lower, *Instance) error { return nil },
		"mark":    func(l *lower, x *Instance) error { l.masked("meta mark", x.opt("mark"), max32); return nil },
		"connmark": func(l *lower, x *Instance) error {
			l.masked("ct mark", x.opt("mark"), max32)
			return nil
		},
		"cpu": func(l *lower, x *Instance) error {
			l.add("meta cpu %s%d", op(x.opt("cpu").neg), x.opt("cpu").n[0])
			return nil
		},
		"pkttype": func(l *lower, x *Instance) error {
			v := x.opt("pkt-type")
			l.add("meta pkttype %s%s", op(v.neg), [...]string{"host", "broadcast", "multicast", "other"}[v.n[0]])
			return nil
		},
		"addrtype": lowerAddrType, "limit": lowerLimit, "connbytes": lowerConnbytes, "connlimit": lowerConnlimit, "hashlimit": lowerHashlimit,
		"quota": func(l *lower, x *Instance) error {
			over := ""
			if x.opt("quota").neg {
				over = "over "
			}
			l.add("quota %s%d bytes", over, min(x.opt("quota").n[0], math.MaxInt64)) // no box lives to count more
			return nil
		},
		"statistic": lowerStatistic, "conntrack": lowerConntrack, "state": lowerState, "rpfilter": lowerRPFilter, "helper": lowerHelper,
		"policy": lowerPolicy, "set": lowerSet, "devgroup": lowerDevgroup, "physdev": lowerPhysdev, "geoip": lowerGeoIP,
		"string": lowerString, "u32": lowerU32, "time": lowerTime, "recent": lowerRecent,

		"MARK": lowerMARK, "CONNMARK": lowerCONNMARK, "CT": lowerCT, "NOTRACK": lowerNOTRACK,
		"REJECT": func(l *lower, x *Instance) error {
			if t := x.rejectType(); l.alone && (t == &rejectTypes[3] || t == &rejectTypes6[3]) {
				l.add("reject")
			} else {
				l.add("reject with %s", t.nft)
			}
			return nil
		},
		"LOG": lowerLOG, "NFLOG": lowerNFLOG, "SNAT": lowerNAT, "DNAT": lowerNAT, "MASQUERADE": lowerMasquerade, "REDIRECT": lowerMasquerade,
		"NETMAP": lowerNETMAP, "TTL": lowerHops, "HL": lowerHops, "DSCP": lowerDSCPTarget, "TOS": lowerTOSTarget, "ECN": lowerECNTarget,
		"TCPMSS": lowerTCPMSS, "TCPOPTSTRIP": lowerStrip, "CLASSIFY": lowerClassify, "TEE": lowerTEE, "SYNPROXY": lowerSYNPROXY,
		"TRACE":    lowerTRACE,
		"AUDIT":    func(l *lower, _ *Instance) error { l.add("log level audit"); return nil }, // its record does not name the type
		"CHECKSUM": func(*lower, *Instance) error { return nil },                               // the box leaves no checksum to hardware
		"SET":      lowerSET,
	}
}

// ranged returns the range of an option, all of it when it was not given.
func (x *Instance) ranged(name string, top uint64) *value {
	if v := x.opt(name); v.set {
		return v
	}
	return &value{n: [4]uint64{0, top}}
}

func lowerPorts(l *lower, x *Instance) error {
	if x.count("sport", "dport") == 0 && !l.alone {
		l.between(x.ext.name+" sport", x.ranged("sport", max16), max16)
	}
	for _, name := range []string{"sport", "dport"} {
		if v := x.opt(name); v.set {
			l.between(x.ext.name+" "+name, v, max16)
		}
	}
	return nil
}

func lowerTCP(l *lower, x *Instance) error {
	_ = lowerPorts(l, x)
	if o := x.opt("tcp-option"); o.set && l.alone { // the tool's order
		l.add("tcp option %d %s", o.n[0], exists(!o.neg))
	}
	if f := x.tcpFlags(); f != nil && f.n[0]|f.n[1] == 0 && f.neg {
		l.never()
	} else if f != nil && f.n[0]|f.n[1] != 0 {
		cmp := "=="
		if f.neg {
			cmp = "!="
		}
		switch all := strings.ToLower(tcpFlagText(f.n[0])); {
		case l.alone && f.n[1] == 0 && f.n[0]&(f.n[0]-1) != 0:
			l.add("tcp flags %s0x0 / %s", op(f.neg), all)
		case l.alone && f.n[0]&f.n[1] != 0 && f.n[0]&(f.n[0]-1) != 0: // behind the slash nft wants a list
			l.add("tcp flags %s%s / %s", op(f.neg), strings.ToLower(tcpFlagText(f.n[1])), all)
		default:
			l.add("tcp flags & 0x%x %s 0x%x", f.n[0], cmp, f.n[1])
		}
	}
	if o := x.opt("tcp-option"); o.set && !l.alone {
		l.extend(x, false, optionMatch{code: uint8(o.n[0]), neg: o.neg})
	}
	return nil
}

func exists(yes bool) string {
	if yes {
		return "exists"
	}
	return "missing"
}

func lowerDCCP(l *lower, x *Instance) error {
	if x.has("dccp-option") {
		return l.refuse(x, "options of DCCP are not read")
	}
	l.whole(x, protoDCCP, 12)
	_ = lowerPorts(l, x)
	if v := x.opt("dccp-types"); v.set {
		var types []string
		for i := range 16 {
			if v.n[0]>>min(i, 10)&1 != 0 {
				types = append(types, fmt.Sprint(i))
			}
		}
		l.add("dccp type %s{ %s }", op(v.neg), strings.Join(types, ", "))
	}
	return nil
}

func lowerMultiport(l *lower, x *Instance) error {
	for _, side := range [2][2]string{{"sports", "sport"}, {"dports", "dport"}} {
		if v := x.opt(side[0]); v.set {
			var list []string
			for _, p := range v.x.([]portRange) {
				list = append(list, span(p.lo, p.hi))
			}
			header := "th"
			if l.alone && l.rule.proto(6, 17, 33, 132, 136) {
				header = protocolText(l.rule.Proto) // as the tool translates it
			}
			right := "{ " + strings.Join(list, ", ") + " }"
			if l.alone && len(list) == 1 {
				right = list[0]
			}
			l.add("%s %s %s%s", header, side[1], op(v.neg), right)
		}
	}
	if v := x.opt("ports"); v.set && !l.eitherList(v) {
		l.extend(x, false, eitherPort{list: v.x.([]portRange), neg: v.neg})
	}
	return nil
}

func lowerICMP(l *lower, x *Instance) error {
	proto := "icmp"
	if x.family == IPv6 {
		proto = "icmpv6"
	}
	v := x.opt(proto + "-type")
	switch {
	case v.n[0] == 255 && x.family == IPv4 && v.neg:
		l.never()
	case v.n[0] == 255 && x.family == IPv4:
		l.add("icmp type >= 0")
	case v.n[1] == 0 && v.n[2] == 255 && l.alone:
		typ := nft.TypeICMPType
		if x.family == IPv6 {
			typ = nft.TypeICMPv6Type
		}
		name := typ.Symbol(v.n[0])
		if name == "" {
			name = decimal(v.n[0])
		}
		l.add("%s type %s%s", proto, op(v.neg), name)
	case v.n[1] == 0 && v.n[2] == 255:
		l.add("%s type %s%d", proto, op(v.neg), v.n[0])
	case v.neg:
		l.add("@th,0,16 != 0x%02x%02x", v.n[0], v.n[1])
	default:
		l.add("%s type %d %s code %d", proto, v.n[0], proto, v.n[1])
	}
	return nil
}

func lowerSPI(l *lower, x *Instance) error {
	switch x.ext.name {
	case "esp":
		if v := x.ranged("espspi", max32); l.alone && !v.neg && v.n[0] == 0 && v.n[1] == max32 {
			return nil
		}
		l.whole(x, 50, 8)
		l.between("esp spi", x.ranged("espspi", max32), max32)
	case "ipcomp":
		l.whole(x, 108, 4)
		v := *x.opt("ipcompspi")
		v.n[1] = min(v.n[1], max16)
		l.between("comp cpi", &v, max16)
		if x.has("compres") {
			l.add("comp flags 0")
		}
	case "ah":
		if x.family == IPv6 {
			l.wholeHeader(x, 51, 12)
		} else {
			l.whole(x, 51, 12)
		}
		l.between("ah spi", x.ranged("ahspi", max32), max32)
		if x.family == IPv6 {
			if v := x.opt("ahlen"); v.set {
				if v.n[0] > 0 { // 0 asks nothing
					l.headerLength("ah", v, 4, 2)
				}
			}
			if x.has("ahres") {
				l.add("ah reserved 0")
			}
		}
	}
	return nil
}

func lowerTTL(l *lower, x *Instance) error {
	left, p, less, more := "ip ttl", "ttl-", "<", ">"
	if l.alone {
		less, more = "lt", "gt"
	}
	if x.family == IPv6 {
		left, p = "ip6 hoplimit", "hl-"
	}
	switch {
	case x.has(p + "eq"):
		l.add("%s %s%d", left, op(x.opt(p+"eq").neg), x.opt(p + "eq").n[0])
	case x.has(p + "lt"):
		if x.opt(p + "lt").n[0] == 0 {
			l.never()
			return nil
		}
		l.add("%s %s %d", left, less, x.opt(p + "lt").n[0])
	default:
		if x.opt(p + "gt").n[0] == 255 {
			l.never()
			return nil
		}
		l.add("%s %s %d", left, more, x.opt(p + "gt").n[0])
	}
	return nil
}

func lowerDSCP(l *lower, x *Instance) error {
	v := x.opt("dscp")
	l.add("%s dscp %s0x%02x", l.ip, op(v.neg), v.n[0])
	return nil
}

func lowerTOS(l *lower, x *Instance) error {
	v, at := x.opt("tos"), 8
	if x.family == IPv6 {
		at = 4
	}
	l.masked(fmt.Sprintf("@nh,%d,8", at), v, max8)
	return nil
}

func lowerECN(l *lower, x *Instance) error {
	for i, name := range [2]string{"ecn-tcp-ece", "ecn-tcp-cwr"} {
		if v, bit := x.opt(name), 0x40<<i; v.set {
			cmp := "!="
			if v.neg {
				cmp = "=="
			}
			if l.alone && !v.neg {
				l.add("tcp flags %s", [2]string{"ecn", "cwr"}[i])
			} else {
				l.add("tcp flags & 0x%x %s 0", bit, cmp)
			}
		}
	}
	if v := x.opt("ecn-ip-ect"); v.set && l.alone {
		l.add("%s ecn %s%s", l.ip, op(v.neg), [4]string{"not-ect", "ect1", "ect0", "ce"}[v.n[0]])
	} else if v.set {
		l.add("%s ecn %s%d", l.ip, op(v.neg), v.n[0])
	}
	return nil
}

func lowerLength(l *lower, x *Instance) error {
	l.between("meta length", x.opt("length"), max16)
	return nil
}

func lowerTCPMSSMatch(l *lower, x *Instance) error {
	v := x.opt("mss")
	if v.neg {
		l.extend(x, false, segmentNot{lo: uint16(v.n[0]), hi: uint16(v.n[1])})
		return nil
	}
	l.between("tcp option maxseg size", v, max16)
	return nil
}

func lowerMAC(l *lower, x *Instance) error {
	v := x.opt("mac-source")
	l.add("ether saddr %s%s", op(v.neg), macText(v.n[0]))
	return nil
}

func lowerIPRange(l *lower, x *Instance) error {
	for _, side := range [2][2]string{{"src-range", "saddr"}, {"dst-range", "daddr"}} {
		v, key := x.opt(side[0]), side[1]
		switch {
		case !v.set:
		case v.a[1].Less(v.a[0]):
			if !v.neg {
				l.never()
			}
		case v.a[0] == v.a[1] && !l.alone:
			l.add("%s %s %s%v", l.ip, key, op(v.neg), v.a[0])
		default:
			l.add("%s %s %s%v-%v", l.ip, key, op(v.neg), v.a[0], v.a[1])
		}
	}
	return nil
}

// headerLength compares the length in bytes of an extension header whose field
// counts units, without the first so many.
func (l *lower) headerLength(header string, v *value, unit, first uint64) {
	switch field := v.n[0]/unit - first; {
	case v.n[0]%unit == 0 && v.n[0] >= first*unit && field <= max8:
		l.add("%s hdrlength %s%d", header, op(v.neg), field)
	case !v.neg: // no header is of that length
		l.never()
	}
}

// lowerFrag says nothing of --fraglen, which the kernel does not look at.
func lowerFrag(l *lower, x *Instance) error {
	l.wholeHeader(x, 44, 8)
	if !l.alone || x.has("fragid") {
		l.between("frag id", x.ranged("fragid", max32), max32)
	}
	if x.has("fragres") {
		l.add("frag reserved 0 frag reserved2 0")
	}
	if x.has("fragfirst") {
		l.add("frag frag-off 0")
	}
	if x.has("fragmore") {
		l.add("frag more-fragments 1")
	}
	if x.has("fraglast") {
		l.add("frag more-fragments 0")
	}
	return nil
}

func lowerHeader(l *lower, x *Instance) error {
	name := x.ext.name
	if !l.alone {
		m := &optionsMatch{code: map[string]uint8{"hbh": 0, "dst": 60}[name], size: *x.opt(name + "-len")}
		m.opts, _ = x.opt(name + "-opts").x.([]headerOpt)
		l.extend(x, false, m)
		return nil
	}
	if x.has(name + "-opts") {
		return l.refuse(x, "options of extension headers are not read")
	}
	if v := x.opt(name + "-len"); v.set {
		l.headerLength(name, v, 8, 1)
	}
	return nil
}

func lowerRT(l *lower, x *Instance) error {
	if !l.alone {
		m := &routingMatch{typ: *x.opt("rt-type"), left: *x.ranged("rt-segsleft", max32), size: *x.opt("rt-len"),
			reserved: x.has("rt-0-res"), loose: x.has("rt-0-not-strict")}
		m.addrs, _ = x.opt("rt-0-addrs").x.([]netip.Addr)
		l.extend(x, false, m)
		return nil
	}
	if x.count("rt-0-res", "rt-0-addrs") > 0 {
		return l.refuse(x, "addresses of routing headers are not read")
	}
	if x.count("rt-type", "rt-segsleft", "rt-len") == 0 {
		l.add("exthdr rt exists")
	}
	if v := x.opt("rt-type"); v.set && v.n[0] <= max8 {
		l.add("rt type %s%d", op(v.neg), v.n[0])
	} else if v.set && !v.neg { // the field has a byte
		l.never()
	}
	if v := x.opt("rt-segsleft"); v.set && (v.n[0] <= max8 || v.n[0] > v.n[1]) {
		v := *v
		v.n[1] = min(v.n[1], max8)
		l.between("rt seg-left", &v, max8)
	} else if v.set && !v.neg {
		l.never()
	}
	if v := x.opt("rt-len"); v.set {
		l.headerLength("rt", v, 8, 1)
	}
	return nil
}
