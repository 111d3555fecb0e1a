package packet

import "github.com/sluice-net/sluice/flowtable"

// Flags say what parsing found.
type Flags uint16

const (
	FlagFragment     Flags = 1 << iota // any fragment of a larger datagram
	FlagLaterFrag                      // a fragment that does not begin the datagram: no L4 header
	FlagIPOptions                      // IPv4 options present
	FlagExtHeaders                     // IPv6 extension headers present
	FlagL4                             // the L4 header is whole: ports, type, flags may be read
	FlagLocal                          // made by the box itself
	FlagRelatedError                   // an ICMP error whose inner packet gave Probe.Tuple
	FlagBroadcast                      // the destination is a directed broadcast address, as routing found
	FlagOtherHost                      // for chains below IP: sent to another station
	FlagZoned                          // a rule gave it a zone and conntrack has not seen it since: rules take it for new
	FlagCopy                           // made by a rule that copies packets
	FlagHeadPulled                     // TCP options may have been written, for which Linux wants the header in one piece
	FlagTraced                         // a rule wants to know its way
	FlagNoProto                        // IPv6 whose headers say no transport protocol: rules find none
)

// Packet is one frame and what is known about it. A worker reuses one array of
// them for all bursts: parse resets every field. Valid until the burst ends.
type Packet struct {
	flowtable.Probe // the parser fills its first part, conntrack the second

	Data []byte // the frame, Ethernet header first; a view into the UMEM
	Addr uint64 // of Data in the UMEM

	L3        uint16    // offset of the IP header in Data (behind the VLAN tags)
	L4        uint16    // offset of the transport header; valid with FlagL4 or for unknown protocols
	L4Payload uint16    // offset behind the transport header; never behind End
	End       uint32    // offset behind the IP datagram; Data may be longer by Ethernet padding
	AH        uint16    // offset of the first authentication header in front of L4; 0 is none. Rules see no further
	Frag      uint16    // offset of the first IPv6 fragment header, without FlagFragment too, and if it is cut off; 0 is none
	EtherType uint16    // behind the VLAN tags
	VLAN      [2]uint16 // TCIs, outer first; valid up to VLANs
	VLANs     uint8
	Family    uint8 // flowtable.FamilyIPv4, FamilyIPv6 or FamilyNone
	Proto     uint8 // transport protocol, behind extension headers
	Flags     Flags
	InPort    uint16 // NoPort for what the box made itself
	OutPort   uint16 // NoPort before routing
	Mark      uint32 // meta mark
	Serial    uint32 // number given by the port, for traces
	Rule      uint32 // id of the rule that decided last; 0 is none
	Priority  uint32 // meta priority
	Trace     uint32 // with FlagTraced: its number for those who watch; 0: it has none yet

	Exempted flowtable.Kind // Kind before a rule exempted the packet from tracking

	Ct *flowtable.Entry // the entry of Probe.Entry, or nil
}

// NoPort is the port number of "none".
const NoPort uint16 = 0xffff

// Whole says that the packet is no fragment.
func (p *Packet) Whole() bool { return p.Flags&FlagFragment == 0 }

// IP returns the IP datagram, header included, without Ethernet padding.
// Valid when Family is not FamilyNone.
func (p *Packet) IP() []byte { return p.Data[p.L3:p.End] }

// Transport returns the bytes from the transport header to the datagram's end.
func (p *Packet) Transport() []byte { return p.Data[p.L4:p.End] }

// TTL returns the TTL or hop limit. Valid when Family is not FamilyNone.
func (p *Packet) TTL() uint8 {
	if p.Family == flowtable.FamilyIPv4 {
		return p.Data[int(p.L3)+8]
	}
	return p.Data[int(p.L3)+7]
}

// TOSPriority is the meta priority that Linux gives an IPv4 packet that it forwards, by
// two bits of its TOS (rt_tos2priority): best effort, bulk, interactive, interactive bulk.
func (p *Packet) TOSPriority() uint32 {
	return uint32(0x4620>>(p.Data[int(p.L3)+1]>>3&3*4)) & 0xf
}

// SrcAddr and DstAddr copy the address that is in the frame now into a.
// An IPv4 address fills four bytes, the rest becomes zero.
func (p *Packet) SrcAddr(a *[16]byte) { p.addr(a, ip4Src, ip6Src) }

// DstAddr is the destination's twin of SrcAddr.
func (p *Packet) DstAddr(a *[16]byte) { p.addr(a, ip4Dst, ip6Dst) }

func (p *Packet) addr(a *[16]byte, off4, off6 int) {
	if p.Family == flowtable.FamilyIPv4 {
		off := int(p.L3) + off4
		*a = [16]byte{}
		copy(a[:4], p.Data[off:off+4])
		return
	}
	off := int(p.L3) + off6
	copy(a[:], p.Data[off:off+16])
}

// Ports returns the first two 16-bit words of the transport header, which are
// source and destination port for the protocols that have ports. False when
// the header is not there or the protocol has none.
func (p *Packet) Ports() (src, dst uint16, ok bool) {
	if p.Flags&FlagL4 == 0 || !hasPorts(p.Proto) {
		return 0, 0, false
	}
	b := p.Data[p.L4:]
	return be16(b), be16(b[2:]), true
}

// Discovery says that p is neighbour discovery or MLD, which conntrack does not
// track unless it is broken.
func (p *Packet) Discovery() bool {
	typ, _, ok := p.ICMPType()
	return ok && p.Proto == protoICMPv6 && icmpv6Untracked(typ)
}

// ICMPType returns type and code of an ICMP or ICMPv6 message; false when p
// is none or its header is not whole.
func (p *Packet) ICMPType() (typ, code uint8, ok bool) {
	if p.Flags&FlagL4 == 0 || (p.Proto != protoICMP && p.Proto != protoICMPv6) {
		return 0, 0, false
	}
	b := p.Data[p.L4:]
	return b[0], b[1], true
}
