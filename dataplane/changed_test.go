package dataplane

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-net/sluice/dataplane/route"
	"github.com/sluice-net/sluice/perf/offheap"
	"github.com/sluice-net/sluice/rules/nft"
	"github.com/sluice-net/sluice/tools/frame"
)

// changedRules ask for addresses in all the ways that plans outlive changes of, and
// in some that they do not.
const changedRules = `table inet f {
	set net4 { type ipv4_addr; flags interval; elements = { 172.31.0.0/16 }; }
	set net6 { type ipv6_addr; flags interval; elements = { fd00:ff::/32 }; }
	set pair { type ipv4_addr . inet_service; elements = { 172.31.0.1 . 9 }; }
	set late { type ipv4_addr; elements = { 172.31.0.1 }; }
	set port { type inet_service; elements = { 9 }; }
	map paint { type ipv4_addr : mark; elements = { 172.31.0.1 : 7 }; }
	map fate { type ipv4_addr : verdict; elements = { 172.31.0.1 : drop }; }
	chain pre {
		type filter hook prerouting priority mangle; policy accept;
		meta mark set ip saddr map @paint
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		ip saddr @net4 counter drop
		ip6 daddr @net6 counter drop
		ip daddr . udp dport @pair counter drop
		ip daddr vmap @fate
		udp dport @port counter drop
		meta mark 7 counter
		ct state established counter accept
		counter accept
	}
	chain post { type filter hook postrouting priority filter; policy accept; ip saddr @late counter drop; }
	chain nat { type nat hook postrouting priority srcnat; policy accept; ip saddr 10.0.0.6-10.0.0.9 masquerade; }
}
`

// changer draws what happens to two boxes.
type changer struct {
	r     *rand.Rand
	state State
}

func (c *changer) server() string { return fmt.Sprintf("198.51.%d.%d", 100+c.r.IntN(2), 1+c.r.IntN(6)) }
func (c *changer) client() string { return fmt.Sprintf("10.0.0.%d", 2+c.r.IntN(8)) }

// command puts an element in or takes one out that may be there.
func (c *changer) command() string {
	addr := c.client()
	if c.r.IntN(2) == 0 {
		addr = c.server()
	}
	name, element := "net4", addr
	switch c.r.IntN(8) {
	case 0:
		element = addr[:strings.LastIndexByte(addr, '.')] + ".0/24"
	case 1:
		name, element = "net6", fmt.Sprintf("2001:db8:%x::/48", c.r.IntN(4))
	case 2:
		name, element = "pair", fmt.Sprintf("%s . %d", addr, 53+c.r.IntN(2))
	case 3:
		name, element = "port", "54"
	case 4:
		name, element = "paint", addr
	case 5:
		name, element = "fate", addr
	case 6:
		name, element = "late", addr
	}
	verb := []string{"add", "delete", "delete"}[c.r.IntN(3)]
	if verb == "add" {
		element += map[string]string{"paint": " : 7", "fate": " : drop"}[name]
	}
	return fmt.Sprintf("%s element inet f %s { %s }\n", verb, name, element)
}

// change draws another state of the network.
func (c *changer) change() {
	prefix := []string{"198.51.100.0/24", "198.51.0.0/16", c.server() + "/32", "2001:db8:1::/48", "2001:db8::/32", "0.0.0.0/0", "::/0"}[c.r.IntN(7)]
	at := slices.IndexFunc(c.state.Routes, func(r route.Route) bool { return r.Prefix.String() == prefix })
	gateway := fmt.Sprintf("203.0.113.%d", 2+c.r.IntN(2))
	if strings.Contains(prefix, ":") {
		gateway = fmt.Sprintf("fd00:b::%d", 2+c.r.IntN(2))
	}
	fresh := route.Route{Prefix: netip.MustParsePrefix(prefix), Gateway: netip.MustParseAddr(gateway), Port: 1}
	if c.r.IntN(4) == 0 {
		fresh = route.Route{Prefix: fresh.Prefix, Kind: route.Blackhole}
	}
	switch c.r.IntN(6) {
	case 0, 1:
		n := &c.state.Neighbours[c.r.IntN(len(c.state.Neighbours))]
		n.MAC[5] ^= 1
	case 2:
		if c.r.IntN(4) == 0 {
			c.state.Ports[1].MTU ^= 8
		}
	default:
		if at < 0 {
			c.state.Routes = slices.Insert(c.state.Routes, c.r.IntN(len(c.state.Routes)), fresh)
		} else if c.r.IntN(2) == 0 {
			c.state.Routes = slices.Delete(c.state.Routes, at, at+1)
		} else {
			c.state.Routes[at] = fresh
		}
	}
}

