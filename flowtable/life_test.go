package flowtable

import (
	"math/rand/v2"
	"testing"
)

func zoned(t *Table, tu Tuple, zone uint16, dir ZoneDir) Probe {
	p := probe(t, tu)
	p.SetZone(zone, dir)
	return p
}

// TestZones: which packets meet a flow that began in a zone, of one direction
// or of both.
func TestZones(t *testing.T) {
	orig := udp4(1)
	back := mustInvert(t, orig)
	type packet struct {
		tu   Tuple
		zone uint16
		dir  ZoneDir
		want Info
	}
	for _, row := range []struct {
		name  string
		zone  uint16
		dir   ZoneDir
		zones [2]uint16
		then  []packet
	}{
		{"both", 5, ZoneBoth, [2]uint16{5, 5}, []packet{
			{back, 5, ZoneBoth, InfoEstablishedReply}, {orig, 5, ZoneBoth, InfoEstablished}, {back, 0, ZoneBoth, InfoNew}, {orig, 6, ZoneBoth, InfoNew}}},
		{"original", 5, ZoneOriginal, [2]uint16{5, 0}, []packet{
			{back, 0, ZoneBoth, InfoEstablishedReply}, {orig, 5, ZoneOriginal, InfoEstablished}, {back, 7, ZoneOriginal, InfoEstablishedReply},
			{orig, 0, ZoneBoth, InfoNew}, {orig, 6, ZoneOriginal, InfoNew}}},
		{"reply", 5, ZoneReply, [2]uint16{0, 5}, []packet{
			{back, 5, ZoneBoth, InfoEstablishedReply}, {orig, 0, ZoneBoth, InfoEstablished}, {back, 5, ZoneReply, InfoEstablishedReply},
			{orig, 5, ZoneBoth, InfoNew}, {orig, 5, ZoneReply, InfoEstablished}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			tb := newTable(t, nil)
			s := tb.Shard(0)
			p := pass(t, s, zoned(tb, orig, row.zone, row.dir), start)
			if r := s.ReplyTuple(p.Entry); s.Entry(p.Entry).Tuple.Zone != row.zones[0] || r.Zone != row.zones[1] {
				t.Errorf("zones %d %d, want %v", s.Entry(p.Entry).Tuple.Zone, r.Zone, row.zones)
			}
			for i, x := range row.then {
				q := zoned(tb, x.tu, x.zone, x.dir)
				s.Track(&q, start)
				if q.Info != x.want || x.want != InfoNew && q.Entry != p.Entry {
					t.Errorf("packet %d: info %d entry %d, want info %d", i, q.Info, q.Entry, x.want)
				}
				s.Abandon(q.Entry)
			}
			checkIndex(t, s)
			s.Delete(p.Entry)
			checkIndex(t, s)
			for i, w := range tb.dir.words {
				if w != 0 {
					t.Fatalf("directory word %d is %#x", i, w)
				}
			}
		})
	}
}

// TestZonesShareReplies: two tenants with the same addresses, told apart in the
// original direction only, can both begin once NAT gave one of them other
// answers.
func TestZonesShareReplies(t *testing.T) {
	tb := newTable(t, nil)
	s := tb.Shard(0)
	a := pass(t, s, zoned(tb, udp4(1), 1, ZoneOriginal), start)
	b := zoned(tb, udp4(1), 2, ZoneOriginal)
	if s.Track(&b, start) != ActionAccept || b.Entry == a.Entry {
		t.Fatal(b.Reason)
	}
	c := b
	if s.Confirm(&b, start) || b.Reason != ReasonNoPort || tb.Count() != 1 {
		t.Fatalf("two flows with one reply tuple: %v", b.Reason)
	}
	s.Track(&c, start)
	free := tuple(t, ProtoUDP, "192.168.0.1", 53, "203.0.113.1", 7)
	if !s.ClaimReply(c.Entry, &free) || !s.Confirm(&c, start) || s.ReplyTuple(c.Entry) != free {
		t.Fatal(c.Reason)
	}
	checkIndex(t, s)
}

