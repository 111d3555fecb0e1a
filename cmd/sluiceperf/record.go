package main

import (
	"bytes"
	"context"
	"errors"
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
report and diff. Ctrl-C or SIGTERM end it early; what there is then is kept. When
the box ends, its CPU profile is lost with it, and the file has the rest.`,
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
			if err != nil && r.Cut == "" {
				return err
			}
			if e := r.write(file); e != nil {
				return errors.Join(err, e)
			}
			if r.Cut != "" {
				return fmt.Errorf("%w; %s has what was read until then, %v, without a CPU profile",
					err, file, r.End.Time.Sub(r.Start.Time).Round(time.Millisecond))
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
// client, it reads accounts and queues meanwhile. When the box ends before, it
// returns the error and what was read until then, which Cut says.
func record(ctx context.Context, box, looking *control.Client, length time.Duration, cpu bool) (*recording, error) {
	r := &recording{Format: recordingFormat, CPUs: runtime.NumCPU(), Begun: time.Now()}
	r.Host, _ = os.Hostname() // only a label
	err := profiled(box, func(start control.Profile) (err error) {
		r.Start = start
		if r.Status, err = box.Status(); err != nil {
			return err
		}
		r.Version = r.Status.Version
		queues := &queueWatch{box: looking}
		watched, enough := context.WithCancel(ctx)
		looked := make(chan error, 1)
		go func() {
			defer enough()
			looked <- queues.watch(watched.Done(), length, func() error {
				last, err := looking.Profile()
				if err == nil {
					r.End = last
				}
				return err
			})
		}()
		err = r.wait(watched, box, length, cpu)
		enough()
		if e := <-looked; e != nil {
			err = e
		}
		r.Queues = queues.next()
		if err == nil {
			var end control.Profile
			if end, err = box.Profile(); err == nil {
				r.End = end
				r.Status, err = box.Status()
			}
		}
		if _, gone := box.Status(); err != nil && gone != nil && !r.End.Time.IsZero() {
			r.Cut, r.CPU = "the box ended, or stopped answering", nil // of a part of the time, if it came at all
		}
		return err
	})
	return r, err
}

// wait waits for so long, or until ctx does, and takes the CPU profile meanwhile.
func (r *recording) wait(ctx context.Context, box *control.Client, length time.Duration, cpu bool) error {
	if !cpu {
		pause(ctx, length)
		return nil
	}
	var b bytes.Buffer
	if err := box.CPUProfile(ctx, &b, length); err != nil {
		return fmt.Errorf("CPU profile: %w", err)
	}
	r.CPU = b.Bytes()
	return nil
}
