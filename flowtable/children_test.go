package flowtable

import "testing"

// TestChildren: a master tells of the children that live, whoever owns them, and
// a flow that comes after it in its entry does not tell of them.
func TestChildren(t *testing.T) {
	for _, workers := range []int{1, 2} {
		tb := withHelpers(t, func(c *Config) { c.Workers = workers })
		ours, theirs := tb.Shard(0), tb.Shard(workers-1)
		m := uint32(0)
		is := func(want uint16, when string) {
			t.Helper()
			if f := ours.CopyFlow(m, start); f.Children != want {
				t.Errorf("%d workers, %s: %d children, want %d", workers, when, f.Children, want)
			}
		}
		child := func(port uint16) uint32 {
			t.Helper()
			if r := ours.Expect(m, announce(t, ProtoUDP, "10.9.1.2", "10.9.2.2", port), start); r != ExpectOK {
				t.Fatal(r)
			}
			p := probe(tb, tuple(t, ProtoUDP, "10.9.1.2", 999, "10.9.2.2", port))
			p.Foreign = false
			if a := theirs.Track(&p, start); a != ActionAccept || p.Info != InfoRelated || !theirs.Confirm(&p, start) {
				t.Fatalf("action %d info %d: %v", a, p.Info, p.Reason)
			}
			return p.Entry
		}
		tu := tuple(t, ProtoTCP, "10.9.1.2", 41021, "10.9.2.2", 21)
		m = master(t, tb, ours, tu, ftpHelper)
		is(0, "at first")
		a := child(10000)
		is(1, "one child")
		b := child(10001)
		is(2, "two children")
		theirs.Delete(a)
		is(1, "one has ended")
		ours.Delete(m)
		m = master(t, tb, ours, tu, ftpHelper)
		is(0, "another master of the same tuple")
		c := child(10002)
		is(1, "its own child")
		theirs.Delete(b)
		is(1, "a child of the one before has ended")
		theirs.Delete(c)
		is(0, "none lives")
	}
}
