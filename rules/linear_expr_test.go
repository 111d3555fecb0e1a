package rules

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// computed is the twin's value for what is more than a field or fact.
func (l *twin) computed(e nft.Expr, p *packet.Packet) (*big.Int, bool) {
	switch e := e.(type) {
	case *nft.Const:
		if e.Name != "" {
			for _, i := range l.ifs {
				if i.Name == e.Name {
					return num(uint64(i.Index))
				}
			}
			return num(0)
		}
		return new(big.Int).SetBytes(e.Data), true
	case *nft.Raw:
		return l.payload(&nft.Field{Base: e.Base, Offset: e.Offset, Length: e.Length}, p)
	case *nft.Binop:
		a, ok := l.value(e.L, p)
		if !ok {
			return nil, false
		}
		b, ok := l.value(e.R, p)
		if !ok {
			return nil, false
		}
		v := new(big.Int)
		switch e.Op {
		case "&":
			v.And(a, b)
		case "|":
			v.Or(a, b)
		case "^":
			v.Xor(a, b)
		case "<<":
			v.Lsh(a, uint(b.Uint64()))
		case ">>":
			v.Rsh(a, uint(b.Uint64()))
		}
		if n := max(e.L.Bits(), 32); e.Op != "&" && e.Op != "|" && e.Op != "^" {
			v.And(v, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(n)), big.NewInt(1)))
		}
		return v, true
	case *nft.MapLookup:
		if changes(e.Set) {
			values, ok := l.values(e.Key, p)
			if !ok {
				return nil, false
			}
			m := l.alive(e.Set, values)
			if m == nil || !l.runMember(m, e.Set.Stmts, p) {
				return nil, false
			}
			return new(big.Int).Set(m.data[0]), true
		}
		el := l.mapped(e, p)
		if el == nil {
			return nil, false
		}
		return new(big.Int).SetBytes(el.Data[0].Lo), true
	}
	return l.rare(e, p)
}

func (l *twin) mapped(e *nft.MapLookup, p *packet.Packet) *nft.Element {
	values, ok := l.values(e.Key, p)
	if !ok {
		return nil
	}
	return l.find(e.Set, values)
}

// natValues reads what a NAT statement takes from maps and the packet.
func (l *twin) natValues(st *nft.NAT, p *packet.Packet) bool {
	l.spec = NATSpec{PortMin: st.PortMin, PortMax: st.PortMax}
	copy(l.spec.AddrMin[:], st.AddrMin)
	copy(l.spec.AddrMax[:], st.AddrMax)
	if m, ok := st.Addr.(*nft.MapLookup); ok {
		el := l.mapped(m, p)
		if el == nil {
			return false
		}
		copy(l.spec.AddrMin[:], el.Data[0].Lo)
		copy(l.spec.AddrMax[:], el.Data[0].Hi)
		if len(el.Data) > 1 {
			l.spec.PortMin, l.spec.PortMax = binary.BigEndian.Uint16(el.Data[1].Lo), binary.BigEndian.Uint16(el.Data[1].Hi)
		}
	} else if st.Addr != nil {
		v, ok := l.value(st.Addr, p)
		if !ok {
			return false
		}
		n := 4
		if st.Family == nft.FamilyIP6 {
			n = 16
		}
		v.FillBytes(l.spec.AddrMin[:n])
		l.spec.AddrMax = l.spec.AddrMin
	}
	if st.Port != nil {
		v, ok := l.value(st.Port, p)
		if !ok {
			return false
		}
		l.spec.PortMin, l.spec.PortMax = uint16(v.Uint64()), uint16(v.Uint64())
	}
	if st.Prefix {
		own := p.Data[p.L3+12:][:4]
		if p.Family == 10 {
			own = p.Data[p.L3+8:][:16]
		}
		if st.Kind == nft.NATDst {
			own = p.Data[int(p.L3)+12+4:][:4]
			if p.Family == 10 {
				own = p.Data[p.L3+24:][:16]
			}
		}
		for i := range own {
			lo, hi := l.spec.AddrMin[i], l.spec.AddrMax[i]
			for bit := byte(1); bit != 0; bit <<= 1 {
				if lo&bit != hi&bit {
					l.spec.AddrMin[i] = l.spec.AddrMin[i]&^bit | own[i]&bit
				}
			}
			l.spec.AddrMax[i] = l.spec.AddrMin[i]
		}
	}
	return true
}

