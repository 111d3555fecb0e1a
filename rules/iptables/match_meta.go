package iptables

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Matches that look at what is known of a packet beside its headers.

func init() {
	register(matches, extension{
		name: "comment", family: both,
		opts: []option{{name: "comment", kind: kString, max: 255, must: true}},
	}, extension{
		name: "mark", family: both,
		opts: []option{{name: "mark", kind: kMark, max: max32, inv: true, must: true}},
	}, extension{
		name: "connmark", family: both,
		opts: []option{{name: "mark", kind: kMark, max: max32, inv: true, must: true}},
	}, extension{
		name: "realm", family: IPv4,
		opts:  []option{{name: "realm", kind: kMark, max: max32, inv: true, must: true, parse: parseRealm, print: printRealm}},
		hooks: hPost | hFwd | hOut | hIn,
	}, extension{
		name: "devgroup", family: both, one: "src-group dst-group",
		opts: []option{
			{name: "src-group", kind: kMark, max: max32, inv: true, parse: parseGroup, print: printGroup},
			{name: "dst-group", kind: kMark, max: max32, inv: true, parse: parseGroup, print: printGroup},
		},
		place: func(x *Instance, _ *Rule, hooks uint8) error {
			if x.has("src-group") && hooks&^(hPre|hIn|hFwd) != 0 || x.has("dst-group") && hooks&^(hFwd|hOut|hPost) != 0 {
				return errorf(x.Pos, "devgroup: there is no such device in chains that %s leads to", hookNames(hooks))
			}
			return nil
		},
	}, extension{
		name: "cpu", family: both,
		opts: []option{{name: "cpu", kind: kDec, max: max32, inv: true, must: true}},
	}, extension{
		name: "pkttype", family: both,
		opts: []option{{name: "pkt-type", kind: kCustom, inv: true, must: true, parse: parsePktType, print: func(_ *Instance, v *value) string {
			return nameOf(pktTypes, v.n[0])
		}}},
	}, extension{
		name: "addrtype", family: both, one: "src-type dst-type",
		opts: []option{
			{name: "src-type", kind: kCustom, inv: true, parse: parseAddrType, print: printAddrType},
			{name: "dst-type", kind: kCustom, inv: true, parse: parseAddrType, print: printAddrType},
			{name: "limit-iface-in", kind: kFlag, not: "limit-iface-out"},
			{name: "limit-iface-out", kind: kFlag, not: "limit-iface-in"},
		},
		place: placeAddrType,
	}, extension{
		name: "helper", family: both,
		opts: []option{{name: "helper", kind: kString, max: 29, cut: true, inv: true, must: true}},
	}, extension{
		name: "limit", family: both,
		opts: []option{
			{name: "limit", kind: kCustom, parse: parseLimit},
			{name: "limit-burst", kind: kDec, max: 10000},
		},
		save: saveLimit, final: finalLimit,
	}, extension{
		name: "connlimit", family: both,
		opts: []option{
			{name: "connlimit-upto", kind: kDec, max: max32, inv: true, not: "connlimit-above"},
			{name: "connlimit-above", kind: kDec, max: max32, inv: true, not: "connlimit-upto"},
			{name: "connlimit-mask", kind: kCustom, parse: parseConnlimitMask},
			{name: "connlimit-saddr", kind: kFlag, not: "connlimit-daddr"},
			{name: "connlimit-daddr", kind: kFlag, not: "connlimit-saddr"},
		},
		one: "connlimit-upto connlimit-above", save: saveConnlimit,
	}, extension{
		name: "connbytes", family: both,
		opts: []option{
			{name: "connbytes", kind: kRange, max: max64, inv: true, must: true, print: func(_ *Instance, v *value) string {
				if v.n[1] == max64 || v.n[1] == 0 {
					return strconv.FormatUint(v.n[0], 10)
				}
				return fmt.Sprintf("%d:%d", v.n[0], v.n[1])
			}, parse: parseConnbytes},
			{name: "connbytes-mode", kind: kRaw, must: true, parse: exactly("packets", "bytes", "avgpkt")},
			{name: "connbytes-dir", kind: kRaw, must: true, parse: exactly("original", "reply", "both")},
		},
	}, extension{
		name: "connlabel", family: both,
		opts: []option{{name: "label", kind: kQuoted, max: 255, inv: true, must: true, parse: parseLabel}, {name: "set", kind: kFlag}},
	}, extension{
		name: "quota", family: both,
		opts: []option{{name: "quota", kind: kDec, max: max64, inv: true, must: true}},
	}, extension{
		name: "statistic", family: both,
		opts: []option{
			{name: "mode", kind: kRaw, must: true, parse: oneOf("random", "nth")},
			{name: "probability", kind: kCustom, inv: true, not: "every", parse: parseProbability, print: func(_ *Instance, v *value) string {
				return fmt.Sprintf("%.11f", float64(v.n[0])/0x80000000)
			}},
			{name: "every", kind: kDec, min: 1, max: max32, inv: true, with: "packet"},
			{name: "packet", kind: kDec, max: max32, with: "every"},
		},
		final: finalStatistic,
	}, extension{
		name: "set", family: both,
		opts: []option{
			{name: "match-set", alias: "set", kind: kCustom, args: 2, inv: true, must: true, parse: parseSet, print: printSet},
			{name: "return-nomatch", kind: kFlag},
			{name: "update-counters", kind: kFlag, inv: true}, {name: "update-subcounters", kind: kFlag, inv: true},
			{name: "packets-eq", kind: kDec, max: max64, inv: true, not: "packets-lt packets-gt"},
			{name: "packets-lt", kind: kDec, max: max64, not: "packets-eq packets-gt"},
			{name: "packets-gt", kind: kDec, max: max64, not: "packets-lt packets-eq"},
			{name: "bytes-eq", kind: kDec, max: max64, inv: true, not: "bytes-lt bytes-gt"},
			{name: "bytes-lt", kind: kDec, max: max64, not: "bytes-eq bytes-gt"},
			{name: "bytes-gt", kind: kDec, max: max64, not: "bytes-lt bytes-eq"},
		},
	}, extension{
		name: "owner", family: both, hooks: hOut | hPost, one: "uid-owner gid-owner socket-exists",
		opts: []option{
			{name: "socket-exists", kind: kFlag, inv: true},
			{name: "uid-owner", kind: kCustom, inv: true, parse: parseOwner, print: printOwner},
			{name: "gid-owner", kind: kCustom, inv: true, parse: parseOwner, print: printOwner},
			{name: "suppl-groups", kind: kFlag, with: "gid-owner", parse: behind("gid-owner")},
		},
	}, extension{
		name: "physdev", family: both, one: "physdev-in physdev-is-in physdev-out physdev-is-out physdev-is-bridged",
		opts: []option{
			{name: "physdev-is-in", kind: kFlag, inv: true},
			{name: "physdev-in", kind: kRaw, min: 1, max: 15, inv: true},
			{name: "physdev-is-out", kind: kFlag, inv: true},
			{name: "physdev-out", kind: kRaw, min: 1, max: 15, inv: true},
			{name: "physdev-is-bridged", kind: kFlag, inv: true},
		},
		place: func(x *Instance, _ *Rule, hooks uint8) error {
			if bridged := x.opt("physdev-is-bridged"); x.count("physdev-out", "physdev-is-out") > 0 && (!bridged.set || bridged.neg) && hooks&hOut != 0 {
				return errorf(x.Pos, "physdev: --physdev-out and --physdev-is-out are for bridged packets only, not for OUTPUT")
			}
			return nil
		},
	}, extension{
		name: "socket", family: both, tables: "", hooks: hPre | hIn,
		opts: []option{{name: "transparent", kind: kFlag}, {name: "nowildcard", kind: kFlag}, {name: "restore-skmark", kind: kFlag}},
	}, extension{
		name: "rpfilter", family: both, tables: "raw mangle", hooks: hPre,
		opts: []option{{name: "loose", kind: kFlag}, {name: "validmark", kind: kFlag}, {name: "accept-local", kind: kFlag}, {name: "invert", kind: kFlag}},
	}, extension{
		name: "osf", family: IPv4, proto: []uint8{6}, hooks: hPre | hIn | hFwd,
		opts: []option{
			{name: "genre", kind: kRaw, min: 1, max: 31, inv: true, must: true},
			{name: "ttl", kind: kDec, max: 2}, {name: "log", kind: kDec, max: 2},
		},
	}, extension{
		name: "bpf", family: both, one: "bytecode object-pinned",
		opts: []option{
			{name: "bytecode", kind: kQuoted, not: "object-pinned", parse: parseBytecode},
			{name: "object-pinned", kind: kRaw, max: 511, not: "bytecode"},
		},
		final: func(x *Instance, _ *Rule) error {
			if v := x.opt("object-pinned"); v.set {
				return errorf(x.Pos, "bpf: there is no pinned object %q: none is seen by this box", v.s)
			}
			return nil
		},
	}, extension{
		name: "cgroup", family: both, one: "path cgroup", hooks: hIn | hOut | hPost,
		opts: []option{
			{name: "path", kind: kString, max: 511, inv: true, not: "cgroup"},
			{name: "cgroup", kind: kDec, max: max32, inv: true, not: "path"},
		},
		final: func(x *Instance, _ *Rule) error {
			if v := x.opt("path"); v.set {
				return errorf(x.Pos, "cgroup: there is no control group %q: none is seen by this box", v.s)
			}
			return nil
		},
	}, extension{
		name: "cluster", family: both,
		opts: []option{
			{name: "cluster-local-node", kind: kCustom, inv: true, not: "cluster-local-nodemask", parse: func(x *Instance, _ *Rule, v *value, s []word) error {
				n, ok := number(s[0].text, 32)
				if !ok || n == 0 {
					return errorf(s[0].pos, "cluster: bad node %q, 1 to 32 is allowed", s[0].text)
				}
				v.n[0] = 1 << (n - 1)
				return nil
			}, print: nil, hidden: true},
			{name: "cluster-local-nodemask", kind: kHex8, min: 1, max: max32, inv: true, not: "cluster-local-node", hidden: true},
			{name: "cluster-total-nodes", kind: kDec, min: 1, max: 32, must: true},
			{name: "cluster-hash-seed", kind: kHex8, max: max32, must: true},
		},
		one: "cluster-local-node cluster-local-nodemask", final: finalCluster, save: saveCluster,
	}, extension{
		name: "nfacct", family: both,
		opts: []option{{name: "nfacct-name", kind: kRaw, min: 1, max: 31, must: true}},
		final: func(x *Instance, _ *Rule) error {
			return errorf(x.Pos, "nfacct: there is no such accounting object %q", x.opt("nfacct-name").s)
		},
	}, extension{
		name: "ipvs", family: both, one: "ipvs vproto vaddr vport vdir vmethod vportctl",
		opts: []option{
			{name: "ipvs", kind: kFlag, inv: true},
			{name: "vproto", kind: kDec, max: max8, inv: true, parse: parseProto},
			{name: "vaddr", kind: kPrefix, inv: true},
			{name: "vport", kind: kDec, inv: true, parse: parsePort},
			{name: "vdir", kind: kRaw, parse: oneOf("ORIGINAL", "REPLY")},
			{name: "vmethod", kind: kRaw, inv: true, parse: oneOf("GATE", "IPIP", "MASQ")},
			{name: "vportctl", kind: kDec, inv: true, parse: parsePort},
		},
		final: func(x *Instance, _ *Rule) error {
			if x.opt("ipvs").neg && x.count("vproto", "vaddr", "vport", "vdir", "vmethod", "vportctl") > 0 {
				return errorf(x.Pos, "ipvs: ! --ipvs stands alone")
			}
			return nil
		},
	})
}

