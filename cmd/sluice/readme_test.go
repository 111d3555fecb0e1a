package main

import (
	"os"
	"strings"
	"testing"
)

// TestReadme runs every command that README.md shows after `$ bin/sluice`, in
// the repository's root, and wants the output shown below it. A line of three
// dots ends what is shown; check's errors stand behind what it prints.
func TestReadme(t *testing.T) {
	t.Chdir("../..")
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	ran := 0
	for i, line := range lines {
		command, ok := strings.CutPrefix(line, "    $ bin/sluice ")
		if !ok {
			continue
		}
		ran++
		_, stdout, stderr := sluice(t, "", strings.Fields(command)...)
		got := strings.Split(stdout+stderr, "\n")
		for n, line := range lines[i+1:] {
			want, shown := strings.CutPrefix(line, "    ")
			if !shown || want == "..." {
				break
			}
			if n >= len(got) || got[n] != want {
				t.Errorf("%s: line %d is not %q in\n%s", command, n+1, want, stdout+stderr)
				break
			}
		}
	}
	if ran < 3 {
		t.Errorf("%d commands found", ran)
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "    $ ") && !strings.HasPrefix(line, "    $ bin/sluice ") {
			t.Errorf("not a command that can be pasted: %s", line)
		}
	}
}
