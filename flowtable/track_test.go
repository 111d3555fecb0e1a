package flowtable

import (
	"testing"
)

func TestUDPStream(t *testing.T) {
	tb := newTable(t, nil)
	s := tb.Shard(0)
	tu := udp4(1)
	both := [2]Tuple{tu, mustInvert(t, tu)}
	for i, row := range []struct {
		atMillis uint32
		dir      uint8
		info     Info
		ttlSec   uint32
		assured  bool
	}{
		{0, Original, InfoNew, 30, false},
		{100, Original, InfoNew, 30, false}, // still new: nobody answered
		{200, Reply, InfoEstablishedReply, 30, false},
		{1999, Original, InfoEstablished, 30, false},
		{2000, Reply, InfoEstablishedReply, 30, false}, // not yet older than two seconds
		{2001, Original, InfoEstablished, 120, true},
		{2002, Reply, InfoEstablishedReply, 120, true},
		{100000, Reply, InfoEstablishedReply, 120, true},
	} {
		now := start + row.atMillis
		p := pass(t, s, probe(tb, both[row.dir]), now)
		e := s.Entry(p.Entry)
		if p.Info != row.info || e.Expires != now+row.ttlSec*1000 || (e.Status&StatusAssured != 0) != row.assured {
			t.Errorf("packet %d: info %d, %d ms, status %#x, want %+v", i, p.Info, e.Expires-now, e.Status, row)
		}
	}
	if e := s.Entry(1); e.Packets != [2]uint64{4, 4} || e.Bytes != [2]uint64{400, 400} {
		t.Errorf("counted %v packets, %v bytes", e.Packets, e.Bytes)
	}
}

// TestTimeouts goes through the protocols without a table of states.
func TestTimeouts(t *testing.T) {
	for _, row := range []struct {
		name                 string
		tu                   Tuple
		first, answer, third uint32 // seconds
		assured              bool   // after the third
	}{
		{"udplite", tuple(t, ProtoUDPLite, "10.0.0.1", 1, "10.0.0.2", 2), 30, 30, 120, true},
		{"gre", tuple(t, ProtoGRE, "10.0.0.1", 0, "10.0.0.2", 0), 30, 30, 180, true},
		{"icmp", tuple(t, ProtoICMP, "10.0.0.1", 9, "10.0.0.2", 8<<8), 30, 30, 30, false},
		{"icmp timestamp", tuple(t, ProtoICMP, "10.0.0.1", 9, "10.0.0.2", 13<<8), 30, 30, 30, false},
		{"icmpv6", tuple(t, ProtoICMPv6, "fd00::1", 9, "fd00::2", 128<<8), 30, 30, 30, false},
		{"other", tuple(t, 200, "10.0.0.1", 0, "10.0.0.2", 0), 600, 600, 600, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			tb := newTable(t, nil)
			s := tb.Shard(0)
			inv := mustInvert(t, row.tu)
			for i, x := range []struct {
				tu  Tuple
				sec uint32
			}{{row.tu, row.first}, {inv, row.answer}, {row.tu, row.third}} {
				now := start + uint32(i)*10
				p := pass(t, s, probe(tb, x.tu), now)
				if left := s.Entry(p.Entry).Expires - now; left != x.sec*1000 {
					t.Errorf("packet %d: %d ms, want %d s", i, left, x.sec)
				}
			}
			if got := s.Entry(1).Status&StatusAssured != 0; got != row.assured || tb.Count() != 1 {
				t.Errorf("assured %v, %d entries", got, tb.Count())
			}
		})
	}
}

func TestInvalidKinds(t *testing.T) {
	icmp := func(typ uint16) Tuple { return tuple(t, ProtoICMP, "10.0.0.1", 9, "10.0.0.2", typ<<8) }
	for _, row := range []struct {
		name           string
		p              Probe
		reason         Reason
		info           Info
		invalid, error uint64
	}{
		{"malformed", Probe{Kind: KindInvalid}, ReasonMalformed, InfoInvalid, 1, 0},
		{"reason of the parser", Probe{Kind: KindInvalid, Reason: ReasonFragment}, ReasonFragment, InfoInvalid, 1, 0},
		{"unknown ICMP type", Probe{Kind: KindInvalid, Reason: ReasonICMPType}, ReasonICMPType, InfoInvalid, 0, 1},
		{"answer without a query", Probe{Kind: KindFlow, Tuple: icmp(0)}, ReasonNotQuery, InfoInvalid, 1, 0},
		{"no inverse", Probe{Kind: KindFlow, Tuple: icmp(9)}, ReasonNoInverse, InfoInvalid, 1, 0},
		{"untracked", Probe{Kind: KindUntracked}, ReasonNone, InfoUntracked, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			tb := newTable(t, nil)
			s := tb.Shard(0)
			p := row.p
			p.Hash = tb.Hash(&p.Tuple)
			if a := s.Track(&p, start); a != ActionAccept {
				t.Errorf("action %d", a)
			}
			if p.Reason != row.reason || p.Info != row.info || p.Entry != 0 || tb.Count() != 0 {
				t.Errorf("%+v, count %d", p, tb.Count())
			}
			if s.stats.Invalid != row.invalid || s.stats.Error != row.error {
				t.Errorf("invalid %d error %d", s.stats.Invalid, s.stats.Error)
			}
			if row.reason != ReasonNone && s.stats.Reasons[row.reason] != 1 {
				t.Error("reason not counted")
			}
		})
	}
}

