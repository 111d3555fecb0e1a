package dataplane

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/perf"
	"github.com/sluice-net/sluice/tools/frame"
)

// zoneRules are of the kind that OpenWrt's firewall makes: zones, states by
// verdict map, clamping, masquerading, a redirect.
const zoneRules = `table inet fw {
	flowtable ft {
		hook ingress priority filter
		devices = { lan0, wan0 }
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		meta l4proto { tcp, udp } flow add @ft
		ct state vmap { established : accept, related : accept }
		iifname "lan0" jump forward_lan
		iifname "wan0" jump forward_wan
		jump handle_reject
	}
	chain forward_lan {
		jump accept_to_wan
		jump accept_to_lan
	}
	chain forward_wan {
		meta nfproto ipv6 icmpv6 type . icmpv6 code { packet-too-big . no-route, parameter-problem . no-route } limit rate 1000/second counter accept
		ct status dnat accept
		tcp dport 8443 limit rate 25/second burst 50 packets counter accept
		jump reject_to_wan
	}
	chain accept_to_wan {
		meta nfproto ipv4 oifname "wan0" ct state invalid counter drop
		oifname "wan0" counter accept
	}
	chain accept_to_lan {
		oifname { "lan0", "lan1" } counter accept
	}
	chain reject_to_wan {
		oifname "wan0" counter goto handle_reject
	}
	chain handle_reject {
		meta l4proto tcp reject with tcp reset
		reject
	}
	chain mangle_forward {
		type filter hook forward priority mangle; policy accept;
		oifname "wan0" tcp flags syn / syn,fin,rst tcp option maxseg size set rt mtu
	}
	chain dstnat {
		type nat hook prerouting priority dstnat; policy accept;
		iifname "wan0" tcp dport 8080 dnat ip to 10.1.0.2:80
	}
	chain srcnat {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan0" meta nfproto ipv4 masquerade
	}
}
`

// bridgeRules are of the kind that Docker makes: chains by interface from maps.
const bridgeRules = `table ip bridges {
	map in {
		type ifname : verdict
		elements = { "br0" : jump in_br0, "br1" : jump in_br1 }
	}
	map out {
		type ifname : verdict
		elements = { "br0" : jump out_bridge, "br1" : jump out_bridge }
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		oifname vmap @in
		iifname vmap @out
	}
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local counter jump published
	}
	chain published {
		iifname != "br0" tcp dport 8080 counter dnat to 10.1.0.2:80
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname != "br0" ip saddr 10.1.0.0/24 counter masquerade
	}
	chain raw {
		type filter hook prerouting priority raw; policy accept;
		ip daddr 10.1.0.2 iifname != "br0" iifname != "eth0" counter drop
	}
	chain in_br0 {
		ct state established,related counter accept
		iifname "br0" counter accept
		ip daddr 10.1.0.2 tcp dport 80 counter accept
		counter drop
	}
	chain in_br1 {
		ct state established,related counter accept
		counter drop
	}
	chain out_bridge {
		ct state established,related counter accept
		counter accept
	}
}
`

// shareNet is a box with a port for each interface that a ruleset names. Behind
// port i is 10.i.0.0/24.
type shareNet struct {
	box   *Box
	ports []*handPort
}

func newShareNet(t *testing.T, rules string, names []string) *shareNet {
	t.Helper()
	n := &shareNet{}
	cfg := Default()
	cfg.Workers, cfg.Clock, cfg.Frames = 1, perf.NewVirtual(benchStart), 1024
	cfg.Conntrack.Max = 1 << 12
	for i, name := range names {
		p := newHandPort(name, byte(1+i), 1)
		n.ports = append(n.ports, p)
		cfg.Ports = append(cfg.Ports, PortConfig{Port: p, Peer: -1, Addrs: prefixes(fmt.Sprintf("10.%d.0.1/24", 1+i))})
		for host := range 2 {
			cfg.Neighbours = append(cfg.Neighbours, route.Neighbour{Port: uint16(i), Addr: shareHost(i, host), MAC: [6]byte(benchMAC(0x80))})
		}
	}
	var err error
	if n.box, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.box.Close() })
	n.load(t, rules)
	return n
}

func (n *shareNet) load(t *testing.T, rules string) {
	t.Helper()
	if _, err := n.box.Load("rules", []byte(rules)); err != nil {
		t.Fatal(err)
	}
}

func shareHost(port, host int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(1 + port), 0, byte(2 + host)})
}

// send lets a segment arrive and returns what came out at a port, nil: nothing.
func (n *shareNet) send(from, to int, src, dst netip.Addr, tcp frame.TCP, data int) *frame.Decoded {
	n.ports[from].put(frame.Build(frame.Ether{Src: frame.MAC(benchMAC(0x80)), Dst: frame.MAC(n.ports[from].mac)},
		frame.IPv4{Src: src.String(), Dst: dst.String()}, tcp, frame.Zeros(data)))
	n.box.Drain()
	var last *frame.Decoded
	for i, p := range n.ports {
		for _, b := range p.take() {
			if d, err := frame.Decode(b); err == nil && i == to && !strings.Contains(d.Flags, "R") {
				last = d
			}
		}
	}
	return last
}