// oneOf takes one of the words, whatever its case.
func oneOf(words ...string) func(*Instance, *Rule, *value, []word) error {
	return func(x *Instance, _ *Rule, v *value, s []word) error {
		for i, w := range words {
			if strings.EqualFold(w, s[0].text) {
				v.s, v.n[0] = w, uint64(i)
				return nil
			}
		}
		return errorf(s[0].pos, "%s: %q is not one of %s", x.ext.name, s[0].text, strings.Join(words, ", "))
	}
}

// exactly is oneOf with upper and lower case told apart.
func exactly(words ...string) func(*Instance, *Rule, *value, []word) error {
	return func(x *Instance, r *Rule, v *value, s []word) error {
		if err := oneOf(words...)(x, r, v, s); err != nil || v.s == s[0].text {
			return err
		}
		return errorf(s[0].pos, "%s: unknown word %q", x.ext.name, s[0].text)
	}
}

func parseProto(x *Instance, _ *Rule, v *value, s []word) error {
	p, ok := protocol(s[0].text)
	if !ok {
		return errorf(s[0].pos, "%s: unknown protocol %q", x.ext.name, s[0].text)
	}
	v.n[0] = uint64(p)
	return nil
}

func parsePort(x *Instance, _ *Rule, v *value, s []word) error {
	var ok bool
	if v.n[0], ok = plainPort(s[0].text); !ok {
		return errorf(s[0].pos, "%s: bad port %q", x.ext.name, s[0].text)
	}
	return nil
}

