package iptables

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Targets of the nat table, and those that give a packet to somebody else.

var natProtos = []uint8{1, 6, 17, 33, 132}

func init() {
	random := option{name: "random", kind: kFlag}
	fully := option{name: "random-fully", kind: kFlag}
	persistent := option{name: "persistent", kind: kFlag}
	ports := func(name string) option {
		return option{name: name, kind: kCustom, parse: parseNATPorts, print: printNATPorts}
	}
	register(targets, extension{
		name: "DNAT", family: both, tables: "nat", hooks: hPre | hOut,
		opts: []option{{name: "to-destination", alias: "to", kind: kCustom, must: true, parse: parseNAT, print: printNAT}, random, persistent},
	}, extension{
		name: "SNAT", family: both, tables: "nat", hooks: hPost | hIn,
		opts: []option{{name: "to-source", alias: "to", kind: kCustom, must: true, parse: parseNAT, print: printNAT}, random, fully, persistent},
	}, extension{
		name: "MASQUERADE", family: both, tables: "nat", hooks: hPost, opts: []option{ports("to-ports"), random, fully},
	}, extension{
		name: "REDIRECT", family: both, tables: "nat", hooks: hPre | hOut, opts: []option{ports("to-ports"), random},
	}, extension{
		name: "NETMAP", family: both, tables: "nat", hooks: hPre | hPost | hOut | hIn,
		opts: []option{{name: "to", kind: kPrefix, must: true, print: func(_ *Instance, v *value) string { return addrMask(v.a[0], v.a[1], true) }, parse: parseNetmap}},
	}, extension{
		name: "SNPT", family: IPv6, tables: "mangle", hooks: hIn | hPost, opts: prefixes(), final: finalPrefixes,
	}, extension{
		name: "DNPT", family: IPv6, tables: "mangle", hooks: hPre | hOut, opts: prefixes(), final: finalPrefixes,
	}, extension{
		name: "TPROXY", family: both, tables: "mangle", hooks: hPre, proto: []uint8{6, 17},
		opts: []option{
			{name: "on-port", kind: kDec, must: true, parse: parsePort},
			{name: "on-ip", kind: kAddr},
			{name: "tproxy-mark", kind: kMark, max: max32},
		},
		save: func(x *Instance, out *printer) {
			ip := under(fullMask(x.family), maskOf(0, x.family))
			if v := x.opt("on-ip"); v.set {
				ip = v.a[0]
			}
			m := x.opt("tproxy-mark")
			out.opt(false, "on-port", decimal(x.opt("on-port").n[0]))
			out.opt(false, "on-ip", addrText(ip))
			out.opt(false, "tproxy-mark", hex(m.n[0])+"/"+hex(m.n[1]))
		},
	}, extension{
		name: "TEE", family: both,
		opts: []option{{name: "gateway", kind: kAddr, must: true, parse: parseGateway}, {name: "oif", kind: kRaw, min: 1, max: 15}},
	}, extension{
		name: "CLUSTERIP", family: IPv4, tables: "filter", hooks: hIn,
		opts: []option{
			{name: "new", kind: kFlag}, {name: "hashmode", kind: kRaw, parse: oneOf("sourceip", "sourceip-sourceport", "sourceip-sourceport-destport"), with: "new"},
			{name: "clustermac", kind: kMAC, with: "new"}, {name: "total-nodes", kind: kDec, min: 1, max: 16, with: "new"},
			{name: "local-node", kind: kDec, min: 1, max: 16, with: "new"}, {name: "hash-init", kind: kDec, max: max32, with: "new"},
		},
		final: func(x *Instance, _ *Rule) error {
			if n := x.count("new", "hashmode", "clustermac", "total-nodes", "local-node"); n != 0 && n != 5 {
				return errorf(x.Pos, "CLUSTERIP: --new needs --hashmode, --clustermac, --total-nodes and --local-node")
			}
			return nil
		},
	})
}

// natRange is where a NAT target sends packets.
type natRange struct {
	min, max         netip.Addr // invalid: no address
	portMin, portMax uint64
	ports            bool
	base             uint64 // of a shifted range
	based            bool
}

// natPorts reads 5, 5-9 and where a base is allowed 5-9/7.
func natPorts(s string, r *natRange, base bool) bool {
	r.ports = true
	ports, off, two := strings.Cut(s, "/")
	first, second, ranged := strings.Cut(ports, "-")
	var ok bool
	one := port
	if ranged { // names have no place in ranges: they may hold a -
		one = func(s string) (uint64, bool) { return number(s, max16) }
	}
	if v, found := servicePort(ports); found {
		first, ranged = decimal(v), false
	}
	if r.portMin, ok = one(first); !ok {
		return false
	}
	r.portMax = r.portMin
	if ranged {
		if r.portMax, ok = one(second); !ok || r.portMax < r.portMin {
			return false
		}
	}
	if two {
		r.base, ok = port(off)
		r.based = true
		return ok && base && ranged && r.base > 0
	}
	return true
}