// TestErrors: what an ICMP error finds, for plain and for NATed flows.
func TestErrors(t *testing.T) {
	orig := tuple(t, ProtoUDP, "10.9.1.2", 5000, "10.9.2.2", 53)
	wire := tuple(t, ProtoUDP, "10.9.2.2", 53, "10.9.2.1", 6000) // the NATed flow's answers
	for _, row := range []struct {
		name        string
		nat         bool
		inner       Tuple // of the packet complained of
		misdirected bool
		info        Info
		reason      Reason
	}{
		{"about an original packet", false, orig, false, InfoRelatedReply, ReasonNone},
		{"about an answer", false, mustInvert(t, orig), false, InfoRelated, ReasonNone},
		{"about a translated packet", true, mustInvert(t, wire), false, InfoRelatedReply, ReasonNone},
		{"about an answer, translated", true, mustInvert(t, orig), false, InfoRelated, ReasonNone},
		{"not translated but should be", true, orig, false, InfoInvalid, ReasonNoFlow},
		{"no flow", false, wire, false, InfoInvalid, ReasonNoFlow},
		{"to somebody else", false, orig, true, InfoInvalid, ReasonMisdirected},
	} {
		t.Run(row.name, func(t *testing.T) {
			tb := newTable(t, nil)
			s := tb.Shard(0)
			p := probe(tb, orig)
			s.Track(&p, start)
			if row.nat && !s.ClaimReply(p.Entry, &wire) {
				t.Fatal("claim")
			}
			s.Confirm(&p, start)
			before := *s.Entry(p.Entry)
			q := probe(tb, mustInvert(t, row.inner))
			q.Kind, q.Misdirected = KindError, row.misdirected
			if a := s.Track(&q, start+1000); a != ActionAccept {
				t.Fatalf("action %d", a)
			}
			if q.Info != row.info || q.Reason != row.reason || (q.Entry == p.Entry) != (row.info != InfoInvalid) {
				t.Errorf("info %d reason %v entry %d", q.Info, q.Reason, q.Entry)
			}
			if *s.Entry(p.Entry) != before {
				t.Error("the error changed the flow")
			}
			refused := uint64(0)
			if row.info == InfoInvalid {
				refused = 1
			}
			if s.stats.Error != refused || s.stats.Invalid != 0 {
				t.Errorf("error %d invalid %d", s.stats.Error, s.stats.Invalid)
			}
		})
	}
}

func TestExpiry(t *testing.T) {
	t.Run("at lookup", func(t *testing.T) {
		tb := newTable(t, nil)
		s := tb.Shard(0)
		pass(t, s, probe(tb, udp4(1)), start)
		p := pass(t, s, probe(tb, mustInvert(t, udp4(1))), start+30000)
		if p.Info != InfoNew || tb.Count() != 1 || s.stats.Expired != 1 || s.Entry(p.Entry).Tuple != p.Tuple {
			t.Errorf("info %d, count %d, expired %d", p.Info, tb.Count(), s.stats.Expired)
		}
	})
	t.Run("by the scan", func(t *testing.T) {
		tb := newTable(t, nil)
		s := tb.Shard(0)
		for i := range uint32(100) {
			pass(t, s, probe(tb, udp4(i)), start+i*100)
		}
		now := start + 30000 + 4900 // the first 50 are over
		for range 10 {
			s.Expire(now, 7)
		}
		if tb.Count() != 50 || s.stats.Expired != 50 {
			t.Errorf("count %d, expired %d", tb.Count(), s.stats.Expired)
		}
		s.Expire(now+1<<20, 1000)
		if tb.Count() != 0 || s.Len() != 0 {
			t.Errorf("count %d, len %d", tb.Count(), s.Len())
		}
	})
	t.Run("fixed timeout", func(t *testing.T) {
		tb := newTable(t, nil)
		s := tb.Shard(0)
		p := pass(t, s, probe(tb, udp4(1)), start)
		s.Entry(p.Entry).Status |= StatusFixedTimeout
		pass(t, s, probe(tb, udp4(1)), start+5000)
		if s.Entry(p.Entry).Expires != start+30000 {
			t.Error("refreshed in spite of FIXED_TIMEOUT")
		}
	})
}

