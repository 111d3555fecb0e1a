package flowtable

import (
	"slices"
	"testing"
)

// drain takes up to 64 events that wait.
func drain(t *Table) (kinds []EventMask, all []Event) {
	all = make([]Event, 64)
	all = all[:t.ReadEvents(all)]
	for i := range all {
		kinds = append(kinds, all[i].Kinds)
	}
	return kinds, all
}

func TestEvents(t *testing.T) {
	tcp := tuple(t, ProtoTCP, "10.0.0.1", 1000, "10.0.0.9", 80)
	type segmentOf struct {
		reply bool
		flags uint8
	}
	open := []segmentOf{{false, tcpSYN}, {true, tcpSYN | tcpACK}, {false, tcpACK}}
	for _, row := range []struct {
		name   string
		listen EventMask
		mask   EventMask // of the template
		play   []segmentOf
		then   func(s *Shard, n uint32)
		want   []EventMask
	}{
		{"a connection opens", EventFlows, 0, open, nil,
			[]EventMask{EventNew | EventProtoInfo, EventReply | EventProtoInfo, EventAssured | EventProtoInfo}},
		{"nobody listens", 0, 0, open, func(s *Shard, n uint32) { s.Delete(n) }, nil},
		{"only ends", EventDestroy, 0, open, func(s *Shard, n uint32) { s.Delete(n) }, []EventMask{EventDestroy}},
		{"the template's mask", EventFlows, EventNew | EventDestroy, open, func(s *Shard, n uint32) { s.Delete(n) },
			[]EventMask{EventNew, EventDestroy}},
		{"a mark by a rule", EventMark, 0, open[:1], func(s *Shard, n uint32) {
			p := segment(s.table, tcp, tcpSYN)
			s.Track(&p, start)
			s.Entry(n).Mark = 5
		}, []EventMask{EventMark}},
		{"an edit", EventFlows &^ EventProtoInfo, 0, open[:1], func(s *Shard, n uint32) {
			s.Deliver(start)
			mark, status := uint32(9), s.Entry(n).Status|StatusAssured
			s.Change(n, &Changes{Mark: &mark, Labels: &Labels{1}, LabelMask: Labels{1}, Status: &status}, start)
			s.Change(n, &Changes{Mark: &mark}, start)
		}, []EventMask{EventNew, EventMark | EventLabel | EventAssured, EventMark}},
		{"the end by time", EventDestroy, 0, open, func(s *Shard, n uint32) {
			s.entries[n].Expires = start + 5
			s.Expire(start+5, 10)
		}, []EventMask{EventDestroy}},
	} {
		t.Run(row.name, func(t *testing.T) {
			tb := withHelpers(t, nil)
			s := tb.Shard(0)
			tb.Listen(row.listen)
			s.Expire(start, 1)
			var n uint32
			for _, x := range row.play {
				tu := tcp
				if x.reply {
					tu = mustInvert(t, tu)
				}
				p := segment(tb, tu, x.flags)
				if x.flags == tcpSYN|tcpACK {
					p.Ack = 1
				}
				p.Template.Events = row.mask
				n = pass(t, s, p, start).Entry
			}
			if row.then != nil {
				row.then(s, n)
			}
			s.Expire(start, 1)
			kinds, all := drain(tb)
			if !slices.Equal(kinds, row.want) {
				t.Fatalf("events %x, want %x", kinds, row.want)
			}
			for i := range all {
				if all[i].Flow.Orig != tcp || all[i].Flow.ID == 0 {
					t.Errorf("event %d is about %+v", i, all[i].Flow)
				}
			}
		})
	}
}