func TestTemplate(t *testing.T) {
	tb := withHelpers(t, nil)
	s := tb.Shard(0)
	policy, err := tb.AcquireTimeouts(Timeouts{UDP: 7})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tb.AcquireTimeouts(Timeouts{UDP: maxTimeout + 1}); err == nil {
		t.Error("a timeout that is too long was taken")
	}
	p := probe(tb, udp4(1))
	p.Template = Template{Timeouts: policy, Helper: sipHelper}
	p = pass(t, s, p, start)
	e := s.Entry(p.Entry)
	if e.Expires-start != 7000 || e.Status&StatusHelper == 0 || s.HelperOf(p.Entry) != sipHelper || s.TimeoutsOf(p.Entry) != policy {
		t.Errorf("%d ms, helper %d, policy %d", e.Expires-start, s.HelperOf(p.Entry), s.TimeoutsOf(p.Entry))
	}
	if s.SetTimeouts(p.Entry, 0) || s.SetHelper(p.Entry, sipHelper) {
		t.Error("a confirmed flow was changed")
	}
	p = probe(tb, udp4(2))
	p.Template = Template{Timeouts: 9, Helper: ftpHelper} // no such policy, not for UDP
	p = pass(t, s, p, start)
	if e := s.Entry(p.Entry); e.Expires-start != 30000 || s.HelperOf(p.Entry) != 0 || e.Status&StatusHelper != 0 {
		t.Errorf("%+v", e)
	}
	// A number that comes back carries nothing over.
	s.Delete(1)
	s.Delete(2)
	for i := range uint32(2) {
		if p := pass(t, s, probe(tb, udp4(10+i)), start); s.HelperOf(p.Entry) != 0 || s.TimeoutsOf(p.Entry) != 0 {
			t.Errorf("entry %d has a past", p.Entry)
		}
	}
}

// TestClash: two first packets of one flow race to Confirm.
func TestClash(t *testing.T) {
	wire := func(port uint16) *Tuple {
		tu := tuple(t, ProtoUDP, "192.168.0.1", 53, "203.0.113.1", port)
		return &tu
	}
	for _, row := range []struct {
		name          string
		proto         uint8
		first, second *Tuple // reply tuples; nil: no NAT
		ok, joined    bool
	}{
		{"no NAT", ProtoUDP, nil, nil, true, true},
		{"protocol without", ProtoTCP, nil, nil, false, false},
		{"answers differ", ProtoUDP, wire(1), wire(2), true, false},
		{"only the first translated", ProtoUDP, wire(1), nil, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			tb := newTable(t, nil)
			s := tb.Shard(0)
			tu := udp4(1)
			tu.Proto = row.proto
			begin := func(reply *Tuple) *Probe {
				p := segment(tb, tu, tcpSYN)
				s.Track(&p, start)
				if reply != nil {
					if !s.ClaimReply(p.Entry, reply) {
						t.Fatal("claim")
					}
					s.Entry(p.Entry).Status |= StatusSrcNAT | StatusNATDoneMask
				}
				return &p
			}
			a, b := begin(row.first), begin(row.second)
			loser := b.Entry
			if a.Entry == b.Entry || !s.Confirm(a, start) {
				t.Fatal("no race")
			}
			if got := s.Confirm(b, start); got != row.ok {
				t.Fatalf("confirmed %v: %v", got, b.Reason)
			}
			checkIndex(t, s)
			if !row.ok {
				if s.stats.InsertFailed != 1 || s.stats.Drop != 1 || b.Reason != ReasonClash {
					t.Errorf("%v %+v", b.Reason, s.stats)
				}
				return
			}
			if s.stats.ClashResolve != 1 || row.joined != (b.Entry == a.Entry) {
				t.Errorf("entry %d, want %d joined %v", b.Entry, a.Entry, row.joined)
			}
			if row.joined {
				if s.Entry(a.Entry).Packets[0] != 2 || tb.Count() != 1 {
					t.Errorf("%+v", s.Entry(a.Entry))
				}
				return
			}
			e := s.Entry(loser)
			if e.Status&(StatusNATClash|StatusFixedTimeout|StatusConfirmed) != StatusNATClash|StatusFixedTimeout|StatusConfirmed ||
				e.Expires-start != 1000 {
				t.Errorf("%+v", e)
			}
			answer := s.ReplyTuple(loser)
			q := probe(tb, answer)
			if s.Track(&q, start+500); q.Entry != loser || q.Dir != Reply || e.Expires-start != 1000 || e.Status&StatusAssured != 0 {
				t.Errorf("answer: entry %d dir %d, %d ms left", q.Entry, q.Dir, e.Expires-start)
			}
			if q = probe(tb, tu); s.Track(&q, start+500) != ActionAccept || q.Entry != a.Entry {
				t.Errorf("original: entry %d", q.Entry)
			}
			s.Expire(start+1000, 10)
			if tb.Count() != 1 {
				t.Error("it outlived its second")
			}
			checkIndex(t, s)
			s.Delete(a.Entry)
			for i, w := range tb.dir.words {
				if w != 0 {
					t.Fatalf("directory word %d is %#x", i, w)
				}
			}
		})
	}
}

