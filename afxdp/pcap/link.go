package pcap

import (
	"encoding/binary"
	"fmt"
	"net"

	"github.com/gopacket/gopacket/layers"
)

// Link types under which raw IP goes besides layers.LinkTypeRaw: BSD systems
// wrote their own number into files.
const (
	linkRawBSD     layers.LinkType = 12
	linkRawOpenBSD layers.LinkType = 14
)

const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	// Smaller type fields are 802.3 lengths, or Linux's numbers for frames
	// without an ethertype.
	etherMin = 0x0600
)

// Packet types of Linux cooked captures.
const (
	sllBroadcast = 1
	sllMulticast = 2
)

var allHosts = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// stranger is the source of frames whose link layer had no addresses.
var stranger = net.HardwareAddr{2, 0, 0, 0, 0xff, 0xfe}

// checkLink returns an error that names a link type which convert does not know.
func checkLink(t layers.LinkType) error {
	switch t {
	case layers.LinkTypeEthernet, layers.LinkTypeRaw, linkRawBSD, linkRawOpenBSD, layers.LinkTypeIPv4, layers.LinkTypeIPv6,
		layers.LinkTypeNull, layers.LinkTypeLoop, layers.LinkTypeLinuxSLL, layers.LinkTypeLinuxSLL2:
		return nil
	}
	name := "of no known name"
	if int(t) < len(layers.LinkTypeMetadata) && layers.LinkTypeMetadata[t].Name != "" {
		name = layers.LinkTypeMetadata[t].Name
	}
	return fmt.Errorf("link type %d (%s) is not supported: want Ethernet, raw IP, null, loopback or Linux cooked", uint16(t), name)
}

// convert returns a packet as an Ethernet frame, or why there is none.
func (in *input) convert(link layers.LinkType, data []byte) (frame []byte, refused string) {
	src := stranger
	var dst net.HardwareAddr
	var ethertype uint16
	whole := data
	switch link {
	case layers.LinkTypeEthernet:
		if len(data) < 14 {
			return data, "shorter than an Ethernet header"
		}
		return data, ""
	case layers.LinkTypeNull, layers.LinkTypeLoop:
		if len(data) < 4 {
			return data, "shorter than a loopback header"
		}
		// The family stands in the byte order of the machine that captured,
		// or the network's; as families are small, one of the two makes sense.
		af := binary.BigEndian.Uint32(data)
		if af > 0xffff {
			af = binary.LittleEndian.Uint32(data)
		}
		switch af {
		case 2:
			ethertype = etherIPv4
		case 10, 24, 28, 30: // Linux, NetBSD and OpenBSD, FreeBSD, Darwin
			ethertype = etherIPv6
		default:
			return data, fmt.Sprintf("address family %d in the loopback header", af)
		}
		data = data[4:]
	case layers.LinkTypeLinuxSLL:
		if len(data) < 16 {
			return data, "shorter than a Linux cooked header"
		}
		dst = cookedGroup(binary.BigEndian.Uint16(data), data[16:])
		src = cookedSource(int(binary.BigEndian.Uint16(data[4:])), data[6:14])
		ethertype = binary.BigEndian.Uint16(data[14:])
		data = data[16:]
	case layers.LinkTypeLinuxSLL2:
		if len(data) < 20 {
			return data, "shorter than a Linux cooked header"
		}
		dst = cookedGroup(uint16(data[10]), data[20:])
		src = cookedSource(int(data[11]), data[12:20])
		ethertype = binary.BigEndian.Uint16(data)
		data = data[20:]
	default: // raw IP
		if len(data) == 0 {
			return data, "empty"
		}
		switch v := data[0] >> 4; v {
		case 4:
			ethertype = etherIPv4
		case 6:
			ethertype = etherIPv6
		default:
			return data, fmt.Sprintf("IP version %d", v)
		}
	}
	if ethertype < etherMin {
		return whole, fmt.Sprintf("protocol %#04x is no ethertype", ethertype)
	}
	if dst == nil {
		if dst = group(data); dst == nil {
			dst = in.mac
		}
	}
	in.buf = append(in.buf[:0], dst...)
	in.buf = append(in.buf, src...)
	in.buf = binary.BigEndian.AppendUint16(in.buf, ethertype)
	in.buf = append(in.buf, data...)
	return in.buf, ""
}

// cookedSource returns the link address of a cooked header, if it is one of
// Ethernet's length and not all zero, as on loopback.
func cookedSource(n int, addr []byte) net.HardwareAddr {
	if n != 6 || [6]byte(addr) == [6]byte{} {
		return stranger
	}
	return net.HardwareAddr(addr[:6])
}

// cookedGroup returns the destination of a packet that was not sent to one
// host, else nil.
func cookedGroup(typ uint16, data []byte) net.HardwareAddr {
	switch typ {
	case sllBroadcast:
		return allHosts
	case sllMulticast:
		if g := group(data); g != nil {
			return g
		}
		return net.HardwareAddr{1, 0, 0, 0, 0, 0}
	}
	return nil
}

// group returns the link address of an IP packet's multicast or limited
// broadcast destination, else nil.
func group(ip []byte) net.HardwareAddr {
	switch {
	case len(ip) >= 20 && ip[0]>>4 == 4:
		d := [4]byte(ip[16:20])
		if d == [4]byte{255, 255, 255, 255} {
			return allHosts
		}
		if d[0]>>4 == 0xe {
			return net.HardwareAddr{1, 0, 0x5e, d[1] & 0x7f, d[2], d[3]}
		}
	case len(ip) >= 40 && ip[0]>>4 == 6 && ip[24] == 0xff:
		return net.HardwareAddr{0x33, 0x33, ip[36], ip[37], ip[38], ip[39]}
	}
	return nil
}
