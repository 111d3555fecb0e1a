package dataplane

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/tools/frame"
)

// exchange is one step of a table test: a frame in, the summaries of the frames
// that leave. Summaries are frame.Decoded's.
type exchange struct {
	wan  bool // arrives on wan, else on lan
	in   []frame.Layer
	lan  []string // what leaves by lan
	wans []string // what leaves by wan
	drop packet.Drop
	host bool
}

func lanIn(l ...frame.Layer) []frame.Layer { return append([]frame.Layer{clientToBox}, l...) }
func wanIn(l ...frame.Layer) []frame.Layer { return append([]frame.Layer{serverToBox}, l...) }

const acceptAll = "table inet t { chain f { type filter hook forward priority 0; ct state new counter; }\n}\n"

func TestRouter(t *testing.T) {
	ip4 := func(a, b string) frame.Layer { return frame.IPv4{Src: a, Dst: b} }
	ip6 := func(a, b string) frame.Layer { return frame.IPv6{Src: a, Dst: b} }
	udp := func(a, b uint16) frame.Layer { return frame.UDP{Src: a, Dst: b} }
	cases := []struct {
		name  string
		rules string
		steps []exchange
	}{
		{"stateless forward", "", []exchange{
			{in: lanIn(ip4("10.0.0.2", "198.51.100.1"), udp(1, 2)), wans: []string{"10.0.0.2:1 > 198.51.100.1:2 udp ttl 63 len 28"}},
			{in: lanIn(ip6("fd00:a::2", "2001:db8::1"), udp(1, 2)), wans: []string{"[fd00:a::2]:1 > [2001:db8::1]:2 udp ttl 63 len 48"}},
			{wan: true, in: wanIn(ip4("198.51.100.1", "10.0.0.2"), udp(2, 1)), lan: []string{"198.51.100.1:2 > 10.0.0.2:1 udp ttl 63 len 28"}},
		}},
		{"time exceeded", acceptAll, []exchange{
			{in: lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", TTL: 1}, udp(1, 2)), drop: packet.DropTTL,
				lan: []string{"10.0.0.1 > 10.0.0.2 icmp 11/0 ttl 64 len 56 [10.0.0.2:1 > 198.51.100.1:2 udp ttl 1 len 28]"}},
		}},
		{"no route", acceptAll, []exchange{
			{in: lanIn(ip6("fd00:a::2", "fd00:a::99"), udp(1, 2)), drop: packet.DropNoNeighbour,
				lan: []string{"fd00:a::1 > fd00:a::2 icmpv6 1/3 ttl 64 len 96 [[fd00:a::2]:1 > [fd00:a::99]:2 udp ttl 63 len 48]"}},
		}},
		{"for the box", acceptAll, []exchange{
			{in: lanIn(ip4("10.0.0.2", "10.0.0.1"), frame.ICMP{Type: 8, ID: 1}), host: true},
			{in: lanIn(ip4("10.0.0.2", "224.0.0.251"), udp(5353, 5353)), host: true},
			{in: lanIn(frame.ARP{Sender: "10.0.0.2", Target: "10.0.0.1"}), host: true},
		}},
		{"not for the box", acceptAll, []exchange{
			{in: []frame.Layer{frame.Ether{Dst: frame.MAC{2, 0, 0, 0, 0, 0x77}}, ip4("10.0.0.2", "198.51.100.1"), udp(1, 2)}, drop: packet.DropOtherHost},
			{in: []frame.Layer{frame.Ether{Dst: frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, ip4("10.0.0.2", "198.51.100.1"), udp(1, 2)}, drop: packet.DropMulticast},
		}},
		{"policy drop leaves no flow", "table ip t { chain f { type filter hook forward priority 0; policy drop; ct state established accept; }\n}", []exchange{
			{in: lanIn(ip4("10.0.0.2", "198.51.100.1"), udp(1, 2)), drop: packet.DropPolicy},
		}},
		{"reject with reset", "table ip t { chain f { type filter hook forward priority 0; tcp dport 23 reject with tcp reset; }\n}", []exchange{
			{in: lanIn(ip4("10.0.0.2", "198.51.100.1"), frame.TCP{Src: 9, Dst: 23, Flags: "S", Seq: 41}), drop: packet.DropReject,
				lan: []string{"198.51.100.1:23 > 10.0.0.2:9 tcp RA ttl 64 len 40"}},
		}},
		{"masquerade and back", natRules, []exchange{
			{in: lanIn(ip4("10.0.0.2", "198.51.100.1"), frame.TCP{Src: 4000, Dst: 80, Flags: "S", Seq: 1}),
				wans: []string{"203.0.113.1:4000 > 198.51.100.1:80 tcp S ttl 63 len 40"}},
			{wan: true, in: wanIn(ip4("198.51.100.1", "203.0.113.1"), frame.TCP{Src: 80, Dst: 4000, Flags: "SA", Seq: 7, Ack: 2}),
				lan: []string{"198.51.100.1:80 > 10.0.0.2:4000 tcp SA ttl 63 len 40"}},
			{wan: true, in: wanIn(ip4("198.51.100.2", "203.0.113.1"), frame.TCP{Src: 80, Dst: 4000, Flags: "S", Seq: 7}), drop: packet.DropPolicy},
		}},
		{"port forward", natRules, []exchange{
			{wan: true, in: wanIn(ip4("198.51.100.1", "203.0.113.1"), frame.TCP{Src: 555, Dst: 8080, Flags: "S", Seq: 7}),
				lan: []string{"198.51.100.1:555 > 10.0.0.9:80 tcp S ttl 63 len 40"}},
			{in: lanIn(ip4("10.0.0.9", "198.51.100.1"), frame.TCP{Src: 80, Dst: 555, Flags: "SA", Seq: 1, Ack: 8}),
				wans: []string{"203.0.113.1:8080 > 198.51.100.1:555 tcp SA ttl 63 len 40"}},
		}},
		{"hairpin: both halves translated", `table ip nat {
	chain pre { type nat hook prerouting priority dstnat; ip daddr 203.0.113.1 tcp dport 8080 dnat to 10.0.0.9:80; }
	chain post { type nat hook postrouting priority srcnat; oifname "lan" ct status dnat masquerade; }
}
`, []exchange{
			{in: lanIn(ip4("10.0.0.2", "203.0.113.1"), frame.TCP{Src: 555, Dst: 8080, Flags: "S", Seq: 7}),
				lan: []string{"10.0.0.1:555 > 10.0.0.9:80 tcp S ttl 63 len 40"}},
			{in: lanIn(ip4("10.0.0.9", "10.0.0.1"), frame.TCP{Src: 80, Dst: 555, Flags: "SA", Seq: 1, Ack: 8}),
				lan: []string{"203.0.113.1:8080 > 10.0.0.2:555 tcp SA ttl 63 len 40"}},
			{in: lanIn(ip4("10.0.0.2", "203.0.113.1"), frame.TCP{Src: 555, Dst: 8080, Flags: "A", Seq: 8, Ack: 2}),
				lan: []string{"10.0.0.1:555 > 10.0.0.9:80 tcp A ttl 63 len 40"}},
		}},
		{"icmp error through masquerade", natRules, []exchange{
			{in: lanIn(ip4("10.0.0.2", "198.51.100.1"), udp(4000, 33434)), wans: []string{"203.0.113.1:4000 > 198.51.100.1:33434 udp ttl 63 len 28"}},
			{wan: true, in: wanIn(ip4("192.0.2.77", "203.0.113.1"), frame.ICMP{Type: 11}, frame.Cut(28), frame.IPv4{Src: "203.0.113.1", Dst: "198.51.100.1", TTL: 1}, udp(4000, 33434)),
				lan: []string{"192.0.2.77 > 10.0.0.2 icmp 11/0 ttl 63 len 56 [10.0.0.2:4000 > 198.51.100.1:33434 udp ttl 1 len 28]"}},
		}},
		{"echo through masquerade", natRules, []exchange{
			{in: lanIn(ip6("fd00:a::2", "2001:db8::1"), frame.ICMPv6{Type: 128, ID: 9, Seq: 1}), wans: []string{"fd00:b::1 > 2001:db8::1 icmpv6 128/0 id 9 ttl 63 len 48"}},
			{wan: true, in: wanIn(ip6("2001:db8::1", "fd00:b::1"), frame.ICMPv6{Type: 129, ID: 9, Seq: 1}), lan: []string{"2001:db8::1 > fd00:a::2 icmpv6 129/0 id 9 ttl 63 len 48"}},
		}},
		{"a tagged frame is for nobody, a priority tag is taken away", "", []exchange{
			{in: []frame.Layer{clientToBox, frame.VLAN{TCI: 7}, ip4("10.0.0.2", "198.51.100.1"), udp(1, 2)}, drop: packet.DropVLAN},
			{in: []frame.Layer{clientToBox, frame.VLAN{TCI: 0xe000}, ip4("10.0.0.2", "198.51.100.1"), udp(1, 2)}, wans: []string{"10.0.0.2:1 > 198.51.100.1:2 udp ttl 63 len 28"}},
		}},
		{"broadcasts are for the box and nobody is told", "table inet t {\nchain i { type filter hook input priority 0; udp dport 9 reject; ct state new; }\n}\n", []exchange{
			{in: []frame.Layer{frame.Ether{Dst: frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, ip4("0.0.0.0", "255.255.255.255"), udp(68, 67)}, host: true},
			{in: lanIn(ip4("10.0.0.2", "10.0.0.255"), udp(1, 2)), host: true},
			{wan: true, in: wanIn(ip4("198.51.100.1", "10.0.0.255"), udp(1, 2)), host: true},
			{in: lanIn(ip4("10.0.0.2", "10.0.0.255"), udp(1, 9)), drop: packet.DropReject},
		}},
		{"the box's own address from outside", acceptAll, []exchange{
			{in: lanIn(ip4("203.0.113.1", "198.51.100.1"), udp(1, 2)), drop: packet.DropIPAddress},
			{wan: true, in: wanIn(ip4("10.0.0.1", "10.0.0.2"), udp(1, 2)), drop: packet.DropIPAddress},
		}},
		{"link-local addresses do not cross", acceptAll, []exchange{
			{in: lanIn(ip6("fe80::2", "2001:db8::1"), udp(1, 2)), drop: packet.DropIPAddress,
				lan: []string{"fd00:a::1 > fe80::2 icmpv6 1/2 ttl 64 len 96 [[fe80::2]:1 > [2001:db8::1]:2 udp ttl 64 len 48]"}},
			{in: lanIn(ip6("fd00:a::2", "fe80::1"), udp(1, 2)), host: true},
		}},
		{"a wrong checksum is invalid", natRules, []exchange{
			{in: lanIn(ip4("10.0.0.2", "198.51.100.1"), frame.UDP{Src: 1, Dst: 2, Sum: frame.SumWrong}), drop: packet.DropPolicy},
			{in: lanIn(ip4("10.0.0.2", "198.51.100.1"), udp(4000, 33434)), wans: []string{"203.0.113.1:4000 > 198.51.100.1:33434 udp ttl 63 len 28"}},
			{wan: true, in: wanIn(ip4("192.0.2.77", "203.0.113.1"), frame.ICMP{Type: 3, Code: 1, Sum: frame.SumWrong}, frame.Cut(28), ip4("203.0.113.1", "198.51.100.1"), udp(4000, 33434)), drop: packet.DropPolicy},
		}},
		{"rules stop at an authentication header", "table inet t {\nchain f { type filter hook forward priority 0; policy drop; udp dport 6 accept; }\n}\n", []exchange{
			{in: lanIn(ip6("fd00:a::2", "2001:db8::1"), udp(1, 6)), wans: []string{"[fd00:a::2]:1 > [2001:db8::1]:6 udp ttl 63 len 48"}},
			{in: lanIn(ip6("fd00:a::2", "2001:db8::1"), frame.Ext{Kind: frame.Auth}, udp(1, 6)), drop: packet.DropPolicy},
		}},
		{"an answer goes where the flow leads that it is taken for", `table inet t {
	chain d { type nat hook prerouting priority dstnat; ip daddr 198.51.100.1 dnat ip to 10.0.0.9; }
	chain f { type filter hook forward priority 0; ct state invalid reject with icmp host-unreachable; }
}
`, []exchange{
			{in: lanIn(ip4("10.0.0.2", "198.51.100.1"), frame.TCP{Src: 1, Dst: 2, Flags: "S"}), lan: []string{"10.0.0.2:1 > 10.0.0.9:2 tcp S ttl 63 len 40"}},
			{wan: true, in: wanIn(ip4("198.51.100.1", "10.0.0.2"), frame.TCP{Src: 2, Dst: 1, Flags: "SF"}), drop: packet.DropReject,
				lan: []string{"203.0.113.1 > 10.0.0.9 icmp 3/1 ttl 64 len 68 [10.0.0.9:2 > 10.0.0.2:1 tcp FS ttl 63 len 40]"}},
		}},
		{"errors about local destinations come from them", "table inet t {\nchain i { type filter hook input priority 0; reject; }\n}\n", []exchange{
			{in: lanIn(ip4("10.0.0.2", "203.0.113.1"), udp(1, 2)), drop: packet.DropReject,
				lan: []string{"203.0.113.1 > 10.0.0.2 icmp 3/3 ttl 64 len 56 [10.0.0.2:1 > 203.0.113.1:2 udp ttl 64 len 28]"}},
		}},
	}
	for _, c := range cases {
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s/%d", c.name, workers), func(t *testing.T) {
				n := newNet(t, c.rules, workers)
				n.lan.steer, n.wan.steer = rss, rss
				for i, s := range c.steps {
					port := n.lan
					if s.wan {
						port = n.wan
					}
					port.put(frame.Build(s.in...))
					n.box.Drain()
					n.expect(i, "lan", n.lan.take(), s.lan)
					n.expect(i, "wan", n.wan.take(), s.wans)
					n.ends(i, s)
				}
				n.checkLedger()
			})
		}
	}
}

