package rules

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// gen makes random trees and packets from small pools of values, so that rules
// and packets meet often.
type gen struct {
	r     *rand.Rand
	tb    testing.TB
	table *nft.Table
	chain int // number of the chain in work; calls go to later ones
	base  *nft.Base
}

func pick[T any](g *gen, from ...T) T { return from[g.r.IntN(len(from))] }

func (g *gen) one(in int) bool { return g.r.IntN(in) == 0 }

var testInterfaces = []Interface{
	{Name: "eth0", Port: 0, Index: 2}, {Name: "eth1", Port: 1, Index: 3},
	{Name: "eth10", Port: 5, Index: 7}, {Name: "lan0", Port: 70, Index: 9},
}

var (
	pool4     = []string{"10.0.0.1", "10.0.0.2", "10.0.1.1", "192.168.1.7", "224.0.0.1"}
	pool6     = []string{"fd00::1", "fd00::2", "fd00:0:0:1::1", "2001:db8::ffff:1"}
	poolPorts = []uint16{22, 53, 80, 443, 1024}
	poolNames = []string{"eth0", "eth1", "eth10", "lan0", "wan9"}
	fields    = [][2]string{
		{"ip", "saddr"}, {"ip", "daddr"}, {"ip", "protocol"}, {"ip", "ttl"}, {"ip", "version"}, {"ip", "dscp"}, {"ip", "length"}, {"ip", "frag-off"},
		{"ip6", "saddr"}, {"ip6", "daddr"}, {"ip6", "nexthdr"}, {"ip6", "hoplimit"}, {"ip6", "dscp"},
		{"tcp", "sport"}, {"tcp", "dport"}, {"tcp", "flags"}, {"tcp", "window"}, {"tcp", "doff"},
		{"udp", "sport"}, {"udp", "dport"}, {"udp", "length"}, {"th", "sport"}, {"th", "dport"},
		{"icmp", "type"}, {"icmp", "code"}, {"icmp", "id"}, {"icmpv6", "type"}, {"icmpv6", "code"},
		{"ether", "saddr"}, {"ether", "daddr"}, {"ether", "type"},
	}
)

func (g *gen) expr() nft.Expr {
	if g.one(8) {
		return g.computed()
	}
	switch g.r.IntN(10) {
	case 0, 1, 2, 3, 4, 5:
		name := pick(g, fields...)
		f := nft.LookupField(name[0], name[1])
		if f == nil {
			g.tb.Fatalf("no field %v", name)
		}
		e := nft.Expr(&nft.Payload{Field: f})
		if g.one(8) {
			mask := make([]byte, (e.Bits()+7)/8)
			for i := range mask {
				mask[i] = byte(g.r.Uint32())
			}
			if e.Bits()%8 != 0 {
				mask[0] &= 1<<(e.Bits()%8) - 1
			}
			e = &nft.Masked{E: e, Mask: mask}
		}
		return e
	case 6, 7:
		return &nft.Meta{Key: nft.MetaKey(g.r.IntN(int(nft.MetaOiftype) + 1))}
	default:
		if g.one(5) {
			return &nft.CT{Key: pick(g, nft.CTPackets, nft.CTBytes, nft.CTAvgpkt, nft.CTZone, nft.CTLabel), Dir: int8(g.r.IntN(3)) - 1}
		}
		e := &nft.CT{Key: nft.CTKey(g.r.IntN(int(nft.CTProtoDst) + 1)), Dir: -1}
		if e.Key >= nft.CTSaddr {
			e.Dir = 0
			e.Family = pick(g, nft.FamilyIP, nft.FamilyIP6)
		}
		return e
	}
}

