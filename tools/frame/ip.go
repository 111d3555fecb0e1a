package frame

import (
	"fmt"
	"net/netip"
)

// IPv4 is the IPv4 header. TTL 0 means 64; Proto 0 is derived from the next
// layer. Options are padded with zeros to a multiple of four bytes.
type IPv4 struct {
	Src, Dst     string
	TOS          uint8
	ID           uint16
	DF, MF       bool
	Offset       uint16 // of the fragment, in units of 8 bytes
	TTL          uint8
	TTLZero      bool // a TTL of 0
	Proto        uint8
	Options      string
	Sum          Sum
	Version, IHL Lie
	Len          Lie // total length
}

func (h IPv4) number() uint8 { return 4 }

func (h IPv4) encode(payload []byte, in place) []byte {
	hl := (20 + len(h.Options) + 3) / 4 * 4
	b := make([]byte, hl)
	b[0] = byte(h.Version.or(4)<<4 | h.IHL.or(hl/4)&15)
	b[1] = h.TOS
	put16(b[2:], h.Len.or(hl+len(payload)))
	put16(b[4:], h.ID)
	fl := h.Offset & 0x1fff
	if h.DF {
		fl |= 0x4000
	}
	if h.MF {
		fl |= 0x2000
	}
	put16(b[6:], fl)
	b[8] = h.TTL
	if h.TTL == 0 && !h.TTLZero {
		b[8] = 64
	}
	b[9] = h.Proto
	if h.Proto == 0 {
		b[9] = in.proto
	}
	s, d := h.addrs()
	copy(b[12:], s)
	copy(b[16:], d)
	copy(b[20:], h.Options)
	right := onesSum(b, 0) ^ 0xffff
	switch h.Sum {
	case SumRight:
		put16(b[10:], right)
	case SumWrong:
		put16(b[10:], spoil(right))
	}
	return append(b, payload...)
}

func (h IPv4) addrs() (src, dst []byte) {
	s, d := netip.MustParseAddr(h.Src), netip.MustParseAddr(h.Dst)
	if !s.Is4() || !d.Is4() {
		panic(fmt.Sprintf("frame: %s or %s is no IPv4 address", h.Src, h.Dst))
	}
	return s.AsSlice(), d.AsSlice()
}

// IPv6 is the fixed IPv6 header. Hops 0 means 64; lengths and the next
// header are derived from what follows.
type IPv6 struct {
	Src, Dst string
	Class    uint8
	Label    uint32
	Hops     uint8
	HopsZero bool // a hop limit of 0
	Next     Lie  // protocol number
	Version  Lie
	Len      Lie // payload length
}

func (h IPv6) number() uint8 { return 41 }

func (h IPv6) encode(payload []byte, in place) []byte {
	b := make([]byte, 40)
	put32(b, uint32(h.Version.or(6))<<28|uint32(h.Class)<<20|h.Label&0xfffff)
	put16(b[4:], h.Len.or(len(payload)))
	b[6] = byte(h.Next.or(int(in.proto)))
	b[7] = h.Hops
	if h.Hops == 0 && !h.HopsZero {
		b[7] = 64
	}
	s, d := h.addrs()
	copy(b[8:], s)
	copy(b[24:], d)
	return append(b, payload...)
}

func (h IPv6) addrs() (src, dst []byte) {
	s, d := netip.MustParseAddr(h.Src).As16(), netip.MustParseAddr(h.Dst).As16()
	return s[:], d[:]
}

// Protocol numbers of IPv6 extension headers.
const (
	HopByHop uint8 = 0
	Routing  uint8 = 43
	FragHdr  uint8 = 44
	Auth     uint8 = 51
	NoNext   uint8 = 59
	DestOpts uint8 = 60
)

// Ext is an extension header of the kinds HopByHop, Routing, DestOpts and Auth.
// Body is what stands behind the two fixed bytes; it is padded to the size the
// kind demands, with a PadN option where options stand, else with zeros.
type Ext struct {
	Kind uint8
	Body string
	Next Lie // protocol number
	Len  Lie // the length field as on the wire
}

func (e Ext) number() uint8 { return e.Kind }

func (e Ext) encode(payload []byte, in place) []byte {
	unit := 8
	if e.Kind == Auth {
		unit = 4
	}
	b := append([]byte{0, 0}, e.Body...)
	if e.Kind == Auth && len(b) < 12 {
		b = append(b, make([]byte, 12-len(b))...)
	}
	gap := (unit - len(b)%unit) % unit
	switch {
	case e.Kind == Auth || e.Kind == Routing || gap == 0:
		b = append(b, make([]byte, gap)...)
	case gap == 1:
		b = append(b, 0)
	default:
		b = append(b, 1, byte(gap-2))
		b = append(b, make([]byte, gap-2)...)
	}
	b[0] = byte(e.Next.or(int(in.proto)))
	n := len(b)/8 - 1
	if e.Kind == Auth {
		n = len(b)/4 - 2
	}
	b[1] = byte(e.Len.or(n))
	return append(b, payload...)
}

// Fragment is the IPv6 fragment header; Offset counts units of 8 bytes.
type Fragment struct {
	ID     uint32
	Offset uint16
	More   bool
	Next   Lie // protocol number
}

func (f Fragment) number() uint8 { return FragHdr }

func (f Fragment) encode(payload []byte, in place) []byte {
	b := make([]byte, 8)
	b[0] = byte(f.Next.or(int(in.proto)))
	v := f.Offset << 3
	if f.More {
		v |= 1
	}
	put16(b[2:], v)
	put32(b[4:], f.ID)
	return append(b, payload...)
}
