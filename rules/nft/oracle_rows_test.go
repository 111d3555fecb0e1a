package nft

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// oracleRow is a rule in a table of its own, and whether nft 1.0.6 takes it on a
// kernel that has what the rule needs: fail, ok, or once when nft's listing, and
// so ours, is refused or becomes another one when it is read again.
type oracleRow struct {
	line                                int
	family, verdict, chain, setup, rule string
}

func oracleRows(t testing.TB) []oracleRow {
	text, err := os.ReadFile("testdata/oracle.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var out []oracleRow
	for i, l := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		f := strings.Split(l, "\t")
		if i == 0 {
			continue
		}
		if len(f) != 5 {
			t.Fatalf("line %d has %d columns", i+1, len(f))
		}
		for _, family := range strings.Split(f[0], ",") {
			r := oracleRow{i + 1, family, f[1], f[2], f[3], f[4]}
			if family == "netdev" && r.chain == "" {
				r.chain = "type filter hook ingress device lo priority 0;"
			}
			out = append(out, r)
		}
	}
	return out
}

func (r *oracleRow) table(name string) string {
	return fmt.Sprintf("table %s %s {\n%s\nchain u {\n}\nchain c {\n%s\n%s\n}\n}\n", r.family, name, r.setup, r.chain, r.rule)
}

func listingOf(t testing.TB, rs *Ruleset) string {
	t.Helper()
	var b bytes.Buffer
	if err := Fprint(&b, rs, PrintOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestOracleRows wants the verdict of nft on every row, and that a listing reads
// back to itself.
func TestOracleRows(t *testing.T) {
	for _, r := range oracleRows(t) {
		rs, err := Parse("row", []byte(r.table("t")), ParseOptions{})
		if (err == nil) == (r.verdict == "fail") {
			t.Errorf("line %d, %s: nft says %s of %s, we %v", r.line, r.family, r.verdict, r.rule, err)
			continue
		}
		if err != nil {
			continue
		}
		text := listingOf(t, rs)
		again, err := Parse("listing", []byte(text), ParseOptions{})
		if err != nil && r.verdict == "once" {
			continue
		}
		if err != nil {
			t.Errorf("line %d, %s: the listing of %s is refused: %v", r.line, r.family, r.rule, err)
			continue
		}
		if got := listingOf(t, again); (got == text) != (r.verdict == "ok") {
			t.Errorf("line %d, %s: %s is marked %s, but lists as\n%s\nand that as\n%s", r.line, r.family, r.rule, r.verdict, text, got)
		}
	}
}

// TestOracleListing loads the rows into the kernel and compares the listings.
func TestOracleListing(t *testing.T) {
	nft := namespace(t)
	// Rows that need nothing but a chain share a table.
	shared := map[string][]oracleRow{}
	var text strings.Builder
	want := map[string]string{}
	add := func(family, name, table string) {
		rs, err := Parse("row", []byte(table), ParseOptions{})
		if err != nil {
			t.Errorf("%v", err)
			return
		}
		text.WriteString(table)
		want["table "+family+" "+name] = listingOf(t, rs)
	}
	for i, r := range oracleRows(t) {
		switch {
		case r.verdict == "fail":
		case r.setup == "" && (r.chain == "" || r.family == "netdev") && !strings.HasPrefix(r.rule, "meter "):
			shared[r.family] = append(shared[r.family], r)
		default:
			name := fmt.Sprintf("t%d", i)
			add(r.family, name, r.table(name))
		}
	}
	for family, rows := range shared {
		var b strings.Builder
		fmt.Fprintf(&b, "table %s shared {\nchain u {\n}\n", family)
		for i, r := range rows {
			fmt.Fprintf(&b, "chain c%d {\n%s\n}\n", i, r.rule)
		}
		b.WriteString("}\n")
		add(family, "shared", b.String())
	}
	if out, err := nft(text.String(), "-f", "-"); err != nil {
		t.Fatalf("nft refuses a row: %.2000s", out)
	}
	out, err := nft("", "list", "ruleset")
	if err != nil {
		t.Fatalf("list: %.2000s", out)
	}
	compared := 0
	for _, part := range strings.SplitAfter(out, "\n}\n") {
		head, _, _ := strings.Cut(part, " {")
		if part == "" {
			continue
		}
		compared++
		if want[head] != part {
			ours, theirs := strings.Split(want[head], "\n"), strings.Split(part, "\n")
			for i := range min(len(ours), len(theirs)) {
				if ours[i] != theirs[i] {
					t.Errorf("%s:\n  ours %s\n  nft  %s", head, ours[i], theirs[i])
				}
			}
		}
	}
	if compared != len(want) {
		t.Errorf("%d tables compared, %d loaded", compared, len(want))
	}
	t.Logf("%d tables compared", compared)
}
