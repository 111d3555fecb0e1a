package main

import (
	"fmt"
	"testing"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
)

func TestAdvise(t *testing.T) {
	const ruleset = `table ip t {
	chain sink {
		drop
	}
	chain f {
		type filter hook forward priority 0;
		%s
	}
	chain n {
		type nat hook postrouting priority srcnat;
		%s
	}
}
`
	for _, row := range []struct {
		filter, nat string
		warns       bool
	}{
		{"accept", "accept", false},
		{"accept", "masquerade", true},
		{"drop", "snat to 192.0.2.1", true},
		{"ct state invalid drop", "masquerade", false},
		{"ct state invalid reject", "masquerade", false},
		{"ct state invalid counter jump sink", "masquerade", false},
		{"ct state invalid accept", "masquerade", true},
		{"ct state invalid,new drop", "masquerade", false},
		{"ct state { new, invalid } drop", "masquerade", false},
		{"ct state { new, related } drop", "masquerade", true},
		{"ct state != { established, related, new } drop", "masquerade", false},
		{"ct state != established drop", "masquerade", false},
		{"ct state != invalid drop", "masquerade", true},
		{"ct state established,related accept", "masquerade", true},
		{"ct state vmap { invalid : drop, established : accept }", "masquerade", false},
		{"ct state vmap { invalid : goto sink, established : accept }", "masquerade", false},
		{"ct state vmap { invalid : accept, established : drop }", "masquerade", true},
	} {
		tree, err := nft.Parse("t.nft", fmt.Appendf(nil, ruleset, row.filter, row.nat), nft.ParseOptions{})
		if err != nil {
			t.Errorf("%s: %v", row.filter, err)
			continue
		}
		if got := advise(tree); (len(got) > 0) != row.warns {
			t.Errorf("%s, %s: %q, want a warning: %v", row.filter, row.nat, got, row.warns)
		}
	}
}

func TestExplain(t *testing.T) {
	text := []byte("table ip t {\n\tchain c {\n\t\tdrop\n\t}\n}\n")
	at := nft.Pos{File: "t.nft", Line: 3, Col: 3}
	err := fmt.Errorf("compile rules: %w", &rules.Error{Pos: at, Msg: "no such thing"})
	if got, want := control.Explain(err, "t.nft", text).Error(), "t.nft:3:3-3: Error: no such thing\n\t\tdrop\n\t\t^"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for _, other := range []error{
		fmt.Errorf("something else"),
		&rules.Error{Pos: nft.Pos{File: "included.nft", Line: 1, Col: 1}},
		&rules.Error{Pos: nft.Pos{File: "t.nft"}},
		&rules.Error{Pos: nft.Pos{File: "t.nft", Line: 99, Col: 1}},
	} {
		if got := control.Explain(other, "t.nft", text); got != other {
			t.Errorf("%v became %v", other, got)
		}
	}
}
