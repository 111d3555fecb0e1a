package mirror

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Numbers of the kernel's interface that x/sys does not name.
const (
	ndaFlagsExt   = 15     // NDA_FLAGS_EXT
	ntfExtManaged = 0x1    // NTF_EXT_MANAGED
	ifaFlags      = 8      // IFA_FLAGS
	fraPriority   = 6      // FRA_PRIORITY
	fraTable      = 15     // FRA_TABLE
	nlaTypeMask   = 0x3fff // NLA_TYPE_MASK
)

var native = binary.NativeEndian

// hop is an address on the link of an interface: a neighbour's key.
type hop struct {
	index int
	addr  netip.Addr // without zone
}

// neighbour is what the kernel knows of a hop.
type neighbour struct {
	state   uint16 // NUD_*
	mac     [6]byte
	hasMAC  bool
	managed bool
}

const (
	nudUsable = unix.NUD_REACHABLE | unix.NUD_STALE | unix.NUD_DELAY | unix.NUD_PROBE | unix.NUD_PERMANENT | unix.NUD_NOARP
	nudFixed  = unix.NUD_PERMANENT | unix.NUD_NOARP // not the kernel's to resolve
)

func (n *neighbour) usable() bool { return n.hasMAC && n.state&nudUsable != 0 }

// attributes calls f with each attribute, without the flags in its type. It
// says whether b was well formed.
func attributes(b []byte, f func(kind uint16, value []byte)) bool {
	for len(b) >= unix.SizeofRtAttr {
		n := int(native.Uint16(b))
		if n < unix.SizeofRtAttr || n > len(b) {
			return false
		}
		f(native.Uint16(b[2:])&nlaTypeMask, b[unix.SizeofRtAttr:n])
		b = b[min(len(b), (n+3)&^3):]
	}
	return true
}

// u32 is the value of a 32-bit attribute, 0 when it is short.
func u32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return native.Uint32(b)
}

// decodeNeighbour reads the payload of RTM_NEWNEIGH or RTM_DELNEIGH. Entries
// that are no neighbours of IP (bridges' forwarding entries, proxies) are not ok.
func decodeNeighbour(b []byte) (h hop, n neighbour, ok bool) {
	if len(b) < unix.SizeofNdMsg {
		return h, n, false
	}
	family, flags := b[0], b[10]
	if (family != unix.AF_INET && family != unix.AF_INET6) || flags&unix.NTF_PROXY != 0 {
		return h, n, false
	}
	h.index = int(int32(native.Uint32(b[4:])))
	n.state = native.Uint16(b[8:])
	ok = attributes(b[unix.SizeofNdMsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.NDA_DST:
			h.addr, _ = netip.AddrFromSlice(v)
		case unix.NDA_LLADDR:
			if n.hasMAC = len(v) == 6; n.hasMAC {
				n.mac = [6]byte(v)
			}
		case ndaFlagsExt:
			n.managed = u32(v)&ntfExtManaged != 0
		}
	})
	h.addr = h.addr.Unmap()
	return h, n, ok && h.addr.IsValid()
}

// decodeLink reads the payload of RTM_NEWLINK.
func decodeLink(b []byte) (name string, l Link, ok bool) {
	if len(b) < unix.SizeofIfInfomsg {
		return "", l, false
	}
	l.Index = int(int32(native.Uint32(b[4:])))
	// IFF_RUNNING is the carrier and the operational state in one.
	const up = unix.IFF_UP | unix.IFF_RUNNING
	l.Up = native.Uint32(b[8:])&up == up
	ok = attributes(b[unix.SizeofIfInfomsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.IFLA_IFNAME:
			name = unix.ByteSliceToString(v)
		case unix.IFLA_MTU:
			l.MTU = int(u32(v))
		case unix.IFLA_ADDRESS:
			if len(v) == 6 {
				l.MAC = [6]byte(v)
			}
		}
	})
	return name, l, ok && name != ""
}

