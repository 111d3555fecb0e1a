package dataplane

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/tools/frame"
)

// planScript is one long connection each of TCP, UDP and, over IPv6, UDP.
type planScript struct {
	n    *testNet
	seen uint64 // what planned counted before
}

func (s *planScript) up(l ...frame.Layer) {
	s.n.lan.put(frame.Build(append([]frame.Layer{clientToBox}, l...)...))
	s.n.box.Drain()
}

func (s *planScript) down(l ...frame.Layer) {
	s.n.wan.put(frame.Build(append([]frame.Layer{serverToBox}, l...)...))
	s.n.box.Drain()
}

// planned returns how many packets went by a plan since the last call.
func (s *planScript) planned() uint64 {
	total := s.n.box.Stats().Total().Planned
	d := total - s.seen
	s.seen = total
	return d
}

// udp opens a UDP flow, seen in both directions, and makes plans for both.
func (s *planScript) udp() {
	for range 2 {
		s.up(upIP, upUDP)
		s.down(downIP, downUDP)
	}
	s.up(upIP, upUDP)
	s.planned()
}

var (
	upIP    = frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}
	downIP  = frame.IPv4{Src: "198.51.100.1", Dst: "203.0.113.1"}
	upUDP   = frame.UDP{Src: 4000, Dst: 53}
	downUDP = frame.UDP{Src: 53, Dst: 4000}
)

// demandPlanned demands that as many packets went by a plan since the last time.
func (s *planScript) demandPlanned(what string, want uint64) {
	s.n.t.Helper()
	if got := s.planned(); got != want {
		s.n.t.Errorf("%s: %d packets went by a plan, want %d", what, got, want)
	}
}

