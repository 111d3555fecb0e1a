package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newDiff() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff BEFORE AFTER",
		Short: "say what differs between two recordings",
		Long: `Compares two recordings: ns a packet by stage, burst times, the share of packets
that plans took, and the functions whose share of the samples changed most. One
recording each says little on a machine that does other things too: differences
under a tenth need several.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var reports [2]*reportOf
			for i, name := range args {
				var err error
				if reports[i], err = readReport(name); err != nil {
					return err
				}
			}
			return writeDiff(cmd.OutOrStdout(), reports[0], reports[1])
		},
	}
	return cmd
}

func writeDiff(to io.Writer, a, b *reportOf) error {
	var out bytes.Buffer
	fmt.Fprintf(&out, "before  %s\nafter   %s\n\n", a.title(), b.title())
	w := tabwriter.NewWriter(&out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tbefore\tafter\tchange\t")
	row := func(name, unit string, x, y float64) {
		change := "-"
		if x != 0 {
			change = fmt.Sprintf("%+.1f%%", 100*(y/x-1))
		}
		fmt.Fprintf(w, "%s\t%.1f %s\t%.1f %s\t%s\t\n", name, x, unit, y, unit, change)
	}
	row("packets a second", "", a.all.RxRate, b.all.RxRate)
	row("packet", "ns", a.all.PerPacket, b.all.PerPacket)
	for _, name := range joined(a.interval.Stages, b.interval.Stages) {
		row("  "+name, "ns", stageOfName(a, name), stageOfName(b, name))
	}
	row("idle", "%", 100*a.all.Idle, 100*b.all.Idle)
	row("packets a burst", "", a.all.Fill, b.all.Fill)
	for _, q := range []float64{0.5, 0.99, 0.999} {
		row(fmt.Sprintf("burst p%g", 100*q), "ns", float64(a.all.burstTime(q)), float64(b.all.burstTime(q)))
	}
	_ = w.Flush() // a buffer takes everything
	if a.stacks != nil && b.stacks != nil {
		writeFunctionDiff(&out, a.stacks, b.stacks)
	}
	_, err := to.Write(out.Bytes())
	return err
}

// stageOfName returns a stage's ns a packet, 0 when there is none of that name.
func stageOfName(r *reportOf, name string) float64 {
	if i := slices.Index(r.interval.Stages, name); i >= 0 {
		return r.all.Stages[i]
	}
	return 0
}

func joined(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// writeFunctionDiff writes the functions whose own share of the workers' samples
// changed most.
func writeFunctionDiff(to io.Writer, a, b *stacks) {
	type change struct {
		name     string
		was, now float64
	}
	shares := map[string]*change{}
	for i, s := range []*stacks{a, b} {
		for _, f := range s.graph.Functions() {
			c := shares[f.Name]
			if c == nil {
				c = &change{name: f.Name}
				shares[f.Name] = c
			}
			if share := percent(f.Self, s.all); i == 0 {
				c.was = share
			} else {
				c.now = share
			}
		}
	}
	var all []*change
	for _, c := range shares {
		if math.Abs(c.now-c.was) >= 0.1 {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(x, y *change) int {
		return cmp.Or(cmp.Compare(math.Abs(y.now-y.was), math.Abs(x.now-x.was)), cmp.Compare(x.name, y.name))
	})
	fmt.Fprintln(to)
	w := tabwriter.NewWriter(to, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "before\tafter\tchange of the share of samples, function")
	for i, c := range all {
		if i == reportFunctions {
			break
		}
		fmt.Fprintf(w, "%.1f%%\t%.1f%%\t%+.1f  %s\n", c.was, c.now, c.now-c.was, c.name)
	}
	_ = w.Flush() // a buffer takes everything
}
