package dataplane

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/dataplane/packet"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
	"github.com/sluice-net/sluice/tools/frame"
)

// Frames for chains below IP, by name.
var (
	plainFrame = frame.Build(clientToBox, frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2})
	arpAsk     = frame.Build(clientToBox, frame.ARP{Sender: "10.0.0.2", Target: "10.0.0.1"})
	// Its first bytes are no header, but chains below IP read them as one.
	laterFragment = frame.Build(clientToBox, frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", Offset: 4}, frame.UDP{Src: 1, Dst: 2})
	tagged        = frame.Build(clientToBox, frame.VLAN{TCI: 0x2005}, frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2})
	elsewhere     = frame.Build(frame.Ether{Src: clientToBox.Src, Dst: frame.MAC(benchMAC(0x55))}, frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2})
)

// TestIngress: chains at a port's ingress see what it receives, whatever becomes
// of it, with one worker as with three.
func TestIngress(t *testing.T) {
	badSum := append([]byte(nil), plainFrame...)
	badSum[24] ^= 1
	for _, c := range []struct {
		name   string
		rule   string
		frame  []byte
		holds  bool
		passes bool
	}{
		{"all frames", "accept", plainFrame, true, true},
		{"arp", "arp operation request drop", arpAsk, true, false},
		{"arp is not ip", "ip saddr 10.0.0.2 drop", arpAsk, false, false},
		{"ip is not arp", "arp operation request drop", plainFrame, false, true},
		{"addresses", "ip saddr 10.0.0.2 drop", plainFrame, true, false},
		{"ports", "udp dport 2 drop", plainFrame, true, false},
		{"tag", "vlan id 5 drop", tagged, true, false},
		{"no tag", "vlan id 1280 drop", plainFrame, false, true}, // what IPv4 has at that place
		{"behind the tag", "ip saddr 10.0.0.2 drop", tagged, true, false},
		{"behind the tag of Ethernet", "ether saddr != 00:00:00:00:00:01 ip saddr 10.0.0.2 drop", tagged, false, false}, // the EtherType is the tag's
		{"behind no", "ether saddr != 00:00:00:00:00:01 ip saddr 10.0.0.2 drop", plainFrame, true, false},
		{"behind the tag by name", "vlan id 5 ip saddr 10.0.0.2 drop", tagged, true, false},
		{"other station", "meta pkttype other drop", elsewhere, true, false},
		{"own station", "meta pkttype other drop", plainFrame, false, true},
		{"broken header", "udp dport 2 accept", badSum, true, false},
		{"later fragment", "udp dport 2 drop", laterFragment, true, false},
		{"mark", "meta mark set 7", plainFrame, true, true},
		{"rewritten", "ip daddr set 198.51.100.9", plainFrame, true, true},
		{"untracked", "notrack", plainFrame, true, true},
	} {
		for _, workers := range []int{1, 3} {
			t.Run(c.name, func(t *testing.T) {
				n := newNet(t, `table netdev n {
	chain i {
		type filter hook ingress device "lan" priority 0; policy accept;
		counter
		`+strings.Replace(c.rule, " drop", " counter drop", 1)+`
	}
}
table ip t {
	chain f {
		type filter hook prerouting priority 0; policy accept;
		meta mark 7 counter
		ip daddr 198.51.100.9 counter
		ct state untracked counter
	}
}
`, workers)
				n.lan.put(c.frame)
				n.runUntilIdle()
				if got := len(n.wan.take()) == 1; got != c.passes {
					t.Errorf("passed: %t, want %t", got, c.passes)
				}
				counters := n.box.Counters()
				if counters[0].Packets != 1 || counters[0].Bytes != uint64(len(c.frame)-14-4*strings.Count(c.name, "tag")+4*strings.Count(c.name, "no tag")) {
					t.Errorf("ingress counted %+v", counters[0])
				}
				seen := uint64(0)
				for _, k := range counters[1:] {
					seen += k.Packets
				}
				if strings.Contains(c.rule, "drop") || strings.Contains(c.rule, "set") || c.rule == "notrack" {
					if seen != map[bool]uint64{true: 1}[c.holds] {
						t.Errorf("the rule held %d times: %+v", seen, counters)
					}
				}
				n.checkLedger()
			})
		}
	}
}

