package flowtable

import (
	"encoding/binary"
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
)

// tcpModel is the slow obvious twin of the TCP tracker: one flow, words for
// states and events, written after the description and not after the code.
type tcpModel struct {
	lives, replied, assured bool
	state                   string
	side                    [2]tcpModelSide
	lastEvent               string
	lastDir                 int
	lastSeq, lastEnd        uint32
	lastAck                 uint32
	lastWin                 uint16
	retrans                 int
	syn                     tcpModelSide // of an ignored SYN: scale and flags
	challenge, simultaneous bool
	left                    uint32 // seconds
	turned                  bool   // the reply side opened it anew
}

type tcpModelSide struct {
	end, maxEnd, maxWin, maxAck uint32
	scale                       int
	scaled, sack, closer, liberal, unacked, seen/* maxAck */ bool
}

// tcpModelRows reads a table of tcp_test.go: state, event, next state.
func tcpModelRows(text string) map[[2]string]string {
	m := map[[2]string]string{}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		f := strings.Fields(line)
		for i, event := range []string{"SYN", "SYNACK", "FIN", "ACK", "RST"} {
			m[[2]string{f[0], event}] = f[1+i]
		}
	}
	return m
}

var tcpModelTable = [2]map[[2]string]string{tcpModelRows(tcpOriginalTable), tcpModelRows(tcpReplyTable)}

func tcpModelEvent(flags uint8) string {
	switch flags &^ (tcpPSH | 0xc0) {
	case tcpSYN, tcpSYN | tcpURG:
		return "SYN"
	case tcpSYN | tcpACK:
		return "SYNACK"
	case tcpFIN | tcpACK, tcpFIN | tcpACK | tcpURG:
		return "FIN"
	case tcpACK, tcpACK | tcpURG:
		return "ACK"
	case tcpRST, tcpRST | tcpACK:
		return "RST"
	}
	return "" // illegal
}

// options reads SYN options into s; without any s keeps what it has.
func (s *tcpModelSide) options(o []byte) {
	if len(o) == 0 {
		return
	}
	s.scaled, s.sack, s.closer, s.unacked, s.seen, s.scale = false, false, false, false, false, 0
	for i := 0; i < len(o) && o[i] != 0; {
		if o[i] == 1 {
			i++
			continue
		}
		if i+1 >= len(o) || o[i+1] < 2 || i+int(o[i+1]) > len(o) {
			return
		}
		if o[i] == 3 && o[i+1] == 3 {
			s.scaled, s.scale = true, min(14, int(o[i+2]))
		}
		if o[i] == 4 && o[i+1] == 2 {
			s.sack = true
		}
		i += int(o[i+1])
	}
}

func (m *tcpModel) closing() bool {
	return strings.Contains("FIN_WAIT CLOSE_WAIT LAST_ACK TIME_WAIT CLOSE", m.state)
}

var tcpModelSeconds = map[string]uint32{"SYN_SENT": 120, "SYN_RECV": 60, "ESTABLISHED": 432000, "FIN_WAIT": 120,
	"CLOSE_WAIT": 60, "LAST_ACK": 30, "TIME_WAIT": 120, "CLOSE": 10, "SYN_SENT2": 120}

