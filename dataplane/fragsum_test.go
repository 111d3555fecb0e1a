package dataplane

import (
	"fmt"
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

// TestChecksumOfFragments: a datagram in fragments is invalid when its transport
// checksum is wrong, whichever fragment has the wrong byte.
func TestChecksumOfFragments(t *testing.T) {
	rules := `table inet t {
	chain f {
		type filter hook forward priority filter; policy accept;
		ct state invalid counter drop
	}
}
`
	for _, c := range []struct {
		name   string
		layers []frame.Layer
		free   bool // has no checksum: nothing can be wrong
		anew   bool // is cut anew, since headers behind the fragment header belong in front of it: 1280 bytes fit into one
	}{
		{"udp", []frame.Layer{frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2}}, false, false},
		{"udp without", []frame.Layer{frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.UDP{Src: 1, Dst: 2, Sum: frame.SumZero}}, true, false},
		{"icmp", []frame.Layer{frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.ICMP{Type: 8, ID: 5}}, false, false},
		{"tcp", []frame.Layer{frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}, frame.TCP{Src: 1, Dst: 2, Flags: "S"}}, false, false},
		{"udp over IPv6", []frame.Layer{frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1"}, frame.UDP{Src: 1, Dst: 2}}, false, false},
		{"icmpv6", []frame.Layer{frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1"}, frame.ICMPv6{Type: 128, ID: 5}}, false, false},
		{"behind destination options", []frame.Layer{frame.IPv6{Src: "fd00:a::2", Dst: "2001:db8::1"}, frame.Ext{Kind: frame.DestOpts}, frame.UDP{Src: 1, Dst: 2}}, false, true},
	} {
		for _, size := range []int{99, 100} {
			payload := make([]byte, size)
			for i := range payload {
				payload[i] = byte(i)
			}
			whole := frame.Build(append(append([]frame.Layer{clientToBox}, c.layers...), frame.Data(payload))...)
			for wrong := -1; wrong < 3; wrong++ {
				t.Run(fmt.Sprintf("%s/%d bytes/wrong in fragment %d", c.name, size, wrong), func(t *testing.T) {
					n := newNet(t, rules, 2)
					parts := frame.Split(whole, 48, 7)
					if wrong >= len(parts) {
						t.Fatalf("%d fragments", len(parts))
					}
					for i, f := range parts {
						if i == wrong {
							f[len(f)-1] ^= 0x40
						}
						n.lan.put(f)
					}
					n.box.Drain()
					want := len(parts)
					if c.anew {
						want = 1
					}
					if wrong >= 0 && !c.free {
						want = 0
					}
					if got := len(n.wan.take()); got != want {
						t.Errorf("%d fragments left, want %d", got, want)
					}
					n.checkLedger()
				})
			}
		}
	}
}
