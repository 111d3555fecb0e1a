package rules

import (
	"fmt"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// TestTouched: whose packets an edit may make rules judge otherwise.
func TestTouched(t *testing.T) {
	const text = `table inet t {
	counter idle {
	}
	set src { type ipv4_addr; flags interval; elements = { 10.0.0.1 }; }
	set both { type ipv4_addr . inet_service; elements = { 10.0.0.1 . 80 }; }
	set wide { type ipv6_addr; elements = { fd00::1 }; }
	set port { type inet_service; elements = { 80 }; }
	set masked { type ipv4_addr; elements = { 10.0.0.0 }; }
	set mixed { type ipv4_addr; elements = { 10.0.0.1 }; }
	set far { type ipv4_addr; elements = { 10.0.0.1 }; }
	set unused { type ipv4_addr; elements = { 10.0.0.1 }; }
	map fate { type ipv4_addr : verdict; elements = { 10.0.0.1 : drop, 10.0.0.2 : jump called }; }
	map paint { type ipv4_addr : mark; elements = { 10.0.0.1 : 1 }; }
	chain called {
	}
	chain base {
		type filter hook forward priority 0; policy drop;
		ip saddr @src counter accept
		udp dport . ip daddr { 53 . 10.0.0.1, 54 . 10.0.0.2 } accept
		ip daddr . tcp dport @both counter accept
		ip6 saddr @wide accept
		tcp dport @port accept
		ip saddr & 255.255.255.0 @masked accept
		ip saddr @mixed accept
		ct original ip saddr @mixed accept
		ct original ip saddr @far accept
		ip daddr vmap @fate
		meta mark set ip saddr map @paint
	}
}
`
	opt := Options{Interfaces: testInterfaces}
	before, err := Compile(parse(t, text), opt)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := before.Touched(nil); ok {
		t.Error("nothing before, and not all is touched")
	}
	opt.Before = before
	for _, row := range []struct{ edit, want string }{
		{"add element inet t src { 10.0.0.9 }", "[{10.0.0.9 10.0.0.9}]"},
		{"delete element inet t src { 10.0.0.1 }", "[{10.0.0.1 10.0.0.1}]"},
		{"add element inet t src { 10.2.0.0/16 }", "[{10.2.0.0 10.2.255.255}]"},
		{"add element inet t both { 10.0.0.3 . 81 }", "[{10.0.0.3 10.0.0.3}]"},
		{"add element inet t wide { fd00::2 }", "[{fd00::2 fd00::2}]"},
		{"add element inet t fate { 10.0.0.3 : accept }", "[{10.0.0.3 10.0.0.3}]"},
		{"delete element inet t fate { 10.0.0.2 }", "[{10.0.0.2 10.0.0.2}]"},
		{"add element inet t paint { 10.0.0.3 : 2 }", "[{10.0.0.3 10.0.0.3}]"},
		{"add element inet t unused { 10.0.0.3 }", "[]"},
		{"add set inet t more { type ipv4_addr; }", "[]"},
		{"add element inet t src { 10.0.0.9 }\nadd element inet t wide { fd00::2 }", "[{10.0.0.9 10.0.0.9} {fd00::2 fd00::2}]"},
		{"add element inet t port { 81 }", "all"},
		{"add element inet t masked { 10.0.1.0 }", "all"},
		{"add element inet t mixed { 10.0.0.3 }", "all"},
		{"add element inet t far { 10.0.0.3 }", "all"},
		{"add rule inet t base accept", "all"},
		{"add rule inet t called accept", "all"},
		{"insert rule inet t base counter", "all"},
		{"delete counter inet t idle\nadd counter inet t other", "all"},
		{"add chain inet t other { type filter hook input priority 0; }", "all"},
		{"chain inet t base { policy accept; }", "all"},
		{"flush ruleset\n" + text, "all"},
	} {
		tree, err := nft.Apply(before.Tree, "edit", []byte(row.edit+"\n"), nft.ParseOptions{}, nft.PrintOptions{})
		if err != nil {
			t.Fatalf("%s: %v", row.edit, err)
		}
		after, err := Compile(tree, opt)
		if err != nil {
			t.Fatalf("%s: %v", row.edit, err)
		}
		got := "all"
		if ranges, ok := after.Touched(before); ok {
			got = fmt.Sprint(ranges)
		}
		if got != row.want {
			t.Errorf("%s: %s, want %s", row.edit, got, row.want)
		}
	}
}
