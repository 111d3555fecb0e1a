package rulefuzz

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// value is a number of up to 128 bits.
type value struct{ hi, lo uint64 }

func small(v uint64) value { return value{lo: v} }

// next is the value d further, for small d.
func (v value) next(d int) value {
	lo := v.lo + uint64(d)
	if d > 0 && lo < v.lo {
		v.hi++
	} else if d < 0 && lo > v.lo {
		v.hi--
	}
	return value{v.hi, lo}
}

func (v value) less(o value) bool { return v.hi < o.hi || v.hi == o.hi && v.lo < o.lo }

func ofAddr(a netip.Addr) value {
	if a.Is4() {
		b := a.As4()
		return small(uint64(binary.BigEndian.Uint32(b[:])))
	}
	b := a.As16()
	return value{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

func (v value) addr4() netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v.lo >> 24), byte(v.lo >> 16), byte(v.lo >> 8), byte(v.lo)})
}

func (v value) addr6() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], v.hi)
	binary.BigEndian.PutUint64(b[8:], v.lo)
	return netip.AddrFrom16(b)
}

// kind is a type of values: how rules write them and what they may be.
type kind struct {
	name    string
	bits    int
	ordered bool // can be compared with < and lie in ranges
	show    func(value) string
	pick    func(*dice) value
}

// dice makes everything that is random, and remembers the values that rules
// name, so that packets can be aimed at them.
type dice struct {
	*rand.Rand
	seen map[string][]value // by kind
}

func newDice(seed uint64, n int) *dice {
	return &dice{rand.New(rand.NewPCG(seed, uint64(n))), map[string][]value{}}
}

func (d *dice) chance(of int) bool { return d.IntN(of) == 0 }

func pick[T any](d *dice, from ...T) T { return from[d.IntN(len(from))] }

// draw makes a value for a rule and remembers it. One that is near another is
// likely, so that ranges and sets touch.
func (d *dice) draw(k *kind) value {
	v := k.pick(d)
	if old := d.seen[k.name]; len(old) > 0 && d.chance(3) {
		v = pick(d, old...)
		if k.ordered && d.chance(2) {
			if n := v.next(pick(d, -1, 1)); k.fits(n) {
				v = n
			}
		}
	}
	d.seen[k.name] = append(d.seen[k.name], v)
	return v
}

func (k *kind) fits(v value) bool {
	if k.bits >= 128 {
		return true
	}
	return v.hi == 0 && (k.bits >= 64 || v.lo < 1<<k.bits)
}

// span makes a range: the lower end is below the upper one.
func (d *dice) span(k *kind) (lo, hi value) {
	for range 8 {
		lo, hi = d.draw(k), d.draw(k)
		if hi.less(lo) {
			lo, hi = hi, lo
		}
		if lo.less(hi) {
			return lo, hi
		}
	}
	if hi = lo.next(3); !k.fits(hi) {
		lo, hi = small(0), lo
	}
	return lo, hi
}

// aim makes a value for a packet: one that the rules name, or one beside it.
func (d *dice) aim(k *kind) value {
	old := d.seen[k.name]
	if len(old) == 0 || d.chance(4) {
		return k.pick(d)
	}
	v := pick(d, old...)
	if n := v.next(pick(d, -1, 0, 0, 0, 1)); k.ordered && k.fits(n) {
		v = n
	}
	return v
}

func decimal(v value) string { return fmt.Sprint(v.lo) }

func number(name string, bits int, from ...uint64) *kind {
	return &kind{name, bits, true, decimal, func(d *dice) value {
		v := pick(d, from...)
		if d.chance(6) {
			v = d.Uint64()
		}
		return small(v & (1<<bits - 1))
	}}
}

// names makes a kind whose values have names.
func names(name string, bits int, list map[uint64]string) *kind {
	var all []uint64
	for v := range uint64(1 << min(bits, 16)) {
		if list[v] != "" {
			all = append(all, v)
		}
	}
	return &kind{name: name, bits: bits,
		show: func(v value) string {
			if s := list[v.lo]; s != "" {
				return s
			}
			return decimal(v)
		},
		pick: func(d *dice) value { return small(pick(d, all...)) },
	}
}

