package rules

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// Link types and packet types that rules compare (ARPHRD_*, PACKET_*).
const (
	linkEther     = 1
	pktHost       = 0
	pktBroadcast  = 1
	pktMulticast  = 2
	pktOtherHost  = 3
	allOnesMAC    = 1<<48 - 1
	multicastMAC  = 1 << 40
	expiresWindow = 1 << 31
)

// What the kernel takes frames for that have a length where others have an EtherType
// (eth_type_trans): Novell's, which begin with 0xffff, and those of 802.2.
const (
	ether8023 = 0x0001
	ether8022 = 0x0004
	leastType = 0x0600
)

// protocol is the packet's protocol as the link layer tells it.
func protocol(p *packet.Packet) uint16 {
	if p.EtherType >= leastType {
		return p.EtherType
	}
	if b := p.Data[min(int(p.L3), len(p.Data)):]; len(b) >= 2 && b[0]&b[1] == 0xff {
		return ether8023
	}
	return ether8022
}

// scalar reads what is not in a header and not in the facts word. false: the
// packet has no such thing, and the rule ends.
func (im *Image) scalar(src uint8, p *packet.Packet, env *Env) (uint64, bool) {
	switch src {
	case srcMark:
		return uint64(p.Mark), true
	case srcLength:
		return uint64(p.Bytes), true
	case srcProtocol:
		return uint64(protocol(p)), true
	case srcEther:
		return linkEther, true
	case srcPkttype:
		return pkttype(p), true
	case srcPriority:
		return uint64(p.Priority), true
	case srcIif:
		return im.ifindex(p.InPort), true
	case srcOif:
		return im.ifindex(p.OutPort), true
	case srcIiftype:
		return linkEther, p.InPort != packet.NoPort
	case srcOiftype:
		return linkEther, p.OutPort != packet.NoPort
	}
	if src == srcCtReason { // of what is invalid; all else has none
		return uint64(p.Reason), state(p) == flowtable.StateInvalid && p.Reason != flowtable.ReasonNone
	}
	if src >= srcCtPackets {
		return more(src, p, env)
	}
	ct := p.Ct
	if ct == nil {
		return 0, false
	}
	switch src {
	case srcCtStatus:
		return uint64(ct.Status &^ flowtable.StatusOwn), true
	case srcCtMark:
		return uint64(ct.Mark), true
	case srcCtDirection:
		return uint64(p.Dir), true
	case srcCtExpiration:
		return uint64(expiration(ct, env.Now)), true
	case srcCtL3:
		return uint64(ct.Tuple.Family), true
	case srcCtProtocol:
		return uint64(ct.Tuple.Proto), true
	case srcCtSaddr4:
		return uint64(binary.BigEndian.Uint32(ct.Tuple.Src[:4])), ct.Tuple.Family == flowtable.FamilyIPv4
	case srcCtDaddr4:
		return uint64(binary.BigEndian.Uint32(ct.Tuple.Dst[:4])), ct.Tuple.Family == flowtable.FamilyIPv4
	case srcCtSport:
		return uint64(ct.Tuple.SrcPort), true
	case srcCtDport:
		return uint64(ct.Tuple.DstPort), true
	}
	return 0, false
}

// pkttype tells by the destination address how the frame was sent. What the
// receiver's own address is, rules do not know: all else was sent to the host,
// unless the packet says otherwise.
func pkttype(p *packet.Packet) uint64 {
	frame := p.Data
	if len(frame) < 8 {
		return pktHost
	}
	mac := binary.BigEndian.Uint64(frame) >> 16
	switch {
	case mac == allOnesMAC:
		return pktBroadcast
	case mac&multicastMAC != 0:
		return pktMulticast
	}
	if p.Flags&packet.FlagOtherHost != 0 {
		return pktOtherHost
	}
	return pktHost
}

// expiration returns the milliseconds a flow has left: none before it is confirmed,
// as in a kernel that has run for longer than a timeout (nf_ct_expires takes what
// is a span then for a time).
func expiration(ct *flowtable.Entry, now uint32) uint32 {
	if ct.Status&flowtable.StatusConfirmed == 0 {
		return 0
	}
	if left := ct.Expires - now; left < expiresWindow {
		return left
	}
	return 0
}

// wide reads 16 bytes.
func (im *Image) wide(in *ins, w *walk, p *packet.Packet, env *Env) (hi, lo uint64, ok bool) {
	switch in.src {
	case srcLink, srcNetwork, srcTransport:
		s := w.base[in.src] + uint(in.end) - 16
		if s+8 > w.lim || s > w.lim { // s+8 alone might wrap around to a small number
			return 0, 0, false
		}
		return binary.BigEndian.Uint64(w.data[s:]), binary.BigEndian.Uint64(w.data[s+8:]), true
	case srcZero:
		return 0, 0, true
	case srcIifname:
		hi, lo = im.name(p.InPort)
		return hi, lo, true
	case srcOifname:
		hi, lo = im.name(p.OutPort)
		return hi, lo, true
	case srcCtLabel:
		if p.Ct == nil || env.Shard == nil {
			return 0, 0, p.Ct != nil
		}
		l := env.Shard.Labels(p.Entry)
		return l[1], l[0], true
	case srcCtReplySaddr6, srcCtReplyDaddr6:
		r, ok := replyTuple(p, env)
		addr := &r.Src
		if in.src == srcCtReplyDaddr6 {
			addr = &r.Dst
		}
		hi, lo = words(addr[:])
		return hi, lo, ok && r.Family == flowtable.FamilyIPv6
	case srcCtHelper:
		return masterHelper(p, env)
	case srcCtSaddr6, srcCtDaddr6:
		if p.Ct == nil || p.Ct.Tuple.Family != flowtable.FamilyIPv6 {
			return 0, 0, false
		}
		if in.src == srcCtSaddr6 {
			hi, lo = words(p.Ct.Tuple.Src[:])
		} else {
			hi, lo = words(p.Ct.Tuple.Dst[:])
		}
		return hi, lo, true
	}
	return 0, 0, false
}

// testWide is opWide.
func (im *Image) testWide(in *ins, w *walk, p *packet.Packet, env *Env) bool {
	if uint64(in.arg)+6 > uint64(len(im.data)) {
		return false
	}
	d := im.data[in.arg : in.arg+6]
	hi, lo, ok := im.wide(in, w, p, env)
	if !ok {
		return false
	}
	hi &= d[0]
	lo &= d[1]
	below := hi < d[2] || hi == d[2] && lo < d[3]
	above := hi > d[4] || hi == d[4] && lo > d[5]
	return (below || above) == (in.neg&testNeg != 0)
}

// wideKey is opWideKey.
func (im *Image) wideKey(in *ins, w *walk, p *packet.Packet, env *Env) bool {
	if uint64(in.arg)+2 > uint64(len(im.data)) || in.key > keyWords-2 {
		return false
	}
	hi, lo, ok := im.wide(in, w, p, env)
	if !ok {
		return false
	}
	env.key[in.key] = hi & im.data[in.arg]
	env.key[in.key+1] = lo & im.data[in.arg+1]
	return true
}

// bit reads bit n of the bit set at data[off].
func (im *Image) bit(off, n uint32) bool {
	i := uint64(off) + uint64(n/64)
	return i < uint64(len(im.data)) && im.data[i]>>(n%64)&1 != 0
}