// value returns bytes that an expression may well have.
func (g *gen) value(e nft.Expr) []byte {
	n := (e.Bits() + 7) / 8
	var v uint64
	switch t := e.Type(); {
	case e.Bits() == 32 && t == nft.TypeIPv4:
		return netip.MustParseAddr(pick(g, pool4...)).AsSlice()
	case t == nft.TypeIPv6:
		return netip.MustParseAddr(pick(g, pool6...)).AsSlice()
	case t == nft.TypeIfname:
		b := make([]byte, 16)
		copy(b, pick(g, poolNames...))
		return b
	case t == nft.TypeService:
		v = uint64(pick(g, poolPorts...))
	case t == nft.TypeProto:
		v = uint64(pick(g, 1, 6, 17, 58, 47))
	case t == nft.TypeNfproto:
		v = uint64(pick(g, 2, 10))
	case t == nft.TypeCTState:
		v = uint64(pick(g, 1, 2, 4, 8, 6, 64))
	case t == nft.TypeEtherType:
		v = uint64(pick(g, 0x800, 0x86dd))
	case t == nft.TypeTCPFlag:
		v = uint64(pick(g, 2, 16, 18, 4, 1))
	case t == nft.TypeEther:
		return pick(g, []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 2}, []byte{255, 255, 255, 255, 255, 255})
	case t == nft.TypeIfindex:
		v = uint64(pick(g, 0, 2, 3, 7, 9, 30))
	default:
		v = uint64(pick(g, 0, 1, 2, 3, 4, 5, 8, 14, 40, 46, 48, 64, 255))
		if g.one(8) {
			v = g.r.Uint64()
		}
	}
	if e.Bits() < 64 {
		v &= 1<<e.Bits() - 1
	}
	b := make([]byte, n)
	for i := range b {
		b[n-1-i] = byte(v >> (8 * i))
	}
	return b
}

func (g *gen) span(e nft.Expr) (lo, hi []byte) {
	lo, hi = g.value(e), g.value(e)
	if bytes.Compare(lo, hi) > 0 {
		lo, hi = hi, lo
	}
	return lo, hi
}

func (g *gen) match() nft.Stmt {
	if g.one(4) {
		left, set := g.set(false)
		return &nft.Match{Left: left, Op: pick(g, nft.OpEq, nft.OpEq, nft.OpNe), Right: &nft.SetRef{Set: set}}
	}
	e := g.expr()
	switch g.r.IntN(4) {
	case 0:
		lo, hi := g.span(e)
		return &nft.Match{Left: e, Op: pick(g, nft.OpEq, nft.OpEq, nft.OpNe), Right: &nft.Range{Lo: lo, Hi: hi}}
	case 1:
		return &nft.Match{Left: e, Op: pick(g, nft.OpEq, nft.OpNe), Right: &nft.Const{Data: g.value(e), PrefixLen: g.r.IntN(e.Bits() + 1)}}
	}
	c := &nft.Const{Data: g.value(e), PrefixLen: -1}
	op := pick(g, nft.OpEq, nft.OpEq, nft.OpEq, nft.OpNe, nft.OpLt, nft.OpGt, nft.OpLe, nft.OpGe, nft.OpAny)
	if m, ok := e.(*nft.Meta); ok && m.Key <= nft.MetaOifname {
		op = pick(g, nft.OpEq, nft.OpNe)
		if m.Key <= nft.MetaOif {
			c.Name = pick(g, poolNames...)
		}
	}
	return &nft.Match{Left: e, Op: op, Right: c}
}

// set makes a set or a verdict map and the expression it is looked up with.
func (g *gen) set(verdicts bool) (nft.Expr, *nft.Set) {
	parts := []nft.Expr{g.expr()}
	for g.one(3) && len(parts) < 4 {
		parts = append(parts, g.expr())
	}
	s := &nft.Set{Verdicts: verdicts, Map: verdicts}
	for _, e := range parts {
		t := e.Type()
		if t == nil || t.Bits == 0 {
			t = &nft.Type{Name: "integer", Bits: e.Bits()}
		}
		s.Key = append(s.Key, t)
	}
	ranged := g.one(2)
	seen := map[string]bool{}
	for range g.r.IntN(pick(g, 3, 8, 40)) {
		el := &nft.Element{}
		id := ""
		for _, e := range parts {
			k := nft.KeyPart{Lo: g.value(e), PrefixLen: -1}
			k.Hi = k.Lo
			if ranged && g.one(2) {
				k.Lo, k.Hi = g.span(e)
			}
			el.Key = append(el.Key, k)
			id += fmt.Sprintf("%x-%x.", k.Lo, k.Hi)
		}
		if verdicts {
			if seen[id] || ranged && len(parts) == 1 && g.overlaps(s, el) {
				continue
			}
			el.Verdict = g.verdict()
		}
		seen[id] = true
		s.Elements = nft.ElementsOf(append(s.Elements.List(), el)...)
	}
	if len(parts) == 1 {
		return parts[0], s
	}
	return &nft.Concat{Es: parts}, s
}

