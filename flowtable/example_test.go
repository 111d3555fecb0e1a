package flowtable_test

import (
	"fmt"

	"github.com/sluice-net/sluice/flowtable"
)

// A tracker for a protocol of one's own: OSPF (89) flows live for as long as
// its dead interval, and are assured once both sides were heard.
func Example_tracker() {
	cfg := flowtable.Default()
	cfg.Max = 1024
	cfg.Trackers = []flowtable.Tracker{{
		Name: "ospf", Proto: 89,
		Timeouts:  []flowtable.TimeoutSetting{{Name: "nf_conntrack_ospf_timeout", Seconds: 40}},
		StateName: func(s flowtable.TCPState) string { return [...]string{"DOWN", "TWO_WAY"}[s&1] },
		MayDrop:   func(e *flowtable.Entry) bool { return e.State == 0 },
		Packet: func(s *flowtable.Shard, p *flowtable.Probe, n uint32, now uint32) flowtable.Outcome {
			if e := s.Entry(n); p.Dir == flowtable.Reply {
				e.State = 1
			}
			s.Refresh(p, n, s.Timeout(p, 0), now)
			return flowtable.OutcomeAccept
		},
	}}
	if err := cfg.SetTimeout("nf_conntrack_ospf_timeout", 120); err != nil {
		fmt.Println(err)
	}
	t, err := flowtable.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close()

	tu := flowtable.Tuple{Src: [16]byte{10, 0, 0, 1}, Dst: [16]byte{10, 0, 0, 2}, Proto: 89, Family: flowtable.FamilyIPv4}
	answer, _ := flowtable.Invert(&tu)
	s := t.Shard(0)
	for _, x := range []flowtable.Tuple{tu, answer} {
		p := flowtable.Probe{Tuple: x, Hash: t.Hash(&x), Bytes: 64, Kind: flowtable.KindFlow}
		s.Track(&p, 1000)
		s.Confirm(&p, 1000)
		tr, e := t.Tracker(x.Family, x.Proto), s.Entry(p.Entry)
		fmt.Println(tr.Name, tr.StateName(e.State), (e.Expires-1000)/1000, "s")
	}
	// Output:
	// ospf DOWN 120 s
	// ospf TWO_WAY 120 s
}
