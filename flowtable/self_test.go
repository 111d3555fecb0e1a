package flowtable

import "testing"

// TestSelf: in a flow whose two tuples are the same the first packet is of the
// original direction and every other one an answer, as Linux finds them.
func TestSelf(t *testing.T) {
	for _, row := range []struct {
		name        string
		orig, reply Tuple // reply: after NAT
	}{
		{name: "udp", orig: tuple(t, ProtoUDP, "10.9.1.2", 7, "10.9.1.2", 7)},
		{name: "tcp", orig: tuple(t, ProtoTCP, "10.9.1.2", 80, "10.9.1.2", 80)},
		{name: "generic", orig: tuple(t, 50, "10.9.1.2", 0, "10.9.1.2", 0)},
		{name: "ipv6", orig: tuple(t, ProtoUDP, "fd00::1", 7, "fd00::1", 7)},
		{"nat to the same", tuple(t, ProtoUDP, "10.9.1.2", 7, "10.9.2.2", 53), tuple(t, ProtoUDP, "10.9.1.2", 7, "10.9.2.2", 53)},
	} {
		for _, workers := range []int{1, 2} {
			tb := newTable(t, func(c *Config) { c.Workers = workers })
			tb.SetNAT(true)
			s := tb.Shard(tb.Owner(tb.Hash(&row.orig)))
			p := segment(tb, row.orig, tcpSYN)
			if s.Track(&p, start) != ActionAccept || p.Info != InfoNew || p.Dir != Original {
				t.Fatalf("%s: first packet: %+v", row.name, p)
			}
			if row.reply != (Tuple{}) && !s.ClaimReply(p.Entry, &row.reply) {
				t.Fatalf("%s: reply not claimed", row.name)
			}
			if !s.Confirm(&p, start) {
				t.Fatalf("%s: not confirmed: %v", row.name, p.Reason)
			}
			checkIndex(t, s)
			n := p.Entry
			for _, hint := range []uint32{0, n} {
				q := segment(tb, row.orig, tcpSYN)
				q.Hint = hint
				if s.Track(&q, start) != ActionAccept || q.Entry != n || q.Dir != Reply || q.Info != InfoEstablishedReply {
					t.Errorf("%s, %d workers, hint %d: later packet: %+v", row.name, workers, hint, q)
				}
			}
			if f := s.CopyFlow(n, start); f.Status&StatusOwn != 0 || f.Status&StatusSeenReply == 0 || f.Reply != f.Orig {
				t.Errorf("%s: listed as %+v", row.name, f)
			}
			s.Delete(n)
			checkIndex(t, s)
			for i, w := range tb.dir.words {
				if w != 0 {
					t.Errorf("%s, %d workers: directory word %d is %#x after the end", row.name, workers, i, w)
				}
			}
		}
	}
	tb := newTable(t, nil)
	ping := tuple(t, ProtoICMP, "10.9.1.2", 7, "10.9.1.2", 8<<8)
	for range 2 {
		if p := pass(t, tb.Shard(0), probe(tb, ping), start); p.Dir != Original {
			t.Errorf("a ping to itself has an answer of another type: %+v", p)
		}
	}
}