func TestTableFull(t *testing.T) {
	const room = 64
	fill := func(t *testing.T, status uint32) (*Table, *Shard) {
		tb := newTable(t, func(c *Config) { c.Max = room })
		s := tb.Shard(0)
		for i := range uint32(room) {
			p := pass(t, s, probe(tb, udp4(i)), start)
			s.Entry(p.Entry).Status |= status
		}
		return tb, s
	}
	t.Run("all assured", func(t *testing.T) {
		tb, s := fill(t, StatusAssured)
		p := probe(tb, udp4(1000))
		if a := s.Track(&p, start); a != ActionDrop || p.Reason != ReasonTableFull {
			t.Errorf("action %d reason %v", a, p.Reason)
		}
		if s.stats.Drop != 1 || s.stats.EarlyDrop != 0 || tb.Count() != room {
			t.Errorf("drop %d early %d count %d", s.stats.Drop, s.stats.EarlyDrop, tb.Count())
		}
		if q := pass(t, s, probe(tb, udp4(5)), start); q.Entry == 0 {
			t.Error("an existing flow was lost")
		}
	})
	t.Run("early drop", func(t *testing.T) {
		tb, s := fill(t, 0)
		for i := range uint32(500) {
			p := probe(tb, udp4(1000+i))
			before, early := tb.Count(), s.stats.EarlyDrop
			a := s.Track(&p, start)
			dropped := int(s.stats.EarlyDrop - early)
			switch {
			case a == ActionAccept && before == room && (dropped == 0 || dropped > slots || tb.Count() != before-dropped+1),
				a == ActionAccept && before < room && dropped != 0,
				a == ActionDrop && (dropped != 0 || tb.Count() != before):
				t.Fatalf("flow %d: action %d, %d dropped early, count %d before and %d after", i, a, dropped, before, tb.Count())
			}
			if a == ActionAccept {
				s.Confirm(&p, start)
			}
		}
		if s.stats.EarlyDrop == 0 {
			t.Error("nothing was dropped early")
		}
	})
	t.Run("expired ones near by are reaped, and the packet still dropped", func(t *testing.T) {
		tb, s := fill(t, StatusAssured)
		p := probe(tb, udp4(1000))
		if a := s.Track(&p, start+40000); a != ActionDrop {
			t.Fatalf("action %d", a)
		}
		if tb.Count() >= room || int(s.stats.Expired) != room-tb.Count() {
			t.Errorf("count %d expired %d", tb.Count(), s.stats.Expired)
		}
	})
}

// TestIndexFull: a flow whose buckets are full is refused with its own counter,
// and leaves nothing behind, whichever of its two slots found no room.
func TestIndexFull(t *testing.T) {
	for _, row := range []struct {
		name   string
		claims bool
	}{{"plain", false}, {"reply slot of a NATed flow", true}} {
		t.Run(row.name, func(t *testing.T) {
			tb := newTable(t, nil)
			s := tb.Shard(0)
			other, p := probe(tb, udp4(1)), probe(tb, udp4(2))
			s.Track(&other, start)
			s.Track(&p, start)
			key := s.key(&p.Tuple)
			if row.claims {
				wire := natReply(udp4(0), 1)
				if !s.ClaimReply(p.Entry, &wire) {
					t.Fatal("claim")
				}
				key = s.key(&wire)
			}
			for i := range 2*slots + 2 { // all of one key: none can move away
				if got := s.index.insert(key, other.Entry, false); got != (i < 2*slots) {
					t.Fatalf("slot %d: inserted %v", i, got)
				}
			}
			if s.Confirm(&p, start) || p.Reason != ReasonIndexFull || s.stats.ChainTooLong != 1 || s.stats.InsertFailed != 0 {
				t.Errorf("reason %v, stats %+v", p.Reason, s.stats)
			}
			if tb.Count() != 1 {
				t.Errorf("count %d", tb.Count())
			}
			for range 2 * slots {
				if !s.index.remove(key, other.Entry, false) {
					t.Fatal("a slot was lost")
				}
			}
			checkIndex(t, s)
			for i, w := range tb.dir.words {
				if w != 0 {
					t.Fatalf("directory word %d is %#x", i, w)
				}
			}
		})
	}
}

