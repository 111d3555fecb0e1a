package flowtable

import "testing"

// TestSeqAdjust follows a sender whose segments at 1000 and 2000 grow by 5 and
// shrink by 2.
func TestSeqAdjust(t *testing.T) {
	tb := withHelpers(t, nil)
	s := tb.Shard(0)
	n := master(t, tb, s, tuple(t, ProtoTCP, "10.9.1.2", 41021, "10.9.2.2", 21), ftpHelper)
	e := s.Entry(n)
	e.Plan = [2]uint32{1, 1}
	s.AdjustSeq(n, Original, 1000, 0)
	if e.Status&StatusSeqAdjust != 0 {
		t.Fatal("nothing changed, but numbers are adjusted")
	}
	s.AdjustSeq(n, Original, 1000, 5)
	if e.Status&StatusSeqAdjust == 0 || e.Plan != [2]uint32{} {
		t.Fatalf("status %x, plans %v", e.Status, e.Plan)
	}
	s.AdjustSeq(n, Original, 1000, 5) // sent again
	a := &s.SeqAdjust(n)[Original]
	check := func(what string, got, want int32) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	check("the segment itself", a.Sent(1000), 0)
	check("behind it", a.Sent(1001), 5)
	check("ack of the segment's start", a.Acked(1000), 0)
	check("ack behind it", a.Acked(1030), 5)
	s.AdjustSeq(n, Original, 2000, -2)
	s.AdjustSeq(n, Original, 1000, 5)
	check("between", a.Sent(2000), 5)
	check("behind both", a.Sent(2001), 3)
	check("ack between", a.Acked(2005), 5)
	check("ack behind both", a.Acked(2006), 3)
	check("the other direction", s.SeqAdjust(n)[Reply].Sent(5000), 0)
	*a = SeqAdjust{Position: 0xfffffff0, Before: 0, After: 7}
	check("wrapped", a.Sent(5), 7)
	check("not yet wrapped", a.Sent(0xffffff00), 0)
}
