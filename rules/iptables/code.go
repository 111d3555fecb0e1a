package iptables

import (
	"bytes"
	"encoding/binary"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
)

// What no statement of nft stands for, as code that workers run. Each type is a
// rules.Extension without a memory.

// stateless is part of what does not look at connections.
type stateless struct{}

// Stateless makes it a rules.Stateless.
func (stateless) Stateless() {}

func holds(yes bool) rules.Action {
	if yes {
		return rules.ActContinue
	}
	return rules.ActNext
}

const protoDCCP = 33

// eitherPort is multiport --ports: the source or the destination port is one of
// the list.
type eitherPort struct {
	stateless
	list []portRange
	neg  bool
}

func (m eitherPort) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	src, dst, ok := p.Ports()
	if !ok && p.Proto == protoDCCP && p.Flags&packet.FlagL4 != 0 && int(p.L4)+4 <= int(p.End) { // conntrack has no ports of it
		h := p.Transport()
		src, dst, ok = binary.BigEndian.Uint16(h), binary.BigEndian.Uint16(h[2:]), true
	}
	if !ok {
		return rules.ActNext
	}
	for i := range m.list {
		r := &m.list[i]
		if uint64(src) >= r.lo && uint64(src) <= r.hi || uint64(dst) >= r.lo && uint64(dst) <= r.hi {
			return holds(!m.neg)
		}
	}
	return holds(m.neg)
}

// optionMatch is tcp --tcp-option. Unlike `tcp option N exists` it sees one in the
// header's last byte (tcp_find_option).
type optionMatch struct {
	stateless
	code uint8
	neg  bool
}

func (m optionMatch) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	b, act := tcpOptions(p)
	if act != rules.ActContinue {
		return act
	}
	for i := 0; i < len(b); i += optionSize(b[i:]) {
		if b[i] == m.code {
			return holds(!m.neg)
		}
	}
	return holds(m.neg)
}

// tcpOptions returns the options of a segment if the action is to go on. The matches
// that read them drop a packet whose header is cut short, or says to be.
func tcpOptions(p *packet.Packet) ([]byte, rules.Action) {
	if p.Proto != flowtable.ProtoTCP || p.Flags&packet.FlagL4 == 0 {
		return nil, rules.ActNext
	}
	h := p.Transport()
	end := int(h[12]>>4) * 4
	if end < 20 || end > len(h) {
		return nil, rules.ActDrop
	}
	return h[20:end], rules.ActContinue
}

// optionSize is how far the next option of TCP is from the one that b begins with.
func optionSize(b []byte) int {
	if b[0] < 2 || len(b) < 2 || b[1] == 0 {
		return 1
	}
	return int(b[1])
}

// physdev is the match of that name on a router, where no packet came over a
// bridge: it holds when all it asks is inverted.
type physdev struct {
	stateless
	holds bool
}

func (m physdev) Run(*packet.Packet, *rules.Env) rules.Action { return holds(m.holds) }

// PerFlow makes it a rules.PerFlow.
func (m physdev) PerFlow() {}

// Unbridged makes it a rules.Unbridged.
func (m physdev) Unbridged() string {
	return "there is no bridge beside the ports of a wire: -i and -o name these"
}

func lowerPhysdev(l *lower, x *Instance) error {
	m := physdev{holds: true}
	for i := range x.vals {
		m.holds = m.holds && (!x.vals[i].set || x.vals[i].neg)
	}
	l.extend(x, false, m)
	return nil
}

// segmentNot is tcpmss ! --mss: packets without the option match too.
type segmentNot struct {
	stateless
	lo, hi uint16
}

func (m segmentNot) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	b, act := tcpOptions(p)
	if act != rules.ActContinue {
		return act
	}
	for i := 0; i < len(b); i += optionSize(b[i:]) {
		if len(b)-i >= 4 && b[i] == 2 && b[i+1] == 4 {
			mss := binary.BigEndian.Uint16(b[i+2:])
			return holds(mss < m.lo || mss > m.hi)
		}
	}
	return rules.ActContinue
}

// segmentSize is what TCPMSS does besides `tcp option maxseg size set`: it gives the
// option to segments that have none, and drops those whose header is cut short.
type segmentSize struct {
	stateless
	mss   uint16
	clamp bool // to what fits the packet's ways, if that is less
}

