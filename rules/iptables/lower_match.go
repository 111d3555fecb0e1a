package iptables

import (
	"fmt"
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
			l.add("quota %s%d bytes", over, x.opt("quota").n[0])
			return nil
		},
		"statistic": lowerStatistic, "conntrack": lowerConntrack, "state": lowerState, "rpfilter": lowerRPFilter, "helper": lowerHelper,
		"policy": lowerPolicy, "set": lowerSet,
		"string": lowerString, "u32": lowerU32, "time": lowerTime, "recent": lowerRecent,

		"MARK": lowerMARK, "CONNMARK": lowerCONNMARK, "CT": lowerCT, "NOTRACK": func(l *lower, _ *Instance) error { l.add("notrack"); return nil },
		"REJECT": func(l *lower, x *Instance) error { l.add("reject with %s", x.rejectType().nft); return nil },
		"LOG":    lowerLOG, "NFLOG": lowerNFLOG, "SNAT": lowerNAT, "DNAT": lowerNAT, "MASQUERADE": lowerMasquerade, "REDIRECT": lowerMasquerade,
		"NETMAP": lowerNETMAP, "TTL": lowerHops, "HL": lowerHops, "DSCP": lowerDSCPTarget, "TOS": lowerTOSTarget, "ECN": lowerECNTarget,
		"TCPMSS": lowerTCPMSS, "TCPOPTSTRIP": lowerStrip, "CLASSIFY": lowerClassify, "SYNPROXY": lowerSYNPROXY,
		"TRACE":    func(l *lower, _ *Instance) error { l.add("meta nftrace set 1"); return nil },
		"CHECKSUM": func(*lower, *Instance) error { return nil }, // the box leaves no checksum to hardware
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
	if x.count("sport", "dport") == 0 {
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
	if f := x.tcpFlags(); f != nil && f.n[0]|f.n[1] != 0 {
		cmp := "=="
		if f.neg {
			cmp = "!="
		}
		l.add("tcp flags & 0x%x %s 0x%x", f.n[0], cmp, f.n[1])
	}
	if o := x.opt("tcp-option"); o.set {
		l.add("tcp option %d %s", o.n[0], exists(!o.neg))
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

func lowerSCTP(l *lower, x *Instance) error {
	if v := x.opt("chunk-types"); v.set {
		m := v.x.(chunkMatch)
		if m.how != "all" && !(m.how == "any" && len(m.chunks) == 1) || v.neg || m.all {
			return l.refuse(x, "of chunks only that all of a list are there can be asked")
		}
		for _, c := range m.chunks {
			if c.flags != "" {
				return l.refuse(x, "flags of chunks are not looked at")
			}
			if c.typ > 14 && c.typ != 128 && c.typ < 192 || c.typ > 193 {
				return l.refuse(x, "chunks of type %d are not looked for", c.typ)
			}
			l.add("sctp chunk %s exists", strings.ReplaceAll(strings.ToLower(nameOf(chunkNames, uint64(c.typ))), "_", "-"))
		}
	}
	return lowerPorts(l, x)
}

func lowerMultiport(l *lower, x *Instance) error {
	for _, side := range [2][2]string{{"sports", "sport"}, {"dports", "dport"}} {
		if v := x.opt(side[0]); v.set {
			var list []string
			for _, p := range v.x.([]portRange) {
				list = append(list, span(p.lo, p.hi))
			}
			l.add("th %s %s{ %s }", side[1], op(v.neg), strings.Join(list, ", "))
		}
	}
	if v := x.opt("ports"); v.set {
		l.extend(x, false, eitherPort{v.x.([]portRange), v.neg})
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
		l.between("esp spi", x.ranged("espspi", max32), max32)
	case "ipcomp":
		v := *x.opt("ipcompspi")
		v.n[1] = min(v.n[1], max16)
		l.between("comp cpi", &v, max16)
		if x.has("compres") {
			l.add("comp flags 0")
		}
	case "ah":
		l.between("ah spi", x.ranged("ahspi", max32), max32)
		if x.family == IPv6 {
			if v := x.opt("ahlen"); v.set {
				if v.n[0]%4 != 0 || v.n[0] < 8 || v.n[0] > 1028 {
					return l.refuse(x, "no header has a length of %d", v.n[0])
				}
				l.add("ah hdrlength %s%d", op(v.neg), v.n[0]/4-2)
			}
			if x.has("ahres") {
				l.add("ah reserved 0")
			}
		}
	}
	return nil
}

func lowerTTL(l *lower, x *Instance) error {
	left, p := "ip ttl", "ttl-"
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
		l.add("%s < %d", left, x.opt(p + "lt").n[0])
	default:
		if x.opt(p + "gt").n[0] == 255 {
			l.never()
			return nil
		}
		l.add("%s > %d", left, x.opt(p + "gt").n[0])
	}
	return nil
}

func lowerDSCP(l *lower, x *Instance) error {
	v := x.opt("dscp")
	l.add("%s dscp %s0x%x", l.ip, op(v.neg), v.n[0])
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
			l.add("tcp flags & 0x%x %s 0", bit, cmp)
		}
	}
	if v := x.opt("ecn-ip-ect"); v.set {
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
		l.extend(x, false, segmentNot{uint16(v.n[0]), uint16(v.n[1])})
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
		case v.a[0] == v.a[1]:
			l.add("%s %s %s%v", l.ip, key, op(v.neg), v.a[0])
		default:
			l.add("%s %s %s%v-%v", l.ip, key, op(v.neg), v.a[0], v.a[1])
		}
	}
	return nil
}

