package nft

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// repeated are texts that say something twice, or say nothing; error is "" for
// those that nft takes.
var repeated = []struct{ name, text, error string }{
	{"table comment", "table ip t {\n comment \"a\"\n comment \"b\"\n}\n", "3:2-12: You can only specify this once. This statement is duplicated."},
	{"empty table comment first", "table ip t {\n comment \"\"\n comment \"b\"\n}\n", "3:2-12: You can only specify this once. This statement is duplicated."},
	{"chain comment", "table ip t {\n chain c {\n  comment \"a\"\n  comment \"a\"\n }\n}\n", "4:3-13: You can only specify this once. This statement is duplicated."},
	{"set comment", "table ip t {\n set s {\n  type ipv4_addr\n  comment \"a\"\n  comment \"b\"\n }\n}\n", "5:3-13: You can only specify this once. This statement is duplicated."},
	{"map comment", "table ip t {\n map s {\n  type ipv4_addr : verdict\n  comment \"a\"\n  comment \"b\"\n }\n}\n", "5:3-13: You can only specify this once. This statement is duplicated."},
	{"element comment", "table ip t {\n set s {\n  type ipv4_addr\n  elements = { 1.1.1.1 comment \"a\" comment \"b\" }\n }\n}\n", "4:36-46: You can only specify this once. This statement is duplicated."},
	{"add chain comment", "add table ip t\nadd chain ip t c { comment \"a\"; comment \"b\"; }\n", "2:33-43: You can only specify this once. This statement is duplicated."},
	{"policy", "table ip t {\n chain c {\n  type filter hook input priority 0; policy drop; policy accept;\n }\n}\n", "3:51-63: you cannot set chain policy twice"},
	{"same policy", "table ip t {\n chain c {\n  type filter hook input priority 0\n  policy drop\n  policy drop\n }\n}\n", "5:3-13: you cannot set chain policy twice"},
	{"constant set again", "table ip t {\n set s {\n  type ipv4_addr; flags constant\n }\n set s {\n  type ipv4_addr\n }\n}\n", "5:6-6: Could not process rule: File exists"},
	{"create element", "add table ip t\nadd set ip t s { type ipv4_addr; }\nadd element ip t s { 1.1.1.1 }\ncreate element ip t s { 2.2.2.2, 1.1.1.1 }\n", "4:34-40: Could not process rule: File exists"},
	{"create element twice", "add table ip t\nadd set ip t s { type ipv4_addr; }\ncreate element ip t s { 1.1.1.1, 1.1.1.1 }\n", "3:34-40: Could not process rule: File exists"},
	{"create element of a block", "table ip t {\n set s {\n  type ipv4_addr\n  elements = { 1.1.1.1 }\n }\n}\ncreate element ip t s { 1.1.1.1 }\n", "7:25-31: Could not process rule: File exists"},
	{"create and add", "add table ip t\nadd set ip t s { type ipv4_addr; }\ncreate element ip t s { 1.1.1.1 }\nadd element ip t s { 2.2.2.2 }\ncreate element ip t s { 2.2.2.2 }\n", "5:25-31: Could not process rule: File exists"},
	{"create interval", "add table ip t\nadd set ip t s { type ipv4_addr; flags interval; }\nadd element ip t s { 1.1.1.0/24 }\ncreate element ip t s { 1.1.1.0/24 }\n", "4:25-34: Could not process rule: File exists"},
	{"create joined", "add table ip t\nadd set ip t s { type ipv4_addr . inet_service; flags interval; }\nadd element ip t s { 1.1.1.0/24 . 22 }\ncreate element ip t s { 1.1.1.0/24 . 22 }\n", "4:25-39: Could not process rule: File exists"},
	{"create in a map", "add table ip t\nadd map ip t s { type ipv4_addr : verdict; }\nadd element ip t s { 1.1.1.1 : accept }\ncreate element ip t s { 1.1.1.1 : accept }\n", "4:25-31: Could not process rule: File exists"},
	{"create merged twice", "add table ip t\nadd set ip t s { type ipv4_addr; flags interval; auto-merge; }\ncreate element ip t s { 1.1.1.1, 1.1.1.1 }\n", "3:34-40: Could not process rule: File exists"},
	{"masquerade flags", in("ip snat", "masquerade random random"), "7:21-26: syntax error, unexpected random, expecting newline or semicolon"},
	{"flags without end", in("ip snat", "masquerade random,"), "7:21-21: syntax error, unexpected newline, expecting random or fully-random or persistent"},

	{"create what was deleted", "add table ip t\nadd set ip t s { type ipv4_addr; }\ncreate element ip t s { 1.1.1.1 }\ndelete element ip t s { 1.1.1.1 }\ncreate element ip t s { 1.1.1.1 }\n", ""},
	{"create what was flushed", "add table ip t\nadd set ip t s { type ipv4_addr; }\ncreate element ip t s { 1.1.1.1 }\nflush set ip t s\ncreate element ip t s { 1.1.1.1 }\n", ""},
	{"create what was merged", "add table ip t\nadd set ip t s { type ipv4_addr; flags interval; auto-merge; }\nadd element ip t s { 1.1.1.0/24 }\ncreate element ip t s { 1.1.1.0/24 }\n", ""},
	{"add what was created", "add table ip t\nadd set ip t s { type ipv4_addr; }\ncreate element ip t s { 1.1.1.1 }\nadd element ip t s { 1.1.1.1 }\n", ""},
	{"comments of two blocks", "table ip t {\n comment \"a\"\n}\ntable ip t {\n comment \"b\"\n chain c {\n  comment \"a\"\n }\n chain c {\n  comment \"b\"\n }\n}\n", ""},
	{"policies of two blocks", "table ip t {\n chain c {\n  type filter hook input priority 0; policy drop\n }\n chain c {\n  type filter hook input priority 0; policy accept\n }\n}\n", ""},
	{"sizes of two blocks", "table ip t {\n set s {\n  type ipv4_addr; size 4\n }\n set s {\n  type ipv4_addr; size 5\n }\n set s {\n  type ipv4_addr\n }\n}\n", ""},
	{"base", "table ip t {\n chain c {\n  type filter hook input priority 0\n  type nat hook output priority 5\n }\n}\n", ""},
	{"type", "table ip t {\n set s {\n  type ipv4_addr\n  type inet_service\n }\n}\n", ""},
	{"type after typeof", "table ip t {\n set s {\n  typeof ip saddr\n  type inet_service\n }\n}\n", ""},
	{"typeof after type", "table ip t {\n set s {\n  type ipv4_addr\n  typeof tcp dport\n }\n}\n", ""},
	{"type of a map", "table ip t {\n map s {\n  typeof ip saddr : verdict\n  type inet_service : verdict\n }\n}\n", ""},
	{"flags", "table ip t {\n set s {\n  type ipv4_addr\n  flags interval\n  flags constant\n }\n}\n", ""},
	{"flags the other way", "table ip t {\n set s {\n  type ipv4_addr\n  flags constant\n  flags interval\n  elements = { 1.1.1.0/24 }\n }\n}\n", ""},
	{"flags and merging", "table ip t {\n set s {\n  type ipv4_addr\n  auto-merge\n  auto-merge\n  flags constant\n  flags interval\n }\n}\n", ""},
	{"undefine and redefine what is not defined", "undefine p\nredefine p = 5\ntable ip t {\n chain c {\n  tcp dport $p\n }\n}\n", ""},
	{"undefine twice", "define p = 5\nundefine p\nundefine p\n", ""},
	{"size and policy", "table ip t {\n set s {\n  type ipv4_addr\n  size 5\n  size 6\n  policy performance\n  policy memory\n }\n}\n", ""},
	{"elements", "table ip t {\n set s {\n  type ipv4_addr\n  elements = { 1.1.1.1 }\n  elements = { 2.2.2.2 }\n }\n}\n", ""},
	{"log options", in("", "log prefix \"a\" level info prefix \"b\" level debug"), ""},
	{"log group", in("", "log group 1 group 2 snaplen 3 snaplen 4"), ""},
	{"nat flags", in("ip snat", "snat to 1.1.1.1 random persistent"), ""},
	{"empty log prefix", in("", "log prefix \"\""), ""},
	{"empty log prefix with more", in("", "log prefix \"\" level info accept"), ""},
	{"empty log prefix to a group", in("", "log prefix \"\" group 1 snaplen 0 queue-threshold 0"), ""},
	{"empty comments", "table ip t {\n comment \"\"\n set s {\n  type ipv4_addr\n  comment \"\"\n  elements = { 1.1.1.1 comment \"\" }\n }\n chain c {\n  comment \"\"\n  accept comment \"\"\n }\n}\n", ""},
}

