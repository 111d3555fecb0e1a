package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/control"
	"github.com/sluice-net/sluice/perf/outfile"
)

func newRecord() *cobra.Command {
	var (
		path, file string
		length     time.Duration
		noCPU      bool
	)
	cmd := &cobra.Command{
		Use:   "record",
		Short: "record the box for a while into a file",
		Long: `Records for a while what top shows, and a CPU profile of the box, into a file for
report and diff. Ctrl-C or SIGTERM end it early; what there is then is kept.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if length <= 0 || length > 10*time.Minute {
				return usageError{fmt.Errorf("--for %v: want more than 0 and at most 10m", length)}
			}
			if err := outfile.Check(file); err != nil {
				return err
			}
			box, err := control.Connect(path)
			if err != nil {
				return err
			}
			looking, err := control.Connect(path)
			if err != nil {
				return err
			}
			r, err := record(cmd.Context(), box, looking, length, !noCPU)
			if err != nil {
				return err
			}
			if err := r.write(file); err != nil {
				return err
			}
			in := between(&r.Start, &r.End)
			t := in.total()
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %v, %d packets, %.1f ns/packet\n", file, in.Took.Round(time.Millisecond), t.Packets, t.PerPacket)
			if t.Packets == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "no packet came meanwhile")
			}
			return nil
		},
	}
	boxFlag(cmd, &path)
	cmd.Flags().DurationVar(&length, "for", 10*time.Second, "how long")
	cmd.Flags().StringVarP(&file, "output", "o", "sluice.perf", "write to `FILE`")
	cmd.Flags().BoolVar(&noCPU, "no-cpu", false, "leave the CPU profile out")
	return cmd
}

// record takes a recording of so long, or until ctx ends; by looking, a second
// client, it sees the queues meanwhile.
func record(ctx context.Context, box, looking *control.Client, length time.Duration, cpu bool) (*recording, error) {
	r := &recording{Format: recordingFormat, CPUs: runtime.NumCPU(), Begun: time.Now()}
	r.Host, _ = os.Hostname() // only a label
	err := profiled(box, func(start control.Profile) error {
		r.Start = start
		queues := &queueWatch{box: looking}
		looked := make(chan error, 1)
		go func() { looked <- queues.watch(ctx.Done(), length) }()
		if cpu {
			var b bytes.Buffer
			if err := box.CPUProfile(ctx, &b, length); err != nil {
				return fmt.Errorf("CPU profile: %w", err)
			}
			r.CPU = b.Bytes()
		} else {
			pause(ctx, length)
		}
		var err error
		if r.End, err = box.Profile(); err != nil {
			return err
		}
		if err = <-looked; err != nil {
			return err
		}
		r.Queues = queues.next()
		r.Status, err = box.Status()
		r.Version = r.Status.Version
		return err
	})
	return r, err
}
