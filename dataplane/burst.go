package dataplane

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/rules/nft"
)

// burst takes pkts through the box. The first two loops only compute and
// prefetch; effects happen in the third, packet by packet in arrival order, so
// that a burst of one and a burst of 64 leave the same bytes, entries and
// counters behind.
func (w *worker) burst(t *tables, pkts []packet.Packet) {
	for i := range pkts {
		p := &pkts[i]
		w.at = i
		w.drops[i] = packet.Parse(p, w.table)
		w.hashes[i] = p.Hash
		if p.Proto != flowtable.ProtoUDP {
			w.hashes[i] |= flowtable.PrefetchAll
		}
	}
	w.stages.Lap(stageParse)
	if t.track[0] || t.track[1] {
		w.shard.Prefetch(w.hashes[:len(pkts)], w.hints)
		w.stages.Lap(stagePrefetch)
	}
	if w.charging {
		w.mark = perf.Cycles()
	}
	for i := range pkts {
		p := &pkts[i]
		w.at = i
		if t.below != nil && !w.receive(t, p, i) {
			// a chain has made an end of it
		} else if d := w.drops[i]; d != packet.DropNone {
			w.unsound(t, p, d, w.kinds[i])
		} else {
			p.Hint = w.hints[i]
			w.packet(t, p, w.kinds[i])
		}
		if w.charging {
			w.charge(t, p)
		}
		if w.check && (!t.image.Alive() || t.image.Generation() != t.generation) {
			w.stats.Mixed++
		}
	}
	w.at = len(w.pkts)
	w.stages.Lap(stageWalk)
}

// unsound drops what Parse has refused, and answers one for an option of IPv6 that wants it:
// before any chain of IP sees it, as Linux does.
func (w *worker) unsound(t *tables, p *packet.Packet, d packet.Drop, came parcelKind) {
	if d == packet.DropIPv6Extension && came&fromHost == 0 && !w.wire && w.ours(p) && (p.VLANs == 0 || w.untag(p)) {
		if code, pointer, ok := p.HopProblem(); ok {
			w.icmpError(t, p, icmpv6ParameterProblem, code, pointer)
		}
	}
	w.drop(p, d)
}

// packet decides whose packet it is, then takes it to completion.
func (w *worker) packet(t *tables, p *packet.Packet, came parcelKind) {
	switch {
	case came&fromHost != 0:
		p.Flags |= packet.FlagLocal
	case !w.ours(p):
		w.drop(p, packet.DropOtherHost)
		return
	case p.VLANs > 0 && !w.untag(p):
		w.drop(p, packet.DropVLAN)
		return
	}
	if p.Family == flowtable.FamilyNone {
		w.notIP(t, p)
		return
	}
	if !w.wire || p.VLANs < 2 { // a bridge shows IP nothing behind two tags
		p.Data = p.Data[:p.End] // padding stays here (ip_rcv_core; br_validate_ipv4 and its twin)
	}
	if w.ports[p.InPort].unfinished || came&fromHost != 0 {
		packet.CompleteChecksum(p)
	}
	track := t.track[familyIndex(p.Family)]
	if track && (p.Flags&packet.FlagFragment != 0 || p.Frag != 0) { // or IPv6's that are all of a datagram (RFC 6946)
		w.fragment(t, p, came.reason())
		return
	}
	if p.Proto == flowtable.ProtoGRE {
		packet.Rekey(p, w.table)
	}
	if track && len(w.out) > 1 && w.elsewhere(t, p, came.reason()) {
		return
	}
	w.whole(t, p)
}

// notIP passes on what no rule sees: ARP and other EtherTypes.
func (w *worker) notIP(t *tables, p *packet.Packet) {
	switch {
	case p.Flags&packet.FlagLocal != 0:
		p.OutPort = p.InPort
	case w.wire:
		p.OutPort = p.InPort ^ 1
		if !w.otherCrosses(t, p) {
			return
		}
	default:
		w.toHost(p)
		return
	}
	w.depart(t, p)
}

// whole walks a whole packet that this worker owns.
func (w *worker) whole(t *tables, p *packet.Packet) {
	t.judged++
	w.routed = false
	if p.Flags&packet.FlagLocal != 0 {
		w.output(t, p)
		return
	}
	hs := &t.hooks[familyIndex(p.Family)][nft.HookPrerouting]
	if !w.untilTracked(t, hs, p) || w.byPlan(t, p) || !w.onceTracked(t, hs, p) {
		return
	}
	if w.wire {
		w.cross(t, p)
		return
	}
	w.route(t, p)
}

// output takes what the box's own stack sends out by a port. It has its MAC
// addresses already; only a rule that changed the destination makes it look
// for another way.
func (w *worker) output(t *tables, p *packet.Packet) {
	p.OutPort, p.InPort = p.InPort, packet.NoPort
	var before [16]byte
	p.DstAddr(&before)
	if w.hook(t, nft.HookOutput, p) {
		w.leave(t, p, w.rerouted(t, p, &before, nil))
	}
}

