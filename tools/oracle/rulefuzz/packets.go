package rulefuzz

import (
	"encoding/binary"
	"net/netip"

	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// flow is who talks to whom.
type flow struct {
	six          bool
	side         pair.Side // the first packet comes in by
	src, dst     netip.Addr
	proto        uint8
	sport, dport uint16
	seq          [2]uint32 // next, by direction
	step         int       // of a TCP connection
	typ, code    uint8
}

// packets gives the case its packets: some flows, interleaved.
func (g *maker) packets(n int) {
	flows := make([]*flow, 2+g.IntN(max(2, n/4)))
	for i := range flows {
		flows[i] = g.flow()
	}
	for len(g.c.Packets) < n {
		f := pick(g.dice, flows...)
		if g.chance(10) {
			f = g.flow()
		}
		if g.chance(16) {
			if p, ok := g.told(); ok {
				g.c.Packets = append(g.c.Packets, p)
				continue
			}
		}
		if all := g.pieces(g.packet(f)); len(all) <= n-len(g.c.Packets) {
			g.c.Packets = append(g.c.Packets, all...)
		}
	}
}

// reachable says whether the box knows where an address of a link is.
func reachable(a netip.Addr) bool {
	for _, side := range []pair.Side{pair.Lan, pair.Wan} {
		net := netip.PrefixFrom(pair.BoxAddr(side, a.Is6()), 24)
		if a.Is6() {
			net = netip.PrefixFrom(pair.BoxAddr(side, true), 64)
		}
		if !net.Contains(a) {
			continue
		}
		return !a.Less(pair.HostAddr(side, 0, a.Is6())) && !pair.HostAddr(side, pair.Hosts-1, a.Is6()).Less(a) || a == pair.BoxAddr(side, a.Is6())
	}
	return true
}

// own says whether the box itself has an address.
func own(a netip.Addr) bool {
	return a == pair.BoxAddr(pair.Lan, a.Is6()) || a == pair.BoxAddr(pair.Wan, a.Is6())
}

// unicast says whether an address may be anybody's.
func unicast(a netip.Addr) bool {
	if a.Is4() {
		b := a.As4()
		return b[0] != 0 && b[0] != 127 && b[0] < 224 && a.As4()[3] != 255
	}
	return a.IsGlobalUnicast()
}

func (g *maker) host(six bool, fits func(netip.Addr) bool) netip.Addr {
	for {
		v := value{}
		var a netip.Addr
		if six {
			v = g.aim(kIPv6)
			a = v.addr6()
		} else {
			v = g.aim(kIPv4)
			a = v.addr4()
		}
		if unicast(a) && fits(a) {
			return a
		}
	}
}

func (g *maker) flow() *flow {
	f := &flow{six: g.chance(3), side: pair.Side(g.IntN(2))}
	if g.dumps != "" { // the box's own stack would answer the other family
		f.six = g.six()
	}
	f.src = g.host(f.six, func(a netip.Addr) bool { return reachable(a) && !own(a) })
	if g.chance(2) {
		f.src = pair.HostAddr(f.side, g.IntN(4), f.six)
	}
	f.dst = g.host(f.six, func(a netip.Addr) bool { return reachable(a) && a != f.src && (!own(a) || g.chance(3)) })
	if g.chance(2) {
		f.dst = pair.HostAddr(f.side.Other(), g.IntN(4), f.six)
	}
	for f.src == f.dst { // whose direction is a matter of chance
		f.dst = pair.HostAddr(f.side.Other(), g.IntN(4), f.six)
	}
	f.proto = pick[uint8](g.dice, 6, 6, 6, 6, 17, 17, 17, 1, 1, 132, 136, 33, 50, 47, uint8(g.aim(kProto).lo))
	if f.proto == 58 || f.proto == 0 || f.proto == 43 || f.proto == 44 || f.proto == 60 || f.proto == 4 || f.proto == 41 {
		f.proto = 1
	}
	f.sport, f.dport = uint16(g.aim(kPort).lo), uint16(g.aim(kPort).lo)
	if g.nats { // no two flows may want the same port behind a translation, or chance would choose another one
		g.flows++
		f.sport = uint16(20_000 + g.flows)
	}
	if f.proto == 1 {
		f.typ, f.code = uint8(g.aim(kICMP).lo), uint8(g.aim(kCode).lo)
		if f.six {
			f.typ = uint8(g.aim(kICMP6).lo)
			if f.typ >= 130 && f.typ != 135 {
				f.typ = 128
			}
			f.proto = 58
		}
		if g.chance(3) {
			f.typ, f.code = pick[uint8](g.dice, 8, 0), 0
			if f.six {
				f.typ += 128 - f.typ/8*8 + 0
			}
		}
		if !g.nats {
			f.sport = uint16(g.aim(kID).lo)
		}
	}
	f.seq = [2]uint32{uint32(g.aim(kLong).lo), g.Uint32()}
	return f
}

// packet makes the next packet of a flow.
func (g *maker) packet(f *flow) pair.Frame {
	dir := 0
	if g.chance(3) && !own(f.dst) {
		dir = 1
	}
	side, src, dst, sport, dport := f.side, f.src, f.dst, f.sport, f.dport
	if dir == 1 {
		side, src, dst, sport, dport = sideOf(f.dst), f.dst, f.src, dport, sport
	}
	mac := pair.HostMAC(side)
	if g.chance(8) {
		binary.BigEndian.PutUint16(mac[4:], uint16(g.aim(kMAC).lo))
	}
	layers := []frame.Layer{frame.Ether{Src: frame.MAC(mac), Dst: frame.MAC(pair.BoxMAC(side))}}
	ttl := uint8(g.aim(kTTL).lo)
	if ttl < 3 && (g.nats || !g.chance(8)) { // what the box itself says of flows that want the same port is a matter of chance
		ttl = 64
	}
	tos, more := uint8(0), []frame.Layer(nil)
	if g.chance(3) {
		tos = uint8(g.aim(kDSCP).lo<<2 | g.aim(kECN).lo)
	}
	if f.six {
		layers = append(layers, frame.IPv6{Src: src.String(), Dst: dst.String(), Hops: ttl, HopsZero: true, Class: tos, Label: uint32(g.aim(kLong20).lo)})
		if !g.nats && g.chance(12) {
			more = g.extensions()
		}
	} else {
		layers = append(layers, frame.IPv4{Src: src.String(), Dst: dst.String(), TTL: ttl, TTLZero: true, TOS: tos, ID: uint16(g.aim(kID).lo), DF: g.chance(2)})
	}
	upper := g.transport(f, dir, sport, dport)
	if !g.nats && g.chance(40) {
		upper[0] = g.lying(upper[0])
	}
	if len(more) > 1 && len(frame.Build(append(layers[:2:2], upper...)...)) > 1000 { // it must fit into a frame
		more = more[:1]
	}
	layers = append(append(layers, more...), upper...)
	switch {
	case g.wire:
		layers = g.crossing(side, layers)
	case g.frames:
		layers = g.below(layers)
	}
	p := pair.Frame{Side: side, Data: frame.Build(layers...)}
	if g.frames && g.chance(30) && p.Data[12] != 0x81 && (!g.wire || len(p.Data) > 26 && p.Data[12] == 8) {
		p.Data[24+g.IntN(2)] ^= 1 // of IPv4 the header's checksum
	}
	if g.chance(40) { // what an Ethernet may add
		p.Data = append(p.Data, make([]byte, 1+g.IntN(20))...)
	}
	return p
}

// below makes some frames such as IP never sees: for another station, tagged, ARP.
func (g *maker) below(layers []frame.Layer) []frame.Layer {
	e := layers[0].(frame.Ether)
	switch g.IntN(16) {
	case 0:
		e.Dst = frame.MAC{2, 0, 0, 0, 0, 0x77}
	case 1:
		return append([]frame.Layer{e, frame.VLAN{TCI: pick[uint16](g.dice, 1, 2, 0x2005)}}, layers[1:]...)
	case 2:
		return []frame.Layer{e, frame.ARP{Op: 2, SenderMAC: e.Src, TargetMAC: e.Dst, Sender: "10.77.11.77", Target: "10.77.11.78"}}
	}
	return append([]frame.Layer{e}, layers[1:]...)
}

// sideOf is the side that an address is behind.
func sideOf(a netip.Addr) pair.Side {
	lan := netip.PrefixFrom(pair.BoxAddr(pair.Lan, a.Is6()), 24)
	if a.Is6() {
		lan = netip.PrefixFrom(pair.BoxAddr(pair.Lan, true), 64)
	}
	if lan.Contains(a) {
		return pair.Lan
	}
	return pair.Wan
}

func (g *maker) transport(f *flow, dir int, sport, dport uint16) []frame.Layer {
	size := pick(g.dice, 0, 0, 1, 10, 100)
	if g.chance(4) { // towards a length that some rule names
		size = max(0, min(1300, int(g.aim(kLength).lo)-pick(g.dice, 20, 28, 40, 60)))
	}
	data := frame.Data(make([]byte, size))
	sum := frame.SumRight
	if g.chance(40) {
		sum = frame.SumWrong
	}
	switch f.proto {
	case 6:
		return []frame.Layer{g.segment(f, dir, sport, dport, size, sum), data}
	case 17:
		return []frame.Layer{frame.UDP{Src: sport, Dst: dport, Sum: sum}, data}
	case 136:
		return []frame.Layer{frame.UDPLite{Src: sport, Dst: dport}, data}
	case 132:
		return []frame.Layer{frame.SCTP{Src: sport, Dst: dport, Tag: uint32(g.aim(kLong).lo)}, frame.Data(g.chunks())}
	case 33:
		return []frame.Layer{frame.DCCP{Src: sport, Dst: dport}, data}
	case 1, 58:
		typ := f.typ
		switch {
		case dir == 1 && typ == 8:
			typ = 0
		case dir == 1 && typ == 128:
			typ = 129
		}
		icmp := frame.ICMP{Type: typ, Code: f.code, ID: f.sport, Seq: uint16(g.aim(kID).lo), Sum: sum}
		if f.proto == 58 {
			return []frame.Layer{frame.ICMPv6(icmp), data}
		}
		return []frame.Layer{icmp, data}
	}
	var b []byte
	b = binary.BigEndian.AppendUint32(b, uint32(g.aim(kLong).lo))
	if g.dumps != "" {
		b = append(b, make([]byte, 12)...) // of ESP, AH and others a whole header
		binary.BigEndian.PutUint32(b[4:], uint32(g.aim(kLong).lo))
	}
	return []frame.Layer{frame.Proto(f.proto), frame.Data(b), data}
}

// segment makes the next segment of a connection, mostly one that may come next.
func (g *maker) segment(f *flow, dir int, sport, dport uint16, size int, sum frame.Sum) frame.TCP {
	t := frame.TCP{Src: sport, Dst: dport, Seq: f.seq[dir], Ack: f.seq[1-dir], Flags: "A", Window: uint16(g.aim(kShort).lo), WindowZero: true, Sum: sum}
	switch {
	case g.chance(8):
		t.Flags = ""
		bits := g.aim(kFlags).lo
		for i, c := range frame.TCPFlags {
			if bits>>i&1 != 0 {
				t.Flags += string(c)
			}
		}
		if g.chance(2) {
			t.Seq, t.Ack = uint32(g.aim(kLong).lo), uint32(g.aim(kLong).lo)
		}
	case f.step == 0 && dir == 0:
		t.Flags, t.Ack, f.step = "S", 0, 1
	case f.step == 1 && dir == 1:
		t.Flags, f.step = "SA", 2
	case g.chance(2):
		t.Flags = "PA"
	}
	syn := false
	for _, c := range t.Flags {
		syn = syn || c == 'S'
		if c == 'S' || c == 'F' {
			f.seq[dir] = t.Seq + 1
		}
	}
	f.seq[dir] += uint32(size)
	if syn && !g.chance(3) {
		mss := uint16(g.aim(kSize).lo)
		t.Options = "\x02\x04" + string([]byte{byte(mss >> 8), byte(mss)})
	}
	if syn && g.chance(2) {
		t.Options += "\x04\x02"
	}
	if g.chance(4) {
		v := uint32(g.aim(kLong).lo)
		t.Options += "\x08\x0a" + string(binary.BigEndian.AppendUint32(nil, v)) + "\x00\x00\x00\x01"
	}
	if syn && g.chance(3) {
		t.Options += "\x03\x03" + string([]byte{byte(g.aim(kByte).lo)})
	}
	if len(t.Options) < 16 && g.chance(8) {
		t.Options += g.tcpOption()
	}
	for len(t.Options)%4 != 0 {
		t.Options += "\x01"
	}
	return t
}
