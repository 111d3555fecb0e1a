package iptables

import (
	"fmt"
	"net/netip"
	"strings"
)

// Matches that look at extension headers of IPv6.

func init() {
	headerOpts := func(name string) extension {
		return extension{
			name: name, family: IPv6,
			opts: []option{
				{name: name + "-len", kind: kDec, max: max32, inv: true},
				{name: name + "-opts", kind: kCustom, parse: parseHeaderOpts, print: printHeaderOpts},
			},
		}
	}
	srh := extension{name: "srh", family: IPv6, opts: []option{{name: "srh-next-hdr", kind: kDec, max: max8, inv: true}}}
	for _, field := range []string{"hdr-len", "segs-left", "last-entry"} {
		for _, op := range []string{"eq", "gt", "lt"} {
			srh.opts = append(srh.opts, option{name: "srh-" + field + "-" + op, kind: kDec, max: max8, inv: true})
		}
	}
	srh.opts = append(srh.opts, option{name: "srh-tag", kind: kDec, max: max16, inv: true})
	for _, sid := range []string{"psid", "nsid", "lsid"} {
		srh.opts = append(srh.opts, option{name: "srh-" + sid, kind: kCustom, inv: true, parse: parseSID, print: func(_ *Instance, v *value) string {
			return addrMask(v.a[0], v.a[1], true)
		}})
	}
	register(matches, headerOpts("dst"), headerOpts("hbh"), srh, extension{
		name: "rt", family: IPv6,
		opts: []option{
			{name: "rt-type", kind: kDec, max: max32, inv: true},
			{name: "rt-segsleft", kind: kRange, max: max32, inv: true, full: true},
			{name: "rt-len", kind: kDec, max: max32, inv: true},
			{name: "rt-0-res", kind: kFlag, with: "rt-type"},
			{name: "rt-0-addrs", kind: kCustom, with: "rt-type", parse: parseRTAddrs, print: func(_ *Instance, v *value) string {
				var out []string
				for _, a := range v.x.([]netip.Addr) {
					out = append(out, addrText(a))
				}
				return strings.Join(out, ",")
			}},
			{name: "rt-0-not-strict", kind: kFlag, with: "rt-0-addrs", parse: behind("rt-0-addrs")},
		},
		final: func(x *Instance, _ *Rule) error {
			t := x.opt("rt-type")
			if x.count("rt-0-res", "rt-0-addrs", "rt-0-not-strict") > 0 && (t.n[0] != 0 || t.neg) {
				return errorf(x.Pos, "rt: --rt-0-res and --rt-0-addrs need --rt-type 0")
			}
			return nil
		},
	}, extension{
		name: "frag", family: IPv6,
		opts: []option{
			{name: "fragid", kind: kRange, max: max32, inv: true, full: true},
			{name: "fraglen", kind: kDec, max: max32, inv: true},
			{name: "fragres", kind: kFlag},
			{name: "fragfirst", kind: kFlag},
			{name: "fragmore", kind: kFlag, not: "fraglast"},
			{name: "fraglast", kind: kFlag, not: "fragmore"},
		},
	}, extension{
		name: "eui64", family: IPv6, hooks: hPre | hIn | hFwd,
	}, extension{
		name: "ipv6header", family: IPv6,
		opts: []option{
			{name: "header", kind: kCustom, inv: true, must: true, parse: parseHeaders, print: func(_ *Instance, v *value) string {
				return bitNames(headerNames, v.n[0])
			}},
			{name: "soft", kind: kFlag},
		},
	})
}

// parseSID reads address[/mask] and leaves the address as it is.
func parseSID(x *Instance, _ *Rule, v *value, s []word) error {
	if !hostPrefix(x.family, v, s[0].text) {
		return errorf(s[0].pos, "%s: bad address %q", x.ext.name, s[0].text)
	}
	return nil
}

// hostPrefix reads address[/mask] into a value, bits beyond the mask and all.
func hostPrefix(f Family, v *value, s string) (ok bool) {
	addr, mask, two := strings.Cut(s, "/")
	v.a[1] = fullMask(f)
	if v.a[0], ok = hostAddr(addr, f); ok && two {
		v.a[1], ok = parseMask(mask, f)
	}
	return ok
}

// headerOpt is an option of a hop-by-hop or destination header.
type headerOpt struct {
	typ uint8
	len int // -1: any
}

func parseHeaderOpts(x *Instance, _ *Rule, v *value, s []word) error {
	var list []headerOpt
	for part := range strings.SplitSeq(s[0].text, ",") {
		typ, length, two := strings.Cut(part, ":")
		t, ok := number(typ, max8)
		o := headerOpt{uint8(t), -1}
		if ok && two {
			t, ok = number(length, max8)
			if o.len = int(t); o.typ == 0 {
				ok = false // Pad1 has no length
			} else if t == max8 {
				o.len = -1
			}
		}
		if list = append(list, o); !ok || len(list) > 16 {
			return errorf(s[0].pos, "%s: bad option %q, or more than 16", x.ext.name, part)
		}
	}
	v.x = list
	return nil
}

func printHeaderOpts(_ *Instance, v *value) string {
	var out []string
	for _, o := range v.x.([]headerOpt) {
		s := decimal(uint64(o.typ))
		if o.len >= 0 {
			s += fmt.Sprintf(":%d", o.len)
		}
		out = append(out, s)
	}
	return strings.Join(out, ",")
}

func parseRTAddrs(x *Instance, _ *Rule, v *value, s []word) error {
	var list []netip.Addr
	for part := range strings.SplitSeq(s[0].text, ",") {
		a, ok := parseAddr(part, IPv6)
		if list = append(list, a); !ok || len(list) > 16 {
			return errorf(s[0].pos, "rt: bad address %q, or more than 16", part)
		}
	}
	v.x = list
	return nil
}

// headerNames are the kernel's bits; each name that prints, then others for it.
var headerNames = []name{
	{"hop-by-hop", 128}, {"ipv6-opts", 64}, {"ipv6-route", 32}, {"ipv6-frag", 16}, {"ah", 8}, {"esp", 4}, {"ipv6-nonxt", 2}, {"protocol", 1},
}

var headerAlias = []name{
	{"hop", 128}, {"0", 128}, {"dst", 64}, {"60", 64}, {"route", 32}, {"43", 32}, {"frag", 16}, {"44", 16}, {"auth", 8}, {"51", 8},
	{"50", 4}, {"none", 2}, {"59", 2}, {"prot", 1}, {"255", 1},
}

func parseHeaders(x *Instance, _ *Rule, v *value, s []word) error {
	for part := range strings.SplitSeq(s[0].text, ",") {
		if part == "" && strings.Trim(s[0].text, ",") != "" {
			continue
		}
		bit, ok := named(headerNames, part)
		if !ok {
			bit, ok = named(headerAlias, part)
		}
		ok = ok && part == strings.ToLower(part)
		if !ok {
			return errorf(s[0].pos, "ipv6header: unknown header %q", part)
		}
		v.n[0] |= bit
	}
	return nil
}