// TestFlood fills the table with flows that are assured and then with SYNs:
// the assured ones live on, nothing is allocated, and the counters say so.
func TestFlood(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 7))
	t.Logf("seed %d", seed)
	const size, good = 2048, 1500
	tb := newTable(t, func(c *Config) { c.Max, c.Workers = size, 2 })
	shard := func(tu *Tuple) *Shard { return tb.Shard(tb.Owner(tb.Hash(tu))) }
	flow := func(i uint32) Tuple {
		tu := udp4(i * 7919)
		tu.Proto, tu.DstPort = ProtoTCP, 80
		return tu
	}
	send := func(tu Tuple, flags uint8, now uint32) (*Shard, Probe, Action) {
		s := shard(&tu)
		p := segment(tb, tu, flags)
		a := s.Track(&p, now)
		if a == ActionAccept && !s.Confirm(&p, now) {
			a = ActionDrop
		}
		return s, p, a
	}
	for i := range uint32(good) {
		tu := flow(i)
		for _, x := range []struct {
			tu    Tuple
			flags uint8
		}{{tu, tcpSYN}, {mustInvert(t, tu), tcpSYN | tcpACK}, {tu, tcpACK}} {
			s, p, a := send(x.tu, x.flags, start)
			if a != ActionAccept || p.Entry == 0 {
				t.Fatalf("flow %d: %v", i, p.Reason)
			}
			s.Entry(p.Entry).Status |= StatusAssured
		}
	}
	var i uint32 = good
	p := new(Probe)
	step := func() {
		*p = segment(tb, flow(i), tcpSYN)
		if s := shard(&p.Tuple); s.Track(p, start+i/64) == ActionAccept {
			s.Confirm(p, start+i/64)
		}
		if i++; i%32 == 0 {
			for w := range 2 {
				tb.Shard(w).Expire(start+i/64, 64)
			}
		}
	}
	for range 20 * size {
		step()
	}
	if n := testing.AllocsPerRun(200, step); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
	var sum Stats
	for w := range 2 {
		sum.Add(tb.Shard(w).Stats())
		checkIndex(t, tb.Shard(w))
	}
	if sum.EarlyDrop == 0 || sum.Purged == 0 || tb.Count() > size {
		t.Errorf("count %d, early_drop %d, purged %d", tb.Count(), sum.EarlyDrop, sum.Purged)
	}
	if sum.Reasons[ReasonTableFull] != sum.Drop {
		t.Errorf("drop %d, table full %d", sum.Drop, sum.Reasons[ReasonTableFull])
	}
	for j := range uint32(good) {
		tu := flow(uint32(r.IntN(good)))
		if s := shard(&tu); s.Find(&tu, start+i/64) == 0 {
			t.Fatalf("flow %d of %d did not survive", j, good)
		}
	}
}