func (m segmentSize) Run(p *packet.Packet, env *rules.Env) rules.Action {
	b, act := tcpOptions(p)
	if act != rules.ActContinue {
		return act
	}
	for i := 0; i < len(b); i += optionSize(b[i:]) {
		if len(b)-i >= 4 && b[i] == 2 && b[i+1] == 4 {
			return rules.ActContinue
		}
	}
	if m.clamp {
		if size, ok := rules.SegmentSize(p, env); ok {
			m.mss = uint16(min(uint64(m.mss), size))
		}
	}
	p.AddSegmentSize(m.mss)
	return rules.ActContinue
}

// stateOrNAT is a list of states with SNAT or DNAT among them.
type stateOrNAT struct {
	states, status uint32
	neg            bool
}

func (m stateOrNAT) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	state := uint32(flowtable.StateInvalid)
	if p.Ct != nil || p.Entry != 0 {
		state = p.Info.State()
	} else if p.Flags&packet.FlagZoned != 0 {
		state = flowtable.StateNew
	} else if p.Info == flowtable.InfoUntracked {
		state = flowtable.StateUntracked
	}
	yes := state&m.states != 0
	if p.Ct != nil {
		yes = yes || uint32(p.Ct.Status)&m.status != 0
	}
	return holds(yes != m.neg)
}

// flowProto is conntrack --ctproto: an error has the protocol of the flow that it tells
// of.
type flowProto struct {
	proto uint8
	neg   bool
}

func (m flowProto) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	if p.Ct == nil {
		return rules.ActNext
	}
	return holds((p.Ct.Tuple.Proto == m.proto) != m.neg)
}

// PerFlow makes it a rules.PerFlow.
func (flowProto) PerFlow() {}

// pattern is the string match: bytes that begins from byte from to byte to of
// the IP datagram.
type pattern struct {
	stateless
	bytes    []byte
	from, to int
	fold     bool // the pattern is in lower case, and so is what it is compared with
	neg      bool
}

func (m *pattern) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	b := p.IP()
	if m.from > len(b) {
		return holds(m.neg)
	}
	b = b[m.from:min(len(b), m.to+len(m.bytes))]
	if !m.fold {
		return holds(bytes.Contains(b, m.bytes) != m.neg)
	}
	for i := 0; i+len(m.bytes) <= len(b); i++ {
		j := 0
		for j < len(m.bytes) && lowerCase(b[i+j]) == m.bytes[j] {
			j++
		}
		if j == len(m.bytes) {
			return holds(!m.neg)
		}
	}
	return holds(m.neg)
}

func lowerCase(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func lowerString(l *lower, x *Instance) error {
	v := x.pattern()
	m := &pattern{bytes: []byte(v.s), from: int(x.opt("from").n[0]), to: max16, fold: x.has("icase"), neg: v.neg}
	if t := x.opt("to"); t.set {
		m.to = int(t.n[0])
	}
	if m.fold {
		for i, c := range m.bytes {
			m.bytes[i] = lowerCase(c)
		}
	}
	l.extend(x, false, m)
	return nil
}

// words is the u32 match.
type words struct {
	stateless
	tests []u32Test
	neg   bool
}

func (m *words) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	b := p.IP()
	for i := range m.tests {
		if !m.tests[i].holds(b) {
			return holds(m.neg)
		}
	}
	return holds(!m.neg)
}

func (t *u32Test) holds(b []byte) bool {
	at, pos := uint64(0), uint64(t.where[0].n)
	v, ok := wordAt(b, at, pos)
	for i := 1; ok && i < len(t.where); i++ {
		n := t.where[i].n
		switch t.where[i].op {
		case "&":
			v &= n
		case "<<":
			v <<= n
		case ">>":
			v >>= n
		case "@":
			at += uint64(v)
			v, ok = wordAt(b, at, uint64(n))
		}
	}
	if !ok {
		return false
	}
	for _, r := range t.values {
		if v >= r[0] && v <= r[1] {
			return true
		}
	}
	return false
}

func wordAt(b []byte, at, pos uint64) (uint32, bool) {
	if at+pos+4 > uint64(len(b)) {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[at+pos:]), true
}

func lowerU32(l *lower, x *Instance) error {
	v := x.opt("u32")
	l.extend(x, false, &words{tests: v.x.([]u32Test), neg: v.neg})
	return nil
}