// Realms: only cosmos, which is 0, has a name without a file of them.
func parseRealm(x *Instance, r *Rule, v *value, s []word) error {
	if s[0].text == "cosmos" {
		v.n = [4]uint64{0, max32}
		return nil
	}
	return (&option{name: "realm", kind: kMark, max: max32}).value(x, r, v, s[0])
}

func printRealm(_ *Instance, v *value) string {
	if v.n[0] == 0 && v.n[1] == max32 {
		return "cosmos"
	}
	return (&option{kind: kMark, max: max32}).text(v)
}

// Groups of devices: only default, which is 0, has a name without a file of them.
func parseGroup(x *Instance, _ *Rule, v *value, s []word) error {
	if strings.EqualFold(s[0].text, "default") {
		v.n = [4]uint64{0, max32}
		return nil
	}
	var ok bool
	if v.n[0], v.n[1], ok = mark(s[0].text, max32); !ok {
		return errorf(s[0].pos, "devgroup: bad group %q", s[0].text)
	}
	return nil
}

func printGroup(_ *Instance, v *value) string {
	if v.n[0] == 0 && v.n[1] == max32 {
		return "default"
	}
	return (&option{kind: kMark, max: max32}).text(v)
}

var pktTypes = []name{{"unicast", 0}, {"host", 0}, {"broadcast", 1}, {"bcast", 1}, {"multicast", 2}, {"mcast", 2}, {"otherhost", 3}}

