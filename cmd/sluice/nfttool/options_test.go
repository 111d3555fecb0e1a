package nfttool

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-net/sluice/cmd/sluice/control"
)

// remembering is a box that keeps the last request.
type remembering struct{ last *control.Request }

func (b *remembering) Nft(_ context.Context, r *control.Request, _ io.Writer) error {
	b.last = r
	return nil
}

// command runs a command line.
func command(t *testing.T, stdin string, args ...string) (r *control.Request, status int, stdout, stderr string) {
	t.Helper()
	box := &remembering{}
	var out, errs bytes.Buffer
	run := Runner{
		Connect: func(string) (Box, error) { return box, nil },
		Stdin:   strings.NewReader(stdin), Stdout: &out, Stderr: &errs, Version: "test",
	}
	status = run.Run(t.Context(), args)
	return box.last, status, out.String(), errs.String()
}

func TestOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.nft")
	if err := os.WriteFile(file, []byte("add table x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, args string
		want       func(r *control.Request) bool
	}{
		{"words are joined", "list ruleset", func(r *control.Request) bool { return r.Text == "list ruleset\n" }},
		{"cluster", "-ans list ruleset", func(r *control.Request) bool {
			return r.Show.Handles && r.Show.Stateless && r.Show.Symbols && r.Show.Time && r.Text == "list ruleset\n"
		}},
		{"abbreviation", "--han --ter list sets", func(r *control.Request) bool { return r.Show.Handles && r.Show.Terse }},
		{"file", "-c -f " + file, func(r *control.Request) bool { return r.Check && r.Text == "add table x" && r.Name == file }},
		{"file in the same word", "-cf" + file, func(r *control.Request) bool { return r.Check && r.Name == file }},
		{"a command wins over a file", "-f /absent list tables", func(r *control.Request) bool { return r.Text == "list tables\n" }},
		{"definition", "--define a=1 -D b=2 -f " + file, func(r *control.Request) bool { return r.Define["a"] == "1" && r.Define["b"] == "2" }},
		{"include", "-I /x --includepath=/y list tables", func(r *control.Request) bool { return slices.Equal(r.Include, []string{"/x", "/y"}) }},
		{"stats", "--stats -f -", func(r *control.Request) bool { return r.Stats && r.Text == "input" }},
		{"standard input", "-f -", func(r *control.Request) bool { return r.Name == "/dev/stdin" && r.Text == "input" }},
		{"a negative number in braces", "add chain t c { type filter hook input priority -5 }", func(r *control.Request) bool {
			return strings.HasSuffix(r.Text, "priority -5 }\n")
		}},
		{"two dashes", "-a -- list tables", func(r *control.Request) bool { return r.Text == "list tables\n" && r.Show.Handles }},
	} {
		r, status, _, errs := command(t, "input", strings.Fields(row.args)...)
		if status != 0 || r == nil || !row.want(r) {
			t.Errorf("%s: %q: status %d %s, %+v", row.name, row.args, status, errs, r)
		}
	}
}

// usageErrors are command lines that nft 1.0.6 refuses by itself.
var usageErrors = []string{
	"", "-x", "--foo", "--file", "-f", "--handle=3 list tables", "-f /absent", "-Dx=1 list tables", "-D x list tables",
	"list ruleset -a", "-a list ruleset -n", "add rule t c meta mark -1", "-D x", "-ax list tables", "-I",
}

func TestStatsIsText(t *testing.T) {
	r, status, _, errs := command(t, "", "--stats", "-j", "-f", "-")
	if r != nil || status != 1 || errs != "nft: --stats is text: leave -j out\n" {
		t.Errorf("status %d %q, asked %v", status, errs, r)
	}
}

func TestUsageErrors(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skipf("SKIPPED: comparing with nft needs it: %v", err)
	}
	for _, line := range usageErrors {
		args := strings.Fields(line)
		tool := exec.Command("nft", args...)
		want, err := tool.CombinedOutput()
		if err == nil || tool.ProcessState.ExitCode() != 1 {
			t.Fatalf("%q: nft takes it: %s", line, want)
		}
		_, status, out, errs := command(t, "", args...)
		if status != 1 || out != "" || strings.TrimSpace(errs) != strings.TrimSpace(string(want)) {
			t.Errorf("%q: status %d %s\n%q\nwant\n%q", line, status, out, errs, want)
		}
	}
}

func TestWithoutCommandLine(t *testing.T) {
	for text, want := range map[string]string{
		"<cmdline>:1:1-3: Error: no\nadd\n^^^": "Error: no\nadd\n^^^",
		"file.nft:1:1-3: Error: no\nadd\n^^^":  "file.nft:1:1-3: Error: no\nadd\n^^^",
		"":                                     "",
	} {
		if got := withoutCommandLine(text); got != want {
			t.Errorf("%q", got)
		}
	}
}
