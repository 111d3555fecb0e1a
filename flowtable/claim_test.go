package flowtable

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// TestNATPair: a NATed flow is found by its original tuple and by its reply
// tuple, and by neither of their inverses.
func TestNATPair(t *testing.T) {
	for _, row := range []struct {
		name        string
		orig, reply Tuple
	}{
		{"source", tuple(t, ProtoTCP, "10.9.1.2", 41002, "10.9.2.2", 80), tuple(t, ProtoTCP, "10.9.2.2", 80, "10.9.2.1", 50000)},
		{"destination", tuple(t, ProtoTCP, "10.9.1.2", 41002, "10.9.1.1", 8080), tuple(t, ProtoTCP, "10.9.2.2", 80, "10.9.1.2", 41002)},
		{"icmp id", tuple(t, ProtoICMP, "10.9.1.2", 7, "10.9.2.2", 8<<8), tuple(t, ProtoICMP, "10.9.2.2", 900, "10.9.2.1", 0)},
		{"ipv6", tuple(t, ProtoUDP, "fd00:1::2", 5, "fd00:2::2", 53), tuple(t, ProtoUDP, "fd00:2::2", 53, "fd00:2::1", 5)},
	} {
		t.Run(row.name, func(t *testing.T) {
			tb := newTable(t, nil)
			s := tb.Shard(0)
			p := segment(tb, row.orig, tcpSYN)
			s.Track(&p, start)
			if got := s.ReplyTuple(p.Entry); got != mustInvert(t, row.orig) {
				t.Errorf("before NAT: %v", got)
			}
			if !s.ClaimReply(p.Entry, &row.reply) || !s.Confirm(&p, start) {
				t.Fatal(p.Reason)
			}
			checkIndex(t, s)
			if got := s.ReplyTuple(p.Entry); got != row.reply || s.NAT(p.Entry).Reply != row.reply {
				t.Errorf("reply tuple %v", got)
			}
			for _, x := range []struct {
				tu  Tuple
				n   uint32
				dir uint8
			}{
				{row.orig, p.Entry, Original}, {row.reply, p.Entry, Reply},
				{mustInvert(t, row.orig), 0, Original}, {mustInvert(t, row.reply), 0, Original},
			} {
				if n, dir := s.find(&x.tu, s.key(&x.tu)); n != x.n || dir != x.dir {
					t.Errorf("%v: entry %d dir %d, want %d %d", x.tu, n, dir, x.n, x.dir)
				}
			}
			if _, ok := tb.dir.lookup(tb.Hash(&row.reply), tb.fingerprint(&row.reply)); !ok {
				t.Error("not in the directory")
			}
			if s.ClaimReply(p.Entry, &row.orig) {
				t.Error("claimed for a confirmed entry")
			}
			s.Delete(p.Entry)
			if _, ok := tb.dir.lookup(tb.Hash(&row.reply), tb.fingerprint(&row.reply)); ok || tb.Count() != 0 {
				t.Error("the claim outlived the flow")
			}
			if s.ReplyTuple(p.Entry) != row.reply {
				t.Error("the packet that ended the flow cannot be translated any more")
			}
		})
	}
}

