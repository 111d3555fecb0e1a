package rules

import (
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// Options of IPv4 and TCP, extension headers of IPv6 and chunks of SCTP: what a
// packet may have anywhere, or not at all.

// tlvStep is a step about one of them: arg is its kind and code, lo and span the
// field's first bit and length, flag 1 asks only whether it is there.
func tlvStep(op uint8, e *nft.Option) step {
	s := step{ins: ins{op: op, arg: uint32(e.Kind)<<8 | uint32(e.Code)}}
	if e.Exists {
		s.flag = 1 // of whatever packet: one of another protocol lacks it
		if e.Kind == nft.OptionTCP || e.Kind == nft.OptionSCTP {
			return s
		}
	} else {
		s.lo, s.span = uint64(e.Field.Offset), uint64(e.Field.Length)
	}
	g := guard{}
	switch e.Kind {
	case nft.OptionIPv6:
		g = familyGuard(nft.FamilyIP6)
	case nft.OptionIPv4:
		g = familyGuard(nft.FamilyIP)
	case nft.OptionTCP:
		g = protoGuard(flowtable.ProtoTCP)
	case nft.OptionSCTP:
		g = protoGuard(flowtable.ProtoSCTP)
	}
	s.need, s.needMask = g.need, g.mask
	return s
}

// findTLV returns where an option begins and how many of its bytes there are,
// 0: it is not there, as in later fragments. sound is false when the headers contradict themselves.
func findTLV(kind nft.OptionKind, code uint8, w *walk) (at, size uint, sound bool) {
	n := uint(len(w.data))
	l3, l4 := w.base[srcNetwork], w.base[srcTransport]
	switch kind {
	case nft.OptionTCP:
		if uint8(w.facts>>factProto) != flowtable.ProtoTCP || l4 >= noHeader || w.facts&factAstray != 0 || l4+20 > n {
			return 0, 0, false
		}
		end := l4 + uint(w.data[l4+12]>>4)*4
		if end < l4+20 || end > n {
			return 0, 0, false
		}
		return scanOptions(w.data[:end], l4+20, code)
	case nft.OptionIPv4:
		if l3 >= noHeader || l3+20 > n {
			return 0, 0, false
		}
		end := l3 + uint(w.data[l3]&0xf)*4
		if end > n || end < l3+20 {
			return 0, 0, false
		}
		if at = uint(packet.FindOption(w.data[l3:end], code)); at == 0 {
			return 0, 0, true
		}
		return l3 + at, n - l3 - at, true // where an option ends is not asked
	case nft.OptionIPv6:
		if l3 >= noHeader || l3+40 > n {
			return 0, 0, false
		}
		return findHeader(w.data, l3, code)
	case nft.OptionSCTP:
		if uint8(w.facts>>factProto) != flowtable.ProtoSCTP || l4 >= noHeader || w.facts&factAstray != 0 {
			return 0, 0, false
		}
		for at = l4 + 12; at+4 <= n; {
			size = uint(binary.BigEndian.Uint16(w.data[at+2:]))
			if size == 0 {
				break
			}
			if w.data[at] == code {
				return at, size, true
			}
			at += (size + 3) &^ 3
		}
		return 0, 0, true
	}
	return 0, 0, false
}

// scanOptions looks for an option of TCP in what is left of b from at on.
func scanOptions(b []byte, at uint, code uint8) (uint, uint, bool) {
	n := uint(len(b))
	for at+1 < n {
		size := uint(1)
		if b[at] > 1 && b[at+1] != 0 {
			size = uint(b[at+1])
		}
		if b[at] == code {
			return at, size, at+size <= n
		}
		at += size
	}
	return 0, 0, true
}

// findHeader walks the extension headers of the IPv6 header at l3 as
// ipv6_find_hdr does.
func findHeader(b []byte, l3 uint, code uint8) (uint, uint, bool) {
	next, at, n := b[l3+6], l3+40, uint(len(b))
	for {
		if !packet.Extension(next) {
			if next == code && next != 59 && at < n {
				return at, n - at, true
			}
			return 0, 0, true
		}
		need := uint(2) // it need not be whole
		if next == 43 || next == 44 {
			need = 4
		}
		if at+need > n {
			return 0, 0, false
		}
		size := uint(b[at+1])*8 + 8
		switch next {
		case 44:
			size = 8
			if next != code && binary.BigEndian.Uint16(b[at+2:])&^7 != 0 {
				return 0, 0, true
			}
		case 51:
			size = uint(b[at+1])*4 + 8
		}
		if next == code {
			return at, n - at, true
		}
		next, at = b[at], at+size
	}
}

// Header returns what an IPv6 packet has from the first extension header of a kind on,
// nil if it has none. sound is false when its headers are cut short before that.
func Header(p *packet.Packet, code uint8) (h []byte, sound bool) {
	at, size, sound := findHeader(p.Data[:p.End], uint(p.L3), code)
	if size == 0 {
		return nil, sound
	}
	return p.Data[at:p.End], sound
}

// option is opOption: it reads a field, or whether the option is there.
func option(in *ins, w *walk, env *Env) bool {
	at, size, sound := findTLV(nft.OptionKind(in.arg>>8), uint8(in.arg), w)
	if in.flag != 0 {
		env.key[in.key%keyWords] = 0
		if sound && size > 0 {
			env.key[in.key%keyWords] = 1
		}
		return true
	}
	if !sound || (in.lo+in.span+7)/8 > uint64(size) || at+size > uint(len(w.data)) { // a chunk may say that it is longer
		return false
	}
	return loadBitsAt(in, w.data, at, env)
}

// writableTLV finds the option of TCP that a rule wants to write.
func writableTLV(in *ins, w *walk, p *packet.Packet) (at, size uint, sound bool) {
	at, size, sound = findTLV(nft.OptionTCP, uint8(in.arg), w)
	if sound {
		p.Flags |= packet.FlagHeadPulled
	}
	return at, size, sound
}

// setOption is opSetOption: it overwrites a field of a TCP option. A segment size
// is never raised. A packet without the option goes on.
func setOption(in *ins, w *walk, p *packet.Packet, env *Env) bool {
	at, size, sound := writableTLV(in, w, p)
	if !sound || size > 0 && (in.lo+in.span)/8 > uint64(size) {
		return false
	}
	n := uint(in.span / 8)
	if size == 0 || n > 8 {
		return n <= 8
	}
	from := at + uint(in.lo/8)
	value := env.key[0]
	if uint8(in.arg) == optionMSS && n == 2 && uint64(binary.BigEndian.Uint16(w.data[from:])) <= value&0xffff {
		return true
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], value)
	return p.Store(int(from), b[8-n:], packet.SumTransport|packet.SumUnmangled)
}

// resetOption is opResetOption: it makes an option of TCP no-operations. A packet
// whose option is longer than the header has room for is dropped, as by Linux.
func resetOption(in *ins, w *walk, p *packet.Packet, env *Env) bool {
	at, size, sound := writableTLV(in, w, p)
	if !sound && size > 0 {
		env.end = opDrop
	}
	nops := [16]byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	for sound && size > 0 {
		n := min(size, 16)
		if !p.Store(int(at), nops[:n], packet.SumTransport|packet.SumUnmangled) {
			return false
		}
		at, size = at+n, size-n
	}
	return sound
}

const optionMSS = 2
