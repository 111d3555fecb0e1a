package rules

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
)

// more reads what few rules ask for. false: the packet has no such thing.
func more(src uint8, p *packet.Packet, env *Env) (uint64, bool) {
	const second, day = 1e9, 86400
	switch src {
	case srcZero:
		return 0, true
	case srcCPU:
		return uint64(env.CPU), true
	case srcRandom:
		return uint64(env.Chance.Uint32()), true
	case srcTime:
		return uint64(env.Wall), true
	case srcDay: // 1970 began on a Thursday, and weeks begin on a Sunday
		return uint64(env.Wall/second/day+4) % 7, true
	case srcHour:
		return uint64(env.Wall / second % day), true
	}
	ct := p.Ct
	if ct == nil {
		return 0, false
	}
	switch src {
	case srcCtPackets, srcCtPacketsReply:
		return ct.Packets[src-srcCtPackets], true
	case srcCtPacketsBoth:
		return ct.Packets[0] + ct.Packets[1], true
	case srcCtBytes, srcCtBytesReply:
		return ct.Bytes[src-srcCtBytes], true
	case srcCtBytesBoth:
		return ct.Bytes[0] + ct.Bytes[1], true
	case srcCtAvgpkt, srcCtAvgpktReply:
		return average(ct.Bytes[src-srcCtAvgpkt], ct.Packets[src-srcCtAvgpkt]), true
	case srcCtAvgpktBoth:
		return average(ct.Bytes[0]+ct.Bytes[1], ct.Packets[0]+ct.Packets[1]), true
	case srcCtZone:
		return uint64(ct.Tuple.Zone), true
	case srcCtID:
		if env.Shard == nil {
			return 0, false
		}
		return uint64(env.Shard.ID(p.Entry)), true
	}
	r, ok := replyTuple(p, env)
	switch src {
	case srcCtZoneReply:
		return uint64(r.Zone), ok
	case srcCtZoneOwn:
		if ct.Tuple.Zone == 0 { // it may hold for the reply only
			return uint64(r.Zone), ok
		}
		return uint64(ct.Tuple.Zone), true
	case srcCtReplySaddr4:
		return uint64(binary.BigEndian.Uint32(r.Src[:4])), ok && r.Family == flowtable.FamilyIPv4
	case srcCtReplyDaddr4:
		return uint64(binary.BigEndian.Uint32(r.Dst[:4])), ok && r.Family == flowtable.FamilyIPv4
	case srcCtReplySport:
		return uint64(r.SrcPort), ok
	case srcCtReplyDport:
		return uint64(r.DstPort), ok
	}
	return 0, false
}

func average(bytes, packets uint64) uint64 {
	if packets == 0 {
		return 0
	}
	return bytes / packets
}

// replyTuple is what answers of the packet's flow look like on the wire.
func replyTuple(p *packet.Packet, env *Env) (flowtable.Tuple, bool) {
	if p.Ct == nil {
		return flowtable.Tuple{}, false
	}
	if env.Shard != nil {
		return env.Shard.ReplyTuple(p.Entry), true
	}
	return flowtable.Invert(&p.Ct.Tuple)
}
