package flowtable

import (
	"net/netip"
	"strconv"
)

// AppendConntrack appends the line that `conntrack -L` (1.4.7) prints for the
// flow, without the newline. acct adds the counters. The flow's use count is
// always 1 here.
func (f *Flow) AppendConntrack(b []byte, acct bool) []byte {
	start := len(b)
	b = append(b, protocolName(f.Orig.Proto)...)
	for len(b) < start+8 {
		b = append(b, ' ')
	}
	b = append(b, ' ')
	b = strconv.AppendUint(b, uint64(f.Orig.Proto), 10)
	b = appendNumber(b, " ", uint64(f.TimeoutSec))
	switch f.Orig.Proto {
	case ProtoTCP:
		b = append(append(b, ' '), f.State.String()...)
	case ProtoSCTP:
		b = append(append(b, ' '), sctpStateName(f.State)...)
	}
	b = f.appendDirection(b, &f.Orig, Original, acct)
	if f.Status&StatusSeenReply == 0 {
		b = append(b, " [UNREPLIED]"...)
	}
	b = f.appendDirection(b, &f.Reply, Reply, acct)
	if f.Status&StatusAssured != 0 {
		b = append(b, " [ASSURED]"...)
	}
	b = appendNumber(b, " mark=", uint64(f.Mark))
	if f.Zone != 0 {
		b = appendNumber(b, " zone=", uint64(f.Zone))
	}
	return append(b, " use=1"...)
}

func (f *Flow) appendDirection(b []byte, tu *Tuple, dir uint8, acct bool) []byte {
	b = tu.appendConntrack(b)
	if acct {
		b = appendNumber(b, " packets=", f.Packets[dir])
		b = appendNumber(b, " bytes=", f.Bytes[dir])
	}
	return b
}

func (tu *Tuple) appendConntrack(b []byte) []byte {
	b = append(b, " src="...)
	b = tu.Address(&tu.Src).AppendTo(b)
	b = append(b, " dst="...)
	b = tu.Address(&tu.Dst).AppendTo(b)
	switch tu.Proto {
	case ProtoICMP, ProtoICMPv6:
		b = appendNumber(b, " type=", uint64(tu.DstPort>>8))
		b = appendNumber(b, " code=", uint64(tu.DstPort&0xff))
		b = appendNumber(b, " id=", uint64(tu.SrcPort))
	case ProtoTCP, ProtoUDP, ProtoUDPLite, ProtoSCTP:
		b = appendNumber(b, " sport=", uint64(tu.SrcPort))
		b = appendNumber(b, " dport=", uint64(tu.DstPort))
	case ProtoGRE:
		b = append(b, " srckey=0x"...)
		b = strconv.AppendUint(b, uint64(tu.SrcPort), 16)
		b = append(b, " dstkey=0x"...)
		b = strconv.AppendUint(b, uint64(tu.DstPort), 16)
	}
	return b
}

// Address returns one of the tuple's addresses, &tu.Src or &tu.Dst, for text.
func (tu *Tuple) Address(a *[16]byte) netip.Addr {
	if tu.Family == FamilyIPv4 {
		return netip.AddrFrom4([4]byte(a[:4]))
	}
	return netip.AddrFrom16(*a)
}

// String returns the tuple as the conntrack tool prints it.
func (tu Tuple) String() string {
	return string(tu.appendConntrack(append([]byte(nil), protocolName(tu.Proto)...)))
}

func protocolName(proto uint8) string {
	switch proto {
	case ProtoICMP:
		return "icmp"
	case ProtoTCP:
		return "tcp"
	case ProtoUDP:
		return "udp"
	case ProtoGRE:
		return "gre"
	case ProtoICMPv6:
		return "icmpv6"
	case ProtoSCTP:
		return "sctp"
	case ProtoUDPLite:
		return "udplite"
	default:
		return generic.Name
	}
}

func appendNumber(b []byte, name string, v uint64) []byte {
	return strconv.AppendUint(append(b, name...), v, 10)
}
