package rules

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// pk describes a packet for a test. The zero value is a TCP SYN of IPv4 from
// 10.0.0.1:1024 to 10.0.0.2:80, received on port 0, with no flow entry.
type pk struct {
	src, dst     string // both of one family
	proto        uint8  // 0: TCP
	sport, dport uint16
	flags        uint8 // TCP; 0: SYN
	typ, code    uint8 // ICMP
	ttl, tos     uint8
	later        bool // later fragment
	short        bool // transport header cut off
	mac          [6]byte
	in, out      uint16 // port number + 1; 0: in is port 0, out is none
	noIn         bool
	mark         uint32
	info         flowtable.Info
	ct           *flowtable.Entry
	dir          uint8
	payload      int
}

func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// packet builds the frame and the parser's view of it, by hand.
func (k pk) packet(tb testing.TB) *packet.Packet {
	tb.Helper()
	src, dst := netip.MustParseAddr(or(k.src, "10.0.0.1")), netip.MustParseAddr(or(k.dst, "10.0.0.2"))
	if src.Is4() != dst.Is4() {
		tb.Fatalf("addresses %v and %v of two families", src, dst)
	}
	proto := or(k.proto, flowtable.ProtoTCP)
	var l4 []byte
	switch proto {
	case flowtable.ProtoTCP:
		l4 = make([]byte, 20)
		l4[12] = 5 << 4
		l4[13] = or(k.flags, 2)
	case flowtable.ProtoUDP:
		l4 = make([]byte, 8)
	case flowtable.ProtoICMP, flowtable.ProtoICMPv6:
		l4 = []byte{k.typ, k.code, 0, 0, 0, 0, 0, 0}
		binary.BigEndian.PutUint16(l4[4:], k.sport)
	default:
		l4 = []byte{1, 2, 3, 4, 5, 6, 7, 8}
	}
	if proto == flowtable.ProtoTCP || proto == flowtable.ProtoUDP {
		binary.BigEndian.PutUint16(l4, or(k.sport, 1024))
		binary.BigEndian.PutUint16(l4[2:], or(k.dport, 80))
	}
	if proto == flowtable.ProtoUDP {
		binary.BigEndian.PutUint16(l4[4:], uint16(8+k.payload))
	}
	l4 = append(l4, make([]byte, k.payload)...)
	if k.short {
		l4 = l4[:1]
	}
	var l3 []byte
	family, ethType := flowtable.FamilyIPv4, uint16(0x0800)
	if src.Is4() {
		l3 = make([]byte, 20)
		l3[0], l3[1], l3[8], l3[9] = 0x45, k.tos, or(k.ttl, 64), proto
		binary.BigEndian.PutUint16(l3[2:], uint16(20+len(l4)))
		if k.later {
			binary.BigEndian.PutUint16(l3[6:], 100)
		}
		copy(l3[12:], src.AsSlice())
		copy(l3[16:], dst.AsSlice())
	} else {
		family, ethType = flowtable.FamilyIPv6, 0x86dd
		l3 = make([]byte, 40)
		l3[0], l3[1], l3[6], l3[7] = 0x60|k.tos>>4, k.tos<<4, proto, or(k.ttl, 64)
		binary.BigEndian.PutUint16(l3[4:], uint16(len(l4)))
		copy(l3[8:], src.AsSlice())
		copy(l3[24:], dst.AsSlice())
	}
	mac := or(k.mac, [6]byte{2, 0, 0, 0, 0, 1})
	data := append([]byte{}, mac[:]...)
	data = append(data, 2, 0, 0, 0, 0, 2)
	data = binary.BigEndian.AppendUint16(data, ethType)
	data = append(append(data, l3...), l4...)
	end := len(data)
	for len(data) < 60 {
		data = append(data, 0xee) // Ethernet padding is no part of the packet
	}
	p := &packet.Packet{
		Data: data, L3: 14, L4: uint16(14 + len(l3)), End: uint32(end), EtherType: ethType,
		Family: family, Proto: proto, InPort: k.in - 1, OutPort: k.out - 1, Mark: k.mark, Ct: k.ct,
	}
	if k.in == 0 && !k.noIn {
		p.InPort = 0
	}
	p.Bytes = uint32(end - 14)
	p.Info, p.Dir = k.info, k.dir
	if k.ct != nil {
		p.Entry = 7
	}
	known := proto == flowtable.ProtoTCP || proto == flowtable.ProtoUDP || proto == flowtable.ProtoICMP || proto == flowtable.ProtoICMPv6
	switch {
	case k.later:
		p.Flags |= packet.FlagFragment | packet.FlagLaterFrag
		if family == flowtable.FamilyIPv6 && packet.Extension(proto) {
			p.Flags |= packet.FlagNoProto
		}
	case known && !k.short:
		p.Flags |= packet.FlagL4
	}
	return p
}