// take is one segment; it says whether that is valid.
func (m *tcpModel) take(dir int, p *Probe) bool {
	event := tcpModelEvent(p.Flags)
	if event == "" {
		return false
	}
	end := p.Seq + p.Payload
	if p.Flags&tcpSYN != 0 {
		end++
	}
	if p.Flags&tcpFIN != 0 {
		end++
	}
	if !m.lives {
		return m.begin(p, event, end)
	}
	old, next := m.state, tcpModelTable[dir][[2]string{m.state, event}]
	reopening := event == "SYN" && next == "SYN_SENT" && (old == "TIME_WAIT" || old == "CLOSE")
	if reopening && (m.side[0].closer || m.side[1].closer || m.lastEvent == "RST" && m.lastDir == dir) {
		m.begin(p, event, end)
		m.turned = dir == 1
		return true
	}
	judge := true
	switch {
	case next == "INV":
		return false
	case next == "IGN" || reopening:
		if event != "SYNACK" || m.lastEvent != "SYN" || m.lastDir == dir || p.Ack != m.lastEnd {
			m.ignore(dir, p, event, end)
			if dir == 1 {
				m.replied = true
			}
			return true
		}
		o := &m.side[1-dir]
		*o = tcpModelSide{end: m.lastEnd, maxEnd: m.lastEnd, maxWin: max(1, uint32(m.lastWin)), scale: m.syn.scale,
			scaled: m.syn.scaled, sack: m.syn.sack, maxAck: o.maxAck}
		m.side[dir] = tcpModelSide{liberal: m.side[dir].liberal}
		m.challenge = false
		old, next = "SYN_SENT", "SYN_RECV"
	case next == "TIME_WAIT" && old == "LAST_ACK" && event == "ACK" && m.challenge && m.lastEvent == "SYN" && m.lastDir != dir:
		m.replied = m.replied || dir == 1 // it is accepted like any other
		m.challenge = false
		return true
	case next == "SYN_SENT2":
		m.simultaneous = true
	case next == "SYN_RECV" && dir == 1 && event == "ACK" && m.simultaneous:
		next = "ESTABLISHED"
	case event == "RST":
		var valid bool
		if next, judge, valid = m.reset(dir, p, next); !valid {
			return false
		}
	}
	if judge {
		switch m.window(dir, p, event, end, old) {
		case "ignore":
			m.replied = m.replied || dir == 1
			return true
		case "invalid":
			m.outside(dir, event)
			return false
		}
	}
	m.lastEvent, m.lastDir, m.state = event, dir, next
	if old != next && next == "FIN_WAIT" {
		m.side[dir].closer = true
	}
	sec := tcpModelSeconds[next]
	switch {
	case m.retrans >= 3 && sec > 300:
		sec = 300
	case event == "RST":
		sec = 10
	case sec > 300 && (m.side[0].unacked || m.side[1].unacked || m.lastWin == 0):
		sec = 300
	}
	if m.replied {
		m.assured = m.assured || next == "ESTABLISHED" && (old == "SYN_RECV" || old == "ESTABLISHED")
		m.left = sec
		return true
	}
	switch {
	case event == "RST":
		*m = tcpModel{}
		return true
	case event == "SYN" && old == "SYN_SENT":
	case next == "ESTABLISHED":
		m.left = min(sec, 300)
	default:
		m.left = sec
	}
	m.replied = dir == 1
	return true
}

func (m *tcpModel) begin(p *Probe, event string, end uint32) bool {
	if event != "SYN" && event != "ACK" {
		return false
	}
	*m = tcpModel{lives: true, state: "SYN_SENT", left: 120}
	s := &m.side[0]
	s.end, s.maxEnd, s.maxWin = end, end, max(1, uint32(p.Window))
	if event == "SYN" {
		s.options(p.Rest)
	} else {
		m.state, m.left = "ESTABLISHED", 300
		s.maxEnd += s.maxWin
		s.sack, s.liberal = true, true
		m.side[1].sack, m.side[1].liberal = true, true
	}
	m.window(0, p, event, end, "NONE") // a first segment is never refused by it
	m.lastEvent, m.lastDir = event, 0
	return true
}

func (m *tcpModel) ignore(dir int, p *Probe, event string, end uint32) {
	m.lastEvent, m.lastDir, m.lastSeq, m.lastEnd, m.lastWin = event, dir, p.Seq, end, p.Window
	if event == "SYN" && dir == 0 {
		m.syn, m.challenge, m.simultaneous = tcpModelSide{}, m.state == "LAST_ACK", false
		m.syn.options(p.Rest)
	}
	if m.state == "SYN_SENT" && event == "ACK" && dir == 1 {
		m.lastAck = p.Ack
	}
}

// reset says to which state a RST leads, and whether the window is to judge it.
func (m *tcpModel) reset(dir int, p *Probe, next string) (state string, judge, valid bool) {
	if m.closing() {
		return next, false, true
	}
	established := m.state == "ESTABLISHED" && m.assured
	if peer := &m.side[1-dir]; peer.seen && m.lastEvent != "SYN" {
		switch {
		case p.Seq == 0 && !established:
			return next, true, true
		case int32(p.Seq-peer.maxAck) < 0:
			return "", false, false
		case !established, p.Seq == peer.maxAck, m.lastEvent == "ACK" && m.lastDir == dir && p.Seq == m.lastEnd:
			return next, true, true
		}
		next = m.state
	}
	answersSYN := m.replied && m.lastEvent == "SYN" && m.lastDir != dir
	answersACK := !m.assured && m.lastEvent == "ACK"
	if (answersSYN || answersACK) && p.Ack == m.lastEnd {
		return next, false, true
	}
	if m.state == "SYN_SENT" && m.lastEvent == "ACK" && m.lastDir == 1 && p.Seq == m.lastAck {
		return next, false, true
	}
	return next, true, true
}