func TestPlanFollowsAndGuards(t *testing.T) {
	s := &planScript{n: newNet(t, natRules, 1)}
	s.udp()
	s.n.wan.take()
	s.n.lan.take()

	s.up(upIP, upUDP)
	s.down(downIP, downUDP)
	s.demandPlanned("established", 2)
	up, down := s.n.wan.take(), s.n.lan.take()
	if len(up) != 1 || len(down) != 1 {
		t.Fatalf("%d frames went up and %d down, want one each", len(up), len(down))
	}
	want := frame.Build(frame.Ether{Src: frame.MAC(benchMAC(2)), Dst: frame.MAC(benchMAC(0x20))},
		frame.IPv4{Src: "203.0.113.1", Dst: "198.51.100.1", TTL: 63}, upUDP)
	if string(up[0]) != string(want) {
		t.Errorf("by plan went\n%x, want\n%x", up[0], want)
	}

	for _, c := range []struct {
		name   string
		layers []frame.Layer
	}{
		{"TTL that runs out", []frame.Layer{frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", TTL: 1}, upUDP}},
		{"longer than the MTU", []frame.Layer{upIP, upUDP, frame.Zeros(1600)}},
		{"a fragment", []frame.Layer{frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", MF: true}, upUDP, frame.Zeros(16)}},
	} {
		s.up(c.layers...)
		s.demandPlanned(c.name, 0)
	}
	s.up(upIP, upUDP)
	s.demandPlanned("as before", 1)
}

// TestPlanSpoofedPort: the same addresses from another port must not pass by
// what the right port was allowed.
func TestPlanSpoofedPort(t *testing.T) {
	s := &planScript{n: newNet(t, `table ip fw {
	chain forward {
		type filter hook forward priority filter; policy drop;
		iifname "lan" ip saddr 10.0.0.0/24 counter accept
		iifname "wan" ip daddr 10.0.0.0/24 ct state established counter accept
	}
}
`, 1)}
	back := frame.IPv4{Src: "198.51.100.1", Dst: "10.0.0.2"}
	for range 3 {
		s.up(upIP, upUDP)
		s.down(back, downUDP)
	}
	s.planned()
	s.n.wan.take()
	s.down(upIP, upUDP) // as the client, but from the wan
	s.demandPlanned("spoofed", 0)
	if got := s.n.wan.take(); len(got) != 0 {
		t.Errorf("a spoofed packet left: %x", got)
	}
	s.up(upIP, upUDP)
	s.demandPlanned("the client itself", 1)
}

// TestPlanMarks: what a rule makes of a mark changes when a tool or the other
// direction changes it.
func TestPlanMarks(t *testing.T) {
	rules := `table ip fw {
	chain forward {
		type filter hook forward priority filter; policy accept;
		ct mark 7 counter drop
		udp sport 53 udp dport 4000 ct mark set 1
		counter
	}
}
`
	s := &planScript{n: newNet(t, rules, 1)}
	back := frame.IPv4{Src: "198.51.100.1", Dst: "10.0.0.2"}
	for range 3 {
		s.up(upIP, upUDP)
		s.down(back, downUDP)
	}
	s.planned()
	s.up(upIP, upUDP)
	s.down(back, downUDP)
	s.demandPlanned("mark set to what it is", 2)
	w := s.n.box.workers[0]
	w.shard.SetMark(1, 7)
	s.n.wan.take()
	s.up(upIP, upUDP)
	s.demandPlanned("mark changed by a tool", 0)
	if got := s.n.wan.take(); len(got) != 0 {
		t.Errorf("left in spite of ct mark 7: %x", got)
	}
	w.shard.SetMark(1, 0)
	s.down(back, downUDP) // sets it to 1: this walk is not what the next would be
	s.down(back, downUDP)
	s.demandPlanned("mark flipped by the reply side, and the walk behind it", 0)
	s.down(back, downUDP)
	s.demandPlanned("mark as it was", 1)
}

// TestPlanOpenFacts: rules that ask what may differ between packets of a flow
// keep it from having plans, but only where they are asked.
func TestPlanOpenFacts(t *testing.T) {
	for _, c := range []struct {
		name, rule string
		planned    uint64 // of two packets
	}{
		{"addresses and ports", `ip saddr 10.0.0.0/24 udp dport { 53, 54 } accept`, 2},
		{"length", `meta length > 1000 drop`, 0},
		{"ttl", `ip ttl 5 drop`, 0},
		{"ttl of other flows", `udp dport 99 ip ttl 5 drop`, 2},
		{"ttl behind the verdict", "udp dport 53 accept\n		udp sport 53 accept\n		ip ttl 5 drop", 2},
		{"log", `udp dport 53 log prefix "x"`, 0},
		{"udp length", `udp length 8 counter`, 0},
		{"tcp flags", `tcp flags & (syn|rst) == syn drop`, 2},
		{"expiration", `ct expiration > 1h drop`, 0},
		{"dscp", `ip dscp cs1 drop`, 0},
		{"state, status, direction, mark", `ct state established ct status confirmed ct direction original ct mark 0 meta mark 0 counter accept`, 2},
		{"interfaces", `iifname "lan" oifname "wan" meta l4proto udp accept`, 2},
		{"too many counters", strings.Repeat("counter\n		", 20), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &planScript{n: newNet(t, `table ip fw {
	chain forward {
		type filter hook forward priority filter; policy accept;
		`+c.rule+`
	}
}
table ip track {
	chain pre {
		type filter hook prerouting priority mangle; policy accept;
		ct state new counter
	}
}
`, 1)}
			s.up(upIP, upUDP)
			s.down(frame.IPv4{Src: "198.51.100.1", Dst: "10.0.0.2"}, downUDP)
			s.up(upIP, upUDP)
			s.planned()
			s.up(upIP, upUDP)
			s.up(upIP, upUDP)
			s.demandPlanned(c.rule, c.planned)
			blockers := s.n.box.PlanBlockers()
			if blocked := c.planned == 0; (len(blockers) == 1) != blocked {
				t.Errorf("rules that forbid plans: %+v", blockers)
			} else if blocked && !strings.Contains(s.n.box.Rules().Rule(blockers[0].Rule).Text, strings.Fields(c.rule)[0]) {
				t.Errorf("blamed %q", s.n.box.Rules().Rule(blockers[0].Rule).Text)
			}
		})
	}
}

// TestPlanTCPClass: SYN, FIN and RST walk, whatever plan the flow has.
func TestPlanTCPClass(t *testing.T) {
	s := &planScript{n: newNet(t, natRules, 1)}
	tcp := func(flags string, seq, ack uint32) frame.Layer {
		return frame.TCP{Src: 4000, Dst: 80, Flags: flags, Seq: seq, Ack: ack, Window: 60000}
	}
	answer := func(flags string, seq, ack uint32) frame.Layer {
		return frame.TCP{Src: 80, Dst: 4000, Flags: flags, Seq: seq, Ack: ack, Window: 60000}
	}
	s.up(upIP, tcp("S", 100, 0))
	s.down(downIP, answer("SA", 500, 101))
	s.up(upIP, tcp("A", 101, 501))
	s.up(upIP, tcp("A", 101, 501))
	s.planned()
	for _, c := range []struct {
		flags string
		want  uint64
	}{{"A", 1}, {"PA", 1}, {"PA", 1}, {"AU", 0}, {"S", 0}, {"A", 1}, {"FA", 0}} {
		s.up(upIP, tcp(c.flags, 101, 501))
		s.demandPlanned("flags "+c.flags, c.want)
	}
}

// TestPlanRoutes: a route or neighbour that changes redoes the plans that it
// concerns and leaves the others alone; new rules void all.
func TestPlanRoutes(t *testing.T) {
	s := &planScript{n: newNet(t, natRules, 1)}
	s.udp()
	state := func(gateway string, mac byte) {
		t.Helper()
		cfg := &s.n.box.cfg
		st := State{Routes: []route.Route{
			{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr(gateway), Port: 1},
			{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Port: 1},
			{Prefix: netip.MustParsePrefix("203.0.113.1/32"), Kind: route.Local},
			{Prefix: netip.MustParsePrefix("10.0.0.0/24"), Port: 0},
			{Prefix: netip.MustParsePrefix("10.0.0.1/32"), Kind: route.Local},
		}, Neighbours: []route.Neighbour{
			{Port: 0, Addr: netip.MustParseAddr("10.0.0.2"), MAC: [6]byte(benchMAC(0x10))},
			{Port: 1, Addr: netip.MustParseAddr(gateway), MAC: [6]byte(benchMAC(mac))},
		}}
		for i := range cfg.Ports {
			st.Ports = append(st.Ports, PortState{Addrs: cfg.Ports[i].Addrs, MAC: [6]byte(benchMAC(byte(1 + i))), MTU: 1500})
		}
		if err := s.n.box.SetState(st); err != nil {
			t.Fatal(err)
		}
		s.n.wan.take()
	}
	sentTo := func(mac byte) {
		t.Helper()
		got := s.n.wan.take()
		if len(got) != 1 || got[0][5] != mac {
			t.Errorf("%d frames, %x, want one to MAC %#x", len(got), got, mac)
		}
	}

	state("203.0.113.2", 0x20)
	s.up(upIP, upUDP)
	s.demandPlanned("same way under new routes", 1)
	sentTo(0x20)

	state("203.0.113.3", 0x30)
	s.up(upIP, upUDP)
	s.demandPlanned("another gateway", 1)
	sentTo(0x30)
	s.up(upIP, upUDP)
	s.demandPlanned("and again", 1)
	sentTo(0x30)

	all := s.n.box.workers[0].plans.routed.all
	state("203.0.113.3", 0x31)
	s.up(upIP, upUDP)
	s.demandPlanned("another MAC", 1)
	sentTo(0x31)
	if now := s.n.box.workers[0].plans.routed.all; now != all {
		t.Errorf("another MAC of the gateway concerns all packets since stamp %d, before it %d", now, all)
	}
	s.down(downIP, downUDP)
	s.demandPlanned("the other direction did not change", 1)

	s.n.load(strings.Replace(natRules, "counter accept", "drop", 1) + "\n")
	s.up(upIP, upUDP)
	s.demandPlanned("new rules", 0)
}

// TestPlanStamps: when the stamps of the tables run out no old plan comes to
// life again.
func TestPlanStamps(t *testing.T) {
	s := &planScript{n: newNet(t, natRules, 1)}
	s.udp()
	s.up(upIP, upUDP)
	s.demandPlanned("at first", 1)
	ps := &s.n.box.workers[0].plans
	ps.now = stampMax
	s.n.load(natRules)
	for i := 0; i < 100 && (ps.sweep != 0 || i == 0); i++ {
		s.n.box.workers[0].round(false)
	}
	if ps.sweep != 0 || ps.now != 1 {
		t.Fatalf("the sweep stands at %d, stamp %d", ps.sweep, ps.now)
	}
	if e := s.n.box.workers[0].shard.Entry(1); e.Plan != [2]uint32{} {
		t.Errorf("plans %v after the sweep", e.Plan)
	}
	s.up(upIP, upUDP)
	s.demandPlanned("after the sweep", 0)
	s.up(upIP, upUDP)
	s.demandPlanned("learnt anew", 1)
}

// TestPlanNumbers: equal plans have one number; when there are too many all are
// forgotten, and none is taken for another.
func TestPlanNumbers(t *testing.T) {
	var ps plans
	if err := ps.reserve(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, err := range ps.release() {
			if err != nil {
				t.Error(err)
			}
		}
	}()
	make := func(i int) *plan {
		return &plan{out: uint16(i % 7), rule: uint32(i), mtu: 1500, n: 1}
	}
	for round := range 2 {
		for i := range planMax {
			if n := ps.number(make(i)); int(n) != i+1 {
				t.Fatalf("round %d: plan %d has number %d", round, i, n)
			}
		}
	}
	first := ps.first
	if n := ps.number(make(planMax)); n != 1 || ps.first <= first {
		t.Errorf("one plan too many has number %d, first stamp %d, before %d", n, ps.first, first)
	}
	if got := ps.list[1]; got != *make(planMax) {
		t.Errorf("number 1 is %+v", got)
	}
}

// TestPlanMoves: plans get the new link address of their next hop, those of others with
// the same one do not; where there are too many plans to look at each, all are void.
func TestPlanMoves(t *testing.T) {
	ps := plans{list: make([]plan, planMax+1), used: 3, now: 7}
	mac := func(b byte) [6]byte { return [6]byte(benchMAC(b)) }
	for i, b := range []byte{0x20, 0x20, 0x21} {
		pl := &ps.list[1+i]
		pl.next = uint64(1 + i)
		copy(pl.macs[:], benchMAC(b))
		copy(pl.macs[6:], benchMAC(2))
	}
	ps.move([]move{{1, mac(0x20), mac(0x30)}, {3, mac(0x22), mac(0x31)}})
	for i, want := range []byte{0x30, 0x20, 0x21} {
		if got := ps.list[1+i].macs; [6]byte(got[:6]) != mac(want) || [6]byte(got[6:]) != mac(2) {
			t.Errorf("plan %d goes to %x, want MAC %#x", 1+i, got, want)
		}
	}
	if ps.routed.all != 0 {
		t.Errorf("routed.all is %d", ps.routed.all)
	}
	ps.used = moveMost + 1
	if ps.move([]move{{1, mac(0x30), mac(0x20)}}); ps.routed.all != 7 {
		t.Errorf("with %d plans routed.all is %d, want 7", ps.used, ps.routed.all)
	}
}

// TestPlanShare: in real connections nearly all packets go by a plan.
func TestPlanShare(t *testing.T) {
	s := &planScript{n: newNet(t, natRules, 1)}
	s.udp()
	for i := range 100 {
		s.n.clock.Advance(time.Second)
		s.up(upIP, upUDP)
		s.down(downIP, downUDP)
		if i == 10 {
			if e := s.n.box.workers[0].shard.Entry(1); e.Status&flowtable.StatusAssured == 0 {
				t.Fatalf("not assured: status %#x", e.Status)
			}
		}
	}
	// The one that becomes assured finds its plan cleared, and so does the other
	// direction's next.
	s.demandPlanned("a stream", 198)
}