func parsePktType(x *Instance, _ *Rule, v *value, s []word) error {
	var ok bool
	if v.n[0], ok = named(pktTypes, s[0].text); !ok {
		return errorf(s[0].pos, "pkttype: unknown type %q", s[0].text)
	}
	return nil
}

func parseAddrType(x *Instance, _ *Rule, v *value, s []word) error {
	for part := range strings.SplitSeq(s[0].text, ",") {
		t, ok := begun(addrTypes, part)
		if !ok {
			return errorf(s[0].pos, "addrtype: bad type %q", part)
		}
		v.n[0] |= 1 << t
	}
	return nil
}

func printAddrType(_ *Instance, v *value) string {
	var out []string
	for _, t := range addrTypes {
		if v.n[0]>>t.v&1 != 0 {
			out = append(out, t.text)
		}
	}
	return strings.Join(out, ",")
}

func placeAddrType(x *Instance, _ *Rule, hooks uint8) error {
	switch types := x.opt("src-type").n[0] | x.opt("dst-type").n[0]; {
	case x.has("limit-iface-in") && hooks&(hOut|hPost) != 0:
		return errorf(x.Pos, "addrtype: --limit-iface-in is not valid in OUTPUT and POSTROUTING")
	case x.has("limit-iface-out") && hooks&(hPre|hIn) != 0:
		return errorf(x.Pos, "addrtype: --limit-iface-out is not valid in PREROUTING and INPUT")
	case x.family == IPv6 && (types&(1<<6|1<<3) != 0 || types >= 1<<8):
		return errorf(x.Pos, "addrtype: IPv6 has no such type")
	}
	return nil
}