// TestPressure: what a pass of Expire ends after the table was full.
func TestPressure(t *testing.T) {
	for _, row := range []struct {
		name   string
		status uint32
		state  TCPState
		gone   bool
	}{
		{"not assured", 0, TCPEstablished, true},
		{"assured", StatusAssured, TCPEstablished, false},
		{"assured, closing", StatusAssured, TCPTimeWait, true},
		{"assured, half open", StatusAssured, TCPSynRecv, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			const size = 1000
			tb := newTable(t, func(c *Config) { c.Max = size })
			s := tb.Shard(0)
			for i := range uint32(size) {
				tu := udp4(i)
				tu.Proto = ProtoTCP
				e := s.Entry(pass(t, s, segment(tb, tu, tcpSYN), start).Entry)
				e.Status |= StatusAssured
			}
			s.Expire(start, size)
			if tb.Count() != size {
				t.Fatal("ended without need")
			}
			p := segment(tb, tuple(t, ProtoTCP, "1.1.1.1", 1, "2.2.2.2", 2), tcpSYN)
			if s.Track(&p, start) != ActionDrop {
				t.Fatal("not full")
			}
			for n := uint32(1); n <= size; n++ {
				s.entries[n].Status = s.entries[n].Status&^StatusAssured | row.status
				s.entries[n].State = row.state
			}
			s.Expire(start, size)
			want := size
			if row.gone {
				want = size / 100 * 95
			}
			if tb.Count() != want || int(s.stats.Purged) != size-want {
				t.Errorf("%d left, want %d", tb.Count(), want)
			}
			for n := range uint32(500) {
				s.Delete(n + 1)
			}
			if s.Expire(start, 2*size); s.aimed != 0 {
				t.Error("the pass does not end")
			}
		})
	}
}

// TestTimeoutPolicies: equal ones are one, numbers come back late, and a policy
// that nobody keeps gives its flows back to the settings.
func TestTimeoutPolicies(t *testing.T) {
	tb := newTable(t, nil)
	s := tb.Shard(0)
	acquire := func(p Timeouts) uint16 {
		t.Helper()
		n, err := tb.AcquireTimeouts(p)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	a, again, b := acquire(Timeouts{UDP: 7}), acquire(Timeouts{UDP: 7, ICMP: 30}), acquire(Timeouts{UDP: 8})
	if a != again || a == b {
		t.Fatalf("policies %d, %d and %d", a, again, b)
	}
	p := probe(tb, udp4(1))
	p.Template.Timeouts = a
	p = pass(t, s, p, start)
	lives := func(want uint32, when string) {
		t.Helper()
		p := pass(t, s, probe(tb, udp4(1)), start)
		if got := s.Entry(p.Entry).Expires - start; got != want {
			t.Errorf("%s: %d ms, want %d", when, got, want)
		}
	}
	tb.ReleaseTimeouts(a)
	lives(7000, "one user left")
	tb.ReleaseTimeouts(a)
	lives(30000, "no user left")
	for range MaxTimeoutPolicies - 3 {
		tb.ReleaseTimeouts(acquire(Timeouts{UDP: 9}))
		lives(30000, "its number rests")
	}
	for i := range uint32(MaxTimeoutPolicies - 2) {
		acquire(Timeouts{UDP: 100 + i})
	}
	if n, err := tb.AcquireTimeouts(Timeouts{UDP: 99}); err == nil {
		t.Errorf("policy %d above the limit", n)
	}
}

// TestInvalidReasons: a reason is INVALID's if Track lets its packets on
// without a flow, and not if the table refuses something.
func TestInvalidReasons(t *testing.T) {
	for r, want := range map[Reason]bool{
		ReasonNone: false, ReasonMalformed: true, ReasonNoFlow: true, ReasonTCPSeqOver: true, ReasonSCTPNotNew: true,
		ReasonTCPIgnored: false, ReasonTableFull: false, ReasonDirectoryFull: false, ReasonExpectFull: false,
	} {
		if r.Invalid() != want {
			t.Errorf("%v: %v", r, !want)
		}
	}
}
