package flowtable

import "testing"

const (
	ftpHelper = 1
	sipHelper = 2
)

// withHelpers is a table with an ftp-like helper of one expectation and a
// sip-like one of two classes.
func withHelpers(tb testing.TB, change func(*Config)) *Table {
	return newTable(tb, func(c *Config) {
		c.Helpers = []Helper{
			{Name: "ftp", Proto: ProtoTCP, Classes: []ExpectClass{{"ftp", 1, 300}}},
			{Name: "sip", Proto: ProtoUDP, Classes: []ExpectClass{{"signalling", 1, 180}, {"audio", 4, 180}}},
		}
		if change != nil {
			change(c)
		}
	})
}

// announce expects src, any port, to dst and port.
func announce(tb testing.TB, proto uint8, src, dst string, port uint16) *Expectation {
	x := &Expectation{Tuple: tuple(tb, proto, src, 0, dst, port)}
	for i := range 4 {
		x.MaskSrc[i] = 0xff
	}
	return x
}

// master is a confirmed flow with a helper.
func master(tb testing.TB, t *Table, s *Shard, tu Tuple, helper uint8) uint32 {
	tb.Helper()
	p := segment(t, tu, tcpSYN)
	p.Template.Helper = helper
	p = pass(tb, s, p, start)
	if s.HelperOf(p.Entry) != helper {
		tb.Fatalf("helper %d", s.HelperOf(p.Entry))
	}
	return p.Entry
}

func TestExpectedChild(t *testing.T) {
	tb := withHelpers(t, nil)
	s := tb.Shard(0)
	m := master(t, tb, s, tuple(t, ProtoTCP, "10.9.1.2", 41021, "10.9.2.2", 21), ftpHelper)
	s.SetMark(m, 7)
	x := announce(t, ProtoTCP, "10.9.1.2", "10.9.2.2", 10000)
	x.Assign = ftpHelper
	if r := s.Expect(m, x, start); r != ExpectOK {
		t.Fatal(r)
	}
	s.SetMark(m, 42)
	if tb.ExpectCount() != 1 {
		t.Fatalf("count %d", tb.ExpectCount())
	}
	for _, row := range []struct {
		name string
		tu   Tuple
		want bool
	}{
		{"other source", tuple(t, ProtoTCP, "10.9.1.3", 999, "10.9.2.2", 10000), false},
		{"other port", tuple(t, ProtoTCP, "10.9.1.2", 999, "10.9.2.2", 10001), false},
		{"other protocol", tuple(t, ProtoUDP, "10.9.1.2", 999, "10.9.2.2", 10000), false},
		{"the one", tuple(t, ProtoTCP, "10.9.1.2", 999, "10.9.2.2", 10000), true},
		{"a second one", tuple(t, ProtoTCP, "10.9.1.2", 1000, "10.9.2.2", 10000), false},
	} {
		p := pass(t, s, segment(tb, row.tu, tcpSYN), start)
		if got := p.Info == InfoRelated; got != row.want {
			t.Errorf("%s: info %d", row.name, p.Info)
		}
		if !row.want {
			continue
		}
		e, c := s.Entry(p.Entry), s.Child(p.Entry)
		if e.Mark != 42 || s.HelperOf(p.Entry) != ftpHelper || e.Status&StatusHelper != 0 || e.Status&StatusExpected == 0 {
			t.Errorf("child %+v", e)
		}
		if c.MasterEntry != m || c.MasterID != s.ID(m) || c.Master != s.Entry(m).Tuple || c.Helper != ftpHelper {
			t.Errorf("link %+v", c)
		}
		s.Delete(m)
		if !e.Live() {
			t.Error("the child died with its master")
		}
	}
	if st := s.Stats(); st.ExpectNew != 1 || st.ExpectCreate != 1 || st.ExpectDelete != 1 || tb.ExpectCount() != 0 {
		t.Errorf("%+v", st)
	}
	checkExpectations(t, tb)
}

