package dataplane

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/flowtable"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
	"github.com/sluice-net/sluice/tools/frame"
)

// TestAnswerFindsForeignOwner opens masqueraded flows until some answers hash
// to workers that do not own them: the directory must bring them home.
func TestAnswerFindsForeignOwner(t *testing.T) {
	n := newNet(t, natRules, 4)
	n.lan.steer, n.wan.steer = rss, rss
	const flows = 64
	for i := range flows {
		n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: uint16(3000 + i), Dst: 53})...))
	}
	n.box.Drain()
	before := n.box.Stats()
	for i := range flows {
		n.wan.put(frame.Build(wanIn(frame.IPv4{Src: "198.51.100.1", Dst: "203.0.113.1"}, frame.UDP{Src: 53, Dst: uint16(3000 + i)})...))
	}
	n.box.Drain()
	if got := len(n.lan.take()); got != flows {
		t.Errorf("%d of %d answers came through", got, flows)
	}
	after := n.box.Stats()
	sent := uint64(0)
	for i := range after.Conntrack {
		sent += after.Conntrack[i].Foreign - before.Conntrack[i].Foreign
	}
	if sent < flows/4 {
		t.Errorf("the directory sent only %d of %d answers on: nothing was tested", sent, flows)
	}
	// ICMP errors about such flows take the same way.
	for i := range flows {
		n.wan.put(frame.Build(wanIn(frame.IPv4{Src: "192.0.2.1", Dst: "203.0.113.1"}, frame.ICMP{Type: 3, Code: 1}, frame.Cut(28),
			frame.IPv4{Src: "203.0.113.1", Dst: "198.51.100.1"}, frame.UDP{Src: uint16(3000 + i), Dst: 53})...))
	}
	n.box.Drain()
	if got := len(n.lan.take()); got != flows {
		t.Errorf("%d of %d ICMP errors came through", got, flows)
	}
	n.checkLedger()
}

// TestFragmentsReachTheOwner sends datagrams in fragments that arrive on
// queues of their own, in random order; each leaves whole and masqueraded.
func TestFragmentsReachTheOwner(t *testing.T) {
	for _, workers := range []int{1, 2, 4} {
		n := newNet(t, natRules, workers)
		rng := rand.New(rand.NewPCG(uint64(workers), 0))
		n.lan.steer = func([]byte, int) int { return rng.IntN(workers) }
		var all [][]byte
		const datagrams = 40
		for i := range datagrams {
			var ip frame.Layer = frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", ID: uint16(i)}
			if i%2 == 1 {
				ip = frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1"}
			}
			whole := frame.Build(clientToBox, ip, frame.UDP{Src: uint16(3000 + i), Dst: 53}, frame.Zeros(1300))
			all = append(all, frame.Split(whole, 304, uint32(i))...)
		}
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, f := range all {
			n.lan.put(f)
		}
		n.box.Drain()
		out := n.wan.take()
		if len(out) != len(all) {
			s := n.box.Stats().Total()
			t.Errorf("%d workers: %d of %d fragments left, drops %v", workers, len(out), len(all), dropNames(&s))
		}
		for _, f := range out {
			d, err := frame.Decode(f)
			if err != nil {
				t.Fatal(err)
			}
			if s := d.Src.String(); s != "203.0.113.1" && s != "fd00:b::1" || d.TTL != 63 {
				t.Errorf("%d workers: fragment left as %v", workers, d)
			}
			if err := frame.VerifyChecksums(f); err != nil {
				t.Error(err)
			}
		}
		if got := len(n.conntrack()); got != datagrams {
			t.Errorf("%d workers: %d connections, want %d", workers, got, datagrams)
		}
		n.checkLedger()
	}
}

// TestPortsNeverGivenTwice exhausts a tiny port range from real workers that
// run at once: exactly as many flows get through as there are ports, each with
// a port of its own, whatever the number of workers.
func TestPortsNeverGivenTwice(t *testing.T) {
	const ports = 40
	text := fmt.Sprintf(`table ip nat {
	chain post { type nat hook postrouting priority srcnat; oifname "wan" udp dport 53 masquerade to :40000-%d; }
}
`, 40000+ports-1)
	for _, workers := range []int{1, 2, 4} {
		for round := range 5 {
			n := newNet(t, text, workers, func(c *Config) { c.SamePorts = round%2 == 0 })
			n.lan.steer, n.wan.steer = rss, rss
			for i := range 3 * ports {
				f := frame.Build(clientToBox, frame.IPv4{Src: fmt.Sprintf("10.0.0.%d", 2+i%20), Dst: "198.51.100.1"},
					frame.UDP{Src: uint16(1000*(round+1) + i), Dst: 53})
				n.lan.put(f)
			}
			n.runUntilIdle()
			used := map[uint16]int{}
			for _, f := range n.wan.take() {
				d, err := frame.Decode(f)
				if err != nil {
					t.Fatal(err)
				}
				used[d.SrcPort]++
			}
			if len(used) != ports || n.box.Stats().Flows != ports {
				t.Errorf("%d workers: %d ports used by %d flows, want %d", workers, len(used), n.box.Stats().Flows, ports)
			}
			for p, c := range used {
				if c != 1 {
					t.Errorf("%d workers: port %d given to %d flows", workers, p, c)
				}
			}
		}
	}
}

func TestPickAddrStaysInRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	spec := rules.NATSpec{Family: flowtable.FamilyIPv4, HasAddr: true, AddrMin: [16]byte{203, 0, 113, 10}, AddrMax: [16]byte{203, 0, 114, 19}}
	seen := map[[16]byte]bool{}
	for range 20000 {
		tu := flowtable.Tuple{Family: flowtable.FamilyIPv4}
		for i := range 4 {
			tu.Src[i], tu.Dst[i] = byte(rng.Uint32()), byte(rng.Uint32())
		}
		a := pickAddr(&tu, &spec)
		if lessAddr(&a, &spec.AddrMin) || lessAddr(&spec.AddrMax, &a) {
			t.Fatalf("%v is outside of the range", a)
		}
		if b := pickAddr(&tu, &spec); b != a {
			t.Fatalf("one client got %v and %v", a, b)
		}
		seen[a] = true
	}
	if len(seen) != 266 {
		t.Errorf("%d of 266 addresses are ever used", len(seen))
	}
	spec.Flags = nft.NATPersistent
	tu := flowtable.Tuple{Family: flowtable.FamilyIPv4, Src: [16]byte{10, 0, 0, 1}}
	first := pickAddr(&tu, &spec)
	for i := range 50 {
		tu.Dst[3] = byte(i)
		if pickAddr(&tu, &spec) != first {
			t.Fatal("persistent: the address depends on the destination")
		}
	}
}

// TestNATComesLate: a connection that began before there were nat chains, or
// that a tool made, is asked about while it is new but never translated.
func TestNATComesLate(t *testing.T) {
	const tracking = "table inet t {\n\tchain f {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tct state invalid drop\n\t}\n}\n"
	for _, c := range []struct {
		name, chain string
		tool        bool // a tool has made the connection
		passes      bool
		asked       string // what the chain's counter says after two more packets
	}{
		{"masquerade", "type nat hook postrouting priority srcnat; policy accept;\n\t\toifname \"wan\" counter masquerade", false, true, "packets 2 "},
		{"masquerade, of a tool", "type nat hook postrouting priority srcnat; policy accept;\n\t\toifname \"wan\" counter masquerade", true, true, "packets 2 "},
		{"dnat", "type nat hook prerouting priority dstnat; policy accept;\n\t\tudp dport 53 counter dnat to 198.51.100.9", false, true, "packets 2 "},
		{"nothing said", "type nat hook prerouting priority dstnat; policy accept;\n\t\tudp dport 54 counter dnat to 198.51.100.9", false, true, "packets 0 "},
		{"dropped", "type nat hook postrouting priority srcnat; policy accept;\n\t\tudp dport 53 counter drop", false, false, "packets 2 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t, tracking, 1)
			send := func() []byte {
				n.lan.put(frame.Build(lanIn(frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 3000, Dst: 53})...))
				n.box.Drain()
				if out := n.wan.take(); len(out) == 1 {
					return out[0]
				}
				return nil
			}
			if c.tool {
				orig := flowtable.Tuple{Family: flowtable.FamilyIPv4, Proto: flowtable.ProtoUDP, SrcPort: 3000, DstPort: 53, Src: [16]byte{10, 0, 0, 2}, Dst: [16]byte{198, 51, 100, 1}}
				reply, _ := flowtable.Invert(&orig)
				if r, err := n.box.MakeFlow(&flowtable.Wanted{Orig: orig, Reply: reply, TimeoutSec: 300}, 1); err != nil || r != flowtable.ToolOK {
					t.Fatal(r, err)
				}
			} else if send() == nil {
				t.Fatal("it did not begin")
			}
			n.load(tracking + "table ip nat {\n\tchain c {\n\t\t" + c.chain + "\n\t}\n}\n")
			for range 2 {
				out := send()
				if (out != nil) != c.passes {
					t.Fatalf("passed: %t", out != nil)
				}
				if out == nil {
					continue
				}
				if d, err := frame.Decode(out); err != nil || d.Src.String() != "10.0.0.2" || d.Dst.String() != "198.51.100.1" || d.SrcPort != 3000 {
					t.Errorf("left as %v, %v", d, err)
				}
			}
			if got := n.counters(); !strings.Contains(got, c.asked) {
				t.Errorf("counters %swant %s", got, c.asked)
			}
			n.checkLedger()
		})
	}
}
