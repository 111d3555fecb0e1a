package frame

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrShort is wrapped by what Decode returns for bytes that end too soon.
var ErrShort = errors.New("frame too short")

// Decoded is what a frame says. Fields of layers that are not there are zero.
type Decoded struct {
	DstMAC, SrcMAC MAC
	Tags           []uint16 // TCIs, outer first
	EtherType      uint16

	Version  int // 4, 6, or 0 for what is not IP
	Src, Dst netip.Addr
	TOS, TTL uint8 // or traffic class, hop limit
	ID       uint32
	DF, MF   bool
	Offset   int     // of the fragment, in bytes
	Ext      []uint8 // IPv6 extension headers in order
	Proto    uint8
	IPLen    int // length of the IP datagram as its header says

	SrcPort, DstPort uint16
	Seq, Ack         uint32
	Flags            string // in the order of TCPFlags
	Window           uint16
	Options          []byte
	Type, Code       uint8
	ICMPID, ICMPSeq  uint16
	Info             uint32 // word behind an ICMP checksum

	Payload []byte   // behind the innermost header that was understood
	Inner   *Decoded // the packet an ICMP error complains of

	l3, l4, end int  // offsets in the frame
	header      bool // the transport header was there
}

// Decode reads a frame.
func Decode(b []byte) (*Decoded, error) {
	d := &Decoded{}
	if len(b) < 14 {
		return nil, fmt.Errorf("ethernet header: %w", ErrShort)
	}
	copy(d.DstMAC[:], b)
	copy(d.SrcMAC[:], b[6:])
	d.EtherType = get16(b[12:])
	at := 14
	for (d.EtherType == TypeVLAN || d.EtherType == TypeQinQ || d.EtherType == 0x9100) && len(d.Tags) < 2 {
		if len(b) < at+4 {
			return nil, fmt.Errorf("vlan tag: %w", ErrShort)
		}
		d.Tags = append(d.Tags, get16(b[at:]))
		d.EtherType = get16(b[at+2:])
		at += 4
	}
	if d.EtherType != TypeIPv4 && d.EtherType != TypeIPv6 {
		d.Payload = b[at:]
		return d, nil
	}
	return d, d.decodeIP(b, at, false)
}

// decodeIP reads the datagram at b[at:]. A quoted one may be cut off.
func (d *Decoded) decodeIP(b []byte, at int, quoted bool) error {
	d.l3 = at
	ip := b[at:]
	if len(ip) < 20 {
		return fmt.Errorf("ip header: %w", ErrShort)
	}
	hl := 0
	switch d.Version = int(ip[0] >> 4); d.Version {
	case 4:
		hl = int(ip[0]&15) * 4
		d.IPLen = int(get16(ip[2:]))
		if hl < 20 || d.IPLen < hl || len(ip) < hl {
			return fmt.Errorf("ipv4 header of %d bytes in %d: %w", hl, d.IPLen, ErrShort)
		}
		d.TOS, d.TTL, d.Proto = ip[1], ip[8], ip[9]
		d.ID = uint32(get16(ip[4:]))
		d.DF, d.MF = ip[6]&0x40 != 0, ip[6]&0x20 != 0
		d.Offset = int(get16(ip[6:])&0x1fff) * 8
		d.Src, _ = netip.AddrFromSlice(ip[12:16])
		d.Dst, _ = netip.AddrFromSlice(ip[16:20])
	case 6:
		if len(ip) < 40 {
			return fmt.Errorf("ipv6 header: %w", ErrShort)
		}
		d.IPLen = 40 + int(get16(ip[4:]))
		d.TOS, d.TTL, d.Proto = ip[0]<<4|ip[1]>>4, ip[7], ip[6]
		d.Src, _ = netip.AddrFromSlice(ip[8:24])
		d.Dst, _ = netip.AddrFromSlice(ip[24:40])
		var err error
		if hl, err = d.skipExt(ip); err != nil {
			return err
		}
	default:
		return fmt.Errorf("ip version %d", d.Version)
	}
	if d.IPLen > len(ip) && !quoted {
		return fmt.Errorf("ip datagram of %d bytes in %d: %w", d.IPLen, len(ip), ErrShort)
	}
	d.l4 = at + hl
	d.end = max(at+min(d.IPLen, len(ip)), d.l4)
	d.Payload = b[d.l4:d.end]
	if d.Offset != 0 {
		return nil
	}
	return d.decodeTransport(b, quoted)
}

func (d *Decoded) skipExt(ip []byte) (int, error) {
	off := 40
	for {
		n := 8
		switch d.Proto {
		case HopByHop, Routing, DestOpts, FragHdr, Auth:
		default:
			return off, nil
		}
		if len(ip) < off+8 {
			return 0, fmt.Errorf("extension header %d: %w", d.Proto, ErrShort)
		}
		h := ip[off:]
		d.Ext = append(d.Ext, d.Proto)
		switch d.Proto {
		case FragHdr:
			d.Offset = int(get16(h[2:]) &^ 7)
			d.MF = h[3]&1 != 0
			d.ID = get32(h[4:])
		case Auth:
			n = (int(h[1]) + 2) * 4
		default:
			n = (int(h[1]) + 1) * 8
		}
		if len(ip) < off+n {
			return 0, fmt.Errorf("extension header %d: %w", d.Proto, ErrShort)
		}
		d.Proto = h[0]
		off += n
		if d.Offset != 0 {
			return off, nil
		}
	}
}