// address is one address of an interface.
type address struct {
	index  int
	prefix netip.Prefix // the address itself with the length of its network
	flags  uint32       // IFA_F_*
}

// usable says whether the kernel would use it as ours by now.
func (a *address) usable() bool {
	if a.flags&unix.IFA_F_DADFAILED != 0 {
		return false
	}
	return a.flags&unix.IFA_F_TENTATIVE == 0 || a.flags&unix.IFA_F_OPTIMISTIC != 0
}

// decodeAddress reads the payload of RTM_NEWADDR.
func decodeAddress(b []byte) (a address, ok bool) {
	if len(b) < unix.SizeofIfAddrmsg {
		return a, false
	}
	bits := int(b[1])
	a.flags = uint32(b[2])
	a.index = int(int32(native.Uint32(b[4:])))
	var peer, own netip.Addr
	ok = attributes(b[unix.SizeofIfAddrmsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.IFA_ADDRESS:
			peer, _ = netip.AddrFromSlice(v)
		case unix.IFA_LOCAL:
			own, _ = netip.AddrFromSlice(v)
		case ifaFlags:
			a.flags = u32(v)
		}
	})
	// IFA_ADDRESS is ours where there is no IFA_LOCAL, else the other end.
	if !own.IsValid() {
		own = peer
	}
	a.prefix = netip.PrefixFrom(own, bits)
	return a, ok && a.prefix.IsValid()
}

// nextHop is one path of a kernel route.
type nextHop struct {
	index   int
	gateway netip.Addr // invalid: none
	weight  int        // 1 and more
	dead    bool       // the kernel does not use it for now
	foreign bool       // encapsulated or translated on the way: not for us
}

// kernelRoute is one route of a dump.
type kernelRoute struct {
	family uint8
	table  uint32
	kind   uint8 // RTN_*
	tos    uint8
	source bool // it counts for some source addresses only
	prefix netip.Prefix
	metric uint32
	mtu    uint32
	hops   []nextHop
}

// decodeRoute reads the payload of RTM_NEWROUTE. Routes that are no routes of
// IP, or copies that the kernel made for one destination, are not ok.
func decodeRoute(b []byte) (r kernelRoute, ok bool) {
	if len(b) < unix.SizeofRtMsg {
		return r, false
	}
	r.family = b[0]
	bits, flags := int(b[1]), native.Uint32(b[8:])
	r.source, r.tos, r.table, r.kind = b[2] != 0, b[3], uint32(b[4]), b[7]
	if (r.family != unix.AF_INET && r.family != unix.AF_INET6) || flags&unix.RTM_F_CLONED != 0 {
		return r, false
	}
	dst := netip.IPv4Unspecified()
	if r.family == unix.AF_INET6 {
		dst = netip.IPv6Unspecified()
	}
	single := nextHop{weight: 1, dead: flags&unix.RTNH_F_DEAD != 0}
	wellFormed := true
	ok = attributes(b[unix.SizeofRtMsg:], func(kind uint16, v []byte) {
		switch kind {
		case unix.RTA_DST:
			dst, _ = netip.AddrFromSlice(v)
		case unix.RTA_TABLE:
			r.table = u32(v)
		case unix.RTA_PRIORITY:
			r.metric = u32(v)
		case unix.RTA_OIF:
			single.index = int(int32(u32(v)))
		case unix.RTA_METRICS:
			attributes(v, func(kind uint16, v []byte) {
				if kind == unix.RTAX_MTU {
					r.mtu = u32(v)
				}
			})
		case unix.RTA_MULTIPATH:
			r.hops, wellFormed = decodeMultipath(v)
		default:
			single.attribute(kind, v)
		}
	})
	if r.hops == nil {
		r.hops = []nextHop{single}
	}
	r.prefix = netip.PrefixFrom(dst, bits)
	return r, ok && wellFormed && r.prefix.IsValid()
}

