package pktgen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Proto is what a stream's frames carry above IP.
type Proto uint8

// Protocols.
const (
	UDP Proto = iota
	TCP
	ICMP // echo requests, of the family of the addresses
)

func (p Proto) String() string { return [...]string{"UDP", "TCP", "ICMP"}[p] }

// header returns the bytes of the protocol's header.
func (p Proto) header() int {
	if p == TCP {
		return 20
	}
	return 8
}

// Headers is the template of a stream's frames.
type Headers struct {
	SrcMAC, DstMAC net.HardwareAddr // six bytes each
	VLANs          []uint16         // identifiers of 802.1Q tags, the outer one first, two at most
	Src, Dst       netip.Addr       // of one family
	TTL            uint8            // 0: 64
	DSCP           uint8
	Proto          Proto
	SrcPort        uint16 // ICMP: the identifier
	DstPort        uint16 // ICMP: the sequence number
	Flags          uint8  // TCP; 0: ACK
}

func (h *Headers) complete() error {
	if h.TTL == 0 {
		h.TTL = 64
	}
	if h.Flags == 0 {
		h.Flags = 0x10
	}
	switch {
	case len(h.SrcMAC) != 6 || len(h.DstMAC) != 6:
		return fmt.Errorf("MAC addresses %v and %v: want six bytes", h.SrcMAC, h.DstMAC)
	case len(h.VLANs) > 2:
		return fmt.Errorf("%d VLAN tags: want two at most", len(h.VLANs))
	case !h.Src.IsValid() || !h.Dst.IsValid():
		return errors.New("source and destination address are needed")
	case h.Src.Is4() != h.Dst.Is4() || h.Src.Is4In6() || h.Dst.Is4In6():
		return fmt.Errorf("addresses %v and %v are not of one family", h.Src, h.Dst)
	case h.DSCP > 63:
		return fmt.Errorf("DSCP %d: want 0 to 63", h.DSCP)
	case h.Proto > ICMP:
		return errors.New("no such protocol")
	}
	for _, id := range h.VLANs {
		if id > 4095 {
			return fmt.Errorf("VLAN %d: want 0 to 4095", id)
		}
	}
	return nil
}

// l3 returns where the IP header begins, l4 where the protocol's does.
func (h *Headers) l3() int { return 14 + 4*len(h.VLANs) }

func (h *Headers) l4() int {
	if h.Src.Is4() {
		return h.l3() + 20
	}
	return h.l3() + 40
}

// Payload returns where the payload of a frame begins.
func (h *Headers) Payload() int { return h.l4() + h.Proto.header() }

// build writes the frame of the template into b, whose length is that of the
// frame, with payload in place and checksum fields zero, and returns the sums
// that the two checksums begin with: of the IPv4 header, and of the transport
// header, payload and pseudo header.
func (h *Headers) build(b []byte) (ipSum, l4Sum uint64) {
	copy(b, h.DstMAC)
	copy(b[6:], h.SrcMAC)
	at := 12
	for i, id := range h.VLANs {
		tpid := uint16(0x8100)
		if i == 0 && len(h.VLANs) == 2 {
			tpid = 0x88a8
		}
		binary.BigEndian.PutUint16(b[at:], tpid)
		binary.BigEndian.PutUint16(b[at+2:], id)
		at += 4
	}
	ip, l4 := b[h.l3():], b[h.l4():]
	proto := [...]byte{UDP: 17, TCP: 6, ICMP: 1}[h.Proto]
	if h.Src.Is4() {
		binary.BigEndian.PutUint16(b[at:], 0x0800)
		src, dst := h.Src.As4(), h.Dst.As4()
		ip[0], ip[1] = 0x45, h.DSCP<<2
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		binary.BigEndian.PutUint16(ip[4:], 0)
		ip[6] = 0x40 // may not be fragmented
		ip[7], ip[8], ip[9], ip[10], ip[11] = 0, h.TTL, proto, 0, 0
		copy(ip[12:], src[:])
		copy(ip[16:], dst[:])
		ipSum = sum(ip[:20])
	} else {
		if h.Proto == ICMP {
			proto = 58
		}
		binary.BigEndian.PutUint16(b[at:], 0x86dd)
		src, dst := h.Src.As16(), h.Dst.As16()
		binary.BigEndian.PutUint32(ip, 6<<28|uint32(h.DSCP)<<22)
		binary.BigEndian.PutUint16(ip[4:], uint16(len(l4)))
		ip[6], ip[7] = proto, h.TTL
		copy(ip[8:], src[:])
		copy(ip[24:], dst[:])
	}
	clear(l4[:h.Proto.header()])
	switch h.Proto {
	case ICMP:
		l4[0] = 8
		if h.Src.Is6() {
			l4[0] = 128
		}
		binary.BigEndian.PutUint16(l4[4:], h.SrcPort)
		binary.BigEndian.PutUint16(l4[6:], h.DstPort)
	case UDP:
		binary.BigEndian.PutUint16(l4, h.SrcPort)
		binary.BigEndian.PutUint16(l4[2:], h.DstPort)
		binary.BigEndian.PutUint16(l4[4:], uint16(len(l4)))
	case TCP:
		binary.BigEndian.PutUint16(l4, h.SrcPort)
		binary.BigEndian.PutUint16(l4[2:], h.DstPort)
		l4[12], l4[13] = 5<<4, h.Flags
		binary.BigEndian.PutUint16(l4[14:], 0xffff)
	}
	l4Sum = sum(l4)
	if h.pseudo() {
		if h.Src.Is4() {
			l4Sum += sum(ip[12:20])
		} else {
			l4Sum += sum(ip[8:40])
		}
		l4Sum += uint64(proto) + uint64(len(l4))
	}
	return ipSum, l4Sum
}

// pseudo says whether addresses are in the transport checksum.
func (h *Headers) pseudo() bool { return h.Proto != ICMP || h.Src.Is6() }

// checksumAt returns where the transport checksum stands.
func (h *Headers) checksumAt() int {
	return h.l4() + [...]int{UDP: 6, TCP: 16, ICMP: 2}[h.Proto]
}

// sum adds up big-endian words, the last one padded; fold makes 16 bits of it.
func sum(b []byte) (s uint64) {
	for ; len(b) >= 8; b = b[8:] {
		v := binary.BigEndian.Uint64(b)
		s += v>>32 + v&0xffffffff
	}
	if len(b) >= 4 {
		s += uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0]) << 8
	}
	return s
}

// fold returns the one's complement sum that s stands for: words of 32 bits may
// have been added, since 2^16 is 1 in that arithmetic.
func fold(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return uint16(s>>16 + s)
}
