package pair

import (
	"net/netip"
	"testing"
	"time"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/tools/frame"
)

// TestEdge: of a UDP flow only one side may be ASSURED when its two seconds were
// up during the comparison, as far as can be told, and at no other time.
func TestEdge(t *testing.T) {
	const late = 20 * time.Millisecond
	start := time.Unix(1000, 0)
	for _, row := range []struct {
		name   string
		proto  uint8
		after  time.Duration // of the comparison, since the flow began
		took   time.Duration // it
		status uint32        // that differs
		gone   bool          // in between
		want   bool
	}{
		{"before", frame.ProtoUDP, 1900 * time.Millisecond, 30 * time.Millisecond, flowtable.StatusAssured, false, false},
		{"at the end of it", frame.ProtoUDP, 1970 * time.Millisecond, 20 * time.Millisecond, flowtable.StatusAssured, false, true},
		{"in the middle", frame.ProtoUDPLite, 1900 * time.Millisecond, time.Second, flowtable.StatusAssured, false, true},
		{"begun late", frame.ProtoUDP, 2040 * time.Millisecond, 0, flowtable.StatusAssured, false, true},
		{"after", frame.ProtoUDP, 2100 * time.Millisecond, 30 * time.Millisecond, flowtable.StatusAssured, false, false},
		{"another flow of that name", frame.ProtoUDP, 1990 * time.Millisecond, 30 * time.Millisecond, flowtable.StatusAssured, true, false},
		{"tcp", frame.ProtoTCP, 1990 * time.Millisecond, 30 * time.Millisecond, flowtable.StatusAssured, false, false},
		{"answered", frame.ProtoUDP, 1990 * time.Millisecond, 30 * time.Millisecond, flowtable.StatusSeenReply, false, false},
		{"both", frame.ProtoUDP, 1990 * time.Millisecond, 30 * time.Millisecond, flowtable.StatusAssured | flowtable.StatusSeenReply, false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			tu := Tuple{Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), SrcPort: 1, DstPort: 2, Proto: row.proto}
			k, s := Entry{Orig: tu}, Entry{Orig: tu, Status: row.status}
			j := Judge{Late: late}
			see := func(at time.Duration, took time.Duration, k, s []Entry) {
				j.From, j.Took = start.Add(at), took
				j.Compare(&Outcome{Entries: k}, &Outcome{Entries: s})
			}
			see(0, 30*time.Millisecond, []Entry{k}, []Entry{k})
			if row.gone {
				see(time.Second, 0, nil, nil)
			}
			if see(row.after, row.took, []Entry{k}, []Entry{s}); j.Edge != row.want {
				t.Errorf("left to the machine: %t", j.Edge)
			}
		})
	}
}

// TestOver: an entry that only one side lists may have ended in between, if it had
// less than a second, or no more than the machine took.
func TestOver(t *testing.T) {
	for _, row := range []struct {
		timeout uint32
		late    time.Duration
		want    bool
	}{
		{0, 0, true}, {1, 0, false}, {1, 999 * time.Millisecond, false}, {30, 0, false}, {2, 3 * time.Second, true}, {2, 2 * time.Second, true}, {3, 2500 * time.Millisecond, false},
	} {
		timeout := row.timeout
		e := []Entry{{Timeout: timeout, Status: flowtable.StatusConfirmed}}
		for i, sides := range [2][2][]Entry{{e, nil}, {nil, e}} {
			j := Judge{Late: row.late}
			if diffs := j.Compare(&Outcome{Entries: sides[0]}, &Outcome{Entries: sides[1]}); len(diffs) != 1 || j.Edge != row.want {
				t.Errorf("on side %d alone with %d s: %q, left to the machine: %t", i, timeout, diffs, j.Edge)
			}
		}
	}
}