// talk opens a connection and sends segments both ways; false: the rules do not
// let it begin.
func (n *shareNet) talk(from, to int, port uint16, segments int, begun func()) bool {
	src, dst := shareHost(from, 0), shareHost(to, 1)
	sport := 20_000 + 100*uint16(from) + uint16(to)
	first := n.send(from, to, src, dst, frame.TCP{Src: sport, Dst: port, Flags: "S", Seq: 1000}, 0)
	if first == nil || first.Flags != "S" {
		return false
	}
	seq, ack := uint32(1001), uint32(5001)
	begun()
	n.send(to, from, first.Dst, first.Src, frame.TCP{Src: first.DstPort, Dst: first.SrcPort, Flags: "SA", Seq: 5000, Ack: seq}, 0)
	n.send(from, to, src, dst, frame.TCP{Src: sport, Dst: port, Flags: "A", Seq: seq, Ack: ack}, 0)
	for range segments {
		n.send(from, to, src, dst, frame.TCP{Src: sport, Dst: port, Flags: "AP", Seq: seq, Ack: ack}, 100)
		seq += 100
		n.send(to, from, first.Dst, first.Src, frame.TCP{Src: first.DstPort, Dst: first.SrcPort, Flags: "A", Seq: ack, Ack: seq}, 50)
		ack += 50
	}
	n.send(from, to, src, dst, frame.TCP{Src: sport, Dst: port, Flags: "FA", Seq: seq, Ack: ack}, 0)
	n.send(to, from, first.Dst, first.Src, frame.TCP{Src: first.DstPort, Dst: first.SrcPort, Flags: "FA", Seq: ack, Ack: seq + 1}, 0)
	n.send(from, to, src, dst, frame.TCP{Src: sport, Dst: port, Flags: "A", Seq: seq + 1, Ack: ack + 1}, 0)
	return true
}

var (
	namesOfRule = regexp.MustCompile(`[io]ifname (!= )?(\{[^}]*\}|"[^"]*")`)
	namesOfMap  = regexp.MustCompile(`(?s)type ifname : verdict.*?\}`)
	quoted      = regexp.MustCompile(`"([^"]+)"`)
)

// interfaces are what a ruleset calls interfaces, patterns made to names.
func interfaces(rules string) []string {
	names := []string{"elsewhere", "beyond"}
	for _, part := range append(namesOfRule.FindAllString(rules, -1), namesOfMap.FindAllString(rules, -1)...) {
		for _, m := range quoted.FindAllStringSubmatch(part, -1) {
			name := strings.ReplaceAll(strings.ReplaceAll(m[1], "*", "7"), "/", "_")
			if !slices.Contains(names, name) && name != "lo" && len(name) < 16 && len(names) < 12 {
				names = append(names, name)
			}
		}
	}
	return names
}

// TestPlanShareOfRulesets: on rulesets of home gateways and container hosts at least 95 %
// of established TCP packets use a plan.
func TestPlanShareOfRulesets(t *testing.T) {
	rulesets := map[string]string{"gateway": zoneRules, "host": bridgeRules}
	files, _ := filepath.Glob("../../shared/corpora/nft/*.nft")
	if len(files) == 0 {
		t.Log("SKIPPED: ../shared/corpora is absent, only rulesets of the repository")
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		rulesets[filepath.Base(f)] = string(text)
	}
	for name, rules := range rulesets {
		t.Run(name, func(t *testing.T) {
			n := newShareNet(t, rules, interfaces(rules))
			flows := 0
			for from := range n.ports {
				for to := range n.ports {
					if n.talk(from, to, 80, 100, func() {}) {
						flows++
					}
				}
			}
			if flows == 0 { // the rules let no connection begin, so let them take over one that has
				n.load(t, "table inet open { chain c { type filter hook forward priority 0; ct state new accept; }; }")
				if !n.talk(0, 1, 80, 100, func() { n.load(t, rules) }) {
					t.Fatal("no rule is against it, and yet no connection begins")
				}
				flows++
			}
			s := n.box.Stats().Total()
			share := 100 * float64(s.Planned) / float64(s.Established)
			t.Logf("%d ports, %d connections: %.1f %% of %d packets used a plan", len(n.ports), flows, share, s.Established)
			if s.Established < uint64(flows)*200 || share < 95 {
				t.Errorf("%.1f %% of %d packets", share, s.Established)
				for _, b := range n.box.PlanBlockers() {
					if r := n.box.Rules().Rule(b.Rule); r != nil {
						t.Logf("%d packets because of %v %s", b.Packets, r.Pos, r.Text)
					}
				}
			}
		})
	}
}
