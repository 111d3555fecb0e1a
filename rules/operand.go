package rules

import (
	"encoding/binary"
	"fmt"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// guard is what a packet must be before a rule may look at it: bits of its facts
// word. never is a guard that contradicts itself.
type guard struct{ need, mask uint16 }

func familyGuard(f nft.Family) guard {
	if f != nft.FamilyIP && f != nft.FamilyIP6 {
		return guard{}
	}
	return guard{uint16(f) << factFamily, needFamily}
}

func protoGuard(proto uint8) guard { return guard{uint16(proto) << factProto, needProto} }

// and returns the guard that asks for both.
func (g guard) and(h guard) guard {
	if (g.need^h.need)&g.mask&h.mask != 0 {
		return guard{factNever, factNever}
	}
	return guard{g.need | h.need, g.mask | h.mask}
}

// operand is an expression in the engine's terms: where its value is read, and
// where in the loaded word it lies.
type operand struct {
	src   uint8
	wide  bool // 16 bytes
	shift uint8
	end   uint16
	bits  int
	mask  [2]uint64 // in place; mask[0] is the upper half of a wide value
	guard guard
	types []byte // icmp types, one of which the packet must have
	frame uint16 // the EtherType that the frame must have; 0: any
	link  uint8  // how it is about Ethernet: linkHeader, linkType; 0: not by name
}

// How an operand may be about Ethernet.
const (
	linkHeader = 1 + iota // a field of its header
	linkType              // of what stands behind the addresses: a type, a tag
)

// scalar returns an operand of one word that reads src.
func scalar(src uint8, shift, bits int) operand {
	return operand{src: src, shift: uint8(shift), bits: bits, mask: [2]uint64{0, ones(bits) << shift}}
}

// ones returns n low one bits.
func ones(n int) uint64 {
	if n >= 64 {
		return ^uint64(0)
	}
	return 1<<n - 1
}

func newOperand(pos nft.Pos, e nft.Expr) (operand, error) {
	switch e := e.(type) {
	case *nft.Payload:
		return payloadOperand(pos, e.Field)
	case *nft.Raw:
		return payloadOperand(pos, &nft.Field{Proto: "raw", Name: "payload", Base: e.Base, Offset: e.Offset, Length: e.Length})
	case *nft.Meta:
		return metaOperand(pos, e.Key)
	case *nft.CT:
		return ctOperand(pos, e)
	case *nft.RT: // ipsec; there is none, but there must be a way
		return operand{src: srcOiftype, bits: 8}, nil
	case *nft.Masked:
		o, err := newOperand(pos, e.E)
		if err != nil {
			return o, err
		}
		m, err := number(pos, e.Mask, o)
		if err != nil {
			return o, err
		}
		o.mask[0] &= m[0]
		o.mask[1] &= m[1]
		return o, nil
	}
	return operand{}, errorf(pos, "%s is not supported", nft.ExprText(e))
}

func payloadOperand(pos nft.Pos, f *nft.Field) (operand, error) {
	first, bits := int(f.Offset), int(f.Length)
	endByte := (first + bits + 7) / 8
	shift := endByte*8 - first - bits
	o := operand{src: uint8(f.Base), bits: bits, end: uint16(endByte), shift: uint8(shift), types: f.Types}
	if f.Base > nft.BaseTransport || bits == 0 || endByte > 1<<15 {
		return o, errorf(pos, "header field %s %s is not supported", f.Proto, f.Name)
	}
	switch {
	case shift+bits <= 64:
		// The window must not begin before the frame.
		if f.Base == nft.BaseLink && endByte < 8 {
			o.end = 8
			o.shift += uint8((8 - endByte) * 8)
		}
		if int(o.shift)+bits > 64 {
			return o, errorf(pos, "header field %s %s is not supported", f.Proto, f.Name)
		}
		o.mask[1] = ones(bits) << o.shift
	case bits <= 128 && shift == 0 && (f.Base != nft.BaseLink || endByte >= 16):
		o.wide = true
		o.mask = [2]uint64{ones(bits - 64), ^uint64(0)}
	default:
		return o, errorf(pos, "header field %s %s of %d bits is not supported", f.Proto, f.Name, bits)
	}
	switch {
	case f.Base != nft.BaseLink || f.Proto == "raw":
	case f.Offset < 96:
		o.link = linkHeader
	default:
		o.link = linkType
	}
	if o.guard = familyGuard(f.L3); f.L3 == nft.FamilyARP {
		o.frame = packet.EtherARP
	}
	o.guard = o.guard.and(transportGuard(f))
	return o, nil
}

// transportGuard asks for the protocol that a field is of, and where Linux cannot
// read it as one word for a transport header that is there (nft_payload_select_ops).
func transportGuard(f *nft.Field) (g guard) {
	if f.HasL4 {
		g = protoGuard(f.L4)
	}
	first, end := int(f.Offset)/8, (int(f.Offset)+int(f.Length)+7)/8
	if n := end - first; f.Base == nft.BaseTransport && (n != 1 && n != 2 && n != 4 || first%n != 0) {
		g = g.and(guard{0, factAstray})
	}
	return g
}

func metaOperand(pos nft.Pos, key nft.MetaKey) (operand, error) {
	switch key {
	case nft.MetaIif:
		return scalar(srcIif, 0, 32), nil
	case nft.MetaOif:
		return scalar(srcOif, 0, 32), nil
	case nft.MetaIifname:
		return operand{src: srcIifname, wide: true, bits: 128, mask: [2]uint64{^uint64(0), ^uint64(0)}}, nil
	case nft.MetaOifname:
		return operand{src: srcOifname, wide: true, bits: 128, mask: [2]uint64{^uint64(0), ^uint64(0)}}, nil
	case nft.MetaMark:
		return scalar(srcMark, 0, 32), nil
	case nft.MetaL4proto:
		o := scalar(srcFacts, factProto, 8)
		o.guard = guard{0, factUnread}
		return o, nil
	case nft.MetaNfproto:
		o := scalar(srcFacts, factFamily, 8)
		o.mask[1] = needFamily // the four bits above are no part of it and are zero in every family
		return o, nil
	case nft.MetaProtocol:
		return scalar(srcProtocol, 0, 16), nil
	case nft.MetaLength:
		return scalar(srcLength, 0, 32), nil
	case nft.MetaPkttype:
		return scalar(srcPkttype, 0, 8), nil
	case nft.MetaPriority:
		return scalar(srcPriority, 0, 32), nil
	case nft.MetaIiftype:
		return scalar(srcIiftype, 0, 16), nil
	case nft.MetaOiftype:
		return scalar(srcOiftype, 0, 16), nil
	}
	text := nft.ExprText(&nft.Meta{Key: key})
	switch key {
	case nft.MetaTime:
		return scalar(srcTime, 0, 64), nil
	case nft.MetaDay:
		return scalar(srcDay, 0, 8), nil
	case nft.MetaHour:
		return scalar(srcHour, 0, 32), nil
	case nft.MetaRandom:
		return scalar(srcRandom, 0, 32), nil
	case nft.MetaCPU:
		return scalar(srcCPU, 0, 32), nil
	case nft.MetaSdif:
		return scalar(srcZero, 0, 32), nil // no VRFs
	case nft.MetaSdifname:
		return operand{src: srcZero, wide: true, bits: 128, mask: [2]uint64{^uint64(0), ^uint64(0)}}, nil
	case nft.MetaIPsec:
		return scalar(srcZero, 0, 8), nil // packets come as they are
	case nft.MetaIifgroup: // every interface is of the default group, 0, but there must be one
		return operand{src: srcIiftype, bits: 32}, nil
	case nft.MetaOifgroup:
		return operand{src: srcOiftype, bits: 32}, nil
	case nft.MetaSkuid, nft.MetaSkgid, nft.MetaCgroup:
		return operand{}, errorf(pos, "%s is not supported: forwarded packets have no local socket", text)
	case nft.MetaRtclassid:
		return operand{}, errorf(pos, "%s is not supported: there is no traffic control behind it", text)
	case nft.MetaSecmark:
		return operand{}, errorf(pos, "%s is not supported: there is no security module to ask", text)
	case nft.MetaNftrace:
		return operand{}, errorf(pos, "%s is not supported: as in the kernel it can be set only", text)
	}
	return operand{}, errorf(pos, "%s is not supported: the dataplane's ports have no such thing", text)
}

func ctOperand(pos nft.Pos, e *nft.CT) (operand, error) {
	switch e.Key {
	case nft.CTState:
		o := scalar(srcFacts, factState, 32)
		return o, nil
	case nft.CTReason:
		return scalar(srcCtReason, 0, 8), nil
	case nft.CTStatus:
		return scalar(srcCtStatus, 0, 32), nil
	case nft.CTMark:
		return scalar(srcCtMark, 0, 32), nil
	case nft.CTDirection:
		return scalar(srcCtDirection, 0, 8), nil
	case nft.CTExpiration:
		return scalar(srcCtExpiration, 0, 32), nil
	case nft.CTL3proto:
		return scalar(srcCtL3, 0, 8), nil
	case nft.CTProtocol:
		return scalar(srcCtProtocol, 0, 8), nil
	}
	// Of a key with a direction: the original's source and those behind it.
	dir := func(src uint8, bits int) (operand, error) {
		switch e.Dir {
		case 0:
			return scalar(src, 0, bits), nil
		case 1:
			return scalar(src+1, 0, bits), nil
		}
		return scalar(src+2, 0, bits), nil
	}
	reply := e.Dir == int8(flowtable.Reply)
	both := [2]uint64{^uint64(0), ^uint64(0)}
	wide := func(src uint8) (operand, error) {
		return operand{src: src, wide: true, bits: 128, mask: both}, nil
	}
	switch {
	case e.Key == nft.CTPackets:
		return dir(srcCtPackets, 64)
	case e.Key == nft.CTBytes:
		return dir(srcCtBytes, 64)
	case e.Key == nft.CTAvgpkt:
		return dir(srcCtAvgpkt, 64)
	case e.Key == nft.CTZone:
		return dir(srcCtZone, 16)
	case e.Key == nft.CTID:
		return scalar(srcCtID, 0, 32), nil
	case e.Key == nft.CTLabel:
		return wide(srcCtLabel)
	case reply && e.Key == nft.CTSaddr && e.Family == nft.FamilyIP:
		return scalar(srcCtReplySaddr4, 0, 32), nil
	case reply && e.Key == nft.CTDaddr && e.Family == nft.FamilyIP:
		return scalar(srcCtReplyDaddr4, 0, 32), nil
	case reply && e.Key == nft.CTSaddr && e.Family == nft.FamilyIP6:
		return wide(srcCtReplySaddr6)
	case reply && e.Key == nft.CTDaddr && e.Family == nft.FamilyIP6:
		return wide(srcCtReplyDaddr6)
	case reply && e.Key == nft.CTProtoSrc:
		return scalar(srcCtReplySport, 0, 16), nil
	case reply && e.Key == nft.CTProtoDst:
		return scalar(srcCtReplyDport, 0, 16), nil
	case e.Key == nft.CTSaddr && e.Family == nft.FamilyIP:
		return scalar(srcCtSaddr4, 0, 32), nil
	case e.Key == nft.CTDaddr && e.Family == nft.FamilyIP:
		return scalar(srcCtDaddr4, 0, 32), nil
	case e.Key == nft.CTSaddr && e.Family == nft.FamilyIP6:
		return operand{src: srcCtSaddr6, wide: true, bits: 128, mask: both}, nil
	case e.Key == nft.CTDaddr && e.Family == nft.FamilyIP6:
		return operand{src: srcCtDaddr6, wide: true, bits: 128, mask: both}, nil
	case e.Key == nft.CTHelper:
		return operand{src: srcCtHelper, wide: true, bits: 128, mask: both}, nil
	case e.Key == nft.CTProtoSrc:
		return scalar(srcCtSport, 0, 16), nil
	case e.Key == nft.CTProtoDst:
		return scalar(srcCtDport, 0, 16), nil
	}
	return operand{}, errorf(pos, "%s is not supported", nft.ExprText(e))
}

// number reads a value's bytes and puts it where the operand's lies.
func number(pos nft.Pos, data []byte, o operand) ([2]uint64, error) {
	if o.wide {
		return wideNumber(pos, data)
	}
	n, err := number64(data)
	if err != nil {
		return [2]uint64{}, errorf(pos, "%v", err)
	}
	if n&^ones(o.bits) != 0 {
		return [2]uint64{}, errorf(pos, "value %#x does not fit %d bits", n, o.bits)
	}
	return [2]uint64{0, n << o.shift}, nil
}

func number64(data []byte) (uint64, error) {
	if len(data) > 8 {
		return 0, fmt.Errorf("value of %d bytes where at most 8 are allowed", len(data))
	}
	var b [8]byte
	copy(b[8-len(data):], data)
	return binary.BigEndian.Uint64(b[:]), nil
}
