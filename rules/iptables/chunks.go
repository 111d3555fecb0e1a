package iptables

import (
	"encoding/binary"
	"strings"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
)

// chunkTest is sctp --chunk-types as code: all of the types are there, any of them
// is, or only such are, each with flags that fit.
type chunkTest struct {
	stateless
	how    uint8 // chunksAll and so on
	neg    bool
	listed [4]uint64 // types, as bits
	flags  []chunk   // of those that have some
}

const (
	chunksAll = iota
	chunksAny
	chunksOnly
)

func newChunkTest(v *value) *chunkTest {
	m := v.x.(chunkMatch)
	t := &chunkTest{neg: v.neg, how: map[string]uint8{"all": chunksAll, "any": chunksAny, "only": chunksOnly}[m.how]}
	for i := range t.listed {
		if m.all {
			t.listed[i] = ^uint64(0)
		}
	}
	for _, c := range m.chunks {
		t.listed[c.typ/64] |= 1 << (c.typ % 64)
		if c.mask != 0 {
			t.flags = append(t.flags, c)
		}
	}
	return t
}

// fits says whether a chunk's flags are what the list asks of its type.
func (t *chunkTest) fits(typ, flags uint8) bool {
	for i := range t.flags {
		if c := &t.flags[i]; c.typ == typ {
			return flags&c.mask == c.bits
		}
	}
	return true
}

// sctpHeader is the length of SCTP's header, behind which the chunks are.
const sctpHeader = 12

// Run looks at chunks until the answer is known. A packet with a chunk that is cut
// off or has no length is dropped before that, as Linux does.
func (t *chunkTest) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	if p.Proto != flowtable.ProtoSCTP || p.Flags&packet.FlagLaterFrag != 0 {
		return rules.ActNext
	}
	if p.Flags&packet.FlagL4 == 0 {
		return rules.ActDrop
	}
	missing := t.listed
	h := p.Transport()
	for at := sctpHeader; ; {
		if at+4 > len(h) {
			return rules.ActDrop
		}
		typ, flags, size := h[at], h[at+1], int(binary.BigEndian.Uint16(h[at+2:]))
		if size == 0 {
			return rules.ActDrop
		}
		at += (size + 3) &^ 3
		listed := t.listed[typ/64]>>(typ%64)&1 != 0
		fits := listed && t.fits(typ, flags)
		switch {
		case t.how == chunksAny && fits:
			return holds(!t.neg)
		case t.how == chunksOnly && !fits:
			return holds(t.neg)
		case fits:
			missing[typ/64] &^= 1 << (typ % 64)
		}
		if at >= len(h) {
			break
		}
	}
	switch t.how {
	case chunksAny:
		return holds(t.neg)
	case chunksOnly:
		return holds(!t.neg)
	}
	return holds((missing == [4]uint64{}) != t.neg)
}

func lowerSCTP(l *lower, x *Instance) error {
	v := x.opt("chunk-types")
	if v.set && l.alone {
		if err := translateChunks(l, x, v); err != nil {
			return err
		}
	}
	if x.count("sport", "dport") > 0 || !v.set || l.alone { // who looks at chunks sees the header itself
		l.whole(x, flowtable.ProtoSCTP, sctpHeader)
		if err := lowerPorts(l, x); err != nil {
			return err
		}
	}
	if v.set && !l.alone {
		l.extend(x, false, newChunkTest(v))
	}
	return nil
}

// translateChunks says what nft's language can of chunks.
func translateChunks(l *lower, x *Instance, v *value) error {
	m := v.x.(chunkMatch)
	if m.how != "all" && !(m.how == "any" && len(m.chunks) == 1) || v.neg || m.all {
		return l.refuse(x, "of chunks only that all of a list are there can be asked")
	}
	for _, c := range m.chunks {
		if c.flags != "" {
			return l.refuse(x, "flags of chunks are not looked at")
		}
		if c.typ > 14 && c.typ != 128 && c.typ < 192 || c.typ > 193 {
			return l.refuse(x, "chunks of type %d are not looked for", c.typ)
		}
		l.add("sctp chunk %s exists", strings.ReplaceAll(strings.ToLower(nameOf(chunkNames, uint64(c.typ))), "_", "-"))
	}
	return nil
}