func TestClaims(t *testing.T) {
	wire := func(port uint16) Tuple { return tuple(t, ProtoUDP, "192.168.0.1", 53, "203.0.113.1", port) }
	tb := newTable(t, nil)
	s := tb.Shard(0)
	open := func(i uint32) Probe {
		p := probe(tb, udp4(i))
		if s.Track(&p, start) != ActionAccept {
			t.Fatal(p.Reason)
		}
		return p
	}
	claimed := func(tu Tuple) bool {
		_, ok := tb.dir.lookup(tb.Hash(&tu), tb.fingerprint(&tu))
		return ok
	}
	a, b := open(1), open(2)
	w1, w2 := wire(1), wire(2)
	if s.ReplyTaken(a.Entry, &w1) || !s.ClaimReply(a.Entry, &w1) || !s.ClaimReply(a.Entry, &w1) {
		t.Fatal("first claim")
	}
	if s.ReplyTaken(a.Entry, &w1) {
		t.Error("taken by itself")
	}
	if !s.ReplyTaken(b.Entry, &w1) || s.stats.Found != 1 || s.ClaimReply(b.Entry, &w1) {
		t.Error("an unconfirmed claim is not seen")
	}
	if s.ReplyTuple(b.Entry) != mustInvert(t, b.Tuple) {
		t.Error("a failed claim changed the entry")
	}
	if !s.ClaimReply(a.Entry, &w2) || claimed(w1) || !claimed(w2) {
		t.Error("an earlier claim is not replaced")
	}
	if !s.ClaimReply(b.Entry, &w1) {
		t.Error("the released tuple cannot be claimed")
	}
	inv := mustInvert(t, a.Tuple)
	if !s.ClaimReply(a.Entry, &inv) || claimed(w2) || s.ReplyTuple(a.Entry) != inv {
		t.Error("back to no NAT")
	}
	s.Abandon(b.Entry)
	if claimed(w1) || s.stats.Reasons[ReasonReplyTaken] != 1 {
		t.Error("abandoned with its claim")
	}
	// A plain flow's answers are taken too; the same original tuple is not
	// in its own way.
	s.Confirm(&a, start)
	c, again := open(3), open(1)
	if again.Entry != a.Entry {
		t.Fatal("flow not found")
	}
	if !s.ReplyTaken(c.Entry, &inv) || s.ClaimReply(c.Entry, &inv) {
		t.Error("the answers of a plain flow are free")
	}
	// And a plain flow must not begin when its answers belong to a NATed one.
	odd := tuple(t, ProtoUDP, "203.0.113.1", 9, "192.168.0.1", 53)
	w9 := wire(9)
	if !s.ClaimReply(c.Entry, &w9) || !s.Confirm(&c, start) {
		t.Fatal(c.Reason)
	}
	d := probe(tb, odd)
	s.Track(&d, start)
	if d.Info != InfoNew || !s.ReplyTaken(d.Entry, &w9) {
		t.Errorf("info %d: the clash is not seen by NAT", d.Info)
	}
	if s.Confirm(&d, start) {
		t.Error("two flows with one reply tuple")
	}
	// What is taken can be proposed: the packet goes on with it, up to there.
	e, drops := open(5), s.stats.Drop
	w10 := wire(10)
	if !s.ClaimReply(e.Entry, &w10) {
		t.Fatal("a free tuple is taken")
	}
	s.ProposeReply(e.Entry, &w9)
	if s.ReplyTuple(e.Entry) != w9 || claimed(w10) {
		t.Error("proposed and not in place, or the claim before is still held")
	}
	if s.Confirm(&e, start) || s.stats.Drop != drops+1 || e.Entry != 0 || e.Reason != ReasonNoPort {
		t.Error("a proposal that is taken is confirmed")
	}
	if !claimed(w9) {
		t.Error("the owner's claim went with the proposal")
	}
}

