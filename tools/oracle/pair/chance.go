package pair

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/tools/frame"
)

// endpoint is where NAT may have put somebody, for somebody else.
type endpoint struct {
	proto   uint8
	addr    netip.Addr
	port    uint16
	far     netip.Addr
	farPort uint16
}

// matchUp gives sluice's entry the kernel's endpoint where chance has chosen.
func (j *Judge) matchUp(k, s *Entry) string {
	if j.Free == nil || k.Reply == s.Reply {
		return ""
	}
	ke := endpoint{k.Reply.Proto, k.Reply.Dst, k.Reply.DstPort, k.Reply.Src, k.Reply.SrcPort}
	se := endpoint{s.Reply.Proto, s.Reply.Dst, s.Reply.DstPort, s.Reply.Src, s.Reply.SrcPort}
	if k.Reply.Proto == 1 || k.Reply.Proto == 58 {
		kind := pairOf(k.Reply.Proto, uint8(k.Reply.DstPort>>8))
		ke.port, se.port, ke.farPort, se.farPort = k.Reply.SrcPort, s.Reply.SrcPort, kind, kind
	}
	if ke == se {
		return ""
	}
	for _, e := range []endpoint{ke, se} {
		if !j.Free(e.addr, e.port) && !(e.addr == k.Orig.Src && sameClass(e.port, k.Orig.SrcPort)) {
			return fmt.Sprintf("NAT chose %v port %d, which the rule does not allow", e.addr, e.port)
		}
	}
	j.match(se, ke)
	if k.Reply.Proto == 1 || k.Reply.Proto == 58 {
		s.Reply.SrcPort = ke.port
	} else {
		s.Reply.DstPort = ke.port
	}
	s.Reply.Dst = ke.addr
	s.Text = WithoutTimeout(s.Line())
	return ""
}

// pairOf numbers an ICMP question and its answer alike.
func pairOf(proto, kind uint8) uint16 {
	switch {
	case proto == frame.ProtoICMPv6:
		return uint16(kind &^ 1) // 128 and 129
	case kind == 0:
		return 8
	case kind >= 13 && kind <= 18:
		return uint16((kind - 1) | 1) // 13 and 14, 15 and 16, 17 and 18
	}
	return uint16(kind)
}

// sameClass says whether a source port that no rule translates may become
// another one because an entry has it already.
func sameClass(a, b uint16) bool {
	class := func(p uint16) int {
		switch {
		case p < 512:
			return 0
		case p < 1024:
			return 1
		}
		return 2
	}
	return class(a) == class(b)
}

// header is what of a datagram NAT may write: slices of its bytes.
type header struct {
	proto uint8
	l4    int // offset of the transport header
	addrs [2][]byte
	ports [2][]byte // of ICMP the identifier, twice
}

// headerAt finds the header of the datagram in h, which must not be a later fragment.
func headerAt(h []byte) (x header, ok bool) {
	if len(h) < 28 || h[0]>>4 != 4 && h[0]>>4 != 6 {
		return x, false
	}
	if h[0]>>4 == 4 {
		if h[6]&0x1f|h[7] != 0 {
			return x, false
		}
		x.proto, x.l4 = h[9], int(h[0]&15)*4
		x.addrs = [2][]byte{h[12:16], h[16:20]}
	} else {
		if len(h) < 48 {
			return x, false
		}
		x.proto, x.l4 = h[6], 40
		x.addrs = [2][]byte{h[8:24], h[24:40]}
		if x.proto == frame.FragHdr {
			if binary.BigEndian.Uint16(h[42:])&^7 != 0 {
				return x, false
			}
			x.proto, x.l4 = h[40], 48
		}
	}
	if len(h) < x.l4+8 {
		return x, false
	}
	t := h[x.l4:]
	x.ports = [2][]byte{t[0:2], t[2:4]}
	if x.icmp() {
		x.ports = [2][]byte{t[4:6], t[4:6]}
	}
	return x, true
}

func (x *header) icmp() bool { return x.proto == frame.ProtoICMP || x.proto == frame.ProtoICMPv6 }

// end is who the source (0) or destination (1) is, for the other one. kind is
// the ICMP type.
func (x *header) end(i int, kind uint8) endpoint {
	near, _ := netip.AddrFromSlice(x.addrs[i])
	far, _ := netip.AddrFromSlice(x.addrs[1-i])
	e := endpoint{x.proto, near, binary.BigEndian.Uint16(x.ports[i]), far, binary.BigEndian.Uint16(x.ports[1-i])}
	if x.icmp() {
		e.farPort = pairOf(x.proto, kind)
	}
	return e
}

