package dataplane

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/tools/frame"
)

// withHosts gives both ports a way to the box's own stack.
func withHosts(lan, wan *handPort) netOption {
	return func(c *Config) { c.Ports[0].Host, c.Ports[1].Host = lan, wan }
}

const hostRules = `table inet t {
	chain in { type filter hook input priority filter; policy drop; ct state established,related counter accept; udp sport 67 udp dport 68 accept; icmp type echo-request counter accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }
	chain out { type filter hook output priority filter; policy accept; tcp dport 25 counter drop; }
	chain forward { type filter hook forward priority filter; policy drop; }
}
`

// TestHostPath: what is for the box passes input and reaches its stack as it
// was; what the stack sends passes output and leaves; answers find their flow.
func TestHostPath(t *testing.T) {
	for _, workers := range []int{1, 4} {
		lanHost, wanHost := newHandPort("slb0", 5, workers), newHandPort("slb1", 6, workers)
		n := newNet(t, hostRules, workers, withHosts(lanHost, wanHost))
		n.lan.steer, n.wan.steer, lanHost.steer, wanHost.steer = rss, rss, rss, rss
		fromBox := frame.Ether{Src: frame.MAC(benchMAC(2)), Dst: frame.MAC(benchMAC(0x20))}
		steps := []struct {
			name string
			at   *handPort
			in   []frame.Layer
			host []string // what reaches the stack by lan's or wan's lane
			out  []string // what leaves by wan
		}{
			{"ping the box", n.lan, lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "10.0.0.1"}, frame.ICMP{Type: 8, ID: 1}), []string{"10.0.0.2 > 10.0.0.1 icmp 8/0 id 1 ttl 64 len 28"}, nil},
			{"input drops", n.lan, lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "10.0.0.1"}, frame.UDP{Src: 1, Dst: 9}), nil, nil},
			{"the stack sends", wanHost, []frame.Layer{fromBox, frame.IPv4{Src: "203.0.113.1", Dst: "198.51.100.1"}, frame.UDP{Src: 7, Dst: 53}}, nil, []string{"203.0.113.1:7 > 198.51.100.1:53 udp ttl 64 len 28"}},
			{"and is answered", n.wan, wanIn(frame.IPv4{Src: "198.51.100.1", Dst: "203.0.113.1"}, frame.UDP{Src: 53, Dst: 7}), []string{"198.51.100.1:53 > 203.0.113.1:7 udp ttl 64 len 28"}, nil},
			{"output drops", wanHost, []frame.Layer{fromBox, frame.IPv4{Src: "203.0.113.1", Dst: "198.51.100.1"}, frame.TCP{Src: 7, Dst: 25, Flags: "S"}}, nil, nil},
			{"a lease is offered", n.wan, wanIn(frame.IPv4{Src: "203.0.113.9", Dst: "203.0.113.77"}, frame.UDP{Src: 67, Dst: 68}), []string{"203.0.113.9:67 > 203.0.113.77:68 udp ttl 64 len 28"}, nil},
			{"a lease for elsewhere", n.lan, lanIn(frame.IPv4{Src: "10.0.0.9", Dst: "203.0.113.77"}, frame.UDP{Src: 67, Dst: 68}), nil, nil},
			{"neighbour solicitation", n.lan, []frame.Layer{frame.Ether{Src: frame.MAC(benchMAC(0x10)), Dst: frame.MAC{0x33, 0x33, 0xff, 0, 0, 1}}, frame.IPv6{Src: "fd00:a::2", Dst: "ff02::1:ff00:1", Hops: 255}, frame.ICMPv6{Type: 135}, frame.Zeros(24)},
				[]string{"fd00:a::2 > ff02::1:ff00:1 icmpv6 135/0 id 0 ttl 255 len 72"}, nil},
			{"what is not IP", n.lan, []frame.Layer{frame.Ether{Dst: frame.MAC(benchMAC(1)), Type: 0x88cc}, frame.Data("lldp")}, []string{"type 0x88cc"}, nil},
		}
		for i, s := range steps {
			f := frame.Build(s.in...)
			s.at.put(f)
			n.box.Drain()
			host := append(lanHost.take(), wanHost.take()...)
			if len(s.host) == 1 && strings.HasPrefix(s.host[0], "type") {
				if len(host) != 1 {
					t.Errorf("%s: %d frames reached the stack", s.name, len(host))
				}
			} else {
				n.expect(i, s.name+": the stack", host, s.host)
			}
			for _, h := range host {
				if string(h) != string(f) {
					t.Errorf("%s: the stack got\n%x\nwant as received\n%x", s.name, h, f)
				}
			}
			n.expect(i, s.name+": wan", n.wan.take(), s.out)
			n.expect(i, s.name+": lan", n.lan.take(), nil)
		}
		n.checkLedger()
	}
}

