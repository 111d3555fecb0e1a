package flowtable

import (
	"math/rand/v2"
	"testing"
)

// toolTable is a table with a listener.
func toolTable(tb testing.TB, workers int) *Table {
	tb.Helper()
	cfg := Default()
	cfg.Workers, cfg.Max, cfg.HashKey, cfg.Events, cfg.Acct = workers, 256, [2]uint64{1, 2}, EventsOn, true
	t, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = t.Close() })
	t.Listen(EventFlows)
	for i := range workers {
		t.Shard(i).Expire(1000, 1) // learns that somebody listens
	}
	return t
}

// toolTuple is a UDP tuple of two hosts.
func toolTuple(src, dst byte, sport, dport uint16) Tuple {
	return Tuple{
		Src: [16]byte{10, 0, 0, src}, Dst: [16]byte{10, 0, 0, dst}, SrcPort: sport, DstPort: dport, Proto: ProtoUDP, Family: FamilyIPv4,
	}
}

func answerTo(tu Tuple) Tuple {
	inv, _ := Invert(&tu)
	return inv
}

func TestMake(t *testing.T) {
	plain := toolTuple(1, 2, 10, 20)
	translated := answerTo(plain)
	translated.Dst[3], translated.DstPort = 99, 7
	zoned := plain
	zoned.Zone = 5
	other := answerTo(plain)
	other.Proto = ProtoTCP
	short := toolTuple(1, 2, 15, 20)
	query := Tuple{Src: plain.Src, Dst: plain.Dst, DstPort: 3 << 8, Proto: ProtoICMP, Family: FamilyIPv4}
	s := toolTable(t, 1).Shard(0)
	for _, row := range []struct {
		name   string
		want   Wanted
		result ToolResult
		status uint32
	}{
		{"plain", Wanted{Orig: plain, Reply: answerTo(plain), TimeoutSec: 9, Mark: 3}, ToolOK, 0},
		{"again", Wanted{Orig: plain, Reply: answerTo(plain), TimeoutSec: 9}, ToolExists, 0},
		{"the other way", Wanted{Orig: answerTo(plain), Reply: plain, TimeoutSec: 9}, ToolExists, 0},
		{"in a zone", Wanted{Orig: zoned, Reply: answerTo(zoned), TimeoutSec: 9, Status: StatusSeenReply | StatusAssured}, ToolOK, StatusSeenReply | StatusAssured},
		{"answers in another zone, where they are taken", Wanted{Orig: zoned, Reply: answerTo(plain), TimeoutSec: 9}, ToolExists, 0},
		{"translated", Wanted{Orig: toolTuple(1, 2, 11, 20), Reply: translated, TimeoutSec: 9, NAT: true}, ToolOK, StatusSrcNAT},
		{"labelled", Wanted{Orig: toolTuple(1, 2, 16, 20), Reply: answerTo(toolTuple(1, 2, 16, 20)), TimeoutSec: 9, HasLabels: true, Labels: Labels{5, 6}}, ToolOK, 0},
		{"translation taken", Wanted{Orig: toolTuple(1, 2, 12, 20), Reply: translated, TimeoutSec: 9, NAT: true}, ToolExists, 0},
		{"status out of reach", Wanted{Orig: toolTuple(1, 2, 13, 20), Reply: answerTo(toolTuple(1, 2, 13, 20)), Status: StatusExpected}, ToolBusy, 0},
		{"two protocols", Wanted{Orig: toolTuple(1, 2, 14, 20), Reply: other}, ToolInvalid, 0},
		{"no inverse", Wanted{Orig: query, Reply: query}, ToolInvalid, 0},
		{"over at once", Wanted{Orig: short, Reply: answerTo(short)}, ToolOK, 0},
		{"after one that is over", Wanted{Orig: short, Reply: answerTo(short), TimeoutSec: 1}, ToolOK, 0},
	} {
		before := s.Len()
		n, result := s.Make(&row.want, 1000)
		if result != row.result || (result == ToolOK) != (n != 0) {
			t.Errorf("%s: %d, want %d", row.name, result, row.result)
			continue
		}
		if result != ToolOK {
			if s.Len() != before {
				t.Errorf("%s: an entry is left", row.name)
			}
			continue
		}
		f := s.CopyFlow(n, 1000)
		if f.Orig != row.want.Orig || f.Reply != row.want.Reply || f.TimeoutSec != row.want.TimeoutSec || f.Mark != row.want.Mark || f.Labels != row.want.Labels ||
			f.Status&^(StatusConfirmed|StatusNATDoneMask) != row.status {
			t.Errorf("%s: %+v", row.name, f)
		}
		for _, tu := range []Tuple{f.Orig, f.Reply} {
			if got := s.Find(&tu, 1000); got != n && row.want.TimeoutSec > 0 {
				t.Errorf("%s: entry %d by %v, want %d", row.name, got, tu, n)
			}
		}
	}
	if s.Stats().Insert != 6 {
		t.Errorf("%d inserts", s.Stats().Insert)
	}
}

func TestMakeFull(t *testing.T) {
	s := toolTable(t, 1).Shard(0)
	result := ToolOK
	for i := uint16(0); i < 300 && result == ToolOK; i++ {
		tu := toolTuple(1, 2, i, 20)
		_, result = s.Make(&Wanted{Orig: tu, Reply: answerTo(tu), TimeoutSec: 9, Status: StatusSeenReply | StatusAssured}, 1000)
	}
	if result != ToolFull {
		t.Errorf("result %d, want %d", result, ToolFull)
	}
}

