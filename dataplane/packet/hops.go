package packet

import "encoding/binary"

// Hop-by-hop options (RFC 8200 section 4.2, RFC 2675, RFC 2711, RFC 5570, RFC 9486).
const (
	hopPad1   = 0
	hopPadN   = 1
	hopAlert  = 5
	hopLabel  = 7    // CALIPSO
	hopTrace  = 0x31 // IOAM
	hopJumbo  = 0xc2
	hopAction = 0xc0 // bits of a type that say what becomes of a packet whose option is unknown
	hopAnswer = 0x80 // of these: drop and answer; with the other bit too, unless it is multicast

	// Limits of the kernel's walk (ip6_parse_tlv, net.ipv6.max_hbh_opts_number).
	maxHopOptions = 8
	maxHopPad     = 7
)

// Codes of ICMPv6 parameter problems (RFC 4443 section 3.4).
const (
	problemField  = 0
	problemOption = 2
	noProblem     = -1 // of what is dropped in silence
)

// readHops walks the hop-by-hop header right behind the fixed header of the datagram b
// as ipv6_parse_hopopts does: padding of at most 7 bytes, all zero, at most 8 other
// options, unknown ones only if they say that they may be skipped. A jumbo length is
// always wrong, since no frame here is that long, and a label has no domain that is
// known. What is not sound is dropped; code and at, which counts from the fixed
// header, are those of the parameter problem that answers it, if one does.
func readHops(b []byte) (sound bool, code, at int) {
	if len(b) < ip6Len+8 {
		return false, noProblem, 0
	}
	end := ip6Len + (int(b[ip6Len+1])+1)*8
	if len(b) < end {
		return false, noProblem, 0
	}
	pad, options := 0, 0
	for at = ip6Len + 2; at < end; {
		if b[at] == hopPad1 {
			if pad++; pad > maxHopPad {
				return false, noProblem, 0
			}
			at++
			continue
		}
		if end-at < 2 || end-at < 2+int(b[at+1]) {
			return false, noProblem, 0
		}
		o := b[at : at+2+int(b[at+1])]
		if o[0] == hopPadN {
			if pad += len(o); pad > maxHopPad {
				return false, noProblem, 0
			}
			for _, x := range o[2:] {
				if x != 0 {
					return false, noProblem, 0
				}
			}
			at += len(o)
			continue
		}
		pad = 0
		if options++; options > maxHopOptions {
			return false, noProblem, 0
		}
		switch o[0] {
		case hopAlert:
			sound, code = len(o) == 4, noProblem
		case hopTrace:
			sound, code = at&3 == 0, noProblem // how it is aligned is asked also where it is not followed
		case hopLabel:
			sound, code = false, noProblem
		case hopJumbo:
			sound = false
			code, at = wrongJumbo(b, o, at)
		default:
			sound, code = o[0]&hopAction == 0, noProblem
			if o[0]&hopAnswer != 0 && (o[0]&hopAction == hopAnswer || b[ip6Dst] != 0xff) {
				code = problemOption
			}
		}
		if !sound {
			return false, code, at
		}
		at += len(o)
	}
	return true, 0, 0
}

// wrongJumbo is what is wrong with a jumbo payload option (ipv6_hop_jumbo).
func wrongJumbo(b, o []byte, at int) (code, where int) {
	switch {
	case len(o) != 6 || at&3 != 2:
		return noProblem, at
	case binary.BigEndian.Uint32(o[2:]) <= 0xffff:
		return problemField, at + 2
	case be16(b[4:]) != 0:
		return problemField, at
	}
	return noProblem, at
}

// HopProblem says whether p, which Parse has refused, is to be answered for one of its
// hop-by-hop options, with the code and the pointer of a parameter problem, and fills in
// what an answer wants to know.
func (p *Packet) HopProblem() (code uint8, pointer uint32, ok bool) {
	b := p.Data[p.L3:]
	if p.EtherType != EtherIPv6 || len(b) < ip6Len || b[6] != extHopByHop {
		return 0, 0, false
	}
	if size := int(be16(b[4:])); size != 0 && ip6Len+size <= len(b) { // 0: it is as long as the frame
		b = b[:ip6Len+size]
	}
	sound, problem, at := readHops(b)
	if sound || problem == noProblem {
		return 0, 0, false
	}
	c := walkIPv6(b, false)
	lead6(p, &c, int(p.L3), len(b))
	return uint8(problem), uint32(at), true
}
