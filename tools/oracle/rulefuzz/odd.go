package rulefuzz

import (
	"net/netip"

	"github.com/sluice-net/sluice/tools/frame"
	"github.com/sluice-net/sluice/tools/oracle/pair"
)

// told makes an ICMP error about a packet that went before, from where that was
// bound for; false: nobody would tell of it.
func (g *maker) told() (p pair.Frame, ok bool) {
	if len(g.c.Packets) == 0 || g.nats { // what a translation made of it is not known here
		return p, false
	}
	of := pick(g.dice, g.c.Packets...)
	if !plainIP(of.Data) {
		return p, false
	}
	ip := of.Data[14:]
	quote := frame.Data(ip[:min(len(ip), pick(g.dice, 20, 28, 40, 48, 64, 128, 600))])
	if ip[0]>>4 == 4 {
		src, dst := netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
		icmp := frame.ICMP{Type: pick[uint8](g.dice, 3, 3, 11, 12, 4), Code: uint8(g.IntN(5)), Info: uint32(g.aim(kSize).lo)}
		return g.error(of.Side, src, dst, frame.IPv4{Src: dst.String(), Dst: src.String(), TTL: 64}, icmp, quote)
	}
	src, dst := netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
	icmp := frame.ICMPv6{Type: pick[uint8](g.dice, 1, 1, 2, 3, 4), Code: uint8(g.IntN(5)), Info: uint32(g.aim(kSize).lo)}
	return g.error(of.Side, src, dst, frame.IPv6{Src: dst.String(), Dst: src.String(), Hops: 64}, icmp, quote)
}

// error makes the frame that dst sends to src, whose packet came in by a side.
func (g *maker) error(side pair.Side, src, dst netip.Addr, layers ...frame.Layer) (p pair.Frame, ok bool) {
	if !unicast(src) || !unicast(dst) || !g.wire && (own(src) || own(dst) || !reachable(src) || !reachable(dst)) {
		return p, false
	}
	from, to := side.Other(), frame.MAC(pair.HostMAC(side))
	if !g.wire {
		from = sideOf(dst)
		to = frame.MAC(pair.BoxMAC(from))
	}
	e := frame.Ether{Src: frame.MAC(pair.HostMAC(from)), Dst: to}
	return pair.Frame{Side: from, Data: frame.Build(append([]frame.Layer{e}, layers...)...)}, true
}

// lying makes a transport header say another length than it has.
func (g *maker) lying(l frame.Layer) frame.Layer {
	switch h := l.(type) {
	case frame.TCP:
		if g.dumps != "" {
			return l
		}
		h.DataOffset = frame.Say(uint16(g.IntN(16)))
		return h
	case frame.UDP:
		h.Len = frame.Say(pick[uint16](g.dice, 0, 7, 8, 9, 20, 2000))
		return h
	}
	return l
}
