package packet

import "github.com/sluice-net/sluice/flowtable"

// Least transport header bytes by protocol.
const (
	tcpLen  = 20
	udpLen  = 8
	icmpLen = 8
	sctpLen = 12
	dccpLen = 12
	pptpLen = 8

	portsLen = 4
)

func hasPorts(proto uint8) bool {
	switch proto {
	case protoTCP, protoUDP, protoSCTP, protoUDPLite:
		return true
	}
	return false
}

// headerLen returns the least length of proto's header, 0 for protocols that
// are not looked into. DCCP's is read by rules only: to conntrack and NAT it is
// unknown.
func headerLen(proto uint8) int {
	switch proto {
	case protoTCP:
		return tcpLen
	case protoUDP, protoUDPLite:
		return udpLen
	case protoICMP, protoICMPv6:
		return icmpLen
	case protoSCTP:
		return sctpLen
	case protoDCCP:
		return dccpLen
	}
	return 0
}

// needsHeader says that conntrack and NAT look into proto's header.
func needsHeader(proto uint8) bool { return headerLen(proto) != 0 && proto != protoDCCP }

// wrongFamily says that p carries the other family's ICMP, which nobody reads.
func wrongFamily(p *Packet) bool {
	return p.Proto == protoICMP && p.Family != flowtable.FamilyIPv4 ||
		p.Proto == protoICMPv6 && p.Family != flowtable.FamilyIPv6
}

// markHeader sets FlagL4 and L4Payload of a first fragment.
func markHeader(p *Packet) {
	n := headerLen(p.Proto)
	if n == 0 || int(p.L4)+n > int(p.End) || wrongFamily(p) {
		return
	}
	p.Flags |= FlagL4
	p.L4Payload = p.L4 + uint16(n)
	if p.Proto == protoTCP {
		if doff := int(p.Data[p.L4+12]>>4) * 4; doff >= tcpLen {
			p.L4Payload = uint16(min(int(p.L4)+doff, int(p.End)))
		}
	}
}

// parseTransport reads the transport header h (which ends with the datagram,
// or with its first fragment) and completes the tuple, whose addresses,
// protocol and family are there already. l4len counts the transport bytes of
// the whole datagram and is not less than len(h).
func parseTransport(p *Packet, t *flowtable.Table, h []byte, l4len int) {
	switch p.Proto {
	case protoTCP:
		if len(h) < tcpLen {
			spoiled(p, t, h, flowtable.ReasonTruncated)
			return
		}
		p.Flags |= FlagL4
		p.Tuple.SrcPort = be16(h[0:2])
		p.Tuple.DstPort = be16(h[2:4])
		p.Seq = be32(h[4:8])
		p.Ack = be32(h[8:12])
		p.Window = be16(h[14:16])
		p.Probe.Flags = h[13]
		doff := int(h[12]>>4) * 4
		if doff < tcpLen || doff > l4len {
			p.L4Payload = p.L4 + tcpLen
			spoiled(p, t, h, flowtable.ReasonMalformed)
			return
		}
		p.L4Payload = p.L4 + uint16(min(doff, len(h)))
		p.Payload = uint32(l4len - doff)
		if doff > tcpLen {
			p.Rest = h[tcpLen:min(doff, len(h))]
		}
	case protoUDP, protoUDPLite:
		if len(h) < udpLen {
			spoiled(p, t, h, flowtable.ReasonTruncated)
			return
		}
		p.Flags |= FlagL4
		p.L4Payload = p.L4 + udpLen
		n := int(be16(h[4:6]))
		// UDPLite: the field is the checksum's coverage, 0 means all.
		if n > l4len || n < udpLen && (p.Proto == protoUDP || n != 0) {
			spoiled(p, t, h, flowtable.ReasonLength)
			return
		}
		if p.Proto == protoUDPLite && be16(h[6:8]) == 0 {
			spoiled(p, t, h, flowtable.ReasonChecksum) // it must have one
			return
		}
		p.Tuple.SrcPort = be16(h[0:2])
		p.Tuple.DstPort = be16(h[2:4])
	default:
		if !parseOther(p, t, h) {
			if p.Kind == flowtable.KindError {
				p.Hash = t.Hash(&p.Tuple)
			}
			return
		}
	}
	p.Kind = flowtable.KindFlow
	p.Hash = t.Hash(&p.Tuple)
}

// parseOther does the rarer protocols; false when no flow tuple came of it
// and Kind and Reason are final.
func parseOther(p *Packet, t *flowtable.Table, h []byte) bool {
	switch p.Proto {
	case protoICMP:
		if p.Family == flowtable.FamilyIPv4 {
			return parseICMP(p, t, h)
		}
		p.Reason = flowtable.ReasonMalformed
		return false
	case protoICMPv6:
		if p.Family == flowtable.FamilyIPv6 {
			return parseICMPv6(p, t, h)
		}
		p.Reason = flowtable.ReasonMalformed
		return false
	case protoSCTP:
		if len(h) < sctpLen {
			p.Reason = flowtable.ReasonTruncated
			return false
		}
		p.Flags |= FlagL4
		p.L4Payload = p.L4 + sctpLen
		p.Tuple.SrcPort = be16(h[0:2])
		p.Tuple.DstPort = be16(h[2:4])
		p.Seq = be32(h[4:8])
		p.Rest = h[sctpLen:]
	case protoDCCP:
		markHeader(p)
	case protoGRE:
		if !greTuple(&p.Tuple, t, h) {
			p.Reason = flowtable.ReasonGRE
			return false
		}
	}
	return true // tracked by addresses and protocol alone
}

// greTuple takes the call id of PPTP's GRE (version 1) as destination key and
// what the PPTP helper knows of it as source key (gre_pkt_to_tuple). Other GRE,
// even a cut off header, is tracked by its addresses. False: version 1 of
// something that is not PPP.
func greTuple(tu *flowtable.Tuple, t *flowtable.Table, h []byte) bool {
	if !hasCallID(h) {
		return true
	}
	if be16(h[2:4]) != protoPPP {
		return false
	}
	tu.DstPort = be16(h[greCallID:])
	tu.SrcPort = t.GREKey(tu)
	return true
}

// Rekey reads again what the PPTP helper knows of the call id in p, as Parse has
// left it: a packet of the same burst may just have told.
func Rekey(p *Packet, t *flowtable.Table) {
	if p.Kind != flowtable.KindFlow || !hasCallID(p.Data[p.L4:p.End]) {
		return
	}
	if key := t.GREKey(&p.Tuple); key != p.Tuple.SrcPort {
		p.Tuple.SrcPort, p.Hint = key, 0
		p.Hash = t.Hash(&p.Tuple)
	}
}

// hasCallID says that the GRE header h is of version 1, and there up to the
// call id.
func hasCallID(h []byte) bool { return len(h) >= pptpLen && h[1]&greVersion == 1 }

const (
	protoPPP    = 0x880b // GRE's protocol type
	greVersion  = 7      // in the second byte
	greCallID   = 6
	greManipLen = 8 // what Linux wants to see before it translates
)

// spoiled makes p an invalid packet. Its ports say whose it would be, see
// flowtable.KindInvalid.
func spoiled(p *Packet, t *flowtable.Table, h []byte, why flowtable.Reason) {
	p.Reason = why
	if len(h) >= portsLen {
		p.Tuple.SrcPort, p.Tuple.DstPort = be16(h[0:2]), be16(h[2:4])
		p.Hash = t.Hash(&p.Tuple)
	}
}
