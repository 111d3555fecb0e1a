package pair

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/sluice-net/sluice/tools/frame"
)

// endpoint is where NAT may have put somebody. ICMP has its identifier as port.
type endpoint struct {
	proto uint8
	addr  netip.Addr
	port  uint16
}

// matchUp gives sluice's entry the kernel's endpoints where chance has chosen.
func (j *Judge) matchUp(k, s *Entry) string {
	if j.Free == nil {
		return ""
	}
	ke, se := k.Reply.end(1), s.Reply.end(1)
	moved := ke != k.Orig.end(0)
	if k.Reply == s.Reply {
		if moved && j.Free(ke.addr, ke.port) {
			j.match(se, ke)
		}
		return ""
	}
	if !j.known(se, ke) {
		if ke.addr == se.addr && moved != (se != s.Orig.end(0)) || !j.may(ke, se) {
			return fmt.Sprintf("NAT chose %v port %d, for the kernel %v port %d", se.addr, se.port, ke.addr, ke.port)
		}
		j.match(se, ke)
	}
	s.Reply.setEnd(1, ke)
	if far := k.Reply.end(0); j.known(s.Reply.end(0), far) {
		s.Reply.setEnd(0, far)
	}
	s.Text = WithoutTimeout(s.Line())
	return ""
}

// Chance says whether chance has chosen different endpoints for both sides so far.
func (j *Judge) Chance() bool {
	for se, all := range j.chance {
		if slices.ContainsFunc(all, func(ke endpoint) bool { return ke != se }) {
			return true
		}
	}
	return false
}

// origin gives sluice's entry the kernel's original tuple, if it is the same up
// to what chance has chosen: of a flow that began with a packet to or from such
// an endpoint.
func (j *Judge) origin(k *Entry, s Entry) (Entry, bool) {
	for i := range 2 {
		if ke, se := k.Orig.end(i), s.Orig.end(i); ke != se && j.known(se, ke) {
			s.Orig.setEnd(i, ke)
			if s.Reply.end(1-i) == se {
				s.Reply.setEnd(1-i, ke)
			}
		}
	}
	s.Text = WithoutTimeout(s.Line())
	return s, s.Orig == k.Orig
}

// end is who the tuple's source (0) or destination (1) is.
func (t *Tuple) end(i int) endpoint {
	e := endpoint{t.Proto, t.Src, t.SrcPort}
	if i == 1 {
		e.addr = t.Dst
		if !t.icmp() {
			e.port = t.DstPort
		}
	}
	return e
}

func (t *Tuple) setEnd(i int, e endpoint) {
	switch {
	case i == 0:
		t.Src, t.SrcPort = e.addr, e.port
	case t.icmp():
		t.Dst, t.SrcPort = e.addr, e.port
	default:
		t.Dst, t.DstPort = e.addr, e.port
	}
}

func (t *Tuple) icmp() bool { return t.Proto == frame.ProtoICMP || t.Proto == frame.ProtoICMPv6 }

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
	version, proto uint8

	l4    int // offset of the transport header
	addrs [2][]byte
	ports [2][]byte // of ICMP the identifier, twice
}