func ports(d *dice) value {
	if d.chance(8) {
		return small(uint64(d.IntN(65536)))
	}
	return small(uint64(pick(d, 22, 53, 80, 81, 443, 1000, 1024, 5060, 8080, 40000, 40001, 65535)))
}

func hosts4(d *dice) value {
	switch d.IntN(8) {
	case 0:
		return ofAddr(pair.BoxAddr(pair.Side(d.IntN(2)), false))
	case 1:
		return ofAddr(netip.AddrFrom4([4]byte{198, 51, 100, byte(d.IntN(256))}))
	case 2:
		return ofAddr(netip.AddrFrom4([4]byte{pick[byte](d, 8, 100, 172, 192), 16, byte(d.IntN(4)), byte(d.IntN(256))}))
	}
	return ofAddr(pair.HostAddr(pair.Side(d.IntN(2)), d.IntN(6), false))
}

func hosts6(d *dice) value {
	switch d.IntN(8) {
	case 0:
		return ofAddr(pair.BoxAddr(pair.Side(d.IntN(2)), true))
	case 1, 2:
		a := netip.MustParseAddr("2001:db8:1::").As16()
		a[7], a[15] = byte(d.IntN(3)), byte(d.IntN(256))
		return ofAddr(netip.AddrFrom16(a))
	}
	return ofAddr(pair.HostAddr(pair.Side(d.IntN(2)), d.IntN(6), true))
}

func showMAC(v value) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", byte(v.lo>>40), byte(v.lo>>32), byte(v.lo>>24), byte(v.lo>>16), byte(v.lo>>8), byte(v.lo))
}

func ofMAC(m [6]byte) value {
	return small(uint64(binary.BigEndian.Uint16(m[:]))<<32 | uint64(binary.BigEndian.Uint32(m[2:])))
}

