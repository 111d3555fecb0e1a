package dataplane

import (
	"testing"

	"github.com/sluice-net/sluice/tools/frame"
)

// TestReasonsInRules: a rule can ask why a packet is invalid, and what is not
// invalid has no reason to be asked for.
func TestReasonsInRules(t *testing.T) {
	const rules = `table ip t {
	chain f {
		type filter hook forward priority filter; policy accept;
		ct state invalid ct reason checksum drop
		ct reason { tcp-flags, icmp-no-flow } drop
		ct reason != tcp-not-new meta mark set 7
	}
}
`
	ip := frame.IPv4{Src: "10.0.0.2", Dst: "198.51.100.1"}
	for _, c := range []struct {
		name   string
		layers []frame.Layer
		passes bool
		reason string
	}{
		{"sound", []frame.Layer{ip, frame.UDP{Src: 1, Dst: 2}}, true, "none"},
		{"checksum", []frame.Layer{ip, frame.UDP{Src: 1, Dst: 2, Sum: frame.SumWrong}}, false, "checksum"},
		{"flags", []frame.Layer{ip, frame.TCP{Src: 1, Dst: 2, Flags: "SF"}}, false, "tcp-flags"},
		{"no new flow", []frame.Layer{ip, frame.TCP{Src: 1, Dst: 2, Flags: "R"}}, true, "tcp-not-new"},
		{"error about nothing", []frame.Layer{ip, frame.ICMP{Type: 3, Code: 1}, frame.Cut(28), frame.IPv4{Src: "198.51.100.1", Dst: "10.0.0.2"}, frame.UDP{Src: 9, Dst: 9}}, false, "icmp-no-flow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNet(t, rules, 1)
			n.lan.put(frame.Build(append([]frame.Layer{clientToBox}, c.layers...)...))
			n.box.Drain()
			if got := len(n.wan.take()) == 1; got != c.passes {
				t.Errorf("passed: %t, want %t", got, c.passes)
			}
			if o := n.box.Outcomes(); len(o) != 1 || o[0].Reason.String() != c.reason {
				t.Errorf("%+v, want reason %s", o, c.reason)
			}
		})
	}
}