// TestSpoiledExpectation: a broken packet uses up what is expected of it, but
// not one of a flow, nor one whose ports nobody knows.
func TestSpoiledExpectation(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(p *Probe)
		left   int
	}{
		{"wrong checksum", func(p *Probe) { p.Reason = ReasonChecksum }, 0},
		{"cut off behind the ports", func(p *Probe) { p.Reason = ReasonTruncated }, 0},
		{"no ports", func(p *Probe) { p.Hash, p.Reason = 0, ReasonTruncated }, 1},
		{"an ICMP error's tuple", func(p *Probe) { p.Reason = ReasonICMPSum }, 1},
		{"other port", func(p *Probe) { p.Tuple.DstPort++; p.Reason = ReasonChecksum }, 1},
		{"of a flow", func(p *Probe) { p.Tuple.SrcPort, p.Reason = 7, ReasonChecksum }, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			tb := withHelpers(t, nil)
			s := tb.Shard(0)
			m := master(t, tb, s, tuple(t, ProtoTCP, "10.9.1.2", 41021, "10.9.2.2", 21), ftpHelper)
			pass(t, s, segment(tb, tuple(t, ProtoTCP, "10.9.1.2", 7, "10.9.2.2", 10000), tcpSYN), start)
			if r := s.Expect(m, announce(t, ProtoTCP, "10.9.1.2", "10.9.2.2", 10000), start); r != ExpectOK {
				t.Fatal(r)
			}
			p := segment(tb, tuple(t, ProtoTCP, "10.9.1.2", 999, "10.9.2.2", 10000), tcpSYN)
			p.Kind = KindInvalid
			row.change(&p)
			if p.Hash != 0 {
				p.Hash = tb.Hash(&p.Tuple)
			}
			if a := s.Track(&p, start); a != ActionAccept || p.Info != InfoInvalid || p.Entry != 0 {
				t.Errorf("action %v, info %v, entry %d", a, p.Info, p.Entry)
			}
			if n := tb.ExpectCount(); n != row.left {
				t.Errorf("%d expectations are left, want %d", n, row.left)
			}
			if st := s.Stats(); st.ExpectNew != uint64(1-row.left) || st.Invalid+st.Error != 1 {
				t.Errorf("%+v", st)
			}
			checkExpectations(t, tb)
		})
	}
}

// checkExpectations verifies that every slot is in its owner's list of a master
// that lives, or free, and that the counts agree.
func checkExpectations(tb testing.TB, t *Table) {
	tb.Helper()
	held := 0
	owned := make([]int, t.Workers())
	listed := map[uint32]bool{}
	for _, s := range t.shards {
		for n := uint32(1); n <= s.high; n++ {
			e := &s.entries[n]
			if e.flags&flagExpects == 0 || e.Status&StatusDying != 0 {
				continue
			}
			for h := s.cold.help[n].first; h != 0; h = t.expect.links[h-1] {
				if listed[h] {
					tb.Fatalf("slot %d is listed twice", h)
				}
				listed[h] = true
				var x Expectation
				t.expect.load(uint64(h-1), &x)
				if x.MasterEntry != n || x.Worker != uint32(s.me) {
					tb.Fatalf("slot %d of %d/%d is in the list of %d/%d", h, x.Worker, x.MasterEntry, s.me, n)
				}
			}
		}
	}
	for i, w := range t.expect.words {
		switch phase := w & phaseMask; phase {
		case expectFree:
			continue
		case expectArmed, expectDormant:
			held++
		case expectSpent:
		default:
			tb.Fatalf("slot %d is left in phase %d", i, phase)
		}
		owned[w>>expectOwner&0xff]++
		if !listed[uint32(i)+1] {
			tb.Fatalf("slot %d is in nobody's list", i)
		}
	}
	for i, s := range t.shards {
		if s.slots != owned[i] {
			tb.Fatalf("worker %d says it has %d slots, it has %d", i, s.slots, owned[i])
		}
	}
	if held != t.ExpectCount() {
		tb.Fatalf("count %d, %d hold", t.ExpectCount(), held)
	}
}

func TestExpectRules(t *testing.T) {
	a := tuple(t, ProtoUDP, "10.0.0.1", 5060, "10.0.0.9", 5060)
	b := tuple(t, ProtoUDP, "10.0.0.2", 5060, "10.0.0.9", 5060)
	media := func(port uint16, class uint8) *Expectation {
		x := announce(t, ProtoUDP, "10.0.0.9", "10.0.0.1", port)
		x.Class = class
		return x
	}
	any := func(x *Expectation) *Expectation { x.MaskSrc, x.Tuple.Src = [16]byte{}, [16]byte{}; return x }
	with := func(x *Expectation, flag uint8) *Expectation { x.Flags |= flag; return x }
	type wish struct {
		by   int
		x    *Expectation
		want ExpectResult
	}
	for _, row := range []struct {
		name   string
		wishes []wish
		left   int
	}{
		{"one", []wish{{0, media(1, 1), ExpectOK}}, 1},
		{"the same again", []wish{{0, media(1, 1), ExpectOK}, {0, media(1, 1), ExpectOK}}, 1},
		{"other class", []wish{{0, media(1, 1), ExpectOK}, {0, media(1, 0), ExpectAlready}}, 1},
		{"other master", []wish{{0, media(1, 1), ExpectOK}, {1, media(1, 1), ExpectBusy}}, 1},
		{"other master, skipped", []wish{{0, media(1, 1), ExpectOK}, {1, with(media(1, 1), ExpectSkipMaster), ExpectAlready}}, 1},
		{"overlap", []wish{{0, media(1, 1), ExpectOK}, {0, any(media(1, 1)), ExpectBusy}}, 1},
		{"no such class", []wish{{0, media(1, 2), ExpectRefused}}, 0},
		{"evict", []wish{{0, media(1, 1), ExpectOK}, {0, media(2, 1), ExpectOK}, {0, media(3, 1), ExpectOK},
			{0, media(4, 1), ExpectOK}, {0, media(5, 1), ExpectOK}, {1, media(1, 1), ExpectOK}, {1, media(2, 1), ExpectBusy}}, 5},
		{"class of one", []wish{{0, media(1, 0), ExpectOK}, {0, media(2, 0), ExpectOK}, {1, media(1, 0), ExpectOK}}, 2},
		{"full", []wish{{0, media(1, 1), ExpectOK}, {0, media(2, 1), ExpectOK}, {0, media(3, 1), ExpectOK}, {1, media(4, 1), ExpectOK},
			{1, media(5, 1), ExpectOK}, {1, media(6, 1), ExpectFull}}, 5},
	} {
		t.Run(row.name, func(t *testing.T) {
			tb := withHelpers(t, func(c *Config) { c.ExpectMax = 5 })
			s := tb.Shard(0)
			by := []uint32{master(t, tb, s, a, sipHelper), master(t, tb, s, b, sipHelper)}
			for i, w := range row.wishes {
				if r := s.Expect(by[w.by], w.x, start+uint32(i)); r != w.want {
					t.Errorf("wish %d: %v, want %v", i, r, w.want)
				}
				checkExpectations(t, tb)
			}
			if tb.ExpectCount() != row.left {
				t.Errorf("%d hold, want %d", tb.ExpectCount(), row.left)
			}
			out := make([]Expectation, 8)
			if _, n := tb.Expectations(0, start, out); n != row.left {
				t.Errorf("%d listed, want %d", n, row.left)
			}
			s.Delete(by[0])
			s.Delete(by[1])
			if tb.ExpectCount() != 0 || s.slots != 0 {
				t.Errorf("%d outlive their masters, %d slots", tb.ExpectCount(), s.slots)
			}
		})
	}
}