func (g *gen) overlaps(s *nft.Set, el *nft.Element) bool {
	for o := range s.Elements.All() {
		if bytes.Compare(o.Key[0].Lo, el.Key[0].Hi) <= 0 && bytes.Compare(el.Key[0].Lo, o.Key[0].Hi) <= 0 {
			return true
		}
	}
	return false
}

func (g *gen) verdict() *nft.Verdict {
	v := &nft.Verdict{Kind: pick(g, nft.VerdictDrop, nft.VerdictAccept, nft.VerdictContinue, nft.VerdictReturn, nft.VerdictJump, nft.VerdictJump, nft.VerdictGoto)}
	if v.Kind == nft.VerdictJump || v.Kind == nft.VerdictGoto {
		var to []string
		for i, c := range g.table.Chains {
			if i > g.chain && c.Base == nil {
				to = append(to, c.Name)
			}
		}
		if len(to) == 0 {
			return &nft.Verdict{Kind: nft.VerdictReturn}
		}
		v.Chain = pick(g, to...)
	}
	return v
}

func (g *gen) rule() *nft.Rule {
	r := &nft.Rule{Pos: nft.Pos{File: "random", Line: 1, Col: 1}}
	for {
		switch g.r.IntN(10) {
		case 9:
			r.Stmts = append(r.Stmts, g.assign())
		case 0, 1, 2, 3:
			r.Stmts = append(r.Stmts, g.match())
		case 4:
			r.Stmts = append(r.Stmts, &nft.Counter{})
		case 5:
			left := pick(g, nft.Expr(&nft.Meta{Key: nft.MetaMark}), nft.Expr(&nft.CT{Key: nft.CTMark, Dir: -1}))
			v := nft.MangleValue{Xor: g.r.Uint32() % 16}
			if g.one(2) {
				v.Src = pick(g, nft.Expr(&nft.Meta{Key: nft.MetaMark}), nft.Expr(&nft.CT{Key: nft.CTMark, Dir: -1}))
				v.And = g.r.Uint32() % 16
			}
			r.Stmts = append(r.Stmts, &nft.Mangle{Left: left, Value: v})
		case 6:
			if g.one(3) {
				r.Stmts = append(r.Stmts, &nft.Notrack{})
			} else {
				r.Stmts = append(r.Stmts, &nft.Log{Group: -1})
			}
		default:
			r.Stmts = append(r.Stmts, g.last())
			if _, ok := r.Stmts[len(r.Stmts)-1].(*nft.VMap); !ok || g.one(2) {
				return r // what stands behind a map sees the packets of `continue`
			}
		}
		if len(r.Stmts) > 6 {
			return r
		}
	}
}

func (g *gen) last() nft.Stmt {
	switch g.r.IntN(8) {
	case 0:
		left, set := g.set(true)
		return &nft.VMap{Left: left, Set: set}
	case 1:
		switch g.r.IntN(5) {
		case 0:
			return &nft.Reject{Reset: true}
		case 1:
			return &nft.Reject{Proto: 1, Code: 9}
		case 2:
			return &nft.Reject{Proto: 58, Code: 5}
		case 3:
			return &nft.Reject{Proto: 255, Code: uint8(g.r.IntN(4))}
		}
		return &nft.Reject{Bare: true}
	case 2:
		if g.base == nil || g.base.Type != nft.TypeNAT {
			return g.verdict()
		}
		n := &nft.NAT{Kind: pick(g, nft.NATSrc, nft.NATDst, nft.NATMasquerade, nft.NATRedirect), Flags: g.r.Uint32() & nft.NATPersistent}
		if n.Kind <= nft.NATDst {
			n.Family = pick(g, nft.FamilyIP, nft.FamilyIP6)
			if g.table.Family != nft.FamilyInet {
				n.Family = g.table.Family
			}
			pool := pool4
			if n.Family == nft.FamilyIP6 {
				pool = pool6
			}
			n.AddrMin = netip.MustParseAddr(pick(g, pool...)).AsSlice()
			n.AddrMax = netip.MustParseAddr(pick(g, pool...)).AsSlice()
		}
		if g.one(2) {
			n.PortMin, n.PortMax = 1000, 2000
		}
		if g.one(3) {
			g.natValues(n)
		}
		return n
	}
	return g.verdict()
}