// TestForeign: packets of a NATed flow's other direction reach the owner by
// way of the directory, and nothing goes round in circles.
func TestForeign(t *testing.T) {
	tb := newTable(t, func(c *Config) { c.Workers = 2 })
	orig := udp4(1)
	home := tb.Owner(tb.Hash(&orig))
	mine, other := tb.Shard(home), tb.Shard(1-home)
	var wire Tuple
	for port := uint16(1); ; port++ {
		if wire = tuple(t, ProtoUDP, "192.168.0.1", 53, "203.0.113.1", port); tb.Owner(tb.Hash(&wire)) == 1-home {
			break
		}
	}
	p := probe(tb, orig)
	mine.Track(&p, start)
	if !mine.ClaimReply(p.Entry, &wire) || !mine.Confirm(&p, start) {
		t.Fatal(p.Reason)
	}

	answer := func(kind Kind) Probe {
		q := probe(tb, wire)
		q.Kind = kind
		return q
	}
	for _, kind := range []Kind{KindFlow, KindError} {
		q := answer(kind)
		if a := other.Track(&q, start); a != ActionForeign || int(q.Owner) != home {
			t.Fatalf("kind %d: action %d owner %d", kind, a, q.Owner)
		}
		q.Foreign = true
		if a := mine.Track(&q, start); a != ActionAccept || q.Entry != p.Entry || q.Dir != Reply {
			t.Fatalf("kind %d: action %d %+v", kind, a, q)
		}
	}
	other2 := probe(tb, wire)
	other.Track(&other2, start)
	if other.stats.Foreign != 3 || tb.Count() != 1 {
		t.Errorf("foreign %d count %d", other.stats.Foreign, tb.Count())
	}
	// The flow ends while a packet is on its way.
	mine.Delete(p.Entry)
	q := answer(KindFlow)
	q.Foreign = true
	if a := mine.Track(&q, start); a != ActionForeign || int(q.Owner) != 1-home {
		t.Fatalf("in vain: action %d owner %d", a, q.Owner)
	}
	if a := other.Track(&q, start); a != ActionAccept || q.Info != InfoNew {
		t.Fatalf("home again: action %d info %d", a, q.Info)
	}
	e := answer(KindError)
	e.Foreign = true
	if a := mine.Track(&e, start); a != ActionAccept || e.Reason != ReasonNoFlow {
		t.Fatalf("error in vain: action %d reason %v", a, e.Reason)
	}
}

// TestNarrowPorts: workers translate many flows to few ports at once. No two
// flows may share a reply tuple, and every one of the ports gets used.
func TestNarrowPorts(t *testing.T) {
	const workers, ports = 4, 40
	tb := newTable(t, func(c *Config) { c.Workers = workers })
	seed := rand.Uint64()
	var wg sync.WaitGroup
	var got [workers]map[Tuple]uint32
	var errs [workers]error
	for w := range workers {
		got[w] = map[Tuple]uint32{}
		wg.Go(func() {
			s := tb.Shard(w)
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for i := range uint32(3000) {
				tu := udp4(i*workers + uint32(w) + 1<<16)
				tu.Dst = [16]byte{192, 168, 0, 1}
				p := probe(tb, tu)
				p.Foreign = false
				if a := s.Track(&p, start); a != ActionAccept {
					continue // the directory's answer is for somebody else's packet
				}
				ok := false
				from := r.IntN(ports)
				for try := range ports {
					wire := Tuple{SrcPort: 53, DstPort: uint16(1000 + (from+try)%ports), Proto: ProtoUDP, Family: FamilyIPv4}
					wire.Src = [16]byte{192, 168, 0, 1}
					wire.Dst = [16]byte{203, 0, 113, 1}
					if s.ReplyTaken(p.Entry, &wire) {
						continue
					}
					if ok = s.ClaimReply(p.Entry, &wire); ok {
						break
					}
				}
				if !ok {
					s.Abandon(p.Entry)
				} else if !s.Confirm(&p, start) {
					errs[w] = fmt.Errorf("claimed but not confirmed: %v", p.Reason)
					return
				} else {
					got[w][s.ReplyTuple(p.Entry)] = p.Entry
				}
				if r.IntN(3) == 0 { // give one back
					for wire, n := range got[w] {
						s.Delete(n)
						delete(got[w], wire)
						break
					}
				}
			}
		})
	}
	wg.Wait()
	all := map[Tuple]int{}
	for w := range workers {
		if errs[w] != nil {
			t.Errorf("seed %d: worker %d: %v", seed, w, errs[w])
		}
		for wire := range got[w] {
			if o, twice := all[wire]; twice {
				t.Errorf("seed %d: %v belongs to workers %d and %d", seed, wire, o, w)
			}
			all[wire] = w
		}
	}
	if len(all) == 0 || tb.Count() != len(all) {
		t.Errorf("seed %d: %d reply tuples, count %d", seed, len(all), tb.Count())
	}
	var sum Stats
	for w := range workers {
		sum.Add(tb.Shard(w).Stats())
	}
	if sum.Found == 0 {
		t.Error("nobody met a taken port")
	}
}
