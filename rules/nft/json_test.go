package nft

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// thereAndBack sends a rule set through JSON and back.
func thereAndBack(t *testing.T, name, text string) {
	t.Helper()
	rs, err := Parse(name, []byte(text), ParseOptions{NoInclude: true})
	if err != nil {
		return // others count these
	}
	// What nft lists otherwise than it was written is so from the second time on.
	if rs, err = Parse(name, []byte(listingOf(t, rs)), ParseOptions{NoInclude: true}); err != nil {
		return
	}
	doc := listingJSON(t, rs)
	commands, err := FromJSON(doc)
	var back *Ruleset
	if err == nil {
		back, err = Parse("internal", commands, ParseOptions{NoInclude: true})
	}
	for _, loss := range jsonLosses {
		if err != nil && strings.Contains(err.Error(), loss) {
			return
		}
	}
	if err != nil {
		t.Errorf("%s:\n%s\n%v\n%s", name, text, err, doc)
		return
	}
	if got := listingJSON(t, back); !bytes.Equal(withoutHandles(got), withoutHandles(doc)) {
		t.Errorf("%s:\n%s\nJSON %s\nread as %s\nand back %s", name, text, doc, commands, got)
	}
}

// jsonLosses are what nft's JSON leaves out, so that it cannot read its own lists:
// typeof, the flag of sets that rules change, and the family of a connection's address if that followed from a match; and
// chains written in rules, which are no objects in it.
var jsonLosses = []string{"unqualified type integer", "unqualified type string", "missing statement in", "cannot determine ip protocol version", "Unexpected expr array element of type string"}

var jsonHandle = regexp.MustCompile(`"handle": [0-9]+`)

// withoutHandles leaves handles out: JSON has chains before sets.
func withoutHandles(doc []byte) []byte { return jsonHandle.ReplaceAll(doc, nil) }

// TestJSONReadsBack: what is listed as JSON reads back to the same.
func TestJSONReadsBack(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpora, "*.nft"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		thereAndBack(t, filepath.Base(f), string(text))
	}
	for _, r := range oracleRows(t) {
		if r.verdict == "ok" {
			thereAndBack(t, "oracle row", r.table("T"))
		}
	}
	for _, c := range openCases(t) {
		if c.expect != "fail" {
			thereAndBack(t, c.src, c.text())
		}
	}
	for family, text := range oracleRules {
		for r := range strings.Lines(text) {
			if r = strings.TrimSpace(r); r != "" {
				thereAndBack(t, "oracle rule", "table "+family+" T {\n\tchain u {\n\t}\n\tchain c {\n\t\t"+r+"\n\t}\n}\n")
			}
		}
	}
}
