package flowtable

import (
	"errors"
	"testing"
)

// TestGREKeys: with both keys known the two directions of a PPTP call are one
// flow; without, each is one of its own.
func TestGREKeys(t *testing.T) {
	tb := newTable(t, nil)
	s := tb.Shard(0)
	there := tuple(t, ProtoGRE, "10.0.0.1", 7, "10.0.0.2", 9) // bears call id 9; the answer bears 7
	back := mustInvert(t, there)
	parse := func(tu Tuple) Probe {
		tu.SrcPort = 0
		tu.SrcPort = tb.GREKey(&tu)
		return probe(tb, tu)
	}
	a := pass(t, s, parse(there), start)
	b := pass(t, s, parse(back), start)
	if a.Entry == b.Entry || b.Info != InfoNew || a.Hash != b.Hash {
		t.Fatalf("without keys: %+v %+v", a, b)
	}
	s.Delete(a.Entry)
	s.Delete(b.Entry)
	for range 2 { // said again, nothing changes
		if !tb.AddGREKey(&there) || !tb.AddGREKey(&back) {
			t.Fatal("no place")
		}
	}
	other := there
	other.SrcPort = 8
	if tb.AddGREKey(&other) {
		t.Error("two keys for one packet")
	}
	a, b = pass(t, s, parse(there), start), pass(t, s, parse(back), start)
	if a.Entry != b.Entry || b.Info != InfoEstablishedReply || a.Tuple != there {
		t.Errorf("with keys: %+v %+v", a, b)
	}
	tb.RemoveGREKey(&other) // not what was added
	if tb.GREKey(&there) != 7 {
		t.Error("somebody else's key was removed")
	}
	tb.RemoveGREKey(&there)
	tb.RemoveGREKey(&back)
	for i := range tb.gre {
		if tb.gre[i].Load() != 0 {
			t.Fatal("a word is left")
		}
	}
	full := 0
	for i := range uint16(65535) { // of one pair of hosts and more calls than fit
		x := there
		x.DstPort = i + 1
		if !tb.AddGREKey(&x) {
			full++
		} else if tb.GREKey(&x) != 7 {
			t.Fatal("lost")
		}
	}
	if full == 0 {
		t.Error("more keys than places")
	}
}

func TestSetTimeout(t *testing.T) {
	c := Default()
	for _, x := range c.TimeoutSettings() {
		if err := c.SetTimeout(x.Name, x.Seconds+1); err != nil {
			t.Error(err)
		}
	}
	for i, x := range c.TimeoutSettings() {
		d := Default()
		if x.Seconds != d.TimeoutSettings()[i].Seconds+1 {
			t.Errorf("%+v", x)
		}
	}
	for _, bad := range []error{c.SetTimeout("nf_conntrack_dccp_timeout_open", 1), c.SetTimeout("nf_conntrack_udp_timeout", 0)} {
		if !errors.Is(bad, ErrConfig) {
			t.Error(bad)
		}
	}
}