// TestPadding: for chains at an ingress a packet goes on in its frame's padding. What
// they answer goes by it as well, but for a refusal below IP, and chains of inet drop
// IPv6 whose headers break off.
func TestPadding(t *testing.T) {
	const padding = "\x00\x00\x00\x00\x00\x00\x00\x00"
	syn := frame.Build(clientToBox, frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.TCP{Src: 1, Dst: 2, Flags: "S"})
	ext := func(size uint16) []byte {
		return frame.Build(clientToBox, frame.IPv6{Src: "2001:db8:1::2", Dst: "2001:db8:2::2"}, frame.Ext{Kind: frame.DestOpts, Next: frame.Say(50), Len: frame.Say(size)})
	}
	for _, c := range []struct {
		name, family, rule string
		frame              string
		counts, answers    int
	}{
		{"read", "netdev", "@th,160,32 0 counter accept", string(syn) + padding, 1, 0},
		{"not there", "netdev", "@th,160,32 0 counter accept", string(syn), 0, 0},
		{"header in the padding", "netdev", "esp spi 0 counter accept", string(ext(0)) + padding, 1, 0},
		{"header behind the padding", "netdev", "esp spi 0 counter accept", string(ext(2)) + padding, 0, 0},
		{"reset", "netdev", "meta l4proto tcp counter reject with tcp reset", string(syn), 1, 1},
		{"reset of a padded one", "netdev", "meta l4proto tcp counter reject with tcp reset", string(syn) + padding, 1, 0},
		{"refused", "netdev", "meta l4proto tcp counter reject", string(syn) + padding, 1, 1},
		{"reset in inet", "inet", "meta l4proto tcp counter reject with tcp reset", string(syn), 1, 1},
		{"reset of a padded one in inet", "inet", "meta l4proto tcp counter reject with tcp reset", string(syn) + padding, 1, 0},
		{"refused in inet", "inet", "meta l4proto tcp counter reject", string(syn) + padding, 1, 0},
		{"no header", "netdev", "counter accept", string(ext(0)[:14+40+4]), 1, 0},
		{"no header in inet", "inet", "counter accept", string(cut(ext(0), 1)), 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t, "table "+c.family+" n {\nchain i {\ntype filter hook ingress device \"lan\" priority 0;\n"+c.rule+"\n}\n}\n", 1)
			n.lan.put([]byte(c.frame))
			n.runUntilIdle()
			if got := n.box.Counters()[0].Packets; got != uint64(c.counts) {
				t.Errorf("counted %d, want %d", got, c.counts)
			}
			if got := len(n.lan.take()); got != c.answers {
				t.Errorf("%d answers, want %d", got, c.answers)
			}
			n.checkLedger()
		})
	}
}

// cut leaves so many bytes behind the IPv6 header of a frame, and says so in it.
func cut(f []byte, size int) []byte {
	f = f[:14+40+size]
	f[14+4], f[14+5] = 0, byte(size)
	return f
}

