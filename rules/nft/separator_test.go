package nft

import (
	"strings"
	"testing"
)

// separatorRows are contents of a block whose end, or the next word, stands on
// the same line.
var separatorRows = []string{
	`set s { type ipv4_addr; elements = { 1.2.3.4 } }`,
	`set s { type ipv4_addr; elements = { 1.2.3.4 } size 5; }`,
	`set s { elements = { 1.2.3.4 } type ipv4_addr; }`,
	`set s { type ipv4_addr; auto-merge flags interval; }`,
	`set s { type ipv4_addr; flags interval; auto-merge }`,
	`set s { type ipv4_addr; flags interval }`,
	`set s { type ipv4_addr; size 5 }`,
	`set s { type ipv4_addr; timeout 5s }`,
	`set s { type ipv4_addr; comment "x" }`,
	`map m { type ipv4_addr : mark; elements = { 1.2.3.4 : 1 } }`,
	`map m { type ipv4_addr : verdict; elements = { 1.2.3.4 : accept } }`,
	`counter c { packets 1 bytes 2 comment "x" }`,
	`counter c { comment "x" packets 1 bytes 2 }`,
	`quota c { 25 bytes comment "x" }`,
	`limit c { rate 1/second }`,
	`ct helper c { type "ftp" protocol tcp }`,
	`ct helper c { type "ftp" protocol tcp; }`,
	`ct helper c { type "ftp" protocol tcp; l3proto ip }`,
	`ct timeout c { protocol tcp; policy = { established: 100 } }`,
	`ct timeout c { protocol tcp; policy = { established: 100 }; }`,
	`ct expectation c { protocol tcp; l3proto ip; dport 1; timeout 1m; size 3 }`,
	`ct expectation c { protocol tcp; l3proto ip; dport 1; timeout 1m; size 3; }`,
	`synproxy c { }`,
	`synproxy c { mss 1 }`,
	`synproxy c { mss 1 wscale 2 }`,
	`synproxy c { mss 1 wscale 2; timestamp; }`,
	`synproxy c { mss 1 wscale 2 timestamp sack-perm }`,
	`synproxy c { mss 1; wscale 2 }`,
	`synproxy c { mss 1; wscale 2; }`,
	`synproxy c { mss 1; wscale 2; timestamp sack-perm }`,
	`synproxy c { mss 1; wscale 2; sack-perm timestamp }`,
	`synproxy c { mss 1; wscale 2; comment "x" }`,
	`synproxy c { mss 1; comment "x"; wscale 2; }`,
	`synproxy c { wscale 2; mss 1; }`,
	`chain c { comment "x" }`,
	`chain c { type filter hook input priority 0 }`,
	`chain c { type filter hook input priority 0; policy drop }`,
	`chain c { accept }`,
}

// TestOracleSeparators asks nft where a separator is needed.
func TestOracleSeparators(t *testing.T) {
	nft := namespace(t)
	for _, row := range separatorRows {
		text := "table inet t {\n\t" + row + "\n}\n"
		theirs, err := nft("flush ruleset\n"+text, "-f", "-")
		_, errs := Parse("x", []byte(text), ParseOptions{})
		if (err == nil) != (errs == nil) {
			t.Errorf("%s\nours %v\nnft  %s", row, errs, strings.TrimSpace(theirs))
		}
	}
}
