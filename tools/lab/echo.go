package lab

import (
	"encoding/binary"
	"net/netip"
)

// Types of ICMP and ICMPv6 messages that ping knows.
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129
	unreachable4, exceeded4  = 3, 11
	unreachable6, tooBig6    = 1, 2
	exceeded6                = 3
)

const icmpHeaderBytes = 8

// echo builds an echo request. The kernel completes the checksum of ICMPv6.
func echo(v4 bool, id, seq uint16, size int) []byte {
	b := make([]byte, icmpHeaderBytes+size)
	b[0] = echoRequest6
	if v4 {
		b[0] = echoRequest4
	}
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], seq)
	for i := range size {
		b[icmpHeaderBytes+i] = byte(i)
	}
	if v4 {
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// answer is what an ICMP message says to a ping.
type answer struct {
	seq   uint16
	reply bool // otherwise an error about the request
	kind  byte // ICMP type and code of an error
	code  byte
}

// readAnswer tells whether a message is an answer to an echo request with the
// identifier to the address, and which.
func readAnswer(v4 bool, b []byte, id uint16, to netip.Addr) (answer, bool) {
	if len(b) < icmpHeaderBytes {
		return answer{}, false
	}
	a := answer{kind: b[0], code: b[1]}
	reply, request := byte(echoReply6), byte(echoRequest6)
	isError := b[0] == unreachable6 || b[0] == tooBig6 || b[0] == exceeded6
	if v4 {
		reply, request = echoReply4, echoRequest4
		isError = b[0] == unreachable4 || b[0] == exceeded4
	}
	inner := b
	switch {
	case b[0] == reply:
		a.reply = true
	case isError:
		var dst netip.Addr
		var ok bool
		if inner, dst, ok = quoted(v4, b[icmpHeaderBytes:]); !ok || dst != to.WithZone("") || inner[0] != request {
			return answer{}, false
		}
	default:
		return answer{}, false
	}
	a.seq = binary.BigEndian.Uint16(inner[6:])
	return a, binary.BigEndian.Uint16(inner[4:]) == id
}

// quoted returns the ICMP header in a packet that an error quotes, and the
// packet's destination.
func quoted(v4 bool, p []byte) (icmp []byte, dst netip.Addr, ok bool) {
	at := 40
	if v4 {
		if len(p) < 20 {
			return nil, dst, false
		}
		at = int(p[0]&15) * 4
		dst = netip.AddrFrom4([4]byte(p[16:20]))
	} else {
		if len(p) < at {
			return nil, dst, false
		}
		dst = netip.AddrFrom16([16]byte(p[24:40]))
	}
	if len(p) < at+icmpHeaderBytes {
		return nil, dst, false
	}
	return p[at:], dst, true
}