// cross takes a packet over the wire to the other port.
func (w *worker) cross(t *tables, p *packet.Packet) {
	p.OutPort = p.InPort ^ 1
	if t.below != nil && t.below.bridge != nil {
		w.crossBridge(t, p)
	} else if w.hook(t, nft.HookForward, p) {
		w.leave(t, p, nil)
	}
}

// untag takes away a tag that only gives a priority, as a kernel without VLAN
// devices does, and says whether the packet may go on. Ports that take any
// frame, and a wire, take tagged ones as they are.
func (w *worker) untag(p *packet.Packet) bool {
	if w.wire || w.ports[p.InPort].anyMAC {
		return true
	}
	if p.VLANs > 1 || p.VLAN[0]&0xfff != 0 {
		return false
	}
	const tag = 4
	copy(p.Data[tag:], p.Data[:12])
	p.Data, p.Addr = p.Data[tag:], p.Addr+tag
	p.VLANs, p.End = 0, p.End-tag
	for _, offset := range []*uint16{&p.L3, &p.L4, &p.L4Payload, &p.Frag, &p.AH} {
		if *offset != 0 {
			*offset -= tag
		}
	}
	return true
}

// route finds where the packet goes, which may differ from what its sender
// wanted: prerouting can have changed the destination. The checks and their
// order are ip_route_input_slow's.
func (w *worker) route(t *tables, p *packet.Packet) {
	w.routed = true
	if p.Martian() || t.ownAddress(p) {
		w.drop(p, packet.DropIPAddress)
		return
	}
	if p.Flags&packet.FlagIPOptions != 0 && !w.readOptions(t, p) {
		return
	}
	if toMulticast(p) || linkLocal(p, ip6Dst) {
		w.input(t, p) // the kernel knows its groups and its link-local addresses
		return
	}
	var dst [16]byte
	p.DstAddr(&dst)
	hop := t.routes.Lookup(p.Family, &dst, p.Hash)
	if (hop.Kind != route.Forward || hop.Port == p.InPort) && offersLease(p) {
		w.input(t, p)
		return
	}
	switch hop.Kind {
	case route.Local:
		w.input(t, p)
	case route.Broadcast:
		p.Flags |= packet.FlagBroadcast
		w.input(t, p)
	case route.Forward:
		w.forward(t, p, hop)
	case route.Blackhole:
		w.drop(p, packet.DropBlackhole)
	case route.Unreachable:
		w.unreachable(t, p, icmpHostUnreachable, packet.DropUnreachable)
	case route.Prohibit:
		w.unreachable(t, p, icmpAdminProhibited, packet.DropUnreachable)
	default:
		if w.ports[p.InPort].peer != packet.NoPort {
			w.forward(t, p, nil)
		} else {
			w.unreachable(t, p, icmpNetUnreachable, packet.DropNoRoute)
		}
	}
}

// offersLease says that a DHCP server speaks to a client, which gets it at the
// address that it does not have yet. Linux shows such packets to the client's
// raw socket before it would route them.
func offersLease(p *packet.Packet) bool {
	if p.Family != flowtable.FamilyIPv4 || p.Proto != flowtable.ProtoUDP || p.L4 == 0 || int(p.L4)+4 > int(p.End) {
		return false
	}
	const server, client = 67, 68
	return binary.BigEndian.Uint32(p.Data[p.L4:]) == server<<16|client
}

// Offsets of the addresses in an IPv6 header.
const (
	ip6Src = 8
	ip6Dst = 24
)

// linkLocal says that the IPv6 address at an offset of the header is of fe80::/10.
func linkLocal(p *packet.Packet, offset int) bool {
	return p.Family == flowtable.FamilyIPv6 &&
		binary.BigEndian.Uint16(p.Data[int(p.L3)+offset:])&0xffc0 == 0xfe80
}

// input takes a packet for the box itself through its hook and to the kernel.
func (w *worker) input(t *tables, p *packet.Packet) {
	if p.Flags&packet.FlagIPOptions != 0 {
		p.Unread(&w.options) // the kernel will read them
	}
	if w.hook(t, nft.HookInput, p) {
		w.toHost(p)
	}
}

// forward takes a packet out by hop, or across to the in-port's peer when hop
// is nil. The order of the checks is ip_forward's and ip6_forward's.
func (w *worker) forward(t *tables, p *packet.Packet, hop *route.Hop) {
	if linkMulticast(p) {
		w.drop(p, packet.DropMulticast) // Linux forwards only what was sent to its own MAC
		return
	}
	if linkLocal(p, ip6Src) {
		w.unreachable(t, p, icmpBeyondScope, packet.DropIPAddress)
		return
	}
	if p.TTL() <= 1 {
		w.timeExceeded(t, p)
		return
	}
	if hop != nil {
		p.OutPort = hop.Port
	} else {
		p.OutPort = w.ports[p.InPort].peer
	}
	if p.OutPort == packet.NoPort || int(p.OutPort) >= len(w.ports) {
		w.drop(p, packet.DropNoPort)
		return
	}
	if mtu := w.mtu(p, hop); w.largest(p) > mtu && mustFit(p) {
		w.tooBig(t, p, mtu)
		return
	}
	p.DecTTL()
	if t.classes && p.Family == flowtable.FamilyIPv4 { // net.ipv4.ip_forward_update_priority
		p.Priority, w.env.Trail.Classed = p.TOSPriority(), false
	}
	if w.hook(t, nft.HookForward, p) {
		if p.Flags&packet.FlagIPOptions != 0 {
			w.writeOptions(p, hop)
		}
		w.leave(t, p, hop)
	}
}