// attribute takes what may stand in a route with one path and in each path of
// several.
func (h *nextHop) attribute(kind uint16, v []byte) {
	switch kind {
	case unix.RTA_GATEWAY:
		h.gateway, _ = netip.AddrFromSlice(v)
	case unix.RTA_VIA: // family, then an address of it
		if len(v) > 2 {
			h.gateway, _ = netip.AddrFromSlice(v[2:])
		}
	case unix.RTA_ENCAP, unix.RTA_NEWDST:
		h.foreign = true
	}
}

// decodeMultipath reads the value of RTA_MULTIPATH: struct rtnexthop, each with
// attributes.
func decodeMultipath(b []byte) (hops []nextHop, ok bool) {
	for len(b) >= unix.SizeofRtNexthop {
		n := int(native.Uint16(b))
		if n < unix.SizeofRtNexthop || n > len(b) {
			return nil, false
		}
		h := nextHop{
			index:  int(int32(native.Uint32(b[4:]))),
			weight: int(b[3]) + 1,
			dead:   b[2]&unix.RTNH_F_DEAD != 0,
		}
		if !attributes(b[unix.SizeofRtNexthop:n], h.attribute) {
			return nil, false
		}
		hops = append(hops, h)
		b = b[min(len(b), (n+3)&^3):]
	}
	return hops, len(hops) > 0
}

// policyRule is one line of `ip rule`.
type policyRule struct {
	family   uint8
	priority uint32
	table    uint32
	special  bool // it selects, or does something other than look into a table
}

// decodeRule reads the payload of RTM_NEWRULE.
func decodeRule(b []byte) (r policyRule, ok bool) {
	const header = 12 // struct fib_rule_hdr
	if len(b) < header {
		return r, false
	}
	r.family, r.table = b[0], uint32(b[4])
	r.special = b[1] != 0 || b[2] != 0 || b[3] != 0 || b[7] != unix.FR_ACT_TO_TBL
	ok = attributes(b[header:], func(kind uint16, v []byte) {
		switch kind {
		case fraPriority:
			r.priority = u32(v)
		case fraTable:
			r.table = u32(v)
		case unix.FRA_IIFNAME, unix.FRA_OIFNAME, unix.FRA_FWMARK, unix.FRA_UID_RANGE, unix.FRA_L3MDEV,
			unix.FRA_IP_PROTO, unix.FRA_SPORT_RANGE, unix.FRA_DPORT_RANGE:
			// A mark or uid range is given with any rule, as zero or all.
			if kind != unix.FRA_FWMARK && kind != unix.FRA_UID_RANGE && (kind != unix.FRA_L3MDEV || len(v) > 0 && v[0] != 0) {
				r.special = true
			} else if kind == unix.FRA_FWMARK && u32(v) != 0 {
				r.special = true
			}
		}
	})
	return r, ok
}

// usual says whether it is one of the rules that every namespace starts with.
func (r *policyRule) usual() bool {
	if r.special {
		return false
	}
	switch r.table {
	case unix.RT_TABLE_LOCAL:
		return r.priority == 0
	case unix.RT_TABLE_MAIN:
		return r.priority == 32766
	case unix.RT_TABLE_DEFAULT:
		return r.priority == 32767 && r.family == unix.AF_INET
	}
	return false
}

// ndmsg is the head of a neighbour request.
type ndmsg struct {
	family uint8
	index  int
	flags  uint8
}

var _ nl.NetlinkRequestData = (*ndmsg)(nil)

func (m *ndmsg) Len() int { return unix.SizeofNdMsg }

func (m *ndmsg) Serialize() []byte {
	b := make([]byte, unix.SizeofNdMsg)
	b[0] = m.family
	native.PutUint32(b[4:], uint32(m.index))
	b[10] = m.flags
	return b
}

// familyOf is AF_INET or AF_INET6.
func familyOf(a netip.Addr) uint8 {
	if a.Is4() {
		return syscall.AF_INET
	}
	return syscall.AF_INET6
}
