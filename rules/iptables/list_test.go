package iptables

import (
	_ "embed"
	"regexp"
	"strings"
	"testing"
)

// listText is what iptables 1.8.9 listed (-nL) of rules that it took: tool, table,
// chain, rule, and the lines of the listing, several separated by " ## ".
//
//go:embed testdata/list.tsv
var listText string

// shownAsSaved are rules that are shown in the words of -S.
var shownAsSaved = regexp.MustCompile(`-[mj] (bpf|nfacct)\b` +
	`|--hashlimit-rate-(match|interval)|--string "a\\\$b`)

func TestRulesListAsTheToolLists(t *testing.T) {
	rows := 0
	for line := range strings.Lines(listText) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		family := IPv4
		if f[0] == "ip6tables" {
			family = IPv6
		}
		rs, err := Restore(nil, family, "row", []byte("*"+f[1]+"\n-A "+f[2]+" "+f[3]+"\nCOMMIT\n"), RestoreOptions{})
		if err != nil || differences[f[3]] != "" {
			continue
		}
		var out strings.Builder
		if err := rs.table(f[1]).List(&out, family, ListOptions{Chain: f[2], Numeric: true}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")[2:]
		rows++
		if got := strings.Join(lines, " ## "); strings.TrimRight(got, " ") != strings.TrimRight(f[4], " ") && !shownAsSaved.MatchString(f[3]) {
			t.Errorf("%s %s\n  ours   %s\n  theirs %s", f[0], f[3], got, f[4])
		}
	}
	if rows < 600 {
		t.Errorf("%d rows only", rows)
	}
}
