package packet

import (
	"encoding/binary"
	"math/bits"

	"github.com/sluice-net/sluice/flowtable"
)

// EtherTypes Parse knows.
const (
	EtherIPv4 uint16 = 0x0800
	EtherARP  uint16 = 0x0806
	EtherIPv6 uint16 = 0x86dd
	EtherVLAN uint16 = 0x8100 // 802.1Q
	EtherQinQ uint16 = 0x88a8 // 802.1ad
	etherQOld uint16 = 0x9100 // QinQ before 802.1ad
)

// Header sizes in bytes and the offsets of addresses in IP headers.
const (
	EtherLen = 14
	tagLen   = 4
	ip4Len   = 20
	ip6Len   = 40
	maxTags  = 2
	// maxFrame is the largest IPv6 datagram behind two tags: what joined fragments come to.
	maxFrame = EtherLen + maxTags*tagLen + ip6Len + 0xffff

	ip4Src, ip4Dst = 12, 16
	ip6Src, ip6Dst = 8, 24
)

const (
	protoICMP    = flowtable.ProtoICMP
	protoTCP     = flowtable.ProtoTCP
	protoUDP     = flowtable.ProtoUDP
	protoICMPv6  = flowtable.ProtoICMPv6
	protoDCCP    = 33
	protoGRE     = 47
	protoESP     = 50
	protoSCTP    = 132
	protoUDPLite = 136
)

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// Parse reads the frame in p.Data and fills p. The caller has set Data, Addr,
// InPort and Serial; every other field is reset first, whatever the result.
//
// With DropNone either Family is FamilyNone (not IP: EtherType says what) or
// the IP header is sound, the offsets lie within Data, and Kind says what
// conntrack is to make of it. Tuple and Hash are filled for KindFlow and
// KindError, and for KindInvalid if the ports are there. Malformed transport headers do not drop a packet: they make
// it KindInvalid with a Reason, and rules decide, as in the kernel.
//
// t gives the hash and must not be nil. No allocation; safe for concurrent
// calls on different packets.
func Parse(p *Packet, t *flowtable.Table) Drop {
	p.Probe = flowtable.Probe{}
	p.Info = flowtable.InfoInvalid
	p.L3, p.L4, p.L4Payload, p.End, p.AH, p.Frag = 0, 0, 0, 0, 0, 0
	p.EtherType = 0
	p.VLAN = [2]uint16{}
	p.VLANs, p.Family, p.Proto = 0, 0, 0
	p.Flags = 0
	p.OutPort = NoPort
	p.Mark, p.Rule, p.Priority, p.Trace, p.Exempted = 0, 0, 0, 0, 0
	p.Ct = nil

	b := p.Data
	if len(b) < EtherLen {
		return DropShort
	}
	if len(b) > maxFrame {
		return DropOversize
	}
	et := be16(b[12:14])
	l3 := EtherLen
	if isTag(et) {
		for p.VLANs < maxTags && isTag(et) {
			if len(b) < l3+tagLen {
				return DropShort
			}
			p.VLAN[p.VLANs&1] = be16(b[l3 : l3+2])
			p.VLANs++
			et = be16(b[l3+2 : l3+4])
			l3 += tagLen
		}
	}
	p.EtherType = et
	p.L3 = uint16(l3)
	switch et {
	case EtherIPv4:
		return parseIPv4(p, t, l3)
	case EtherIPv6:
		return parseIPv6(p, t, l3)
	}
	p.End = uint32(len(b))
	return DropNone
}

func isTag(et uint16) bool { return et == EtherVLAN || et == EtherQinQ || et == etherQOld }

// parseIPv4 checks what ip_rcv_core checks, in its order.
func parseIPv4(p *Packet, t *flowtable.Table, l3 int) Drop {
	b := p.Data[l3:]
	if len(b) < ip4Len {
		return DropShort
	}
	h := b[:ip4Len]
	hl := ip4Len
	if h[0] == 0x45 {
		if !soundHeader(h) {
			return DropIPChecksum
		}
	} else {
		if h[0]>>4 != 4 {
			return DropIPVersion
		}
		hl = int(h[0]&15) * 4
		if hl < ip4Len {
			return DropIPHeader
		}
		if hl > len(b) {
			return DropShort
		}
		if Checksum(b[:hl], 0) != 0 {
			return DropIPChecksum
		}
		p.Flags |= FlagIPOptions
	}
	total := int(be16(h[2:4]))
	if total > len(b) {
		return DropIPTruncated
	}
	if total < hl {
		return DropIPHeader
	}
	proto := h[9]
	p.Family = flowtable.FamilyIPv4
	p.Proto = proto
	p.End = uint32(l3 + total)
	p.L4 = uint16(l3 + hl)
	p.L4Payload = p.L4
	p.Bytes = uint32(total)

	if frag := be16(h[6:8]); frag&0x3fff != 0 {
		p.Flags |= FlagFragment
		p.Reason = flowtable.ReasonFragment
		if frag&0x1fff != 0 {
			p.Flags |= FlagLaterFrag
		} else {
			markHeader(p)
		}
		return DropNone
	}
	// Eight bytes at once: the hash reads them so, and a narrower store
	// would have to drain before that load.
	binary.LittleEndian.PutUint64(p.Tuple.Src[:8], uint64(binary.LittleEndian.Uint32(h[12:16])))
	binary.LittleEndian.PutUint64(p.Tuple.Dst[:8], uint64(binary.LittleEndian.Uint32(h[16:20])))
	p.Tuple.Proto = proto
	p.Tuple.Family = flowtable.FamilyIPv4
	parseTransport(p, t, b[hl:total], total-hl)
	return DropNone
}

// soundHeader verifies the checksum of an IPv4 header without options. A one's
// complement sum is right when it is a multiple of 0xffff, which the compiler
// tests with one multiplication instead of four folds; it is never zero here,
// because the version is not.
func soundHeader(h []byte) bool {
	_ = h[19]
	s, c := bits.Add64(binary.LittleEndian.Uint64(h), binary.LittleEndian.Uint64(h[8:]), 0)
	s, c = bits.Add64(s, uint64(binary.LittleEndian.Uint32(h[16:])), c)
	return (s+c)%0xffff == 0
}