// leave takes a packet through postrouting, gives it MAC addresses and sends it.
func (w *worker) leave(t *tables, p *packet.Packet, hop *route.Hop) {
	if !w.hook(t, nft.HookPostrouting, p) {
		return
	}
	if hop != nil {
		mac := t.routes.Gateway(hop)
		if mac == nil {
			var dst [16]byte
			p.DstAddr(&dst)
			if mac = t.routes.NextHop(hop, p.Family, &dst); mac == nil {
				w.await(t, p, hop, &dst)
				return
			}
		}
		setMACs(p.Data, mac, &w.ports[hop.Port].mac)
	}
	if w.plans.learning && p.InPort != packet.NoPort {
		w.learn(t, p, hop)
	}
	if mtu := w.mtu(p, hop); t.egress != nil || w.parts != nil || int(p.End)-int(p.L3) > mtu {
		w.goOut(t, p, mtu)
		return
	}
	w.ended(p, FateSent, packet.DropNone) // as depart does: most packets end here
	w.transmit(int(p.OutPort), p)
}

// goOut sends a packet that has its MAC addresses, in fragments if it must be.
func (w *worker) goOut(t *tables, p *packet.Packet, mtu int) {
	if w.parts != nil || int(p.End)-int(p.L3) > mtu {
		w.sendPieces(t, p, mtu)
		return
	}
	w.depart(t, p)
}

// mtu returns the largest L3 length that fits out of p's port on this way.
func (w *worker) mtu(p *packet.Packet, hop *route.Hop) int {
	mtu := w.ports[p.OutPort].mtu
	if hop != nil && hop.MTU != 0 {
		mtu = min(mtu, int(hop.MTU))
	}
	return mtu
}

// linkMulticast says that the frame went to more than one station.
func linkMulticast(p *packet.Packet) bool { return p.Data[0]&1 != 0 && p.Flags&packet.FlagLocal == 0 }

// toMulticast says that the destination is a multicast group or 255.255.255.255.
func toMulticast(p *packet.Packet) bool {
	if p.Family == flowtable.FamilyIPv6 {
		return p.Data[p.L3+24] == 0xff
	}
	dst := binary.BigEndian.Uint32(p.Data[p.L3+16:])
	return dst>>28 == 0xe || dst == 0xffffffff
}

// ours says whether a frame's destination MAC address is one the box listens to.
func (w *worker) ours(p *packet.Packet) bool {
	port := &w.ports[p.InPort]
	d := p.Data
	if d[0]&1 != 0 || port.anyMAC || w.wire {
		return true
	}
	m := &port.mac
	return binary.BigEndian.Uint32(d) == binary.BigEndian.Uint32(m[:]) &&
		binary.BigEndian.Uint16(d[4:]) == binary.BigEndian.Uint16(m[4:])
}

func setMACs(frame []byte, dst, src *[6]byte) {
	copy(frame[0:6], dst[:])
	copy(frame[6:12], src[:])
}

// elsewhere hands a packet to the worker that owns its flow; false when that
// is this one. Untracked packets have no flow: they stay, and so do invalid ones
// unless they may meet an expectation.
func (w *worker) elsewhere(t *tables, p *packet.Packet, came parcelKind) bool {
	if p.Kind != flowtable.KindFlow && p.Kind != flowtable.KindError &&
		(p.Kind != flowtable.KindInvalid || p.Hash == 0 || w.table.ExpectCount() == 0) {
		return false
	}
	p.Foreign = came == parcelDirected || came == parcelDatagramDirected
	if came == parcelNone || came == parcelFragment {
		if owner := w.table.Owner(p.Hash); owner != w.id {
			w.handOver(p, owner, parcelOwned)
			return true
		}
	}
	// Chains before conntrack must run on the owner only, so ask now; without
	// such chains Track itself says so, one lookup cheaper.
	if t.early {
		if owner := w.shard.Locate(&p.Probe, w.now); owner != w.id {
			w.handOver(p, owner, parcelDirected)
			return true
		}
	}
	return false
}

// handOver copies the packet to another worker and frees its frames.
func (w *worker) handOver(p *packet.Packet, owner int, kind parcelKind) {
	if p.Flags&packet.FlagLocal != 0 {
		kind |= fromHost
	} else if w.past {
		kind |= pastIngress
	}
	if !w.handOverWhole(p, owner, kind) {
		w.drop(p, packet.DropHandoverFull)
	}
}
