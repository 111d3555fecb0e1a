package flowtable

import (
	"fmt"
	"strings"
	"testing"
)

// The tables of nf_conntrack as its documentation of facts has them: rows are
// the state now, columns SYN, SYN+ACK, FIN, ACK, RST.
const tcpOriginalTable = `
NONE SYN_SENT INV INV ESTABLISHED INV
SYN_SENT SYN_SENT INV INV INV CLOSE
SYN_RECV IGN SYN_RECV FIN_WAIT ESTABLISHED CLOSE
ESTABLISHED IGN INV FIN_WAIT ESTABLISHED CLOSE
FIN_WAIT IGN INV LAST_ACK CLOSE_WAIT CLOSE
CLOSE_WAIT IGN INV LAST_ACK CLOSE_WAIT CLOSE
LAST_ACK IGN INV LAST_ACK TIME_WAIT CLOSE
TIME_WAIT SYN_SENT INV TIME_WAIT TIME_WAIT CLOSE
CLOSE SYN_SENT INV CLOSE CLOSE CLOSE
SYN_SENT2 SYN_SENT2 SYN_RECV INV INV CLOSE`

const tcpReplyTable = `
SYN_SENT SYN_SENT2 SYN_RECV INV IGN CLOSE
SYN_RECV INV IGN FIN_WAIT SYN_RECV CLOSE
ESTABLISHED INV IGN FIN_WAIT ESTABLISHED CLOSE
FIN_WAIT INV IGN LAST_ACK CLOSE_WAIT CLOSE
CLOSE_WAIT INV IGN LAST_ACK CLOSE_WAIT CLOSE
LAST_ACK INV IGN LAST_ACK TIME_WAIT CLOSE
TIME_WAIT SYN_SENT IGN TIME_WAIT TIME_WAIT CLOSE
CLOSE INV IGN CLOSE CLOSE CLOSE
SYN_SENT2 SYN_SENT2 SYN_RECV INV IGN CLOSE`

var tcpColumns = [5]uint8{tcpSYN, tcpSYN | tcpACK, tcpFIN | tcpACK, tcpACK, tcpRST}

func stateNamed(tb testing.TB, name string) TCPState {
	for s := TCPNone; int(s) < TCPStates; s++ {
		if s.String() == name {
			return s
		}
	}
	tb.Fatalf("no state %q", name)
	return 0
}

// segment is in the window of a flow that tcpOpen opened.
func segment(t *Table, tu Tuple, flags uint8) Probe {
	p := probe(t, tu)
	p.Flags, p.Seq, p.Window = flags, 1001, 5000
	ack := uint32(7001)
	if tu.SrcPort == 80 {
		p.Seq, ack = ack, p.Seq
	}
	if flags&tcpACK != 0 {
		p.Ack = ack
	}
	return p
}

// tcpOpen opens a flow and returns its last segment.
func tcpOpen(tb testing.TB, s *Shard, tu Tuple, now uint32) Probe {
	syn := segment(s.table, tu, tcpSYN)
	syn.Seq--
	answer := segment(s.table, mustInvert(tb, tu), tcpSYN|tcpACK)
	answer.Seq--
	pass(tb, s, syn, now)
	pass(tb, s, answer, now)
	return pass(tb, s, segment(s.table, tu, tcpACK), now)
}

func tcpTuple(tb testing.TB) Tuple { return tuple(tb, ProtoTCP, "10.9.1.2", 41002, "10.9.2.2", 80) }

// inState makes a confirmed flow, answered, and puts it into a state.
func inState(tb testing.TB, s *Shard, tu Tuple, st TCPState, now uint32) (uint32, *Entry) {
	p := tcpOpen(tb, s, tu, now)
	e := s.Entry(p.Entry)
	if e.State != TCPEstablished {
		tb.Fatalf("opened to %v", e.State)
	}
	e.State = st
	e.Status &^= StatusAssured
	e.Packets = [2]uint64{1, 0}
	e.Expires = now + 77777
	return p.Entry, e
}