func lowerFrag(l *lower, x *Instance) error {
	if x.has("fraglen") {
		return l.refuse(x, "the length of a fragment header is always the same")
	}
	l.between("frag id", x.ranged("fragid", max32), max32)
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
	if x.has(name + "-opts") {
		return l.refuse(x, "options of extension headers are not read")
	}
	l.add("exthdr %s exists", name)
	if v := x.opt(name + "-len"); v.set {
		if v.n[0]%8 != 0 || v.n[0] < 8 || v.n[0] > 2048 {
			return l.refuse(x, "no header has a length of %d", v.n[0])
		}
		l.add("%s hdrlength %s%d", name, op(v.neg), v.n[0]/8-1)
	}
	return nil
}

func lowerRT(l *lower, x *Instance) error {
	if x.count("rt-0-res", "rt-0-addrs") > 0 {
		return l.refuse(x, "addresses of routing headers are not read")
	}
	l.add("exthdr rt exists")
	if v := x.opt("rt-type"); v.set {
		l.add("rt type %s%d", op(v.neg), v.n[0])
	}
	if v := x.opt("rt-segsleft"); v.set {
		v := *v
		v.n[1] = min(v.n[1], max8)
		l.between("rt seg-left", &v, max8)
	}
	if v := x.opt("rt-len"); v.set {
		if v.n[0]%8 != 0 || v.n[0] < 8 || v.n[0] > 2048 {
			return l.refuse(x, "no header has a length of %d", v.n[0])
		}
		l.add("rt hdrlength %s%d", op(v.neg), v.n[0]/8-1)
	}
	return nil
}

func lowerAddrType(l *lower, x *Instance) error {
	dev := ""
	if x.has("limit-iface-in") {
		dev = " . iif"
	}
	if x.has("limit-iface-out") {
		dev = " . oif"
	}
	for _, side := range [2][2]string{{"src-type", "saddr"}, {"dst-type", "daddr"}} {
		v, key := x.opt(side[0]), side[1]
		if !v.set {
			continue
		}
		var types []string
		for _, t := range addrTypes[:9] {
			if v.n[0]>>t.v&1 != 0 {
				types = append(types, strings.ToLower(t.text))
			}
		}
		if v.n[0]>>9 != 0 {
			return l.refuse(x, "addresses are of no such type")
		}
		right := types[0]
		if len(types) > 1 {
			right = "{ " + strings.Join(types, ", ") + " }"
		}
		l.add("fib %s%s type %s%s", key, dev, op(v.neg), right)
	}
	return nil
}

// limitText is a rate as nft writes it.
func limitText(period, scale uint64) string {
	u := limitUnits[rateUnitIndex(period, scale)]
	unit := map[string]string{"sec": "second", "min": "minute"}[u.text]
	if unit == "" {
		unit = u.text
	}
	return fmt.Sprintf("%d/%s", u.v*scale/period, unit)
}

func lowerLimit(l *lower, x *Instance) error {
	period, burst := x.limit()
	l.add("limit rate %s burst %d packets", limitText(period, limitScale), burst)
	return nil
}

func lowerConnbytes(l *lower, x *Instance) error {
	v, dir := *x.opt("connbytes"), x.opt("connbytes-dir").s+" "
	if dir == "both " {
		dir = ""
	}
	left := "ct " + dir + x.opt("connbytes-mode").s
	switch {
	case v.n[1] == max64 && v.neg:
		if v.n[0] == 0 {
			l.never()
			return nil
		}
		l.add("%s < %d", left, v.n[0])
	case v.n[1] == max64:
		l.add("%s >= %d", left, v.n[0])
	default:
		l.add("%s %s%s", left, op(v.neg), span(v.n[0], v.n[1]))
	}
	return nil
}

// side is an address under a prefix, as a part of a key.
func (l *lower) side(key string, bits int) string {
	text := l.ip + " " + key
	if bits < l.family.bits() {
		text += fmt.Sprintf(" & %v", maskOf(bits, l.family))
	}
	return text
}