// TestOracleRepeated loads each text into nft and into ours: the same error, or
// the same listing.
func TestOracleRepeated(t *testing.T) {
	nft := namespace(t)
	for _, c := range repeated {
		nft("", "flush", "ruleset")
		out, failed := nft(c.text, "-f", "-")
		rs, err := Parse("/dev/stdin", []byte(c.text), ParseOptions{})
		if (failed == nil) != (err == nil) {
			t.Errorf("%s: ours %v, nft %v: %s", c.name, err, failed, out)
			continue
		}
		if err != nil {
			if want := strings.Join(strings.Split(out, "\n")[:3], "\n"); err.(ErrorList)[0].Error() != want {
				t.Errorf("%s:\nours\n%v\nnft\n%s", c.name, err, want)
			}
			continue
		}
		want, _ := nft("", "list", "ruleset")
		var b bytes.Buffer
		if err := Fprint(&b, rs, PrintOptions{}); err != nil || b.String() != want {
			t.Errorf("%s: %v\nours\n%s\nnft\n%s", c.name, err, b.String(), want)
		}
		again(t, want)
	}
}

func TestRepeated(t *testing.T) {
	for _, c := range repeated {
		got := ""
		if _, err := Parse("f", []byte(c.text), ParseOptions{}); err != nil {
			e := err.(ErrorList)[0]
			got = fmt.Sprintf("%d:%d-%d: %s", e.Pos.Line, e.Pos.Col, e.End.Col-1, e.Msg)
		}
		if got != c.error {
			t.Errorf("%s: %q, want %q", c.name, got, c.error)
		}
	}
}