// headerAt finds the header of the datagram in h, which must not be a later
// fragment. version is its IP version if it is quoted, where nobody looks at it.
func headerAt(h []byte, version byte) (x header, ok bool) {
	if len(h) < 20 {
		return x, false
	}
	if x.version = h[0] >> 4; version != 0 {
		x.version = version
	}
	switch {
	case x.version == 4 && h[6]&0x1f|h[7] == 0:
		x.proto, x.l4 = h[9], int(h[0]&15)*4
		x.addrs = [2][]byte{h[12:16], h[16:20]}
	case x.version == 6 && len(h) >= 40:
		x.proto, x.l4 = h[6], 40
		x.addrs = [2][]byte{h[8:24], h[24:40]}
		for len(h) >= x.l4+8 {
			e, size := h[x.l4:], 0
			switch x.proto {
			case frame.HopByHop, frame.Routing, frame.DestOpts:
				size = int(e[1])*8 + 8
			case frame.Auth:
				size = int(e[1])*4 + 8
			case frame.FragHdr:
				if size = 8; binary.BigEndian.Uint16(e[2:])&^7 != 0 {
					return x, false
				}
			}
			if size == 0 {
				break
			}
			x.proto, x.l4 = e[0], x.l4+size
		}
	default:
		return x, false
	}
	if len(h) < x.l4+4 || x.icmp() && len(h) < x.l4+8 {
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

// end is who the source (0) or destination (1) is.
func (x *header) end(i int) endpoint {
	addr, _ := netip.AddrFromSlice(x.addrs[i])
	return endpoint{x.proto, addr, binary.BigEndian.Uint16(x.ports[i])}
}

// unchance gives the datagram in s the kernel's endpoints where chance has put
// sluice's, and takes all checksums out of both.
func (j *Judge) unchance(k, s []byte, version uint8) {
	kx, ok := headerAt(k, version)
	sx, also := headerAt(s, version)
	if !ok || !also || kx.proto != sx.proto || kx.l4 != sx.l4 {
		return
	}
	var ke, se [2]endpoint
	for i := range 2 {
		ke[i], se[i] = kx.end(i), sx.end(i)
	}
	for _, b := range [][]byte{k, s} {
		kx.clearSums(b)
	}
	if sx.icmp() { // whatever the type says: scripts quote under any
		j.unchance(k[kx.l4+8:], s[sx.l4+8:], sx.version)
	}
	for i := range 2 {
		if j.known(se[i], ke[i]) {
			copy(sx.addrs[i], kx.addrs[i])
			copy(sx.ports[i], kx.ports[i])
		}
	}
}

// clearSums takes the checksums out of a datagram with such a header.
func (x *header) clearSums(b []byte) {
	if x.version == 4 {
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
	if len(b) > at { // an error may quote half of it
		clear(b[at:min(at+n, len(b))])
	}
}

// learn finds the endpoints of two frames that differ in nothing but what NAT has
// chosen for a flow that was over before anybody could list it.
func (j *Judge) learn(k, s []byte) (se, ke endpoint, ok bool) {
	kx, sx, ok := j.ends(k, s)
	if !ok {
		return se, ke, false
	}
	for i := range 2 {
		ke, se = kx.end(i), sx.end(i)
		far, farther := kx.end(1-i), sx.end(1-i)
		if ke == se || far.addr != farther.addr || !kx.icmp() && far != farther && !j.known(farther, far) {
			continue
		}
		// Given again it may have come for the other flow.
		return se, ke, j.may(ke, se) && (len(j.chance[se]) > 0 || j.came(0, i, ke) == j.came(1, i, se))
	}
	return se, ke, false
}

// keep notes what NAT has chosen for both alike, seen in two frames that agree.
func (j *Judge) keep(k, s []byte) {
	kx, sx, ok := j.ends(k, s)
	if !ok {
		return
	}
	for i := range 2 {
		if e := kx.end(i); e == sx.end(i) && j.Free(e.addr, e.port) && !j.came(0, i, e) && !j.came(1, i, e) {
			j.match(e, e)
		}
	}
}

// ends finds the headers of two frames of one kind, if anything in them is left
// to chance.
func (j *Judge) ends(k, s []byte) (kx, sx header, ok bool) {
	if j.Free == nil {
		return kx, sx, false
	}
	kx, ok = headerAt(k[14:], 0)
	sx, also := headerAt(s[14:], 0)
	return kx, sx, ok && also && kx.proto == sx.proto && kx.l4 == sx.l4
}

// came says whether a frame sent to a contender bore the endpoint's port at that
// end: whether NAT has left it as it was. Answers bear at the other end what NAT
// has chosen.
func (j *Judge) came(contender, i int, e endpoint) bool {
	for _, sent := range j.sent {
		if x, ok := headerAt(sent[contender][14:], 0); ok && x.proto == e.proto && x.end(i).port == e.port {
			return true
		}
	}
	return false
}

// may says whether NAT can have chosen both endpoints: a rule gives them, or
// only the port changed because it was taken.
func (j *Judge) may(ke, se endpoint) bool {
	return j.Free(ke.addr, ke.port) && j.Free(se.addr, se.port) || ke.addr == se.addr && sameClass(ke.port, se.port)
}

func (j *Judge) known(se, ke endpoint) bool { return slices.Contains(j.chance[se], ke) }

// match notes that NAT has chosen both for one flow.
func (j *Judge) match(se, ke endpoint) {
	if j.known(se, ke) {
		return
	}
	if j.chance == nil {
		j.chance = map[endpoint][]endpoint{}
	}
	for _, all := range j.chance {
		j.Again = j.Again || slices.Contains(all, ke)
	}
	j.Again = j.Again || len(j.chance[se]) > 0
	j.chance[se] = append(j.chance[se], ke)
}

// passed says whether two frames are just what was sent into the box, one hop
// further on.
func (j *Judge) passed(k, s []byte) bool {
	for _, sent := range j.sent {
		if hop(sent[0], k) && hop(sent[1], s) {
			return true
		}
	}
	return false
}

// hop says whether a frame differs from what was sent in nothing that a router
// leaves alone.
func hop(sent, out []byte) bool {
	if len(sent) != len(out) || len(out) < 34 || out[14] != sent[14] {
		return false
	}
	a, b := bytes.Clone(sent[14:]), bytes.Clone(out[14:])
	for _, h := range [][]byte{a, b} {
		if h[0]>>4 == 4 {
			h[8], h[10], h[11] = 0, 0, 0
		} else {
			h[7] = 0
		}
	}
	return bytes.Equal(a, b)
}

// quotes says whether two frames quote, in an ICMP error that went through the
// box, just what two different errors sent into it have quoted, or in one that
// the box has made just what was sent.
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
		if bytes.HasPrefix(sent[0][14:], k[at:]) && bytes.HasPrefix(sent[1][14:], s[at:]) {
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
	x, ok := headerAt(b[14:], 0)
	if !ok || !x.icmp() {
		return -1
	}
	return 14 + x.l4 + 8
}
