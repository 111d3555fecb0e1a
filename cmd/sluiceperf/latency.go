package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/control"
)

func newLatency() *cobra.Command {
	var (
		path   string
		length time.Duration
	)
	cmd := &cobra.Command{
		Use:   "latency",
		Short: "show how long bursts take",
		Long: `Shows how long each worker's bursts took, from the moment it looked at its queues
until the last frame was on its way: what the box itself adds to a packet's way.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if length <= 0 {
				return usageError{fmt.Errorf("--for %v: want more than 0", length)}
			}
			box, err := control.Connect(path)
			if err != nil {
				return err
			}
			return profiled(box, func(start control.Profile) error {
				pause(cmd.Context(), length)
				end, err := box.Profile()
				if err != nil {
					return err
				}
				in := between(&start, &end)
				return writeLatency(cmd.OutOrStdout(), &in)
			})
		},
	}
	boxFlag(cmd, &path)
	cmd.Flags().DurationVar(&length, "for", 5*time.Second, "how long")
	return cmd
}

// latencySteps are the rows of the histogram: upper bounds.
var latencySteps = []time.Duration{
	time.Microsecond, 2 * time.Microsecond, 5 * time.Microsecond, 10 * time.Microsecond, 20 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond,
}

func writeLatency(to io.Writer, in *interval) error {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "worker\tbursts\tfill\tmean\tp50\tp90\tp99\tp99.9\tp99.99\tlongest\t")
	for i := range in.Workers {
		x := &in.Workers[i]
		fmt.Fprintf(w, "%d\t%d\t%.1f\t%v\t", i, x.Bursts.Count(), x.Fill, short(x.rate.Duration(uint64(x.Bursts.Mean()))))
		for _, q := range []float64{0.5, 0.9, 0.99, 0.999, 0.9999} {
			fmt.Fprintf(w, "%v\t", short(x.burstTime(q)))
		}
		fmt.Fprintf(w, "%v\t\n", short(x.rate.Duration(x.Bursts.Max())))
	}
	_ = w.Flush() // a buffer takes everything
	t := in.total()
	if t.Bursts.Count() == 0 {
		b.WriteString("no packet came meanwhile\n")
	} else {
		b.WriteByte('\n')
		below := 0.0
		for _, step := range latencySteps {
			upTo := t.Bursts.Below(uint64(float64(t.rate) * step.Seconds()))
			share := upTo - below
			below = upTo
			fmt.Fprintf(&b, "up to %8v  %6.2f %%  %s\n", step, 100*share, strings.Repeat("#", int(60*share+0.5)))
		}
		fmt.Fprintf(&b, "longer          %6.2f %%\n", 100*(1-below))
	}
	_, err := to.Write(b.Bytes())
	return err
}
