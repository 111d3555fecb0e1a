package rules

import (
	"errors"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// TestKnownOnly: a box that knows its interfaces refuses other names by iif and
// oif where they stand; without KnownOnly they match nothing.
func TestKnownOnly(t *testing.T) {
	known := testInterfaces[0].Name
	for _, row := range []struct {
		name, rule string
		col        int // of the name at fault; 0: none
	}{
		{"known", `iif "` + known + `" accept`, 0},
		{"unknown", `iif "nosuch0" accept`, 5},
		{"not equal", `oif != nosuch0 accept`, 8},
		{"in a set", `iif { "` + known + `", "nosuch0" } accept`, 11 + len(known)},
		{"joined", `iif . oif { nosuch0 . ` + known + ` } accept`, 13},
		{"by name", `iifname "nosuch0" accept`, 0},
		{"by number", `iif 4711 accept`, 0},
	} {
		tree := parse(t, inChain(row.rule))
		if _, err := Compile(tree, Options{Interfaces: testInterfaces}); err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		_, err := Compile(tree, Options{Interfaces: testInterfaces, KnownOnly: true})
		if row.col == 0 {
			if err != nil {
				t.Errorf("%s: %v", row.name, err)
			}
			continue
		}
		var at *Error
		if !errors.As(err, &at) || at.Msg != "Interface does not exist" || at.Pos != (nft.Pos{File: "test.nft", Line: 10, Col: row.col}) {
			t.Errorf("%s: %v, want it at 10:%d", row.name, err, row.col)
		}
	}
}
