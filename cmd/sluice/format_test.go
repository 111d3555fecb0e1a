package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFormatKeepsWhatIsNotListed: -w refuses to lose part of a file, and names
// the first part it would lose.
func TestFormatKeepsWhatIsNotListed(t *testing.T) {
	const table = "table ip t { chain c { tcp dport 22 accept; }\n}\n"
	file := filepath.Join(t.TempDir(), "r.nft")
	other := filepath.Join(t.TempDir(), "other.nft")
	if err := os.WriteFile(other, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, text, says string }{
		{"nothing", table, ""},
		{"comment", table + "# mine\n", ":3:1: a comment"},
		{"first line", "#!/usr/sbin/nft -f\n" + table, ":1:1: a comment"},
		{"comment behind a rule", "table ip t { chain c {\n\taccept # all\n}\n}\n", ":2:9: a comment"},
		{"no comment", "table ip t { chain c { log prefix \"# not\"; }\n}\n", ""},
		{"definition", "define p = 22\n" + table, ":1:1: a definition"},
		{"definition in a block", "table ip t {\n define p = 22\n chain c { tcp dport $p accept; }\n}\n", ":2:2: a definition"},
		{"include", "include \"" + other + "\"\n", ":1:1: an include"},
		{"command", "table ip t\nflush ruleset\n" + table, ":2:1: a command (flush)"},
		{"variable of -D", "table ip t { chain c { tcp dport $given accept; }\n}\n", ":1:34: a variable"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, listing, _ := sluice(t, row.text, "fmt", "-D", "given=80", "-")
			status, stdout, stderr := sluice(t, "", "fmt", "-w", "-D", "given=80", file)
			want := row.text
			if row.says == "" {
				want = listing
			}
			if got, err := os.ReadFile(file); err != nil || string(got) != want {
				t.Errorf("the file holds %q (%v), want %q", got, err, want)
			}
			if (status == exitOK) != (row.says == "") || stdout != "" || !strings.Contains(stderr, row.says) {
				t.Errorf("status %d, stdout %q, stderr %q, want %q", status, stdout, stderr, row.says)
			}
			if row.says != "" && !strings.Contains(stderr, "--force") {
				t.Errorf("the flag is not named: %q", stderr)
			}
			if status, _, stderr = sluice(t, "", "fmt", "-w", "--force", "-D", "given=80", file); status != exitOK {
				t.Errorf("--force: status %d, %q", status, stderr)
			}
			if got, err := os.ReadFile(file); err != nil || string(got) != listing || listing == "" {
				t.Errorf("--force: the file holds %q (%v), want %q", got, err, listing)
			}
		})
	}
}