func TestTCPCells(t *testing.T) {
	orig := tcpTuple(t)
	reply := mustInvert(t, orig)
	for dir, text := range map[uint8]string{Original: tcpOriginalTable, Reply: tcpReplyTable} {
		for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
			f := strings.Fields(line)
			now := stateNamed(t, f[0])
			for col, want := range f[1:] {
				name := fmt.Sprintf("dir %d, %s, flags %#x", dir, f[0], tcpColumns[col])
				t.Run(name, func(t *testing.T) {
					tb := newTable(t, nil)
					s := tb.Shard(0)
					if now == TCPNone {
						checkFirst(t, s, segment(tb, orig, tcpColumns[col]), want)
						return
					}
					n, e := inState(t, s, orig, now, start)
					tu := orig
					if dir == Reply {
						tu = reply
					}
					p := segment(tb, tu, tcpColumns[col])
					if a := s.Track(&p, start); a != ActionAccept {
						t.Fatalf("action %d", a)
					}
					switch {
					case want == "INV":
						if p.Info != InfoInvalid || p.Reason != ReasonTCPState || p.Entry != 0 || s.stats.Invalid != 1 {
							t.Errorf("%+v, want INVALID", p)
						}
					case want == "IGN", want == "SYN_SENT" && now != TCPSynSent: // a reopening without reason is ignored
						if p.Entry != n || e.State != now || e.Expires != start+77777 || e.Packets[dir] != uint64(1-dir) {
							t.Errorf("entry %d, state %v, expires in %d, packets %v, want ignored", p.Entry, e.State, e.Expires-start, e.Packets)
						}
					default:
						w := stateNamed(t, want)
						if p.Entry != n || e.State != w {
							t.Errorf("entry %d, state %v, want %v", p.Entry, e.State, w)
						}
						if e.Expires != start+tb.ms.tcp[w] {
							t.Errorf("expires in %d ms, want %d", e.Expires-start, tb.ms.tcp[w])
						}
						assured := w == TCPEstablished && (now == TCPSynRecv || now == TCPEstablished)
						if got := e.Status&StatusAssured != 0; got != assured {
							t.Errorf("assured %v, want %v", got, assured)
						}
					}
				})
			}
		}
	}
}

func checkFirst(t *testing.T, s *Shard, p Probe, want string) {
	s.Track(&p, start)
	if want == "INV" {
		if p.Info != InfoInvalid || p.Reason != ReasonTCPNotNew || s.table.Count() != 0 {
			t.Errorf("%+v, count %d, want INVALID without entry", p, s.table.Count())
		}
		return
	}
	if e := s.Entry(p.Entry); p.Info != InfoNew || e.State != stateNamed(t, want) {
		t.Errorf("info %v state %v, want new in %s", p.Info, e.State, want)
	}
}

func TestTCPFlagSets(t *testing.T) {
	legal := map[uint8]bool{0x02: true, 0x22: true, 0x12: true, 0x04: true, 0x14: true, 0x11: true, 0x31: true, 0x10: true, 0x30: true}
	for f := range uint8(64) {
		tb := newTable(t, nil)
		s := tb.Shard(0)
		inState(t, s, tcpTuple(t), TCPEstablished, start)
		p := segment(tb, tcpTuple(t), f|0xc0) // ECE and CWR never matter
		s.Track(&p, start)
		if got, want := p.Reason != ReasonTCPFlags, legal[f&^tcpPSH]; got != want {
			t.Errorf("flags %#x: legal %v, want %v", f, got, want)
		}
	}
}

// step is one segment of a conversation and what must be seen after it.
type step struct {
	dir         uint8
	flags       uint8
	seq, ack    uint32
	state       TCPState
	leftSec     uint32
	info        Info
	status      uint32 // of SEEN_REPLY and ASSURED
	afterMillis uint32 // time before the next
}

