package iptables

import (
	"errors"
	"testing"

	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

// TestPhysdevOnWire: what holds because no packet came over a bridge is refused
// where the box is one.
func TestPhysdevOnWire(t *testing.T) {
	for _, row := range []struct {
		rules string
		line  int // of the rule that a wire refuses; 0: none
	}{
		{"-A FORWARD -i lan -j DROP\n", 0},
		{"-A FORWARD -i lan -j DROP\n-A FORWARD -m physdev --physdev-in lan -j DROP\n", 3},
		{"-A FORWARD -m physdev ! --physdev-is-bridged -j ACCEPT\n", 2},
	} {
		tree, _, err := load(&nft.Ruleset{}, IPv4, "*filter\n"+row.rules+"COMMIT\n", RestoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		rs, err := rules.Compile(tree, rules.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var wrong *rules.Error
		if err := rs.OnWire(); row.line == 0 && err != nil || row.line > 0 && (!errors.As(err, &wrong) || wrong.Pos.Line != row.line) {
			t.Errorf("%s%v, want an error in line %d", row.rules, err, row.line)
		}
	}
}