func (l *lower) addrType() string {
	if l.family == IPv6 {
		return "ipv6_addr"
	}
	return "ipv4_addr"
}

func lowerConnlimit(l *lower, x *Instance) error {
	above, n, bits, daddr := x.connlimit()
	over, key := "", "saddr"
	if above {
		over = "over "
	}
	if daddr {
		key = "daddr"
	}
	name := fmt.Sprintf("%sconnlimit%d", generated, len(l.order))
	l.declare(name, fmt.Sprintf("add set @TABLE %s { type %s; flags dynamic; size 65536; }", name, l.addrType()))
	l.add("add @%s { %s ct count %s%d }", name, l.side(key, bits), over, n)
	return nil
}

func lowerHashlimit(l *lower, x *Instance) error {
	if x.has("hashlimit-rate-match") {
		return l.refuse(x, "--hashlimit-rate-match is not supported")
	}
	r, above := x.hashRate()
	over, text := "", ""
	if above {
		over = "over "
	}
	if r.bytes {
		bytes := costBytes(r.cost)
		text = fmt.Sprintf("limit rate %s%d bytes/second burst %d bytes", over, max(bytes, 1), max(x.hashBurst()*bytes, 1))
	} else {
		text = fmt.Sprintf("limit rate %s%s burst %d packets", over, limitText(r.period, hashScale), x.hashBurst())
	}
	mode := x.opt("hashlimit-mode").n[0]
	if mode == 0 {
		l.add("%s", text)
		return nil
	}
	bits := func(name string) int {
		if v := x.opt(name); v.set {
			return int(v.n[0])
		}
		return l.family.bits()
	}
	var types, keys []string
	for _, part := range []struct {
		bit       uint64
		typ, text string
	}{
		{1, l.addrType(), l.side("saddr", bits("hashlimit-srcmask"))}, {2, "inet_service", "th sport"},
		{4, l.addrType(), l.side("daddr", bits("hashlimit-dstmask"))}, {8, "inet_service", "th dport"},
	} {
		if mode&part.bit != 0 {
			types, keys = append(types, part.typ), append(keys, part.text)
		}
	}
	if mode&10 != 0 && !l.rule.proto(6, 17, 33, 132, 136) {
		return l.refuse(x, "ports need -p of a protocol that has them")
	}
	size := uint64(65536)
	if v := x.opt("hashlimit-htable-max"); v.n[0] != 0 {
		size = v.n[0]
	}
	expire, _ := x.hashExpire()
	if v := x.opt("hashlimit-htable-expire"); v.set {
		expire = v.n[0]
	}
	name := generated + "hashlimit_" + identifier(x.opt("hashlimit-name").s)
	l.declare(name, fmt.Sprintf("add set @TABLE %s { type %s; flags dynamic,timeout; timeout %dms; size %d; }", name, strings.Join(types, " . "), max(expire, 1), size))
	l.add("update @%s { %s %s }", name, strings.Join(keys, " . "), text)
	return nil
}

// identifier makes a name that nft takes.
func identifier(s string) string {
	var out strings.Builder
	for _, c := range []byte(s) {
		if strings.IndexByte(plain[1:], c) > 0 && c != '-' {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "_%02x", c)
		}
	}
	return out.String()
}

func lowerStatistic(l *lower, x *Instance) error {
	if x.opt("mode").s == "random" {
		v := x.opt("probability")
		cmp := "<"
		if v.neg {
			cmp = ">="
		}
		switch {
		case v.n[0] == 0 && !v.neg, v.n[0] == 1<<31 && v.neg:
			l.never()
		case v.n[0] == 1<<31:
		default:
			l.add("numgen random mod 2147483648 %s %d", cmp, v.n[0])
		}
		return nil
	}
	v, every := x.opt("every"), x.opt("every").n[0]
	l.add("numgen inc mod %d %s%d", every, op(v.neg), x.opt("packet").n[0])
	return nil
}

func lowerState(l *lower, x *Instance) error {
	l.states(x, x.opt("state"))
	return nil
}

// states compares the state of the connection, which SNAT and DNAT are parts of.
func (l *lower) states(x *Instance, v *value) {
	const real = 0x4f
	if v.n[0]&^real != 0 {
		l.extend(x, false, stateOrNAT{uint32(v.n[0] & real), uint32(v.n[0]&^real) >> 3, v.neg})
		return
	}
	cmp := "!="
	if v.neg {
		cmp = "=="
	}
	l.add("ct state & 0x%x %s 0", v.n[0], cmp)
}

