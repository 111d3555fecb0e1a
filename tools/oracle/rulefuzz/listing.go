package rulefuzz

import (
	"fmt"
	"regexp"
	"strings"
)

// Times that are left of elements differ by the time that passes between two listings.
var left = regexp.MustCompile(` expires [0-9a-z]+`)

// lines compares the text of two listings.
func lines(kernel, sluice string) (diffs []string) {
	a, b := strings.Split(left.ReplaceAllString(kernel, ""), "\n"), strings.Split(left.ReplaceAllString(sluice, ""), "\n")
	return unlike("listing", a, b)
}

// unlike compares two lists of lines and says the first differences.
func unlike(what string, a, b []string) (diffs []string) {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			diffs = append(diffs, what+": only sluice has "+b[i])
		case i >= len(b):
			diffs = append(diffs, what+": only the kernel has "+a[i])
		case a[i] != b[i]:
			diffs = append(diffs, what+":\n  kernel "+strings.TrimSpace(a[i])+"\n  sluice "+strings.TrimSpace(b[i]))
		}
		if len(diffs) == 4 {
			break
		}
	}
	return diffs
}

// values compares what two listings say that rules have counted and remembered.
func values(kernel, sluice string) []string {
	return unlike("value", valuesOf(kernel), valuesOf(sluice))
}

var counted = regexp.MustCompile(`(counter )?packets \d+ bytes \d+|used \d+ \w+`)

// valuesOf are the counters and quotas of a listing with the place of each, and
// the elements of the sets that rules change.
func valuesOf(list string) (all []string) {
	table, block, dynamic, elements := "", "", false, ""
	for line := range strings.Lines(left.ReplaceAllString(list, "")) {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "table "):
			table = text
		case strings.HasPrefix(line, "\t}"):
			if dynamic && elements != "" {
				all = append(all, table+" "+block+" "+elements)
			}
			block, dynamic, elements = "", false, ""
		case strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "\t\t"):
			block = text
		case strings.HasPrefix(text, "flags ") && strings.Contains(text, "dynamic"):
			dynamic = true
		case elements != "" || dynamic && strings.HasPrefix(text, "elements"):
			elements += text + " "
		default:
			for i, v := range counted.FindAllString(text, -1) {
				all = append(all, fmt.Sprintf("%s %s: %d. %s", table, block, i, v))
			}
		}
	}
	return all
}