// TestUnfinishedChecksums: a sender on veth leaves the pseudo header's sum in
// the checksum field; what leaves the box is right.
func TestUnfinishedChecksums(t *testing.T) {
	n := newNet(t, natRules, 1, func(c *Config) { c.Ports[0].Unfinished = true })
	for _, l4 := range []frame.Layer{frame.UDP{Src: 1000, Dst: 53, Sum: frame.SumBare}, frame.TCP{Src: 1000, Dst: 80, Flags: "S", Sum: frame.SumBare}} {
		n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, l4, frame.Data("payload"))...))
		n.lan.put(frame.Build(lanIn(frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1"}, l4, frame.Data("payload"))...))
	}
	n.box.Drain()
	out := n.wan.take()
	if len(out) != 4 {
		t.Fatalf("%d of 4 packets left", len(out))
	}
	for _, f := range out {
		if err := frame.VerifyChecksums(f); err != nil {
			t.Error(err)
		}
	}
}

// TestWaitForNeighbour: packets to a next hop without a known address wait, ask
// for it, leave when the state brings it, and are answered when it never comes.
func TestWaitForNeighbour(t *testing.T) {
	var asked []netip.Addr
	n := newNet(t, natRules, 2, func(c *Config) {
		c.Resolve = func(port uint16, a netip.Addr) {
			if port != 0 {
				t.Errorf("asked for %v on port %d", a, port)
			}
			asked = append(asked, a)
		}
	})
	// A visitor's packet to the forwarded port, whose server nobody knows yet.
	state := n.state()
	var rest []route.Neighbour
	for _, x := range state.Neighbours {
		if x.Addr != netip.MustParseAddr("10.0.0.9") {
			rest = append(rest, x)
		}
	}
	full := state.Neighbours
	state.Neighbours = rest
	if err := n.box.SetState(state); err != nil {
		t.Fatal(err)
	}
	syn := func(port uint16) []byte {
		return frame.Build(wanIn(frame.IPv4{Src: "198.51.100.1", Dst: "203.0.113.1"}, frame.TCP{Src: port, Dst: 8080, Flags: "S"})...)
	}
	for i := range 3 * waitFrames {
		n.wan.put(syn(uint16(1000 + i)))
	}
	n.box.Drain()
	n.box.resolve()
	if len(asked) == 0 || asked[0] != netip.MustParseAddr("10.0.0.9") {
		t.Fatalf("asked for %v", asked)
	}
	if got := len(n.lan.take()); got != 0 {
		t.Fatalf("%d packets left without an address", got)
	}
	before := n.counters()
	state.Neighbours = full
	if err := n.box.SetState(state); err != nil {
		t.Fatal(err)
	}
	n.box.Drain()
	if got := len(n.lan.take()); got < waitFrames || got > 2*waitFrames {
		t.Errorf("%d packets left when the address was known, want %d of each worker", got, waitFrames)
	}
	if now := n.counters(); now != before {
		t.Errorf("a new state changed the counters:\n%s\nwere\n%s", now, before)
	}
	// An address that never answers: plain forwarding to an absent host.
	n.load(acceptAll)
	n.wan.put(frame.Build(wanIn(frame.IPv4{Src: "198.51.100.1", Dst: "10.0.0.99"}, frame.UDP{Src: 1, Dst: 2})...))
	n.box.Drain()
	n.clock.Advance(4 * time.Second)
	n.box.Drain()
	n.expect(0, "wan", n.wan.take(), []string{"203.0.113.1 > 198.51.100.1 icmp 3/1 ttl 64 len 56 [198.51.100.1:1 > 10.0.0.99:2 udp ttl 63 len 28]"})
	n.checkLedger()
}

// state is the configuration's own as SetState wants it.
func (n *testNet) state() State {
	s := State{Routes: n.box.cfg.Routes, Neighbours: n.box.cfg.Neighbours}
	for i, p := range n.box.cfg.Ports {
		s.Ports = append(s.Ports, PortState{Addrs: p.Addrs, MAC: [6]byte(p.Port.MAC()), MTU: p.Port.MTU()})
		for _, a := range p.Addrs {
			s.Routes = append(s.Routes,
				route.Route{Prefix: netip.PrefixFrom(a.Addr(), a.Addr().BitLen()), Port: uint16(i), Kind: route.Local},
				route.Route{Prefix: a.Masked(), Port: uint16(i), Kind: route.Forward})
		}
	}
	return s
}

// TestWire joins two ports: everything crosses as it is, rules decide.
func TestWire(t *testing.T) {
	n := newNet(t, "table inet t {\nchain f { type filter hook forward priority 0; udp dport 9 drop; ct state new counter; }\n}\n", 2, func(c *Config) {
		c.Wire = true
		for i := range c.Ports {
			c.Ports[i].Addrs = nil
		}
		c.Routes, c.Neighbours = nil, nil
	})
	n.lan.steer, n.wan.steer = rss, rss
	stranger := frame.Ether{Src: frame.MAC(benchMAC(0x77)), Dst: frame.MAC(benchMAC(0x78))}
	for i, f := range [][]byte{
		frame.Build(stranger, frame.IPv4{Src: "192.0.2.1", Dst: "192.0.2.2", TTL: 1}, frame.UDP{Src: 1, Dst: 2}),
		frame.Build(stranger, frame.ARP{Sender: "192.0.2.1", Target: "192.0.2.2"}),
		frame.Build(frame.Ether{Src: frame.MAC(benchMAC(0x77)), Dst: frame.MAC{0x33, 0x33, 0, 0, 0, 1}}, frame.IPv6{Src: "fe80::1", Dst: "ff02::1", Hops: 255}, frame.ICMPv6{Type: 134}, frame.Zeros(8)),
	} {
		n.lan.put(f)
		n.box.Drain()
		out := n.wan.take()
		if len(out) != 1 || string(out[0]) != string(f) {
			t.Errorf("frame %d: %x left, want %x", i, out, f)
		}
	}
	// Padding stays behind, as where a Linux bridge shows its packets to IP's chains,
	// which sees none behind two tags.
	padding := "\x00\x00\x00"
	packet4 := []frame.Layer{frame.IPv4{Src: "192.0.2.1", Dst: "192.0.2.2"}, frame.UDP{Src: 1, Dst: 2}}
	for tags, left := range []string{"", "", padding} {
		layers := []frame.Layer{stranger}
		for range tags {
			layers = append(layers, frame.VLAN{TCI: 5})
		}
		f := frame.Build(append(layers, packet4...)...)
		n.lan.put(append(f[:len(f):len(f)], padding...))
		n.box.Drain()
		if out := n.wan.take(); len(out) != 1 || string(out[0]) != string(f)+left {
			t.Errorf("%d tags: %x left, want %x%x", tags, out, f, left)
		}
	}
	n.wan.put(frame.Build(stranger, frame.IPv4{Src: "192.0.2.2", Dst: "192.0.2.1"}, frame.UDP{Src: 1, Dst: 9}))
	n.box.Drain()
	if len(n.lan.take()) != 0 || n.box.Stats().Total().Drops[packet.DropPolicy] != 1 {
		t.Error("the rule did not drop")
	}
	n.checkLedger()
}

// TestDatagramWaitsForNeighbour: all fragments of a datagram wait for the
// address of the next hop and leave translated; when it never comes their
// sender hears of it once.
func TestDatagramWaitsForNeighbour(t *testing.T) {
	for _, workers := range []int{1, 2} {
		asked := 0
		n := newNet(t, natRules, workers, func(c *Config) { c.Resolve = func(uint16, netip.Addr) { asked++ } })
		state := n.state()
		full := state.Neighbours
		state.Neighbours = nil
		if err := n.box.SetState(state); err != nil {
			t.Fatal(err)
		}
		send := func(src uint16) int {
			whole := frame.Build(clientToBox, frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", ID: src}, frame.UDP{Src: src, Dst: 53}, frame.Zeros(1300))
			parts := frame.Split(whole, 304, uint32(src))
			for _, f := range parts {
				n.lan.put(f)
			}
			n.box.Drain()
			n.box.resolve()
			return len(parts)
		}
		want := send(3000)
		if asked == 0 || len(n.wan.take()) != 0 || len(n.lan.take()) != 0 {
			t.Fatalf("%d workers: asked %d times, and nothing should have left", workers, asked)
		}
		state.Neighbours = full
		if err := n.box.SetState(state); err != nil {
			t.Fatal(err)
		}
		n.box.Drain()
		out := n.wan.take()
		if len(out) != want {
			t.Errorf("%d workers: %d of %d fragments left", workers, len(out), want)
		}
		for _, f := range out {
			d, err := frame.Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			if d.Src.String() != "203.0.113.1" || d.TTL != 63 {
				t.Errorf("%d workers: fragment left as %v", workers, d)
			}
			if err := frame.VerifyChecksums(f); err != nil {
				t.Error(err)
			}
		}

		// More datagrams than there is room for: the oldest make room, frames stay balanced.
		state.Neighbours = nil
		if err := n.box.SetState(state); err != nil {
			t.Fatal(err)
		}
		for i := range 3 * waitFrames / want {
			send(uint16(4000 + i))
		}
		n.clock.Advance(4 * time.Second)
		n.box.Drain()
		if got := len(n.wan.take()); got != 0 {
			t.Errorf("%d workers: %d frames left to nowhere", workers, got)
		}
		n.checkLedger()
	}
}