func lowerConntrack(l *lower, x *Instance) error {
	if v := x.opt("ctdir"); v.set {
		l.add("ct direction %s", strings.ToLower(v.s))
	}
	if v := x.opt("ctproto"); v.set {
		l.add("ct protocol %s%d", op(v.neg), v.n[0])
	}
	for _, side := range []struct{ name, left string }{
		{"ctorigsrc", "ct original " + l.ip + " saddr"}, {"ctorigdst", "ct original " + l.ip + " daddr"},
		{"ctreplsrc", "ct reply " + l.ip + " saddr"}, {"ctrepldst", "ct reply " + l.ip + " daddr"},
	} {
		if v := x.opt(side.name); v.set {
			l.prefix(side.left, Prefix{v.a[0], v.a[1], v.neg})
		}
	}
	for _, side := range []struct{ name, left string }{
		{"ctorigsrcport", "ct original proto-src"}, {"ctorigdstport", "ct original proto-dst"},
		{"ctreplsrcport", "ct reply proto-src"}, {"ctrepldstport", "ct reply proto-dst"},
	} {
		if v := x.opt(side.name); v.set {
			if !l.rule.proto(6, 17, 33, 132, 136) {
				l.add("meta l4proto { 6, 17, 33, 132, 136 }")
			}
			l.between(side.left, v, max16)
		}
	}
	if v := x.opt("ctstatus"); v.set {
		cmp := "!="
		if v.neg {
			cmp = "=="
		}
		l.add("ct status & 0x%x %s 0", v.n[0], cmp)
	}
	if v := x.opt("ctexpire"); v.set {
		// Seconds are rounded down.
		lo, hi := v.n[0]*1000, v.n[1]*1000+999
		switch {
		case v.n[0] > v.n[1] && v.neg, hi > max32 && lo == 0 && !v.neg:
		case v.n[0] > v.n[1], lo > max32, v.neg && hi > max32 && lo == 0:
			l.never()
		case hi > max32 && v.neg:
			l.add("ct expiration < %dms", lo)
		case hi > max32:
			l.add("ct expiration >= %dms", lo)
		default:
			l.add("ct expiration %s%dms-%dms", op(v.neg), lo, hi)
		}
	}
	if v := x.opt("ctstate"); v.set {
		l.states(x, v)
	}
	return nil
}

func lowerRPFilter(l *lower, x *Instance) error {
	key := "saddr"
	if x.has("validmark") {
		key += " . mark"
	}
	if !x.has("loose") {
		key += " . iif"
	}
	l.add("fib %s oif %s", key, exists(!x.has("invert")))
	return nil
}

func lowerHelper(l *lower, x *Instance) error {
	v := x.opt("helper")
	if v.s == "" || v.neg {
		return l.refuse(x, "a helper can only be asked for by its name")
	}
	l.add("ct helper \"%s\"", v.s)
	return nil
}

func lowerPolicy(l *lower, x *Instance) error {
	if x.opt("pol").s != "none" {
		return l.refuse(x, "there is no IPsec here: no packet ever matches")
	}
	return nil
}

func lowerSet(l *lower, x *Instance) error {
	for i := range x.ext.opts[1:] {
		if x.vals[i+1].set {
			return l.refuse(x, "of sets only membership can be asked, not --%s", x.ext.opts[i+1].name)
		}
	}
	v := x.opt("match-set")
	key, err := l.setKey(x, v)
	if err != nil {
		return err
	}
	l.add("%s %s@%s", key, op(v.neg), v.s)
	return nil
}

// setKey is what the key of a set is made of, by its declaration in the table.
func (l *lower) setKey(x *Instance, v *value) (string, error) {
	s := l.sets(v.s)
	if s == nil || s.Map {
		return "", errorf(x.Pos, "Set %s doesn't exist: give it with --ipset, or make it in the table with `add set` of nft", v.s)
	}
	parts := uint64(len(s.Key))
	var keys []string
	side := uint64(0)
	for i, t := range s.Key {
		src := v.n[0]>>min(side, v.n[1]-1)&1 != 0
		pick := func(a, b string) string {
			if src {
				return a
			}
			return b
		}
		side++
		switch t {
		case nft.TypeIPv4, nft.TypeIPv6:
			keys = append(keys, l.ip+" "+pick("saddr", "daddr"))
		case nft.TypeProto: // a port of ip sets is a protocol and a port
			keys = append(keys, "meta l4proto")
			if i+1 < len(s.Key) {
				side--
				parts--
			}
		case nft.TypeService:
			keys = append(keys, "th "+pick("sport", "dport"))
		case nft.TypeEther:
			keys = append(keys, "ether "+pick("saddr", "daddr"))
		case nft.TypeIfname:
			keys = append(keys, pick("iifname", "oifname"))
		case nft.TypeMark:
			keys = append(keys, "meta mark")
		default:
			return "", errorf(x.Pos, "set %s: no part of a packet is of type %s", v.s, t.Name)
		}
	}
	if parts > v.n[1] {
		return "", errorf(x.Pos, "set %s has keys of %d parts, not of %d", v.s, parts, v.n[1])
	}
	return strings.Join(keys, " . "), nil
}
