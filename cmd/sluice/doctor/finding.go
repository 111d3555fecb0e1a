package doctor

import (
	"fmt"
	"io"
)

// Level says how bad a finding is.
type Level uint8

// The levels, in order.
const (
	OK Level = iota
	Note
	Warning
	Error
)

func (l Level) String() string { return [...]string{"ok", "note", "WARNING", "ERROR"}[min(l, Error)] }

// Finding is one line.
type Finding struct {
	Level Level
	About string // machine, or an interface's name
	Text  string
	Mend  string // the command that mends it; empty: none is needed, or the text says what
}

// findings collects them about one thing.
type findings struct {
	about string
	list  []Finding
}

func (f *findings) add(l Level, mend, format string, args ...any) {
	f.list = append(f.list, Finding{l, f.about, fmt.Sprintf(format, args...), mend})
}

// Print writes findings, each with what mends it below, and a line that counts
// them. It returns the worst level.
func Print(w io.Writer, all []Finding) (worst Level, err error) {
	var counts [Error + 1]int
	for _, f := range all {
		worst = max(worst, f.Level)
		counts[f.Level]++
		if _, err := fmt.Fprintf(w, "%-8s %s: %s\n", f.Level, f.About, f.Text); err != nil {
			return worst, err
		}
		if f.Mend != "" {
			if _, err := fmt.Fprintf(w, "%8s # %s\n", "", f.Mend); err != nil {
				return worst, err
			}
		}
	}
	_, err = fmt.Fprintf(w, "%d fine, %d notes, %d warnings, %d errors\n", counts[OK], counts[Note], counts[Warning], counts[Error])
	return worst, err
}