// TestIngressOfOthers: a chain sees its own devices' frames only; a device that
// is no port, and the other end of it, are refused.
func TestIngressOfOthers(t *testing.T) {
	n := newNet(t, "table netdev n {\nchain i {\ntype filter hook ingress device \"wan\" priority 0; policy drop;\n}\n}\n", 1)
	n.lan.put(plainFrame)
	n.box.Drain()
	if len(n.wan.take()) != 1 {
		t.Error("a chain of another device dropped")
	}
	for rules, want := range map[string]string{
		"table netdev n {\nchain i {\ntype filter hook ingress device \"eth9\" priority 0;\n}\n}\n":                 "device eth9 is no port",
		"table netdev n {\nchain i {\ntype filter hook egress device \"eth9\" priority 0;\n}\n}\n":                  "device eth9 is no port",
		"table netdev n {\nchain i {\ntype filter hook egress device \"lan\" priority 0;\nreject\n}\n}\n":           "Operation not supported",
		"table netdev n {\nchain i {\ntype filter hook ingress device \"lan\" priority 0;\nfwd to \"eth9\"\n}\n}\n": "device eth9 is no port",
		"table bridge n {\nchain i {\ntype filter hook forward priority 0;\n}\n}\n":                                 "for mode wire",
	} {
		if _, err := n.box.Load("x", []byte(rules)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestBridge: on a wire chains of bridge tables see every frame that crosses,
// around IP's chains, and established packets as well.
func TestBridge(t *testing.T) {
	const rules = `table bridge b {
	chain pre {
		type filter hook prerouting priority dstnat; policy accept;
		counter
		ip saddr 10.0.0.2 meta mark set 3
	}
	chain f {
		type filter hook forward priority filter; policy accept;
		arp operation request counter drop
		meta mark 4 counter
	}
	chain late {
		type filter hook forward priority 10; policy accept;
		meta mark 4 counter
	}
	chain post {
		type filter hook postrouting priority srcnat; policy accept;
		oifname "wan" counter
	}
}
table inet i {
	chain f {
		type filter hook forward priority 0; policy accept;
		ct state new,established meta mark 3 meta mark set 4 counter
	}
}
`
	n := newNet(t, rules, 1, func(c *Config) {
		c.Wire = true
		for i := range c.Ports {
			c.Ports[i].Addrs = nil
		}
		c.Routes, c.Neighbours = nil, nil
	})
	const packets = 5
	for range packets {
		n.lan.put(plainFrame)
		n.box.Drain()
	}
	n.lan.put(arpAsk)
	n.box.Drain()
	if got := len(n.wan.take()); got != packets {
		t.Errorf("%d frames crossed", got)
	}
	want := []uint64{packets + 1, 1, 0, packets, packets, packets}
	for i, k := range n.box.Counters() {
		if k.Packets != want[i] {
			t.Errorf("counter %d: %d packets, want %d", i, k.Packets, want[i])
		}
	}
	if n.box.Stats().Total().Drops[packet.DropPolicy] != 1 {
		t.Error("ARP was not dropped")
	}
	n.checkLedger()
	tree, err := nft.Parse("x", []byte("table ip t {\nchain f {\ntype filter hook forward priority 0;\nxt match \"0\" drop\n}\n}\n"),
		nft.ParseOptions{Extension: func(string) *nft.Extension { return &nft.Extension{Name: "bridgeless", Impl: bridgeless{}} }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.box.Compile(tree); err == nil || !strings.Contains(err.Error(), "bridgeless: for routers") {
		t.Errorf("a rule for routers: %v", err)
	}
	if _, err := newNet(t, "", 1).box.Compile(tree); err != nil {
		t.Errorf("a rule for routers on a router: %v", err)
	}
}

// TestBridgeSees: what chains of bridge tables find in frames, as Linux shows them.
func TestBridgeSees(t *testing.T) {
	taggedARP := frame.Build(clientToBox, frame.VLAN{TCI: 5}, frame.ARP{Sender: "10.0.0.2", Target: "10.0.0.1"})
	taggedEcho := frame.Build(clientToBox, frame.VLAN{TCI: 5}, frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.ICMP{Type: 8})
	twice := frame.Build(clientToBox, frame.VLAN{TPID: 0x88a8, TCI: 5}, frame.VLAN{TCI: 6}, frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2})
	for _, c := range []struct {
		name, hook, rule string
		frame            []byte
		holds            bool
	}{
		{"ARP", "forward priority 0", "arp htype 1", arpAsk, true},
		{"ARP behind a tag", "forward priority 0", "arp htype 1", taggedARP, false},
		{"ARP behind a tag that is asked for", "forward priority 0", "vlan id 5 arp htype 1", taggedARP, true},
		{"ARP wherever it is", "forward priority 0", "meta protocol arp arp htype 1", taggedARP, true},
		{"address behind a tag", "forward priority 0", "ip saddr 10.0.0.2", taggedEcho, true},
		{"message behind a tag", "forward priority 0", "icmp type echo-request", taggedEcho, false},
		{"message behind a tag, as IP", "forward priority 0", "ip saddr 10.0.0.2 icmp type echo-request", taggedEcho, true},
		{"no protocol", "forward priority 0", "meta l4proto != tcp", arpAsk, false},
		{"another protocol", "forward priority 0", "meta l4proto != tcp", plainFrame, true},
		{"for another station", "prerouting priority -300", "meta pkttype other", elsewhere, true},
		{"for another station still", "postrouting priority 0", "meta pkttype other", elsewhere, true},
		{"for this one", "forward priority 0", "meta pkttype host", plainFrame, true},
		{"where from", "forward priority 0", `iifname "lan" oifname "wan"`, plainFrame, true},
		{"where from, forgotten", "postrouting priority 0", `iifname "lan"`, plainFrame, false},
		{"where to, early", "prerouting priority 10", `oifname "wan"`, plainFrame, false},
		{"two tags", "forward priority 0", "ip saddr 10.0.0.2", twice, false},
		{"two tags, what is behind the first", "forward priority 0", "meta protocol vlan meta length 32", twice, true},
		{"two tags, what is under both", "forward priority 0", "@nh,0,16 6", twice, true},
	} {
		n := newNet(t, "table bridge b {\nchain c {\ntype filter hook "+c.hook+"; policy accept;\n"+c.rule+" counter\n}\n}\n", 1, func(cfg *Config) {
			cfg.Wire = true
			for i := range cfg.Ports {
				cfg.Ports[i].Addrs = nil
			}
			cfg.Routes, cfg.Neighbours = nil, nil
		})
		n.lan.put(c.frame)
		n.box.Drain()
		if out := n.wan.take(); len(out) != 1 || !bytes.Equal(out[0], c.frame) {
			t.Errorf("%s: %d frames crossed", c.name, len(out))
		}
		if got := n.box.Counters()[0].Packets; got != map[bool]uint64{true: 1}[c.holds] {
			t.Errorf("%s: the rule held %d times", c.name, got)
		}
		n.checkLedger()
	}
}

// bridgeless is a match that a wire refuses.
type bridgeless struct{}

func (bridgeless) Run(*packet.Packet, *rules.Env) rules.Action { return rules.ActNext }
func (bridgeless) Unbridged() string                           { return "for routers" }