// packet draws a packet from lan.
func (c *changer) packet() []byte {
	udp := frame.UDP{Src: uint16(1000 + c.r.IntN(4)), Dst: uint16(53 + c.r.IntN(2))}
	if c.r.IntN(3) == 0 {
		return frame.Build(clientToBox, frame.IPv6{Src: fmt.Sprintf("fd00:a::%d", 2+c.r.IntN(4)), Dst: fmt.Sprintf("2001:db8:%x::%d", c.r.IntN(3), 1+c.r.IntN(3))}, udp, frame.Zeros(20))
	}
	return frame.Build(clientToBox, frame.IPv4{Src: c.client(), Dst: c.server()}, udp, frame.Zeros(20))
}

// answerTo turns a packet round that left by wan.
func answerTo(sent []byte) []byte {
	f := bytes.Clone(sent)
	copy(f, benchMAC(2))
	copy(f[6:], benchMAC(0x20))
	src, dst, size, ports := 26, 30, 4, 34
	if f[12] == 0x86 {
		src, dst, size, ports = 22, 38, 16, 54
	}
	for i := range size {
		f[src+i], f[dst+i] = f[dst+i], f[src+i]
	}
	for i := range 2 {
		f[ports+i], f[ports+2+i] = f[ports+2+i], f[ports+i]
	}
	return f
}

// TestPlansOutliveChanges: two boxes get the same packets, elements, routes and
// neighbours, one with plans and one without. The same comes out of both, and the
// plans are used although something changes all the time.
func TestPlansOutliveChanges(t *testing.T) {
	const seed = 7
	t.Logf("seed %d", seed)
	rounds := 6000
	if offheap.RaceTwin || testing.Short() {
		rounds = 1500
	}
	c := &changer{r: rand.New(rand.NewPCG(seed, 1))}
	var nets [2]*testNet
	for i := range nets {
		nets[i] = newNet(t, changedRules, 1, func(cfg *Config) { cfg.Seed, cfg.WalkAlways = 5, i == 1 })
	}
	c.state = nets[0].state()
	c.state.Neighbours = append(c.state.Neighbours, route.Neighbour{Port: 1, Addr: netip.MustParseAddr("203.0.113.3"), MAC: [6]byte(benchMAC(0x30))},
		route.Neighbour{Port: 1, Addr: netip.MustParseAddr("fd00:b::3"), MAC: [6]byte(benchMAC(0x31))})
	var sent [][]byte
	edits, came := 0, 0
	for round := range rounds {
		var up, down [][]byte
		for range c.r.IntN(12) {
			if len(sent) > 0 && c.r.IntN(2) == 0 {
				down = append(down, answerTo(sent[c.r.IntN(len(sent))]))
			} else {
				up = append(up, c.packet())
			}
		}
		command := c.command()
		what := c.r.IntN(4)
		if what == 1 {
			c.change()
		}
		var out [2][2][][]byte
		for i, n := range nets {
			switch what {
			case 0:
				if tree, err := nft.Apply(n.box.Rules().Tree, "command", []byte(command), nft.ParseOptions{}, nft.PrintOptions{}); err == nil {
					rs, err := n.box.Compile(tree)
					if err == nil {
						_, err = n.box.Publish(rs)
					}
					if err != nil {
						t.Fatal(err)
					}
					edits++
				}
			case 1:
				if err := n.box.SetState(c.state); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range up {
				n.lan.put(f)
			}
			for _, f := range down {
				n.wan.put(f)
			}
			n.clock.Advance(time.Duration(len(up)) * time.Millisecond)
			n.box.Drain()
			out[i] = [2][][]byte{n.lan.take(), n.wan.take()}
			if f := n.box.Rules().Tree; i == 1 && nets[0].counters() != n.counters() {
				t.Fatalf("round %d (%d tables): other counters with plans\n%s\nthan without\n%s", round, len(f.Tables), nets[0].counters(), n.counters())
			}
		}
		for port := range out[0] {
			if !slices.EqualFunc(out[0][port], out[1][port], bytes.Equal) {
				t.Fatalf("round %d, port %d: with plans %x\nwithout %x", round, port, out[0][port], out[1][port])
			}
			came += len(out[0][port])
		}
		if sent = append(sent, out[0][1]...); len(sent) > 200 {
			sent = sent[len(sent)-200:]
		}
	}
	s := nets[0].box.Stats().Total()
	t.Logf("%d edits of elements, %d packets came through, %d established, %d by plans", edits/2, came, s.Established, s.Planned)
	if edits < rounds/10 || came < 2*rounds || 4*s.Planned < uint64(came) {
		t.Error("the plans do not outlive changes, or the test draws too little")
	}
	for _, n := range nets {
		n.checkLedger()
	}
}