func parseNAT(x *Instance, r *Rule, v *value, s []word) error {
	var to natRange
	text := s[0].text
	addrs, ports, two := text, "", false
	switch {
	case strings.HasPrefix(text, "[") && x.family == IPv6:
		inner, rest, ok := strings.Cut(text[1:], "]")
		addrs, two = inner, rest != ""
		if ports = strings.TrimPrefix(rest, ":"); !ok || two && rest[0] != ':' {
			return errorf(s[0].pos, "%s: bad address %q", x.ext.name, text)
		}
	case x.family == IPv4, strings.HasPrefix(text, ":") && !strings.HasPrefix(text, "::"):
		addrs, ports, two = strings.Cut(text, ":")
	}
	if addrs != "" || !two {
		first, second, ranged := strings.Cut(addrs, "-")
		var ok bool
		if to.min, ok = natAddr(first, x.family); ok {
			to.max = to.min
			if ranged {
				to.max, ok = natAddr(second, x.family)
			}
		}
		if !ok {
			return errorf(s[0].pos, "%s: bad address or range %q", x.ext.name, addrs)
		}
	}
	if two && !natPorts(ports, &to, x.ext.name == "DNAT") {
		return errorf(s[0].pos, "%s: bad port or range %q", x.ext.name, ports)
	}
	v.x = to
	return natNeedsPorts(x, r, s[0], to.ports)
}

// natAddr reads an address, of IPv4 with all four parts.
func natAddr(s string, f Family) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	return a, err == nil && a.Is6() == (f == IPv6) && a.Zone() == ""
}

// parseGateway reads an address that is one.
func parseGateway(x *Instance, _ *Rule, v *value, s []word) error {
	var ok bool
	if v.a[0], ok = hostAddr(s[0].text, x.family); !ok || x.ext.name == "TEE" && v.a[0].IsUnspecified() {
		return errorf(s[0].pos, "%s: bad address %q", x.ext.name, s[0].text)
	}
	return nil
}

func natNeedsPorts(x *Instance, r *Rule, w word, ports bool) error {
	if ports && !slices.Contains(natProtos, r.Proto) {
		return errorf(w.pos, "%s: a port needs -p tcp, udp, sctp or dccp", x.ext.name)
	}
	return nil
}

func (r *natRange) portText() string {
	s := strconv.FormatUint(r.portMin, 10)
	if r.portMax != r.portMin {
		s += "-" + strconv.FormatUint(r.portMax, 10)
	}
	if r.based {
		s += "/" + strconv.FormatUint(r.base, 10)
	}
	return s
}

func printNAT(x *Instance, v *value) string {
	r := v.x.(natRange)
	s := ""
	if r.min.IsValid() {
		s = addrText(r.min)
		if r.max != r.min {
			s += "-" + addrText(r.max)
		}
	}
	if r.ports {
		if x.family == IPv6 && s != "" {
			s = "[" + s + "]"
		}
		s += ":" + r.portText()
	}
	return s
}

func parseNATPorts(x *Instance, r *Rule, v *value, s []word) error {
	var to natRange
	if !natPorts(s[0].text, &to, false) {
		return errorf(s[0].pos, "%s: bad port or range %q", x.ext.name, s[0].text)
	}
	v.x = to
	return natNeedsPorts(x, r, s[0], true)
}

func printNATPorts(_ *Instance, v *value) string {
	r := v.x.(natRange)
	return r.portText()
}

// parseNetmap reads a network; one whose mask is not that of a prefix is a host.
func parseNetmap(x *Instance, r *Rule, v *value, s []word) error {
	if !hostPrefix(x.family, v, s[0].text) {
		return errorf(s[0].pos, "NETMAP: bad address %q", s[0].text)
	}
	if prefixLen(v.a[1]) < 0 {
		return errorf(s[0].pos, "NETMAP: mask %v is not that of a prefix", v.a[1])
	}
	v.a[0] = under(v.a[0], v.a[1])
	return nil
}

func prefixes() []option {
	one := func(name string) option {
		return option{name: name, kind: kPrefix, must: true, print: func(_ *Instance, v *value) string { return addrMask(v.a[0], v.a[1], true) },
			parse: func(x *Instance, r *Rule, v *value, s []word) error {
				if !strings.Contains(s[0].text, "/") {
					return errorf(s[0].pos, "%s: the prefix needs a length", x.ext.name)
				}
				o := option{name: name, kind: kPrefix}
				return o.value(x, r, v, s[0])
			}}
	}
	return []option{one("src-pfx"), one("dst-pfx")}
}

func finalPrefixes(x *Instance, _ *Rule) error {
	for _, name := range []string{"src-pfx", "dst-pfx"} {
		if prefixLen(x.opt(name).a[1]) > 64 {
			return errorf(x.Pos, "%s: a prefix is longer than 64 bits", x.ext.name)
		}
	}
	return nil
}
