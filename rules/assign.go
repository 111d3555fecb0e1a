package rules

import (
	"encoding/binary"
	"math/bits"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// What opAssign sets from a key word, in ins.flag. Labels take two words.
const (
	assignMark uint8 = iota
	assignCtMark
	assignPriority
	assignZone // ins.shift: the flowtable.ZoneDir
	assignLabels
	assignEvents
	assignTrace
)

func (lw *lowering) assign(st *nft.Assign) error {
	n, err := lw.value(st.Pos, st.Value, 0)
	if err != nil {
		return err
	}
	refuse := func(why string) error { return errorf(st.Pos, "%s is not supported: %s", nft.StmtName(st), why) }
	s := step{ins: ins{op: opAssign}}
	switch left := st.Left.(type) {
	case *nft.Meta:
		switch left.Key {
		case nft.MetaMark:
			s.flag = assignMark
		case nft.MetaNftrace:
			s.flag = assignTrace
		case nft.MetaPriority:
			s.flag = assignPriority
		case nft.MetaSecmark:
			return refuse("there is no security module to ask")
		case nft.MetaPkttype:
			return refuse("the kind of a frame is decided when it is received")
		default:
			return refuse("it cannot be changed here")
		}
	case *nft.CT:
		switch left.Key {
		case nft.CTMark:
			s.flag = assignCtMark
		case nft.CTZone:
			s.flag = assignZone
			if left.Dir >= 0 {
				s.shift = uint8(flowtable.ZoneOriginal) + uint8(left.Dir)
			}
		case nft.CTLabel:
			s.flag = assignLabels
		case nft.CTEvent:
			s.flag = assignEvents
		case nft.CTSecmark:
			return refuse("there is no security module to ask")
		default:
			return refuse("it cannot be changed here")
		}
	case *nft.Payload:
		return lw.store(st, left.Field, n)
	case *nft.Raw:
		return lw.store(st, &nft.Field{Base: left.Base, Offset: left.Offset, Length: left.Length}, n)
	case *nft.Option:
		s = tlvStep(opSetOption, left)
		if left.Kind != nft.OptionTCP || left.Exists || s.lo%8 != 0 || s.span%8 != 0 || s.span > 64 || n != 1 {
			return refuse("only whole bytes of TCP options can be set")
		}
	default:
		return refuse("it cannot be changed here")
	}
	lw.out.steps = append(lw.out.steps, s)
	return nil
}

// store adds the step that writes key words into a header: lo is the first bit
// behind the header's start, span the number of bits, flag the checksums that follow.
func (lw *lowering) store(st *nft.Assign, f *nft.Field, n uint8) error {
	if f.Base > nft.BaseTransport || f.Length == 0 || int(f.Offset%8)+int(f.Length) > 128 || n > 2 {
		return errorf(st.Pos, "%s is not supported: the field cannot be written in one piece", nft.StmtName(st))
	}
	if f.L3 == nft.FamilyARP {
		lw.frame(packet.EtherARP)
	}
	g := familyGuard(f.L3)
	if f.HasL4 {
		g = g.and(protoGuard(f.L4))
	}
	lw.typed(f.Types, g)
	lw.under(operand{src: uint8(f.Base), guard: g})
	s := step{ins: ins{op: opStore, arg: uint32(n)}}
	s.src, s.need, s.needMask = uint8(f.Base), g.need, g.mask
	s.lo, s.span = uint64(f.Offset), uint64(f.Length)
	s.flag = uint8(sums(f))
	lw.out.steps = append(lw.out.steps, s)
	return nil
}

// sums are the checksums that nft has Linux mend when a field is written: by its
// protocol's own, and where the field is of a pseudo header by the transport's. Of
// UDPLite, of fields that several protocols have and of raw ones it knows none.
func sums(f *nft.Field) (s packet.Sums) {
	switch f.Proto {
	case "ip":
		s = packet.SumIP
	case "tcp", "udp", "sctp", "icmp", "icmpv6", "igmp":
		return packet.SumTransport
	case "ip6":
	default:
		return 0
	}
	switch f.Name {
	case "saddr", "daddr", "length", "protocol", "nexthdr":
		s |= packet.SumAddresses
	}
	return s
}

// assign is opAssign.
func assign(in *ins, value uint64, w *walk, p *packet.Packet, env *Env, rule uint32) {
	switch in.flag {
	case assignMark:
		p.Mark = uint32(value)
	case assignPriority:
		p.Priority, env.Trail.Classed = uint32(value), true
	case assignCtMark:
		if p.Ct != nil && SetCtMark(p, env, uint32(value)) {
			env.Trail.opened(rule)
		}
	case assignZone:
		SetZone(p, env, uint16(value), flowtable.ZoneDir(in.shift))
		w.know(p)
	case assignLabels:
		if p.Ct != nil && env.Shard != nil {
			// Bits are only ever added, as in nft_ct_set_eval.
			l := labels(env.key[0], env.key[1])
			env.Shard.SetLabels(p.Entry, l, l)
			env.Trail.opened(rule)
		}
	case assignEvents:
		if p.Ct == nil {
			p.Template.Events = flowtable.EventMask(value)
		}
	case assignTrace:
		if p.Flags &^= packet.FlagTraced; value != 0 {
			p.Flags |= packet.FlagTraced
		}
	}
}

// SetZone puts a packet that conntrack has not seen into a zone, once. One that a
// rule exempted from tracking is tracked then (nft_ct_set_zone_eval). It is for
// extensions too.
func SetZone(p *packet.Packet, env *Env, zone uint16, dir flowtable.ZoneDir) {
	if p.Ct != nil || p.Entry != 0 || p.Flags&packet.FlagZoned != 0 {
		return
	}
	p.Flags |= packet.FlagZoned
	if p.Info == flowtable.InfoUntracked {
		p.Kind = p.Exempted
	}
	p.SetZone(zone, dir)
	if env.Shard != nil {
		p.Hash = env.Shard.Table().Hash(&p.Tuple)
	}
}

// labels turns a number of 128 bits into labels.
func labels(hi, lo uint64) flowtable.Labels { return flowtable.Labels{lo, hi} }

// store is opStore. The bits around those written stay as they are.
func store(in *ins, w *walk, p *packet.Packet, env *Env) bool {
	base := w.base[in.src&3]
	at := base + uint(in.lo/8)
	n := (uint(in.lo%8) + uint(in.span) + 7) / 8
	if base >= noHeader || in.src&3 == srcTransport && w.facts&factAstray != 0 || at+n > uint(len(w.data)) || n > 16 {
		return false
	}
	var b, old [16]byte
	copy(old[16-n:], w.data[at:at+n])
	hi, lo := env.key[0], env.key[1]
	if in.arg == 1 {
		hi, lo = 0, hi
	}
	shift := 8*n - uint(in.lo%8) - uint(in.span)
	hi, lo = shift128(hi, lo, shift)
	maskHi, maskLo := ones(max(int(in.span)-64, 0)), ones(int(in.span))
	maskHi, maskLo = shift128(maskHi, maskLo, shift)
	oldHi, oldLo := words(old[:])
	binary.BigEndian.PutUint64(b[:], oldHi&^maskHi|hi&maskHi)
	binary.BigEndian.PutUint64(b[8:], oldLo&^maskLo|lo&maskLo)
	if !p.Store(int(at), b[16-n:], packet.Sums(in.flag)) {
		return false
	}
	if env.Shard != nil {
		p.Renew(env.Shard.Table())
	}
	return true
}

func shift128(hi, lo uint64, n uint) (uint64, uint64) {
	if n == 0 {
		return hi, lo
	}
	over, low := bits.Mul64(lo, 1<<n)
	return hi<<n | over, low
}
