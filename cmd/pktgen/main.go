package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluice-net/sluice/perf/report"
)

// version is set by the linker.
var version = "unknown"

// Exit status.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case !started:
		fmt.Fprintf(stderr, "pktgen: %v\nSee 'pktgen help'.\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "pktgen: %v\n", err)
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "pktgen",
		Short: "load a network box and measure what becomes of it",
		Long: `pktgen sends streams of frames, or opens connections, and measures loss,
disorder, corruption and latency. What it does is in a profile, a YAML file;
'pktgen example' prints one for a start. Ports are interfaces (AF_XDP), links in
memory, or capture files.

Exit status: 0 success, 1 the command failed and says why, 2 wrong usage.`,
		Example: `  pktgen example > first.yaml
  pktgen run first.yaml --html first.html --json first.json
  pktgen compare first.json second.json`,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newRun(), newCheck(), newExample(), newReport(), newCompare(), newSelftest())
	return root
}

func newCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check PROFILE.yaml",
		Short: "check a profile as run does, without sending anything",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := readProfile(args[0])
			if err != nil {
				return err
			}
			w, err := p.build(false)
			if err != nil {
				return err
			}
			for _, n := range w.notes {
				fmt.Fprintf(cmd.OutOrStdout(), "note: %s\n", n)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d ports, %d streams\n", args[0], len(w.ports), len(w.load.Streams))
			return w.close()
		},
	}
}

func newReport() *cobra.Command {
	out := &outputs{}
	cmd := &cobra.Command{
		Use:   "report RESULT.json",
		Short: "write a result in another form",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := report.ReadFile(args[0])
			if err != nil {
				return err
			}
			if err := out.check(); err != nil {
				return err
			}
			return out.write(d, cmd.OutOrStdout())
		},
	}
	out.flags(cmd)
	return cmd
}

func newCompare() *cobra.Command {
	return &cobra.Command{
		Use:   "compare A.json B.json",
		Short: "compare the figures of two results",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := report.ReadFile(args[0])
			if err != nil {
				return err
			}
			b, err := report.ReadFile(args[1])
			if err != nil {
				return err
			}
			return report.WriteComparison(cmd.OutOrStdout(), a, b)
		},
	}
}
