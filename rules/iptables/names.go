package iptables

import (
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/rules/nft"
)

// name is a value and what it is called.
type name struct {
	text string
	v    uint64
}

// named finds a value by its name, whatever its case.
func named(list []name, s string) (uint64, bool) {
	for _, n := range list {
		if strings.EqualFold(n.text, s) {
			return n.v, true
		}
	}
	return 0, false
}

// begun finds the first value whose name begins with s, whatever its case.
func begun(list []name, s string) (uint64, bool) {
	for _, n := range list {
		if s != "" && len(n.text) >= len(s) && strings.EqualFold(n.text[:len(s)], s) {
			return n.v, true
		}
	}
	return 0, false
}

// nameOf finds the first name of a value.
func nameOf(list []name, v uint64) string {
	for _, n := range list {
		if n.v == v {
			return n.text
		}
	}
	return strconv.FormatUint(v, 10)
}

// protocol reads a transport protocol; 0 is all.
func protocol(s string) (uint8, bool) {
	if v, ok := number(s, max8); ok {
		return uint8(v), true
	}
	s = strings.ToLower(s)
	switch s {
	case "all":
		return 0, true
	case "mh", "ipv6-mh":
		return 135, true
	case "hopopt":
		return 0, true
	}
	v, ok := nft.TypeProto.Lookup(s)
	return uint8(v), ok
}

// protocolText prints a transport protocol.
func protocolText(p uint8) string {
	if s := nft.TypeProto.Symbol(uint64(p)); s != "" {
		return s
	}
	return strconv.Itoa(int(p))
}

// servicePort finds a port by the name of its service.
func servicePort(s string) (uint64, bool) { return nft.TypeService.Lookup(s) }

// typeCode is a type of ICMP and its codes.
type typeCode struct {
	name      string
	typ       uint8
	low, high uint8
}

func all(name string, typ uint8) typeCode        { return typeCode{name, typ, 0, 255} }
func code(name string, typ, code uint8) typeCode { return typeCode{name, typ, code, code} }

var icmpNames = []typeCode{
	all("any", 255), all("echo-reply", 0), all("pong", 0), all("destination-unreachable", 3), code("network-unreachable", 3, 0),
	code("host-unreachable", 3, 1), code("protocol-unreachable", 3, 2), code("port-unreachable", 3, 3),
	code("fragmentation-needed", 3, 4), code("source-route-failed", 3, 5), code("network-unknown", 3, 6),
	code("host-unknown", 3, 7), code("network-prohibited", 3, 9), code("host-prohibited", 3, 10),
	code("TOS-network-unreachable", 3, 11), code("TOS-host-unreachable", 3, 12), code("communication-prohibited", 3, 13),
	code("host-precedence-violation", 3, 14), code("precedence-cutoff", 3, 15), all("source-quench", 4), all("redirect", 5),
	code("network-redirect", 5, 0), code("host-redirect", 5, 1), code("TOS-network-redirect", 5, 2),
	code("TOS-host-redirect", 5, 3), all("echo-request", 8), all("ping", 8), all("router-advertisement", 9),
	all("router-solicitation", 10), all("time-exceeded", 11), all("ttl-exceeded", 11), code("ttl-zero-during-transit", 11, 0),
	code("ttl-zero-during-reassembly", 11, 1), all("parameter-problem", 12), code("ip-header-bad", 12, 0),
	code("required-option-missing", 12, 1), all("timestamp-request", 13), all("timestamp-reply", 14),
	all("address-mask-request", 17), all("address-mask-reply", 18),
}

