package rulefuzz

import (
	"encoding/binary"
	"net/netip"

	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// tcpOption makes one of the options that few segments have.
func (g *maker) tcpOption() string {
	long := func() string { return string(binary.BigEndian.AppendUint32(nil, uint32(g.aim(kLong).lo))) }
	switch g.IntN(6) {
	case 0:
		return "\x05\x0a" + long() + long()
	case 1:
		return "\x05\x12" + long() + long() + long() + long()
	case 2:
		return "\x13\x12" + long() + long() + long() + long()
	case 3:
		return "\x1e\x04" + string([]byte{byte(g.aim(kNibble).lo << 4), 0})
	case 4:
		return "\x22\x02"
	}
	return "\xfe\x04" + string([]byte{byte(g.aim(kByte).lo), 1})
}

// chunks makes what an SCTP packet holds.
func (g *maker) chunks() string {
	var b []byte
	for range 1 + g.IntN(2) {
		kind := pick[byte](g.dice, 0, 0, 1, 2, 3, 4, 6, 7, 10, 193)
		size := 4 * pick(g.dice, 1, 2, 4, 5)
		b = append(b, kind, byte(g.aim(kByte).lo))
		b = binary.BigEndian.AppendUint16(b, uint16(size))
		for range size/4 - 1 {
			b = binary.BigEndian.AppendUint32(b, uint32(g.aim(kLong).lo))
		}
	}
	return string(b)
}

// extensions makes the extension headers of a packet: nearly always one.
func (g *maker) extensions() (all []frame.Layer) {
	all = append(all, g.extension())
	if g.dumps == "" && g.chance(6) {
		for range pick(g.dice, 1, 2, 16) {
			all = append(all, frame.Ext{Kind: pick(g.dice, frame.DestOpts, frame.DestOpts, frame.Auth)})
		}
	}
	return all
}

// extension makes an extension header that routers pass on.
func (g *maker) extension() frame.Layer {
	n := g.IntN(8)
	if g.dumps != "" { // what contradicts itself x_tables drops
		n %= 5
	}
	switch n {
	case 5:
		return frame.Ext{Kind: frame.Auth}
	case 6: // which may lie about its length
		return frame.Ext{Kind: pick(g.dice, frame.Routing, frame.DestOpts, frame.Auth), Len: frame.Say(uint16(g.IntN(8)))}
	case 7: // or about what follows
		return frame.Ext{Kind: frame.DestOpts, Next: frame.Say(uint16(pick(g.dice, frame.NoNext, 135, frame.DestOpts, frame.Routing, frame.Auth, 50)))}
	case 0:
		return frame.Ext{Kind: frame.Routing, Body: "\x04\x00" + string([]byte{byte(g.IntN(2)), byte(g.aim(kByte).lo)}) + "\x00\x07"}
	case 1:
		return frame.Ext{Kind: frame.HopByHop}
	}
	return frame.Ext{Kind: frame.DestOpts}
}

// pieces cuts some datagrams into fragments, in any order: all of them come.
func (g *maker) pieces(p pair.Frame) []pair.Frame {
	const header = 14
	if g.dumps != "" && g.whole && ownFrame(p.Data) { // the kernel sees the datagram, a box what came
		return []pair.Frame{p}
	}
	if len(p.Data) < header+100 || len(p.Data) > header+datagram(p.Data[header:]) || g.frames && !(g.wire && plainIP(p.Data)) || !g.chance(4) {
		return []pair.Frame{p}
	}
	if p.Data[12] == 8 { // the same number must not come twice
		binary.BigEndian.PutUint16(p.Data[header+4:], uint16(g.Uint32()))
	}
	var all []pair.Frame
	for _, b := range frame.Split(p.Data, 8*pick(g.dice, 6, 10, 40, 80), g.Uint32()) {
		all = append(all, pair.Frame{Side: p.Side, Data: b})
	}
	if g.chance(3) {
		g.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	return all
}

// datagram is how long the one in b says to be; 0: it is none.
func datagram(b []byte) int {
	switch b[0] >> 4 {
	case 4:
		return int(binary.BigEndian.Uint16(b[2:]))
	case 6:
		return 40 + int(binary.BigEndian.Uint16(b[4:]))
	}
	return 0
}

// ownFrame says whether an IP packet is for the box itself.
func ownFrame(b []byte) bool {
	if b[12] == 0x86 {
		return own(netip.AddrFrom16([16]byte(b[14+24:])))
	}
	return own(netip.AddrFrom4([4]byte(b[14+16:])))
}
