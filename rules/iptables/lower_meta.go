package iptables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

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
		if x.family == IPv6 && !l.alone {
			// A unicast address is one by its bits, the box's own too, and must also be
			// of one of the other types where there are any (match_type6).
			if types = slices.DeleteFunc(types, func(t string) bool { return t == "unicast" }); len(types) == 0 {
				l.add("ip6 %s %s{ ::, ff00::/8 }", key, op(!v.neg))
				continue
			}
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
	left, less, least := "ct "+dir+x.opt("connbytes-mode").s, "<", ">="
	if l.alone {
		less, least = "lt", "ge"
	}
	switch {
	case v.n[1] == max64 && v.neg:
		if v.n[0] == 0 {
			l.never()
			return nil
		}
		l.add("%s %s %d", left, less, v.n[0])
	case v.n[1] == max64:
		l.add("%s %s %d", left, least, v.n[0])
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
	name, size := fmt.Sprintf("%sconnlimit%d", generated, len(l.order)), " size 65536;"
	if l.alone {
		name, size = fmt.Sprintf("connlimit%d", l.before+len(l.order)), ""
	}
	l.declare(name, fmt.Sprintf("add set @TABLE %s { type %s; flags dynamic;%s }", name, l.addrType(), size))
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
		case l.alone:
			l.add("meta random & 2147483647 %s %d", cmp, v.n[0])
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
	if l.alone {
		not := op(v.neg)
		if v.neg && x.ext.name == "conntrack" {
			not = "! "
		}
		l.add("ct state %s%s", not, strings.ToLower(bitNames(ctStates, v.n[0])))
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
	if v := x.opt("ctproto"); v.set && l.rule.Proto != 0 && !l.alone { // nft lets no rule ask for two protocols
		l.extend(x, false, flowProto{proto: uint8(v.n[0]), neg: v.neg})
	} else if v.set {
		l.add("ct protocol %s%d", op(v.neg), v.n[0])
	}
	ip := l.ip + " "
	if l.alone { // the table says it
		ip = ""
		l.connection(x)
	}
	for _, side := range []struct{ name, left string }{
		{"ctorigsrc", "ct original " + ip + "saddr"}, {"ctorigdst", "ct original " + ip + "daddr"},
		{"ctreplsrc", "ct reply " + ip + "saddr"}, {"ctrepldst", "ct reply " + ip + "daddr"},
	} {
		if v := x.opt(side.name); v.set {
			addr := under(v.a[0], v.a[1])
			if l.alone {
				addr = v.a[0] // as it was written
			}
			l.prefix(side.left, Prefix{addr, v.a[1], v.neg})
		}
	}
	for _, side := range []struct{ name, left string }{
		{"ctorigsrcport", "ct original proto-src"}, {"ctorigdstport", "ct original proto-dst"},
		{"ctreplsrcport", "ct reply proto-src"}, {"ctrepldstport", "ct reply proto-dst"},
	} {
		if v := x.opt(side.name); v.set {
			if !l.rule.proto(6, 17, 33, 132, 136) {
				protos := "{ 1, 6, 17, 33, 58, 132, 136 }" // nft wants some; errors have the ports of the flow that they tell of
				if l.alone {
					protos = "{ 6, 17, 33, 132, 136 }"
				}
				l.add("meta l4proto %s", protos)
			}
			l.between(side.left, v, max16)
		}
	}
	if l.alone {
		return nil
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
	if l.alone { // the tool asks for the number of the interface
		l.add("fib %s oif %s0", key, op(!x.has("invert")))
		return nil
	}
	l.add("fib %s oif %s", key, exists(!x.has("invert")))
	return nil
}

func lowerPolicy(l *lower, x *Instance) error {
	switch out := x.opt("dir").s == "out"; { // there is no IPsec here, so all packets came, and leave, without
	case x.opt("pol").s == "none":
	case !out:
		l.add("meta ipsec exists")
	case l.alone:
		return l.refuse(x, "nft asks only how a packet has come")
	default:
		l.never()
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

func lowerDevgroup(l *lower, x *Instance) error {
	for _, side := range [2][2]string{{"src-group", "meta iifgroup"}, {"dst-group", "meta oifgroup"}} {
		if v := *x.opt(side[0]); v.set {
			v.n[0] &= v.n[1] // other than a mark, both sides are compared under the mask
			l.masked(side[1], &v, max32)
		}
	}
	return nil
}
