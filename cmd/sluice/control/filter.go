package control

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/sluice-net/sluice/flowtable"
)

// Filter chooses flows by their original direction, as the conntrack tool's
// options do. The zero value takes all.
type Filter struct {
	Family   string // "ipv4" or "ipv6"
	Protocol string // name or number
	Src, Dst string // address, or prefix
	Sport    string
	Dport    string
}

var protocols = map[string]uint8{
	"icmp": flowtable.ProtoICMP, "tcp": flowtable.ProtoTCP, "udp": flowtable.ProtoUDP, "gre": flowtable.ProtoGRE,
	"icmpv6": flowtable.ProtoICMPv6, "sctp": flowtable.ProtoSCTP, "udplite": flowtable.ProtoUDPLite,
}

// Match compiles the filter. Errors name the option.
func (f Filter) Match() (func(*flowtable.Flow) bool, error) {
	var tests []func(*flowtable.Flow) bool
	switch f.Family {
	case "":
	case "ipv4":
		tests = append(tests, func(w *flowtable.Flow) bool { return w.Orig.Family == flowtable.FamilyIPv4 })
	case "ipv6":
		tests = append(tests, func(w *flowtable.Flow) bool { return w.Orig.Family != flowtable.FamilyIPv4 })
	default:
		return nil, fmt.Errorf("unknown family %q: want ipv4 or ipv6", f.Family)
	}
	if f.Protocol != "" {
		proto, ok := protocols[strings.ToLower(f.Protocol)]
		if !ok {
			n, err := strconv.ParseUint(f.Protocol, 0, 8)
			if err != nil {
				return nil, fmt.Errorf("unknown protocol %q", f.Protocol)
			}
			proto = uint8(n)
		}
		tests = append(tests, func(w *flowtable.Flow) bool { return w.Orig.Proto == proto })
	}
	for _, a := range []struct {
		text string
		of   func(*flowtable.Flow) *[16]byte
	}{
		{f.Src, func(w *flowtable.Flow) *[16]byte { return &w.Orig.Src }},
		{f.Dst, func(w *flowtable.Flow) *[16]byte { return &w.Orig.Dst }},
	} {
		if a.text == "" {
			continue
		}
		prefix, err := parsePrefix(a.text)
		if err != nil {
			return nil, err
		}
		tests = append(tests, func(w *flowtable.Flow) bool { return prefix.Contains(w.Orig.Address(a.of(w))) })
	}
	for _, p := range []struct {
		text string
		of   func(*flowtable.Flow) uint16
	}{
		{f.Sport, func(w *flowtable.Flow) uint16 { return w.Orig.SrcPort }},
		{f.Dport, func(w *flowtable.Flow) uint16 { return w.Orig.DstPort }},
	} {
		if p.text == "" {
			continue
		}
		port, err := strconv.ParseUint(p.text, 0, 16)
		if err != nil {
			return nil, fmt.Errorf("port %q: want a number to 65535", p.text)
		}
		tests = append(tests, func(w *flowtable.Flow) bool { return hasPorts(w.Orig.Proto) && p.of(w) == uint16(port) })
	}
	return func(w *flowtable.Flow) bool {
		for _, test := range tests {
			if !test(w) {
				return false
			}
		}
		return true
	}, nil
}

func hasPorts(proto uint8) bool {
	switch proto {
	case flowtable.ProtoTCP, flowtable.ProtoUDP, flowtable.ProtoUDPLite, flowtable.ProtoSCTP:
		return true
	}
	return false
}

func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("address %q: want an address or a prefix such as 192.0.2.0/24", text)
	}
	return p.Masked(), nil
}

func (f Filter) values() url.Values {
	v := url.Values{}
	for key, text := range map[string]string{
		"family": f.Family, "proto": f.Protocol, "src": f.Src, "dst": f.Dst, "sport": f.Sport, "dport": f.Dport,
	} {
		if text != "" {
			v.Set(key, text)
		}
	}
	return v
}

func filterOf(v url.Values) Filter {
	return Filter{
		Family: v.Get("family"), Protocol: v.Get("proto"), Src: v.Get("src"), Dst: v.Get("dst"),
		Sport: v.Get("sport"), Dport: v.Get("dport"),
	}
}
