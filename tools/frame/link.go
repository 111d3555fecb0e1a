package frame

import "net/netip"

// EtherTypes.
const (
	TypeIPv4 uint16 = 0x0800
	TypeARP  uint16 = 0x0806
	TypeIPv6 uint16 = 0x86dd
	TypeVLAN uint16 = 0x8100
	TypeQinQ uint16 = 0x88a8
)

// MAC is an Ethernet address.
type MAC [6]byte

// Default addresses, locally administered, used where a frame names none.
var (
	DefaultSrc = MAC{2, 0, 0, 0, 0, 1}
	DefaultDst = MAC{2, 0, 0, 0, 0, 2}
)

// Ether is the Ethernet header. Type 0 is derived from the next layer.
type Ether struct {
	Src, Dst MAC
	Type     uint16
	Min      int // pad the frame with zeros to this many bytes
}

func (e Ether) encode(payload []byte, in place) []byte {
	b := make([]byte, 14, 14+len(payload))
	if e.Src == (MAC{}) {
		e.Src = DefaultSrc
	}
	if e.Dst == (MAC{}) {
		e.Dst = DefaultDst
	}
	copy(b, e.Dst[:])
	copy(b[6:], e.Src[:])
	put16(b[12:], etherType(e.Type, in.next))
	b = append(b, payload...)
	for len(b) < e.Min {
		b = append(b, 0)
	}
	return b
}

func etherType(set uint16, next Layer) uint16 {
	if set != 0 {
		return set
	}
	switch l := next.(type) {
	case VLAN:
		if l.TPID != 0 {
			return l.TPID
		}
		return TypeVLAN
	case IPv4:
		return TypeIPv4
	case IPv6:
		return TypeIPv6
	case ARP:
		return TypeARP
	}
	return 0xffff
}

// VLAN is one tag. TPID 0 is 802.1Q; TCI holds priority and id; Type 0 is
// derived from the next layer.
type VLAN struct {
	TPID, TCI, Type uint16
}

func (v VLAN) encode(payload []byte, in place) []byte {
	b := make([]byte, 4)
	put16(b, v.TCI)
	put16(b[2:], etherType(v.Type, in.next))
	return append(b, payload...)
}

// ARP is an ARP packet for Ethernet and IPv4.
type ARP struct {
	Op                   uint16 // 0 is a request
	SenderMAC, TargetMAC MAC
	Sender, Target       string
}

func (a ARP) encode(payload []byte, _ place) []byte {
	b := make([]byte, 28)
	if a.Op == 0 {
		a.Op = 1
	}
	put16(b, 1)
	put16(b[2:], TypeIPv4)
	b[4], b[5] = 6, 4
	put16(b[6:], a.Op)
	copy(b[8:], a.SenderMAC[:])
	s, t := netip.MustParseAddr(a.Sender).As4(), netip.MustParseAddr(a.Target).As4()
	copy(b[14:], s[:])
	copy(b[18:], a.TargetMAC[:])
	copy(b[24:], t[:])
	return append(b, payload...)
}

// Data is bytes as they are.
type Data string

func (d Data) encode(payload []byte, _ place) []byte { return append([]byte(d), payload...) }

// Zeros returns n zero bytes as a layer.
func Zeros(n int) Data { return Data(make([]byte, n)) }