func TestConfirm(t *testing.T) {
	t.Run("abandoned", func(t *testing.T) {
		tb := newTable(t, nil)
		s := tb.Shard(0)
		p := probe(tb, udp4(1))
		s.Track(&p, start)
		if tb.Count() != 1 {
			t.Error("an unconfirmed entry does not count")
		}
		s.Abandon(p.Entry)
		s.Abandon(p.Entry)
		if tb.Count() != 0 || s.Confirm(&p, start) || p.Reason != ReasonDying || s.stats.InsertFailed != 1 {
			t.Errorf("count %d, reason %v, stats %+v", tb.Count(), p.Reason, s.stats)
		}
	})
	t.Run("not seen before confirm, and no-ops", func(t *testing.T) {
		tb := newTable(t, nil)
		s := tb.Shard(0)
		p, q := probe(tb, udp4(1)), probe(tb, udp4(1))
		s.Track(&p, start)
		s.Track(&q, start)
		if p.Entry == q.Entry {
			t.Fatal("an unconfirmed entry was found")
		}
		for range 2 {
			if !s.Confirm(&p, start) {
				t.Fatal(p.Reason)
			}
		}
		s.Abandon(p.Entry) // no-op
		if !s.Confirm(&q, start) || q.Entry != p.Entry || s.stats.ClashResolve != 1 || tb.Count() != 1 {
			t.Errorf("UDP clash: entry %d, resolved %d, count %d", q.Entry, s.stats.ClashResolve, tb.Count())
		}
		if e := s.Entry(p.Entry); e.Packets[Original] != 2 || e.Expires != start+30000 {
			t.Errorf("merged %v packets, expires in %d", e.Packets, e.Expires-start)
		}
	})
	t.Run("TCP does not share", func(t *testing.T) {
		tb := newTable(t, nil)
		s := tb.Shard(0)
		p, q := segment(tb, tcpTuple(t), tcpSYN), segment(tb, tcpTuple(t), tcpSYN)
		s.Track(&p, start)
		s.Track(&q, start)
		s.Confirm(&p, start)
		if s.Confirm(&q, start) || q.Reason != ReasonClash || s.stats.InsertFailed != 1 || s.stats.Drop != 1 || tb.Count() != 1 {
			t.Errorf("reason %v, stats %+v, count %d", q.Reason, s.stats, tb.Count())
		}
	})
}

// TestTrackers: a tracker from outside replaces a built-in one.
func TestTrackers(t *testing.T) {
	calls := 0
	tb := newTable(t, func(c *Config) {
		c.Trackers = []Tracker{{Name: "mine", Family: FamilyIPv4, Proto: ProtoUDP, Packet: func(s *Shard, p *Probe, n, now uint32) Outcome {
			calls++
			s.Refresh(p, n, 5000, now)
			return OutcomeAccept
		}}}
	})
	s := tb.Shard(0)
	p := pass(t, s, probe(tb, udp4(1)), start)
	if calls != 1 || s.Entry(p.Entry).Expires != start+5000 {
		t.Errorf("%d calls, expires in %d", calls, s.Entry(p.Entry).Expires-start)
	}
	p = pass(t, s, probe(tb, tuple(t, ProtoUDP, "fd00::1", 1, "fd00::2", 2)), start)
	if calls != 1 || s.Entry(p.Entry).Expires != start+30000 {
		t.Error("the tracker for IPv4 got IPv6")
	}
	q := segment(tb, tcpTuple(t), tcpSYN)
	if s.Track(&q, start); s.Entry(q.Entry).State != TCPSynSent {
		t.Error("TCP lost its own tracker")
	}
}

// TestAllocations: nothing on the burst path allocates.
func TestAllocations(t *testing.T) {
	tb := newTable(t, nil)
	s := tb.Shard(0)
	hit := pass(t, s, probe(tb, udp4(1)), start)
	reply := tuple(t, ProtoUDP, "192.168.0.1", 53, "10.0.0.254", 7)
	hashes := make([]uint64, 64)
	p := new(Probe) // a worker's probes live as long as it does
	tcp := segment(tb, tcpTuple(t), tcpSYN)
	bad := segment(tb, mustInvert(t, tcpTuple(t)), tcpFIN)
	for name, f := range map[string]func(){
		"hit":      func() { *p = hit; s.Track(p, start) },
		"prefetch": func() { s.Prefetch(hashes, make([]uint32, 64)[:64]) },
		"invalid":  func() { *p = bad; s.Track(p, start) },
		"new plain flow": func() {
			*p = tcp
			s.Track(p, start)
			s.Confirm(p, start)
			s.Delete(p.Entry)
		},
		"new NATed flow": func() {
			*p = probe(tb, udp4(2))
			s.Track(p, start)
			_ = s.ReplyTaken(p.Entry, &reply)
			if !s.ClaimReply(p.Entry, &reply) {
				t.Fatal("claim")
			}
			s.Confirm(p, start)
			s.Delete(p.Entry)
		},
		"abandoned": func() { *p = tcp; s.Track(p, start); s.Abandon(p.Entry) },
		"expire":    func() { s.Expire(start, 64) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
