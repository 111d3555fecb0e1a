package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/cmd/sluice/control"
)

// version is set by the linker.
var version = "unknown"

// Exit status.
const (
	exitOK     = 0
	exitFailed = 1 // the command failed and says why
	exitUsage  = 2
)

// usageError is a command line that makes no sense.
type usageError struct{ error }

func main() {
	// First of all: a shell starts what runs in the background with SIGINT ignored.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit status. When ctx ends, what
// goes on for a time ends and shows what there is.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case !started, errors.As(err, &usage):
		fmt.Fprintf(stderr, "sluiceperf: %v\nSee 'sluiceperf help'.\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "sluiceperf: %v\n", err)
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluiceperf",
		Short: "where a running box's time goes",
		Long: `sluiceperf shows where the time of a running box (sluice run) goes: by worker,
by stage of the packet path, by rule and by function. The box keeps the accounts
only while they are asked for.

Exit status: 0 success, 1 the command failed and says why, 2 wrong usage.`,
		Example: `  sluiceperf top
  sluiceperf record --for 10s -o before.perf
  sluiceperf report before.perf --html before.html
  sluiceperf diff before.perf after.perf`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newTop(), newRecord(), newReport(), newDiff(), newLatency(), newCounters())
	return root
}

// boxFlag adds the flag that says which box.
func boxFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "control", "", "speak with the box whose control socket is at `PATH`, not the one of this network namespace")
}

// pause waits for so long, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// profiled runs f with profiling on, and leaves it as it was.
func profiled(box *control.Client, f func(start control.Profile) error) (err error) {
	was, err := box.Profile()
	if err != nil {
		return err
	}
	start, err := box.SetProfiling(true)
	if err != nil {
		return err
	}
	if !was.On {
		defer func() {
			if _, e := box.SetProfiling(false); err == nil {
				err = e
			}
		}()
	}
	return orEnded(box, f(start))
}

// orEnded adds to an error that the box is gone, if it is.
func orEnded(box *control.Client, err error) error {
	if err == nil {
		return nil
	}
	if _, gone := box.Status(); gone != nil {
		return fmt.Errorf("the box has ended, or does not answer any more: %w", err)
	}
	return err
}