// expect compares the frames that left with their summaries, which say which
// checksums are right too.
func (n *testNet) expect(step int, side string, got [][]byte, want []string) {
	n.t.Helper()
	var lines []string
	for _, f := range got {
		d, err := frame.Decode(f)
		if err != nil {
			n.t.Fatalf("step %d: %v in %x", step, err, f)
		}
		if err := frame.VerifyChecksums(f); err != nil {
			n.t.Errorf("step %d: %s: %v", step, d, err)
		}
		lines = append(lines, d.String())
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		n.t.Errorf("step %d: %s sent\n%s\nwant\n%s", step, side, strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// ends checks how the step's packet ended, by its outcome.
func (n *testNet) ends(step int, s exchange) {
	n.t.Helper()
	for _, o := range n.box.Outcomes() {
		if o.Made {
			continue
		}
		if o.Drop != s.drop {
			n.t.Errorf("step %d: drop %v, want %v", step, o.Drop, s.drop)
		}
		if host := o.Fate == FateHost; host != s.host {
			n.t.Errorf("step %d: fate %v, want host %v", step, o.Fate, s.host)
		}
	}
}

// TestTooLarge sends packets larger than a port's MTU: IPv4 without DF leaves
// in fragments that make the same datagram, everything else is answered.
func TestTooLarge(t *testing.T) {
	small := func(c *Config) {
		c.Routes[0].MTU, c.Routes[1].MTU = 600, 1280
	}
	n := newNet(t, natRules, 1, small)
	payload := frame.Zeros(1300)
	n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", ID: 7, Options: "\x94\x04\x00\x00\x01"}, frame.UDP{Src: 1000, Dst: 2}, payload)...))
	n.box.Drain()
	var body []byte
	out := n.wan.take()
	for i, f := range out {
		d, err := frame.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := frame.VerifyChecksums(f); err != nil {
			t.Error(err)
		}
		if d.IPLen > 600 || d.Offset != len(body) || d.MF != (i < len(out)-1) || d.ID != 7 || d.Src.String() != "203.0.113.1" {
			t.Errorf("fragment %d: %v offset %d MF %v", i, d, d.Offset, d.MF)
		}
		body = append(body, f[14+int(f[14]&15)*4:14+d.IPLen]...)
	}
	if len(out) != 3 || len(body) != 8+1300 {
		t.Errorf("%d fragments with %d bytes, want 3 with 1308", len(out), len(body))
	}
	n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", DF: true}, frame.UDP{Src: 1, Dst: 2}, payload)...))
	n.lan.put(frame.Build(lanIn(frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1"}, frame.UDP{Src: 1, Dst: 2}, payload)...))
	n.box.Drain()
	for i, f := range n.lan.take() {
		d, err := frame.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		want := []struct {
			typ, code uint8
			mtu       uint32
		}{{3, 4, 600}, {2, 0, 1280}}[i]
		if d.Type != want.typ || d.Code != want.code || d.Info != want.mtu {
			t.Errorf("answer %v with %d", d, d.Info)
		}
	}
	if got := n.box.Stats().Total().Drops[packet.DropMTU]; got != 2 {
		t.Errorf("%d packets dropped as too large, want 2", got)
	}
	n.checkLedger()
}

func TestNewFlowIsNotKeptWhenDropped(t *testing.T) {
	n := newNet(t, natRules, 1)
	n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.TCP{Src: 1, Dst: 23, Flags: "S"})...))
	n.box.Drain()
	if c := n.conntrack(); len(c) != 0 {
		t.Errorf("a rejected packet left %v", c)
	}
	if got := n.box.Stats().Flows; got != 0 {
		t.Errorf("%d entries counted", got)
	}
}

func TestICMPErrorsAreLimited(t *testing.T) {
	n := newNet(t, acceptAll, 1)
	probe := frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", TTL: 1}, frame.UDP{Src: 1, Dst: 2})...)
	count := func() int {
		for range 20 {
			n.lan.put(probe)
		}
		n.box.Drain()
		return len(n.lan.take())
	}
	if got := count(); got != limiterDstBurst {
		t.Errorf("%d errors at once, want %d", got, limiterDstBurst)
	}
	n.clock.Advance(2 * time.Second)
	if got := count(); got != 2 {
		t.Errorf("%d errors after two seconds, want 2", got)
	}
}

func TestBrokenRulesChangeNothing(t *testing.T) {
	n := newNet(t, natRules, 2)
	before := n.box.Rules()
	for _, text := range []string{
		"table ip t { chain c { type filter hook forward priority 0; frobnicate }\n}",
		"table ip t { chain c { jump nowhere }\n}",
		"table ip t {",
	} {
		_, err := n.box.Load("broken.nft", []byte(text))
		if err == nil {
			t.Errorf("%q was accepted", text)
			continue
		}
		if !strings.Contains(err.Error(), "broken.nft:1:") {
			t.Errorf("%q: the error names no place: %v", text, err)
		}
	}
	if n.box.Rules() != before {
		t.Error("a broken ruleset replaced the good one")
	}
	n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 53})...))
	n.box.Drain()
	if len(n.wan.take()) != 1 {
		t.Error("traffic stopped after a broken ruleset")
	}
}