var icmp6Names = []typeCode{
	all("destination-unreachable", 1), code("no-route", 1, 0), code("communication-prohibited", 1, 1),
	code("beyond-scope", 1, 2), code("address-unreachable", 1, 3), code("port-unreachable", 1, 4),
	code("failed-policy", 1, 5), code("reject-route", 1, 6), all("packet-too-big", 2), all("time-exceeded", 3),
	all("ttl-exceeded", 3), code("ttl-zero-during-transit", 3, 0), code("ttl-zero-during-reassembly", 3, 1),
	all("parameter-problem", 4), code("bad-header", 4, 0), code("unknown-header-type", 4, 1), code("unknown-option", 4, 2),
	all("echo-request", 128), all("ping", 128), all("echo-reply", 129), all("pong", 129), all("router-solicitation", 133),
	all("router-advertisement", 134), all("neighbour-solicitation", 135), all("neighbor-solicitation", 135),
	all("neighbour-advertisement", 136), all("neighbor-advertisement", 136), all("redirect", 137),
}

// icmpType reads a type, type/code, or the beginning of one name.
func icmpType(list []typeCode, s string) (t typeCode, ok bool) {
	for _, n := range list {
		if len(s) > 0 && len(n.name) >= len(s) && strings.EqualFold(n.name[:len(s)], s) {
			if ok {
				return t, false
			}
			t, ok = n, true
		}
	}
	if ok {
		return t, true
	}
	typ, code, two := strings.Cut(s, "/")
	v, ok := number(typ, max8)
	if !ok {
		return t, false
	}
	t = typeCode{typ: uint8(v), high: 255}
	if two {
		v, ok = number(code, max8)
		t.low, t.high = uint8(v), uint8(v)
	}
	return t, ok
}

var dscpClasses = []name{
	{"CS0", 0}, {"CS1", 8}, {"CS2", 16}, {"CS3", 24}, {"CS4", 32}, {"CS5", 40}, {"CS6", 48}, {"CS7", 56}, {"BE", 0},
	{"AF11", 10}, {"AF12", 12}, {"AF13", 14}, {"AF21", 18}, {"AF22", 20}, {"AF23", 22}, {"AF31", 26}, {"AF32", 28},
	{"AF33", 30}, {"AF41", 34}, {"AF42", 36}, {"AF43", 38}, {"EF", 46},
}

var tosNames = []name{
	{"Minimize-Delay", 16}, {"Maximize-Throughput", 8}, {"Maximize-Reliability", 4}, {"Minimize-Cost", 2}, {"Normal-Service", 0},
}

var logLevels = []name{
	{"alert", 1}, {"crit", 2}, {"debug", 7}, {"emerg", 0}, {"error", 3}, {"info", 6}, {"notice", 5}, {"panic", 0}, {"warning", 4},
}

var addrTypes = []name{
	{"UNSPEC", 0}, {"UNICAST", 1}, {"LOCAL", 2}, {"BROADCAST", 3}, {"ANYCAST", 4}, {"MULTICAST", 5}, {"BLACKHOLE", 6},
	{"UNREACHABLE", 7}, {"PROHIBIT", 8}, {"THROW", 9}, {"NAT", 10}, {"XRESOLVE", 11},
}

var ctStates = []name{
	{"INVALID", 1}, {"NEW", 8}, {"RELATED", 4}, {"ESTABLISHED", 2}, {"UNTRACKED", 64}, {"SNAT", 128}, {"DNAT", 256},
}

var ctStatuses = []name{{"EXPECTED", 1}, {"SEEN_REPLY", 2}, {"ASSURED", 4}, {"CONFIRMED", 8}}

var tcpFlagNames = []name{{"FIN", 1}, {"SYN", 2}, {"RST", 4}, {"PSH", 8}, {"ACK", 16}, {"URG", 32}}

// bitset reads names with commas between, of which each stands for bits; one says
// how a name is read: named or begun.
func bitset(list []name, s string, one func([]name, string) (uint64, bool)) (bits uint64, ok bool) {
	for part := range strings.SplitSeq(s, ",") {
		v, ok := one(list, part)
		if !ok {
			return 0, false
		}
		bits |= v
	}
	return bits, true
}

// bitNames prints the names of bits.
func bitNames(list []name, bits uint64) string {
	var out []string
	for _, n := range list {
		if n.v != 0 && bits&n.v == n.v {
			out = append(out, n.text)
		}
	}
	return strings.Join(out, ",")
}
