package dataplane

import (
	"fmt"
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

// TestTOSPriority: what chains behind routing see of an IPv4 packet is what two bits of
// its TOS say, whatever chains before it have set.
func TestTOSPriority(t *testing.T) {
	for _, row := range []struct {
		tos  uint8
		want string
	}{
		{0, "none"}, {0x07, "none"}, {0x08, "0:2"}, {0x10, "0:6"}, {0x18, "0:4"},
		{0x1f, "0:4"}, {0xe0, "none"}, {0xb8, "0:4"}, {0x48, "0:2"}, {0x50, "0:6"},
	} {
		t.Run(fmt.Sprintf("%#x", row.tos), func(t *testing.T) {
			n := newNet(t, `table ip t {
				chain first { type filter hook prerouting priority 0; meta priority set 5:5 ; }
				chain c { type filter hook forward priority 0; meta priority != `+row.want+` drop; }
			}`, 1)
			n.lan.put(frame.Build(clientToBox, frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1", TOS: row.tos}, upUDP))
			n.box.Drain()
			if got := len(n.wan.take()); got != 1 {
				t.Errorf("%d frames went out, want 1", got)
			}
		})
	}
}

// TestPlansOfPriorities: flows whose rules only set a priority have plans; those whose
// rules ask for it have none, for packets of one flow may differ in it.
func TestPlansOfPriorities(t *testing.T) {
	for _, row := range []struct {
		name, rule string
		want       uint64
	}{
		{"set", "meta priority set 1:10", 1},
		{"set by an address", "meta priority set ip daddr map { 198.51.100.1 : 1:10, 10.0.0.2 : 1:20 }", 1},
		{"set by TOS", "meta priority set ip dscp map { cs1 : 1:10 }", 0},
		{"asked for", "meta priority 1:10 drop", 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &planScript{n: newNet(t, natRules+"\ntable ip p {\nchain c {\ntype filter hook forward priority 10;\n"+row.rule+"\n}\n}\n", 1)}
			s.udp()
			s.up(upIP, upUDP)
			s.demandPlanned("established", row.want)
		})
	}
}
