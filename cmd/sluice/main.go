package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

// version is set by the linker (see Makefile).
var version = "unknown"

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// failure is an error of the work itself; every other error that reaches run
// is one of usage.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// failed marks err as one of the work.
func failed(err error) error {
	if err == nil {
		return nil
	}
	return &failure{err}
}

// errReported ends a command with status 1 after it has said why itself.
var errReported = errors.New("already reported")

// exitStatus ends a command that has said everything with a status of its own.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("status %d", int(e)) }

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run executes one command line and returns the exit status.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	var work *failure
	var own exitStatus
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &own):
		return int(own)
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &work):
		fmt.Fprintf(stderr, "sluice: %v\n", err)
		return exitFailed
	default:
		about := strings.TrimPrefix(cmd.CommandPath(), "sluice")
		fmt.Fprintf(stderr, "sluice: %v\nSee 'sluice help%s'.\n", err, about)
		return exitUsage
	}
}

// newRoot builds the command tree anew, so that no flag survives a run.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "netfilter in user space: stateful firewall, NAT and router",
		Long: `sluice is netfilter in user space: a stateful firewall, NAT and router that
reads rulesets in the nftables language and lists connections as conntrack does.

Exit status: 0 success, 1 the command failed and says why, 2 wrong usage.`,
		Example: `  sluice demo
  sluice run --port eth0 --port eth1 --rules home.nft
  sluice nft list ruleset
  sluice check /etc/nftables.conf
  sluice replay --rules home.nft --in lan.pcap --in2 wan.pcap`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newRun(), newNft(), newIptables("iptables"), newIptables("ip6tables"), newIptablesRestore("iptables"), newIptablesRestore("ip6tables"), newIptablesSave("iptables"), newIptablesSave("ip6tables"), newIptablesTranslate("iptables"), newIptablesTranslate("ip6tables"), newRestoreTranslate("iptables"), newRestoreTranslate("ip6tables"), newConntrack(), newProc(), newStatus(), newSupport(), newDoctor(), newCheck(), newFormat(), newReplay(), newDemo(), newVersion())
	return root
}

// arguments wants at least some arguments, of which what names the first that is
// missing, and at most some; max < 0: any number.
func arguments(min, max int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < min:
			return fmt.Errorf("%s is missing", what)
		case max >= 0 && len(args) > max:
			return fmt.Errorf("unexpected argument %q", args[max])
		}
		return nil
	}
}

// noArguments is for commands that have flags only.
var noArguments = arguments(0, 0, "")

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "sluice %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return failed(err)
		},
	}
}
