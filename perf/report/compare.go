package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// Difference is a figure that two documents have.
type Difference struct {
	Row     // of the second document
	Before  float64
	Percent float64 // by which the second differs; 0 when the first is 0
}

// Compare pairs the figures of two documents by part, subject, stream or port,
// size and name. In a part in which each of them has one subject, these are
// compared whatever they are called: renamed says so. only lists figures that one
// of the documents lacks.
func Compare(before, after *Document) (both []Difference, renamed, only []string) {
	type key struct {
		part, subject, of, name string
		size                    int
	}
	rows, newer := before.Rows(), after.Rows()
	first, second := oneSubject(rows), oneSubject(newer)
	for _, r := range newer {
		a, b := first[r.Part], second[r.Part]
		if line := fmt.Sprintf("%s: the first result is of %q, the second of %q", r.Part, a, b); a != b && a != "" && b != "" && !slices.Contains(renamed, line) {
			renamed = append(renamed, line)
		}
	}
	of := func(r *Row) key {
		k := key{r.Part, r.Subject, r.Of, r.Name, r.Size}
		if first[r.Part] != "" && second[r.Part] != "" {
			k.subject = ""
		}
		return k
	}
	old := map[key]float64{}
	for i := range rows {
		old[of(&rows[i])] = rows[i].Value
	}
	seen := map[key]bool{}
	for _, r := range newer {
		k := of(&r)
		seen[k] = true
		was, ok := old[k]
		if !ok {
			only = append(only, fmt.Sprintf("only in the second: %s", r.label()))
			continue
		}
		d := Difference{Row: r, Before: was}
		if was != 0 {
			d.Percent = 100 * (r.Value - was) / math.Abs(was)
		}
		both = append(both, d)
	}
	for i := range rows {
		if !seen[of(&rows[i])] {
			only = append(only, fmt.Sprintf("only in the first: %s", rows[i].label()))
		}
	}
	return both, renamed, only
}

// oneSubject returns the subject of each part that has only one.
func oneSubject(rows []Row) map[string]string {
	one := map[string]string{}
	for i := range rows {
		r := &rows[i]
		if was, ok := one[r.Part]; !ok {
			one[r.Part] = r.Subject
		} else if was != r.Subject {
			one[r.Part] = ""
		}
	}
	return one
}

func (r *Row) label() string {
	s := r.Part + " " + r.whole()
	if r.Size > 0 {
		s += fmt.Sprintf(" %d", r.Size)
	}
	return s + " " + r.Name
}

// inUnit writes a figure as reports do.
func inUnit(v float64, unit string) string {
	switch {
	case unit == "pps":
		return Rate(v)
	case unit == "bit/s":
		return Bits(v)
	case unit == "ns" && v >= 0:
		return Nanos(uint64(v))
	case unit == "frames" || unit == "connections":
		return fmt.Sprintf("%.0f", v)
	}
	return strings.TrimSpace(fmt.Sprintf("%.6g %s", v, unit))
}

// WriteComparison writes a table of two documents' figures.
func WriteComparison(w io.Writer, before, after *Document) error {
	both, renamed, only := Compare(before, after)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, line := range renamed {
		fmt.Fprintln(t, line)
	}
	fmt.Fprint(t, "part\tsubject\tsize\tfigure\tfirst\tsecond\tchange\n")
	for i := range both {
		d := &both[i]
		size, change := "", "="
		if d.Size > 0 {
			size = fmt.Sprint(d.Size)
		}
		if d.Value != d.Before {
			change = "from 0"
			if d.Before != 0 {
				change = fmt.Sprintf("%+.2f %%", d.Percent)
			}
			if better := float64(d.Better) * (d.Value - d.Before); better > 0 {
				change += " better"
			} else if better < 0 {
				change += " worse"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Part, d.whole(), size, d.Name, inUnit(d.Before, d.Unit), inUnit(d.Value, d.Unit), change)
	}
	for _, line := range only {
		fmt.Fprintln(t, line)
	}
	return t.Flush()
}
