package rulefuzz

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// What tables of family bridge ask, and what crosses a wire.

var (
	kARP      = names("arp_op", 16, map[uint64]string{1: "request", 2: "reply", 8: "inrequest", 9: "inreply"})
	kHardware = number("arp_htype", 16, 1, 2, 6)
	kLengths  = number("arp_len", 8, 4, 6, 8)
)

// framed are fields that only tables of frames have, or that tell frames apart.
var framed = []field{
	{"arp operation", kARP, "arp", "", 0, true},
	{"arp htype", kHardware, "arp", "", 0, true},
	{"arp ptype", kEther, "arp", "", 0, true},
	{"arp hlen", kLengths, "arp", "", 0, true},
	{"arp plen", kLengths, "arp", "", 0, true},
	{"arp saddr ip", kIPv4, "arp", "", 0, true},
	{"arp daddr ip", kIPv4, "arp", "", 0, true},
	{"arp saddr ether", kMAC, "arp", "", 0, true},
	{"arp daddr ether", kMAC, "arp", "", 0, true},
	{"ether saddr", kMAC, "", "", 0, true},
	{"ether daddr", kMAC, "", "", 0, true},
	{"ether type", kEther, "", "", 0, true},
	{"vlan id", kVLAN, "", "", 0, false},
	{"vlan pcp", kPCP, "", "", 0, false},
	{"vlan dei", kBit, "", "", 0, false},
	{"vlan type", kEther, "", "", 0, false},
	{"meta pkttype", kFramekind, "", "", 0, true},
	{"meta protocol", kEther, "", "", 0, true},
}

// kFramekind is kPkttype with frames for others, as nearly all are that cross.
var kFramekind = names("pkt_type", 8, map[uint64]string{0: "unicast", 1: "broadcast", 2: "multicast", 3: "other"})

// crossing makes of a packet a frame as they cross wires: from any station to any,
// tagged or not, IP or not.
func (g *maker) crossing(side pair.Side, layers []frame.Layer) []frame.Layer {
	e := layers[0].(frame.Ether)
	e.Dst = frame.MAC(pair.HostMAC(side.Other()))
	rest := layers[1:]
	switch g.IntN(16) {
	case 0:
		e.Dst = frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	case 1:
		e.Dst = pick(g.dice, frame.MAC{1, 0, 0x5e, 0, 0, 5}, frame.MAC{0x33, 0x33, 0, 0, 0, 5})
	case 2:
		e.Dst = frame.MAC{2, 0, 0, 0, 0, 0x77}
	case 3, 4:
		rest = append([]frame.Layer{frame.VLAN{TCI: uint16(g.aim(kVLAN).lo | g.aim(kPCP).lo<<13)}}, rest...)
	case 5:
		rest = append([]frame.Layer{frame.VLAN{TPID: 0x88a8, TCI: uint16(g.aim(kVLAN).lo)}, frame.VLAN{TCI: 5}}, rest...)
	case 6, 7:
		rest = []frame.Layer{g.arp(e.Src)}
		if g.chance(3) {
			rest = append([]frame.Layer{frame.VLAN{TCI: uint16(g.aim(kVLAN).lo)}}, rest...)
		}
		if g.chance(2) {
			e.Dst = frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		}
	case 8:
		e.Type = pick[uint16](g.dice, 0x88b5, 0x8863, 0x100, 0x88cc)
		rest = []frame.Layer{frame.Data(make([]byte, pick(g.dice, 0, 1, 46, 100)))}
	}
	return append([]frame.Layer{e}, rest...)
}

func (g *maker) arp(from frame.MAC) frame.ARP {
	return frame.ARP{Op: uint16(g.aim(kARP).lo), SenderMAC: from, TargetMAC: frame.MAC(pair.HostMAC(pair.Side(g.IntN(2)))),
		Sender: g.aim(kIPv4).addr4().String(), Target: g.aim(kIPv4).addr4().String()}
}

// plainIP says whether a frame is IP and has no tag.
func plainIP(b []byte) bool {
	t := binary.BigEndian.Uint16(b[12:])
	return t == frame.TypeIPv4 || t == frame.TypeIPv6
}
