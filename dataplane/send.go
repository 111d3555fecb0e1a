package dataplane

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/defrag"
	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// What leaves by a port passes the chains at its egress last. Rules also send copies
// of packets (dup) and frames past everything else (fwd).

// relayDepth is how deep copies of frames and frames sent on may bring each other
// about at the egress of ports (NF_RECURSION_LIMIT).
const relayDepth = 3

// copies is a worker's room for copies, one that walks and frames.
type copies struct {
	packet packet.Packet // by dup to an address: one at a time, for copies are not copied
	buffer []byte        // of a datagram that came in fragments
	parts  []defrag.Frag // and their frames
	hop    route.Hop     // where it goes when no route says so
	walks  bool

	frames [relayDepth]packet.Packet // by dup to a port, each because of the one before
	depth  int                       // of these, and of frames sent on

	piece   packet.Packet // a fragment at the egress of a port
	relayed bool          // it has been sent on
}

// depart ends the way of p, a plain frame: it leaves by p.OutPort.
func (w *worker) depart(t *tables, p *packet.Packet) {
	if t.egress != nil && !w.pass(t, p) {
		return
	}
	w.ended(p, FateSent, packet.DropNone)
	w.transmit(int(p.OutPort), p)
}

// pass takes a frame through the chains at the egress of p.OutPort. False: it is gone.
func (w *worker) pass(t *tables, p *packet.Packet) bool {
	chains := t.egress[p.OutPort]
	if len(chains) == 0 {
		return true
	}
	flags := p.Flags
	p.Flags &^= packet.FlagLocal | packet.FlagCopy // its link header is there by now
	d := packet.DropNone
	if !w.frames(t, chains, p, &d, departing) {
		return false
	}
	p.Flags = flags
	return true
}

// emit sends out by a port a frame of which bytes, marks and some flags are known.
func (w *worker) emit(t *tables, port uint16, p *packet.Packet) {
	mark, priority, rule, flags := p.Mark, p.Priority, p.Rule, p.Flags
	if packet.Parse(p, w.table) != packet.DropNone {
		p.Sketch()
	}
	p.Mark, p.Priority, p.Rule, p.Flags = mark, priority, rule, p.Flags|flags
	p.OutPort = port
	w.depart(t, p)
}

// duplicate is rules.Env.Copy. It comes in the midst of the walk of p, which finds all
// as it was.
func (w *worker) duplicate(p *packet.Packet, to *rules.Send) {
	t, where := w.plans.tables, *to
	env, parts, learning, routed, linear := w.env, w.parts, w.plans.learning, w.routed, w.joined.linear
	if where.Family != 0 {
		w.copyPacket(t, p, &where)
	} else {
		w.parts = nil
		w.copyFrame(t, p, where.Port)
	}
	env.LogsLost = w.env.LogsLost
	w.env, w.parts, w.plans.learning, w.routed, w.joined.linear = env, parts, learning, routed, linear
}

// copyFrame sends the bytes of p out by a port (nf_dup_netdev_egress).
func (w *worker) copyFrame(t *tables, p *packet.Packet, port uint16) {
	if int(port) >= len(w.ports) || w.copies.depth == relayDepth {
		w.stats.Drops[packet.DropNoPort]++
		return
	}
	addr, ok := w.umem.Alloc()
	if !ok {
		w.stats.Drops[packet.DropNoFrame]++
		return
	}
	c := &w.copies.frames[w.copies.depth]
	c.Addr, c.Data = addr, w.umem.Frame(addr, uint32(len(p.Data)))
	copy(c.Data, p.Data)
	c.InPort, c.Serial, c.Mark, c.Priority, c.Rule = p.InPort, p.Serial, p.Mark, p.Priority, p.Rule
	c.Flags = packet.FlagCopy | p.Flags&packet.FlagOtherHost
	w.copies.depth++
	w.emit(t, port, c)
	w.copies.depth--
}

// relay sends a frame on as a rule below IP asked: to a port, or there to a next hop
// (nft_fwd_netdev_eval, nft_fwd_neigh_eval).
func (w *worker) relay(t *tables, p *packet.Packet, to *rules.Send) {
	if int(to.Port) >= len(w.ports) || w.copies.depth == relayDepth {
		w.drop(p, packet.DropNoPort)
		return
	}
	p.OutPort, w.copies.relayed = to.Port, true
	if to.Family != 0 {
		const fixed = 40 // of IPv6, the longer one
		if len(p.Data) < int(p.L3)+fixed && (p.Family == flowtable.FamilyIPv6 || len(p.Data) < int(p.L3)+fixed/2) {
			w.drop(p, packet.DropShort)
			return
		}
		if !p.DecTTL() {
			w.copies.relayed = false
			w.drop(p, packet.DropTTL)
			return
		}
		mac := t.routes.Neighbour(to.Family, to.Port, &to.Addr)
		if mac == nil {
			w.copies.hop = route.Hop{Port: to.Port}
			p.InPort = packet.NoPort // nobody is told when there is no such neighbour
			w.await(t, p, &w.copies.hop, &to.Addr)
			return
		}
		setMACs(p.Data, mac, &w.ports[to.Port].mac)
	}
	w.copies.depth++
	w.depart(t, p)
	w.copies.depth--
}