func TestExpectLife(t *testing.T) {
	tu := tuple(t, ProtoUDP, "10.0.0.1", 5060, "10.0.0.9", 5060)
	child := func(port uint16) Tuple { return tuple(t, ProtoUDP, "10.0.0.9", port, "10.0.0.1", 7000) }
	wish := func(flags uint8) *Expectation {
		x := announce(t, ProtoUDP, "10.0.0.9", "10.0.0.1", 7000)
		x.Class, x.Flags = 1, flags
		return x
	}
	setup := func(t *testing.T, x *Expectation) (*Table, *Shard, uint32) {
		tb := withHelpers(t, nil)
		s := tb.Shard(0)
		m := master(t, tb, s, tu, sipHelper)
		if r := s.Expect(m, x, start); r != ExpectOK {
			t.Fatal(r)
		}
		return tb, s, m
	}
	related := func(t *testing.T, tb *Table, port uint16, now uint32) bool {
		p := pass(t, tb.Shard(0), probe(tb, child(port)), now)
		return p.Info == InfoRelated
	}
	t.Run("permanent", func(t *testing.T) {
		tb, _, _ := setup(t, wish(ExpectPermanent))
		if !related(t, tb, 1, start) || !related(t, tb, 2, start) || tb.ExpectCount() != 1 {
			t.Error("used up")
		}
	})
	t.Run("inactive", func(t *testing.T) {
		tb, s, m := setup(t, wish(ExpectInactive))
		if related(t, tb, 1, start) {
			t.Error("matched while inactive")
		}
		if h := s.FirstExpect(m); !s.RefreshExpect(h, 10, true, start) || s.NextExpect(h) != 0 {
			t.Error("not refreshed")
		}
		if !related(t, tb, 2, start+9999) {
			t.Error("not activated")
		}
	})
	t.Run("over", func(t *testing.T) {
		tb, s, m := setup(t, wish(0))
		s.entries[m].Expires = start + 900_000
		if related(t, tb, 1, start+180_000) {
			t.Error("matched after its time")
		}
		for range len(tb.expect.words)/expectSweep + 1 {
			s.Expire(start+180_000, 1)
		}
		if tb.ExpectCount() != 0 || s.slots != 0 || s.stats.ExpectDelete != 1 || s.FirstExpect(m) != 0 {
			t.Errorf("count %d, %d slots", tb.ExpectCount(), s.slots)
		}
	})
	t.Run("unconfirmed master", func(t *testing.T) {
		for _, confirm := range []bool{true, false} {
			tb := withHelpers(t, nil)
			s := tb.Shard(0)
			p := probe(tb, tu)
			s.Track(&p, start)
			if !s.SetHelper(p.Entry, sipHelper) || s.SetHelper(p.Entry, ftpHelper) {
				t.Fatal("helper")
			}
			if r := s.Expect(p.Entry, wish(0), start); r != ExpectOK {
				t.Fatal(r)
			}
			if related(t, tb, 1, start) {
				t.Error("matched before its master was confirmed")
			}
			if confirm {
				s.Confirm(&p, start)
			} else {
				s.Abandon(p.Entry)
			}
			if got := related(t, tb, 2, start); got != confirm || tb.ExpectCount() != 0 {
				t.Errorf("confirmed %v, related %v, count %d", confirm, got, tb.ExpectCount())
			}
		}
	})
}