// TestLongLine wants the place exact and in sight, however long the line is.
func TestLongLine(t *testing.T) {
	fill := func(n int, s string) string { return strings.Repeat(s, n/len(s)) }
	const rule = "  "
	for _, row := range []struct {
		name, line string
		bad        string // what the carets stand below, where it begins
	}{
		{"short", rule + "tcp dport nonsense", "nonsense"},
		{"at the end", rule + "tcp dport { " + fill(1<<20, "1, ") + "nonsense }", "nonsense"},
		{"in the middle", rule + "tcp dport { " + fill(3000, "1, ") + "nonsense, " + fill(1<<20, "2, ") + "}", "nonsense"},
		{"near the beginning", rule + "tcp dport { nonsense, " + fill(1<<20, "2, ") + "}", "nonsense"},
		{"token longer than the window", rule + "tcp dport { 1, " + fill(1<<20, "x") + " }", "xxx"},
		{"in letters of two bytes", rule + "log prefix \"" + fill(100, "ä") + "\" comment \"" + fill(100, "ö") + "\" nonsense " + fill(400, "#ü"), "nonsense"},
		{"bytes that are no text", rule + "tcp dport nonsense " + fill(1<<16, "\x80"), "\x80"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Parse("f", []byte("table ip t {\n chain c {\n"+row.line+"\n }\n}\n"), ParseOptions{})
			if err == nil {
				t.Fatal("accepted")
			}
			e := err.(ErrorList)[0]
			if e.Pos.Line != 3 || !strings.HasPrefix(row.line[e.Pos.Col-1:], row.bad) {
				t.Errorf("the error is at %v", e.Pos)
			}
			out := strings.Split(e.Error(), "\n")
			if len(out) != 3 || len(out[0]) > 700 || len(out[1]) > windowWidth+2*len(cut) || len(out[2]) > len(out[1]) {
				t.Fatalf("%d lines, %d bytes", len(out), len(e.Error()))
			}
			if at := strings.IndexByte(out[2], '^'); at < 0 || !strings.HasPrefix(out[1][at:], row.bad) {
				t.Errorf("the carets are not below %s:\n%s\n%s", row.bad, out[1], out[2])
			}
			if utf8.ValidString(row.line) && !utf8.ValidString(out[1]) {
				t.Errorf("a character is cut: %q", out[1])
			}
			if len(row.line) <= windowWidth && out[1] != row.line {
				t.Errorf("a short line is cut: %s", out[1])
			}
		})
	}
}

