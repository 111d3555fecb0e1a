package frame

import "strings"

// Protocol numbers.
const (
	ProtoICMP    uint8 = 1
	ProtoTCP     uint8 = 6
	ProtoUDP     uint8 = 17
	ProtoDCCP    uint8 = 33
	ProtoGRE     uint8 = 47
	ProtoICMPv6  uint8 = 58
	ProtoSCTP    uint8 = 132
	ProtoUDPLite uint8 = 136
)

// TCPFlags are the letters of TCP.Flags, lowest bit first: FIN, SYN, RST, PSH,
// ACK, URG, ECE, CWR. tcpdump's letters.
const TCPFlags = "FSRPAUEW"

// TCP is the TCP header. Window 0 means 65535 unless WindowZero.
type TCP struct {
	Src, Dst   uint16
	Seq, Ack   uint32
	Flags      string
	Window     uint16
	WindowZero bool
	Urgent     uint16
	Options    string // padded with zeros to a multiple of four bytes
	Sum        Sum
	DataOffset Lie // in 32-bit words
}

func (TCP) number() uint8 { return ProtoTCP }

func (t TCP) encode(payload []byte, in place) []byte {
	hl := (20 + len(t.Options) + 3) / 4 * 4
	b := make([]byte, hl)
	put16(b, t.Src)
	put16(b[2:], t.Dst)
	put32(b[4:], t.Seq)
	put32(b[8:], t.Ack)
	b[12] = byte(t.DataOffset.or(hl/4) << 4)
	for _, c := range t.Flags {
		i := strings.IndexRune(TCPFlags, c)
		if i < 0 {
			panic("frame: unknown TCP flag " + string(c))
		}
		b[13] |= 1 << i
	}
	if t.Window == 0 && !t.WindowZero {
		t.Window = 65535
	}
	put16(b[14:], t.Window)
	put16(b[18:], t.Urgent)
	copy(b[20:], t.Options)
	return finish(append(b, payload...), 16, t.Sum, in.ip, ProtoTCP)
}

// UDP is the UDP header.
type UDP struct {
	Src, Dst uint16
	Sum      Sum
	Len      Lie
}

func (UDP) number() uint8 { return ProtoUDP }

func (u UDP) encode(payload []byte, in place) []byte {
	b := make([]byte, 8)
	put16(b, u.Src)
	put16(b[2:], u.Dst)
	put16(b[4:], u.Len.or(8+len(payload)))
	b = finish(append(b, payload...), 6, u.Sum, in.ip, ProtoUDP)
	if u.Sum == SumRight && get16(b[6:]) == 0 {
		put16(b[6:], 0xffff)
	}
	return b
}

// UDPLite is the UDP-Lite header; Coverage 0 covers everything.
type UDPLite struct {
	Src, Dst, Coverage uint16
	Sum                Sum
}

func (UDPLite) number() uint8 { return ProtoUDPLite }

func (u UDPLite) encode(payload []byte, in place) []byte {
	b := make([]byte, 8)
	put16(b, u.Src)
	put16(b[2:], u.Dst)
	put16(b[4:], u.Coverage)
	b = append(b, payload...)
	n := len(b)
	if u.Coverage >= 8 && int(u.Coverage) <= n {
		n = int(u.Coverage)
	}
	c := onesSum(b[:n], pseudoSum(in.ip, ProtoUDPLite, len(b))) ^ 0xffff
	if c == 0 {
		c = 0xffff
	}
	switch u.Sum {
	case SumRight:
		put16(b[6:], c)
	case SumWrong:
		put16(b[6:], spoil(c))
	}
	return b
}

// ICMP is an ICMP header with its checksum over all that follows. ID and Seq
// fill the word behind the checksum; Info does so when it is not 0.
type ICMP struct {
	Type, Code uint8
	ID, Seq    uint16
	Info       uint32
	Sum        Sum
}

func (ICMP) number() uint8 { return ProtoICMP }

func (c ICMP) encode(payload []byte, _ place) []byte {
	return finish(append(icmpHeader(c), payload...), 2, c.Sum, nil, ProtoICMP)
}

// ICMPv6 is ICMP with IPv6's pseudo header.
type ICMPv6 ICMP

func (ICMPv6) number() uint8 { return ProtoICMPv6 }

func (c ICMPv6) encode(payload []byte, in place) []byte {
	return finish(append(icmpHeader(ICMP(c)), payload...), 2, c.Sum, in.ip, ProtoICMPv6)
}

func icmpHeader(c ICMP) []byte {
	b := make([]byte, 8)
	b[0], b[1] = c.Type, c.Code
	put16(b[4:], c.ID)
	put16(b[6:], c.Seq)
	if c.Info != 0 {
		put32(b[4:], c.Info)
	}
	return b
}

// SCTP is the SCTP common header; chunks follow as Data.
type SCTP struct {
	Src, Dst uint16
	Tag      uint32
	Sum      Sum
}

func (SCTP) number() uint8 { return ProtoSCTP }

func (s SCTP) encode(payload []byte, _ place) []byte {
	b := make([]byte, 12)
	put16(b, s.Src)
	put16(b[2:], s.Dst)
	put32(b[4:], s.Tag)
	b = append(b, payload...)
	c := crc32c(b)
	if s.Sum == SumWrong {
		c ^= 0x01010101
	}
	if s.Sum != SumZero {
		b[8], b[9], b[10], b[11] = byte(c), byte(c>>8), byte(c>>16), byte(c>>24)
	}
	return b
}

// DCCP is a DCCP generic header with short sequence numbers (12 bytes), its
// checksum covering everything.
type DCCP struct {
	Src, Dst uint16
	Type     uint8
	Sum      Sum
}

func (DCCP) number() uint8 { return ProtoDCCP }

func (d DCCP) encode(payload []byte, in place) []byte {
	b := make([]byte, 12)
	put16(b, d.Src)
	put16(b[2:], d.Dst)
	b[4] = 3
	b[8] = d.Type << 1
	return finish(append(b, payload...), 6, d.Sum, in.ip, ProtoDCCP)
}

// GRE is a GRE header. Version 1 is PPTP's: Key is then the call id.
type GRE struct {
	Version uint8
	Key     uint16
	Proto   uint16 // of the payload; 0: IPv4, or PPP for version 1
}

func (GRE) number() uint8 { return ProtoGRE }

func (g GRE) encode(payload []byte, _ place) []byte {
	b := make([]byte, 4, 8)
	b[1] = g.Version
	if g.Proto == 0 {
		g.Proto = TypeIPv4
		if g.Version == 1 {
			g.Proto = 0x880b
		}
	}
	put16(b[2:], g.Proto)
	if g.Version == 1 {
		b[0] = 0x20
		b = b[:8]
		put16(b[4:], uint16(len(payload)))
		put16(b[6:], g.Key)
	}
	return append(b, payload...)
}

// Proto is a transport protocol of that number whose bytes follow as Data.
type Proto uint8

func (p Proto) number() uint8 { return uint8(p) }

func (Proto) encode(payload []byte, _ place) []byte { return payload }

// finish writes the checksum at off; ip is nil for one without pseudo header.
func finish(b []byte, off int, how Sum, ip Layer, proto uint8) []byte {
	var pseudo uint32
	if ip != nil {
		pseudo = pseudoSum(ip, proto, len(b))
	}
	right := onesSum(b, pseudo) ^ 0xffff
	switch how {
	case SumRight:
		put16(b[off:], right)
	case SumWrong:
		put16(b[off:], spoil(right))
	case SumBare:
		put16(b[off:], onesSum(nil, pseudo))
	}
	return b
}
