package packet

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/flowtable"
)

// RewriteInner changes one half of the packet quoted in the ICMP error p: its
// source, or with dst its destination, becomes addr, and the port of that half port
// (host order; of a quoted ICMP query the identifier, with either half; of PPTP's
// GRE the call id, with the destination). The quoted IPv4 header checksum follows and, if all of its header
// is there, the quoted transport checksum; the error's own checksum is computed anew over the message
// and the outer addresses as they stand. Outer addresses are SetSrc's and
// SetDst's business, before or after.
//
// DropNAT: p is not such an error, is a redirect (which must not cross NAT) or a
// fragment (whose checksum needs bytes that are elsewhere), or quotes too little.
func (p *Packet) RewriteInner(addr *[16]byte, port uint16, dst bool) Drop {
	if p.Flags&(FlagRelatedError|FlagL4|FlagFragment) != FlagRelatedError|FlagL4 {
		return DropNAT
	}
	msg := p.Transport()
	if typ := msg[0]; p.Family == flowtable.FamilyIPv4 && typ == ICMPRedirect || typ == icmpv6Redirect {
		return DropNAT
	}
	in := msg[icmpLen:]
	var tu flowtable.Tuple
	at, ok := innerTuple(&tu, nil, in, p.Family)
	if !ok || needsHeader(tu.Proto) && len(in)-at < innerL4 || tu.Proto == protoGRE && !setCallID(in[at:], port, dst) {
		return DropNAT
	}
	var delta uint64
	if p.Family == flowtable.FamilyIPv4 {
		delta = putAddr4(in, addr, dst)
		binary.BigEndian.PutUint16(in[10:12], adjust(be16(in[10:12]), delta))
	} else {
		delta = putAddr6(in, addr, dst)
	}
	rewriteInnerL4(tu.Proto, in[at:], delta, port, dst)

	initial := uint32(0)
	if p.Proto == protoICMPv6 {
		initial = p.PseudoSum(protoICMPv6, uint32(len(msg)))
	}
	msg[2], msg[3] = 0, 0
	binary.BigEndian.PutUint16(msg[2:4], Checksum(msg, initial))
	return DropNone
}

// rewriteInnerL4 sets a port or the identifier in a quoted transport header, of
// which at least innerL4 bytes are there when it has any. delta is the change
// of the pseudo header. SCTP's CRC is made anew over what is quoted of it, which
// is what Linux does: right if that is all, and nobody looks if not.
func rewriteInnerL4(proto uint8, l4 []byte, delta uint64, port uint16, dst bool) {
	if !needsHeader(proto) {
		return
	}
	switch proto {
	case protoICMP, protoICMPv6:
		if proto == protoICMP {
			delta = 0
		}
		if at, _ := portAt(proto, l4, false); at >= 0 {
			delta += diff16(be16(l4[at:]), port)
			binary.BigEndian.PutUint16(l4[at:], port)
		}
	default:
		at := 0
		if dst {
			at = 2
		}
		delta += diff16(be16(l4[at:]), port)
		binary.BigEndian.PutUint16(l4[at:], port)
		if proto == protoSCTP && len(l4) >= sctpLen {
			binary.LittleEndian.PutUint32(l4[8:12], sctpSum(l4))
		}
	}
	if proto != protoTCP || len(l4) >= tcpLen { // as tcp_manip_pkt, even when the checksum is there
		patch(proto, l4, delta)
	}
}