func (d *Decoded) decodeTransport(b []byte, quoted bool) error {
	h := b[d.l4:d.end]
	need := 0
	switch d.Proto {
	case ProtoTCP:
		need = 20
	case ProtoUDP, ProtoUDPLite, ProtoICMP, ProtoICMPv6:
		need = 8
	case ProtoSCTP, ProtoDCCP:
		need = 12
	default:
		return nil
	}
	if quoted && need > 8 && len(h) < need && len(h) >= 8 {
		d.SrcPort, d.DstPort = get16(h), get16(h[2:])
		return nil
	}
	if len(h) < need {
		if quoted || d.MF {
			return nil
		}
		return fmt.Errorf("transport header of protocol %d: %w", d.Proto, ErrShort)
	}
	d.header = true
	if d.Proto == ProtoICMP || d.Proto == ProtoICMPv6 {
		return d.decodeICMP(b, h)
	}
	d.SrcPort, d.DstPort = get16(h), get16(h[2:])
	if d.Proto == ProtoTCP {
		d.Seq, d.Ack, d.Window = get32(h[4:]), get32(h[8:]), get16(h[14:])
		for i, c := range TCPFlags {
			if h[13]>>i&1 != 0 {
				d.Flags += string(c)
			}
		}
		need = int(h[12]>>4) * 4
		if need < 20 || need > len(h) {
			return fmt.Errorf("tcp data offset %d: %w", need, ErrShort)
		}
		d.Options = h[20:need]
	}
	d.Payload = h[need:]
	return nil
}

func (d *Decoded) decodeICMP(b, h []byte) error {
	d.Type, d.Code = h[0], h[1]
	d.ICMPID, d.ICMPSeq, d.Info = get16(h[4:]), get16(h[6:]), get32(h[4:])
	d.Payload = h[8:]
	isError := d.Proto == ProtoICMPv6 && d.Type < 128
	if d.Proto == ProtoICMP {
		isError = d.Type == 3 || d.Type == 4 || d.Type == 5 || d.Type == 11 || d.Type == 12
	}
	if !isError || len(d.Payload) == 0 {
		return nil
	}
	in := &Decoded{}
	if err := in.decodeIP(b[:d.end], d.l4+8, true); err != nil {
		return fmt.Errorf("quoted packet: %w", err)
	}
	d.Inner = in
	return nil
}

// String is a one-line summary, such as
// "10.0.0.1:1024 > 10.0.0.2:80 tcp S ttl 64 len 40".
func (d *Decoded) String() string {
	var s strings.Builder
	for _, t := range d.Tags {
		fmt.Fprintf(&s, "vlan %d ", t&0xfff)
	}
	if d.Version == 0 {
		fmt.Fprintf(&s, "%x > %x type %#04x len %d", d.SrcMAC, d.DstMAC, d.EtherType, len(d.Payload))
		return s.String()
	}
	src, dst, what := d.Src.String(), d.Dst.String(), fmt.Sprintf("proto %d", d.Proto)
	switch d.Proto {
	case ProtoTCP, ProtoUDP, ProtoUDPLite, ProtoSCTP, ProtoDCCP:
		if d.Offset == 0 {
			src = netip.AddrPortFrom(d.Src, d.SrcPort).String()
			dst = netip.AddrPortFrom(d.Dst, d.DstPort).String()
		}
		names := map[uint8]string{ProtoTCP: "tcp", ProtoUDP: "udp", ProtoUDPLite: "udplite", ProtoSCTP: "sctp", ProtoDCCP: "dccp"}
		what = names[d.Proto]
		if d.Flags != "" {
			what += " " + d.Flags
		}
	case ProtoICMP, ProtoICMPv6:
		what = fmt.Sprintf("icmp %d/%d", d.Type, d.Code)
		if d.Proto == ProtoICMPv6 {
			what = fmt.Sprintf("icmpv6 %d/%d", d.Type, d.Code)
		}
		if d.Inner == nil {
			what += fmt.Sprintf(" id %d", d.ICMPID)
		}
	}
	fmt.Fprintf(&s, "%s > %s %s ttl %d len %d", src, dst, what, d.TTL, d.IPLen)
	if d.MF || d.Offset != 0 {
		fmt.Fprintf(&s, " frag %d@%d mf %t", d.ID, d.Offset, d.MF)
	}
	if d.Inner != nil {
		fmt.Fprintf(&s, " [%s]", d.Inner)
	}
	return s.String()
}
