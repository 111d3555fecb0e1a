package nft

import (
	"strings"
	"testing"
)

const applyBase = `table inet t {
	comment "base"
	counter n {
		packets 1 bytes 2
	}
	set s {
		type ipv4_addr
		elements = { 1.1.1.1, 2.2.2.2 }
	}
	map v {
		type inet_service : verdict
		elements = { 22 : jump u }
	}
	chain u {
		counter packets 5 bytes 6
	}
	chain c {
		type filter hook input priority 0
		tcp dport { 22, 23 } accept
		ip saddr @s counter packets 7 bytes 8 drop
		tcp dport vmap @v
		udp dport vmap { 53 : jump u }
		counter name "n" jump u
	}
}
table ip other {
	chain c {
		accept
	}
}
`

// applyScripts are run one after the other.
var applyScripts = []struct{ name, text string }{
	{"add", "add rule inet t c tcp dport 80 drop\ninsert rule inet t c tcp dport 81 drop"},
	{"index", "add rule inet t c index 0 tcp dport 82 drop\ninsert rule inet t c index 2 tcp dport 83 drop"},
	{"handle", "add rule inet t c handle 9 tcp dport 84 drop\ninsert rule inet t c handle 9 tcp dport 85 drop\nadd rule inet t c position 9 tcp dport 86"},
	{"replace", "replace rule inet t c handle 9 ip saddr @s counter accept"},
	{"delete", "delete rule inet t c handle 10"},
	{"elements", "add element inet t s { 3.3.3.3 }\ndelete element inet t s { 1.1.1.1 }"},
	{"elements of a map with what they lead to, or something else", "add map inet t w { type inet_service : verdict; elements = { 22 : accept, 23 : drop, 24 : drop }; }\ndelete element inet t w { 22 : accept, 23 : accept }"},
	{"rename", "rename chain inet t u w"},
	{"new table", "add table ip6 n\nadd chain ip6 n c { type filter hook input priority 0; policy drop; }\nadd rule ip6 n c ip6 saddr ::1 accept"},
	{"block", "table inet t {\n\tset x { typeof ip saddr . tcp dport; }\n\tchain c {\n\t\tip saddr . tcp dport @x accept\n\t}\n}"},
	{"policy", "chain inet t c { policy drop; }"},
	{"delete by handle", "flush chain ip other c\ndelete chain ip other handle 1\nadd counter ip other k\ndelete table ip6 n"},
	{"flush", "flush set inet t s\nflush chain inet t c\nadd rule inet t c accept"},
	{"chains written in rules", "add rule inet t c jump { ip saddr 1.2.3.4 accept; }\nadd table ip6 n\nadd chain ip6 n d { counter goto { accept; } ; }\nadd chain inet t e { tcp dport 1 jump { accept; }; udp dport { 5, 6 } goto { counter name \"n\" ; ip saddr @s; }; }"},
	{"what the rules of such a chain name", "add element inet t s { 7.7.7.7 }\nreset counter inet t n"},
	{"a rule with such a chain replaced and flushed", "flush chain ip6 n d\nadd chain ip6 n f { jump { accept; }; }\ndelete chain ip6 n f\nadd chain inet t w { accept; }"},
	{"flush a family", "flush ruleset ip"},
}