func parseConnlimitMask(x *Instance, _ *Rule, v *value, s []word) error {
	bits := uint64(x.family.bits())
	n, ok := number(s[0].text, bits)
	if !ok { // a mask then, which is one of hosts unless it is that of a prefix
		var m netip.Addr
		if m, ok = hostAddr(s[0].text, x.family); ok {
			if n = bits; prefixLen(m) >= 0 {
				n = uint64(prefixLen(m))
			}
		}
	}
	if v.n[0] = n; !ok {
		return errorf(s[0].pos, "connlimit: bad mask %q", s[0].text)
	}
	return nil
}

// connlimit returns whether a match is for more connections than n, and the
// prefix and side of the addresses it groups.
func (x *Instance) connlimit() (above bool, n uint64, bits int, daddr bool) {
	v := x.opt("connlimit-above")
	if above = v.set; !above {
		v = x.opt("connlimit-upto")
	}
	bits = x.family.bits()
	if m := x.opt("connlimit-mask"); m.set {
		bits = int(m.n[0])
	}
	return above != v.neg, v.n[0], bits, x.has("connlimit-daddr")
}

func saveConnlimit(x *Instance, out *printer) {
	above, n, bits, daddr := x.connlimit()
	name, side := "connlimit-upto", "connlimit-saddr"
	if above {
		name = "connlimit-above"
	}
	if daddr {
		side = "connlimit-daddr"
	}
	out.opt(false, name, strconv.FormatUint(n, 10))
	out.opt(false, "connlimit-mask", strconv.Itoa(bits))
	out.opt(false, side, "")
}

func parseConnbytes(x *Instance, _ *Rule, v *value, s []word) error {
	var ok bool
	v.n[0], v.n[1], ok = pair(s[0].text, 0, max64, ":", func(s string) (uint64, bool) { return number(s, max64) })
	if !strings.Contains(s[0].text, ":") {
		v.n[1] = max64
	}
	if !ok || v.n[0] > v.n[1] {
		return errorf(s[0].pos, "connbytes: bad range %q", s[0].text)
	}
	if v.n[0] == v.n[1] {
		v.neg = false // the kernel keeps a range the other way round for it, which this is too
	}
	return nil
}

func parseLabel(x *Instance, _ *Rule, v *value, s []word) error {
	n, ok := number(s[0].text, 127)
	if !ok {
		return errorf(s[0].pos, "connlabel: label %q is not a number to 127", s[0].text)
	}
	v.n[0], v.s = n, strconv.FormatUint(n, 10)
	return nil
}

func parseProbability(x *Instance, _ *Rule, v *value, s []word) error {
	f, err := strconv.ParseFloat(s[0].text, 64)
	if err != nil || f != f || f < 0 || f > 1 {
		return errorf(s[0].pos, "statistic: bad probability %q, 0 to 1 is allowed", s[0].text)
	}
	v.n[0] = uint64(f*0x80000000 + 0.5)
	return nil
}

func finalStatistic(x *Instance, _ *Rule) error {
	mode := x.opt("mode").s
	switch {
	case mode == "random" && !x.has("probability"):
		return errorf(x.Pos, "statistic: --probability must be specified in random mode")
	case mode == "nth" && !x.has("every"):
		return errorf(x.Pos, "statistic: --every and --packet must be specified in nth mode")
	case mode == "nth" && x.opt("packet").n[0] >= x.opt("every").n[0]:
		return errorf(x.Pos, "statistic: --packet must be below --every")
	}
	return nil
}