// TestEventsOlder: as in the kernel, a flow that began before anybody listened
// says nothing.
func TestEventsOlder(t *testing.T) {
	for _, mode := range []EventsMode{EventsOff, EventsOn, EventsAuto} {
		tb := newTable(t, func(c *Config) { c.Events = mode })
		s := tb.Shard(0)
		s.Expire(start, 1)
		old := pass(t, s, probe(tb, udp4(1)), start).Entry
		tb.Listen(EventFlows)
		s.Expire(start, 1)
		pass(t, s, probe(tb, udp4(2)), start)
		s.Delete(old)
		s.Deliver(start)
		kinds, _ := drain(tb)
		want := [][]EventMask{nil, {EventNew, EventNew, EventDestroy}, {EventNew}}[mode]
		slices.Sort(kinds)
		slices.Sort(want)
		if !slices.Equal(kinds, want) {
			t.Errorf("mode %d: %x, want %x", mode, kinds, want)
		}
	}
}

func TestEventsOverflow(t *testing.T) {
	tb := newTable(t, func(c *Config) { c.EventRing = 8 })
	s := tb.Shard(0)
	tb.Listen(EventNew)
	s.Expire(start, 1)
	for i := range uint32(20) {
		pass(t, s, probe(tb, udp4(i)), start)
	}
	s.Expire(start, 1)
	if kinds, _ := drain(tb); len(kinds) != 8 || tb.EventsLost() != 12 {
		t.Errorf("%d events, %d lost", len(kinds), tb.EventsLost())
	}
	pass(t, s, probe(tb, udp4(30)), start)
	s.Expire(start, 1)
	if kinds, all := drain(tb); len(kinds) != 1 || all[0].Flow.Orig != udp4(30) {
		t.Errorf("%d events after the overflow", len(kinds))
	}
}

func TestExpectEvents(t *testing.T) {
	tb := withHelpers(t, nil)
	s := tb.Shard(0)
	tb.Listen(EventExpects | EventRelated | EventHelper)
	s.Expire(start, 1)
	m := master(t, tb, s, tuple(t, ProtoTCP, "10.9.1.2", 41021, "10.9.2.2", 21), ftpHelper)
	x := announce(t, ProtoTCP, "10.9.1.2", "10.9.2.2", 10000)
	s.Expect(m, x, start)
	pass(t, s, segment(tb, tuple(t, ProtoTCP, "10.9.1.2", 9, "10.9.2.2", 10000), tcpSYN), start)
	s.Expect(m, announce(t, ProtoTCP, "10.9.1.2", "10.9.2.2", 10001), start)
	s.Delete(m)
	s.Deliver(start)
	kinds, _ := drain(tb)
	slices.Sort(kinds)
	want := []EventMask{EventRelated, EventHelper, EventExpectNew, EventExpectNew, EventExpectDestroy, EventExpectDestroy}
	slices.Sort(want)
	if !slices.Equal(kinds, want) {
		t.Errorf("%x, want %x", kinds, want)
	}
}

// TestEventsWhileReading: a reader beside a worker misses nothing that was not
// counted as lost, and sees whole events.
func TestEventsWhileReading(t *testing.T) {
	const flows = 20000
	tb := newTable(t, func(c *Config) { c.EventRing = 64; c.Timestamp = true })
	s := tb.Shard(0)
	tb.Listen(EventNew | EventDestroy)
	s.Expire(start, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range uint32(flows) {
			s.SetClock(int64(i) + 1)
			p := probe(tb, udp4(i))
			if s.Track(&p, start) == ActionAccept && s.Confirm(&p, start) {
				s.Deliver(start)
				s.Delete(p.Entry)
			}
		}
	}()
	got := 0
	take := func() {
		out := make([]Event, 32)
		for {
			n := tb.ReadEvents(out)
			for i := range n {
				f := &out[i].Flow
				if f.Times.Start != out[i].Nanos || f.Reply != mustInvert(t, f.Orig) || (f.Times.Stop != 0) != (out[i].Kinds == EventDestroy) {
					t.Errorf("torn event %+v", out[i])
				}
			}
			if got += n; n == 0 {
				return
			}
		}
	}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		take()
	}
	if lost := tb.EventsLost(); uint64(got)+lost != 2*flows {
		t.Errorf("%d read and %d lost of %d", got, lost, 2*flows)
	}
}
