package iptables

import (
	"encoding/binary"
	"net/netip"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
)

// Headers that may be cut short, where x_tables drops the packet (hotdrop) and nft's
// words go on with the next rule. Of TCP and UDP iptables-nft uses nft's words itself.

// whole stands in front of the words of a match: it drops a packet that has fewer
// bytes of the protocol's header.
type whole struct {
	stateless
	proto, size uint8
}

func (m whole) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	switch {
	case p.Proto != m.proto || p.Flags&packet.FlagLaterFrag != 0 || p.L4 < p.L3:
		return rules.ActNext
	case int(p.L4)+int(m.size) > int(p.End):
		return rules.ActDrop
	}
	return rules.ActContinue
}

// wholeFlow is whole for a protocol of which conntrack sees whole headers only.
type wholeFlow struct{ whole }

// PerFlow makes it a rules.PerFlow.
func (wholeFlow) PerFlow() {}

// whole adds that match where rules are carried out.
func (l *lower) whole(x *Instance, proto, size uint8) {
	switch m := (whole{proto: proto, size: size}); {
	case l.alone:
	case proto == flowtable.ProtoSCTP:
		l.extend(x, false, wholeFlow{m})
	default:
		l.extend(x, false, m)
	}
}

// wholeHeader is whole for an extension header of IPv6.
type wholeHeader struct {
	stateless
	code, size uint8
}

func (m wholeHeader) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	_, act := extensionHeader(p, m.code, int(m.size))
	return act
}

// wholeHeader adds that match where rules are carried out.
func (l *lower) wholeHeader(x *Instance, code, size uint8) {
	if !l.alone {
		l.extend(x, false, wholeHeader{code: code, size: size})
	}
}

// extensionHeader returns what a packet has from a header on if the action is to go on.
// One whose headers are cut short before so many bytes of it is dropped.
func extensionHeader(p *packet.Packet, code uint8, size int) ([]byte, rules.Action) {
	switch h, sound := rules.Header(p, code); {
	case !sound || h != nil && len(h) < size:
		return nil, rules.ActDrop
	case h != nil:
		return h, rules.ActContinue
	}
	return nil, rules.ActNext
}

// is says whether an option asks nothing, or for n.
func (v *value) is(n int) bool { return !v.set || (v.n[0] == uint64(n)) != v.neg }

// optionsMatch is hbh and dst: the header's length, and the options that it begins with.
type optionsMatch struct {
	stateless
	code uint8
	size value
	opts []headerOpt
}

func (m *optionsMatch) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	h, act := extensionHeader(p, m.code, 2)
	if act != rules.ActContinue {
		return act
	}
	size := int(h[1])*8 + 8
	if size > len(h) || !m.size.is(size) {
		return rules.ActNext
	}
	h = h[2:size]
	for i := range m.opts {
		o := &m.opts[i]
		if len(h) == 0 || h[0] != o.typ {
			return rules.ActNext
		}
		n := 1
		if o.typ != 0 { // but Pad1 they have a length
			if len(h) < 2 || o.len >= 0 && o.len != int(h[1]) {
				return rules.ActNext
			}
			n = 2 + int(h[1])
		}
		h = h[min(n, len(h)):]
	}
	return rules.ActContinue
}

// routingMatch is rt.
type routingMatch struct {
	stateless
	typ, left, size value
	reserved, loose bool // of a header of type 0: see --rt-0-res, --rt-0-not-strict
	addrs           []netip.Addr
}

func (m *routingMatch) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	const head = 8 // before the addresses
	h, act := extensionHeader(p, 43, 4)
	if act != rules.ActContinue {
		return act
	}
	size, left := int(h[1])*8+8, uint64(h[3])
	if size > len(h) || !m.size.is(size) || !m.typ.is(int(h[2])) || (left >= m.left.n[0] && left <= m.left.n[1]) == m.left.neg {
		return rules.ActNext
	}
	if m.reserved && binary.BigEndian.Uint32(h[4:]) != 0 {
		return rules.ActNext
	}
	if m.addrs == nil {
		return rules.ActContinue
	}
	n := (size - head) / 16
	if len(m.addrs) > n || !m.loose && len(m.addrs) != n {
		return rules.ActNext
	}
	found := 0
	for i := 0; i < n && found < len(m.addrs); i++ {
		if netip.AddrFrom16([16]byte(h[head+16*i:][:16])) == m.addrs[found] {
			found++
		} else if !m.loose {
			return rules.ActNext
		}
	}
	return holds(found == len(m.addrs))
}
