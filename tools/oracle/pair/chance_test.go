package pair

import (
	"net/netip"
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

var (
	inner = netip.MustParseAddr("10.0.0.1")
	given = netip.MustParseAddr("203.0.113.200") // by NAT, with a port of 5000 to 5003
	there = netip.MustParseAddr("203.0.113.3")
)

// translated is a TCP segment, from the LAN's side unless answer is set, with the
// port that NAT gives it, or of the LAN's host itself for 0.
func translated(port int, answer bool, seq uint32) []byte {
	from, to, t := given, there, frame.TCP{Src: uint16(port), Dst: 80, Flags: "A", Seq: seq}
	if port == 0 {
		from, t.Src = inner, 40000
	}
	if answer {
		from, to, t.Src, t.Dst = to, from, t.Dst, t.Src
	}
	return frame.Build(frame.Ether{}, frame.IPv4{Src: from.String(), Dst: to.String()}, t)
}

// TestChance: ports that NAT chose by chance are matched up by frames and listings,
// and what is no such choice is a difference. Where one of both gives again what it
// had given, and the other something else, the rest means two things.
func TestChance(t *testing.T) {
	type step struct {
		sent, out [2][]int // what bears them to the kernel and to sluice, and from them to the WAN; in sent 0 begins a flow, others answer
		listed    [2]int   // the port of the flow that is left
	}
	both := func(n ...int) [2][]int { return [2][]int{n, n} }
	for _, row := range []struct {
		name         string
		steps        []step
		diffs, again bool
	}{
		{"alike", []step{{both(0), both(5000), [2]int{5000, 5000}}}, false, false},
		{"in a frame", []step{{both(0), [2][]int{{5001}, {5000}}, [2]int{}}}, false, false},
		{"in a listing", []step{{both(0), both(), [2]int{5001, 5000}}}, false, false},
		{"none that the rule gives", []step{{both(0), [2][]int{{5001}, {600}}, [2]int{}}}, true, false},
		{"only for sluice", []step{{both(0), [2][]int{{0}, {5000}}, [2]int{}}}, true, false},
		{"two flows", []step{{both(0, 0), [2][]int{{5001, 5002}, {5003, 5000}}, [2]int{}}}, false, false},
		{"one flow to two", []step{{both(0, 0), [2][]int{{5001, 5001}, {5003, 5000}}, [2]int{}}}, false, true},
		{"answers within a burst", []step{{[2][]int{{0, 5001}, {0, 5000}}, [2][]int{{5001}, {5000}}, [2]int{}}}, false, false},
		{"answers within a burst to the kernel's second flow", []step{{[2][]int{{0, 0, 5001}, {0, 0, 5002}}, [2][]int{{5001, 5001}, {5000, 5002}}, [2]int{}}}, false, true},
		{"again for sluice alone", []step{
			{both(0), [2][]int{{5003}, {5000}}, [2]int{}},
			{both(0), [2][]int{{5002}, {5000}}, [2]int{}},
		}, false, true},
		{"again for sluice alone, and what the kernel gives", []step{
			{both(0), [2][]int{{5003}, {5000}}, [2]int{}},
			{both(0), both(5000), [2]int{}},
		}, false, true},
		{"so in a listing", []step{
			{both(0), [2][]int{{5003}, {5000}}, [2]int{}},
			{both(0), both(), [2]int{5000, 5000}},
		}, false, true},
		{"again for the kernel alone", []step{
			{both(0), both(), [2]int{5003, 5000}},
			{both(0), both(), [2]int{5003, 5001}},
		}, false, true},
		{"again for the kernel alone, after what was alike", []step{
			{both(0), both(5001), [2]int{}},
			{both(0), [2][]int{{5001}, {5000}}, [2]int{}},
		}, false, true},
		{"again for both", []step{
			{both(0), [2][]int{{5003}, {5000}}, [2]int{}},
			{both(0), [2][]int{{5003}, {5000}}, [2]int{}},
		}, false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			j := Judge{Free: func(a netip.Addr, port uint16) bool { return a == given && port >= 5000 && port <= 5003 }}
			var diffs []string
			for n, s := range row.steps {
				var sides [2]Outcome
				for i := range sides {
					for _, port := range s.sent[i] {
						side := Lan
						if port != 0 {
							side = Wan
						}
						sides[i].Sent = append(sides[i].Sent, Frame{side, translated(port, port != 0, uint32(n))})
					}
					for at, port := range s.out[i] {
						sides[i].Frames = append(sides[i].Frames, Frame{Wan, translated(port, false, uint32(at))})
					}
					if port := s.listed[i]; port != 0 {
						orig := Tuple{Src: inner, Dst: there, SrcPort: 40000, DstPort: 80, Proto: frame.ProtoTCP}
						e := Entry{Orig: orig, Reply: Tuple{Src: there, Dst: given, SrcPort: 80, DstPort: uint16(port), Proto: frame.ProtoTCP}}
						e.Text = WithoutTimeout(e.Line())
						sides[i].Entries = []Entry{e}
					}
				}
				diffs = append(diffs, j.Compare(&sides[0], &sides[1])...)
			}
			if len(diffs) > 0 != row.diffs || j.Again != row.again {
				t.Errorf("given again: %t; %q", j.Again, diffs)
			}
		})
	}
}