// copyPacket sends a copy of p by way of a next hop, through output and postrouting
// (nf_dup_ipv4, nf_dup_ipv6).
func (w *worker) copyPacket(t *tables, p *packet.Packet, to *rules.Send) {
	if w.copies.walks {
		return
	}
	hop := t.routes.Lookup(to.Family, &to.Addr, p.Hash)
	if to.Named && (hop.Kind != route.Forward || hop.Port != to.Port) && hop.Kind != route.Local {
		// Linux believes the rule: the next hop is on that link.
		w.copies.hop = route.Hop{Port: to.Port}
		hop = &w.copies.hop
	}
	if hop.Kind != route.Forward || int(hop.Port) >= len(w.ports) {
		w.stats.Drops[packet.DropNoRoute]++
		return
	}
	c := &w.copies.packet
	if !w.copyInto(c, p) {
		w.stats.Drops[packet.DropNoFrame]++
		return
	}
	c.Entry, c.Ct, c.Template, c.Rest = 0, nil, flowtable.Template{}, nil
	c.Kind, c.Info, c.Exempted = flowtable.KindUntracked, flowtable.InfoUntracked, p.Kind
	c.Flags = c.Flags&^(packet.FlagZoned|packet.FlagRelatedError) | packet.FlagCopy
	c.InPort, c.OutPort = packet.NoPort, hop.Port
	prepareCopy(c, to.Early)
	w.copies.walks = true
	w.leaveByCopy(t, c, p.InPort, hop, to)
	w.copies.walks = false
}

// copyInto makes c what p is, with frames of its own. False: none are free.
func (w *worker) copyInto(c, p *packet.Packet) bool {
	parts := w.copies.parts[:0]
	for i := range max(1, len(w.parts)) {
		addr, ok := w.umem.Alloc()
		if !ok {
			for i := range parts {
				w.umem.Free(parts[i].Addr)
			}
			return false
		}
		f := defrag.Frag{}
		if w.parts != nil {
			f = w.parts[i]
		}
		f.Addr = addr
		parts = append(parts, f)
	}
	*c = *p
	if w.joined.linear = true; w.parts == nil { // Linux cuts what its original shares with it anew
		c.Addr, c.Data = parts[0].Addr, w.umem.Frame(parts[0].Addr, uint32(len(p.Data)))
	} else {
		w.parts, c.Data = parts, w.copies.buffer[:len(p.Data)]
	}
	copy(c.Data, p.Data)
	return true
}

// prepareCopy writes into the header of a copy what Linux does: it must not be cut up,
// and before forwarding it ends sooner than the packet, lest two boxes that copy to
// each other never stop.
func prepareCopy(c *packet.Packet, early bool) {
	h := c.Data[c.L3:]
	ttl := 7
	if c.Family == flowtable.FamilyIPv4 {
		ttl = 8
		h[6] |= 0x40
	}
	if early {
		h[ttl]--
	}
	if c.Family == flowtable.FamilyIPv4 {
		size := int(h[0]&15) * 4
		binary.BigEndian.PutUint16(h[2:], uint16(int(c.End)-int(c.L3)))
		sumHeader(h[:size])
	}
}

// leaveByCopy takes a copy of what came by port in out by hop.
func (w *worker) leaveByCopy(t *tables, c *packet.Packet, in uint16, hop *route.Hop, to *rules.Send) {
	w.plans.learning = false
	if !w.hook(t, nft.HookOutput, c) {
		return
	}
	c.InPort = c.OutPort // as it looks to Linux there
	if !w.hook(t, nft.HookPostrouting, c) {
		return
	}
	c.InPort = packet.NoPort
	mtu := w.mtu(c, hop)
	if w.largest(c) > mtu && mustFit(c) {
		if c.Flags&packet.FlagLocal == 0 {
			c.InPort = in // whose sender learns of it
		}
		w.tooBig(t, c, mtu)
		return
	}
	mac := t.routes.NextHop(hop, to.Family, &to.Addr)
	if mac == nil {
		w.await(t, c, hop, &to.Addr)
		return
	}
	setMACs(c.Data, mac, &w.ports[hop.Port].mac)
	w.goOut(t, c, mtu)
}
