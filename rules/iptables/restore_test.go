package iptables

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func save(t *testing.T, rs *Ruleset, counters bool) string {
	t.Helper()
	var out strings.Builder
	if err := rs.Save(&out, SaveOptions{Counters: counters}); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// TestPublishedDumpReadsBack: a dump that a daemon wrote prints as it was read.
func TestPublishedDumpReadsBack(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(corpora, "docker_noicc.rules"))
	if err != nil {
		t.Skipf("SKIP: %v", err)
	}
	rs, err := Restore(nil, IPv4, "docker_noicc.rules", text, RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	first := save(t, rs, false)
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(first, line) {
			t.Errorf("lost: %s", line)
		}
	}
	rs, err = Restore(nil, IPv4, "again", []byte(first), RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if again := save(t, rs, false); again != first {
		t.Errorf("reads back as\n%s", again)
	}
}

func TestCommands(t *testing.T) {
	const begin = "*filter\n:INPUT DROP [1:2]\n:a - [0:0]\n:b - [0:0]\n[3:4] -A INPUT -i lo -j ACCEPT\n-A INPUT -j a\n-A a -p tcp -j RETURN\nCOMMIT\n"
	tests := []struct {
		name, then string
		opt        RestoreOptions
		want       string
	}{
		{"counters", "", RestoreOptions{Counters: true}, ":INPUT DROP [1:2]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:a - [0:0]\n:b - [0:0]\n[3:4] -A INPUT -i lo -j ACCEPT\n[0:0] -A INPUT -j a\n[0:0] -A a -p tcp -j RETURN\n"},
		{"flush", "*filter\n-A OUTPUT -j ACCEPT\nCOMMIT\n", RestoreOptions{}, ":INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n[0:0] -A OUTPUT -j ACCEPT\n"},
		{"insert", "*filter\n-I INPUT 2 -s 1.1.1.1,2.2.2.2 -j DROP\n-D INPUT -j a\n-X a\n-F a\nCOMMIT\n", RestoreOptions{NoFlush: true}, "FAIL"},
		{"change", "*filter\n-I INPUT 2 -s 1.1.1.1,2.2.2.2 -j DROP\n-D INPUT 1\n-E a c\n-P INPUT ACCEPT\n-X b\n-R c 1 -p udp -j RETURN\nCOMMIT\n", RestoreOptions{NoFlush: true},
			":INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:c - [0:0]\n[0:0] -A INPUT -s 1.1.1.1/32 -j DROP\n[0:0] -A INPUT -s 2.2.2.2/32 -j DROP\n[0:0] -A INPUT -j c\n[0:0] -A c -p udp -j RETURN\n"},
		{"flushed by its line", "*filter\n:a - [0:0]\nCOMMIT\n", RestoreOptions{NoFlush: true}, ":INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:a - [0:0]\n:b - [0:0]\n[0:0] -A INPUT -i lo -j ACCEPT\n[0:0] -A INPUT -j a\n"},
		{"other table", "*nat\n-A PREROUTING -j DROP\nCOMMIT\n", RestoreOptions{Table: "filter", NoFlush: true}, ":INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:a - [0:0]\n:b - [0:0]\n[0:0] -A INPUT -i lo -j ACCEPT\n[0:0] -A INPUT -j a\n[0:0] -A a -p tcp -j RETURN\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rs, err := Restore(nil, IPv4, "begin", []byte(begin), RestoreOptions{Counters: test.opt.Counters})
			if err != nil {
				t.Fatal(err)
			}
			before := save(t, rs, true)
			if test.then != "" {
				var next *Ruleset
				next, err = Restore(rs, IPv4, "then", []byte(test.then), test.opt)
				if save(t, rs, true) != before {
					t.Error("the rules in force were changed")
				}
				rs = next
			}
			got := "FAIL"
			if err == nil {
				got = save(t, rs, true)
				got = strings.TrimSuffix(strings.TrimPrefix(got, "*filter\n"), "COMMIT\n")
			}
			if got != test.want {
				t.Errorf("%v\n%s\nwant\n%s", err, got, test.want)
			}
		})
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	tests := []struct{ name, text, at, msg string }{
		{"no commit", "*filter\n", "f:2:1", "COMMIT expected at line 2"},
		{"no table", "-A INPUT -j ACCEPT\n", "f:1:1", "line 1 failed: a line outside"},
		{"table", "*foo\n", "f:1:2", "line 1 failed: unable to initialize table 'foo'"},
		{"option", "*filter\n-A INPUT -p tcp --dport 5 --foo 3\nCOMMIT\n", "f:2:27", `line 2 failed: unknown option "--foo"`},
		{"value", "*filter\n[1:2] -A INPUT -p tcp --dport x:y\nCOMMIT\n", "f:2:31", "line 2 failed: tcp: bad value"},
		{"quotes", "*filter\n-A INPUT -m comment --comment \"abc\nCOMMIT\n", "f:2:31", "line 2 failed: the quotes"},
		{"target", "*filter\n-A INPUT -j FOO\nCOMMIT\n", "f:2:13", "Couldn't load target `FOO'"},
		{"loop", "*filter\n:a - [0:0]\n:b - [0:0]\n-A a -j b\n-A b -j a\nCOMMIT\n", "f:5:9", "Too many levels of symbolic links"},
		{"hook over a jump", "*mangle\n:a - [0:0]\n-A PREROUTING -j a\n-A a -j CLASSIFY --set-class 1:2\nCOMMIT\n", "f:4:9", "PREROUTING"},
		{"protocol", "*filter\n-A INPUT -m tcp --dport 5\nCOMMIT\n", "f:2:13", "needs -p"},
		{"drop in nat", "*nat\n-A PREROUTING -j DROP\nCOMMIT\n", "f:2:18", "not intended for filtering"},
		{"policy", "*filter\n:INPUT FOO [0:0]\n", "f:2:8", "Bad policy name"},
		{"chain", "*filter\n-A FOO -j ACCEPT\n", "f:2:4", "No chain/target/match by that name"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Restore(nil, IPv4, "f", []byte(test.text), RestoreOptions{})
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if e.Pos.String() != test.at || !strings.Contains(e.Msg, test.msg) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// FuzzRestore: no text makes it panic, and what it takes reads back the same.
func FuzzRestore(f *testing.F) {
	for line := range strings.Lines(rowsText) {
		c := strings.Split(strings.TrimRight(line, "\n"), "\t")
		f.Add("*"+c[1]+"\n-A "+c[2]+" "+c[3]+"\nCOMMIT\n", c[0] == "ip6tables")
	}
	f.Fuzz(func(t *testing.T, text string, six bool) {
		family := IPv4
		if six {
			family = IPv6
		}
		rs, err := Restore(nil, family, "f", []byte(text), RestoreOptions{Counters: true})
		if err != nil || strings.Contains(text, "ipcomp") { // the tool's text for all of its numbers means number 0
			return
		}
		first := save(t, rs, true)
		again, err := Restore(nil, family, "f", []byte(first), RestoreOptions{Counters: true})
		if err != nil {
			t.Fatalf("does not read back: %v\n%s", err, first)
		}
		if second := save(t, again, true); second != first {
			t.Fatalf("reads back as\n%s\ninstead of\n%s", second, first)
		}
	})
}
