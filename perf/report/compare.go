package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// Difference is a figure that two documents have.
type Difference struct {
	Row     // of the second document
	Before  float64
	Percent float64 // by which the second differs; 0 when the first is 0
}

// Compare pairs the figures of two documents by part, subject, size and name.
// only lists figures that one of them lacks.
func Compare(before, after *Document) (both []Difference, only []string) {
	type key struct {
		part, subject, name string
		size                int
	}
	of := func(r *Row) key { return key{r.Part, r.Subject, r.Name, r.Size} }
	old := map[key]float64{}
	rows := before.Rows()
	for i := range rows {
		old[of(&rows[i])] = rows[i].Value
	}
	seen := map[key]bool{}
	for _, r := range after.Rows() {
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
	return both, only
}

func (r *Row) label() string {
	s := r.Part + " " + r.Subject
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
	both, only := Compare(before, after)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
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
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Part, d.Subject, size, d.Name, inUnit(d.Before, d.Unit), inUnit(d.Value, d.Unit), change)
	}
	for _, line := range only {
		fmt.Fprintln(t, line)
	}
	return t.Flush()
}