func (g *gen) tree() *nft.Ruleset {
	tree := &nft.Ruleset{}
	for i := range 1 + g.r.IntN(3) {
		t := &nft.Table{Name: fmt.Sprintf("t%d", i), Family: pick(g, nft.FamilyInet, nft.FamilyIP, nft.FamilyIP6)}
		g.table = t
		for j := range 1 + g.r.IntN(5) {
			c := &nft.Chain{Name: fmt.Sprintf("c%d", j)}
			if j == 0 || g.one(4) {
				c.Base = &nft.Base{Type: pick(g, nft.TypeFilter, nft.TypeNAT), Hook: pick(g, nft.HookForward, nft.HookForward, nft.HookPrerouting),
					Priority: int32(pick(g, -100, 0, 0, 5)), Policy: pick(g, nft.VerdictAccept, nft.VerdictDrop)}
			}
			t.Chains = append(t.Chains, c)
		}
		for j, c := range t.Chains {
			g.chain, g.base = j, c.Base
			for range g.r.IntN(pick(g, 4, 12)) {
				c.Rules = append(c.Rules, g.rule())
			}
		}
		tree.Tables = append(tree.Tables, t)
	}
	return tree
}

func (g *gen) packet() *packet.Packet {
	k := pk{
		src: pick(g, pool4...), dst: pick(g, pool4...),
		proto: pick[uint8](g, 6, 6, 17, 1, pick[uint8](g, 47, 136, 2)), sport: pick(g, poolPorts...), dport: pick(g, poolPorts...),
		flags: pick[uint8](g, 2, 16, 18, 4, 24), typ: pick[uint8](g, 0, 3, 8), code: uint8(g.r.IntN(3)),
		ttl: pick[uint8](g, 1, 64, 255), tos: uint8(g.r.Uint32()), later: g.one(12), short: g.one(12),
		mac: pick(g, [6]byte{2, 0, 0, 0, 0, 1}, [6]byte{1, 0, 0x5e, 0, 0, 1}, [6]byte{255, 255, 255, 255, 255, 255}),
		in:  pick[uint16](g, 1, 2, 6, 71, 4, 200), out: pick[uint16](g, 0, 1, 2, 6, 71, 72), noIn: g.one(8),
		mark: g.r.Uint32() % 8, payload: g.r.IntN(20),
		info: pick(g, flowtable.InfoEstablished, flowtable.InfoRelated, flowtable.InfoNew, flowtable.InfoEstablishedReply, flowtable.InfoInvalid, flowtable.InfoUntracked),
		dir:  uint8(g.r.IntN(2)),
	}
	if k.noIn {
		k.in = 0
	}
	if g.one(2) {
		k.src, k.dst = pick(g, pool6...), pick(g, pool6...)
		if k.proto == 1 {
			k.proto, k.typ = 58, pick[uint8](g, 1, 128, 129, 135)
		}
	}
	if k.later && g.one(2) {
		k.proto = 60
	}
	if k.info < flowtable.InfoUntracked && !g.one(5) {
		a, b := netip.MustParseAddr(k.src), netip.MustParseAddr(k.dst)
		ct := &flowtable.Entry{Status: g.r.Uint32() & 0x1fff, Mark: g.r.Uint32() % 8, Expires: g.r.Uint32() % 2000}
		copy(ct.Tuple.Src[:], a.AsSlice())
		copy(ct.Tuple.Dst[:], b.AsSlice())
		ct.Tuple.Family, ct.Tuple.Proto = flowtable.FamilyIPv4, k.proto
		if a.Is6() {
			ct.Tuple.Family = flowtable.FamilyIPv6
		}
		ct.Tuple.SrcPort, ct.Tuple.DstPort = k.sport, k.dport
		k.ct = ct
		ct.Packets, ct.Bytes = [2]uint64{g.r.Uint64() % 8, g.r.Uint64() % 8}, [2]uint64{g.r.Uint64() % 1000, g.r.Uint64() % 1000}
	}
	p := k.packet(g.tb)
	if p.Proto == 6 && p.Flags&packet.FlagL4 != 0 && k.payload >= 12 {
		p.Data[p.L4+12] = 8 << 4
		for i := range p.Data[p.L4+20 : p.L4+32] {
			p.Data[int(p.L4)+20+i] = pick[byte](g, 0, 1, 2, 2, 3, 4, 4, 8)
		}
	}
	return p
}