// The kinds.
var (
	kIPv4  = &kind{"ipv4_addr", 32, true, func(v value) string { return v.addr4().String() }, hosts4}
	kIPv6  = &kind{"ipv6_addr", 128, true, func(v value) string { return v.addr6().String() }, hosts6}
	kPort  = &kind{"inet_service", 16, true, decimal, ports}
	kProto = names("inet_proto", 8, map[uint64]string{1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 47: "gre", 132: "sctp", 136: "udplite", 33: "dccp", 50: "esp"})
	kMAC   = &kind{"ether_addr", 48, true, showMAC, func(d *dice) value {
		return pick(d, ofMAC(pair.HostMAC(pair.Lan)), ofMAC(pair.HostMAC(pair.Wan)), ofMAC(pair.BoxMAC(pair.Lan)), ofMAC(pair.BoxMAC(pair.Wan)), small(0xffffffffffff), small(d.Uint64()>>16))
	}}
	kMark  = &kind{"mark", 32, true, func(v value) string { return fmt.Sprintf("0x%x", v.lo) }, func(d *dice) value { return small(pick(d, 0, 1, 2, 3, 4, 0x10, 0xff, 0x80000000, d.Uint64()>>32)) }}
	kClass = &kind{"classid", 32, true, func(v value) string { return fmt.Sprintf("%x:%x", v.lo>>16, v.lo&0xffff) }, func(d *dice) value {
		return small(pick(d, 0, 2, 4, 6, 0x10001, 0x10010, 0xffffffff, d.Uint64()>>32))
	}}
	kIfname    = names("ifname", 8, map[uint64]string{0: `"lan"`, 1: `"wan"`, 2: `"lan0"`, 3: `"eth7"`})
	kIfpattern = names("ifpattern", 8, map[uint64]string{0: `"lan"`, 1: `"wan"`, 2: `"la*"`, 3: `"w*"`, 4: `"eth*"`})
	kIface     = names("iface_index", 8, map[uint64]string{0: `"lan"`, 1: `"wan"`, 2: `"lo"`})
	kState     = names("ct_state", 8, map[uint64]string{1: "invalid", 2: "established", 4: "related", 8: "new", 64: "untracked"})
	kStatus    = names("ct_status", 12, map[uint64]string{1: "expected", 2: "seen-reply", 4: "assured", 8: "confirmed", 16: "snat", 32: "dnat", 512: "dying"})
	kDir       = names("ct_dir", 8, map[uint64]string{0: "original", 1: "reply"})
	kICMP      = names("icmp_type", 8, map[uint64]string{0: "echo-reply", 3: "destination-unreachable", 5: "redirect", 8: "echo-request", 11: "time-exceeded", 13: "timestamp-request", 17: "address-mask-request"})
	kICMP6     = names("icmpv6_type", 8, map[uint64]string{1: "destination-unreachable", 2: "packet-too-big", 128: "echo-request", 129: "echo-reply", 135: "nd-neighbor-solicit", 4: "parameter-problem"})
	kFlags     = &kind{"tcp_flag", 8, false, showFlags, func(d *dice) value { return small(pick(d, 2, 16, 18, 4, 20, 1, 17, 24, uint64(d.IntN(256)))) }}
	kDSCP      = names("dscp", 6, map[uint64]string{0: "cs0", 8: "cs1", 10: "af11", 26: "af31", 46: "ef", 48: "cs6", 63: "0x3f"})
	kECN       = names("ecn", 2, map[uint64]string{0: "not-ect", 1: "ect1", 2: "ect0", 3: "ce"})
	kVLAN      = number("vlan", 12, 1, 2, 5)
	kPCP       = number("pcp", 3, 0, 1, 7)
	kEther     = names("ether_type", 16, map[uint64]string{0x800: "ip", 0x86dd: "ip6", 0x806: "arp"})
	kNfproto   = names("nf_proto", 8, map[uint64]string{2: "ipv4", 10: "ipv6"})
	kPkttype   = names("pkt_type", 8, map[uint64]string{0: "unicast", 1: "broadcast", 2: "multicast"})
	kFibtype   = names("fib_addrtype", 8, map[uint64]string{1: "unicast", 2: "local", 3: "broadcast", 5: "multicast"})
	kBool      = names("boolean", 1, map[uint64]string{0: "missing", 1: "exists"})
	kTTL       = number("ttl", 8, 1, 2, 32, 63, 64, 65, 128, 255)
	kLength    = number("length", 16, 28, 40, 48, 60, 84, 100, 500, 1280, 1500)
	kByte      = number("byte", 8, 0, 1, 2, 3, 4, 10, 64, 255)
	kCode      = number("code", 8, 0, 1, 2, 3, 4, 9, 13)
	kShort     = number("short", 16, 0, 1, 2, 80, 255, 256, 1000, 8192, 65535)
	kID        = number("id", 16, 0, 1, 2, 77, 1000, 65535)
	kLong      = number("long", 32, 0, 1, 2, 1000, 65535, 65536, 1<<31, 1<<32-1)
	kFrag      = number("frag", 13, 0, 1, 2, 185)
	kSize      = number("size", 16, 0, 500, 536, 1000, 1220, 1360, 1400, 1460)
	kCount     = number("count", 32, 0, 1, 2, 3, 5, 100, 1000)
	kBit       = number("bit", 1, 0, 1)
	kDCCP      = names("dccp_type", 4, map[uint64]string{0: "request", 1: "response", 2: "data", 3: "ack", 7: "reset"})
	kIGMP      = names("igmp_type", 8, map[uint64]string{0x11: "membership-query", 0x16: "membership-report-v2", 0x17: "leave-group"})
	kIftype    = names("iface_type", 16, map[uint64]string{1: "ether", 772: "loopback"})
	kGroup     = names("devgroup", 32, map[uint64]string{0: "0", 1: "1", 77: "77"})
	kHelper    = names("helper", 8, map[uint64]string{0: `"ftp"`, 1: `"tftp"`, 2: `"sip"`, 3: `"irc"`})
	kNibble    = number("nibble", 4, 0, 1, 4, 5, 6, 8, 15)
)

var flagNames = []string{"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"}

func showFlags(v value) string {
	var parts []string
	for i, n := range flagNames {
		if v.lo>>i&1 != 0 {
			parts = append(parts, n)
		}
	}
	if len(parts) == 0 {
		return "0x0"
	}
	return strings.Join(parts, "|")
}
