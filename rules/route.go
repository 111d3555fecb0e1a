package rules

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// Way is what the routes say about an address.
type Way struct {
	Kind uint8  // Way*
	Port uint16 // packet.NoPort: it leads to none
	MTU  uint32 // L3 bytes
	// Gateway is of the address's family, in network byte order; zero: the address
	// itself is the next hop.
	Gateway [16]byte
}

// Kinds of ways, the kernel's RTN_*.
const (
	WayNone      uint8 = 0
	WayUnicast   uint8 = 1
	WayLocal     uint8 = 2
	WayBroadcast uint8 = 3
	wayMulticast uint8 = 5
	wayNowhere   uint8 = 7
)

// What opFib leaves, in ins.shift.
const (
	fibType uint8 = iota
	fibIndex
	fibName // two words
	fibPresent
)

func (lw *lowering) fib(e *nft.Fib, at uint8) uint8 {
	in := ins{op: opFib, key: at, arg: e.Flags} // a mark chooses none of the routes here, and so changes no answer
	n := uint8(1)
	switch {
	case e.Result == nft.FibAddrType:
		in.shift = fibType
	case e.Flags&nft.FibPresent != 0:
		in.shift = fibPresent
	case e.Result == nft.FibOifName:
		in.shift, n = fibName, 2
	default:
		in.shift = fibIndex
	}
	lw.pure(step{ins: in})
	return n
}

// fib is opFib (nft_fib4_eval, nft_fib6_eval).
func (im *Image) fib(in *ins, p *packet.Packet, env *Env) bool {
	if env.Route == nil || p.Family == flowtable.FamilyNone || in.key > keyWords-2 {
		return false
	}
	if in.arg&nft.FibDaddr != 0 {
		p.DstAddr(&env.addr)
	} else {
		p.SrcAddr(&env.addr)
	}
	want := packet.NoPort
	if in.arg&nft.FibIif != 0 {
		want = p.InPort
	} else if in.arg&nft.FibOif != 0 {
		want = p.OutPort
	}
	way := env.Route(p.Family, &env.addr)
	key := env.key[in.key : in.key+2]
	if in.shift == fibType {
		key[0] = uint64(addrType(p.Family, &env.addr, &way, want))
		return true
	}
	port := way.Port
	if way.Kind != WayUnicast || want != packet.NoPort && port != want {
		port = packet.NoPort
	}
	switch in.shift {
	case fibName:
		key[0], key[1] = im.name(port)
	case fibPresent:
		key[0] = 0
		if port != packet.NoPort {
			key[0] = 1
		}
	default:
		key[0] = im.ifindex(port)
	}
	return true
}

// addrType is the RTN_* of an address; want is the port it must be on.
func addrType(family uint8, addr *[16]byte, way *Way, want uint16) uint8 {
	v6 := family == flowtable.FamilyIPv6
	switch {
	case v6 && addr[0] == 0xff, !v6 && addr[0]&0xf0 == 0xe0:
		return wayMulticast
	case !v6 && (addr[0] == 0 || [4]byte(addr[:4]) == [4]byte{255, 255, 255, 255}):
		return WayBroadcast
	case v6 && way.Kind == WayNone:
		return wayNowhere
	case way.Kind != WayLocal && way.Kind != WayBroadcast:
		return WayUnicast
	case want != packet.NoPort && way.Port != packet.NoPort && way.Port != want:
		return WayUnicast
	}
	return way.Kind
}

// nextHop is opNextHop (opSegment, nft_rt_get_eval). False: the packet has no way out yet.
func nextHop(in *ins, p *packet.Packet, env *Env) bool {
	if env.Route == nil || p.OutPort == packet.NoPort || in.key > keyWords-2 {
		return false
	}
	p.DstAddr(&env.addr)
	if to := env.Route(p.Family, &env.addr).Gateway; to != [16]byte{} {
		env.addr = to
	}
	if p.Family == flowtable.FamilyIPv4 {
		env.key[in.key] = uint64(binary.BigEndian.Uint32(env.addr[:4]))
		return true
	}
	env.key[in.key], env.key[in.key+1] = binary.BigEndian.Uint64(env.addr[:8]), binary.BigEndian.Uint64(env.addr[8:])
	return true
}

// SegmentSize is the largest TCP segment that fits both ways
// (opSegment, nft_rt_get_eval). False: the packet has no way out yet.
func SegmentSize(p *packet.Packet, env *Env) (uint64, bool) {
	if env.Route == nil || p.OutPort == packet.NoPort {
		return 0, false
	}
	p.DstAddr(&env.addr)
	mtu := env.Route(p.Family, &env.addr).MTU
	p.SrcAddr(&env.addr)
	if back := env.Route(p.Family, &env.addr).MTU; back > 0 {
		mtu = min(mtu, back)
	}
	least := uint32(40)
	if p.Family == flowtable.FamilyIPv6 {
		least = 60
	}
	if mtu <= least || mtu > 0xffff {
		return 536, true
	}
	return uint64(mtu - least), true
}
