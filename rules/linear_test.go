package rules

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules/nft"
)

// twin is the slow, obvious twin of the compiled walk: it reads the typed tree
// for every packet, extracts fields bit by bit into big numbers and keeps its
// state in maps. It shares no code with the engine.
type twin struct {
	tree     *nft.Ruleset
	ifs      []Interface
	now      uint32
	nanos    int64
	packets  map[*nft.Counter]uint64
	bytes    map[*nft.Counter]uint64
	buckets  map[*nft.Limit]*bucket
	used     map[*nft.Quota]uint64
	logs     []*nft.Log
	reject   RejectSpec
	nat      *nft.NAT
	sets     map[*nft.Set]map[string]*twinMember
	counts   map[*nft.Numgen]uint64
	spec     NATSpec   // what the packet gave the statement
	decision *nft.Rule // nil: the policy
}

func newTwin(tree *nft.Ruleset, ifs []Interface) *twin {
	return &twin{tree: tree, ifs: ifs, packets: map[*nft.Counter]uint64{}, bytes: map[*nft.Counter]uint64{},
		buckets: map[*nft.Limit]*bucket{}, used: map[*nft.Quota]uint64{}}
}

// bucket is a token bucket as one draws it: tokens are nanoseconds.
type bucket struct {
	tokens, most int64
	last         int64
}

func (l *twin) limit(st *nft.Limit, p *packet.Packet) bool {
	second := int64(st.Unit) * 1e9
	cost := second / int64(st.Rate)
	if st.Bytes {
		cost = int64(new(big.Int).Div(new(big.Int).Mul(big.NewInt(second), big.NewInt(int64(p.Bytes))), big.NewInt(int64(st.Rate))).Int64())
	}
	b := l.buckets[st]
	if b == nil {
		most := cost * int64(st.Burst)
		if st.Bytes {
			most = new(big.Int).Div(new(big.Int).Mul(big.NewInt(second), big.NewInt(int64(st.Rate+uint64(st.Burst)))), big.NewInt(int64(st.Rate))).Int64()
		}
		b = &bucket{tokens: most, most: most, last: l.nanos}
		l.buckets[st] = b
	}
	b.tokens = min(b.tokens+l.nanos-b.last, b.most)
	b.last = l.nanos
	if b.tokens < cost {
		return st.Over
	}
	b.tokens -= cost
	return !st.Over
}

func (l *twin) quota(st *nft.Quota, p *packet.Packet) bool {
	if _, ok := l.used[st]; !ok {
		l.used[st] = st.Used
	}
	l.used[st] += uint64(p.Bytes)
	return (l.used[st] > st.Bytes) == st.Over
}

// outcome of a rule or chain in the twin.
type outcome int

const (
	goOn outcome = iota
	returned
	dropped
	accepted
	rejected
	natted
)

// base walks a base chain and says what becomes of the packet.
func (l *twin) base(t *nft.Table, c *nft.Chain, p *packet.Packet) Code {
	l.decision = nil
	switch l.chain(t, c, p) {
	case dropped:
		return Drop
	case accepted:
		return Accept
	case rejected:
		return Reject
	case natted:
		return NAT
	}
	l.decision = nil
	if c.Base.Policy == nft.VerdictAccept {
		return Accept
	}
	return Drop
}

// chain is recursive; a goto is a call whose return value the caller returns.
func (l *twin) chain(t *nft.Table, c *nft.Chain, p *packet.Packet) outcome {
	for _, r := range c.Rules {
		o := l.rule(t, r, p)
		if o == returned {
			return goOn
		}
		if o == leave {
			return goOn
		}
		if o != goOn {
			return o
		}
	}
	return goOn
}

// leave: a goto has run its chain to the end, so the calling chain ends too.
const leave outcome = -1