func (m *tcpModel) window(dir int, p *Probe, event string, end uint32, state string) string {
	s, r := &m.side[dir], &m.side[1-dir]
	seq, ack, sack, win := p.Seq, p.Ack, p.Ack, uint32(p.Window)
	if r.sack && len(p.Rest) >= 12 && p.Rest[2] == 5 { // the only form that the test sends
		for b := p.Rest[4:]; len(b) >= 8; b = b[8:] {
			if right := binary.BigEndian.Uint32(b[4:]); int32(right-sack) > 0 {
				sack = right
			}
		}
	}
	fresh := func() {
		s.end, s.maxEnd, s.maxWin = end, end, max(1, win)
		s.options(p.Rest)
		if dir == 1 && !(s.scaled && r.scaled) {
			s.scale, r.scale = 0, 0
		}
	}
	onlySYN := p.Flags&tcpSYN != 0 && p.Flags&tcpACK == 0
	if s.maxWin == 0 && p.Flags&tcpSYN != 0 {
		fresh()
		if onlySYN {
			return "accept"
		}
	} else if s.maxWin == 0 {
		s.end, s.maxWin = end, max(1, win<<s.scale)
		s.maxEnd = end + s.maxWin
		if r.maxWin == 0 {
			r.end, r.maxEnd = sack, sack
		} else if sack == r.end+1 {
			r.end++
		}
	} else if p.Flags&tcpSYN != 0 && int32(end-s.end) > 0 && (state == "SYN_SENT" || state == "SYN_RECV") {
		fresh()
		if onlySYN && dir == 1 {
			return "accept"
		}
	}
	if p.Flags&tcpACK == 0 || event == "RST" && ack == 0 {
		ack, sack = r.end, r.end
	}
	if event == "RST" && seq == 0 && state == "SYN_SENT" {
		seq, end = s.end, s.end
	}
	one := int32(seq-s.maxEnd) <= 0
	two := r.maxWin == 0 || int32(end-(s.end-r.maxWin-1)) > 0
	three := int32(sack-r.end) <= 0
	four := int32(sack-(r.end-max(s.maxWin, 66000)-1)) > 0
	bad := ""
	switch {
	case !one && two && r.maxWin != 0 && three && four && end-s.maxEnd+1 <= r.maxWin:
		s.end, s.unacked, bad = end, true, "ignore"
	case !one, !three:
		bad = "invalid"
	case !two, !four:
		bad = "ignore"
	}
	if bad != "" {
		if s.liberal {
			return "accept"
		}
		return bad
	}
	if p.Flags&tcpSYN == 0 {
		win <<= s.scale
	}
	s.maxWin = max(s.maxWin, win+sack-ack)
	if int32(end-s.end) > 0 {
		s.end, s.unacked = end, true
	}
	if p.Flags&tcpACK != 0 && (!s.seen || int32(ack-s.maxAck) > 0) {
		s.maxAck, s.seen = ack, true
	}
	if over := int32(end - s.maxEnd); r.maxWin != 0 && over > 0 {
		r.maxWin += uint32(over)
	}
	if int32(sack+win-r.maxEnd) >= 0 {
		r.maxEnd = sack + win
		if win == 0 {
			r.maxEnd++
		}
	}
	r.unacked = r.unacked && ack != r.end
	if event == "ACK" {
		if m.lastDir == dir && m.lastSeq == seq && m.lastEnd == end && m.lastAck == ack && m.lastWin == p.Window {
			m.retrans++
		} else {
			m.retrans = 0
		}
		m.lastSeq, m.lastEnd, m.lastAck, m.lastWin = seq, end, ack, p.Window
	}
	return "accept"
}

func (m *tcpModel) outside(dir int, event string) {
	if !m.assured || event != "RST" && event != "FIN" {
		return
	}
	if m.lastDir != dir && (m.lastEvent == "FIN" || m.lastEvent == "RST") {
		if m.left >= 120 {
			m.left = min(m.left, 300)
		}
		return
	}
	m.lastEvent, m.lastDir = event, dir
}

var tcpSeed = flag.Uint64("tcp.seed", 0, "seed of TestTCPModel; 0: a new one")

