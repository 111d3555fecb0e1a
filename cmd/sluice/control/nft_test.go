package control

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// nft runs nft commands on the box and returns what they print.
func (b *testBox) nft(t *testing.T, show nft.PrintOptions, text string) string {
	t.Helper()
	var out bytes.Buffer
	if err := b.Nft(t.Context(), &Request{Script: Script{Name: "x", Text: text}, Show: show, From: "1 (test)"}, &out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out.String()
}

func TestNftAnswers(t *testing.T) {
	b := newTestBox(t)
	b.nft(t, nft.PrintOptions{}, counting+"add counter ip t c\nadd quota ip t q { 5 mbytes; }\n"+
		"add set ip t s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1 }; }\n"+
		"insert rule ip t f counter name c quota name q\n")
	b.send(t, 4)
	for _, row := range []struct {
		name, text, want string
		show             nft.PrintOptions
	}{
		{"tables", "list tables", "table ip t\n", nft.PrintOptions{}},
		{"terse", "list sets", "table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t}\n}\n", nft.PrintOptions{Terse: true}},
		{"get", "get element ip t s { 10.1.2.3 }", "table ip t {\n\tset s {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t\telements = { 10.0.0.0/8 }\n\t}\n}\n", nft.PrintOptions{}},
		{"counter", "list counter ip t c", "table ip t {\n\tcounter c {\n\t\tpackets 4 bytes 184\n\t}\n}\n", nft.PrintOptions{}},
		{"reset shows what was", "reset counters", "table ip t {\n\tcounter c {\n\t\tpackets 4 bytes 184\n\t}\n}\n", nft.PrintOptions{}},
		{"after the reset", "list counter ip t c", "table ip t {\n\tcounter c {\n\t\tpackets 0 bytes 0\n\t}\n}\n", nft.PrintOptions{}},
		{"reset of a quota", "reset quota ip t q", "table ip t {\n\tquota q {\n\t\t5 mbytes used 184 bytes\n\t}\n}\n", nft.PrintOptions{}},
		{"after its reset", "list quotas", "table ip t {\n\tquota q {\n\t\t5 mbytes\n\t}\n}\n", nft.PrintOptions{}},
		{"a change and a question", "add table ip u; list tables", "table ip t\ntable ip u\n", nft.PrintOptions{}},
		{"JSON", "list tables ip", `{"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}, ` +
			`{"table": {"family": "ip", "name": "t", "handle": 1}}, {"table": {"family": "ip", "name": "u", "handle": 2}}]}` + "\n", nft.PrintOptions{JSON: true}},
		{"JSON commands", `{"nftables": [{"delete": {"table": {"family": "ip", "name": "u"}}}, {"list": {"table": {"family": "ip", "name": "t"}}}]}`, "", nft.PrintOptions{JSON: true}},
		{"what they did", "list tables", "table ip t\n", nft.PrintOptions{}},
		{"a rule without the word", "ip t f udp dport 9 drop", "", nft.PrintOptions{}},
	} {
		got := b.nft(t, row.show, row.text)
		if got != row.want && (row.want != "" || row.name != "JSON commands") {
			t.Errorf("%s: %s\n%s\nwant\n%s", row.name, row.text, got, row.want)
		}
	}
	b.send(t, 1) // the rule's own counter went on over all of that
	if got := b.list(t); !strings.Contains(got, "udp dport 53 counter packets 10 bytes 330 accept") {
		t.Errorf("the rule's counter:\n%s", got)
	}
	err := b.Nft(t.Context(), &Request{Script: Script{Text: `{"nftables": [{"add": {"frob": null}}]}`}, Show: nft.PrintOptions{JSON: true}}, io.Discard)
	if err == nil || !strings.HasPrefix(err.Error(), "internal:0:0-0: Error: ") {
		t.Errorf("wrong JSON: %v", err)
	}
}

// TestNftStats: what a change took and what the rules before it judged is said on request.
func TestNftStats(t *testing.T) {
	b := newTestBox(t)
	b.nft(t, nft.PrintOptions{}, counting)
	b.send(t, 3)
	const took = `[0-9.]+(ns|µs|ms|s)`
	for _, row := range []struct {
		text  string
		check bool
		want  string
	}{
		{"list tables", false, `table ip t\nstats: nothing to change\n`},
		{"add rule ip t f accept", true, `stats: checked only: 3 rules, compile ` + took + `\n`},
		{"add rule ip t f accept", false, `stats: generation 3: 3 rules, compile ` + took + `, copy ` + took + `, grace ` + took + `\nstats: generation 2: 3 packets judged\n`},
		{"add table ip u; list tables", false, `table ip t\ntable ip u\nstats: generation 4: .*\nstats: generation 3: 0 packets judged\n`},
	} {
		var out strings.Builder
		request := &Request{Script: Script{Name: "x", Text: row.text}, Check: row.check, Stats: true}
		if err := b.Nft(t.Context(), request, &out); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^` + row.want + `$`).MatchString(out.String()) {
			t.Errorf("%s: %s\nwant %s", row.text, out.String(), row.want)
		}
	}
}

// TestSetsMadeAnew: what packets have put into a set stays for as long as the set does,
// as in the kernel, and no longer: one that is made anew begins with what its text says.
func TestSetsMadeAnew(t *testing.T) {
	const seen = "table ip t {\n\tset seen {\n\t\ttype ipv4_addr\n\t\tsize 100\n\t\tflags dynamic\n\t}\n\n" +
		"\tchain f {\n\t\ttype filter hook forward priority filter; policy accept;\n\t\tadd @seen { ip saddr }\n\t}\n}\n"
	b := newTestBox(t)
	b.nft(t, nft.PrintOptions{}, "flush ruleset\n"+seen)
	for _, row := range []struct {
		text string
		stay bool
	}{
		{seen, true}, // the rule stands there twice then
		{"add rule ip t f counter", true},
		{"flush chain ip t f; add rule ip t f add @seen { ip saddr }", true},
		{"add table ip u; delete table ip u", true},
		{"flush set ip t seen", false},
		{"flush chain ip t f; delete set ip t seen; add set ip t seen { type ipv4_addr; size 100; flags dynamic; }; add rule ip t f add @seen { ip saddr }", false},
		{"delete table ip t\n" + seen, false},
		{"flush ruleset\n" + seen, false},
	} {
		b.send(t, 1)
		if got := b.nft(t, nft.PrintOptions{}, "list set ip t seen"); !strings.Contains(got, "elements = {") {
			t.Fatalf("before %q nothing is there:\n%s", row.text, got)
		}
		b.nft(t, nft.PrintOptions{}, row.text)
		if got := b.nft(t, nft.PrintOptions{}, "list set ip t seen"); strings.Contains(got, "elements = {") != row.stay {
			t.Errorf("after %q, want elements %v:\n%s", row.text, row.stay, got)
		}
	}
}

// TestNftMonitor follows changes as text and as JSON, and compares with the echo.
func TestNftMonitor(t *testing.T) {
	b := newTestBox(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	follow := func(show nft.PrintOptions, text string) func() string {
		in, out := io.Pipe()
		go func() {
			_ = b.Nft(ctx, &Request{Script: Script{Text: text}, Show: show}, out) // ends with ctx
			_ = out.Close()
		}()
		lines := bufio.NewReader(in)
		return func() string {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			return line
		}
	}
	all, rules := follow(nft.PrintOptions{}, "monitor\n"), follow(nft.PrintOptions{JSON: true}, "monitor new rules\n")
	for {
		b.server.Book.change.Lock()
		n := len(b.server.Book.watchers)
		b.server.Book.change.Unlock()
		if n == 2 {
			break
		}
	}
	b.nft(t, nft.PrintOptions{}, "add table ip t\nadd chain ip t c { type filter hook forward priority 0; }\nadd set ip t s { type ipv4_addr; elements = { 1.1.1.1 }; }\nadd rule ip t c ip saddr @s drop\n")
	var echo bytes.Buffer
	if err := b.Nft(t.Context(), &Request{Script: Script{Text: "insert rule ip t c tcp dport { 5, 6 } accept"}, Echo: true, Show: nft.PrintOptions{Handles: true}, From: "7 (sluice)"}, &echo); err != nil {
		t.Fatal(err)
	}
	if want := regexp.MustCompile(`^insert rule ip t c tcp dport { 5, 6 } accept # handle 5\n# new generation \d+ by process 7 \(sluice\)\n$`); !want.MatchString(echo.String()) {
		t.Errorf("echo %q", echo.String())
	}
	b.nft(t, nft.PrintOptions{}, "delete rule ip t c handle 3\ndelete set ip t s\n")
	for _, want := range []string{
		"add table ip t\n", "add chain ip t c { type filter hook forward priority filter; policy accept; }\n",
		"add set ip t s { type ipv4_addr; } \n", "add element ip t s { 1.1.1.1 }\n", "add rule ip t c ip saddr @s drop\n", "# new generation 2 by process 1 (test)\n",
		"insert rule ip t c tcp dport { 5, 6 } accept\n", "# new generation 3 by process 7 (sluice)\n",
		"delete rule ip t c handle 3\n", "delete set ip t s\n", "# new generation 4 by process 1 (test)\n",
	} {
		if got := all(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, want := range []string{`{"add": {"rule": {"family": "ip", "table": "t", "chain": "c", "handle": 3,`, `{"insert": {"rule": {"family": "ip", "table": "t", "chain": "c", "handle": 5,`} {
		if got := rules(); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