func (l *twin) rule(t *nft.Table, r *nft.Rule, p *packet.Packet) outcome {
	for _, st := range r.Stmts {
		switch st := st.(type) {
		case *nft.Match:
			if !l.match(st, p) {
				return goOn
			}
		case *nft.Counter:
			l.packets[st]++
			l.bytes[st] += uint64(p.Bytes)
		case *nft.Log:
			l.logs = append(l.logs, st)
		case *nft.Notrack:
			if p.Ct == nil && p.Entry == 0 && p.Flags&packet.FlagZoned == 0 && p.Info != flowtable.InfoUntracked {
				p.Info = flowtable.InfoUntracked
				p.Exempted, p.Kind = p.Kind, flowtable.KindUntracked
			}
		case *nft.Mangle:
			if !l.mangle(st, p) {
				return goOn
			}
		case *nft.FlowOffload:
		case *nft.SetUpdate:
			if !l.setUpdate(st, p) {
				return goOn
			}
		case *nft.ResetOption:
			panic(unjudged("reset")) // TestSegmentSize has it
		case *nft.Assign:
			if !l.assign(st, p) {
				return goOn
			}
		case *nft.Reject:
			l.rejectSpec(st, p)
			l.decision = r
			return rejected
		case *nft.NAT:
			if t.Family == nft.FamilyInet && (st.AddrMin != nil || st.Addr != nil) && uint8(st.Family) != p.Family {
				return goOn
			}
			if !l.natValues(st, p) {
				return goOn
			}
			l.nat, l.decision = st, r
			return natted
		case *nft.Verdict:
			if o, done := l.verdict(t, r, st, p); done {
				return o
			}
		case *nft.VMap:
			values, ok := l.values(st.Left, p)
			if !ok {
				return goOn
			}
			el := l.find(st.Set, values)
			if el == nil {
				return goOn
			}
			if o, done := l.verdict(t, r, el.Verdict, p); done {
				return o
			}
		case *nft.Limit:
			if !l.limit(st, p) {
				return goOn
			}
		case *nft.Quota:
			if !l.quota(st, p) {
				return goOn
			}
		case *nft.ObjectRef:
			object := st.Object
			if st.Set != nil {
				values, ok := l.values(st.Key, p)
				if !ok {
					return goOn
				}
				el := l.find(st.Set, values)
				if el == nil {
					return goOn
				}
				for _, o := range t.Objects {
					if o.Name == el.Object && o.Kind == st.Kind {
						object = o
					}
				}
			}
			switch st.Kind {
			case nft.ObjCounter:
				l.packets[object.Counter]++
				l.bytes[object.Counter] += uint64(p.Bytes)
			case nft.ObjLimit:
				if !l.limit(object.Limit, p) {
					return goOn
				}
			case nft.ObjQuota:
				if !l.quota(object.Quota, p) {
					return goOn
				}
			case nft.ObjHelper: // there is no flow that could get one
			default:
				panic("twin: object " + st.Kind.String())
			}
		default:
			panic(fmt.Sprintf("twin: %T", st))
		}
	}
	return goOn
}

func (l *twin) verdict(t *nft.Table, r *nft.Rule, v *nft.Verdict, p *packet.Packet) (outcome, bool) {
	l.decision = r
	switch v.Kind {
	case nft.VerdictDrop:
		return dropped, true
	case nft.VerdictAccept:
		return accepted, true
	case nft.VerdictReturn:
		return returned, true
	case nft.VerdictJump, nft.VerdictGoto:
		for _, c := range t.Chains {
			if c.Name == v.Chain {
				o := l.chain(t, c, p)
				if o == goOn && v.Kind == nft.VerdictGoto {
					o = leave
				}
				return o, true
			}
		}
		panic("twin: no chain " + v.Chain)
	}
	return goOn, false // continue
}

func (l *twin) rejectSpec(st *nft.Reject, p *packet.Packet) {
	v6 := p.Family == 10
	switch {
	case st.Reset:
		l.reject = RejectSpec{Reset: true}
	case (st.Proto == 1 || st.Proto == 58) && v6:
		l.reject = RejectSpec{Type: 1, Code: st.Code}
	case st.Proto == 1 || st.Proto == 58:
		l.reject = RejectSpec{Type: 3, Code: st.Code}
	default:
		code := st.Code
		if st.Bare {
			code = 1
		}
		if v6 {
			l.reject = RejectSpec{Type: 1, Code: map[uint8]uint8{0: 0, 1: 4, 2: 3, 3: 1}[code]}
		} else {
			l.reject = RejectSpec{Type: 3, Code: map[uint8]uint8{0: 0, 1: 3, 2: 1, 3: 13}[code]}
		}
	}
}

func (l *twin) mangle(st *nft.Mangle, p *packet.Packet) bool {
	var from uint32
	switch src := st.Value.Src.(type) {
	case *nft.Meta:
		from = p.Mark
	case *nft.CT:
		if p.Ct == nil {
			return false
		}
		from = p.Ct.Mark
	case nil:
	default:
		panic(fmt.Sprintf("twin: mark of %T", src))
	}
	value := from&st.Value.And ^ st.Value.Xor
	if _, ok := st.Left.(*nft.Meta); ok {
		p.Mark = value
	} else if p.Ct != nil {
		p.Ct.Mark = value
	}
	return true
}

