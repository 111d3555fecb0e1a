package conntracktext

import (
	"strconv"

	"github.com/sluice-net/sluice/flowtable"
)

// protoDCCP has a name in the tool although neither kernel nor box tracks it.
const protoDCCP = 33

// ProtocolName returns the tool's name of an IP protocol, "unknown" when it has
// none.
func ProtocolName(proto uint8) string {
	switch proto {
	case flowtable.ProtoICMP:
		return "icmp"
	case flowtable.ProtoTCP:
		return "tcp"
	case flowtable.ProtoUDP:
		return "udp"
	case protoDCCP:
		return "dccp"
	case flowtable.ProtoGRE:
		return "gre"
	case flowtable.ProtoICMPv6:
		return "icmpv6"
	case flowtable.ProtoSCTP:
		return "sctp"
	case flowtable.ProtoUDPLite:
		return "udplite"
	}
	return "unknown"
}

// familyName returns the tool's name of a family.
func familyName(family uint8) string {
	switch family {
	case flowtable.FamilyIPv4:
		return "ipv4"
	case flowtable.FamilyIPv6:
		return "ipv6"
	}
	return "unknown"
}

// TCPStates are the tool's names of TCP's states by number. It knows the last
// one, a second SYN_SENT, by an older name.
var TCPStates = [...]string{
	"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
}

// SCTPStates are the tool's names of SCTP's states by number.
var SCTPStates = [...]string{
	"NONE", "CLOSED", "COOKIE_WAIT", "COOKIE_ECHOED", "ESTABLISHED", "SHUTDOWN_SENT", "SHUTDOWN_RECD", "SHUTDOWN_ACK_SENT", "HEARTBEAT_SENT",
}

// StateName returns the name of a protocol's state, empty when it has none.
func StateName(proto, state uint8) string {
	switch names := TCPStates[:]; {
	case proto == flowtable.ProtoSCTP:
		names = SCTPStates[:]
		fallthrough
	case proto == flowtable.ProtoTCP:
		if int(state) < len(names) {
			return names[state]
		}
	}
	return ""
}

func hasPorts(proto uint8) bool {
	switch proto {
	case flowtable.ProtoTCP, flowtable.ProtoUDP, flowtable.ProtoUDPLite, flowtable.ProtoSCTP, protoDCCP:
		return true
	}
	return false
}

func appendNumber(b []byte, before string, v uint64) []byte {
	return strconv.AppendUint(append(b, before...), v, 10)
}

// appendPadded appends text and fills it with spaces to 8 places.
func appendPadded(b []byte, text string) []byte {
	b = append(b, text...)
	for n := len(text); n < 8; n++ {
		b = append(b, ' ')
	}
	return b
}

func appendAddress(b []byte, before string, tu *flowtable.Tuple, a *[16]byte) []byte {
	return tu.Address(a).AppendTo(append(b, before...))
}
