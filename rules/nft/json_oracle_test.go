package nft

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var allRows = flag.Bool("allrows", false, "compare the JSON of every row of testdata/oracle.tsv, not of a twentieth")

// shifted marks what nft 1.0.6 lists with an additional shift, see doc.go.
const shifted = `"\u003e\u003e"`

// listingJSON lists as `nft -j list ruleset` does.
func listingJSON(t testing.TB, rs *Ruleset) []byte {
	t.Helper()
	var b bytes.Buffer
	q := &Query{Verb: "list", Object: "ruleset", Many: true}
	if err := q.Fprint(&b, rs, PrintOptions{JSON: true}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// entriesOf decodes the entries of a document; numbers keep their digits.
func entriesOf(t testing.TB, text []byte) []map[string]any {
	t.Helper()
	var doc struct{ Nftables []map[string]any }
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatalf("no JSON: %v\n%.300s", err, text)
	}
	return doc.Nftables
}

// sameJSON compares two documents; it returns the first entries that differ.
func sameJSON(t testing.TB, ours, theirs []byte) (a, b string, same bool) {
	t.Helper()
	x, y := entriesOf(t, ours), entriesOf(t, theirs)
	for i := range max(len(x), len(y)) {
		var e, f map[string]any
		if i < len(x) {
			e = x[i]
		}
		if i < len(y) {
			f = y[i]
		}
		for _, m := range []map[string]any{e, f} {
			if t, ok := m["table"].(map[string]any); ok {
				delete(t, "handle") // tables of the namespace that went before
			}
		}
		if c, ok := e["chain"].(map[string]any); ok {
			delete(c, "dev") // which nft 1.0.6 leaves out, see doc.go
		}
		if !reflect.DeepEqual(e, f) {
			p, _ := json.Marshal(e)
			q, _ := json.Marshal(f)
			if strings.Contains(string(q), shifted) {
				continue
			}
			return string(p), string(q), false
		}
	}
	return "", "", true
}

// TestOracleJSON: `nft -j list ruleset` of all that the text listings are compared
// with.
func TestOracleJSON(t *testing.T) {
	nft := namespace(t)
	compare := func(name, text string) {
		t.Helper()
		if out, err := nft("flush ruleset\n"+text, "-f", "-"); err != nil {
			t.Logf("%s: nft or this kernel refuses: %s", name, firstLine(out))
			return
		}
		theirs, err := nft("", "-j", "list", "ruleset")
		if err != nil {
			t.Errorf("%s: nft cannot list it as JSON: %s", name, firstLine(theirs))
			return
		}
		rs, err := Parse(name, []byte(text), ParseOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if ours, want, same := sameJSON(t, listingJSON(t, rs), []byte(theirs)); !same {
			t.Errorf("%s:\n%s\n%s\n%s", name, firstLine(text), ours, want)
		}
	}
	files, err := filepath.Glob(filepath.Join(corpora, "*.nft"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		compare(filepath.Base(f), string(text))
	}
	compareJSONRows(t, nft)
	for family, text := range oracleRules {
		head := strings.ReplaceAll("add table F T\nadd chain F T u\nadd chain F T c", "F", family)
		var rules []string
		for r := range strings.Lines(text) {
			if r = strings.TrimSpace(r); r != "" {
				rules = append(rules, "add rule "+family+" T c "+r)
			}
		}
		compareJSONTable(t, nft, head, rules)
	}
	compareJSONShapes(t, nft)
}

// compareJSONShapes compares the rows of testdata/oracle.tsv that this kernel has
// the parts for, each in a table of its own.
func compareJSONShapes(t *testing.T, nft func(string, ...string) (string, error)) {
	t.Helper()
	compared, different := 0, 0
	for i, r := range oracleRows(t) {
		if r.verdict != "ok" || !*allRows && i%20 != 0 {
			continue
		}
		text := r.table("T")
		if _, err := nft("flush ruleset\n"+text, "-f", "-"); err != nil {
			continue
		}
		theirs, err := nft("", "-j", "list", "ruleset")
		if err != nil || strings.Contains(theirs, "no json callback") {
			t.Logf("line %d: nft cannot list it as JSON: %s", r.line, firstLine(theirs))
			continue
		}
		rs, err := Parse("row", []byte(text), ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		compared++
		if ours, want, same := sameJSON(t, listingJSON(t, rs), []byte(theirs)); !same {
			different++
			t.Errorf("line %d: %s: %s %s\nours   %s\ntheirs %s", r.line, r.family, r.setup, r.rule, ours, want)
		}
	}
	t.Logf("%d tables compared, %d different", compared, different)
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// compareJSONRows compares the accepted rows of the corpus, those with one setup
// together as one table.
func compareJSONRows(t *testing.T, nft func(string, ...string) (string, error)) {
	t.Helper()
	type group struct{ head string }
	rules := map[group][]string{}
	var order []group
	for _, c := range openCases(t) {
		if c.expect == "fail" || strings.HasPrefix(c.rule, "add ") || strings.HasPrefix(c.rule, "delete ") {
			continue
		}
		if _, err := Parse("row", []byte(c.text()), ParseOptions{NoInclude: true}); err != nil {
			continue // another test counts these
		}
		lines := strings.Split(strings.TrimSpace(c.text()), "\n")
		g := group{strings.Join(lines[:len(lines)-1], "\n")}
		if rules[g] == nil {
			order = append(order, g)
		}
		rules[g] = append(rules[g], lines[len(lines)-1])
	}
	compared, different, unheard := 0, 0, 0
	for _, g := range order {
		rules := slices.Clone(rules[g])
		for len(rules) > 0 {
			n := min(len(rules), 40)
			a, b, c := compareJSONTable(t, nft, g.head, rules[:n])
			compared, different, unheard = compared+a, different+b, unheard+c
			rules = rules[n:]
		}
	}
	t.Logf("%d rows compared, %d different, %d not taken by this kernel", compared, different, unheard)
}

// compareJSONTable loads rules of one table together and compares one by one.
func compareJSONTable(t *testing.T, nft func(string, ...string) (string, error), head string, rules []string) (compared, different, unheard int) {
	t.Helper()
	text := head + "\n" + strings.Join(rules, "\n") + "\n"
	if _, err := nft("flush ruleset\n"+text, "-f", "-"); err != nil {
		if len(rules) == 1 {
			return 0, 0, 1
		}
		for _, half := range [][]string{rules[:len(rules)/2], rules[len(rules)/2:]} {
			a, b, c := compareJSONTable(t, nft, head, half)
			compared, different, unheard = compared+a, different+b, unheard+c
		}
		return compared, different, unheard
	}
	theirs, err := nft("", "-j", "list", "ruleset")
	if err != nil {
		t.Fatalf("nft cannot list: %s\n%s", theirs, text)
	}
	rs, err := Parse("rows", []byte(text), ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x, y := rulesOnly(entriesOf(t, listingJSON(t, rs))), rulesOnly(entriesOf(t, []byte(theirs)))
	if len(x) != len(y) {
		t.Fatalf("%d rules, nft has %d\n%s", len(x), len(y), text)
	}
	for i := range x {
		compared++
		if !reflect.DeepEqual(x[i], y[i]) {
			p, _ := json.Marshal(x[i])
			q, _ := json.Marshal(y[i])
			if strings.Contains(string(q), shifted) {
				continue
			}
			different++
			t.Errorf("%s\nours   %s\ntheirs %s", rules[i], p, q)
		}
	}
	return compared, different, unheard
}

func rulesOnly(entries []map[string]any) (out []any) {
	for _, e := range entries {
		if r, ok := e["rule"]; ok {
			out = append(out, r.(map[string]any)["expr"])
		}
	}
	return out
}