// values reads the parts of an expression.
func (l *twin) values(e nft.Expr, p *packet.Packet) ([]*big.Int, bool) {
	c, ok := e.(*nft.Concat)
	if !ok {
		v, ok := l.value(e, p)
		return []*big.Int{v}, ok
	}
	var out []*big.Int
	for _, part := range c.Es {
		v, ok := l.value(part, p)
		if !ok {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}

func num(n uint64) (*big.Int, bool) { return new(big.Int).SetUint64(n), true }

func (l *twin) port(n uint16) (Interface, bool) {
	for _, i := range l.ifs {
		if i.Port == n {
			return i, true
		}
	}
	return Interface{}, false
}

func (l *twin) value(e nft.Expr, p *packet.Packet) (*big.Int, bool) {
	switch e := e.(type) {
	case *nft.Masked:
		v, ok := l.value(e.E, p)
		if !ok {
			return nil, false
		}
		return v.And(v, new(big.Int).SetBytes(e.Mask)), true
	case *nft.Payload:
		return l.payload(e.Field, p)
	case *nft.Meta:
		in, _ := l.port(p.InPort)
		out, _ := l.port(p.OutPort)
		switch e.Key {
		case nft.MetaIif:
			return num(uint64(in.Index))
		case nft.MetaOif:
			return num(uint64(out.Index))
		case nft.MetaIifname:
			return ifname(in.Name), true
		case nft.MetaOifname:
			return ifname(out.Name), true
		case nft.MetaMark:
			return num(uint64(p.Mark))
		case nft.MetaL4proto:
			return big.NewInt(int64(p.Proto)), p.Flags&packet.FlagNoProto == 0
		case nft.MetaNfproto:
			return num(uint64(p.Family))
		case nft.MetaProtocol:
			return num(uint64(p.Data[12])<<8 | uint64(p.Data[13]))
		case nft.MetaLength:
			return num(uint64(int(p.End) - int(p.L3)))
		case nft.MetaPkttype:
			switch {
			case bytes.Equal(p.Data[:6], []byte{255, 255, 255, 255, 255, 255}):
				return num(1)
			case p.Data[0]&1 == 1:
				return num(2)
			}
			return num(0)
		case nft.MetaIiftype:
			return big.NewInt(1), p.InPort != packet.NoPort
		case nft.MetaOiftype:
			return big.NewInt(1), p.OutPort != packet.NoPort
		}
		return l.rare(e, p)
	case *nft.CT:
		return l.ct(e, p)
	}
	return l.computed(e, p)
}

func ifname(s string) *big.Int {
	b := make([]byte, 16)
	copy(b, s)
	return new(big.Int).SetBytes(b)
}

func (l *twin) ct(e *nft.CT, p *packet.Packet) (*big.Int, bool) {
	if e.Key == nft.CTState {
		names := map[flowtable.Info]uint64{0: 2, 1: 4, 2: 8, 3: 2, 4: 4, 7: 64}
		if p.Ct == nil {
			if p.Flags&packet.FlagZoned != 0 {
				return num(8)
			}
			if p.Info == 7 {
				return num(64)
			}
			return num(1)
		}
		return num(or(names[p.Info], 1))
	}
	if p.Ct == nil {
		return nil, false
	}
	tu := &p.Ct.Tuple
	if e.Dir == 1 && e.Key >= nft.CTSaddr && e.Key <= nft.CTProtoDst {
		r, ok := flowtable.Invert(tu) // there is no NAT
		if !ok {
			return nil, false
		}
		tu = &r
	}
	addr := func(a *[16]byte) (*big.Int, bool) {
		if uint8(e.Family) != tu.Family {
			return nil, false
		}
		if tu.Family == 2 {
			return new(big.Int).SetBytes(a[:4]), true
		}
		return new(big.Int).SetBytes(a[:]), true
	}
	switch e.Key {
	case nft.CTStatus:
		return num(uint64(p.Ct.Status))
	case nft.CTMark:
		return num(uint64(p.Ct.Mark))
	case nft.CTDirection:
		return num(uint64(p.Dir))
	case nft.CTL3proto:
		return num(uint64(tu.Family))
	case nft.CTProtocol:
		return num(uint64(tu.Proto))
	case nft.CTSaddr:
		return addr(&tu.Src)
	case nft.CTDaddr:
		return addr(&tu.Dst)
	case nft.CTProtoSrc:
		return num(uint64(tu.SrcPort))
	case nft.CTProtoDst:
		return num(uint64(tu.DstPort))
	case nft.CTPackets, nft.CTBytes, nft.CTAvgpkt, nft.CTZone, nft.CTLabel, nft.CTID:
		return l.ctMore(e, p)
	case nft.CTExpiration:
		left := int64(0)
		if p.Ct.Status&flowtable.StatusConfirmed != 0 {
			left = max(int64(p.Ct.Expires)-int64(l.now), 0)
		}
		return num(uint64(left))
	}
	panic("twin: ct key")
}

// payload reads a field bit by bit.
func (l *twin) payload(f *nft.Field, p *packet.Packet) (*big.Int, bool) {
	if f.L3 != 0 && uint8(f.L3) != p.Family || f.HasL4 && f.L4 != p.Proto {
		return nil, false
	}
	start := 0
	switch f.Base {
	case nft.BaseNetwork:
		start = int(p.L3)
	case nft.BaseTransport:
		start = int(p.L4)
		if p.Flags&packet.FlagLaterFrag != 0 {
			// As Linux reads a later fragment: words, as they lie there; of IPv6 from the IP
			// header on, if it has a protocol.
			from, to := int(f.Offset)/8, (int(f.Offset+f.Length)+7)/8
			word := slices.Contains([]int{1, 2, 4}, to-from) && from%(to-from) == 0
			if !word {
				return nil, false
			}
			if p.Family == flowtable.FamilyIPv6 {
				if p.Flags&packet.FlagNoProto != 0 {
					return nil, false
				}
				start = int(p.L3)
			}
		}
	}
	if len(f.Types) > 0 && (start >= int(p.End) || !bytes.Contains(f.Types, p.Data[start:start+1])) {
		return nil, false
	}
	v := new(big.Int)
	for i := int(f.Offset); i < int(f.Offset+f.Length); i++ {
		at := start + i/8
		if at >= int(p.End) {
			return nil, false
		}
		bit := p.Data[at] >> (7 - i%8) & 1
		v.Lsh(v, 1)
		v.Or(v, big.NewInt(int64(bit)))
	}
	return v, true
}

func (l *twin) match(m *nft.Match, p *packet.Packet) bool {
	values, ok := l.values(m.Left, p)
	if !ok {
		return false
	}
	v := values[0]
	switch r := m.Right.(type) {
	case *nft.SetRef:
		if changes(r.Set) {
			e := l.alive(r.Set, values)
			if m.Op == nft.OpNe {
				return e == nil
			}
			return e != nil && l.runMember(e, r.Set.Stmts, p)
		}
		return (l.find(r.Set, values) != nil) == (m.Op != nft.OpNe)
	case *nft.Range:
		in := v.Cmp(new(big.Int).SetBytes(r.Lo)) >= 0 && v.Cmp(new(big.Int).SetBytes(r.Hi)) <= 0
		return in == (m.Op == nft.OpEq)
	case *nft.Const:
		c := new(big.Int).SetBytes(r.Data)
		if r.Name != "" {
			c = nil
			for _, i := range l.ifs {
				if i.Name == r.Name {
					c = big.NewInt(int64(i.Index))
				}
			}
			if c == nil {
				return m.Op == nft.OpNe
			}
		}
		if r.PrefixLen >= 0 {
			rest := uint(m.Left.Bits() - r.PrefixLen)
			same := new(big.Int).Rsh(v, rest).Cmp(new(big.Int).Rsh(c, rest)) == 0
			return same == (m.Op == nft.OpEq)
		}
		switch d := v.Cmp(c); m.Op {
		case nft.OpEq:
			return d == 0
		case nft.OpNe:
			return d != 0
		case nft.OpLt:
			return d < 0
		case nft.OpGt:
			return d > 0
		case nft.OpLe:
			return d <= 0
		case nft.OpGe:
			return d >= 0
		case nft.OpAny:
			return new(big.Int).And(v, c).Sign() != 0
		}
	}
	panic("twin: match")
}

func (l *twin) find(s *nft.Set, values []*big.Int) *nft.Element {
	var any *nft.Element
next:
	for el := range s.Elements.All() {
		if el.Any {
			any = el
			continue
		}
		for i, k := range el.Key {
			lo, hi := new(big.Int).SetBytes(k.Lo), new(big.Int).SetBytes(k.Hi)
			if values[i].Cmp(lo) < 0 || values[i].Cmp(hi) > 0 {
				continue next
			}
		}
		return el
	}
	return any
}