// unknownInterfaces are texts that name an interface, and where.
var unknownInterfaces = []struct{ name, text, want string }{
	{"rule", in("", `iif "nosuch0" accept`), "7:7-15"},
	{"not", in("", "oif != nosuch0 accept"), "7:10-16"},
	{"set", in("", `iif { "lo", "nosuch0" } accept`), "7:15-23"},
	{"joined", in("", "iif . oif { lo . nosuch0 } accept"), "7:20-26"},
	{"map", in("", `iif vmap { "lo" : accept, "nosuch0" : drop }`), "7:29-37"},
	{"named set", "table ip t {\n set s {\n  type iface_index\n  elements = { lo, 5, nosuch0 }\n }\n}\n", "4:23-29"},
	{"typeof", "table ip t {\n set s {\n  typeof iif\n  elements = { \"nosuch0\" }\n }\n}\n", "4:16-24"},
	{"definition", "define if = nosuch0\n" + in("", "iif $if accept"), "1:13-19"},
}

var onlyLoopback = ParseOptions{Interface: func(name string) (uint32, bool) { return 1, name == "lo" }}

// TestOracleUnknownInterface compares whole messages with nft's.
func TestOracleUnknownInterface(t *testing.T) {
	nft := namespace(t)
	for _, row := range unknownInterfaces {
		out, err := nft(row.text, "-f", "-")
		if err == nil {
			t.Errorf("%s: nft accepts this", row.name)
			continue
		}
		want := strings.Join(strings.Split(out, "\n")[:3], "\n")
		if _, err := Parse("/dev/stdin", []byte(row.text), onlyLoopback); err == nil || err.(ErrorList)[0].Error() != want {
			t.Errorf("%s:\nours\n%v\nnft\n%s", row.name, err, want)
		}
	}
}

// TestUnknownInterface wants every name of an interface refused where it stands
// in the text when the interfaces are known, and taken when not.
func TestUnknownInterface(t *testing.T) {
	for _, row := range unknownInterfaces {
		_, err := Parse("/dev/stdin", []byte(row.text), onlyLoopback)
		if err == nil {
			t.Errorf("%s: accepted", row.name)
			continue
		}
		e := err.(ErrorList)[0]
		if got := fmt.Sprintf("%d:%d-%d", e.Pos.Line, e.Pos.Col, e.End.Col-1); got != row.want || e.Msg != "Interface does not exist" {
			t.Errorf("%s: %s: %s, want %s", row.name, got, e.Msg, row.want)
		}
		if _, err := Parse("/dev/stdin", []byte(strings.ReplaceAll(row.text, "nosuch0", "lo")), onlyLoopback); err != nil && row.name != "map" {
			t.Errorf("%s: an interface that is there is refused: %v", row.name, err)
		}
		if _, err := Parse("/dev/stdin", []byte(row.text), ParseOptions{}); err != nil {
			t.Errorf("%s: refused though no interfaces are known: %v", row.name, err)
		}
	}
}

func TestUnlisted(t *testing.T) {
	for _, row := range []struct{ text, what string }{
		{"table ip t {\n chain c {\n  accept comment \"# $x define\"\n }\n}\n", ""},
		{"add table ip t; add chain ip t define_c\n", ""},
		{"table ip t # x\n", "a comment f:1:12"},
		{"table ip t {\n include \"x\"\n}\n", "an include f:2:2"},
		{"table ip t; undefine x\n", "a definition f:1:13"},
		{"table ip t\ndelete table ip t", "a command (delete) f:2:1"},
		{"table ip t { chain c { tcp dport $x; }\n}\n", "a variable f:1:34"},
	} {
		what, at := Unlisted("f", []byte(row.text))
		if what != "" {
			what += " " + at.String()
		}
		if what != row.what {
			t.Errorf("%q: %q, want %q", row.text, what, row.what)
		}
	}
}