func TestTCPConversations(t *testing.T) {
	const o, r, seen, both = Original, Reply, StatusSeenReply, StatusSeenReply | StatusAssured
	const est, estR = InfoEstablished, InfoEstablishedReply
	open := []step{
		{o, tcpSYN, 100, 0, TCPSynSent, 120, InfoNew, 0, 10},
		{r, tcpSYN | tcpACK, 500, 101, TCPSynRecv, 60, estR, seen, 10},
		{o, tcpACK, 101, 501, TCPEstablished, 432000, est, both, 10},
	}
	with := func(more ...step) []step { return append(append([]step(nil), open...), more...) }
	for _, row := range []struct {
		name  string
		steps []step
	}{
		{"open and close", with(
			step{r, tcpACK | tcpPSH, 501, 101, TCPEstablished, 432000, estR, both, 0},
			step{o, tcpFIN | tcpACK, 101, 501, TCPFinWait, 120, est, both, 0},
			step{r, tcpACK, 501, 102, TCPCloseWait, 60, estR, both, 0},
			step{r, tcpFIN | tcpACK, 501, 102, TCPLastAck, 30, estR, both, 0},
			step{o, tcpACK, 102, 502, TCPTimeWait, 120, est, both, 0},
		)},
		{"reopen after orderly close", with(
			step{o, tcpFIN | tcpACK, 101, 501, TCPFinWait, 120, est, both, 0},
			step{r, tcpFIN | tcpACK, 501, 102, TCPLastAck, 30, estR, both, 0},
			step{o, tcpACK, 102, 502, TCPTimeWait, 120, est, both, 5},
			step{o, tcpSYN, 9000, 0, TCPSynSent, 120, InfoNew, 0, 0},
		)},
		{"reopen after own reset", with(
			step{o, tcpRST, 101, 0, TCPClose, 10, est, both, 5},
			step{o, tcpSYN, 9000, 0, TCPSynSent, 120, InfoNew, 0, 0},
		)},
		{"no reopen after the peer's reset", with(
			step{r, tcpRST, 501, 0, TCPClose, 10, estR, both, 1000},
			step{o, tcpSYN, 9000, 0, TCPClose, 9, est, both, 0},
		)},
		{"server side reopens", with(
			step{r, tcpFIN | tcpACK, 501, 101, TCPFinWait, 120, estR, both, 0},
			step{o, tcpFIN | tcpACK, 101, 502, TCPLastAck, 30, est, both, 0},
			step{r, tcpACK, 502, 102, TCPTimeWait, 120, estR, both, 5},
			step{r, tcpSYN, 7000, 0, TCPSynSent, 120, InfoNew, 0, 0},
		)},
		{"ignored SYN, its answer brings the entry back in step", with(
			step{o, tcpSYN, 9000, 0, TCPEstablished, 431999, est, both, 0},
			step{r, tcpSYN | tcpACK, 7000, 9001, TCPSynRecv, 60, estR, both, 0},
			step{o, tcpACK, 9001, 7001, TCPEstablished, 432000, est, both, 0},
		)},
		{"ignored SYN, a SYN+ACK to something else changes nothing", with(
			step{o, tcpSYN, 9000, 0, TCPEstablished, 431999, est, both, 0},
			step{r, tcpSYN | tcpACK, 7000, 8000, TCPEstablished, 431999, estR, both, 0},
			step{r, tcpSYN | tcpACK, 7000, 9001, TCPEstablished, 431999, estR, both, 0},
		)},
		{"challenge ACK in LAST_ACK", with(
			step{o, tcpFIN | tcpACK, 101, 501, TCPFinWait, 120, est, both, 0},
			step{r, tcpFIN | tcpACK, 501, 102, TCPLastAck, 30, estR, both, 1000},
			step{o, tcpSYN, 9000, 0, TCPLastAck, 29, est, both, 0},
			step{r, tcpACK, 502, 102, TCPLastAck, 29, estR, both, 0},
			step{r, tcpACK, 502, 102, TCPTimeWait, 120, estR, both, 0},
		)},
		{"simultaneous open", []step{
			{o, tcpSYN, 100, 0, TCPSynSent, 120, InfoNew, 0, 0},
			{r, tcpSYN, 500, 0, TCPSynSent2, 120, estR, seen, 0},
			{o, tcpSYN | tcpACK, 100, 501, TCPSynRecv, 60, est, seen, 0},
			{r, tcpACK, 501, 101, TCPEstablished, 432000, estR, both, 0},
		}},
		{"SYN repeated", []step{
			{o, tcpSYN, 100, 0, TCPSynSent, 120, InfoNew, 0, 3000},
			{o, tcpSYN, 100, 0, TCPSynSent, 117, InfoNew, 0, 0},
		}},
		{"picked up, one side only", []step{
			{o, tcpACK, 100, 1, TCPEstablished, 300, InfoNew, 0, 0},
			{o, tcpACK, 100, 1, TCPEstablished, 300, InfoNew, 0, 0},
			{r, tcpACK, 1, 100, TCPEstablished, 300, estR, seen, 0},
			{o, tcpACK, 100, 1, TCPEstablished, 432000, est, both, 0},
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			tb := newTable(t, nil)
			s := tb.Shard(0)
			now := start
			tu := [2]Tuple{tcpTuple(t), mustInvert(t, tcpTuple(t))}
			for i, st := range row.steps {
				p := segment(tb, tu[st.dir], st.flags)
				p.Seq, p.Ack, p.Window = st.seq, st.ack, 1000
				p = pass(t, s, p, now)
				if p.Entry == 0 {
					t.Fatalf("step %d: no entry, %v", i, p.Reason)
				}
				e := s.Entry(p.Entry)
				left := (e.Expires - now) / 1000
				if e.State != st.state || left != st.leftSec || p.Info != st.info || e.Status&(StatusSeenReply|StatusAssured) != st.status {
					t.Fatalf("step %d: state %v, %d s, info %d, status %#x; want %v, %d s, %d, %#x",
						i, e.State, left, p.Info, e.Status, st.state, st.leftSec, st.info, st.status)
				}
				now += st.afterMillis
			}
			if tb.Count() != 1 {
				t.Errorf("count %d", tb.Count())
			}
		})
	}
}