func (l *twin) assign(st *nft.Assign, p *packet.Packet) bool {
	v, ok := l.value(st.Value, p)
	if !ok {
		return false
	}
	switch left := st.Left.(type) {
	case *nft.Meta:
		if left.Key == nft.MetaNftrace {
			if p.Flags &^= packet.FlagTraced; v.Uint64() != 0 {
				p.Flags |= packet.FlagTraced
			}
			break
		}
		p.Mark = uint32(v.Uint64())
	case *nft.CT:
		switch {
		case left.Key == nft.CTMark && p.Ct != nil:
			p.Ct.Mark = uint32(v.Uint64())
		case left.Key == nft.CTZone && p.Ct == nil && p.Entry == 0 && p.Flags&packet.FlagZoned == 0:
			p.Template.Zone = uint16(v.Uint64())
			p.Flags |= packet.FlagZoned
			if p.Info == flowtable.InfoUntracked {
				p.Kind = p.Exempted
			}
		}
	case *nft.Option:
		at, size, ok := l.findOption(left, p)
		if !ok {
			return false
		}
		if at == 0 {
			return true
		}
		n := int(left.Field.Length / 8)
		from := at + int(left.Field.Offset/8)
		if from+n > at+size {
			return false
		}
		if left.Code == 2 && n == 2 && uint64(binary.BigEndian.Uint16(p.Data[from:])) <= v.Uint64() {
			return true
		}
		return l.store(&nft.Field{Base: nft.BaseTransport, Offset: uint16(from-int(p.L4)) * 8, Length: left.Field.Length}, v, "tcp option", p)
	case *nft.Payload:
		return l.store(left.Field, v, left.Field.Proto+" "+left.Field.Name, p)
	case *nft.Raw:
		return l.store(&nft.Field{Base: left.Base, Offset: left.Offset, Length: left.Length}, v, "", p)
	default:
		panic(fmt.Sprintf("twin: set %T", left))
	}
	return true
}

// store writes a field bit by bit and sums everything that the checksums cover, which
// are those of the name of what is written.
func (l *twin) store(f *nft.Field, v *big.Int, name string, p *packet.Packet) bool {
	if f.Base == nft.BaseTransport && p.Flags&packet.FlagLaterFrag != 0 {
		return false
	}
	if _, ok := l.payload(&nft.Field{Base: f.Base, Offset: f.Offset &^ 7, Length: f.Length + f.Offset&7, L3: f.L3, L4: f.L4, HasL4: f.HasL4, Types: f.Types}, p); !ok {
		return false
	}
	start := map[nft.HeaderBase]int{nft.BaseLink: 0, nft.BaseNetwork: int(p.L3), nft.BaseTransport: int(p.L4)}[f.Base]
	ipSum, l4Sum := 0, 0
	if strings.HasPrefix(name, "ip ") {
		ipSum = int(p.L3) + 10
	}
	inside := f.Base == nft.BaseTransport
	at := map[uint8]int{6: 16, 17: 6, 136: 6, 1: 2, 58: 2, 2: 2}[p.Proto]
	proto, field, _ := strings.Cut(name, " ")
	switch proto {
	case "ip", "ip6":
		if !slices.Contains([]string{"saddr", "daddr", "length", "protocol", "nexthdr"}, field) || p.Proto <= 2 || p.L4 <= p.L3 || p.Flags&packet.FlagLaterFrag != 0 || p.AH != 0 {
			at = 0
		}
		if h := int(p.L4); at > 0 && p.Proto == 17 && (h+8 > int(p.End) || p.Data[h+6] == 0 && p.Data[h+7] == 0) {
			at = 0 // it has none
		}
	case "tcp", "udp", "icmp", "icmpv6", "igmp":
	default:
		at = 0
	}
	cut := at > 0 && int(p.L4)+at+2 > int(p.End)
	if cut && inside {
		return false // no checksum to take it over into
	}
	if at > 0 && !cut {
		l4Sum = int(p.L4) + at
	}
	before := append([]byte{}, p.Data...)
	for i := range int(f.Length) {
		bit := int(f.Offset) + i
		mask := byte(0x80) >> (bit % 8)
		p.Data[start+bit/8] &^= mask
		if v.Bit(int(f.Length)-1-i) == 1 {
			p.Data[start+bit/8] |= mask
		}
	}
	after := append([]byte{}, p.Data...)
	fix := func(at, from int) {
		if at == 0 {
			return
		}
		if w := start + int(f.Offset)/8; w <= at+1 && start+int(f.Offset+f.Length+7)/8 > at {
			return // the sum itself was written
		}
		total := uint64(^binary.BigEndian.Uint16(before[at:]))
		for i := from; i < int(p.End); i++ {
			o, n := before[i], after[i]
			if (i-from)%2 == 0 {
				total += uint64(^(uint16(o) << 8)) + uint64(uint16(n)<<8)
			} else {
				total += uint64(^uint16(o)) + uint64(n)
			}
		}
		for total > 0xffff {
			total = total>>16 + total&0xffff
		}
		c := ^uint16(total)
		if c == 0 && field != "option" {
			c = 0xffff
		}
		binary.BigEndian.PutUint16(p.Data[at:], c)
	}
	if !inside {
		fix(ipSum, int(p.L3))
		fix(l4Sum, int(p.L3))
		if cut { // the checksum in front is changed by then, and nothing else
			copy(p.Data[start+int(f.Offset)/8:], before[start+int(f.Offset)/8:start+int(f.Offset+f.Length+7)/8])
			return false
		}
	} else {
		fix(l4Sum, int(p.L4))
	}
	return true
}
