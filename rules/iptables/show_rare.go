package iptables

import (
	"fmt"
	"strings"
)

// Extensions that rules rarely have, in the words that -L has for them.

// rare are their functions, by name.
func rare() map[string]func(*shower, *Instance) {
	return map[string]func(*shower, *Instance){
		"dccp": showDCCP, "ipcomp": showComp, "mh": showMobility, "srh": showSegments, "ipv6header": showHeaders,
		"policy": showPolicy, "owner": showOwner, "cluster": showCluster, "HMARK": showHMARK,
		"eui64": func(s *shower, _ *Instance) { s.WriteString("eui64 ") },
		"connlabel": func(s *shower, x *Instance) {
			v := x.opt("label")
			fmt.Fprintf(s, " connlabel %s%s%s", sign(v.neg, "! "), v.s, sign(x.has("set"), " set"))
		},
		"osf": func(s *shower, x *Instance) {
			v := x.opt("genre")
			fmt.Fprintf(s, " OS fingerprint match %s%s", sign(v.neg, "! "), v.s)
		},
		"cgroup": func(s *shower, x *Instance) {
			v := x.opt("cgroup")
			fmt.Fprintf(s, " cgroup %s%d", sign(v.neg, "! "), v.n[0])
		},
		"realm":    func(s *shower, x *Instance) { s.group("realm", x.opt("realm"), "cosmos") },
		"devgroup": showGroups,
		"AUDIT":    func(s *shower, x *Instance) { s.WriteString(" AUDIT " + x.opt("type").s) },
		"TEE": func(s *shower, x *Instance) {
			s.WriteString(" TEE gw:" + addrText(x.opt("gateway").a[0]))
			if v := x.opt("oif"); v.set {
				s.WriteString(" oif=" + v.s)
			}
		},
		"TPROXY": func(s *shower, x *Instance) {
			f := strings.Fields(x.text())
			fmt.Fprintf(s, " TPROXY redirect %s:%s mark %s", f[3], f[1], f[5])
		},
		"IDLETIMER": func(s *shower, x *Instance) {
			fmt.Fprintf(s, " timeout:%d label:%s%s", x.opt("timeout").n[0], x.opt("label").s, sign(x.has("alarm"), " alarm"))
		},
		"RATEEST": func(s *shower, x *Instance) { s.WriteString(x.words("rateest-")) },
		"SNPT":    func(s *shower, x *Instance) { s.WriteString(" SNPT" + x.words("")) },
		"DNPT":    func(s *shower, x *Instance) { s.WriteString(" DNPT" + x.words("")) },
	}
}

func showDCCP(s *shower, x *Instance) {
	showPorts(s, x)
	if v := x.opt("dccp-types"); v.set {
		text := printDCCPTypes(x, v)
		if s.numeric {
			var list []string
			for i := range 16 {
				if v.n[0]>>min(i, 10)&1 != 0 { // from 10 on all are invalid
					list = append(list, decimal(uint64(i)))
				}
			}
			text = strings.Join(list, ",")
		}
		s.WriteString(" " + sign(v.neg, "! ") + text)
	}
	if v := x.opt("dccp-option"); v.set {
		fmt.Fprintf(s, " option=%s%d", sign(v.neg, "!"), v.n[0])
	}
}

// span prints name:value or names:first:last, nothing of a range that is all there is.
func (s *shower) span(name string, v *value, top uint64) {
	switch {
	case !v.set, v.n[0] == 0 && v.n[1] == top && !v.neg:
	case v.n[0] == v.n[1]:
		fmt.Fprintf(s, "%s:%s%d", name, sign(v.neg, "!"), v.n[0])
	default:
		fmt.Fprintf(s, "%ss:%s%d:%d", name, sign(v.neg, "!"), v.n[0], v.n[1])
	}
}

func showComp(s *shower, x *Instance) {
	s.WriteString(" comp ")
	s.span("spi", x.opt("ipcompspi"), max32)
	s.WriteString(sign(x.has("compres"), " reserved"))
}

func showMobility(s *shower, x *Instance) {
	s.WriteString(" mh")
	if v := x.opt("mh-type"); v.set && (v.n[0] != 0 || v.n[1] != max8 || v.neg) {
		s.WriteString(" " + sign(v.neg, "!") + (&option{kind: kRange}).text(v))
	}
}