func TestApply(t *testing.T) {
	rs, err := Parse("base", []byte(applyBase), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range applyScripts {
		before := handles(t, rs)
		next, err := Apply(rs, s.name, []byte(s.text), ParseOptions{}, PrintOptions{})
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if got := handles(t, rs); got != before {
			t.Fatalf("%s changed the old rule set:\n%s\nnow\n%s", s.name, before, got)
		}
		if handles(t, next) == before {
			t.Errorf("%s changed nothing", s.name)
		}
		rs = next
	}
}

// TestApplyOracle runs the scripts with nft too and compares the listings, with
// handles.
func TestApplyOracle(t *testing.T) {
	nft := namespace(t)
	if out, err := nft(applyBase, "-f", "-"); err != nil {
		t.Fatal(out)
	}
	rs, err := Parse("base", []byte(applyBase), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range applyScripts {
		if out, err := nft(s.text, "-f", "-"); err != nil {
			t.Fatalf("%s: %s", s.name, out)
		}
		if rs, err = Apply(rs, s.name, []byte(s.text), ParseOptions{}, PrintOptions{}); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		out, err := nft("", "-a", "list", "ruleset")
		if err != nil {
			t.Fatal(out)
		}
		// Handles of tables are counted over all namespaces of the machine.
		ours, theirs := strings.Split(handles(t, rs), "\n"), strings.Split(out, "\n")
		for i := range max(len(ours), len(theirs)) {
			a, b := lineOf(ours, i), lineOf(theirs, i)
			if strings.HasPrefix(a, "table ") {
				a, _, _ = strings.Cut(a, " #")
				b, _, _ = strings.Cut(b, " #")
			}
			if a != b {
				t.Fatalf("%s, line %d:\n  ours %s\n  nft  %s\nours\n%s\nnft\n%s", s.name, i+1, a, b, handles(t, rs), out)
			}
		}
	}
}

func lineOf(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(no line)"
}

func handles(t testing.TB, rs *Ruleset) string {
	t.Helper()
	var b strings.Builder
	if err := Fprint(&b, rs, PrintOptions{Handles: true}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestApplyRefused wants an error with its place, and no change.
func TestApplyRefused(t *testing.T) {
	rs, err := Parse("base", []byte(applyBase), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := handles(t, rs)
	for _, c := range []struct{ name, text, want string }{
		{"no such handle", "add rule inet t c accept\ndelete rule inet t c handle 99", "2:29-30: Could not process rule: No such file or directory"},
		{"no such index", "add rule inet t c index 9 accept", "1:19-25: Could not process rule: No such file or directory"},
		{"no handle", "delete rule inet t c", "1:21-21: syntax error, unexpected end of file, expecting handle"},
		{"rename to one that exists", "rename chain inet t u c", "1:1-23: Could not process rule: File exists"},
		{"busy chain", "delete chain inet t u", "1:21-21: Could not process rule: Device or resource busy"},
		{"busy set", "delete set inet t s", "1:19-19: Could not process rule: Device or resource busy"},
		{"element that exists", "create element inet t s { 1.1.1.1 }", "1:27-33: Could not process rule: File exists"},
		{"replace without a handle", "replace rule inet t c accept", "1:23-28: syntax error, unexpected accept, expecting handle"},
		{"loop through old rules", "add rule inet t u jump u", "1:19-24: Could not process rule: Too many links"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Apply(rs, "f", []byte(c.text), ParseOptions{}, PrintOptions{})
			if err == nil {
				t.Fatal("accepted")
			}
			e := err.(ErrorList)[0]
			if got := strings.TrimPrefix(headline(e), "f:"); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			if handles(t, rs) != before {
				t.Error("the old rule set has changed")
			}
		})
	}
}

// TestApplyShares wants all that a text leaves alone to be the same by pointer, and
// the statements that count in a rule that had to be made anew.
func TestApplyShares(t *testing.T) {
	rs, err := Parse("base", []byte(applyBase), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const set, obj = 2, 5 // rules of chain c that name the set and the counter
	for _, c := range []struct {
		name, text    string
		chain, u      bool // chains c and u are shared
		set, obj      bool // the rules that name the set and the counter
		table, object bool
	}{
		{"nothing", "", true, true, true, true, true, true},
		{"another chain", "add rule inet t u accept", true, false, true, true, false, true},
		{"another table", "add rule ip other c accept", true, true, true, true, true, true},
		{"an element", "add element inet t s { 9.9.9.9 }", false, true, false, true, false, true},
		{"an element of another set", "add element inet t v { 23 : accept }", false, true, true, true, false, true},
		{"a rule", "add rule inet t c accept", false, true, true, true, false, true},
		{"a reset", "reset counter inet t n", false, true, true, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			state := PrintOptions{Counters: func(c *Counter) (uint64, uint64) { return c.Packets + 10, c.Bytes + 100 }}
			out, err := Run(rs, "f", []byte(c.text), ParseOptions{}, state)
			if err != nil {
				t.Fatal(err)
			}
			a, b := rs.Tables[0], out.Rules.Tables[0]
			x, y := a.chain("c"), b.chain("c")
			for what, is := range map[string][2]bool{
				"table": {a == b, c.table}, "chain c": {x == y, c.chain}, "chain u": {a.chain("u") == b.chain("u"), c.u},
				"first rule": {x.Rules[0] == y.Rules[0], true}, "rule with the set": {x.Rules[set-1] == y.Rules[set-1], c.set},
				"rule with the counter": {x.Rules[obj-1] == y.Rules[obj-1], c.obj}, "object": {a.Objects[0] == b.Objects[0], c.object},
				"counter": {x.Rules[set-1].Stmts[1] == y.Rules[set-1].Stmts[1], true},
			} {
				if is[0] != is[1] {
					t.Errorf("%s: the same: %v, want %v", what, is[0], is[1])
				}
			}
			if m := y.Rules[set-1].Stmts[0].(*Match); m.Right.(*SetRef).Set != b.set("s") {
				t.Error("the rule names another set than the table has")
			}
			if ref := y.Rules[obj-1].Stmts[0].(*ObjectRef); ref.Object != b.Objects[0] {
				t.Error("the rule names another counter than the table has")
			}
			if !c.object {
				var text strings.Builder
				if err := out.Queries[0].Fprint(&text, out.Rules, PrintOptions{}); err != nil || !strings.Contains(text.String(), "packets 11 bytes 102") {
					t.Errorf("%v, the reset shows\n%s", err, text.String())
				}
			}
		})
	}
}

// TestApplyInOrder runs commands of which later ones change what earlier ones name.
func TestApplyInOrder(t *testing.T) {
	rs, err := Parse("base", []byte(applyBase), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := handles(t, rs)
	for _, c := range []struct{ name, text, want, refused string }{
		{"a set named, then changed", "add rule inet t c ip daddr @s\nadd element inet t s { 9.9.9.9 }\nlist set inet t s", "9.9.9.9", ""},
		{"a target no longer named", "flush map inet t v\nflush chain inet t c\nflush chain inet t u\ndelete chain inet t u", "", ""},
		{"a target named by a map that a rule names", "delete element inet t v { 22 }\nflush chain inet t c\nflush chain inet t u\nadd rule inet t c tcp dport vmap @v\nadd element inet t v { 22 : jump u }\ndelete chain inet t u", "", "Device or resource busy"},
		{"a set that is named", "add element inet t s { 9.9.9.9 }\ndelete set inet t s", "", "Device or resource busy"},
		{"a counter that is named", "reset counter inet t n\ndelete counter inet t n", "", "Device or resource busy"},
		{"a counter that a literal map named", "add rule inet t c counter name tcp dport map { 80 : \"n\" }\nflush chain inet t c\ndelete counter inet t n", "", ""},
		{"a chain with rules", "add chain inet t x { accept; counter; }\ndelete chain inet t x", "", ""},
		{"a chain that goes with its rule", "add rule inet t u counter jump { drop; }\nflush chain inet t u\nadd chain inet t __chain99", "", ""},
		{"a name that a chain written in a rule has", "add table ip x\nadd chain ip x c\nadd rule ip x c jump { accept; }\nadd chain ip x __chain2", "", "Invalid argument"},
		{"a chain written in a rule called by its name", "add table ip x\nadd chain ip x c\nadd rule ip x c jump { accept; }\nadd rule ip x c jump __chain2", "", "No such file or directory"},
		{"a chain written in a rule that names what is reset", "add rule inet t c jump { counter name \"n\"; }\nreset counter inet t n\ndelete counter inet t n", "", "Device or resource busy"},
		{"a chain written in a rule that loops", "add rule inet t c jump { jump u; }\nadd rule inet t u jump { jump u; }", "", "Too many links"},
		{"a loop by an element", "add rule inet t u tcp dport vmap @v", "", "Too many links"},
		{"a loop by an element of a set named before", "flush map inet t v\nadd rule inet t u tcp dport vmap @v\nadd element inet t v { 22 : jump u }", "", "Too many links"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := Run(rs, "f", []byte(c.text), ParseOptions{}, PrintOptions{})
			switch {
			case c.refused != "":
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Fatalf("error %v, want %s", err, c.refused)
				}
			case err != nil:
				t.Fatal(err)
			case len(out.Queries) > 0:
				var text strings.Builder
				if err := out.Queries[0].Fprint(&text, out.Rules, PrintOptions{}); err != nil || !strings.Contains(text.String(), c.want) {
					t.Errorf("%v, the answer is\n%s", err, text.String())
				}
			}
			if handles(t, rs) != before {
				t.Error("the old rule set has changed")
			}
		})
	}
}

func headline(e *Error) string {
	head, _, _ := strings.Cut(e.Error(), "\n")
	return strings.Replace(head, " Error:", "", 1)
}

// TestApplyOldPlace wants an error about a rule that was there before to say so.
func TestApplyOldPlace(t *testing.T) {
	rs, err := Parse("f", []byte("table ip t {\n\tchain n {\n\t\tmasquerade\n\t}\n}\n"), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Apply(rs, "f", []byte("add chain ip t c { type filter hook input priority 0; }\nadd rule ip t c jump n"), ParseOptions{}, PrintOptions{})
	if err == nil {
		t.Fatal("accepted")
	}
	if got := headline(err.(ErrorList)[0]); got != InForce+":3:3-3: Could not process rule: Operation not supported" {
		t.Error(got)
	}
}
