package support

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules/nft"
)

// TestMatrix wants an example for every row: what is refused is refused with a
// reason that is none of the example's.
func TestMatrix(t *testing.T) {
	rows := Matrix()
	seen := map[string]bool{}
	for _, r := range rows {
		if key := r.Kind + "\t" + r.Name; seen[key] {
			t.Errorf("%s twice", key)
		} else {
			seen[key] = true
		}
		if r.State() == "yes" {
			continue
		}
		if r.Reason == "" {
			t.Errorf("%s %s: no reason", r.Kind, r.Name)
		}
		if strings.HasPrefix(r.Reason, "unknown option") || strings.HasPrefix(r.Reason, "Bad argument") {
			t.Errorf("%s %s: the example is wrong: %s", r.Kind, r.Name, r.Reason)
		}
		if strings.HasPrefix(r.Reason, "syntax error") && !slices.Contains(refusedCommands, r.Name) {
			t.Errorf("%s %s: the example is wrong: %s", r.Kind, r.Name, r.Reason)
		}
	}
	for _, want := range []string{"match\ttcp dport", "match\tct state", "match\ttcp option maxseg size", "statement\tdnat", "set\tintervals in a concatenation", "command\treset counters", "iptables match\trecent", "iptables target\tCT"} {
		if !seen[want] {
			t.Errorf("no row %q", want)
		}
	}
	for line := range strings.Lines(judged) {
		if line = strings.TrimSpace(line); !seen[line] && !strings.HasPrefix(line, "match\t") {
			t.Errorf("judged.txt has %q, which is no row", line)
		}
	}
	var out bytes.Buffer
	if err := Fprint(&out, rows); err != nil || !strings.Contains(out.String(), "kernel oracle") {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestEveryStatement wants an example of every type of statement in the tree.
func TestEveryStatement(t *testing.T) {
	var text []byte
	for _, file := range []string{"../nft/ast.go", "../nft/ast_stmt.go"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, b...)
	}
	have := map[string]bool{}
	for _, s := range statements {
		have[exampleType(t, s)] = true
	}
	for _, m := range regexp.MustCompile(`func \(s \*(\w+)\) Position\(\)`).FindAllSubmatch(text, -1) {
		if m := string(m[1]); m != "Extension" && !have["*nft."+m] { // an extension has no text
			t.Errorf("no example of *nft.%s", m)
		}
	}
}

// exampleType is the type of the statement that an example is of: its last.
func exampleType(t *testing.T, s sample) string {
	t.Helper()
	for _, f := range nft.Families() {
		example := trial{family: f, table: s.table, hook: s.hook, rule: s.text}
		tree, err := nft.Parse("example", []byte(example.text()), nft.ParseOptions{})
		if err != nil {
			continue
		}
		for _, c := range tree.Tables[0].Chains {
			for _, r := range c.Rules {
				return fmt.Sprintf("%T", r.Stmts[len(r.Stmts)-1])
			}
		}
	}
	t.Errorf("%s: no family takes the example", s.name)
	return ""
}