func TestChange(t *testing.T) {
	table := toolTable(t, 1)
	s := table.Shard(0)
	tu := toolTuple(1, 2, 10, 20)
	s.SetTool(77)
	n, _ := s.Make(&Wanted{Orig: tu, Reply: answerTo(tu), TimeoutSec: 9, Mark: 3}, 1000)
	s.Entry(n).Packets, s.Entry(n).Bytes = [2]uint64{1, 2}, [2]uint64{3, 4}
	bits := func(b uint32) *uint32 {
		v := s.Entry(n).Status | b
		return &v
	}
	number := func(v uint32) *uint32 { return &v }
	none := uint32(0)
	for _, row := range []struct {
		name   string
		c      *Changes
		result ToolResult
		kinds  EventMask
		check  func(f *Flow) bool
	}{
		{"mark", &Changes{Mark: number(5)}, ToolOK, EventMark, func(f *Flow) bool { return f.Mark == 5 }},
		{"timeout", &Changes{Timeout: number(50)}, ToolOK, 0, func(f *Flow) bool { return f.TimeoutSec == 50 }},
		{"status", &Changes{Status: bits(StatusAssured | StatusSeenReply)}, ToolOK, EventAssured | EventReply, func(f *Flow) bool { return f.Status&StatusAssured != 0 }},
		{"status lost", &Changes{Status: &none, Mark: number(9)}, ToolBusy, 0, func(f *Flow) bool { return f.Mark == 5 }},
		{"status of NAT", &Changes{Status: bits(StatusSrcNAT), Mark: number(9)}, ToolBusy, 0, func(f *Flow) bool { return f.Mark == 5 }},
		{"status lost, behind a timeout", &Changes{Status: &none, Timeout: number(44)}, ToolBusy, 0, func(f *Flow) bool { return f.TimeoutSec == 44 }},
		{"timeout again", &Changes{Timeout: number(50)}, ToolOK, 0, func(f *Flow) bool { return f.TimeoutSec == 50 }},
		{"labels", &Changes{Labels: &Labels{6, 1}, LabelMask: Labels{2, 1}}, ToolOK, EventLabel, func(f *Flow) bool { return f.Labels == Labels{2, 1} }},
		{"fixed", &Changes{Status: bits(StatusAssured | StatusSeenReply | StatusFixedTimeout)}, ToolOK, 0, nil},
		{"timeout of a fixed one", &Changes{Timeout: number(7)}, ToolFixed, 0, func(f *Flow) bool { return f.TimeoutSec == 50 }},
	} {
		drainEvents(table)
		s.Entry(n).Plan = [2]uint32{1, 2}
		result := s.Change(n, row.c, 1000)
		f := s.CopyFlow(n, 1000)
		if result != row.result || row.check != nil && !row.check(&f) {
			t.Errorf("%s: %d, %+v", row.name, result, f)
		}
		events := drainEvents(table)
		if result == ToolOK && (len(events) != 1 || events[0].Kinds&row.kinds != row.kinds || events[0].Tool != 77) || result != ToolOK && len(events) != 0 {
			t.Errorf("%s: events %+v", row.name, events)
		}
		if row.kinds != 0 && s.Entry(n).Plan != [2]uint32{} {
			t.Errorf("%s: the plan of before holds", row.name)
		}
	}
	f := s.CopyFlow(n, 1000)
	s.ZeroCounters(n)
	if f.Packets[1] != 2 || s.Entry(n).Packets != [2]uint64{} || s.Entry(n).Bytes != [2]uint64{} {
		t.Error("counters are not zeroed")
	}
	if !s.Still(&f) {
		t.Error("it is still there")
	}
	s.Delete(n)
	if s.Still(&f) || s.Change(n, &Changes{}, 1000) != ToolAbsent {
		t.Error("it is there no more")
	}
}

func drainEvents(t *Table) []Event {
	page := make([]Event, 64)
	return page[:t.ReadEvents(page)]
}

// TestMakeDelete makes and deletes at random on several shards: the count holds,
// and in the end nothing is left, in the directory either.
func TestMakeDelete(t *testing.T) {
	table := toolTable(t, 4)
	table.SetNAT(true)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	live := map[Tuple]uint32{}
	shard := func(tu *Tuple) *Shard { return table.Shard(table.Owner(table.Hash(tu))) }
	for range 5000 {
		tu := toolTuple(byte(r.IntN(4)), byte(10+r.IntN(4)), uint16(r.IntN(4)), 20)
		s := shard(&tu)
		if n, ok := live[tu]; ok {
			if s.Find(&tu, 1000) != n {
				t.Fatalf("%v is lost", tu)
			}
			s.Delete(n)
			delete(live, tu)
			continue
		}
		w := Wanted{Orig: tu, Reply: answerTo(tu), TimeoutSec: 1000}
		if r.IntN(2) == 0 {
			w.NAT, w.Reply.Dst[3], w.Reply.DstPort = true, 200, uint16(r.IntN(8))
		}
		switch n, result := s.Make(&w, 1000); result {
		case ToolOK:
			live[tu] = n
		case ToolExists:
		default:
			t.Fatalf("%v: %d", tu, result)
		}
		drainEvents(table)
	}
	if table.Count() != len(live) || len(live) == 0 {
		t.Errorf("count %d, want %d", table.Count(), len(live))
	}
	for tu, n := range live {
		shard(&tu).Delete(n)
	}
	if table.Count() != 0 {
		t.Errorf("count %d at the end", table.Count())
	}
	for i, w := range table.dir.words {
		if w != 0 {
			t.Errorf("word %d of the directory is left", i)
		}
	}
}