func showSegments(s *shower, x *Instance) {
	s.WriteString(" srh")
	for i := range x.ext.opts {
		o, v := &x.ext.opts[i], &x.vals[i]
		name := strings.TrimPrefix(o.name, "srh-")
		switch {
		case !v.set:
		case o.kind == kCustom:
			fmt.Fprintf(s, " %s %s %s", name, sign(v.neg, "!"), o.print(x, v))
		default:
			fmt.Fprintf(s, " %s:%s%s", name, sign(v.neg, "!"), o.text(v))
		}
	}
}

func showHeaders(s *shower, x *Instance) {
	v := x.opt("header")
	fmt.Fprintf(s, " ipv6header flags:%s0x%02X%s", sign(v.neg, "!"), v.n[0], sign(x.has("soft"), " soft"))
}

func showPolicy(s *shower, x *Instance) {
	s.WriteString(" policy match dir " + x.opt("dir").s)
	if x.opt("pol").s == "none" {
		s.WriteString(" pol none")
		return
	}
	s.WriteString(" pol ipsec")
	s.WriteString(sign(x.has("strict"), " strict"))
	list := *x.elements()
	for i, e := range list {
		if len(list) > 1 {
			fmt.Fprintf(s, " [%d]", i)
		}
		for j, p := range e.parts {
			if p == nil {
				continue
			}
			o := &x.ext.opts[firstPart+j]
			text := o.text(p)
			if n, ok := protocol(text); o.name == "proto" && s.numeric && ok {
				text = decimal(uint64(n))
			}
			fmt.Fprintf(s, " %s%s %s", sign(p.neg, "! "), o.name, text)
		}
	}
}

func showOwner(s *shower, x *Instance) {
	for _, o := range [...][2]string{{"socket-exists", "socket exists"}, {"uid-owner", "UID match"}, {"gid-owner", "GID match"}, {"suppl-groups", "incl. suppl. groups"}} {
		v := x.opt(o[0])
		if !v.set {
			continue
		}
		if o[0] == "suppl-groups" {
			s.WriteString(" " + o[1])
			continue
		}
		fmt.Fprintf(s, "%s owner %s", sign(v.neg, " !"), o[1])
		if ok, text := x.saved(o[0]); ok {
			s.WriteString(" " + text)
		}
	}
}

func showCluster(s *shower, x *Instance) {
	v := x.clusterNodes()
	fmt.Fprintf(s, " cluster %snode_mask=0x%08x total_nodes=%d hash_seed=0x%08x", sign(v.neg, "!"), v.n[0], x.opt("cluster-total-nodes").n[0], x.opt("cluster-hash-seed").n[0])
}

func showHMARK(s *shower, x *Instance) {
	fmt.Fprintf(s, " HMARK mod %d ", x.opt("hmark-mod").n[0])
	if v := x.opt("hmark-offset"); v.set {
		fmt.Fprintf(s, "+ 0x%x ", v.n[0])
	}
	if x.opt("hmark-tuple").n[0] != 0 {
		s.WriteString("ct, ")
	}
	for _, name := range [...]string{"src-prefix", "dst-prefix", "sport-mask", "dport-mask", "spi-mask", "sport", "dport", "spi", "proto-mask", "rnd"} {
		v := x.opt("hmark-" + name)
		switch {
		case !v.set:
		case !strings.HasSuffix(name, "prefix"):
			fmt.Fprintf(s, "%s 0x%x ", name, v.n[0])
		case v.n[0] == 128: // the tool has no text for a whole address of IPv6
			s.WriteString(name + "  ")
		default:
			fmt.Fprintf(s, "%s %d ", name, v.n[0])
		}
	}
}

// group prints a number that has a name without -n.
func (s *shower) group(name string, v *value, zero string) {
	text := (&option{kind: kMark, max: max32}).text(v)
	if !s.numeric && text == "0x0" {
		text = zero
	}
	fmt.Fprintf(s, " %s%s %s", sign(v.neg, "! "), name, text)
}

func showGroups(s *shower, x *Instance) {
	for _, name := range [2]string{"src-group", "dst-group"} {
		if v := x.opt(name); v.set {
			s.group(name, v, "default")
		}
	}
}