// Run is the time match. A day's seconds and days of the week need no calendar;
// the day of the month is found as in the proleptic calendar of the Gregorians.
func (m *timeMatch) Run(_ *packet.Packet, env *rules.Env) rules.Action {
	now := uint64(env.Wall / 1e9)
	if now < m.from || now > m.to {
		return rules.ActNext
	}
	second := now % 86400
	if m.day < m.end {
		if second < m.day || second > m.end {
			return rules.ActNext
		}
	} else {
		if second < m.day && second > m.end {
			return rules.ActNext
		}
		if m.across && second <= m.end {
			now -= 86400
		}
	}
	days := now / 86400
	week := (days+3)%7 + 1 // 1970 began on a Thursday; Monday is 1
	if m.weekDays>>week&1 == 0 || m.monthDays != allMonthDays && m.monthDays>>dayOfMonth(days)&1 == 0 {
		return rules.ActNext
	}
	return rules.ActContinue
}

// dayOfMonth counts from 1; days are those since 1970. Years begin in March, so
// that the leap day is the last of one.
func dayOfMonth(days uint64) uint64 {
	d := (days + 719468) % 146097 // of 400 years
	year := (d - d/1460 + d/36524 - d/146096) / 365
	d -= 365*year + year/4 - year/100
	return d - (153*((5*d+2)/153)+2)/5 + 1
}

func lowerTime(l *lower, x *Instance) error {
	if l.alone && l.clock(x) {
		return nil
	}
	m := x.timeMatch()
	l.extend(x, false, &m)
	return nil
}

// moveMark is CONNMARK --save-mark or --restore-mark with masks on both sides.
type moveMark struct {
	nf, ct      uint32
	restore     bool
	left, right uint8 // by how much the mark is shifted on its way
}

// shiftMark is CONNMARK --set-xmark whose result is shifted.
type shiftMark struct {
	v, mask     uint32
	left, right uint8
}

func (m shiftMark) Run(p *packet.Packet, env *rules.Env) rules.Action {
	if p.Ct != nil {
		rules.SetCtMark(p, env, (p.Ct.Mark&^m.mask^m.v)<<m.left>>m.right)
	}
	return rules.ActContinue
}

func (m moveMark) Run(p *packet.Packet, env *rules.Env) rules.Action {
	switch {
	case p.Ct == nil:
	case m.restore:
		p.Mark = p.Mark&^m.nf ^ p.Ct.Mark&m.ct<<m.left>>m.right
	default:
		rules.SetCtMark(p, env, p.Ct.Mark&^m.ct^p.Mark&m.nf<<m.left>>m.right)
	}
	return rules.ActContinue
}

// sumIP is the checksum that covers the IP header.
func sumIP(p *packet.Packet) packet.Sums {
	if p.Family == flowtable.FamilyIPv6 {
		return 0
	}
	return packet.SumIP | packet.SumUnmangled
}

// addHops is TTL and HL, --ttl-inc and --ttl-dec.
type addHops struct {
	stateless
	by int
}

func (m addHops) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	at := int(p.L3) + 8
	if p.Family == flowtable.FamilyIPv6 {
		at = int(p.L3) + 7
	}
	b := [1]byte{uint8(min(max(int(p.TTL())+m.by, 0), 255))}
	p.Store(at, b[:], sumIP(p))
	return rules.ActContinue
}

// setTOS makes the byte (tos &^ mask) ^ v.
type setTOS struct {
	stateless
	v, mask uint8
}

func (m setTOS) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	h := p.IP()
	if p.Family == flowtable.FamilyIPv6 {
		tc := h[0]<<4 | h[1]>>4
		tc = tc&^m.mask ^ m.v
		b := [2]byte{h[0]&0xf0 | tc>>4, tc<<4 | h[1]&0x0f}
		p.Store(int(p.L3), b[:], sumIP(p))
		return rules.ActContinue
	}
	b := [1]byte{h[1]&^m.mask ^ m.v}
	p.Store(int(p.L3)+1, b[:], sumIP(p))
	return rules.ActContinue
}

// setTCPFlags takes flags away and sets some of them.
type setTCPFlags struct {
	stateless
	clear, set uint8
}

func (m setTCPFlags) Run(p *packet.Packet, _ *rules.Env) rules.Action {
	if p.Proto == 6 && p.Flags&packet.FlagL4 != 0 {
		b := [1]byte{p.Data[int(p.L4)+13]&^m.clear | m.set}
		p.Store(int(p.L4)+13, b[:], packet.SumTransport|packet.SumUnmangled)
	}
	return rules.ActContinue
}