// unchance gives the datagram in s the kernel's endpoints where chance has put
// sluice's, and takes all checksums out of both.
func (j *Judge) unchance(k, s []byte) {
	kx, ok := headerAt(k)
	sx, also := headerAt(s)
	if !ok || !also || kx.proto != sx.proto || kx.l4 != sx.l4 {
		return
	}
	var ke, se [2]endpoint
	for i := range 2 {
		ke[i], se[i] = kx.end(i, k[kx.l4]), sx.end(i, s[sx.l4])
	}
	for _, b := range [][]byte{k, s} {
		kx.clearSums(b)
	}
	if sx.icmp() { // whatever the type says: scripts quote under any
		j.unchance(k[kx.l4+8:], s[sx.l4+8:])
	}
	for i := range 2 {
		if slices.Contains(j.chance[se[i]], ke[i]) {
			copy(sx.addrs[i], kx.addrs[i])
			copy(sx.ports[i], kx.ports[i])
		}
	}
}

// clearSums takes the checksums out of a datagram with such a header.
func (x *header) clearSums(b []byte) {
	if b[0]>>4 == 4 {
		b[10], b[11] = 0, 0
	}
	at, n := x.l4, 2
	switch x.proto {
	case frame.ProtoTCP:
		at += 16
	case frame.ProtoUDP, frame.ProtoUDPLite:
		at += 6
	case frame.ProtoICMP, frame.ProtoICMPv6:
		at += 2
	case frame.ProtoSCTP:
		at, n = at+8, 4
	default:
		return
	}
	if len(b) >= at+n {
		clear(b[at : at+n])
	}
}

// learn matches up the endpoints of two frames that differ in nothing but what
// NAT has chosen for a flow that was over before anybody could list it.
func (j *Judge) learn(k, s []byte) bool {
	if j.Free == nil {
		return false
	}
	kx, ok := headerAt(k[14:])
	sx, also := headerAt(s[14:])
	if !ok || !also || kx.proto != sx.proto || kx.l4 != sx.l4 {
		return false
	}
	for i := range 2 {
		ke, se := kx.end(i, k[14+kx.l4]), sx.end(i, s[14+sx.l4])
		if ke.far != se.far || ke.farPort != se.farPort || ke == se {
			continue
		}
		if !j.may(ke, se) {
			return false
		}
		for of, all := range j.chance {
			if of != se && slices.Contains(all, ke) {
				return false // it was given to another
			}
		}
		j.match(se, ke)
		return true
	}
	return false
}

// may says whether NAT can have chosen both endpoints: a rule gives them, or
// only the port changed because it was taken.
func (j *Judge) may(ke, se endpoint) bool {
	return j.Free(ke.addr, ke.port) && j.Free(se.addr, se.port) || ke.addr == se.addr && sameClass(ke.port, se.port)
}

func (j *Judge) match(se, ke endpoint) {
	if j.chance == nil {
		j.chance = map[endpoint][]endpoint{}
	}
	if !slices.Contains(j.chance[se], ke) {
		j.chance[se] = append(j.chance[se], ke)
	}
}

// quotes says whether two frames quote, in an ICMP error that went through the
// box, just what two different errors sent into it have quoted.
func (j *Judge) quotes(k, s []byte) bool {
	at := quoteAt(k)
	if at < 0 || at != quoteAt(s) || len(k) != len(s) {
		return false
	}
	head := func(b []byte) []byte {
		b = append([]byte(nil), b[:at]...)
		b[at-6], b[at-5] = 0, 0 // the checksum over the quotation
		return b
	}
	if !bytes.Equal(head(k), head(s)) {
		return false
	}
	for _, sent := range j.sent {
		from := quoteAt(sent[0])
		if from >= 0 && from == quoteAt(sent[1]) && bytes.Equal(k[at:], sent[0][from:]) && bytes.Equal(s[at:], sent[1][from:]) {
			return true
		}
	}
	return false
}

// quoteAt is the offset of what a frame with an ICMP message has behind its
// header of 8 bytes, -1 for any other frame.
func quoteAt(b []byte) int {
	if len(b) < 14 {
		return -1
	}
	x, ok := headerAt(b[14:])
	if !ok || !x.icmp() {
		return -1
	}
	return 14 + x.l4 + 8
}