// parseSet reads the name of an ip set and which sides of the packet its key is
// made of; n[0] has a bit for each part, 1 for src, n[1] how many parts.
func parseSet(x *Instance, _ *Rule, v *value, s []word) error {
	if v.s = s[0].text; v.s == "" || len(v.s) > 31 {
		return errorf(s[0].pos, "%s: bad name of a set %q", x.ext.name, v.s)
	}
	for part := range strings.SplitSeq(s[1].text, ",") {
		switch {
		case v.n[1] == 6:
			return errorf(s[1].pos, "%s: a set has at most 6 parts", x.ext.name)
		case strings.HasPrefix(part, "src"):
			v.n[0] |= 1 << v.n[1]
		case !strings.HasPrefix(part, "dst"):
			return errorf(s[1].pos, "%s: %q is neither src nor dst", x.ext.name, part)
		}
		v.n[1]++
	}
	return nil
}

func printSet(_ *Instance, v *value) string {
	var sides []string
	for i := range v.n[1] {
		side := "dst"
		if v.n[0]>>i&1 != 0 {
			side = "src"
		}
		sides = append(sides, side)
	}
	return v.s + " " + strings.Join(sides, ",")
}

// accounts are the users and groups whose numbers are the same everywhere.
var accounts = []name{{"root", 0}}

func parseOwner(x *Instance, _ *Rule, v *value, s []word) error {
	var ok bool
	if n, known := named(accounts, s[0].text); known {
		v.n[0], v.n[1] = n, n
		return nil
	}
	sep := "-"
	if strings.Contains(s[0].text, ":") {
		sep = ":"
	}
	first, second, two := strings.Cut(s[0].text, sep)
	v.n[0], ok = number(first, max32-1)
	if v.n[1] = v.n[0]; ok && two {
		v.n[1], ok = number(second, max32-1)
	}
	if !ok || v.n[0] > v.n[1] {
		return errorf(s[0].pos, "owner: bad number or range %q", s[0].text)
	}
	return nil
}

func printOwner(_ *Instance, v *value) string {
	if v.n[0] == v.n[1] {
		return strconv.FormatUint(v.n[0], 10)
	}
	return fmt.Sprintf("%d-%d", v.n[0], v.n[1])
}

// parseBytecode checks the layout of a program: its length, then as many
// instructions of four numbers.
func parseBytecode(x *Instance, _ *Rule, v *value, s []word) error {
	v.s = strings.TrimSuffix(s[0].text, ",")
	parts := strings.Split(v.s, ",")
	n, ok := number(parts[0], 64)
	ok = ok && n > 0 && int(n) == len(parts)-1
	if ok {
		for _, part := range parts[1:] {
			nums := strings.Fields(part)
			ok = ok && len(nums) == 4
			for i, num := range nums {
				_, good := number(num, [...]uint64{max16, max8, max8, max32}[i&3])
				ok = ok && good
			}
		}
	}
	if !ok {
		return errorf(s[0].pos, "bpf: bad program %q", s[0].text)
	}
	return nil
}

// clusterNodes returns the mask of local nodes.
func (x *Instance) clusterNodes() *value {
	if v := x.opt("cluster-local-node"); v.set {
		return v
	}
	return x.opt("cluster-local-nodemask")
}

func finalCluster(x *Instance, _ *Rule) error {
	v, total := x.clusterNodes(), x.opt("cluster-total-nodes").n[0]
	if v.n[0] >= 1<<total {
		return errorf(x.Pos, "cluster: a node beyond --cluster-total-nodes %d", total)
	}
	return nil
}

func saveCluster(x *Instance, out *printer) {
	v := x.clusterNodes()
	out.opt(v.neg, "cluster-local-nodemask", fmt.Sprintf("0x%08x", v.n[0]))
	x.printOpts(out)
}
