package flowtable

import (
	"fmt"
	"testing"
)

// TestTCPWindowEdges sends segments that end or begin exactly at the edges of
// the windows, and one byte inside and outside of each. Sequence numbers wrap
// within the windows.
func TestTCPWindowEdges(t *testing.T) {
	const (
		end, maxEnd, maxWin = 0x40, 0x1040, 0x800 // of the sender
		peerEnd, peerMaxWin = 0xfffffff0, 0x600   // of the receiver
	)
	type test struct {
		name     string
		seq, ack uint32
		payload  uint32
		want     Reason
	}
	lowEnd, lowAck := uint32(end), uint32(peerEnd)
	lowEnd -= peerMaxWin + 1
	lowAck -= 66000 + 1
	for _, row := range []test{
		{"in order", end, peerEnd, 100, ReasonNone},
		{"begins at the window's end", maxEnd, peerEnd, 0, ReasonNone},
		{"begins behind it", maxEnd + 1, peerEnd, 0, ReasonTCPOvershoot},
		{"overshoots by all it may", maxEnd + 1, peerEnd, peerMaxWin - 2, ReasonTCPOvershoot},
		{"overshoots by more", maxEnd + 1, peerEnd, peerMaxWin - 1, ReasonTCPSeqOver},
		{"overshoots with a wrong ack", maxEnd + 1, peerEnd + 1, 0, ReasonTCPSeqOver},
		{"ends at the lower edge", lowEnd, peerEnd, 0, ReasonTCPSeqUnder},
		{"ends above it", lowEnd + 1, peerEnd, 0, ReasonNone},
		{"data up to the lower edge", lowEnd - 100, peerEnd, 100, ReasonTCPSeqUnder},
		{"data up to above it", lowEnd - 100, peerEnd, 101, ReasonNone},
		{"acknowledges one too many", end, peerEnd + 1, 0, ReasonTCPAckOver},
		{"acknowledgement at the lower edge", end, lowAck, 0, ReasonTCPAckUnder},
		{"acknowledgement above it", end, lowAck + 1, 0, ReasonNone},
	} {
		for dir := range uint8(2) {
			for _, liberal := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/dir %d/liberal %t", row.name, dir, liberal), func(t *testing.T) {
					tb := newTable(t, func(c *Config) { c.TCPBeLiberal = liberal })
					s := tb.Shard(0)
					tu := tcpTuple(t)
					n, e := inState(t, s, tu, TCPEstablished, start)
					sides := e.sides()
					sides[dir] = tcpSide{end: end, maxEnd: maxEnd, maxWin: maxWin}
					sides[dir^1] = tcpSide{end: peerEnd, maxEnd: 0x7f0, maxWin: peerMaxWin}
					if dir == Reply {
						tu = mustInvert(t, tu)
					}
					p := segment(tb, tu, tcpACK)
					p.Seq, p.Ack, p.Payload = row.seq, row.ack, row.payload
					before := *sides
					s.Track(&p, start)
					want := row.want
					if liberal {
						want = ReasonNone
					}
					invalid := want == ReasonTCPSeqOver || want == ReasonTCPAckOver
					if p.Reason != want || (p.Info == InfoInvalid) != invalid || (p.Entry == n) == invalid {
						t.Fatalf("reason %v info %d, want %v", p.Reason, p.Info, want)
					}
					if got := s.stats.Invalid == 1; got != invalid || s.stats.Reasons[want] == 0 && want != ReasonNone {
						t.Errorf("invalid counted %t, %d", got, s.stats.Reasons[want])
					}
					moved := *sides != before
					if row.want == ReasonNone != moved && row.want != ReasonTCPOvershoot {
						t.Errorf("the record moved: %t\n%+v\n%+v", moved, before, *sides)
					}
					if row.want == ReasonTCPOvershoot && sides[dir].end != row.seq+row.payload {
						t.Errorf("end %#x", sides[dir].end)
					}
				})
			}
		}
	}
}

// TestTCPShrink: resets and FINs out of window from both sides.
func TestTCPShrink(t *testing.T) {
	tb := newTable(t, nil)
	s := tb.Shard(0)
	tu := [2]Tuple{tcpTuple(t), mustInvert(t, tcpTuple(t))}
	n := tcpOpen(t, s, tu[0], start).Entry
	bad := func(dir, flags uint8) uint32 {
		p := segment(tb, tu[dir], flags)
		p.Seq += 1 << 20
		if s.Track(&p, start); p.Info != InfoInvalid {
			t.Fatalf("%+v", p)
		}
		return (s.Entry(n).Expires - start) / 1000
	}
	for i, x := range []struct {
		dir, flags uint8
		left       uint32
	}{
		{Original, tcpACK, 432000}, {Reply, tcpACK, 432000}, {Original, tcpFIN | tcpACK, 432000},
		{Original, tcpFIN | tcpACK, 432000}, {Reply, tcpACK, 432000}, {Reply, tcpFIN | tcpACK, 300},
	} {
		if left := bad(x.dir, x.flags); left != x.left {
			t.Fatalf("step %d: %d s left, want %d", i, left, x.left)
		}
	}
}
