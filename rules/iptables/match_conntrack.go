package iptables

import (
	"strconv"
	"strings"
)

func init() {
	ports := func(name string) option {
		return option{name: name, kind: kPorts, max: max16, inv: true, loose: true, port: plainPort}
	}
	register(matches, extension{
		name: "conntrack", family: both,
		opts: []option{
			{name: "ctstate", kind: kCustom, inv: true, parse: parseState, print: func(_ *Instance, v *value) string { return bitNames(ctStates, v.n[0]) }},
			{name: "ctproto", kind: kDec, max: max8, inv: true, parse: parseProto},
			{name: "ctorigsrc", kind: kPrefix, inv: true, parse: parseCtAddr}, {name: "ctorigdst", kind: kPrefix, inv: true, parse: parseCtAddr},
			{name: "ctreplsrc", kind: kPrefix, inv: true, parse: parseCtAddr}, {name: "ctrepldst", kind: kPrefix, inv: true, parse: parseCtAddr},
			ports("ctorigsrcport"), ports("ctorigdstport"), ports("ctreplsrcport"), ports("ctrepldstport"),
			{name: "ctstatus", kind: kCustom, inv: true, parse: parseStatus, print: func(_ *Instance, v *value) string {
				if v.n[0] == 0 {
					return "NONE"
				}
				return bitNames(ctStatuses, v.n[0])
			}},
			{name: "ctexpire", kind: kRange, max: max32, inv: true},
			{name: "ctdir", kind: kRaw, parse: oneOf("ORIGINAL", "REPLY")},
		},
		one: "ctstate ctproto ctorigsrc ctorigdst ctreplsrc ctrepldst ctorigsrcport ctorigdstport ctreplsrcport ctrepldstport ctstatus ctexpire ctdir",
	}, extension{
		name: "state", family: both,
		opts: []option{{name: "state", kind: kCustom, inv: true, must: true, parse: parseState, print: func(_ *Instance, v *value) string {
			return bitNames(ctStates, v.n[0])
		}}},
	})
}

func parseState(x *Instance, _ *Rule, v *value, s []word) error {
	list := ctStates
	if x.ext.name == "state" {
		list = ctStates[:5]
	}
	var ok bool
	if v.n[0], ok = bitset(list, s[0].text, begun); !ok {
		return errorf(s[0].pos, "%s: bad state in %q", x.ext.name, s[0].text)
	}
	return nil
}

func parseStatus(x *Instance, _ *Rule, v *value, s []word) error {
	for part := range strings.SplitSeq(s[0].text, ",") {
		bits, ok := begun(ctStatuses, part)
		if !ok && !strings.EqualFold(part, "NONE"[:min(len(part), 4)]) || part == "" {
			return errorf(s[0].pos, "conntrack: bad status %q", part)
		}
		v.n[0] |= bits
	}
	return nil
}

// parseCtAddr reads address[/mask] and leaves the address as it is.
func parseCtAddr(x *Instance, _ *Rule, v *value, s []word) error {
	if !hostPrefix(x.family, v, s[0].text) {
		return errorf(s[0].pos, "conntrack: bad address %q", s[0].text)
	}
	if prefixLen(v.a[1]) < 0 {
		return errorf(s[0].pos, "conntrack: mask %v is not that of a prefix", v.a[1])
	}
	return nil
}

// decimal prints a number.
func decimal(v uint64) string { return strconv.FormatUint(v, 10) }
