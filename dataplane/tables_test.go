package dataplane

import (
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// TestTiesWithNAT: of one priority the newest comes first, and NAT is as old as its
// first chain, at whatever hook that is. The counts are of chains in front of the two
// directions of NAT and behind.
func TestTiesWithNAT(t *testing.T) {
	const (
		nat  = "chain n { type nat hook output priority 0; }\n"
		pre  = "chain p { type filter hook prerouting priority -100; }\n"
		post = "chain q { type filter hook postrouting priority 100; }\n"
	)
	for _, row := range []struct {
		name, rules            string
		preFirst, preLast      int
		postBefore, postBehind int
	}{
		{"older", pre + post + nat, 0, 1, 0, 1},
		{"newer", nat + pre + post, 1, 0, 1, 0},
		{"without NAT", pre + post, 0, 1, 0, 1},
	} {
		n := newNet(t, "table ip t {\n"+row.rules+"}\n", 1)
		hooks := &n.box.workers[0].next.Load().hooks[0]
		in, out := &hooks[nft.HookPrerouting], &hooks[nft.HookPostrouting]
		if len(in.between) != row.preFirst || len(in.after) != row.preLast || len(out.before) != row.postBefore || len(out.between) != row.postBehind {
			t.Errorf("%s: %d and %d at prerouting, %d and %d at postrouting", row.name, len(in.between), len(in.after), len(out.before), len(out.between))
		}
	}
}