// TestTCPModel plays random segments to a shard and to the model, with time that
// passes between them.
func TestTCPModel(t *testing.T) {
	seed := *tcpSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d (repeat with -tcp.seed)", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	states, over := map[string]int{}, 0
	for range 3000 {
		tb := newTable(t, func(c *Config) { c.Max = 16 })
		s := tb.Shard(0)
		tu := [2]Tuple{tcpTuple(t), mustInvert(t, tcpTuple(t))}
		var m tcpModel
		now := start
		for step := range 60 {
			if m.lives && r.IntN(4) == 0 {
				now += 1000 * m.pass([]uint32{1, m.left - 1, m.left, m.left + 1, uint32(r.IntN(300))}[r.IntN(5)])
				if !m.lives {
					over++
				}
			}
			dir := r.IntN(2)
			if !m.lives {
				dir = 0
			}
			p := randomSegment(r, tb, &m, tu[dir], dir)
			was := m
			want := m.take(dir, &p)
			if m.turned {
				tu[0], tu[1], m.turned = tu[1], tu[0], false
			}
			s.Track(&p, now)
			got := p.Info != InfoInvalid
			if got {
				s.Confirm(&p, now)
			}
			n, _ := s.find(&tu[0], s.key(&tu[0]))
			if got != want || (n != 0) != m.lives {
				t.Fatalf("step %d, dir %d: %+v\nvalid %t, model %t; entry %d\nwas %+v\nis  %+v", step, dir, p, got, want, n, was, m)
			}
			if n == 0 {
				continue
			}
			e := s.Entry(n)
			states[m.state]++
			sides := e.sides()
			for d := range sides {
				a, b := &sides[d], &m.side[d]
				if a.end != b.end || a.maxEnd != b.maxEnd || a.maxWin != b.maxWin || b.seen && a.maxAck != b.maxAck {
					t.Fatalf("step %d, dir %d: %+v\nside %d %+v\nwas %+v\nis  %+v", step, dir, p, d, *a, was, m)
				}
			}
			if e.State.String() != m.state || e.Expires-now != 1000*m.left || (e.Status&StatusAssured != 0) != m.assured {
				t.Fatalf("step %d, dir %d: %+v\n%v %d s %#x\nwas %+v\nis  %+v", step, dir, p, e.State, (e.Expires-now)/1000, e.Status, was, m)
			}
		}
	}
	for state := range tcpModelSeconds {
		if states[state] == 0 {
			t.Errorf("never in %s", state)
		}
	}
	if over < 1000 {
		t.Errorf("only %d connections ended by time", over)
	}
}

// pass lets so many seconds pass, which it returns.
func (m *tcpModel) pass(seconds uint32) uint32 {
	if seconds >= m.left {
		*m = tcpModel{}
	} else {
		m.left -= seconds
	}
	return seconds
}

func randomSegment(r *rand.Rand, tb *Table, m *tcpModel, tu Tuple, dir int) Probe {
	p := probe(tb, tu)
	pick := func(list ...uint32) uint32 { return list[r.IntN(len(list))] }
	p.Flags = uint8(pick(tcp8(tcpACK), tcp8(tcpACK), tcp8(tcpACK), tcp8(tcpACK|tcpPSH), tcp8(tcpFIN|tcpACK), tcp8(tcpSYN), tcp8(tcpSYN|tcpACK), pick(tcp8(tcpRST), tcp8(tcpRST|tcpACK), uint32(r.IntN(64)))))
	a, b := &m.side[dir], &m.side[1-dir]
	switch {
	case !m.lives:
		p.Flags = uint8(pick(tcp8(tcpSYN), tcp8(tcpSYN), tcp8(tcpSYN), tcp8(tcpACK), tcp8(tcpRST)))
	case m.state == "SYN_SENT" && dir == 1 && r.IntN(2) == 0:
		p.Flags = tcpSYN | tcpACK
	case m.state == "SYN_RECV" && dir == 0 && r.IntN(2) == 0:
		p.Flags = tcpACK
	case m.state == "CLOSE" && dir == 0 && r.IntN(3) == 0:
		p.Flags = tcpSYN
	}
	around := uint32(r.IntN(3)) - 1
	p.Seq = pick(a.end, a.end, a.end, a.end, a.maxEnd+around, a.end-b.maxWin-1+around, b.maxAck, a.end+around, r.Uint32(), 0)
	p.Ack = pick(b.end, b.end, b.end, b.end, b.end, b.end+around, b.end-max(a.maxWin, 66000)-1+around, m.lastEnd, r.Uint32(), 0)
	p.Payload = pick(0, 0, 0, 1, 100, 1400)
	p.Window = uint16(pick(0, 1, 100, 5000, 65535))
	if r.IntN(4) == 0 {
		p.Seq -= p.Payload
	}
	switch {
	case p.Flags&tcpSYN != 0 && r.IntN(3) != 0:
		p.Rest = [][]byte{{4, 2, 1, 1}, {3, 3, 9, 1}, {4, 2, 1, 3, 3, byte(r.IntN(16)), 0, 0}, {2, 4, 5, 0xb4}}[r.IntN(4)]
	case p.Flags&tcpSYN == 0 && r.IntN(4) == 0:
		right := pick(b.end, b.end+around, p.Ack+uint32(r.IntN(2000)))
		p.Rest = binary.BigEndian.AppendUint32([]byte{1, 1, 5, 10, 0, 0, 0, 0}, right)
	}
	return p
}

func tcp8(flags uint8) uint32 { return uint32(flags) }
