package main

import (
	"errors"
	"fmt"
	"io"
	"os"

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

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run executes one command line and returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.Execute()
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
	return f(start)
}
