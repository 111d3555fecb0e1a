package main

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/rules"
	"github.com/sluice-net/sluice/rules/nft"
	"github.com/sluice-net/sluice/rules/support"
	"github.com/sluice-net/sluice/tools/oracle/rulefuzz"
)

const judgedFile = "../../rules/support/judged.txt"

var updateJudged = flag.Bool("update", false, "write "+judgedFile)

// judgedCases are how many random rulesets of seed 1 are looked at.
const judgedCases = 260

// TestJudged: the file that says what the kernel has judged has nothing that the
// rulesets here do not use.
func TestJudged(t *testing.T) {
	used := map[string]bool{}
	look := func(text string) {
		tree, err := nft.Parse("oracle", []byte(text), nft.ParseOptions{})
		if err != nil {
			return // of another kind: text for one side only
		}
		if _, err := rules.Compile(tree, rules.Options{}); err != nil {
			return
		}
		for _, row := range support.Rows(tree) {
			used[row] = true
		}
	}
	for _, text := range rulesets {
		look(text)
		if strings.HasPrefix(text, "*") {
			for _, row := range support.TableRows(text) {
				used[row] = true
			}
		}
	}
	for _, text := range []string{matching4, matching6} {
		for _, row := range support.TableRows(text) {
			used[row] = true
		}
	}
	for n := range judgedCases {
		look(rulefuzz.Make(1, n, rulefuzz.Options{NAT: true}).Text())
		look(rulefuzz.Make(1, n, rulefuzz.Options{Wire: true}).Text())
	}
	rows := slices.Sorted(maps.Keys(used))
	if *updateJudged {
		if err := os.WriteFile(judgedFile, []byte(strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(judgedFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range strings.Split(strings.TrimSpace(string(have)), "\n") {
		if !used[row] {
			t.Errorf("%s says %q, which nothing here uses: run go test ./tools/oracle -run TestJudged -update", judgedFile, row)
		}
	}
	if n := strings.Count(string(have), "\n"); n < len(rows) {
		t.Logf("%s has %d rows of %d: -update adds the others", judgedFile, n, len(rows))
	}
}