func TestTCPResetOfUnanswered(t *testing.T) {
	for _, row := range []struct {
		name string
		dir  uint8
		info Info
	}{{"by the peer", Reply, InfoEstablishedReply}, {"by itself", Original, InfoNew}} {
		t.Run(row.name, func(t *testing.T) {
			tb := newTable(t, nil)
			s := tb.Shard(0)
			tu := [2]Tuple{tcpTuple(t), mustInvert(t, tcpTuple(t))}
			pass(t, s, segment(tb, tu[0], tcpSYN), start)
			rst := segment(tb, tu[row.dir], tcpRST|tcpACK)
			if row.dir == Original {
				rst.Ack = 0 // it has seen nothing to acknowledge
			}
			p := pass(t, s, rst, start)
			if tb.Count() != 0 {
				t.Fatal("the entry outlived the reset")
			}
			e := s.Entry(p.Entry)
			if p.Entry == 0 || p.Info != row.info || e.State != TCPClose || e.Tuple != tu[0] {
				t.Errorf("the packet lost its flow: %+v %+v", p, e)
			}
			if e.Packets != [2]uint64{2 - uint64(row.dir), uint64(row.dir)} {
				t.Errorf("the reset was not counted: %v", e.Packets)
			}
		})
	}
}

func TestTCPStrict(t *testing.T) {
	tb := newTable(t, func(c *Config) { c.Loose = false })
	p := segment(tb, tcpTuple(t), tcpACK)
	tb.Shard(0).Track(&p, start)
	if p.Info != InfoInvalid || p.Reason != ReasonTCPNotNew || tb.Count() != 0 {
		t.Errorf("%+v: picked up without loose", p)
	}
}
